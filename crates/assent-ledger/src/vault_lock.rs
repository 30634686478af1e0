//! Which processes have a vault open: any number together, or one alone.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::OpenError;
use crate::ledger::VaultPlace;

const LOCK_FILE: &str = "assent.lock";

/// The vault's file that processes lock: shared while they work on it, alone while one makes it, restores it or locks its
/// keys anew. The operating system lets go of it when a process ends.
pub(crate) struct VaultLock {
    file: File,
    folder: PathBuf,
}

impl VaultLock {
    /// # Errors
    ///
    /// [`OpenError::Busy`] if another process has the vault alone; [`OpenError::RingInside`], [`OpenError::Io`] as their
    /// texts say.
    pub(crate) fn shared(place: &VaultPlace) -> Result<Self, OpenError> {
        let lock = Self { file: open(place)?, folder: place.folder.clone() };
        lock.share(place)?;
        Ok(lock)
    }

    /// # Errors
    ///
    /// [`OpenError::Busy`] if another process has the vault open; [`OpenError::RingInside`], [`OpenError::Io`] as their
    /// texts say.
    pub(crate) fn alone(place: &VaultPlace) -> Result<Self, OpenError> {
        let lock = Self { file: open(place)?, folder: place.folder.clone() };
        taken(place, lock.file.try_lock())?;
        Ok(lock)
    }

    /// The vault's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs `body` while nobody else has the vault open; `None` if somebody has.
    pub(crate) fn alone_for<T>(&self, body: impl FnOnce() -> T) -> Option<T> {
        let alone = self.file.try_lock().is_ok();
        let done = alone.then(body);
        // Trying may have let go of what was held.
        self.file.lock_shared().ok();
        done
    }

    /// From now on others may have the vault open, too.
    ///
    /// # Errors
    ///
    /// As [`Self::shared`].
    pub(crate) fn share(&self, place: &VaultPlace) -> Result<(), OpenError> {
        taken(place, self.file.try_lock_shared())
    }
}

fn taken(place: &VaultPlace, taken: Result<(), TryLockError>) -> Result<(), OpenError> {
    taken.map_err(|cause| match cause {
        TryLockError::WouldBlock => OpenError::Busy { folder: place.folder.clone() },
        TryLockError::Error(source) => OpenError::Io { op: "lock", path: place.folder.join(LOCK_FILE), source },
    })
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
