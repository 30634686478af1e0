//! What a person names: a collection, somebody, a request, an order. Whatever the case and the Unicode form, by the
//! beginning of a number too; and what may have been meant where nothing has the name.

use assent_ledger::{
    Collection, CollectionId, Ledger, OrderId, ReadTx, RequestId, Subject, SubjectId, Timestamp, TxError, VaultKind,
    WitnessId,
};

pub use assent_ledger::fold_name;
use thiserror::Error;

/// So alike are two words that differ by a slip of the finger, of 1.
const ALIKE: f64 = 0.7;

/// So many letters say which word they begin, and so near is it then.
const BEGINNING: (usize, f64) = (3, 0.75);

/// So many names are offered at most.
const OFFERED_MAX: usize = 3;

/// So many people are offered at most.
const PEOPLE_OFFERED_MAX: usize = 5;

/// So many digits of an id are enough to name what it belongs to.
pub const SHORT: usize = 8;

/// Why a name means nothing here.
#[derive(Debug, Error)]
pub enum LookupError {
    /// No collection has this name.
    #[error("there is no collection named '{name}'")]
    NoCollection {
        /// The name as it was typed.
        name: String,
        /// The names of collections that may have been meant, the nearest first.
        near: Vec<String>,
    },
    /// Nobody has this name.
    #[error("nobody here is called '{name}'")]
    NoPerson {
        /// The name as it was typed.
        name: String,
        /// Who may have been meant, the nearest first.
        near: Vec<Subject>,
    },
    /// The owner of a household vault asks for themselves, and is not on its list.
    #[error("the owner of this vault is not enrolled in it")]
    OwnerNotEnrolled,
    /// Several people have this name.
    #[error("{} people here are called '{name}'", people.len())]
    SeveralPeople {
        /// The name as it was typed.
        name: String,
        /// All of them.
        people: Vec<Subject>,
    },
    /// No witness has this name.
    #[error("no witness here is called '{name}'")]
    NoWitness {
        /// The name as it was typed.
        name: String,
        /// The names of witnesses that may have been meant, the nearest first.
        near: Vec<String>,
    },
    /// No request has this number, or several begin so.
    #[error("'{text}' is the number of no request, or not enough of one")]
    NoRequest {
        /// The number as it was typed.
        text: String,
    },
    /// No order has this number, or several begin so.
    #[error("'{text}' is the number of no order, or not enough of one")]
    NoOrder {
        /// The number as it was typed.
        text: String,
    },
    /// Nobody who was erased has this number, or several begin so.
    #[error("nobody who was erased here has the number '{text}'")]
    NobodyErased {
        /// The number as it was typed.
        text: String,
    },
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
}

/// The collection of this name: exactly, or as the only one without regard to case and Unicode form.
///
/// # Errors
///
/// - [`LookupError::NoCollection`] if there is none.
/// - [`LookupError::Ledger`] if the ledger cannot be read.
pub fn collection(ledger: &Ledger, name: &str, now: Timestamp) -> Result<Collection, LookupError> {
    let all = collections(ledger, now)?;
    by_name(&all, name, |c| &c.name).cloned().ok_or_else(|| {
        let near = near_owned(name, all.iter().map(|c| c.name.as_str()));
        LookupError::NoCollection { name: name.to_owned(), near }
    })
}

/// All collections of the vault.
///
/// # Errors
///
/// [`TxError`] if the ledger cannot be read.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub fn collections(ledger: &Ledger, now: Timestamp) -> Result<Vec<Collection>, TxError> {
    ledger.read_tx(now, |tx| tx.collections())
}

/// The same with those that were removed: for the names of what is over.
///
/// # Errors
///
/// [`TxError`] if the ledger cannot be read.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub fn collections_ever(ledger: &Ledger, now: Timestamp) -> Result<Vec<Collection>, TxError> {
    ledger.read_tx(now, |tx| tx.collections_ever())
}

/// The name of one of these collections.
#[must_use]
pub fn collection_name(all: &[Collection], id: CollectionId) -> &str {
    all.iter().find(|c| c.id == id).map_or("?", |c| c.name.as_str())
}

/// Everybody on the roster whose name can be read.
///
/// # Errors
///
/// As [`ReadTx::subjects`].
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub fn people(ledger: &Ledger, now: Timestamp) -> Result<Vec<Subject>, TxError> {
    ledger.read_tx(now, |tx| tx.subjects())
}

