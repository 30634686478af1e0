//! The binary `assent`: it reads the command line and the environment, and wires the parts together.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage.

mod access_cmd;
mod audit_cmd;
mod audit_show_cmd;
mod backup_cmd;
mod codes;
mod collection_cmd;
mod consent_cmd;
mod controller_cmd;
mod database;
mod demo_cmd;
mod det_plot;
mod doctor_cmd;
mod doctor_keys;
mod drafts;
mod due_cmd;
mod enrol_cmd;
mod erase_cmd;
mod error;
mod evaluate_cmd;
mod evaluate_open_set;
mod evaluate_verify_cmd;
mod everybody;
mod evidence;
mod fetch;
mod files;
mod find_cmd;
mod free_memory;
mod freeze_cmd;
mod gallery_cmd;
mod gallery_move;
mod help;
mod hints;
mod init_cmd;
mod interrupt;
mod jobs_cmd;
mod keys_cmd;
mod look;
mod lookup;
mod models_arg;
mod nothing;
mod notice_cmd;
mod output;
mod packs_cmd;
mod pages;
mod passphrase;
mod pending_cmd;
mod places;
mod progress;
mod refused;
mod report_cmd;
mod request_cmd;
mod roster;
mod rotate_cmd;
mod runtime_cmd;
mod scan_cmd;
mod search_args;
mod subject_cmd;
mod upload_cmd;
mod vault;
mod wheel;
mod witness_cmd;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use assent::ledger::is_unprintable;
use assent::portrait::PortraitError;
use assent_documents::json::line;
use assent_documents::problem::{Fields, Problem, Told, portrait_reasons};
use clap::{FromArgMatches as _, Parser, Subcommand};
use thiserror::Error;

use crate::output::Escaping;

