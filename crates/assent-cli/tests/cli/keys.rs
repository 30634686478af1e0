//! A locked key ring, from the command line alone. Nobody sits at a terminal here.

use std::fs;

use super::rights::ClubFixture;

#[test]
fn r41_a_key_ring_is_locked_with_a_passphrase_from_a_file() {
    let club = ClubFixture::new();
    let (old, new) = (club.file("old"), club.file("new"));
    fs::write(&old, "short\n").unwrap();
    assert!(club.refused(&["keys", "wrap", "--new-passphrase-file", &old]).contains("at least 12 characters"));
    fs::write(&old, "seven boats and a tin whistle\n").unwrap();
    fs::write(&new, "three herons by the old lock\n").unwrap();
    assert_eq!(club.run(&["keys", "wrap", "--new-passphrase-file", &old])["lock"], "passphrase");
    let refused = club.refused(&["subject", "list"]);
    assert!(refused.contains("opens with its passphrase alone") && refused.contains("--passphrase-file"), "{refused}");
    let with = |file: &str, args: &[&str]| club.run(&[&["--passphrase-file", file], args].concat());
    assert_eq!(with(&old, &["subject", "show", "m-1"])["name"], "Mia <Member>");
    with(&old, &["rotate", "--all"]);
    with(&old, &["keys", "wrap", "--new-passphrase-file", &new]);
    let refused = club.refused(&["--passphrase-file", &old, "subject", "list"]);
    assert!(refused.contains("this is not the passphrase"), "{refused}");
    assert_eq!(with(&new, &["audit", "verify"])["whole"], true);
    assert_eq!(with(&new, &["keys", "unwrap"])["lock"], "none");
    club.run(&["subject", "list"]);
}

#[test]
fn r41_a_key_ring_is_locked_with_a_key_that_a_command_unwraps() {
    let club = ClubFixture::new();
    // Stands for a key management service: what it gets is a place where it keeps the key.
    let (key, wrapped) = (club.file("key"), club.file("wrapped"));
    fs::write(&key, [0xd1; 32]).unwrap();
    fs::write(&wrapped, &key).unwrap();
    let unwrap = "cat \"$(cat)\"";
    club.run(&["keys", "wrap", "--command", unwrap, "--wrapped-key", &wrapped]);
    assert!(club.refused(&["subject", "list"]).contains("--key-command"));
    club.run(&["--key-command", unwrap, "subject", "list"]);
    let cases = [
        ("head -c 40 /dev/zero", "it wrote more"),
        ("head -c 5", "it wrote 5"),
        ("exit 3", "failed (exit status: 3)"),
        ("head -c 32 /dev/zero", "this is not the data key"),
    ];
    for (command, said) in cases {
        let refused = club.refused(&["--key-command", command, "subject", "list"]);
        assert!(refused.contains(said), "{command}: {refused}");
    }
    assert_eq!(club.run(&["--key-command", unwrap, "keys", "unwrap"])["lock"], "none");
    club.run(&["subject", "list"]);
}
