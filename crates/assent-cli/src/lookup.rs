//! What somebody types for a collection, a person, a request, an order; and the sentences where nothing has the name.

use assent::ledger::{Age, Collection, Ledger, OrderId, RequestId, Subject, SubjectId, TxError, WitnessId};
use assent::service::lookup::{self, LookupError};

use crate::error::CommandError;
use crate::output::shown;
use crate::vault::now;

pub(crate) use assent::service::lookup::{collection_name, fold_name};
pub(crate) use assent_documents::vocabulary::{person, short};

impl From<LookupError> for CommandError {
    fn from(refused: LookupError) -> Self {
        let says = match refused {
            LookupError::Ledger(refused) => return refused.into(),
            LookupError::NoCollection { ref near, .. } => {
                format!("{refused}.{} `assent collection list` shows all", did_you_mean(near))
            }
            LookupError::NoPerson { ref near, .. } => {
                let near: Vec<String> = near.iter().map(|s| format!("{} ({})", s.name, s.handle)).collect();
                format!("{refused}.{} `assent subject list` shows everybody", did_you_mean(&near))
            }
            LookupError::OwnerNotEnrolled => {
                "you are not enrolled here. Next: assent enrol --self --photo FILE, a picture of you alone".to_owned()
            }
            LookupError::SeveralPeople { ref people, .. } => {
                let people: Vec<String> = people.iter().map(disambiguated).collect();
                format!("{refused}; say which by the word in front:\n{}", people.join("\n"))
            }
            LookupError::NoWitness { ref near, .. } => format!(
                "{refused}.{} `assent witness list` shows all, and `assent witness add NAME` registers one",
                did_you_mean(near)
            ),
            LookupError::NoRequest { text } => no_number(&text, "assent request list --all"),
            LookupError::NoOrder { text } => no_number(&text, "assent freeze list"),
            LookupError::NobodyErased { .. } => {
                format!("{refused}; it is the one that `assent erase` told, or the name of their certificate's file")
            }
        };
        Self::NotFound { says }
    }
}

fn no_number(text: &str, list: &str) -> String {
    format!("'{text}' is the number of none, or not enough of one; `{list}` shows the numbers")
}

/// `Did you mean anna, or arno?`, with a space before it; nothing where nothing is near.
pub(crate) fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!(" Did you mean {}?", near.join(", or ")) }
}

/// Everything that tells somebody from others of the same name, on one line: handle, name, group, contact, month of birth.
pub(crate) fn disambiguated(s: &Subject) -> String {
    let born = match s.age {
        Age::Born { .. } => format!("born {}", s.age),
        _ => String::new(),
    };
    let all = [s.handle.clone(), s.name.clone(), s.group.clone(), s.contact.clone(), born];
    all.into_iter().filter(|text| !text.is_empty()).map(shown).collect::<Vec<_>>().join("\t")
}

/// The collection that was named.
///
/// # Errors
///
/// The conditions of [`lookup::collection`].
pub(crate) fn collection(ledger: &Ledger, name: &str) -> Result<Collection, CommandError> {
    Ok(lookup::collection(ledger, name, now())?)
}

/// All collections of the vault.
///
/// # Errors
///
/// The conditions of [`lookup::collections`].
pub(crate) fn collections(ledger: &Ledger) -> Result<Vec<Collection>, TxError> {
    lookup::collections(ledger, now())
}

/// All collections, those that were removed too.
///
/// # Errors
///
/// The conditions of [`lookup::collections_ever`].
pub(crate) fn collections_ever(ledger: &Ledger) -> Result<Vec<Collection>, TxError> {
    lookup::collections_ever(ledger, now())
}

/// Whoever was named, if their record can be read.
///
/// # Errors
///
/// The conditions of [`lookup::subject`].
pub(crate) fn subject(ledger: &Ledger, reference: &str) -> Result<Subject, CommandError> {
    Ok(lookup::subject(ledger, reference, now())?)
}

/// Whoever was named, also with a damaged key.
///
/// # Errors
///
/// The conditions of [`lookup::subject_id`].
pub(crate) fn subject_id(ledger: &Ledger, reference: &str) -> Result<SubjectId, CommandError> {
    Ok(lookup::subject_id(ledger, reference, now())?)
}

/// Everybody on the roster whose name can be read.
///
/// # Errors
///
/// The conditions of [`lookup::people`].
pub(crate) fn people(ledger: &Ledger) -> Result<Vec<Subject>, TxError> {
    lookup::people(ledger, now())
}

/// The witnesses that were named.
///
/// # Errors
///
/// The conditions of [`lookup::witnesses`].
pub(crate) fn witnesses(ledger: &Ledger, references: &[String]) -> Result<Vec<WitnessId>, CommandError> {
    Ok(lookup::witnesses(ledger, references, now())?)
}

/// Somebody who was erased, by their number.
///
/// # Errors
///
/// The conditions of [`lookup::erased`].
pub(crate) fn erased(ledger: &Ledger, text: &str) -> Result<SubjectId, CommandError> {
    Ok(lookup::erased(ledger, text, now())?)
}

/// The request that was named, by its number.
///
/// # Errors
///
/// The conditions of [`lookup::request`].
pub(crate) fn request(ledger: &Ledger, text: &str) -> Result<RequestId, CommandError> {
    Ok(lookup::request(ledger, text, now())?)
}

/// The order to stop that was named, by its number.
///
/// # Errors
///
/// The conditions of [`lookup::order`].
pub(crate) fn order(ledger: &Ledger, text: &str) -> Result<OrderId, CommandError> {
    Ok(lookup::order(ledger, text, now())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_meant_is_one_sentence() {
        assert_eq!(did_you_mean(&[]), "");
        assert_eq!(did_you_mean(&["a".into(), "b".into()]), " Did you mean a, or b?");
    }
}
