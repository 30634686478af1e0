//! What is kept of the pictures that people are enrolled with: a keyed tag of each file, because one picture enrols one
//! person, and the face cut out of one, sealed, for whoever decides about a proposal.

use super::{ActiveGrant, ReadTx, Tx};
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::{GrantId, SubjectId};
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

    /// The face that is kept of somebody; `None` if there is none, or the grant that it was kept under is over.
    pub(super) fn portrait_of(&self, subject: SubjectId) -> Result<Option<Vec<u8>>, TxError> {
        let Some(row) = self.row("SELECT grant_id, sealed FROM portraits WHERE subject_id = $1", args![subject])?
        else {
            return Ok(None);
        };
        let grant = GrantId::from_bytes(row.array(0)?);
        let Some(key) = self.grant_key(grant, subject)? else { return Ok(None) };
        Ok(Some(seal::open(&key, &seal_context(subject, Some(grant)), &row.bytes(1)?)?.to_vec()))
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
        self.put_portrait(proof.subject, (proof.grant, &proof.key), picture)
    }

    /// The face that [`Self::keep_portrait`] kept; none of somebody enrolled before format 6.
    ///
    /// # Errors
    ///
    /// [`TxError::Seal`] if it does not open, [`TxError::Database`] if the database refuses.
    pub fn portrait(&self, proof: &ActiveGrant<'_>) -> Result<Option<Vec<u8>>, TxError> {
        self.portrait_of(proof.subject)
    }

    /// A grant of this person ended: a face that was kept under it goes to another grant by which they can be found, or is
    /// deleted if there is none, or its key cannot be read.
    pub(super) fn leave_portrait(&self, ended: GrantId, subject: SubjectId, key: Option<&Key>) -> Result<(), TxError> {
        let kept = "SELECT COUNT(*) FROM portraits WHERE subject_id = $1 AND (grant_id = $2 OR grant_id IS NULL)";
        if self.count(kept, args![subject, ended])? == 0 {
            return Ok(());
        }
        match (self.finding_of(subject)?.0.first(), key) {
            (Some(other), Some(key)) => self.move_portrait(subject, (ended, key), (other.grant, &other.key)),
            _ => self.exec("DELETE FROM portraits WHERE subject_id = $1", args![subject]).map(drop),
        }
    }

    /// Seals a face that was kept under one grant, and its key, for another.
    pub(super) fn move_portrait(
        &self,
        subject: SubjectId,
        from: (GrantId, &Key),
        to: (GrantId, &Key),
    ) -> Result<(), TxError> {
        let sql = "SELECT sealed FROM portraits WHERE subject_id = $1 AND grant_id = $2";
        let Some(row) = self.row(sql, args![subject, from.0])? else { return Ok(()) };
        let plain = seal::open(from.1, &seal_context(subject, Some(from.0)), &row.bytes(0)?)?;
        self.put_portrait(subject, to, &plain)
    }

    /// Seals the face of somebody, in place of the one that is kept, under the key of a grant.
    pub(super) fn put_portrait(
        &self,
        subject: SubjectId,
        (grant, key): (GrantId, &Key),
        picture: &[u8],
    ) -> Result<(), TxError> {
        let sealed = self.seal_with(key, &seal_context(subject, Some(grant)), picture)?;
        let sql = "INSERT INTO portraits (subject_id, grant_id, sealed) VALUES ($1, $2, $3) \
                   ON CONFLICT (subject_id) DO UPDATE SET grant_id = excluded.grant_id, sealed = excluded.sealed";
        self.exec(sql, args![subject, grant, sealed]).map(drop)
    }
}

/// `grant` is `None` before format 9.
pub(super) fn seal_context(subject: SubjectId, grant: Option<GrantId>) -> SealContext<'static> {
    SealContext { table: PORTRAITS, subject: Some(subject), grant, ..SealContext::default() }
}
