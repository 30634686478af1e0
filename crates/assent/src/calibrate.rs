//! The score-to-FMR table for the people of a gallery (invariant I9): the models' table, for people who may look alike more
//! often than those on whom it was measured.
//!
//! It is made anew whenever a gallery is opened, from the templates that may be searched at that moment: who enrolled
//! since counts, who withdrew does not, and nothing of it is kept. Until a gallery has people enough to tell, the table is
//! that of the group for which the models' card names the highest rates.

use assent_gallery::calibration::{Calibration, DeclaredRates, Thresholds};
use assent_gallery::gallery::Gallery;
pub use assent_gallery::impostors::Measured;

use crate::packs::ModelPack;

/// What the people of a gallery say about the models' table.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// People who were compared.
    pub people: usize,
    /// Pairs of people.
    pub pairs: u64,
    /// Whether they are enough to tell how alike they are.
    pub enough: bool,
    /// What was counted at each score of the models' table, and beyond its end.
    pub measured: Vec<Measured>,
    /// The table that holds for these people.
    pub table: Calibration,
}

impl Calibrated {
    /// Compares every template of a gallery with every other. `None` if the models have no table.
    pub(crate) fn measure(gallery: &Gallery, pack: &ModelPack, threads: usize) -> Option<Calibrated> {
        let (own, harshest) = (pack.calibration()?, pack.harshest()?);
        let impostors = gallery.impostors(&own.counted_scores(), threads);
        let measured = impostors.rates();
        let table = own.for_people(&harshest, &measured);
        let enough = measured.iter().zip(own.rows()).any(|(m, (_, fmr))| m.is_telling(*fmr));
        Some(Calibrated { people: impostors.owners(), pairs: impostors.pairs(), enough, measured, table })
    }
}

/// What is to be expected of a gallery of some size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// Templates in the gallery.
    pub templates: usize,
    /// The scores at which the bands begin.
    pub thresholds: Thresholds,
    /// The part of the faces of enrolled people that gets no `match`, 0 to 1; `None` if it was not measured. Where there is
    /// no `match` it is 1.
    pub fnir: Option<f64>,
    /// The part that gets no answer at all.
    pub fnir_review: Option<f64>,
}

impl Expected {
    /// By a table, for a gallery of `templates`; `pack` says what is missed at a score.
    pub fn of(table: &Calibration, pack: &ModelPack, rates: DeclaredRates, templates: usize) -> Expected {
        let thresholds = table.thresholds(rates, templates);
        let missed = |least: f32| pack.misses()?.fnir(least);
        Expected {
            templates,
            thresholds,
            fnir: thresholds.certain.map_or(Some(1.0), missed),
            fnir_review: missed(thresholds.review),
        }
    }
}
