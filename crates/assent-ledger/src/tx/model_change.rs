//! A change of models: who is not looked for by them yet, and templates that take the place of those of other models. The
//! consents stay as they are.

use std::collections::{BTreeMap, BTreeSet};

use zeroize::Zeroizing;

use super::templates::seal_context;
use super::{ActiveGrant, ReadTx, Tx};
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId, TemplateId};
use crate::seal;
use crate::vocabulary::Purpose;

/// Who has no template of a model.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct WithoutModel {
    /// The people, and their consents to be found under which they have none.
    pub people: BTreeMap<SubjectId, Vec<GrantId>>,
    /// Collections that forbid matching, whose people are left out.
    pub locked: Vec<CollectionId>,
}

/// A template under a consent, open; wiped when dropped.
pub struct OwnTemplate {
    /// Of which network.
    pub model_sha256: [u8; 32],
    /// What the engine stored.
    pub plain: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for OwnTemplate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnTemplate").finish_non_exhaustive()
    }
}

impl ReadTx<'_> {
    /// Who is to be found somewhere and has no template of this model there. Whoever is restricted, or stopped by an order, is
    /// left out.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses, [`TxError::Seal`] if a collection's record does not open.
    pub fn people_without_model(&self, model_sha256: [u8; 32]) -> Result<WithoutModel, TxError> {
        let rows = self.rows("SELECT DISTINCT grant_id FROM templates WHERE model_sha256 = $1", args![model_sha256])?;
        let there: BTreeSet<GrantId> =
            rows.iter().map(|row| Ok(GrantId::from_bytes(row.array(0)?))).collect::<Result<_, TxError>>()?;
        let mut without = WithoutModel::default();
        for about in self.collections()? {
            let grants = self.grants_in_force(about.id, &Purpose::find_my_photos())?;
            let grants: Vec<_> = grants.into_iter().filter(|(grant, _)| !there.contains(grant)).collect();
            if grants.is_empty() {
                continue;
            }
            match self.matched_collection(about.id) {
                Ok(_) => {}
                Err(e @ (TxError::Database(_) | TxError::Seal(_))) => return Err(e),
                Err(_) => {
                    without.locked.push(about.id);
                    continue;
                }
            }
            for (grant, subject) in self.not_stopped(grants)? {
                without.people.entry(subject).or_default().push(grant);
            }
        }
        Ok(without)
    }
}

impl<'tx> Tx<'tx> {
    /// Stores templates as [`Self::enrol`] does, and deletes those of other models under the same grant.
    ///
    /// # Errors
    ///
    /// As [`Self::enrol`].
    pub fn exchange_templates(
        &self,
        proof: &ActiveGrant<'tx>,
        model_sha256: [u8; 32],
        plain: &[&[u8]],
    ) -> Result<Vec<TemplateId>, TxError> {
        let ids = self.enrol(proof, model_sha256, plain)?;
        let sql = "DELETE FROM templates WHERE grant_id = $1 AND model_sha256 <> $2";
        self.exec(sql, args![proof.grant, model_sha256])?;
        self.exec("UPDATE vault SET scrub_due = 1 WHERE one = 1", args![])?;
        Ok(ids)
    }

    /// The templates of a grant.
    ///
    /// # Errors
    ///
    /// - [`TxError::NotActive`] if the grant ended in this transaction.
    /// - [`TxError::Seal`] if one does not open, [`TxError::Database`] if the database refuses.
    pub fn own_templates(&self, proof: &ActiveGrant<'tx>) -> Result<Vec<OwnTemplate>, TxError> {
        self.still_active(proof)?;
        let sql = "SELECT id, model_sha256, epoch, sealed FROM templates WHERE grant_id = $1 ORDER BY id";
        let rows = self.rows(sql, args![proof.grant])?;
        let open = |row: &crate::db::Row| -> Result<OwnTemplate, TxError> {
            let (id, model_sha256) = (row.int(0)?.to_be_bytes(), row.array(1)?);
            let context = seal_context(proof, &id, model_sha256, row.int(2)?);
            Ok(OwnTemplate { model_sha256, plain: seal::open(&proof.key, &context, &row.bytes(3)?)? })
        };
        rows.iter().map(open).collect()
    }
}
