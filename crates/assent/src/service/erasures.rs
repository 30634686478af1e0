//! Whom an erasure means: one person, everybody under a law or of a collection, or the list of an order.

use std::collections::BTreeSet;

use assent_ledger::{CollectionId, Jurisdiction, Ledger, Subject, SubjectId, Timestamp, TxError, Unreadable};

/// Everybody of whom this holds.
#[derive(Debug, Clone)]
pub enum Whom {
    /// They are under this law: a place, or the union that it belongs to.
    Jurisdiction(Jurisdiction),
    /// All their consents are for this collection, and there are some.
    Collection(CollectionId),
}

/// Somebody who is meant.
#[derive(Debug)]
pub enum Selected {
    /// By what is known of them.
    Person(Subject),
    /// By where they consented, which stands in the open although their key is damaged.
    Unreadable(Unreadable),
}

impl Selected {
    /// Their id.
    #[must_use]
    pub fn id(&self) -> SubjectId {
        match self {
            Self::Person(subject) => subject.id,
            Self::Unreadable(who) => who.subject,
        }
    }
}

/// Who is meant, and of whom nobody can tell.
#[derive(Debug, Default)]
pub struct Selection {
    /// Who is meant, by their ids.
    pub people: Vec<Selected>,
    /// Those whose key is damaged, so that nobody can tell whether they are.
    pub unreadable: Vec<Unreadable>,
}

/// Looks who is meant. Nobody is erased.
///
/// # Errors
///
/// [`TxError`] if the ledger cannot be read.
pub fn select(ledger: &Ledger, whom: &Whom, now: Timestamp) -> Result<Selection, TxError> {
    let rules = ledger.rules();
    ledger.read_tx(now, |tx| {
        let mut found = Selection::default();
        for subject in tx.subjects()? {
            let is_meant = match whom {
                Whom::Jurisdiction(place) => rules.is_in(&subject.jurisdiction, place),
                Whom::Collection(id) => {
                    let grants = tx.grants_of(subject.id)?;
                    !grants.is_empty() && grants.iter().all(|g| g.collection == *id)
                }
            };
            if is_meant {
                found.people.push(Selected::Person(subject));
            }
        }
        for who in tx.unreadable()? {
            match whom {
                Whom::Jurisdiction(_) => found.unreadable.push(who),
                Whom::Collection(id) => {
                    if !who.consents.is_empty() && who.consents.iter().all(|c| c.collection == *id) {
                        found.people.push(Selected::Unreadable(who));
                    }
                }
            }
        }
        found.people.sort_by_key(Selected::id);
        Ok(found)
    })
}

/// Whom the lines of an order name.
#[derive(Debug, Default)]
pub struct Named<'l> {
    /// Everybody once, with the first line that names them; those who were erased before, too.
    pub people: Vec<(SubjectId, &'l str)>,
    /// The lines that name nobody for certain, and why.
    pub nobody: Vec<(&'l str, TxError)>,
}

/// Looks whom the lines of an order name, and remembers it: the same order names the same people when it is run again.
///
/// # Errors
///
/// As [`assent_ledger::Tx::named_in_order`].
pub fn named_in_order<'l>(ledger: &Ledger, lines: &[&'l str], now: Timestamp) -> Result<Named<'l>, TxError> {
    let named = ledger.run_tx("find whom to erase", now, |tx| tx.named_in_order(lines))?.into_inner();
    let (mut found, mut known) = (Named::default(), BTreeSet::new());
    for (line, named) in lines.iter().zip(named) {
        match named {
            Ok(id) if !known.insert(id) => {}
            Ok(id) => found.people.push((id, line)),
            Err(why) => found.nobody.push((line, why)),
        }
    }
    Ok(found)
}

/// How many consents of somebody are in force, which their erasure ends.
///
/// # Errors
///
/// As [`assent_ledger::ReadTx::consents_of`].
pub fn consents(ledger: &Ledger, subject: SubjectId, now: Timestamp) -> Result<usize, TxError> {
    Ok(ledger.read_tx(now, |tx| tx.consents_of(subject))?.len())
}
