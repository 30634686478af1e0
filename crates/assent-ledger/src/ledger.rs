//! The vault as a whole: made, opened, locked, and its transactions run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::db::{Connector, Database, DbError, SetUpError, args};
use crate::durable::{self, WriteHook, WriteKind, with_hook};
use crate::error::{OpenError, TxError};
use crate::fields::{Reader, Writer};
use crate::id::{Timestamp, VaultId};
use crate::jurisdiction::Jurisdiction;
use crate::keyring::{KeyRing, KeyRingError, RingSecret};
use crate::log::EventKind;
use crate::restore::Recovered;
use crate::rules::Rulebook;
use crate::seal::{self, SealContext};
use crate::secret::Key;
use crate::tx::{Expired, Rng, Tx, newest};
use crate::vocabulary::VaultKind;

/// The form of the vault that this version writes.
pub const FORMAT_VERSION: i64 = 7;

pub(crate) const DATABASE_FILE: &str = "assent.db";
/// The database while a restore works on it: only a whole one gets the name of a vault's.
pub(crate) const RESTORED_FILE: &str = "assent.db.restoring";
const LOCK_FILE: &str = "assent.lock";
const VAULT: &str = "vault";

/// Where a vault is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultPlace {
    /// The vault's folder.
    pub folder: PathBuf,
    /// The key ring's file, outside the folder.
    pub ring: PathBuf,
    /// Where the tables are.
    pub database: Database,
}

/// What a vault needs from outside: randomness, the hook that tests use, and what opens the key ring.
pub struct Tools {
    /// A source of randomness that is fit for keys.
    pub rng: Box<dyn CryptoRng + Send>,
    /// Called before and after every durable write; [`crate::no_hook`] outside tests.
    pub hook: WriteHook,
    /// What the law of each place asks.
    pub rules: Rulebook,
    /// What opens a locked key ring, or several; empty if none is locked. [`crate::RingLock::of`] says what is needed.
    pub secrets: Vec<RingSecret>,
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tools { .. }")
    }
}

/// Who answers for a vault. Sealed at rest.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The controller, in the sense of data protection law.
    pub controller: String,
    /// The accountable person.
    pub accountable: String,
    /// How to reach them.
    pub contact: String,
    /// Where the controller sits: a code as [`Jurisdiction`] reads it.
    pub jurisdiction: String,
    /// The data protection officer, if there is one.
    pub dpo: String,
    /// Who represents the controller where it does not sit, by the name of the rule pack.
    pub representatives: BTreeMap<String, String>,
    /// Since when the policy on retention and destruction is public.
    pub retention_policy_public: Option<Timestamp>,
}

impl Settings {
    /// Where the controller sits; unknown if nobody has said it, or not by a code.
    pub fn seat(&self) -> Jurisdiction {
        self.jurisdiction.parse().unwrap_or_default()
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let start = Writer::new().text(&self.controller).text(&self.accountable).text(&self.contact);
        let public = self.retention_policy_public.map(|at| at.0);
        let start = start.text(&self.jurisdiction).text(&self.dpo).opt_int(public);
        self.representatives.iter().fold(start, |w, (pack, who)| w.text(pack).text(who)).finish()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Reader::new(bytes);
        let mut settings = Self {
            controller: fields.text()?.to_owned(),
            accountable: fields.text()?.to_owned(),
            contact: fields.text()?.to_owned(),
            jurisdiction: fields.text()?.to_owned(),
            // A format before 5 ends here.
            dpo: if fields.at_end() { String::new() } else { fields.text()?.to_owned() },
            ..Self::default()
        };
        if fields.at_end() {
            return Some(settings);
        }
        settings.retention_policy_public = fields.opt_int()?.map(Timestamp);
        while !fields.at_end() {
            settings.representatives.insert(fields.text()?.to_owned(), fields.text()?.to_owned());
        }
        Some(settings)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings { .. }")
    }
}

/// A result whose transaction is durable. Only the ledger makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed<T>(T);

