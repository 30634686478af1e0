//! `assent find` and `assent review`: a subject's photos, as a list, as copies, as one page; and the proposals among
//! them that a person confirms or refuses.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::iter;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use assent::CoverStyle;
use assent::export::{Audience, Copied, CopyFolder, Mark, check_page};
use assent::find::{Disclosure, Found, FoundPhoto, PictureError, find, picture, portraits, proposals};
use assent::jobs::{self, Finished, JobContext, Task, Watch, counted};
use assent::ledger::{Collection, FaceId, Ledger, Subject, VaultKind, Verdict};
use assent::service::review::{self, Decision};
use assent_documents::json::Id;
use assent_documents::json::find::{self as json, FailedFile, Nothing, Photo, Reviewed};
use assent_documents::sheet::About;
use clap::Args;

use crate::error::CommandError;
use crate::everybody::{find_all, review_all};
use crate::interrupt::stop_on_interrupt;
use crate::nothing;
use crate::output::{Output, count, long_date, number_of, quoted, shown, taken_on};
use crate::pages;
use crate::places::photo_decoder;
use crate::progress;
use crate::vault::{self, OPERATOR, VaultFlags, act, now};

/// Quality of copies, of 100.
const COPY_QUALITY: u8 = 92;

#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    /// Id, the beginning of it, handle, or unique name
    #[arg(required_unless_present = "all")]
    subject: Option<String>,
    /// Everybody on the list: a folder of copies for each
    #[arg(long, conflicts_with_all = ["subject", "sheet"], requires = "copy_to")]
    all: bool,
    /// With --all: of this class or group alone
    #[arg(long, requires = "all")]
    group: Option<String>,
    /// In this collection alone
    #[arg(long, value_name = "NAME")]
    collection: Option<String>,
    /// Write copies of what is sure or confirmed into this new folder, or into one with earlier copies for this person
    #[arg(long, value_name = "DIR")]
    copy_to: Option<PathBuf>,
    /// Write one page with what is sure or confirmed, the found face framed
    #[arg(long, value_name = "FILE.html")]
    sheet: Option<PathBuf>,
    /// How other people's faces are covered: blur or solid
    #[arg(long, value_name = "STYLE", default_value = "blur")]
    cover: CoverStyle,
    /// Leave everybody's face uncovered but those that were set apart: households do so anyway, others never
    #[arg(long)]
    uncovered: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReviewArgs {
    /// Id, the beginning of it, handle, or unique name [default: everybody]
    subject: Option<String>,
    /// Of this class or group alone
    #[arg(long, conflicts_with = "subject")]
    group: Option<String>,
    /// Write one page with the proposals
    #[arg(long, value_name = "FILE.html")]
    sheet: Option<PathBuf>,
    /// It is them: the number of a proposal, or several with commas; may be given several times
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    confirm: Vec<i64>,
    /// It is not them
    #[arg(long, value_name = "NUMBER", value_delimiter = ',')]
    refuse: Vec<i64>,
}

