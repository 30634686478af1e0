//! Bringing records of an earlier format up to date, where that takes keys. The tables were brought up to date before.

use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::Timestamp;
use crate::ledger::{FORMAT_VERSION, Ledger};
use crate::tx::{ReadTx, RingNote, Tx};

/// From which format on a consent has a key of its own.
const FIRST_FORMAT_WITH_GRANT_KEYS: i64 = 9;

impl Ledger {
    /// Brings the records up to date, in one transaction, and writes down the format that they have then. Where several
    /// processes come at once, the first one does it. What a damaged key kept from that is done when the key is mended.
    pub(crate) fn upgrade(&self, now: Timestamp) -> Result<(), TxError> {
        if self.read_tx(now, |tx| Ok(tx.is_current() && tx.untagged()?.is_empty()))? {
            return Ok(());
        }
        self.run_tx("bring the vault up to date", now, |tx| if tx.is_current() { tx.tag_names() } else { tx.upgrade() })
            .map(drop)
    }

    /// Notes in the key ring which format the vault has, unless it does. What is in the way now is tried again by the next opening.
    pub(crate) fn note_format(&self, now: Timestamp) {
        if self.ring().noted_format().is_none_or(|noted| noted < FORMAT_VERSION) {
            drop(self.run_tx("note the format", now, |tx| {
                tx.touch(RingNote::Format);
                Ok(())
            }));
        }
    }
}

impl ReadTx<'_> {
    /// Whether the database says that it is of an older format than the key ring noted.
    pub(crate) fn is_downgraded(&self) -> bool {
        self.ring().noted_format() > self.head.format
    }

    /// Whether the records were up to date when this transaction began.
    pub(crate) fn is_current(&self) -> bool {
        self.head.format == Some(FORMAT_VERSION)
    }

    /// Whether the database's rows are bound, so that an edit shows.
    pub(crate) fn is_bound(&self) -> bool {
        self.head.bound()
    }

    /// The format of the vault, as it is in this transaction.
    pub(crate) fn format(&self) -> Result<i64, TxError> {
        let row = self.row("SELECT format_version FROM vault WHERE one = 1", args![])?;
        Ok(row.ok_or(TxError::Damaged { table: "vault" })?.int(0)?)
    }
}

impl Tx<'_> {
    fn upgrade(&self) -> Result<(), TxError> {
        if self.format()? < FIRST_FORMAT_WITH_GRANT_KEYS {
            self.give_grants_keys()?;
        }
        self.tag_names()?;
        self.exec("UPDATE vault SET format_version = $1 WHERE one = 1", args![FORMAT_VERSION]).map(drop)
    }
}
