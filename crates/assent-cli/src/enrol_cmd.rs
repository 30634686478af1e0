//! `assent enrol`: the paper way, a household owner's own word, or a whole roster from a table.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use assent::enrol::{Consent, Enrolment, enrol};
use assent::ledger::{
    Age, Collection, CollectionId, Correction, Evidence, Jurisdiction, Ledger, NewSubject, PendingId, Purpose, Signer,
    Subject, Timestamp, TxError, VaultKind, WitnessId,
};
use assent::packs::sha256;
use assent::pending::record;
use assent::release::open_release;
use assent::{Posture, SearchOptions, Thoroughness};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::error::CommandError;
use crate::files::{read_bytes, read_text};
use crate::models_arg::ModelPlaces;
use crate::notice_cmd::name_of;
use crate::output::{Output, ask, count, date, day};
use crate::pending_cmd::{self, Engine};
use crate::progress;
use crate::vault::{self, VaultFlags, now};
use crate::witness_cmd::witnesses;

/// What a household's owner types.
pub(crate) const STATEMENT: &str = "I want to be found in these photos";

/// How long a consent holds if nothing else is said, in milliseconds: 365 days.
const VALID_MS: i64 = 365 * 24 * 60 * 60 * 1000;

/// Portraits show an upright face that fills much of the picture.
pub(crate) const PORTRAIT_SEARCH: SearchOptions =
    SearchOptions { side_px: 1024, posture: Posture::Upright, thoroughness: Thoroughness::Exhaustive };

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("who").required(true).args(["subject", "own", "roster", "complete"])))]
pub(crate) struct EnrolArgs {
    /// Id, the beginning of it, handle, or unique name
    subject: Option<String>,
    /// Yourself, the owner of a household vault
    #[arg(long = "self")]
    own: bool,
    /// A table of people: columns id, name, photos, release, witnesses, and if you like purposes, collections, expiry,
    /// born, jurisdiction, signer; several values in one field are separated by semicolons, files are named from the
    /// table's folder
    #[arg(long, value_name = "FILE.csv")]
    roster: Option<PathBuf>,
    /// Try again to complete everything that its witnesses have signed
    #[arg(long)]
    complete: bool,
    /// A picture of the person alone; may be given several times
    #[arg(long = "photo", value_name = "FILE", conflicts_with_all = ["roster", "complete"])]
    photos: Vec<PathBuf>,
    /// The scanned, signed form: a picture or a PDF, used once
    #[arg(long, value_name = "FILE", conflicts_with_all = ["roster", "own"])]
    release: Option<PathBuf>,
    /// Who saw it signed, by id or name: two, in a household one
    #[arg(long = "witness", value_name = "WITNESS", conflicts_with_all = ["roster", "own"])]
    witnesses: Vec<String>,
    /// Who signed it: subject, parent or both
    #[arg(long, default_value = "subject", value_name = "WHO", conflicts_with_all = ["roster", "own"])]
    signed_by: Signer,
    /// In which collections [default: all]
    #[arg(long = "collection", value_name = "NAME", conflicts_with = "roster")]
    collections: Vec<String>,
    /// For what [default: find-my-photos]
    #[arg(long = "purpose", value_name = "PURPOSE", conflicts_with = "roster")]
    purposes: Vec<Purpose>,
    /// The last day before which the consent ends, such as 2027-07-31 [default: a year from now]
    #[arg(long, value_name = "DATE", conflicts_with = "roster")]
    expires: Option<String>,
    /// The notice that the people were given, a text file; needed outside households
    #[arg(long, value_name = "FILE")]
    notice: Option<PathBuf>,
    /// The notice's language
    #[arg(long, default_value = "en", value_name = "TAG")]
    language: String,
}

/// One person to be enrolled, with everything read from files.
struct Person {
    subject: Subject,
    consents: Vec<Consent>,
    evidence: Evidence,
    valid_until: Timestamp,
    pictures: Vec<(String, Vec<u8>)>,
}

