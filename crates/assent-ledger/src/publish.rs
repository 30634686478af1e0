//! What leaves the vault of its log: signed checkpoints, proofs, certificates of erasure, and the whole log as files.
//!
//! Everything here is derived from leaves that are committed, and signed after that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::backup::CHECKPOINT_FILE;
use crate::certificate::{Certificate, KEY_RING_BACKUPS_MS};
use crate::db::args;
use crate::erase::Erasure;
use crate::error::TxError;
use crate::id::{SubjectId, Timestamp};
use crate::ledger::Ledger;
use crate::log::Leaf;
use crate::merkle::{Hash, leaf_hash};
use crate::note::{Checkpoint, KeyRole, LogKeys, LogSigner, NoteError, hash_of};
use crate::origins::Signers;
use crate::proof::includes;
use crate::tx::{LeafPosition, ReadTx, TILE_BITS};

/// The signed list of the log's keys, in an export.
const KEYS_FILE: &str = "keys";

/// A leaf, and what shows that it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafProof {
    /// Its place in the log, from 0.
    pub position: LeafPosition,
    /// The leaf that is proven to be in the log.
    pub leaf: Leaf,
    /// The hashes that lead from it to the root, from the leaf up.
    pub path: Vec<Hash>,
    /// The signed checkpoint with that root.
    pub checkpoint: String,
}

impl std::fmt::Display for LeafProof {
    /// As C2SP tlog-proof v1 writes it; the leaf's bytes are the extra data.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "c2sp.org/tlog-proof@v1")?;
        writeln!(f, "extra {}", STANDARD.encode(self.leaf.to_bytes()))?;
        writeln!(f, "index {}", self.position)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl LeafProof {
    /// Reads a proof and checks it with the log's public key.
    ///
    /// # Errors
    ///
    /// - [`ProofError::Note`] if this log did not sign the checkpoint in it.
    /// - [`ProofError::Form`] if it is no proof.
    /// - [`ProofError::NotInLog`] if the leaf does not stand where the proof says.
    pub fn verify(text: &str, keys: &LogKeys) -> Result<Self, ProofError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Form)?;
        let here = Checkpoint::verify(checkpoint, keys)?;
        let read = Self::parse(head, checkpoint).filter(|read| read.to_string() == text).ok_or(ProofError::Form)?;
        let hash = leaf_hash(&read.leaf.to_bytes());
        let stands = includes(hash, read.position, here.size, &read.path, &here.root);
        if stands && read.leaf.position == read.position { Ok(read) } else { Err(ProofError::NotInLog) }
    }

    fn parse(head: &str, checkpoint: &str) -> Option<Self> {
        let mut lines = head.lines().skip(1);
        let leaf = STANDARD.decode(lines.next()?.strip_prefix("extra ")?).ok()?;
        let position = lines.next()?.strip_prefix("index ")?.parse().ok()?;
        let path = lines.map(hash_of).collect::<Option<_>>()?;
        Some(Self { position, leaf: Leaf::from_bytes(&leaf)?, path, checkpoint: checkpoint.to_owned() })
    }
}

/// Why a text proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The log did not sign it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Not a proof.
    #[error("this is no proof that a leaf stands in a log, or not one that this version can read")]
    Form,
    /// The log does not begin with what was signed before.
    #[error("this does not show that the log only grew: it was another one then, or the proof is for another moment")]
    NotGrown,
    /// The hashes do not lead to the root.
    #[error("the leaf does not stand in this log at this place")]
    NotInLog,
}

/// Why the log could not be written as files.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
    /// The operating system refused.
    #[error("cannot write {}", path.display())]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The folder holds a longer log, or another.
    #[error("{} holds another log, or this one as it was before something was changed in it; name an empty folder, and find out why", folder.display())]
    OtherLog {
        /// The path of the folder.
        folder: PathBuf,
    },
}

impl Ledger {
    pub(crate) fn signer(&self, role: KeyRole) -> LogSigner {
        Signers::new(self.ring().master(), self.id()).of_role(role, &self.origins)
    }

    /// The public keys that check everything that this log signs.
    pub fn log_keys(&self) -> LogKeys {
        Signers::new(self.ring().master(), self.id()).public(&self.origins)
    }

    /// The same as a list that every key for checkpoints signed: whoever has one of these, from before a restore perhaps,
    /// learns the others ([`LogKeys::learn`]).
    pub fn log_keys_signed(&self) -> String {
        Signers::new(self.ring().master(), self.id()).sheet(&self.origins)
    }

