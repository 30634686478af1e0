//! `find` and `review`: a person's photos, and what is to be confirmed.

use std::path::{Path, PathBuf};

use assent::find::{FoundPhoto, NoResult, NoResultReason};
use assent::ledger::{Subject, Verdict};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Day, FaceBox, Id, text};
use crate::dates::taken_at;

/// A photo of a person.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Photo {
    /// The number of the face, by which it is confirmed or refused.
    pub number: i64,
    /// The collection.
    pub collection: String,
    /// The photo's path in the collection's folder.
    pub photo: String,
    /// The whole path.
    pub file: String,
    /// `match` where the program is sure, `review` where somebody has to confirm.
    pub band: String,
    /// What somebody decided: `confirmed` or `refused`.
    pub verdict: Option<String>,
    /// When it was taken: what a clock on the wall showed, with its offset where that is known.
    pub taken: String,
    /// What says so: `exif` or `file`.
    pub taken_from: String,
    /// Since when no scan found the file.
    pub missing_since: Option<Day>,
    /// Whether the file is there now.
    pub there: bool,
    /// Where the face is.
    #[serde(rename = "box")]
    pub at: FaceBox,
}

impl Photo {
    /// A photo, and whether its file is there.
    pub fn new(f: &FoundPhoto, there: bool) -> Photo {
        Photo {
            number: f.face.0,
            collection: f.collection.clone(),
            photo: f.path.to_string(),
            file: text(&f.file),
            band: f.band.as_str().to_owned(),
            verdict: f.verdict.map(|verdict| Verdict::as_str(verdict).to_owned()),
            taken: taken_at(&f.taken),
            taken_from: f.taken.from.as_str().to_owned(),
            missing_since: f.missing.map(Day),
            there,
            at: FaceBox([f.at.x.round(), f.at.y.round(), f.at.w.round(), f.at.h.round()]),
        }
    }
}

/// Why a collection has no photo of somebody.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Nothing {
    /// The collection.
    pub collection: String,
    /// Why.
    pub code: String,
    /// The day on which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Day>,
    /// The day from which it is otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// For which collections they agreed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreed: Option<Vec<String>>,
    /// How many photos it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photos: Option<usize>,
}

impl From<&NoResult> for Nothing {
    fn from(nothing: &NoResult) -> Self {
        let NoResult { collection, why } = nothing;
        let mut form = Self {
            collection: collection.clone(),
            code: why.code().to_owned(),
            on: None,
            from: None,
            agreed: None,
            photos: None,
        };
        match why {
            NoResultReason::Withdrew { on }
            | NoResultReason::Expired { on }
            | NoResultReason::Refused { on }
            | NoResultReason::Asked { on } => form.on = Some(Day(*on)),
            NoResultReason::NotYet { from } => form.from = Some(Day(*from)),
            NoResultReason::OtherCollections { agreed } => form.agreed = Some(agreed.clone()),
            NoResultReason::PhotosNotScanned { photos }
            | NoResultReason::NotCompared { photos }
            | NoResultReason::ToConfirm { photos }
            | NoResultReason::SetApart { photos, .. }
            | NoResultReason::NotThere { photos, .. } => form.photos = Some(*photos),
            _ => {}
        }
        form
    }
}

/// A file of which something could not be done.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FailedFile {
    /// The file.
    pub file: String,
    /// Why.
    pub because: String,
}

impl From<(&PathBuf, &String)> for FailedFile {
    fn from((file, because): (&PathBuf, &String)) -> Self {
        Self { file: text(file), because: because.clone() }
    }
}

/// A person's photos.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Found {
    /// The person.
    pub subject: Id,
    /// What is sure or confirmed; in a household also what is not.
    pub photos: Vec<Photo>,
    /// How many photos wait to be confirmed.
    pub to_confirm: usize,
    /// Why there are none, for each collection without.
    pub nothing: Vec<Nothing>,
    /// How many copies were written; null where none were asked for.
    pub copied: Option<usize>,
    /// Whether it was stopped before the last copy.
    pub stopped: bool,
    /// What could not be handed out.
    pub failed: Vec<FailedFile>,
}

/// Everybody's copies.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FoundForAll {
    /// Each person.
    pub people: Vec<Copies>,
    /// All copies.
    pub copied: usize,
    /// How many photos wait to be confirmed.
    pub to_confirm: usize,
    /// Whether it was stopped before the last copy.
    pub stopped: bool,
    /// What could not be handed out.
    pub failed: Vec<FailedFile>,
}

/// One person's copies.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Copies {
    /// The person.
    pub subject: Id,
    /// Their short name.
    pub handle: String,
    /// The folder with their copies; null if there are none.
    pub folder: Option<String>,
    /// How many copies.
    pub copied: usize,
    /// How many photos wait to be confirmed.
    pub to_confirm: usize,
    /// Why there are none, for each collection without.
    pub nothing: Vec<Nothing>,
    /// Copies of an earlier run that are not among these.
    pub left_over: Vec<String>,
}

/// What one person's photos are that somebody has to confirm.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Reviewed {
    /// How many decisions were kept.
    pub decided: usize,
    /// What is left to confirm.
    pub proposals: Vec<Photo>,
}

/// What is to be confirmed of everybody.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ReviewedForAll {
    /// How many decisions were kept.
    pub decided: usize,
    /// Each person of whom something is left to confirm.
    pub people: Vec<Proposals>,
    /// How many photos wait to be confirmed.
    pub to_confirm: usize,
    /// What could not be shown.
    pub failed: Vec<FailedFile>,
}

/// What is to be confirmed of one person.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Proposals {
    /// The person.
    pub subject: Id,
    /// Their short name.
    pub handle: String,
    /// Their name.
    pub name: String,
    /// What is to be confirmed.
    pub proposals: Vec<Photo>,
}

impl Proposals {
    /// Of a person; `there` says whether a photo's file is there.
    pub fn new(who: &Subject, photos: &[FoundPhoto], there: impl Fn(&Path) -> bool) -> Proposals {
        Proposals {
            subject: Id::of(who.id),
            handle: who.handle.clone(),
            name: who.name.clone(),
            proposals: photos.iter().map(|photo| Photo::new(photo, there(&photo.file))).collect(),
        }
    }
}
