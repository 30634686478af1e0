//! What is kept of the pictures that people are enrolled with: a keyed tag of each file, because one picture enrols one
//! person, and the face cut out of one, sealed, for whoever decides about a proposal.

use super::{ActiveGrant, ReadTx, Tx};
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::SubjectId;
use crate::seal::{self, SealContext};
use crate::secret::Key;

pub(super) const PORTRAITS: &str = "portraits";
pub(super) const USED_PORTRAITS: &str = "used_portraits";

impl ReadTx<'_> {
    /// Refuses pictures that may not serve for this person.
    ///
    /// # Errors
    ///
    /// - [`TxError::PortraitOfAnother`] if one of them is noted for somebody else.
    /// - [`TxError::Database`] if the database refuses.
    pub fn check_portraits<'a>(
        &self,
        subject: SubjectId,
        pictures: impl Iterator<Item = &'a [u8; 32]>,
    ) -> Result<(), TxError> {
        for sha256 in pictures {
            let sql = "SELECT COUNT(*) FROM used_portraits WHERE tag = $1 AND subject_id <> $2";
            if self.count(sql, args![self.portrait_tag(sha256), subject])? > 0 {
                return Err(TxError::PortraitOfAnother);
            }
        }
        Ok(())
    }

    /// How many tags of a person's pictures are kept.
    pub(super) fn noted_portraits(&self, subject: SubjectId) -> Result<usize, TxError> {
        self.count("SELECT COUNT(*) FROM used_portraits WHERE subject_id = $1", args![subject]).map(|n| n as usize)
    }

    pub(super) fn portrait_under(&self, subject: SubjectId, key: &Key) -> Result<Option<Vec<u8>>, TxError> {
        let row = self.row("SELECT sealed FROM portraits WHERE subject_id = $1", args![subject])?;
        row.map(|row| Ok(seal::open(key, &seal_context(subject), &row.bytes(0)?)?.to_vec())).transpose()
    }

    fn portrait_tag(&self, sha256: &[u8; 32]) -> [u8; 32] {
        self.master_mac("assent portrait v1", sha256)
    }
}

impl Tx<'_> {
    /// Notes the pictures (SHA-256 of each file) that a person is enrolled with, until the person is erased.
    ///
    /// # Errors
    ///
    /// As [`crate::ReadTx::check_portraits`].
    pub fn note_portraits<'a>(
        &self,
        subject: SubjectId,
        pictures: impl Iterator<Item = &'a [u8; 32]> + Clone,
    ) -> Result<(), TxError> {
        self.check_portraits(subject, pictures.clone())?;
        for sha256 in pictures {
            let sql = "INSERT INTO used_portraits (tag, subject_id) VALUES ($1, $2) ON CONFLICT (tag) DO NOTHING";
            self.exec(sql, args![self.portrait_tag(sha256), subject])?;
        }
        Ok(())
    }

    /// Keeps a person's face as it was cut out of a picture that they were enrolled with, in place of an earlier one. It
    /// goes when the last consent by which they can be found ends.
    ///
    /// # Errors
    ///
    /// - [`TxError::NotActive`] if the grant ended in this transaction.
    /// - [`TxError::Database`], [`TxError::Seal`] as everywhere.
    pub fn keep_portrait(&self, proof: &ActiveGrant<'_>, picture: &[u8]) -> Result<(), TxError> {
        self.still_active(proof)?;
        let sealed = self.seal_with(&proof.key, &seal_context(proof.subject), picture)?;
        let sql = "INSERT INTO portraits (subject_id, sealed) VALUES ($1, $2) \
                   ON CONFLICT (subject_id) DO UPDATE SET sealed = excluded.sealed";
        self.exec(sql, args![proof.subject, sealed]).map(drop)
    }

    /// The face that [`Self::keep_portrait`] kept; none of somebody enrolled before format 6.
    ///
    /// # Errors
    ///
    /// [`TxError::Seal`] if it does not open, [`TxError::Database`] if the database refuses.
    pub fn portrait(&self, proof: &ActiveGrant<'_>) -> Result<Option<Vec<u8>>, TxError> {
        self.portrait_under(proof.subject, &proof.key)
    }

    /// Deletes the face of somebody who cannot be found any more.
    pub(super) fn forget_portrait(&self, subject: SubjectId) -> Result<(), TxError> {
        let sql = "DELETE FROM portraits WHERE subject_id = $1 AND NOT EXISTS (SELECT 1 FROM grants g \
                   WHERE g.subject_id = $1 AND g.state = 'active' AND g.purpose = 'find-my-photos')";
        self.exec(sql, args![subject]).map(drop)
    }
}

pub(super) fn seal_context(subject: SubjectId) -> SealContext<'static> {
    SealContext { table: PORTRAITS, subject: Some(subject), ..SealContext::default() }
}
