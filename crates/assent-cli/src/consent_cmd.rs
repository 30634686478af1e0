//! `assent consent`: who agreed to what, again or no more, and the record of it.

use std::io;
use std::path::{Path, PathBuf};

use assent::ledger::{
    Collection, Grant, GrantState, KeyRole, Ledger, Purpose, Signer, Subject, UniqueFileNames, file_name_of,
};
use assent::packs::sha256;
use assent::rulepacks;
use assent::service::consents::{self, Meant, Renewal};
use assent::service::enrolment::{self, Enrolled, WaitingForm};
use assent::service::subjects::{self, Person};
use assent_documents::consent_record::{self, About, Records, receipt};
use assent_documents::json::consents::{
    ConsentList, ConsentRecords, ConsentRefused, ConsentRenewed, ConsentsWithdrawn, Receipts,
};
use assent_documents::json::{Day, Id, pretty, text};
use assent_documents::receipt::Receipt;
use clap::{Args, Subcommand};
use rand::Rng as _;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use serde_json::Value;

use crate::enrol_cmd::{notice_given, signed_form};
use crate::error::CommandError;
use crate::files::{make_folder, read_text, replace_text};
use crate::models_arg::ModelPlaces;
use crate::output::{Output, count, date, day, shown};
use crate::pending_cmd::{self, Engine, print_waiting};
use crate::roster::{self, Import};
use crate::vault::{self, VaultFlags, act, collection_name, now};

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
    match &args.command {
        ConsentCommand::List { subject } => list(&ledger, subject, out)?,
        ConsentCommand::Renew(args) => renew(args, &ledger, models, out)?,
        ConsentCommand::Refuse(AskedArgs { subject, collection, purpose, notice }) => {
            let (id, of) = (vault::subject(&ledger, subject)?.id, vault::collection(&ledger, collection)?.id);
            let notice = sha256(read_text(notice)?.as_bytes());
            consents::refuse(&ledger, id, (of, purpose), notice, act())?;
            let refused = ConsentRefused {
                subject: Id::of(id),
                collection: collection.clone(),
                purpose: purpose.as_str().to_owned(),
            };
            out.answer(&refused, |out| {
                writeln!(out, "Recorded: no to {purpose} in {}. Nothing else changes for them.", shown(collection))
            })?;
        }
        ConsentCommand::Record { subject } => {
            let records = records(&ledger, &vault::subject(&ledger, subject)?)?;
            let all: Vec<Value> = records.into_iter().map(|(_, record)| record).collect::<Result<_, _>>()?;
            let records = ConsentRecords { records: all };
            let pretty = pretty(&records).map_err(io::Error::from)?;
            out.answer(&records, |out| writeln!(out, "{pretty}"))?;
        }
        ConsentCommand::Receipt { subject, to } => receipts(&ledger, &vault::subject(&ledger, subject)?, to, out)?,
        ConsentCommand::Withdraw { subject, collection, purpose, dry_run } => {
            let id = vault::subject_id(&ledger, subject)?;
            let only = collection.as_deref().map(|name| vault::collection(&ledger, name)).transpose()?.map(|c| c.id);
            let meant = Meant { subject: id, collection: only, purpose: purpose.clone() };
            withdraw(&ledger, &meant, *dry_run, out)?;
        }
    }
    Ok(())
}

/// The consents of one person, what of them waits, and what they said no to.
fn list(ledger: &Ledger, subject: &str, out: &mut Output<'_>) -> Result<(), CommandError> {
    let id = vault::subject(ledger, subject)?.id;
    let person = subjects::person(ledger, id, now())?;
    let answer = ConsentList::from(&person);
    let Person { subject: who, grants, pending, refusals, collections } = person;
    let waiting: Vec<_> = pending.into_iter().map(|pending| WaitingForm { who: who.clone(), pending }).collect();
    Ok(out.answer(&answer, |out| {
        for g in &grants {
            writeln!(out, "{}", line(g, &collections))?;
        }
        for form in &waiting {
            writeln!(out, "waits for its witnesses: {}", pending_cmd::line(form, &collections))?;
        }
        for r in &refusals {
            let name = collection_name(&collections, r.collection);
            writeln!(out, "refused\t{}\t{name}\ton {}", r.purpose, date(r.created))?;
        }
        if grants.is_empty() { writeln!(out, "no consent: they are not looked for") } else { Ok(()) }
    })?)
}

