//! How a vault's database is reached, for whoever looks after it.

use crate::db::{Columns, args};
use crate::error::TxError;
use crate::id::Timestamp;
use crate::ledger::Ledger;

/// How a PostgreSQL database is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseStatus {
    /// The version of the server, such as `15.18`.
    pub server: String,
    /// The schema with the vault's tables.
    pub schema: String,
    /// The version of TLS, such as `TLSv1.3`; `None` if nothing is encrypted on the way, which is so on this machine alone.
    pub tls: Option<String>,
    /// Whether nothing can be written.
    pub read_only: bool,
    /// What the server's clock says.
    pub clock: Timestamp,
}

impl Ledger {
    /// How the database is reached; `None` with SQLite, whose file is in the vault's folder.
    ///
    /// # Errors
    ///
    /// As [`Self::read_tx`].
    pub fn database(&self, now: Timestamp) -> Result<Option<DatabaseStatus>, TxError> {
        if self.pool.is_sqlite() {
            return Ok(None);
        }
        let sql = "SELECT current_setting('server_version'), current_schema()::TEXT, \
                   (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()), \
                   pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on', \
                   floor(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::BIGINT";
        self.read_tx(now, |tx| {
            let row = tx.row(sql, args![])?.ok_or(TxError::Damaged { table: "vault" })?;
            Ok(Some(DatabaseStatus {
                server: row.text(0)?,
                schema: row.opt_text(1)?.unwrap_or_default(),
                tls: row.opt_text(2)?,
                read_only: row.int(3)? != 0,
                clock: Timestamp(row.int(4)?),
            }))
        })
    }
}
