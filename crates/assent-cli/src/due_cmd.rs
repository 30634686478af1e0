//! `assent due`: what ends when; `assent tick`: what has to be done every day.

use std::path::PathBuf;

use assent::jobs::Watch;
use assent::ledger::Alarm;
use assent::service::status;
use assent::service::upkeep::{self, Upkeep};
use assent_documents::deadlines;
use assent_documents::json::Id;
use assent_documents::json::status::{Deadline, Ticked};
use clap::Args;

use crate::audit_cmd::entries;
use crate::error::CommandError;
use crate::interrupt::stop_on_interrupt;
use crate::output::{Output, count, date, shown};
use crate::vault::{self, OPERATOR, VaultFlags, now, short};

#[derive(Debug, Args)]
pub(crate) struct DueArgs {
    /// All that ends, also what has more than half of its time left
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TickArgs {
    /// Also bring the log as files up to date there, with a signed checkpoint
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn due(args: &DueArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    let now = now();
    let all = status::deadlines(&ledger, now)?;
    let answer = deadlines::list(&all, now, |alarm| args.all || alarm > Alarm::None);
    Ok(out.answer(&answer, |out| {
        for Deadline { until, passed, what, about, id, .. } in &answer.deadlines {
            let command =
                if what == "request" { format!(": assent request show {}", short(id)) } else { String::new() };
            writeln!(out, "{}\t{passed}\t{what}\t{about}{command}", date(until.0))?;
        }
        match (answer.deadlines.is_empty(), all.deadlines.len()) {
            (true, 0) => writeln!(out, "Nothing has an end yet."),
            (true, n) => writeln!(out, "Nothing is near its end; --all shows {}.", count(n, "deadline")),
            (false, _) => Ok(()),
        }
    })?)
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn tick(args: &TickArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    // Opening finishes what was interrupted.
    let ledger = vault::open_with_clock(flags)?;
    let stop = stop_on_interrupt("Stopped in the middle of a step; the next assent tick does the rest.");
    let watch = Watch { now: &now, stop: &stop };
    let done = upkeep::tick(&ledger, args.export.as_deref(), OPERATOR, watch)?;
    let Upkeep { expired, exported, near, rewritten } = done;
    let ended = &expired.ended;
    let log_entries = exported.as_ref().map(|here| here.size);
    let answer = Ticked { expired: ended.iter().map(Id::of).collect(), near, log_entries, rewritten };
    Ok(out.answer(&answer, |out| {
        if ended.is_empty() {
            writeln!(out, "No consent has come to its end.")?;
        } else {
            let consents = count(ended.len(), "consent");
            writeln!(out, "{consents} ended by the date; everything stored under them is deleted.")?;
        }
        if near > 0 {
            writeln!(out, "{} with more than four fifths of the time gone: assent due", count(near, "deadline"))?;
        }
        if !rewritten {
            writeln!(
                out,
                "The vault's file could not be written anew without what was deleted, whose keys are gone: make as much room as \
                 the vault takes, and run assent tick again."
            )?;
        }
        match (&args.export, exported) {
            (Some(folder), Some(here)) => {
                writeln!(out, "{} holds the log: {}.", shown(folder.display()), entries(here.size))
            }
            _ => Ok(()),
        }
    })?)
}
