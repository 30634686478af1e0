//! The register of what people ask for, and of what authorities ask (R30 to R37): received, due, extended, paused, answered.
//! Whoever asks needs no account and no grant, and need not be on the roster.

use super::{PhotoTime, ReadTx, RingNote, Tx};
use crate::db::{Columns, Row, Value, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, RequestId, SubjectId, Timestamp};
use crate::jurisdiction::Jurisdiction;
use crate::log::EventKind;
use crate::photo_path::PhotoPath;
use crate::rules::Rules;
use crate::seal::{self, SealContext};
use crate::vocabulary::{RequestKind, RequestOutcome, VaultKind};

const REQUESTS: &str = "requests";

/// The photos that a search on request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Album {
    /// Photos whose paths begin with this; empty for all.
    pub prefix: String,
    /// Photos that were taken from this instant on, by the clock on the wall there ([`PhotoTime::wall_clock`]); `None` for all
    /// before `until`.
    pub from: Option<Timestamp>,
    /// And before this one; `None` for all from `from` on.
    pub until: Option<Timestamp>,
}

impl Album {
    /// Whether a photo is in it.
    pub fn holds(&self, path: &PhotoPath, taken: &PhotoTime) -> bool {
        let at = taken.wall_clock();
        self.may_hold(path) && self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }

    /// Whether a photo of which nobody knows yet when it was taken may be in it.
    pub fn may_hold(&self, path: &PhotoPath) -> bool {
        path.as_bytes().starts_with(self.prefix.as_bytes())
    }
}

/// A request to be entered.
#[derive(Clone)]
pub struct NewRequest<'a> {
    /// What is asked for.
    pub kind: RequestKind,
    /// Who asks, if they are on the roster.
    pub subject: Option<SubjectId>,
    /// What it is about, if it is about one collection.
    pub collection: Option<CollectionId>,
    /// Who asks and what they say, for whoever answers; may be empty.
    pub words: &'a str,
    /// When it came.
    pub received: Timestamp,
    /// Until when an authority wants it answered; `None` for the time that the law sets.
    pub due: Option<Timestamp>,
    /// Which photos a search is about.
    pub album: Album,
}

/// A request as it stands.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The request's id, 16 random bytes.
    pub id: RequestId,
    /// What is asked for.
    pub kind: RequestKind,
    /// Who asks, if they are on the roster still.
    pub subject: Option<SubjectId>,
    /// What it is about, if it is about one collection.
    pub collection: Option<CollectionId>,
    /// Who asks and what they say. Gone with the person, and `None` while their key is damaged.
    pub words: Option<String>,
    /// Which photos a search is about.
    pub album: Album,
    /// When it came.
    pub received: Timestamp,
    /// When it must be answered.
    pub due: Timestamp,
    /// The same before it was put off.
    pub first_due: Timestamp,
    /// Since when the time stands still, if it does.
    pub paused: Option<Timestamp>,
    /// When and how it was answered, if it was.
    pub answered: Option<(Timestamp, RequestOutcome)>,
}

impl std::fmt::Debug for NewRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewRequest").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Request {
    /// By how many days it is overdue at `now`, the first day counted as one; 0 if it is not.
    pub fn days_overdue(&self, now: Timestamp) -> i64 {
        const DAY_MS: i64 = 86_400_000;
        let open = self.answered.is_none() && self.paused.is_none();
        if open && self.due <= now { (now.0 - self.due.0) / DAY_MS + 1 } else { 0 }
    }
}

macro_rules! select_requests {
    ($rest:literal) => {
        concat!(
            "SELECT id, kind, subject_id, collection_id, sealed, received_ms, due_ms, first_due_ms, paused_ms, \
             answered_ms, outcome FROM requests ",
            $rest
        )
    };
}

