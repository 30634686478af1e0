//! Orders to stop: for the whole vault or one collection, until a day or until somebody lifts them. While one is in force,
//! nothing is scanned, searched, enrolled or decided in its scope; what people may ask for goes on.

use super::Tx;
use crate::db::{Row, args};
use crate::error::TxError;
use crate::fields::{Reader, Writer};
use crate::id::{CollectionId, OrderId, Timestamp};
use crate::log::EventKind;
use crate::seal::Place;

const ORDERS: &str = "orders";

/// An order to stop.
#[derive(Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// What it stops; `None` for the whole vault.
    pub collection: Option<CollectionId>,
    /// Why, in the words of whoever gave it.
    pub reason: String,
    /// From when.
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

impl Tx<'_> {
    /// Stops a collection, or the whole vault.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoCollection`] if there is no such collection.
    /// - [`TxError::NoReason`] if the reason is empty.
    /// - [`TxError::Validity`] if the end is not after now.
    /// - [`TxError::Database`], [`TxError::Seal`] as everywhere.
    pub fn order_stop(
        &self,
        collection: Option<CollectionId>,
        reason: &str,
        until: Option<Timestamp>,
    ) -> Result<OrderId, TxError> {
        if let Some(id) = collection {
            self.collection(id)?;
        }
        if reason.trim().is_empty() {
            return Err(TxError::NoReason);
        }
        if until.is_some_and(|until| until <= self.now) {
            return Err(TxError::Validity);
        }
        let id = OrderId::random(&mut **self.rng.borrow_mut());
        let sealed = self.seal_master(&place(&id), &Writer::new().text(reason).finish())?;
        self.exec(
            "INSERT INTO orders (id, collection_id, sealed, from_ms, until_ms) VALUES ($1, $2, $3, $4, $5)",
            args![id, collection, sealed, self.now, until.map(|until| until.0)],
        )?;
        self.order_leaf(EventKind::Stopped, id, collection)?;
        Ok(id)
    }

    /// Lifts an order.
    ///
    /// # Errors
    ///
    /// - [`TxError::NoOrder`] if there is none with this id, or it is not in force any more.
    /// - As [`Self::orders`].
    pub fn lift_order(&self, order: OrderId) -> Result<(), TxError> {
        let found = self.orders()?.into_iter().find(|o| o.id == order && o.in_force(self.now));
        let found = found.ok_or(TxError::NoOrder { order })?;
        self.exec("UPDATE orders SET lifted_ms = $1 WHERE id = $2", args![self.now, order])?;
        self.order_leaf(EventKind::Lifted, order, found.collection)
    }

    /// All orders, those that are over too, oldest first.
    ///
    /// # Errors
    ///
    /// [`TxError::Seal`] if a record does not open, [`TxError::Damaged`] if one is not of this format,
    /// [`TxError::Database`] if the database refuses.
    pub fn orders(&self) -> Result<Vec<Order>, TxError> {
        let sql = "SELECT id, collection_id, sealed, from_ms, until_ms, lifted_ms FROM orders ORDER BY from_ms, id";
        let read = |row: &Row| -> Result<Order, TxError> {
            let id = OrderId::from_bytes(row.array(0)?);
            let damaged = || TxError::Damaged { table: ORDERS };
            let collection = row.opt_bytes(1)?.map(|id| id.try_into().map(CollectionId::from_bytes)).transpose();
            let plain = self.open_master(&place(&id), &row.bytes(2)?)?;
            Ok(Order {
                id,
                collection: collection.map_err(|_| damaged())?,
                reason: Reader::new(&plain).text().ok_or_else(damaged)?.to_owned(),
                from: Timestamp(row.int(3)?),
                until: row.opt_int(4)?.map(Timestamp),
                lifted: row.opt_int(5)?.map(Timestamp),
            })
        };
        self.rows(sql, args![])?.iter().map(read).collect()
    }

    /// Refuses what an order in force stops.
    pub(super) fn heed_orders(&self, collection: CollectionId) -> Result<(), TxError> {
        let sql = "SELECT id FROM orders WHERE (collection_id IS NULL OR collection_id = $1) AND lifted_ms IS NULL \
                   AND from_ms <= $2 AND (until_ms IS NULL OR until_ms > $2) ORDER BY from_ms, id LIMIT 1";
        match self.row(sql, args![collection, self.now])? {
            Some(row) => Err(TxError::Stopped { order: OrderId::from_bytes(row.array(0)?) }),
            None => Ok(()),
        }
    }

    fn order_leaf(&self, kind: EventKind, order: OrderId, collection: Option<CollectionId>) -> Result<(), TxError> {
        let collection = collection.as_ref().map(|id| id.as_bytes().as_slice());
        let public = Writer::new().bytes(order.as_bytes()).opt(collection).finish();
        self.append_leaf(kind, &public, &[]).map(drop)
    }
}

fn place(id: &OrderId) -> Place<'_> {
    Place { table: ORDERS, row: Some(id.as_bytes()), ..Place::default() }
}
