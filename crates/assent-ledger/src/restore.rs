//! The way back from a backup, and what a vault makes good when it is opened.
//!
//! A restored database may be older than an erasure, a withdrawal, an order to stop. The key ring knows of all of them, and
//! opening a vault makes them good before anything else. It is the other way round too: a key ring that is older than the
//! database gets back what it has to know, and keys of people who were erased are destroyed again.
//!
//! A key ring that is itself older than the newest checkpoint is refused by a restore, because it would bring somebody back. A
//! database from before a rotation is refused without a backup of the key ring from that time, which has the keys that open it;
//! those of the erased are not taken from there.
//!
//! A restore works on a copy under another name, which becomes a vault's at the end; with PostgreSQL its tables go there then, in
//! one transaction. Interrupted anywhere, it can be run again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::actor::Origin;
use crate::db::{self, Columns, Database, DbError, Pool, args};
use crate::durable::{self, WriteHook, WriteKind, with_hook};
use crate::error::{OpenError, TxError};
use crate::id::{SubjectId, Timestamp};
use crate::keyring::{KeyRing, KeyRingError};
use crate::ledger::{DATABASE_FILE, Ledger, RESTORED_FILE, Tools, VaultPlace, set_up, taken};
use crate::note::{Checkpoint, LogKeys, NoteError};
use crate::origins::Signers;
use crate::tx::{ReadTx, ReplayedNotes, Tx};
use crate::vault::read_vault;
use crate::vault_lock::VaultLock;

/// What opening a vault made good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// People who were erased again.
    pub erased: usize,
    /// Consents, and enrolments that waited, that were withdrawn again.
    pub withdrawn: usize,
    /// What else the key ring noted and the database did not know.
    pub replayed: ReplayedNotes,
    /// Whether the key ring is an older copy than the database.
    pub older_ring: bool,
    /// Keys of erased people that were there again, and were destroyed again.
    pub keys_destroyed: usize,
    /// After a restore: how many entries the log had at least that came after the backup.
    pub entries_lost: u64,
}

/// Why a vault was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The vault does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
    /// The key ring refused.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
    /// The folder holds no backup.
    #[error("{} holds no backup: there is no {DATABASE_FILE} in it", folder.display())]
    NoBackup {
        /// The path of the folder.
        folder: PathBuf,
    },
    /// The checkpoint is none of this vault's.
    #[error("the checkpoint does not belong to this key ring")]
    Checkpoint(#[source] NoteError),
    /// The key ring does not know of everybody who was erased or withdrew.
    #[error(
        "this key ring is older than the checkpoint: {signed} erasures and withdrawals were done when that was signed, and \
         the ring knows of {known}; use a newer backup of the key ring, or it would bring people back"
    )]
    OldRing {
        /// Erasures and withdrawals at the checkpoint.
        signed: u64,
        /// Those that the ring knows of.
        known: u64,
    },
    /// The operating system refused.
    #[error("cannot {op} {}", path.display())]
    Io {
        /// A bare verb.
        op: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// From where a vault is restored.
#[derive(Clone, Copy, Debug)]
pub struct Backup<'a> {
    /// The folder with the data.
    pub data: &'a Path,
    /// The backup of the key ring from the same time. It takes the place of a ring that is lost. Where the ring itself is,
    /// that is used, and takes from the backup the keys alone that were rotated since; it may then be `None`.
    pub ring: Option<&'a Path>,
    /// The newest checkpoint that is known, a signed note.
    pub newest: Option<&'a str>,
}

