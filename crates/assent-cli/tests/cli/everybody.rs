//! What is there for everybody at once: a folder of copies for each, and one page of proposals. No models are needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use assent::ledger::{Band, NewSubject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::consent::{agree_each, club, open};
use super::handout::{below, portrait_of, scanned_for};
use super::rights::ClubFixture;
use super::{assent, stderr, stdout};

const YEAR_MS: i64 = 365 * 86_400_000;

/// Who is on the roster beside `m-1`: handle, name, class.
const PEOPLE: &[(&str, &str, &str)] = &[
    // Of the same name as m-1, and of a handle that differs by case alone.
    ("M-1", "Mia <Member>", "7b"),
    // Names that are no names of files, and the same one once they are.
    ("a/b", "Bo", "7a"),
    ("a:b", "Bo", "7b"),
    ("..", "../..", "7b"),
    ("only-proposed", "Olga", "7a"),
    ("in-none", "Nora", "7a"),
    ("withdrew", "Wim", "7a"),
    ("never-asked", "Nils", "7a"),
];

/// Whose photos are sure, and in which file.
const SURE: &[(&str, &str)] =
    &[("m-1", "one.jpg"), ("M-1", "two.jpg"), ("a/b", "three.jpg"), ("a:b", "four.jpg"), ("..", "five.jpg")];

/// A club whose people agreed, but for one, and were scanned; then one of them withdrew.
fn school() -> ClubFixture {
    let club = club();
    let (ledger, now) = open(&club);
    let added = ledger.run_tx("add", now, |tx| {
        for (handle, name, group) in PEOPLE {
            let (age, jurisdiction) = ("adult".parse().unwrap(), "FR".parse().unwrap());
            tx.add_subject(&NewSubject { handle, name, group, age, jurisdiction, ..NewSubject::default() })?;
        }
        Ok(())
    });
    added.unwrap();
    drop(ledger);
    let mut agreed: Vec<&str> = PEOPLE.iter().map(|(handle, ..)| *handle).filter(|h| *h != "never-asked").collect();
    agreed.push("m-1");
    agree_each(&club, &agreed, YEAR_MS);
    let sure: Vec<_> = SURE.iter().map(|(who, path)| (*path, [(0, *who, Band::Match)])).collect();
    let mut photos: Vec<_> = sure.iter().map(|(path, who)| (*path, who.as_slice())).collect();
    photos.push(("both.jpg", &[(0, "m-1", Band::Match), (1, "M-1", Band::Match)]));
    photos.push(("theirs.jpg", &[(0, "withdrew", Band::Match), (1, "M-1", Band::Review)]));
    photos.push(("perhaps.jpg", &[(0, "withdrew", Band::Review), (1, "only-proposed", Band::Review)]));
    photos.push(("perhaps/m.jpg", &[(0, "m-1", Band::Review)]));
    scanned_for(&club, &agreed, &photos);
    club.run(&["consent", "withdraw", "withdrew"]);
    club
}

/// By handle, what is said of people.
fn by_handle(answer: &Value) -> BTreeMap<&str, &Value> {
    answer["people"].as_array().unwrap().iter().map(|one| (one["handle"].as_str().unwrap(), one)).collect()
}

fn codes(one: &Value) -> Vec<&str> {
    one["nothing"].as_array().unwrap().iter().map(|o| o["code"].as_str().unwrap()).collect()
}

fn copy_all(out: &str) -> [&str; 4] {
    ["find", "--all", "--copy-to", out]
}

