//! Sealing everything of one person again, under another key.

use zeroize::Zeroizing;

use super::decisions::DECISIONS;
use super::grants::GRANTS;
use super::pending::seal_context as pending_context;
use super::requests::seal_context as request_context;
use super::roster::SUBJECTS;
use super::sightings::{HeldUnder, SIGHTINGS, face_row};
use super::templates::sealed_to;
use super::{OPENINGS, ReadTx, RingNote, Tx, opening_row};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, FaceId, GrantId, PendingId, PhotoId, RequestId, SubjectId};
use crate::seal::{self, SealContext};
use crate::secret::Key;
use crate::vocabulary::Purpose;

/// Opens a record of a table and a row, the third argument.
type OpensSeen<'a> = dyn Fn(&'static str, &[u8], &[u8]) -> Result<Zeroizing<Vec<u8>>, TxError> + 'a;

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
        self.reseal_held(keys)?;
        self.reseal_requests(keys)?;
        self.reseal_pending(keys)?;
        self.reseal_blobs(keys.subject, keys.old, keys.new)?;
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

    /// What hangs on their grants: the key of each follows from theirs.
    fn reseal_held(&self, keys: &Reseal<'_>) -> Result<(), TxError> {
        let sql = "SELECT id, collection_id, purpose FROM grants WHERE subject_id = $1 AND state = 'active'";
        for row in self.rows(sql, args![keys.subject])? {
            let (grant, collection) = (GrantId::from_bytes(row.array(0)?), CollectionId::from_bytes(row.array(1)?));
            let Some(secret) = self.ring().secret(grant)? else { continue };
            let (old, new) = (keys.old.of_grant(&secret), keys.new.of_grant(&secret));
            let held = |key| HeldUnder { subject: keys.subject, collection, grant, key };
            self.reseal_templates(&held(&old), &held(&new), &purpose(&row, 2)?)?;
            self.move_seen(&held(&old), &held(&new))?;
            self.move_portrait(keys.subject, (grant, &old), (grant, &new))?;
        }
        Ok(())
    }

    /// Seals the templates of a grant again, under another key or for another grant.
    pub(super) fn reseal_templates(
        &self,
        from: &HeldUnder<'_>,
        to: &HeldUnder<'_>,
        purpose: &Purpose,
    ) -> Result<(), TxError> {
        let sql = "SELECT id, model_sha256, epoch, sealed FROM templates WHERE grant_id = $1 ORDER BY id";
        for row in self.rows(sql, args![from.grant])? {
            let id = row.int(0)?;
            let row_key = id.to_be_bytes();
            let made = (row.array(1)?, row.int(2)?);
            let context =
                |held: &HeldUnder<'_>| sealed_to((held.subject, held.collection, held.grant), purpose, &row_key, made);
            let plain = seal::open(from.key, &context(from), &row.bytes(3)?)?;
            let sealed = self.seal_with(to.key, &context(to), &plain)?;
            self.exec("UPDATE templates SET sealed = $1 WHERE id = $2", args![sealed, id])?;
        }
        Ok(())
    }

    /// Moves where somebody was seen, and what they said of it, from one grant or key to another.
    pub(super) fn move_seen(&self, from: &HeldUnder<'_>, to: &HeldUnder<'_>) -> Result<(), TxError> {
        self.reseal_seen(from.collection, from.pseudonym(), to, &|table, row, sealed| {
            Ok(seal::open(from.key, &from.context(table, row), sealed)?)
        })
    }

    /// The same, whatever it was sealed to: `open` is given the table, the row and the sealed bytes.
    pub(super) fn reseal_seen(
        &self,
        collection: CollectionId,
        pseudonym: [u8; 16],
        to: &HeldUnder<'_>,
        open: &OpensSeen<'_>,
    ) -> Result<(), TxError> {
        let moved = to.pseudonym();
        let sql = "SELECT face_id, photo_id, sealed FROM sightings WHERE collection_id = $1 AND pseudonym = $2";
        for row in self.rows(sql, args![collection, pseudonym])? {
            let face = row.int(0)?;
            let row_key = face_row(PhotoId(row.int(1)?), FaceId(face));
            let plain = open(SIGHTINGS, &row_key, &row.bytes(2)?)?;
            let mut fields = Reader::new(&plain);
            let damaged = || TxError::Damaged { table: SIGHTINGS };
            fields.bytes().ok_or_else(damaged)?;
            let (band, by) = (fields.text().ok_or_else(damaged)?, fields.text().ok_or_else(damaged)?);
            let plain = Writer::new().bytes(to.grant.as_bytes()).text(band).text(by).finish();
            let sealed = self.seal_with(to.key, &to.context(SIGHTINGS, &row_key), &plain)?;
            self.exec(
                "UPDATE sightings SET pseudonym = $1, sealed = $2 \
                 WHERE collection_id = $3 AND pseudonym = $4 AND face_id = $5",
                args![moved, sealed, collection, pseudonym, face],
            )?;
        }
        let sql = "SELECT face_id, sealed FROM decisions WHERE collection_id = $1 AND pseudonym = $2";
        for row in self.rows(sql, args![collection, pseudonym])? {
            let face = row.int(0)?;
            let row_key = face.to_be_bytes();
            let plain = open(DECISIONS, &row_key, &row.bytes(1)?)?;
            let sealed = self.seal_with(to.key, &to.context(DECISIONS, &row_key), &plain)?;
            self.exec(
                "UPDATE decisions SET pseudonym = $1, sealed = $2 \
                 WHERE collection_id = $3 AND pseudonym = $4 AND face_id = $5",
                args![moved, sealed, collection, pseudonym, face],
            )?;
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
