//! Proofs that a grant is in force, and whether what was found under it may be said.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use super::grants::{GRANTS, Plain, select_grants};
use super::records::one_each;
use super::{ActiveGrant, Tx};
use crate::db::{Columns, ForEach, Row, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId};
use crate::vocabulary::Purpose;

impl<'tx> Tx<'tx> {
    /// Proves that a grant is in force now. It stays so until this transaction ends or withdraws it.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoGrant`] if there is none with this id.
    /// - [`TxError::NotActive`] if it was withdrawn, expired, is not valid yet or is past its end, whether the database or
    ///   the key ring says so.
    /// - [`TxError::KeyRing`] if the subject's key is missing, [`TxError::Database`] if the database refuses.
    pub fn active_grant(&self, grant: GrantId) -> Result<ActiveGrant<'tx>, TxError> {
        self.check_row(GRANTS, grant)?;
        let row = self.row(select_grants!("WHERE id = $1"), args![grant])?.ok_or(TxError::NoGrant { grant })?;
        self.proof_of(&row)?.ok_or(TxError::NotActive { grant })
    }

    /// The same for those of these grants that are in force.
    pub(super) fn active_among(
        &self,
        grants: &BTreeSet<GrantId>,
    ) -> Result<BTreeMap<GrantId, ActiveGrant<'tx>>, TxError> {
        self.check_rows(GRANTS, grants.iter().copied())?;
        let ids = one_each(&grants.iter().copied().collect::<Vec<_>>());
        let mut proofs = BTreeMap::new();
        for row in self.rows_for(ForEach::row(select_grants!("WHERE id IN ($1)")), &[], &ids)? {
            if let Some(proof) = self.proof_of(&row)? {
                proofs.insert(proof.grant, proof);
            }
        }
        Ok(proofs)
    }

    /// `None` if the grant is not in force.
    fn proof_of(&self, row: &Row) -> Result<Option<ActiveGrant<'tx>>, TxError> {
        let in_force = row.text(4)? == "active" && row.int(6)? <= self.now.0 && self.now.0 < row.int(7)?;
        if !in_force {
            return Ok(None);
        }
        let Plain { id: grant, subject, collection, purpose } = Plain::read(row)?;
        let key = self.grant_key(grant, subject)?;
        Ok(key.map(|key| ActiveGrant { grant, subject, collection, purpose, key, brand: PhantomData }))
    }

    /// Proves that a person has a grant in force for this collection and purpose.
    ///
    /// # Errors
    ///
    /// - `Ok(None)` if they have none; otherwise as [`Self::active_grant`].
    pub fn active_grant_for(
        &self,
        subject: SubjectId,
        collection: CollectionId,
        purpose: &Purpose,
    ) -> Result<Option<ActiveGrant<'tx>>, TxError> {
        let sql = "SELECT id FROM grants WHERE subject_id = $1 AND collection_id = $2 AND purpose = $3 AND state = 'active' \
                   AND valid_from_ms <= $4 AND valid_until_ms > $4";
        match self.row(sql, args![subject, collection, purpose.as_str(), self.now])? {
            Some(row) => self.active_grant(GrantId::from_bytes(row.array(0)?)).map(Some),
            None => Ok(None),
        }
    }

    /// Proves that a person who was found by a template under `grant` may be named now: by this consent, or by the one that renewed it
    /// meanwhile. `None` if they may not: the consent is over, what is held of them may only be kept, or an order stops it.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`], [`TxError::KeyRing`], [`TxError::Seal`] as everywhere.
    pub fn still_nameable(&self, grant: GrantId) -> Result<Option<ActiveGrant<'tx>>, TxError> {
        Ok(self.nameable(&BTreeSet::from([grant]))?.remove(&grant))
    }

    /// The same for many grants: the proofs of those that may be named, by the grant that was asked for.
    ///
    /// # Errors
    ///
    /// As [`Self::still_nameable`].
    pub fn nameable(&self, grants: &BTreeSet<GrantId>) -> Result<BTreeMap<GrantId, ActiveGrant<'tx>>, TxError> {
        let mut proofs = self.active_among(grants)?;
        for grant in grants {
            if !proofs.contains_key(grant)
                && let Some(renewed) = self.renewal_of(*grant)?
            {
                proofs.insert(*grant, renewed);
            }
        }
        let barred = self.barred(&proofs.values().map(|proof| proof.subject).collect())?;
        let mut is_stopped = BTreeMap::new();
        for collection in proofs.values().map(|proof| proof.collection) {
            if let Entry::Vacant(unknown) = is_stopped.entry(collection) {
                unknown.insert(match self.check_orders(collection) {
                    Ok(()) => false,
                    Err(TxError::Stopped { .. }) => true,
                    Err(e) => return Err(e),
                });
            }
        }
        proofs.retain(|_, proof| {
            !barred.contains_key(&proof.subject) && is_stopped.get(&proof.collection) != Some(&true)
        });
        Ok(proofs)
    }

    /// The consent in force that renews one which ended, by however many steps.
    fn renewal_of(&self, grant: GrantId) -> Result<Option<ActiveGrant<'tx>>, TxError> {
        let sql = "SELECT subject_id, collection_id, purpose FROM grants WHERE id = $1";
        let Some(row) = self.row(sql, args![grant])? else { return Ok(None) };
        let (subject, collection) = (SubjectId::from_bytes(row.array(0)?), CollectionId::from_bytes(row.array(1)?));
        let purpose = Purpose::new(&row.text(2)?).map_err(|_| TxError::Damaged { table: GRANTS })?;
        match self.active_grant_for(subject, collection, &purpose)? {
            Some(proof) if self.chain(proof.grant)?.contains(&grant) => Ok(Some(proof)),
            _ => Ok(None),
        }
    }
}
