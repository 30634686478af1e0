//! What has an end, and how near it is. Consents so far; whatever gets a deadline is listed here too.

use super::Tx;
use crate::db::args;
use crate::error::TxError;
use crate::id::{CollectionId, GrantId, SubjectId, Timestamp};
use crate::words::Purpose;

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

/// A consent that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Which.
    pub grant: GrantId,
    /// Whose.
    pub subject: SubjectId,
    /// Where.
    pub collection: CollectionId,
    /// For what.
    pub purpose: Purpose,
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
    ///     grant: GrantId::from_bytes(id),
    ///     subject: SubjectId::from_bytes(id),
    ///     collection: CollectionId::from_bytes(id),
    ///     purpose: Purpose::find_my_photos(),
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

impl Tx<'_> {
    /// Everything that has an end and has not ended, the nearest end first.
    ///
    /// # Errors
    ///
    /// [`TxError::Damaged`] if a record is not of this format, [`TxError::Database`] if the database refuses.
    pub fn deadlines(&self) -> Result<Vec<Deadline>, TxError> {
        let sql = "SELECT id, subject_id, collection_id, purpose, valid_from_ms, valid_until_ms FROM grants \
                   WHERE state = 'active' ORDER BY valid_until_ms, id";
        let rows = self.rows(sql, args![])?;
        rows.iter()
            .map(|row| {
                Ok(Deadline {
                    grant: GrantId::from_bytes(row.array(0)?),
                    subject: SubjectId::from_bytes(row.array(1)?),
                    collection: CollectionId::from_bytes(row.array(2)?),
                    purpose: Purpose::new(&row.text(3)?).map_err(|_| TxError::Damaged { table: "grants" })?,
                    from: Timestamp(row.int(4)?),
                    until: Timestamp(row.int(5)?),
                })
            })
            .collect()
    }
}
