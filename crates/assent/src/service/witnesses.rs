//! People who saw forms signed, and what they sign themselves (R4).

use assent_ledger::{Act, Ledger, Pending, Roster, Timestamp, TxError, Witness, WitnessId};

use super::enrolment::{Waiting, WaitingForm};

/// All registered witnesses, by name.
///
/// # Errors
///
/// As [`assent_ledger::ReadTx::witnesses`].
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub fn all(ledger: &Ledger, now: Timestamp) -> Result<Vec<Witness>, TxError> {
    ledger.read_tx(now, |tx| tx.witnesses())
}

/// Refuses a name under which somebody has a key: before anybody chooses a passphrase.
///
/// # Errors
///
/// [`TxError::WitnessHasKey`] if somebody has; as [`all`].
pub fn check_new(ledger: &Ledger, name: &str, now: Timestamp) -> Result<(), TxError> {
    without_key(all(ledger, now)?, name).map(drop)
}

/// Registers a witness, with a key that this passphrase opens. Somebody who is registered without one gets it.
///
/// # Errors
///
/// - [`TxError::WitnessHasKey`] if somebody of this name has a key.
/// - As [`assent_ledger::Tx::add_witness`] and [`Ledger::new_witness_key`].
pub fn add(ledger: &Ledger, name: &str, passphrase: Option<&[u8]>, act: Act) -> Result<WitnessId, TxError> {
    let key = passphrase.map(|words| ledger.new_witness_key(words)).transpose()?;
    let added = ledger.run_tx("add a witness", act, |tx| {
        let there = without_key(tx.witnesses()?, name)?;
        let id = there.map_or_else(|| tx.add_witness(name), Ok)?;
        key.as_ref().map_or(Ok(()), |key| tx.set_witness_key(id, key))?;
        Ok(id)
    });
    Ok(added?.into_inner())
}

/// The witness of this name, who has no key.
fn without_key(all: Vec<Witness>, name: &str) -> Result<Option<WitnessId>, TxError> {
    match all.into_iter().find(|w| w.name == name) {
        Some(Witness { id: witness, public_key: Some(_), .. }) => Err(TxError::WitnessHasKey { witness }),
        there => Ok(there.map(|w| w.id)),
    }
}

/// What waits for the signature of this witness; at least one.
///
/// # Errors
///
/// - [`TxError::SignedTwice`] if they signed everything, [`TxError::NothingToSign`] if nothing names them.
/// - As [`assent_ledger::ReadTx::all_pending`].
pub fn waiting_for(ledger: &Ledger, witness: WitnessId, now: Timestamp) -> Result<Waiting, TxError> {
    ledger.read_tx(now, |tx| {
        let theirs = tx.all_pending()?.into_iter().filter(|p| p.witnesses.contains(&witness));
        let (waiting, signed): (Vec<Pending>, Vec<Pending>) = theirs.partition(|p| p.missing().contains(&witness));
        match (waiting.is_empty(), signed.is_empty()) {
            (true, false) => Err(TxError::SignedTwice { witness }),
            (true, true) => Err(TxError::NothingToSign { witness }),
            (false, _) => Waiting::of(tx, waiting),
        }
    })
}

/// What a witness signed at once.
#[derive(Debug)]
pub struct Signed {
    /// The signature, and what it is over.
    pub roster: Roster,
    /// Those of the forms that nobody's signature is missing from any more.
    pub complete: Vec<WaitingForm>,
}

/// Makes one signature of a witness over what was shown to them, and over nothing else.
///
/// # Errors
///
/// - [`TxError::OtherStatement`] if one of the forms says something else by now.
/// - As [`Ledger::unlock_witness`] and [`assent_ledger::Tx::sign_roster`]; then nothing is signed.
pub fn sign(
    ledger: &Ledger,
    witness: WitnessId,
    shown: &[WaitingForm],
    passphrase: &[u8],
    act: Act,
) -> Result<Signed, TxError> {
    let ids: Vec<_> = shown.iter().map(|form| form.pending.id).collect();
    let unlocked = ledger.unlock_witness(witness, passphrase, act.at)?;
    let signed = ledger.run_tx("sign", act, |tx| {
        for form in shown {
            if tx.pending(form.pending.id)?.statement_hash() != form.pending.statement_hash() {
                return Err(TxError::OtherStatement);
            }
        }
        let roster = tx.sign_roster(&unlocked, &ids)?;
        let complete = roster.complete.iter().map(|id| tx.pending(*id)).collect::<Result<Vec<_>, _>>()?;
        Ok(Signed { complete: Waiting::of(tx, complete)?.forms, roster })
    });
    Ok(signed?.into_inner())
}
