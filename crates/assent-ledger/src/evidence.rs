//! Evidence for an authority: a list of files with their hashes that the log signed, and the log itself as files, which are
//! checked without the vault.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::TxError;
use crate::ledger::Ledger;
use crate::merkle::{Hash, Peaks, leaf_hash};
use crate::names::{EntryName, NameError};
use crate::note::{Checkpoint, KeyRole, LogKeys, NoteError, hash_of};
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
    #[error("{name} is no name for a file in evidence: {source}")]
    Name {
        /// The name of the entry in the archive.
        name: String,
        /// The rule that the name breaks.
        source: NameError,
    },
    /// A file is missing, changed, or not on the list.
    #[error("the file {name} is {what}")]
    File {
        /// The name of the entry in the archive.
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
        Ok(self.signer(KeyRole::Evidence).sign(&text))
    }
}

/// The files of evidence, each with its SHA-256, as the log signed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceList(BTreeMap<String, Hash>);

impl EvidenceList {
    /// Reads a list that this log signed.
    ///
    /// # Errors
    ///
    /// - [`EvidenceError::Note`] if this log did not sign the list, [`EvidenceError::Form`] if it is none.
    /// - [`EvidenceError::Name`] for the first name that is none ([`EntryName`]).
    /// - [`EvidenceError::File`] for a file that it lists twice.
    pub fn verify(note: &str, keys: &LogKeys) -> Result<EvidenceList, EvidenceError> {
        let text = keys.verify(KeyRole::Evidence, note)?;
        let lines = text.strip_prefix(TITLE).and_then(|rest| rest.strip_prefix('\n')).ok_or(EvidenceError::Form)?;
        let mut listed = BTreeMap::new();
        for line in lines.lines() {
            let (hash, name) = line.split_once(' ').ok_or(EvidenceError::Form)?;
            EntryName::new(name).map_err(|source| EvidenceError::Name { name: name.to_owned(), source })?;
            let hash = hash_of(hash).ok_or(EvidenceError::Form)?;
            if listed.insert(name.to_owned(), hash).is_some() {
                return Err(wrong(name, "listed twice"));
            }
        }
        Ok(EvidenceList(listed))
    }

    /// Whether these are its files, by their names.
    ///
    /// # Errors
    ///
    /// [`EvidenceError::File`] for the first that is missing, that is there twice, or that is not on the list.
    pub fn check_names<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<(), EvidenceError> {
        let mut there = BTreeSet::new();
        for name in names {
            if !self.0.contains_key(name) {
                return Err(wrong(name, "not on the list"));
            }
            if !there.insert(name) {
                return Err(wrong(name, "there twice"));
            }
        }
        match self.0.keys().find(|name| !there.contains(name.as_str())) {
            Some(name) => Err(wrong(name, "missing")),
            None => Ok(()),
        }
    }

    /// Whether this is the content of one of its files.
    ///
    /// # Errors
    ///
    /// [`EvidenceError::File`] if it is another, or no file of the list.
    pub fn check_content(&self, name: &str, sha256: Hash) -> Result<(), EvidenceError> {
        match self.0.get(name) {
            Some(listed) if *listed == sha256 => Ok(()),
            Some(_) => Err(wrong(name, "changed")),
            None => Err(wrong(name, "not on the list")),
        }
    }

    /// The names of its files, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn wrong(name: &str, what: &'static str) -> EvidenceError {
    EvidenceError::File { name: name.to_owned(), what }
}

/// Checks a log that was exported as files: its checkpoint is signed, and its entries give the root that was signed. `read`
/// gives the bytes of a file by its path in the export.
///
/// # Errors
///
/// - [`EvidenceError::Note`] if this log did not sign the checkpoint.
/// - [`EvidenceError::File`] if a file of entries is missing or cut short.
/// - [`EvidenceError::Root`] if the entries give another root.
pub fn verify_export(
    read: &mut dyn FnMut(&str) -> Option<Vec<u8>>,
    keys: &LogKeys,
) -> Result<Checkpoint, EvidenceError> {
    let file = |name: &str, what| EvidenceError::File { name: name.to_owned(), what };
    let note = read("checkpoint").ok_or_else(|| file("checkpoint", "missing"))?;
    let note = String::from_utf8(note).map_err(|_| EvidenceError::Form)?;
    let checkpoint = Checkpoint::verify(&note, keys)?;
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
