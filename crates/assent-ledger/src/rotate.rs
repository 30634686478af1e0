//! Rotation: a person gets a new key, and everything of theirs is sealed again under it. Nobody is enrolled anew.
//!
//! ```text
//! (a) the new key is appended to the ring, beside the old one
//! (b) one transaction: every record opened with the old key and sealed with the new one, and a leaf
//! (c) the old key's slot is overwritten in place and synced
//! ```
//!
//! Between (a) and (c) the ring holds two keys for the person, and theirs is the one that opens their profile. Every
//! transaction looks for that before anything else and gives the other key up: so an interruption before the commit of (b)
//! is undone, and one after it is finished, by whatever comes next, which is the opening of the vault if the program ended.
//! Whoever reads waits until a transaction in progress has ended, so that what a profile says then is final.
//!
//! A copy of the database from before is opened by nothing any more. Opening such a copy, and restoring it, is refused while
//! the ring has no key that opens it; a backup of the ring from that time gives the old key back ([`Ledger::restore`]).

use std::cell::RefCell;

use crate::actor::Origin;
use crate::db::args;
use crate::error::TxError;
use crate::id::{SubjectId, Timestamp};
use crate::keyring::{KeyRing, KeyRingError};
use crate::ledger::Ledger;
use crate::log::EventKind;
use crate::secret::Key;
use crate::tx::{ReadTx, Reseal, Tx};
use crate::vocabulary::ChangeKind;

impl Ledger {
    /// Gives a person a new key and destroys the old one. Searches, consents, sightings and decisions stay as they are.
    ///
    /// Copies of the old records that SQLite left between its pages are sealed under a key that is gone; they go with
    /// [`Self::scrub_if_due`].
    ///
    /// # Errors
    ///
    /// - [`TxError::NoSubject`] if nobody has this id.
    /// - [`TxError::Seal`], [`TxError::Damaged`] if a record of theirs does not open: they keep the key that they have.
    /// - [`TxError::KeyRing`] if the key ring cannot be read or written: which key is theirs is settled by the next call.
    /// - As [`Self::run_tx`].
    pub fn rotate(&self, subject: SubjectId, origin: impl Into<Origin>) -> Result<(), TxError> {
        let origin = origin.into();
        let rotated = self.run_tx("rotate", origin, |tx| tx.rotate(subject));
        // Every transaction begins with that.
        let settled = self.run_tx("settle keys", origin.at, |_| Ok(()));
        rotated.and(settled).map(drop)
    }

    /// [`Self::rotate`] for everybody on the roster, one after the other. Returns who kept the key that they had, and why:
    /// one damaged record is no reason to leave the others. `progress` is told how many are done, and of how many.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`], and [`TxError::KeyRing`] if the key ring cannot be read or written: whoever was not reached keeps
    /// their key.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method's path has one lifetime, the closure all"
    )]
    pub fn rotate_all(
        &self,
        origin: impl Into<Origin>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<(SubjectId, TxError)>, TxError> {
        let origin = origin.into();
        let all = self.read_tx(origin.at, |tx| tx.subject_ids())?;
        let mut kept = Vec::new();
        for (done, subject) in (1..).zip(&all) {
            match self.rotate(*subject, origin) {
                Ok(()) => {}
                Err(why) if about_one_person(&why) => kept.push((*subject, why)),
                Err(why) => return Err(why),
            }
            progress(done, all.len() as u64);
        }
        Ok(kept)
    }

    /// How many people the database holds records of that their keys do not open, of those whose key was rotated after its
    /// last leaf: then it is a copy from before.
    pub(crate) fn unopened(&self, now: Timestamp) -> Result<usize, TxError> {
        let found = self.read_tx(now, |tx| {
            let leaves = tx.log_head()?.0;
            let suspects: Vec<SubjectId> = tx.ring().retired_after(leaves).into_iter().collect();
            Ok(tx.unopened(&suspects)?.len())
        })?;
        Ok(found)
    }

    /// The same among everybody, for a database that comes from a backup. If a backup of the ring opens all that the ring
    /// does not, the ring takes those keys over, and there is nobody left; if it does not, nothing is taken.
    pub(crate) fn recall(&self, backup: Option<&mut KeyRing>, now: Timestamp) -> Result<usize, TxError> {
        let backup = RefCell::new(backup);
        let left = self.run_tx("recall keys", now, |tx| {
            let mut backup = backup.borrow_mut();
            if let Some(backup) = backup.as_deref_mut().filter(|_| !tx.ring().is_whole()) {
                tx.repair_keys(Some(backup))?;
            }
            let unopened = tx.unopened(&tx.subject_ids()?)?;
            let mut found = Vec::new();
            if let Some(backup) = backup.as_deref_mut() {
                for subject in &unopened {
                    let Ok(key) = backup.get(*subject) else { continue };
                    if tx.opens_profile(*subject, &key)? == Some(true) {
                        found.push((*subject, key));
                    }
                }
            }
            let left = unopened.len() - found.len();
            if left == 0 {
                found.iter().try_for_each(|(subject, key)| tx.ring().add_rotated(*subject, key))?;
            }
            Ok(left)
        })?;
        self.run_tx("settle keys", now, |_| Ok(()))?;
        Ok(left.into_inner())
    }
}

