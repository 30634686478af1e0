//! What has to be done every day, by one program at a time.

use std::path::Path;

use assent_ledger::{Checkpoint, ExportError, LeaseName, Ledger, Timestamp};

use super::status;

/// What was done.
#[derive(Debug)]
pub struct Upkeep {
    /// The log as files that were brought up to date, if that was asked for.
    pub exported: Option<Checkpoint>,
    /// How many deadlines have more than four fifths of their time behind them.
    pub near: usize,
    /// Whether nothing of what was deleted is left in the database's file; if not, there was no room to write it anew.
    pub rewritten: bool,
}

/// Takes what was deleted out of the database's file, and brings the log as files up to date in `export`. Consents whose date has
/// come are ended when the vault is opened for it ([`Ledger::expire_due`]).
///
/// # Errors
///
/// - [`ExportError`] as [`Ledger::export_log`].
/// - [`assent_ledger::TxError::Leased`] inside if another program is at it; otherwise as the ledger says.
pub fn tick(ledger: &Ledger, export: Option<&Path>, now: Timestamp) -> Result<Upkeep, ExportError> {
    ledger.under_lease(LeaseName::Tick, now, |_| {
        let rewritten = ledger.scrub_if_due(now);
        let exported = export.map(|folder| ledger.export_log(folder, now, &mut |_, _| {})).transpose()?;
        Ok(Upkeep { exported, near: status::near_end(ledger, now)?, rewritten })
    })
}
