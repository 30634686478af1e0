//! `assent report`: the register of processing, and evidence for an authority, which is checked without the vault.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write as _};
use std::iter;
use std::path::{Path, PathBuf};

use assent::ledger::{EntryName, EventKind, EvidenceError, Ledger, UniqueFileNames, file_name_of};
use assent::packs::{hex, sha256};
use assent::rulepacks;
use assent::service::evidence::{self, Processing, Records, Register};
use assent::service::log::Occurrences;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::error::CommandError;
use crate::evidence::{BYTES_MAX, LIST, LOG};
use crate::files::{read_bytes, refuse_other, write_private};
use crate::output::{Output, count, date, quoted};
use crate::vault::{self, VaultFlags, collection_name, now};

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    command: ReportCommand,
}

#[derive(Debug, Subcommand)]
enum ReportCommand {
    /// The record of processing activities that article 30 of the GDPR asks for, as JSON
    Register,
    /// Everything that an authority asks for, in one ZIP file: register, notices, requests, orders, certificates of
    /// erasures, the log; anybody checks it with: assent audit verify --evidence FILE --key KEY
    Evidence {
        /// The ZIP file to write
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Also put this file into it: the impact assessment, the report on the accuracy; may be given several times
        #[arg(long = "with", value_name = "FILE")]
        with: Vec<PathBuf>,
    },
}

/// # Errors
///
/// [`CommandError`], as the ledger says, or if a file cannot be read or written.
pub(crate) fn run(args: &ReportArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    match &args.command {
        ReportCommand::Register => {
            let object = describe_register(&ledger, &evidence::register(&ledger, now())?)?;
            Ok(out.answer(&object, |out| writeln!(out, "{object:#}"))?)
        }
        ReportCommand::Evidence { to, with } => {
            refuse_other(to, LIST)?;
            let files = files(&ledger, with)?;
            let bytes: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
            if bytes > BYTES_MAX {
                return Err(CommandError::EvidenceTooLarge { path: to.clone() });
            }
            let hashes = files.iter().map(|(name, bytes)| (name.clone(), sha256(bytes))).collect();
            let list = (LIST, ledger.evidence_list(&hashes)?.into_bytes());
            let rest = files.iter().map(|(name, bytes)| (name.as_str(), bytes));
            write_private(to, &zipped(iter::once((list.0, &list.1)).chain(rest))?)?;
            let key = ledger.log_keys().to_string();
            Ok(out.answer(&json!({ "file": to, "files": files.len(), "key": key }), |out| {
                writeln!(out, "{} holds {}.", to.display(), count(files.len(), "file"))?;
                let file = quoted(&to.display().to_string());
                writeln!(out, "Anybody checks it with: assent audit verify --evidence {file} --key KEY")?;
                writeln!(out, "Tell them the key beside it, not in the file: assent audit key")
            })?)
        }
    }
}

