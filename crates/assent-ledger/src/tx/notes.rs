//! What the key ring notes as it happens, so that it holds whatever backup of the database is brought back: consents that were
//! withdrawn, people whose records may only be kept, orders to stop, requests, and faces that were set apart.
//!
//! A transaction says what it touched ([`RingNote`]), and how that stands goes to the ring before the commit. Where the ring
//! cannot be written, because its disk is full perhaps, the transaction counts all the same, and the ring's share waits in
//! `ring_notes_due` for the next opening of the vault.

use std::collections::{BTreeMap, BTreeSet};

use super::places::{PhotoView, read_place, shown};
use super::{ReadTx, Tx};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, GrantId, OrderId, RequestId, SubjectId};
use crate::keyring::{FORMAT, KeyRingError};
use crate::ledger::FORMAT_VERSION;
use crate::log::EventKind;
use crate::seal;

/// One thing that the ring notes, by where it stands in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RingNote {
    /// The grant ended on its person's word.
    Withdrawal(GrantId),
    /// The grant ended otherwise: its key goes, and nothing is noted.
    Ended(GrantId),
    Restriction(SubjectId),
    Order(OrderId),
    Request(RequestId),
    Objection(i64),
    /// Which format the vault has: an older database is not taken for it then.
    Format,
}

/// What of the notes was missing in a database, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayedNotes {
    /// People whose records may only be kept, or may be used again.
    pub restrictions: usize,
    /// Orders to stop, given or lifted.
    pub orders: usize,
    /// Requests, received or answered.
    pub requests: usize,
    /// Faces that were set apart.
    pub objections: usize,
}

const RESTRICTION: &str = "restriction";
const ORDER: &str = "order";
const REQUEST: &str = "request";
const OBJECTION: &str = "objection";
const WITHDRAWAL: &str = "withdrawal";
const ENDED: &str = "ended";

impl RingNote {
    /// As it stands in `ring_notes_due`.
    fn key(self) -> (&'static str, Vec<u8>) {
        match self {
            Self::Withdrawal(id) => (WITHDRAWAL, id.as_bytes().to_vec()),
            Self::Ended(id) => (ENDED, id.as_bytes().to_vec()),
            Self::Restriction(id) => (RESTRICTION, id.as_bytes().to_vec()),
            Self::Order(id) => (ORDER, id.as_bytes().to_vec()),
            Self::Request(id) => (REQUEST, id.as_bytes().to_vec()),
            Self::Objection(id) => (OBJECTION, id.to_be_bytes().to_vec()),
            Self::Format => (FORMAT, Vec::new()),
        }
    }

    fn read(row: &Row) -> Result<Self, TxError> {
        Ok(match row.text(0)?.as_str() {
            WITHDRAWAL => Self::Withdrawal(GrantId::from_bytes(row.array(1)?)),
            ENDED => Self::Ended(GrantId::from_bytes(row.array(1)?)),
            RESTRICTION => Self::Restriction(SubjectId::from_bytes(row.array(1)?)),
            ORDER => Self::Order(OrderId::from_bytes(row.array(1)?)),
            REQUEST => Self::Request(RequestId::from_bytes(row.array(1)?)),
            _ => Self::Objection(i64::from_be_bytes(row.array(1)?)),
        })
    }
}

