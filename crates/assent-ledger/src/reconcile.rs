//! What the tables say, compared with what the log and the key ring say: somebody who has the key ring too can make a row that its
//! MAC fits, and still gives nobody a consent, and lifts no order, without an entry of the log that says so.
//!
//! An entry whose opening was kept by nobody, because the person's key was damaged then, or that concerned somebody who was
//! erased since, says nothing here.

use std::collections::{BTreeMap, BTreeSet};

use crate::bound::{Disagreement, Tampering, id_text};
use crate::db::{Columns, Row, args};
use crate::error::TxError;
use crate::fields::Reader;
use crate::id::{GrantId, SubjectId, WitnessId};
use crate::log::{EventKind, Leaf, commitment};
use crate::merkle::Hash;
use crate::tx::ReadTx;
use crate::vocabulary::RequestOutcome;

type Id = [u8; 16];

/// A consent as an entry of the log has it.
#[derive(PartialEq, Eq)]
struct SaidGrant {
    subject: Id,
    collection: Id,
    purpose: String,
    notice: [u8; 32],
    from: i64,
    until: i64,
}

/// An order to stop as an entry of the log has it.
struct SaidOrder {
    collection: Option<Id>,
    jurisdiction: Option<String>,
    until: Option<i64>,
    /// Entries of before format 10 do not say until when.
    says_until: bool,
    lifted: bool,
}

impl SaidOrder {
    fn read(mut fields: Reader<'_>, lifted: bool) -> Option<Self> {
        let collection = fields.opt()?.and_then(|id| id.try_into().ok());
        // Before format 10 a jurisdiction that there is not was left out.
        let jurisdiction = if fields.at_end() { None } else { fields.opt_text()?.map(ToOwned::to_owned) };
        let says_until = !fields.at_end();
        let until = if says_until { fields.opt_int()? } else { None };
        Some(Self { collection, jurisdiction, until, says_until, lifted })
    }

    fn is(&self, row: &Row) -> Result<bool, TxError> {
        let same_scope = (row.opt_array(1)?, row.opt_text(2)?) == (self.collection, self.jurisdiction.clone());
        let same_end = !self.says_until || self.until == row.opt_int(3)?;
        Ok(same_scope && same_end && self.lifted == row.opt_int(4)?.is_some())
    }
}

/// What the log says of everything that the tables say too. Entries are taken in their order, then the openings.
#[derive(Default)]
pub(crate) struct Told {
    /// Entries whose openings say something: kind and what is public.
    private: BTreeMap<u64, (EventKind, Vec<u8>)>,
    grants: BTreeMap<Id, SaidGrant>,
    ended: BTreeSet<Id>,
    /// Which grant was enrolled with which model.
    enrolled: BTreeSet<(Id, Vec<u8>)>,
    refusals: BTreeMap<Id, Id>,
    /// The last of each person, with its position.
    restricted: BTreeMap<Id, (u64, bool)>,
    /// Restrictions that nobody's opening was found for.
    unopened: BTreeSet<u64>,
    /// Whether each was removed.
    collections: BTreeMap<Id, bool>,
    frozen: BTreeSet<Id>,
    objections: BTreeMap<Id, i64>,
    orders: BTreeMap<Id, SaidOrder>,
    /// The kind of each, and how it was answered.
    requests: BTreeMap<Id, (String, Option<String>)>,
    witness_keys: BTreeMap<Id, [u8; 32]>,
    /// What the beginning of an erasure commits to.
    erasures: BTreeMap<u64, Hash>,
    /// The entries that say that one is done, and which.
    done: BTreeMap<u64, u64>,
}

impl Told {
    /// Takes in an entry. One that is not of this form says nothing.
    pub(crate) fn entry(&mut self, leaf: &Leaf) {
        let _ = self.read(leaf);
    }

