//! `assent keys`: what the key ring is locked with.

use std::path::PathBuf;

use assent::ledger::RingSecret;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;

use crate::error::CommandError;
use crate::files::read_bytes;
use crate::output::Output;
use crate::passphrase;
use crate::vault::{self, VaultFlags};

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
    let ledger = vault::open(flags)?;
    let secret = match &args.command {
        KeysCommand::Wrap(how) => Some(new_secret(how)?),
        KeysCommand::Unwrap => None,
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
    Ok(out.answer(&json!({ "lock": lock }), |out| {
        writeln!(out, "{next}")?;
        writeln!(
            out,
            "Backups of the key ring from before keep the lock that they had: make a new one, and destroy those."
        )
    })?)
}

fn new_secret(how: &WrapArgs) -> Result<RingSecret, CommandError> {
    let (Some(command), Some(file)) = (&how.command, &how.wrapped_key) else {
        return Ok(passphrase::new_passphrase(how.new_passphrase_file.as_deref())?);
    };
    Ok(passphrase::data_key(command.as_ref(), read_bytes(file)?)?)
}