impl ReadTx<'_> {
    /// The rules for what somebody asks. Of a stranger nobody knows whose law protects them: the controller's counts.
    fn rules_of_request(
        &self,
        subject: Option<SubjectId>,
        collection: Option<CollectionId>,
    ) -> Result<Rules<'_>, TxError> {
        let mut apply = vec![self.settings().seat()];
        if let Some(id) = collection {
            apply.extend(self.collection(id)?.basis.jurisdiction);
        }
        if let Some(id) = subject {
            let readable = self.whole_key(id)?.is_some() || !self.on_roster(id)?;
            apply.push(if readable { self.subject(id)?.jurisdiction } else { Jurisdiction::default() });
        }
        Ok(self.rules.rules(&apply.iter().collect::<Vec<_>>()))
    }

    /// Reads one request by its id.
    ///
    /// # Errors
    ///
    /// [`TxError::NoRequest`] if there is none with this id; otherwise as [`Self::requests`].
    pub fn request(&self, id: RequestId) -> Result<Request, TxError> {
        let row = self.row(select_requests!("WHERE id = $1"), args![id])?;
        row.map_or(Err(TxError::NoRequest { request: id }), |row| self.read_request(&row))
    }

    /// All requests, those that were answered too, in the order in which they are due.
    ///
    /// # Errors
    ///
    /// [`TxError::KeyRing`], [`TxError::Seal`], [`TxError::Damaged`], [`TxError::Database`] as everywhere.
    pub fn requests(&self) -> Result<Vec<Request>, TxError> {
        let rows = self.rows(select_requests!("ORDER BY due_ms, id"), args![])?;
        rows.iter().map(|row| self.read_request(row)).collect()
    }

    /// What one person asked for.
    ///
    /// # Errors
    ///
    /// As [`Self::requests`].
    pub fn requests_of(&self, subject: SubjectId) -> Result<Vec<Request>, TxError> {
        let rows = self.rows(select_requests!("WHERE subject_id = $1 ORDER BY received_ms, id"), args![subject])?;
        rows.iter().map(|row| self.read_request(row)).collect()
    }

    fn unanswered(&self, id: RequestId) -> Result<Request, TxError> {
        let request = self.request(id)?;
        if request.answered.is_some() { Err(TxError::RequestStep { request: id }) } else { Ok(request) }
    }

    /// Refuses what a request that is past due holds up: in its collection if it is about one, and everywhere if not.
    pub(super) fn check_requests(&self, collection: CollectionId) -> Result<(), TxError> {
        if self.kind() == VaultKind::Household {
            return Ok(());
        }
        let sql = select_requests!(
            "WHERE answered_ms IS NULL AND paused_ms IS NULL AND due_ms <= $2 \
             AND (collection_id IS NULL OR collection_id = $1) ORDER BY due_ms, id LIMIT 1"
        );
        match self.row(sql, args![collection, self.now])? {
            Some(row) => {
                let overdue = self.read_request(&row)?;
                Err(TxError::Overdue { request: overdue.id, days: overdue.days_overdue(self.now) })
            }
            None => Ok(()),
        }
    }

    fn read_request(&self, row: &Row) -> Result<Request, TxError> {
        let damaged = || TxError::Damaged { table: REQUESTS };
        let id = RequestId::from_bytes(row.array(0)?);
        let subject = row.opt_array(2)?.map(SubjectId::from_bytes);
        let plain = match (row.opt_bytes(4)?, subject) {
            (Some(sealed), Some(of)) => match self.whole_key(of)? {
                Some(key) => match seal::open(&key, &seal_context(&id, subject), &sealed) {
                    Ok(plain) => Some(plain),
                    // It was entered while their key was damaged, or is no record of theirs.
                    Err(e) => Some(self.open_master(&seal_context(&id, None), &sealed).map_err(|_| e)?),
                },
                None => self.open_master(&seal_context(&id, None), &sealed).ok(),
            },
            (Some(sealed), None) => Some(self.open_master(&seal_context(&id, None), &sealed)?),
            (None, _) => None,
        };
        let (words, album) = match &plain {
            Some(plain) => read_words(plain).ok_or_else(damaged).map(|(words, album)| (Some(words), album))?,
            None => (None, Album::default()),
        };
        let answered = match (row.opt_int(9)?, row.opt_text(10)?) {
            (Some(at), Some(word)) => Some((Timestamp(at), word.parse().map_err(|_| damaged())?)),
            _ => None,
        };
        Ok(Request {
            id,
            kind: row.text(1)?.parse().map_err(|_| damaged())?,
            subject,
            collection: row.opt_array(3)?.map(CollectionId::from_bytes),
            words,
            album,
            received: Timestamp(row.int(5)?),
            due: Timestamp(row.int(6)?),
            first_due: Timestamp(row.int(7)?),
            paused: row.opt_int(8)?.map(Timestamp),
            answered,
        })
    }
}

