//! The ledger of Assent: roster, consents, keys, and the log of what was done with them. It is the only writer of a
//! vault, and it knows ids, boxes and sealed bytes, never pixels or open embeddings.
//!
//! # The way in
//!
//! [`Ledger::create`] and [`Ledger::open`] give a [`Ledger`]; [`Ledger::run_tx`] runs everything else, on a [`Tx`]. What
//! needs consent takes an [`ActiveGrant`], a proof that only [`Tx::active_grant`] makes and that cannot leave its
//! transaction. [`Ledger::erase`], [`Ledger::rotate`] and [`Ledger::expire_due`] are transactions of their own; [`Ledger::audit_verify`]
//! checks the log. [`Ledger::checkpoint`], [`Ledger::prove_leaf`], [`Ledger::certificate`] and [`Ledger::export_log`] give
//! out what others check with the [`LogKeys`] alone.
//!
//! ```text
//! VaultPlace --open--> Ledger --run_tx--> Tx --active_grant--> ActiveGrant --> enrol, replace_sightings, sightings_of
//!                        |                                          `--------> withdraw (takes the proof away)
//!                        `--erase, expire_due, audit_verify
//! ```
//!
//! # Tour
//!
//! Open a vault, put somebody on the roster, record their grant, enrol a template, read it, withdraw:
//!
//! ```
//! use assent_ledger::{
//!     BystanderBasis, Database, Evidence, Ledger, NewCollection, NewGrant, NewSubject, Purpose, Settings, Timestamp, Tools,
//!     VaultKind, VaultPlace, no_hook,
//! };
//! # use std::collections::BTreeSet;
//! # use assent_ledger::{RulePack, Rulebook, Span};
//! # use rand_core::{TryCryptoRng, TryRng};
//! # use ring::rand::{SecureRandom, SystemRandom};
//! # struct SystemRng(SystemRandom);
//! # impl TryRng for SystemRng {
//! #     type Error = std::convert::Infallible;
//! #     fn try_next_u32(&mut self) -> Result<u32, Self::Error> { self.try_next_u64().map(|n| n as u32) }
//! #     fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
//! #         let mut bytes = [0; 8];
//! #         self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
//! #     }
//! #     fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> { Ok(self.0.fill(out).unwrap()) }
//! # }
//! # impl TryCryptoRng for SystemRng {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! # let rng = SystemRng(SystemRandom::new());
//! # let month = Span::Months(1);
//! # let rules = Rulebook::new(vec![RulePack {
//! #     name: "generic".into(), version: "1".into(), covers: BTreeSet::new(), alone_from_years: 18,
//! #     parent_may_sign: true, witnesses_sign: false, longest_months: 12, after_interaction_months: None,
//! #     after_purpose_months: 0, answer: month, extension: None, complaint: None, pauses: true,
//! #     required_documents: BTreeSet::new(), representative: false,
//! # }])?;
//!
//! // Open a vault. Time, randomness and rules are arguments, and the key ring lies outside the vault's folder.
//! let place = VaultPlace { folder: dir.join("vault"), ring: dir.join("keys/ring"), database: Database::Sqlite };
//! let tools = Tools { rng: Box::new(rng), hook: no_hook(), rules, secrets: Vec::new() };
//! let now = Timestamp(1_800_000_000_000);
//! let ledger = Ledger::create(&place, VaultKind::Household, &Settings::default(), tools, now)?;
//!
//! // Put somebody on the roster, and add a collection of photos. Everything happens in a transaction.
//! let set_up = ledger.run_tx("set up", now, |tx| {
//!     let owner = NewSubject { handle: "me", name: "Anna Novak", owner: true, ..NewSubject::default() };
//!     let photos = NewCollection { name: "photos", directory: "/photos", others: BystanderBasis::Household };
//!     Ok((tx.add_subject(&owner)?, tx.add_collection(&photos)?))
//! });
//! let (subject, collection) = set_up?.into_inner();
//!
//! // Record their grant, and enrol a template under it: nothing is enrolled without the proof that a grant is in force.
//! let (purpose, model_sha256) = (Purpose::find_my_photos(), [0x4d; 32]);
//! let enrolled = ledger.run_tx("enrol", now, |tx| {
//!     let grant = tx.open_grant(&NewGrant {
//!         subject,
//!         collection,
//!         purpose: &purpose,
//!         evidence: &Evidence::SelfStatement { statement: "I want to be found".into() },
//!         notice_sha256: [0; 32],
//!         valid_from: now,
//!         valid_until: Timestamp(now.0 + 365 * 24 * 60 * 60 * 1000),
//!     })?;
//!     let proof = tx.active_grant(grant)?;
//!     tx.enrol(&proof, model_sha256, &[b"an embedding"])?;
//!     Ok(grant)
//! });
//! let grant = enrolled?.into_inner();
//!
//! // Read it: what may be searched now.
//! let gallery = || ledger.read_tx(now, |tx| tx.searchable_templates(collection, &purpose, model_sha256));
//! assert_eq!(gallery()?.templates[0].plain.as_slice(), b"an embedding");
//!
//! // Withdraw: at the commit the template is gone.
//! ledger.run_tx("withdraw", now, |tx| tx.withdraw(tx.active_grant(grant)?))?;
//! assert!(gallery()?.templates.is_empty());
//!
//! // All of it is in the log, and the log is whole.
//! assert!(ledger.audit_verify(None, now)?.fault.is_none());
//! # Ok(())
//! # }
//! ```
//!
//! # What it keeps true
//!
//! - **I1** Only templates with a grant that is valid now are given out, and none is at rest after its grant ended: by
//!   types here, by a foreign key and triggers for every other client of the database.
//! - **I4** Sightings are read and written under a proof, and go with their grant.
//! - **I5** Everything that hangs on a subject is sealed under the subject's key, and erasure destroys that key.
//! - **I6** Every event is one leaf of a Merkle log, in the transaction of the event.
//!
//! # What it does not do
//!
//! It reads no clock, environment or argument: time and randomness are given to it. It writes two places, the vault's
//! database and the key ring; their bytes are described in `docs/formats/vault.md`, `keyring.md` and `log.md`.

