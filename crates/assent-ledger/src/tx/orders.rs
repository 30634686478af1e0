//! Orders to stop: for the whole vault or one collection, until a day or until somebody lifts them. While one is in force,
//! nothing is scanned, searched, enrolled or decided in its scope; what people may ask for goes on.

use std::collections::{BTreeMap, BTreeSet};

use super::records::one_each;
use super::{ReadTx, RingNote, Subject, Tx};
use crate::db::{Columns, ForEach, Row, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, GrantId, OrderId, SubjectId, Timestamp};
use crate::jurisdiction::Jurisdiction;
use crate::log::EventKind;
use crate::seal::SealContext;

const ORDERS: &str = "orders";

/// What an order stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole vault: every collection and every person.
    Vault,
    /// One collection, by its id.
    Collection(CollectionId),
    /// The people and the collections that are, or may be, under a jurisdiction.
    Jurisdiction(Jurisdiction),
}

/// An order to stop.
#[derive(Clone, PartialEq, Eq)]
pub struct Order {
    /// The order's id, 16 random bytes.
    pub id: OrderId,
    /// What it stops; `None` for the whole vault.
    pub collection: Option<CollectionId>,
    /// Whom it stops: people and collections of this jurisdiction; `None` for everybody.
    pub jurisdiction: Option<Jurisdiction>,
    /// Why, in the words of whoever gave it.
    pub reason: String,
    /// The time from which the order is in force.
    pub from: Timestamp,
    /// Until when, if it has an end; at this instant it is over.
    pub until: Option<Timestamp>,
    /// When it was lifted, if it was.
    pub lifted: Option<Timestamp>,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Order").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Order {
    /// Whether it stops anything at `now`.
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.lifted.is_none() && self.from <= now && self.until.is_none_or(|until| now < until)
    }
}

impl ReadTx<'_> {
    /// All orders, those that are over too, oldest first.
    ///
    /// # Errors
    ///
    /// [`TxError::Seal`] if a record does not open, [`TxError::Damaged`] if one is not of this format,
    /// [`TxError::Database`] if the database refuses.
    pub fn orders(&self) -> Result<Vec<Order>, TxError> {
        let sql = "SELECT id, collection_id, sealed, from_ms, until_ms, lifted_ms, jurisdiction FROM orders ORDER BY from_ms, id";
        let read = |row: &Row| -> Result<Order, TxError> {
            let id = OrderId::from_bytes(row.array(0)?);
            let damaged = || TxError::Damaged { table: ORDERS };
            let plain = self.open_master(&seal_context(&id), &row.bytes(2)?)?;
            Ok(Order {
                id,
                collection: row.opt_array(1)?.map(CollectionId::from_bytes),
                jurisdiction: row.opt_text(6)?.map(|code| code.parse()).transpose().map_err(|_| damaged())?,
                reason: Reader::new(&plain).text().ok_or_else(damaged)?.to_owned(),
                from: Timestamp(row.int(3)?),
                until: row.opt_int(4)?.map(Timestamp),
                lifted: row.opt_int(5)?.map(Timestamp),
            })
        };
        self.rows(sql, args![])?.iter().map(read).collect()
    }

    /// Refuses what an order in force stops in a collection.
    ///
    /// # Errors
    ///
    /// [`TxError::Stopped`] if there is one; [`TxError::Database`], [`TxError::Damaged`], [`TxError::Seal`] if it cannot be
    /// read.
    pub fn check_orders(&self, collection: CollectionId) -> Result<(), TxError> {
        self.check_table(ORDERS)?;
        let sql = "SELECT id FROM orders WHERE jurisdiction IS NULL AND (collection_id IS NULL OR collection_id = $1) \
                   AND lifted_ms IS NULL AND from_ms <= $2 AND (until_ms IS NULL OR until_ms > $2) \
                   ORDER BY from_ms, id LIMIT 1";
        if let Some(row) = self.row(sql, args![collection, self.now])? {
            return Err(TxError::Stopped { order: OrderId::from_bytes(row.array(0)?) });
        }
        let stopped = self.stopped_jurisdictions()?;
        if stopped.is_empty() {
            return Ok(());
        }
        let seat = self.settings().seat();
        self.check_jurisdiction(&stopped, self.collection(collection)?.basis.jurisdiction.as_ref().unwrap_or(&seat))
    }

    /// The jurisdictions that an order in force stops.
    fn stopped_jurisdictions(&self) -> Result<Vec<(Jurisdiction, OrderId)>, TxError> {
        let sql = "SELECT id, jurisdiction FROM orders WHERE jurisdiction IS NOT NULL AND lifted_ms IS NULL \
                   AND from_ms <= $1 AND (until_ms IS NULL OR until_ms > $1) ORDER BY from_ms, id";
        let read = |row: &Row| -> Result<_, TxError> {
            let code = row.text(1)?.parse().map_err(|_| TxError::Damaged { table: ORDERS })?;
            Ok((code, OrderId::from_bytes(row.array(0)?)))
        };
        self.rows(sql, args![self.now])?.iter().map(read).collect()
    }

    /// Refuses what concerns somebody, or something, of a jurisdiction that is stopped.
    pub(super) fn check_stopped_jurisdictions(&self, jurisdiction: &Jurisdiction) -> Result<(), TxError> {
        self.check_jurisdiction(&self.stopped_jurisdictions()?, jurisdiction)
    }

    fn check_jurisdiction(
        &self,
        stopped: &[(Jurisdiction, OrderId)],
        jurisdiction: &Jurisdiction,
    ) -> Result<(), TxError> {
        match stopped.iter().find(|(code, _)| self.rules.may_be_in(jurisdiction, code)) {
            Some((_, order)) => Err(TxError::Stopped { order: *order }),
            None => Ok(()),
        }
    }

    /// Refuses what is done with a person while what is held of them may only be kept.
    pub(super) fn check_restriction(&self, subject: SubjectId) -> Result<(), TxError> {
        self.barred(&BTreeSet::from([subject]))?.remove(&subject).map_or(Ok(()), Err)
    }

    /// Those of these people of whom what is held may only be kept, or whom an order stops, and why.
    pub(super) fn barred(&self, people: &BTreeSet<SubjectId>) -> Result<BTreeMap<SubjectId, TxError>, TxError> {
        self.check_rows("subjects", people.iter().copied())?;
        let sql = "SELECT id FROM subjects WHERE restricted_ms IS NOT NULL AND id IN ($1)";
        let ids = one_each(&people.iter().copied().collect::<Vec<_>>());
        let mut barred = BTreeMap::new();
        for row in self.rows_for(ForEach::row(sql), &[], &ids)? {
            let subject = SubjectId::from_bytes(row.array(0)?);
            barred.insert(subject, TxError::Restricted { subject });
        }
        let stopped = self.stopped_jurisdictions()?;
        if !stopped.is_empty() {
            for subject in people.iter().filter(|subject| !barred.contains_key(subject)).collect::<Vec<_>>() {
                if let Err(why) = self.check_jurisdiction(&stopped, &self.subject(*subject)?.jurisdiction) {
                    barred.insert(*subject, why);
                }
            }
        }
        Ok(barred)
    }

    /// Those of these grants whose people no order stops.
    pub(super) fn not_stopped(&self, grants: Vec<(GrantId, SubjectId)>) -> Result<Vec<(GrantId, SubjectId)>, TxError> {
        let stopped = self.stopped_jurisdictions()?;
        if stopped.is_empty() {
            return Ok(grants);
        }
        let hit = |subject: &Subject| stopped.iter().any(|(code, _)| self.rules.may_be_in(&subject.jurisdiction, code));
        let (people, unreadable) = self.everybody()?;
        // Nobody can read whose law protects those whose key is damaged: it may be this one.
        let people: BTreeSet<SubjectId> = people.iter().filter(|s| hit(s)).map(|s| s.id).chain(unreadable).collect();
        Ok(grants.into_iter().filter(|(_, subject)| !people.contains(subject)).collect())
    }
}

