//! Sealing everything of one person again, under another key.

use super::decisions::DECISIONS;
use super::grants::GRANTS;
use super::pending::seal_context as pending_context;
use super::portraits::seal_context as portrait_context;
use super::requests::seal_context as request_context;
use super::roster::SUBJECTS;
use super::sightings::SIGHTINGS;
use super::templates::TEMPLATES;
use super::{OPENINGS, ReadTx, RingNote, Tx, opening_row};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, PendingId, RequestId, SubjectId};
use crate::seal::{self, SealContext};
use crate::secret::Key;
use crate::vocabulary::Purpose;

/// From which key to which, and whose.
pub(crate) struct Reseal<'a> {
    pub(crate) subject: SubjectId,
    pub(crate) old: &'a Key,
    pub(crate) new: &'a Key,
}

impl ReadTx<'_> {
    /// Whether a key opens a person's profile; `None` if nobody has this id.
    pub(crate) fn opens_profile(&self, subject: SubjectId, key: &Key) -> Result<Option<bool>, TxError> {
        let context = SealContext { table: SUBJECTS, subject: Some(subject), ..SealContext::default() };
        let row = self.row("SELECT sealed FROM subjects WHERE id = $1", args![subject])?;
        row.map(|row| Ok(seal::open(key, &context, &row.bytes(0)?).is_ok())).transpose()
    }
}

