//! `assent gallery move`: everybody who is enrolled moves to other models, without new forms.

use assent::change_models::{Behind, behind, move_people};
use assent::ledger::{Ledger, SubjectId};
use assent::models::Models;
use assent::service::gallery::{MoveNames, move_names};
use assent_documents::json::Id;
use assent_documents::json::gallery::GalleryMoved;

use crate::enrol_cmd::PORTRAIT_SEARCH;
use crate::error::CommandError;
use crate::models_arg::ModelPlaces;
use crate::output::{Output, people, quoted, shown};
use crate::progress;
use crate::vault::{self, VaultFlags, act, now};

/// Moves everybody to the models of `--pack`, else to those of the default pack, or says who would.
///
/// # Errors
///
/// [`CommandError`], as the ledger and the models say.
pub(crate) fn run(
    dry_run: bool,
    flags: &VaultFlags,
    places: &ModelPlaces,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let ledger = vault::open_and_expire(flags)?;
    let models = places.load()?;
    let mut behind = behind(&ledger, &models, now())?;
    if !dry_run {
        move_all(&ledger, &models, &mut behind)?;
    }
    let names = move_names(&ledger, &behind, now())?;
    let pack = models.pack().card.name.as_str();
    let ids = |people: &[SubjectId]| people.iter().map(Id::of).collect();
    let answer = GalleryMoved {
        pack: pack.to_owned(),
        dry_run,
        moved: behind.movable.iter().map(|(subject, _)| Id::of(subject)).collect(),
        need_picture: ids(&behind.need_picture),
        unreadable: ids(&behind.unreadable),
        locked_collections: names.locked.clone(),
    };
    Ok(out.answer(&answer, |out| {
        for line in lines(&behind, &names, (pack, dry_run)) {
            writeln!(out, "{line}")?;
        }
        Ok(())
    })?)
}

/// Moves whoever can be moved; who could not be after all needs a picture.
fn move_all(ledger: &Ledger, models: &Models, behind: &mut Behind) -> Result<(), CommandError> {
    let mut worker = models.worker(PORTRAIT_SEARCH)?;
    let bar = progress::bar(behind.movable.len() as u64, "people moved");
    let moved =
        move_people(ledger, (models, &mut worker), &behind.movable, &mut |done| bar.set_position(done as u64), act());
    bar.finish_and_clear();
    let left = moved?;
    behind.movable.retain(|(subject, _)| !left.contains(subject));
    behind.need_picture.extend(left);
    Ok(())
}

fn lines(behind: &Behind, names: &MoveNames, (pack, dry_run): (&str, bool)) -> Vec<String> {
    let mut lines = Vec::new();
    let models = shown(pack);
    let (moved, nobody) = (people(behind.movable.len()), behind.movable.is_empty());
    let rest = names.need_picture.is_empty() && behind.unreadable.is_empty() && names.locked.is_empty();
    if nobody && rest {
        lines.push(format!("Everybody who can be found is enrolled with the models {models}."));
    } else if !nobody && dry_run {
        lines.push(format!("{moved} would move to the models {models}, by the face that was kept of them."));
    } else if !nobody {
        lines.push(format!("{moved} moved to the models {models}, by the face that was kept of them."));
        if let Some(collection) = names.collections.first() {
            lines.push(format!("Next: assent scan {} --pack {}", quoted(collection), quoted(pack)));
        }
    }
    if !names.need_picture.is_empty() {
        lines.push(format!(
            "For {} a new picture is needed, and no new form: assent enrol NAME --photo FILE --pack {}",
            people(names.need_picture.len()),
            quoted(pack)
        ));
        lines.extend(names.need_picture.iter().map(|handle| format!("  {}", shown(handle))));
    }
    if !behind.unreadable.is_empty() {
        let stay = if behind.unreadable.len() == 1 { "stays" } else { "stay" };
        lines.push(format!(
            "{}, whose records are damaged, {stay} with the models before. Next: assent doctor",
            people(behind.unreadable.len())
        ));
    }
    for collection in &names.locked {
        lines.push(format!(
            "In {} faces are compared with nobody now, so nobody there moves. Next: assent collection basis {}",
            shown(collection),
            quoted(collection)
        ));
    }
    lines
}
