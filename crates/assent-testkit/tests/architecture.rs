//! What ARCHITECTURE.md says is so: its arrows, its files, its invariants, and the rules that a reader can see in the
//! sources.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The most lines of a source file.
const LINES_MAX: usize = 600;

/// Files that may be longer, each with a reason.
const LONGER: &[(&str, &str)] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// Every Rust source of the workspace: path from the root, and text.
fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut paths = Vec::new();
    walk(&root.join("crates"), &mut paths);
    paths.sort();
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// Fails with all of `problems` at once.
fn none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// The part of a page between `<!-- name -->` and `<!-- /name -->`.
fn marked<'a>(text: &'a str, name: &str) -> &'a str {
    let start = format!("<!-- {name} -->");
    let rest = &text[text.find(&start).unwrap() + start.len()..];
    &rest[..rest.find(&format!("<!-- /{name} -->")).unwrap()]
}

type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The arrows as written: `crate -> dep, dep`, or `crate` alone for one that depends on none of ours.
fn written_arrows() -> Arrows {
    let text = read("ARCHITECTURE.md");
    let lines = marked(&text, "arrows").lines().filter(|line| line.starts_with("assent"));
    lines
        .map(|line| {
            let (name, to) = line.split_once("->").unwrap_or((line, ""));
            let to = to.split(',').map(str::trim).filter(|name| !name.is_empty());
            (name.trim().to_owned(), to.map(str::to_owned).collect())
        })
        .collect()
}

/// The arrows as they are: normal dependencies between members of the workspace.
fn real_arrows() -> Arrows {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let members: BTreeSet<String> = packages.iter().map(name).collect();
    let arrows = |package: &Value| {
        let normal = package["dependencies"].as_array().unwrap().iter().filter(|one| one["kind"].is_null());
        normal.map(name).filter(|one| members.contains(one)).collect()
    };
    packages.iter().map(|package| (name(package), arrows(package))).collect()
}

#[test]
fn the_arrows_are_the_real_ones() {
    assert_eq!(written_arrows(), real_arrows(), "ARCHITECTURE.md on the left, cargo metadata on the right");
}

/// What stands between backticks in a line.
fn in_backticks(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn every_file_that_is_named_exists() {
    let mut problems = Vec::new();
    for page in ["ARCHITECTURE.md", "README.md"] {
        let Ok(text) = fs::read_to_string(root().join(page)) else {
            problems.push(format!("{page} does not exist"));
            continue;
        };
        for name in text.replace("```", "").lines().flat_map(in_backticks) {
            let ours = ["crates/", "docs/", "scripts/", "bench/"].iter().any(|folder| name.starts_with(folder));
            if ours && !root().join(name).exists() {
                problems.push(format!("{page} names {name}, which does not exist"));
            }
        }
    }
    none(&problems);
}

#[test]
fn every_invariant_has_a_test_of_its_number() {
    let page = read("ARCHITECTURE.md");
    let table = marked(&page, "invariants");
    let sources = sources();
    let mut problems = Vec::new();
    for number in 1..=11 {
        let Some(row) = table.lines().find(|line| line.starts_with(&format!("| I{number} |"))) else {
            problems.push(format!("I{number} has no row"));
            continue;
        };
        let prefix = format!("i{number}_");
        let tests: Vec<&str> = in_backticks(row).filter(|name| name.starts_with(&prefix)).collect();
        if tests.is_empty() {
            problems.push(format!("I{number} names no test"));
        }
        for test in tests {
            let function = format!("fn {test}(");
            if !sources.iter().any(|(_, text)| text.contains(&function)) {
                problems.push(format!("I{number} names {test}, and there is no such function"));
            }
        }
    }
    none(&problems);
}

#[test]
fn i10_unsafe_and_wire_formats_stay_in_their_crates() {
    // Put together here, so that this file has none of them.
    let words = [concat!("unsafe", " {"), concat!("unsafe", " fn"), concat!("unsafe", " impl")];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        if !path.starts_with("crates/assent-kernels/") {
            for word in words.iter().filter(|word| text.contains(**word)) {
                problems.push(format!("{path} has `{word}`: it belongs into assent-kernels"));
            }
        }
        let edge = ["crates/assent-cli/", "crates/assent-server/"].iter().any(|folder| path.starts_with(folder));
        // A derive may go over several lines.
        for derive in text.split("derive(").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !edge && (derive.contains("Serialize") || derive.contains("Deserialize")) {
                problems.push(format!("{path} derives a wire format: it belongs into the cli or the server"));
            }
        }
    }
    none(&problems);
}

