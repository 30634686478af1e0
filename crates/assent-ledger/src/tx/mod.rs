//! What can be done inside one transaction.
//!
//! [`Tx`] and the proof [`ActiveGrant`] carry the lifetime `'tx` as a brand: a proof made in one transaction is of no use
//! in another, and cannot be kept. One file per noun: `roster` (found by `name_tags`), `witnesses`, `grants` (and which are in force, `active_grants`), `pending`, `portraits`, `ending`,
//! `grant_keys`, `templates` (their `opening`, how they are looked at again by `following` the `changes`, and how they take
//! the place of others in a `model_change`), `photos` (how a scan's
//! results come there, `scanned`, how those are read that are known, `known_photos`, and with what is
//! said of them, `records`), `places` in them, `crops`, `sightings`, `decisions`, `objections`, `reach`, `deadlines`,
//! `orders`, `events` (and their `tiles`), `keys` that open and that do not, everything that is held about one person
//! (`subject_access`), and how it is sealed again (`reseal`).

mod active_grants;
mod basis;
mod blobs;
mod changes;
mod clock;
mod crops;
mod deadlines;
mod decisions;
mod ending;
mod events;
mod extents;
mod following;
mod grant_keys;
mod grants;
mod keys;
mod known_photos;
mod missing;
mod model_change;
mod name_tags;
mod notes;
mod notices;
mod objections;
mod older_keys;
mod opening;
mod orders;
mod pending;
mod photo_time;
mod photos;
mod places;
mod portraits;
mod reach;
mod records;
mod removal;
mod renewals;
mod requests;
mod reseal;
mod roster;
mod scanned;
mod sightings;
mod subject_access;
mod templates;
mod tiles;
mod witnesses;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::actor::Actor;
use crate::bound::{Head, RowKeys, Touched};
use crate::db::{ClockSource, Db, ForEach, Row, Traffic, Value};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId, Timestamp};
use crate::keyring::KeyRing;
use crate::rules::Rulebook;
use crate::seal::{self, SealContext};
use crate::secret::Key;
use crate::settings::Settings;
use crate::vault::About;
use crate::vocabulary::{Purpose, VaultKind};

pub use basis::{Basis, Dpia, Matching};
pub use blobs::{BlobKind, NewFile, SealedFile, WAITING_FILE_BYTES_MAX};
pub use changes::{Change, Changed, ChangesSince};
pub use crops::PhotoCrops;
pub(crate) use crops::slot as crops_slot;
pub use deadlines::{Alarm, Deadline, Due};
pub use ending::{Expired, PastEndDate};
pub use events::LeafPosition;
pub(crate) use events::{OPENINGS, opening_row};
pub use extents::SearchExtent;
pub use grants::{Evidence, Grant, NewGrant};
pub use keys::{PlainConsent, Unreadable};
pub use known_photos::{KnownPhoto, ShownPhoto};
pub use missing::{Absences, FORGOTTEN_AFTER_MS, Forgotten, TOO_MANY};
pub use model_change::{OwnTemplate, WithoutModel};
pub(crate) use name_tags::nobody;
pub use notes::ReplayedNotes;
pub(crate) use notes::RingNote;
pub use notices::Notice;
pub use objections::Objections;
pub use opening::{OpenTemplate, Searchable};
pub use orders::{Order, Scope};
pub use pending::{NewFiles, NewPending, Pending, Roster, WaitingFiles};
pub use photo_time::PhotoTime;
pub use photos::{CollectionCounts, ContentTag, FaceBox, NewPhoto, Outcome, PictureOf, StoredPhoto};
pub use places::SAME_FACE_IOU;
pub use reach::Reach;
pub use renewals::Refusal;
pub use requests::{Album, NewRequest, Request};
pub(crate) use reseal::Reseal;
pub use roster::{Collection, Correction, NewCollection, NewSubject, Subject, UPLOADS};
pub use scanned::ScannedPhoto;
pub use sightings::{NewSighting, Sighting};
pub use subject_access::{
    AccessDecision, AccessEvent, AccessFile, AccessSighting, AccessTemplate, ConsentEvent, SubjectAccessData,
};
pub use templates::{Gallery, SearchableTemplate};
pub(crate) use tiles::TILE_BITS;
pub use witnesses::Witness;

/// Invariant in `'tx`: neither a longer nor a shorter transaction will do.
pub(crate) type Brand<'tx> = PhantomData<fn(&'tx ()) -> &'tx ()>;

pub(crate) type Rng = Box<dyn CryptoRng + Send>;

