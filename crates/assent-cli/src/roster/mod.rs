//! `assent enrol --roster` and `assent consent renew --roster`: a table of people, checked as a whole before anything is
//! recorded.

pub(crate) mod cells;
mod columns;
mod rows;
mod table;

use std::ops::ControlFlow;
use std::path::Path;

use assent::jobs::{self, Finished, JobContext, Task, Watch, counted};
use assent::ledger::Ledger;
use assent::service::enrolment::check_pictures;
use assent::service::rosters::{Entry, Standing, check, enrol_at_once, record};
use assent_documents::json::consents::{RosterProblem, RosterProblems, RosterRecorded};

use crate::error::CommandError;
use crate::interrupt::stop_on_interrupt;
use crate::output::{Output, count};
use crate::pending_cmd::Engine;
use crate::progress;
use crate::vault::{OPERATOR, act, now};
use columns::{Columns, Field};
use rows::{Person, Problem, Reading, lines, read_rows};

pub(crate) use table::TableError;

/// A table to be recorded.
pub(crate) struct Import<'a> {
    /// The path of the table of people.
    pub(crate) table: &'a Path,
    /// SHA-256 of the notice that the people were given.
    pub(crate) notice_sha256: [u8; 32],
    /// Whether the people agree again to what they agreed to.
    pub(crate) renewal: bool,
    /// Whether to check alone.
    pub(crate) dry_run: bool,
}

/// Checks every row of a table, tells every problem, and records the people if there is none. Those who are recorded
/// already, on the same form, are passed over.
///
/// # Errors
///
/// - [`CommandError::RosterProblems`] if a row cannot be recorded; they were told, and nothing was recorded.
/// - [`CommandError`] if the table cannot be read, or as the ledger.
pub(crate) fn import(
    ledger: &Ledger,
    engine: &mut Engine<'_>,
    import: &Import<'_>,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let Reading { people, mut problems, columns, notes } = read_rows(ledger, import)?;
    let entries: Vec<Entry> = people.iter().map(|person| person.entry.clone()).collect();
    let mut standings = Vec::with_capacity(entries.len());
    for (person, checked) in people.iter().zip(check(ledger, &entries, now())?) {
        match checked {
            Ok(standing) => standings.push(Some(standing)),
            Err(refused) => {
                standings.push(None);
                problems.push(Problem::of(person, &columns, &refused, &people));
            }
        }
    }
    let done = standings.iter().flatten().filter(|standing| **standing == Standing::Done).count();
    let table = Checked { people: &people, standings: &standings, columns: &columns };
    let recorded = if import.dry_run {
        // It changes nothing, and is no job.
        record_rows(ledger, engine, import, (&table, &mut problems), None)
    } else {
        let stop = stop_on_interrupt("Stopped; what was recorded stays, and the same command does the rest.");
        let task = if import.renewal { Task::Renewals } else { Task::Enrolments };
        jobs::run(ledger, (task, OPERATOR), Watch { now: &now, stop: &stop }, CommandError::code, |job| {
            let value = record_rows(ledger, engine, import, (&table, &mut problems), Some(job))?;
            let Recorded { enrolled, waiting, stopped } = value;
            let counts = counted([("enrolled", enrolled), ("waiting", waiting), ("done-before", done)]);
            Ok::<_, CommandError>(Finished { value, counts, stopped })
        })
    };
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.row);
        let found = problems.iter().map(RosterProblem::from).collect();
        let answer = RosterProblems { problems: found, recorded: 0, notes: notes.clone() };
        out.answer(&answer, |out| {
            lines(&problems).iter().try_for_each(|line| writeln!(out, "{line}"))?;
            notes.iter().try_for_each(|note| writeln!(out, "{note}"))
        })?;
    }
    let Recorded { enrolled, waiting, stopped } = recorded?;
    let new = table.to_record().len();
    let answer = RosterRecorded {
        enrolled,
        waiting,
        done_before: done,
        dry_run: import.dry_run,
        to_record: if import.dry_run { new } else { 0 },
        stopped,
        notes,
    };
    out.answer(&answer, |out| {
        answer.notes.iter().try_for_each(|note| writeln!(out, "{note}"))?;
        if done > 0 {
            writeln!(out, "Recorded before, and passed over: {}.", count(done, "row"))?;
        }
        if import.dry_run {
            return writeln!(out, "Every row can be recorded: {new} new. Nothing was recorded.");
        }
        if waiting > 0 {
            writeln!(
                out,
                "Recorded {}. They can be found when both witnesses have signed: assent witness sign NAME",
                people_count(waiting)
            )?;
        }
        if enrolled > 0 {
            writeln!(out, "Enrolled {}. Next: assent scan COLLECTION", people_count(enrolled))?;
        }
        if stopped {
            let left = people_count(new - waiting - enrolled);
            return writeln!(out, "Stopped before {left} of the table; the same command goes on there.");
        }
        if new == 0 { writeln!(out, "Nobody is new in this table.") } else { Ok(()) }
    })?;
    Ok(())
}

