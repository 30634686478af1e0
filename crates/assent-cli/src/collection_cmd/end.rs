//! What is done with a collection as a whole: moved, its missing photos forgotten, removed.

use assent::ledger::{Collection, CollectionCounts, Ledger};
use assent::service::collections;
use assent_documents::json::collections::{CollectionMoved, CollectionRemoved, Counts, MissingForgotten};

use super::DestroyArgs;
use crate::error::CommandError;
use crate::output::{Output, confirmed, count, quoted, shown};
use crate::vault::{act, now};

/// Paths that are named, at most.
const NAMED_MAX: usize = 20;

/// # Errors
///
/// As [`collections::place`] and [`collections::move_to`].
pub(super) fn move_to(
    ledger: &Ledger,
    about: &Collection,
    (folder, anyway): (&str, bool),
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let place = collections::place(ledger, about.id, folder, now())?;
    collections::move_to(ledger, &place, anyway, act())?;
    let answer = CollectionMoved {
        collection: about.name.clone(),
        folder: folder.to_owned(),
        known: place.known,
        known_there: place.there,
    };
    Ok(out.answer(&answer, |out| {
        let known = count(place.known, "known photo");
        let (name, folder) = (shown(&about.name), shown(folder));
        writeln!(out, "{name} lies in {folder} from now on; {} of {known} are there.", place.there)?;
        writeln!(out, "Next: assent scan {}", quoted(&about.name))
    })?)
}

/// # Errors
///
/// As [`collections::missing`]; [`CommandError::NotConfirmed`] if nobody said yes.
pub(super) fn forget_missing(
    ledger: &Ledger,
    about: &Collection,
    how: DestroyArgs,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let missing = collections::missing(ledger, about.id, now())?;
    let held = missing.held;
    let says = format!(
        "Missing: {} of the {} in {}, with {}{}",
        count(missing.paths.len(), "photo"),
        count(missing.known, "known photo"),
        shown(&about.name),
        count(held.faces as usize, "face"),
        describe_sightings(held.sightings, held.decisions),
    );
    let mut forgotten = 0;
    if !how.dry_run && !missing.paths.is_empty() {
        sure(how, &format!("{says}. All of this is forgotten for good."), about)?;
        forgotten = collections::forget_missing(ledger, &missing, act())?;
    }
    let answer = MissingForgotten {
        collection: about.name.clone(),
        dry_run: how.dry_run,
        known: missing.known,
        missing: missing.paths.clone(),
        faces: held.faces,
        sightings: held.sightings,
        decisions: held.decisions,
        forgotten,
    };
    Ok(out.answer(&answer, |out| {
        if missing.paths.is_empty() {
            return writeln!(out, "No photo of {} is missing.", shown(&about.name));
        }
        for path in missing.paths.iter().take(NAMED_MAX) {
            writeln!(out, "{}", shown(path))?;
        }
        if missing.paths.len() > NAMED_MAX {
            writeln!(out, "and {} more (--json names all)", missing.paths.len() - NAMED_MAX)?;
        }
        if how.dry_run {
            writeln!(out, "{says}. Nothing was forgotten.")
        } else {
            writeln!(out, "Forgotten: {}.", count(forgotten as usize, "photo"))
        }
    })?)
}

/// # Errors
///
/// As [`collections::remove`]; [`CommandError::NotConfirmed`] if nobody said yes.
pub(super) fn remove(
    ledger: &Ledger,
    about: &Collection,
    how: DestroyArgs,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let held = collections::standing(ledger, about.id, now())?.counts;
    if !how.dry_run {
        sure(how, &sentence(about, &held), about)?;
        collections::remove(ledger, about.id, act())?;
    }
    let answer =
        CollectionRemoved { collection: about.name.clone(), dry_run: how.dry_run, counts: Counts::from(&held) };
    Ok(out.answer(&answer, |out| {
        if how.dry_run {
            writeln!(out, "{}", sentence(about, &held))?;
            return writeln!(out, "Nothing was removed.");
        }
        let (name, folder) = (shown(&about.name), shown(&about.directory));
        writeln!(out, "Removed {name}. The photo files are in {folder} as before.")?;
        writeln!(
            out,
            "That permissions were given and that they ended stays in the record; the people stay on the list."
        )
    })?)
}

/// Asks at a terminal, unless `--yes` says that it was thought over.
fn sure(how: DestroyArgs, warning: &str, about: &Collection) -> Result<(), CommandError> {
    if how.yes || confirmed(warning, &about.name)? { Ok(()) } else { Err(CommandError::NotConfirmed) }
}

/// Where people were found, and what was said of it.
fn describe_sightings(sightings: u64, decisions: u64) -> String {
    let (times, decisions) = (count(sightings as usize, "time"), count(decisions as usize, "decision"));
    format!("; people were found {times} in them, and {decisions} of people hang on that")
}

/// What goes with a collection.
fn sentence(about: &Collection, held: &CollectionCounts) -> String {
    let count = |n: u64, what| count(n as usize, what);
    let apart = match held.objections {
        0 => String::new(),
        n => format!(
            " {} set apart on request: if the photos are added again, nobody will know of it.",
            count(n, "face")
        ),
    };
    let permissions = match held.active_grants {
        0 => String::new(),
        1 => " 1 permission for it ends.".to_owned(),
        n => format!(" {n} permissions for it end."),
    };
    format!(
        "{}: {} with {}{}. All of this is deleted; the photo files stay.{permissions}{apart}",
        shown(&about.name),
        count(held.photos, "photo"),
        count(held.faces, "face"),
        describe_sightings(held.sightings, held.decisions),
    )
}