impl ReadTx<'_> {
    /// Whether the ring and this database have anything to tell each other: what was noted and is not known here, or is known
    /// here and not noted.
    pub(crate) fn replay_is_due(&self) -> Result<bool, TxError> {
        let new = self.ring_slots()?.unwrap_or(0);
        if self.ring_may_know_less()? || !self.ring().notes_from(new).is_empty() || !self.missing_notes()?.is_empty() {
            return Ok(true);
        }
        let (grants, waiting) = self.noted_as_withdrawn()?;
        Ok(!grants.is_empty() || !waiting.is_empty())
    }

    /// What the ring has to note still, and what it should know and does not: all of it if it is older than the database, or
    /// if the database comes from before there were such notes.
    fn missing_notes(&self) -> Result<BTreeSet<RingNote>, TxError> {
        let sql = "SELECT DISTINCT kind, id FROM ring_notes_due";
        let mut due = self.rows(sql, args![])?.iter().map(RingNote::read).collect::<Result<BTreeSet<_>, _>>()?;
        for row in self.rows("SELECT id FROM grants WHERE state = 'withdrawn'", args![])? {
            let grant = GrantId::from_bytes(row.array(0)?);
            if !self.ring().is_withdrawn(grant) {
                due.extend(self.chain(grant)?.into_iter().map(RingNote::Withdrawal));
            }
        }
        if self.ring_may_know_less()? {
            due.extend(self.all_ring_notes()?);
            due.extend(self.keys_to_destroy()?.into_iter().map(RingNote::Ended));
        }
        Ok(due)
    }

    /// Whether the ring is older than this database, or the database comes from before it was written down how far it took the
    /// ring up.
    fn ring_may_know_less(&self) -> Result<bool, TxError> {
        Ok(self.ring_slots()?.is_none_or(|taken| taken > self.ring().slots()))
    }

    /// How many slots of the ring this database took up; `None` if it comes from before that was written down.
    pub(crate) fn ring_slots(&self) -> Result<Option<u64>, TxError> {
        let row = self.row("SELECT ring_slots FROM vault WHERE one = 1", args![])?;
        Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten().map(|slots| slots as u64))
    }

    fn all_ring_notes(&self) -> Result<Vec<RingNote>, TxError> {
        let mut all = Vec::new();
        for row in self.rows("SELECT id FROM subjects WHERE restricted_ms IS NOT NULL", args![])? {
            all.push(RingNote::Restriction(SubjectId::from_bytes(row.array(0)?)));
        }
        for row in self.rows("SELECT id FROM orders", args![])? {
            all.push(RingNote::Order(OrderId::from_bytes(row.array(0)?)));
        }
        for row in self.rows("SELECT id FROM requests", args![])? {
            all.push(RingNote::Request(RequestId::from_bytes(row.array(0)?)));
        }
        for row in self.rows("SELECT id FROM objections", args![])? {
            all.push(RingNote::Objection(row.int(0)?));
        }
        Ok(all)
    }

    fn exists(&self, sql: &'static str, id: &[u8]) -> Result<bool, TxError> {
        Ok(self.count(sql, args![id])? > 0)
    }

    fn has_collection(&self, id: CollectionId) -> Result<bool, TxError> {
        self.exists("SELECT COUNT(*) FROM collections WHERE id = $1", id.as_bytes())
    }

    fn note_restriction(&self, id: SubjectId) -> Result<Option<Vec<u8>>, TxError> {
        let Some(row) = self.row("SELECT restricted_ms FROM subjects WHERE id = $1", args![id])? else {
            return Ok(None);
        };
        let note = Writer::new().text(RESTRICTION).bytes(id.as_bytes()).opt_int(row.opt_int(0)?);
        Ok(Some(note.finish_public()))
    }

    fn note_order(&self, id: OrderId) -> Result<Option<Vec<u8>>, TxError> {
        let sql = "SELECT collection_id, sealed, from_ms, until_ms, lifted_ms, jurisdiction FROM orders WHERE id = $1";
        let Some(row) = self.row(sql, args![id])? else { return Ok(None) };
        let (collection, code) = (row.opt_bytes(0)?, row.opt_text(5)?);
        let note = Writer::new().text(ORDER).bytes(id.as_bytes()).opt(collection.as_deref()).bytes(&row.bytes(1)?);
        let note = note.int(row.int(2)?).opt_int(row.opt_int(3)?).opt_int(row.opt_int(4)?);
        Ok(Some(note.opt(code.as_deref().map(str::as_bytes)).finish_public()))
    }

    fn note_request(&self, id: RequestId) -> Result<Option<Vec<u8>>, TxError> {
        let sql = "SELECT kind, subject_id, collection_id, sealed, received_ms, due_ms, first_due_ms, paused_ms, \
                   answered_ms, outcome FROM requests WHERE id = $1";
        let Some(row) = self.row(sql, args![id])? else { return Ok(None) };
        let (subject, collection, sealed) = (row.opt_bytes(1)?, row.opt_bytes(2)?, row.opt_bytes(3)?);
        let note = Writer::new().text(REQUEST).bytes(id.as_bytes()).text(&row.text(0)?);
        let note = note.opt(subject.as_deref()).opt(collection.as_deref()).opt(sealed.as_deref());
        let note = note.int(row.int(4)?).int(row.int(5)?).int(row.int(6)?);
        let note = note.opt_int(row.opt_int(7)?).opt_int(row.opt_int(8)?);
        Ok(Some(note.opt(row.opt_text(9)?.as_deref().map(str::as_bytes)).finish_public()))
    }

    fn note_objection(&self, id: i64) -> Result<Option<Vec<u8>>, TxError> {
        let sql = "SELECT collection_id, content_tag, created_ms, picture_tag, x, y, w, h, quarter_turn \
                   FROM objections WHERE id = $1";
        let Some(row) = self.row(sql, args![id])? else { return Ok(None) };
        let at = read_place(&row, 4)?;
        let place = Writer::new()
            .bytes(&row.bytes(0)?)
            .bytes(&row.bytes(1)?)
            .bytes(&[at.x, at.y, at.w, at.h].map(f32::to_be_bytes).concat())
            .opt(row.opt_bytes(3)?.as_deref())
            .bytes(&[at.quarter_turn])
            .finish_public();
        Ok(Some(Writer::new().text(OBJECTION).bytes(&place).int(row.int(2)?).finish_public()))
    }
}