    fn read(&mut self, leaf: &Leaf) -> Option<()> {
        let mut fields = Reader::new(&leaf.public);
        let whole = || leaf.public.as_slice().try_into().ok();
        match leaf.kind {
            EventKind::Grant
            | EventKind::Renewal
            | EventKind::Withdrawal
            | EventKind::Expiry
            | EventKind::GrantEnded
            | EventKind::Enrolment
            | EventKind::Refusal => drop(self.private.insert(leaf.position, (leaf.kind, leaf.public.clone()))),
            EventKind::Restricted => {
                self.private.insert(leaf.position, (leaf.kind, Vec::new()));
                self.unopened.insert(leaf.position);
            }
            EventKind::Collection => drop(self.collections.insert(whole()?, false)),
            EventKind::CollectionRemoved => drop(self.collections.insert(whole()?, true)),
            EventKind::Frozen => drop(self.frozen.insert(whole()?)),
            EventKind::Objection => *self.objections.entry(whole()?).or_default() += 1,
            EventKind::Stopped | EventKind::Lifted => {
                let id = fields.array()?;
                self.orders.insert(id, SaidOrder::read(fields, leaf.kind == EventKind::Lifted)?);
            }
            EventKind::Request => {
                let (id, kind) = (fields.array()?, fields.text()?.to_owned());
                self.requests.insert(id, (kind, None));
            }
            EventKind::RequestStep => {
                let (id, step) = (fields.array()?, fields.text()?);
                let answer = step.parse::<RequestOutcome>().is_ok().then(|| step.to_owned());
                self.requests.get_mut(&id)?.1 = answer;
            }
            EventKind::WitnessKey => drop(self.witness_keys.insert(fields.array()?, fields.array()?)),
            EventKind::ErasureIntent => drop(self.erasures.insert(leaf.position, *leaf.commitments.first()?)),
            EventKind::ErasureDone => {
                let intent = u64::from_be_bytes(leaf.public.as_slice().try_into().ok()?);
                self.done.insert(leaf.position, intent);
            }
            _ => {}
        }
        Some(())
    }

    /// Takes in what an entry says of a person.
    pub(crate) fn opening(&mut self, position: u64, subject: SubjectId, detail: &[u8]) {
        let _ = self.read_opening(position, *subject.as_bytes(), detail);
    }

    fn read_opening(&mut self, position: u64, subject: Id, detail: &[u8]) -> Option<()> {
        let (kind, public) = self.private.get(&position)?;
        if *kind == EventKind::Enrolment {
            let grant = detail.get(16..32)?.try_into().ok()?;
            self.enrolled.insert((grant, public.get(16..)?.to_vec()));
            return Some(());
        }
        let (mut public, mut fields) = (Reader::new(public), Reader::new(detail));
        let of: Id = fields.array()?;
        if of != subject {
            return None;
        }
        match kind {
            EventKind::Grant | EventKind::Renewal => {
                let id = fields.array()?;
                let (collection, purpose) = (public.array()?, public.text()?.to_owned());
                let (notice, validity): ([u8; 32], [u8; 16]) = (fields.array()?, fields.array()?);
                let time = |bytes: &[u8]| bytes.try_into().ok().map(i64::from_be_bytes);
                let (from, until) = (time(&validity[..8])?, time(&validity[8..])?);
                self.grants.insert(id, SaidGrant { subject, collection, purpose, notice, from, until });
            }
            EventKind::Restricted => {
                self.unopened.remove(&position);
                self.restricted.insert(subject, (position, fields.int()? != 0));
            }
            EventKind::Refusal => drop(self.refusals.insert(fields.array()?, subject)),
            _ => drop(self.ended.insert(fields.array()?)),
        }
        Some(())
    }
}