#[test]
fn i4_everybodys_copies_lie_in_a_folder_for_each_and_hold_no_proposal_and_nobody_who_withdrew() {
    let club = school();
    let out = club.file("out");
    let answer = club.run(&copy_all(&out));
    let people = by_handle(&answer);
    assert_eq!(people.len(), PEOPLE.len() + 1, "everybody is told of");
    assert_eq!((&answer["copied"], &answer["to_confirm"]), (&7.into(), &3.into()), "{answer}");
    assert_eq!(club.logged("export"), people.len(), "each answer is an entry of the log");

    let mut all = Vec::new();
    let mut folders = BTreeSet::new();
    for (handle, path) in SURE {
        let folder = people[handle]["folder"].as_str().unwrap();
        let mut expected = vec![format!("trip/{path}")];
        if handle.eq_ignore_ascii_case("m-1") {
            expected.insert(0, "trip/both.jpg".to_owned());
        }
        assert_eq!(below(folder), expected, "{handle}");
        let name = Path::new(folder).strip_prefix(&out).unwrap().to_str().unwrap();
        assert!(!name.contains(['/', '<', ':']) && !name.starts_with('.') && !name.ends_with('.'), "{handle}: {name}");
        assert!(folders.insert(name.to_lowercase()), "{handle}: also where case does not count: {name}");
        all.extend(expected.into_iter().map(|file| format!("{name}/{file}")));
    }
    all.sort();
    assert_eq!(below(&out), all, "and nothing else lies there");
    for (handle, why, waiting) in [
        ("only-proposed", "to-confirm", 1),
        ("in-none", "not-there", 0),
        ("withdrew", "withdrew", 0),
        ("never-asked", "never-agreed", 0),
    ] {
        let one = people[handle];
        assert_eq!((&one["folder"], codes(one)), (&Value::Null, vec![why]), "{handle}");
        assert_eq!((&one["copied"], &one["to_confirm"]), (&0.into(), &waiting.into()), "{handle}");
    }

    // The same as each for themselves.
    for (handle, _) in SURE {
        let own = club.file("own");
        club.run(&["find", handle, "--copy-to", &own]);
        let folder = people[handle]["folder"].as_str().unwrap();
        for file in below(&own) {
            let read = |folder: &str| fs::read(Path::new(folder).join(&file)).unwrap();
            assert_eq!(read(&own), read(folder), "{handle}: {file}");
        }
        assert_eq!(below(&own), below(folder), "{handle}");
        fs::remove_dir_all(&own).unwrap();
    }
}

#[test]
fn whoever_has_no_photo_is_told_and_why() {
    let club = school();
    let said = club.says(&copy_all(&club.file("out")));
    for line in [
        "no photo for Olga (only-proposed). 1 photo waits to be confirmed.",
        "no photo for Nora (in-none). trip: none of 9 photos shows them.",
        "no photo for Nils (never-asked). trip: they never agreed to be looked for here.",
    ] {
        assert!(said.lines().any(|told| told == line), "{line}: {said}");
    }
    assert!(said.contains("no photo for Wim (withdrew). trip: they withdrew their permission on 20"), "{said}");
    assert!(
        said.contains("7 copies of 5 people are in ") && said.contains("3 photos that may show somebody"),
        "{said}"
    );
    assert!(!said.contains("no photo for Bo"), "{said}");

    let nobody = ClubFixture::new();
    let said = nobody.says(&copy_all(&nobody.file("out")));
    assert!(said.ends_with("No copies were made: there is no photo to copy.\n"), "{said}");
    assert!(!Path::new(&nobody.file("out")).exists());
    assert_eq!(nobody.says(&["review"]), "Nothing is to be confirmed.\n");
}