/// # Errors
///
/// [`CommandError`], as the ledger and the pictures say.
pub(crate) fn run(args: &FindArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    if args.uncovered && ledger.kind() != VaultKind::Household {
        return Err(CommandError::Uncovered);
    }
    let collection = args.collection.as_deref().map(|name| vault::collection(&ledger, name)).transpose()?.map(|c| c.id);
    if let Some(folder) = args.copy_to.as_deref().filter(|_| args.all) {
        return find_all(&ledger, folder, (collection, args.group.as_deref()), args.cover, out);
    }
    let subject = vault::subject(&ledger, args.subject.as_deref().unwrap_or_default())?;
    // Where it may not lie, nothing is even looked for.
    let collections = vault::collections(&ledger)?;
    let mark = Mark::new(subject.id, Audience::Subject);
    let folder = args.copy_to.as_deref().map(|path| CopyFolder::open(path, mark, &collections)).transpose()?;
    args.sheet.as_deref().map_or(Ok(()), |file| check_sheet(file, mark, &collections))?;
    let (found, made) = match args.copy_to.as_deref().or(args.sheet.as_deref()) {
        None => (find(&ledger, subject.id, collection, Disclosure::Search, act())?, Made::default()),
        Some(place) => {
            let stop = stop_on_interrupt(STOPPED);
            let watch = Watch { now: &now, stop: &stop };
            jobs::run(&ledger, (Task::CopiesForOne(place), OPERATOR), watch, CommandError::code, |job| {
                let found = find(&ledger, subject.id, collection, Disclosure::Export, act())?;
                let made = hand_out((&ledger, &subject, mark), folder, args, &found.photos, job)?;
                let copies = made.copied.as_ref().map_or(0, |copied| copied.0);
                let counts = counted([("copies", copies), ("pages", made.page.into()), ("failed", made.failed.len())]);
                let stopped = made.stopped;
                Ok::<_, CommandError>(Finished { value: (found, made), counts, stopped })
            })?
        }
    };
    let answer = json::Found {
        subject: Id::of(subject.id),
        photos: found.photos.iter().map(describe).collect(),
        to_confirm: found.to_confirm,
        nothing: found.nothing.iter().map(Nothing::from).collect(),
        copied: made.copied.as_ref().map(|(written, _)| *written),
        stopped: made.stopped,
        failed: made.failed.iter().map(FailedFile::from).collect(),
    };
    out.answer(&answer, |out| print_answer(args, &found, &made, out))?;
    all_done(&made.failed)
}

/// Writes what was asked for of a person's photos: copies, a page, or both.
///
/// # Errors
///
/// [`CommandError`], as the folders and the pictures say.
fn hand_out(
    (ledger, subject, mark): (&Ledger, &Subject, Mark),
    folder: Option<CopyFolder>,
    args: &FindArgs,
    photos: &[FoundPhoto],
    job: &JobContext<'_>,
) -> Result<Made, CommandError> {
    let mut made = Made::default();
    if let Some(folder) = folder.filter(|_| !photos.is_empty()) {
        let copied = copies(folder, photos, args.cover, (job, 0, photos.len()))?;
        made.failed.extend(reasons(&copied.failed));
        made.stopped = copied.stopped;
        made.copied = Some((copied.written, copied.left_over));
    }
    if let Some(file) = args.sheet.as_ref().filter(|_| !made.stopped) {
        let title = format!("Photos of {}", subject.name);
        let (said, copies) = (pages::made_by(ledger), args.copy_to.as_deref());
        let about = About { mark, title: &title, made: &said, style: args.cover };
        let failed = pages::write_sheet(file, &about, copies, photos)?;
        made.page = failed.len() < photos.len();
        made.failed.extend(reasons(&failed));
    }
    Ok(made)
}

/// What was written, and what could not be.
#[derive(Default)]
struct Made {
    /// How many copies, and the copies of an earlier run that are none of these.
    copied: Option<(usize, Vec<PathBuf>)>,
    page: bool,
    failed: Failed,
    /// Whether it was stopped before the last copy.
    stopped: bool,
}

/// By the file, what is wrong with a photo.
pub(crate) type Failed = BTreeMap<PathBuf, String>;

pub(crate) fn reasons(failed: &[(PathBuf, PictureError)]) -> Failed {
    failed.iter().map(|(file, error)| (file.clone(), chain(error))).collect()
}

pub(crate) fn all_done(failed: &Failed) -> Result<(), CommandError> {
    match failed.len() {
        0 => Ok(()),
        n => Err(CommandError::NotAll { left: count(n, "photo") }),
    }
}

