//! `assent scan`: look at every photo of a collection, once.

use assent::DeclaredRates;
use assent::ledger::{Collection, Ledger, TemplateId};
use assent::scan::{CopiedFace, Locked, Progress, ScanError, ScanOptions, ScanSummary, ScanWatch, Stage, scan};
use assent::source::SourceError;
use assent_documents::json::scan::{ExpectedMistakes, Scanned};
use assent_documents::listing;
use clap::Args;

use crate::error::CommandError;
use crate::free_memory::free_memory_bytes;
use crate::hints::sentence_of;
use crate::interrupt::stop_on_interrupt;
use crate::models_arg::ModelPlaces;
use crate::output::{Output, count, number_of, quoted, shown};
use crate::progress;
use crate::refused;
use crate::search_args::{MemoryArgs, SearchArgs};
use crate::vault::{self, VaultFlags, now};

/// Photos that are named with a command for each, at most.
const NAMED_MAX: usize = 20;

/// Templates are in memory that the system may write elsewhere.
pub(crate) const EXPOSED: &str = "The system did not keep all templates from being written to swap or to a core dump. \
                                  Raise the limit of locked memory (ulimit -l), or encrypt the swap.";

#[derive(Debug, Args)]
pub(crate) struct ScanArgs {
    /// The collection's name [default: the only one]
    collection: Option<String>,
    #[command(flatten)]
    search: SearchArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    rates: RateArgs,
    /// Answer this request: look for the one person who asked, in the album that they named, once; in collections whose
    /// others are on-request
    #[arg(long, value_name = "REQUEST")]
    request: Option<String>,
}

/// The two declared rates.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct RateArgs {
    /// Declared false positive identification rate of the band `match`, for each stranger's face
    #[arg(long, value_name = "P", default_value_t = DeclaredRates::default().fpir, value_parser = rate)]
    pub(crate) fpir: f64,
    /// The same of both bands together
    #[arg(long, value_name = "P", default_value_t = DeclaredRates::default().fpir_review, value_parser = rate)]
    pub(crate) fpir_review: f64,
}

impl RateArgs {
    /// The rates; the second is never below the first.
    pub(crate) fn declared(self) -> DeclaredRates {
        DeclaredRates { fpir: self.fpir, fpir_review: self.fpir_review.max(self.fpir) }
    }
}

fn rate(text: &str) -> Result<f64, &'static str> {
    match text.parse::<f64>() {
        Ok(p) if p > 0.0 && p < 1.0 => Ok(p),
        _ => Err("a rate lies between 0 and 1, such as 0.001"),
    }
}

/// # Errors
///
/// [`CommandError`], as the scan says. A photo that cannot be used is no error.
pub(crate) fn run(
    args: &ScanArgs,
    flags: &VaultFlags,
    models: &ModelPlaces,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let ledger = vault::open_and_expire(flags)?;
    let collection = chosen(&ledger, args.collection.as_deref())?;
    let request = args.request.as_deref().map(|text| vault::request(&ledger, text)).transpose()?;
    let models = models.load_for(&ledger)?;
    let threads = args.search.threads();
    let options = ScanOptions {
        search: args.search.options(),
        threads,
        rates: args.rates.declared(),
        memory_mb: args.memory.megabytes(threads),
        free_bytes: free_memory_bytes(),
        request,
        by: vault::OPERATOR,
    };
    let stop = stop_on_interrupt("Stopped in the middle of a photo; the next scan goes on where this one was.");
    let bar = progress::bar(0, "photos");
    bar.println("Scanning, newest first. Press Ctrl-C to pause; the next scan continues here.");
    let opening = progress::bar(0, "templates opened");
    let mut tick = |p: Progress| {
        if p.stage == Stage::OpeningTemplates {
            opening.set_length(p.of as u64);
            opening.set_position(p.done as u64);
            return;
        }
        opening.finish_and_clear();
        bar.set_length(p.of as u64);
        bar.set_position(p.done as u64);
        if let Some(kept) = p.committed {
            bar.set_message(format!("; kept so far: {} sure, {} to be confirmed", kept.matches, kept.reviews));
        }
    };
    let mut watch = ScanWatch { now: &now, stop: &stop, progress: &mut tick };
    let scanned = scan(&ledger, &models, collection.id, options, &mut watch);
    let summary = scanned.map_err(|refused| match refused {
        ScanError::Source(source @ SourceError::Unreadable { .. }) => {
            CommandError::FolderAway { collection: quoted(&collection.name), source }
        }
        other => other.into(),
    })?;
    bar.finish_and_clear();
    let expected = Expected::of(&summary);
    let next = next(&ledger, &summary)?;
    let locked = summary.locked.as_ref().map(why_locked);
    let answer = Scanned::new(&summary, locked, expected.map(Expected::mistakes));
    out.answer(&answer, |out| {
        for line in lines(&summary, &collection.name, expected) {
            writeln!(out, "{line}")?;
        }
        next.map_or(Ok(()), |next| writeln!(out, "Next: {next}"))
    })?;
    Ok(())
}