impl ReadTx<'_> {
    /// Where the tables say something else than the log and the key ring. `readable` are the people whose openings were read.
    pub(crate) fn disagreements(&self, told: &Told, readable: &BTreeSet<SubjectId>) -> Result<Vec<Tampering>, TxError> {
        let mut found = Found::default();
        self.compare_grants(told, readable, &mut found)?;
        self.compare_people(told, readable, &mut found)?;
        self.compare_collections(told, &mut found)?;
        self.compare_orders(told, &mut found)?;
        self.compare_requests(told, &mut found)?;
        self.compare_witnesses(told, &mut found)?;
        self.compare_tombstones(told, &mut found)?;
        Ok(found.0)
    }

    fn compare_grants(&self, told: &Told, readable: &BTreeSet<SubjectId>, found: &mut Found) -> Result<(), TxError> {
        let (table, row) = ("grants", "a consent");
        let (mut there, mut renews) = (BTreeSet::new(), BTreeMap::new());
        let sql = "SELECT id, subject_id, collection_id, purpose, notice_sha256, valid_from_ms, valid_until_ms, state, renews \
                   FROM grants ORDER BY id";
        self.db.each(sql, args![], &mut |grant| {
            let (id, subject): (Id, Id) = (grant.array(0)?, grant.array(1)?);
            there.insert(id);
            if let Some(before) = grant.opt_array::<16>(8)? {
                renews.insert(id, before);
            }
            let active = grant.text(7)? == "active";
            if active && self.ring().is_withdrawn(GrantId::from_bytes(id)) {
                found.note(table, row, &id, Disagreement::Withdrawn);
            }
            if !readable.contains(&SubjectId::from_bytes(subject)) {
                return Ok(true);
            }
            let is = SaidGrant {
                subject,
                collection: grant.array(2)?,
                purpose: grant.text(3)?,
                notice: grant.array(4)?,
                from: grant.int(5)?,
                until: grant.int(6)?,
            };
            match told.grants.get(&id) {
                None => found.note(table, row, &id, Disagreement::Unsaid),
                Some(said) if *said != is => found.note(table, row, &id, Disagreement::Otherwise),
                Some(_) if active && told.ended.contains(&id) => found.note(table, row, &id, Disagreement::Ended),
                Some(_) => {}
            }
            Ok(true)
        })?;
        for id in told.grants.keys().filter(|id| !there.contains(*id)) {
            found.note(table, row, id, Disagreement::Missing);
        }
        // What somebody is recognised by came with an entry, here or under a consent that this one renews.
        let sql = "SELECT DISTINCT t.grant_id, t.model_sha256, g.subject_id FROM templates t JOIN grants g ON g.id = t.grant_id";
        for template in self.rows(sql, args![])? {
            let (id, model, subject): (Id, Vec<u8>, Id) = (template.array(0)?, template.bytes(1)?, template.array(2)?);
            let chain = std::iter::successors(Some(id), |id| renews.get(id).copied()).take(renews.len() + 1);
            let mut chain = chain.map(|id| (id, model.clone()));
            if readable.contains(&SubjectId::from_bytes(subject)) && !chain.any(|one| told.enrolled.contains(&one)) {
                found.note("templates", "what somebody is recognised by", &id, Disagreement::Unsaid);
            }
        }
        Ok(())
    }

    fn compare_people(&self, told: &Told, readable: &BTreeSet<SubjectId>, found: &mut Found) -> Result<(), TxError> {
        let newest_unopened = told.unopened.last().copied();
        self.db.each("SELECT id, restricted_ms FROM subjects ORDER BY id", args![], &mut |person| {
            let (id, is): (Id, bool) = (person.array(0)?, person.opt_int(1)?.is_some());
            let (position, said) = told.restricted.get(&id).copied().unwrap_or((0, false));
            // One that no opening was kept of may be theirs.
            let unknown = newest_unopened.is_some_and(|newest| newest > position);
            if is != said && !unknown && readable.contains(&SubjectId::from_bytes(id)) {
                found.note("subjects", "the restriction of a person", &id, Disagreement::Otherwise);
            }
            Ok(true)
        })?;
        let there = self.rows("SELECT id, subject_id FROM refusals ORDER BY id", args![])?;
        found.compare("refusals", "a refusal", &there, told.refusals.keys(), |refusal| {
            let (id, subject): (Id, Id) = (refusal.array(0)?, refusal.array(1)?);
            let said = told.refusals.get(&id).map(|said| *said == subject);
            // Of somebody whose openings were not read nothing is known.
            Ok(said.or_else(|| (!readable.contains(&SubjectId::from_bytes(subject))).then_some(true)))
        })
    }

    fn compare_collections(&self, told: &Told, found: &mut Found) -> Result<(), TxError> {
        let (table, row) = ("collections", "a collection");
        let sql = "SELECT c.id, c.state, c.removed_ms, (SELECT COUNT(*) FROM objections o WHERE o.collection_id = c.id) \
                   FROM collections c ORDER BY c.id";
        let there = self.rows(sql, args![])?;
        found.compare(table, row, &there, told.collections.keys(), |collection| {
            let id: Id = collection.array(0)?;
            let (frozen, removed) = (collection.text(1)? == "frozen", collection.opt_int(2)?.is_some());
            Ok(told.collections.get(&id).map(|said| (*said, told.frozen.contains(&id)) == (removed, frozen)))
        })?;
        for collection in &there {
            let id: Id = collection.array(0)?;
            let (said, is) = (told.objections.get(&id).copied().unwrap_or(0), collection.int(3)?);
            if collection.opt_int(2)?.is_none() && said != is {
                let which = if is < said { Disagreement::Missing } else { Disagreement::Unsaid };
                found.note("objections", "a face that was set apart in the collection", &id, which);
            }
        }
        Ok(())
    }

    fn compare_orders(&self, told: &Told, found: &mut Found) -> Result<(), TxError> {
        let sql = "SELECT id, collection_id, jurisdiction, until_ms, lifted_ms FROM orders ORDER BY id";
        found.compare("orders", "an order to stop", &self.rows(sql, args![])?, told.orders.keys(), |order| {
            told.orders.get(&order.array::<16>(0)?).map(|said| said.is(order)).transpose()
        })
    }

    fn compare_requests(&self, told: &Told, found: &mut Found) -> Result<(), TxError> {
        let there = self.rows("SELECT id, kind, outcome FROM requests ORDER BY id", args![])?;
        found.compare("requests", "a request", &there, told.requests.keys(), |request| {
            let is = (request.text(1)?, request.opt_text(2)?);
            Ok(told.requests.get(&request.array::<16>(0)?).map(|said| *said == is))
        })
    }

    fn compare_witnesses(&self, told: &Told, found: &mut Found) -> Result<(), TxError> {
        let all = self.witnesses()?;
        for witness in &all {
            let said = told.witness_keys.get(witness.id.as_bytes());
            let which = match (said, &witness.public_key) {
                (None, None) => continue,
                (Some(said), Some(is)) if said == is => continue,
                (None, Some(_)) => Disagreement::Unsaid,
                _ => Disagreement::Otherwise,
            };
            found.note("witnesses", "the key of a witness", witness.id.as_bytes(), which);
        }
        let there: BTreeSet<WitnessId> = all.iter().map(|witness| witness.id).collect();
        for id in told.witness_keys.keys().filter(|id| !there.contains(&WitnessId::from_bytes(**id))) {
            found.note("witnesses", "a witness", id, Disagreement::Missing);
        }
        Ok(())
    }

    fn compare_tombstones(&self, told: &Told, found: &mut Found) -> Result<(), TxError> {
        let (table, row) = ("tombstones", "the record of an erasure");
        let sql = "SELECT subject_id, intent_leaf, intent_salt, done_leaf FROM tombstones ORDER BY subject_id";
        for tombstone in self.rows(sql, args![])? {
            let (id, intent, salt): (Id, u64, [u8; 32]) =
                (tombstone.array(0)?, tombstone.int(1)? as u64, tombstone.array(2)?);
            let begun = told.erasures.get(&intent) == Some(&commitment(&salt, &id));
            let done = tombstone.opt_int(3)?.is_none_or(|at| told.done.get(&(at as u64)) == Some(&intent));
            if !begun || !done {
                found.note(table, row, &id, Disagreement::Otherwise);
            }
        }
        Ok(())
    }
}

/// What was found.
#[derive(Default)]
struct Found(Vec<Tampering>);

impl Found {
    fn note(&mut self, table: &'static str, row: &'static str, id: &[u8], which: Disagreement) {
        self.0.push(Tampering::Log { table, row, id: id_text(id), which });
    }

    /// Compares rows, whose ids are in the first column, with the ids that the log speaks of. `fits` says whether the log says the
    /// same, and nothing if it does not speak of the row.
    fn compare<'a>(
        &mut self,
        table: &'static str,
        row: &'static str,
        there: &[Row],
        said: impl Iterator<Item = &'a Id>,
        fits: impl Fn(&Row) -> Result<Option<bool>, TxError>,
    ) -> Result<(), TxError> {
        let mut ids = BTreeSet::new();
        for one in there {
            let id: Id = one.array(0)?;
            match fits(one)? {
                None => self.note(table, row, &id, Disagreement::Unsaid),
                Some(false) => self.note(table, row, &id, Disagreement::Otherwise),
                Some(true) => {}
            }
            ids.insert(id);
        }
        for id in said.filter(|id| !ids.contains(*id)) {
            self.note(table, row, id, Disagreement::Missing);
        }
        Ok(())
    }
}
