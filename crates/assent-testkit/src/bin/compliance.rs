//! Makes `docs/compliance.md` of what the decisions found (`docs/compliance.tsv`) and of a run of the tests, whose output it
//! reads from its standard input:
//!
//! ```text
//! cargo test --workspace | tee target/tests.log
//! cargo run -p assent-testkit --bin compliance -- write < target/tests.log
//! cargo run -p assent-testkit --bin compliance -- check < target/tests.log
//! ```
//!
//! `check` writes nothing. It fails if a requirement has no test, if a test of one failed or did not run, and if the page is
//! not the one that this run gives.
//!
//! A test shows a requirement if its name carries the number, as `r9_...` and `r10_r17_...` do, or if
//! `docs/compliance-tests.tsv` says so.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a tool of the project itself may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

/// Requirements whose subject is the server, which is not part of this yet.
const SERVER: [&str; 9] = ["R15", "R16", "R22", "R23", "R24", "R25", "R26", "R27", "R28"];

const PAGE: &str = "docs/compliance.md";

/// Tests by name, and whether each passed.
type Outcomes = BTreeMap<String, bool>;

#[expect(clippy::disallowed_methods, reason = "a tool of the project has one word to read, and no users")]
fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let write = std::env::args().nth(1).as_deref() == Some("write");
    let mut log = String::new();
    std::io::stdin().read_to_string(&mut log).unwrap();
    let table = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let (page, problems) = page(&table("docs/compliance.tsv"), &table("docs/compliance-tests.tsv"), &outcomes(&log));
    for problem in &problems {
        eprintln!("{problem}");
    }
    let path = root.join(PAGE);
    if write {
        std::fs::write(path, page).unwrap();
    } else if std::fs::read_to_string(path).unwrap_or_default() != page {
        eprintln!("{PAGE} is not what these tests give; write it anew");
        return ExitCode::FAILURE;
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The tests in the output of `cargo test`.
fn outcomes(log: &str) -> Outcomes {
    let mut outcomes = Outcomes::new();
    for line in log.lines() {
        // Long tests are announced in a line of their own, and their result has the same form.
        let Some((name, result)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) else {
            continue;
        };
        let name = name.rsplit("::").next().unwrap_or(name).to_owned();
        let good = result.trim() == "ok";
        outcomes.entry(name).and_modify(|all| *all &= good).or_insert(good);
    }
    outcomes
}

/// The requirements that a test's name carries: `r10_r17_what_is_missing` has 10 and 17.
fn numbers(test: &str) -> impl Iterator<Item = String> + '_ {
    let number = |part: &str| part.strip_prefix('r').and_then(|digits| digits.parse::<u32>().ok());
    test.split('_').map_while(number).map(|n| format!("R{n}"))
}

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    table.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|line| line.split('\t').collect())
}

fn page(findings: &str, named: &str, outcomes: &Outcomes) -> (String, Vec<String>) {
    let mut tests: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for test in outcomes.keys() {
        for number in numbers(test) {
            tests.entry(number).or_default().insert(test.clone());
        }
    }
    for row in rows(named) {
        tests.entry(row[0].to_owned()).or_default().insert(row[1].to_owned());
    }
    let mut problems = Vec::new();
    let mut text = String::from(
        "# What was found against face search, and the test that shows the answer\n\n\
         Made of `docs/compliance.tsv` and a run of the tests by `crates/assent-testkit/src/bin/compliance.rs`; not written by\n\
         hand. The numbers are those of the project's list of requirements. It says that a test passed, and nothing more: it\n\
         is no legal advice, and whoever runs Assent answers for their own use.\n\n\
         | what was found or ordered | where | requirement | tests | status |\n|---|---|---|---|---|\n",
    );
    for row in rows(findings) {
        let [finding, place, requirements] = row[..] else {
            problems.push(format!("docs/compliance.tsv: not three columns: {row:?}"));
            continue;
        };
        for (i, requirement) in requirements.split(' ').enumerate() {
            let of: Vec<&String> = tests.get(requirement).into_iter().flatten().collect();
            let failed: Vec<&&String> = of.iter().filter(|test| outcomes.get(**test) != Some(&true)).collect();
            let status = match (of.is_empty(), failed.is_empty()) {
                (true, _) if SERVER.contains(&requirement) => "waits for the server",
                (true, _) => "no test",
                (false, true) => "passed",
                (false, false) => "failed or not run",
            };
            if !matches!(status, "passed" | "waits for the server") {
                problems.push(format!("{requirement} ({finding}): {status} {failed:?}"));
            }
            let names: Vec<String> = of.iter().map(|test| format!("`{test}`")).collect();
            let (finding, place) = if i == 0 { (finding, place) } else { ("", "") };
            writeln!(text, "| {finding} | {place} | {requirement} | {} | {status} |", names.join(", ")).unwrap();
        }
    }
    (text, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_has_a_test_that_passed_or_is_named_as_a_problem() {
        let log = "running 4 tests\n\
                   test rights::r9_children ... ok\n\
                   test x::r10_r17_locks ... ok\n\
                   test crates/a.rs - A (line 3) - compile fail ... ok\n\
                   test r36_clocks ... FAILED\n\
                   test result: FAILED. 3 passed; 1 failed\n";
        let outcomes = outcomes(log);
        assert_eq!(outcomes.get("r9_children"), Some(&true));
        let check = |name: &str, findings: &str, named: &str, status: &str, problems: usize| {
            let (text, found) = page(findings, named, &outcomes);
            assert!(text.lines().last().unwrap().ends_with(&format!("| {status} |")), "{name}: {text}");
            assert_eq!(found.len(), problems, "{name}: {found:?}");
        };
        check("a number", "a\tF\tR9", "", "passed", 0);
        check("two numbers in a name", "a\tF\tR10 R17", "", "passed", 0);
        check("failed", "a\tF\tR36", "", "failed or not run", 1);
        check("no test", "a\tF\tR1", "", "no test", 1);
        check("named, and it did not run", "a\tF\tR1", "R1\tgone", "failed or not run", 1);
        check("named", "a\tF\tR1", "# a comment\nR1\tr9_children", "passed", 0);
        check("the server's", "a\tF\tR22", "", "waits for the server", 0);
    }
}