    /// How the log stands in a transaction, to be signed when that is over.
    pub(crate) fn head_of(&self, tx: &ReadTx<'_>) -> Result<Checkpoint, TxError> {
        let (size, root) = tx.log_head()?;
        let erasures = tx.count("SELECT COUNT(*) FROM tombstones WHERE done_leaf IS NOT NULL", args![])? as u64;
        let (name, withdrawals) = (self.signer(KeyRole::Checkpoints).name().to_owned(), tx.ring().withdrawals());
        Ok(Checkpoint { name, size, root, erasures, withdrawals })
    }

    pub(crate) fn sign_checkpoint(&self, here: &Checkpoint) -> String {
        self.signer(KeyRole::Checkpoints).sign(&here.text())
    }

    /// How the log stands now, signed.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn checkpoint(&self, now: Timestamp) -> Result<String, TxError> {
        let here = self.read_tx(now, |tx| self.head_of(tx))?;
        Ok(self.sign_checkpoint(&here))
    }

    /// Proves that a leaf stands in the log.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoLeaf`] if the log has no such leaf.
    /// - [`TxError::Damaged`] if the leaves do not make the log's root.
    /// - As [`Self::run_tx`].
    pub fn prove_leaf(&self, position: LeafPosition, now: Timestamp) -> Result<LeafProof, TxError> {
        let proven = self.run_tx("prove a leaf", now, |tx| Ok((tx.prove(position)?, self.head_of(tx)?)))?;
        let ((leaf, path), here) = proven.into_inner();
        Ok(LeafProof { position, leaf, path, checkpoint: self.sign_checkpoint(&here) })
    }

    /// The certificate of an erasure that is complete, signed; anybody can check it with [`Certificate::verify`].
    ///
    /// # Errors
    ///
    /// - [`TxError::NotErased`] if nobody with this id was erased.
    /// - [`TxError::Damaged`] if the leaves do not make the log's root.
    /// - As [`Self::run_tx`].
    pub fn certificate(&self, subject: SubjectId, now: Timestamp) -> Result<String, TxError> {
        let certificate = self.run_tx("certify an erasure", now, |tx| {
            let Erasure { erased, intent, intent_salt, done, .. } =
                tx.erasure(subject)?.ok_or(TxError::NotErased { subject })?;
            let (intent, done) = (tx.prove(intent)?, tx.prove(done)?);
            let Checkpoint { name, size, root, .. } = self.head_of(tx)?;
            Ok(Certificate {
                subject,
                erased,
                key_destroyed: done.0.time,
                key_ring_backups_until: Timestamp(done.0.time.0 + KEY_RING_BACKUPS_MS),
                intent_salt,
                intent,
                done,
                log: (name, size, root),
            })
        })?;
        Ok(self.signer(KeyRole::Certificates).sign(&certificate.text()))
    }

    /// Writes the log as files that any web server can serve and any monitor of such logs can read: tiles of hashes, the
    /// leaves, and last the signed checkpoint. Complete tiles that are there already stay. `progress` is told how many
    /// leaves were written, and how many there are.
    ///
    /// # Errors
    ///
    /// - [`ExportError::OtherLog`] if the checkpoint in the folder is another log's, a longer one's, or of this one as it was
    ///   before a backup was restored; or if an export of such a log was interrupted there.
    /// - [`ExportError::Io`] if a file cannot be written.
    /// - [`ExportError::Ledger`] as [`Self::run_tx`].
    pub fn export_log(
        &self,
        folder: &Path,
        now: Timestamp,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Checkpoint, ExportError> {
        let keys = self.log_keys();
        let last = folder.join(CHECKPOINT_FILE);
        let there = fs::read_to_string(&last).ok().map(|note| Checkpoint::verify(&note, &keys).ok());
        let tiles = tiles_there(&folder.join("tile/0"), 0);
        let earlier = self.run_tx("compare the log", now, |tx| {
            let size = tx.log_head()?.0;
            let sure = match &there {
                None => 0,
                Some(Some(there)) if there.size <= size && tx.root_at(there.size)? == there.root => there.size,
                Some(_) => return Ok(false),
            };
            // What lies beyond that checkpoint, an export left that was interrupted: this log's, or another one's.
            for (path, first, end) in tiles.iter().filter(|(_, _, end)| *end > sure) {
                if *end > size || fs::read(path).ok().as_deref() != Some(tx.hashes(0, *first, *end)?.as_flattened()) {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        if !*earlier {
            return Err(ExportError::OtherLog { folder: folder.to_owned() });
        }
        // In one transaction, so that all files show the log at one moment.
        let here = self.run_tx("complete the log's tiles", now, |tx| {
            let here = self.head_of(tx)?;
            tx.complete_tiles(here.size)?;
            Ok(here)
        })?;
        let here = here.into_inner();
        let failed = self.read_tx(now, |tx| write_tiles(tx, folder, here.size, progress))?;
        let sign = || {
            replace(&folder.join(KEYS_FILE), self.log_keys_signed().as_bytes())?;
            replace(&last, self.sign_checkpoint(&here).as_bytes())
        };
        let outcome = failed.map_or_else(sign, Err);
        outcome.map_err(|(path, source)| ExportError::Io { path, source })?;
        Ok(here)
    }
}

type Failed = (PathBuf, io::Error);

/// Writes what is missing below `tile/`; gives back why a file could not be written.
fn write_tiles(
    tx: &ReadTx<'_>,
    folder: &Path,
    size: u64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<Failed>, TxError> {
    let width = 1 << TILE_BITS;
    for level in 0.. {
        let entries = size >> (TILE_BITS * level);
        if entries == 0 {
            break;
        }
        for tile in 0..entries.div_ceil(width) {
            let (first, end) = (tile * width, entries.min((tile + 1) * width));
            let path = tile_path(folder, &level.to_string(), tile, end - first);
            if !path.exists() {
                let hashes = tx.hashes(level, first, end)?;
                if let Err(failed) = replace(&path, hashes.as_flattened()) {
                    return Ok(Some(failed));
                }
            }
            let path = tile_path(folder, "entries", tile, end - first);
            if level == 0 && !path.exists() {
                let mut bytes = Vec::new();
                for leaf in tx.leaves(first, (end - first) as usize)? {
                    let leaf = leaf.to_bytes();
                    bytes.extend_from_slice(&(leaf.len() as u16).to_be_bytes());
                    bytes.extend_from_slice(&leaf);
                }
                if let Err(failed) = replace(&path, &bytes) {
                    return Ok(Some(failed));
                }
            }
            if level == 0 {
                progress(end, size);
            }
        }
    }
    Ok(None)
}

/// `tile/<level>/<n>[.p/<width>]`, the number in groups of three digits, all but the last with an `x` before them.
pub(crate) fn tile_path(folder: &Path, level: &str, number: u64, width: u64) -> PathBuf {
    let mut name = format!("{:03}", number % 1000);
    let mut rest = number / 1000;
    while rest > 0 {
        name = format!("x{:03}/{name}", rest % 1000);
        rest /= 1000;
    }
    let whole = folder.join("tile").join(level).join(&name);
    if width == 1 << TILE_BITS { whole } else { folder.join("tile").join(level).join(format!("{name}.p/{width}")) }
}

/// The tiles of leaves' hashes that lie in a folder, each with its first leaf and the one after its last; `number` is what the
/// names of the folders above it say.
fn tiles_there(folder: &Path, number: u64) -> Vec<(PathBuf, u64, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Some(name) = name.to_str() else { continue };
        let (digits, partial) = name.strip_suffix(".p").map_or((name, false), |digits| (digits, true));
        let above = digits.strip_prefix('x');
        let Ok(last) = above.unwrap_or(digits).parse::<u64>() else { continue };
        let Some(number) = number.checked_mul(1000).and_then(|n| n.checked_add(last)) else { continue };
        let Some(first) = number.checked_mul(1 << TILE_BITS) else { continue };
        if above.is_some() {
            found.extend(tiles_there(&path, number));
        } else if partial {
            let widths = fs::read_dir(&path).into_iter().flatten().flatten();
            let width = |name: std::ffi::OsString| name.to_str()?.parse::<u64>().ok();
            found.extend(widths.filter_map(|w| Some((w.path(), first, first.checked_add(width(w.file_name())?)?))));
        } else if let Some(end) = first.checked_add(1 << TILE_BITS) {
            found.push((path, first, end));
        }
    }
    found
}

/// Writes a file so that it is whole or not there.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    let failed = |source| (path.to_owned(), source);
    let new = path.with_extension("new");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(&new, bytes).map_err(failed)?;
    fs::rename(&new, path).map_err(failed)
}
