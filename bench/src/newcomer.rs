//! `assent-bench newcomer`: what somebody costs who enrols after the scan, against the first scan of the same photos.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use assent::ledger::Timestamp;
use assent::scan::{ScanOptions, ScanSummary, ScanWatch, scan};
use assent::{DeclaredRates, SearchOptions};
use assent_testkit::{OPERATOR, T0, World};
use clap::Args;
use serde_json::{Value, json};

use crate::Error;
use crate::figures::{median, round};
use crate::setup::{Places, Setup, caveats, cpu, read};

/// Who is enrolled before the first scan.
const FIRST: &str = "sergei-krikalev";

/// Who comes after it.
const NEWCOMER: &str = "carl-walz";

/// What `newcomer` takes.
#[derive(Debug, Args)]
pub(crate) struct NewcomerArgs {
    /// Photos that are looked at at once
    #[arg(long, value_name = "N", default_value = "2")]
    threads: NonZeroUsize,
    /// Copies of each sample photo in the collection
    #[arg(long, value_name = "N", default_value = "4")]
    copies: NonZeroUsize,
    /// Runs; medians are taken over them
    #[arg(long, value_name = "N", default_value = "5")]
    runs: NonZeroUsize,
    #[command(flatten)]
    places: Places,
}

/// The times of one kind of collection, seconds.
#[derive(Debug, Default)]
struct Times {
    first: Vec<f64>,
    walk: Vec<f64>,
    faces: usize,
    found: usize,
    bytes: u64,
}

/// Measures the walk over known photos for a newcomer, from the photos and from kept crops.
///
/// # Errors
///
/// If something is missing, or a network fails; the message says what to do.
pub(crate) fn run(args: &NewcomerArgs) -> Result<Value, Error> {
    let setup = args.places.load()?;
    let (threads, copies, runs) = (args.threads.get(), args.copies.get(), args.runs.get());
    let (mut plain, mut crops) = (Times::default(), Times::default());
    for number in 1..=runs {
        eprintln!("run {number} of {runs}");
        plain.run(&setup, false, (threads, copies))?;
        crops.run(&setup, true, (threads, copies))?;
    }
    if plain.found != crops.found {
        return Err(format!("the walks differ: {} and {} photos found", plain.found, crops.found).into());
    }
    let ratio = |part: &[f64], whole: &[f64]| round(median(part) / median(whole), 4);
    let crop_bytes = crops.bytes.saturating_sub(plain.bytes) as f64 / crops.faces.max(1) as f64;
    let rounded = |times: &[f64]| times.iter().map(|t| round(*t, 3)).collect::<Vec<_>>();
    let search = SearchOptions::default();
    let mut caveats = caveats(&setup);
    caveats.push(
        "The copies of a photo differ by a comment in the file, so that each is a photo of its own. They lie in memory: \
         a slow disk would make the first scan and the walk over files slower, and not the walk over crops."
            .to_owned(),
    );
    Ok(json!({
        "caveats": caveats,
        "cpu": cpu(),
        "engines": setup.engines(),
        "threads": threads,
        "runs": runs,
        "photos": setup.sample.photos.len() * copies,
        "faces": plain.faces,
        "side_px": search.side_px,
        "found": plain.found,
        "first_s": round(median(&plain.first), 3),
        "walk_s": round(median(&plain.walk), 3),
        "walk_ratio": ratio(&plain.walk, &plain.first),
        "first_keeping_crops_s": round(median(&crops.first), 3),
        "walk_crops_s": round(median(&crops.walk), 3),
        "crops_ratio": ratio(&crops.walk, &plain.first),
        "crops_bytes_per_face": round(crop_bytes, 0),
        "first_runs_s": rounded(&plain.first),
        "walk_runs_s": rounded(&plain.walk),
        "first_keeping_crops_runs_s": rounded(&crops.first),
        "walk_crops_runs_s": rounded(&crops.walk),
    }))
}

impl Times {
    /// A vault of its own: one person, the first scan, the newcomer, the walk.
    fn run(&mut self, setup: &Setup, keep_crops: bool, (threads, copies): (usize, usize)) -> Result<(), Error> {
        let w = World::new(&[]);
        for photo in &setup.sample.photos {
            let bytes = read(photo)?;
            let name = photo.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            for copy in 0..copies {
                w.home.put(&format!("{copy}/{name}"), &with_comment(&bytes, copy)?);
            }
        }
        if keep_crops {
            w.tx(|tx| tx.keep_crops(w.collection))?;
        }
        w.enrol(FIRST, FIRST);
        let (first_s, first) = timed(setup, &w, threads)?;
        let (newcomer, _) = w.enrol(NEWCOMER, NEWCOMER);
        let (walk_s, walk) = timed(setup, &w, threads)?;
        let photos = setup.sample.photos.len() * copies;
        if (first.looked_at, walk.rematched) != (photos, photos) {
            let (looked_at, rematched) = (first.looked_at, walk.rematched);
            return Err(format!("of {photos} photos, {looked_at} were looked at and {rematched} rematched").into());
        }
        eprintln!("{}: first {first_s:.2} s, walk {walk_s:.2} s", if keep_crops { "crops" } else { "files" });
        self.first.push(first_s);
        self.walk.push(walk_s);
        self.faces = first.faces;
        self.found = w.find(newcomer).len();
        self.bytes = std::fs::metadata(w.home.place.folder.join("assent.db"))?.len();
        Ok(())
    }
}

/// A whole scan as `assent scan` does it, start of the networks included, and how long it took.
fn timed(setup: &Setup, w: &World, threads: usize) -> Result<(f64, ScanSummary), Error> {
    let options = ScanOptions {
        search: SearchOptions::default(),
        threads,
        rates: DeclaredRates::default(),
        memory_mb: 512,
        free_bytes: None,
        request: None,
        by: OPERATOR,
    };
    let started = Instant::now();
    let now = || Timestamp(T0.0 + started.elapsed().as_millis() as i64);
    let watch = &mut ScanWatch { now: &now, stop: &Arc::default(), progress: &mut |_| {} };
    let summary = scan(&w.ledger, &setup.models, w.collection, options, watch)?;
    Ok((started.elapsed().as_secs_f64(), summary))
}

/// The same JPEG with a comment segment behind its first marker: the same picture in other bytes.
fn with_comment(jpeg: &[u8], number: usize) -> Result<Vec<u8>, Error> {
    let Some(rest) = jpeg.strip_prefix(&[0xff, 0xd8]) else {
        return Err("a sample photo is no JPEG; take an untouched copy of the sample set".into());
    };
    let text = format!("copy {number}");
    let length = (text.len() as u16 + 2).to_be_bytes();
    Ok([&[0xff, 0xd8, 0xff, 0xfe], length.as_slice(), text.as_bytes(), rest].concat())
}
