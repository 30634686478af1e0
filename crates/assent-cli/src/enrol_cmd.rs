//! `assent enrol`: the paper way, a household owner's own word, or a whole roster from a table.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use assent::change_models::{is_behind, renew_pictures};
use assent::enrol::{EnrolError, Enrolment, not_given_yet};
use assent::household;
use assent::ledger::{Collection, CollectionId, Evidence, Ledger, NewFile, Purpose, Signer, Subject, VaultKind};
use assent::release::open_release;
use assent::service::enrolment::{self, Enrolled, is_signed_by_witnesses};
use assent::service::notices;
use assent::{Posture, SearchOptions, Thoroughness};
use assent_documents::json::{Day, Id, consents as json};
use clap::Args;

use crate::error::CommandError;
use crate::files::{read_bytes, read_text};
use crate::models_arg::ModelPlaces;
use crate::notice_cmd::name_of;
use crate::output::{Output, ask, date, day, quoted, shown};
use crate::pending_cmd::{self, Engine};
use crate::progress;
use crate::roster::{self, Import};
use crate::vault::{self, VaultFlags, act, now};

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
    /// A table of people, as a spreadsheet saves it as CSV: columns id, name (or first name and last name), photos,
    /// release, witnesses, and if you like born, jurisdiction, signer, expiry, email, class, collections, purposes. Several
    /// values in one cell are separated by semicolons; files are named from the table's folder. Can be run again: whoever
    /// is recorded already is passed over
    #[arg(long, value_name = "FILE.csv")]
    roster: Option<PathBuf>,
    /// Check every row of the table, and record nobody
    #[arg(long, requires = "roster")]
    dry_run: bool,
    /// Try again to complete everything that its witnesses have signed
    #[arg(long)]
    complete: bool,
    /// A picture of the person alone; may be given several times
    #[arg(long = "photo", value_name = "FILE", conflicts_with_all = ["roster", "complete"])]
    photos: Vec<PathBuf>,
    /// The scanned, signed form: a picture or a PDF, used once
    #[arg(long, value_name = "FILE", conflicts_with_all = ["roster", "own"])]
    release: Option<PathBuf>,
    /// Who saw it signed, by name: two, in a household one
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
    /// The day on which the consent ends, such as 2027-07-31 [default: a year from now]
    #[arg(long, value_name = "DATE", conflicts_with = "roster")]
    expires: Option<String>,
    /// The notice that the people were given, a text file; needed outside households
    #[arg(long, value_name = "FILE")]
    notice: Option<PathBuf>,
    /// The notice's language
    #[arg(long, default_value = "en", value_name = "TAG")]
    language: String,
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
    let ledger = vault::open_and_expire(flags)?;
    let mut engine = Engine::new(models, &ledger);
    if args.complete {
        return pending_cmd::complete_all(&ledger, &mut engine, out);
    }
    let notice_sha256 = match (&args.notice, ledger.kind()) {
        (Some(path), _) => notice_given(&ledger, path, &args.language)?,
        (None, VaultKind::Household) => household::notice_sha256(),
        (None, VaultKind::Organisation) => return Err(CommandError::NoNotice),
    };
    if let Some(table) = &args.roster {
        let import = Import { table, notice_sha256, renewal: false, dry_run: args.dry_run };
        return roster::import(&ledger, &mut engine, &import, out);
    }
    let collections = chosen(&ledger, &args.collections)?;
    let pictures: Vec<_> = args.photos.iter().map(|p| picture(p)).collect::<Result<_, _>>()?;
    let until = args.expires.as_deref().map_or(Ok(enrolment::default_end(now())), day)?;
    let subject = if args.own {
        household::owner(&ledger, act())?
    } else {
        vault::subject(&ledger, args.subject.as_deref().unwrap_or_default())?
    };
    let all = enrolment::consents(&collections, &args.purposes);
    let (consents, given) = not_given_yet(&ledger, subject.id, all, now())?;
    let before = names_of(&collections, given.iter().map(|g| g.collection)).join(", ");
    if consents.is_empty()
        && !pictures.is_empty()
        && new_picture(&ledger, &mut engine, models, (&subject, &pictures), out)?
    {
        return Ok(());
    }
    if consents.is_empty() {
        return Err(CommandError::AgreedAlready { who: subject.handle, collections: before });
    }
    if pictures.is_empty() && consents.iter().any(|c| c.purpose.is_find()) {
        // Before a sentence is typed, or a form is opened.
        return Err(EnrolError::NoPicture.into());
    }
    let added = names_of(&collections, consents.iter().map(|c| c.collection));
    let form;
    let (evidence, release) = if !args.own {
        let release = args.release.as_deref().ok_or(CommandError::Missing { flag: "--release" })?;
        form = signed_form(&ledger, release, &args.witnesses, args.signed_by)?;
        (form.evidence.clone(), Some(form.file()))
    } else if pictures.is_empty() {
        // Before anybody types a sentence.
        return Err(EnrolError::NoPicture.into());
    } else {
        (prompt_self_statement(&added.join(", "))?, None)
    };
    let enrolment = Enrolment {
        subject: subject.id,
        consents: &consents,
        evidence: &evidence,
        notice_sha256,
        valid_until: until,
        pictures: &pictures,
    };
    let until = match comparing(|compared| enrol_one(&ledger, &mut engine, (&enrolment, release), compared))? {
        Enrolled::Waiting(recorded) => return Ok(pending_cmd::print_waiting(&recorded, out)?),
        Enrolled::InForce(enrolled) => enrolled.until,
    };
    let answer = json::Enrolled { subject: Id::of(subject.id), consents: consents.len(), until: Day(until) };
    let until = date(until);
    out.answer(&answer, |out| {
        writeln!(out, "Enrolled {} until {until}, for: {}.", shown(&subject.handle), added.join(", "))?;
        if !before.is_empty() {
            writeln!(out, "They had agreed already for: {before}.")?;
        }
        let first = added.first().map_or_else(|| "COLLECTION".to_owned(), |name| quoted(name));
        writeln!(out, "Next: assent scan {first}")
    })?;
    Ok(())
}

