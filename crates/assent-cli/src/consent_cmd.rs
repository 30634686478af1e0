//! `assent consent list|withdraw` and `assent erase`.

use std::path::PathBuf;

use assent::ledger::{Collection, Grant, GrantId, GrantState, Purpose};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::audit_cmd::write_text;
use crate::error::CommandError;
use crate::output::{Output, count, date};
use crate::vault::{self, VaultFlags, collection_name, now};

#[derive(Debug, Args)]
pub(crate) struct ConsentArgs {
    #[command(subcommand)]
    command: ConsentCommand,
}

#[derive(Debug, Subcommand)]
enum ConsentCommand {
    /// Show the consents of one person
    List {
        /// Id, the beginning of it, handle, or unique name
        subject: String,
    },
    /// End consents on the person's word: from then on they cannot be found
    Withdraw {
        /// Id, the beginning of it, handle, or unique name
        subject: String,
        /// In this collection alone
        #[arg(long, value_name = "NAME")]
        collection: Option<String>,
        /// For this purpose alone
        #[arg(long)]
        purpose: Option<Purpose>,
        /// Say what would end, and end nothing
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct EraseArgs {
    /// Id, the beginning of it, handle, or unique name
    subject: String,
    /// Write the certificate there, which the person may keep and anybody can check
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Say what would be erased, and erase nothing
    #[arg(long)]
    dry_run: bool,
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn run(args: &ConsentArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    let collections = vault::collections(&ledger)?;
    match &args.command {
        ConsentCommand::List { subject } => {
            let id = vault::subject(&ledger, subject)?.id;
            let grants = ledger.run_tx("list consents", now(), |tx| tx.grants_of(id))?.into_inner();
            let objects: Vec<_> = grants.iter().map(|g| describe(g, &collections)).collect();
            out.answer(&json!({ "consents": objects }), |out| {
                for g in &grants {
                    writeln!(out, "{}", line(g, &collections))?;
                }
                if grants.is_empty() { writeln!(out, "no consent: they are not looked for") } else { Ok(()) }
            })?;
        }
        ConsentCommand::Withdraw { subject, collection, purpose, dry_run } => {
            let id = vault::subject(&ledger, subject)?.id;
            let only = collection.as_deref().map(|name| vault::collection(&ledger, name)).transpose()?.map(|c| c.id);
            let grants = ledger.run_tx("list consents", now(), |tx| tx.grants_of(id))?.into_inner();
            let ending: Vec<GrantId> = grants
                .iter()
                .filter(|g| g.state == GrantState::Active)
                .filter(|g| only.is_none_or(|c| g.collection == c) && purpose.as_ref().is_none_or(|p| g.purpose == *p))
                .map(|g| g.id)
                .collect();
            if ending.is_empty() {
                return Err(CommandError::NothingToWithdraw);
            }
            if !dry_run {
                ledger.run_tx("withdraw", now(), |tx| {
                    ending.iter().try_for_each(|grant| tx.withdraw(tx.active_grant(*grant)?))
                })?;
            }
            let ids: Vec<String> = ending.iter().map(ToString::to_string).collect();
            out.answer(&json!({ "withdrawn": ids, "dry_run": dry_run }), |out| {
                let verb = if *dry_run { "Would end" } else { "Ended" };
                writeln!(
                    out,
                    "{verb} {}. Templates and sightings under them {}.",
                    count(ending.len(), "consent"),
                    gone(*dry_run)
                )
            })?;
        }
    }
    Ok(())
}

fn gone(dry_run: bool) -> &'static str {
    if dry_run { "would be deleted" } else { "are deleted" }
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn erase(args: &EraseArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    let subject = vault::subject(&ledger, &args.subject)?.id;
    if args.dry_run {
        let grants = ledger.run_tx("list consents", now(), |tx| tx.grants_of(subject))?.into_inner().len();
        let object = json!({ "subject": subject.to_string(), "consents": grants, "dry_run": true });
        out.answer(&object, |out| {
            writeln!(
                out,
                "Would erase {subject}: name, contact, {}, templates, sightings, and the key.",
                count(grants, "consent")
            )
        })?;
        return Ok(());
    }
    // No gallery is in memory between commands; each scan makes its own.
    let done = ledger.erase(subject, now(), |_| ())?;
    let certificate = ledger.certificate(subject, now())?;
    if let Some(path) = &args.certificate {
        write_text(path, &certificate)?;
    }
    let object = json!({
        "subject": subject.to_string(), "erased": date(done.erased), "intent_leaf": done.intent, "done_leaf": done.done,
        "certificate": certificate,
    });
    out.answer(&object, |out| {
        writeln!(
            out,
            "Erased {subject}. Rows deleted, key destroyed; leaves {} and {} of the log say so.",
            done.intent, done.done
        )?;
        match &args.certificate {
            Some(path) => writeln!(out, "The certificate is in {}.", path.display())?,
            None => writeln!(out, "Their certificate: assent audit certificate {subject} --to FILE")?,
        }
        writeln!(out, "An old backup of the key ring still holds the key: destroy such backups, or let them run out.")
    })?;
    Ok(ledger.scrub_if_due(now())?)
}

/// A consent for machines.
pub(crate) fn describe(g: &Grant, collections: &[Collection]) -> Value {
    json!({
        "consent": g.id.to_string(), "collection": collection_name(collections, g.collection), "purpose": g.purpose.as_str(),
        "state": g.state.as_str(), "from": date(g.valid_from), "until": date(g.valid_until),
    })
}

/// A consent for people, on one line.
pub(crate) fn line(g: &Grant, collections: &[Collection]) -> String {
    let name = collection_name(collections, g.collection);
    format!("{}\t{}\t{name}\tfrom {} until {}", g.state, g.purpose.as_str(), date(g.valid_from), date(g.valid_until))
}
