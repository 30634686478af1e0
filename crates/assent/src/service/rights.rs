//! What somebody may ask for about themselves.

use assent_ledger::{Act, Collection, Ledger, SubjectAccessData, SubjectId, TxError, Witness};

/// Everything that is held about somebody, with what its ids are called.
#[derive(Debug)]
pub struct Access {
    /// What is held.
    pub held: SubjectAccessData,
    /// All collections that there ever were.
    pub collections: Vec<Collection>,
    /// Everybody who witnesses consents.
    pub witnesses: Vec<Witness>,
}

/// Answers a request for access; the log says so.
///
/// # Errors
///
/// As [`assent_ledger::Tx::subject_access`].
pub fn access(ledger: &Ledger, subject: SubjectId, act: Act) -> Result<Access, TxError> {
    let answer = ledger.run_tx("answer access", act, |tx| {
        let held = tx.subject_access(subject)?;
        Ok(Access { held, collections: tx.collections_ever()?, witnesses: tx.witnesses()? })
    });
    Ok(answer?.into_inner())
}
