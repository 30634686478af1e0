//! `scan`: what a scan of a collection did.

use assent::scan::{CopiedFace, ScanSummary};
use schemars::JsonSchema;
use serde::Serialize;

use super::collections::{NotListed, NotLooked};
use super::{rounded, template_ids};

/// What a scan did.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Scanned {
    /// Why no faces were compared.
    pub locked: Option<String>,
    /// Photos in the folder.
    pub photos: usize,
    /// Photos that were new or changed.
    pub looked_at: usize,
    /// Known photos that were compared with people who enrolled since.
    pub rematched: usize,
    /// Photos with nothing new.
    pub unchanged: usize,
    /// Known photos in which faces were looked for more thoroughly than before.
    pub searched_better: usize,
    /// Photos whose files have another name now.
    pub moved: usize,
    /// Known photos whose files are not in the folder.
    pub missing: usize,
    /// Whether they are so many that everything was kept as it was.
    pub too_many_missing: bool,
    /// Photos that had been missing for long, and were forgotten.
    pub removed: usize,
    /// What could not be listed.
    pub not_listed: Vec<NotListed>,
    /// What is left out on purpose.
    pub left_out: Vec<NotLooked>,
    /// Photos that cannot be used.
    pub failed: Vec<FailedPhoto>,
    /// Faces that were set apart elsewhere, in copies.
    pub set_apart_in_copies: Vec<FaceInCopy>,
    /// Faces in the photos that were looked at.
    pub faces: usize,
    /// Faces of people who agreed.
    #[serde(rename = "match")]
    pub matches: usize,
    /// Faces that somebody has to confirm.
    #[serde(rename = "review")]
    pub reviews: usize,
    /// Templates that were searched for.
    pub templates: usize,
    /// Templates that did not open.
    pub unopened_templates: Vec<String>,
    /// People who are enrolled with other models, and were not looked for.
    pub people_of_other_models: u64,
    /// Whether the system could write templates to its disk.
    pub templates_exposed: bool,
    /// Whether the scan ended before all photos were looked at.
    pub stopped: bool,
    /// Faces of people who are not enrolled, at most.
    pub strangers_at_most: Option<usize>,
    /// How many of them are expected under a wrong name.
    pub expected_wrong_match: Option<f64>,
    /// How many of them are expected under a wrong name, or suggested wrongly.
    pub expected_wrong_match_or_review: Option<f64>,
}

/// How many mistakes a scan is expected to make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedMistakes {
    /// Faces of people who are not enrolled, at most.
    pub strangers: usize,
    /// Wrong names; `None` where nobody is named without being confirmed.
    pub wrong_match: Option<f64>,
    /// Wrong names and wrong suggestions.
    pub wrong_match_or_review: f64,
}

impl Scanned {
    /// Of a scan's summary; `locked` says why no faces were compared.
    pub fn new(s: &ScanSummary, locked: Option<String>, expected: Option<ExpectedMistakes>) -> Scanned {
        let failed = |(photo, reason): &(String, String)| FailedPhoto { photo: photo.clone(), reason: reason.clone() };
        Scanned {
            locked,
            photos: s.photos,
            looked_at: s.looked_at,
            rematched: s.rematched,
            unchanged: s.unchanged,
            searched_better: s.searched_better,
            moved: s.moved,
            missing: s.missing,
            too_many_missing: s.too_many_missing,
            removed: s.removed,
            not_listed: s.problems.iter().map(NotListed::from).collect(),
            left_out: s.left_out.iter().map(NotLooked::from).collect(),
            failed: s.failed.iter().map(failed).collect(),
            set_apart_in_copies: s.copied.iter().map(FaceInCopy::from).collect(),
            faces: s.faces,
            matches: s.matches,
            reviews: s.reviews,
            templates: s.templates,
            unopened_templates: template_ids(&s.unopened),
            people_of_other_models: s.people_of_other_models,
            templates_exposed: s.exposed,
            stopped: s.stopped,
            strangers_at_most: expected.map(|e| e.strangers),
            expected_wrong_match: expected.and_then(|e| e.wrong_match).map(|n| rounded(n, 4)),
            expected_wrong_match_or_review: expected.map(|e| rounded(e.wrong_match_or_review, 4)),
        }
    }
}

/// A photo that cannot be used.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FailedPhoto {
    /// Its path in the collection's folder.
    pub photo: String,
    /// Why, as a word of `docs/photos.md`.
    pub reason: String,
}

/// A face that was set apart in another photo, in what looks like a copy of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FaceInCopy {
    /// The photo's path in the collection's folder.
    pub photo: String,
    /// The middle of the face, in pixels from the left and the top: `420,180`.
    pub at: String,
    /// The photo in which the face was set apart.
    pub made_from: String,
}

impl From<&CopiedFace> for FaceInCopy {
    fn from(c: &CopiedFace) -> Self {
        Self { photo: c.photo.clone(), at: format!("{},{}", c.at.0, c.at.1), made_from: c.original.clone() }
    }
}
