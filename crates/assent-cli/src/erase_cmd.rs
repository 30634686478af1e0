//! `assent erase`: one person, or everybody of a jurisdiction, of a collection, or of an order's list.

use std::collections::BTreeSet;
use std::path::PathBuf;

use assent::ledger::{Jurisdiction, Ledger, SubjectId};
use clap::Args;
use serde_json::json;

use crate::error::CommandError;
use crate::files::{make_folder, read_text, write_text};
use crate::output::{Output, count, date};
use crate::progress;
use crate::vault::{self, VaultFlags, now};

/// In a folder of certificates: who was erased.
pub(crate) const ERASURE_LIST: &str = "list.txt";

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("whom").required(true).args(["subject", "jurisdiction", "collection", "order"])))]
pub(crate) struct EraseArgs {
    /// Id, the beginning of it, handle, or unique name
    subject: Option<String>,
    /// Everybody under this law: a code such as UK, or EU for all of its member states
    #[arg(long, value_name = "CODE")]
    jurisdiction: Option<Jurisdiction>,
    /// Everybody whose consents are all for this collection
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Everybody in this list of an order: one id, handle or name on each line
    #[arg(long, value_name = "FILE")]
    order: Option<PathBuf>,
    /// Write the certificate there, which the person may keep and anybody can check
    #[arg(long, value_name = "FILE", conflicts_with_all = ["jurisdiction", "collection", "order"])]
    certificate: Option<PathBuf>,
    /// Write the certificates into this folder, with a list of them
    #[arg(long, value_name = "DIR", conflicts_with = "subject")]
    certificates: Option<PathBuf>,
    /// Say what would be erased, and erase nothing
    #[arg(long)]
    dry_run: bool,
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn run(args: &EraseArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    match &args.subject {
        Some(subject) => one(args, &ledger, vault::subject(&ledger, subject)?.id, out)?,
        None => many(args, &ledger, out)?,
    }
    ledger.scrub_if_due(now());
    Ok(())
}

fn one(args: &EraseArgs, ledger: &Ledger, subject: SubjectId, out: &mut Output<'_>) -> Result<(), CommandError> {
    if args.dry_run {
        let grants = ledger.run_tx("list consents", now(), |tx| tx.grants_of(subject))?.into_inner().len();
        let object = json!({ "subject": subject.to_string(), "consents": grants, "dry_run": true });
        return Ok(out.answer(&object, |out| {
            writeln!(
                out,
                "Would erase {subject}: name, contact, {}, templates, sightings, and the key.",
                count(grants, "consent")
            )
        })?);
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
    Ok(out.answer(&object, |out| {
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
    })?)
}

fn many(args: &EraseArgs, ledger: &Ledger, out: &mut Output<'_>) -> Result<(), CommandError> {
    let whom = whom(args, ledger)?;
    if args.dry_run {
        let ids: Vec<String> = whom.iter().map(ToString::to_string).collect();
        let object = json!({ "subjects": ids, "dry_run": true });
        return Ok(out.answer(&object, |out| {
            ids.iter().try_for_each(|id| writeln!(out, "{id}"))?;
            writeln!(out, "Would erase {}.", people(ids.len()))
        })?);
    }
    if whom.is_empty() {
        let object = json!({ "erased": [], "certificates": null });
        return Ok(out.answer(&object, |out| writeln!(out, "Nobody on the roster is meant; nothing was erased."))?);
    }
    // Before anybody is erased: a certificate that cannot be written is no surprise then.
    args.certificates.as_deref().map_or(Ok(()), make_folder)?;
    let bar = progress::bar(whom.len() as u64, "people");
    for subject in &whom {
        ledger.erase(*subject, now(), |_| ())?;
        if let Some(folder) = &args.certificates {
            let path = folder.join(format!("{subject}.txt"));
            write_text(&path, &ledger.certificate(*subject, now())?)?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if let Some(folder) = &args.certificates {
        write_text(&folder.join(ERASURE_LIST), &ledger.erasure_list(&whom)?)?;
    }
    let ids: Vec<String> = whom.iter().map(ToString::to_string).collect();
    Ok(out.answer(&json!({ "erased": ids, "certificates": args.certificates }), |out| {
        writeln!(out, "Erased {}.", people(ids.len()))?;
        match &args.certificates {
            Some(folder) => {
                writeln!(out, "The certificates are in {}, with a signed list of them.", folder.display())?;
                writeln!(out, "Anybody checks them with: assent audit verify --certificates DIR --key KEY")
            }
            None => writeln!(out, "Their certificates: assent audit certificate ID --to FILE"),
        }
    })?)
}

/// "1 person", "2 people".
pub(crate) fn people(n: usize) -> String {
    if n == 1 { "1 person".to_owned() } else { format!("{n} people") }
}

/// Who is meant. Everybody who is named is there, or nobody is erased.
fn whom(args: &EraseArgs, ledger: &Ledger) -> Result<BTreeSet<SubjectId>, CommandError> {
    if let Some(path) = &args.order {
        let text = read_text(path)?;
        let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
        return names.map(|name| Ok(vault::subject(ledger, name)?.id)).collect();
    }
    let only = args.collection.as_deref().map(|name| vault::collection(ledger, name)).transpose()?;
    let found = ledger.run_tx("find whom to erase", now(), |tx| {
        let mut found = BTreeSet::new();
        for subject in tx.subjects()? {
            let meant = match (&args.jurisdiction, &only) {
                (Some(place), _) => ledger.rules().is_in(&subject.jurisdiction, place),
                (None, Some(collection)) => {
                    let grants = tx.grants_of(subject.id)?;
                    !grants.is_empty() && grants.iter().all(|g| g.collection == collection.id)
                }
                (None, None) => false,
            };
            if meant {
                found.insert(subject.id);
            }
        }
        Ok(found)
    })?;
    Ok(found.into_inner())
}
