//! `assent-bench`: the figures that Assent's pages quote, each from a subcommand, as one JSON object on standard output.
//!
//! | module | what |
//! |---|---|
//! | `scan` | photos a second, in turn with the peers |
//! | `stages` | where a photo's time goes |
//! | `newcomer` | what somebody costs who enrols after the scan |
//! | `memory` | how much memory a scan of large photos takes |
//! | `incremental` | how long the next scan of a large collection takes |
//! | `gallery`, `sealed`, `synthetic` | how fast a large gallery is searched, and how fast it forgets |
//! | `rights` | how long it takes to check the log, to tell a person everything, and to erase them |
//! | `hands` | how long people wait beside a scan, and the scan for them |
//! | `faces` | which faces a smaller picture loses |
//! | `peers` | the Python programs that are measured against |
//! | `python` | a Python for them |
//! | `setup` | packs, networks and the machine |
//! | `vault` | a vault to scan in |
//! | `figures` | medians and rounding |
//!
//! Everything is measured on the sample photos, and the results are counts and times: nobody is named (I11).

mod faces;
mod figures;
mod gallery;
mod hands;
mod incremental;
mod memory;
mod newcomer;
mod peers;
mod python;
mod rights;
mod scan;
mod sealed;
mod setup;
mod stages;
mod synthetic;
mod vault;
mod write;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Any error; its message says what to do next.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// Measures Assent on the sample photos and prints one JSON object; progress goes to standard error
#[derive(Debug, Parser)]
#[command(name = "assent-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Photos a second of a whole scan, in turn with the peers, and how right the answers are
    Scan(scan::ScanArgs),
    /// Where a photo's time goes, one thread, one stage after the other
    Stages(stages::StagesArgs),
    /// What somebody costs who enrols after the scan, against the first scan
    Newcomer(newcomer::NewcomerArgs),
    /// The most memory that a scan of photos of 24 megapixels takes
    Memory(memory::MemoryArgs),
    /// The next scan of a large collection that did not change, and after files were renamed
    Incremental(incremental::IncrementalArgs),
    /// A large gallery: searches by one probe and by many, recall, removal under a running search, memory
    Gallery(gallery::GalleryArgs),
    /// A long log checked, a person told everything, people erased from a large vault
    Rights(rights::RightsArgs),
    /// People who withdraw and are looked for while a scan works on the vault, and the scan beside them
    Hands(hands::HandsArgs),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Scan(args) => scan::run(&args),
        Command::Stages(args) => stages::run(&args),
        Command::Newcomer(args) => newcomer::run(&args),
        Command::Memory(args) => memory::run(&args),
        Command::Incremental(args) => incremental::run(&args),
        Command::Gallery(args) => gallery::run(&args),
        Command::Rights(args) => rights::run(&args),
        Command::Hands(args) => hands::run(&args),
    };
    match done {
        Ok(figures) => {
            println!("{figures:#}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("assent-bench: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}
