//! `assent evaluate verify`: labelled pairs of images, compared as Labeled Faces in the Wild does.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use assent::evaluate::{PairSet, VerifyOptions, VerifyReport, verify};
use assent_documents::json::evaluate::{Run, VerifyEvaluated};
use clap::Args;

use crate::evaluate_cmd::EvaluateCmdError;
use crate::models_arg::ModelPlaces;
use crate::output::write_line;
use crate::progress;
use crate::search_args::SearchArgs;

#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "these comments are the help text, and a person reads no backticks")]
pub(crate) struct VerifyArgs {
    /// The pairs, in the form of LFW's pairs.txt: folds and pairs, then name and two numbers, or two names and numbers
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// Folder with the images: one folder for each name, with files such as Name/Name_0001.jpg
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    #[command(flatten)]
    search: SearchArgs,
}

/// # Errors
///
/// [`EvaluateCmdError`] if the pairs or the models cannot be used, an image cannot be read, or a network fails.
#[expect(clippy::disallowed_methods, reason = "the binary is the only reader of the clock (I10)")]
pub(crate) fn run(
    args: &VerifyArgs,
    models: &ModelPlaces,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), EvaluateCmdError> {
    let text = fs::read_to_string(&args.pairs)
        .map_err(|source| EvaluateCmdError::PairsFile { path: args.pairs.clone(), source })?;
    let set = PairSet::parse(&text, &args.images)?;
    let models = models.load()?;
    let options = VerifyOptions { search: args.search.options(), threads: args.search.threads() };
    let bar = progress::bar(set.images() as u64, "images");
    let started = Instant::now();
    let report = verify(&models, &set, options, || bar.inc(1))?;
    let seconds = started.elapsed().as_secs_f64();
    bar.finish_and_clear();
    write_report(&report, options, seconds, json, out).map_err(EvaluateCmdError::Output)
}

fn write_report(
    r: &VerifyReport,
    options: VerifyOptions,
    seconds: f64,
    json: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rate = r.images as f64 / seconds.max(f64::EPSILON);
    let without_face = r.images_without_face as f64 / r.images as f64;
    if json {
        return write_line(&VerifyEvaluated::new(r, Run { seconds, threads: options.threads }), out);
    }
    writeln!(
        out,
        "{} images of {} people in {seconds:.1} s ({rate:.1} images a second, {} threads)",
        r.images, r.people, options.threads
    )?;
    writeln!(out, "{} pairs of one person, {} pairs of two people; folds: {}", r.same, r.different, r.folds)?;
    writeln!(
        out,
        "failure to enrol: {:.2} % ({} images without a usable face; the {} pairs with one count as errors)",
        without_face * 100.0,
        r.images_without_face,
        r.pairs_without_score
    )?;
    let mean = r.accuracy.mean * 100.0;
    match (r.accuracy.deviation, r.accuracy.standard_error) {
        (Some(deviation), Some(error)) => writeln!(
            out,
            "accuracy: {mean:.2} % (standard deviation over the folds {:.2}, standard error of the mean {:.2})",
            deviation * 100.0,
            error * 100.0
        )?,
        _ => writeln!(
            out,
            "accuracy: {mean:.2} % (one fold: the threshold was chosen on the same pairs, which flatters)"
        )?,
    }
    writeln!(out, "area under the curve: {:.5}", r.auc)?;
    for (far, needed, tar) in [("1e-2", 100, r.tar_at_far_1e_2), ("1e-3", 1_000, r.tar_at_far_1e_3)] {
        match tar {
            Some(tar) => writeln!(out, "true accept rate at a false accept rate of {far}: {:.2} %", tar * 100.0)?,
            None => writeln!(
                out,
                "true accept rate at a false accept rate of {far}: not supported by {} pairs of two people; {needed} are needed",
                r.different
            )?,
        }
    }
    Ok(())
}
