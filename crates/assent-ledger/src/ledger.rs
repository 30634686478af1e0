//! The vault as a whole: made, opened and locked.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rand_core::CryptoRng;

use crate::actor::Origin;
use crate::bound::{RowKeys, Scope, Tampering};
use crate::db::{self, Database, MigrationError, Pool};
use crate::durable::{self, WriteHook};
use crate::error::{OpenError, TxError};
use crate::id::{Timestamp, VaultId};
use crate::keyring::{KeyRing, RingSecret};
use crate::origins::LogOrigin;
use crate::restore::Recovered;
use crate::ring_place::RingPlace;
use crate::rules::Rulebook;
use crate::secret::Key;
use crate::settings::Settings;
use crate::transactions::Committed;
use crate::tx::{Expired, Rng};
use crate::vault::{About, StoredVault, read_vault, whole};
use crate::vault_lock::VaultLock;
use crate::vocabulary::VaultKind;

/// The form of the vault that this version writes.
pub const FORMAT_VERSION: i64 = 10;

pub(crate) const DATABASE_FILE: &str = "assent.db";
/// The database while a restore works on it: only a whole one gets the name of a vault's.
pub(crate) const RESTORED_FILE: &str = "assent.db.restoring";

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

/// An open vault. It may be shared between threads: those that read run side by side, those that write one after the other.
///
/// Calls block. Inside an asynchronous program they belong on a thread that may block (`spawn_blocking`).
pub struct Ledger {
    pub(crate) pool: Pool,
    pub(crate) ring: Mutex<KeyRing>,
    pub(crate) rng: Mutex<Rng>,
    pub(crate) about: RwLock<Arc<About>>,
    id: VaultId,
    kind: VaultKind,
    pub(crate) rules: Rulebook,
    pub(crate) recovered: Recovered,
    /// From where the log went on after restores.
    pub(crate) origins: Vec<LogOrigin>,
    pub(crate) hook: WriteHook,
    /// What rows of the database are bound with.
    pub(crate) row_keys: RowKeys,
    /// What of the database is not as it was written: then nothing is written to it.
    pub(crate) inspected: Option<Tampering>,
    /// What the key ring knew and the database did not was made good: from then on every transaction does so.
    pub(crate) replayed: AtomicBool,
    /// The place of the ring, as it was last looked at ([`crate::ring_place`]).
    pub(crate) ring_place: Mutex<Option<RingPlace>>,
    /// Held as long as the ledger lives; the operating system lets go of it when the process ends.
    lock: VaultLock,
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
    /// - [`OpenError::VaultExists`] if the place holds a vault, [`OpenError::DatabaseTaken`] if the database does.
    /// - [`OpenError::Busy`] if another process works on it.
    /// - [`OpenError::RingInside`] if the key ring would lie inside the folder.
    /// - [`OpenError::KeyRing`] if there is a key ring with keys in it, or none can be made.
    /// - [`OpenError::Newer`], [`OpenError::Database`], [`OpenError::Io`] as their texts say.
    pub fn create(
        place: &VaultPlace,
        kind: VaultKind,
        settings: &Settings,
        mut tools: Tools,
        origin: impl Into<Origin>,
    ) -> Result<Self, OpenError> {
        let io = |op: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { op, path, source }
        };
        durable::make_vault_folder(&place.folder).map_err(io("make the folder", &place.folder))?;
        let lock = VaultLock::alone(place)?;
        let database = place.folder.join(DATABASE_FILE);
        if place.folder.join(RESTORED_FILE).exists() {
            return Err(OpenError::HalfRestored { folder: place.folder.clone() });
        }
        if place.database == Database::Sqlite {
            durable::begin_private(&database).map_err(io("write", &database))?;
        }
        let pool = set_up(place, DATABASE_FILE)?;
        if read_vault(place, &pool)?.is_some() {
            return Err(taken(place));
        }
        let fresh = (VaultId::random(&mut *tools.rng), Key::random(&mut *tools.rng));
        let ring = KeyRing::create(&place.ring, fresh.0, &fresh.1, &tools.secrets, &tools.hook)?;
        let about =
            About { folder: whole(&place.folder), kind, settings: Arc::new(settings.clone()), sealed: Vec::new() };
        let ledger = Self::assemble((pool, ring, lock), about, tools);
        ledger.put_vault(place, origin.into())?;
        ledger.replayed.store(true, Ordering::Relaxed);
        ledger.lock.share(place)?;
        Ok(ledger)
    }

    /// Whether there is a vault in the database of a place. Its tables are made, or brought up to date.
    ///
    /// # Errors
    ///
    /// [`OpenError::Newer`], [`OpenError::Database`] as their texts say.
    pub fn is_made(place: &VaultPlace) -> Result<bool, OpenError> {
        Ok(read_vault(place, &set_up(place, DATABASE_FILE)?)?.is_some())
    }

    /// Opens a vault, repeats erasures and withdrawals that the key ring knows of and the database does not, and finishes
    /// rotations and erasures that were interrupted.
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
    /// - [`OpenError::RingElsewhere`] if the vault is on a server, and used with a key ring of which this one is a copy.
    /// - [`OpenError::Tampered`] if the database is not as the vault's transactions left it.
    /// - [`OpenError::OtherKeys`] if the database is a copy from before a rotation.
    /// - [`OpenError::Resume`] if an interrupted erasure or rotation could not be finished.
    /// - [`OpenError::RingInside`], [`OpenError::Database`], [`OpenError::Io`] as their texts say.
    pub fn open(place: &VaultPlace, tools: Tools, now: Timestamp) -> Result<Self, OpenError> {
        let no_vault = || OpenError::NoVault { folder: place.folder.clone() };
        let present = match place.database {
            Database::Sqlite => place.folder.join(DATABASE_FILE).is_file(),
            Database::Postgres(_) => place.folder.is_dir(),
        };
        if !present {
            let half = place.folder.join(RESTORED_FILE).exists();
            return Err(if half { OpenError::HalfRestored { folder: place.folder.clone() } } else { no_vault() });
        }
        let opened = Self::open_locked(place, (VaultLock::shared(place)?, DATABASE_FILE), tools, now, Self::unopened);
        if place.database == Database::Sqlite {
            return opened;
        }
        // A restore is over where the tables are in the database, and did not come so far where there are none.
        let staged = place.folder.join(RESTORED_FILE);
        match opened {
            Err(OpenError::NoVault { folder }) if staged.exists() => Err(OpenError::HalfRestored { folder }),
            Ok(ledger) if staged.exists() => {
                for left in db::companion_files(&staged).iter().chain([&staged]) {
                    drop(durable::remove_if_there(left));
                }
                Ok(ledger)
            }
            opened => opened,
        }
    }

    /// Opens a vault that is locked, with its tables in the file of this name, if they are in one; `unopened` counts the people whose records their keys do not
    /// open.
    pub(crate) fn open_locked(
        place: &VaultPlace,
        (lock, file): (VaultLock, &'static str),
        tools: Tools,
        now: Timestamp,
        unopened: impl FnOnce(&Self, Timestamp) -> Result<usize, TxError>,
    ) -> Result<Self, OpenError> {
        let Opened { mut ledger, found } = Self::open_unchecked(place, (lock, file), tools, now)?;
        trusted(place, found)?;
        let people = unopened(&ledger, now).map_err(resume(place))?;
        if people > 0 {
            return Err(OpenError::OtherKeys { folder: place.folder.clone(), people });
        }
        ledger.upgrade(now).map_err(resume(place))?;
        ledger.read_origins(now).map_err(resume(place))?;
        ledger.recovered = ledger.replay(now).map_err(resume(place))?;
        ledger.replayed.store(true, Ordering::Relaxed);
        ledger.finish_erasures(now).map_err(resume(place))?;
        ledger.note_format(now);
        Ok(ledger)
    }

    /// Opens a vault whatever was done to its database, to look what that is ([`Self::audit_verify`]). Nothing is written: where
    /// something is wrong, [`Self::run_tx`] says so and does nothing.
    ///
    /// # Errors
    ///
    /// As [`Self::open`], without [`OpenError::Tampered`].
    pub fn inspect(place: &VaultPlace, tools: Tools, now: Timestamp) -> Result<Self, OpenError> {
        let lock = VaultLock::shared(place)?;
        let Opened { mut ledger, found } = Self::open_unchecked(place, (lock, DATABASE_FILE), tools, now)?;
        ledger.inspected = found.into_iter().next();
        // Without them the audit says what of the log does not fit.
        drop(ledger.read_origins(now));
        Ok(ledger)
    }

    fn open_unchecked(
        place: &VaultPlace,
        (lock, file): (VaultLock, &'static str),
        tools: Tools,
        now: Timestamp,
    ) -> Result<Opened, OpenError> {
        let no_vault = || OpenError::NoVault { folder: place.folder.clone() };
        let (pool, mut found) = set_up_unchecked(place, file)?;
        let vault = read_vault(place, &pool)?.ok_or_else(no_vault)?;
        let ring = vault.ring(place, &tools)?;
        let StoredVault { id, kind, sealed, .. } = vault;
        let about = About::open((&place.folder, &ring), id, &kind, sealed).map_err(resume(place))?;
        let ledger = Self::assemble((pool, ring, lock), about, tools);
        let looked = ledger.read_tx(now, |tx| {
            // A person who brings back a backup may have one of an older format.
            let downgraded = file != RESTORED_FILE && tx.is_downgraded();
            let mut found: Vec<Tampering> = downgraded.then_some(Tampering::Downgraded).into_iter().collect();
            if tx.is_bound() {
                found.extend(tx.tampered(Scope::Opening)?);
            }
            Ok(found)
        });
        found.extend(looked.map_err(|refused| match refused {
            TxError::RingElsewhere => OpenError::RingElsewhere { ring: place.ring.clone() },
            refused => resume(place)(refused),
        })?);
        Ok(Opened { ledger, found })
    }

    fn assemble((pool, ring, lock): (Pool, KeyRing, VaultLock), about: About, tools: Tools) -> Self {
        let (id, kind, row_keys) = (ring.vault(), about.kind, RowKeys::new(ring.master()));
        Self {
            pool,
            ring: Mutex::new(ring),
            rng: Mutex::new(tools.rng),
            about: RwLock::new(Arc::new(about)),
            id,
            kind,
            rules: tools.rules,
            recovered: Recovered::default(),
            origins: Vec::new(),
            hook: tools.hook,
            row_keys,
            inspected: None,
            replayed: AtomicBool::new(false),
            ring_place: Mutex::default(),
            lock,
        }
    }

    /// Reads anew from where the log went on.
    pub(crate) fn read_origins(&mut self, now: Timestamp) -> Result<(), TxError> {
        let vault = self.id;
        self.origins = self.read_tx(now, |tx| tx.origins(vault))?;
        Ok(())
    }

    /// The vault's id.
    pub fn id(&self) -> VaultId {
        self.id
    }

    /// Whom the vault belongs to.
    pub fn kind(&self) -> VaultKind {
        self.kind
    }

    /// Who answers for it, as the last transaction saw it.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.about().settings)
    }

    /// What opening the vault made good: what the database did not know and the key ring did, and the other way round.
    pub fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// What the law of each place asks, as this program knows it.
    pub fn rules(&self) -> &Rulebook {
        &self.rules
    }

    /// Ends every grant whose date has come, with its templates, sightings and decisions. Returns which. To be called
    /// at least once in 24 hours.
    ///
    /// # Errors
    ///
    /// - [`TxError::ClockSetBack`], [`TxError::ClockAhead`] if the clock is in doubt ([`Self::clock`]): nothing ended.
    /// - As [`Self::run_tx`].
    pub fn expire_due(&self, now: Timestamp) -> Result<Expired, TxError> {
        let expire = self.run_tx("expire grants", now, |tx| {
            tx.clear_old_changes()?;
            tx.expire_due()
        });
        expire.map(Committed::into_inner)
    }

    /// Locks the key ring with `secret` from now on, and with nothing else; `None` leaves the keys in it as they are. The ring
    /// is written anew, and the old file overwritten. Backups of the ring keep the lock that they had.
    ///
    /// # Errors
    ///
    /// - [`TxError::InUse`] if another process has the vault open.
    /// - [`TxError::KeyRing`] if the ring is damaged, or cannot be read, locked so, or written.
    /// - As [`Self::run_tx`].
    pub fn lock_keys(&self, secret: Option<&RingSecret>) -> Result<(), TxError> {
        let done = self.lock.alone_for(|| self.ring().rewrap(secret, &mut **self.rng()));
        Ok(done.ok_or(TxError::InUse)??)
    }

    /// Destroys a key, between the two transactions of an erasure.
    pub(crate) fn destroy_key(&self, subject: crate::SubjectId) -> Result<(), TxError> {
        Ok(self.ring().destroy(subject)?)
    }

    /// The vault's folder.
    pub(crate) fn folder(&self) -> &Path {
        self.lock.folder()
    }

    pub(crate) fn rng(&self) -> MutexGuard<'_, Rng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn resume(place: &VaultPlace) -> impl FnOnce(TxError) -> OpenError {
    let folder = place.folder.clone();
    move |source| OpenError::Resume { folder, source: Box::new(source) }
}

