//! Which processes have a vault open: any number together, or one alone.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::db::Database;
use crate::durable;
use crate::error::OpenError;
use crate::ledger::VaultPlace;

const LOCK_FILE: &str = "assent.lock";

/// The vault's file that processes lock: shared while they work on it, alone while one makes it, restores it or locks its
/// keys anew. The operating system lets go of it when a process ends.
///
/// A vault on a server may have several folders with one key ring; there a file beside the ring is locked in the same way.
pub(crate) struct VaultLock {
    files: Vec<File>,
    folder: PathBuf,
}

impl VaultLock {
    /// # Errors
    ///
    /// [`OpenError::Busy`] if another process has the vault alone; [`OpenError::RingInside`], [`OpenError::Io`] as their
    /// texts say.
    pub(crate) fn shared(place: &VaultPlace) -> Result<Self, OpenError> {
        let lock = Self { files: open_all(place)?, folder: place.folder.clone() };
        lock.share(place)?;
        Ok(lock)
    }

    /// # Errors
    ///
    /// [`OpenError::Busy`] if another process has the vault open; [`OpenError::RingInside`], [`OpenError::Io`] as their
    /// texts say.
    pub(crate) fn alone(place: &VaultPlace) -> Result<Self, OpenError> {
        let lock = Self { files: open_all(place)?, folder: place.folder.clone() };
        lock.files.iter().try_for_each(|file| taken(place, file.try_lock()))?;
        Ok(lock)
    }

    /// The vault's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs `body` while nobody else has the vault open; `None` if somebody has.
    pub(crate) fn alone_for<T>(&self, body: impl FnOnce() -> T) -> Option<T> {
        let alone = self.files.iter().all(|file| file.try_lock().is_ok());
        let done = alone.then(body);
        // Trying may have let go of what was held.
        for file in &self.files {
            file.lock_shared().ok();
        }
        done
    }

    /// From now on others may have the vault open, too.
    ///
    /// # Errors
    ///
    /// As [`Self::shared`].
    pub(crate) fn share(&self, place: &VaultPlace) -> Result<(), OpenError> {
        self.files.iter().try_for_each(|file| taken(place, file.try_lock_shared()))
    }
}

fn taken(place: &VaultPlace, taken: Result<(), TryLockError>) -> Result<(), OpenError> {
    taken.map_err(|cause| match cause {
        TryLockError::WouldBlock => OpenError::Busy { folder: place.folder.clone() },
        TryLockError::Error(source) => OpenError::Io { op: "lock", path: place.folder.join(LOCK_FILE), source },
    })
}

fn open_all(place: &VaultPlace) -> Result<Vec<File>, OpenError> {
    let mut files = vec![open(place)?];
    if place.database != Database::Sqlite {
        let io = |source| OpenError::Io { op: "write beside", path: place.ring.clone(), source };
        files.push(open_beside(&place.ring).map_err(io)?);
    }
    Ok(files)
}

/// The file beside a key ring, which may not be there yet.
fn open_beside(ring: &Path) -> io::Result<File> {
    if let Some(folder) = ring.parent() {
        durable::make_private_folder(folder)?;
    }
    // By whatever name the ring is called.
    let path = durable::sibling_path(&ring.canonicalize().unwrap_or_else(|_| ring.to_owned()), ".lock");
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn open(place: &VaultPlace) -> Result<File, OpenError> {
    let path = place.folder.join(LOCK_FILE);
    let io = |op: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { op, path, source }
    };
    let folder = place.folder.canonicalize().map_err(io("open", &place.folder))?;
    let ring_folder = place.ring.ancestors().skip(1).find_map(|p| p.canonicalize().ok());
    if ring_folder.is_some_and(|r| r.starts_with(&folder)) {
        return Err(OpenError::RingInside { ring: place.ring.clone() });
    }
    let options = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    options.map_err(io("open", &path))
}