/// The rows of a table that can be understood, and what the check says of each.
struct Checked<'t> {
    people: &'t [Person],
    standings: &'t [Option<Standing>],
    columns: &'t Columns,
}

impl<'t> Checked<'t> {
    /// Whoever is to be recorded.
    fn to_record(&self) -> Vec<(&'t Person, &'t Standing)> {
        let standing = |(person, standing): (&'t Person, &'t Option<Standing>)| Some((person, standing.as_ref()?));
        let all = self.people.iter().zip(self.standings).filter_map(standing);
        all.filter(|(_, standing)| **standing != Standing::Done).collect()
    }
}

/// Who was recorded.
#[derive(Clone, Copy, Default)]
struct Recorded {
    enrolled: usize,
    waiting: usize,
    /// Whether it was stopped before the end of the table.
    stopped: bool,
}

/// Looks at the pictures of a table, and records its people if there is no problem and that was asked for. Further problems are
/// added.
///
/// # Errors
///
/// - [`CommandError::RosterProblems`] if there are problems; nothing was recorded.
/// - [`CommandError`] as the ledger.
fn record_rows(
    ledger: &Ledger,
    engine: &mut Engine<'_>,
    import: &Import<'_>,
    (table, problems): (&Checked<'_>, &mut Vec<Problem>),
    job: Option<&JobContext<'_>>,
) -> Result<Recorded, CommandError> {
    let new = table.to_record();
    // Without models the pictures are looked at when the enrolments are completed.
    let with_pictures = !import.renewal && !new.is_empty() && engine.get().is_ok();
    let total = if with_pictures { new.len() * 2 } else { new.len() };
    let stops = |done: usize| {
        job.is_some_and(|job| {
            job.report(done as u64, total as u64, now());
            job.should_stop()
        })
    };
    if with_pictures {
        let bar = progress::bar(new.len() as u64, "pictures checked");
        for (done, (person, _)) in new.iter().enumerate() {
            let mut compared = |done, of| bar.set_message(format!("; {done}/{of} known photos compared"));
            let checked = check_pictures(ledger, engine.get()?, &person.pictures()?, &mut compared, now());
            if let Err(unfit) = checked {
                let heading = table.columns.heading(Field::Photos);
                problems.push(Problem::new(person, heading, crate::hints::chain(&unfit)));
            }
            bar.inc(1);
            if stops(done + 1) {
                bar.finish_and_clear();
                return Ok(Recorded { stopped: true, ..Recorded::default() });
            }
        }
        bar.finish_and_clear();
    }
    if !problems.is_empty() {
        return Err(CommandError::RosterProblems { problems: count(problems.len(), "problem") });
    }
    if import.dry_run {
        return Ok(Recorded::default());
    }
    let before = total - new.len();
    let bar = progress::bar(new.len() as u64, "people recorded");
    let signs = |standing: &Standing| matches!(standing, Standing::New { witnesses_sign: true, .. });
    let (to_sign, at_once): (Vec<_>, Vec<_>) = new.iter().copied().partition(|(_, standing)| signs(standing));
    let of_table: Vec<(&Entry, &Standing)> = to_sign.iter().map(|(person, s)| (&person.entry, *s)).collect();
    let mut batch_done = |n: usize| {
        bar.set_position(n as u64);
        if stops(before + n) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut files = |n: usize| to_sign[n].0.to_wait();
    let waiting = record(ledger, &of_table, &mut files, act(), &mut batch_done)?;
    let mut done = Recorded { waiting, ..Recorded::default() };
    for (person, standing) in at_once {
        done.stopped = job.is_some_and(JobContext::should_stop);
        if done.stopped {
            break;
        }
        enrol_now(ledger, engine, person, standing)?;
        done.enrolled += 1;
        bar.inc(1);
        stops(before + done.waiting + done.enrolled);
    }
    done.stopped |= done.waiting < to_sign.len();
    bar.finish_and_clear();
    Ok(done)
}

fn people_count(n: usize) -> String {
    if n == 1 { "1 person".to_owned() } else { format!("{n} people") }
}

/// Records somebody whose witnesses do not sign with keys.
fn enrol_now(
    ledger: &Ledger,
    engine: &mut Engine<'_>,
    person: &Person,
    standing: &Standing,
) -> Result<(), CommandError> {
    let entry = &person.entry;
    let to_be_found = !entry.renewal && entry.consents.iter().any(|c| c.purpose.is_find());
    let engine = if to_be_found { Some(engine.get()?) } else { None };
    Ok(enrol_at_once(ledger, engine, (entry, standing), &person.pictures()?, act())?)
}