/// The answer for people.
fn print_answer(args: &FindArgs, found: &Found, made: &Made, out: &mut dyn Write) -> io::Result<()> {
    let asked = args.subject.as_deref().unwrap_or_default();
    for f in &found.photos {
        let sure = if f.is_certain() { "" } else { "\t(to be confirmed: assent review)" };
        writeln!(out, "{:>5}  {}\t{}{sure}{}", f.face.0, shown(f.file.display()), taken_on(&f.taken), missing_note(f))?;
    }
    let certain = found.photos.iter().filter(|f| f.is_certain()).count();
    let missing = found.photos.iter().filter(|f| f.missing.is_some()).count();
    let missing = if missing > 0 { format!(", {missing} missing") } else { String::new() };
    match found.photos.len() {
        0 => writeln!(out, "No photos.")?,
        n => writeln!(out, "{}, {certain} of them sure{missing}", count(n, "photo"))?,
    }
    if found.to_confirm > 0 {
        let wait = number_of(found.to_confirm, "photo waits", "photos wait");
        let kept = if found.photos.len() > certain { "" } else { " and not handed out" };
        let subject = quoted(asked);
        writeln!(out, "{wait} to be confirmed{kept}: assent review {subject}")?;
    }
    for line in away_lines(&found.photos) {
        writeln!(out, "{line}")?;
    }
    if !found.photos.is_empty() {
        let subject = quoted(asked);
        writeln!(
            out,
            "Is one not of them? assent review {subject} --refuse NUMBER, with the number in front of the photo."
        )?;
    }
    for line in nothing::lines(found, asked) {
        writeln!(out, "{line}")?;
    }
    for reason in made.failed.values() {
        writeln!(out, "left out: {}", shown(reason))?;
    }
    if let Some(folder) = &args.copy_to {
        let folder = shown(folder.display());
        match &made.copied {
            Some((written, left_over)) => {
                writeln!(out, "{} in {folder}.", number_of(*written, "copy is", "copies are"))?;
                self::left_over(left_over, out)?;
            }
            None => writeln!(out, "No copies were made: there is no photo to copy.")?,
        }
    }
    if made.stopped {
        return writeln!(out, "Stopped before the last of them; the same command writes all.");
    }
    match &args.sheet {
        Some(file) if made.page => writeln!(out, "The page is {}.", shown(file.display())),
        Some(_) => writeln!(out, "No page was written: there is no photo to show."),
        None => Ok(()),
    }
}

/// Names the copies of an earlier run whose photos are not among those of this one.
pub(crate) fn left_over(copies: &[PathBuf], out: &mut dyn Write) -> io::Result<()> {
    let mut each = copies.iter().map(|path| shown(path.display()));
    each.try_for_each(|path| writeln!(out, "{path} is of an earlier run and is not among these photos."))
}

/// An error with its causes, on one line.
fn chain(error: &dyn Error) -> String {
    let causes = iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |said, cause| format!("{said} ({cause})"))
}

/// Whether a page may be written there.
pub(crate) fn check_sheet(file: &Path, mark: Mark, collections: &[Collection]) -> Result<(), CommandError> {
    let ending = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if !["html", "htm"].iter().any(|known| known.eq_ignore_ascii_case(ending)) {
        return Err(CommandError::NoPage { path: file.to_owned() });
    }
    Ok(check_page(file, mark, collections)?)
}