impl<T> Committed<T> {
    /// Takes out the result of the transaction.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> std::ops::Deref for Committed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// An open vault. It may be shared between threads; its transactions run one after the other.
///
/// Calls block. Inside an asynchronous program they belong on a thread that may block (`spawn_blocking`).
pub struct Ledger {
    core: Mutex<Core>,
    /// Which thread is in a transaction, so that a nested one is an error and not a standstill.
    inside: Mutex<Option<ThreadId>>,
    id: VaultId,
    kind: VaultKind,
    settings: Settings,
    rules: Rulebook,
    pub(crate) recovered: Recovered,
    pub(crate) hook: WriteHook,
    /// Locked as long as the ledger lives; the operating system lets go of it when the process ends.
    _lock: File,
}

pub(crate) struct Core {
    pub(crate) connector: Connector,
    pub(crate) ring: RefCell<KeyRing>,
    rng: RefCell<Rng>,
    /// The ring noted what was not committed: it counts from the next transaction on.
    unsettled: bool,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Makes a vault: folder, key ring, tables, and the first leaf of the log. What an interrupted creation left is
    /// completed.
    ///
    /// # Errors
    ///
    /// - [`OpenError::VaultExists`] if the place holds a vault.
    /// - [`OpenError::Busy`] if another process works on it.
    /// - [`OpenError::RingInside`] if the key ring would lie inside the folder.
    /// - [`OpenError::KeyRing`] if there is a key ring with keys in it, or none can be made.
    /// - [`OpenError::Newer`], [`OpenError::Database`], [`OpenError::Io`] as their texts say.
    pub fn create(
        place: &VaultPlace,
        kind: VaultKind,
        settings: &Settings,
        mut tools: Tools,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let io = |op: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { op, path, source }
        };
        durable::make_vault_folder(&place.folder).map_err(io("make the folder", &place.folder))?;
        let lock = lock(place)?;
        let database = place.folder.join(DATABASE_FILE);
        if place.folder.join(RESTORED_FILE).exists() {
            return Err(OpenError::HalfRestored { folder: place.folder.clone() });
        }
        if place.database == Database::Sqlite {
            durable::begin_private(&database).map_err(io("write", &database))?;
        }
        let mut connector = set_up(place, &database)?;
        if read_vault(place, &mut connector)?.is_some() {
            return Err(OpenError::VaultExists { folder: place.folder.clone() });
        }
        let fresh = (VaultId::random(&mut *tools.rng), Key::random(&mut *tools.rng));
        let ring = KeyRing::create(&place.ring, fresh.0, &fresh.1, &tools.secrets, &tools.hook)?;
        let id = ring.vault();
        let core = Core { connector, ring: RefCell::new(ring), rng: RefCell::new(tools.rng), unsettled: false };
        let settings = settings.clone();
        let ledger = Self::assemble(core, lock, id, kind, settings, (tools.hook, tools.rules));
        ledger.run_tx("create vault", now, |tx| tx.put_vault(id, kind, &ledger.settings)).map_err(resume(place))?;
        Ok(ledger)
    }

    /// Opens a vault, repeats erasures and withdrawals that the key ring knows of and the database does not, and finishes
    /// rotations and erasures that were interrupted. Deleted rows are removed for good if there is room for that.
    ///
    /// Grants whose date has come are not ended here: call [`Self::expire_due`].
    ///
    /// # Errors
    ///
    /// - [`OpenError::NoVault`] if the place holds none.
    /// - [`OpenError::Busy`] if another process works on it.
    /// - [`OpenError::Newer`] if a later version wrote it.
    /// - [`OpenError::KeyRing`] if the key ring is missing, damaged, newer, too open, another vault's, or locked with something
    ///   else.
    /// - [`OpenError::OtherKeys`] if the database is a copy from before a rotation.
    /// - [`OpenError::Resume`] if an interrupted erasure or rotation could not be finished.
    /// - [`OpenError::RingInside`], [`OpenError::Database`], [`OpenError::Io`] as their texts say.
    pub fn open(place: &VaultPlace, tools: Tools, now: Timestamp) -> Result<Self, OpenError> {
        let no_vault = || OpenError::NoVault { folder: place.folder.clone() };
        let file = place.folder.join(DATABASE_FILE);
        let present = match place.database {
            Database::Sqlite => file.is_file(),
            Database::Postgres { .. } => place.folder.is_dir(),
        };
        if !present {
            let half = place.folder.join(RESTORED_FILE).exists();
            return Err(if half { OpenError::HalfRestored { folder: place.folder.clone() } } else { no_vault() });
        }
        Self::open_locked(place, (lock(place)?, &file), tools, now, Self::unopened)
    }

