//! `assent witness`: people who saw forms signed, and what they sign themselves (R4).

use std::path::{Path, PathBuf};

use assent::ledger::{Ledger, VaultKind};
use assent::packs::hex;
use assent::service::witnesses::{self, Signed};
use assent_documents::json::consents::{Waiting, Witness, WitnessAdded, WitnessDryRun, WitnessList, WitnessSigned};
use assent_documents::json::{Id, Sha256, text as path_text};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};

use crate::error::CommandError;
use crate::look::LookedAt;
use crate::models_arg::ModelPlaces;
use crate::output::{Output, count, date, shown};
use crate::passphrase;
use crate::pending_cmd::{Engine, complete_these, enrolments_wait, line, print_completed, sorted};
use crate::vault::{self, VaultFlags, act, now};

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
        /// Put the pictures and the forms that wait into this folder, to look at them. They are deleted there when they were
        /// signed; with --dry-run they stay [default: at a terminal, a private folder until they were signed]
        #[arg(long, value_name = "FOLDER")]
        look: Option<PathBuf>,
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
        WitnessCommand::Sign { name, witness_passphrase_file, dry_run, look } => {
            let ledger = vault::open_and_expire(flags)?;
            let file = witness_passphrase_file.as_deref();
            let step = if *dry_run { Step::List } else { Step::Sign(file) };
            sign(&ledger, name, (step, look.as_deref()), &mut Engine::new(models, &ledger), out)
        }
        WitnessCommand::List => list(&vault::open(flags)?, out),
    }
}

fn add(ledger: &Ledger, name: &str, file: Option<&Path>, out: &mut Output<'_>) -> Result<(), CommandError> {
    witnesses::check_new(ledger, name, now())?;
    let asked = file.is_some() || ledger.kind() == VaultKind::Organisation;
    if asked && file.is_none() && !passphrase::at_terminal() {
        return Err(CommandError::Missing { flag: PASSPHRASE_FLAG });
    }
    let passphrase =
        if asked { Some(passphrase::new_words(file, &format!("New passphrase of {name}: "))?) } else { None };
    let id = witnesses::add(ledger, name, passphrase.as_ref().map(|words| words.as_slice()), act())?;
    let added = WitnessAdded { witness: Id::of(id), name: name.to_owned(), has_key: passphrase.is_some() };
    Ok(out.answer(&added, |out| {
        let key = if asked { " Only they should know this passphrase; they need it to sign." } else { "" };
        writeln!(out, "{} is registered as a witness.{key}", shown(name))
    })?)
}

fn shown_path(path: &Path) -> String {
    shown(path.display())
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
    (step, look): (Step<'_>, Option<&Path>),
    engine: &mut Engine<'_>,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let Some(witness) = vault::witnesses(ledger, &[name.to_owned()])?.pop() else { return Ok(()) };
    let waiting = witnesses::waiting_for(ledger, witness, now())?;
    let (shown, collections) = (&waiting.forms, &waiting.collections);
    let forms: Vec<_> = shown.iter().map(|form| Waiting::new(&form.who, &form.pending, collections)).collect();
    if !out.json {
        for form in sorted(shown) {
            writeln!(out.out, "{}", line(form, collections))?;
        }
    }
    let asked = look.is_some() || (!out.json && matches!(step, Step::Sign(None)) && passphrase::at_terminal());
    let looked = if asked { Some(LookedAt::put(ledger, &sorted(shown), look)?) } else { None };
    if let Some(looked) = looked.as_ref().filter(|_| !out.json) {
        let (files, folder) = (count(looked.files(), "file"), shown_path(&looked.folder));
        writeln!(out.out, "Look at each picture and each form before you sign: {files} in {folder}")?;
    }
    let Step::Sign(file) = step else {
        let folder = looked.map(LookedAt::leave);
        let answer =
            WitnessDryRun { witness: Id::of(witness), waiting: forms, folder: folder.as_deref().map(path_text) };
        return Ok(out.answer(&answer, |out| {
            writeln!(out, "{} would be signed, nothing was.", count(shown.len(), "enrolment"))?;
            let Some(folder) = folder else { return Ok(()) };
            writeln!(out, "Delete {} when you have looked: the pictures are theirs.", shown_path(&folder))
        })?);
    };
    let question = format!("Passphrase of {name}, to sign all {}: ", shown.len());
    let passphrase = passphrase::words(file, &question)?.ok_or(CommandError::Missing { flag: PASSPHRASE_FLAG })?;
    let Signed { roster, complete } = witnesses::sign(ledger, witness, shown, &passphrase, act())?;
    drop(looked);
    let completed = complete_these(ledger, engine, &complete);
    let answer = WitnessSigned {
        witness: Id::of(witness),
        signed: forms,
        root: Sha256(hex(&roster.root)),
        signature: STANDARD.encode(roster.signature),
        completed,
    };
    Ok(out.answer(&answer, |out| {
        writeln!(out, "Signed {} with one signature.", count(shown.len(), "enrolment"))?;
        match shown.len() - complete.len() {
            0 => {}
            n => writeln!(out, "{} for the other witness: assent witness sign NAME", enrolments_wait(n))?,
        }
        print_completed(&answer.completed, &complete, out)
    })?)
}

fn list(ledger: &Ledger, out: &mut Output<'_>) -> Result<(), CommandError> {
    let all = witnesses::all(ledger, now())?;
    Ok(out.answer(&WitnessList { witnesses: all.iter().map(Witness::from).collect() }, |out| {
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
