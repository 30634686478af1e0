//! `assent consent`: who agreed to what, again or no more, and the record of it.

use std::path::{Path, PathBuf};

use askama::Template;
use assent::ledger::{
    Collection, CollectionId, Grant, GrantId, GrantState, Ledger, NewGrant, NewPending, Pending, PendingId, Purpose,
    Refusal, Signer, Subject, UniqueFileNames, file_name_of,
};
use assent::packs::sha256;
use assent::rulepacks;
use clap::{Args, Subcommand};
use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use serde_json::{Value, json};

use crate::enrol_cmd::{a_year_from, notice_given, signed_form};
use crate::error::CommandError;
use crate::files::{make_folder, read_text, replace_text};
use crate::models_arg::ModelPlaces;
use crate::output::{Output, count, date, day, long_date, purpose_words, shown};
use crate::pending_cmd::{Engine, Names, print_waiting};
use crate::record::{Record, RecordError, receipt};
use crate::roster::{self, Import};
use crate::vault::{self, VaultFlags, collection_name, now};

#[derive(Debug, Args)]
pub(crate) struct ConsentArgs {
    #[command(subcommand)]
    command: ConsentCommand,
}

#[derive(Debug, Subcommand)]
enum ConsentCommand {
    /// Show the consents of one person, and what they said no to
    List {
        /// Id, the beginning of it, handle, or unique name
        subject: String,
    },
    /// Record that a person agrees again, before the consent that they gave ends
    Renew(Box<RenewArgs>),
    /// Record that a person was asked and said no: they are not looked for, and nobody asks again by mistake
    Refuse(AskedArgs),
    /// The records of a person's consents, by the field names of ISO/IEC TS 27560, as JSON
    Record {
        /// Id, the beginning of it, handle, or unique name
        subject: String,
    },
    /// Receipts for the person to keep: a signed record and a page to print, for each consent in force
    Receipt {
        /// Id, the beginning of it, handle, or unique name
        subject: String,
        /// The folder to write them to
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
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

/// Who was asked for what.
#[derive(Debug, Args)]
struct AskedArgs {
    /// Id, the beginning of it, handle, or unique name
    subject: String,
    /// In which collection
    #[arg(long, value_name = "NAME")]
    collection: String,
    /// For what
    #[arg(long, default_value = Purpose::FIND)]
    purpose: Purpose,
    /// The notice that they were given: a text file
    #[arg(long, value_name = "FILE")]
    notice: PathBuf,
}

#[derive(Debug, Args)]
struct RenewArgs {
    /// Id, the beginning of it, handle, or unique name
    #[arg(required_unless_present = "roster", conflicts_with = "roster")]
    subject: Option<String>,
    /// A table of people who agree again, as a spreadsheet saves it as CSV: columns id, release, witnesses, and if you like
    /// signer, expiry, collections, purposes. Where the last two are missing, all that a person agreed to is renewed
    #[arg(long, value_name = "FILE.csv")]
    roster: Option<PathBuf>,
    /// Check every row of the table, and record nothing
    #[arg(long, requires = "roster")]
    dry_run: bool,
    /// In which collection
    #[arg(long, value_name = "NAME", required_unless_present = "roster", conflicts_with = "roster")]
    collection: Option<String>,
    /// For what
    #[arg(long, default_value = Purpose::FIND)]
    purpose: Purpose,
    /// The notice that they were given: a text file
    #[arg(long, value_name = "FILE")]
    notice: PathBuf,
    /// The scanned, signed form: a picture or a PDF, used once
    #[arg(long, value_name = "FILE", required_unless_present = "roster", conflicts_with = "roster")]
    release: Option<PathBuf>,
    /// Who saw it signed, by name: two
    #[arg(long = "witness", value_name = "WITNESS")]
    witnesses: Vec<String>,
    /// Who signed it: subject, parent or both
    #[arg(long, default_value = "subject", value_name = "WHO")]
    signed_by: Signer,
    /// The notice's language
    #[arg(long, default_value = "en", value_name = "TAG")]
    language: String,
    /// The day on which the consent ends [default: a year from now]
    #[arg(long, value_name = "DATE")]
    expires: Option<String>,
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn run(
    args: &ConsentArgs,
    flags: &VaultFlags,
    models: &ModelPlaces,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    let collections = vault::collections_ever(&ledger)?;
    match &args.command {
        ConsentCommand::List { subject } => {
            let id = vault::subject(&ledger, subject)?.id;
            let said = ledger.read_tx(now(), |tx| Ok((tx.grants_of(id)?, tx.refusals_of(id)?, tx.pending_of(id)?)))?;
            let (grants, refusals, pending) = said;
            let objects: Vec<_> = grants.iter().map(|g| describe(g, &collections)).collect();
            let said_no: Vec<_> = refusals.iter().map(|r| describe_no(r, &collections)).collect();
            let names = Names::of(&ledger)?;
            let waiting: Vec<_> = pending.iter().map(|p| names.describe(p)).collect();
            let object = json!({ "consents": objects, "refusals": said_no, "waiting": waiting });
            out.answer(&object, |out| {
                for g in &grants {
                    writeln!(out, "{}", line(g, &collections))?;
                }
                for p in &pending {
                    writeln!(out, "waits for its witnesses: {}", names.line(p))?;
                }
                for r in &refusals {
                    let name = collection_name(&collections, r.collection);
                    writeln!(out, "refused\t{}\t{name}\ton {}", r.purpose, date(r.created))?;
                }
                if grants.is_empty() { writeln!(out, "no consent: they are not looked for") } else { Ok(()) }
            })?;
        }
        ConsentCommand::Renew(args) => renew(args, &ledger, models, out)?,
        ConsentCommand::Refuse(AskedArgs { subject, collection, purpose, notice }) => {
            let (id, of) = (vault::subject(&ledger, subject)?.id, vault::collection(&ledger, collection)?.id);
            let notice = sha256(read_text(notice)?.as_bytes());
            ledger.run_tx("refuse", now(), |tx| tx.refuse(id, of, purpose, notice))?;
            out.answer(&json!({ "subject": id.to_string(), "refused": purpose.as_str() }), |out| {
                writeln!(out, "Recorded: no to {purpose} in {}. Nothing else changes for them.", shown(collection))
            })?;
        }
        ConsentCommand::Record { subject } => {
            let records = records(&ledger, &vault::subject(&ledger, subject)?)?;
            let all: Vec<Value> = records.into_iter().map(|(_, record)| record).collect::<Result<_, _>>()?;
            let object = json!({ "records": all });
            out.answer(&object, |out| writeln!(out, "{object:#}"))?;
        }
        ConsentCommand::Receipt { subject, to } => receipts(&ledger, &vault::subject(&ledger, subject)?, to, out)?,
        ConsentCommand::Withdraw { subject, collection, purpose, dry_run } => {
            let id = vault::subject_id(&ledger, subject)?;
            let only = collection.as_deref().map(|name| vault::collection(&ledger, name)).transpose()?.map(|c| c.id);
            let fits = |c: CollectionId, of: &Purpose| {
                only.is_none_or(|only| only == c) && purpose.as_ref().is_none_or(|purpose| purpose == of)
            };
            let said = ledger.read_tx(now(), |tx| {
                // What waits cannot be read with a damaged key. A form is given up as a whole, also if it covers more.
                let waiting: Vec<PendingId> = if tx.is_readable(id)? {
                    let meant = |p: &Pending| p.signed.consents.iter().any(|c| fits(c.collection, &c.purpose));
                    tx.pending_of(id)?.iter().filter(|p| meant(p)).map(|p| p.id).collect()
                } else {
                    tx.pending_ids_of(id)?
                };
                Ok((tx.consents_of(id)?, waiting))
            })?;
            let (consents, given_up) = said;
            let ending: Vec<GrantId> =
                consents.iter().filter(|c| fits(c.collection, &c.purpose)).map(|c| c.grant).collect();
            if ending.is_empty() && given_up.is_empty() {
                return Err(CommandError::NothingToWithdraw);
            }
            if !dry_run {
                ledger.run_tx("withdraw", now(), |tx| {
                    given_up.iter().try_for_each(|pending| tx.discard_pending(*pending))?;
                    ending.iter().try_for_each(|grant| tx.withdraw_consent(*grant))
                })?;
            }
            let ids: Vec<String> = ending.iter().map(ToString::to_string).collect();
            let waiting: Vec<String> = given_up.iter().map(ToString::to_string).collect();
            let object = json!({ "withdrawn": ids, "given_up": waiting, "dry_run": dry_run });
            out.answer(&object, |out| {
                let verb = if *dry_run { "Would end" } else { "Ended" };
                if !waiting.is_empty() {
                    let verb = if *dry_run { "Would give up" } else { "Gave up" };
                    writeln!(out, "{verb} {} that waited for witnesses.", count(waiting.len(), "enrolment"))?;
                }
                if ending.is_empty() && !waiting.is_empty() {
                    return Ok(());
                }
                writeln!(
                    out,
                    "{verb} {}. What they are found by, and what was found, {} with it.",
                    count(ending.len(), "consent"),
                    deletion_verb(*dry_run)
                )
            })?;
            // Whoever withdrew does not wait for that.
            ledger.scrub_if_due(now());
            vault::warn_of_unwritten_notes(&ledger);
        }
    }
    Ok(())
}

fn deletion_verb(dry_run: bool) -> &'static str {
    if dry_run { "would be deleted" } else { "is deleted" }
}

fn renew(args: &RenewArgs, ledger: &Ledger, models: &ModelPlaces, out: &mut Output<'_>) -> Result<(), CommandError> {
    let notice_sha256 = notice_given(ledger, &args.notice, &args.language)?;
    if let Some(table) = &args.roster {
        let import = Import { table, notice_sha256, renewal: true, dry_run: args.dry_run };
        return roster::import(ledger, &mut Engine::new(models, ledger), &import, out);
    }
    let name = |given: &Option<String>| given.clone().unwrap_or_default();
    let person = vault::subject(ledger, &name(&args.subject))?;
    let (subject, collection) = (person.id, vault::collection(ledger, &name(&args.collection))?.id);
    let (purpose, release) = (&args.purpose, args.release.clone().unwrap_or_default());
    let evidence = signed_form(ledger, &release, &args.witnesses, args.signed_by)?;
    let asked = args.expires.as_deref().map_or(Ok(a_year_from(now())), day)?;
    let rules = ledger.read_tx(now(), |tx| {
        Ok((tx.consent_end(&person, &[collection], asked)?, tx.witnesses_sign(&person, &[collection])?))
    })?;
    let (valid_until, witnesses_sign) = rules;
    if witnesses_sign {
        let consents = [(collection, purpose.clone())];
        let (evidence, pictures) = (&evidence, [].as_slice());
        let new =
            NewPending { subject, consents: &consents, evidence, notice_sha256, valid_until, pictures, renewal: true };
        let id = ledger.run_tx("record a renewal", now(), |tx| tx.add_pending(&new))?.into_inner();
        return print_waiting(ledger, id, out);
    }
    let renewed = ledger.run_tx("renew", now(), |tx| {
        let Some(old) = tx.active_grant_for(subject, collection, purpose)? else { return Ok(None) };
        let (evidence, valid_from) = (&evidence, tx.now());
        let new = NewGrant { subject, collection, purpose, evidence, valid_from, valid_until, notice_sha256 };
        tx.renew(old, &new).map(Some)
    })?;
    let grant = renewed.into_inner().ok_or(CommandError::NothingToRenew)?;
    Ok(out.answer(&json!({ "consent": grant.to_string(), "until": date(valid_until) }), |out| {
        writeln!(out, "Renewed until {}: they go on being found as before.", date(valid_until))
    })?)
}

/// The record of each consent of a person, and of each refusal, which has no consent; or what one lacks.
type Records = Vec<(Option<Grant>, Result<Value, RecordError>)>;

/// The records of a person's consents and refusals.
///
/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn records(ledger: &Ledger, subject: &Subject) -> Result<Records, CommandError> {
    let held = ledger.read_tx(now(), |tx| {
        let id = subject.id;
        Ok((tx.grants_of(id)?, tx.refusals_of(id)?, tx.consent_events(id)?, tx.notices()?, tx.collections_ever()?))
    })?;
    let (grants, refusals, events, notices, collections) = held;
    let settings = ledger.settings();
    let seat = settings.seat();
    let authorities = rulepacks::described().map_err(vault::VaultError::from)?;
    let book = ledger.rules().rules(&[&subject.jurisdiction, &seat]);
    let names: Vec<&str> = book.packs().map(|pack| pack.name.as_str()).collect();
    let authority: Vec<&str> =
        authorities.iter().filter(|d| names.contains(&d.rules.name.as_str())).map(|d| d.authority.as_str()).collect();
    let authority = authority.join("; ");
    let frame = |collection: CollectionId, notice: [u8; 32]| {
        collections.iter().find(|c| c.id == collection).map(|collection| Record {
            kind: ledger.kind(),
            settings: &settings,
            subject,
            collection,
            notice: notices.iter().find(|n| n.sha256 == notice),
            authority: &authority,
            events: &events,
            vault: ledger.id().to_string(),
        })
    };
    let mut all = Vec::new();
    for grant in &grants {
        let renewed_by = grants.iter().find(|g| g.renews == Some(grant.id)).map(|g| g.id);
        if let Some(frame) = frame(grant.collection, grant.notice_sha256) {
            all.push((Some(grant.clone()), frame.of(grant, renewed_by)));
        }
    }
    for refusal in &refusals {
        all.extend(frame(refusal.collection, refusal.notice_sha256).map(|frame| (None, frame.refused(refusal))));
    }
    Ok(all)
}

/// What the page of a receipt shows.
#[derive(Template)]
#[template(path = "receipt.html")]
struct ReceiptPage<'a> {
    controller: &'a str,
    contact: &'a str,
    name: &'a str,
    purpose: &'a str,
    collection: String,
    from: String,
    until: String,
    notice: String,
    signed: &'a str,
    key: &'a str,
}

fn receipts(ledger: &Ledger, subject: &Subject, to: &Path, out: &mut Output<'_>) -> Result<(), CommandError> {
    let (collections, key) = (vault::collections_ever(ledger)?, ledger.log_key().to_string());
    make_folder(to)?;
    let (mut written, mut names) = (Vec::new(), UniqueFileNames::default());
    for (grant, record) in records(ledger, subject)? {
        let Some(grant) = grant.filter(|grant| grant.state == GrantState::Active) else { continue };
        let mut id = [0; 16];
        UnwrapErr(SysRng).fill_bytes(&mut id);
        let record = receipt(record?, id);
        let signed = ledger.receipt(&record.to_string(), now())?;
        let page = ReceiptPage {
            controller: &ledger.settings().controller,
            contact: &ledger.settings().contact,
            name: &subject.name,
            purpose: purpose_words(&grant.purpose),
            collection: collection_name(&collections, grant.collection).to_owned(),
            from: long_date(grant.valid_from),
            until: long_date(grant.valid_until),
            notice: record["pii_processing"]["privacy_notice"].as_str().unwrap_or("none").to_owned(),
            signed: &signed,
            key: &key,
        };
        // What it is for and since when tells it from the other receipts of this person, and the handle from other people's.
        let place = collection_name(&collections, grant.collection);
        let name = format!("{} {place} {} {}", subject.handle, grant.purpose.as_str(), date(grant.valid_from));
        let name = names.unique(&file_name_of(&name));
        let path = to.join(format!("{name}.txt"));
        replace_text(&path, &signed)?;
        replace_text(&to.join(format!("{name}.html")), &page.render()?)?;
        written.push(path);
    }
    Ok(out.answer(&json!({ "receipts": written, "key": key }), |out| {
        for path in &written {
            writeln!(out, "{} and the page beside it", shown(path.display()))?;
        }
        if written.is_empty() {
            writeln!(out, "no consent is in force, so there is no receipt")
        } else {
            writeln!(
                out,
                "Anybody checks one with: assent audit verify --receipt FILE --key KEY (assent audit key shows it)"
            )
        }
    })?)
}

/// A consent for machines.
pub(crate) fn describe(g: &Grant, collections: &[Collection]) -> Value {
    json!({
        "consent": g.id.to_string(), "collection": collection_name(collections, g.collection), "purpose": g.purpose.as_str(),
        "state": g.state.as_str(), "from": date(g.valid_from), "until": date(g.valid_until),
    })
}

/// A refusal for machines.
fn describe_no(r: &Refusal, collections: &[Collection]) -> Value {
    json!({
        "refusal": r.id.to_string(), "collection": collection_name(collections, r.collection),
        "purpose": r.purpose.as_str(), "on": date(r.created),
    })
}

/// A consent for people, on one line.
pub(crate) fn line(g: &Grant, collections: &[Collection]) -> String {
    let name = collection_name(collections, g.collection);
    format!("{}\t{}\t{name}\tfrom {} until {}", g.state, g.purpose.as_str(), date(g.valid_from), date(g.valid_until))
}