/// # Errors
///
/// [`CommandError`], as the pictures, the release and the ledger say.
pub(crate) fn run(
    args: &EnrolArgs,
    flags: &VaultFlags,
    models: &ModelPlaces,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let ledger = vault::open_until_stopped(flags)?;
    let mut engine = Engine::new(models);
    if args.complete {
        return pending_cmd::complete_all(&ledger, &mut engine, out);
    }
    let notice_sha256 = match (&args.notice, ledger.kind()) {
        (Some(path), _) => given_notice(&ledger, path, &args.language)?,
        (None, VaultKind::Household) => sha256(STATEMENT.as_bytes()),
        (None, VaultKind::Organisation) => return Err(CommandError::NoNotice),
    };
    if let Some(table) = &args.roster {
        return roster(&ledger, table, notice_sha256, &mut engine, out);
    }
    let collections = chosen(&ledger, &args.collections)?;
    let until = args.expires.as_deref().map_or(Ok(a_year_from(now())), day)?;
    let (subject, evidence) = if args.own {
        (owner(&ledger)?, own_word()?)
    } else {
        let subject = vault::subject(&ledger, args.subject.as_deref().unwrap_or_default())?;
        let release = args.release.as_deref().ok_or(CommandError::Missing { flag: "--release" })?;
        (subject, paper(&ledger, release, &args.witnesses, args.signed_by)?)
    };
    let person = Person {
        subject,
        consents: consents(&collections, &args.purposes),
        evidence,
        valid_until: until,
        pictures: args.photos.iter().map(|p| picture(p)).collect::<Result<_, _>>()?,
    };
    let bar = progress::bar(0, "known photos compared");
    let mut compared = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let enrolled = enrol_one(&ledger, &mut engine, &person, notice_sha256, &mut compared);
    bar.finish_and_clear();
    if let Some(id) = enrolled? {
        return pending_cmd::tell_waiting(&ledger, id, out);
    }
    let object = json!({
        "subject": person.subject.id.to_string(), "consents": person.consents.len(), "until": date(until),
    });
    out.answer(&object, |out| {
        writeln!(
            out,
            "Enrolled {} with {} until {}.",
            person.subject.handle,
            count(person.consents.len(), "consent"),
            date(until)
        )?;
        let names: Vec<&str> = collections.iter().map(|c| c.name.as_str()).collect();
        writeln!(out, "Next: assent scan {}", names.first().unwrap_or(&"COLLECTION"))
    })?;
    Ok(())
}

/// Enrols a person, or records that they are when both witnesses have signed.
fn enrol_one(
    ledger: &Ledger,
    engine: &mut Engine<'_>,
    person: &Person,
    notice_sha256: [u8; 32],
    compared: &mut dyn FnMut(usize, usize),
) -> Result<Option<PendingId>, CommandError> {
    let enrolment = Enrolment {
        subject: person.subject.id,
        consents: &person.consents,
        evidence: &person.evidence,
        notice_sha256,
        valid_until: person.valid_until,
        pictures: &person.pictures,
    };
    let collections: Vec<CollectionId> = person.consents.iter().map(|c| c.collection).collect();
    let waits = ledger.run_tx("look for rules", now(), |tx| tx.witnesses_sign(person.subject.id, &collections))?;
    let on_paper = matches!(person.evidence, Evidence::Paper { .. });
    if on_paper && waits.into_inner() {
        // Without models the pictures are looked at when the enrolment is completed.
        return Ok(Some(record(ledger, engine.get().ok(), &enrolment, compared, now())?));
    }
    let (models, worker) = engine.get()?;
    enrol(ledger, models, worker, &enrolment, compared, now())?;
    Ok(None)
}

/// A row of the table, as it is written.
#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    name: String,
    photos: String,
    release: String,
    witnesses: String,
    #[serde(default)]
    purposes: String,
    #[serde(default)]
    collections: String,
    #[serde(default)]
    expiry: String,
    #[serde(default)]
    born: String,
    #[serde(default)]
    jurisdiction: String,
    #[serde(default)]
    signer: String,
}

impl Row {
    /// How old the person is, whose law protects them, and who signed, where the table says so.
    fn about(&self) -> Result<(Option<Age>, Option<Jurisdiction>, Signer), CommandError> {
        fn said<T: std::str::FromStr>(text: &str) -> Result<Option<T>, T::Err> {
            let text = text.trim();
            if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
        }
        Ok((said(&self.born)?, said(&self.jurisdiction)?, said(&self.signer)?.unwrap_or(Signer::Subject)))
    }
}

