//! `assent backup` and `assent restore`.

use std::path::PathBuf;

use assent_documents::json::status::{BackedUp, MadeGood, Restored};
use assent_documents::json::text;
use clap::Args;

use crate::database::DatabaseArgs;
use crate::error::CommandError;
use crate::files::read_text;
use crate::output::{Output, shown};
use crate::vault::{self, VaultFlags, act, now};

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
    #[command(flatten)]
    database: DatabaseArgs,
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn backup(args: &BackupArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    vault::keep_ring_name(flags, &args.to)?;
    ledger.backup(&args.to, &args.key_ring_to, act())?;
    let uploads: Vec<_> = vault::collections(&ledger)?.into_iter().filter(|c| c.uploads).map(|c| c.directory).collect();
    let answer = BackedUp { data: text(&args.to), key_ring: text(&args.key_ring_to), not_copied: uploads };
    Ok(out.answer(&answer, |out| {
        for folder in &answer.not_copied {
            writeln!(out, "Photos that were uploaded are not in it: copy {} as well.", shown(folder))?;
        }
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
    let (ledger, place) =
        vault::restore(flags, &args.database, &args.from, args.key_ring_from.as_deref(), newest.as_deref())?;
    ledger.scrub_if_due(now());
    let found = ledger.recovered();
    let answer = Restored {
        vault: text(&place.folder),
        key_ring: text(&place.ring),
        entries_lost: found.entries_lost,
        made_good: MadeGood::from(&found),
    };
    Ok(out.answer(&answer, |out| {
        writeln!(out, "The vault is restored at {}.", place.folder.display())?;
        let describe_recovery = vault::describe_recovery(found);
        if describe_recovery.is_empty() {
            writeln!(out, "The key ring knows of nothing that came after the backup.")?;
        } else {
            let list = describe_recovery.join(", ");
            writeln!(out, "From the key ring, which knows what came after the backup: {list}.")?;
        }
        if found.entries_lost > 0 {
            let entries = if found.entries_lost == 1 { "1 entry".into() } else { format!("{} entries", found.entries_lost) };
            writeln!(
                out,
                "At least {entries} of the log came after this backup. What the others were cannot be known: people added, \
                 consents given, photos scanned. Look through your papers since the backup, and enter them again."
            )?;
        } else if args.checkpoint.is_none() {
            writeln!(
                out,
                "What else came after the backup cannot be known without the newest checkpoint (--checkpoint)."
            )?;
        }
        Ok(())
    })?)
}
