use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;

use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files in which a command may be named to a person.
fn texts() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join("docs")];
    for one in fs::read_dir(root().join("crates")).unwrap() {
        let one = one.unwrap().path();
        folders.extend(["src", "templates"].map(|part| one.join(part)));
    }
    let mut files = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let wanted = ["rs", "md", "html", "txt"].iter().any(|e| path.extension().is_some_and(|is| is == *e));
            // This test names commands that do not exist, and no person reads it.
            let own = path.ends_with("help/tests.rs");
            if path.is_dir() {
                folders.push(path);
            } else if wanted && !own {
                files.push(path);
            }
        }
    }
    files.into_iter().map(|path| (path.clone(), joined(&fs::read_to_string(path).unwrap()))).collect()
}

/// The text with what is broken over lines joined: string literals that end in a backslash, and comments.
fn joined(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        let comment = ["/// ", "//! ", "// "].iter().find_map(|mark| trimmed.strip_prefix(mark));
        match comment {
            _ if out.ends_with('\\') => {
                out.pop();
                out.push_str(trimmed);
            }
            Some(rest) => {
                out.push(' ');
                out.push_str(rest);
            }
            None => {
                out.push('\n');
                out.push_str(line);
            }
        }
    }
    out
}

/// The commands that a text names: what follows `assent ` up to the end of the quotation, the sentence or the line.
fn named(text: &str, all: &Command) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("assent ") {
        let before = &text[..at];
        let marked = before.ends_with(['`', '(']) || before.ends_with(": ") || before.ends_with("cargo ");
        // The strings that begin a signed or sealed message: `assent seal v1`.
        let magic = rest_of(text, at).rsplit(' ').next().is_some_and(|last| last == "v1" || last == "v2")
            || rest_of(text, at) == "assent key ring";
        let begins = !magic && (before.is_empty() || before.ends_with(['\n', ' ', '"']) || marked);
        let rest = rest_of(text, at);
        let first = rest.split_whitespace().nth(1).unwrap_or_default();
        let first = first.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let word = !first.is_empty() && first.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if begins && word && (marked || all.find_subcommand(first).is_some()) {
            found.push(rest.to_owned());
        }
    }
    found
}

/// From a place on, up to the end of the quotation or the line.
fn rest_of(text: &str, at: usize) -> &str {
    let rest = &text[at..];
    rest[..rest.find(['`', ')', '"', '\n', ';', '#', '|', '<', '\\']).unwrap_or(rest.len())].trim_end()
}

/// What is wrong with a command that a text names.
fn wrong_with(line: &str, all: &Command) -> Option<String> {
    let (mut command, mut descend, mut value) = (all, true, false);
    for word in line.split_whitespace().skip(1) {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let ends = word.ends_with(['.', ',', ':', '?']);
        if std::mem::take(&mut value) {
            continue;
        }
        if let Some(flag) = bare.strip_prefix("--") {
            let flag = flag.split('=').next().unwrap_or_default();
            let mut known = command.get_arguments().chain(all.get_arguments());
            let known = known.find(|a| a.get_long() == Some(flag));
            value = known.is_some_and(|a| a.get_action().takes_values()) && !word.contains('=');
            if known.is_none() && !["help", "version", ""].contains(&flag) {
                return Some(format!("{} takes no --{flag}", command.get_name()));
            }
        } else if descend && command.has_subcommands() {
            let lower = !bare.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b"-.,:?".contains(&b));
            match command.find_subcommand(bare) {
                Some(inner) => command = inner,
                // `assent freeze` stands for itself, and prose goes on after it.
                None if lower && command.is_subcommand_required_set() => {
                    return Some(format!("{} has no command {bare}", command.get_name()));
                }
                None => descend = false,
            }
        }
        if ends {
            break;
        }
    }
    None
}

