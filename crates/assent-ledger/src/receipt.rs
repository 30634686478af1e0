//! Receipts: what a person holds in their hand after they said yes. A record of the consent in a line of JSON that the log
//! signed, so that whoever alters it is found out. The form is described in `docs/formats/consent.md`, that of the signed list
//! of erasures in `docs/formats/certificate.md`.

use std::collections::BTreeSet;

use crate::error::TxError;
use crate::id::{SubjectId, Timestamp};
use crate::ledger::Ledger;
use crate::note::{KeyRole, LogKeys, NoteError};

const TITLE: &str = "assent consent receipt v1";

const LIST_TITLE: &str = "assent erasure list v1\n";

/// Why a text is no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The log did not sign it.
    #[error("this receipt does not hold")]
    Note(#[from] NoteError),
    /// Signed, and no receipt.
    #[error("the signature is valid, but this file is not a consent receipt that this version can read")]
    Form,
}

/// Why a text is no list of erasures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ErasureListError {
    /// The log did not sign it.
    #[error("this list of erasures does not hold")]
    Note(#[from] NoteError),
    /// Signed, and no list.
    #[error("this is signed, and no list of erasures that this version can read")]
    Form,
}

impl Ledger {
    /// Signs the record of a consent, in one line.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method's path has one lifetime, the closure all"
    )]
    pub fn receipt(&self, record: &str, now: Timestamp) -> Result<String, TxError> {
        let line: String = record.chars().filter(|c| !c.is_control()).collect();
        let (at, _) = self.read_tx(now, |tx| tx.log_head())?;
        Ok(self.signer(KeyRole::Receipts).sign(&format!("{TITLE}\nlog-size {at}\n{line}\n")))
    }

    /// Signs a list of erasures, one id on each line: it goes with their certificates.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn erasure_list(&self, subjects: &BTreeSet<SubjectId>) -> Result<String, TxError> {
        Ok(self.signer(KeyRole::Certificates).sign(&list_of(subjects)))
    }
}

fn list_of(subjects: &BTreeSet<SubjectId>) -> String {
    let lines: Vec<String> = subjects.iter().map(|subject| format!("subject {subject}\n")).collect();
    [LIST_TITLE, &lines.concat()].concat()
}

/// Who is on a list of erasures that a log signed. That each was erased, their certificates say.
///
/// # Errors
///
/// - [`ErasureListError::Note`] if this log did not sign the text as it is.
/// - [`ErasureListError::Form`] if it is something else that it signed.
pub fn verify_erasure_list(note: &str, keys: &LogKeys) -> Result<BTreeSet<SubjectId>, ErasureListError> {
    let text = keys.verify(KeyRole::Certificates, note)?;
    let lines = text.strip_prefix(LIST_TITLE).ok_or(ErasureListError::Form)?.lines();
    let id = |line: &str| line.strip_prefix("subject ").and_then(|id| id.parse().ok());
    let subjects: BTreeSet<SubjectId> = lines.map(id).collect::<Option<_>>().ok_or(ErasureListError::Form)?;
    if list_of(&subjects) == text { Ok(subjects) } else { Err(ErasureListError::Form) }
}

/// The record in a receipt that a log signed.
///
/// # Errors
///
/// - [`ReceiptError::Note`] if this log did not sign the text as it is.
/// - [`ReceiptError::Form`] if it is something else that it signed.
pub fn verify_receipt<'n>(note: &'n str, keys: &LogKeys) -> Result<&'n str, ReceiptError> {
    let text = keys.verify(KeyRole::Receipts, note)?;
    let rest = text.strip_prefix(TITLE).and_then(|rest| rest.strip_prefix("\nlog-size ")).ok_or(ReceiptError::Form)?;
    rest.split_once('\n').map(|(_, record)| record.trim_end()).ok_or(ReceiptError::Form)
}
