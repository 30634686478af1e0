//! `assent witness`: people who saw forms signed, and what they sign themselves (R4).

use std::path::{Path, PathBuf};

use assent::ledger::{Ledger, Pending, TxError, VaultKind, Witness, WitnessId};
use assent::packs::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::enrol_cmd::known_witnesses;
use crate::error::CommandError;
use crate::models_arg::ModelPlaces;
use crate::output::{Output, count, date, shown};
use crate::passphrase;
use crate::pending_cmd::{Engine, Names, complete_these, enrolments_wait};
use crate::vault::{self, VaultFlags, now};

/// How a script gives a witness's passphrase.
const PASSPHRASE_FLAG: &str = "--witness-passphrase-file";

#[derive(Debug, Args)]
pub(crate) struct WitnessArgs {
    #[command(subcommand)]
    command: WitnessCommand,
}

#[derive(Debug, Subcommand)]
enum WitnessCommand {
    /// Register a person who may witness signatures. Outside households they type a passphrase of their own: the key that
    /// they sign with opens with it alone. Somebody who has no key yet gets one
    Add {
        /// Their name
        name: String,
        /// The file with their passphrase, for scripts [default: it is asked for at the terminal, twice]
        #[arg(long, value_name = "FILE")]
        witness_passphrase_file: Option<PathBuf>,
    },
    /// Sign everything that waits for one witness, with one signature. What both have signed is completed
    Sign {
        /// Their name
        name: String,
        /// The file with their passphrase, for scripts [default: it is asked for at the terminal]
        #[arg(long, value_name = "FILE")]
        witness_passphrase_file: Option<PathBuf>,
        /// Show what waits for them, and sign nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Show all witnesses
    List,
}

/// # Errors
///
/// [`CommandError`], as the ledger and the pictures say.
pub(crate) fn run(
    args: &WitnessArgs,
    flags: &VaultFlags,
    models: &ModelPlaces,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    match &args.command {
        WitnessCommand::Add { name, witness_passphrase_file } => {
            add(&vault::open(flags)?, name, witness_passphrase_file.as_deref(), out)
        }
        WitnessCommand::Sign { name, witness_passphrase_file, dry_run } => {
            let ledger = vault::open_and_expire(flags)?.0;
            let file = witness_passphrase_file.as_deref();
            let step = if *dry_run { Step::List } else { Step::Sign(file) };
            sign(&ledger, name, step, &mut Engine::new(models, &ledger), out)
        }
        WitnessCommand::List => list(&vault::open(flags)?, out),
    }
}

fn add(ledger: &Ledger, name: &str, file: Option<&Path>, out: &mut Output<'_>) -> Result<(), CommandError> {
    let there = witnesses(ledger)?.into_iter().find(|w| w.name == name);
    if let Some(Witness { id: witness, public_key: Some(_), .. }) = there {
        return Err(TxError::WitnessHasKey { witness }.into());
    }
    let asked = file.is_some() || ledger.kind() == VaultKind::Organisation;
    if asked && file.is_none() && !passphrase::at_terminal() {
        return Err(CommandError::Missing { flag: PASSPHRASE_FLAG });
    }
    let passphrase =
        if asked { Some(passphrase::new_words(file, &format!("New passphrase of {name}: "))?) } else { None };
    let added = ledger.run_tx("add a witness", now(), |tx| {
        let id = there.as_ref().map_or_else(|| tx.add_witness(name), |witness| Ok(witness.id))?;
        passphrase.as_ref().map_or(Ok(()), |words| tx.set_witness_key(id, words))?;
        Ok(id)
    })?;
    let id = added.into_inner();
    let object = json!({ "witness": id.to_string(), "name": name, "key": passphrase.is_some() });
    Ok(out.answer(&object, |out| {
        let key = if asked { " Only they should know this passphrase; they need it to sign." } else { "" };
        writeln!(out, "{} is registered as a witness.{key}", shown(name))
    })?)
}

/// Show what waits, or sign it with the passphrase in a file, or typed.
#[derive(Clone, Copy)]
enum Step<'a> {
    List,
    Sign(Option<&'a Path>),
}

fn sign(
    ledger: &Ledger,
    name: &str,
    step: Step<'_>,
    engine: &mut Engine<'_>,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let witness = known_witnesses(ledger, &[name.to_owned()])?[0];
    let waiting = waiting_for(ledger, witness)?;
    let names = Names::of(ledger)?;
    let objects: Vec<_> = waiting.iter().map(|p| names.describe(p)).collect();
    if !out.json {
        for pending in names.sorted(&waiting) {
            writeln!(out.out, "{}", names.line(pending))?;
        }
    }
    let Step::Sign(file) = step else {
        return Ok(out.answer(&json!({ "witness": witness.to_string(), "waits": objects }), |out| {
            writeln!(out, "{} would be signed, nothing was.", count(waiting.len(), "enrolment"))
        })?);
    };
    let question = format!("Passphrase of {name}, to sign all {}: ", waiting.len());
    let passphrase = passphrase::words(file, &question)?.ok_or(CommandError::Missing { flag: PASSPHRASE_FLAG })?;
    let ids: Vec<_> = waiting.iter().map(|p| p.id).collect();
    let roster = ledger.run_tx("sign", now(), |tx| tx.sign_roster(witness, &ids, &passphrase))?.into_inner();
    let signed =
        ledger.read_tx(now(), |tx| roster.complete.iter().map(|id| tx.pending(*id)).collect::<Result<Vec<_>, _>>())?;
    let completed = complete_these(ledger, engine, &signed)?;
    let mut object = json!({
        "witness": witness.to_string(), "signed": objects, "root": hex(&roster.root), "signature": STANDARD.encode(roster.signature),
    });
    completed.add_to(&mut object);
    Ok(out.answer(&object, |out| {
        writeln!(out, "Signed {} with one signature.", count(ids.len(), "enrolment"))?;
        match ids.len() - roster.complete.len() {
            0 => {}
            n => writeln!(out, "{} for the other witness: assent witness sign NAME", enrolments_wait(n))?,
        }
        completed.print(out)
    })?)
}

/// What waits for this witness; at least one.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
fn waiting_for(ledger: &Ledger, witness: WitnessId) -> Result<Vec<Pending>, CommandError> {
    let all = ledger.read_tx(now(), |tx| tx.all_pending())?;
    let theirs: Vec<Pending> = all.into_iter().filter(|p| p.witnesses.contains(&witness)).collect();
    let signed_before = !theirs.is_empty();
    let waiting: Vec<Pending> = theirs.into_iter().filter(|p| p.missing().contains(&witness)).collect();
    match (waiting.is_empty(), signed_before) {
        (true, true) => Err(TxError::SignedTwice { witness }.into()),
        (true, false) => Err(TxError::NothingToSign { witness }.into()),
        (false, _) => Ok(waiting),
    }
}

fn list(ledger: &Ledger, out: &mut Output<'_>) -> Result<(), CommandError> {
    let all = witnesses(ledger)?;
    let objects: Vec<_> = all
        .iter()
        .map(|w| {
            let key = w.public_key.map(|key| hex(&key));
            json!({ "witness": w.id.to_string(), "name": w.name, "registered": date(w.registered), "public_key": key })
        })
        .collect();
    Ok(out.answer(&json!({ "witnesses": objects }), |out| {
        for w in &all {
            // In a household nobody signs with a passphrase.
            let key = if w.public_key.is_some() || ledger.kind() == VaultKind::Household {
                ""
            } else {
                "\tno passphrase to sign with"
            };
            writeln!(out, "{}\tsince {}{key}", shown(&w.name), date(w.registered))?;
        }
        if all.is_empty() { writeln!(out, "No witness yet. Next: assent witness add NAME") } else { Ok(()) }
    })?)
}

/// All registered witnesses.
///
/// # Errors
///
/// As the ledger.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub(crate) fn witnesses(ledger: &Ledger) -> Result<Vec<Witness>, TxError> {
    ledger.read_tx(now(), |tx| tx.witnesses())
}
