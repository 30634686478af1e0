//! Consistency proofs as texts: that a log only grew between two moments, checked offline by whoever kept something that was
//! signed at the first one: a checkpoint, or a certificate.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::certificate::Certificate;
use crate::error::TxError;
use crate::id::Timestamp;
use crate::ledger::Ledger;
use crate::merkle::Hash;
use crate::note::{Checkpoint, LogKeys, hash_of};
use crate::proof::is_consistent;
use crate::publish::ProofError;

const TITLE: &str = "assent consistency proof v1";

/// How a log stood at one moment, by what was signed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogAt {
    /// How many leaves it had.
    pub size: u64,
    /// Their root.
    pub root: Hash,
}

impl From<&Checkpoint> for LogAt {
    fn from(then: &Checkpoint) -> Self {
        Self { size: then.size, root: then.root }
    }
}

impl From<&Certificate> for LogAt {
    fn from(certificate: &Certificate) -> Self {
        let (_, size, root) = certificate.log;
        Self { size, root }
    }
}

/// What shows that a log only grew until a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrowthProof {
    /// Since when: the number of leaves then.
    pub from: u64,
    /// The hashes that lead to both roots.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

impl std::fmt::Display for GrowthProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{TITLE}\nfrom {}", self.from)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", STANDARD.encode(hash)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl GrowthProof {
    /// Reads a proof and checks that the log of its checkpoint begins with what was signed before. A checkpoint of the same
    /// moment needs no proof, and is taken for one. Returns the checkpoint.
    ///
    /// # Errors
    ///
    /// - [`ProofError::Note`] if this log did not sign the checkpoint in it.
    /// - [`ProofError::Form`] if it is no proof.
    /// - [`ProofError::NotGrown`] if the log was another one, or longer.
    pub fn verify(text: &str, keys: &LogKeys, then: &LogAt) -> Result<Checkpoint, ProofError> {
        if !text.starts_with(TITLE) {
            let here = Checkpoint::verify(text, keys)?;
            return if LogAt::from(&here) == *then { Ok(here) } else { Err(ProofError::NotGrown) };
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofError::Form)?;
        let here = Checkpoint::verify(checkpoint, keys)?;
        let read = Self::parse(head, checkpoint).filter(|read| read.to_string() == text).ok_or(ProofError::Form)?;
        let grown =
            read.from == then.size && is_consistent((then.size, &then.root), (here.size, &here.root), &read.path);
        if grown { Ok(here) } else { Err(ProofError::NotGrown) }
    }

    fn parse(head: &str, checkpoint: &str) -> Option<Self> {
        let mut lines = head.lines().skip(1);
        let from = lines.next()?.strip_prefix("from ")?.parse().ok()?;
        Some(Self { from, path: lines.map(hash_of).collect::<Option<_>>()?, checkpoint: checkpoint.to_owned() })
    }
}

impl Ledger {
    /// Proves that the log only grew since it had so many leaves.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoLeaf`] if it never had so many, or none.
    /// - [`TxError::Damaged`] if the leaves do not make the log's root.
    /// - As [`Self::run_tx`].
    pub fn prove_growth(&self, from: u64, now: Timestamp) -> Result<GrowthProof, TxError> {
        let proven =
            self.run_tx("prove that the log grew", now, |tx| Ok((tx.prove_growth(from)?, self.head_of(tx)?)))?;
        let (path, here) = proven.into_inner();
        Ok(GrowthProof { from, path, checkpoint: self.sign_checkpoint(&here) })
    }
}
