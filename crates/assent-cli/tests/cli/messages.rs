//! What is said when something was mistaken: what is wrong, with which thing, and what to do next.

use std::fs::{self, File};
use std::path::Path;

use serde_json::Value;

use super::rights::ClubFixture;
use super::{assent, at_a_terminal, command, stderr, stdout};

/// Why a command is refused, as a person reads it.
fn told(club: &ClubFixture, args: &[&str]) -> String {
    let vault = club.vault();
    let output = assent(club.home(), &[&["--vault", &vault], args].concat());
    assert!(!output.status.success(), "{args:?}: {}", stdout(&output));
    stderr(&output)
}

#[test]
fn two_people_of_one_name_are_listed_with_what_tells_them_apart() {
    let club = ClubFixture::new();
    let add = |handle: &str, more: &[&str]| {
        club.run(&[&["subject", "add", handle, "--name", "Anna M\u{fc}ller"], more].concat());
    };
    add("s-1", &["--group", "7b", "--born", "2011-04"]);
    add("s-2", &["--contact", "anna@example.org"]);
    let lines = "s-1\tAnna M\u{fc}ller\t7b\tborn 2011-04\ns-2\tAnna M\u{fc}ller\tanna@example.org\n";
    let listed = club.says(&["subject", "list"]);
    assert_eq!(listed, format!("m-1\tMia <Member>\n{lines}"), "more is said of those two alone");
    for args in
        [&["find", "anna mu\u{308}ller"][..], &["erase", "Anna M\u{fc}ller"], &["consent", "list", "Anna Müller"]]
    {
        let said = told(&club, args);
        let expected = lines.trim_end().replace('\n', "\n    ");
        assert!(said.contains("say which by the word in front") && said.contains(&expected), "{args:?}: {said}");
    }
    assert!(club.says(&["subject", "show", "s-2"]).starts_with("Anna M\u{fc}ller (s-2)\n"));
}

#[test]
fn a_notice_that_is_not_filled_in_is_refused_and_says_where() {
    let club = ClubFixture::new();
    let draft = format!("{}/drafts/notice.txt", club.vault());
    let said = told(&club, &["notice", "add", &draft]);
    assert!(said.contains("not filled in yet: [what the photos show]"), "{said}");
    let form = club.file("photos");
    let said = told(&club, &["enrol", "m-1", "--photo", &form, "--release", &form, "--notice", &draft]);
    assert!(said.contains("not filled in yet"), "{said}");
    assert_eq!(club.says(&["notice", "list"]), "No notice yet. Next: assent notice add FILE\n");
}

#[test]
fn a_purpose_that_nothing_acts_on_is_refused() {
    let club = ClubFixture::new();
    for (purpose, says) in
        [("banana", "there is no such purpose; write find-my-photos"), ("surveillance", "this purpose is refused")]
    {
        let args = ["enrol", "m-1", "--photo", "p.jpg", "--release", "r.pdf", "--purpose", purpose];
        let output = club.try_run(&args);
        assert_eq!(output.status.code(), Some(2), "{purpose}");
        assert!(stderr(&output).contains(says), "{purpose}: {}", stderr(&output));
    }
}

#[test]
fn an_album_that_no_photo_lies_in_is_refused() {
    let club = ClubFixture::new();
    fs::write(club.file("photos/a.jpg"), "a photo").unwrap();
    let open = ["request", "open", "search", "--subject", "m-1", "--collection", "trip", "--album"];
    let said = told(&club, &[&open[..], &["2026/"]].concat());
    assert!(said.contains("no photo of trip has a path that begins with 2026/; nothing was recorded"), "{said}");
    assert_eq!(club.says(&["request", "list"]), "Nothing is open.\n");
}