/// The subject that `reference` means: an id, the beginning of one, a handle or a unique name.
///
/// # Errors
///
/// - [`LookupError::NoPerson`], [`LookupError::OwnerNotEnrolled`], [`LookupError::SeveralPeople`] if it means nobody, or several.
/// - [`LookupError::Ledger`] otherwise, as [`ReadTx::find_subject`].
pub fn subject(ledger: &Ledger, reference: &str, now: Timestamp) -> Result<Subject, LookupError> {
    find(ledger, reference, now, |tx| tx.find_subject(reference))
}

/// The same, also for somebody whose key is damaged, so that their name cannot be read.
///
/// # Errors
///
/// As [`subject`], but for the key of this person.
pub fn subject_id(ledger: &Ledger, reference: &str, now: Timestamp) -> Result<SubjectId, LookupError> {
    find(ledger, reference, now, |tx| tx.find_subject_id(reference))
}

/// Finds somebody; says who may have been meant, where a name fits nobody or several.
fn find<T>(
    ledger: &Ledger,
    reference: &str,
    now: Timestamp,
    look: impl Fn(&ReadTx<'_>) -> Result<T, TxError>,
) -> Result<T, LookupError> {
    ledger.read_tx(now, |tx| {
        let name = || reference.to_owned();
        Ok(match look(tx) {
            Ok(found) => Ok(found),
            Err(TxError::NoSubject) if ledger.kind() == VaultKind::Household && fold_name(reference) == "me" => {
                Err(LookupError::OwnerNotEnrolled)
            }
            Err(TxError::NoSubject) => {
                let near = near_people(reference, &tx.subjects().unwrap_or_default());
                Err(LookupError::NoPerson { name: name(), near })
            }
            Err(refused @ TxError::AmbiguousSubject { .. }) => {
                let wanted = fold_name(reference);
                let mut people = tx.people_called(reference).unwrap_or_default();
                people.retain(|s| fold_name(&s.name) == wanted);
                // It was digits that several ids begin with.
                let alike = !people.is_empty();
                Err(if alike { LookupError::SeveralPeople { name: name(), people } } else { refused.into() })
            }
            Err(other) => Err(other.into()),
        })
    })?
}

/// The people who may have been meant, the nearest first.
fn near_people(reference: &str, all: &[Subject]) -> Vec<Subject> {
    let mut found: Vec<&Subject> = Vec::new();
    for name in near(reference, all.iter().flat_map(|s| [s.name.as_str(), s.handle.as_str()])) {
        for who in all.iter().filter(|s| s.name == name || s.handle == name) {
            if !found.iter().any(|known| known.id == who.id) {
                found.push(who);
            }
        }
    }
    found.into_iter().take(PEOPLE_OFFERED_MAX).cloned().collect()
}

/// The witnesses that are meant: by name, exactly or as the only one without regard to case and Unicode form, or by the
/// beginning of an id.
///
/// # Errors
///
/// - [`LookupError::NoWitness`] for the first who is none.
/// - [`LookupError::Ledger`] if the ledger cannot be read.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub fn witnesses(ledger: &Ledger, references: &[String], now: Timestamp) -> Result<Vec<WitnessId>, LookupError> {
    let all = ledger.read_tx(now, |tx| tx.witnesses())?;
    let find = |reference: &String| {
        let found = by_name(&all, reference, |w| &w.name).map(|w| w.id);
        found.or_else(|| by_beginning(all.iter().map(|w| w.id), reference)).ok_or_else(|| LookupError::NoWitness {
            name: reference.clone(),
            near: near_owned(reference, all.iter().map(|w| w.name.as_str())),
        })
    };
    references.iter().map(find).collect()
}

/// Somebody who was erased, by the id, or the beginning of one.
///
/// # Errors
///
/// - [`LookupError::NobodyErased`] if it means nobody who was erased here, or several.
/// - [`LookupError::Ledger`] if the ledger cannot be read.
pub fn erased(ledger: &Ledger, text: &str, now: Timestamp) -> Result<SubjectId, LookupError> {
    let found = ledger.read_tx(now, |tx| tx.find_erased(text))?;
    found.ok_or_else(|| LookupError::NobodyErased { text: text.to_owned() })
}