fn roster(
    ledger: &Ledger,
    table: &Path,
    notice_sha256: [u8; 32],
    engine: &mut Engine<'_>,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let form = |source| CommandError::RosterForm { path: table.to_owned(), source };
    let rows: Vec<Row> =
        csv::Reader::from_path(table).map_err(form)?.deserialize().collect::<Result<_, _>>().map_err(form)?;
    let folder = table.parent().unwrap_or(Path::new("")).to_owned();
    // Everything that can be read is read before anybody is enrolled: an error at the start, not after an hour.
    for (i, row) in rows.iter().enumerate() {
        let missing = |what| CommandError::Roster { row: i + 1, what };
        if row.id.trim().is_empty() || row.name.trim().is_empty() {
            return Err(missing("id and name are needed"));
        }
        for file in parts(&row.photos).chain(parts(&row.release)) {
            if !folder.join(file).is_file() {
                return Err(missing("a photo or the release is not there"));
            }
        }
        let at_row = |source| CommandError::RosterRow { row: i + 1, source: Box::new(source) };
        if !row.expiry.trim().is_empty() {
            day(row.expiry.trim()).map_err(at_row)?;
        }
        row.about().map_err(at_row)?;
        for purpose in parts(&row.purposes) {
            Purpose::new(purpose).map_err(|e| at_row(e.into()))?;
        }
        chosen(ledger, &owned(&row.collections)).map_err(at_row)?;
        known_witnesses(ledger, &owned(&row.witnesses)).map_err(at_row)?;
    }
    let bar = progress::bar(rows.len() as u64, "people");
    let mut waiting = 0;
    for (i, row) in rows.iter().enumerate() {
        let mut compared = |done, of| bar.set_message(format!("; {done}/{of} known photos compared"));
        let pending = roster_row(ledger, engine, row, &folder, notice_sha256, &mut compared)
            .map_err(|source| CommandError::RosterRow { row: i + 1, source: Box::new(source) })?;
        bar.set_message("");
        waiting += usize::from(pending.is_some());
        bar.inc(1);
    }
    bar.finish_and_clear();
    out.answer(&json!({ "enrolled": rows.len() - waiting, "waiting": waiting }), |out| {
        if waiting > 0 {
            writeln!(
                out,
                "Recorded everybody in the roster: {}. They are enrolled when both witnesses have signed: assent witness sign NAME",
                count(rows.len(), "row")
            )
        } else {
            writeln!(out, "Enrolled everybody in the roster: {}.", count(rows.len(), "row"))
        }
    })?;
    Ok(())
}

fn roster_row(
    ledger: &Ledger,
    engine: &mut Engine<'_>,
    row: &Row,
    folder: &Path,
    notice_sha256: [u8; 32],
    compared: &mut dyn FnMut(usize, usize),
) -> Result<Option<PendingId>, CommandError> {
    let (age, jurisdiction, signed_by) = row.about()?;
    let subject = match vault::subject(ledger, row.id.trim()) {
        Ok(subject) => {
            // What the table says anew is put right.
            let same = age.is_none_or(|age| age == subject.age)
                && jurisdiction.as_ref().is_none_or(|code| *code == subject.jurisdiction);
            if !same {
                let right = Correction { age, jurisdiction, ..Correction::default() };
                ledger.run_tx("rectify", now(), |tx| tx.rectify(subject.id, &right))?;
            }
            subject
        }
        Err(TxError::NoSubject) => {
            let new = NewSubject {
                handle: row.id.trim(),
                name: row.name.trim(),
                age: age.unwrap_or_default(),
                jurisdiction: jurisdiction.unwrap_or_default(),
                ..NewSubject::default()
            };
            let id = ledger.run_tx("add a subject", now(), |tx| tx.add_subject(&new))?.into_inner();
            ledger.run_tx("read a subject", now(), |tx| tx.subject(id))?.into_inner()
        }
        Err(e) => return Err(e.into()),
    };
    let purposes = parts(&row.purposes).map(Purpose::new).collect::<Result<Vec<_>, _>>()?;
    let valid_until = match row.expiry.trim() {
        "" => a_year_from(now()),
        text => day(text)?,
    };
    let person = Person {
        subject,
        consents: consents(&chosen(ledger, &owned(&row.collections))?, &purposes),
        evidence: paper(ledger, &folder.join(row.release.trim()), &owned(&row.witnesses), signed_by)?,
        valid_until,
        pictures: parts(&row.photos).map(|file| picture(&folder.join(file))).collect::<Result<_, _>>()?,
    };
    enrol_one(ledger, engine, &person, notice_sha256, compared)
}

/// The parts of a field that holds several values.
fn parts(field: &str) -> impl Iterator<Item = &str> {
    field.split(';').map(str::trim).filter(|part| !part.is_empty())
}