#[test]
fn a_vault_that_is_not_there_is_looked_for_near_by() {
    let club = ClubFixture::new();
    fs::create_dir_all(club.file("letters/2026")).unwrap();
    let from = |folder: &str, args: &[&str]| {
        let output = command(club.home(), args).current_dir(club.file(folder)).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        stderr(&output)
    };
    let said = from("letters/2026", &["--vault", "vault", "subject", "list"]);
    assert!(said.contains("but there is one at") && said.contains("name it with --vault"), "{said}");
    let said = from("letters/2026", &["--vault", "schule", "subject", "list"]);
    assert!(said.contains("If it lies elsewhere, name its whole path with --vault"), "{said}");
    let said = told(&club, &["init", "--household"]);
    assert!(said.contains("there is a vault at") && said.contains("assent doctor"), "before anything is asked: {said}");
}

#[test]
fn a_folder_is_one_collection_and_folders_in_each_other_are_told() {
    let club = ClubFixture::new();
    let photos = club.file("photos");
    fs::create_dir(club.file("photos/2026")).unwrap();
    fs::create_dir(club.file("other")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&photos, club.file("link")).unwrap();
    for same in [photos.clone(), format!("{photos}/"), format!("{photos}/../photos/."), club.file("link")] {
        let said = told(&club, &["collection", "add", "again", &same, "--others", "none"]);
        assert!(said.contains("is the collection trip already"), "{same}: {said}");
    }
    club.run(&["collection", "add", "other", &club.file("other"), "--others", "none"]);
    let said = told(&club, &["collection", "move", "other", &photos]);
    assert!(said.contains("is the collection trip already"), "{said}");
    club.run(&["collection", "move", "trip", &photos]);
    for (name, folder) in [("inner", club.file("photos/2026")), ("outer", club.file(""))] {
        let said = club.says(&["collection", "add", name, &folder, "--others", "none"]);
        assert!(said.contains(&format!("the folders of {name} and trip lie in each other")), "{name}: {said}");
    }
}

#[test]
fn no_file_of_another_kind_is_overwritten() {
    let club = ClubFixture::new();
    fs::write(club.file("mine"), "a letter\n").unwrap();
    let checkpoint = ["audit", "checkpoint", "--to"];
    let evidence = ["report", "evidence", "--to"];
    let mine = club.file("mine");
    for args in [
        &["access", "m-1", "--to"][..],
        &checkpoint,
        &evidence,
        &["erase", "m-1", "--certificate"],
        &["audit", "prove", "1", "--to"],
    ] {
        let said = told(&club, &[args, &[mine.as_str()]].concat());
        assert!(said.contains("is there already, and it is something else"), "{args:?}: {said}");
    }
    assert_eq!(club.text("mine"), "a letter\n");
    assert_eq!(club.run(&["subject", "list"])["subjects"].as_array().unwrap().len(), 1, "nobody was erased");
    assert_eq!(club.logged("access-answered"), 0);
    for args in [checkpoint, evidence] {
        let file = club.file(args[1]);
        for _ in 0..2 {
            club.run(&[&args[..], &[file.as_str()]].concat());
        }
    }
    let said = told(&club, &["access", "m-1", "--to", &club.file("evidence")]);
    assert!(said.contains("something else"), "a ZIP file of another kind: {said}");
}

#[test]
fn who_was_erased_is_named_by_a_number() {
    let club = ClubFixture::new();
    let id = club.id_of("m-1");
    let said = club.says(&["erase", "m-1", "--dry-run"]);
    assert!(said.starts_with("Would erase Mia <Member> (m-1):"), "{said}");
    let said = club.says(&["erase", "m-1"]);
    let command = format!("assent audit certificate {} --to FILE", &id[..8]);
    assert!(said.starts_with("Erased Mia <Member> (m-1):") && said.contains(&command), "{said}");
    for number in [&id[..8], &id] {
        let text = club.run(&["audit", "certificate", number])["certificate"].as_str().unwrap().to_owned();
        assert!(text.contains(&id), "{number}: {text}");
    }
    let said = told(&club, &["audit", "certificate", "00000000"]);
    assert!(said.contains("nobody who was erased here has the number '00000000'"), "{said}");
    club.run(&["subject", "add", "m-2", "--name", "Max", "--jurisdiction", "FR"]);
    let id = club.id_of("m-2");
    let erase = ["erase", "--jurisdiction", "FR"];
    assert!(club.says(&[&erase[..], &["--dry-run"]].concat()).starts_with("Max (m-2)\nWould erase 1 person."));
    let said = club.says(&erase);
    assert!(said.ends_with(&format!("{}\tMax (m-2)\n", &id[..8])), "{said}");
}