/// Where a vault is to be made, there is one.
pub(crate) fn taken(place: &VaultPlace) -> OpenError {
    match &place.database {
        Database::Sqlite => OpenError::VaultExists { folder: place.folder.clone() },
        Database::Postgres(database) => OpenError::DatabaseTaken { database: database.address.to_string() },
    }
}

/// A vault before it is known whether its database is as it was written.
struct Opened {
    ledger: Ledger,
    found: Vec<Tampering>,
}

/// Refuses a database that is not as it was written.
fn trusted(place: &VaultPlace, found: Vec<Tampering>) -> Result<(), OpenError> {
    let more = found.len().saturating_sub(1);
    match found.into_iter().next() {
        Some(first) => Err(OpenError::Tampered { folder: place.folder.clone(), first, more }),
        None => Ok(()),
    }
}

/// The tables, made or completed, in the file of this name with SQLite; they are as the program makes them.
pub(crate) fn set_up(place: &VaultPlace, file: &'static str) -> Result<Pool, OpenError> {
    let (pool, faults) = set_up_unchecked(place, file)?;
    trusted(place, faults).map(|()| pool)
}

/// The tables, made or completed, and what of them is not as the program makes it.
fn set_up_unchecked(place: &VaultPlace, file: &'static str) -> Result<(Pool, Vec<Tampering>), OpenError> {
    let folder = || place.folder.clone();
    let file = folder().canonicalize().unwrap_or_else(|_| folder()).join(file);
    let database = |source| OpenError::Database { folder: folder(), source };
    let pool = Pool::new(&place.database, &file);
    let faults = pool.set_up().map_err(|cause| match cause {
        MigrationError::Newer(format) => OpenError::Newer { folder: folder(), format },
        MigrationError::Other(source) => database(source),
    })?;
    Ok((pool, faults.into_iter().map(Tampering::Schema).collect()))
}
