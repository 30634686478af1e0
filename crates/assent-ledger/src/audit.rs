//! Checking the log against itself: every leaf, their order, the head, and the openings that still open.

use std::collections::BTreeMap;

use crate::db::args;
use crate::error::TxError;
use crate::id::{SubjectId, Timestamp};
use crate::ledger::{Committed, Ledger};
use crate::log::{Leaf, commitment};
use crate::merkle::{Hash, Peaks, leaf_hash};
use crate::seal::{self, Place};
use crate::secret::Key;
use crate::tx::{OPENINGS, Tx, opening_row};

/// What is wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A position has no leaf.
    Missing,
    /// The bytes do not have the hash that is stored beside them, or are no leaf.
    Changed,
    /// The leaf says that it stands elsewhere.
    Moved,
    /// Each leaf is whole, and together they do not make the head; the first difference is at or after the position.
    Head,
    /// An opening does not match the commitment in its leaf.
    Opening,
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// How many leaves the head counts.
    pub size: u64,
    /// The root that the head's peaks make.
    pub root: Hash,
    /// How many openings were checked.
    pub openings: u64,
    /// The first bad position and what is wrong there; `None` if the log is whole.
    pub fault: Option<(u64, Fault)>,
}

/// Leaves read at a time.
const PAGE: i64 = 4096;

impl Ledger {
    /// Recomputes the log from its leaves.
    ///
    /// # Errors
    ///
    /// - [`TxError::Damaged`] if the head is none.
    /// - [`TxError::KeyRing`] if a living subject's key is missing.
    /// - As [`Self::run_tx`]. A fault in the log is no error: it is in the [`Audit`].
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method's path has one lifetime, the closure all"
    )]
    pub fn audit_verify(&self, now: Timestamp) -> Result<Audit, TxError> {
        self.run_tx("verify the log", now, |tx| tx.audit()).map(Committed::into_inner)
    }
}

impl Tx<'_> {
    fn audit(&self) -> Result<Audit, TxError> {
        let head = self.peaks()?;
        let mut audit = Audit { size: head.size(), root: head.root(), openings: 0, fault: None };
        audit.fault = self.first_bad_leaf(&head)?;
        if audit.fault.is_none() {
            (audit.openings, audit.fault) = self.check_openings()?;
        }
        Ok(audit)
    }

    fn first_bad_leaf(&self, head: &Peaks) -> Result<Option<(u64, Fault)>, TxError> {
        let mut tree = Peaks::default();
        loop {
            let from = tree.size() as i64;
            let sql = "SELECT seq, bytes, hash FROM log_leaves WHERE seq >= $1 ORDER BY seq LIMIT $2";
            let page = self.rows(sql, args![from, PAGE])?;
            if page.is_empty() {
                break;
            }
            for row in page {
                let at = tree.size();
                let bytes = row.bytes(1)?;
                let hash = leaf_hash(&bytes);
                if row.int(0)? as u64 != at {
                    return Ok(Some((at, Fault::Missing)));
                }
                match Leaf::from_bytes(&bytes) {
                    Some(leaf) if hash.as_slice() == row.bytes(2)? => {
                        if leaf.position != at {
                            return Ok(Some((at, Fault::Moved)));
                        }
                    }
                    _ => return Ok(Some((at, Fault::Changed))),
                }
                tree.push(hash);
            }
        }
        if tree.size() < head.size() {
            return Ok(Some((tree.size(), Fault::Missing)));
        }
        if tree.size() > head.size() {
            return Ok(Some((head.size(), Fault::Head)));
        }
        Ok(tree.first_difference(head).map(|at| (at, Fault::Head)))
    }

    fn check_openings(&self) -> Result<(u64, Option<(u64, Fault)>), TxError> {
        let mut people: BTreeMap<[u8; 16], (SubjectId, Key)> = BTreeMap::new();
        for row in self.rows("SELECT id FROM subjects", args![])? {
            let subject = SubjectId::from_bytes(row.array(0)?);
            let key = self.ring.borrow_mut().get(subject)?;
            people.insert(key.log_pseudonym(), (subject, key));
        }
        let sql = "SELECT o.pseudonym, o.seq, o.slot, o.sealed, l.bytes FROM log_openings o JOIN log_leaves l ON l.seq = o.seq \
                   ORDER BY o.seq, o.slot";
        let mut checked = 0;
        for row in self.rows(sql, args![])? {
            let (seq, slot) = (row.int(1)? as u64, row.int(2)? as usize);
            let Some((subject, key)) = people.get(&row.array::<16>(0)?) else {
                continue;
            };
            let row_key = opening_row(seq, slot);
            let place = Place { table: OPENINGS, subject: Some(*subject), row: Some(&row_key), ..Place::default() };
            let Ok(plain) = seal::open(key, &place, &row.bytes(3)?) else {
                return Ok((checked, Some((seq, Fault::Opening))));
            };
            let leaf = Leaf::from_bytes(&row.bytes(4)?);
            let said = leaf.as_ref().and_then(|leaf| leaf.commitments.get(slot));
            let right = plain.split_first_chunk().is_some_and(|(salt, detail)| said == Some(&commitment(salt, detail)));
            if !right {
                return Ok((checked, Some((seq, Fault::Opening))));
            }
            checked += 1;
        }
        Ok((checked, None))
    }
}
