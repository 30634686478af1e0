//! What a person names: a collection, somebody, a request, an order. Whatever the case and the Unicode form, by the
//! beginning of a number too; and what may have been meant where nothing has the name.

use assent::ledger::{
    Age, Collection, CollectionId, Ledger, OrderId, RequestId, Subject, SubjectId, TxError, VaultKind,
};
use thiserror::Error;

use crate::near::{did_you_mean, folded, near};
use crate::output::shown;
use crate::vault::now;

/// The collection of this name.
///
/// # Errors
///
/// - [`TxError::Caller`] if there is none.
/// - As the ledger.
pub(crate) fn collection(ledger: &Ledger, name: &str) -> Result<Collection, TxError> {
    let mut all = collections(ledger)?;
    let exact = all.iter().position(|c| c.name == name);
    let place = exact.or_else(|| {
        let wanted = folded(name);
        let mut alike = all.iter().enumerate().filter(|(_, c)| folded(&c.name) == wanted);
        alike.next().filter(|_| alike.next().is_none()).map(|(at, _)| at)
    });
    if let Some(at) = place {
        return Ok(all.swap_remove(at));
    }
    let near = near(name, all.iter().map(|c| c.name.as_str())).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let refused = NoSuchCollection { name: name.to_owned(), near: did_you_mean(&near) };
    Err(TxError::Caller(Box::new(refused)))
}

/// No collection has this name.
#[derive(Debug, Error)]
#[error("there is no collection named '{name}'.{near} `assent collection list` shows all")]
struct NoSuchCollection {
    name: String,
    near: String,
}

/// Nobody has this name.
#[derive(Debug, Error)]
#[error("nobody here is called '{name}'.{near} `assent subject list` shows everybody")]
struct NoSuchPerson {
    name: String,
    near: String,
}

/// The owner of a household vault asks for themselves, and is not on its list.
#[derive(Debug, Error)]
#[error("you are not enrolled here. Next: assent enrol --self --photo FILE, a picture of you alone")]
struct NotYou;

/// Several people have this name.
#[derive(Debug, Error)]
#[error("{} people here are called '{name}'; say which by the word in front:\n{people}", people.lines().count())]
struct SeveralPeople {
    name: String,
    people: String,
}

/// Says who may have been meant, where a name fits nobody or several.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
fn explained(ledger: &Ledger, reference: &str, refused: TxError) -> TxError {
    let everybody = || {
        let all = ledger.read_tx(now(), |tx| tx.subjects());
        all.unwrap_or_default()
    };
    let name = || reference.to_owned();
    match refused {
        TxError::NoSubject if ledger.kind() == VaultKind::Household && folded(reference) == "me" => {
            TxError::Caller(Box::new(NotYou))
        }
        TxError::NoSubject => {
            let all = everybody();
            let by = |s: &Subject| format!("{} ({})", s.name, s.handle);
            let names = near(reference, all.iter().flat_map(|s| [s.name.as_str(), s.handle.as_str()]));
            let mut found: Vec<String> = Vec::new();
            for who in names.iter().flat_map(|name| all.iter().filter(move |s| s.name == **name || s.handle == **name))
            {
                if !found.contains(&by(who)) {
                    found.push(by(who));
                }
            }
            found.truncate(5);
            TxError::Caller(Box::new(NoSuchPerson { name: name(), near: did_you_mean(&found) }))
        }
        TxError::AmbiguousSubject { .. } => {
            let wanted = folded(reference);
            let people: Vec<String> =
                everybody().iter().filter(|s| folded(&s.name) == wanted).map(disambiguated).collect();
            if people.is_empty() {
                return refused;
            }
            TxError::Caller(Box::new(SeveralPeople { name: name(), people: people.join("\n") }))
        }
        other => other,
    }
}

/// Somebody for people: `Anna Novak (anna)`; a name alone where it says the same.
pub(crate) fn person(s: &Subject) -> String {
    if s.name.is_empty() || s.name == s.handle {
        shown(&s.handle)
    } else {
        format!("{} ({})", shown(&s.name), shown(&s.handle))
    }
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

/// Somebody who was erased, by the id, or the beginning of one.
///
/// # Errors
///
/// - [`TxError::Caller`] if it means nobody who was erased here, or several.
/// - As the ledger.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub(crate) fn erased(ledger: &Ledger, text: &str) -> Result<SubjectId, TxError> {
    let all = ledger.read_tx(now(), |tx| tx.erased())?;
    by_beginning(all.into_iter(), text).ok_or_else(|| TxError::Caller(Box::new(NobodyErased { text: text.to_owned() })))
}

