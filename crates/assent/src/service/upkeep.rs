//! What has to be done every day, by one program at a time.

use std::path::Path;

use assent_ledger::{Actor, Checkpoint, Expired, ExportError, Ledger};

use super::status;
use crate::jobs::{self, Finished, Task, Watch, counted};

/// What was done.
#[derive(Debug)]
pub struct Upkeep {
    /// Consents whose date has come.
    pub expired: Expired,
    /// The log as files that were brought up to date, if that was asked for.
    pub exported: Option<Checkpoint>,
    /// How many deadlines have more than four fifths of their time behind them.
    pub near: usize,
    /// Whether nothing of what was deleted is left in the database's file; if not, there was no room to write it anew.
    pub rewritten: bool,
}

/// How much there is to do.
const STEPS: u64 = 4;

/// Ends the consents whose date has come, takes what was deleted out of the database's file, clears the records of jobs, and brings
/// the log as files up to date in `export`. Stopped, it ends behind a step, and the next call does the rest.
///
/// # Errors
///
/// - [`ExportError`] as [`Ledger::export_log`].
/// - [`assent_ledger::TxError::JobRuns`] inside if another program is at it, [`assent_ledger::TxError::ClockAhead`] and
///   [`assent_ledger::TxError::ClockSetBack`] if the clock is in doubt; otherwise as the ledger says.
pub fn tick(ledger: &Ledger, export: Option<&Path>, by: Actor, watch: Watch<'_>) -> Result<Upkeep, ExportError> {
    jobs::run(ledger, (Task::Tick, by), watch, ExportError::code, |job| {
        let now = job.began();
        let goes_on_after = |step: u64| {
            job.report(step, STEPS, (watch.now)());
            !job.should_stop()
        };
        let expired = ledger.expire_due(now)?;
        let mut goes_on = goes_on_after(1);
        if goes_on {
            ledger.clear_jobs(now)?;
            goes_on = goes_on_after(2);
        }
        let (mut exported, mut rewritten) = (None, !ledger.scrub_is_due(now)?);
        if goes_on {
            rewritten = ledger.scrub_if_due(now);
            goes_on = goes_on_after(3);
        }
        if goes_on {
            exported = export.map(|folder| ledger.export_log(folder, now, &mut |_, _| {})).transpose()?;
            job.report(STEPS, STEPS, (watch.now)());
        }
        let near = status::near_end(ledger, now)?;
        let counts = counted([("ended", expired.ended.len()), ("near", near)]);
        Ok(Finished { counts, stopped: !goes_on, value: Upkeep { expired, exported, near, rewritten } })
    })
}
