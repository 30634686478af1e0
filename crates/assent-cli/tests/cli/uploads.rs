//! Photos that are uploaded: kept in the vault's folder, scanned, found and handed out like a folder's.

use std::fs;

use serde_json::Value;

use super::consent;
use super::handout::below;
use super::rights::ClubFixture;
use super::walk::{packs, runtime};
use super::witnesses::{length, sign_with};
use super::{stderr, stdout};

/// Names of photos as an upload answers with them.
fn of(answer: &Value, list: &str, key: &str) -> Vec<String> {
    answer[list].as_array().unwrap().iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
}

fn photo(club: &ClubFixture, name: &str, grey: u8) -> String {
    let bytes = assent::encode::jpeg(&assent::Frame::filled(96, 64, [grey; 3]), 80).unwrap();
    fs::write(club.file(name), bytes).unwrap();
    club.file(name)
}

#[test]
fn uploaded_photos_are_told_apart_and_the_collection_says_where_they_are() {
    let club = ClubFixture::new();
    let told = club.says(&["collection", "add", "party", "--uploads", "--others", "closed-group"]);
    assert!(told.contains("assent upload party"), "{told}");
    let (one, two, again) = (photo(&club, "one.jpg", 10), photo(&club, "two.jpg", 20), photo(&club, "again.jpg", 10));
    fs::write(club.file("notes.txt"), "no photo").unwrap();
    let first = club.run(&["upload", "party", &one, &two, &again]);
    assert_eq!(of(&first, "uploaded", "photo"), ["one.jpg", "two.jpg"]);
    assert_eq!(
        (of(&first, "duplicates", "file"), of(&first, "duplicates", "photo")),
        (vec![again], vec!["one.jpg".into()])
    );
    // One that is no photo stops none of the others.
    let three = photo(&club, "three.jpg", 30);
    let mixed = club.try_run(&["upload", "party", &club.file("notes.txt"), &three, &club.file("away.jpg")]);
    assert_eq!(mixed.status.code(), Some(1));
    let answer = serde_json::Deserializer::from_str(&stdout(&mixed)).into_iter::<Value>().next().unwrap().unwrap();
    assert_eq!(of(&answer, "uploaded", "photo"), ["three.jpg"]);
    assert_eq!(of(&answer, "not_uploaded", "code"), ["upload-no-photo", "upload-unreadable"]);
    assert!(stderr(&mixed).contains("2 files not uploaded"), "{}", stderr(&mixed));
    // A web address is a file that is not there.
    let web = club.try_run(&["upload", "party", "https://example.org/a.jpg"]);
    assert!(stdout(&web).contains("upload-unreadable") && web.status.code() == Some(1), "{}", stdout(&web));
    // The files that were named stay, and so does what was uploaded when they go.
    fs::remove_file(&one).unwrap();
    let list = club.run(&["collection", "list"]);
    let party = list["collections"].as_array().unwrap().iter().find(|c| c["collection"] == "party").unwrap();
    assert_eq!(party["uploads"], true);
    let mut kept: Vec<String> = fs::read_dir(party["folder"].as_str().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, ["one.jpg", "three.jpg", "two.jpg"]);
    let shown = club.says(&["collection", "show", "party"]);
    assert!(shown.contains("uploaded photos, kept in "), "{shown}");
    let (to, ring) = (club.file("saved"), club.file("saved-ring"));
    let told = club.says(&["backup", "--to", &to, "--key-ring-to", &ring]);
    assert!(told.contains(&format!("not in it: copy {}", party["folder"].as_str().unwrap())), "{told}");
    let refused = club.refused(&["upload", "trip", &two]);
    assert!(refused.contains("lie in the folder"), "{refused}");
    club.run(&["freeze", "--collection", "party", "--reason", "court 7"]);
    let stopped = club.refused(&["upload", "party", &two]);
    assert!(stopped.contains("stop"), "{stopped}");
    assert_eq!(length(&list["collections"]), 2);
}

#[test]
fn uploaded_photos_are_scanned_found_and_handed_out_covered_like_a_folders() {
    let club = consent::club();
    club.run(&["collection", "add", "party", "--uploads", "--others", "closed-group"]);
    let (dpia, public) = (["--dpia", "D-1", "--dpia-date", "2020-01-01"], ["--notice-public", "2020-01-01"]);
    let said = ["--dpia-review", "2999-01-01", "--necessity", "many photos", "--alternative", "ask the office"];
    club.run(&[&["collection", "basis", "party"], &dpia[..], &public[..], &said[..]].concat());
    let (packs, runtime) = (packs(), runtime());
    let models = ["--packs", packs.to_str().unwrap(), "--runtime", runtime.to_str().unwrap()];
    let crew = packs.join("photos/crew");
    let names = ["expedition-1-crew.jpg", "great-sandy-desert--australia.jpg"];
    let photos = names.map(|name| crew.join("photos").join(name).to_str().unwrap().to_owned());
    club.run(&["upload", "party", &photos[0], &photos[1]]);
    for (witness, phrase) in [("Wanda", "three herons by the old lock"), ("Wim", "seven boats and a tin whistle")] {
        fs::write(club.file(witness), phrase).unwrap();
        club.run(&["witness", "add", witness, "--witness-passphrase-file", &club.file(witness)]);
    }
    let form = club.file("form.jpg");
    fs::write(&form, assent::encode::jpeg(&assent::Frame::filled(64, 64, [250; 3]), 80).unwrap()).unwrap();
    let portrait = crew.join("portraits/william-shepherd.jpg").to_str().unwrap().to_owned();
    let paper = ["--release", &form, "--witness", "Wanda", "--witness", "Wim", "--notice", &club.file("members.txt")];
    let who = ["enrol", "m-1", "--photo", &portrait, "--collection", "party"];
    club.run(&[&who[..], &paper, &models].concat());
    sign_with(&club, "Wanda", &models);
    let signed = sign_with(&club, "Wim", &models);
    assert_eq!(length(&signed["enrolled"]), 1, "{signed}");
    let scanned = club.run(&[&["scan", "party"], &models[..]].concat());
    assert_eq!(scanned["photos"], 2, "{scanned}");
    let out = club.file("copies");
    let found = club.run(&["find", "m-1", "--copy-to", &out]);
    assert_eq!(length(&found["photos"]), 1, "{found}");
    let copied = below(&out);
    let copy = copied.iter().find(|path| path.contains(".jpg")).unwrap_or_else(|| panic!("{copied:?}"));
    assert_ne!(fs::read(format!("{out}/{copy}")).unwrap(), fs::read(&photos[0]).unwrap(), "the others are covered");
    // Scanned again after more came, it goes on where it was.
    let walz = crew.join("photos/carl-walz.jpg").to_str().unwrap().to_owned();
    assert_eq!(length(&club.run(&["upload", "party", &walz, &photos[0]])["duplicates"]), 1);
    let again = club.run(&[&["scan", "party"], &models[..]].concat());
    assert_eq!((&again["photos"], &again["missing"]), (&Value::from(3), &scanned["missing"]), "{again}");
    // The photos may move into a folder of somebody's own.
    let kept = club.run(&["collection", "show", "party"])["folder"].as_str().unwrap().to_owned();
    let elsewhere = club.file("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for entry in fs::read_dir(&kept).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), format!("{elsewhere}/{}", entry.file_name().to_str().unwrap())).unwrap();
    }
    club.run(&["collection", "move", "party", &elsewhere]);
    let moved = club.run(&["collection", "show", "party"]);
    assert_eq!((&moved["uploads"], &moved["photos"]), (&Value::from(false), &Value::from(3)));
}