impl Tx<'_> {
    /// Enters a request. It is due when the laws of the person, the collection and the controller say, the strictest of
    /// them; a letter of an authority when the authority says.
    ///
    /// # Errors
    ///
    /// - [`TxError::SearchNowhere`] if somebody on the roster asks for a search and names no collection.
    /// - [`TxError::NoSubject`], [`TxError::NoCollection`] if those are named and not there.
    /// - [`TxError::RequestDates`] if it comes later than now, or would be due before it came.
    /// - [`TxError::KeyRing`], [`TxError::Seal`], [`TxError::Database`] as everywhere.
    pub fn open_request(&self, new: &NewRequest<'_>) -> Result<Request, TxError> {
        if new.kind == RequestKind::Search && new.subject.is_some() && new.collection.is_none() {
            return Err(TxError::SearchNowhere);
        }
        let rules = self.rules_of_request(new.subject, new.collection)?;
        let by_law = if new.kind == RequestKind::Complaint {
            rules.acknowledge_by(new.received)
        } else {
            rules.answer_by(new.received)
        };
        let due = new.due.unwrap_or(by_law);
        // What an authority wants earlier or later than the law is for the authority to say; nobody else puts a date off.
        let late = new.kind != RequestKind::Authority && due > by_law;
        if new.received > self.now || due <= new.received || late {
            return Err(TxError::RequestDates);
        }
        let id = RequestId::random(&mut **self.rng());
        let Album { prefix, from, until } = &new.album;
        let start = Writer::new().text(new.words).text(prefix);
        let plain = start.opt_int(from.map(|at| at.0)).opt_int(until.map(|at| at.0)).finish();
        let sealed = match new.subject {
            Some(subject) => match self.whole_key(subject)? {
                Some(key) => self.seal_with(&key, &seal_context(&id, new.subject), &plain)?,
                // A damaged key keeps nobody from asking.
                None => self.seal_master(&seal_context(&id, None), &plain)?,
            },
            None => self.seal_master(&seal_context(&id, None), &plain)?,
        };
        self.exec(
            "INSERT INTO requests (id, kind, subject_id, collection_id, sealed, received_ms, due_ms, first_due_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
            args![id, new.kind.as_str(), new.subject, new.collection, sealed, new.received, due],
        )?;
        self.request_leaf(EventKind::Request, id, new.kind.as_str(), new.subject)?;
        self.request(id)
    }

    /// Puts the answer off, as far as the law allows, with reasons that the person is told. Once, and before it is due.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoRequest`] if there is none, [`TxError::RequestStep`] if it was answered, put off before, or is due.
    /// - [`TxError::NoExtension`] if the law knows none.
    /// - As [`crate::ReadTx::requests`].
    pub fn extend_request(&self, id: RequestId, reasons: &str) -> Result<Request, TxError> {
        let now = self.unanswered(id)?;
        if reasons.trim().is_empty() {
            return Err(TxError::NoReason);
        }
        if now.due != now.first_due || now.due <= self.now || now.paused.is_some() {
            return Err(TxError::RequestStep { request: id });
        }
        let rules = self.rules_of_request(now.subject, now.collection)?;
        let due = rules.extended(now.due).filter(|_| now.kind != RequestKind::Authority).ok_or(TxError::NoExtension)?;
        self.step(&now, "extended", "UPDATE requests SET due_ms = $2 WHERE id = $1", args![id, due])
    }

    /// Stops the time of a request while the person is asked something, where the law allows it.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoRequest`] if there is none, [`TxError::RequestStep`] if it was answered, is paused, or is due.
    /// - [`TxError::NoPause`] if the law does not let the time stand still.
    /// - As [`crate::ReadTx::requests`].
    pub fn pause_request(&self, id: RequestId) -> Result<Request, TxError> {
        let now = self.unanswered(id)?;
        if now.paused.is_some() || now.due <= self.now {
            return Err(TxError::RequestStep { request: id });
        }
        if !self.rules_of_request(now.subject, now.collection)?.pauses() {
            return Err(TxError::NoPause);
        }
        self.step(&now, "paused", "UPDATE requests SET paused_ms = $2 WHERE id = $1", args![id, self.now])
    }

    /// Lets the time of a request run on: it is due later by as long as it stood still.
    ///
    /// # Errors
    ///
    /// [`TxError::NoRequest`] if there is none, [`TxError::RequestStep`] if it is not paused; as [`crate::ReadTx::requests`].
    pub fn resume_request(&self, id: RequestId) -> Result<Request, TxError> {
        let now = self.unanswered(id)?;
        let since = now.paused.ok_or(TxError::RequestStep { request: id })?;
        let stood = (self.now.0 - since.0).max(0);
        let sql = "UPDATE requests SET paused_ms = NULL, due_ms = due_ms + $2, first_due_ms = first_due_ms + $2 WHERE id = $1";
        self.step(&now, "resumed", sql, args![id, stood])
    }

    /// Notes that a request was answered, and how.
    ///
    /// # Errors
    ///
    /// [`TxError::NoRequest`] if there is none, [`TxError::RequestStep`] if it was answered; as [`crate::ReadTx::requests`].
    pub fn answer_request(&self, id: RequestId, outcome: RequestOutcome) -> Result<Request, TxError> {
        let now = self.unanswered(id)?;
        let sql = "UPDATE requests SET answered_ms = $2, outcome = $3, paused_ms = NULL WHERE id = $1";
        self.step(&now, outcome.as_str(), sql, args![id, self.now, outcome.as_str()])
    }

    /// Notes of everything that one person asked to be erased that it was done.
    pub(crate) fn answer_erasures(&self, subject: SubjectId) -> Result<(), TxError> {
        for request in self.requests_of(subject)? {
            if request.kind == RequestKind::Erase && request.answered.is_none() {
                self.answer_request(request.id, RequestOutcome::Granted)?;
            }
        }
        Ok(())
    }

    fn step(&self, now: &Request, what: &str, sql: &'static str, args: &[Value]) -> Result<Request, TxError> {
        self.exec(sql, args)?;
        self.request_leaf(EventKind::RequestStep, now.id, what, now.subject)?;
        self.request(now.id)
    }

    pub(super) fn request_leaf(
        &self,
        kind: EventKind,
        id: RequestId,
        what: &str,
        subject: Option<SubjectId>,
    ) -> Result<(), TxError> {
        self.touch(RingNote::Request(id));
        let public = Writer::new().bytes(id.as_bytes()).text(what).finish();
        let concerned: Vec<_> = subject.iter().map(|s| (*s, s.as_bytes().as_slice())).collect();
        self.append_leaf(kind, &public, &concerned).map(drop)
    }
}

/// What somebody said, and the photos that it is about.
fn read_words(plain: &[u8]) -> Option<(String, Album)> {
    let mut fields = Reader::new(plain);
    let (words, prefix) = (fields.text()?.to_owned(), fields.text()?.to_owned());
    let (from, until) = (fields.opt_int()?.map(Timestamp), fields.opt_int()?.map(Timestamp));
    Some((words, Album { prefix, from, until }))
}

pub(super) fn seal_context(id: &RequestId, subject: Option<SubjectId>) -> SealContext<'_> {
    SealContext { table: REQUESTS, subject, row: Some(id.as_bytes()), ..SealContext::default() }
}
