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
        let edge = ["crates/assent-documents/", "crates/assent-cli/", "crates/assent-server/"];
        let edge = edge.iter().any(|folder| path.starts_with(folder));
        // A derive may go over several lines.
        for derive in text.split("derive(").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !edge && (derive.contains("Serialize") || derive.contains("Deserialize")) {
                problems.push(format!("{path} derives a wire format: it belongs into assent-documents"));
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

#[test]
fn commands_make_no_json_of_their_own() {
    let commands = "crates/assent-cli/src/";
    // Put together here, so that this file has none.
    let words = [concat!("json", "!("), concat!("deri", "ve(Serialize")];
    let made = |text: &str| words.iter().any(|word| text.contains(word));
    let found = sources().into_iter().filter(|(path, text)| path.starts_with(commands) && made(text));
    none(
        &found
            .map(|(path, _)| format!("{path} makes JSON: the form belongs into assent-documents"))
            .collect::<Vec<_>>(),
    );
}

/// The texts of a source: what stands in its string literals, lines that go on put together.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '\'', '/']) {
        let (before, from) = rest.split_at(at);
        let hashes = before.len() - before.trim_end_matches('#').len();
        let raw = before[..before.len() - hashes].ends_with('r');
        rest = &from[1..];
        if from.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if from.starts_with('\'') {
            // A character; anything else is a lifetime.
            let end = if rest.starts_with('\\') {
                rest[2..].find('\'').map(|n| n + 2)
            } else {
                rest.find('\'').filter(|n| *n <= 4)
            };
            let character = end.filter(|end| rest.starts_with('\\') || rest[..*end].chars().count() == 1);
            rest = character.map_or(rest, |end| &rest[end + 1..]);
        } else if from.starts_with('"') && raw {
            let (text, after) = rest.split_once(&format!("\"{}", "#".repeat(hashes))).unwrap();
            found.push(text.to_owned());
            rest = after;
        } else if from.starts_with('"') {
            let mut text = String::new();
            let mut chars = rest.char_indices();
            let end = loop {
                match chars.next().unwrap() {
                    (end, '"') => break end,
                    (_, '\\') => match chars.next().unwrap() {
                        (_, '\n') => {
                            let after = chars.as_str();
                            let indent = after.len() - after.trim_start().len();
                            for _ in 0..indent {
                                chars.next();
                            }
                        }
                        (_, escaped) => text.push(escaped),
                    },
                    (_, c) => text.push(c),
                }
            };
            found.push(text);
            rest = &rest[end + 1..];
        }
    }
    found
}

/// Whether a text names a command or an option of the program.
fn names_a_command(text: &str) -> bool {
    let letter_after = |at: usize| text[at..].starts_with(|c: char| c.is_ascii_lowercase());
    let mut commands = text.match_indices("assent ").filter(|(at, word)| letter_after(at + word.len()));
    let mut options = text.match_indices("--").filter(|(at, word)| letter_after(at + word.len()));
    let marked = |before: &str| {
        before.ends_with(['`', '(']) || before.ends_with("run ") || before.trim_end_matches(' ').ends_with(':')
    };
    commands.any(|(at, _)| marked(&text[..at]))
        || options.any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-'))
}

#[test]
fn nothing_below_the_program_names_a_command() {
    let below = ["assent-kernels", "assent-gallery", "assent-vision", "assent-ledger", "assent", "assent-documents"]
        .map(|name| format!("crates/{name}/src/"));
    let mut problems = Vec::new();
    for (path, text) in sources() {
        // The list of what each command answers is of commands.
        let listed = path == "crates/assent-documents/src/json/answers.rs";
        if !listed && below.iter().any(|folder| path.starts_with(folder)) {
            let named = literals(&text).into_iter().filter(|text| names_a_command(text));
            problems.extend(
                named.map(|text| format!("{path}: \"{text}\" names a command: that belongs into hints.rs of the cli")),
            );
        }
    }
    let templates = fs::read_dir(root().join("crates/assent-documents/templates")).unwrap();
    for path in templates.map(|entry| entry.unwrap().path()) {
        let text = fs::read_to_string(&path).unwrap();
        let text = without_styles(&text);
        let named = text.lines().filter(|line| names_a_command(line) || line.trim_start().starts_with("assent "));
        problems.extend(named.map(|line| format!("{}: \"{line}\" names a command", path.display())));
    }
    none(&problems);
}

/// A template without its style sheets, in which a colour's name begins as an option does.
fn without_styles(template: &str) -> String {
    let mut text = template.to_owned();
    for (begin, end) in [("<style>", "</style>"), ("{% block style %}", "{% endblock %}")] {
        if let Some((before, rest)) = text.split_once(begin) {
            text = format!("{before}{}", rest.split_once(end).map_or("", |(_, after)| after));
        }
    }
    text
}

#[test]
fn a_command_in_a_text_is_seen() {
    let check = |source: &str, seen: bool| {
        assert_eq!(literals(source).iter().any(|text| names_a_command(text)), seen, "{source}");
    };
    check("f(\"so; `assent doctor` says\")", true);
    check("f(\"list them with: assent \\\n     subject list\")", true);
    check("f('\"', r#\"say it \"so\" (--reason)\"#)", true);
    check("fn f<'a>(x: &'a str) { '\\''; g(\"name it with --key-ring\") }", true);
    check("f(\"Yes:   assent review anna\")", true);
    check("// \"`assent doctor`\"\nf(\"another assent is at work\")", false);
    check("f(\"assent seal v1\", \"a -- b --\", \"by something other than assent: {first}\")", false);
    let page = "<style>a { --ink: 0 }\n{% block style %}{% endblock %}</style>say --this";
    assert_eq!(without_styles(page), "say --this");
    let page = "{% block style %} a { --ink: 0 }{% endblock %}\n{% block main %}say --this{% endblock %}";
    assert_eq!(without_styles(page), "\n{% block main %}say --this{% endblock %}");
}

#[test]
fn every_code_of_an_error_is_in_the_docs() {
    let page = read("docs/errors.md");
    let row = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    let written: Vec<String> = page.lines().filter_map(row).collect();
    let sources = sources().into_iter().filter(|(path, _)| path.ends_with("/src/codes.rs"));
    let real: BTreeSet<String> = sources.flat_map(|(_, text)| literals(&text)).collect();
    assert_eq!(
        written.iter().cloned().collect::<BTreeSet<_>>(),
        real,
        "docs/errors.md on the left, the code on the right"
    );
    assert_eq!(written.len(), real.len(), "a code has two rows");
    let word = |code: &String| code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    none(&real.into_iter().filter(|code| !word(code)).collect::<Vec<_>>());
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