/// A snapshot of the ledger, to be read. Made by [`crate::Ledger::read_tx`], and part of every [`Tx`].
pub struct ReadTx<'tx> {
    pub(crate) db: Db<'tx>,
    ring: &'tx Mutex<KeyRing>,
    about: Arc<About>,
    pub(crate) rules: &'tx Rulebook,
    /// The time of everything in it: what the clock says, or the newest time that was taken for right, if that is later.
    pub(crate) now: Timestamp,
    /// What the clock says.
    pub(crate) clock: Timestamp,
    /// Whose clock that is.
    pub(crate) clock_source: ClockSource,
    /// The newest time that was taken for right, before this transaction.
    pub(crate) newest: Option<Timestamp>,
    /// What the sums over the rows hang on.
    pub(crate) head: Head,
    pub(crate) row_keys: &'tx RowKeys,
    /// Rows of bound tables that changed in this transaction, and what was counted already.
    pub(crate) touched: RefCell<Touched>,
    brand: Brand<'tx>,
}

/// A transaction of the ledger that may write, and reads what it wrote. Made by [`crate::Ledger::run_tx`] alone.
pub struct Tx<'tx> {
    read: ReadTx<'tx>,
    rng: &'tx Mutex<Rng>,
    /// Who asks for what is done now; `None` while the program itself makes something good.
    by: Cell<Option<Actor>>,
    /// Grants that ended in this transaction, whatever proofs of them are still about.
    ended: RefCell<BTreeSet<GrantId>>,
    /// What the key ring has to note when this transaction commits.
    noted: RefCell<BTreeSet<RingNote>>,
    /// What those who keep people in memory have to be told when this transaction commits.
    changes: RefCell<BTreeSet<Change>>,
    /// Release files first used in this transaction, and for whom: one form may cover several purposes.
    releases: RefCell<BTreeMap<[u8; 32], SubjectId>>,
}

impl<'tx> Deref for Tx<'tx> {
    type Target = ReadTx<'tx>;

    fn deref(&self) -> &ReadTx<'tx> {
        &self.read
    }
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx").field("now", &self.now).finish_non_exhaustive()
    }
}

impl fmt::Debug for ReadTx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadTx").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Proof that a grant is in force in this transaction.
///
/// It is the only way to store a template or a sighting, and to read sightings. It cannot be made otherwise, copied, or
/// kept beyond the transaction, and [`Tx::withdraw`] takes it away:
///
/// ```compile_fail,E0521
/// # use assent_ledger::*;
/// # fn leak(ledger: &Ledger, grant: GrantId, now: Timestamp) {
/// let mut kept = None;
/// let _ = ledger.run_tx("leak", now, |tx| {
///     kept = Some(tx.active_grant(grant)?); // borrowed data escapes
///     Ok(())
/// });
/// # }
/// ```
///
/// ```compile_fail
/// # use assent_ledger::*;
/// # fn leak(ledger: &Ledger, grant: GrantId, now: Timestamp) {
/// let proof = ledger.run_tx("leak", now, |tx| tx.active_grant(grant)); // the answer may not name 'tx
/// # }
/// ```
///
/// ```compile_fail,E0308
/// # use assent_ledger::*;
/// # fn insert(tx: &Tx<'_>, grant: GrantId) {
/// let _ = tx.enrol(&grant, [0; 32], &[b"an embedding"]); // a grant's id is no proof
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # use assent_ledger::*;
/// # fn after(tx: &Tx<'_>, grant: GrantId) -> Result<(), TxError> {
/// let proof = tx.active_grant(grant)?;
/// tx.withdraw(proof)?;
/// tx.enrol(&proof, [0; 32], &[b"an embedding"])?; // used after it was moved
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail,E0451
/// # use assent_ledger::*;
/// # fn forge(real: ActiveGrant<'_>, subject: SubjectId) {
/// let forged = ActiveGrant { subject, ..real }; // private fields
/// # }
/// ```
///
/// The same calls in the right order compile:
///
/// ```
/// # use assent_ledger::*;
/// # fn right(ledger: &Ledger, grant: GrantId, now: Timestamp) -> Result<(), TxError> {
/// ledger.run_tx("enrol", now, |tx| {
///     let proof = tx.active_grant(grant)?;
///     tx.enrol(&proof, [0; 32], &[b"an embedding"])?;
///     tx.withdraw(proof)
/// })?;
/// # Ok(())
/// # }
/// ```
pub struct ActiveGrant<'tx> {
    pub(crate) grant: GrantId,
    pub(crate) subject: SubjectId,
    pub(crate) collection: CollectionId,
    pub(crate) purpose: Purpose,
    /// What hangs on the grant is sealed under this.
    pub(crate) key: Key,
    pub(crate) brand: Brand<'tx>,
}

