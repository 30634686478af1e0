//! Before format 9 everything that hangs on a grant was sealed under the key of its person. What is sealed so gets a key of the
//! grant: when the vault is opened, or when the key of its person was mended.

use super::grants::Plain;
use super::portraits::seal_context as portrait_context;
use super::sightings::{HeldUnder, SIGHTINGS};
use super::{ReadTx, Tx};
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::SubjectId;
use crate::keyring::KeyRingError;
use crate::seal::{self, SealContext};
use crate::secret::Key;

impl ReadTx<'_> {
    fn grants_not_ended(&self) -> Result<Vec<Plain>, TxError> {
        let sql = "SELECT id, subject_id, collection_id, purpose FROM grants WHERE state = 'active' ORDER BY id";
        self.rows(sql, args![])?.iter().map(Plain::read).collect()
    }
}

impl Tx<'_> {
    /// Seals what hangs on each grant in force under a key of its own, where a whole vault is of an older format. A person whose
    /// key cannot be read is passed by until it is mended ([`Self::give_grant_keys_of`]).
    ///
    /// # Errors
    ///
    /// - [`TxError::Seal`] if a record does not open, [`TxError::Damaged`] if one is not of its format.
    /// - [`TxError::KeyRing`] if the ring cannot be written, [`TxError::Database`] if the database refuses.
    pub(crate) fn give_grants_keys(&self) -> Result<(), TxError> {
        for grant in self.grants_not_ended()? {
            // In a backup of an older format that comes back, the ring may know the grant already, or that it ended.
            let secret = self.ring().secret(grant.id);
            match (self.whole_key(grant.subject)?, secret) {
                (Some(owner), Ok(Some(secret))) => self.reseal_older(&grant, &owner, &owner.of_grant(&secret))?,
                (Some(owner), Err(KeyRingError::NoSecret { .. })) => self.give_key(&grant, &owner)?,
                (None, _) | (_, Ok(None) | Err(KeyRingError::Damaged { .. })) => {}
                (_, Err(e)) => return Err(e.into()),
            }
        }
        self.leave_traces()
    }

    /// The same for one person whose key was mended: for those of their grants that have no key.
    ///
    /// # Errors
    ///
    /// As [`Self::give_grants_keys`].
    pub(crate) fn give_grant_keys_of(&self, subject: SubjectId) -> Result<(), TxError> {
        let Some(owner) = self.whole_key(subject)? else { return Ok(()) };
        for grant in self.grants_not_ended()? {
            if grant.subject == subject && !self.ring().has_secret(grant.id) {
                self.give_key(&grant, &owner)?;
            }
        }
        Ok(())
    }

    fn give_key(&self, grant: &Plain, owner: &Key) -> Result<(), TxError> {
        let key = self.new_grant_key(grant.id, grant.subject)?;
        self.reseal_older(grant, owner, &key)
    }

    /// Seals everything that hangs on a grant, which was sealed under the person's key, under the grant's.
    fn reseal_older(&self, grant: &Plain, owner: &Key, key: &Key) -> Result<(), TxError> {
        let held = |key| HeldUnder { subject: grant.subject, collection: grant.collection, grant: grant.id, key };
        self.reseal_templates(&held(owner), &held(key), &grant.purpose)?;
        if !grant.purpose.is_find() {
            return Ok(());
        }
        let collection = grant.collection;
        self.reseal_seen(collection, owner.pseudonym(collection), &held(key), &|table, row, sealed| {
            // It was the face alone.
            let row = if table == SIGHTINGS { &row[8..] } else { row };
            let context = SealContext {
                table,
                subject: Some(grant.subject),
                collection: Some(collection),
                row: Some(row),
                ..SealContext::default()
            };
            Ok(seal::open(owner, &context, sealed)?)
        })?;
        let sql = "SELECT sealed FROM portraits WHERE subject_id = $1 AND grant_id IS NULL";
        if let Some(row) = self.row(sql, args![grant.subject])? {
            let plain = seal::open(owner, &portrait_context(grant.subject, None), &row.bytes(0)?)?;
            self.put_portrait(grant.subject, (grant.id, key), &plain)?;
        }
        Ok(())
    }
}