#[test]
fn every_command_that_a_text_names_exists() {
    let all = command();
    let (mut seen, mut wrong) = (0, Vec::new());
    for (path, text) in texts() {
        for line in named(&text, &all) {
            seen += 1;
            if let Some(what) = wrong_with(&line, &all) {
                wrong.push(format!("{}: `{line}`: {what}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 200, "only {seen} commands were found");
}

#[test]
fn a_command_that_does_not_exist_is_seen_in_a_text() {
    let all = command();
    let check = |name: &str, text: &str, expected: usize| {
        let lines = named(&joined(text), &all);
        let wrong = lines.iter().filter(|line| wrong_with(line, &all).is_some()).count();
        assert_eq!(wrong, expected, "{name}: {lines:?}");
    };
    check("none", "the other assent is working; assent cannot", 0);
    check("there", "`assent collection list` shows them", 0);
    check("no such command", "see: assent collections", 1);
    check("no such command below one", "`assent collection vanish` ends it", 1);
    check("no such option", "(assent scan photos --fast)", 1);
    check("an option of all before the command", "`assent --vault club collection vanish`", 1);
    check("an option of all", "assent scan photos --vault club", 0);
    check("broken over two lines of a literal", "\"see: assent collection \\\n   vanish NAME\"", 1);
    check("broken over two lines of a comment", "/// see `assent collection\n/// vanish`", 1);
    check("after a colon", "do it with: assent erase --now", 1);
}

#[test]
fn every_example_is_right_and_every_command_has_one() {
    for example in EXAMPLES {
        command().try_get_matches_from(words(example)).unwrap_or_else(|e| panic!("{example}: {e}"));
    }
    let check = |command: &Command, needs_id: &[&str]| {
        let mut open = vec![(command.clone(), String::new())];
        while let Some((c, path)) = open.pop() {
            for inner in c.get_subcommands() {
                open.push((inner.clone(), format!("{path} {}", inner.get_name())));
            }
            let has = c.get_after_help().is_some() || c.has_subcommands() || needs_id.contains(&path.as_str());
            assert!(has, "no example for{path}");
        }
    };
    // What they take is a number that another command prints.
    let by_number = [
        " request show",
        " request extend",
        " request pause",
        " request resume",
        " request answer",
        " freeze lift",
        " audit certificate",
    ];
    check(&command(), &by_number);
}

#[test]
fn a_slip_of_the_finger_leads_to_nothing_that_destroys() {
    let said = |line: &[&str]| {
        let typed = std::iter::once("assent").chain(line.iter().copied());
        harmless(command().try_get_matches_from(typed).unwrap_err()).to_string()
    };
    let check = |line: &[&str], hint: &str| {
        let told = said(line);
        assert!(told.contains(hint), "{line:?}: {told}");
        let tip = told.lines().find(|l| l.contains("similar")).unwrap_or_default();
        assert!(!DESTROY.iter().any(|name| tip.contains(&format!("'{name}'"))), "{line:?}: {told}");
    };
    check(&["serach", "anna"], "'search'");
    check(&["erse", "anna"], "unrecognized subcommand");
    check(&["freez"], "unrecognized subcommand");
    check(&["consent", "withdrew", "anna"], "unrecognized subcommand");
    check(&["collection", "remov", "photos"], "unrecognized subcommand");
    check(&["scn"], "'scan'");
    check(&["delete", "anna"], "assent collection list");
    check(&["withdraw", "anna"], "assent consent withdraw NAME");
    check(&["list"], "assent subject list");
    check(&["people"], "assent subject list");
    check(&["collection", "add", "summer", "My", "Photos"], "with spaces is written in quotation marks");
    for (typed, command_name) in [("search", "find"), ("enroll", "enrol"), ("status", "doctor")] {
        let found = command().find_subcommand(typed).map(|c| c.get_name().to_owned());
        assert_eq!(found.as_deref(), Some(command_name), "{typed}");
    }
}

/// What people read: the texts of errors, in all crates.
fn error_texts() -> Vec<(PathBuf, String)> {
    let of = |(path, text): (PathBuf, String)| {
        let all = text.match_indices("#[error(").map(|(at, _)| {
            let rest = &text[at + 8..];
            rest[..rest.find(")]").unwrap_or(rest.len())].to_owned()
        });
        all.map(|text| (path.clone(), text)).collect::<Vec<_>>()
    };
    texts().into_iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "rs")).flat_map(of).collect()
}

/// What does not belong in front of a person: numbers of requirements, and what only a programmer reads.
fn not_for_people(text: &str) -> Option<&'static str> {
    let numbered = text
        .split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| word.strip_prefix('R').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())));
    let digits = text.split(|c: char| !c.is_ascii_hexdigit()).any(|word| word.len() >= 32);
    if numbered {
        Some("the number of a requirement")
    } else if text.contains(":?}") || text.contains(":#?}") {
        Some("what only a programmer reads")
    } else if text.contains(".requirement()") {
        Some("a code")
    } else if digits {
        Some("an id")
    } else {
        None
    }
}

#[test]
fn errors_are_words_for_people() {
    let all = error_texts();
    assert!(all.len() > 300, "only {} errors were found", all.len());
    let wrong: Vec<String> = all
        .iter()
        .filter_map(|(path, text)| Some(format!("{}: {}: {text}", path.display(), not_for_people(text)?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
