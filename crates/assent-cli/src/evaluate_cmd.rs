//! `assent evaluate`: counts on labelled photos that never enter a vault. This file is `evaluate find`.

use std::fs;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use assent::evaluate::{
    Counts, EvaluateError, FindEvaluation, FindOptions, FindReport, Groups, GroupsError, LabelledSet, LabelsError,
    OpenSet, PairsError, VerifyError,
};
use assent_documents::json::evaluate::{self as json, FindEvaluated, Run, band};
use clap::{Args, Subcommand};
use thiserror::Error;

use crate::models_arg::{LoadModelsError, ModelPlaces};
use crate::output::write_line;
use crate::progress;
use crate::scan_cmd::RateArgs;
use crate::search_args::SearchArgs;
use crate::{det_plot, evaluate_open_set, evaluate_verify_cmd};

#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    #[command(subcommand)]
    command: EvaluateCommand,
}

#[derive(Debug, Subcommand)]
enum EvaluateCommand {
    /// Search labelled photos for the people of a folder of portraits, and count
    Find(FindArgs),
    /// Compare labelled pairs of images as Labeled Faces in the Wild does, and give the rates
    Verify(evaluate_verify_cmd::VerifyArgs),
}

#[derive(Debug, Args)]
struct FindArgs {
    /// Folder with the photos
    #[arg(long, value_name = "DIR")]
    photos: PathBuf,
    /// Folder with one portrait for each person, named as the person is in the labels
    #[arg(long, value_name = "DIR")]
    enrol: PathBuf,
    /// Who is where: photo, tab, person, tab, basis of the label
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    #[command(flatten)]
    search: SearchArgs,
    #[command(flatten)]
    rates: RateArgs,
    /// One cosine as the threshold of both bands instead (sample photos alone)
    #[arg(long, value_name = "COSINE")]
    threshold: Option<f32>,
    /// Print every answer (sample photos alone)
    #[arg(long)]
    list: bool,
    /// Open-set figures of each group, too: person, tab, group, one line for each person. A group needs 30 people and 40
    /// labelled appearances
    #[arg(long, value_name = "FILE")]
    groups: Option<PathBuf>,
    /// Write the DET curve of the open-set figures as a picture (SVG)
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Where the random galleries of the open-set figures begin; equal seeds give equal figures
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Go through the photos this many times, for timing
    #[arg(long, value_name = "N", default_value = "1")]
    repeat: NonZeroUsize,
}

/// Why an evaluation failed.
#[derive(Debug, Error)]
pub(crate) enum EvaluateCmdError {
    #[error(transparent)]
    Models(#[from] LoadModelsError),
    #[error(transparent)]
    Labels(#[from] LabelsError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error("cannot read the pairs from {}", path.display())]
    PairsFile {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Pairs(#[from] PairsError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Groups(#[from] GroupsError),
    #[error("cannot write the plot to {}", path.display())]
    Plot {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("there are too few people for a plot: five with a usable portrait and a label are needed")]
    NoPlot,
    #[error("cannot write the result")]
    Output(#[source] io::Error),
}

/// # Errors
///
/// [`EvaluateCmdError`] if the models, the labels or the pairs cannot be used, or a network fails.
pub(crate) fn run(
    args: &EvaluateArgs,
    models: &ModelPlaces,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), EvaluateCmdError> {
    match &args.command {
        EvaluateCommand::Find(args) => find(args, models, json, out),
        EvaluateCommand::Verify(args) => evaluate_verify_cmd::run(args, models, json, out),
    }
}

#[expect(clippy::disallowed_methods, reason = "the binary is the only reader of the clock (I10)")]
fn find(args: &FindArgs, models: &ModelPlaces, json: bool, out: &mut dyn Write) -> Result<(), EvaluateCmdError> {
    let set = LabelledSet::read(&args.photos, &args.enrol, &args.labels)?;
    let groups = args.groups.as_deref().map(|path| Groups::read(path, &set)).transpose()?;
    let models = models.load()?;
    let options = FindOptions {
        search: args.search.options(),
        threads: args.search.threads(),
        rates: args.rates.declared(),
        threshold: args.threshold,
        list: args.list,
        repeat: args.repeat.get(),
    };
    let evaluation = FindEvaluation::prepare(&models, &set, options, groups.as_ref())?;
    let bar = progress::bar(evaluation.photos() as u64, "photos");
    let started = Instant::now();
    let report = evaluation.run(|| bar.inc(1))?;
    let seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let open = OpenSet::of(&report, args.seed, groups.as_ref());
    if let Some(path) = &args.plot {
        let svg = det_plot::svg(open.as_ref().ok_or(EvaluateCmdError::NoPlot)?);
        fs::write(path, svg).map_err(|source| EvaluateCmdError::Plot { path: path.clone(), source })?;
    }
    write_report(&report, open.as_ref(), options, seconds, json, out).map_err(EvaluateCmdError::Output)
}

fn write_report(
    report: &FindReport,
    open: Option<&OpenSet>,
    options: FindOptions,
    seconds: f64,
    json: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rate = report.photos as f64 / seconds.max(f64::EPSILON);
    let declared = options.threshold.is_none().then_some(options.rates);
    if json {
        let run = Run { seconds, threads: options.threads };
        let open_set = open.map(|open| json::OpenSet::new(open, declared));
        return write_line(&FindEvaluated::new(report, run, options.rates, open_set, options.list), out);
    }
    writeln!(
        out,
        "{} photos with {} faces in {seconds:.1} s ({rate:.1} photos a second, {} threads)",
        report.photos, report.faces, options.threads
    )?;
    if report.failed > 0 {
        writeln!(out, "{} files are no photo that can be read and were left out", report.failed)?;
    }
    writeln!(out, "{} people enrolled, {} portraits without a usable face", report.gallery, report.not_enrolled)?;
    let line = |name: &str, c: Counts| format!("{name}: {} of {} found, {} wrong", c.found, report.labelled, c.wrong);
    match report.thresholds.certain {
        Some(t) => writeln!(out, "{} (cosine {t:.3} and above)", line("match", report.certain))?,
        None => writeln!(out, "match: none; the pack's table does not support the declared rate for this gallery")?,
    }
    writeln!(
        out,
        "{} (cosine {:.3} and above)",
        line("match or review", report.certain_or_review),
        report.thresholds.review
    )?;
    for l in &report.list {
        let label = if l.labelled { "labelled" } else { "no label" };
        writeln!(out, "{:.3}\t{}\t{}\t{}\t{label}", l.score, band(l.band), l.photo, l.person)?;
    }
    open.map_or(Ok(()), |open| evaluate_open_set::write(open, declared, out))
}