/// What article 30 (1) asks for, collection by collection. It names nobody on the roster.
fn describe_register(ledger: &Ledger, register: &Register) -> Result<Value, CommandError> {
    let s = ledger.settings();
    let people: BTreeMap<String, usize> = register.people.iter().map(|(code, n)| (code.to_string(), *n)).collect();
    let processing = register.processing.iter().map(|one| {
        let Processing { collection: c, purposes, erased_by, missing } = one;
        let purposes: BTreeMap<String, usize> = purposes.iter().map(|(purpose, n)| (purpose.to_string(), *n)).collect();
        let basis = &c.basis;
        json!({
            "collection": c.name, "purposes": purposes, "others": c.others.to_string(),
            "data_subjects": "people who consented; everybody else in the photos is found and covered",
            "categories_of_data": ["portraits", "templates of faces (special category)", "photos", "names and contacts"],
            "basis": ["GDPR article 6 (1) (a)", "GDPR article 9 (2) (a)"], "recipients": "the person themselves",
            "transfers": "none", "erased_by": erased_by.map(date), "purpose_ends": basis.purpose_ends.map(date),
            "dpia": basis.dpia.as_ref().map(|d| json!({ "reference": d.reference, "date": date(d.made), "review": date(d.review) })),
            "necessity": basis.necessity, "alternative": basis.alternative, "notice_public": basis.notice_public.map(date),
            "open": missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    });
    let processing: Vec<Value> = processing.collect();
    let laws: Vec<Value> = rulepacks::described()
        .map_err(vault::VaultError::from)?
        .iter()
        .map(|d| json!({ "rule_pack": d.rules.label(), "law": d.law, "authority": d.authority }))
        .collect();
    Ok(json!({
        "made": date(now()), "vault": ledger.id().to_string(), "controller": s.controller, "accountable": s.accountable,
        "contact": s.contact, "jurisdiction": s.jurisdiction, "dpo": s.dpo, "representatives": s.representatives,
        "retention_policy_public": s.retention_policy_public.map(date), "people_by_jurisdiction": people,
        "processing": processing, "rules": laws,
        "security": [
            "everything of a person is sealed under a key of their own, and the keys lie apart from the data",
            "erasure destroys the key, and a signed certificate says so",
            "each search, export and erasure is an entry of a log that cannot be changed unnoticed",
            "faces of people who did not consent are compared in memory alone and never kept",
        ],
    }))
}

/// A ZIP file of these entries.
fn zipped<'a>(entries: impl Iterator<Item = (&'a str, &'a Vec<u8>)>) -> Result<Vec<u8>, CommandError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        zip.start_file(name, SimpleFileOptions::default())?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// The files of the evidence, by their names.
fn files(ledger: &Ledger, with: &[PathBuf]) -> Result<BTreeMap<EntryName, Vec<u8>>, CommandError> {
    let text = |value: &Value| format!("{value:#}\n").into_bytes();
    let records = evidence::records(ledger, now())?;
    let Records { register, notices, requests, orders, collections, events, certificates } = records;
    let mut files = vec![("register.json".to_owned(), text(&describe_register(ledger, &register)?))];
    for n in notices {
        files.push((format!("notices/{}.txt", hex(&n.sha256)), n.text.into_bytes()));
    }
    let name = |id| collection_name(&collections, id);
    // What somebody asked and who they are is theirs: that it was asked, and when it was answered, is evidence.
    let requests: Vec<Value> = requests
        .iter()
        .map(|r| {
            json!({
                "request": r.id.to_string(), "kind": r.kind.as_str(), "received": date(r.received), "due": date(r.due),
                "answered": r.answered.map(|(at, _)| date(at)), "outcome": r.answered.map(|(_, o)| o.as_str()),
                "days_overdue": r.days_overdue(now()), "collection": r.collection.map(name),
            })
        })
        .collect();
    files.push(("requests.json".to_owned(), text(&json!({ "requests": requests }))));
    let orders: Vec<Value> = orders
        .iter()
        .map(|o| {
            json!({
                "order": o.id.to_string(), "collection": o.collection.map(name), "from": date(o.from),
                "jurisdiction": o.jurisdiction.as_ref().map(|code| code.as_str().to_owned()),
                "until": o.until.map(date), "lifted": o.lifted.map(date), "reason": o.reason,
            })
        })
        .collect();
    files.push(("orders.json".to_owned(), text(&json!({ "orders": orders }))));
    for (erased, certificate) in certificates {
        files.push((format!("certificates/{erased}.txt"), certificate.into_bytes()));
    }
    let folder = tempfile::tempdir()?;
    ledger.export_log(folder.path(), now(), &mut |_, _| {})?;
    below(folder.path(), folder.path(), &mut files)?;
    let event = |(kind, seen): (EventKind, Occurrences)| {
        (kind.as_str().to_owned(), json!({ "times": seen.times, "last": date(seen.last) }))
    };
    files.push(("events.json".to_owned(), text(&Value::Object(events.into_iter().map(event).collect()))));
    let mut given = UniqueFileNames::default();
    for path in with {
        let name = file_name_of(&path.file_name().unwrap_or_default().to_string_lossy());
        files.push((given.unique(&format!("with/{name}")), read_bytes(path)?));
    }
    let entry = |(name, bytes): (String, Vec<u8>)| match EntryName::new(&name) {
        Ok(entry) => Ok((entry, bytes)),
        Err(source) => Err(EvidenceError::Name { name, source }.into()),
    };
    files.into_iter().map(entry).collect()
}

/// All files below a folder, named from the log's place in the evidence.
fn below(root: &Path, folder: &Path, files: &mut Vec<(String, Vec<u8>)>) -> Result<(), CommandError> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            below(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            files.push((format!("{LOG}{name}"), fs::read(&path)?));
        }
    }
    Ok(())
}
