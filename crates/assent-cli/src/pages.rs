//! Pages with pictures, as files: the photos are read one by one, and what cannot be shown keeps none of the others back.

use std::path::{Path, PathBuf};

use assent::CoverStyle;
use assent::export::{Mark, copy_names, write_whole};
use assent::find::{FoundPhoto, PictureError, picture};
use assent::ledger::{Ledger, Verdict};
use assent::service::review::surest;
use assent_documents::review::{self, HowToDecide, KnownFace, Proposal};
use assent_documents::sheet::{self, Sheet};

use crate::error::CommandError;
use crate::output::quoted;
use crate::places::photo_decoder;
use crate::vault::now;

/// Photos that cannot be shown, each by its file and with what is wrong with it.
type Failed = Vec<(PathBuf, PictureError)>;

/// Who hands a page out, and when.
pub(crate) fn made_by(ledger: &Ledger) -> String {
    sheet::made_by(ledger.kind(), &ledger.settings(), now())
}

/// Writes the contact sheet, whole or not at all; without any photo to show, nothing. `copies` is the folder with the copies
/// that were written in the same run.
///
/// # Errors
///
/// [`CommandError`] if the file cannot be written.
pub(crate) fn write_sheet(
    file: &Path,
    about: &sheet::About<'_>,
    copies: Option<&Path>,
    found: &[FoundPhoto],
) -> Result<Failed, CommandError> {
    let paths: Vec<String> = found.iter().map(|f| f.path.to_string()).collect();
    let names: Vec<(&str, &str)> =
        found.iter().zip(&paths).map(|(f, path)| (f.collection.as_str(), path.as_str())).collect();
    let beside = copies.and_then(|folder| below(file, folder));
    let (mut sheet, mut failed) = (Sheet::default(), Failed::new());
    for (f, name) in found.iter().zip(copy_names(&names)) {
        match picture(f, about.style, &photo_decoder()) {
            Ok(full) => {
                let copy = beside.as_ref().map(|folder| format!("{folder}{name}"));
                sheet.add(&f.into(), &full, copy.as_deref())?;
            }
            Err(error) => failed.push((f.file.clone(), error)),
        }
    }
    if !sheet.is_empty() {
        write_whole(file, sheet.page(about)?.as_bytes())?;
    }
    Ok(failed)
}

/// The way from a page's folder to a folder below it, with a slash at its end; `None` if it is not below.
fn below(file: &Path, folder: &Path) -> Option<String> {
    let beside = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (beside, folder) = (beside.canonicalize().ok()?, folder.canonicalize().ok()?);
    let way = folder.strip_prefix(&beside).ok()?.to_str()?.to_owned();
    Some(if way.is_empty() { way } else { format!("{way}/") })
}

/// Whose proposals are shown.
pub(crate) struct Person<'a> {
    pub(crate) name: &'a str,
    /// How a command names them.
    pub(crate) reference: &'a str,
    /// The face that they were enrolled with, as a PNG, if it was kept.
    pub(crate) portrait: Option<Vec<u8>>,
    /// What is to be decided.
    pub(crate) proposals: &'a [FoundPhoto],
    /// Photos in which they are for certain, where no portrait was kept.
    pub(crate) known: &'a [FoundPhoto],
}

/// What came of writing the page.
pub(crate) struct Made {
    /// How many proposals are on it; without any, there is no page.
    pub(crate) shown: usize,
    /// The photos that cannot be shown.
    pub(crate) failed: Failed,
}

/// Writes the page of proposals, whole or not at all; `made` says who made it and when. Without any proposal that can be
/// shown, nothing is written.
///
/// # Errors
///
/// [`CommandError`] if the file cannot be written.
pub(crate) fn write_review(
    file: &Path,
    mark: Mark,
    everybody: &[Person<'_>],
    made: &str,
) -> Result<Made, CommandError> {
    let (mut people, mut failed) = (Vec::new(), Failed::new());
    for &Person { name, reference, ref portrait, proposals, known } in everybody {
        let mut shown = Vec::new();
        for f in proposals {
            match picture(f, CoverStyle::Blur, &photo_decoder()) {
                Ok(full) => shown.push(Proposal::new(f.face.0, &f.into(), &full, how_to_decide(reference, f.face.0))?),
                Err(error) => failed.push((f.file.clone(), error)),
            }
        }
        if !shown.is_empty() {
            let known = portrait.as_deref().map(KnownFace::portrait).or_else(|| known_face(known));
            people.push(review::Person { name, reference, known, proposals: shown });
        }
    }
    let numbers: Vec<i64> = people.iter().flat_map(|person| &person.proposals).map(Proposal::number).collect();
    let several = several(&numbers, if let [one] = people.as_slice() { Some(one.reference) } else { None });
    let about = review::About { mark, made, several: several.as_deref() };
    if let Some(page) = review::page(&about, &people)? {
        write_whole(file, page.as_bytes())?;
    }
    Ok(Made { shown: numbers.len(), failed })
}

/// The commands that decide on one face.
fn how_to_decide(reference: &str, number: i64) -> HowToDecide {
    let command = format!("assent review {}", quoted(reference));
    HowToDecide { yes: format!("{command} --confirm {number}"), no: format!("{command} --refuse {number}") }
}

/// How several are decided on at once: the first ones, as if the last of them were nobody's.
fn several(numbers: &[i64], reference: Option<&str>) -> Option<String> {
    let who = reference.map_or_else(String::new, |who| format!(" {}", quoted(who)));
    match numbers {
        [] | [_] => None,
        [first, last] => Some(format!("assent review{who} --confirm {first} --refuse {last}")),
        [first, second, last, ..] => Some(format!("assent review{who} --confirm {first},{second} --refuse {last}")),
    }
}

/// A face that is theirs beyond doubt. A photo that cannot be opened is passed over.
fn known_face(known: &[FoundPhoto]) -> Option<KnownFace> {
    surest(known).into_iter().find_map(|f| {
        let full = picture(f, CoverStyle::Blur, &photo_decoder()).ok()?;
        KnownFace::found(&f.into(), &full, f.verdict == Some(Verdict::Confirmed)).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_leads_to_copies_that_lie_below_it() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("out/copies")).unwrap();
        let check = |name: &str, page: &str, folder: &str, expected: Option<&str>| {
            let found = below(&place.path().join(page), &place.path().join(folder));
            assert_eq!(found.as_deref(), expected, "{name}");
        };
        check("beside it", "out/page.html", "out/copies", Some("copies/"));
        check("further down", "page.html", "out/copies", Some("out/copies/"));
        check("among the copies", "out/copies/page.html", "out/copies", Some(""));
        check("elsewhere", "out/copies/page.html", "out", None);
        check("not there", "page.html", "gone", None);
    }

    #[test]
    fn a_command_that_decides_several_shows_both_ways() {
        assert_eq!(several(&[7], Some("anna")), None);
        assert_eq!(several(&[7, 8], Some("o'n")).as_deref(), Some("assent review 'o'\\''n' --confirm 7 --refuse 8"));
        assert_eq!(several(&[7, 8, 9, 10], None).as_deref(), Some("assent review --confirm 7,8 --refuse 9"));
    }
}
