//! The people of a vault: they are put on the list, what is held about them is put right, and shown.

use std::collections::BTreeMap;

use assent_ledger::{
    Act, Collection, Correction, Grant, Jurisdiction, Ledger, NewSubject, Pending, Refusal, Subject, SubjectId,
    Timestamp, TxError, Unreadable,
};

/// Puts somebody on the list. Nobody looks for them by that.
///
/// # Errors
///
/// As [`assent_ledger::Tx::add_subject`].
pub fn add(ledger: &Ledger, new: &NewSubject<'_>, act: Act) -> Result<SubjectId, TxError> {
    Ok(ledger.run_tx("add a subject", act, |tx| tx.add_subject(new))?.into_inner())
}

/// Changes what is held about somebody. Returns what is held now.
///
/// # Errors
///
/// As [`assent_ledger::Tx::rectify`].
pub fn rectify(ledger: &Ledger, subject: SubjectId, right: &Correction, act: Act) -> Result<Subject, TxError> {
    let rectified = ledger.run_tx("rectify", act, |tx| {
        tx.rectify(subject, right)?;
        tx.subject(subject)
    });
    Ok(rectified?.into_inner())
}

/// Lets what is held about somebody be kept and not used, or used again.
///
/// # Errors
///
/// As [`assent_ledger::Tx::restrict`].
pub fn restrict(ledger: &Ledger, subject: SubjectId, restricted: bool, act: Act) -> Result<(), TxError> {
    ledger.run_tx("restrict", act, |tx| tx.restrict(subject, restricted))?;
    Ok(())
}

/// How many people are under which law.
///
/// # Errors
///
/// As [`assent_ledger::ReadTx::count_by_jurisdiction`].
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub fn count_by_law(ledger: &Ledger, now: Timestamp) -> Result<BTreeMap<Jurisdiction, usize>, TxError> {
    ledger.read_tx(now, |tx| tx.count_by_jurisdiction())
}

/// Everybody on the list.
#[derive(Debug)]
pub struct Everybody {
    /// Those whose name can be read.
    pub people: Vec<Subject>,
    /// Those whose key is damaged.
    pub unreadable: Vec<Unreadable>,
}

/// Everybody on the list.
///
/// # Errors
///
/// As [`assent_ledger::ReadTx::subjects`] and [`assent_ledger::ReadTx::unreadable`].
pub fn everybody(ledger: &Ledger, now: Timestamp) -> Result<Everybody, TxError> {
    ledger.read_tx(now, |tx| Ok(Everybody { people: tx.subjects()?, unreadable: tx.unreadable()? }))
}

/// Somebody, and what they said.
#[derive(Debug)]
pub struct Person {
    /// Who it is.
    pub subject: Subject,
    /// Their consents, also those that ended.
    pub grants: Vec<Grant>,
    /// Their forms that wait for witnesses, or to be completed.
    pub pending: Vec<Pending>,
    /// What they said no to.
    pub refusals: Vec<Refusal>,
    /// All collections that there ever were: a consent for one that was removed still has its name.
    pub collections: Vec<Collection>,
}

/// Somebody, and what they said.
///
/// # Errors
///
/// As [`assent_ledger::ReadTx::subject`] and [`assent_ledger::ReadTx::grants_of`].
pub fn person(ledger: &Ledger, id: SubjectId, now: Timestamp) -> Result<Person, TxError> {
    ledger.read_tx(now, |tx| {
        Ok(Person {
            subject: tx.subject(id)?,
            grants: tx.grants_of(id)?,
            pending: tx.pending_of(id)?,
            refusals: tx.refusals_of(id)?,
            collections: tx.collections_ever()?,
        })
    })
}
