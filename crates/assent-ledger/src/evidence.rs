//! Evidence for an authority: a list of files with their hashes that the log signed, and the log itself as files, which are
//! checked without the vault.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::TxError;
use crate::ledger::Ledger;
use crate::merkle::{Hash, Peaks, leaf_hash};
use crate::names::{EntryName, NameError};
use crate::note::{Checkpoint, LogKey, NoteError, hash_of};
use crate::publish::tile_path;
use crate::tx::TILE_BITS;

const TITLE: &str = "assent evidence v1";

/// Why evidence does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The log did not sign the list or the checkpoint.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Signed, and no list of files.
    #[error("this is signed, and no list of evidence that this version can read")]
    Form,
    /// A name on the list, or of a file, leads out of a folder or is no name.
    #[error("{name:?} is no name for a file in evidence: {source}")]
    Name {
        /// Which.
        name: String,
        /// Why.
        source: NameError,
    },
    /// A file is missing, changed, or not on the list.
    #[error("the file {name} is {what}")]
    File {
        /// Which.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The entries do not give the root that was signed.
    #[error("the entries of the log do not give the root in its checkpoint")]
    Root,
}

impl Ledger {
    /// Signs a list of files, each with its SHA-256. A name is one line and leads nowhere: its type says so.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn evidence_list(&self, files: &BTreeMap<EntryName, Hash>) -> Result<String, TxError> {
        let mut text = format!("{TITLE}\n");
        for (name, hash) in files {
            text += &[&STANDARD.encode(hash), " ", name.as_str(), "\n"].concat();
        }
        Ok(self.signer()?.sign(&text))
    }
}

/// Checks a list of files against those that are there.
///
/// # Errors
///
/// - [`EvidenceError::Note`] if this log did not sign the list, [`EvidenceError::Form`] if it is none.
/// - [`EvidenceError::Name`] for the first name that is none ([`EntryName`]).
/// - [`EvidenceError::File`] for the first file that is missing, changed or not on the list.
pub fn verify_evidence_list(note: &str, key: &LogKey, files: &[(String, Hash)]) -> Result<(), EvidenceError> {
    let text = key.verify(note)?;
    let lines = text.strip_prefix(TITLE).and_then(|rest| rest.strip_prefix('\n')).ok_or(EvidenceError::Form)?;
    let mut listed = Vec::new();
    for line in lines.lines() {
        listed.push(line.split_once(' ').ok_or(EvidenceError::Form)?);
    }
    for name in listed.iter().map(|(_, name)| *name).chain(files.iter().map(|(name, _)| name.as_str())) {
        EntryName::new(name).map_err(|source| EvidenceError::Name { name: name.to_owned(), source })?;
    }
    let wrong = |name: &str, what| Err(EvidenceError::File { name: name.to_owned(), what });
    for (hash, name) in &listed {
        match files.iter().find(|(there, _)| there == name) {
            None => return wrong(name, "missing"),
            Some((_, there)) if hash_of(hash) != Some(*there) => return wrong(name, "changed"),
            Some(_) => {}
        }
    }
    match files.iter().find(|(there, _)| !listed.iter().any(|(_, name)| name == there)) {
        Some((name, _)) => wrong(name, "not on the list"),
        None => Ok(()),
    }
}

/// Checks a log that was exported as files: its checkpoint is signed, and its entries give the root that was signed. `read`
/// gives the bytes of a file by its path in the export.
///
/// # Errors
///
/// - [`EvidenceError::Note`] if this log did not sign the checkpoint.
/// - [`EvidenceError::File`] if a file of entries is missing or cut short.
/// - [`EvidenceError::Root`] if the entries give another root.
pub fn verify_export(read: &mut dyn FnMut(&str) -> Option<Vec<u8>>, key: &LogKey) -> Result<Checkpoint, EvidenceError> {
    let file = |name: &str, what| EvidenceError::File { name: name.to_owned(), what };
    let note = read("checkpoint").ok_or_else(|| file("checkpoint", "missing"))?;
    let note = String::from_utf8(note).map_err(|_| EvidenceError::Form)?;
    let checkpoint = Checkpoint::verify(&note, key)?;
    let mut peaks = Peaks::default();
    for tile in 0..checkpoint.size.div_ceil(1 << TILE_BITS) {
        let width = (checkpoint.size - (tile << TILE_BITS)).min(1 << TILE_BITS);
        let path = tile_path(Path::new(""), "entries", tile, width).display().to_string();
        let bytes = read(&path).ok_or_else(|| file(&path, "missing"))?;
        let mut rest = bytes.as_slice();
        for _ in 0..width {
            let cut = || file(&path, "cut short");
            let (length, after) = rest.split_first_chunk().ok_or_else(cut)?;
            let (leaf, after) = after.split_at_checked(u16::from_be_bytes(*length).into()).ok_or_else(cut)?;
            peaks.push(leaf_hash(leaf));
            rest = after;
        }
    }
    if peaks.root() == checkpoint.root { Ok(checkpoint) } else { Err(EvidenceError::Root) }
}