/// The request that an id, or the beginning of one, means.
///
/// # Errors
///
/// - [`LookupError::NoRequest`] if it means none, or several.
/// - [`LookupError::Ledger`] if the ledger cannot be read.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub fn request(ledger: &Ledger, text: &str, now: Timestamp) -> Result<RequestId, LookupError> {
    let all = ledger.read_tx(now, |tx| tx.requests())?;
    by_beginning(all.iter().map(|r| r.id), text).ok_or_else(|| LookupError::NoRequest { text: text.to_owned() })
}

/// The order that an id, or the beginning of one, means.
///
/// # Errors
///
/// - [`LookupError::NoOrder`] if it means none, or several.
/// - [`LookupError::Ledger`] if the ledger cannot be read.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub fn order(ledger: &Ledger, text: &str, now: Timestamp) -> Result<OrderId, LookupError> {
    let all = ledger.read_tx(now, |tx| tx.orders())?;
    by_beginning(all.iter().map(|o| o.id), text).ok_or_else(|| LookupError::NoOrder { text: text.to_owned() })
}

/// What has this name: exactly, or as the only one without regard to case and Unicode form.
fn by_name<'a, T>(all: &'a [T], typed: &str, name: impl Fn(&T) -> &str) -> Option<&'a T> {
    all.iter().find(|one| name(one) == typed).or_else(|| {
        let wanted = fold_name(typed);
        let mut alike = all.iter().filter(|one| fold_name(name(one)) == wanted);
        alike.next().filter(|_| alike.next().is_none())
    })
}

/// The one id that begins so.
fn by_beginning<I: Copy + ToString>(mut ids: impl Iterator<Item = I>, text: &str) -> Option<I> {
    let text = text.to_ascii_lowercase();
    let mut fits = ids.by_ref().filter(|id| text.len() >= SHORT && id.to_string().starts_with(&text));
    let first = fits.next()?;
    fits.next().is_none().then_some(first)
}

/// The names that are near what was typed, the nearest first: misspelt, or one of their words, or the beginning of one.
pub fn near<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let typed = fold_name(typed);
    let alike = |name: &str| {
        let name = fold_name(name);
        let begins = |word: &str| typed.chars().count() >= BEGINNING.0 && word.starts_with(&typed);
        let like = |word| strsim::normalized_damerau_levenshtein(&typed, word);
        let words = name.split(' ').map(|word| if begins(word) { like(word).max(BEGINNING.1) } else { like(word) });
        words.fold(strsim::normalized_damerau_levenshtein(&typed, &name), f64::max)
    };
    let mut found: Vec<(f64, &str)> =
        names.into_iter().map(|name| (alike(name), name)).filter(|(alike, _)| *alike >= ALIKE).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    found.dedup_by(|a, b| a.1 == b.1);
    found.into_iter().map(|(_, name)| name).take(OFFERED_MAX).collect()
}

fn near_owned<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    near(typed, names).into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_offered_and_nothing_else() {
        let check = |typed: &str, names: &[&str], expected: &[&str]| {
            assert_eq!(near(typed, names.iter().copied()), expected, "{typed}");
        };
        check("Naoko", &["Naoko Yamazaki", "Carl Walz"], &["Naoko Yamazaki"]);
        check("Fotso", &["Fotos", "Trip"], &["Fotos"]);
        check("Frau Weiss", &["Frau Weiß", "Herr Blau"], &["Frau Weiß"]);
        check("fotos", &["trip"], &[]);
        check("mueller", &["Müller"], &["Müller"]);
        check("Ric", &["Carl Walz", "Richard Mastracchio"], &["Richard Mastracchio"]);
        check("walz", &["Carl Walzer", "Carl Walz"], &["Carl Walz", "Carl Walzer"]);
        check("Ri", &["Richard Mastracchio"], &[]);
        check("", &["trip"], &[]);
        assert_eq!(fold_name(" Anna  MU\u{308}LLER "), fold_name("anna müller"));
    }

    #[test]
    fn a_beginning_of_an_id_means_it_if_it_is_long_enough_and_the_only_one() {
        let ids = ["0123456789ab", "0123456700ff", "ffffffffffff"];
        let check =
            |text: &str, expected: Option<&str>| assert_eq!(by_beginning(ids.into_iter(), text), expected, "{text}");
        check("01234567", None);
        check("0123456789", Some("0123456789ab"));
        check("FFFFFFFF", Some("ffffffffffff"));
        check("fffffff", None);
        check("00000000", None);
    }
}