/// The request that an id, or the beginning of one, means.
///
/// # Errors
///
/// - [`TxError::Caller`] if it means none, or several.
/// - As the ledger.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub(crate) fn request(ledger: &Ledger, text: &str) -> Result<RequestId, TxError> {
    let all = ledger.read_tx(now(), |tx| tx.requests())?;
    by_beginning(all.iter().map(|r| r.id), text).ok_or_else(|| {
        TxError::Caller(Box::new(NoSuchNumber { text: text.to_owned(), list: "assent request list --all" }))
    })
}

/// The order that an id, or the beginning of one, means.
///
/// # Errors
///
/// - [`TxError::Caller`] if it means none, or several.
/// - As the ledger.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub(crate) fn order(ledger: &Ledger, text: &str) -> Result<OrderId, TxError> {
    let all = ledger.read_tx(now(), |tx| tx.orders())?;
    by_beginning(all.iter().map(|order| order.id), text)
        .ok_or_else(|| TxError::Caller(Box::new(NoSuchNumber { text: text.to_owned(), list: "assent freeze list" })))
}

/// The one id that begins so.
fn by_beginning<I: Copy + ToString>(mut ids: impl Iterator<Item = I>, text: &str) -> Option<I> {
    let text = text.to_ascii_lowercase();
    let mut fits = ids.by_ref().filter(|id| text.len() >= SHORT && id.to_string().starts_with(&text));
    let first = fits.next()?;
    fits.next().is_none().then_some(first)
}

/// So many digits of an id are shown, and are enough to name what it belongs to.
const SHORT: usize = 8;

/// An id as it is shown and typed.
pub(crate) fn short(id: &impl ToString) -> String {
    id.to_string().chars().take(SHORT).collect()
}

/// No request or order has this number.
#[derive(Debug, Error)]
#[error("'{text}' is the number of none, or not enough of one; `{list}` shows the numbers")]
struct NoSuchNumber {
    text: String,
    list: &'static str,
}

/// Nobody who was erased has this number.
#[derive(Debug, Error)]
#[error(
    "nobody who was erased here has the number '{text}'; it is the one that `assent erase` told, or the name of their \
     certificate's file"
)]
struct NobodyErased {
    text: String,
}

/// All collections of the vault.
///
/// # Errors
///
/// As the ledger.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub(crate) fn collections(ledger: &Ledger) -> Result<Vec<Collection>, TxError> {
    ledger.read_tx(now(), |tx| tx.collections())
}

/// The same with those that were removed: for the names of what is over.
///
/// # Errors
///
/// As the ledger.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub(crate) fn collections_ever(ledger: &Ledger) -> Result<Vec<Collection>, TxError> {
    ledger.read_tx(now(), |tx| tx.collections_ever())
}

/// The name of one of these collections.
pub(crate) fn collection_name(all: &[Collection], id: CollectionId) -> &str {
    all.iter().find(|c| c.id == id).map_or("?", |c| c.name.as_str())
}

/// The same, also for somebody whose key is damaged, so that their name cannot be read.
///
/// # Errors
///
/// As [`assent::ledger::Tx::find_subject_id`].
pub(crate) fn subject_id(ledger: &Ledger, reference: &str) -> Result<SubjectId, TxError> {
    let found = ledger.read_tx(now(), |tx| tx.find_subject_id(reference));
    found.map_err(|refused| explained(ledger, reference, refused))
}

/// The subject that `reference` means: an id, the beginning of one, a handle or a unique name.
///
/// # Errors
///
/// As [`assent::ledger::Tx::find_subject`].
pub(crate) fn subject(ledger: &Ledger, reference: &str) -> Result<Subject, TxError> {
    let found = ledger.read_tx(now(), |tx| tx.find_subject(reference));
    found.map_err(|refused| explained(ledger, reference, refused))
}
