//! How far a person's search reached in a collection: what of it they were compared with, and what they were not.

use super::{ActiveGrant, Tx};
use crate::db::args;
use crate::error::TxError;

/// How far a person's search reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Templates that they are looked for by.
    pub templates: u64,
    /// Photos that are known in the collection.
    pub photos: u64,
    /// Photos of these that could not be read.
    pub failed: u64,
    /// Photos of these with faces that have not met the person's newest template.
    pub not_compared: u64,
    /// Faces that were set apart in the collection: nobody is found by them.
    pub set_apart: u64,
}

impl<'tx> Tx<'tx> {
    /// How far the search for the grant's subject reached in its collection.
    ///
    /// # Errors
    ///
    /// - [`TxError::NotActive`] if the grant was withdrawn in this transaction.
    /// - [`TxError::Database`] if the database refuses.
    pub fn reach(&self, proof: &ActiveGrant<'tx>) -> Result<Reach, TxError> {
        self.still_active(proof)?;
        let (grant, collection) = (proof.grant, proof.collection);
        let count = |sql, args| self.count(sql, args).map(|n| n as u64);
        Ok(Reach {
            templates: count("SELECT COUNT(*) FROM templates WHERE grant_id = $1", args![grant])?,
            photos: count("SELECT COUNT(*) FROM photos WHERE collection_id = $1", args![collection])?,
            failed: count(
                "SELECT COUNT(*) FROM photos WHERE collection_id = $1 AND outcome = 'failed'",
                args![collection],
            )?,
            not_compared: count(
                "SELECT COUNT(*) FROM photos WHERE collection_id = $1 AND outcome = 'faces' AND (matched_epoch IS NULL \
                 OR matched_epoch < (SELECT COALESCE(MAX(epoch), 0) FROM templates WHERE grant_id = $2))",
                args![collection, grant],
            )?,
            set_apart: count("SELECT COUNT(*) FROM objections WHERE collection_id = $1", args![collection])?,
        })
    }
}