fn owned(field: &str) -> Vec<String> {
    parts(field).map(str::to_owned).collect()
}

/// When a consent that is given now ends if nobody says otherwise.
pub(crate) fn a_year_from(now: Timestamp) -> Timestamp {
    Timestamp(now.0 + VALID_MS)
}

/// The notice in a file, which becomes one of the vault's.
///
/// # Errors
///
/// [`CommandError`] if it is no text, or the ledger refuses it.
pub(crate) fn given_notice(ledger: &Ledger, file: &Path, language: &str) -> Result<[u8; 32], CommandError> {
    let text = read_text(file)?;
    let hash = sha256(text.as_bytes());
    let added = ledger.run_tx("add a notice", now(), |tx| match tx.notice(hash)? {
        Some(there) => Ok(there),
        None => tx.add_notice(&name_of(file), language, &text),
    })?;
    Ok(added.sha256)
}

/// The collections of these names, or all.
fn chosen(ledger: &Ledger, names: &[String]) -> Result<Vec<Collection>, CommandError> {
    if names.is_empty() {
        let all = vault::collections(ledger)?;
        return if all.is_empty() {
            Err(CommandError::Missing { flag: "a collection (assent collection add)" })
        } else {
            Ok(all)
        };
    }
    Ok(names.iter().map(|name| vault::collection(ledger, name)).collect::<Result<_, _>>()?)
}

fn consents(collections: &[Collection], purposes: &[Purpose]) -> Vec<Consent> {
    let find = [Purpose::find_my_photos()];
    let purposes = if purposes.is_empty() { &find } else { purposes };
    let of =
        |c: &Collection| purposes.iter().map(|p| Consent { collection: c.id, purpose: p.clone() }).collect::<Vec<_>>();
    collections.iter().flat_map(of).collect()
}

fn owner(ledger: &Ledger) -> Result<Subject, CommandError> {
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method's path has one lifetime, the closure all"
    )]
    let all = ledger.run_tx("find the owner", now(), |tx| tx.subjects())?.into_inner();
    all.into_iter().find(|s| s.owner).ok_or(CommandError::Ledger(TxError::SelfStatement))
}

/// The owner's own word, typed letter by letter.
fn own_word() -> Result<Evidence, CommandError> {
    if !io::stdin().is_terminal() {
        return Err(CommandError::NoStatement);
    }
    let typed = ask(&format!("Type this sentence to enrol yourself: {STATEMENT}\n>"))?.unwrap_or_default();
    let plain = |text: &str| text.trim().trim_end_matches('.').to_lowercase();
    if plain(&typed) != plain(STATEMENT) {
        return Err(CommandError::WrongStatement);
    }
    Ok(Evidence::SelfStatement { statement: typed })
}

/// The evidence of a signed form in a file.
///
/// # Errors
///
/// [`CommandError`] if the file is no form, or a witness is not registered.
pub(crate) fn paper(
    ledger: &Ledger,
    release: &Path,
    witnesses: &[String],
    signed_by: Signer,
) -> Result<Evidence, CommandError> {
    Ok(Evidence::Paper {
        release_sha256: open_release(&read_bytes(release)?)?,
        witnesses: known_witnesses(ledger, witnesses)?,
        signed_by,
        statement: String::new(),
        signed: None,
    })
}

/// The witnesses that these names or beginnings of ids mean.
///
/// # Errors
///
/// [`CommandError::NoWitness`] if there is none; as the ledger.
pub(crate) fn known_witnesses(ledger: &Ledger, references: &[String]) -> Result<Vec<WitnessId>, CommandError> {
    let all = witnesses(ledger)?;
    let by_name: BTreeMap<&str, WitnessId> = all.iter().map(|w| (w.name.as_str(), w.id)).collect();
    let find = |reference: &String| {
        let by_id = || {
            all.iter().find(|w| reference.len() >= 8 && w.id.to_string().starts_with(reference.as_str())).map(|w| w.id)
        };
        by_name.get(reference.as_str()).copied().or_else(by_id)
    };
    references.iter().map(|r| find(r).ok_or_else(|| CommandError::NoWitness { reference: r.clone() })).collect()
}

/// A picture by its whole path: it may be read again later, from another folder.
fn picture(path: &Path) -> Result<(String, Vec<u8>), CommandError> {
    let bytes = read_bytes(path)?;
    let whole = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let text = whole.to_str().ok_or_else(|| CommandError::PathText { path: path.to_owned() })?;
    Ok((text.to_owned(), bytes))
}
