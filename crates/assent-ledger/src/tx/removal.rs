//! The end of a collection, and a new place for one.
//!
//! Removing a collection deletes what is known of its photos and ends the consents that were for it. What stays says what
//! was once done and on whose word: the ended consents, refusals, answered requests, orders, the log, and the name.

use super::grants::Plain;
use super::{Collection, CollectionCounts, RingNote, Tx};
use crate::db::args;
use crate::error::TxError;
use crate::fields::Writer;
use crate::id::CollectionId;
use crate::log::EventKind;
use crate::secret::Key;
use crate::vocabulary::GrantState;

impl Tx<'_> {
    /// Ends a collection: its photos, faces, sightings, decisions, crops, objections and counts are deleted, and the
    /// consents and enrolments for it end. Its name is free again. Returns what it held.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`] if there is none, or it was removed before.
    /// - [`TxError::RequestsOpen`] if a request about it was not answered: the answer needs what is held.
    /// - [`TxError::KeyRing`], [`TxError::Seal`], [`TxError::Database`] as everywhere.
    pub fn remove_collection(&self, id: CollectionId) -> Result<CollectionCounts, TxError> {
        let about = self.collection(id)?;
        let held = self.counts(id)?;
        let open = "SELECT COUNT(*) FROM requests WHERE collection_id = $1 AND answered_ms IS NULL";
        match self.count(open, args![id])? {
            0 => {}
            count => return Err(TxError::RequestsOpen { count: count as u64 }),
        }
        for pending in self.all_pending()? {
            if pending.signed.consents.iter().any(|consent| consent.collection == id) {
                self.discard_pending(pending.id)?;
            }
        }
        self.end_grants_of(id)?;
        for sql in [
            "DELETE FROM sightings WHERE collection_id = $1",
            "DELETE FROM decisions WHERE collection_id = $1",
            "DELETE FROM photos WHERE collection_id = $1",
            "DELETE FROM objections WHERE collection_id = $1",
        ] {
            self.exec(sql, args![id])?;
        }
        if about.keep_crops {
            // In place of the key for its crops: those in an old copy of the database open to nothing.
            let key = Key::random(&mut **self.rng());
            self.ring().add(super::crops::slot(id), &key)?;
        }
        let sealed = self.seal_collection(id, &about.name, "", &super::Basis::default())?;
        self.exec(
            "UPDATE collections SET removed_ms = $1, sealed = $2, keep_crops = 0 WHERE id = $3",
            args![self.now, sealed, id],
        )?;
        self.leave_traces()?;
        self.append_leaf(EventKind::CollectionRemoved, id.as_bytes(), &[])?;
        Ok(held)
    }

    /// Ends the consents for a collection that ends, and notes them in the key ring: an old backup brings none back.
    fn end_grants_of(&self, collection: CollectionId) -> Result<(), TxError> {
        let sql = "SELECT id, subject_id, collection_id, purpose FROM grants \
                   WHERE collection_id = $1 AND state = 'active' ORDER BY id";
        for row in self.rows(sql, args![collection])? {
            let plain = Plain::read(&row)?;
            self.close_grant(&plain, GrantState::Expired)?;
            match self.grant_leaf(EventKind::GrantEnded, &plain, &[]) {
                // Whose key does not open is not named; the consent ends all the same.
                Err(TxError::KeyRing(_)) => {
                    let public = Writer::new().bytes(collection.as_bytes()).text(plain.purpose.as_str()).finish();
                    self.append(EventKind::GrantEnded, public.to_vec(), Vec::new())?;
                }
                said => {
                    said?;
                }
            }
            self.chain(plain.id)?.into_iter().for_each(|grant| self.touch(RingNote::Withdrawal(grant)));
        }
        Ok(())
    }

    /// Records that the photos of a collection lie in another folder now. What is known of them stays.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`] if there is none.
    /// - [`TxError::Seal`], [`TxError::Database`] as everywhere.
    pub fn move_collection(&self, id: CollectionId, directory: &str) -> Result<(), TxError> {
        let Collection { name, basis, .. } = self.collection(id)?;
        let sealed = self.seal_collection(id, &name, directory, &basis)?;
        self.exec("UPDATE collections SET sealed = $1 WHERE id = $2", args![sealed, id])?;
        self.append_leaf(EventKind::CollectionMoved, id.as_bytes(), &[]).map(drop)
    }
}