/// Whether an error says something of one person's key or records, and nothing of the next one's.
fn about_one_person(why: &TxError) -> bool {
    use KeyRingError::{Damaged, Destroyed, NoKey};
    let key = matches!(why, TxError::KeyRing(NoKey { .. } | Damaged { .. } | Destroyed { .. }));
    key || matches!(why, TxError::Seal(_) | TxError::Damaged { .. } | TxError::NoSubject)
}

impl ReadTx<'_> {
    /// Those of these people whose profile no key of theirs opens, or who have none; the erased are not among them, nor
    /// those whose slot is damaged: that concerns them alone, and says nothing of how old the database is. Somebody whose
    /// rotation was interrupted has two keys, and either may be theirs ([`Tx::complete_rotations`]).
    fn unopened(&self, subjects: &[SubjectId]) -> Result<Vec<SubjectId>, TxError> {
        let damaged = self.ring().damaged()?;
        let (mut unopened, mut no_key) = (Vec::new(), Vec::new());
        for subject in subjects.iter().filter(|subject| !damaged.iter().any(|(_, id)| id == *subject)) {
            let key = self.ring().get(*subject);
            match key {
                Ok(_) => {
                    if !self.opened_by_a_key(*subject)? {
                        unopened.push(*subject);
                    }
                }
                // Whoever was erased is erased again before anything else.
                Err(KeyRingError::Destroyed { .. }) => {}
                Err(_) if self.on_roster(*subject)? => no_key.push(*subject),
                Err(_) => {}
            }
        }
        let mut unclaimed = 0;
        for (_, id) in damaged {
            unclaimed += usize::from(!self.on_roster(id)?);
        }
        // As many damaged slots with ids of nobody as people without a slot: those are theirs.
        if no_key.len() > unclaimed {
            unopened.extend(no_key);
        }
        Ok(unopened)
    }

    /// Whether one of somebody's keys opens their profile, or the database holds none that could be opened.
    fn opened_by_a_key(&self, subject: SubjectId) -> Result<bool, TxError> {
        let keys = self.ring().keys_of(subject)?;
        for (_, key) in &keys {
            if self.opens_profile(subject, key)? != Some(false) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Tx<'_> {
    /// Steps (a) and (b).
    fn rotate(&self, subject: SubjectId) -> Result<(), TxError> {
        if self.count("SELECT COUNT(*) FROM subjects WHERE id = $1", args![subject])? == 0 {
            return Err(TxError::NoSubject);
        }
        let old = self.ring().get(subject)?;
        let new = Key::random(&mut **self.rng());
        self.ring().add_rotated(subject, &new)?;
        self.append_leaf(EventKind::Rotation, &[], &[(subject, subject.as_bytes())])?;
        self.reseal(&Reseal { subject, old: &old, new: &new })?;
        self.person_changed(ChangeKind::Rectified, subject)?;
        self.leave_traces()?;
        Ok(())
    }

    /// Step (c), for everybody who has more keys than one: theirs is the one that opens their profile, and the others are
    /// given up. If none does, all are kept.
    pub(crate) fn complete_rotations(&self) -> Result<(), TxError> {
        let pending_rotations = self.ring().pending_rotations();
        for subject in pending_rotations {
            let keys = self.ring().keys_of(subject)?;
            for (slot, key) in keys {
                if self.opens_profile(subject, &key)? == Some(true) {
                    let leaves = self.log_head()?.0;
                    self.ring().complete_rotation(subject, slot, leaves)?;
                    break;
                }
            }
        }
        Ok(())
    }
}
