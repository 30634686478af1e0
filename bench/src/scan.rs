//! `assent-bench scan`: photos a second of a whole scan, in turn with the peers.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use assent::evaluate::{FindEvaluation, FindOptions, FindReport, LabelledSet};
use assent::{DeclaredRates, Posture, SearchOptions, Thoroughness};
use clap::Args;
use serde_json::{Value, json};

use crate::figures::{median, round};
use crate::peers::{PeerRuns, Peers};
use crate::setup::{Places, Setup, caveats, cpu};
use crate::{Error, faces};

/// The longest side at which the peers search a photo, pixels: their default.
pub(crate) const PEER_SIDE_PX: u32 = 1600;

/// The cosine at and above which a face is named, by Assent and by the peers.
pub(crate) const THRESHOLD: f32 = 0.45;

/// What `scan` takes.
#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// Run the peers as well, in turn
    #[arg(long)]
    vs: bool,
    /// Assent's own side in row B, pixels [default: as `assent scan` has it]
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(64..=16_000))]
    side: Option<u32>,
    /// Photos that are looked at at once
    #[arg(long, value_name = "N", default_value = "2")]
    threads: NonZeroUsize,
    /// Go through the photos this many times in each run
    #[arg(long, value_name = "N", default_value = "10")]
    repeat: NonZeroUsize,
    /// Runs of each; medians are taken over them
    #[arg(long, value_name = "N", default_value = "5")]
    runs: NonZeroUsize,
    /// A Python with numpy, OpenCV and onnxruntime [default: bench/.venv, made on first use]
    #[arg(long, value_name = "PATH")]
    python: Option<PathBuf>,
    #[command(flatten)]
    places: Places,
}

/// One way to run Assent, and its runs.
#[derive(Debug)]
struct Row {
    name: &'static str,
    side_px: u32,
    thoroughness: Thoroughness,
    photos_per_second: Vec<f64>,
    report: Option<FindReport>,
}

/// Measures.
///
/// # Errors
///
/// If something is missing, or a network or a peer fails; the message says what to do.
pub(crate) fn run(args: &ScanArgs) -> Result<Value, Error> {
    let (threads, repeat, runs) = (args.threads.get(), args.repeat.get(), args.runs.get());
    let setup = args.places.load()?;
    let set = setup.labelled()?;
    let own_side_px = args.side.unwrap_or(SearchOptions::default().side_px);
    let mut rows =
        [Row::new("A", PEER_SIDE_PX, Thoroughness::Exhaustive), Row::new("B", own_side_px, Thoroughness::CoarseToFine)];
    let caveats = scan_caveats(args, &setup, own_side_px);
    let peers =
        args.vs.then(|| Peers::ready(&setup, args.python.as_deref(), (repeat, threads, THRESHOLD))).transpose()?;
    let (mut ort, mut opencv) = (PeerRuns::default(), PeerRuns::default());
    for number in 1..=runs {
        eprintln!("run {number} of {runs}");
        if let Some(peers) = &peers {
            peers.run("ort", &mut ort)?;
            peers.run("opencv", &mut opencv)?;
        }
        for row in &mut rows {
            row.run(&setup, &set, (threads, repeat))?;
        }
    }
    eprintln!("counting the faces that a side of {own_side_px} pixels keeps");
    let faces_kept = faces::kept(&setup, own_side_px)?;
    let [a, b] = rows.map(|row| row.json(&ort, &opencv));
    Ok(json!({
        "caveats": caveats,
        "cpu": cpu(),
        "engines": setup.engines(),
        "threads": threads,
        "runs": runs,
        "repeat": repeat,
        "threshold": round(f64::from(THRESHOLD), 4),
        "row_a": a,
        "row_b": b,
        "peers": { "ort": ort.json(), "opencv": opencv.json() },
        "peer_side_px": PEER_SIDE_PX,
        "peer_versions": peers.as_ref().map(|peers| peers.versions().clone()),
        "faces_kept": faces_kept,
    }))
}