impl Ledger {
    /// Makes a vault at `place` from a backup and opens it. What the key ring knows of and the backup does not is made good
    /// before anything else ([`Self::recovered`]). That it was restored is an event.
    ///
    /// Wherever it is interrupted, it can be run again; until it is done there is no vault at `place`.
    ///
    /// # Errors
    ///
    /// - [`RestoreError::NoBackup`] if the folder holds none; [`OpenError::VaultExists`] inside if `place` holds a vault,
    ///   [`OpenError::DatabaseTaken`] if its database does.
    /// - [`RestoreError::OldRing`] if the ring is older than the checkpoint, [`RestoreError::Checkpoint`] if that is
    ///   another vault's.
    /// - [`RestoreError::KeyRing`], [`RestoreError::Io`] if a file cannot be read or written.
    /// - [`RestoreError::Open`] as [`Self::open`], [`OpenError::OtherKeys`] also if the ring is from before a rotation, and the
    ///   database is not; then nothing is left at `place` but the key ring.
    pub fn restore(
        place: &VaultPlace,
        from: Backup<'_>,
        tools: Tools,
        origin: impl Into<Origin>,
    ) -> Result<Self, RestoreError> {
        let Origin { by, at: now } = origin.into();
        let io = |op: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source| RestoreError::Io { op, path, source }
        };
        let kept = from.data.join(DATABASE_FILE);
        if !kept.is_file() {
            return Err(RestoreError::NoBackup { folder: from.data.to_owned() });
        }
        durable::make_vault_folder(&place.folder).map_err(io("make the folder", &place.folder))?;
        let lock = VaultLock::alone(place)?;
        let (staged, database) = (place.folder.join(RESTORED_FILE), place.folder.join(DATABASE_FILE));
        // An empty one is of a creation that was killed at once.
        if fs::metadata(&database).is_ok_and(|about| about.len() > 0) {
            return Err(OpenError::VaultExists { folder: place.folder.clone() }.into());
        }
        let server = match &place.database {
            Database::Sqlite => None,
            Database::Postgres(_) => Some(empty_database(place)?),
        };
        let now = server.as_ref().map_or(Ok(now), |pool| pool.time(now)).map_err(unwritten(place))?;
        let lost = from.ring.filter(|_| !place.ring.exists());
        let open = |path: &Path| KeyRing::open_backup(path, &tools.secrets, &tools.hook);
        let ring = open(lost.unwrap_or(&place.ring))?;
        let (newest, leaves) = check_ring(&ring, from.newest)?;
        // Of a backup that was interrupted, the ring of the same time as the data lies beside the newer one.
        let aside = from.ring.map(durable::set_aside_at).filter(|aside| aside.exists());
        let mut copy = aside.as_deref().or(from.ring).map(open).transpose()?;
        if let (Some(copy), Some(path)) = (&copy, from.ring)
            && copy.vault() != ring.vault()
        {
            return Err(KeyRingError::WrongVault { path: path.to_owned() }.into());
        }
        if let Some(copy) = lost {
            let bytes = zeroize::Zeroizing::new(fs::read(copy).map_err(io("read", copy))?);
            put_ring(&place.ring, &bytes, &tools.hook).map_err(io("write", &place.ring))?;
        }
        // Of a restore that was interrupted.
        let clear = || {
            durable::remove_if_there(&staged)?;
            db::companion_files(&staged).iter().try_for_each(|companion| durable::remove_if_there(companion))
        };
        clear().map_err(io("remove", &staged))?;
        let hook = tools.hook.clone();
        with_hook(&hook, WriteKind::Restore, || copy_private(&kept, &staged)).map_err(io("write", &staged))?;
        let mut size = 0;
        let unopened = |ledger: &Self, now| {
            size = ledger.read_tx(now, |tx| Ok(tx.log_head()?.0))?;
            ledger.recall(copy.as_mut(), now)
        };
        let here = VaultPlace { database: Database::Sqlite, ..place.clone() };
        let opened = Self::open_locked(&here, (lock, RESTORED_FILE), tools, now, unopened).map_err(RestoreError::from);
        let restored = opened.and_then(|mut ledger| {
            ledger.recovered.entries_lost = leaves.saturating_sub(size);
            let (ring_place, vault) = (ledger.new_ring_place(place)?, ledger.id());
            ledger.run_tx("note the restore", Origin { by, at: now }, |tx| {
                tx.put_ring_place(ring_place)?;
                tx.end_leases()?;
                tx.go_on(vault, size, newest.as_ref())
            })?;
            ledger.read_origins(now)?;
            // Whole now, and under its name the next moment.
            with_hook(&hook, WriteKind::Restore, || match server {
                None => ledger.pool.rename(&database).map_err(io("write", &database)),
                Some(server) => ledger.move_to(place, server),
            })?;
            Ok(ledger)
        });
        // Half a vault is none; and what went to a server need not be here.
        if restored.is_err() || place.database != Database::Sqlite {
            clear().ok();
        }
        restored
    }

    /// Puts the tables, which are in a file, into a server's database, where there are none.
    fn move_to(&mut self, place: &VaultPlace, server: Pool) -> Result<(), RestoreError> {
        let moved = self.pool.move_into(server);
        match moved {
            Err(cause) if read_vault(place, &set_up(place, DATABASE_FILE)?)?.is_none_or(|v| v.id != self.id()) => {
                Err(unwritten(place)(cause))
            }
            // The answer was lost, and it was done.
            Err(_) => {
                self.pool = set_up(place, DATABASE_FILE)?;
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// Makes good what the key ring knows and the database does not: people who were erased, what was withdrawn, and what else
    /// the ring notes; then what the ring should know. To be followed by `finish_erasures`.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method's path has one lifetime, the closure all"
    )]
    pub(crate) fn replay(&self, now: Timestamp) -> Result<Recovered, TxError> {
        let destroyed: BTreeSet<SubjectId> = self.ring().destroyed().into_iter().collect();
        let compared = self.read_tx(now, |tx| {
            let older = tx.ring_slots()?.is_some_and(|taken| taken > tx.ring().slots());
            Ok((tx.tombstones()?, older))
        })?;
        let (tombstones, older_ring) = compared;
        let again: Vec<SubjectId> = destroyed.iter().filter(|id| !tombstones.contains_key(id)).copied().collect();
        if !again.is_empty() {
            self.run_tx("replay erasures", now, |tx| tx.replay(&again))?;
        }
        if !self.ring().pending_rotations().is_empty() {
            self.run_tx("settle keys", now, |_| Ok(()))?;
        }
        let (mut withdrawn, mut replayed) = (0, ReplayedNotes::default());
        let due = self.read_tx(now, |tx| tx.replay_is_due())?;
        if due {
            (withdrawn, replayed) =
                self.run_tx("replay notes", now, |tx| Ok((tx.withdraw_again()?, tx.replay_notes()?)))?.into_inner();
        }
        let mut keys_destroyed = 0;
        for (subject, _) in tombstones.iter().filter(|(id, done)| **done && !destroyed.contains(id)) {
            self.destroy_key(*subject)?;
            keys_destroyed += 1;
        }
        // If there is no room for that, the next opening tries again.
        if due {
            drop(self.run_tx("catch up the key ring", now, |tx| tx.write_missing_notes()));
        }
        Ok(Recovered { erased: again.len(), withdrawn, replayed, older_ring, keys_destroyed, entries_lost: 0 })
    }

    /// How much the key ring has to note still, because it could not be written.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn notes_due(&self, now: Timestamp) -> Result<usize, TxError> {
        let sql = "SELECT COUNT(*) FROM ring_notes_due";
        Ok(self.read_tx(now, |tx| tx.count(sql, args![]))? as usize)
    }
}

