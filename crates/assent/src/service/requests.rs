//! The register of what people and authorities ask for.

use assent_ledger::{
    Act, Collection, Ledger, NewRequest, Request, RequestId, RequestKind, RequestOutcome, Subject, Timestamp, TxError,
};
use thiserror::Error;

use crate::source::{Source, SourceError};

/// Why a request was not entered.
#[derive(Debug, Error)]
pub enum RequestError {
    /// The folder of the collection could not be listed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
    /// No photo is in the album that was named.
    #[error("no photo of {collection} has a path that begins with {album}; nothing was recorded")]
    NoAlbum {
        /// How the paths begin.
        album: String,
        /// The name of the collection that it concerns.
        collection: String,
    },
}

/// All requests with what their texts name: the collections, those that were removed too, and the people.
#[derive(Debug)]
pub struct Register {
    /// The requests, the most urgent first.
    pub requests: Vec<Request>,
    /// All collections that there ever were.
    pub collections: Vec<Collection>,
    /// Everybody whose name can be read.
    pub people: Vec<Subject>,
}

/// The register as it is.
///
/// # Errors
///
/// [`TxError`] if the ledger cannot be read.
pub fn register(ledger: &Ledger, now: Timestamp) -> Result<Register, TxError> {
    ledger.read_tx(now, |tx| {
        Ok(Register { requests: tx.requests()?, collections: tx.collections_ever()?, people: tx.subjects()? })
    })
}

/// Enters what somebody asks for. Of a search in an album of `collection`, the album has photos.
///
/// # Errors
///
/// - [`RequestError::NoAlbum`] if no photo lies in the album.
/// - [`RequestError::Source`] if the folder cannot be listed, to see that.
/// - [`RequestError::Ledger`] as [`assent_ledger::Tx::open_request`].
pub fn open(
    ledger: &Ledger,
    new: &NewRequest<'_>,
    collection: Option<&Collection>,
    act: Act,
) -> Result<Request, RequestError> {
    let album = &new.album.prefix;
    if let (Some(about), false) = (collection, album.is_empty()) {
        let listing = Source::of(about)?.list()?;
        if !listing.files.iter().any(|photo| photo.path.as_bytes().starts_with(album.as_bytes())) {
            return Err(RequestError::NoAlbum { album: album.clone(), collection: about.name.clone() });
        }
    }
    Ok(ledger.run_tx("open a request", act, |tx| tx.open_request(new))?.into_inner())
}

/// One request.
///
/// # Errors
///
/// As [`assent_ledger::ReadTx::request`].
pub fn request(ledger: &Ledger, id: RequestId, now: Timestamp) -> Result<Request, TxError> {
    ledger.read_tx(now, |tx| tx.request(id))
}

/// Puts the answer off as far as the law allows.
///
/// # Errors
///
/// As [`assent_ledger::Tx::extend_request`].
pub fn extend(ledger: &Ledger, id: RequestId, reasons: &str, act: Act) -> Result<Request, TxError> {
    Ok(ledger.run_tx("extend a request", act, |tx| tx.extend_request(id, reasons))?.into_inner())
}

/// Pauses the deadline while the person's reply is waited for.
///
/// # Errors
///
/// As [`assent_ledger::Tx::pause_request`].
pub fn pause(ledger: &Ledger, id: RequestId, act: Act) -> Result<Request, TxError> {
    Ok(ledger.run_tx("pause a request", act, |tx| tx.pause_request(id))?.into_inner())
}

/// Lets the deadline run on.
///
/// # Errors
///
/// As [`assent_ledger::Tx::resume_request`].
pub fn resume(ledger: &Ledger, id: RequestId, act: Act) -> Result<Request, TxError> {
    Ok(ledger.run_tx("resume a request", act, |tx| tx.resume_request(id))?.into_inner())
}

/// Notes that it was answered.
///
/// # Errors
///
/// As [`assent_ledger::Tx::answer_request`].
pub fn answer(ledger: &Ledger, id: RequestId, outcome: RequestOutcome, act: Act) -> Result<Request, TxError> {
    Ok(ledger.run_tx("answer a request", act, |tx| tx.answer_request(id, outcome))?.into_inner())
}

/// What answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Set the face apart that somebody points at, who is not enrolled.
    SetApart,
    /// A reply in writing.
    Reply,
    /// Tell them that nothing is held about them.
    NothingHeld,
    /// A scan on this request, which answers it.
    Search,
    /// Hand over everything that is held about them.
    Access,
    /// Correct what is held.
    Rectify,
    /// Erase them, which answers it.
    Erase,
    /// Restrict the use of what is held.
    Restrict,
    /// End their consents.
    Withdraw,
}

/// What answers a request of this kind, by somebody who is on the roster or is not.
#[must_use]
pub fn next_step(kind: RequestKind, on_roster: bool) -> NextStep {
    match (kind, on_roster) {
        (RequestKind::Object, false) => NextStep::SetApart,
        (RequestKind::Complaint | RequestKind::Authority, _) => NextStep::Reply,
        (_, false) => NextStep::NothingHeld,
        (RequestKind::Search, true) => NextStep::Search,
        (RequestKind::Access | RequestKind::Port, true) => NextStep::Access,
        (RequestKind::Rectify, true) => NextStep::Rectify,
        (RequestKind::Erase, true) => NextStep::Erase,
        (RequestKind::Restrict, true) => NextStep::Restrict,
        (RequestKind::Object, true) => NextStep::Withdraw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_somebody_who_is_not_enrolled_nothing_is_held_but_a_face_can_be_set_apart() {
        let check = |kind, expected: [NextStep; 2]| {
            assert_eq!([true, false].map(|on_roster| next_step(kind, on_roster)), expected, "{kind}");
        };
        check(RequestKind::Object, [NextStep::Withdraw, NextStep::SetApart]);
        check(RequestKind::Erase, [NextStep::Erase, NextStep::NothingHeld]);
        check(RequestKind::Port, [NextStep::Access, NextStep::NothingHeld]);
        check(RequestKind::Search, [NextStep::Search, NextStep::NothingHeld]);
        check(RequestKind::Authority, [NextStep::Reply, NextStep::Reply]);
        check(RequestKind::Complaint, [NextStep::Reply, NextStep::Reply]);
    }
}
