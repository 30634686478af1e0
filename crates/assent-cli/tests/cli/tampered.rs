//! A vault whose database something else changed: as whoever runs the program meets it.

use std::fs;
use std::path::Path;

use super::rights::ClubFixture;
use super::{database, stderr, stdout};

/// Writes other bytes of the same length into the database's file, as an editor of files does.
fn overwrite(club: &ClubFixture, before: &str, after: &str) {
    let file = Path::new(&club.vault()).join("assent.db");
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(before.len()).position(|window| window == before.as_bytes()).unwrap();
    bytes[at..at + before.len()].copy_from_slice(after.as_bytes());
    fs::write(&file, bytes).unwrap();
}

#[test]
fn a_database_that_something_else_changed_is_refused_and_told_of_and_comes_back_from_a_backup() {
    // The tables are in a file there.
    if database::on_postgres() {
        return;
    }
    let club = ClubFixture::new();
    fs::write(club.file("notice.txt"), "You will be looked for in these photos.").unwrap();
    club.run(&["notice", "add", &club.file("notice.txt")]);
    let (data, ring) = (club.file("backup"), club.file("ring-backup"));
    club.run(&["backup", "--to", &data, "--key-ring-to", &ring]);
    overwrite(&club, "looked for in these photos", "sold by us to all who pay.");
    let said = "changed by something other than assent";
    for args in [&["subject", "list"][..], &["erase", "m-1", "--yes"], &["notice", "list"], &["tick"]] {
        let refused = club.refused(args);
        assert!(refused.contains(said) && refused.contains("a notice"), "{args:?}: {refused}");
        assert!(refused.contains("assent audit verify") && refused.contains("assent restore"), "{args:?}: {refused}");
    }
    let verified = club.try_run(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_str(&stdout(&verified)).unwrap();
    assert_eq!((answer["whole"].as_bool(), &answer["fault"]), (Some(false), &serde_json::Value::Null), "{answer}");
    assert_eq!(answer["tampered"][0]["table"], "notices", "{answer}");
    assert!(stderr(&verified).contains(said), "{}", stderr(&verified));
    let doctor = stdout(&club.try_run(&["doctor"]));
    assert!(doctor.contains(said), "{doctor}");

    fs::remove_dir_all(club.vault()).unwrap();
    club.run(&["restore", "--from", &data, "--key-ring-from", &ring]);
    assert_eq!(club.run(&["audit", "verify"])["whole"], true);
}
