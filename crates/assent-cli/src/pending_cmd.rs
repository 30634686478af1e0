//! Enrolments that wait for their witnesses: how they are recorded, listed, and completed when both have signed.

use std::io::{self, Write};
use std::path::Path;

use assent::ledger::{Collection, Ledger, PendingConsent, WaitingFiles};
use assent::models::{Models, Worker};
use assent::packs::hex;
use assent::service::enrolment::{Recorded, WaitingForm, complete, needs_models, waiting};
use serde_json::{Value, json};

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
    out.answer(&describe(form, collections), |out| {
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

/// An enrolment for machines.
pub(crate) fn describe(WaitingForm { who, pending }: &WaitingForm, collections: &[Collection]) -> Value {
    let consents: Vec<Value> = pending
        .signed
        .consents
        .iter()
        .map(|c| {
            json!({
                "collection": collection_name(collections, c.collection), "purpose": c.purpose.as_str(),
                "renews": c.renews.map(|id| id.to_string()),
            })
        })
        .collect();
    let missing: Vec<String> = pending.missing().iter().map(ToString::to_string).collect();
    json!({
        "pending": pending.id.to_string(), "subject": pending.subject.to_string(), "handle": who.handle, "name": who.name,
        "consents": consents, "until": date(pending.valid_until), "signed_by": pending.signed_by.as_str(),
        "release_sha256": hex(&pending.release_sha256), "notice_sha256": hex(&pending.notice_sha256),
        "pictures_sha256": pending.signed.pictures.iter().map(hex).collect::<Vec<_>>(),
        "statement": hex(&pending.statement_hash()), "waits_for": missing,
    })
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

/// What came of completing enrolments.
pub(crate) struct Completed {
    /// Who is enrolled now.
    pub(crate) enrolled: Vec<Value>,
    /// Who waits still, and why: for machines and for people.
    pub(crate) waiting: Vec<(Value, String)>,
}

impl Completed {
    /// The same for machines, added to an answer.
    pub(crate) fn add_to(&self, object: &mut Value) {
        object["enrolled"] = self.enrolled.clone().into();
        object["still_waiting"] = self.waiting.iter().map(|(value, _)| value.clone()).collect::<Vec<_>>().into();
    }

    /// # Errors
    ///
    /// As the writer.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        if !self.enrolled.is_empty() {
            writeln!(
                out,
                "Both have signed: {} complete. Next: assent scan COLLECTION",
                count(self.enrolled.len(), "enrolment")
            )?;
        }
        for (_, line) in &self.waiting {
            writeln!(out, "still waiting: {line}")?;
        }
        if self.waiting.is_empty() { Ok(()) } else { writeln!(out, "When that is put right: assent enrol --complete") }
    }
}

/// Completes these enrolments, which both witnesses have signed. What keeps one of them waiting is in the answer.
pub(crate) fn complete_these(ledger: &Ledger, engine: &mut Engine<'_>, these: &[WaitingForm]) -> Completed {
    let mut completed = Completed { enrolled: Vec::new(), waiting: Vec::new() };
    for WaitingForm { who, pending } in these {
        let outcome = if needs_models(pending) {
            engine.get().and_then(|engine| Ok(complete(ledger, Some(engine), pending, &mut |_, _| {}, act())?))
        } else {
            complete(ledger, None, pending, &mut |_, _| {}, act()).map_err(CommandError::from)
        };
        let (handle, subject) = (shown(&who.handle), who.id.to_string());
        match outcome {
            Ok(opened) => {
                let consents: Vec<String> = opened.grants.iter().map(ToString::to_string).collect();
                completed.enrolled.push(json!({ "subject": subject, "handle": who.handle, "consents": consents }));
            }
            Err(error) => {
                let because = crate::hints::chain(&error);
                let value = json!({ "pending": pending.id.to_string(), "subject": subject, "because": because });
                completed.waiting.push((value, format!("{handle}, because {because}")));
            }
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
    let completed = complete_these(ledger, engine, &signed);
    let mut object = json!({ "unsigned": unsigned.len() });
    completed.add_to(&mut object);
    out.answer(&object, |out| {
        completed.print(out)?;
        if !unsigned.is_empty() {
            writeln!(out, "{} without both signatures: assent witness sign NAME", count(unsigned.len(), "enrolment"))?;
        }
        if signed.is_empty() { writeln!(out, "Nothing is there to complete.") } else { Ok(()) }
    })?;
    match completed.waiting.len() {
        0 => Ok(()),
        n => Err(CommandError::StillWaiting { people: count(n, "enrolment") }),
    }
}
