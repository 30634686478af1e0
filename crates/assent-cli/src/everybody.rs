//! `assent find --all` and `assent review` without a name: what is there for everybody at once.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use assent::CoverStyle;
use assent::export::{Audience, Copied, CopyFolder, Mark};
use assent::find::{Disclosure, Found, FoundPhoto, find_each, portraits, proposals_each};
use assent::jobs::{self, Finished, JobContext, Task, Watch, counted};
use assent::ledger::{CollectionId, Ledger, Subject, SubjectId, UniqueFileNames, Verdict, file_name_of};
use assent::service::review::{self, Decision};
use assent_documents::json::find::{Copies, FailedFile, FoundForAll, Nothing, Proposals, ReviewedForAll};
use assent_documents::json::{Id, text};

use crate::error::CommandError;
use crate::find_cmd::{Failed, STOPPED, all_done, check_sheet, copies, left_over, reasons};
use crate::interrupt::stop_on_interrupt;
use crate::nothing;
use crate::output::{self, Output, count, number_of, shown};
use crate::pages::{self, Person};
use crate::progress;
use crate::vault::{self, OPERATOR, act, now};

/// Keeps those of one class or group, or all.
///
/// # Errors
///
/// [`CommandError::NobodyInGroup`] if nobody is of it.
fn of_group<T>(mut all: Vec<T>, group: Option<&str>, who: impl Fn(&T) -> &Subject) -> Result<Vec<T>, CommandError> {
    if let Some(group) = group {
        all.retain(|one| who(one).group.to_lowercase() == group.to_lowercase());
        if all.is_empty() {
            return Err(CommandError::NobodyInGroup { group: group.to_owned() });
        }
    }
    Ok(all)
}

/// A person, and where their copies go.
struct Receiver {
    subject: Subject,
    path: PathBuf,
}

/// What came of one person.
struct Outcome {
    who: Receiver,
    found: Found,
    copied: Copied,
}

