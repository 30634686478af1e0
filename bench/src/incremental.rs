//! `assent-bench incremental`: how long the next scan of a large collection takes that hardly changed.

use std::fs;
use std::num::NonZeroUsize;
use std::time::Instant;

use assent::budget::MEMORY_MB_PER_THREAD;
use assent::scan::ScanSummary;
use assent::{Frame, SearchOptions, encode};
use assent_testkit::World;
use clap::Args;
use serde_json::{Value, json};

use crate::Error;
use crate::figures::round;
use crate::setup::cpu;
use crate::vault::{empty_world, scan};

/// Side of the pictures, pixels. They are small so that the first scan does not take hours; the next ones look at none.
const SIDE_PX: u32 = 64;

/// Files in one folder at most.
const FOLDER_FILES: usize = 1000;

/// Who is searched for, from the sample portraits.
const PORTRAIT: &str = "julie-payette";

/// What `incremental` takes.
#[derive(Debug, Args)]
pub(crate) struct IncrementalArgs {
    /// Photos in the collection
    #[arg(long, value_name = "N", default_value = "100000")]
    photos: NonZeroUsize,
    /// Photos that are renamed before the last scan
    #[arg(long, value_name = "N", default_value = "1000")]
    renamed: NonZeroUsize,
    /// Photos that are looked at at once
    #[arg(long, value_name = "N", default_value = "2")]
    threads: NonZeroUsize,
}

/// Scans a folder, scans it again, and again after some files were renamed.
///
/// # Errors
///
/// If a file cannot be written, a scan fails, or one finds something else to do than it should.
pub(crate) fn run(args: &IncrementalArgs) -> Result<Value, Error> {
    let (photos, renamed) = (args.photos.get(), args.renamed.get().min(args.photos.get()));
    let world = empty_world();
    world.enrol("somebody", PORTRAIT);
    eprintln!("making {photos} photos");
    make(&world, photos)?;
    let first = timed(&world, args, "the first scan")?;
    let unchanged = timed(&world, args, "the scan of the unchanged folder")?;
    for i in 0..renamed {
        let i = i * (photos / renamed);
        fs::rename(world.home.photos.join(path(i)), world.home.photos.join(format!("moved-{i}.jpg")))?;
    }
    let moved = timed(&world, args, "the scan after files were renamed")?;
    let done = |scan: &(ScanSummary, f64)| (scan.0.looked_at, scan.0.unchanged, scan.0.moved, scan.0.missing);
    let expected = [(photos, 0, 0, 0), (0, photos, 0, 0), (0, photos, renamed, 0)];
    let got = [done(&first), done(&unchanged), done(&moved)];
    if got != expected {
        return Err(format!("looked at, unchanged, moved and missing are {got:?}, not {expected:?}").into());
    }
    Ok(json!({
        "cpu": cpu(),
        "photos": photos,
        "threads": args.threads,
        "first_scan_seconds": round(first.1, 2),
        "unchanged_scan_seconds": round(unchanged.1, 2),
        "renamed": renamed,
        "renamed_scan_seconds": round(moved.1, 2),
    }))
}

fn timed(world: &World, args: &IncrementalArgs, what: &str) -> Result<(ScanSummary, f64), Error> {
    let started = Instant::now();
    let memory_mb = MEMORY_MB_PER_THREAD * args.threads.get() as u64;
    let summary = scan(world, SearchOptions::default(), args.threads.get(), memory_mb)?;
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("{what}: {seconds:.2} s");
    Ok((summary, seconds))
}

/// Writes small pictures without a face, each of another colour and with a comment of its own.
fn make(world: &World, photos: usize) -> Result<(), Error> {
    for folder in 0..photos.div_ceil(FOLDER_FILES) {
        fs::create_dir_all(world.home.photos.join(format!("{folder:04}")))?;
    }
    let colour = |i: usize| [(i % 251) as u8, 90, 200];
    let files = (0..251).map(|i| encode::jpeg(&Frame::filled(SIDE_PX, SIDE_PX, colour(i)), 80));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    for i in 0..photos {
        let (file, comment) = (&files[i % files.len()], format!("photo {i:08}"));
        // Start, a comment segment, the rest.
        let length = (comment.len() as u16 + 2).to_be_bytes();
        let bytes = [&file[..2], &[0xFF, 0xFE], &length, comment.as_bytes(), &file[2..]].concat();
        fs::write(world.home.photos.join(path(i)), bytes)?;
    }
    Ok(())
}

fn path(i: usize) -> String {
    format!("{:04}/{:08}.jpg", i / FOLDER_FILES, i)
}
