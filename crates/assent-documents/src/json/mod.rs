//! What a program reads: a type for each answer, made of what the domain answered. `docs/json.md` shows all of them, and
//! `docs/json.schema.json` has their schemas.
//!
//! One thing has one name in all of them:
//!
//! - ids have the name of what they are of (`subject`, `consent`, `order`), and are 32 hexadecimal digits;
//! - a `collection` is its name, and a `photo` its path in the collection's folder; a `file` and a `folder` are whole paths;
//! - a plural is a list of things, or how many they are where the answer does not list them;
//! - a day is an RFC 3339 full-date in UTC, and a moment (`time`) an RFC 3339 date-time;
//! - a `box` is the left, the top, the width and the height of a face, in pixels of the upright photo;
//! - a `position` is the number of an entry of the log, and `log_entries` how many it has;
//! - a `code` is a word that stays the same, and `because` a sentence.
//!
//! What two faces have in common, as a number, is in none of them but those of `evaluate`.

mod answers;
mod asked;
pub mod collections;
pub mod consents;
pub mod evaluate;
pub mod find;
pub mod gallery;
pub mod jobs;
pub mod keys;
mod leaf;
pub mod log;
pub mod packs;
pub mod requests;
pub mod rights;
pub mod scan;
pub mod status;
pub mod subjects;

use std::path::Path;

use assent::ledger::TemplateId;
use serde::Serialize;

pub use answers::{Answer, Schemas, schemas};
pub use asked::AskedBy;
pub use leaf::{Day, FaceBox, Id, Moment, Sha256};

/// An answer as one line of JSON.
///
/// # Errors
///
/// If the answer has something that JSON has no form for. None of the types here has.
pub fn line(answer: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(answer)
}

/// An answer as several lines of JSON, for people.
///
/// # Errors
///
/// As [`line()`].
pub fn pretty(answer: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(answer)
}

/// A path as text.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A figure with so many digits after the point.
pub fn rounded(value: f64, digits: i32) -> f64 {
    let unit = 10f64.powi(digits);
    (value * unit).round() / unit
}

/// Templates' ids, as text: they are too large for the numbers of JSON.
pub fn template_ids(templates: &[TemplateId]) -> Vec<String> {
    templates.iter().map(|id| id.0.to_string()).collect()
}
