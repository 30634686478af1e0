//! Backups: the data without keys in one place, the key ring in another, and the way back.
//!
//! A restored database may be older than an erasure or a withdrawal. The key ring knows of both, and opening a vault replays
//! them before anything else: the rows go, and the log says so. A key ring that is itself older than the newest checkpoint is
//! refused, because it would bring somebody back. A database from before a rotation is refused without a backup of the key
//! ring from that time, which has the keys that open it; those of the erased are not taken from there.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::db::{DbError, args};
use crate::durable::{self, WriteHook, WriteKind};
use crate::error::{OpenError, TxError};
use crate::id::{CollectionId, SubjectId, Timestamp};
use crate::keyring::{KeyRing, KeyRingError};
use crate::ledger::{DATABASE_FILE, Ledger, Tools, VaultPlace};
use crate::log::EventKind;
use crate::note::{Checkpoint, NoteError};
use crate::publish::signer_of;
use crate::tx::Tx;

/// In the folder of a backup, and of an export of the log: the newest checkpoint of when it was made.
pub(crate) const CHECKPOINT_FILE: &str = "checkpoint";

/// A copy that is being made.
const NEW_DATABASE_FILE: &str = "assent.db.new";

/// Why a backup was not made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
    /// The key ring's copy would lie beside the data.
    #[error("{} lies in the folder of the backup; put the key ring's backup elsewhere: together they are as good as the vault", ring.display())]
    RingInside {
        /// Where the ring's copy was to go.
        ring: PathBuf,
    },
    /// The tables are in PostgreSQL.
    #[error(
        "the tables of this vault are in PostgreSQL; back them up with pg_dump, and copy the key ring to another place"
    )]
    Elsewhere,
    /// The key ring could not be read.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
    /// The operating system refused.
    #[error("cannot {op} {}", path.display())]
    Io {
        /// A bare verb.
        op: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
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
        /// The folder.
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
        /// The cause.
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
    /// Writes a backup: the database and a checkpoint into the folder `data`, which is made if need be and holds one
    /// backup, and a copy of the key ring to the file `ring`. Both are readable by their owner alone. That a backup was
    /// made is an event, the last that is in it.
    ///
    /// # Errors
    ///
    /// - [`BackupError::RingInside`] if `ring` lies in `data`; [`BackupError::Elsewhere`] with PostgreSQL. Nothing was done.
    /// - [`BackupError::Io`], [`BackupError::KeyRing`] if a file cannot be read or written.
    /// - [`BackupError::Ledger`] as [`Self::run_tx`].
    pub fn backup(&self, data: &Path, ring: &Path, now: Timestamp) -> Result<(), BackupError> {
        let io = |op: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source| BackupError::Io { op, path, source }
        };
        if !self.with_core(|core| Ok(core.connector.is_sqlite()))? {
            return Err(BackupError::Elsewhere);
        }
        DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(io("make the folder", data))?;
        let folder = data.canonicalize().map_err(io("open", data))?;
        let here = |p: &Path| if p.as_os_str().is_empty() { PathBuf::from(".") } else { p.to_owned() };
        let ring_folder = ring.ancestors().skip(1).find_map(|p| here(p).canonicalize().ok());
        if ring_folder.is_some_and(|place| place.starts_with(&folder)) {
            return Err(BackupError::RingInside { ring: ring.to_owned() });
        }
        let (new, whole) = (data.join(NEW_DATABASE_FILE), data.join(DATABASE_FILE));
        if new.exists() {
            // Of a backup that was interrupted.
            fs::remove_file(&new).map_err(io("remove", &new))?;
        }
        self.run_tx("note the backup", now, |tx| tx.append_leaf(EventKind::Backup, &[], &[]))?;
        self.with_core(|core| Ok(core.connector.copy_into(&new)?))?;
        keep_private(&new).map_err(io("write", &new))?;
        fs::rename(&new, &whole).map_err(io("write", &whole))?;
        let checkpoint = data.join(CHECKPOINT_FILE);
        fs::write(&checkpoint, self.checkpoint(now)?).map_err(io("write", &checkpoint))?;
        self.copy_ring(ring)??;
        Ok(())
    }

    /// Makes a vault at `place` from a backup and opens it. Whoever was erased since the backup is erased again, and what was
    /// withdrawn is withdrawn again, before anything else. That it was restored is an event.
    ///
    /// # Errors
    ///
    /// - [`RestoreError::NoBackup`] if the folder holds none; [`OpenError::VaultExists`] inside if `place` holds a vault.
    /// - [`RestoreError::OldRing`] if the ring is older than the checkpoint, [`RestoreError::Checkpoint`] if that is
    ///   another vault's.
    /// - [`RestoreError::KeyRing`], [`RestoreError::Io`] if a file cannot be read or written.
    /// - [`RestoreError::Open`] as [`Self::open`], [`OpenError::OtherKeys`] also if the ring is from before a rotation, and the
    ///   database is not; then nothing is left at `place` but the key ring.
    pub fn restore(place: &VaultPlace, from: Backup<'_>, tools: Tools, now: Timestamp) -> Result<Self, RestoreError> {
        let io = |op: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source| RestoreError::Io { op, path, source }
        };
        let kept = from.data.join(DATABASE_FILE);
        if !kept.is_file() {
            return Err(RestoreError::NoBackup { folder: from.data.to_owned() });
        }
        let database = place.folder.join(DATABASE_FILE);
        if database.exists() {
            return Err(OpenError::VaultExists { folder: place.folder.clone() }.into());
        }
        let lost = from.ring.filter(|_| !place.ring.exists());
        let ring = KeyRing::open(lost.unwrap_or(&place.ring), &tools.secrets, &tools.hook)?;
        check_ring(&ring, from.newest)?;
        let mut copy = from.ring.map(|copy| KeyRing::open(copy, &tools.secrets, &tools.hook)).transpose()?;
        if let (Some(copy), Some(path)) = (&copy, from.ring)
            && copy.vault() != ring.vault()
        {
            return Err(KeyRingError::WrongVault { path: path.to_owned() }.into());
        }
        if let Some(copy) = lost {
            let bytes = zeroize::Zeroizing::new(fs::read(copy).map_err(io("read", copy))?);
            put_ring(&place.ring, &bytes, &tools.hook).map_err(io("write", &place.ring))?;
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&place.folder)
            .map_err(io("make the folder", &place.folder))?;
        let new = place.folder.join(NEW_DATABASE_FILE);
        let copied = fs::copy(&kept, &new).and_then(|_| keep_private(&new)).and_then(|()| fs::rename(&new, &database));
        let opened = copied.map_err(io("write", &database)).and_then(|()| {
            let unopened = |ledger: &Self, now| ledger.recall(copy.as_mut(), now);
            Ok(Self::open_checked(place, tools, now, unopened)?)
        });
        let ledger = match opened {
            Ok(ledger) => ledger,
            Err(e) => {
                // Half a vault is none.
                fs::remove_file(&database).ok();
                return Err(e);
            }
        };
        ledger.run_tx("note the restore", now, |tx| tx.append_leaf(EventKind::Restored, &[], &[]))?;
        Ok(ledger)
    }

    /// Erases again whom the key ring knows to be erased and the database does not, and withdraws again what was withdrawn
    /// after the database's last leaf. To be followed by `finish_erasures`.
    pub(crate) fn replay(&self, now: Timestamp) -> Result<(), TxError> {
        let (size, known) = self
            .run_tx("look for a restored backup", now, |tx| {
                Ok((tx.log_head()?.0, tx.count("SELECT COUNT(*) FROM tombstones", args![])?))
            })?
            .into_inner();
        let (erased, withdrawn) = self.with_core(|core| {
            let ring = core.ring.borrow();
            Ok((ring.destroyed(), ring.withdrawn_after(size)))
        })?;
        if erased.len() as i64 > known {
            self.run_tx("replay erasures", now, |tx| tx.replay(&erased))?;
        }
        if !withdrawn.is_empty() {
            self.run_tx("replay withdrawals", now, |tx| tx.withdraw_again(&withdrawn))?;
        }
        Ok(())
    }

    fn copy_ring(&self, to: &Path) -> Result<Result<(), BackupError>, TxError> {
        self.with_core(|core| {
            let bytes = core.ring.borrow().bytes();
            let hook = &self.hook;
            Ok(bytes.map_err(BackupError::from).and_then(|bytes| {
                let old = fs::remove_file(to);
                old.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
                    .and_then(|()| put_ring(to, &bytes, hook))
                    .map_err(|source| BackupError::Io { op: "write", path: to.to_owned(), source })
            }))
        })
    }
}

