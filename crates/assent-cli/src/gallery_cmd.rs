//! `assent gallery status|calibrate`: who can be found in a collection, what the thresholds promise, and how harsh these
//! people are for the models.

use assent::calibrate::{Calibrated, Measured};
use assent::ledger::{CollectionId, Ledger, SubjectId, Tx, TxError};
use assent::models::Models;
use assent::searched::{NoRoom, Opening, Searched};
use assent::{Calibration, DeclaredRates};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::evaluate_cmd::round;
use crate::free_memory::free_memory_bytes;
use crate::models_arg::ModelPlaces;
use crate::output::{Output, count, shown};
use crate::progress;
use crate::scan_cmd::{EXPOSED, RateArgs, ids, left_out};
use crate::search_args::all_threads;
use crate::vault::{self, VaultFlags, now};

#[derive(Debug, Args)]
pub(crate) struct GalleryArgs {
    #[command(subcommand)]
    command: GalleryCommand,
}

#[derive(Debug, Subcommand)]
enum GalleryCommand {
    /// How many people can be found, how alike a face has to be, how often that errs, and who looks like somebody else
    Status {
        /// The collection's name
        collection: String,
        #[command(flatten)]
        rates: RateArgs,
    },
    /// Compare everybody who is enrolled with everybody else, and keep how often two look alike: the next scan is
    /// stricter where people here look alike, and never less strict than the models' own table says
    Calibrate {
        /// The collection's name
        collection: String,
        /// Say what was measured, and keep nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// # Errors
///
/// [`CommandError`], as the ledger and the models say.
pub(crate) fn run(
    args: &GalleryArgs,
    flags: &VaultFlags,
    models: &ModelPlaces,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let (GalleryCommand::Status { collection: name, .. } | GalleryCommand::Calibrate { collection: name, .. }) =
        &args.command;
    let ledger = vault::open_to_compare(flags)?;
    let about = Opened { ledger: &ledger, name, id: vault::collection(&ledger, name)?.id, models: models.load()? };
    match &args.command {
        GalleryCommand::Status { rates, .. } => status(&about, rates.declared(), out),
        GalleryCommand::Calibrate { dry_run, .. } => calibrate(&about, *dry_run, out),
    }
}

/// The collection that is meant, and the models for it.
struct Opened<'a> {
    ledger: &'a Ledger,
    name: &'a str,
    id: CollectionId,
    models: Models,
}

/// Opens what may be searched in a collection, under a progress bar.
fn open(tx: &Tx<'_>, about: &Opened<'_>, rates: DeclaredRates) -> Result<Result<Searched, NoRoom>, TxError> {
    let bar = progress::bar(0, "templates opened");
    let mut opening = Opening {
        threads: all_threads(),
        available_bytes: free_memory_bytes(),
        progress: &mut |done, of| {
            bar.set_length(of);
            bar.set_position(done);
        },
    };
    let opened = Searched::open(tx, &about.models, about.id, rates, &mut opening);
    bar.finish_and_clear();
    opened
}

fn status(about: &Opened<'_>, rates: DeclaredRates, out: &mut Output<'_>) -> Result<(), CommandError> {
    let opened = about.ledger.run_tx("gallery status", now(), |tx| {
        let searched = match open(tx, about, rates)? {
            Ok(searched) => searched,
            Err(no_room) => return Ok(Err(no_room)),
        };
        let handle = |id: SubjectId| Ok::<_, TxError>(tx.subject(id)?.handle);
        let pairs = searched.look_alikes().into_iter().map(|(a, b)| Ok([handle(a)?, handle(b)?]));
        let pairs = pairs.collect::<Result<Vec<_>, TxError>>()?;
        Ok(Ok((searched, pairs)))
    })?;
    let (searched, look_alikes) = opened.into_inner()?;
    let status = Status { name: about.name, searched: &searched, look_alikes: &look_alikes, rates };
    out.answer(&status.object(), |out| {
        for line in status.lines() {
            writeln!(out, "{line}")?;
        }
        Ok(())
    })?;
    Ok(())
}

fn calibrate(about: &Opened<'_>, dry_run: bool, out: &mut Output<'_>) -> Result<(), CommandError> {
    let Opened { ledger, name, models, .. } = about;
    let opened = ledger.run_tx("open templates", now(), |tx| open(tx, about, DeclaredRates::default()))?;
    let searched = opened.into_inner()?;
    let calibrated = Calibrated::measure(&searched, models, all_threads())
        .filter(|calibrated| calibrated.pairs > 0)
        .ok_or(CommandError::NothingToCalibrate)?;
    if !dry_run {
        ledger.run_tx("calibrate", now(), |tx| calibrated.keep(tx, models, about.id))?;
    }
    let rows = calibrated_rows(&calibrated, models);
    let object = |row: &CalibratedRow| {
        json!({ "score": row.here.score, "pairs": row.here.reached, "fmr": row.here.fmr, "fmr_low": row.here.low,
                "fmr_of_the_models": row.own, "fmr_from_now_on": row.now })
    };
    let scores: Vec<Value> = rows.iter().map(object).collect();
    let object = json!({ "collection": name, "people": calibrated.people, "pairs": calibrated.pairs, "kept": !dry_run,
                         "scores": scores });
    out.answer(&object, |out| {
        let people = people(calibrated.people);
        writeln!(out, "{name}: {people} compared with each other, {} pairs of pictures.", calibrated.pairs)?;
        writeln!(out, "cosine\tpairs\trate here (at least)\tmodels' table\tfrom now on")?;
        for CalibratedRow { here, own, now } in &rows {
            let (score, reached, fmr, low) = (here.score, here.reached, rate(here.fmr), rate(here.low));
            writeln!(out, "{score:.2}\t{reached}\t{fmr} ({low})\t{}\t{}", rate(*own), rate(*now))?;
        }
        let raised = rows.iter().any(|row| row.now > row.own * (1.0 + 1e-6));
        let says = if raised {
            "These people look alike more often than the models' table says: thresholds rise."
        } else {
            "Nothing says that these people look alike more often than the models' table does: thresholds stay."
        };
        let kept = if dry_run { "Nothing was kept." } else { "Kept; the next scan goes by it." };
        writeln!(out, "{says}\n{kept}")
    })?;
    Ok(())
}

/// One score of the table.
struct CalibratedRow {
    here: Measured,
    /// The models' rate.
    own: f64,
    /// The rate from now on.
    now: f64,
}

fn calibrated_rows(calibrated: &Calibrated, models: &Models) -> Vec<CalibratedRow> {
    let own = models.pack().calibration().map_or(&[][..], Calibration::rows);
    let rows = calibrated.measured.iter().zip(own).zip(calibrated.table.rows());
    rows.map(|((here, (_, own)), (_, now))| CalibratedRow { here: *here, own: *own, now: *now }).collect()
}

/// "1 person", "2 people".
fn people(n: usize) -> String {
    if n == 1 { "1 person".to_owned() } else { format!("{n} people") }
}

/// A rate as people read it: "0", "2.6e-3".
fn rate(rate: f64) -> String {
    if rate == 0.0 { "0".to_owned() } else { format!("{rate:.1e}") }
}

struct Status<'a> {
    name: &'a str,
    searched: &'a Searched,
    /// Pairs of handles.
    look_alikes: &'a [[String; 2]],
    rates: DeclaredRates,
}

