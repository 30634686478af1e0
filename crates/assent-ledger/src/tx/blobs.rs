//! Files that wait with an enrolment: the pictures and the signed form, as they were handed in. They are in the vault because
//! the files on somebody's disk move, change and go, and are on no other machine. They go with the enrolment.
//!
//! A file is cut into pieces, each sealed under its person's key to its place. Which file it is, and its SHA-256, stand in
//! the sealed record of the enrolment.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Pending, ReadTx, Tx};
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::fields::Writer;
use crate::id::{BlobId, PendingId, SubjectId};
use crate::seal::{self, SealContext};
use crate::secret::Key;

pub(super) const BLOBS: &str = "blobs";

/// How much of a file is sealed in one row, bytes.
const PIECE_BYTES: usize = 1 << 20;

/// How long a picture or a form may be that waits in the vault, bytes. RAW files of today's cameras have up to 60 MB.
pub const WAITING_FILE_BYTES_MAX: u64 = 64 << 20;

/// What a file is that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobKind {
    /// A picture that a person will be found by.
    Portrait,
    /// The signed form.
    Release,
}

impl BlobKind {
    /// `portrait` or `release`.
    pub fn as_str(self) -> &'static str {
        match self {
            BlobKind::Portrait => "portrait",
            BlobKind::Release => "release",
        }
    }

    fn read(word: &str) -> Result<BlobKind, TxError> {
        let known = [BlobKind::Portrait, BlobKind::Release].into_iter().find(|kind| kind.as_str() == word);
        known.ok_or(TxError::WaitingFile)
    }
}

/// A file that somebody handed in.
#[derive(Clone, Copy)]
pub struct NewFile<'a> {
    /// What it is called.
    pub name: &'a str,
    /// All of it.
    pub bytes: &'a [u8],
}

impl NewFile<'_> {
    /// SHA-256 of the file.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.bytes).into()
    }
}

impl std::fmt::Debug for NewFile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewFile { .. }")
    }
}

/// A file in the vault.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedFile {
    /// Its id, 16 random bytes.
    pub id: BlobId,
    /// What it is.
    pub kind: BlobKind,
    /// What it was called.
    pub name: String,
    /// Its length, bytes.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

impl std::fmt::Debug for SealedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedFile").field("id", &self.id).finish_non_exhaustive()
    }
}

impl SealedFile {
    /// In how many rows it is.
    pub(super) fn pieces(&self) -> u64 {
        self.bytes.div_ceil(PIECE_BYTES as u64)
    }
}

impl ReadTx<'_> {
    /// A file that waits with an enrolment: exactly what was handed in.
    ///
    /// # Errors
    ///
    /// - [`TxError::WaitingFile`] if it is not there as it was handed in.
    /// - [`TxError::KeyRing`], [`TxError::Database`] as everywhere.
    pub fn waiting_file(&self, pending: &Pending, file: &SealedFile) -> Result<Zeroizing<Vec<u8>>, TxError> {
        if file.bytes > WAITING_FILE_BYTES_MAX {
            return Err(TxError::WaitingFile);
        }
        let key = self.key(pending.subject)?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(file.bytes as usize));
        for piece in 0..file.pieces() as i64 {
            let row = self.row("SELECT sealed FROM blobs WHERE id = $1 AND piece = $2", args![file.id, piece])?;
            let sealed = row.ok_or(TxError::WaitingFile)?.bytes(0)?;
            let place = place(file.kind, file.id, piece);
            let part = seal::open(&key, &context(pending.subject, &place), &sealed);
            bytes.extend_from_slice(&part.map_err(|_| TxError::WaitingFile)?);
        }
        let whole = Sha256::digest(bytes.as_slice()).as_slice() == file.sha256;
        if whole { Ok(bytes) } else { Err(TxError::WaitingFile) }
    }
}

impl Tx<'_> {
    /// The place of a file that is to wait.
    ///
    /// # Errors
    ///
    /// [`TxError::WaitingFileTooLarge`] if it is too long.
    pub(super) fn place_file(&self, kind: BlobKind, new: &NewFile<'_>) -> Result<SealedFile, TxError> {
        let bytes = new.bytes.len() as u64;
        if bytes > WAITING_FILE_BYTES_MAX {
            return Err(TxError::WaitingFileTooLarge);
        }
        let id = BlobId::random(&mut **self.rng());
        Ok(SealedFile { id, kind, name: new.name.to_owned(), bytes, sha256: new.sha256() })
    }

    /// Stores a file with an enrolment that waits.
    pub(super) fn add_blob(
        &self,
        key: &Key,
        (subject, pending): (SubjectId, PendingId),
        file: &SealedFile,
        bytes: &[u8],
    ) -> Result<(), TxError> {
        for (piece, part) in bytes.chunks(PIECE_BYTES).enumerate() {
            let piece = piece as i64;
            let sealed = self.seal_with(key, &context(subject, &place(file.kind, file.id, piece)), part)?;
            self.exec(
                "INSERT INTO blobs (id, piece, subject_id, pending_id, kind, sealed, created_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
                args![file.id, piece, subject, pending, file.kind.as_str(), sealed, self.now],
            )?;
        }
        Ok(())
    }

    /// Deletes what waits with an enrolment.
    pub(super) fn delete_blobs(&self, pending: PendingId) -> Result<(), TxError> {
        if self.exec("DELETE FROM blobs WHERE pending_id = $1", args![pending])? > 0 {
            self.leave_traces()?;
        }
        Ok(())
    }

    /// Seals the files of a person again, under another key.
    pub(super) fn reseal_blobs(&self, subject: SubjectId, old: &Key, new: &Key) -> Result<(), TxError> {
        let sql = "SELECT id, piece, kind FROM blobs WHERE subject_id = $1 ORDER BY id, piece";
        for row in self.rows(sql, args![subject])? {
            let (id, piece) = (BlobId::from_bytes(row.array(0)?), row.int(1)?);
            let place = place(BlobKind::read(&row.text(2)?)?, id, piece);
            let context = context(subject, &place);
            let row = self.row("SELECT sealed FROM blobs WHERE id = $1 AND piece = $2", args![id, piece])?;
            let sealed = row.ok_or(TxError::WaitingFile)?.bytes(0)?;
            let sealed = self.seal_with(new, &context, &seal::open(old, &context, &sealed)?)?;
            self.exec("UPDATE blobs SET sealed = $1 WHERE id = $2 AND piece = $3", args![sealed, id, piece])?;
        }
        Ok(())
    }
}

/// A piece belongs to its file, to its place there, and to what the file is.
fn place(kind: BlobKind, id: BlobId, piece: i64) -> Vec<u8> {
    Writer::new().text(kind.as_str()).bytes(id.as_bytes()).int(piece).finish_public()
}

fn context(subject: SubjectId, place: &[u8]) -> SealContext<'_> {
    SealContext { table: BLOBS, subject: Some(subject), row: Some(place), ..SealContext::default() }
}
