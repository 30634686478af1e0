//! Receipts: what a person holds in their hand after they said yes. A record of the consent in a line of JSON that the log
//! signed, so that whoever alters it is found out. The form is described in `docs/formats/consent.md`.

use std::collections::BTreeSet;

use crate::error::TxError;
use crate::id::{SubjectId, Timestamp};
use crate::ledger::Ledger;
use crate::note::{LogKey, NoteError};
use crate::publish::signer_of;

const TITLE: &str = "assent consent receipt v1";

/// Why a text is no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The log did not sign it.
    #[error("this receipt does not hold")]
    Note(#[from] NoteError),
    /// Signed, and no receipt.
    #[error("this is signed, and no receipt of a consent that this version can read")]
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
        let (at, _) = self.run_tx("sign a receipt", now, |tx| tx.log_head())?.into_inner();
        let signer = self.with_core(|core| Ok(signer_of(core.ring.borrow().master(), self.id())))?;
        Ok(signer.sign(&format!("{TITLE}\nlog-size {at}\n{line}\n")))
    }
}

impl Ledger {
    /// Signs a list of erasures, one id on each line: it goes with their certificates.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn erasure_list(&self, subjects: &BTreeSet<SubjectId>) -> Result<String, TxError> {
        let signer = self.with_core(|core| Ok(signer_of(core.ring.borrow().master(), self.id())))?;
        let mut text = "assent erasure list v1\n".to_owned();
        for subject in subjects {
            text += &["subject ", &subject.to_string(), "\n"].concat();
        }
        Ok(signer.sign(&text))
    }
}

/// The record in a receipt that a log signed.
///
/// # Errors
///
/// - [`ReceiptError::Note`] if this log did not sign the text as it is.
/// - [`ReceiptError::Form`] if it is something else that it signed.
pub fn verify_receipt<'n>(note: &'n str, key: &LogKey) -> Result<&'n str, ReceiptError> {
    let text = key.verify(note)?;
    let rest = text.strip_prefix(TITLE).and_then(|rest| rest.strip_prefix("\nlog-size ")).ok_or(ReceiptError::Form)?;
    rest.split_once('\n').map(|(_, record)| record.trim_end()).ok_or(ReceiptError::Form)
}
