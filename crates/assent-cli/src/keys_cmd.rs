//! `assent keys`: what the key ring is locked with, and whether it is whole.

use std::path::{Path, PathBuf};

use assent::ledger::{DamagedSlot, Ledger, RingSecret, SlotOwner, Unreadable};
use assent_documents::json::keys::{KeysAdopted, KeysChecked, KeysLocked, KeysRepaired};
use assent_documents::json::text;
use clap::{ArgGroup, Args, Subcommand};

use crate::doctor_keys;
use crate::error::CommandError;
use crate::files::read_bytes;
use crate::output::{Output, count, people};
use crate::passphrase;
use crate::vault::{self, VaultFlags, now};

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Lock the key ring, or lock it with something else than before
    Wrap(WrapArgs),
    /// Leave the keys in the file as they are: whoever may read it has them
    Unwrap,
    /// Look at every key: which are whole, which are damaged, and whom that concerns
    Check,
    /// Use a vault on a server with the key ring that is here: it was moved to this place, or every other copy is lost
    Adopt,
    /// Mend damaged keys: from what can still be read of them, and from a backup of the key ring
    Repair {
        /// The backup of the key ring: a file that `assent backup` made
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("how").required(true))]
struct WrapArgs {
    /// With a passphrase, which is asked for at the terminal
    #[arg(long, group = "how")]
    passphrase: bool,
    /// With a passphrase from this file
    #[arg(long, group = "how", value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
    /// With a data key that this shell command unwraps: it gets the wrapped key, and writes the key, 32 bytes
    #[arg(long, group = "how", value_name = "COMMAND", requires = "wrapped_key")]
    command: Option<String>,
    /// The file with the wrapped data key, of 4096 bytes at most
    #[arg(long, value_name = "FILE", requires = "command")]
    wrapped_key: Option<PathBuf>,
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn run(args: &KeysArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    if matches!(args.command, KeysCommand::Adopt) {
        return adopt(flags, out);
    }
    let ledger = vault::open(flags)?;
    let secret = match &args.command {
        KeysCommand::Adopt => return Ok(()),
        KeysCommand::Wrap(how) => Some(new_secret(how)?),
        KeysCommand::Unwrap => None,
        KeysCommand::Check => return check(&ledger, out),
        KeysCommand::Repair { from } => return repair(&ledger, flags, from.as_deref(), out),
    };
    ledger.lock_keys(secret.as_ref())?;
    let (lock, next) = match secret {
        None => ("none", "The key ring opens without a secret now: keep its file where nobody else reads."),
        Some(RingSecret::Passphrase(_)) => (
            "passphrase",
            "The key ring is locked. Nobody can bring the passphrase back: keep a copy where the vault is not.",
        ),
        Some(RingSecret::DataKey { .. }) => {
            ("data-key", "The key ring is locked. Set ASSENT_KEY_COMMAND to the same command from now on.")
        }
    };
    Ok(out.answer(&KeysLocked { lock: lock.to_owned() }, |out| {
        writeln!(out, "{next}")?;
        writeln!(
            out,
            "Backups of the key ring from before keep the lock that they had: make a new one, and destroy those."
        )
    })?)
}

/// # Errors
///
/// As the ledger.
fn adopt(flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ring = vault::adopt_ring(flags)?;
    // What an older copy has to know is written into it at once.
    vault::open(flags)?;
    Ok(out.answer(&KeysAdopted { key_ring: text(&ring) }, |out| {
        writeln!(out, "The vault is used with the key ring {} from now on.", ring.display())?;
        writeln!(out, "Destroy every other copy of it but your backups: people who are erased would stay in them.")
    })?)
}

/// # Errors
///
/// - [`CommandError::DamagedKeys`] if one is damaged.
/// - As the ledger.
fn check(ledger: &Ledger, out: &mut Output<'_>) -> Result<(), CommandError> {
    let (check, collections) = (ledger.check_keys(now())?, vault::collections(ledger)?);
    let whole = check.slots - check.damaged.len() as u64;
    out.answer(&KeysChecked::from(&check), |out| {
        writeln!(out, "{} of {} in the key ring whole.", whole, count(check.slots as usize, "place"))?;
        if !check.foreign.is_empty() {
            writeln!(out, "{} of nobody in this vault; that does no harm.", count(check.foreign.len(), "key"))?;
        }
        check.people.iter().try_for_each(|who| writeln!(out, "{}", doctor_keys::describe(who, &collections)))?;
        if !check.grants.is_empty() {
            writeln!(out, "{}", doctor_keys::describe_grants(&check.grants))?;
        }
        for slot in check.damaged.iter().filter(|slot| !concerns(slot, &check.people)) {
            writeln!(out, "place {} is damaged: {}", slot.slot, owner(slot))?;
        }
        Ok(())
    })?;
    if check.is_whole() { Ok(()) } else { Err(CommandError::DamagedKeys) }
}

/// # Errors
///
/// - [`CommandError::DamagedKeys`] if one is damaged still.
/// - As the ledger.
fn repair(ledger: &Ledger, flags: &VaultFlags, from: Option<&Path>, out: &mut Output<'_>) -> Result<(), CommandError> {
    let secrets = from.map(|path| flags.secret_provider.secrets(&[path])).transpose()?.unwrap_or_default();
    let done = ledger.repair_keys(from.map(|path| (path, secrets.as_slice())), now())?;
    let collections = vault::collections(ledger)?;
    out.answer(&KeysRepaired::from(&done), |out| {
        writeln!(out, "Mended {}.", count(done.mended as usize, "place"))?;
        if !done.people.is_empty() {
            let people = people(done.people.len());
            writeln!(out, "{people} can be found again, in photos from the time of the damage after the next scan.")?;
        }
        for who in &done.without {
            writeln!(out, "{}", doctor_keys::describe(who, &collections))?;
        }
        if !done.without.is_empty() && from.is_some() {
            writeln!(out, "This backup has no key that opens what is held of them: it is older than them, or than a change of their keys.")?;
        }
        for slot in done.left.iter().filter(|slot| !concerns(slot, &done.without)) {
            writeln!(out, "place {} is damaged: {}", slot.slot, owner(slot))?;
        }
        Ok(())
    })?;
    if done.left.is_empty() && done.without.is_empty() { Ok(()) } else { Err(CommandError::DamagedKeys) }
}

/// Whether a damaged slot is that of one of these people.
fn concerns(slot: &DamagedSlot, people: &[Unreadable]) -> bool {
    people.iter().any(|who| slot.owner == SlotOwner::Subject(who.subject))
}

/// Whom a damaged slot concerns, for people.
fn owner(slot: &DamagedSlot) -> &'static str {
    match slot.owner {
        SlotOwner::Subject(_) => "an older key of somebody who has another one",
        SlotOwner::Grant(_) => "the key of a consent",
        SlotOwner::Erased(_) => "the key of somebody who was erased, which is gone",
        SlotOwner::Crops(_) => "the key of the faces that a collection keeps; they are read from the photos again",
        SlotOwner::Unknown => "whose it is cannot be read",
    }
}

fn new_secret(how: &WrapArgs) -> Result<RingSecret, CommandError> {
    let (Some(command), Some(file)) = (&how.command, &how.wrapped_key) else {
        return Ok(passphrase::new_passphrase(how.new_passphrase_file.as_deref())?);
    };
    Ok(passphrase::data_key(command.as_ref(), read_bytes(file)?)?)
}
