//! Traces of deleted rows: SQLite overwrites a row where it stands, and leaves copies behind in its write-ahead log and when it
//! moves rows between pages. What is sealed in them opens to nothing, because its key was destroyed; the file is rewritten all
//! the same, once a day.

use crate::db::args;
use crate::durable::{WriteKind, with_hook};
use crate::error::TxError;
use crate::id::Timestamp;
use crate::leases::{Lease, LeaseName};
use crate::ledger::Ledger;
use crate::transactions::Committed;
use crate::tx::Tx;

impl Ledger {
    /// Rewrites the database file without what was deleted, and notes that this is done, unless somebody deleted more
    /// meanwhile. Whether it is.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method's path has one lifetime, the closure all"
    )]
    fn scrub(&self, lease: &Lease, now: Timestamp) -> Result<bool, TxError> {
        let before = self.read_tx(now, |tx| tx.newest_change())?;
        with_hook(&self.hook, WriteKind::Scrub, || self.pool.scrub())?;
        let note = self.run_tx("note the scrubbing", now, |tx| {
            tx.renew_lease(lease)?;
            if tx.newest_change()? > before {
                return Ok(false);
            }
            tx.exec("UPDATE vault SET scrub_due = 0 WHERE one = 1", args![]).map(|_| true)
        });
        note.map(Committed::into_inner)
    }

    /// Rewrites the database file without what was deleted, if that is due: after consents ended, an erasure or a rotation,
    /// whose answers do not wait for it. Whether nothing is left to be done. To be called about once in 24 hours.
    ///
    /// It needs as much free space as the vault has. If there is too little, or another program is at it, it stays due:
    /// the next call tries again, and nobody is kept from their work until then.
    pub fn scrub_if_due(&self, now: Timestamp) -> bool {
        let scrub = || self.under_lease(LeaseName::Scrub, now, |lease| self.scrub(lease, now));
        self.scrub_is_due(now).is_ok_and(|due| !due || scrub().is_ok_and(|done| done))
    }

    /// Whether the database file holds traces of what was deleted. A server cleans up by itself.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn scrub_is_due(&self, now: Timestamp) -> Result<bool, TxError> {
        if !self.pool.is_sqlite() {
            return Ok(false);
        }
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
