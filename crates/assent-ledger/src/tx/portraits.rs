//! Which pictures served to enrol whom: one picture enrols one person. What is kept of a picture is a keyed tag of its file.

use super::Tx;
use crate::db::args;
use crate::error::TxError;
use crate::id::SubjectId;

impl Tx<'_> {
    /// Notes the pictures (SHA-256 of each file) that a person is enrolled with, until the person is erased.
    ///
    /// # Errors
    ///
    /// As [`Self::check_portraits`].
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

    fn portrait_tag(&self, sha256: &[u8; 32]) -> [u8; 32] {
        self.master_mac("assent portrait v1", sha256)
    }
}
