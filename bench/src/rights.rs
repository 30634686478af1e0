//! How long it takes to check a long log, to tell a person everything, and to erase somebody from a large vault.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use assent::ledger::{EventKind, SubjectId};
use assent_testkit::{T0, World};
use clap::Args;
use serde_json::{Value, json};

use crate::Error;
use crate::figures::{median, p99, round};
use crate::setup::cpu;
use crate::vault::{TOGETHER, empty_world, enrol, put_photos};

#[derive(Debug, Args)]
pub(crate) struct RightsArgs {
    /// People in the vault, each with a consent and a template
    #[arg(long, default_value_t = 100_000)]
    subjects: usize,
    /// Entries of the log
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Photos in which one of them was seen
    #[arg(long, default_value_t = 10_000)]
    sightings: usize,
    /// People who are erased
    #[arg(long, default_value_t = 200)]
    erasures: usize,
    /// The program `assent`, which answers access; without it that is left out
    #[arg(long, value_name = "FILE")]
    assent: Option<PathBuf>,
}

/// # Errors
///
/// If the vault cannot be written, the log is not whole, or `assent` fails.
pub(crate) fn run(args: &RightsArgs) -> Result<Value, Error> {
    let world = empty_world();
    let people = enrol(&world, args.subjects, [1; 32], &mut || vec![vec![7; 512]])?;
    let seen = *people.first().ok_or("--subjects is 0")?;
    put_photos(&world, 0..args.sightings, 1, |_| Some(seen))?;
    fill_log(&world, &people, args.entries)?;

    let mut verify = Vec::new();
    let mut entries = 0;
    for _ in 0..5 {
        let started = Instant::now();
        let audit = world.ledger.audit_verify(None, T0)?;
        verify.push(round(started.elapsed().as_secs_f64(), 3));
        entries = audit.size;
        if audit.fault.is_some() {
            return Err("the log is not whole".into());
        }
    }

    let mut erased = Vec::new();
    for subject in people.iter().rev().take(args.erasures) {
        let started = Instant::now();
        world.ledger.erase(*subject, T0, |_| {})?;
        erased.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let access = args.assent.as_ref().map(|program| access(world, program)).transpose()?;
    Ok(json!({
        "caveats": ["every write waits for the disk of this machine, and its disk is not yours"],
        "cpu": cpu(),
        "subjects": args.subjects,
        "entries": entries,
        "sightings": args.sightings,
        "audit_verify_1m_s": median(&verify),
        "audit_runs": verify,
        "access_10k_s": access.as_ref().map(|runs| median(runs)),
        "access_runs": access,
        "erase_p50_ms": round(median(&erased), 2),
        "erase_p99_ms": round(p99(&erased), 2),
        "erasures": erased.len(),
    }))
}

/// Searches, each about one of the people, until the log is long enough.
fn fill_log(world: &World, people: &[SubjectId], entries: u64) -> Result<(), Error> {
    let mut next = 0;
    loop {
        let size = world.tx(|tx| Ok(tx.log_head()?.0))?;
        if size >= entries {
            return Ok(());
        }
        eprintln!("entry {size} of {entries}");
        let end = next + TOGETHER.min((entries - size) as usize);
        world.tx(|tx| {
            (next..end).try_for_each(|n| {
                let who = people[n % people.len()];
                tx.append_leaf(EventKind::Search, &[0, 0, 0, 1], &[(who, &n.to_le_bytes())]).map(drop)
            })
        })?;
        next = end;
    }
}

/// Seconds that `assent access` takes, five times.
fn access(world: World, program: &Path) -> Result<Vec<f64>, Error> {
    // One process works on a vault at a time.
    let World { ledger, home, .. } = world;
    drop(ledger);
    let place = &home.place;
    let mut took = Vec::new();
    for _ in 0..5 {
        let to = place.folder.with_file_name("access.zip");
        let started = Instant::now();
        let done = Command::new(program)
            .args(["access", "person-0", "--json", "--to"])
            .arg(&to)
            .arg("--vault")
            .arg(&place.folder)
            .arg("--key-ring")
            .arg(&place.ring)
            .output()?;
        took.push(round(started.elapsed().as_secs_f64(), 3));
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
        }
        fs::remove_file(&to)?;
    }
    Ok(took)
}
