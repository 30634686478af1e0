//! `assent backup` and `assent restore`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::error::CommandError;
use crate::files::read_text;
use crate::output::Output;
use crate::vault::{self, VaultFlags, now};

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The folder for the data; it holds one backup, and no key
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// The file for the key ring, in another place: whoever has both has everything
    #[arg(long, value_name = "FILE")]
    key_ring_to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The folder with the data
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// The backup of the key ring from the same time: if the key ring itself is lost, or if keys were rotated since
    #[arg(long, value_name = "FILE")]
    key_ring_from: Option<PathBuf>,
    /// The newest checkpoint that was kept elsewhere: an older key ring is refused
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn backup(args: &BackupArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    ledger.backup(&args.to, &args.key_ring_to, now())?;
    vault::keep_ring_name(flags, &args.to)?;
    let object = json!({ "data": args.to, "key_ring": args.key_ring_to });
    Ok(out.answer(&object, |out| {
        writeln!(out, "The data is in {}, the keys are in {}.", args.to.display(), args.key_ring_to.display())?;
        writeln!(
            out,
            "Keep them apart, and destroy this copy of the keys within 30 days: until then it holds the keys of people who \
             are erased meanwhile."
        )
    })?)
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn restore(args: &RestoreArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let newest = args.checkpoint.as_deref().map(read_text).transpose()?;
    let (ledger, place) = vault::restore(flags, &args.from, args.key_ring_from.as_deref(), newest.as_deref())?;
    ledger.scrub_if_due(now())?;
    let object = json!({ "vault": place.folder, "key_ring": place.ring });
    Ok(out.answer(&object, |out| {
        writeln!(out, "The vault is restored at {}.", place.folder.display())?;
        writeln!(
            out,
            "Whoever was erased since the backup, and whatever was withdrawn, is so here too: the key ring knows."
        )
    })?)
}
