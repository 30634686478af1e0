//! `assent erase`: one person, or everybody of a jurisdiction, of a collection, or of an order's list.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use assent::ledger::{Erasures, Jurisdiction, Ledger, SubjectId};
use assent::service::erasures::{self, Selected, Whom};
use assent_documents::json::find::FailedFile;
use assent_documents::json::keys::NotDone;
use assent_documents::json::rights::{Erased, ErasedMany, ErasureDryRun, ErasuresDryRun};
use assent_documents::json::{Day, Id, text};
use clap::Args;

use crate::error::CommandError;
use crate::files::{make_folder, read_text, refuse_other, write_text};
use crate::hints::chain;
use crate::output::{Output, confirmed, count, people, shown};
use crate::progress;
use crate::vault::{self, VaultFlags, act, now};

/// The first line of a certificate.
const CERTIFICATE_TITLE: &str = "assent erasure certificate v1";

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
    /// Do not ask at the terminal
    #[arg(long)]
    yes: bool,
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn run(args: &EraseArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    match &args.subject {
        Some(subject) => one(args, &ledger, vault::subject_id(&ledger, subject)?, out)?,
        None => many(args, &ledger, out)?,
    }
    Ok(())
}

fn one(args: &EraseArgs, ledger: &Ledger, subject: SubjectId, out: &mut Output<'_>) -> Result<(), CommandError> {
    let word = args.subject.as_deref().unwrap_or_default();
    // A damaged key keeps a name unread, and nobody from being erased.
    let who = vault::subject(ledger, word).map_or_else(|_| vault::short(&subject), |s| vault::person(&s));
    if args.dry_run {
        let grants = erasures::consents(ledger, subject, now())?;
        let answer = ErasureDryRun { subject: Id::of(subject), consents: grants, dry_run: true };
        return Ok(out.answer(&answer, |out| {
            writeln!(
                out,
                "Would erase {who}: name, contact, {}, what they are found by and where, and their key. Nothing was erased.",
                count(grants, "consent")
            )
        })?);
    }
    let warning = format!("This deletes everything about {who} and destroys their key. It cannot be undone.");
    // Before anybody is erased: where the certificate cannot lie is no surprise then.
    args.certificate.as_deref().map_or(Ok(()), |path| refuse_other(path, CERTIFICATE_TITLE))?;
    confirm(args, &shown(warning), &shown(word))?;
    // No gallery is in memory between commands; each scan makes its own.
    let done = ledger.erase(subject, act(), |_| ())?;
    let certificate = ledger.certificate(subject, now())?;
    let written = args.certificate.as_ref().map(|path| write_text(path, &certificate));
    let answer = Erased {
        subject: Id::of(subject),
        erased: Day(done.erased),
        intent_position: done.intent,
        done_position: done.done,
        certificate,
    };
    out.answer(&answer, |out| {
        writeln!(
            out,
            "Erased {who}: all that was held is deleted, and their key destroyed. Entries {} and {} of the log say so.",
            done.intent, done.done
        )?;
        match (&args.certificate, &written) {
            (Some(path), Some(Ok(()))) => writeln!(out, "The certificate is in {}.", path.display())?,
            _ => writeln!(out, "Their certificate: assent audit certificate {} --to FILE", vault::short(&subject))?,
        }
        writeln!(out, "An old backup of the key ring still holds the key: destroy such backups, or let them run out.")
    })?;
    written.unwrap_or(Ok(()))
}

/// Who is meant, and what they are called: by the line of an order that names them, or by their name.
struct SelectedSubject {
    id: SubjectId,
    name: String,
}