/// Does something that compares pictures with the known photos, under a progress bar.
fn comparing<T>(body: impl FnOnce(&mut dyn FnMut(usize, usize)) -> T) -> T {
    let bar = progress::bar(0, "known photos compared");
    let done = body(&mut |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    done
}

/// Gives somebody who agreed already, and is enrolled with other models, new pictures for these, without a new form. Whether
/// that was to be done.
fn new_picture(
    ledger: &Ledger,
    engine: &mut Engine<'_>,
    places: &ModelPlaces,
    (subject, pictures): (&Subject, &[(String, Vec<u8>)]),
    out: &mut Output<'_>,
) -> Result<bool, CommandError> {
    let (models, worker) = engine.get()?;
    let Some(behind) = is_behind(ledger, models, subject.id, now())? else { return Ok(false) };
    let Some(before) = behind.models.first() else { return Ok(false) };
    let before = places.load_of(*before)?;
    let mut by_before = before.worker(PORTRAIT_SEARCH)?;
    let of = (subject.id, behind.grants.as_slice());
    let (by, before) = ((models, worker), (&before, &mut by_before));
    comparing(|compared| renew_pictures(ledger, by, before, of, pictures, compared, act()))?;
    let pack = engine.get()?.0.pack().card.name.clone();
    let answer = json::EnrolledAnew { subject: Id::of(subject.id), consents: 0, moved_to: pack.clone() };
    out.answer(&answer, |out| {
        let (who, models) = (shown(&subject.handle), shown(&pack));
        writeln!(out, "{who} is looked for by the new picture from now on, with the models {models}.")?;
        writeln!(
            out,
            "What they agreed to stays as it is, and so does their form. Next: assent scan --pack {}",
            quoted(&pack)
        )
    })?;
    Ok(true)
}

/// Enrols a person, or records that they are when both witnesses have signed.
fn enrol_one(
    ledger: &Ledger,
    engine: &mut Engine<'_>,
    (enrolment, release): (&Enrolment<'_>, Option<NewFile<'_>>),
    compared: &mut dyn FnMut(usize, usize),
) -> Result<Enrolled, CommandError> {
    let of = (enrolment.subject, enrolment.consents, enrolment.evidence);
    let to_be_found = enrolment.consents.iter().any(|c| c.purpose.is_find());
    let engine = if !to_be_found {
        None
    } else if is_signed_by_witnesses(ledger, of, now())? {
        // Without models the pictures are looked at when the enrolment is completed.
        engine.get().ok()
    } else {
        Some(engine.get()?)
    };
    Ok(enrolment::enrol(ledger, engine, (enrolment, release), compared, act())?)
}

/// The notice in a file, which becomes one of the vault's.
///
/// # Errors
///
/// [`CommandError`] if it is no text, or the ledger refuses it.
pub(crate) fn notice_given(ledger: &Ledger, file: &Path, language: &str) -> Result<[u8; 32], CommandError> {
    let text = read_text(file)?;
    Ok(notices::given(ledger, &name_of(file), language, &text, act())?.sha256)
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
    names.iter().map(|name| vault::collection(ledger, name)).collect()
}

/// The names of these collections, each once, in the order of `all`.
fn names_of(all: &[Collection], of: impl Iterator<Item = CollectionId>) -> Vec<&str> {
    let of: Vec<CollectionId> = of.collect();
    all.iter().filter(|c| of.contains(&c.id)).map(|c| c.name.as_str()).collect()
}

/// The owner's own word for these collections, typed letter by letter.
fn prompt_self_statement(collections: &str) -> Result<Evidence, CommandError> {
    if !io::stdin().is_terminal() {
        return Err(CommandError::NoStatement);
    }
    let question = format!("To be found in {collections}, type this sentence: {}\n>", household::STATEMENT);
    let typed = ask(&question)?.unwrap_or_default();
    household::self_statement(&typed).ok_or(CommandError::WrongStatement)
}

/// A signed form in a file.
pub(crate) struct SignedForm {
    /// What shows that the person agreed.
    pub(crate) evidence: Evidence,
    name: String,
    bytes: Vec<u8>,
}

impl SignedForm {
    /// The file.
    pub(crate) fn file(&self) -> NewFile<'_> {
        NewFile { name: &self.name, bytes: &self.bytes }
    }
}

/// Reads a signed form.
///
/// # Errors
///
/// [`CommandError`] if the file is no form, or a witness is not registered.
pub(crate) fn signed_form(
    ledger: &Ledger,
    release: &Path,
    witnesses: &[String],
    signed_by: Signer,
) -> Result<SignedForm, CommandError> {
    let bytes = read_bytes(release)?;
    let evidence = Evidence::Paper {
        release_sha256: open_release(&bytes)?,
        witnesses: vault::witnesses(ledger, witnesses)?,
        signed_by,
        statement: String::new(),
        signed: None,
    };
    Ok(SignedForm { evidence, name: release.display().to_string(), bytes })
}

/// A picture: its path for messages, and the file's bytes.
fn picture(path: &Path) -> Result<(String, Vec<u8>), CommandError> {
    Ok((path.display().to_string(), read_bytes(path)?))
}