#[test]
fn a_run_for_everybody_that_was_cut_short_is_run_again_and_nothing_else_is_overwritten() {
    let club = school();
    let out = club.file("out");
    let first = club.run(&copy_all(&out));
    let folder = |handle: &str| by_handle(&first)[handle]["folder"].as_str().unwrap().to_owned();
    let all = below(&out);
    let bytes = || all.iter().map(|file| fs::read(Path::new(&out).join(file)).unwrap()).collect::<Vec<_>>();
    let whole = bytes();
    // What a killed run leaves: some people's copies, one that it had begun, and nothing of the others.
    fs::remove_dir_all(folder("m-1")).unwrap();
    fs::remove_file(Path::new(&folder("a:b")).join("trip/four.jpg")).unwrap();
    fs::write(Path::new(&folder("a:b")).join("trip/four.jpg.assent-part"), "half").unwrap();
    assert_eq!(club.run(&copy_all(&out))["people"], first["people"]);
    assert_eq!((below(&out), bytes()), (all.clone(), whole));

    // Another person's copies, or a file of one's own, in somebody's folder.
    let (mine, exports) = (Path::new(&folder("M-1")).join("trip/mine.txt"), club.logged("export"));
    for (flaw, content) in [
        ("a file of one's own", b"mine".to_vec()),
        ("somebody else's copy", fs::read(Path::new(&folder("a/b")).join("trip/three.jpg")).unwrap()),
    ] {
        fs::remove_dir_all(folder("a:b")).unwrap_or_default();
        fs::write(&mine, &content).unwrap();
        let told = club.refused(&copy_all(&out));
        assert!(told.contains("is not empty: ") && told.contains("mine.txt"), "{flaw}: {told}");
        assert_eq!(fs::read(&mine).unwrap(), content, "{flaw}");
        assert!(!Path::new(&folder("a:b")).exists(), "{flaw}: nothing is written for anybody");
    }
    assert_eq!(club.logged("export"), exports, "nor looked for");
    fs::remove_file(&mine).unwrap();
    club.run(&copy_all(&out));
    assert_eq!(below(&out), all);

    // Whoever left since has copies there still.
    club.run(&["consent", "withdraw", "a/b"]);
    let again = club.run(&copy_all(&out));
    let one = by_handle(&again)["a/b"];
    let left = Path::new(&folder("a/b")).join("trip/three.jpg").display().to_string();
    assert_eq!((&one["folder"], &one["left_over"]), (&Value::Null, &serde_json::json!([left])));
    let said = club.says(&copy_all(&out));
    assert!(said.contains(&format!("{left} is of an earlier run and is not among these photos.")), "{said}");
}

#[test]
fn a_photo_that_is_gone_is_named_and_everybody_else_gets_theirs() {
    let club = school();
    for name in ["both.jpg", "three.jpg"] {
        fs::remove_file(club.file(&format!("photos/{name}"))).unwrap();
    }
    let out = club.file("out");
    let output = assent(club.home(), &[&["--vault", &club.vault()], &copy_all(&out)[..]].concat());
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for name in ["both.jpg", "three.jpg"] {
        assert!(said.lines().any(|line| line.starts_with("left out: ") && line.contains(name)), "{name}: {said}");
    }
    assert!(said.contains("4 copies of 4 people are in "), "{said}");
    assert!(stderr(&output).starts_with("assent: 2 photos could not be used, see above"), "{}", stderr(&output));
    assert_eq!(below(&out).len(), 4);
}

#[test]
fn one_class_has_the_folders_that_it_has_among_all() {
    let club = school();
    let folders = |args: &[&str], out: &str| {
        let out = club.file(out);
        let answer = club.run(&[&copy_all(&out)[..], args].concat());
        let name = |one: &Value| one["folder"].as_str().map(|path| path.strip_prefix(&out).unwrap().to_owned());
        by_handle(&answer).into_iter().map(|(handle, one)| (handle.to_owned(), name(one))).collect::<BTreeMap<_, _>>()
    };
    let all = folders(&[], "all");
    let of = |group: &str| -> BTreeSet<&str> {
        PEOPLE.iter().filter(|(.., of)| *of == group).map(|(handle, ..)| *handle).collect()
    };
    for group in ["7a", "7b"] {
        let class = folders(&["--group", &group.to_uppercase()], group);
        assert_eq!(class.keys().map(String::as_str).collect::<BTreeSet<_>>(), of(group));
        assert!(class.iter().all(|(handle, folder)| all[handle] == *folder), "{class:?} {all:?}");
    }
    let review = club.run(&["review", "--group", "7b"]);
    assert_eq!(by_handle(&review).into_keys().collect::<Vec<_>>(), ["M-1"]);
    for args in [&["find", "--all", "--copy-to", &club.file("none"), "--group", "7z"][..], &["review", "--group", "7z"]]
    {
        let told = club.refused(args);
        assert!(told.contains("nobody on the roster is of the class or group '7z'"), "{args:?}: {told}");
    }
}

