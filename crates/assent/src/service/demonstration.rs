//! The vault of a demonstration: made ready in one step, its witnesses signing with one passphrase.

use assent_ledger::{
    Act, Basis, BystanderBasis, CollectionId, Ledger, NewCollection, Pending, PendingId, TxError, WitnessId,
};

/// What a demonstration is made of.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// The name of the collection.
    pub name: &'a str,
    /// The folder of its photos.
    pub photos: &'a str,
    /// Why its people may be looked at.
    pub basis: &'a Basis,
    /// The notice that everybody is given, in English.
    pub notice: &'a str,
    /// The names of the witnesses.
    pub witnesses: [&'a str; 2],
}

/// A vault that is ready for enrolments.
#[derive(Debug)]
pub struct Prepared {
    /// The collection.
    pub collection: CollectionId,
    /// The witnesses.
    pub witnesses: Vec<WitnessId>,
}

/// Makes a vault ready for enrolments.
///
/// # Errors
///
/// [`TxError`] if the ledger refuses a part of it; then nothing of it is done.
pub fn prepare(ledger: &Ledger, sample: &Sample<'_>, passphrase: &[u8], act: Act) -> Result<Prepared, TxError> {
    let others = BystanderBasis::ClosedGroup;
    let new = NewCollection { name: sample.name, directory: sample.photos, others };
    let key = ledger.new_witness_key(passphrase)?;
    let prepared = ledger.run_tx("prepare a demonstration", act, |tx| {
        let collection = tx.add_collection(&new)?;
        tx.set_basis(collection, sample.basis)?;
        tx.add_notice("demonstration", "en", sample.notice)?;
        let witnesses = sample.witnesses.iter().map(|name| tx.add_witness(name)).collect::<Result<Vec<_>, _>>()?;
        witnesses.iter().try_for_each(|witness| tx.set_witness_key(*witness, &key))?;
        Ok(Prepared { collection, witnesses })
    });
    Ok(prepared?.into_inner())
}

/// Each witness signs all enrolments that wait, with one signature. Returns the enrolments.
///
/// # Errors
///
/// As [`assent_ledger::Tx::sign_roster`].
pub fn sign(
    ledger: &Ledger,
    witnesses: &[WitnessId],
    waiting: &[PendingId],
    passphrase: &[u8],
    act: Act,
) -> Result<Vec<Pending>, TxError> {
    let unlock = |witness: &WitnessId| ledger.unlock_witness(*witness, passphrase, act.at);
    let unlocked = witnesses.iter().map(unlock).collect::<Result<Vec<_>, _>>()?;
    let signed = ledger.run_tx("sign", act, |tx| {
        unlocked.iter().try_for_each(|witness| tx.sign_roster(witness, waiting).map(drop))?;
        waiting.iter().map(|id| tx.pending(*id)).collect::<Result<Vec<_>, _>>()
    });
    Ok(signed?.into_inner())
}