/// What to do with what a scan found; `None` where it found nobody, or somebody has to confirm first.
fn next(ledger: &Ledger, s: &ScanSummary) -> Result<Option<String>, CommandError> {
    if s.matches == 0 || s.reviews > 0 {
        return Ok(None);
    }
    let people = vault::people(ledger)?;
    let who = if let [only] = people.as_slice() { quoted(&only.handle) } else { "NAME".to_owned() };
    Ok(Some(format!("assent find {who} --sheet found.html")))
}

/// What the thresholds mean for the faces of one scan, by the score-to-FMR table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Expected {
    /// Faces of people who are not enrolled, at most: every face that is no `match`.
    strangers: usize,
    /// The rate of wrong names for each of them; `None` where there is no `match`.
    fpir: Option<f64>,
    /// The same of both bands together.
    fpir_review: f64,
}

impl Expected {
    /// `None` where nobody was searched for, or the models have no table.
    pub(crate) fn of(s: &ScanSummary) -> Option<Expected> {
        let (thresholds, table) = (s.thresholds?, s.table.as_ref()?);
        let (fpir, fpir_review) = table.promised(thresholds, s.templates);
        Some(Expected { strangers: s.faces.saturating_sub(s.matches), fpir, fpir_review })
    }

    /// Wrong names, and wrong names and proposals together.
    fn wrong(self) -> (Option<f64>, f64) {
        let n = self.strangers as f64;
        (self.fpir.map(|p| p * n), self.fpir_review * n)
    }

    fn mistakes(self) -> ExpectedMistakes {
        let (wrong_match, wrong_match_or_review) = self.wrong();
        ExpectedMistakes { strangers: self.strangers, wrong_match, wrong_match_or_review }
    }

    fn line(self) -> String {
        let (named, both) = self.wrong();
        let proposed = format!("{} wrong suggestions", about(both - named.unwrap_or(0.0)));
        let wrong = named.map_or_else(|| proposed.clone(), |n| format!("{} wrong names and {proposed}", about(n)));
        format!("Expected mistakes in this scan: {wrong}.")
    }
}

/// A small expected number: "fewer than 0.01", "about 0.06", "about 3.1", "about 40".
fn about(n: f64) -> String {
    match n {
        n if n < 0.01 => "fewer than 0.01".to_owned(),
        n if n < 1.0 => format!("about {n:.2}"),
        n if n < 10.0 => format!("about {n:.1}"),
        n => format!("about {n:.0}"),
    }
}

/// Says how many templates did not open, if there are any.
pub(crate) fn left_out(unopened: &[TemplateId]) -> Option<String> {
    let number = count(unopened.len(), "template");
    (!unopened.is_empty()).then(|| format!("{number} did not open, so that nobody is found by them: assent doctor"))
}

