//! What may be searched, looked at again by whoever has it in memory: a few consents at a time.

use std::collections::HashMap;

use super::{Collection, ReadTx, Searchable};
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId, Timestamp};
use crate::vocabulary::{BystanderBasis, Purpose};

impl ReadTx<'_> {
    /// A collection in which everybody who agreed may be looked for now.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`] if there is none.
    /// - [`TxError::Frozen`] if it is frozen, or the first of [`Self::missing_prerequisites`] if it forbids matching.
    /// - [`TxError::OnRequest`] if one person is looked for at a time, who asked.
    /// - [`TxError::Database`] if the database refuses.
    pub fn searched_collection(&self, collection: CollectionId) -> Result<Collection, TxError> {
        let about = self.matched_collection(collection)?;
        match about.others {
            BystanderBasis::OnRequest(_) => Err(TxError::OnRequest { collection }),
            _ => Ok(about),
        }
    }

    /// As [`Self::searchable`], of these consents alone: those that are not in force, or for something else, are left out.
    ///
    /// # Errors
    ///
    /// As [`Self::searchable`].
    pub fn searchable_among(
        &self,
        grants: &[GrantId],
        collection: CollectionId,
        purpose: &Purpose,
        model_sha256: [u8; 32],
    ) -> Result<Searchable, TxError> {
        let epoch = self.searched_collection(collection)?.template_epoch;
        let sql = "SELECT subject_id, (SELECT COUNT(*) FROM templates t WHERE t.grant_id = grants.id) FROM grants WHERE id = $1 AND collection_id = $2 AND purpose = $3 AND state = 'active' \
                   AND valid_from_ms <= $4 AND valid_until_ms > $4 AND NOT EXISTS \
                   (SELECT 1 FROM subjects s WHERE s.id = grants.subject_id AND s.restricted_ms IS NOT NULL)";
        let (mut found, mut templates) = (Vec::new(), 0);
        for &grant in grants {
            if let Some(row) = self.row(sql, args![grant, collection, purpose.as_str(), self.now])? {
                found.push((grant, SubjectId::from_bytes(row.array(0)?)));
                templates += row.int(1)? as u64;
            }
        }
        let found = self.not_stopped(found)?;
        Ok(Searchable::of(found, templates, epoch, (collection, purpose, model_sha256)))
    }

    /// Until when each of the consents is in force, in their order; at that instant it is over.
    ///
    /// # Errors
    ///
    /// [`TxError::Database`] if the database refuses, or one of them ended in this transaction.
    pub fn ends_of(&self, what: &Searchable) -> Result<Vec<Timestamp>, TxError> {
        if what.is_few() {
            let end = |(grant, _): &(GrantId, SubjectId)| {
                Ok(Timestamp(self.count("SELECT valid_until_ms FROM grants WHERE id = $1", args![*grant])?))
            };
            return what.grants.iter().map(end).collect();
        }
        let sql =
            "SELECT id, valid_until_ms FROM grants WHERE collection_id = $1 AND purpose = $2 AND state = 'active'";
        let mut ends = HashMap::with_capacity(what.grants.len());
        let (collection, purpose) = what.about();
        self.db.each(sql, args![collection, purpose.as_str()], &mut |row| {
            ends.insert(GrantId::from_bytes(row.array(0)?), Timestamp(row.int(1)?));
            Ok(true)
        })?;
        // One that is not there is over.
        Ok(what.grants.iter().map(|(grant, _)| ends.get(grant).copied().unwrap_or(Timestamp(0))).collect())
    }
}