impl Row {
    fn new(name: &'static str, side_px: u32, thoroughness: Thoroughness) -> Row {
        Row { name, side_px, thoroughness, photos_per_second: Vec::new(), report: None }
    }

    /// Enrols the portraits, then takes the time of the search alone, as the peers do.
    fn run(&mut self, setup: &Setup, set: &LabelledSet, (threads, repeat): (usize, usize)) -> Result<(), Error> {
        let options = FindOptions {
            search: SearchOptions { side_px: self.side_px, posture: Posture::Upright, thoroughness: self.thoroughness },
            threads,
            rates: DeclaredRates::default(),
            threshold: Some(THRESHOLD),
            list: false,
            repeat,
        };
        let evaluation = FindEvaluation::prepare(&setup.models, set, options, None)?;
        let started = Instant::now();
        let report = evaluation.run(|| ())?;
        let rate = report.photos as f64 / started.elapsed().as_secs_f64().max(f64::EPSILON);
        if report.failed > 0 {
            return Err(format!(
                "{} of the sample photos cannot be read; take an untouched copy of them",
                report.failed
            )
            .into());
        }
        eprintln!("Assent, row {} ({} pixels): {rate:.2} photos a second", self.name, self.side_px);
        self.photos_per_second.push(round(rate, 2));
        self.report = Some(report);
        Ok(())
    }

    fn json(self, ort: &PeerRuns, opencv: &PeerRuns) -> Value {
        let own = median(&self.photos_per_second);
        let ratio = |peer: &PeerRuns| peer.median().map(|peer| round(own / peer, 3));
        // A face's best owner at or above the threshold, as the peers name it; a second choice is only proposed.
        let counts = self.report.as_ref().map(|report| (report.certain, report.labelled));
        json!({
            "side_px": self.side_px,
            "exhaustive": self.thoroughness == Thoroughness::Exhaustive,
            "photos_per_second": round(own, 2),
            "runs": self.photos_per_second,
            "ort_ratio": ratio(ort),
            "opencv_ratio": ratio(opencv),
            "recall": counts.and_then(|(c, labelled)| c.recall(labelled)).map(|r| round(r, 3)),
            "precision": counts.and_then(|(c, _)| c.precision()).map(|p| round(p, 3)),
            "found": counts.map(|(c, _)| c.found),
            "wrong": counts.map(|(c, _)| c.wrong),
            "labelled": counts.map(|(_, labelled)| labelled),
        })
    }
}

/// What is to be known before the figures of a scan are read.
fn scan_caveats(args: &ScanArgs, setup: &Setup, own_side_px: u32) -> Vec<String> {
    let mut caveats = caveats(setup);
    caveats.push(
        "Upright faces and one cosine threshold, because that is what the peers do; `assent scan` also looks for faces \
         that are turned, which takes about twice as long, and takes its threshold from the size of the gallery."
            .to_owned(),
    );
    caveats.push(
        "The labels are crew rosters from memory, and few: read them as counts. One face is 2 points of recall."
            .to_owned(),
    );
    caveats.push(
        "The photos are read again and again and lie in memory: a slow disk is not part of the figures. Enrolment and \
         start are not either, for Assent and for the peers."
            .to_owned(),
    );
    if args.vs {
        caveats.push(
            "The peers are a plain Python program of processes beside each other on the same networks, written to be \
             measured against; nobody tuned them."
                .to_owned(),
        );
    }
    caveats.push(format!(
        "Row A looks at every pixel of the peers' picture, as they do: equal work. Row B is how `assent scan` looks: first \
         at half of {own_side_px} pixels, then at the full side where that shows something like a face; `faces_kept` says \
         what it costs."
    ));
    if args.runs.get() < 3 || args.repeat.get() < 3 {
        caveats.push("Too few runs or rounds to know how much the figures vary: a try, not a measurement.".to_owned());
    }
    if std::thread::available_parallelism().is_ok_and(|cores| args.threads > cores) {
        caveats.push("More threads than processors: all of them wait for each other.".to_owned());
    }
    caveats
}
