//! `assent due`: what ends when; `assent tick`: what has to be done every day.

use std::collections::BTreeMap;
use std::path::PathBuf;

use assent::jobs::Watch;
use assent::ledger::{Alarm, Collection, Deadline, Due, Request, RequestId, SubjectId, Timestamp};
use assent::service::status::{self, Deadlines};
use assent::service::upkeep::{self, Upkeep};
use assent_documents::json::status::{self as json, DeadlineList, Ticked};
use assent_documents::json::{Day, Id};
use clap::Args;

use crate::audit_cmd::entries;
use crate::error::CommandError;
use crate::interrupt::stop_on_interrupt;
use crate::output::{Output, count, date, shown};
use crate::vault::{self, OPERATOR, VaultFlags, collection_name, now};

const DAY_MS: i64 = 86_400_000;

#[derive(Debug, Args)]
pub(crate) struct DueArgs {
    /// All that ends, also what has more than half of its time left
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TickArgs {
    /// Also bring the log as files up to date there, with a signed checkpoint
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn due(args: &DueArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    let ledger = vault::open(flags)?;
    let now = now();
    let Deadlines { deadlines, people, requests, collections } = status::deadlines(&ledger, now)?;
    let handles: BTreeMap<SubjectId, String> = people.iter().map(|s| (s.id, vault::person(s))).collect();
    let shown = deadlines.iter().filter(|deadline| args.all || deadline.alarm(now) > Alarm::None);
    let names = Names { handles: &handles, collections: &collections, requests: &requests };
    let mut answer = DeadlineList { deadlines: shown.map(|deadline| describe(deadline, &names, now)).collect() };
    // Of one day, people by their names.
    answer.deadlines.sort_by_key(|deadline| (date(deadline.until.0), deadline.about.clone()));
    Ok(out.answer(&answer, |out| {
        for json::Deadline { until, passed, what, about, .. } in &answer.deadlines {
            writeln!(out, "{}\t{passed}\t{what}\t{about}", date(until.0))?;
        }
        match (answer.deadlines.is_empty(), deadlines.len()) {
            (true, 0) => writeln!(out, "Nothing has an end yet."),
            (true, n) => writeln!(out, "Nothing is near its end; --all shows {}.", count(n, "deadline")),
            (false, _) => Ok(()),
        }
    })?)
}

/// What deadlines are described with.
struct Names<'a> {
    handles: &'a BTreeMap<SubjectId, String>,
    collections: &'a [Collection],
    requests: &'a [Request],
}

impl Names<'_> {
    /// What was asked for, and by whom.
    fn request(&self, id: RequestId) -> String {
        let request = self.requests.iter().find(|request| request.id == id);
        let who = request.and_then(|request| self.handles.get(&request.subject?));
        let kind = request.map_or("request", |request| request.kind.as_str());
        let by = who.map_or_else(String::new, |who| format!(" by {who}"));
        format!("{kind}{by}: assent request show {}", vault::short(&id))
    }
}

fn describe(deadline: &Deadline, names: &Names<'_>, now: Timestamp) -> json::Deadline {
    let (handles, name) = (names.handles, |id| collection_name(names.collections, id));
    let (what, id, about) = match &deadline.what {
        Due::Consent { grant, subject, collection, purpose } => {
            let handle = handles.get(subject).map_or("somebody whose key is damaged", String::as_str);
            ("consent", Id::of(grant), format!("{handle}: {purpose} in {}", name(*collection)))
        }
        Due::Request(id) => ("request", Id::of(id), names.request(*id)),
        Due::Review(id) => ("review", Id::of(id), format!("impact assessment of {}", name(*id))),
        Due::Purpose(id) => ("purpose", Id::of(id), format!("what {} is for", name(*id))),
        Due::Order(id) => ("order", Id::of(id), "an order to stop".to_owned()),
    };
    let passed = match deadline.alarm(now) {
        Alarm::None => "under 50 %",
        Alarm::Half => "over 50 %",
        Alarm::Soon => "over 80 %",
        Alarm::Due => "due",
    };
    let days_overdue = (now.0 - deadline.until.0).div_euclid(DAY_MS) + 1;
    json::Deadline {
        what: what.to_owned(),
        id,
        about,
        from: Day(deadline.from),
        until: Day(deadline.until),
        passed: passed.to_owned(),
        days_overdue: days_overdue.max(0),
    }
}

/// # Errors
///
/// [`CommandError`], as the ledger says.
pub(crate) fn tick(args: &TickArgs, flags: &VaultFlags, out: &mut Output<'_>) -> Result<(), CommandError> {
    // Opening finishes what was interrupted.
    let ledger = vault::open_with_clock(flags)?;
    let stop = stop_on_interrupt("Stopped in the middle of a step; the next assent tick does the rest.");
    let watch = Watch { now: &now, stop: &stop };
    let done = upkeep::tick(&ledger, args.export.as_deref(), OPERATOR, watch)?;
    let Upkeep { expired, exported, near, rewritten } = done;
    let ended = &expired.ended;
    let log_entries = exported.as_ref().map(|here| here.size);
    let answer = Ticked { expired: ended.iter().map(Id::of).collect(), near, log_entries, rewritten };
    Ok(out.answer(&answer, |out| {
        if ended.is_empty() {
            writeln!(out, "No consent has come to its end.")?;
        } else {
            let consents = count(ended.len(), "consent");
            writeln!(out, "{consents} ended by the date; everything stored under them is deleted.")?;
        }
        if near > 0 {
            writeln!(out, "{} with more than four fifths of the time gone: assent due", count(near, "deadline"))?;
        }
        if !rewritten {
            writeln!(
                out,
                "The vault's file could not be written anew without what was deleted, whose keys are gone: make as much room as \
                 the vault takes, and run assent tick again."
            )?;
        }
        match (&args.export, exported) {
            (Some(folder), Some(here)) => {
                writeln!(out, "{} holds the log: {}.", shown(folder.display()), entries(here.size))
            }
            _ => Ok(()),
        }
    })?)
}
