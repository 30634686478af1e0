//! `collection`: folders of photos.

use assent::ledger::{self, CollectionCounts};
use assent::source::{LeftOut, Problem};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Day, Id};

/// A folder of photos, and why the people in it may be looked at.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Collection {
    /// Its name.
    pub collection: String,
    /// Its id.
    pub collection_id: Id,
    /// The folder.
    pub folder: String,
    /// Whether its photos are uploaded, and lie in a folder of the vault's own.
    pub uploads: bool,
    /// Why the other people in it may be looked at.
    pub others: String,
    /// Whether an order stops it.
    pub frozen: bool,
    /// Whether the pixels of every face are kept, sealed.
    pub keep_crops: bool,
    /// Whose law applies, if it is not the controller's, as a code.
    pub jurisdiction: Option<String>,
    /// The last day of what the photos are for.
    pub purpose_ends: Option<Day>,
    /// The data protection impact assessment.
    pub dpia: Option<Dpia>,
    /// Why nothing less intrusive would do.
    pub necessity: Option<String>,
    /// How people get their photos without biometrics.
    pub alternative: Option<String>,
    /// Since when the public notice is out.
    pub notice_public: Option<Day>,
}

impl From<&ledger::Collection> for Collection {
    fn from(c: &ledger::Collection) -> Self {
        let basis = &c.basis;
        Self {
            collection: c.name.clone(),
            collection_id: Id::of(c.id),
            folder: c.directory.clone(),
            uploads: c.uploads,
            others: c.others.to_string(),
            frozen: c.frozen,
            keep_crops: c.keep_crops,
            jurisdiction: basis.jurisdiction.as_ref().map(|code| code.as_str().to_owned()),
            purpose_ends: basis.purpose_ends.map(Day),
            dpia: basis.dpia.as_ref().map(Dpia::from),
            necessity: basis.necessity.clone(),
            alternative: basis.alternative.clone(),
            notice_public: basis.notice_public.map(Day),
        }
    }
}

/// A data protection impact assessment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Dpia {
    /// Where it is found.
    pub reference: String,
    /// When it was made.
    pub made: Day,
    /// By when it is looked at again.
    pub review_by: Day,
}

impl From<&ledger::Dpia> for Dpia {
    fn from(d: &ledger::Dpia) -> Self {
        Self { reference: d.reference.clone(), made: Day(d.made), review_by: Day(d.review) }
    }
}

/// All collections.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CollectionList {
    /// Each.
    pub collections: Vec<Collection>,
}

/// One collection with its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CollectionShown {
    /// The collection.
    #[serde(flatten)]
    pub about: Collection,
    /// What keeps its faces from being compared.
    pub locks: Vec<String>,
    /// Its numbers.
    #[serde(flatten)]
    pub counts: Counts,
    /// Known photos without a face.
    pub no_face: u64,
    /// Known photos that cannot be used.
    pub failed: u64,
    /// Known photos whose files are not in the folder.
    pub missing: u64,
}

/// What is known of a collection, in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Counts {
    /// Known photos.
    pub photos: u64,
    /// Faces in them.
    pub faces: u64,
    /// Faces of people who agreed, or suggested.
    pub sightings: u64,
    /// What people confirmed and refused.
    pub decisions: u64,
    /// Consents in force.
    pub consents: u64,
    /// Templates to find people by.
    pub templates: u64,
    /// Faces whose pixels are kept.
    pub crops: u64,
    /// Faces that were set apart.
    pub objections: u64,
}

impl From<&CollectionCounts> for Counts {
    fn from(n: &CollectionCounts) -> Self {
        Self {
            photos: n.photos,
            faces: n.faces,
            sightings: n.sightings,
            decisions: n.decisions,
            consents: n.active_grants,
            templates: n.templates,
            crops: n.crops,
            objections: n.objections,
        }
    }
}

/// A new collection.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CollectionAdded {
    /// Its name.
    pub collection: String,
    /// Its id.
    pub collection_id: Id,
    /// Photos in its folder.
    pub photos: usize,
    /// Whether the pixels of every face are kept, sealed.
    pub keep_crops: bool,
    /// What could not be listed.
    pub not_listed: Vec<NotListed>,
    /// What is left out on purpose.
    pub left_out: Vec<NotLooked>,
    /// Collections whose folders lie in this one, or around it.
    pub overlaps: Vec<String>,
}

/// Something in a folder that could not be listed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NotListed {
    /// Its path in the folder.
    pub path: String,
    /// Why, as a word of `docs/photos.md`.
    pub reason: String,
}

impl From<&Problem> for NotListed {
    fn from(problem: &Problem) -> Self {
        Self { path: problem.path.to_string(), reason: problem.kind.code().to_owned() }
    }
}

/// Something in a folder that is left out on purpose.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NotLooked {
    /// Its path in the folder.
    pub path: String,
    /// What it is, as a word of `docs/photos.md`.
    pub kind: String,
}

impl From<&LeftOut> for NotLooked {
    fn from(left_out: &LeftOut) -> Self {
        Self { path: left_out.path.to_string(), kind: left_out.kind.code().to_owned() }
    }
}

/// What is missing before faces are compared.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CollectionBasis {
    /// The collection.
    pub collection: String,
    /// What keeps its faces from being compared.
    pub locks: Vec<String>,
    /// The requirements that ask for what is missing, of `docs/compliance.md`.
    pub requirements: Vec<Option<String>>,
}

/// Where a collection lies now.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CollectionMoved {
    /// The collection.
    pub collection: String,
    /// The folder.
    pub folder: String,
    /// Photos that were known.
    pub known: usize,
    /// How many of them are in the folder.
    pub known_there: usize,
}

/// What was forgotten of photos whose files are not in the folder any more, or would be.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MissingForgotten {
    /// The collection.
    pub collection: String,
    /// Whether nothing was forgotten.
    pub dry_run: bool,
    /// Photos that are known.
    pub known: usize,
    /// The photos whose files are missing.
    pub missing: Vec<String>,
    /// Faces in them.
    pub faces: u64,
    /// Faces of people who agreed, or suggested.
    pub sightings: u64,
    /// What people confirmed and refused in them.
    pub decisions: u64,
    /// How many photos were forgotten.
    pub forgotten: u64,
}

/// What was deleted with a collection, or would be.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CollectionRemoved {
    /// The collection.
    pub collection: String,
    /// Whether nothing was deleted.
    pub dry_run: bool,
    /// What was known of it.
    #[serde(flatten)]
    pub counts: Counts,
}

/// Photos that were uploaded.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PhotosUploaded {
    /// The collection.
    pub collection: String,
    /// New ones.
    pub uploaded: Vec<UploadedFile>,
    /// Those that were there already.
    pub duplicates: Vec<UploadedFile>,
    /// Files that were not taken.
    pub not_uploaded: Vec<NotUploaded>,
}

/// A file that was uploaded.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct UploadedFile {
    /// The file as it was named.
    pub file: String,
    /// The path of its photo in the collection's folder.
    pub photo: String,
}

/// A file that was not taken.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NotUploaded {
    /// The file as it was named.
    pub file: String,
    /// Why, as a word of `docs/errors.md`.
    pub code: String,
    /// Why.
    pub because: String,
}