impl Status<'_> {
    /// The rates that the thresholds promise by the models' table: of `match`, and of both bands together.
    fn expected(&self) -> Option<(Option<f64>, f64)> {
        Some(self.searched.table()?.promised(self.searched.thresholds(), self.searched.templates()))
    }

    fn supported(&self) -> Option<usize> {
        self.searched.table().map(|table| table.templates_supported(self.rates))
    }

    fn object(&self) -> Value {
        let (thresholds, protection) = (self.searched.thresholds(), self.searched.protection());
        let score = |score: f32| round(f64::from(score), 4);
        let expected = self.expected();
        json!({
            "collection": self.name,
            "people": self.searched.people(),
            "templates": self.searched.templates(),
            "unopened_templates": ids(self.searched.unopened()),
            "match_from": thresholds.certain.map(score),
            "review_from": score(thresholds.review),
            "declared_fpir": self.rates.fpir,
            "declared_fpir_review": self.rates.fpir_review,
            "expected_fpir": expected.and_then(|(named, _)| named).map(|p| round(p, 6)),
            "expected_fpir_review": expected.map(|(_, both)| round(both, 6)),
            "match_up_to_templates": self.supported(),
            "look_alikes": self.look_alikes,
            "locked_in_memory": protection.locked,
            "kept_out_of_dumps": protection.kept_out_of_dumps,
        })
    }

    fn lines(&self) -> Vec<String> {
        let (templates, thresholds) = (self.searched.templates(), self.searched.thresholds());
        let mut lines = vec![format!(
            "{}: {} can be found, by {}.",
            shown(self.name),
            people(self.searched.people()),
            count(templates, "picture")
        )];
        if templates == 0 {
            lines.push("Nobody here asks to be found, so no face is compared with anybody.".to_owned());
        } else {
            lines.push(match thresholds.certain {
                Some(certain) => format!(
                    "A face counts as sure from a likeness of {certain:.3}, and as a suggestion from {:.3} (cosine).",
                    thresholds.review
                ),
                None => format!(
                    "No face counts as sure; it is a suggestion from a likeness of {:.3} (cosine).",
                    thresholds.review
                ),
            });
            lines.push(self.promise());
        }
        for [a, b] in self.look_alikes {
            let (a, b) = (shown(a), shown(b));
            lines.push(format!("{a} and {b} look so alike that somebody has to confirm each photo of them."));
        }
        lines.extend(left_out(self.searched.unopened()));
        if self.searched.protection().is_exposed() {
            lines.push(EXPOSED.to_owned());
        }
        lines
    }

    /// What the thresholds mean, and whether the gallery has outgrown the models' table.
    fn promise(&self) -> String {
        let (Some((named, both)), Some(supported)) = (self.expected(), self.supported()) else {
            return "How often strangers are suggested is not known: these models come without a table of it."
                .to_owned();
        };
        let a_thousand = "Expected mistakes in a thousand faces of people who are not enrolled: about";
        let both = both * 1000.0;
        match named {
            Some(named) => format!(
                "{a_thousand} {:.1} wrong names and {:.0} wrong suggestions. Faces can count as sure up to {}.",
                named * 1000.0,
                both - named * 1000.0,
                count(supported, "picture")
            ),
            None => format!(
                "{a_thousand} {both:.0} wrong suggestions. More people are enrolled than these models can be sure of \
                 ({}): allow more wrong names (--fpir), use models with a longer table, or divide the collection.",
                count(supported, "picture")
            ),
        }
    }
}