/// What became of known photos whose files are not in the folder.
fn missing_lines(s: &ScanSummary, collection: &str) -> Vec<String> {
    let collection = quoted(collection);
    let mut lines = Vec::new();
    let known = |n: usize| if n == 1 { "1 known photo is".to_owned() } else { format!("{n} known photos are") };
    if s.too_many_missing {
        lines.push(format!(
            "{} not in the folder, more than a fifth of all, so everything was kept as it was. Is a disk or a folder away? \
             If the photos lie elsewhere now: assent collection move {collection} FOLDER. If they are gone for good: assent \
             collection forget-missing {collection}",
            known(s.missing)
        ));
    } else if s.missing > 0 {
        lines.push(format!(
            "{} missing from the folder. What was found and decided in them is kept; they are forgotten when a scan \
             tomorrow or later does not find them either, or at once by: assent collection forget-missing {collection}",
            known(s.missing)
        ));
    }
    if s.removed > 0 {
        lines.push(format!("{} that had been missing for a day or longer: forgotten", count(s.removed, "photo")));
    }
    lines
}

/// That faces that were set apart are in copies, too, and the command for each.
fn copied_lines(s: &ScanSummary, collection: &str) -> Vec<String> {
    let command = |c: &CopiedFace| {
        let (photo, (x, y)) = (&c.photo, c.at);
        let command = format!("assent request blur {} {} --at {x},{y}", quoted(collection), quoted(photo));
        format!("  {} (made from {}): {command}", shown(photo), shown(&c.original))
    };
    let mut lines: Vec<String> = s.copied.iter().take(NAMED_MAX).map(command).collect();
    if s.copied.len() > NAMED_MAX {
        lines.push(format!("  and {} more (--json names all)", s.copied.len() - NAMED_MAX));
    }
    match s.copied.len() {
        0 => {}
        1 => lines.insert(0, format!("1 face {IN_COPIES}")),
        n => lines.insert(0, format!("{n} faces {IN_COPIES}")),
    }
    lines
}

const IN_COPIES: &str = "set apart in another photo, in what looks like a resized or edited copy of it. A copy is another picture, \
                         in which nobody is set apart yet. To do it there as well:";

/// "Scanned 30 photos of trip (all new)."
fn scanned(s: &ScanSummary, collection: &str) -> String {
    let whole = format!("Scanned {} of {}", count(s.photos, "photo"), shown(collection));
    if s.photos == s.looked_at && s.rematched + s.unchanged + s.moved + s.removed + s.missing == 0 {
        return if s.photos == 0 {
            format!("There is no photo in {}.", shown(collection))
        } else {
            format!("{whole} (all new).")
        };
    }
    let parts = [
        (s.looked_at, "new or changed"),
        (s.rematched, "known, and compared with people who enrolled since"),
        (s.unchanged, "unchanged"),
        (s.moved, "moved"),
    ];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if parts.is_empty() && s.stopped {
        return format!("None of the {} of {} was looked at yet.", count(s.photos, "photo"), shown(collection));
    }
    format!("{whole}: {}.", parts.join(", "))
}

/// The collection that was named, or the only one.
fn chosen(ledger: &Ledger, name: Option<&str>) -> Result<Collection, CommandError> {
    if let Some(name) = name {
        return vault::collection(ledger, name);
    }
    let mut all = vault::collections(ledger)?;
    match all.len() {
        0 => Err(CommandError::Missing { flag: "a collection (assent collection add NAME FOLDER)" }),
        1 => Ok(all.remove(0)),
        _ => {
            let line = |c: &Collection| format!("{}\t{}", quoted(&c.name), shown(&c.directory));
            Err(CommandError::WhichCollection { names: all.iter().map(line).collect::<Vec<_>>().join("\n") })
        }
    }
}

/// Why nobody is compared, and what to do about it.
fn why_locked(locked: &Locked) -> String {
    sentence_of(locked.code, &locked.says)
}