    /// Opens a vault that is locked, with its tables in `file`; `unopened` counts the people whose records their keys do not
    /// open.
    pub(crate) fn open_locked(
        place: &VaultPlace,
        (lock, file): (File, &Path),
        tools: Tools,
        now: Timestamp,
        unopened: impl FnOnce(&Self, Timestamp) -> Result<usize, TxError>,
    ) -> Result<Self, OpenError> {
        let no_vault = || OpenError::NoVault { folder: place.folder.clone() };
        let mut connector = set_up(place, file)?;
        let stored = read_vault(place, &mut connector)?.ok_or_else(no_vault)?;
        let ring = KeyRing::open(&place.ring, &tools.secrets, &tools.hook)?;
        if ring.vault() != stored.id || ring_check(&ring) != stored.ring_check {
            return Err(KeyRingError::WrongVault { path: ring.path().to_owned() }.into());
        }
        let settings = read_settings(ring.master(), stored.id, &stored.sealed).map_err(resume(place))?;
        let core = Core { connector, ring: RefCell::new(ring), rng: RefCell::new(tools.rng), unsettled: false };
        let mut ledger = Self::assemble(core, lock, stored.id, stored.kind, settings, (tools.hook, tools.rules));
        let people = unopened(&ledger, now).map_err(resume(place))?;
        if people > 0 {
            return Err(OpenError::OtherKeys { folder: place.folder.clone(), people });
        }
        ledger.recovered = ledger.replay(now).map_err(resume(place))?;
        ledger.finish_erasures(now).map_err(resume(place))?;
        ledger.scrub_if_due(now);
        Ok(ledger)
    }

    fn assemble(
        core: Core,
        lock: File,
        id: VaultId,
        kind: VaultKind,
        settings: Settings,
        (hook, rules): (WriteHook, Rulebook),
    ) -> Self {
        let (core, inside, recovered) = (Mutex::new(core), Mutex::new(None), Recovered::default());
        Self { core, inside, id, kind, settings, rules, recovered, hook, _lock: lock }
    }

    /// The vault's id.
    pub fn id(&self) -> VaultId {
        self.id
    }

    /// Whom the vault belongs to.
    pub fn kind(&self) -> VaultKind {
        self.kind
    }

    /// Who answers for it.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What opening the vault made good: what the database did not know and the key ring did, and the other way round.
    pub fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// What the law of each place asks, as this program knows it.
    pub fn rules(&self) -> &Rulebook {
        &self.rules
    }

