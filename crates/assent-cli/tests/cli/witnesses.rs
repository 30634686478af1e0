//! R4 from the command line: two witnesses with keys of their own, and enrolments that wait for them. There are no models
//! here, and nobody sits at a terminal.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::rights::{ClubFixture, unzipped};
use super::stdout;

/// A club with two witnesses, a notice, and portraits and forms that are pictures of one colour each.
pub(super) fn club() -> ClubFixture {
    let club = ClubFixture::new();
    club.run(&["subject", "set", "m-1", "--born", "adult", "--jurisdiction", "EU"]);
    club.run(&["subject", "add", "m-2", "--name", "Max", "--born", "adult", "--jurisdiction", "EU"]);
    fs::write(club.file("notice.txt"), "You will be looked for.").unwrap();
    fs::write(club.file("wanda"), "three herons by the old lock\n").unwrap();
    fs::write(club.file("wim"), "seven boats and a tin whistle\n").unwrap();
    for n in 1..9 {
        let picture = assent::encode::jpeg(&assent::Frame::filled(64 + n, 64, [n as u8 * 20; 3]), 80).unwrap();
        fs::write(club.file(&format!("{n}.jpg")), picture).unwrap();
    }
    for (name, file) in [("Wanda", "wanda"), ("Wim", "wim")] {
        let added = club.run(&["witness", "add", name, "--witness-passphrase-file", &club.file(file)]);
        assert_eq!(added["has_key"], true);
    }
    club
}

/// What follows `enrol SUBJECT` for a form and two witnesses.
fn form(club: &ClubFixture, release: u32, witnesses: [&str; 2]) -> Vec<String> {
    let [one, two] = witnesses;
    let (release, notice) = (club.file(&format!("{release}.jpg")), club.file("notice.txt"));
    let args = ["--release", &release, "--witness", one, "--witness", two, "--notice", &notice];
    args.map(str::to_owned).to_vec()
}

fn with<'a>(start: &[&'a str], rest: &'a [String]) -> Vec<&'a str> {
    start.iter().copied().chain(rest.iter().map(String::as_str)).collect()
}

pub(super) fn sign(club: &ClubFixture, name: &str, file: &str) -> Value {
    club.run(&["witness", "sign", name, "--witness-passphrase-file", &club.file(file)])
}

/// Signs with these models at hand; the passphrase is in the file of the witness's name.
pub(super) fn sign_with(club: &ClubFixture, name: &str, models: &[&str]) -> Value {
    club.run(&[&["witness", "sign", name, "--witness-passphrase-file", &club.file(name)], models].concat())
}

