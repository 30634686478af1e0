//! Grants that end: on the person's word, or by their date. Neither needs the person's key: what cannot be told without it is
//! cleared away with what belongs to nobody.

use std::collections::BTreeSet;

use super::grants::Plain;
use super::{ReadTx, RingNote, Tx};
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, PendingId, SubjectId, Timestamp};
use crate::vocabulary::{GrantState, Purpose};

/// What ended by its date, and what should have and could not.
#[derive(Debug, Default)]
pub struct Expired {
    /// The consents that ended.
    pub ended: Vec<GrantId>,
    /// The consents whose record is not of this format, so that they did not end.
    pub left: Vec<GrantId>,
}

/// Consents of a collection that are over by their date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastEndDate {
    /// The number of consents that are over by their date.
    pub all: usize,
    /// How many of them were not ended yet: nobody is found by them, and what hangs on them is there still.
    pub waiting: usize,
    /// When the last of them was over.
    pub last: Timestamp,
}

impl ReadTx<'_> {
    /// What of a person waits for its witnesses, oldest first, whether or not their key can be read.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn pending_ids_of(&self, subject: SubjectId) -> Result<Vec<PendingId>, TxError> {
        let sql = "SELECT id FROM pending_enrolments WHERE subject_id = $1 ORDER BY created_ms, id";
        let rows = self.rows(sql, args![subject])?;
        rows.iter().map(|row| Ok(PendingId::from_bytes(row.array(0)?))).collect()
    }

    /// How many consents in a collection are over by their date, those that were ended for it and those that will be at the
    /// next look for what is due, and when the last of them was over; `None` if there are none.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses.
    pub fn past_end_date(&self, collection: CollectionId) -> Result<Option<PastEndDate>, TxError> {
        let number = |sql| self.count(sql, args![collection, self.now]);
        let waiting = number(
            "SELECT COUNT(*) FROM grants WHERE collection_id = $1 AND state = 'active' AND valid_until_ms <= $2",
        )?;
        let all = number(
            "SELECT COUNT(*) FROM grants WHERE collection_id = $1 AND state IN ('active', 'expired') AND valid_until_ms <= $2",
        )?;
        let last = number(
            "SELECT COALESCE(MAX(valid_until_ms), 0) FROM grants WHERE collection_id = $1 AND state IN ('active', 'expired') \
             AND valid_until_ms <= $2",
        )?;
        Ok((all > 0).then_some(PastEndDate { all: all as usize, waiting: waiting as usize, last: Timestamp(last) }))
    }

    /// The grants that the ring notes as withdrawn and this database has in force, by id, and the enrolments that would make
    /// such a grant.
    pub(super) fn noted_as_withdrawn(&self) -> Result<(Vec<GrantId>, Vec<PendingId>), TxError> {
        if self.ring().withdrawals() == 0 {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut grants = Vec::new();
        self.db.each("SELECT id FROM grants WHERE state = 'active' ORDER BY id", args![], &mut |row| {
            grants.extend(Some(GrantId::from_bytes(row.array(0)?)).filter(|grant| self.ring().is_withdrawn(*grant)));
            Ok(true)
        })?;
        let mut waiting = self.all_pending()?;
        waiting.retain(|pending| pending.signed.consents.iter().any(|consent| self.ring().is_withdrawn(consent.grant)));
        Ok((grants, waiting.iter().map(|pending| pending.id).collect()))
    }

    /// A grant with those that it renews: in an old backup one of them is in force.
    pub(super) fn chain(&self, grant: GrantId) -> Result<BTreeSet<GrantId>, TxError> {
        let (mut chain, mut next) = (BTreeSet::new(), Some(grant));
        while let Some(grant) = next
            && chain.insert(grant)
        {
            next = self.renewed_by(grant)?;
        }
        Ok(chain)
    }

    /// Which earlier grant this one renews.
    fn renewed_by(&self, grant: GrantId) -> Result<Option<GrantId>, TxError> {
        let row = self.row("SELECT renews FROM grants WHERE id = $1", args![grant])?;
        Ok(row.map(|row| row.opt_array(0)).transpose()?.flatten().map(GrantId::from_bytes))
    }
}

impl Tx<'_> {
    /// Ends a consent on its person's word, whether or not it is in force by its date and their key can be read. Otherwise as
    /// [`Self::withdraw`].
    ///
    /// # Errors
    ///
    /// - [`TxError::NoGrant`] if there is none with this id, [`TxError::NotActive`] if it ended.
    /// - [`TxError::Database`], [`TxError::KeyRing`], [`TxError::Seal`] as everywhere.
    pub fn withdraw_consent(&self, grant: GrantId) -> Result<(), TxError> {
        let row =
            self.row("SELECT id, subject_id, collection_id, purpose, state FROM grants WHERE id = $1", args![grant])?;
        let row = row.ok_or(TxError::NoGrant { grant })?;
        if row.text(4)? != GrantState::Active.as_str() {
            return Err(TxError::NotActive { grant });
        }
        let plain = Plain::read(&row)?;
        let key = self.salvaged_grant_key(grant, plain.subject)?;
        self.end_grant(&plain, key.as_ref(), GrantState::Withdrawn)
    }

    /// Ends a grant of this person for this collection and purpose whose date has come, if there is one: it does not stand in
    /// the way of the next.
    pub(super) fn end_lapsed(
        &self,
        subject: SubjectId,
        collection: CollectionId,
        purpose: &Purpose,
    ) -> Result<(), TxError> {
        let sql = "SELECT id, subject_id, collection_id, purpose FROM grants WHERE subject_id = $1 AND collection_id = $2 \
                   AND purpose = $3 AND state = 'active' AND valid_until_ms <= $4";
        for row in self.rows(sql, args![subject, collection, purpose.as_str(), self.now])? {
            let plain = Plain::read(&row)?;
            let key = self.salvaged_grant_key(plain.id, subject)?;
            self.end_grant(&plain, key.as_ref(), GrantState::Expired)?;
        }
        Ok(())
    }

    /// Ends every active grant whose date has come, and destroys keys of grants that nothing needs any more.
    pub(crate) fn expire_due(&self) -> Result<Expired, TxError> {
        let sql = "SELECT id, subject_id, collection_id, purpose FROM grants WHERE state = 'active' AND valid_until_ms <= $1 \
                   ORDER BY valid_until_ms, id";
        self.check_clock()?;
        let mut expired = Expired::default();
        for row in self.rows(sql, args![self.now])? {
            match Plain::read(&row) {
                Ok(plain) => {
                    let key = self.salvaged_grant_key(plain.id, plain.subject)?;
                    self.end_grant(&plain, key.as_ref(), GrantState::Expired)?;
                    expired.ended.push(plain.id);
                }
                Err(TxError::Damaged { .. }) => expired.left.push(GrantId::from_bytes(row.array(0)?)),
                Err(e) => return Err(e),
            }
        }
        self.keys_to_destroy()?.into_iter().for_each(|grant| self.touch(RingNote::Ended(grant)));
        self.discard_overdue()?;
        self.note_time()?;
        Ok(expired)
    }

    /// Ends what the ring notes as withdrawn and this database has in force, whatever the position in the log: no id of a
    /// grant is ever used again. Enrolments that wait for their witnesses are given up. Returns how many ended.
    pub(crate) fn withdraw_again(&self) -> Result<usize, TxError> {
        let (grants, waiting) = self.noted_as_withdrawn()?;
        waiting.iter().try_for_each(|pending| self.discard_pending(*pending))?;
        grants.iter().try_for_each(|grant| self.withdraw_consent(*grant))?;
        Ok(grants.len() + waiting.len())
    }
}