/// The summary for people.
pub(crate) fn lines(s: &ScanSummary, collection: &str, expected: Option<Expected>) -> Vec<String> {
    let mut lines = vec![scanned(s, collection)];
    lines.extend(missing_lines(s, collection));
    if let Some(lock) = &s.locked {
        lines.push(format!("{} found, and compared with nobody: {}", count(s.faces, "face"), why_locked(lock)));
    } else if s.faces == 0 && s.photos > 0 && s.unchanged == s.photos {
        lines.push("Nothing is new.".to_owned());
    } else if s.templates == 0 {
        lines.push(format!(
            "{} found. Nobody here asks to be found, so no face was compared with anybody.",
            count(s.faces, "face")
        ));
    } else {
        let rest = match s.reviews {
            0 => "none to be confirmed.".to_owned(),
            n => format!("{n} to be confirmed. Next: assent review"),
        };
        lines.push(format!("{} found: {} sure, {rest}", count(s.faces, "face"), s.matches));
    }
    if let Some(expected) = expected.filter(|e| e.strangers > 0) {
        lines.push(expected.line());
    }
    if s.thresholds.is_some_and(|t| t.certain.is_none()) {
        lines.push(
            "These models cannot be sure of anybody among so many people: every photo is to be confirmed.".to_owned(),
        );
    }
    if s.people_of_other_models > 0 {
        let people = number_of(s.people_of_other_models as usize, "person is", "people are");
        lines.push(format!(
            "{people} enrolled with other models and {} not looked for: scan with their pack, too \
             (--pack), or move everybody to one: assent gallery move",
            if s.people_of_other_models == 1 { "was" } else { "were" }
        ));
    }
    lines.extend(left_out(&s.unopened));
    if s.exposed {
        lines.push(EXPOSED.to_owned());
    }
    if s.searched_better > 0 {
        let stay = if s.searched_better == 1 { "was" } else { "were" };
        lines.push(format!(
            "{} {stay} searched more thoroughly before than by this command, and left as found then.",
            count(s.searched_better, "photo")
        ));
    }
    lines.extend(copied_lines(s, collection));
    lines.extend(refused::lines(&s.failed));
    lines.extend(listing::lines(&s.problems, &s.left_out));
    if s.stopped {
        lines.push("Stopped; the next scan continues here.".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_that_was_stopped_before_its_first_photo_says_so() {
        let said = lines(&ScanSummary { photos: 2, stopped: true, ..ScanSummary::default() }, "trip", None);
        assert_eq!(said[0], "None of the 2 photos of trip was looked at yet.");
    }

    #[test]
    fn a_face_that_was_set_apart_and_is_in_a_copy_comes_with_its_command() {
        let copy = |photo: &str| CopiedFace { photo: photo.into(), at: (420, 180), original: "a.jpg".into() };
        let of = |copied: Vec<CopiedFace>| {
            lines(&ScanSummary { photos: 1, looked_at: 1, copied, ..ScanSummary::default() }, "trip", None)
        };
        assert!(!of(vec![]).join("\n").contains("blur"));
        let said = of(vec![copy("b c.jpg")]).join("\n");
        assert!(said.contains("1 face set apart in another photo"), "{said}");
        assert!(said.contains("b c.jpg (made from a.jpg): assent request blur trip 'b c.jpg' --at 420,180"), "{said}");
        let many = of(vec![copy("b.jpg"); NAMED_MAX + 2]);
        assert!(many.iter().any(|line| line == "  and 2 more (--json names all)"), "{many:?}");
    }

    #[test]
    fn expected_wrong_names_are_the_rate_times_the_strangers() {
        let check = |name: &str, strangers: usize, fpir: Option<f64>, fpir_review: f64, expected: &str| {
            let line = Expected { strangers, fpir, fpir_review }.line();
            assert!(line.contains(expected), "{name}: {line}");
        };
        check("default rates", 60, Some(0.001), 0.05, "about 0.06 wrong names and about 2.9 wrong suggestions");
        check("one face", 1, Some(0.001), 0.05, "fewer than 0.01 wrong names");
        check("no match", 10_000, None, 0.05, ": about 500 wrong suggestions.");
    }
}
