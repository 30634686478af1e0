//! A damaged key ring, and orders to erase that meet trouble, from the command line alone.

use std::fs;

use serde_json::Value;

use super::rights::ClubFixture;
use super::{stderr, stdout};

const SLOT: usize = 128;

/// A club with three people, of whom each has a slot in the key ring.
fn club() -> ClubFixture {
    let club = ClubFixture::new();
    for (handle, name) in [("m-2", "Bo Berg"), ("m-3", "Cy Clark")] {
        club.run(&["subject", "add", handle, "--name", name]);
    }
    club
}

/// Damages one byte of the slot of somebody in the key ring. Returns which slot that is.
pub(super) fn flip(club: &ClubFixture, id: &str, byte: usize) -> usize {
    let mut bytes = fs::read(&club.ring).unwrap();
    let of_them = |slot: &[u8]| format!("{:032x}", u128::from_be_bytes(slot[8..24].try_into().unwrap())) == id;
    let slot = bytes[SLOT..].chunks(SLOT).position(of_them).unwrap();
    bytes[SLOT + slot * SLOT + byte] ^= 1;
    fs::write(&club.ring, bytes).unwrap();
    slot
}

fn numbers(value: &Value) -> usize {
    value.as_array().unwrap().len()
}

#[test]
fn a_damaged_key_is_told_mended_and_keeps_nobody_else_from_anything() {
    for slot in 0..3 {
        for (part, byte) in [("state", 7), ("id", 12), ("key", 30), ("checksum", 100)] {
            let name = format!("{part} of person {slot}");
            let club = club();
            let ids = ["m-1", "m-2", "m-3"].map(|handle| club.id_of(handle));
            let copy = club.file("copy");
            fs::copy(&club.ring, &copy).unwrap();
            let place = flip(&club, &ids[slot], byte);

            let listed = club.run(&["subject", "list"]);
            assert_eq!((numbers(&listed["subjects"]), numbers(&listed["unreadable"])), (2, 1), "{name}");
            let other = ["m-1", "m-2", "m-3"][(slot + 1) % 3];
            let everybody = ["find", "--all", "--copy-to", &club.file("out")];
            let goes_on = [&["find", other][..], &everybody, &["review"], &["due"], &["audit", "verify"], &["tick"]];
            for args in goes_on.into_iter().chain([&["request", "list"][..]]) {
                club.run(args);
            }
            club.run(&["subject", "add", "m-4", "--name", "Di Dorn"]);
            let doctor = stdout(&club.try_run(&["doctor"]));
            let number = &ids[slot][..8];
            assert!(doctor.contains("the key of one person is damaged") && doctor.contains(number), "{name}: {doctor}");
            assert!(club.refused(&["subject", "show", "Nobody"]).contains("assent doctor"), "{name}");

            let checked = club.try_run(&["keys", "check"]);
            let object: Value = serde_json::from_str(&stdout(&checked)).unwrap();
            assert_eq!((checked.status.code(), &object["whole"]), (Some(1), &Value::from(false)), "{name}");
            assert_eq!(object["damaged_slots"][0]["slot"], place, "{name}");
            assert_eq!(object["people"][0]["subject"], ids[slot].as_str(), "{name}");

            if slot == 2 {
                // Without the key: by the number that doctor says.
                assert!(club.refused(&["consent", "withdraw", number]).contains("no consent in force"), "{name}");
                club.run(&["erase", number]);
            } else {
                let mended = club.run(&["keys", "repair", "--from", &copy]);
                assert_eq!(mended["people"][0], ids[slot].as_str(), "{name}");
                assert_eq!(
                    club.run(&["subject", "show", ["m-1", "m-2"][slot]])["subject"],
                    ids[slot].as_str(),
                    "{name}"
                );
            }
            let after = club.run(&["keys", "check"]);
            assert_eq!(after["whole"], true, "{name}");
        }
    }
}

#[test]
fn an_order_goes_on_past_what_fails_and_is_run_again_until_its_list_is_whole() {
    let club = club();
    let ids = ["m-1", "m-2", "m-3"].map(|handle| club.id_of(handle));
    let (order, folder) = (club.file("order"), club.file("certificates"));
    fs::write(&order, "m-1\nBo Berg\n").unwrap();
    // A folder where a certificate is to be.
    fs::create_dir_all(format!("{folder}/{}.txt", ids[0])).unwrap();
    let args = ["erase", "--order", &order, "--certificates", &folder];
    let first = club.try_run(&args);
    let object: Value = serde_json::from_str(&stdout(&first)).unwrap();
    assert_eq!((first.status.code(), numbers(&object["subjects"]), numbers(&object["unwritten"])), (Some(1), 2, 1));
    assert!(stderr(&first).contains("run the same command again"), "{}", stderr(&first));
    assert_eq!(object["unwritten"][0]["file"], format!("{}.txt", ids[0]));
    assert!(
        fs::read_to_string(format!("{folder}/list.txt")).unwrap().contains(&ids[0]),
        "the list is there all the same"
    );
    club.run(&["audit", "certificate", &ids[0], "--to", &club.file("again")]);

    fs::remove_dir(format!("{folder}/{}.txt", ids[0])).unwrap();
    let second = club.run(&args);
    assert_eq!(
        (numbers(&second["subjects"]), numbers(&second["unwritten"])),
        (2, 0),
        "their names are gone, the list is known"
    );
    let key = club.run(&["audit", "key"])["key"].as_str().unwrap().to_owned();
    club.run(&["audit", "verify", "--certificates", &folder, "--key", &key]);

    // Another list names somebody who was erased by their number.
    fs::write(&order, format!("{}\nm-3\n", &ids[0][..10])).unwrap();
    assert_eq!(numbers(&club.run(&args)["subjects"]), 2);
    fs::write(&order, "nobody\n").unwrap();
    assert!(club.refused(&args).contains("nobody was erased"));
}