    /// Writes down anew who answers for the vault.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn change_settings(&mut self, settings: Settings, now: Timestamp) -> Result<(), TxError> {
        let id = self.id;
        self.run_tx("change the controller", now, |tx| {
            let sealed = tx.seal_master(&vault_context(&id), &settings.encode())?;
            tx.exec("UPDATE vault SET sealed = $1 WHERE one = 1", args![sealed])?;
            tx.append_leaf(EventKind::Controller, &[], &[]).map(drop)
        })?;
        self.settings = settings;
        Ok(())
    }

    /// Runs `body` in one transaction: all of it is durable when this returns `Ok`, and nothing of it after an `Err`
    /// (but see [`TxError::CommitUnknown`]). `name` says in errors and to the hook which one it was; `now` is the time
    /// of everything in it.
    ///
    /// # Errors
    ///
    /// - Whatever `body` returns.
    /// - [`TxError::Nested`] if this thread is in a transaction of this ledger already.
    /// - [`TxError::Interrupted`] if an earlier call unwound in the middle.
    /// - [`TxError::Database`] if the transaction cannot begin, or a step of it failed although `body` went on.
    /// - [`TxError::CommitUnknown`] if the database stopped answering at the commit.
    pub fn run_tx<T>(
        &self,
        name: &'static str,
        now: Timestamp,
        body: impl for<'tx> FnOnce(&Tx<'tx>) -> Result<T, TxError>,
    ) -> Result<Committed<T>, TxError> {
        self.with_core(|core| {
            if core.unsettled {
                self.attempt(core, "replay notes", (now, false), replay_notes)?;
                core.unsettled = false;
            }
            self.attempt(core, name, (now, false), body)
        })
    }

    /// With `true` a person says that the time is right, wherever the newest entry of the log stands.
    pub(crate) fn attempt<T>(
        &self,
        core: &mut Core,
        name: &'static str,
        (now, clock_is_right): (Timestamp, bool),
        body: impl for<'tx> FnOnce(&Tx<'tx>) -> Result<T, TxError>,
    ) -> Result<Committed<T>, TxError> {
        let mut after = After::default();
        let outcome = self.attempt_once(core, name, (now, clock_is_right), body, &mut after);
        core.unsettled |= after.noted && outcome.is_err();
        if after.broken {
            core.connector.disconnect();
        }
        outcome
    }

    fn attempt_once<T>(
        &self,
        core: &mut Core,
        name: &'static str,
        (now, clock_is_right): (Timestamp, bool),
        body: impl for<'tx> FnOnce(&Tx<'tx>) -> Result<T, TxError>,
        after: &mut After,
    ) -> Result<Committed<T>, TxError> {
        let Core { connector, ring, rng, .. } = core;
        let db = connector.begin().inspect_err(|_| after.broken = true)?;
        let newest = if clock_is_right { Ok(None) } else { newest(&db) };
        let newest = newest.inspect_err(|_| after.broken = true)?;
        let tx = Tx::new(db, ring, rng, (self.kind, &self.settings, &self.rules), (now, newest));
        let answer = tx.complete_rotations().and_then(|()| body(&tx));
        let outcome = match answer {
            Ok(_) if tx.db.failed() => Err(TxError::Database(DbError::earlier_step())),
            // Before the commit: if that fails now, the person's word holds all the same from the next transaction on.
            Ok(value) => tx.write_ring_notes().map(|noted| {
                after.noted = noted;
                value
            }),
            Err(refused) => Err(refused),
        };
        match outcome {
            Ok(value) => with_hook(&self.hook, WriteKind::Commit(name), || tx.db.commit())
                .map(|()| Committed(value))
                .map_err(|source| {
                    after.broken = true;
                    // A commit for which there is no room never was.
                    if source.no_space() {
                        return TxError::Database(source);
                    }
                    TxError::CommitUnknown { transaction: name, source }
                }),
            Err(refused) => {
                // At once, so that nobody waits for a transaction that is over. If it fails, so does the connection,
                // and with it the transaction.
                after.broken = tx.db.roll_back().is_err();
                Err(refused)
            }
        }
    }

    /// Ends every grant whose date has come, with its templates, sightings and decisions. Returns which. To be called
    /// at least once in 24 hours.
    ///
    /// # Errors
    ///
    /// - [`TxError::ClockSetBack`], [`TxError::ClockAhead`] if the clock is in doubt ([`Self::clock`]): nothing ended.
    /// - As [`Self::run_tx`].
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method's path has one lifetime, the closure all"
    )]
    pub fn expire_due(&self, now: Timestamp) -> Result<Expired, TxError> {
        self.run_tx("expire grants", now, |tx| tx.expire_due()).map(Committed::into_inner)
    }

    /// Locks the key ring with `secret` from now on, and with nothing else; `None` leaves the keys in it as they are. The ring
    /// is written anew, and the old file overwritten. Backups of the ring keep the lock that they had.
    ///
    /// # Errors
    ///
    /// - [`TxError::KeyRing`] if the ring is damaged, or cannot be read, locked so, or written.
    /// - As [`Self::run_tx`].
    pub fn lock_keys(&self, secret: Option<&RingSecret>) -> Result<(), TxError> {
        self.with_core(|core| Ok(core.ring.borrow_mut().rewrap(secret, &mut **core.rng.borrow_mut())?))
    }

    /// Destroys a key, between the two transactions of an erasure.
    pub(crate) fn destroy_key(&self, subject: crate::SubjectId) -> Result<(), TxError> {
        self.with_core(|core| Ok(core.ring.borrow_mut().destroy(subject)?))
    }

    pub(crate) fn with_core<T>(&self, body: impl FnOnce(&mut Core) -> Result<T, TxError>) -> Result<T, TxError> {
        let me = thread::current().id();
        if *self.inside.lock().unwrap_or_else(PoisonError::into_inner) == Some(me) {
            return Err(TxError::Nested);
        }
        let mut core = self.core.lock().map_err(|_| TxError::Interrupted)?;
        let _inside = Inside::enter(&self.inside, me);
        body(&mut core)
    }
}

/// What is left to do when a transaction is over.
#[derive(Default)]
struct After {
    /// The connection must not be used again.
    broken: bool,
    /// The key ring noted something.
    noted: bool,
}

/// Marks the thread that is in a transaction, also when it unwinds.
struct Inside<'a>(&'a Mutex<Option<ThreadId>>);

