//! What has an end, and how near it is, in one list: consents, requests, reviews, purposes, orders.

use super::{Collection, ReadTx};
use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, OrderId, RequestId, SubjectId, Timestamp};
use crate::vocabulary::Purpose;

/// How much of its time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// Less than half.
    None,
    /// Half of it or more.
    Half,
    /// Four fifths or more.
    Soon,
    /// All of it.
    Due,
}

/// What has an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// The end of a consent by its date.
    Consent {
        /// The id of the grant.
        grant: GrantId,
        /// The id of the subject.
        subject: SubjectId,
        /// The collection that it concerns.
        collection: CollectionId,
        /// The purpose that the consent is for.
        purpose: Purpose,
    },
    /// The answer to a request.
    Request(RequestId),
    /// The review of a collection's impact assessment.
    Review(CollectionId),
    /// A collection's purpose.
    Purpose(CollectionId),
    /// An order to stop.
    Order(OrderId),
}

/// Something that has an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// What is due, such as the end of a consent or the answer to a request.
    pub what: Due,
    /// From when its time runs.
    pub from: Timestamp,
    /// When it is over.
    pub until: Timestamp,
}

impl Deadline {
    /// How much of the time has passed at `now`.
    ///
    /// # Example
    ///
    /// ```
    /// # use assent_ledger::*;
    /// # let id = [0; 16];
    /// let year = Deadline {
    ///     what: Due::Request(RequestId::from_bytes(id)),
    ///     from: Timestamp(0),
    ///     until: Timestamp(1000),
    /// };
    /// let at = |now| year.alarm(Timestamp(now));
    /// assert_eq!([at(-5), at(499), at(500), at(800), at(999), at(1000)], [
    ///     Alarm::None, Alarm::None, Alarm::Half, Alarm::Soon, Alarm::Soon, Alarm::Due,
    /// ]);
    /// ```
    pub fn alarm(&self, now: Timestamp) -> Alarm {
        // 128 bits hold every difference of two times, and ten times that.
        let (passed, all) =
            (i128::from(now.0) - i128::from(self.from.0), i128::from(self.until.0) - i128::from(self.from.0));
        match () {
            () if passed >= all => Alarm::Due,
            () if passed * 10 >= all * 8 => Alarm::Soon,
            () if passed * 10 >= all * 5 => Alarm::Half,
            () => Alarm::None,
        }
    }
}

impl ReadTx<'_> {
    /// Everything that has an end and has not ended, the nearest end first. A request whose time stands still has none.
    ///
    /// # Errors
    ///
    /// - [`TxError::Damaged`] if a record is not of this format, [`TxError::Database`] if the database refuses.
    /// - [`TxError::KeyRing`], [`TxError::Seal`] if a record does not open.
    pub fn deadlines(&self) -> Result<Vec<Deadline>, TxError> {
        let sql = "SELECT id, subject_id, collection_id, purpose, valid_from_ms, valid_until_ms FROM grants \
                   WHERE state = 'active' ORDER BY valid_until_ms, id";
        let rows = self.rows(sql, args![])?;
        let consents = rows.iter().map(|row| {
            let what = Due::Consent {
                grant: GrantId::from_bytes(row.array(0)?),
                subject: SubjectId::from_bytes(row.array(1)?),
                collection: CollectionId::from_bytes(row.array(2)?),
                purpose: Purpose::new(&row.text(3)?).map_err(|_| TxError::Damaged { table: "grants" })?,
            };
            Ok(Deadline { what, from: Timestamp(row.int(4)?), until: Timestamp(row.int(5)?) })
        });
        let mut all = consents.collect::<Result<Vec<_>, TxError>>()?;
        let open = self.requests()?.into_iter().filter(|r| r.answered.is_none() && r.paused.is_none());
        all.extend(open.map(|r| Deadline { what: Due::Request(r.id), from: r.received, until: r.due }));
        for Collection { id, basis, created, .. } in self.collections()? {
            if let Some(dpia) = basis.dpia {
                all.push(Deadline { what: Due::Review(id), from: dpia.made, until: dpia.review });
            }
            if let Some(until) = basis.purpose_ends {
                all.push(Deadline { what: Due::Purpose(id), from: created, until });
            }
        }
        for order in self.orders()?.into_iter().filter(|order| order.in_force(self.now)) {
            all.extend(order.until.map(|until| Deadline { what: Due::Order(order.id), from: order.from, until }));
        }
        all.sort_by_key(|deadline| deadline.until);
        Ok(all)
    }
}