fn many(args: &EraseArgs, ledger: &Ledger, out: &mut Output<'_>) -> Result<(), CommandError> {
    let (selected_subjects, unreadable) = selected_subjects(args, ledger)?;
    let without: Vec<&str> = unreadable.iter().map(String::as_str).collect();
    let unreadable = unreadable.clone();
    if args.dry_run {
        let subjects = selected_subjects.iter().map(|meant| Id::of(meant.id)).collect();
        return Ok(out.answer(&ErasuresDryRun { subjects, unreadable, dry_run: true }, |out| {
            selected_subjects.iter().try_for_each(|meant| writeln!(out, "{}", meant.name))?;
            say_unreadable(&without, out)?;
            writeln!(out, "Would erase {}. Nobody was erased.", people(selected_subjects.len()))
        })?);
    }
    if selected_subjects.is_empty() {
        let answer = ErasedMany {
            subjects: Vec::new(),
            folder: None,
            erasure_list: None,
            failed: Vec::new(),
            unwritten: Vec::new(),
            unreadable,
        };
        return Ok(out.answer(&answer, |out| {
            say_unreadable(&without, out)?;
            writeln!(out, "Nobody on the list is meant; nobody was erased.")
        })?);
    }
    let all = people(selected_subjects.len());
    let warning = format!("This deletes everything about {all} and destroys their keys. It cannot be undone.");
    confirm(args, &warning, &selected_subjects.len().to_string())?;
    // Before anybody is erased: a folder that cannot be made is no surprise then.
    args.certificates.as_deref().map_or(Ok(()), make_folder)?;
    let bar = progress::bar(selected_subjects.len() as u64, "people");
    let ids: Vec<SubjectId> = selected_subjects.iter().map(|meant| meant.id).collect();
    let Erasures { done, failed } = ledger.erase_each(&ids, act(), &mut |_| (), &mut || bar.inc(1));
    bar.finish_and_clear();
    let erased: BTreeSet<SubjectId> = done.iter().map(|erasure| erasure.subject).collect();
    let list = ledger.erasure_list(&erased)?;
    let name = |id: &SubjectId| {
        selected_subjects
            .iter()
            .find(|meant| meant.id == *id)
            .map_or_else(|| vault::short(id), |meant| meant.name.clone())
    };
    let unwritten: Vec<(String, String, String)> = args.certificates.as_deref().map_or_else(Vec::new, |folder| {
        let certificate = |id: &SubjectId| {
            let text = ledger.certificate(*id, now()).map_err(CommandError::from);
            (format!("{id}.txt"), format!("the certificate of {}", name(id)), text)
        };
        let certificates = erased.iter().map(certificate);
        let all = certificates.chain([(ERASURE_LIST.to_owned(), "the signed list".to_owned(), Ok(list.clone()))]);
        let write = |(file, what, text): (String, String, Result<String, CommandError>)| {
            let path = folder.join(&file);
            let why = text.and_then(|text| write_text(&path, &text)).err()?;
            Some((file, what, chain(&why)))
        };
        all.filter_map(write).collect()
    });
    let failed: Vec<(SubjectId, String, String)> = failed.iter().map(|(id, why)| (*id, name(id), chain(why))).collect();
    let not_done = |(id, _, why): &(SubjectId, String, String)| NotDone { subject: Id::of(id), because: why.clone() };
    let not_written =
        |(file, _, why): &(String, String, String)| FailedFile { file: file.clone(), because: why.clone() };
    let answer = ErasedMany {
        subjects: erased.iter().map(Id::of).collect(),
        folder: args.certificates.as_deref().map(text),
        erasure_list: Some(list.clone()),
        failed: failed.iter().map(not_done).collect(),
        unwritten: unwritten.iter().map(not_written).collect(),
        unreadable,
    };
    out.answer(&answer, |out| {
        failed.iter().try_for_each(|(_, name, why)| writeln!(out, "Not erased: {name}: {why}"))?;
        say_unreadable(&without, out)?;
        writeln!(out, "Erased {}.", people(erased.len()))?;
        let Some(folder) = &args.certificates else {
            writeln!(out, "Their certificates, by number: assent audit certificate NUMBER --to FILE")?;
            return erased.iter().try_for_each(|id| writeln!(out, "{}\t{}", vault::short(id), name(id)));
        };
        for (_, what, why) in &unwritten {
            writeln!(out, "Not written: {what}: {why}")?;
        }
        if unwritten.is_empty() {
            writeln!(out, "The certificates are in {}, with a signed list of them.", folder.display())?;
        } else {
            writeln!(out, "The same command writes them when it can, into {}.", shown(folder.display()))?;
        }
        if unwritten.iter().any(|(file, ..)| file == ERASURE_LIST) {
            writeln!(out, "The signed list:\n{list}")?;
        }
        writeln!(out, "Anybody checks them with: assent audit verify --certificates DIR --key KEY")
    })?;
    if failed.is_empty() && unwritten.is_empty() && without.is_empty() {
        return Ok(());
    }
    let (failed, unwritten) = (failed.len() + without.len(), unwritten.len());
    Err(CommandError::NotAllErased { people: people(failed), files: count(unwritten, "file") })
}

/// People who may be meant: nobody can tell.
fn say_unreadable(numbers: &[&str], out: &mut dyn Write) -> io::Result<()> {
    for number in numbers {
        writeln!(
            out,
            "Not erased: {number}, whose key is damaged, so that nobody can tell whether they are meant. If they are: assent \
             erase {number}"
        )?;
    }
    Ok(())
}

/// Asks before anybody is erased, unless `--yes` says that it was thought over.
fn confirm(args: &EraseArgs, warning: &str, word: &str) -> Result<(), CommandError> {
    if args.yes || confirmed(warning, word)? { Ok(()) } else { Err(CommandError::NotConfirmed) }
}

/// Who is meant, and the numbers of those of whom nobody can tell. Everybody whom an order names is there, or was erased before,
/// or nobody is erased.
fn selected_subjects(args: &EraseArgs, ledger: &Ledger) -> Result<(Vec<SelectedSubject>, Vec<String>), CommandError> {
    if let Some(path) = &args.order {
        let text = read_text(path)?;
        let text = text.trim_start_matches('\u{feff}');
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let named = erasures::named_in_order(ledger, &lines, now())?;
        if !named.nobody.is_empty() {
            let lines: Vec<String> = named.nobody.iter().map(|(line, why)| format!("{line}: {why}")).collect();
            return Err(CommandError::OrderNames { lines: lines.join("\n") });
        }
        let people = named.people.into_iter().map(|(id, line)| SelectedSubject { id, name: shown(line) });
        return Ok((people.collect(), Vec::new()));
    }
    let whom = match (&args.jurisdiction, &args.collection) {
        (Some(place), _) => Whom::Jurisdiction(place.clone()),
        (None, name) => Whom::Collection(vault::collection(ledger, name.as_deref().unwrap_or_default())?.id),
    };
    let found = erasures::select(ledger, &whom, now())?;
    let people = found.people.iter().map(|who| {
        let name = match who {
            Selected::Person(subject) => vault::person(subject),
            Selected::Unreadable(who) => who.number.clone(),
        };
        SelectedSubject { id: who.id(), name }
    });
    Ok((people.collect(), found.unreadable.into_iter().map(|who| who.number).collect()))
}
