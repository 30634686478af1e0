//! A full disk, an interrupted restore, an old key ring, and who may read what: as whoever runs the program meets it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use super::rights::ClubFixture;
use super::{database, stderr, stdout};

/// Runs a command that can write no file beyond this length: what lies before it may be overwritten, as on a full disk.
fn on_a_full_disk(club: &ClubFixture, bytes: u64, args: &[&str]) -> Output {
    // Without the trap such a write ends the program.
    Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec prlimit \"$@\"", "sh", &format!("--fsize={bytes}")])
        .args([env!("CARGO_BIN_EXE_assent"), "--vault", &club.vault()])
        .args(args)
        .env_remove("ASSENT_PACKS")
        .env_remove("ASSENT_RUNTIME")
        .env("XDG_DATA_HOME", club.home())
        .output()
        .unwrap()
}

fn doctor(club: &ClubFixture) -> String {
    let output = club.try_run(&["doctor"]);
    stdout(&output)
}

#[test]
fn a_full_disk_keeps_nobody_from_asking_and_what_was_done_is_not_denied() {
    // The server has a disk of its own.
    if database::on_postgres() {
        return;
    }
    let club = ClubFixture::new();
    club.run(&["subject", "add", "m-2", "--name", "Max Member"]);
    // No free page is left behind, so that the next erasure needs more room.
    club.run(&["subject", "add", "m-0", "--name", "Mia Member"]);
    club.run(&["erase", "m-0", "--yes"]);
    assert_eq!(club.run(&["tick"])["rewritten"], true);
    let size = fs::metadata(Path::new(&club.vault()).join("assent.db")).unwrap().len();
    let certificate = club.file("certificate");
    let erased = on_a_full_disk(&club, size, &["erase", "m-1", "--certificate", &certificate]);
    assert!(erased.status.success() && stdout(&erased).contains("Erased"), "{}", stderr(&erased));
    assert!(club.text("certificate").starts_with("assent erasure certificate"));
    let reading: [&[&str]; 8] = [
        &["subject", "list"],
        &["subject", "show", "m-2"],
        &["collection", "list"],
        &["request", "list"],
        &["freeze", "list"],
        &["due"],
        &["audit", "verify"],
        &["audit", "show"],
    ];
    for args in reading {
        let output = on_a_full_disk(&club, 0, args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    }
    let tick = on_a_full_disk(&club, size, &["tick"]);
    assert!(stdout(&tick).contains("could not be written anew"), "{} {}", stdout(&tick), stderr(&tick));
    let writing: [(&[&str], &str); 2] = [
        (&["subject", "add", "m-3", "--name", "Moritz"], "cannot write to the key ring"),
        (&["request", "open", "access", "--words", "what?"], "the disk that the vault is on is full; make room"),
    ];
    for (args, wanted) in writing {
        let refused = on_a_full_disk(&club, 0, args);
        assert_eq!(refused.status.code(), Some(1), "{args:?}");
        assert!(stderr(&refused).contains(wanted), "{args:?}: {}", stderr(&refused));
    }
    // There is room again.
    assert_eq!(club.run(&["subject", "list"])["subjects"].as_array().unwrap().len(), 1);
    assert_eq!(club.run(&["tick"])["rewritten"], true);
    assert!(doctor(&club).contains("good"), "{}", doctor(&club));
}

#[test]
fn a_restore_that_was_killed_is_run_again_at_the_default_places() {
    let club = ClubFixture::new();
    let (data, ring) = (club.file("backup"), club.file("safe/ring"));
    club.run(&["backup", "--to", &data, "--key-ring-to", &ring]);
    let restore = ["restore", "--from", &data, "--key-ring-from", &ring];
    // What a kill leaves: the name of the key ring, half a database, and the key ring or not.
    for ring_lost in [false, true] {
        let place = std::path::PathBuf::from(club.vault());
        fs::remove_dir_all(&place).unwrap();
        fs::create_dir(&place).unwrap();
        fs::copy(Path::new(&data).join("key-ring-name"), place.join("key-ring-name")).unwrap();
        fs::write(place.join("assent.db.restoring"), "half").unwrap();
        if ring_lost {
            fs::remove_file(&club.ring).unwrap();
        }
        for args in [&["subject", "list"][..], &["init", "--household", "--name", "Ann"]] {
            let refused = club.refused(args);
            assert!(refused.contains("run the same `assent restore` again"), "{args:?}: {refused}");
        }
        club.run(&restore);
        assert_eq!(club.run(&["subject", "show", "m-1"])["name"], "Mia <Member>");
    }
    assert!(club.refused(&restore).contains("there is a vault"));
}

#[test]
fn a_restored_vault_says_what_it_made_good_and_what_it_cannot_know() {
    let club = ClubFixture::new();
    let (data, ring, newest) = (club.file("backup"), club.file("safe/ring"), club.file("newest"));
    club.run(&["backup", "--to", &data, "--key-ring-to", &ring]);
    fs::create_dir(club.file("later")).unwrap();
    club.run(&["collection", "add", "later", &club.file("later"), "--others", "closed-group"]);
    club.run(&["subject", "restrict", "m-1"]);
    club.run(&["freeze", "--reason", "the court says so"]);
    club.run(&["request", "open", "access", "--words", "what do you hold of me?"]);
    club.run(&["audit", "checkpoint", "--to", &newest]);
    fs::remove_dir_all(club.vault()).unwrap();
    let said = club.says(&["restore", "--from", &data, "--checkpoint", &newest]);
    for part in ["1 person whose records may only be kept", "1 order to stop", "1 request", "At least 4 entries"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let request = &club.run(&["request", "list"])["requests"][0];
    assert_eq!(request["words"], "what do you hold of me?");
    assert_eq!(club.run(&["freeze", "list"])["orders"][0]["reason"], "the court says so");
}

#[test]
fn an_older_key_ring_under_a_newer_vault_is_found() {
    let club = ClubFixture::new();
    let old = fs::read(&club.ring).unwrap();
    club.run(&["erase", "m-1"]);
    fs::write(&club.ring, &old).unwrap();
    let said = doctor(&club);
    assert!(
        said.contains("the key ring is an older copy") && said.contains("1 key of people who were erased"),
        "{said}"
    );
    assert_ne!(fs::read(&club.ring).unwrap(), old, "the key is destroyed again");
    assert!(!doctor(&club).contains("older copy"), "once");
}

#[test]
fn a_vault_made_at_the_default_places_is_its_owners_alone() {
    let club = ClubFixture::new();
    club.run(&["backup", "--to", &club.file("backup"), "--key-ring-to", &club.file("safe/ring")]);
    let check = |path: &Path| {
        let about = fs::metadata(path).unwrap();
        let mode = about.permissions().mode() & 0o777;
        assert_eq!(mode, if about.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    };
    let mut folders = vec![club.vault().into(), club.ring.parent().unwrap().to_owned()];
    folders.extend([club.file("backup").into(), club.file("safe").into()]);
    while let Some(folder) = folders.pop() {
        check(&folder);
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            check(&path);
            folders.extend(Some(path).filter(|path| path.is_dir()));
        }
    }
}