impl ReadTx<'_> {
    /// Who has a tombstone, each with whether their erasure is complete.
    fn tombstones(&self) -> Result<BTreeMap<SubjectId, bool>, TxError> {
        let rows = self.rows("SELECT subject_id, done_leaf FROM tombstones", args![])?;
        rows.iter().map(|row| Ok((SubjectId::from_bytes(row.array(0)?), row.opt_int(1)?.is_some()))).collect()
    }
}

impl Tx<'_> {
    fn replay(&self, erased: &[SubjectId]) -> Result<(), TxError> {
        for subject in erased {
            self.delete_subject_rows(*subject)?;
        }
        self.forget_orphans(&self.collection_ids()?)
    }
}

/// The database of `place`, which holds no vault.
fn empty_database(place: &VaultPlace) -> Result<Pool, OpenError> {
    let pool = set_up(place, DATABASE_FILE)?;
    if read_vault(place, &pool)?.is_some() { Err(taken(place)) } else { Ok(pool) }
}

fn unwritten(place: &VaultPlace) -> impl FnOnce(DbError) -> RestoreError {
    let folder = place.folder.clone();
    move |source| OpenError::Database { folder, source }.into()
}

/// Refuses a ring that is older than the newest checkpoint. Returns that, and how many leaves the log had at least.
fn check_ring(ring: &KeyRing, newest: Option<&str>) -> Result<(Option<Checkpoint>, u64), RestoreError> {
    let Some(note) = newest else { return Ok((None, ring.leaves_known())) };
    let signers = Signers::new(ring.master(), ring.vault());
    let signer = note.lines().next().and_then(|name| signers.by_name(name));
    let keys = signer.map_or_else(|| signers.public(&[]), |signer| LogKeys::of(&[signer]));
    let newest = Checkpoint::verify(note, &keys).map_err(RestoreError::Checkpoint)?;
    let Checkpoint { size, erasures, withdrawals, .. } = newest;
    let (erased, withdrawn) = (ring.destroyed().len() as u64, ring.withdrawals());
    if erased < erasures || withdrawn < withdrawals {
        return Err(RestoreError::OldRing { signed: erasures + withdrawals, known: erased + withdrawn });
    }
    Ok((Some(newest), size.max(ring.leaves_known())))
}

fn put_ring(path: &Path, bytes: &[u8], hook: &WriteHook) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        durable::make_private_folder(folder)?;
    }
    durable::put_private(hook, WriteKind::RingCreate, path, bytes)
}

/// A copy for the owner alone, on disk.
fn copy_private(from: &Path, to: &Path) -> io::Result<()> {
    durable::begin_private(to)?;
    fs::copy(from, to)?;
    fs::set_permissions(to, Permissions::from_mode(0o600))?;
    File::open(to)?.sync_all()
}