#[test]
fn commands_open_no_transaction() {
    let commands = "crates/assent-cli/src/";
    let opens = |text: &str| text.contains("run_tx(") || text.contains("read_tx(");
    let found = sources().into_iter().filter(|(path, text)| path.starts_with(commands) && opens(text));
    none(
        &found
            .map(|(path, _)| format!("{path} opens a transaction: that belongs into assent::service"))
            .collect::<Vec<_>>(),
    );
}

/// The names of all packages that the program is built from.
fn packages() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--package", "assent-cli", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .args(["--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

#[test]
fn r14_r29_nothing_decodes_a_live_picture() {
    let live = ["ffmpeg", "gstreamer", "rtsp", "v4l", "nokhwa", "libav", "webrtc", "opencv", "retina", "camera"];
    let packages = packages();
    assert!(packages.contains("assent-vision"), "{packages:?}");
    let named = |package: &String| live.iter().any(|word| package.contains(word));
    none(&packages.into_iter().filter(named).collect::<Vec<_>>());
}

#[test]
fn r14_no_table_has_a_place_for_a_judgement_or_for_somebody_unknown() {
    let judging = ["gender", "sex", "race", "ethnic", "origin", "emotion", "mood", "attractive", "cluster", "person"];
    let mut problems = Vec::new();
    for folder in ["sqlite", "postgres"] {
        let folder = root().join("crates/assent-ledger/migrations").join(folder);
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            // The first word of a line is a table's column, or the rule that follows it.
            let sql = text.lines().map(str::trim).filter(|line| !line.starts_with("--"));
            for word in sql.filter_map(|line| line.split_whitespace().next()) {
                if judging.iter().any(|one| word.to_lowercase().contains(one)) {
                    problems.push(format!("{}: {word}", path.display()));
                }
            }
        }
    }
    none(&problems);
}

#[test]
fn r8_only_the_program_itself_fetches_and_only_packs_and_the_library() {
    let clients = ["ureq", "reqwest", "hyper", "curl", "isahc", "attohttpc", "surf", "minreq"];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let fetches = clients.iter().any(|client| text.contains(&format!("{client}::")));
        if fetches && path != "crates/assent-cli/src/fetch.rs" && !path.ends_with("tests/architecture.rs") {
            problems.push(format!("{path} speaks HTTP"));
        }
    }
    let fetching: BTreeSet<String> = sources()
        .into_iter()
        .filter(|(path, text)| path.starts_with("crates/assent-cli/src/") && text.contains("crate::fetch"))
        .map(|(path, _)| path)
        .collect();
    for path in fetching {
        let known = ["fetch.rs", "packs_cmd.rs", "runtime_cmd.rs", "wheel.rs"].iter().any(|name| path.ends_with(name));
        if !known {
            problems.push(format!("{path} fetches, and is neither of packs nor of the library"));
        }
    }
    none(&problems);
}

#[test]
fn files_are_short_enough_to_be_read() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        let allowed = LONGER.iter().any(|(longer, _)| *longer == path);
        if lines > LINES_MAX && !allowed {
            problems.push(format!("{path} has {lines} lines: split it, or list it in LONGER with a reason"));
        }
        if lines <= LINES_MAX && allowed {
            problems.push(format!("{path} is short again: remove it from LONGER"));
        }
    }
    none(&problems);
}