impl Tx<'_> {
    fn replay(&self, erased: &[SubjectId]) -> Result<(), TxError> {
        let sql = "SELECT subject_id FROM tombstones";
        let known: BTreeSet<SubjectId> = self
            .rows(sql, args![])?
            .iter()
            .map(|row| Ok(SubjectId::from_bytes(row.array(0)?)))
            .collect::<Result<_, DbError>>()?;
        for subject in erased.iter().filter(|id| !known.contains(id)) {
            self.bury(*subject)?;
        }
        self.forget_orphans()
    }

    /// Deletes what stands under a pseudonym of nobody on the roster: whose key is gone cannot be asked for theirs.
    fn forget_orphans(&self) -> Result<(), TxError> {
        let collections = self.rows("SELECT id FROM collections", args![])?;
        let collections: Vec<CollectionId> = collections
            .iter()
            .map(|row| Ok(CollectionId::from_bytes(row.array(0)?)))
            .collect::<Result<_, DbError>>()?;
        let (mut log, mut seen) = (BTreeSet::new(), vec![BTreeSet::new(); collections.len()]);
        self.each_key(&self.subject_ids()?, &mut |_, key| {
            log.insert(key.log_pseudonym());
            for (seen, collection) in seen.iter_mut().zip(&collections) {
                seen.insert(key.pseudonym(*collection));
            }
        })?;
        for row in self.rows("SELECT DISTINCT pseudonym FROM log_openings", args![])? {
            let pseudonym: [u8; 16] = row.array(0)?;
            if !log.contains(&pseudonym) {
                self.exec("DELETE FROM log_openings WHERE pseudonym = $1", args![pseudonym])?;
            }
        }
        for (collection, living) in collections.into_iter().zip(seen) {
            let sql = "SELECT pseudonym FROM sightings WHERE collection_id = $1 \
                       UNION SELECT pseudonym FROM decisions WHERE collection_id = $1";
            for row in self.rows(sql, args![collection])? {
                let pseudonym: [u8; 16] = row.array(0)?;
                if !living.contains(&pseudonym) {
                    self.forget_seen(collection, pseudonym)?;
                }
            }
        }
        Ok(())
    }
}

/// Refuses a ring that is older than the newest checkpoint.
fn check_ring(ring: &KeyRing, newest: Option<&str>) -> Result<(), RestoreError> {
    let Some(note) = newest else { return Ok(()) };
    let key = signer_of(ring.master(), ring.vault()).public();
    let Checkpoint { erasures, withdrawals, .. } = Checkpoint::verify(note, &key).map_err(RestoreError::Checkpoint)?;
    let (erased, withdrawn) = (ring.destroyed().len() as u64, ring.withdrawals());
    if erased < erasures || withdrawn < withdrawals {
        return Err(RestoreError::OldRing { signed: erasures + withdrawals, known: erased + withdrawn });
    }
    Ok(())
}

fn put_ring(path: &Path, bytes: &[u8], hook: &WriteHook) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    durable::create_private(hook, WriteKind::RingCreate, path, bytes)
}

/// For the owner alone, and on disk.
fn keep_private(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    File::open(path)?.sync_all()
}
