//! `assent enrol --roster` and `assent consent renew --roster`: a table of people, checked as a whole before anything is
//! recorded.

pub(crate) mod cells;
mod columns;
mod rows;
mod table;

use std::path::Path;

use assent::ledger::Ledger;
use assent::service::enrolment::check_pictures;
use assent::service::rosters::{Entry, Standing, check, enrol_at_once, record};
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::output::{Output, count};
use crate::pending_cmd::Engine;
use crate::progress;
use crate::vault::{act, now};
use columns::Field;
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
    let is_new = |standing: &Option<Standing>| matches!(standing, Some(Standing::New { .. }));
    // Without models the pictures are looked at when the enrolments are completed.
    if !import.renewal && standings.iter().any(is_new) && engine.get().is_ok() {
        let bar = progress::bar(people.len() as u64, "pictures checked");
        for (person, _) in people.iter().zip(&standings).filter(|(_, standing)| is_new(standing)) {
            let mut compared = |done, of| bar.set_message(format!("; {done}/{of} known photos compared"));
            let checked = check_pictures(ledger, engine.get()?, &person.pictures()?, &mut compared, now());
            if let Err(unfit) = checked {
                problems.push(Problem::new(person, columns.heading(Field::Photos), crate::hints::chain(&unfit)));
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
    }
    let done = standings.iter().flatten().filter(|standing| **standing == Standing::Done).count();
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.row);
        let objects: Vec<Value> = problems.iter().map(Problem::describe).collect();
        out.answer(&json!({ "problems": objects, "recorded": 0, "notes": notes }), |out| {
            lines(&problems).iter().try_for_each(|line| writeln!(out, "{line}"))?;
            notes.iter().try_for_each(|note| writeln!(out, "{note}"))
        })?;
        return Err(CommandError::RosterProblems { problems: count(problems.len(), "problem") });
    }
    let new: Vec<(&Person, &Standing)> =
        people.iter().zip(standings.iter().flatten()).filter(|(_, s)| **s != Standing::Done).collect();
    let mut waiting = 0;
    if !import.dry_run {
        let bar = progress::bar(new.len() as u64, "people recorded");
        let signs = |standing: &Standing| matches!(standing, Standing::New { witnesses_sign: true, .. });
        let (to_sign, at_once): (Vec<_>, Vec<_>) = new.iter().copied().partition(|(_, standing)| signs(standing));
        waiting = to_sign.len();
        let of_table: Vec<(&Entry, &Standing)> = to_sign.iter().map(|(person, s)| (&person.entry, *s)).collect();
        record(ledger, &of_table, act(), &mut |n| bar.set_position(n as u64))?;
        for (person, standing) in at_once {
            enrol_now(ledger, engine, person, standing)?;
            bar.inc(1);
        }
        bar.finish_and_clear();
    }
    let enrolled = if import.dry_run { 0 } else { new.len() - waiting };
    let object = json!({
        "enrolled": enrolled, "waiting": waiting, "done_before": done, "dry_run": import.dry_run,
        "to_record": if import.dry_run { new.len() } else { 0 }, "notes": notes,
    });
    out.answer(&object, |out| {
        notes.iter().try_for_each(|note| writeln!(out, "{note}"))?;
        if done > 0 {
            writeln!(out, "Recorded before, and passed over: {}.", count(done, "row"))?;
        }
        if import.dry_run {
            return writeln!(out, "Every row can be recorded: {} new. Nothing was recorded.", new.len());
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
        if new.is_empty() { writeln!(out, "Nobody is new in this table.") } else { Ok(()) }
    })?;
    Ok(())
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
