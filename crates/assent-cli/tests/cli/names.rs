//! Names from outside: none of them leaves a folder, a line of the terminal or a signed list.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::process::Stdio;

use zip::ZipArchive;

use super::rights::ClubFixture;
use super::{assent, command, stderr, stdout};

#[test]
fn a_collection_is_not_named_as_no_folder_can_be() {
    let club = ClubFixture::new();
    fs::create_dir(club.file("other")).unwrap();
    let check = |what: &str, name: &str| {
        let told = club.refused(&["collection", "add", "--others", "none", "--", name, &club.file("other")]);
        assert!(told.contains("a collection cannot have this name"), "{what}: {told}");
    };
    check("empty", "");
    check("above", "..");
    check("beside", "../escaped");
    check("absolute", "/etc/cron.d");
    check("absolute on Windows", "C:\\temp");
    check("hidden", ".git");
    check("an option", "-rf");
    check("a device", "nul");
    check("an escape sequence", "\u{1b}]0;owned\u{7}");
    check("two lines", "one\ntwo");
    check("long", &"long".repeat(2_500));
    fs::create_dir(club.file("summer")).unwrap();
    club.run(&["collection", "add", "Sommer 2019 (Ölwerk)", &club.file("summer"), "--others", "none"]);
}

#[test]
fn commands_that_are_printed_can_be_copied() {
    let club = ClubFixture::new();
    fs::create_dir(club.file("urlaub")).unwrap();
    let said = club.says(&["collection", "add", "urlaub fotos", &club.file("urlaub"), "--others", "closed-group"]);
    assert!(said.contains("assent scan 'urlaub fotos'\n"), "{said}");
    assert!(said.contains("assent collection basis 'urlaub fotos'\n"), "{said}");
    let said = club.says(&["collection", "basis", "urlaub fotos"]);
    assert!(said.contains("assent collection basis 'urlaub fotos' --dpia"), "{said}");
}

#[test]
fn what_people_are_called_is_one_line() {
    let club = ClubFixture::new();
    for name in ["\u{1b}[2J", "Mia\nNext: assent erase m-1"] {
        let told = club.refused(&["subject", "add", "m-2", "--name", name]);
        assert!(told.contains("one line of text"), "{told}");
    }
}

#[test]
fn nothing_that_was_typed_does_anything_to_the_terminal() {
    let club = ClubFixture::new();
    let check = |args: &[&str], code: i32| {
        for json in [&[][..], &["--json"]] {
            let vault = club.vault();
            let output = assent(club.home(), &[&["--vault", &vault], json, args].concat());
            assert_eq!(output.status.code(), Some(code), "{args:?}");
            for text in [stdout(&output), stderr(&output)] {
                let acts = text.find(|c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}');
                assert_eq!(acts, None, "{args:?}: {text:?}");
            }
        }
    };
    let evil = "esc\u{1b}[31mRED\u{1b}]0;title\u{7}\u{9b}\u{7f}\u{202e}";
    check(&["find", evil], 1);
    check(&["scan", evil], 1);
    check(&["collection", "add", "x", &format!("/nowhere/{evil}"), "--others", "none"], 1);
    check(&["report", "evidence", "--to", &format!("/nowhere/{evil}")], 1);
    check(&[evil], 2);
    check(&["find", "--collection", evil, evil, evil], 2);
    fs::create_dir(club.file(evil)).unwrap();
    club.run(&["collection", "add", "x", &club.file(evil), "--others", "none"]);
    check(&["collection", "list"], 0);
    check(&["collection", "show", "x"], 0);
}

#[test]
fn names_in_evidence_are_one_line_and_different() {
    let club = ClubFixture::new();
    let with = ["a\nb.txt", "same.txt", "other/same.txt", "other/SAME.txt", "-\u{1b}[31m.txt"].map(|n| club.file(n));
    fs::create_dir(club.file("other")).unwrap();
    let mut args = vec!["report".to_owned(), "evidence".to_owned(), "--to".to_owned(), club.file("evidence.zip")];
    for file in &with {
        fs::write(file, file).unwrap();
        args.extend(["--with".to_owned(), file.clone()]);
    }
    let key = club.run(&args.iter().map(String::as_str).collect::<Vec<_>>())["key"].as_str().unwrap().to_owned();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = club.file("evidence.zip");
    let output = assent(elsewhere.path(), &["audit", "verify", "--evidence", &file, "--key", &key]);
    assert!(output.status.success(), "what the program makes, it verifies: {}", stderr(&output));
    let mut zip = ZipArchive::new(File::open(&file).unwrap()).unwrap();
    let mut held = BTreeSet::new();
    for i in 0..zip.len() {
        let mut entry = zip.by_index(i).unwrap();
        let name = entry.name().unwrap().into_owned();
        assert!(!name.contains(|c: char| c.is_control()) && !name.contains(".."), "{name:?}");
        if name.starts_with("with/") {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            held.insert((name, text));
        }
    }
    let names: Vec<&str> = held.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["with/SAME (3).txt", "with/_-_[31m.txt", "with/a_b.txt", "with/same (2).txt", "with/same.txt"]
        .map(str::to_owned);
    assert_eq!(names, expected);
    assert_eq!(held.iter().map(|(_, text)| text).collect::<BTreeSet<_>>().len(), with.len(), "each file is in it once");
}

#[test]
fn a_pipe_that_is_closed_is_no_failure() {
    let club = ClubFixture::new();
    for args in [&["completions", "bash"][..], &["audit", "show"], &["collection", "list"], &["--help"]] {
        let mut child = command(club.home(), [&["--vault", &club.vault()], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{args:?}");
    }
}