mod actor;
mod audit;
mod backup;
mod bound;
mod certificate;
mod cipher;
mod codes;
mod database_status;
mod db;
mod durable;
mod erase;
mod erase_many;
mod error;
mod evidence;
mod fields;
mod growth;
mod id;
mod jobs;
mod jurisdiction;
mod keyring;
mod leases;
mod ledger;
mod log;
mod merkle;
mod names;
mod note;
mod origins;
mod passphrase;
mod photo_path;
mod proof;
mod publish;
mod receipt;
mod reconcile;
mod repair;
mod requirement;
mod restore;
mod ring_place;
mod rotate;
mod rules;
mod scrub;
mod seal;
mod search_log;
mod secret;
mod settings;
mod transactions;
mod tx;
mod upgrade;
mod vault;
mod vault_lock;
mod vocabulary;
mod witness;

pub use actor::{Act, Actor, Origin, Role, Via};
pub use audit::{Audit, Fault, Lost};
pub use backup::BackupError;
pub use bound::{Disagreement, Tampering};
pub use certificate::{Certificate, CertificateError};
pub use database_status::DatabaseStatus;
pub use db::{
    AddressError, ClockSource, Database, DbError, DbProblem, Difference, Postgres, PostgresAddress, SchemaFault,
    Traffic,
};
pub use durable::{Moment, WriteHook, WriteKind, WritePoint, no_hook};
pub use erase::Erasure;
pub use erase_many::Erasures;
pub use error::{OpenError, TxError};
pub use evidence::{EvidenceError, EvidenceList, verify_export};
pub use growth::{GrowthProof, LogAt};
pub use id::{
    AccountId, BlobId, CollectionId, FaceId, GrantId, IdError, JobId, OrderId, PendingId, PhotoId, RequestId,
    SubjectId, TemplateId, Timestamp, VaultId, WitnessId,
};
pub use jobs::{AskedFor, Job, JobCounts, JobOutcome, JobRecords, JobRun, NewJob};
pub use jurisdiction::{Age, AgeForm, Jurisdiction, JurisdictionForm};
pub use keyring::{KeyRingError, RingLock, RingSecret};
pub use leases::{Lease, LeaseName};
pub use ledger::{FORMAT_VERSION, Ledger, Tools, VaultPlace};
pub use log::{AskedBy, AskedVia, EventKind, Leaf, commitment};
pub use merkle::{Hash, leaf_hash};
pub use names::{
    EntryName, FILE_NAME_BYTES_MAX, NameError, UniqueFileNames, check_file_name, file_name_of, fold_name,
    is_unprintable,
};
pub use note::{Checkpoint, KeyRole, LogKeys, NoteError};
pub use photo_path::PhotoPath;
pub use publish::{ExportError, LeafProof, ProofError};
pub use receipt::{ErasureListError, ReceiptError, verify_erasure_list, verify_receipt};
pub use repair::{DamagedSlot, KeyCheck, KeyRepair, SlotOwner};
pub use restore::{Backup, Recovered, RestoreError};
pub use rules::{RequiredDocument, RuleError, RulePack, Rulebook, RulebookError, Rules, Span};
pub use seal::SealError;
pub use search_log::{GalleryReference, ScanEntry, SearchEntry};
pub use settings::Settings;
pub use transactions::Committed;
pub use tx::{
    Absences, AccessDecision, AccessEvent, AccessFile, AccessSighting, AccessTemplate, ActiveGrant, Alarm, Album,
    Basis, BlobKind, Change, Changed, ChangesSince, Collection, CollectionCounts, ConsentEvent, ContentTag, Correction,
    Deadline, Dpia, Due, Evidence, Expired, FORGOTTEN_AFTER_MS, FaceBox, Forgotten, Gallery, Grant, KnownPhoto,
    LeafPosition, Matching, NewCollection, NewFile, NewFiles, NewGrant, NewPending, NewPhoto, NewRequest, NewSighting,
    NewSubject, Notice, Objections, OpenTemplate, Order, Outcome, OwnTemplate, PastEndDate, Pending, PhotoCrops,
    PhotoTime, PictureOf, PlainConsent, Reach, ReadTx, Refusal, ReplayedNotes, Request, Roster, SAME_FACE_IOU,
    ScannedPhoto, Scope, SealedFile, SearchExtent, Searchable, SearchableTemplate, ShownPhoto, Sighting, StoredPhoto,
    Subject, SubjectAccessData, TOO_MANY, Tx, UPLOADS, Unreadable, WAITING_FILE_BYTES_MAX, WaitingFiles, WithoutModel,
    Witness,
};
pub use vocabulary::{
    Band, BystanderBasis, ChangeKind, GrantState, JobKind, JobState, PhotoTimeSource, Purpose, RequestKind,
    RequestOutcome, Signer, VaultKind, Verdict, VocabularyError,
};
pub use witness::{NewWitnessKey, PendingConsent, Signed, UnlockedWitness, WitnessSignature};
