//! A consent that is given again before it ends, and one that is refused.

use super::grants::{GRANTS, Plain};
use super::sightings::HeldUnder;
use super::templates::seal_context as template_context;
use super::{ActiveGrant, NewGrant, ReadTx, Tx};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId, Timestamp};
use crate::log::EventKind;
use crate::seal;
use crate::vocabulary::{ChangeKind, GrantState, Purpose};

/// A person was asked and said no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its id, a random one as a grant's.
    pub id: GrantId,
    /// The id of the subject.
    pub subject: SubjectId,
    /// The collection that the consent is for.
    pub collection: CollectionId,
    /// The purpose that the consent is for.
    pub purpose: Purpose,
    /// SHA-256 of the notice that they were given.
    pub notice_sha256: [u8; 32],
    /// The time at which the person said no.
    pub created: Timestamp,
}

impl<'tx> Tx<'tx> {
    /// Records that a person consents again, on evidence of its own: the old consent ends, and a new one that renews it
    /// takes over its templates, sightings and decisions. The old one's key goes at its date: until then an older backup, in
    /// which it is in force, opens.
    ///
    /// # Errors
    ///
    /// - [`TxError::NotActive`] if the old one ended in this transaction.
    /// - [`TxError::OtherRenewal`] if `new` is of another subject, collection or purpose.
    /// - As [`Tx::open_grant`].
    pub fn renew(&self, old: ActiveGrant<'tx>, new: &NewGrant<'_>) -> Result<GrantId, TxError> {
        let id = GrantId::random(&mut **self.rng());
        self.renew_as(id, old, new)
    }

    /// The same, under an id that was chosen before.
    #[expect(clippy::needless_pass_by_value, reason = "the old proof is worth nothing afterwards")]
    pub(super) fn renew_as(&self, id: GrantId, old: ActiveGrant<'tx>, new: &NewGrant<'_>) -> Result<GrantId, TxError> {
        self.still_active(&old)?;
        let same = (old.subject, old.collection, &old.purpose) == (new.subject, new.collection, new.purpose);
        if !same {
            return Err(TxError::OtherRenewal);
        }
        if new.valid_from > self.now {
            // Between the two nobody could be found, and the templates would be nobody's.
            return Err(TxError::Validity);
        }
        let sql = "SELECT id, model_sha256, epoch, sealed FROM templates WHERE grant_id = $1 ORDER BY id";
        let mut templates = Vec::new();
        for row in self.rows(sql, args![old.grant])? {
            let (id, model, epoch) = (row.int(0)?, row.array(1)?, row.int(2)?);
            let plain = seal::open(&old.key, &template_context(&old, &id.to_be_bytes(), model, epoch), &row.bytes(3)?)?;
            templates.push((id, model, epoch, plain));
        }
        let plain =
            Plain { id: old.grant, subject: old.subject, collection: old.collection, purpose: old.purpose.clone() };
        self.close_grant(&plain, GrantState::Expired)?;
        let grant = self.record_grant(new, id, Some(old.grant))?;
        let proof = self.active_grant(grant)?;
        self.grant_changed(ChangeKind::Renewed, proof.collection, grant);
        for (id, model, epoch, plain) in templates {
            let sealed =
                self.seal_with(&proof.key, &template_context(&proof, &id.to_be_bytes(), model, epoch), &plain)?;
            self.exec(
                "INSERT INTO templates (id, grant_id, model_sha256, epoch, sealed, created_ms) VALUES ($1, $2, $3, $4, $5, $6)",
                args![id, grant, model, epoch, sealed, self.now],
            )?;
        }
        if new.purpose.is_find() {
            self.move_seen(&HeldUnder::of(&old), &HeldUnder::of(&proof))?;
            self.move_portrait(new.subject, (old.grant, &old.key), (grant, &proof.key))?;
        }
        Ok(grant)
    }
}

impl ReadTx<'_> {
    /// What a person said no to, oldest first.
    ///
    /// # Errors
    ///
    /// [`TxError::Damaged`] if a record is not of this format, [`TxError::Database`] if the database refuses.
    pub fn refusals_of(&self, subject: SubjectId) -> Result<Vec<Refusal>, TxError> {
        let sql = "SELECT collection_id, purpose, notice_sha256, created_ms, id FROM refusals WHERE subject_id = $1 \
                   ORDER BY created_ms, id";
        let read = |row: &Row| -> Result<Refusal, TxError> {
            Ok(Refusal {
                id: GrantId::from_bytes(row.array(4)?),
                subject,
                collection: CollectionId::from_bytes(row.array(0)?),
                purpose: Purpose::new(&row.text(1)?).map_err(|_| TxError::Damaged { table: GRANTS })?,
                notice_sha256: row.array(2)?,
                created: Timestamp(row.int(3)?),
            })
        };
        self.rows(sql, args![subject])?.iter().map(read).collect()
    }
}

impl Tx<'_> {
    /// Records that a person was asked and said no. It opens nothing, and ends nothing that they said before.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoSubject`], [`TxError::NoCollection`] for who and where.
    /// - [`TxError::NoNotice`] if the notice is none of this vault's.
    /// - [`TxError::Database`], [`TxError::KeyRing`] as everywhere.
    pub fn refuse(
        &self,
        subject: SubjectId,
        collection: CollectionId,
        purpose: &Purpose,
        notice_sha256: [u8; 32],
    ) -> Result<(), TxError> {
        self.subject(subject)?;
        self.collection(collection)?;
        if self.notice(notice_sha256)?.is_none() {
            return Err(TxError::NoNotice);
        }
        let id = GrantId::random(&mut **self.rng());
        self.exec(
            "INSERT INTO refusals (id, subject_id, collection_id, purpose, notice_sha256, created_ms) \
             VALUES ($1, $2, $3, $4, $5, $6)",
            args![id, subject, collection, purpose.as_str(), notice_sha256, self.now],
        )?;
        let plain = Plain { id, subject, collection, purpose: purpose.clone() };
        self.grant_leaf(EventKind::Refusal, &plain, &[&notice_sha256]).map(drop)
    }
}
