//! Traces of deleted rows: SQLite overwrites a row where it stands, and leaves copies behind in its write-ahead log and when it
//! moves rows between pages. What is sealed in them opens to nothing, because its key was destroyed; the file is rewritten all
//! the same, once a day.

use crate::db::args;
use crate::durable::{WriteKind, with_hook};
use crate::error::TxError;
use crate::id::Timestamp;
use crate::ledger::Ledger;
use crate::tx::Tx;

impl Ledger {
    /// Rewrites the database file without what was deleted, and notes that this is done.
    fn scrub(&self, now: Timestamp) -> Result<(), TxError> {
        with_hook(&self.hook, WriteKind::Scrub, || self.pool.scrub())?;
        let sql = "UPDATE vault SET scrub_due = 0 WHERE one = 1";
        self.run_tx("note the scrubbing", now, |tx| tx.exec(sql, args![])).map(drop)
    }

    /// Rewrites the database file without what was deleted, if that is due: after consents ended, an erasure or a rotation,
    /// whose answers do not wait for it. Whether nothing is left to be done. To be called about once in 24 hours.
    ///
    /// It needs as much free space as the vault has. If there is too little, or anything else is in the way, it stays due:
    /// the next call tries again, and nobody is kept from their work until then.
    pub fn scrub_if_due(&self, now: Timestamp) -> bool {
        self.scrub_is_due(now).is_ok_and(|due| !due || self.scrub(now).is_ok())
    }

    /// Whether the database file holds traces of what was deleted.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn scrub_is_due(&self, now: Timestamp) -> Result<bool, TxError> {
        let sql = "SELECT COUNT(*) FROM vault WHERE scrub_due = 1";
        Ok(self.read_tx(now, |tx| tx.count(sql, args![]))? > 0)
    }
}

impl Tx<'_> {
    /// Rows were deleted of which no trace may stay in the file.
    pub(crate) fn leave_traces(&self) -> Result<(), TxError> {
        self.exec("UPDATE vault SET scrub_due = 1 WHERE one = 1", args![]).map(drop)
    }
}
