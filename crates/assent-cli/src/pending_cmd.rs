//! Enrolments that wait for their witnesses: how they are recorded, listed, and completed when both have signed.

use std::io::{self, Write};
use std::path::Path;

use assent::ledger::{Collection, Ledger, PendingConsent, WaitingFiles};
use assent::models::{Models, Worker};
use assent::service::enrolment::{Recorded, WaitingForm, complete, needs_models, waiting};

use assent_documents::json::Id;
use assent_documents::json::consents::{AllCompleted, Completed, CompletedForm, StillWaiting, Waiting};

use crate::enrol_cmd::PORTRAIT_SEARCH;
use crate::error::CommandError;
use crate::models_arg::ModelPlaces;
use crate::output::{Output, count, date, long_date, shown};
use crate::vault::{act, collection_name, now};

/// The models with one worker, loaded when they are first needed.
pub(crate) struct Engine<'a> {
    places: &'a ModelPlaces,
    ledger: &'a Ledger,
    loaded: Option<(Models, Worker)>,
}

impl<'a> Engine<'a> {
    /// The models for a vault, see [`ModelPlaces::load_for`].
    pub(crate) fn new(places: &'a ModelPlaces, ledger: &'a Ledger) -> Engine<'a> {
        Engine { places, ledger, loaded: None }
    }

    /// # Errors
    ///
    /// [`CommandError`] if they are missing or do not load.
    pub(crate) fn get(&mut self) -> Result<(&Models, &mut Worker), CommandError> {
        if self.loaded.is_none() {
            let models = self.places.load_for(self.ledger)?;
            let worker = models.worker(PORTRAIT_SEARCH)?;
            self.loaded = Some((models, worker));
        }
        match &mut self.loaded {
            Some((models, worker)) => Ok((models, worker)),
            None => unreachable!("loaded above"),
        }
    }
}

/// "1 enrolment waits", "2 enrolments wait".
pub(crate) fn enrolments_wait(n: usize) -> String {
    if n == 1 { "1 enrolment waits".to_owned() } else { format!("{n} enrolments wait") }
}

/// Says that an enrolment or a renewal waits, and what comes next.
///
/// # Errors
///
/// As the output.
pub(crate) fn print_waiting(recorded: &Recorded, out: &mut Output<'_>) -> io::Result<()> {
    let Recorded { form, collections, said_no } = recorded;
    let handle = shown(&form.who.handle);
    out.answer(&Waiting::new(&form.who, &form.pending, collections), |out| {
        if let Some(on) = said_no {
            writeln!(out, "Careful: {handle} said no to this on {}. Is the form newer?", long_date(*on))?;
        }
        let until = date(form.pending.valid_until);
        writeln!(out, "Recorded for {handle} until {until}. It begins when both witnesses have signed.")?;
        writeln!(out, "Next, by each of them: assent witness sign NAME")
    })
}

/// Enrolments in the order in which people look them up: by short name.
pub(crate) fn sorted(forms: &[WaitingForm]) -> Vec<&WaitingForm> {
    let mut sorted: Vec<&WaitingForm> = forms.iter().collect();
    sorted.sort_by_key(|form| form.who.handle.as_str());
    sorted
}

/// An enrolment for people, on one line.
pub(crate) fn line(WaitingForm { who, pending }: &WaitingForm, collections: &[Collection]) -> String {
    let what = |c: &PendingConsent| {
        let again = if c.renews.is_some() { " (again)" } else { "" };
        format!("{} in {}{again}", c.purpose.as_str(), collection_name(collections, c.collection))
    };
    let purposes: Vec<String> = pending.signed.consents.iter().map(what).collect();
    let pictures: Vec<String> = match &pending.files {
        WaitingFiles::Sealed { pictures, .. } => pictures.iter().map(|file| shown(&file.name)).collect(),
        WaitingFiles::Paths(paths) => {
            paths.iter().filter_map(|path| Path::new(path).file_name()).map(|name| shown(name.display())).collect()
        }
    };
    let pictures = if pictures.is_empty() { String::new() } else { format!("\tpicture {}", pictures.join(", ")) };
    let (until, purposes) = (date(pending.valid_until), purposes.join(", "));
    format!("{}\t{}\t{purposes}\tuntil {until}{pictures}", shown(&who.handle), shown(&who.name))
}

/// Says what came of completing these enrolments.
///
/// # Errors
///
/// As the writer.
pub(crate) fn print_completed(completed: &Completed, these: &[WaitingForm], out: &mut dyn Write) -> io::Result<()> {
    let Completed { enrolled, still_waiting } = completed;
    if !enrolled.is_empty() {
        let enrolments = count(enrolled.len(), "enrolment");
        writeln!(out, "Both have signed: {enrolments} complete. Next: assent scan COLLECTION")?;
    }
    for StillWaiting { pending, because, .. } in still_waiting {
        let form = these.iter().find(|form| Id::of(form.pending.id) == *pending);
        let handle = form.map_or_else(String::new, |form| shown(&form.who.handle));
        writeln!(out, "still waiting: {handle}, because {because}")?;
    }
    if still_waiting.is_empty() { Ok(()) } else { writeln!(out, "When that is put right: assent enrol --complete") }
}

/// Completes these enrolments, which both witnesses have signed. What keeps one of them waiting is in the answer.
pub(crate) fn complete_these(ledger: &Ledger, engine: &mut Engine<'_>, these: &[WaitingForm]) -> Completed {
    let mut completed = Completed::default();
    for WaitingForm { who, pending } in these {
        let outcome = if needs_models(pending) {
            engine.get().and_then(|engine| Ok(complete(ledger, Some(engine), pending, &mut |_, _| {}, act())?))
        } else {
            complete(ledger, None, pending, &mut |_, _| {}, act()).map_err(CommandError::from)
        };
        match outcome {
            Ok(opened) => completed.enrolled.push(CompletedForm::new(who, &opened.grants)),
            Err(error) => completed.still_waiting.push(StillWaiting {
                pending: Id::of(pending.id),
                subject: Id::of(who.id),
                because: crate::hints::chain(&error),
            }),
        }
    }
    completed
}

/// Tries again to complete everything that both witnesses have signed.
///
/// # Errors
///
/// [`CommandError::StillWaiting`] if something cannot be completed; as the ledger.
pub(crate) fn complete_all(ledger: &Ledger, engine: &mut Engine<'_>, out: &mut Output<'_>) -> Result<(), CommandError> {
    let all = waiting(ledger, now())?.forms;
    let (signed, unsigned): (Vec<_>, Vec<_>) = all.into_iter().partition(|form| form.pending.missing().is_empty());
    let answer = AllCompleted { unsigned: unsigned.len(), completed: complete_these(ledger, engine, &signed) };
    out.answer(&answer, |out| {
        print_completed(&answer.completed, &signed, out)?;
        if !unsigned.is_empty() {
            writeln!(out, "{} without both signatures: assent witness sign NAME", count(unsigned.len(), "enrolment"))?;
        }
        if signed.is_empty() { writeln!(out, "Nothing is there to complete.") } else { Ok(()) }
    })?;
    match answer.completed.still_waiting.len() {
        0 => Ok(()),
        n => Err(CommandError::StillWaiting { people: count(n, "enrolment") }),
    }
}
