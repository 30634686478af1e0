//! The slots of a key ring in one file, behind a header.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::KeyRingError;
use super::lock::{self, Header};
use super::slot::SLOT_BYTES;
use super::store::{Exclusive, KeyStore};
use crate::durable::{self, WriteHook, WriteKind};

/// An open file. Slots are overwritten in place.
pub(super) struct RingFile {
    path: PathBuf,
    file: File,
    /// Where the first slot begins.
    first: u64,
    hook: WriteHook,
}

impl RingFile {
    /// Opens a file that is there.
    ///
    /// # Errors
    ///
    /// - [`KeyRingError::Missing`], [`KeyRingError::TooOpen`], [`KeyRingError::NotARing`], [`KeyRingError::Newer`] as they say.
    /// - [`KeyRingError::Io`] if it cannot be read.
    pub(super) fn open(path: &Path, hook: &WriteHook) -> Result<(Self, Header), KeyRingError> {
        let io = |source| KeyRingError::Io { op: "read", path: path.to_owned(), source };
        lock::refuse_irregular(path)?;
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let file = opened.map_err(|source| lock::cannot_open(path, source))?;
        let about = file.metadata().map_err(io)?;
        if about.permissions().mode() & 0o077 != 0 {
            return Err(KeyRingError::TooOpen { path: path.to_owned() });
        }
        let header = Header::read(&file, path)?;
        let first = header.bytes().len() as u64;
        Ok((Self { path: path.to_owned(), file, first, hook: hook.clone() }, header))
    }

    fn at(&self, slot: u64) -> u64 {
        self.first + slot * SLOT_BYTES as u64
    }

    fn failed(&self, op: &'static str) -> impl FnOnce(io::Error) -> KeyRingError {
        let path = self.path.clone();
        move |source| KeyRingError::Io { op, path, source }
    }
}

impl KeyStore for RingFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn slots(&self) -> Result<u64, KeyRingError> {
        let length = self.file.metadata().map_err(self.failed("read"))?.len();
        Ok(length.saturating_sub(self.first) / SLOT_BYTES as u64)
    }

    fn get_many(&self, first: u64, into: &mut [[u8; SLOT_BYTES]]) -> Result<(), KeyRingError> {
        self.file.read_exact_at(into.as_flattened_mut(), self.at(first)).map_err(self.failed("read"))
    }

    fn put(&mut self, kind: WriteKind, slots: &[(u64, &[u8; SLOT_BYTES])]) -> Result<(), KeyRingError> {
        let pieces = slots.iter().map(|(slot, bytes)| (self.at(*slot), bytes.as_slice()));
        durable::write_pieces(&self.hook, kind, &self.file, pieces).map_err(self.failed("write to"))
    }

    fn append(&mut self, kind: WriteKind, end: u64, slots: &[[u8; SLOT_BYTES]]) -> Result<(), KeyRingError> {
        let at = self.at(end);
        let pieces = [(at, slots.as_flattened())].into_iter();
        durable::write_pieces(&self.hook, kind, &self.file, pieces).map_err(|source| {
            // Of some of them nobody knows later whether they count.
            self.file.set_len(at).ok();
            self.failed("write to")(source)
        })
    }

    fn replace(&mut self, header: &Header, slots: &[[u8; SLOT_BYTES]]) -> Result<(), KeyRingError> {
        // At once as long as it gets, so that no copy stays behind in memory that was given back.
        let mut content = Zeroizing::new(Vec::with_capacity(header.bytes().len() + slots.as_flattened().len()));
        content.extend_from_slice(header.bytes());
        content.extend_from_slice(slots.as_flattened());
        durable::replace_private(&self.hook, &self.path, &content).map_err(self.failed("replace"))?;
        let opened = OpenOptions::new().read(true).write(true).open(&self.path);
        self.file = opened.map_err(self.failed("open"))?;
        self.first = header.bytes().len() as u64;
        Ok(())
    }

    fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyRingError> {
        std::fs::read(&self.path).map(Zeroizing::new).map_err(self.failed("read"))
    }

    fn exclusive(&self) -> Result<Exclusive, KeyRingError> {
        let file = self.file.try_clone().map_err(self.failed("lock"))?;
        file.lock().map_err(self.failed("lock"))?;
        Ok(Exclusive(file))
    }
}