/// Writes copies of everybody's photos, what is sure or confirmed, each person's into a folder of their own.
///
/// # Errors
///
/// - [`CommandError::NotAll`] if a photo could not be copied; the others are.
/// - [`CommandError::NobodyInGroup`] if nobody is of the group.
/// - [`CommandError`], as the ledger and the folders say.
pub(crate) fn find_all(
    ledger: &Ledger,
    folder: &Path,
    (collection, group): (Option<CollectionId>, Option<&str>),
    style: CoverStyle,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let collections = vault::collections(ledger)?;
    // The names are given among all, so that nobody's folder is another one when one group alone is asked for.
    let mut names = UniqueFileNames::default();
    let receiver = |subject: Subject| {
        let path = folder.join(names.unique(&file_name_of(&format!("{} {}", subject.handle, subject.name))));
        Receiver { subject, path }
    };
    let all = vault::people(ledger)?.into_iter().map(receiver).collect();
    let all = of_group(all, group, |one: &Receiver| &one.subject)?;
    // Every folder is looked at before anything is written.
    let open = |one: &Receiver| CopyFolder::open(&one.path, Mark::new(one.subject.id, Audience::Subject), &collections);
    let folders = all.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<SubjectId> = all.iter().map(|one| one.subject.id).collect();
    let stop = stop_on_interrupt(STOPPED);
    let watch = Watch { now: &now, stop: &stop };
    let written = jobs::run(ledger, (Task::CopiesForAll(folder), OPERATOR), watch, CommandError::code, |job| {
        let found = find_each(ledger, &ids, collection, Disclosure::Export, act())?;
        let each = all.into_iter().zip(found).zip(folders).map(|((who, found), open)| (who, found, open));
        let written = write_each(each.collect(), style, job)?;
        let copies = written.outcomes.iter().map(|one| one.copied.written).sum();
        let people = written.outcomes.iter().filter(|one| one.copied.written > 0).count();
        let counts = counted([("copies", copies), ("people", people), ("failed", written.failed.len())]);
        Ok::<_, CommandError>(Finished { counts, stopped: written.stopped, value: written })
    })?;
    let Written { outcomes, failed, stopped } = written;
    let written: usize = outcomes.iter().map(|one| one.copied.written).sum();
    let to_confirm: usize = outcomes.iter().map(|one| one.found.to_confirm).sum();
    let answer = FoundForAll {
        people: outcomes.iter().map(Copies::from).collect(),
        copied: written,
        to_confirm,
        stopped,
        failed: failed.iter().map(FailedFile::from).collect(),
    };
    out.answer(&answer, |out| {
        without_photos(&outcomes, out)?;
        outcomes.iter().try_for_each(|one| left_over(&one.copied.left_over, out))?;
        for reason in failed.values() {
            writeln!(out, "left out: {}", shown(reason))?;
        }
        let with_photos = outcomes.iter().filter(|one| one.copied.written > 0).count();
        if written > 0 {
            let (people, folder) = (output::people(with_photos), shown(folder.display()));
            let (copies, are) = (number_of(written, "copy", "copies"), if written == 1 { "is" } else { "are" });
            writeln!(out, "{copies} of {people} {are} in {folder}, a folder for each.")?;
        } else {
            writeln!(out, "No copies were made: there is no photo to copy.")?;
        }
        if stopped {
            writeln!(out, "Stopped before the last of them; the same command writes all.")?;
        }
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

/// What was written for everybody, as far as it came.
struct Written {
    outcomes: Vec<Outcome>,
    failed: Failed,
    /// Whether it was stopped before the last copy.
    stopped: bool,
}

/// Writes everybody's copies, one person after the other.
fn write_each(
    each: Vec<(Receiver, Found, CopyFolder)>,
    style: CoverStyle,
    job: &JobContext<'_>,
) -> Result<Written, CommandError> {
    let photos = each.iter().map(|(_, found, _)| found.photos.len()).sum();
    let bar = progress::bar(each.len() as u64, "people");
    let mut written = Written { outcomes: Vec::with_capacity(each.len()), failed: Failed::new(), stopped: false };
    let (mut before, people) = (0, each.len());
    for (who, found, open) in each {
        let copied = copies(open, &found.photos, style, (job, before, photos))?;
        before += found.photos.len();
        written.stopped = copied.stopped;
        written.failed.extend(reasons(&copied.failed));
        written.outcomes.push(Outcome { who, found, copied });
        bar.inc(1);
        written.stopped |= job.should_stop() && written.outcomes.len() < people;
        if written.stopped {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(written)
}

impl From<&Outcome> for Copies {
    fn from(Outcome { who, found, copied }: &Outcome) -> Self {
        Self {
            subject: Id::of(who.subject.id),
            handle: who.subject.handle.clone(),
            folder: (copied.written > 0).then(|| text(&who.path)),
            copied: copied.written,
            to_confirm: found.to_confirm,
            nothing: found.nothing.iter().map(Nothing::from).collect(),
            left_over: copied.left_over.iter().map(|path| text(path)).collect(),
        }
    }
}

impl Outcome {
    /// Why they have no photo, if they have none.
    fn why_none(&self) -> Option<String> {
        if !self.found.photos.is_empty() {
            return None;
        }
        let mut why = nothing::lines(&self.found, &self.who.subject.handle);
        if self.found.to_confirm > 0 {
            let wait = number_of(self.found.to_confirm, "photo waits", "photos wait");
            why.insert(0, format!("{wait} to be confirmed."));
        }
        // A line that ends in a command has no full stop.
        let ended = |line: &String| if line.ends_with('.') { line.clone() } else { format!("{line};") };
        let (last, before) = why.split_last()?;
        Some(before.iter().map(ended).chain([last.clone()]).collect::<Vec<_>>().join(" "))
    }

    /// Name and short name.
    fn person(&self) -> String {
        let subject = &self.who.subject;
        format!("{} ({})", shown(&subject.name), shown(&subject.handle))
    }
}

/// From how many people on the same reason is told once.
const SAME_REASON: usize = 4;

/// Who has no photo, and why.
fn without_photos(outcomes: &[Outcome], out: &mut dyn Write) -> io::Result<()> {
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for one in outcomes {
        let Some(why) = one.why_none() else { continue };
        match reasons.iter_mut().find(|(reason, _)| *reason == why) {
            Some((_, people)) => people.push(one.person()),
            None => reasons.push((why, vec![one.person()])),
        }
    }
    for (why, people) in &reasons {
        if people.len() >= SAME_REASON {
            writeln!(out, "no photo for {} people. {why}", people.len())?;
            writeln!(out, "  {}", people.join(", "))?;
        } else {
            people.iter().try_for_each(|person| writeln!(out, "no photo for {person}. {why}"))?;
        }
    }
    Ok(())
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
/// - [`CommandError::NotProposed`] if a number is none of anybody's proposals; then nothing is recorded.
/// - [`CommandError::NobodyInGroup`] if nobody is of the group.
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
    let disclosure = if sheet.is_some() { Disclosure::Export } else { Disclosure::Search };
    let people = of_group(vault::people(ledger)?, group, |subject| subject)?;
    let ids: Vec<SubjectId> = people.iter().map(|subject| subject.id).collect();
    let proposed = proposals_each(ledger, &ids, disclosure, act())?;
    let mut all: Vec<Open> =
        people.into_iter().zip(proposed).map(|(subject, photos)| Open { subject, photos }).collect();
    // All numbers are looked up before the first decision is recorded.
    let said = [decisions(&all, confirm, Verdict::Confirmed)?, decisions(&all, refuse, Verdict::Refused)?].concat();
    review::decide(ledger, &said, act())?;
    let decided = said.len();
    for open in &mut all {
        open.photos.retain(|f| !confirm.contains(&f.face.0) && !refuse.contains(&f.face.0));
    }
    all.retain(|open| !open.photos.is_empty());
    let (mut failed, mut page) = (Failed::new(), None);
    if let Some(file) = sheet.filter(|_| !all.is_empty()) {
        let stop = stop_on_interrupt("Stopped in the middle of the page; the same command writes it.");
        let watch = Watch { now: &now, stop: &stop };
        let made = jobs::run(ledger, (Task::Proposals(file), OPERATOR), watch, CommandError::code, |_| {
            let made = write_page(ledger, file, mark, &all)?;
            let counts = counted([("pages", (made.shown > 0).into()), ("failed", made.failed.len())]);
            Ok::<_, CommandError>(Finished { value: made, counts, stopped: false })
        })?;
        failed = reasons(&made.failed);
        page = (made.shown > 0).then_some(file);
    }
    let photos: usize = all.iter().map(|open| open.photos.len()).sum();
    let answer = ReviewedForAll {
        decided,
        people: all.iter().map(|open| Proposals::new(&open.subject, &open.photos, Path::exists)).collect(),
        to_confirm: photos,
        failed: failed.iter().map(FailedFile::from).collect(),
    };
    out.answer(&answer, |out| {
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
        match (sheet, page) {
            (Some(_), Some(file)) => writeln!(out, "The page is {}.", shown(file.display()))?,
            (Some(_), None) => writeln!(out, "No page was written: there is no photo to show.")?,
            (None, _) => {}
        }
        let Some(first) = all.first().and_then(|open| open.photos.first()) else {
            return writeln!(out, "Nothing is to be confirmed.");
        };
        let wait = if photos == 1 { "waits" } else { "wait" };
        writeln!(out, "{} of {} {wait} to be confirmed.", count(photos, "photo"), output::people(all.len()))?;
        let see = if page.is_some() { String::new() } else { " (--sheet FILE.html shows the faces)".to_owned() };
        let number = first.face.0;
        writeln!(out, "Next: assent review --confirm {number}, or --refuse {number}{see}")
    })?;
    all_done(&failed)
}

/// Whose proposals these numbers are.
fn decisions(all: &[Open], numbers: &[i64], verdict: Verdict) -> Result<Vec<Decision>, CommandError> {
    let whose = |number: &i64| {
        let mut proposals = all.iter().flat_map(|open| open.photos.iter().map(move |f| (open.subject.id, f.face)));
        let found = proposals.find(|(_, face)| face.0 == *number);
        let (subject, face) = found.ok_or(CommandError::NotProposed { number: *number })?;
        Ok(Decision { subject, face, verdict })
    };
    numbers.iter().map(whose).collect()
}

/// Writes the page of everybody's proposals, each person's beside the face that they were enrolled with.
fn write_page(ledger: &Ledger, file: &Path, mark: Mark, all: &[Open]) -> Result<pages::Made, CommandError> {
    let ids: Vec<SubjectId> = all.iter().map(|open| open.subject.id).collect();
    let portraits = portraits(ledger, &ids, now())?;
    let named = all.iter().zip(portraits).map(|(Open { subject, photos }, portrait)| Person {
        name: if subject.name.is_empty() { &subject.handle } else { &subject.name },
        reference: &subject.handle,
        portrait,
        proposals: photos,
        known: &[],
    });
    let people: Vec<Person<'_>> = named.collect();
    pages::write_review(file, mark, &people, &pages::made_by(ledger))
}