pub(super) fn length(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

#[test]
fn r4_a_witness_has_a_key_under_a_passphrase_of_their_own() {
    let club = club();
    let refused = club.refused(&["witness", "add", "Walt"]);
    assert!(refused.contains("--witness-passphrase-file is missing"), "{refused}");
    fs::write(club.file("short"), "short\n").unwrap();
    let refused = club.refused(&["witness", "add", "Walt", "--witness-passphrase-file", &club.file("short")]);
    assert!(refused.contains("at least 12 characters"), "{refused}");
    let refused = club.refused(&["witness", "add", "Wanda", "--witness-passphrase-file", &club.file("wim")]);
    assert!(refused.contains("R4") && refused.contains("has a passphrase already"), "{refused}");
    let listed = club.run(&["witness", "list"]);
    assert!(listed["witnesses"].as_array().unwrap().iter().all(|w| w["public_key"].as_str().unwrap().len() == 64));
    let refused = club.refused(&["witness", "sign", "Wanda"]);
    assert!(refused.contains("R4") && refused.contains("nothing waits"), "{refused}");
}

#[test]
fn r4_an_enrolment_waits_until_both_have_signed_and_the_models_are_there() {
    let club = club();
    let portrait = club.file("8.jpg");
    let enrol = ["enrol", "m-1", "--photo", &portrait];
    let refused = club.refused(&with(&enrol, &form(&club, 1, ["Wanda", "Wim"])));
    assert!(refused.contains("R17"), "what would stop it later stops it now: {refused}");
    let (dpia, public) = (["--dpia", "D-1", "--dpia-date", "2020-01-01"], ["--notice-public", "2020-01-01"]);
    let said = ["--dpia-review", "2999-01-01", "--necessity", "many photos", "--alternative", "ask the office"];
    club.run(&[&["collection", "basis", "trip"], &dpia[..], &public[..], &said[..]].concat());
    let refused = club.refused(&with(&enrol, &form(&club, 1, ["Wanda", "Wanda"])));
    assert!(refused.contains("R4") && refused.contains("--witness"), "one who is both: {refused}");
    let waits = club.run(&with(&enrol, &form(&club, 1, ["Wanda", "Wim"])));
    assert_eq!((length(&waits["waits_for"]), length(&waits["pictures_sha256"])), (2, 1));
    let again = club.refused(&with(&enrol, &form(&club, 2, ["Wanda", "Wim"])));
    assert!(again.contains("waits for the witnesses"), "{again}");
    assert!(
        club.refused(&with(&["enrol", "m-2", "--photo", &club.file("7.jpg")], &form(&club, 1, ["Wanda", "Wim"])))
            .contains("used before")
    );

    let shown = club.run(&["witness", "sign", "Wanda", "--dry-run"]);
    assert_eq!((length(&shown["waiting"]), &shown["waiting"][0]["handle"]), (1, &Value::from("m-1")));
    let refused = club.refused(&["witness", "sign", "Wanda", "--witness-passphrase-file", &club.file("wim")]);
    assert!(refused.contains("R4") && refused.contains("not the witness's passphrase"), "{refused}");
    let first = sign(&club, "Wanda", "wanda");
    assert_eq!((length(&first["signed"]), length(&first["enrolled"]), length(&first["still_waiting"])), (1, 0, 0));
    let twice = club.refused(&["witness", "sign", "Wanda", "--witness-passphrase-file", &club.file("wanda")]);
    assert!(twice.contains("R4") && twice.contains("has signed this already"), "{twice}");
    let second = sign(&club, "Wim", "wim");
    assert_eq!((length(&second["enrolled"]), length(&second["still_waiting"])), (0, 1));
    let because = second["still_waiting"][0]["because"].as_str().unwrap();
    assert!(because.contains("model"), "{because}");
    let refused = club.refused(&["enrol", "--complete"]);
    assert!(refused.contains("1 enrolment signed by both witnesses still wait"), "{refused}");
    let listed = club.run(&["consent", "list", "m-1"]);
    assert_eq!((length(&listed["consents"]), length(&listed["waiting"])), (0, 1), "no grant before it is complete");
    club.run(&["access", "m-1", "--to", &club.file("mia.zip")]);

    let withdrawn = club.run(&["consent", "withdraw", "m-1"]);
    assert_eq!((length(&withdrawn["withdrawn"]), length(&withdrawn["given_up"])), (0, 1));
    assert_eq!(length(&club.run(&["consent", "list", "m-1"])["waiting"]), 0);
    assert_eq!(length(&club.run(&["audit", "show", "--kind", "witness-signed"])["entries"]), 2);
    assert_eq!(club.run(&["audit", "verify"])["whole"], true);
}

#[test]
fn r4_one_signature_covers_a_whole_table_and_a_renewal_waits_too() {
    let club = club();
    let table = "id,name,photos,release,witnesses,purposes,born,jurisdiction\n\
                 m-1,Mia <Member>,,1.jpg,Wanda;Wim,publish-website,adult,EU\n\
                 m-2,Max,,2.jpg,Wanda;Wim,publish-website,adult,EU\n\
                 m-3,Moe,,3.jpg,Wim;Wanda,publish-website;publish-print,adult,EU\n";
    fs::write(club.file("people.csv"), table).unwrap();
    let recorded = club.run(&["enrol", "--roster", &club.file("people.csv"), "--notice", &club.file("notice.txt")]);
    assert_eq!((&recorded["waiting"], &recorded["enrolled"]), (&Value::from(3), &Value::from(0)));
    let first = sign(&club, "Wim", "wim");
    assert_eq!((length(&first["signed"]), first["signature"].is_string()), (3, true));
    let second = sign(&club, "Wanda", "wanda");
    assert_eq!((length(&second["enrolled"]), length(&second["still_waiting"])), (3, 0), "nobody is to be found here");
    assert_eq!(length(&club.run(&["consent", "list", "m-3"])["consents"]), 2);
    club.run(&["consent", "receipt", "m-3", "--to", &club.file("receipts")]);

    let renew = ["consent", "renew", "m-2", "--collection", "trip", "--purpose", "publish-website"];
    club.run(&with(&renew, &form(&club, 4, ["Wanda", "Wim"])));
    assert_eq!(length(&club.run(&["consent", "list", "m-2"])["consents"]), 1, "the old one holds meanwhile");
    sign(&club, "Wanda", "wanda");
    sign(&club, "Wim", "wim");
    let states: Vec<Value> = club.run(&["consent", "list", "m-2"])["consents"].as_array().unwrap().clone();
    let states: Vec<&str> = states.iter().map(|c| c["state"].as_str().unwrap()).collect();
    assert!(states.len() == 2 && states.contains(&"active") && states.contains(&"expired"), "{states:?}");
}

#[test]
fn the_doctor_names_what_waits_and_what_is_overdue() {
    let club = club();
    let says = || stdout(&club.try_run(&["doctor"]));
    assert!(!says().contains("witness sign") && !says().contains("overdue"));
    let form = form(&club, 1, ["Wanda", "Wim"]);
    club.run(&with(&["enrol", "m-1", "--purpose", "publish-print"], &form));
    club.run(&["request", "open", "access", "--received", "2026-01-01"]);
    assert!(says().contains("1 enrolment waits for witnesses: assent witness sign"), "{}", says());
    assert!(says().contains("1 request overdue"), "{}", says());
}

/// The files of a folder, with what they hold.
fn held(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}

#[test]
fn r4_a_witness_looks_at_the_picture_and_the_form_before_signing() {
    let club = club();
    let (dpia, public) = (["--dpia", "D-1", "--dpia-date", "2020-01-01"], ["--notice-public", "2020-01-01"]);
    let said = ["--dpia-review", "2999-01-01", "--necessity", "many photos", "--alternative", "ask the office"];
    club.run(&[&["collection", "basis", "trip"], &dpia[..], &public[..], &said[..]].concat());
    let (picture, form_bytes) = (fs::read(club.file("8.jpg")).unwrap(), fs::read(club.file("1.jpg")).unwrap());
    club.run(&with(&["enrol", "m-1", "--photo", &club.file("8.jpg")], &form(&club, 1, ["Wanda", "Wim"])));
    // Whatever becomes of the files.
    fs::remove_file(club.file("8.jpg")).unwrap();
    fs::write(club.file("1.jpg"), "something else").unwrap();
    let folder = club.file("look");
    let expected = BTreeMap::from([
        ("m-1 form 1.jpg".to_owned(), form_bytes.clone()),
        ("m-1 picture 8.jpg".to_owned(), picture.clone()),
    ]);
    let told = club.says(&["witness", "sign", "Wanda", "--dry-run", "--look", &folder]);
    assert!(told.contains("2 files in ") && told.contains("when you have looked"), "{told}");
    assert_eq!(held(&folder), expected);
    for file in fs::read_dir(&folder).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0, "nobody else reads them");
    }
    let again = club.refused(&["witness", "sign", "Wanda", "--dry-run", "--look", &folder]);
    assert!(again.contains("is there already"), "{again}");
    assert_eq!(held(&folder), expected, "and nothing was overwritten");
    // Signed, they go from the folder, and nothing else does.
    let other = club.file("other");
    fs::create_dir(&other).unwrap();
    fs::write(format!("{other}/notes.txt"), "mine").unwrap();
    let pass = ["--witness-passphrase-file", &club.file("wanda")];
    club.run(&[&["witness", "sign", "Wanda", "--look", &other], &pass[..]].concat());
    assert_eq!(held(&other).into_keys().collect::<Vec<_>>(), ["notes.txt"]);
    // What waits is theirs: it is in the file that tells them all.
    club.run(&["access", "m-1", "--to", &club.file("mia.zip")]);
    let handed = unzipped(&club.file("mia.zip")).into_iter().filter(|(name, _)| name.starts_with("waiting/"));
    let (names, handed): (Vec<String>, Vec<Vec<u8>>) = handed.unzip();
    assert!(handed.len() == 2 && handed.contains(&picture) && handed.contains(&form_bytes), "{names:?}");
}