impl Tx<'_> {
    /// Opens every record of a person with the old key and seals it with the new one. Sightings, decisions and openings
    /// move to the pseudonyms that the new key gives. What the records say stays.
    ///
    /// # Errors
    ///
    /// - [`TxError::Seal`] if a record does not open, [`TxError::Damaged`] if one is not of this format.
    /// - [`TxError::Database`] if the database refuses.
    pub(crate) fn reseal(&self, keys: &Reseal<'_>) -> Result<(), TxError> {
        self.reseal_profile(keys)?;
        self.reseal_grants(keys)?;
        self.reseal_templates(keys)?;
        self.reseal_requests(keys)?;
        self.reseal_pending(keys)?;
        self.reseal_portrait(keys)?;
        for row in self.rows("SELECT id FROM collections", args![])? {
            self.reseal_seen(keys, CollectionId::from_bytes(row.array(0)?))?;
        }
        self.reseal_openings(keys)
    }

    fn reseal_record(&self, keys: &Reseal<'_>, context: &SealContext<'_>, sealed: &[u8]) -> Result<Vec<u8>, TxError> {
        self.seal_with(keys.new, context, &seal::open(keys.old, context, sealed)?)
    }

    fn reseal_profile(&self, keys: &Reseal<'_>) -> Result<(), TxError> {
        let row = self.row("SELECT sealed FROM subjects WHERE id = $1", args![keys.subject])?;
        let context = SealContext { table: SUBJECTS, subject: Some(keys.subject), ..SealContext::default() };
        let sealed = self.reseal_record(keys, &context, &row.ok_or(TxError::NoSubject)?.bytes(0)?)?;
        self.exec("UPDATE subjects SET sealed = $1 WHERE id = $2", args![sealed, keys.subject]).map(drop)
    }

    fn reseal_grants(&self, keys: &Reseal<'_>) -> Result<(), TxError> {
        let sql = "SELECT id, collection_id, purpose, sealed FROM grants WHERE subject_id = $1";
        for row in self.rows(sql, args![keys.subject])? {
            let (grant, purpose) = (GrantId::from_bytes(row.array(0)?), purpose(&row, 2)?);
            let context = SealContext {
                table: GRANTS,
                subject: Some(keys.subject),
                collection: Some(CollectionId::from_bytes(row.array(1)?)),
                purpose: Some(&purpose),
                grant: Some(grant),
                ..SealContext::default()
            };
            let sealed = self.reseal_record(keys, &context, &row.bytes(3)?)?;
            self.exec("UPDATE grants SET sealed = $1 WHERE id = $2", args![sealed, grant])?;
        }
        Ok(())
    }

    fn reseal_templates(&self, keys: &Reseal<'_>) -> Result<(), TxError> {
        let sql = "SELECT t.id, t.grant_id, t.model_sha256, t.epoch, t.sealed, g.collection_id, g.purpose \
                   FROM templates t JOIN grants g ON g.id = t.grant_id WHERE g.subject_id = $1";
        for row in self.rows(sql, args![keys.subject])? {
            let (id, purpose) = (row.int(0)?, purpose(&row, 6)?);
            let row_key = id.to_be_bytes();
            let context = SealContext {
                table: TEMPLATES,
                subject: Some(keys.subject),
                collection: Some(CollectionId::from_bytes(row.array(5)?)),
                purpose: Some(&purpose),
                grant: Some(GrantId::from_bytes(row.array(1)?)),
                model: Some(row.array(2)?),
                epoch: Some(row.int(3)?),
                row: Some(&row_key),
            };
            let sealed = self.reseal_record(keys, &context, &row.bytes(4)?)?;
            self.exec("UPDATE templates SET sealed = $1 WHERE id = $2", args![sealed, id])?;
        }
        Ok(())
    }

    /// What they asked for.
    fn reseal_requests(&self, keys: &Reseal<'_>) -> Result<(), TxError> {
        for row in self.rows("SELECT id, sealed FROM requests WHERE subject_id = $1", args![keys.subject])? {
            let (id, Some(sealed)) = (RequestId::from_bytes(row.array(0)?), row.opt_bytes(1)?) else { continue };
            let (theirs, entered) = (request_context(&id, Some(keys.subject)), request_context(&id, None));
            // Entered while their key was damaged.
            let sealed = match self.open_master(&entered, &sealed) {
                Ok(plain) => self.seal_with(keys.new, &theirs, &plain)?,
                Err(_) => self.reseal_record(keys, &theirs, &sealed)?,
            };
            self.exec("UPDATE requests SET sealed = $1 WHERE id = $2", args![sealed, id])?;
            self.touch(RingNote::Request(id));
        }
        Ok(())
    }

    /// What waits for its witnesses.
    fn reseal_pending(&self, keys: &Reseal<'_>) -> Result<(), TxError> {
        let sql = "SELECT id, valid_until_ms, sealed FROM pending_enrolments WHERE subject_id = $1";
        for row in self.rows(sql, args![keys.subject])? {
            let (id, until) = (PendingId::from_bytes(row.array(0)?), row.int(1)?);
            let sealed = self.reseal_record(keys, &pending_context(keys.subject, &id, until), &row.bytes(2)?)?;
            self.exec("UPDATE pending_enrolments SET sealed = $1 WHERE id = $2", args![sealed, id])?;
        }
        Ok(())
    }

    /// Seals the stored crop of the person's portrait under their new key.
    fn reseal_portrait(&self, keys: &Reseal<'_>) -> Result<(), TxError> {
        if let Some(row) = self.row("SELECT sealed FROM portraits WHERE subject_id = $1", args![keys.subject])? {
            let sealed = self.reseal_record(keys, &portrait_context(keys.subject), &row.bytes(0)?)?;
            self.exec("UPDATE portraits SET sealed = $1 WHERE subject_id = $2", args![sealed, keys.subject])?;
        }
        Ok(())
    }

    /// Where they were seen in a collection, and what people said of it.
    fn reseal_seen(&self, keys: &Reseal<'_>, collection: CollectionId) -> Result<(), TxError> {
        let (from, to) = (keys.old.pseudonym(collection), keys.new.pseudonym(collection));
        let tables = [
            (
                SIGHTINGS,
                "SELECT face_id, sealed FROM sightings WHERE collection_id = $1 AND pseudonym = $2",
                "UPDATE sightings SET pseudonym = $1, sealed = $2 \
                 WHERE collection_id = $3 AND pseudonym = $4 AND face_id = $5",
            ),
            (
                DECISIONS,
                "SELECT face_id, sealed FROM decisions WHERE collection_id = $1 AND pseudonym = $2",
                "UPDATE decisions SET pseudonym = $1, sealed = $2 \
                 WHERE collection_id = $3 AND pseudonym = $4 AND face_id = $5",
            ),
        ];
        for (table, select, update) in tables {
            for row in self.rows(select, args![collection, from])? {
                let face = row.int(0)?;
                let row_key = face.to_be_bytes();
                let context = SealContext {
                    table,
                    subject: Some(keys.subject),
                    collection: Some(collection),
                    row: Some(&row_key),
                    ..SealContext::default()
                };
                let sealed = self.reseal_record(keys, &context, &row.bytes(1)?)?;
                self.exec(update, args![to, sealed, collection, from, face])?;
            }
        }
        Ok(())
    }

    fn reseal_openings(&self, keys: &Reseal<'_>) -> Result<(), TxError> {
        let (from, to) = (keys.old.log_pseudonym(), keys.new.log_pseudonym());
        for row in self.rows("SELECT seq, slot, sealed FROM log_openings WHERE pseudonym = $1", args![from])? {
            let (position, slot) = (row.int(0)?, row.int(1)?);
            let row_key = opening_row(position as u64, slot as usize);
            let context = SealContext {
                table: OPENINGS,
                subject: Some(keys.subject),
                row: Some(&row_key),
                ..SealContext::default()
            };
            let sealed = self.reseal_record(keys, &context, &row.bytes(2)?)?;
            self.exec(
                "UPDATE log_openings SET pseudonym = $1, sealed = $2 WHERE pseudonym = $3 AND seq = $4 AND slot = $5",
                args![to, sealed, from, position, slot],
            )?;
        }
        Ok(())
    }
}

fn purpose(row: &Row, column: usize) -> Result<Purpose, TxError> {
    Purpose::new(&row.text(column)?).map_err(|_| TxError::Damaged { table: GRANTS })
}
