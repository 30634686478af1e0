//! Erasure: the rows, then the gallery in memory, then the key, then the leaf that says so.
//!
//! ```text
//! (a) one transaction: grants ended, rows deleted, tombstone, intent leaf
//! (b) the caller zeroes the rows of its gallery
//! (c) the key's slot is overwritten in place and synced
//! (d) one transaction: the done leaf
//! ```
//!
//! Copies of deleted rows that SQLite left between its pages are sealed under keys that are gone. They go when the file is
//! rewritten, once a day: [`Ledger::scrub_if_due`].
//!
//! A tombstone without a done leaf is an erasure that was interrupted after (a). Opening the vault, and asking again for
//! the same erasure, repeat (c) and (d); repeating them changes nothing that was done.

use crate::actor::Origin;
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId, TemplateId, Timestamp};
use crate::ledger::Ledger;
use crate::log::{EventKind, commitment};
use crate::transactions::Committed;
use crate::tx::{LeafPosition, ReadTx, Tx};
use crate::vocabulary::ChangeKind;

/// What an erasure leaves: what a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Who. The id is random and says nothing by itself.
    pub subject: SubjectId,
    /// When the rows went.
    pub erased: Timestamp,
    /// The leaf that says that the erasure began.
    pub intent: LeafPosition,
    /// With this salt the commitment of the intent leaf is `SHA-256(salt | subject id)`.
    pub intent_salt: [u8; 32],
    /// The leaf that says that the key is gone.
    pub done: LeafPosition,
}

pub(crate) struct Tombstone {
    subject: SubjectId,
    erased: Timestamp,
    intent: LeafPosition,
    intent_salt: [u8; 32],
    done: Option<LeafPosition>,
}

impl Tombstone {
    /// What is left of an erasure that is complete.
    fn complete(self) -> Option<Erasure> {
        let Self { subject, erased, intent, intent_salt, done } = self;
        Some(Erasure { subject, erased, intent, intent_salt, done: done? })
    }
}

/// What was deleted with a person.
#[derive(Default)]
pub(crate) struct Erased {
    templates: Vec<TemplateId>,
    grants: Vec<GrantId>,
}

impl Ledger {
    /// Erases a person. `forget` is called once the rows are gone, with the ids of the templates, so that the caller
    /// overwrites them in memory; when it returns, the key is destroyed. An erasure that was interrupted is finished,
    /// with no templates for `forget`.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoSubject`] if nobody has this id.
    /// - [`TxError::Erased`] if the erasure is complete already.
    /// - [`TxError::ErasureUnfinished`] if the key ring, or the last leaf, cannot be written: the rows are gone, and the
    ///   erasure is finished by calling again or by the next opening of the vault.
    /// - As [`Self::run_tx`]: nothing was erased.
    pub fn erase(
        &self,
        subject: SubjectId,
        origin: impl Into<Origin>,
        forget: impl FnOnce(&[TemplateId]),
    ) -> Result<Erasure, TxError> {
        let origin = origin.into();
        let begun = self.run_tx("erase", origin, |tx| match tx.tombstone(subject)? {
            Some(Tombstone { done: Some(_), .. }) => Err(TxError::Erased { subject }),
            Some(interrupted) => Ok((interrupted, Erased::default())),
            None => {
                tx.answer_erasures(subject)?;
                tx.erase_rows(subject)
            }
        })?;
        let (tombstone, Erased { templates, grants }) = begun.into_inner();
        forget(&templates);
        // Without the person's key they open nothing. So it is not worth an error, either.
        drop(self.ring().end_secrets(&grants));
        self.finish_erasure(&tombstone, origin).map_err(|cause| TxError::ErasureUnfinished(Box::new(cause)))
    }

    /// Finishes every erasure that was interrupted. One that fails, because a disk is full perhaps, keeps nobody from the
    /// others: the next opening tries again.
    pub(crate) fn finish_erasures(&self, now: Timestamp) -> Result<(), TxError> {
        for tombstone in self.begun_erasures(now)? {
            drop(self.finish_erasure(&tombstone, now.into()));
        }
        Ok(())
    }

    /// How many people's erasures began and are not finished: their rows are gone, and their keys may be there still.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn unfinished_erasures(&self, now: Timestamp) -> Result<usize, TxError> {
        Ok(self.begun_erasures(now)?.len())
    }

    fn begun_erasures(&self, now: Timestamp) -> Result<Vec<Tombstone>, TxError> {
        let sql = "SELECT subject_id FROM tombstones WHERE done_leaf IS NULL ORDER BY intent_leaf";
        let open = self.read_tx(now, |tx| {
            let rows = tx.rows(sql, args![])?;
            rows.iter().map(|row| tx.tombstone(SubjectId::from_bytes(row.array(0)?))).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(open.into_iter().flatten().collect())
    }

    fn finish_erasure(&self, tombstone: &Tombstone, origin: Origin) -> Result<Erasure, TxError> {
        let Tombstone { subject, erased, intent, intent_salt, .. } = *tombstone;
        self.destroy_key(subject)?;
        let done = self.run_tx("finish erasure", origin, |tx| {
            // Whoever came first, here or in another process, said so.
            if let Some(Tombstone { done: Some(done), .. }) = tx.tombstone(subject)? {
                return Ok(done);
            }
            let done = tx.append(EventKind::ErasureDone, intent.to_be_bytes().to_vec(), Vec::new())?;
            tx.exec("UPDATE tombstones SET done_leaf = $1 WHERE subject_id = $2", args![done as i64, subject])?;
            Ok(done)
        });
        Ok(Erasure { subject, erased, intent, intent_salt, done: done.map(Committed::into_inner)? })
    }

    /// All erasures that are complete, by the time of their beginning.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn erasures(&self, now: Timestamp) -> Result<Vec<Erasure>, TxError> {
        let sql = "SELECT subject_id FROM tombstones WHERE done_leaf IS NOT NULL ORDER BY intent_leaf";
        let all = self.read_tx(now, |tx| {
            let rows = tx.rows(sql, args![])?;
            rows.iter().map(|row| tx.tombstone(SubjectId::from_bytes(row.array(0)?))).collect::<Result<Vec<_>, _>>()
        })?;
        Ok(all.into_iter().flatten().filter_map(Tombstone::complete).collect())
    }
}

