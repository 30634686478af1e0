//! Backups: the data without keys in one place, the key ring in another. The way back is in `restore`. The data are a database of
//! SQLite's wherever the vault's tables are, so that there is one form of backup, and each comes back into either database.
//!
//! Every file of a backup is written beside its place first, and takes it when all are on disk: at every moment the last
//! backup is there or the new one. The ring goes first, because a newer ring opens older data; where keys were rotated in between,
//! the older ring is needed too, and is kept beside the newer one until the data are replaced.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::actor::Origin;
use crate::db::DbError;
use crate::durable::{self, WriteKind, with_hook};
use crate::error::TxError;
use crate::keyring::KeyRingError;
use crate::ledger::{DATABASE_FILE, Ledger};
use crate::log::EventKind;

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
    /// The key ring could not be read.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
    /// The database could not be copied.
    #[error("cannot write the copy of the data in {}; the last backup there is as it was", folder.display())]
    Copy {
        /// The folder of the backup.
        folder: PathBuf,
        /// The error of the database.
        source: DbError,
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

impl Ledger {
    /// Writes a backup: the database and a checkpoint into the folder `data`, which is made if need be and holds one
    /// backup, and a copy of the key ring to the file `ring`. All of it is readable by its owner alone. That a backup was
    /// made is an event, the last that is in it.
    ///
    /// Wherever it is interrupted, the backup that was there before is whole, or the new one is.
    ///
    /// # Errors
    ///
    /// - [`BackupError::RingInside`] if `ring` lies in `data`. Nothing was done.
    /// - [`BackupError::Io`], [`BackupError::KeyRing`], [`BackupError::Copy`] if a file cannot be read or written: the last
    ///   backup is as it was, but for files that took their places already.
    /// - [`BackupError::Ledger`] as [`Self::run_tx`].
    pub fn backup(&self, data: &Path, ring: &Path, origin: impl Into<Origin>) -> Result<(), BackupError> {
        let origin = origin.into();
        let io = |op: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source| BackupError::Io { op, path, source }
        };
        durable::make_private_folder(data).map_err(io("make the folder", data))?;
        let folder = data.canonicalize().map_err(io("open", data))?;
        let here = |p: &Path| if p.as_os_str().is_empty() { PathBuf::from(".") } else { p.to_owned() };
        let ring_folder = ring.ancestors().skip(1).find_map(|p| here(p).canonicalize().ok());
        if ring_folder.is_some_and(|place| place.starts_with(&folder)) {
            return Err(BackupError::RingInside { ring: ring.to_owned() });
        }
        self.run_tx("note the backup", origin, |tx| tx.append_leaf(EventKind::Backup, &[], &[]))?;
        let (hook, kind) = (&self.hook, WriteKind::Backup);
        let (new, whole, checkpoint) =
            (data.join(NEW_DATABASE_FILE), data.join(DATABASE_FILE), data.join(CHECKPOINT_FILE));
        let note = self.checkpoint(origin.at)?;
        // Everything beside its place,
        let keys = with_hook(hook, kind, || self.copy_both(data, &new))?;
        let note =
            durable::draft_private(hook, kind, &checkpoint, note.as_bytes()).map_err(io("write", &checkpoint))?;
        if let Some(folder) = ring.parent() {
            durable::make_private_folder(folder).map_err(io("make the folder", folder))?;
        }
        let keys = durable::draft_private(hook, kind, ring, &keys).map_err(io("write", ring))?;
        // and then in it. The last ring stays within reach until the data that it opens are replaced.
        durable::set_aside(hook, kind, ring).map_err(io("keep what was in", ring))?;
        durable::put_in_place(hook, kind, &keys, ring).map_err(io("write", ring))?;
        durable::put_in_place(hook, kind, &new, &whole).map_err(io("write", &whole))?;
        durable::put_in_place(hook, kind, &note, &checkpoint).map_err(io("write", &checkpoint))?;
        // It may hold the keys of people who were erased since.
        with_hook(hook, kind, || durable::finish_replacing(ring)).map_err(io("overwrite what was in", ring))
    }

    /// Copies the database, and then the key ring: it has the keys of all who are in the copy, unless somebody's was rotated in
    /// between, in another process or thread. Then both are copied again.
    fn copy_both(&self, data: &Path, new: &Path) -> Result<Zeroizing<Vec<u8>>, BackupError> {
        loop {
            let before = self.ring().rotations()?;
            self.copy_database(data, new)?;
            let mut ring = self.ring();
            let keys = ring.bytes()?;
            if ring.rotations()? == before {
                return Ok(keys);
            }
        }
    }

    fn copy_database(&self, data: &Path, new: &Path) -> Result<(), BackupError> {
        let io = |source| BackupError::Io { op: "write", path: new.to_owned(), source };
        // Of a backup that was interrupted.
        durable::remove_if_there(new).map_err(io)?;
        durable::begin_private(new).map_err(io)?;
        if let Err(source) = self.pool.copy_into(new) {
            fs::remove_file(new).ok();
            return Err(BackupError::Copy { folder: data.to_owned(), source });
        }
        File::open(new).and_then(|file| file.sync_all()).map_err(io)
    }
}
