//! How right the engine is, on labelled photos that never enter a vault.
//!
//! # Invariant I11
//!
//! Nothing here can name a stranger. Results are counts. Single pairs and a free threshold exist for the sample set
//! alone, whose digest is compiled in; any other set needs enough people and appearances that a count says little
//! about one of them, and labels that fit its photos, so that nobody can be asked about by guessing labels. Pairs of
//! images give figures over all of them, and no threshold either.

mod find;
mod labels;
mod pairs;
mod verify;

pub use find::{Counts, EvaluateError, FindEvaluation, FindOptions, FindReport, Listed};
pub use labels::{Label, LabelledSet, LabelsError};
pub use pairs::{PairSet, PairsError};
pub use verify::{Accuracy, VerifyError, VerifyOptions, VerifyReport, verify};
