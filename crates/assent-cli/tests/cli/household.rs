//! A household at its terminal: what destroys asks first, and who left can come back.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::rights::Club;
use super::stdout;

/// The binary at a terminal of its own, at which somebody types these lines.
fn at_a_terminal(data_home: &Path, args: &[&str], typed: &str) -> Output {
    let quoted: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
    let line = format!("{} {}", env!("CARGO_BIN_EXE_assent"), quoted.join(" "));
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env_remove("ASSENT_PACKS")
        .env("XDG_DATA_HOME", data_home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn erase_asks_at_a_terminal_and_goes_on_without_one() {
    let club = Club::new();
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
    for part in ["Mia <Member> (m-1)", "cannot be undone", "Type m-1", "nobody was erased"] {
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