/// Finds a person's photos in a collection, and only people who said yes can be found.
#[derive(Debug, Parser)]
#[command(name = "assent", version, about, propagate_version = true)]
#[expect(clippy::doc_markdown, reason = "these comments are the help text, and a person reads no backticks")]
struct Cli {
    /// Write one JSON object instead of text
    #[arg(long, global = true, help_heading = help::GLOBAL)]
    json: bool,
    /// The folder with packs [default: `ASSENT_PACKS`, else assent/packs in the user's data folder]
    #[arg(long, global = true, help_heading = help::GLOBAL, value_name = "DIR")]
    packs: Option<PathBuf>,
    /// The folder with the inference library [default: `ASSENT_RUNTIME`, else assent/runtime in the user's data folder]
    #[arg(long, global = true, help_heading = help::GLOBAL, value_name = "DIR")]
    runtime: Option<PathBuf>,
    /// The model pack [default: that of most people in the vault, else `sface`]
    #[arg(long, global = true, help_heading = help::GLOBAL, value_name = "NAME")]
    pack: Option<String>,
    /// Use a pack under this licence although it forbids commercial use
    #[arg(long, global = true, help_heading = help::GLOBAL, value_name = "LICENCE")]
    accept_licence: Vec<String>,
    /// The vault's folder [default: $ASSENT_VAULT, else assent/vault in the user's data folder]
    #[arg(long, global = true, help_heading = help::GLOBAL, value_name = "DIR")]
    vault: Option<PathBuf>,
    /// The vault's key ring [default: $ASSENT_KEY_RING, else a file in assent/keys in the user's data folder]
    #[arg(long, global = true, help_heading = help::GLOBAL, value_name = "FILE")]
    key_ring: Option<PathBuf>,
    /// The file with the key ring's passphrase [default: $ASSENT_PASSPHRASE_FILE, else it is asked for at the terminal]
    #[arg(long, global = true, help_heading = help::GLOBAL, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The shell command that unwraps the key ring's data key [default: $ASSENT_KEY_COMMAND]
    #[arg(long, global = true, help_heading = help::GLOBAL, value_name = "COMMAND")]
    key_command: Option<String>,
    /// This machine's date is right, although it is long after the newest entry of the vault, or before it
    #[arg(long, global = true, help_heading = help::GLOBAL)]
    clock_is_right: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole way on sample photos, in a vault that is gone afterwards
    Demo(demo_cmd::DemoArgs),
    /// Make a vault
    Init(init_cmd::InitArgs),
    /// Who answers for the vault
    Controller(controller_cmd::ControllerArgs),
    /// Folders of photos that you hold
    Collection(collection_cmd::CollectionArgs),
    /// Put photos into a collection that was added with --uploads
    Upload(upload_cmd::UploadArgs),
    /// What people are told before they say yes
    Notice(notice_cmd::NoticeArgs),
    /// The people on your list
    Subject(subject_cmd::SubjectArgs),
    /// People who witness signatures, and sign what they saw
    Witness(witness_cmd::WitnessArgs),
    /// Record a person's yes and make them findable
    #[command(alias = "enroll")]
    Enrol(enrol_cmd::EnrolArgs),
    /// Who agreed to what: renew, refuse, withdraw; records and receipts
    Consent(consent_cmd::ConsentArgs),
    /// Look at every photo of a collection, once; goes on where it was
    Scan(scan_cmd::ScanArgs),
    /// A person's own photos: a list, copies, or one page
    #[command(alias = "search")]
    Find(find_cmd::FindArgs),
    /// Confirm or refuse what the engine is not sure of
    Review(find_cmd::ReviewArgs),
    /// Who can be found, and what the thresholds promise; move to other models
    Gallery(gallery_cmd::GalleryArgs),
    /// Everything that is held about a person, in one file for them
    Access(access_cmd::AccessArgs),
    /// What people and authorities ask for, and until when it is answered
    Request(request_cmd::RequestArgs),
    /// The record of processing activities, and evidence for an authority
    Report(report_cmd::ReportArgs),
    /// Delete everything about a person and destroy their key
    Erase(erase_cmd::EraseArgs),
    /// Give a person, or everybody, a new key; nobody is enrolled anew
    Rotate(rotate_cmd::RotateArgs),
    /// Lock the key ring, look for damage in it, and mend it from a backup
    Keys(keys_cmd::KeysArgs),
    /// The log of everything that was done
    Audit(audit_cmd::AuditArgs),
    /// Stop everything at once, here or in one collection: an order of an authority, a complaint
    Freeze(freeze_cmd::FreezeArgs),
    /// What runs, how far it is, and how what ran before ended: scans, tables of people, copies; stop one
    Jobs(jobs_cmd::JobsArgs),
    /// What ends when, with more than half of the time gone: consents, requests, reviews, orders
    Due(due_cmd::DueArgs),
    /// What has to be done every day, for cron: end what is due, and delete everything stored under it
    Tick(due_cmd::TickArgs),
    /// Copy the data to one place and the keys to another
    Backup(backup_cmd::BackupArgs),
    /// Make a vault from a backup; whoever was erased since is erased again
    Restore(backup_cmd::RestoreArgs),
    /// How right the engine is, on labelled photos that never enter a vault
    Evaluate(evaluate_cmd::EvaluateArgs),
    /// Model packs and sample photos
    Packs(packs_cmd::PacksArgs),
    /// The inference library
    Runtime(runtime_cmd::RuntimeArgs),
    /// What is missing, each with the next command
    #[command(alias = "status")]
    Doctor,
    /// A script that completes these commands in your shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Why a command failed.
#[derive(Debug, Error)]
enum CliError {
    #[error(transparent)]
    Vault(#[from] error::CommandError),
    #[error(transparent)]
    Evaluate(#[from] evaluate_cmd::EvaluateCmdError),
    #[error(transparent)]
    Packs(#[from] packs_cmd::PacksError),
    #[error(transparent)]
    Runtime(#[from] runtime_cmd::RuntimeError),
}

impl CliError {
    /// A word for programs.
    fn code(&self) -> &'static str {
        match self {
            Self::Vault(error) => error.code(),
            Self::Evaluate(error) => error.code(),
            Self::Packs(error) => error.code(),
            Self::Runtime(error) => error.code(),
        }
    }

    /// What it is about, for programs.
    fn fields(&self) -> Fields {
        match self {
            Self::Vault(error) => error.fields(),
            Self::Evaluate(_) | Self::Packs(_) | Self::Runtime(_) => Fields::new(),
        }
    }

    /// The requirement that a refusal keeps, for programs.
    fn requirement(&self) -> Option<&'static str> {
        match self {
            Self::Vault(error) => error.requirement(),
            _ => None,
        }
    }
}

fn main() -> ExitCode {
    let read = help::command().try_get_matches().and_then(|typed| Cli::from_arg_matches(&typed));
    let cli = match read {
        Ok(read) => read,
        Err(usage) => return explain(&help::harmless(usage)),
    };
    match run(&cli, &mut Escaping::new(io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody to tell when the error output is closed.
            drop(report(&error, cli.json, &mut Escaping::new(io::stderr().lock())));
            ExitCode::FAILURE
        }
    }
}

/// Wrong usage, and help: exit code 2 or 0, with clap's explanation. What was typed is quoted in it, so that it is printed
/// without colours where it could do something to a terminal.
#[expect(clippy::disallowed_methods, reason = "the binary is the only reader of argv (I10)")]
fn explain(usage: &clap::Error) -> ExitCode {
    // As above, for whoever closed the output.
    if std::env::args_os().any(|arg| arg.to_string_lossy().contains(is_unprintable)) {
        drop(write!(Escaping::new(io::stderr().lock()), "{}", usage.render()));
    } else {
        drop(usage.print());
    }
    if usage.exit_code() == 0 { ExitCode::SUCCESS } else { ExitCode::from(2) }
}

fn run(cli: &Cli, writer: &mut dyn Write) -> Result<(), CliError> {
    let models = models_arg::ModelPlaces {
        packs: cli.packs.clone(),
        runtime: cli.runtime.clone(),
        pack: cli.pack.clone(),
        accepted: cli.accept_licence.clone(),
    };
    let vault = vault::VaultFlags {
        vault: cli.vault.clone(),
        key_ring: cli.key_ring.clone(),
        secret_provider: passphrase::SecretProvider::new(cli.passphrase_file.as_deref(), cli.key_command.as_deref()),
        ask_about_clock: !cli.json,
        clock_is_right: cli.clock_is_right,
    };
    let mut out = output::Output { json: cli.json, out: writer };
    match &cli.command {
        Command::Demo(args) => demo_cmd::run(args, &models, &mut out)?,
        Command::Init(args) => init_cmd::run(args, &vault, &mut out)?,
        Command::Collection(args) => collection_cmd::run(args, &vault, &mut out)?,
        Command::Controller(args) => controller_cmd::run(args, &vault, &mut out)?,
        Command::Upload(args) => upload_cmd::run(args, &vault, &mut out)?,
        Command::Notice(args) => notice_cmd::run(args, &vault, &mut out)?,
        Command::Report(args) => report_cmd::run(args, &vault, &mut out)?,
        Command::Request(args) => request_cmd::run(args, &vault, &models, &mut out)?,
        Command::Subject(args) => subject_cmd::run(args, &vault, &mut out)?,
        Command::Witness(args) => witness_cmd::run(args, &vault, &models, &mut out)?,
        Command::Enrol(args) => enrol_cmd::run(args, &vault, &models, &mut out)?,
        Command::Consent(args) => consent_cmd::run(args, &vault, &models, &mut out)?,
        Command::Scan(args) => scan_cmd::run(args, &vault, &models, &mut out)?,
        Command::Find(args) => find_cmd::run(args, &vault, &mut out)?,
        Command::Review(args) => find_cmd::review(args, &vault, &mut out)?,
        Command::Gallery(args) => gallery_cmd::run(args, &vault, &models, &mut out)?,
        Command::Access(args) => access_cmd::run(args, &vault, &mut out)?,
        Command::Erase(args) => erase_cmd::run(args, &vault, &mut out)?,
        Command::Rotate(args) => rotate_cmd::run(args, &vault, &mut out)?,
        Command::Keys(args) => keys_cmd::run(args, &vault, &mut out)?,
        Command::Audit(args) => audit_cmd::run(args, &vault, &mut out)?,
        Command::Freeze(args) => freeze_cmd::run(args, &vault, &mut out)?,
        Command::Jobs(args) => jobs_cmd::run(args, &vault, &mut out)?,
        Command::Due(args) => due_cmd::due(args, &vault, &mut out)?,
        Command::Tick(args) => due_cmd::tick(args, &vault, &mut out)?,
        Command::Backup(args) => backup_cmd::backup(args, &vault, &mut out)?,
        Command::Restore(args) => backup_cmd::restore(args, &vault, &mut out)?,
        Command::Doctor => doctor_cmd::run(&vault, &models, &mut out)?,
        Command::Evaluate(args) => evaluate_cmd::run(args, &models, cli.json, writer)?,
        Command::Packs(args) => packs_cmd::run(args, &models, cli.json, writer)?,
        Command::Runtime(args) => runtime_cmd::run(args, &models, cli.json, writer)?,
        Command::Completions { shell } => {
            // Into memory first: the generator does not take a writer that fails.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut help::command(), "assent", &mut script);
            writer.write_all(&script).map_err(error::CommandError::from)?;
        }
    }
    Ok(())
}

/// Prints an error and each of its causes, once, each with what to do next.
fn report(error: &CliError, json: bool, out: &mut dyn Write) -> io::Result<()> {
    let causes: Vec<String> = hints::causes(error).skip(1).map(hints::sentence).collect();
    if json {
        let portrait = hints::causes(error).find_map(|cause| cause.downcast_ref::<PortraitError>());
        let problem = Problem {
            code: error.code(),
            message: error.to_string(),
            fields: error.fields(),
            requirement: error.requirement(),
            reasons: portrait.map(portrait_reasons).unwrap_or_default(),
        };
        let told = Told { problem, hint: hints::first(error), error: hints::sentence(error), causes };
        return writeln!(out, "{}", line(&told)?);
    }
    // A line break in the name of a file begins no line of its own.
    writeln!(out, "assent: {}", hints::sentence(error).replace('\n', "\n    "))?;
    for cause in causes {
        writeln!(out, "  because: {}", cause.replace('\n', "\n    "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent::enrol::EnrolError;
    use assent::portrait::Reason;

    #[test]
    fn all_reasons_against_a_portrait_are_told() {
        let reasons = vec![Reason::TooSmall { got_px: 9, needed_px: 24 }, Reason::TooDark];
        let source = PortraitError::Unfit { reasons };
        let error = CliError::Vault(EnrolError::Portrait { picture: "me.jpg".to_owned(), source }.into());
        let told = |json| {
            let mut out = Vec::new();
            report(&error, json, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = told(false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "assent: the picture me.jpg cannot be used");
        assert!(lines[1].starts_with("  because: the face is too small: 9 pixels between the eyes, 24 are needed"));
        assert!(lines[2].starts_with("    the face is too dark"), "{text}");
        let object: serde_json::Value = serde_json::from_str(&told(true)).unwrap();
        assert_eq!((&object["code"], &object["hint"]), (&"portrait-unusable".into(), &serde_json::Value::Null));
        assert_eq!(object["reasons"][0]["code"], "too-small");
        assert_eq!(object["reasons"][1]["measure"], "LuminanceMean");
        assert_eq!(object["reasons"][1]["text"], lines[2].trim());
    }
}
