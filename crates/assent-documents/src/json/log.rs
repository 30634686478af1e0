//! `audit`: the log, and what is shown to others of it.

use assent::ledger::{
    Audit, Certificate, Collection, EventKind, LeafProof, Purpose, ScanEntry, SearchEntry, Tampering,
};
use assent::packs::hex;
use assent::service::log::Entry;
use assent::service::lookup::collection_name;
use schemars::JsonSchema;
use serde::Serialize;

use super::{AskedBy, Day, Id, Moment, Sha256};

/// Entries of the log.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LogEntries {
    /// Each, the newest last.
    pub entries: Vec<LogEntry>,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LogEntry {
    /// Its number, from 0.
    pub position: u64,
    /// When it was written.
    pub time: Moment,
    /// What happened.
    pub kind: String,
    /// Who asked for it; null if nobody did, or that was not noted yet.
    pub asked_by: Option<AskedBy>,
    /// The collection that it is about.
    pub collection: Option<String>,
    /// What for.
    pub purpose: Option<String>,
    /// How many people it concerns.
    pub concerns: usize,
    /// What a scan did.
    pub scan: Option<LoggedScan>,
    /// What a search found.
    pub find: Option<LoggedSearch>,
}

impl LogEntry {
    /// An entry with the names of its collections.
    pub fn new(Entry { leaf, account }: &Entry, collections: &[Collection]) -> LogEntry {
        let name = |id| collection_name(collections, id).to_owned();
        let (collection, purpose) = leaf.about();
        let search = SearchEntry::of(leaf);
        let purpose = search.as_ref().map(|search| search.purpose.clone()).or(purpose);
        let compared = |scan: &ScanEntry| {
            scan.reference.map(|r| Compared {
                epoch: r.epoch,
                templates: r.templates,
                match_from: r.certain,
                review_from: r.review,
            })
        };
        LogEntry {
            position: leaf.position,
            time: Moment(leaf.time),
            kind: leaf.kind.as_str().to_owned(),
            asked_by: AskedBy::of(leaf, *account),
            collection: collection.map(name),
            purpose: purpose.as_ref().map(Purpose::as_str).map(str::to_owned),
            concerns: leaf.commitments.len(),
            scan: ScanEntry::of(leaf).map(|scan| LoggedScan {
                began: Moment(scan.began),
                photos: scan.photos,
                model_sha256: Sha256(hex(&scan.model_sha256)),
                compared: compared(&scan),
            }),
            find: search.map(|search| LoggedSearch {
                found: search.found,
                looked_at: search
                    .collections
                    .iter()
                    .map(|(id, epoch)| LookedAt { collection: name(*id), epoch: *epoch })
                    .collect(),
            }),
        }
    }
}

/// What the log says of a scan.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LoggedScan {
    /// When it began.
    pub began: Moment,
    /// Photos of the batch.
    pub photos: u32,
    /// The models.
    pub model_sha256: Sha256,
    /// What the faces were compared with; null where nobody was searched for.
    pub compared: Option<Compared>,
}

/// What the faces of a scan were compared with.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Compared {
    /// Counts the changes of the collection's templates.
    pub epoch: i64,
    /// How many templates.
    pub templates: u64,
    /// From which similarity on a face is named; null where every one is confirmed first.
    pub match_from: Option<f32>,
    /// From which similarity on somebody is asked.
    pub review_from: f32,
}

/// What the log says of a search.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LoggedSearch {
    /// How many photos were found.
    pub found: u32,
    /// Where they were looked for.
    pub looked_at: Vec<LookedAt>,
}

/// A collection that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LookedAt {
    /// The collection.
    pub collection: String,
    /// Counts the changes of its templates.
    pub epoch: i64,
}

/// Whether the log is whole, and the database as the program left it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LogVerified {
    /// Whether nothing was found.
    pub whole: bool,
    /// How many entries the log has.
    pub log_entries: u64,
    /// The root of its tree.
    pub root: Sha256,
    /// How many openings of people fit their entries.
    pub openings: u64,
    /// How many entries the older checkpoint has that it was compared with.
    pub grown_from: Option<u64>,
    /// From which entry on entries were lost when the vault was restored.
    pub lost_from: Option<u64>,
    /// Whether that was written down then.
    pub loss_noted: Option<bool>,
    /// What was changed by something other than the program.
    pub tampered: Vec<Tampered>,
    /// The first entry that is not whole.
    pub fault: Option<LogFault>,
}

