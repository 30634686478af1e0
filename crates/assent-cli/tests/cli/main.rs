//! The built binary, as a user runs it. One module for each command, one test binary for all of them.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

mod clock;
mod collection;
mod consent;
mod damage;
mod database;
mod disk;
mod evaluate;
mod everybody;
mod handout;
mod household;
mod jobs;
mod keys;
mod messages;
mod models;
mod names;
mod nothing;
mod odd_files;
mod office;
mod packs;
mod plain;
mod rights;
mod roster;
mod runtime;
mod schemas;
mod server;
mod tampered;
mod uploads;
mod walk;
mod witnesses;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The binary, with an environment of its own: nothing of the machine's folders is used.
fn command<A: AsRef<OsStr>>(home: &Path, args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_assent"));
    command.args(args).env("XDG_DATA_HOME", home);
    for name in ["ASSENT_PACKS", "ASSENT_RUNTIME", "ASSENT_DATABASE_PASSWORD", "ASSENT_DATABASE_PASSWORD_FILE"] {
        command.env_remove(name);
    }
    command
}

fn assent(home: &Path, args: &[&str]) -> Output {
    let output = command(home, database::placed(home, args)).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    plain::check(args, &stdout, &stderr);
    schemas::check(args, &stdout, &stderr);
    output
}

/// The binary at a terminal of its own, at which somebody types these lines.
fn at_a_terminal(data_home: &Path, args: &[&str], typed: &str) -> Output {
    let quoted: Vec<String> = database::placed(data_home, args).iter().map(|arg| format!("'{arg}'")).collect();
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

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let home = tempfile::tempdir().unwrap();
    for args in [&["frobnicate"][..], &["packs"], &["packs", "fetch", "other"], &["runtime", "fetch", "--nonsense"]] {
        assert_eq!(assent(home.path(), args).status.code(), Some(2), "{args:?}");
    }
}
