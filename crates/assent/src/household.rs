//! What holds in a household alone: it has one owner, who may leave and come back.

use assent_ledger::{Act, Evidence, Ledger, NewSubject, Subject, TxError, VaultKind};

use crate::packs::sha256;

/// What the owner is called on the roster, unless somebody else is called so.
const OWNER: &str = "me";

/// What the owner types to be found themselves.
pub const STATEMENT: &str = "I want to be found in these photos";

/// SHA-256 of what the owner was told: the sentence itself.
#[must_use]
pub fn notice_sha256() -> [u8; 32] {
    sha256(STATEMENT.as_bytes())
}

/// The owner's own word, if it is the sentence: whatever the case, and with a full stop or without.
#[must_use]
pub fn self_statement(typed: &str) -> Option<Evidence> {
    let plain = |text: &str| text.trim().trim_end_matches('.').to_lowercase();
    (plain(typed) == plain(STATEMENT)).then(|| Evidence::SelfStatement { statement: typed.to_owned() })
}

/// The owner of a household's vault. Who left by being erased is put on the roster again, as somebody of whom nothing
/// is known but the name that the vault was made under.
///
/// # Errors
///
/// - [`TxError::SelfStatement`] if the vault is an organisation's.
/// - [`TxError::HandleTaken`] if the owner was erased and somebody else is called `me` by now.
/// - [`TxError::KeyRing`] if the owner's key is damaged.
/// - As [`assent_ledger::ReadTx::subjects`] and [`assent_ledger::Tx::add_subject`].
pub fn owner(ledger: &Ledger, act: Act) -> Result<Subject, TxError> {
    if ledger.kind() != VaultKind::Household {
        return Err(TxError::SelfStatement);
    }
    let found = ledger.run_tx("find the owner", act, |tx| {
        if let Some(owner) = tx.unreadable()?.into_iter().find(|who| who.owner) {
            // Refused: their key is damaged, and they have not left.
            return tx.subject(owner.subject);
        }
        if let Some(owner) = tx.subjects()?.into_iter().find(|s| s.owner) {
            return Ok(owner);
        }
        let new =
            NewSubject { handle: OWNER, name: &ledger.settings().accountable, owner: true, ..NewSubject::default() };
        let id = tx.add_subject(&new)?;
        tx.subject(id)
    })?;
    Ok(found.into_inner())
}