impl LogVerified {
    /// Of an examination; `what` names a fault.
    pub fn new(audit: &Audit, grown_from: Option<u64>, fault: Option<(u64, &str)>) -> LogVerified {
        LogVerified {
            whole: audit.fault.is_none() && audit.tampered.is_empty(),
            log_entries: audit.size,
            root: Sha256(hex(&audit.root)),
            openings: audit.openings,
            grown_from,
            lost_from: audit.lost.map(|lost| lost.from),
            loss_noted: audit.lost.map(|lost| lost.named),
            tampered: audit.tampered.iter().map(Tampered::from).collect(),
            fault: fault.map(|(position, what)| LogFault { position, what: what.to_owned() }),
        }
    }
}

/// An entry that is not whole.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LogFault {
    /// Its number.
    pub position: u64,
    /// What is wrong with it.
    pub what: String,
}

/// Something that was changed by something other than the program.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Tampered {
    /// The table, where it is about one.
    pub table: Option<String>,
    /// What was changed.
    pub says: String,
}

impl From<&Tampering> for Tampered {
    fn from(found: &Tampering) -> Self {
        let table = match found {
            Tampering::Row { table, .. } | Tampering::Rows { table, .. } | Tampering::Log { table, .. } => Some(*table),
            _ => None,
        };
        Self { table: table.map(str::to_owned), says: found.to_string() }
    }
}

/// That a receipt is genuine.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ReceiptHolds {
    /// True.
    pub holds: bool,
    /// The record that was signed, as `docs/formats/consent-record.schema.json` has it.
    pub record: serde_json::Value,
}

/// That the log only grew.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GrowthHolds {
    /// True.
    pub holds: bool,
    /// The log.
    pub log: String,
    /// How many entries it had then.
    pub grown_from: u64,
    /// How many entries it has.
    pub log_entries: u64,
}

/// That a certificate of an erasure is genuine.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CertificateHolds {
    /// True.
    pub holds: bool,
    /// The log that it is for.
    pub log: String,
    /// Who was erased.
    pub subject: Id,
    /// The day of it.
    pub erased: Day,
    /// The day on which their key was destroyed.
    pub key_destroyed: Day,
    /// Until when older backups of the key ring may hold it.
    pub key_ring_backups_until: Day,
    /// The entry that says that the erasure began.
    pub intent_position: u64,
    /// The entry that says that it is done.
    pub done_position: u64,
    /// How many entries the published log has that it is in; null where that was not checked.
    pub published_in: Option<u64>,
}

impl CertificateHolds {
    /// Of a certificate that was verified for this log.
    pub fn new(read: &Certificate, log: &str, published_in: Option<u64>) -> CertificateHolds {
        CertificateHolds {
            holds: true,
            log: log.to_owned(),
            subject: Id::of(read.subject),
            erased: Day(read.erased),
            key_destroyed: Day(read.key_destroyed),
            key_ring_backups_until: Day(read.key_ring_backups_until),
            intent_position: read.intent.0.position,
            done_position: read.done.0.position,
            published_in,
        }
    }
}

/// That a list of erasures and the certificates beside it are genuine.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CertificatesHold {
    /// True.
    pub holds: bool,
    /// The log that they are for.
    pub log: String,
    /// Who was erased.
    pub subjects: Vec<Id>,
}

/// That an entry is in the log.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProofHolds {
    /// True.
    pub holds: bool,
    /// The log.
    pub log: String,
    /// The entry's number.
    pub position: u64,
    /// What happened.
    pub kind: String,
    /// When it was written.
    pub time: Moment,
}

impl ProofHolds {
    /// Of a proof that was verified for this log.
    pub fn new(LeafProof { position, leaf, .. }: &LeafProof, log: &str) -> ProofHolds {
        ProofHolds {
            holds: true,
            log: log.to_owned(),
            position: *position,
            kind: EventKind::as_str(leaf.kind).to_owned(),
            time: Moment(leaf.time),
        }
    }
}

/// That evidence for an authority is genuine.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EvidenceHolds {
    /// True.
    pub holds: bool,
    /// How many files it has.
    pub files: usize,
    /// How many entries its log has.
    pub log_entries: u64,
    /// How many certificates of erasures it has.
    pub certificates: usize,
}

/// The log in a folder, for others.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LogExported {
    /// How many entries.
    pub log_entries: u64,
    /// The root of its tree.
    pub root: Sha256,
    /// The folder.
    pub folder: String,
}

/// A text that others check.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignedText {
    /// That an entry is in the log, or that the log only grew.
    Proof(String),
    /// What the log is at one time.
    Checkpoint(String),
    /// That somebody was erased.
    Certificate(String),
    /// The keys of the log, signed.
    Keys(String),
    /// The keys of the log, on one line.
    Key(String),
}

impl SignedText {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        let (Self::Proof(text) | Self::Checkpoint(text) | Self::Certificate(text) | Self::Keys(text) | Self::Key(text)) =
            self;
        text
    }
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Written {
    /// The file.
    pub file: String,
}
