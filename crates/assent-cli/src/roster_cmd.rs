//! `assent init`, `collection`, `subject` and `witness`: who and what a vault is about.

use assent::ledger::{
    Collection, Ledger, NewCollection, NewSubject, OthersBasis, Settings, TxError, VaultKind, Witness,
};
use assent::source::Folder;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::error::CommandError;
use crate::output::{Output, ask, count, date};
use crate::vault::{self, VaultFlags, now};

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// A vault for oneself and one's household: at most 25 people, nothing is published
    #[arg(long)]
    household: bool,
    /// Household: your name. Otherwise: the accountable person
    #[arg(long)]
    name: Option<String>,
    /// The controller: the organisation that answers for the photos
    #[arg(long, conflicts_with = "household")]
    controller: Option<String>,
    /// How people reach the controller
    #[arg(long, conflicts_with = "household")]
    contact: Option<String>,
    /// Under which law, such as EU, UK, CH, US-IL
    #[arg(long, conflicts_with = "household")]
    jurisdiction: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct CollectionArgs {
    #[command(subcommand)]
    command: CollectionCommand,
}

#[derive(Debug, Subcommand)]
enum CollectionCommand {
    /// Name a folder of photos that you hold
    Add {
        /// The collection's name
        name: String,
        /// The folder
        dir: String,
        /// Why the other people in it may be looked at: closed-group, on-request:REF, household, research:REF, law:REF,
        /// or none (faces are then found and covered, never compared)
        #[arg(long, value_name = "BASIS")]
        others: Option<OthersBasis>,
        /// Keep the cut-out pixels of every face that is found, sealed: whoever enrols later is then found without that
        /// the photos are read again. They are the faces of everybody, also of people who were not asked
        #[arg(long)]
        keep_crops: bool,
    },
    /// Show all collections
    List,
    /// Show one with its numbers
    Show {
        /// The collection's name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SubjectArgs {
    #[command(subcommand)]
    command: SubjectCommand,
}

#[derive(Debug, Subcommand)]
enum SubjectCommand {
    /// Put a person on the roster; this enrols nobody
    Add {
        /// A short name of your own for them, unique in the vault
        handle: String,
        /// Their name
        #[arg(long)]
        name: String,
        /// How to reach them
        #[arg(long, default_value = "")]
        contact: String,
    },
    /// Show everybody on the roster
    List,
    /// Show one person and their consents
    Show {
        /// Id, the beginning of it, handle, or unique name
        subject: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WitnessArgs {
    #[command(subcommand)]
    command: WitnessCommand,
}

#[derive(Debug, Subcommand)]
enum WitnessCommand {
    /// Register a person who may witness signatures
    Add {
        /// Their name
        name: String,
    },
    /// Show all witnesses
    List,
}

/// # Errors
///
/// [`CommandError`] if an answer is missing or the vault cannot be made.
pub(crate) fn init(args: &InitArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let answer = |given: &Option<String>, flag: &'static str, question: &str| -> Result<String, CommandError> {
        let asked = || ask(question).map_err(CommandError::Output);
        match given.clone() {
            Some(text) => Ok(text),
            None => asked()?.ok_or(CommandError::Missing { flag }),
        }
    };
    let (kind, settings) = if args.household {
        let name = answer(&args.name, "--name", "What is your name?")?;
        (VaultKind::Household, Settings { controller: name.clone(), accountable: name, ..Settings::default() })
    } else {
        let settings = Settings {
            controller: answer(&args.controller, "--controller", "Which organisation answers for the photos?")?,
            accountable: answer(&args.name, "--name", "Who is accountable in it (a natural person)?")?,
            contact: answer(&args.contact, "--contact", "How do people reach it (address or e-mail)?")?,
            jurisdiction: answer(&args.jurisdiction, "--jurisdiction", "Under which law (EU, UK, CH, US-IL, ...)?")?,
        };
        (VaultKind::Organisation, settings)
    };
    let (ledger, place) = vault::create(flags, kind, &settings)?;
    if kind == VaultKind::Household {
        let owner = NewSubject { handle: "me", name: &settings.accountable, contact: "", owner: true };
        ledger.run_tx("add the owner", now(), |tx| tx.add_subject(&owner))?;
    }
    let (folder, ring) = (place.folder.display().to_string(), place.ring.display().to_string());
    let object = json!({ "vault": folder, "key_ring": ring, "kind": kind.as_str(), "id": ledger.id().to_string() });
    out.answer(&object, |out| {
        writeln!(
            out,
            "Made a vault for {} in {folder}",
            if args.household { "a household" } else { "an organisation" }
        )?;
        writeln!(out, "Its keys are in {ring}: keep that file apart from every copy of the vault.")?;
        let basis = if args.household { "" } else { " --others closed-group" };
        writeln!(out, "Next: assent collection add NAME FOLDER{basis}")
    })?;
    Ok(())
}

/// # Errors
///
/// [`CommandError`], as the folder and the ledger say.
pub(crate) fn collection(args: &CollectionArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    match &args.command {
        CollectionCommand::Add { name, dir, others, keep_crops } => {
            let folder = Folder::open(dir)?;
            let others = match (others, ledger.kind()) {
                (Some(others), _) => others.clone(),
                (None, VaultKind::Household) => OthersBasis::Household,
                (None, VaultKind::Organisation) => return Err(CommandError::Missing { flag: "--others" }),
            };
            let photos = folder.photos()?.len();
            let new = NewCollection { name, directory: folder.text(), others };
            let added = ledger.run_tx("add a collection", now(), |tx| {
                let id = tx.add_collection(&new)?;
                if *keep_crops { tx.keep_crops(id).map(|()| id) } else { Ok(id) }
            });
            let id = added?.into_inner();
            let object = json!({
                "collection": id.to_string(), "name": name, "photos": photos, "keep_crops": keep_crops,
            });
            out.answer(&object, |out| {
                writeln!(out, "Added {name} with {}.", count(photos, "photo"))?;
                writeln!(out, "Next: enrol somebody who said yes (assent enrol --help), then: assent scan {name}")
            })?;
        }
        CollectionCommand::List => {
            let all = vault::collections(&ledger)?;
            let objects: Vec<_> = all.iter().map(describe).collect();
            out.answer(&json!({ "collections": objects }), |out| {
                for c in &all {
                    let frozen = if c.frozen { ", frozen" } else { "" };
                    writeln!(out, "{}\t{}\tothers: {}{frozen}", c.name, c.directory, c.others)?;
                }
                if all.is_empty() {
                    writeln!(out, "No collection yet. Next: assent collection add NAME FOLDER")
                } else {
                    Ok(())
                }
            })?;
        }
        CollectionCommand::Show { name } => {
            let c = vault::collection(&ledger, name)?;
            let n = ledger.run_tx("count", now(), |tx| tx.counts(c.id))?.into_inner();
            let mut object = describe(&c);
            for (key, value) in [
                ("photos", n.photos),
                ("no_face", n.no_face),
                ("failed", n.failed),
                ("faces", n.faces),
                ("sightings", n.sightings),
                ("decisions", n.decisions),
                ("consents", n.active_grants),
                ("templates", n.templates),
                ("crops", n.crops),
            ] {
                object[key] = json!(value);
            }
            out.answer(&object, |out| {
                writeln!(out, "{}: {}", c.name, c.directory)?;
                writeln!(out, "others: {}", c.others)?;
                writeln!(out, "photos: {} ({} without a face, {} unusable)", n.photos, n.no_face, n.failed)?;
                writeln!(out, "faces: {}, of which sightings: {}", n.faces, n.sightings)?;
                writeln!(out, "consents in force: {}, templates: {}", n.active_grants, n.templates)?;
                let crops = if c.keep_crops { format!("{} are kept", n.crops) } else { "none are kept".to_owned() };
                writeln!(out, "crops of faces: {crops}")
            })?;
        }
    }
    Ok(())
}

fn describe(c: &Collection) -> serde_json::Value {
    json!({ "collection": c.id.to_string(), "name": c.name, "folder": c.directory, "others": c.others.to_string(), "frozen": c.frozen, "keep_crops": c.keep_crops })
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn subject(args: &SubjectArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    match &args.command {
        SubjectCommand::Add { handle, name, contact } => {
            let new = NewSubject { handle, name, contact, owner: false };
            let id = ledger.run_tx("add a subject", now(), |tx| tx.add_subject(&new))?.into_inner();
            out.answer(&json!({ "subject": id.to_string(), "handle": handle }), |out| {
                writeln!(
                    out,
                    "Added {handle} ({id}). Nothing is looked for until they are enrolled: assent enrol {handle} --help"
                )
            })?;
        }
        SubjectCommand::List => {
            #[expect(
                clippy::redundant_closure_for_method_calls,
                reason = "the method's path has one lifetime, the closure all"
            )]
            let all = ledger.run_tx("list subjects", now(), |tx| tx.subjects())?.into_inner();
            let objects: Vec<_> = all
                .iter()
                .map(|s| json!({ "subject": s.id.to_string(), "handle": s.handle, "name": s.name, "owner": s.owner }))
                .collect();
            out.answer(&json!({ "subjects": objects }), |out| {
                for s in &all {
                    writeln!(out, "{}\t{}\t{}", s.handle, s.name, s.id)?;
                }
                if all.is_empty() {
                    writeln!(out, "Nobody yet. Next: assent subject add HANDLE --name NAME")
                } else {
                    Ok(())
                }
            })?;
        }
        SubjectCommand::Show { subject } => {
            let s = vault::subject(&ledger, subject)?;
            let grants = ledger.run_tx("list consents", now(), |tx| tx.grants_of(s.id))?.into_inner();
            let collections = vault::collections(&ledger)?;
            let objects: Vec<_> = grants.iter().map(|g| crate::consent_cmd::describe(g, &collections)).collect();
            let object = json!({
                "subject": s.id.to_string(), "handle": s.handle, "name": s.name, "contact": s.contact,
                "added": date(s.created), "consents": objects,
            });
            out.answer(&object, |out| {
                writeln!(out, "{} ({}), {}", s.name, s.handle, s.id)?;
                if !s.contact.is_empty() {
                    writeln!(out, "contact: {}", s.contact)?;
                }
                writeln!(out, "on the roster since {}", date(s.created))?;
                for g in &grants {
                    writeln!(out, "{}", crate::consent_cmd::line(g, &collections))?;
                }
                if grants.is_empty() { writeln!(out, "no consent: they are not looked for") } else { Ok(()) }
            })?;
        }
    }
    Ok(())
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn witness(args: &WitnessArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    match &args.command {
        WitnessCommand::Add { name } => {
            let id = ledger.run_tx("add a witness", now(), |tx| tx.add_witness(name))?.into_inner();
            out.answer(&json!({ "witness": id.to_string(), "name": name }), |out| {
                writeln!(out, "Registered {name} ({id}).")
            })?;
        }
        WitnessCommand::List => {
            let all = witnesses(&ledger)?;
            let objects: Vec<_> = all
                .iter()
                .map(|w| json!({ "witness": w.id.to_string(), "name": w.name, "registered": date(w.registered) }))
                .collect();
            out.answer(&json!({ "witnesses": objects }), |out| {
                for w in &all {
                    writeln!(out, "{}\t{}\tsince {}", w.name, w.id, date(w.registered))?;
                }
                if all.is_empty() { writeln!(out, "No witness yet. Next: assent witness add NAME") } else { Ok(()) }
            })?;
        }
    }
    Ok(())
}

/// All registered witnesses.
///
/// # Errors
///
/// As the ledger.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub(crate) fn witnesses(ledger: &Ledger) -> Result<Vec<Witness>, TxError> {
    Ok(ledger.run_tx("list witnesses", now(), |tx| tx.witnesses())?.into_inner())
}
