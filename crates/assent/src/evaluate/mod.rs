//! How right the engine is, on labelled photos that never enter a vault.
//!
//! # Invariant I11
//!
//! Nothing here can name a stranger. Results are counts. Single pairs and a free threshold exist for the sample set
//! alone, whose digest is compiled in; any other set needs enough people and appearances that a count says little
//! about one of them, and labels that fit its photos, so that nobody can be asked about by guessing labels. The sweep
//! over thresholds goes through the scores of the pack's table, which the declared rates reach as well. Open-set figures
//! tell no threshold that follows from the faces, and a group needs as many people as a set. Pairs of images give figures
//! over all of them, and no threshold either.

mod find;
mod groups;
mod labels;
mod open_set;
mod pairs;
mod rate;
mod verify;

pub use find::{Counts, EvaluateError, FindEvaluation, FindOptions, FindReport, Listed, Swept};
pub use groups::{Groups, GroupsError};
pub use labels::{Label, LabelledSet, LabelsError};
pub use open_set::{
    AloneFigures, AtFpir, AtThreshold, Bands, GalleryFigures, GroupFigures, OpenSet, Searches, SweepRow,
};
pub use pairs::{PairSet, PairsError};
pub use rate::{Rate, searches_to_show};
pub use verify::{Accuracy, VerifyError, VerifyOptions, VerifyReport, verify};
