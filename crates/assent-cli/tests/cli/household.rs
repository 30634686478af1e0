//! A household at its terminal: what destroys asks first, and who left can come back.

use std::path::Path;

use super::rights::ClubFixture;
use super::{at_a_terminal, stdout};

#[test]
fn erase_asks_at_a_terminal_and_goes_on_without_one() {
    let club = ClubFixture::new();
    let (vault, home) = (club.vault(), club.file(""));
    let count = || club.run(&["subject", "list"])["subjects"].as_array().unwrap().len();
    let erase = |args: &[&str], typed: &str| {
        let args = [&["--vault", &vault, "erase"], args].concat();
        at_a_terminal(Path::new(&home), &args, typed)
    };
    for (name, typed) in [("no", "no\n"), ("nothing", "\n"), ("another name", "m-2\n")] {
        let output = erase(&["m-1"], typed);
        assert_eq!((output.status.code(), count()), (Some(1), 1), "{name}: {}", stdout(&output));
    }
    let said = stdout(&erase(&["m-1"], "\n"));
    for part in ["Mia <Member> (m-1)", "cannot be undone", "Type m-1", "nothing was deleted"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let output = erase(&["--jurisdiction", "FR", "--dry-run"], "");
    assert!(output.status.success(), "a question is no deed: {}", stdout(&output));
    let output = erase(&["m-1"], "m-1\n");
    assert_eq!((output.status.code(), count()), (Some(0), 0), "{}", stdout(&output));
    for handle in ["m-2", "m-3"] {
        club.run(&["subject", "add", handle, "--name", "N"]);
    }
    assert!(erase(&["m-2", "--yes"], "").status.success());
    // A script is not asked: whoever wrote it decided.
    club.run(&["erase", "m-3"]);
    assert_eq!(count(), 0);
}

#[test]
fn what_comes_next_at_home_is_the_owners_own() {
    let club = ClubFixture::household();
    let says = club.says(&["collection", "add", "trip", &club.file("photos")]);
    assert!(says.contains("Next: assent enrol --self --photo FILE"), "{says}");
    club.run(&["witness", "add", "Walt"]);
    let says = club.says(&["witness", "list"]);
    assert!(says.starts_with("Walt\tsince ") && !says.contains("passphrase"), "nobody signs with one at home: {says}");
    club.run(&["erase", "me"]);
    for args in [&["find", "me"][..], &["review", "ME"]] {
        let said = club.refused(args);
        assert!(said.contains("assent enrol --self --photo FILE"), "{args:?}: {said}");
    }
}
