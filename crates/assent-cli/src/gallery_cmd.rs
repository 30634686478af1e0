//! `assent gallery status|calibrate|move`: who can be found in a collection, what the thresholds promise, how harsh these
//! people are for the models, and how they move to others.

use assent::DeclaredRates;
use assent::calibrate::{Calibrated, Expected};
use assent::ledger::{CollectionId, Ledger};
use assent::models::Models;
use assent::open_gallery::OpenOptions;
use assent::service::gallery::{self, CalibratedRow, GalleryStatus, Harshness, calibrated_rows, harshness};
use assent_documents::json::gallery::{self as json, AtThreshold, BySize, ExpectedRates};
use assent_documents::json::{rounded as round, template_ids};
use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::free_memory::free_memory_bytes;
use crate::gallery_move;
use crate::models_arg::ModelPlaces;
use crate::output::{Output, count, number_of, people, shown};
use crate::progress;
use crate::scan_cmd::{EXPOSED, RateArgs, left_out};
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
    /// Show how often two of the people who are enrolled look alike, and the rates that every scan goes by because of it
    Calibrate {
        /// The collection's name
        collection: String,
    },
    /// Move everybody to other models (--pack) without new forms, by the faces that were kept of them, and say who needs a new
    /// picture
    Move {
        /// Say who would move, and move nobody
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
    let (name, rates) = match &args.command {
        GalleryCommand::Status { collection, rates } => (collection, Some(rates.declared())),
        GalleryCommand::Calibrate { collection } => (collection, None),
        GalleryCommand::Move { dry_run } => return gallery_move::run(*dry_run, flags, models, out),
    };
    let ledger = vault::open_and_expire(flags)?;
    let about =
        Opened { ledger: &ledger, name, id: vault::collection(&ledger, name)?.id, models: models.load_for(&ledger)? };
    match rates {
        Some(rates) => status(&about, rates, out),
        None => calibrate(&about, out),
    }
}

/// The collection that is meant, and the models for it.
struct Opened<'a> {
    ledger: &'a Ledger,
    name: &'a str,
    id: CollectionId,
    models: Models,
}

/// Does something with the options to open a gallery, under a progress bar.
fn with_options<T>(open: impl FnOnce(&mut OpenOptions<'_>) -> T) -> T {
    let bar = progress::bar(0, "templates opened");
    let opened = open(&mut OpenOptions {
        threads: all_threads(),
        available_bytes: free_memory_bytes(),
        progress: &mut |done, of| {
            bar.set_length(of);
            bar.set_position(done);
        },
    });
    bar.finish_and_clear();
    opened
}

fn status(about: &Opened<'_>, rates: DeclaredRates, out: &mut Output<'_>) -> Result<(), CommandError> {
    let Opened { ledger, models, id, .. } = about;
    let opened = with_options(|options| gallery::status(ledger, models, (*id, rates), options, now()));
    let status = Status { name: about.name, read: &opened?, models, rates };
    out.answer(&status.answer(), |out| {
        for line in status.lines() {
            writeln!(out, "{line}")?;
        }
        Ok(())
    })?;
    Ok(())
}

fn calibrate(about: &Opened<'_>, out: &mut Output<'_>) -> Result<(), CommandError> {
    let Opened { ledger, name, models, id } = about;
    let rates = DeclaredRates::default();
    let gallery = with_options(|options| gallery::open(ledger, models, (*id, rates), options, now()))?;
    let calibrated = gallery.calibrated().filter(|c| c.pairs > 0).ok_or(CommandError::NothingToCalibrate)?;
    let rows = calibrated_rows(calibrated, models);
    let at_threshold = |row: &CalibratedRow| AtThreshold {
        threshold: round(f64::from(row.here.score), 4),
        pairs_reached: round(row.here.reached, 2),
        fmr: row.here.fmr,
        fmr_low: row.here.low,
        fmr_high: row.here.high,
        fmr_of_the_models: row.own,
        fmr_of_the_harshest_group: row.harshest,
        fmr_that_holds: row.now,
    };
    let answer = json::Calibrated {
        collection: (*name).to_owned(),
        people: calibrated.people,
        pairs: calibrated.pairs,
        groups_of_the_models: models.pack().card.groups.iter().map(|group| group.name.clone()).collect(),
        thresholds: rows.iter().map(at_threshold).collect(),
    };
    out.answer(&answer, |out| {
        let people = people(calibrated.people);
        writeln!(out, "{name}: {people} compared with each other, {} pairs.", calibrated.pairs)?;
        writeln!(out, "cosine\tpairs\trate here (at most)\tmodels' table\tharshest group\twhat holds here")?;
        for CalibratedRow { here, own, harshest, now } in &rows {
            let (score, reached) = (here.score, round(here.reached, 1));
            let (fmr, high) = (rate(here.fmr), rate(here.high));
            let [own, harshest, now] = [own, harshest, now].map(|r| r.map_or_else(|| "-".to_owned(), rate));
            writeln!(out, "{score:.2}\t{reached}\t{fmr} ({high})\t{own}\t{harshest}\t{now}")?;
        }
        writeln!(out, "{}", how_harsh(calibrated, models))
    })?;
    Ok(())
}

/// What the people of a collection changed about the models' table.
fn how_harsh(calibrated: &Calibrated, models: &Models) -> &'static str {
    match harshness(calibrated, models) {
        None => "",
        Some(Harshness::UnknownWithoutGroups) => {
            "Too few people are enrolled to tell how alike they are; the models do not say for whom they are worse."
        }
        Some(Harshness::Unknown) => {
            "Too few people are enrolled to tell how alike they are, so the strictest rule holds: that for the people whom \
             these models confuse most."
        }
        Some(Harshness::AboveEveryGroup) => {
            "The people here look alike more often than any group on which these models were measured: the rule is \
             stricter for them."
        }
        Some(Harshness::AboveAverage) => {
            "The people here look alike more often than people do on average, and the rule is stricter for them."
        }
        Some(Harshness::Average) => "The people here look alike no more often than people do on average.",
    }
}