/// # Errors
///
/// [`CommandError`], as the ledger and the pictures say.
pub(crate) fn review(args: &ReviewArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    if let Some(number) = args.confirm.iter().find(|number| args.refuse.contains(number)) {
        return Err(CommandError::BothSaid { number: *number });
    }
    let ledger = vault::open(flags)?;
    let Some(asked) = &args.subject else {
        let decisions = (args.confirm.as_slice(), args.refuse.as_slice());
        return review_all(&ledger, decisions, args.sheet.as_deref(), args.group.as_deref(), out);
    };
    let subject = vault::subject(&ledger, asked)?;
    let mark = Mark::new(subject.id, Audience::Reviewers);
    if let Some(file) = &args.sheet {
        check_sheet(file, mark, &vault::collections(&ledger)?)?;
    }
    let said = [(&args.confirm, Verdict::Confirmed), (&args.refuse, Verdict::Refused)];
    let decision = |number: &i64, verdict| Decision { subject: subject.id, face: FaceId(*number), verdict };
    let said = said.into_iter().flat_map(|(all, verdict)| all.iter().map(move |number| decision(number, verdict)));
    let said: Vec<Decision> = said.collect();
    let decided = said.len();
    review::decide(&ledger, &said, act())?;
    let disclosure = if args.sheet.is_some() { Disclosure::Export } else { Disclosure::Search };
    let open = proposals(&ledger, subject.id, disclosure, act())?;
    let (mut failed, mut page) = (Failed::new(), false);
    if let Some(file) = args.sheet.as_ref().filter(|_| !open.is_empty()) {
        let known = find(&ledger, subject.id, None, Disclosure::Search, act())?.photos;
        let by = pages::made_by(&ledger);
        let person = pages::Person {
            name: &subject.name,
            reference: asked,
            portrait: portraits(&ledger, &[subject.id], now())?.into_iter().next().flatten(),
            proposals: &open,
            known: &known,
        };
        let made = pages::write_review(file, mark, &[person], &by)?;
        failed = reasons(&made.failed);
        page = made.shown > 0;
    }
    let answer = Reviewed { decided, proposals: open.iter().map(describe).collect() };
    out.answer(&answer, |out| {
        let name = shown(if subject.name.is_empty() { &subject.handle } else { &subject.name });
        for number in &args.confirm {
            writeln!(out, "Number {number} is {name} from now on.")?;
        }
        for number in &args.refuse {
            writeln!(out, "Number {number} is not {name}: that photo is no longer among theirs.")?;
        }
        for f in &open {
            writeln!(out, "{}\t{}", f.face.0, shown(f.file.display()))?;
        }
        for reason in failed.values() {
            writeln!(out, "left out: {}", shown(reason))?;
        }
        match &args.sheet {
            Some(file) if page => writeln!(out, "The page is {}.", shown(file.display()))?,
            Some(_) => writeln!(out, "No page was written: there is no photo to show.")?,
            None => {}
        }
        if open.is_empty() {
            return writeln!(out, "Nothing is left to confirm.");
        }
        let see = if page { "" } else { " (--sheet FILE.html shows the faces)" };
        writeln!(out, "Next: assent review {} --confirm NUMBER or --refuse NUMBER{see}", quoted(asked))
    })?;
    all_done(&failed)
}

/// That a photo's file is missing, if it is: since a scan, or as it turns out now.
fn missing_note(f: &FoundPhoto) -> String {
    match f.missing {
        Some(since) => format!("\t(missing from its folder since {})", long_date(since)),
        None if is_away(f) => "\t(not in its folder now)".to_owned(),
        None => String::new(),
    }
}

/// Whether a photo that no scan missed is not where it was.
fn is_away(f: &FoundPhoto) -> bool {
    f.missing.is_none() && !f.file.exists()
}

/// For each collection, how many of the photos are not where they were, and what to do.
fn away_lines(found: &[FoundPhoto]) -> Vec<String> {
    let mut away: BTreeMap<&str, usize> = BTreeMap::new();
    for f in found.iter().filter(|f| is_away(f)) {
        *away.entry(&f.collection).or_default() += 1;
    }
    let line = |(name, n): (&str, usize)| {
        format!(
            "{} not in the folder of {} now. Is the disk there? If the folder lies elsewhere: assent collection move {} FOLDER",
            number_of(n, "photo is", "photos are"),
            shown(name),
            quoted(name)
        )
    };
    away.into_iter().map(line).collect()
}

/// A photo for machines.
fn describe(f: &FoundPhoto) -> Photo {
    Photo::new(f, f.file.exists())
}

/// What is said when copies are stopped in the middle of one.
pub(crate) const STOPPED: &str = "Stopped in the middle of a photo; the same command writes all copies.";

/// Writes a copy of each photo, each whole or not at all: `before` of `all` that the job writes were written already.
pub(crate) fn copies(
    folder: CopyFolder,
    found: &[FoundPhoto],
    style: CoverStyle,
    (job, before, all): (&JobContext<'_>, usize, usize),
) -> Result<Copied, CommandError> {
    let bar = progress::bar(found.len() as u64, "copies");
    let mut done = before;
    let mut one_more = || {
        bar.inc(1);
        done += 1;
        job.report(done as u64, all as u64, now());
        if job.should_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let copied = folder.write(found, &|f| picture(f, style, &photo_decoder()), COPY_QUALITY, &mut one_more)?;
    bar.finish_and_clear();
    Ok(copied)
}