/// Ends what is meant, or says what would end.
fn withdraw(ledger: &Ledger, meant: &Meant, dry_run: bool, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ended = if dry_run {
        consents::would_withdraw(ledger, meant, now())?
    } else {
        consents::withdraw(ledger, meant, act())?
    };
    let (withdrawn, given_up) =
        (ended.consents.iter().map(Id::of).collect(), ended.given_up.iter().map(Id::of).collect());
    let answer = ConsentsWithdrawn { withdrawn, given_up, dry_run };
    let (consents, waiting) = (answer.withdrawn.len(), answer.given_up.len());
    out.answer(&answer, |out| {
        let verb = if dry_run { "Would end" } else { "Ended" };
        if waiting > 0 {
            let verb = if dry_run { "Would give up" } else { "Gave up" };
            writeln!(out, "{verb} {} that waited for witnesses.", count(waiting, "enrolment"))?;
        }
        if consents == 0 {
            return Ok(());
        }
        let found = deletion_verb(dry_run);
        let consents = count(consents, "consent");
        writeln!(out, "{verb} {consents}. What they are found by, and what was found, {found} with it.")
    })?;
    vault::warn_of_unwritten_notes(ledger);
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
    let subject = vault::subject(ledger, &name(&args.subject))?.id;
    let collection = vault::collection(ledger, &name(&args.collection))?.id;
    let (purpose, release) = (&args.purpose, args.release.clone().unwrap_or_default());
    let form = signed_form(ledger, &release, &args.witnesses, args.signed_by)?;
    let valid_until = args.expires.as_deref().map_or(Ok(enrolment::default_end(now())), day)?;
    let (evidence, release) = (&form.evidence, Some(form.file()));
    let renewal = Renewal { subject, collection, purpose, evidence, release, notice_sha256, valid_until };
    let renewed = match consents::renew(ledger, &renewal, act())? {
        Enrolled::Waiting(recorded) => return Ok(print_waiting(&recorded, out)?),
        Enrolled::InForce(renewed) => renewed,
    };
    let answer = ConsentRenewed { consents: renewed.grants.iter().map(Id::of).collect(), until: Day(renewed.until) };
    let until = date(renewed.until);
    Ok(out.answer(&answer, |out| writeln!(out, "Renewed until {until}: they go on being found as before."))?)
}

/// The records of a person's consents and refusals.
///
/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn records(ledger: &Ledger, subject: &Subject) -> Result<Records, CommandError> {
    let held = consents::held(ledger, subject.id, now())?;
    let settings = ledger.settings();
    let authorities = rulepacks::described().map_err(vault::VaultError::from)?;
    let book = ledger.rules().rules(&[&subject.jurisdiction, &settings.seat()]);
    let names: Vec<&str> = book.packs().map(|pack| pack.name.as_str()).collect();
    let authority: Vec<&str> =
        authorities.iter().filter(|d| names.contains(&d.rules.name.as_str())).map(|d| d.authority.as_str()).collect();
    let (kind, authority) = (ledger.kind(), authority.join("; "));
    let about = About { kind, settings: &settings, subject, authority: &authority, vault: ledger.id() };
    Ok(consent_record::records(&about, &held))
}

fn receipts(ledger: &Ledger, subject: &Subject, to: &Path, out: &mut Output<'_>) -> Result<(), CommandError> {
    let (settings, collections) = (ledger.settings(), vault::collections_ever(ledger)?);
    let key = ledger.log_keys().for_role(KeyRole::Receipts).to_string();
    make_folder(to)?;
    let (mut written, mut names) = (Vec::new(), UniqueFileNames::default());
    for (grant, record) in records(ledger, subject)? {
        let Some(grant) = grant.filter(|grant| grant.state == GrantState::Active) else { continue };
        let mut id = [0; 16];
        UnwrapErr(SysRng).fill_bytes(&mut id);
        let record = receipt(record?, id);
        let signed = ledger.receipt(&record.to_string(), now())?;
        let place = collection_name(&collections, grant.collection);
        let page = Receipt {
            settings: &settings,
            name: &subject.name,
            grant: &grant,
            collection: place,
            notice: record["pii_processing"]["privacy_notice"].as_str().unwrap_or("none"),
            signed: &signed,
            key: &key,
        };
        // What it is for and since when tells it from the other receipts of this person, and the handle from other people's.
        let name = format!("{} {place} {} {}", subject.handle, grant.purpose.as_str(), date(grant.valid_from));
        let name = names.unique(&file_name_of(&name));
        let path = to.join(format!("{name}.txt"));
        replace_text(&path, &signed)?;
        replace_text(&to.join(format!("{name}.html")), &page.page()?)?;
        written.push(path);
    }
    Ok(out.answer(&Receipts { receipts: written.iter().map(|path| text(path)).collect(), key }, |out| {
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

/// A consent for people, on one line.
pub(crate) fn line(g: &Grant, collections: &[Collection]) -> String {
    let name = collection_name(collections, g.collection);
    format!("{}\t{}\t{name}\tfrom {} until {}", g.state, g.purpose.as_str(), date(g.valid_from), date(g.valid_until))
}
