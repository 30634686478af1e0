//! `assent gallery status`: who can be found in a collection, and what the thresholds promise.

use assent::DeclaredRates;
use assent::ledger::SubjectId;
use assent::models::Models;
use assent::searched::{Opening, Searched};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::evaluate_cmd::round;
use crate::free_memory::free_memory_bytes;
use crate::models_arg::ModelPlaces;
use crate::output::{Output, count};
use crate::progress;
use crate::scan_cmd::{EXPOSED, RateArgs, ids};
use crate::search_args::all_threads;
use crate::vault::{self, VaultFlags, now};

#[derive(Debug, Args)]
pub(crate) struct GalleryArgs {
    #[command(subcommand)]
    command: GalleryCommand,
}

#[derive(Debug, Subcommand)]
enum GalleryCommand {
    /// How many can be found, from which score on, what that promises, and who looks like somebody else
    Status {
        /// The collection's name
        collection: String,
        #[command(flatten)]
        rates: RateArgs,
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
    let GalleryCommand::Status { collection: name, rates } = &args.command;
    let ledger = vault::open(flags)?;
    let collection = vault::collection(&ledger, name)?;
    let models = models.load()?;
    let rates = rates.declared();
    let bar = progress::bar(0, "templates opened");
    let opened = ledger.run_tx("gallery status", now(), |tx| {
        let mut opening = Opening {
            threads: all_threads(),
            available_bytes: free_memory_bytes(),
            progress: &mut |done, of| {
                bar.set_length(of);
                bar.set_position(done);
            },
        };
        let opened = Searched::open(tx, &models, collection.id, rates, &mut opening)?;
        let Ok(searched) = opened else { return Ok(opened.map(|searched| (searched, Vec::new()))) };
        let handle = |id: SubjectId| Ok::<_, assent::ledger::TxError>(tx.subject(id)?.handle);
        let pairs = searched.look_alikes().into_iter().map(|(a, b)| Ok([handle(a)?, handle(b)?]));
        let pairs = pairs.collect::<Result<Vec<_>, assent::ledger::TxError>>()?;
        Ok(Ok((searched, pairs)))
    })?;
    bar.finish_and_clear();
    let (searched, look_alikes) = opened.into_inner()?;
    let status = Status { name, searched: &searched, look_alikes: &look_alikes, models: &models, rates };
    out.answer(&status.object(), |out| {
        for line in status.lines() {
            writeln!(out, "{line}")?;
        }
        Ok(())
    })?;
    Ok(())
}

struct Status<'a> {
    name: &'a str,
    searched: &'a Searched,
    /// Pairs of handles.
    look_alikes: &'a [[String; 2]],
    models: &'a Models,
    rates: DeclaredRates,
}

impl Status<'_> {
    /// The rates that the thresholds promise by the models' table: of `match`, and of both bands together.
    fn expected(&self) -> Option<(Option<f64>, f64)> {
        let (table, thresholds) = (self.models.pack().calibration()?, self.searched.thresholds());
        let rate = |least| table.fpir(least, self.searched.templates());
        Some((thresholds.certain.map(rate), rate(thresholds.review)))
    }

    fn supported(&self) -> Option<usize> {
        self.models.pack().calibration().map(|table| table.templates_supported(self.rates))
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
            "{}: {} of {}",
            self.name,
            count(templates, "template"),
            count(self.searched.people(), "person").replace("persons", "people")
        )];
        if templates == 0 {
            lines.push("Nobody here asks to be found, so no face is compared with anybody.".to_owned());
        } else {
            lines.push(match thresholds.certain {
                Some(certain) => format!(
                    "A face is a match from a cosine of {certain:.3}, and to be confirmed from {:.3}.",
                    thresholds.review
                ),
                None => format!("No face is a match; it is to be confirmed from a cosine of {:.3}.", thresholds.review),
            });
            lines.push(self.promise());
        }
        for [a, b] in self.look_alikes {
            lines.push(format!("{a} and {b} look so much alike that their faces are always to be confirmed."));
        }
        if !self.searched.unopened().is_empty() {
            let (number, ids) = (count(self.searched.unopened().len(), "template"), ids(self.searched.unopened()));
            lines.push(format!("{number} did not open and were left out ({}): assent doctor", ids.join(", ")));
        }
        let protection = self.searched.protection();
        if !(protection.locked && protection.kept_out_of_dumps) {
            lines.push(EXPOSED.to_owned());
        }
        lines
    }

    /// What the thresholds mean, and whether the gallery has outgrown the models' table.
    fn promise(&self) -> String {
        let (Some((named, both)), Some(supported)) = (self.expected(), self.supported()) else {
            return "These models have no score-to-FMR table: how often strangers are proposed is not known."
                .to_owned();
        };
        let a_thousand = "Of a thousand faces of people who are not enrolled";
        let both = both * 1000.0;
        match named {
            Some(named) => format!(
                "{a_thousand}, about {:.1} named and {:.0} proposed wrongly are to be expected by the models' table, \
                 which supports a match up to {}.",
                named * 1000.0,
                both - named * 1000.0,
                count(supported, "template")
            ),
            None => format!(
                "{a_thousand}, about {both:.0} proposed wrongly are to be expected. The gallery has outgrown the \
                 models' table, which supports a match up to {}: declare a laxer rate (--fpir), use models with a \
                 longer table, or divide the collection.",
                count(supported, "template")
            ),
        }
    }
}
