//! The built binary, as a user runs it. One module for each command, one test binary for all of them.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

mod clock;
mod collection;
mod consent;
mod damage;
mod disk;
mod evaluate;
mod handout;
mod household;
mod keys;
mod names;
mod odd_files;
mod packs;
mod rights;
mod roster;
mod runtime;
mod server;
mod witnesses;

use std::path::Path;
use std::process::{Command, Output};

/// The binary, with an environment of its own: nothing of the machine's folders is used.
fn assent(home: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_assent"))
        .args(args)
        .env_remove("ASSENT_PACKS")
        .env_remove("ASSENT_RUNTIME")
        .env("XDG_DATA_HOME", home)
        .output()
        .unwrap()
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