#[test]
fn everybodys_proposals_are_listed_shown_and_decided_by_number() {
    let club = school();
    let page = club.file("review.html");
    let searched = club.logged("search");
    let answer = club.run(&["review"]);
    assert_eq!(club.logged("search"), searched + PEOPLE.len() + 1, "each answer is an entry of the log");
    let people = by_handle(&answer);
    assert_eq!(people.keys().copied().collect::<Vec<_>>(), ["M-1", "m-1", "only-proposed"], "nobody who withdrew");
    let number = |handle: &str| people[handle]["proposals"][0]["number"].as_i64().unwrap();
    let photo = |handle: &str| people[handle]["proposals"][0]["photo"].as_str().unwrap();
    assert_eq!(["M-1", "m-1", "only-proposed"].map(photo), ["theirs.jpg", "perhaps/m.jpg", "perhaps.jpg"]);

    let said = club.says(&["review", "--sheet", &page]);
    assert!(said.contains("3 photos of 3 people wait to be confirmed."), "{said}");
    let html = club.text("review.html");
    let sections: Vec<&str> = html.split("<h2 class=\"who\">").skip(1).collect();
    assert_eq!(sections.len(), 3);
    for (section, (handle, heading)) in sections.iter().zip([
        ("M-1", "Mia &#60;Member&#62; (M-1)<"),
        ("m-1", "Mia &#60;Member&#62; (m-1)<"),
        ("only-proposed", "Olga (only-proposed)<"),
    ]) {
        assert!(section.starts_with(heading), "people of one name are told apart: {handle}");
        assert!(section.contains(&STANDARD.encode(portrait_of(handle))), "{handle}: their own face stands beside it");
        let command = format!("assent review {handle} --confirm {}", number(handle));
        assert!(section.contains(&command) && section.contains(photo(handle)), "{handle}");
    }
    let [upper, lower, olga] = ["M-1", "m-1", "only-proposed"].map(number);
    let several =
        format!("One command decides several: <code>assent review --confirm {upper},{lower} --refuse {olga}<");
    assert!(html.contains(&several), "{several}");
    assert_eq!(html.matches("<ellipse").count(), 3, "where several people are, it is clear whom it is about");
    for (_, sure) in SURE {
        assert!(!html.contains(sure), "{sure} is nothing to decide on");
    }
    assert!(!html.contains("withdrew"), "nor is anybody there who withdrew");

    let check = |flaw: &str, args: &[&str], says: &str| {
        let told = club.refused(&[&["review"], args].concat());
        assert!(told.contains(says), "{flaw}: {told}");
        assert_eq!(club.logged("decision"), 0, "{flaw}: nothing is kept");
    };
    let (m, upper) = (number("m-1").to_string(), number("M-1").to_string());
    check("a number of nobody", &["--confirm", &m, "--confirm", "999999"], "number 999999 is none of the photos");
    check("one of several", &["--confirm", &format!("{m},999999")], "number 999999 is none of the photos");
    check("both at once", &["--confirm", &m, "--refuse", &m], "is confirmed and refused at once");
    check("both at once, of one person", &["m-1", "--confirm", &m, "--refuse", &m], "is confirmed and refused at once");
    check("the page of one person", &["m-1", "--sheet", &page], "is there already");
    let after = club.run(&["review", "--confirm", &m, "--refuse", &upper, "--sheet", &page]);
    assert_eq!((&after["decided"], &after["to_confirm"]), (&2.into(), &1.into()));
    let html = club.text("review.html");
    assert!(
        html.contains("Is this Olga?") && !html.contains("Mia &#60;"),
        "the page is written anew over the last one"
    );
    let out = club.file("out");
    let copied = club.run(&copy_all(&out));
    let files = |handle: &str| below(by_handle(&copied)[handle]["folder"].as_str().unwrap());
    assert!(files("m-1").contains(&"trip/perhaps/m.jpg".to_owned()), "what was confirmed is handed out");
    assert_eq!(files("M-1"), ["trip/both.jpg", "trip/two.jpg"], "what was refused is not");

    fs::remove_file(club.file("photos/perhaps.jpg")).unwrap();
    let (none, vault) = (club.file("none.html"), club.vault());
    let output = assent(club.home(), &["--vault", &vault, "review", "--sheet", &none]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("No page was written: there is no photo to show."), "{}", stdout(&output));
    assert!(!Path::new(&none).exists());
}
