//! What people are told before they say yes.

use assent_ledger::{Act, Ledger, Notice, Timestamp, TxError};

use crate::packs::sha256;

/// Adds a notice, or the next version of one.
///
/// # Errors
///
/// As [`assent_ledger::Tx::add_notice`].
pub fn add(ledger: &Ledger, name: &str, language: &str, text: &str, act: Act) -> Result<Notice, TxError> {
    Ok(ledger.run_tx("add a notice", act, |tx| tx.add_notice(name, language, text))?.into_inner())
}

/// The notice with this text that somebody was given: the one that is there, whatever its name and language, or a new one.
///
/// # Errors
///
/// As [`assent_ledger::Tx::add_notice`], for a new one.
pub fn given(ledger: &Ledger, name: &str, language: &str, text: &str, act: Act) -> Result<Notice, TxError> {
    let given = ledger.run_tx("add a notice", act, |tx| match tx.notice(sha256(text.as_bytes()))? {
        Some(there) => Ok(there),
        None => tx.add_notice(name, language, text),
    });
    Ok(given?.into_inner())
}

/// All notices, by name, language and version.
///
/// # Errors
///
/// As [`assent_ledger::ReadTx::notices`].
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub fn all(ledger: &Ledger, now: Timestamp) -> Result<Vec<Notice>, TxError> {
    ledger.read_tx(now, |tx| tx.notices())
}
