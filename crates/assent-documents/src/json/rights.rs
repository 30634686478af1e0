//! `erase` and `access`: what a person may ask for.

use schemars::JsonSchema;
use serde::Serialize;

use super::find::FailedFile;
use super::keys::NotDone;
use super::{Day, Id};

/// Who would be erased.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ErasureDryRun {
    /// The person.
    pub subject: Id,
    /// How many consents they have.
    pub consents: usize,
    /// True.
    pub dry_run: bool,
}

/// Who was erased.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Erased {
    /// The person.
    pub subject: Id,
    /// The day of it.
    pub erased: Day,
    /// The entry that says that it began.
    pub intent_position: u64,
    /// The entry that says that it is done.
    pub done_position: u64,
    /// The certificate of it.
    pub certificate: String,
}

/// Who would be erased, of many.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ErasuresDryRun {
    /// Each.
    pub subjects: Vec<Id>,
    /// Of whom nobody can tell whether they are meant, by the digits that stand for their names.
    pub unreadable: Vec<String>,
    /// True.
    pub dry_run: bool,
}

/// Who was erased, of many.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ErasedMany {
    /// Each.
    pub subjects: Vec<Id>,
    /// The folder with their certificates.
    pub folder: Option<String>,
    /// The signed list of them; null where nobody was meant.
    pub erasure_list: Option<String>,
    /// Who was not erased.
    pub failed: Vec<NotDone>,
    /// Certificates that could not be written.
    pub unwritten: Vec<FailedFile>,
    /// Of whom nobody can tell whether they are meant, by the digits that stand for their names.
    pub unreadable: Vec<String>,
}

/// The file with everything about a person.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AccessGiven {
    /// The file.
    pub file: String,
    /// How many consents are in it.
    pub consents: usize,
    /// How many templates of their face.
    pub templates: usize,
    /// How many places in photos.
    pub sightings: usize,
    /// How many entries of the log.
    pub events: usize,
}

/// The file with evidence for an authority.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EvidenceWritten {
    /// The file.
    pub file: String,
    /// How many files are in it.
    pub files: usize,
    /// The key that it is checked with.
    pub key: String,
}