#[test]
fn r4_a_picture_that_is_too_large_to_wait_is_told_before_anybody_is_recorded() {
    let club = club();
    fs::File::create(club.file("large.jpg")).unwrap().set_len((64 << 20) + 1).unwrap();
    let table = "id,name,photos,release,witnesses,born,jurisdiction,purposes\n\
                 m-2,Max,large.jpg,2.jpg,Wanda;Wim,adult,EU,find-my-photos\n";
    fs::write(club.file("people.csv"), table).unwrap();
    let (dpia, public) = (["--dpia", "D-1", "--dpia-date", "2020-01-01"], ["--notice-public", "2020-01-01"]);
    let said = ["--dpia-review", "2999-01-01", "--necessity", "many photos", "--alternative", "ask the office"];
    club.run(&[&["collection", "basis", "trip"], &dpia[..], &public[..], &said[..]].concat());
    let large = club.file("large.jpg");
    let alone = club.refused(&with(&["enrol", "m-1", "--photo", &large], &form(&club, 1, ["Wanda", "Wim"])));
    assert!(alone.contains("large.jpg is too large") && alone.contains("64 MB"), "{alone}");
    let args = ["enrol", "--roster", &club.file("people.csv"), "--notice", &club.file("notice.txt")];
    let output = club.try_run(&args);
    let told: Value = serde_json::Deserializer::from_str(&stdout(&output)).into_iter().next().unwrap().unwrap();
    let problem = &told["problems"][0];
    assert!(!output.status.success() && problem["column"] == "photos", "{told}");
    assert!(problem["says"].as_str().unwrap().contains("large.jpg is too large"), "{told}");
}
