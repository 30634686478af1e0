//! Enrolments that wait for their witnesses: how they are recorded, listed, and completed when both have signed.

use std::io::{self, Write};
use std::path::Path;

use assent::ledger::{Collection, Ledger, Pending, PendingId, Picture, Refusal, Subject, Timestamp};
use assent::models::{Models, Worker};
use assent::packs::hex;
use assent::pending::{complete, needs_models};
use serde_json::{Value, json};

use crate::enrol_cmd::PORTRAIT_SEARCH;
use crate::error::CommandError;
use crate::models_arg::ModelPlaces;
use crate::output::{Output, count, date, long_date, shown};
use crate::vault::{self, collection_name, now};

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
/// As the ledger and the output.
pub(crate) fn print_waiting(ledger: &Ledger, id: PendingId, out: &mut Output<'_>) -> Result<(), CommandError> {
    let pending = ledger.read_tx(now(), |tx| tx.pending(id))?;
    let names = Names::of(ledger)?;
    let refused = ledger.read_tx(now(), |tx| tx.refusals_of(pending.subject))?;
    let agrees =
        |r: &Refusal| pending.signed.consents.iter().any(|c| c.collection == r.collection && c.purpose == r.purpose);
    let said_no = refused.iter().filter(|refusal| agrees(refusal)).map(|refusal| refusal.created.0).max();
    Ok(out.answer(&names.describe(&pending), |out| {
        if let Some(on) = said_no.map(Timestamp) {
            let handle = names.who(&pending).0;
            writeln!(out, "Careful: {handle} said no to this on {}. Is the form newer?", long_date(on))?;
        }
        let (handle, until) = (names.who(&pending).0, date(pending.valid_until));
        writeln!(out, "Recorded for {handle} until {until}. It begins when both witnesses have signed.")?;
        writeln!(out, "Next, by each of them: assent witness sign NAME")
    })?)
}

/// What enrolments are described with.
pub(crate) struct Names {
    collections: Vec<Collection>,
    subjects: Vec<Subject>,
}

impl Names {
    /// # Errors
    ///
    /// As the ledger.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the method's path has one lifetime, the closure all"
    )]
    pub(crate) fn of(ledger: &Ledger) -> Result<Names, CommandError> {
        let subjects = ledger.read_tx(now(), |tx| tx.subjects())?;
        Ok(Names { collections: vault::collections(ledger)?, subjects })
    }

    fn who(&self, pending: &Pending) -> (&str, &str) {
        let found = self.subjects.iter().find(|s| s.id == pending.subject);
        found.map_or(("?", "?"), |s| (s.handle.as_str(), s.name.as_str()))
    }

    /// Enrolments in the order in which people look them up: by short name.
    pub(crate) fn sorted<'p>(&self, pending: &'p [Pending]) -> Vec<&'p Pending> {
        let mut sorted: Vec<&Pending> = pending.iter().collect();
        sorted.sort_by_key(|pending| self.who(pending).0);
        sorted
    }

    /// An enrolment for machines.
    pub(crate) fn describe(&self, pending: &Pending) -> Value {
        let (handle, name) = self.who(pending);
        let consents: Vec<Value> = pending
            .signed
            .consents
            .iter()
            .map(|c| {
                json!({
                    "collection": collection_name(&self.collections, c.collection), "purpose": c.purpose.as_str(),
                    "renews": c.renews.map(|id| id.to_string()),
                })
            })
            .collect();
        let missing: Vec<String> = pending.missing().iter().map(ToString::to_string).collect();
        json!({
            "pending": pending.id.to_string(), "subject": pending.subject.to_string(), "handle": handle, "name": name,
            "consents": consents, "until": date(pending.valid_until), "signed_by": pending.signed_by.as_str(),
            "release_sha256": hex(&pending.release_sha256), "notice_sha256": hex(&pending.notice_sha256),
            "pictures_sha256": pending.signed.pictures.iter().map(hex).collect::<Vec<_>>(),
            "statement": hex(&pending.statement_hash()), "waits_for": missing,
        })
    }

    /// An enrolment for people, on one line.
    pub(crate) fn line(&self, pending: &Pending) -> String {
        let (handle, name) = self.who(pending);
        let what = |c: &assent::ledger::PendingConsent| {
            let again = if c.renews.is_some() { " (again)" } else { "" };
            format!("{} in {}{again}", c.purpose.as_str(), collection_name(&self.collections, c.collection))
        };
        let purposes: Vec<String> = pending.signed.consents.iter().map(what).collect();
        let file = |picture: &Picture| Path::new(&picture.path).file_name().map(|name| shown(name.display()));
        let pictures: Vec<String> = pending.pictures.iter().filter_map(file).collect();
        let pictures = if pictures.is_empty() { String::new() } else { format!("\tpicture {}", pictures.join(", ")) };
        let (until, purposes) = (date(pending.valid_until), purposes.join(", "));
        format!("{}\t{}\t{purposes}\tuntil {until}{pictures}", shown(handle), shown(name))
    }
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

/// Completes these enrolments, which both witnesses have signed.
///
/// # Errors
///
/// As the ledger, when it tells who they are; what keeps one of them waiting is in the answer.
pub(crate) fn complete_these(
    ledger: &Ledger,
    engine: &mut Engine<'_>,
    these: &[Pending],
) -> Result<Completed, CommandError> {
    let names = Names::of(ledger)?;
    let mut completed = Completed { enrolled: Vec::new(), waiting: Vec::new() };
    for pending in these {
        let outcome = if needs_models(pending) {
            engine.get().and_then(|engine| Ok(complete(ledger, Some(engine), pending, &mut |_, _| {}, now())?))
        } else {
            complete(ledger, None, pending, &mut |_, _| {}, now()).map_err(CommandError::from)
        };
        let (handle, subject) = (names.who(pending).0, pending.subject.to_string());
        match outcome {
            Ok(grants) => {
                let consents: Vec<String> = grants.iter().map(ToString::to_string).collect();
                completed.enrolled.push(json!({ "subject": subject, "handle": handle, "consents": consents }));
            }
            Err(error) => {
                let because = whole(&error);
                let value = json!({ "pending": pending.id.to_string(), "subject": subject, "because": because });
                completed.waiting.push((value, format!("{handle}, because {because}")));
            }
        }
    }
    Ok(completed)
}

/// Tries again to complete everything that both witnesses have signed.
///
/// # Errors
///
/// [`CommandError::StillWaiting`] if something cannot be completed; as the ledger.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub(crate) fn complete_all(ledger: &Ledger, engine: &mut Engine<'_>, out: &mut Output<'_>) -> Result<(), CommandError> {
    let all = ledger.read_tx(now(), |tx| tx.all_pending())?;
    let (signed, unsigned): (Vec<Pending>, Vec<Pending>) = all.into_iter().partition(|p| p.missing().is_empty());
    let completed = complete_these(ledger, engine, &signed)?;
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

/// An error and its causes, on one line.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(|error| error.to_string().replace('\n', ", ")).collect::<Vec<_>>().join(": ")
}
