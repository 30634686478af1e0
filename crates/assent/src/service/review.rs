//! What people say of the proposals of the engine.

use assent_ledger::{Act, FaceId, Ledger, Purpose, SubjectId, Tx, TxError, Verdict};

use crate::find::FoundPhoto;

/// What was said of one proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whom the face is proposed for.
    pub subject: SubjectId,
    /// The face.
    pub face: FaceId,
    /// Whether it is them.
    pub verdict: Verdict,
}

/// Records what was said of proposals, in whichever collections they are: all of it, or nothing.
///
/// # Errors
///
/// - [`TxError::NotProposed`] if a face is not proposed for that person.
/// - As [`Tx::record_decision`].
pub fn decide(ledger: &Ledger, decisions: &[Decision], act: Act) -> Result<(), TxError> {
    if !decisions.is_empty() {
        ledger.run_tx("decide", act, |tx| decisions.iter().try_for_each(|said| decide_one(tx, *said)))?;
    }
    Ok(())
}

fn decide_one(tx: &Tx<'_>, Decision { subject, face, verdict }: Decision) -> Result<(), TxError> {
    let mut refused = Err(TxError::NotProposed { face });
    for collection in tx.collections()? {
        if let Some(proof) = tx.active_grant_for(subject, collection.id, &Purpose::find_my_photos())? {
            match tx.record_decision(&proof, face, verdict) {
                Err(TxError::NotProposed { .. }) => {}
                other => refused = other,
            }
        }
    }
    refused
}

/// The photos that show somebody beyond doubt, as those who decide want to see them first: what a person confirmed before
/// what the engine is sure of, the largest face first.
pub fn surest(found: &[FoundPhoto]) -> Vec<&FoundPhoto> {
    let mut certain: Vec<&FoundPhoto> = found.iter().filter(|f| f.is_certain()).collect();
    certain.sort_by(|a, b| {
        let confirmed = |f: &FoundPhoto| f.verdict == Some(Verdict::Confirmed);
        confirmed(b).cmp(&confirmed(a)).then(b.at.w.total_cmp(&a.at.w))
    });
    certain
}