impl fmt::Debug for ActiveGrant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ActiveGrant({:?})", self.grant)
    }
}

impl ActiveGrant<'_> {
    /// The id of the grant that this proves to be in force.
    pub fn grant(&self) -> GrantId {
        self.grant
    }

    /// The id of the subject who gave the grant.
    pub fn subject(&self) -> SubjectId {
        self.subject
    }

    /// The collection that the grant is for.
    pub fn collection(&self) -> CollectionId {
        self.collection
    }

    /// The purpose that the subject agreed to.
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }
}

impl<'tx> ReadTx<'tx> {
    pub(crate) fn new(
        db: Db<'tx>,
        ring: &'tx Mutex<KeyRing>,
        about: Arc<About>,
        rules: &'tx Rulebook,
        (clock, clock_source, newest): (Timestamp, ClockSource, Option<Timestamp>),
        (head, row_keys): (Head, &'tx RowKeys),
    ) -> Self {
        let now = newest.map_or(clock, |newest| newest.max(clock));
        let touched = RefCell::default();
        Self { db, ring, about, rules, now, clock, clock_source, newest, head, row_keys, touched, brand: PhantomData }
    }

    /// The time of everything that happens in this transaction.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What was asked of the database so far.
    pub fn traffic(&self) -> Traffic {
        self.db.traffic()
    }

    /// The vault's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.about.folder
    }

    /// Whom the vault belongs to.
    pub(crate) fn kind(&self) -> VaultKind {
        self.about.kind
    }

    /// Who answers for the vault.
    pub(crate) fn settings(&self) -> &Settings {
        &self.about.settings
    }

    /// The key ring, for one use: whoever holds it keeps everybody else from it.
    pub(crate) fn ring(&self) -> MutexGuard<'_, KeyRing> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `HMAC(master key, label | data)`.
    pub(crate) fn master_mac(&self, label: &'static str, data: &[u8]) -> [u8; 32] {
        self.ring().master().mac(label, data)
    }

    /// The key of a collection, for the paths and contents of its photos.
    fn collection_key(&self, collection: CollectionId) -> Key {
        self.ring().master().derive("assent collection v1", collection.as_bytes())
    }

    pub(crate) fn open_master(&self, context: &SealContext<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, TxError> {
        Ok(seal::open(self.ring().master(), context, sealed)?)
    }

    pub(crate) fn rows(&self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, TxError> {
        Ok(self.db.rows(sql, args)?)
    }

    pub(crate) fn row(&self, sql: &'static str, args: &[Value]) -> Result<Option<Row>, TxError> {
        Ok(self.db.row(sql, args)?)
    }

    /// Asks for what belongs to many rows.
    pub(crate) fn rows_for(&self, each: ForEach, shared: &[Value], rows: &[Vec<Value>]) -> Result<Vec<Row>, TxError> {
        let mut all = Vec::new();
        for (sql, args) in each.parts(shared, rows) {
            all.extend(self.db.rows(sql, &args)?);
        }
        Ok(all)
    }

    pub(crate) fn count(&self, sql: &'static str, args: &[Value]) -> Result<i64, TxError> {
        Ok(self.db.count(sql, args)?)
    }
}

impl<'tx> Tx<'tx> {
    pub(crate) fn new(read: ReadTx<'tx>, rng: &'tx Mutex<Rng>) -> Self {
        Self {
            read,
            rng,
            by: Cell::new(None),
            ended: RefCell::default(),
            noted: RefCell::default(),
            changes: RefCell::default(),
            releases: RefCell::default(),
        }
    }

    /// From here on the entries of the log say that this actor asked.
    pub(crate) fn act_for(&self, by: Option<Actor>) {
        self.by.set(by);
    }

    pub(crate) fn rng(&self) -> MutexGuard<'_, Rng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seal_master(&self, context: &SealContext<'_>, plain: &[u8]) -> Result<Vec<u8>, TxError> {
        Ok(seal::seal(self.ring().master(), context, plain, &mut **self.rng())?)
    }

    pub(crate) fn seal_with(&self, key: &Key, context: &SealContext<'_>, plain: &[u8]) -> Result<Vec<u8>, TxError> {
        Ok(seal::seal(key, context, plain, &mut **self.rng())?)
    }

    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng().fill_bytes(&mut bytes);
        bytes
    }
}