#[test]
fn a_passphrase_file_is_read_to_its_bound_and_no_further() {
    let club = ClubFixture::new();
    let add = |name: &str, file: &str| told(&club, &["witness", "add", name, "--witness-passphrase-file", file]);
    let huge = club.file("huge");
    File::create(&huge).unwrap().set_len(10 << 30).unwrap();
    fs::write(club.file("long"), "x".repeat(4097)).unwrap();
    fs::write(club.file("longest"), "x".repeat(4096)).unwrap();
    for file in ["/dev/zero", &huge, &club.file("long")] {
        if Path::new(file).exists() {
            let said = add("Wanda", file);
            assert!(said.contains("is longer than a passphrase may be (4096 bytes)"), "{file}: {said}");
        }
    }
    club.run(&["witness", "add", "Wanda", "--witness-passphrase-file", &club.file("longest")]);
    fs::write(club.file("empty"), "\n").unwrap();
    assert!(add("Wim", &club.file("empty")).contains("is empty; write it there, on one line"));
}

#[test]
fn the_rule_for_passphrases_is_said_before_one_is_typed() {
    let club = ClubFixture::new();
    let args = ["--vault", &club.vault(), "witness", "add", "Wanda"];
    let output = at_a_terminal(club.home(), &args, "short\n");
    let said = stdout(&output);
    let rule = said.find("Use at least 12 characters, for example four unrelated words.");
    let asked = said.find("New passphrase of Wanda:");
    assert!(rule.is_some() && rule < asked, "{said}");
    assert!(!said.contains("Once more"), "what is too short is not typed again: {said}");
    assert!(said.contains("this passphrase is too short") && output.status.code() == Some(1), "{said}");
}

#[test]
fn an_error_for_programs_has_a_code_a_message_and_a_hint() {
    let club = ClubFixture::new();
    let check = |args: &[&str], code: &str, message: &str, hint: Value| {
        let object: Value = serde_json::from_str(&club.refused(args)).unwrap();
        let (code, message) = (Value::from(code), Value::from(message));
        assert_eq!((&object["code"], &object["message"], &object["hint"]), (&code, &message, &hint), "{args:?}");
        let text = told(&club, args);
        let next = hint.as_str().unwrap_or_default();
        assert!(text.starts_with(&format!("assent: {}", message.as_str().unwrap())) && text.contains(next), "{text}");
        assert_eq!(object["error"], text.trim_end().trim_start_matches("assent: "), "{args:?}");
    };
    let add = ["subject", "add", "m-2", "--name", "Mia"];
    club.run(&add);
    let prove = ["audit", "prove", "999", "--to", &club.file("proof")];
    let about: Value = serde_json::from_str(&club.refused(&prove)).unwrap();
    assert_eq!(about["fields"], serde_json::json!({ "position": 999 }), "what it is about, as data");
    check(&prove, "no-leaf", "the log has no leaf 999", "`assent audit show` lists those that it has".into());
    let taken = "somebody has this short name already; choose another one";
    check(&add, "handle-taken", taken, Value::Null);
    let notice = "name the notice that the person was given: --notice FILE (its hash becomes part of the consent)";
    check(&["enrol", "m-1"], "notice-missing", notice, Value::Null);
}