impl Tx<'_> {
    /// What happened to this goes to the ring at commit.
    pub(crate) fn touch(&self, noted: RingNote) {
        self.noted.borrow_mut().insert(noted);
    }

    /// Notes in the key ring what this transaction touched.
    pub(crate) fn write_ring_notes(&self) -> Result<(), TxError> {
        let noted = self.noted.take();
        if noted.is_empty() {
            return Ok(());
        }
        match self.note(&noted) {
            Err(TxError::KeyRing(KeyRingError::Io { .. })) => {
                // Every opening tries to note the format.
                let due = noted.into_iter().filter(|noted| *noted != RingNote::Format);
                for (kind, id) in due.map(RingNote::key) {
                    self.exec("INSERT INTO ring_notes_due (kind, id) VALUES ($1, $2)", args![kind, id])?;
                }
                Ok(())
            }
            done => done,
        }
    }

    fn note(&self, noted: &BTreeSet<RingNote>) -> Result<(), TxError> {
        let (leaves, mut withdrawn, mut notes) = (self.log_head()?.0, Vec::new(), Vec::new());
        let mut ended = Vec::new();
        for noted in noted {
            match *noted {
                RingNote::Withdrawal(grant) => {
                    ended.push(grant);
                    if !self.ring().is_withdrawn(grant) {
                        withdrawn.push((grant, leaves.saturating_sub(1)));
                    }
                }
                RingNote::Ended(grant) => ended.push(grant),
                RingNote::Restriction(id) => notes.extend(self.note_restriction(id)?),
                RingNote::Order(id) => notes.extend(self.note_order(id)?),
                RingNote::Request(id) => notes.extend(self.note_request(id)?),
                RingNote::Objection(id) => notes.extend(self.note_objection(id)?),
                RingNote::Format => notes.push(Writer::new().text(FORMAT).int(FORMAT_VERSION).finish_public()),
            }
        }
        let mut ring = self.ring();
        // The word first: a key that is still there then is destroyed by whoever repeats it. And the keys in any case: that
        // takes no room.
        let said = ring.note(&withdrawn, &notes);
        ring.end_secrets(&ended)?;
        said?;
        self.exec("UPDATE vault SET ring_slots = $1 WHERE one = 1", args![ring.slots() as i64]).map(drop)
    }

    /// Writes to the ring what it has to note still ([`ReadTx::missing_notes`]).
    pub(crate) fn write_missing_notes(&self) -> Result<(), TxError> {
        let due = self.missing_notes()?;
        if due.is_empty() {
            return Ok(());
        }
        self.note(&due)?;
        self.exec("DELETE FROM ring_notes_due", args![]).map(drop)
    }

    /// Makes good what the ring noted for a transaction that was not committed, here or in another process: it counts all the
    /// same.
    pub(crate) fn replay_uncommitted(&self) -> Result<(), TxError> {
        let noted = self.ring().noted_until();
        if self.head.ring_slots.is_some_and(|taken| taken < noted) {
            self.withdraw_again()?;
            self.replay_notes()?;
        }
        Ok(())
    }

    /// Makes good what the ring noted and this database does not know.
    pub(crate) fn replay_notes(&self) -> Result<ReplayedNotes, TxError> {
        let notes = self.ring().notes_from(self.ring_slots()?.unwrap_or(0));
        // How each of them stood last.
        let mut last = BTreeMap::new();
        for note in &notes {
            let mut fields = Reader::new(note);
            let (Some(kind), Some(id)) = (fields.text(), fields.bytes()) else { continue };
            last.insert((kind, id), note);
        }
        let mut taken = ReplayedNotes::default();
        for ((kind, _), note) in last {
            let mut fields = Reader::new(note);
            fields.text();
            let (count, changed) = match kind {
                RESTRICTION => (&mut taken.restrictions, self.replay_restriction(&mut fields)?),
                ORDER => (&mut taken.orders, self.replay_order(&mut fields)?),
                REQUEST => (&mut taken.requests, self.replay_request(&mut fields)?),
                OBJECTION => (&mut taken.objections, self.replay_objection(&mut fields)?),
                _ => continue,
            };
            *count += usize::from(changed == Some(true));
        }
        if !notes.is_empty() {
            // The ring knows all this.
            self.noted.borrow_mut().retain(|noted| matches!(noted, RingNote::Withdrawal(_) | RingNote::Ended(_)));
            let slots = self.ring().slots();
            self.exec("UPDATE vault SET ring_slots = $1 WHERE one = 1", args![slots as i64])?;
        }
        Ok(taken)
    }

    /// `None` if the note is not of this form; whether it changed anything.
    fn replay_restriction(&self, fields: &mut Reader<'_>) -> Result<Option<bool>, TxError> {
        let (Some(id), Some(since)) = (fields.array().map(SubjectId::from_bytes), fields.opt_int()) else {
            return Ok(None);
        };
        let Some(row) = self.row("SELECT restricted_ms FROM subjects WHERE id = $1", args![id])? else {
            return Ok(Some(false));
        };
        let other = row.opt_int(0)? != since;
        if other {
            self.set_restriction(id, since)?;
        }
        Ok(Some(other))
    }

    fn replay_order(&self, fields: &mut Reader<'_>) -> Result<Option<bool>, TxError> {
        let (Some(id), Some(collection)) = (fields.array().map(OrderId::from_bytes), fields.opt()) else {
            return Ok(None);
        };
        let (Some(sealed), Some(from), Some(until), Some(lifted), Some(code)) =
            (fields.bytes(), fields.int(), fields.opt_int(), fields.opt_int(), fields.opt())
        else {
            return Ok(None);
        };
        let collection = collection.and_then(|id| id.try_into().ok()).map(CollectionId::from_bytes);
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        let here = match self.row("SELECT lifted_ms FROM orders WHERE id = $1", args![id])? {
            Some(row) => Some(row.opt_int(0)?),
            None => None,
        };
        if here == Some(lifted) {
            return Ok(Some(false));
        }
        if here.is_none() {
            // A collection that came later is not there to be stopped.
            if let Some(collection) = collection
                && !self.has_collection(collection)?
            {
                return Ok(Some(false));
            }
            self.exec(
                "INSERT INTO orders (id, collection_id, jurisdiction, sealed, from_ms, until_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
                args![id, collection, code, sealed, from, until],
            )?;
            self.order_leaf(EventKind::Stopped, id, (collection, code), until)?;
        }
        if lifted.is_some() {
            self.exec("UPDATE orders SET lifted_ms = $1 WHERE id = $2", args![lifted, id])?;
            self.order_leaf(EventKind::Lifted, id, (collection, code), until)?;
        }
        Ok(Some(true))
    }

    fn replay_request(&self, fields: &mut Reader<'_>) -> Result<Option<bool>, TxError> {
        let (Some(id), Some(kind)) = (fields.array().map(RequestId::from_bytes), fields.text()) else {
            return Ok(None);
        };
        let (Some(subject), Some(collection), Some(sealed)) = (fields.opt(), fields.opt(), fields.opt()) else {
            return Ok(None);
        };
        let (Some(received), Some(due), Some(first_due)) = (fields.int(), fields.int(), fields.int()) else {
            return Ok(None);
        };
        let (Some(paused), Some(answered), Some(outcome)) = (fields.opt_int(), fields.opt_int(), fields.opt()) else {
            return Ok(None);
        };
        let outcome = outcome.and_then(|word| std::str::from_utf8(word).ok());
        let step = "SELECT COUNT(*) FROM requests WHERE id = $1 AND due_ms = $2 AND COALESCE(paused_ms, -1) = $3 \
                    AND COALESCE(answered_ms, -1) = $4";
        let at = args![id, due, paused.unwrap_or(-1), answered.unwrap_or(-1)];
        if self.count(step, at)? > 0 {
            return Ok(Some(false));
        }
        if !self.exists("SELECT COUNT(*) FROM requests WHERE id = $1", id.as_bytes())? {
            let subject = subject.and_then(|id| id.try_into().ok()).map(SubjectId::from_bytes);
            let (who, sealed) = self.words_of_note(id, subject, sealed)?;
            let mut collection = collection.and_then(|id| id.try_into().ok()).map(CollectionId::from_bytes);
            if let Some(id) = collection
                && !self.has_collection(id)?
            {
                collection = None;
            }
            self.exec(
                "INSERT INTO requests (id, kind, subject_id, collection_id, sealed, received_ms, due_ms, first_due_ms) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                args![id, kind, who, collection, sealed, received, due, first_due],
            )?;
            self.request_leaf(EventKind::Request, id, kind, who)?;
        }
        let sql = "UPDATE requests SET due_ms = $2, first_due_ms = $3, paused_ms = $4, answered_ms = $5, outcome = $6 \
                   WHERE id = $1";
        self.exec(sql, args![id, due, first_due, paused, answered, outcome])?;
        self.request_leaf(EventKind::RequestStep, id, outcome.unwrap_or("restored"), None)?;
        Ok(Some(true))
    }

    /// Who asked, and what they said, as this database can hold it. Of somebody who is not on its roster the words alone stay;
    /// words that no key opens any more are gone.
    fn words_of_note(
        &self,
        id: RequestId,
        subject: Option<SubjectId>,
        sealed: Option<&[u8]>,
    ) -> Result<(Option<SubjectId>, Option<Vec<u8>>), TxError> {
        let Some(of) = subject else { return Ok((None, sealed.map(<[u8]>::to_vec))) };
        let listed = self.exists("SELECT COUNT(*) FROM subjects WHERE id = $1", of.as_bytes())?;
        let key = self.ring().get(of).ok();
        let context = super::requests::seal_context(&id, subject);
        let plain = key.zip(sealed).and_then(|(key, sealed)| seal::open(&key, &context, sealed).ok());
        match plain {
            Some(_) if listed => Ok((Some(of), sealed.map(<[u8]>::to_vec))),
            Some(plain) => Ok((None, Some(self.seal_master(&super::requests::seal_context(&id, None), &plain)?))),
            None => Ok((Some(of).filter(|_| listed), None)),
        }
    }

    fn replay_objection(&self, fields: &mut Reader<'_>) -> Result<Option<bool>, TxError> {
        let (Some(place), Some(created)) = (fields.bytes(), fields.int()) else { return Ok(None) };
        let mut place = Reader::new(place);
        let (collection, content, at) = (place.array().map(CollectionId::from_bytes), place.array(), place.array());
        let (Some(collection), Some(content), Some(at)) = (collection, content, at) else { return Ok(None) };
        let (at, content): ([u8; 16], [u8; 32]) = (at, content);
        let [x, y, w, h] = [0, 4, 8, 12].map(|i| f32::from_be_bytes([at[i], at[i + 1], at[i + 2], at[i + 3]]));
        let picture: Option<[u8; 32]> = place.opt().flatten().and_then(|tag| tag.try_into().ok());
        let quarter_turn = place.array().map_or(0, |[turn]: [u8; 1]| turn % 4);
        let twin = "SELECT COUNT(*) FROM objections WHERE collection_id = $1 AND content_tag = $2 \
                    AND x = $3 AND y = $4 AND w = $5 AND h = $6";
        if self.count(twin, args![collection, content, x, y, w, h])? > 0 || !self.has_collection(collection)? {
            return Ok(Some(false));
        }
        self.exec(
            "INSERT INTO objections (collection_id, content_tag, picture_tag, x, y, w, h, quarter_turn, created_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            args![collection, content, picture, x, y, w, h, quarter_turn, created],
        )?;
        let sql = concat!(
            "SELECT ",
            shown!("photos"),
            " FROM photos WHERE collection_id = $1 AND (picture_tag = $2 OR content_tag = $3)"
        );
        for row in self.rows(sql, args![collection, picture, content])? {
            self.forget_set_apart(&PhotoView::read(&row, 0)?)?;
        }
        self.append_leaf(EventKind::Objection, collection.as_bytes(), &[])?;
        Ok(Some(true))
    }
}