/// A rate as people read it: "0", "2.6e-3".
fn rate(rate: f64) -> String {
    if rate == 0.0 { "0".to_owned() } else { format!("{rate:.1e}") }
}

struct Status<'a> {
    name: &'a str,
    read: &'a GalleryStatus,
    models: &'a Models,
    rates: DeclaredRates,
}

impl Status<'_> {
    fn answer(&self) -> json::GalleryStatus {
        let (thresholds, protection) = (self.read.gallery.thresholds(), self.read.gallery.protection());
        let score = |score: f32| round(f64::from(score), 4);
        let expected = self.read.promised;
        let missed = |part: Option<f64>| part.map(|p| round(p, 4));
        let size = |at: &Expected| ExpectedRates {
            match_from: at.thresholds.certain.map(score),
            review_from: score(at.thresholds.review),
            fnir: missed(at.fnir),
            fnir_review: missed(at.fnir_review),
        };
        let by_size = |(here, average): &(Expected, Expected)| BySize {
            templates: here.templates,
            here: size(here),
            average_people: size(average),
        };
        json::GalleryStatus {
            collection: self.name.to_owned(),
            people: self.read.gallery.people(),
            templates: self.read.gallery.templates(),
            unopened_templates: template_ids(self.read.gallery.unopened()),
            match_from: thresholds.certain.map(score),
            review_from: score(thresholds.review),
            declared_fpir: self.rates.fpir,
            declared_fpir_review: self.rates.fpir_review,
            expected_fpir: expected.and_then(|(named, _)| named).map(|p| round(p, 6)),
            expected_fpir_review: expected.map(|(_, both)| round(both, 6)),
            expected_fnir: self.read.expected.and_then(|now| missed(now.fnir)),
            expected_fnir_review: self.read.expected.and_then(|now| missed(now.fnir_review)),
            match_up_to_templates: self.read.supported,
            by_size: self.read.by_size.iter().map(by_size).collect(),
            look_alikes: self.read.look_alikes.clone(),
            people_of_other_models: self.read.people_of_other_models,
            locked_in_memory: protection.locked,
            kept_out_of_dumps: protection.kept_out_of_dumps,
        }
    }

    fn lines(&self) -> Vec<String> {
        let (templates, thresholds) = (self.read.gallery.templates(), self.read.gallery.thresholds());
        let mut lines = vec![format!(
            "{}: {} can be found, by {}.",
            shown(self.name),
            people(self.read.gallery.people()),
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
            lines.extend(self.read.gallery.calibrated().map(|c| how_harsh(c, self.models).to_owned()));
            lines.extend(self.missed());
        }
        if self.read.people_of_other_models > 0 {
            lines.push(format!(
                "{} enrolled with other models, and not counted here. To have one for all: assent gallery move",
                number_of(self.read.people_of_other_models as usize, "person is", "people are")
            ));
        }
        for [a, b] in &self.read.look_alikes {
            let (a, b) = (shown(a), shown(b));
            lines.push(format!("{a} and {b} look so alike that somebody has to confirm each photo of them."));
        }
        lines.extend(left_out(self.read.gallery.unopened()));
        if self.read.gallery.protection().is_exposed() {
            lines.push(EXPOSED.to_owned());
        }
        lines
    }

    /// How many of an enrolled person's faces get no answer that is sure, now and in larger galleries.
    fn missed(&self) -> Vec<String> {
        let percent = |at: &Expected| match (at.thresholds.certain, at.fnir) {
            (None, _) => "all of them".to_owned(),
            (Some(_), Some(fnir)) => format!("{:.0} %", fnir * 100.0),
            (Some(_), None) => "not measured".to_owned(),
        };
        let Some(now) = self.read.expected.filter(|now| now.fnir_review.is_some()) else { return Vec::new() };
        let mut lines = vec![format!("Faces of enrolled people that get no sure answer: {}.", percent(&now))];
        lines.extend(self.read.by_size.iter().filter(|(here, _)| here.templates > now.templates).map(
            |(here, average)| {
                let (size, here, average) = (count(here.templates, "picture"), percent(here), percent(average));
                format!("  with {size}: {here}; {average} if people are alike as they are on average")
            },
        ));
        lines
    }

    /// What the thresholds mean, and whether the gallery has outgrown the models' table.
    fn promise(&self) -> String {
        let (Some((named, both)), Some(supported)) = (self.read.promised, self.read.supported) else {
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
