//! `assent find --all` and `assent review` without a name: what is there for everybody at once.

use std::path::Path;

use assent::CoverStyle;
use assent::export::{Audience, CopyFolder, Mark};
use assent::find::{FoundPhoto, Use, find, portrait, proposals};
use assent::ledger::{CollectionId, GivenNames, Ledger, Subject, SubjectId, Verdict, file_name_of};
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::find_cmd::{Failed, all_done, check_sheet, copies, decide, describe, reasons};
use crate::output::{Output, count, shown};
use crate::progress;
use crate::review_page::{self, Person};
use crate::sheet;
use crate::vault::{self, now};

/// Who on the roster is meant: all, or those of one class or group.
///
/// # Errors
///
/// As the ledger.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
fn people(ledger: &Ledger, group: Option<&str>) -> Result<Vec<Subject>, CommandError> {
    let mut all = ledger.run_tx("list subjects", now(), |tx| tx.subjects())?.into_inner();
    all.retain(|s| group.is_none_or(|group| s.group.to_lowercase() == group.to_lowercase()));
    Ok(all)
}

/// Writes copies of everybody's photos, what is sure or confirmed, each person's into a folder of their own.
///
/// # Errors
///
/// - [`CommandError::NotAll`] if a photo could not be copied; the others are.
/// - [`CommandError`], as the ledger and the folders say.
pub(crate) fn find_all(
    ledger: &Ledger,
    folder: &Path,
    (collection, group): (Option<CollectionId>, Option<&str>),
    style: CoverStyle,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let collections = vault::collections(ledger)?;
    let everybody = people(ledger, group)?;
    let mut names = GivenNames::default();
    // Every folder is looked at before anything is written.
    let mut folders = Vec::with_capacity(everybody.len());
    for subject in &everybody {
        let path = folder.join(names.give(&file_name_of(&format!("{} {}", subject.handle, subject.name))));
        let open = CopyFolder::open(&path, Mark::new(subject.id, Audience::Subject), &collections)?;
        folders.push((path, open));
    }
    let bar = progress::bar(everybody.len() as u64, "people");
    let (mut told, mut failed) = (Vec::new(), Failed::new());
    let (mut written, mut with_photos, mut to_confirm) = (0, 0, 0);
    for (subject, (path, open)) in everybody.iter().zip(folders) {
        let found = find(ledger, subject.id, collection, Use::Export, now())?;
        to_confirm += found.to_confirm;
        if !found.photos.is_empty() {
            let copied = copies(open, &found.photos, style)?;
            written += copied.written;
            with_photos += usize::from(copied.written > 0);
            failed.extend(reasons(&copied.failed));
            told.push(json!({
                "subject": subject.id.to_string(), "handle": subject.handle, "folder": path.display().to_string(),
                "copied": copied.written, "to_confirm": found.to_confirm,
                "left_over": copied.left_over.iter().map(|p| p.display().to_string()).collect::<Vec<_>>(),
            }));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let object = json!({
        "people": told, "copied": written, "to_confirm": to_confirm, "failed": failed.values().collect::<Vec<_>>(),
    });
    out.answer(&object, |out| {
        for reason in failed.values() {
            writeln!(out, "left out: {}", shown(reason))?;
        }
        let (people, folder) = (count_people(with_photos), shown(folder.display()));
        writeln!(out, "{} of {people} are in {folder}, a folder for each.", count_copies(written))?;
        if to_confirm > 0 {
            let photos = count(to_confirm, "photo");
            writeln!(
                out,
                "Not among them until somebody decides: {photos} that may show somebody. Next: assent review"
            )?;
        }
        Ok(())
    })?;
    all_done(&failed)
}

fn count_people(n: usize) -> String {
    if n == 1 { "1 person".to_owned() } else { format!("{n} people") }
}

fn count_copies(n: usize) -> String {
    if n == 1 { "1 copy".to_owned() } else { format!("{n} copies") }
}

/// What one person's proposals are.
struct Open {
    subject: Subject,
    photos: Vec<FoundPhoto>,
}

/// Records decisions by number alone, lists what is proposed for everybody, and writes it as one page.
///
/// # Errors
///
/// - [`CommandError::NotProposed`] if a number is none of anybody's proposals.
/// - [`CommandError`], as the ledger and the pictures say.
pub(crate) fn review_all(
    ledger: &Ledger,
    (confirm, refuse): (&[i64], &[i64]),
    sheet: Option<&Path>,
    group: Option<&str>,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    // The page is everybody's: the vault stands for the person.
    let mark = Mark::new(SubjectId::from_bytes(*ledger.id().as_bytes()), Audience::Reviewers);
    sheet.map_or(Ok(()), |file| check_sheet(file, mark, &vault::collections(ledger)?))?;
    let use_ = if sheet.is_some() { Use::Export } else { Use::Search };
    let mut all = Vec::new();
    for subject in people(ledger, group)? {
        let photos = proposals(ledger, subject.id, use_, now())?;
        if !photos.is_empty() {
            all.push(Open { subject, photos });
        }
    }
    let decided = confirm.len() + refuse.len();
    for (numbers, verdict) in [(confirm, Verdict::Confirmed), (refuse, Verdict::Refused)] {
        for number in numbers {
            let whose = all
                .iter()
                .find_map(|open| open.photos.iter().find(|f| f.face.0 == *number).map(|f| (&open.subject, f.face)));
            let (subject, face) = whose.ok_or(CommandError::NotProposed { number: *number })?;
            decide(ledger, subject, face, verdict)?;
        }
    }
    for open in &mut all {
        open.photos.retain(|f| !confirm.contains(&f.face.0) && !refuse.contains(&f.face.0));
    }
    all.retain(|open| !open.photos.is_empty());
    let mut failed = Failed::new();
    let mut page = None;
    if let Some(file) = sheet.filter(|_| !all.is_empty()) {
        failed = write_page(ledger, file, mark, &all)?;
        page = Some(file);
    }
    let photos: usize = all.iter().map(|open| open.photos.len()).sum();
    let of = |open: &Open| -> Value {
        let s = &open.subject;
        json!({
            "subject": s.id.to_string(), "handle": s.handle, "name": s.name,
            "proposals": open.photos.iter().map(describe).collect::<Vec<_>>(),
        })
    };
    let object = json!({
        "decided": decided, "people": all.iter().map(of).collect::<Vec<_>>(), "to_confirm": photos,
        "failed": failed.values().collect::<Vec<_>>(),
    });
    out.answer(&object, |out| {
        if decided > 0 {
            writeln!(out, "{} kept.", count(decided, "decision"))?;
        }
        for open in &all {
            let s = &open.subject;
            writeln!(out, "{} ({})", shown(&s.name), shown(&s.handle))?;
            for f in &open.photos {
                writeln!(out, "  {}\t{}", f.face.0, shown(f.file.display()))?;
            }
        }
        for reason in failed.values() {
            writeln!(out, "left out: {}", shown(reason))?;
        }
        if all.is_empty() {
            return writeln!(out, "Nothing is to be confirmed.");
        }
        if let Some(file) = page {
            writeln!(out, "The page is {}.", shown(file.display()))?;
        }
        let wait = if photos == 1 { "waits" } else { "wait" };
        writeln!(out, "{} of {} {wait} to be confirmed.", count(photos, "photo"), count_people(all.len()))?;
        let see = if page.is_some() { String::new() } else { " (--sheet FILE.html shows the faces)".to_owned() };
        let number = all[0].photos[0].face.0;
        writeln!(out, "Next: assent review --confirm {number}, or --refuse {number}{see}")
    })?;
    all_done(&failed)
}

/// Writes the page of everybody's proposals, each person's beside the face that they were enrolled with.
fn write_page(ledger: &Ledger, file: &Path, mark: Mark, all: &[Open]) -> Result<Failed, CommandError> {
    let mut people = Vec::with_capacity(all.len());
    for Open { subject, photos } in all {
        people.push(Person {
            name: if subject.name.is_empty() { &subject.handle } else { &subject.name },
            reference: &subject.handle,
            portrait: portrait(ledger, subject.id, now())?,
            proposals: photos,
            known: &[],
        });
    }
    Ok(reasons(&review_page::write(file, mark, &people, &sheet::made_by(ledger))?))
}