impl<'a> Inside<'a> {
    fn enter(place: &'a Mutex<Option<ThreadId>>, me: ThreadId) -> Self {
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(me);
        Self(place)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Tx<'_> {
    fn put_vault(&self, id: VaultId, kind: VaultKind, settings: &Settings) -> Result<(), TxError> {
        let sealed = self.seal_master(&vault_context(&id), &settings.encode())?;
        let check = ring_check(&self.ring.borrow());
        self.exec(
            "INSERT INTO vault (one, id, format_version, kind, ring_check, sealed, created_ms, ring_slots) \
             VALUES (1, $1, $2, $3, $4, $5, $6, 0)",
            args![id, FORMAT_VERSION, kind.as_str(), check, sealed, self.now],
        )?;
        self.append_leaf(EventKind::Created, id.as_bytes(), &[])?;
        Ok(())
    }
}

fn vault_context(id: &VaultId) -> SealContext<'_> {
    SealContext { table: VAULT, row: Some(id.as_bytes()), ..SealContext::default() }
}

fn read_settings(master: &Key, id: VaultId, sealed: &[u8]) -> Result<Settings, TxError> {
    let plain = seal::open(master, &vault_context(&id), sealed)?;
    Settings::decode(&plain).ok_or(TxError::Damaged { table: VAULT })
}

/// Shows that a ring holds the vault's master key, and nothing of the key.
fn ring_check(ring: &KeyRing) -> [u8; 32] {
    ring.master().mac("assent ring check v1", ring.vault().as_bytes())
}

fn resume(place: &VaultPlace) -> impl FnOnce(TxError) -> OpenError {
    let folder = place.folder.clone();
    move |source| OpenError::Resume { folder, source: Box::new(source) }
}

fn replay_notes(tx: &Tx<'_>) -> Result<(), TxError> {
    tx.withdraw_again()?;
    tx.replay_notes().map(drop)
}

/// Takes the vault for this process.
pub(crate) fn lock(place: &VaultPlace) -> Result<File, OpenError> {
    let path = place.folder.join(LOCK_FILE);
    let io = |op: &'static str, path: PathBuf| move |source| OpenError::Io { op, path, source };
    let folder = place.folder.canonicalize().map_err(io("open", place.folder.clone()))?;
    let ring_folder = place.ring.ancestors().skip(1).find_map(|p| p.canonicalize().ok());
    if ring_folder.is_some_and(|r| r.starts_with(&folder)) {
        return Err(OpenError::RingInside { ring: place.ring.clone() });
    }
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io("open", path.clone()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Busy { folder: place.folder.clone() }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { op: "lock", path, source }),
    }
}

fn set_up(place: &VaultPlace, file: &Path) -> Result<Connector, OpenError> {
    let folder = || place.folder.clone();
    let file = folder().canonicalize().unwrap_or_else(|_| folder()).join(file.file_name().unwrap_or_default());
    let mut connector = Connector::new(&place.database, &file)
        .map_err(|source| OpenError::Database { folder: folder(), source: source.into() })?;
    connector.set_up().map_err(|cause| match cause {
        SetUpError::Newer(format) => OpenError::Newer { folder: folder(), format },
        SetUpError::Other(source) => OpenError::Database { folder: folder(), source },
    })?;
    Ok(connector)
}

struct StoredVault {
    id: VaultId,
    kind: VaultKind,
    ring_check: [u8; 32],
    sealed: Vec<u8>,
}

/// The vault's own row; `None` if creation never got so far.
fn read_vault(place: &VaultPlace, connector: &mut Connector) -> Result<Option<StoredVault>, OpenError> {
    let folder = || place.folder.clone();
    let database = |source| OpenError::Database { folder: folder(), source };
    let db = connector.begin().map_err(database)?;
    let sql = "SELECT format_version, id, kind, ring_check, sealed FROM vault WHERE one = 1";
    let row = db.row(sql, args![]).map_err(database)?;
    let stored = row.map(|row| {
        let format = row.int(0).map_err(database)?;
        if format > FORMAT_VERSION {
            return Err(OpenError::Newer { folder: folder(), format });
        }
        let damaged = || resume(place)(TxError::Damaged { table: VAULT });
        Ok(StoredVault {
            id: VaultId::from_bytes(row.array(1).map_err(database)?),
            kind: row.text(2).map_err(database)?.parse().map_err(|_| damaged())?,
            ring_check: row.array(3).map_err(database)?,
            sealed: row.bytes(4).map_err(database)?,
        })
    });
    db.roll_back().map_err(database)?;
    stored.transpose()
}