impl Tx<'_> {
    /// Stops a collection, everything under a jurisdiction, or the whole vault.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`] if there is no such collection.
    /// - [`TxError::NoReason`] if the reason is empty.
    /// - [`TxError::Validity`] if the end is not after now.
    /// - [`TxError::Database`], [`TxError::Seal`] as everywhere.
    pub fn order_stop(&self, scope: &Scope, reason: &str, until: Option<Timestamp>) -> Result<OrderId, TxError> {
        let (collection, jurisdiction) = match scope {
            Scope::Vault => (None, None),
            Scope::Collection(id) => (Some(self.collection(*id)?.id), None),
            Scope::Jurisdiction(code) => (None, Some(code.as_str())),
        };
        if reason.trim().is_empty() {
            return Err(TxError::NoReason);
        }
        if until.is_some_and(|until| until <= self.now) {
            return Err(TxError::Validity);
        }
        let id = OrderId::random(&mut **self.rng());
        let sealed = self.seal_master(&seal_context(&id), &Writer::new().text(reason).finish())?;
        self.exec(
            "INSERT INTO orders (id, collection_id, jurisdiction, sealed, from_ms, until_ms) VALUES ($1, $2, $3, $4, $5, $6)",
            args![id, collection, jurisdiction, sealed, self.now, until.map(|until| until.0)],
        )?;
        self.order_leaf(EventKind::Stopped, id, (collection, jurisdiction), until.map(|until| until.0))?;
        Ok(id)
    }

    /// Lifts an order.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoOrder`] if there is none with this id, or it is not in force any more.
    /// - As [`crate::ReadTx::orders`].
    pub fn lift_order(&self, order: OrderId) -> Result<(), TxError> {
        let found = self.orders()?.into_iter().find(|o| o.id == order && o.in_force(self.now));
        let found = found.ok_or(TxError::NoOrder { order })?;
        self.exec("UPDATE orders SET lifted_ms = $1 WHERE id = $2", args![self.now, order])?;
        let scope = (found.collection, found.jurisdiction.as_ref().map(Jurisdiction::as_str));
        self.order_leaf(EventKind::Lifted, order, scope, found.until.map(|until| until.0))
    }

    pub(super) fn order_leaf(
        &self,
        kind: EventKind,
        order: OrderId,
        (collection, jurisdiction): (Option<CollectionId>, Option<&str>),
        until: Option<i64>,
    ) -> Result<(), TxError> {
        self.touch(RingNote::Order(order));
        let collection = collection.as_ref().map(|id| id.as_bytes().as_slice());
        let public = Writer::new().bytes(order.as_bytes()).opt(collection);
        let public = public.opt(jurisdiction.map(str::as_bytes)).opt_int(until).finish();
        self.append_leaf(kind, &public, &[]).map(drop)
    }
}

fn seal_context(id: &OrderId) -> SealContext<'_> {
    SealContext { table: ORDERS, row: Some(id.as_bytes()), ..SealContext::default() }
}
