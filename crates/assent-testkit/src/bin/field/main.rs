//! Runs the built program on inputs that went wrong once, and says which are right now:
//!
//! ```text
//! cargo run --release -p assent-testkit --bin field -- ../shared/cases
//! ```
//!
//! Every file of the folder belongs to a case, or the run fails: an input that nobody looks at is no test. Each case works
//! in a temporary folder of its own. It ends with `cases N, right N`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool of the project itself may fail loudly, and reads its own command line"
)]

mod bombs;
mod make;
mod photos;
mod program;
mod rosters;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use program::{Case, Sandbox};

fn main() -> ExitCode {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "../shared/cases".to_owned()));
    let only = std::env::args().nth(2);
    let binary = program::build();
    let cases: Vec<Case> = [photos::cases(), rosters::cases(), bombs::cases()].concat();
    let mut files = BTreeSet::new();
    list(&folder, &folder, &mut files);
    // The words about the cases, and the script that shows those that are more than one file.
    for of_the_folder in ["README.md", "make.py", "bombs/evidence-key.txt"] {
        files.remove(of_the_folder);
    }
    for case in &cases {
        files.remove(case.input);
    }
    let mut right = 0;
    let mut all = files.len();
    for file in &files {
        println!("wrong\t{file}\tno case looks at this file");
    }
    for case in cases.iter().filter(|case| only.as_deref().is_none_or(|only| case.name.contains(only))) {
        all += 1;
        let place = Sandbox::new(&binary, &folder);
        match (case.run)(&place, case.input) {
            Ok(()) => {
                right += 1;
                println!("right\t{}", case.name);
            }
            Err(why) => println!("wrong\t{}\t{why}\n{}", case.name, place.said()),
        }
    }
    println!("cases {all}, right {right}");
    if right == all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn list(folder: &Path, below: &Path, files: &mut BTreeSet<String>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(folder, &path, files);
        } else {
            files.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
        }
    }
}
