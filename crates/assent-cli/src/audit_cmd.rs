//! `assent audit verify`: is the log whole?

use assent::ledger::Fault;
use assent::packs::hex;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::error::CommandError;
use crate::output::Output;
use crate::vault::{self, VaultFlags, now};

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Recompute the log from its leaves
    Verify,
}

/// # Errors
///
/// [`CommandError::Audit`] if the log is not whole.
pub(crate) fn run(args: &AuditArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let AuditCommand::Verify = args.command;
    let ledger = vault::open(flags)?;
    let audit = ledger.audit_verify(now())?;
    let fault = audit.fault.map(|(position, fault)| (position, what(fault)));
    let object = json!({
        "whole": fault.is_none(), "leaves": audit.size, "root": hex(&audit.root), "openings": audit.openings,
        "fault": fault.map(|(position, what)| json!({ "leaf": position, "what": what })),
    });
    if fault.is_none() || out.json {
        out.answer(&object, |out| {
            writeln!(out, "The log is whole: {} leaves, root {}", audit.size, hex(&audit.root))?;
            writeln!(out, "{} openings match their commitments", audit.openings)
        })?;
    }
    fault.map_or(Ok(()), |(position, what)| Err(CommandError::Audit { position, what }))
}

fn what(fault: Fault) -> &'static str {
    match fault {
        Fault::Missing => "is missing",
        Fault::Changed => "was changed",
        Fault::Moved => "belongs elsewhere",
        Fault::Head => "or one after it does not fit the head",
        Fault::Opening => "does not match its opening",
    }
}