impl ReadTx<'_> {
    /// The complete erasure of a person; `None` if there is none.
    pub(crate) fn erasure(&self, subject: SubjectId) -> Result<Option<Erasure>, TxError> {
        Ok(self.tombstone(subject)?.and_then(Tombstone::complete))
    }

    fn tombstone(&self, subject: SubjectId) -> Result<Option<Tombstone>, TxError> {
        let sql = "SELECT erased_ms, intent_leaf, intent_salt, done_leaf FROM tombstones WHERE subject_id = $1";
        let Some(row) = self.row(sql, args![subject])? else {
            return Ok(None);
        };
        Ok(Some(Tombstone {
            subject,
            erased: Timestamp(row.int(0)?),
            intent: row.int(1)? as u64,
            intent_salt: row.array(2)?,
            done: row.opt_int(3)?.map(|d| d as u64),
        }))
    }
}

impl Tx<'_> {
    /// Step (a). The intent's opening stands in the tombstone, which names the same id: it outlives the key.
    fn erase_rows(&self, subject: SubjectId) -> Result<(Tombstone, Erased), TxError> {
        if !self.on_roster(subject)? {
            return Err(TxError::NoSubject);
        }
        let key = self.salvaged_key(subject)?;
        let damaged = self.delete_seen_of(subject)?;
        if let Some(key) = &key {
            self.exec("DELETE FROM log_openings WHERE pseudonym = $1", args![key.log_pseudonym()])?;
        }
        let erased = self.delete_subject_rows(subject)?;
        if key.is_none() || damaged {
            // A damaged key cannot be asked for pseudonyms. What stands under one of nobody's goes then.
            self.forget_orphans(&self.collection_ids()?)?;
        }
        Ok(erased)
    }

    /// Deletes where somebody was seen, and what people said of it.
    pub(crate) fn delete_sightings_of(&self, collection: CollectionId, pseudonym: [u8; 16]) -> Result<(), TxError> {
        self.forget_crops_of(collection, pseudonym)?;
        for sql in [
            "DELETE FROM sightings WHERE collection_id = $1 AND pseudonym = $2",
            "DELETE FROM decisions WHERE collection_id = $1 AND pseudonym = $2",
        ] {
            self.exec(sql, args![collection, pseudonym])?;
        }
        Ok(())
    }

    /// Deletes what carries the subject's id, and says so in the log and on the tombstone.
    pub(crate) fn delete_subject_rows(&self, subject: SubjectId) -> Result<(Tombstone, Erased), TxError> {
        let of_subject =
            "SELECT t.id FROM templates t JOIN grants g ON g.id = t.grant_id WHERE g.subject_id = $1 ORDER BY t.id";
        self.person_changed(ChangeKind::Erased, subject)?;
        let rows = self.rows(of_subject, args![subject])?;
        let templates = rows.iter().map(|row| Ok(TemplateId(row.int(0)?))).collect::<Result<Vec<_>, TxError>>()?;
        let rows = self.rows("SELECT id FROM grants WHERE subject_id = $1", args![subject])?;
        let grants =
            rows.iter().map(|row| Ok(GrantId::from_bytes(row.array(0)?))).collect::<Result<Vec<_>, TxError>>()?;
        for sql in [
            "DELETE FROM templates WHERE grant_id IN (SELECT id FROM grants WHERE subject_id = $1)",
            "DELETE FROM refusals WHERE subject_id = $1",
            "DELETE FROM blobs WHERE subject_id = $1",
            "DELETE FROM pending_enrolments WHERE subject_id = $1",
            "DELETE FROM used_portraits WHERE subject_id = $1",
            "DELETE FROM portraits WHERE subject_id = $1",
            // That somebody asked, and was answered in time, stays; who it was and what they said goes.
            "UPDATE requests SET subject_id = NULL, sealed = NULL WHERE subject_id = $1",
            "DELETE FROM grants WHERE subject_id = $1",
            "DELETE FROM subjects WHERE id = $1",
        ] {
            self.exec(sql, args![subject])?;
        }
        self.leave_traces()?;

        let mut intent_salt = [0; 32];
        self.rng().fill_bytes(&mut intent_salt);
        let said = commitment(&intent_salt, subject.as_bytes());
        let intent = self.append(EventKind::ErasureIntent, Vec::new(), vec![said])?;
        self.exec(
            "INSERT INTO tombstones (subject_id, erased_ms, intent_leaf, intent_salt) VALUES ($1, $2, $3, $4)",
            args![subject, self.now, intent as i64, intent_salt],
        )?;
        Ok((Tombstone { subject, erased: self.now, intent, intent_salt, done: None }, Erased { templates, grants }))
    }
}
