//! The contact sheet: one file that shows a subject's photos, their own face framed and everybody else's covered.

use std::path::{Path, PathBuf};

use askama::Template;
use assent::export::{Mark, write_whole};
use assent::find::{FoundPhoto, PictureError, picture};
use assent::{Frame, fit_within, resize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::CommandError;
use crate::output::count;

/// Longest side of a picture on the sheet, pixels.
const SIDE_PX: u32 = 1_000;

/// Quality of the pictures, of 100.
const QUALITY: u8 = 85;

#[derive(Template)]
#[template(path = "sheet.html")]
struct Sheet<'a> {
    /// By which it is known again as a page of the same person.
    mark: String,
    title: &'a str,
    summary: String,
    pictures: Vec<Picture<'a>>,
}

struct Picture<'a> {
    base64: String,
    width: u32,
    height: u32,
    alt: String,
    collection: &'a str,
    path: &'a str,
    /// Whether the engine asks.
    ask: bool,
    number: i64,
}

/// Writes the sheet, whole or not at all. A photo that cannot be shown keeps none of the others back: returns those, each
/// by its file and with what is wrong with it. Without any photo to show, nothing is written.
///
/// # Errors
///
/// [`CommandError`] if the file cannot be written.
pub(crate) fn write(
    file: &Path,
    mark: Mark,
    title: &str,
    found: &[FoundPhoto],
    cover_others: bool,
) -> Result<Vec<(PathBuf, PictureError)>, CommandError> {
    let (mut pictures, mut failed, mut covered) = (Vec::new(), Vec::new(), 0);
    for f in found {
        match picture(f, cover_others, true) {
            Ok(full) => {
                pictures.push(shown(f, &full, cover_others)?);
                covered += f.others.len();
            }
            Err(error) => failed.push((f.file.clone(), error)),
        }
    }
    if pictures.is_empty() {
        return Ok(failed);
    }
    let photos = count(pictures.len(), "photo");
    let summary =
        if cover_others { format!("{photos}; {} of other people covered", count(covered, "face")) } else { photos };
    let page = Sheet { mark: mark.text(title), title, summary, pictures }.render()?;
    write_whole(file, page.as_bytes())?;
    Ok(failed)
}

fn shown<'a>(f: &'a FoundPhoto, full: &Frame, cover_others: bool) -> Result<Picture<'a>, CommandError> {
    let size = fit_within((full.width(), full.height()), SIDE_PX);
    let small = resize(full, size);
    let others =
        if f.others.is_empty() { String::new() } else { format!(", {} covered", count(f.others.len(), "other face")) };
    Ok(Picture {
        base64: STANDARD.encode(assent::encode::jpeg(&small, QUALITY)?),
        width: size.0,
        height: size.1,
        alt: format!("Photo with the found face framed{}", if cover_others { others } else { String::new() }),
        collection: &f.collection,
        path: &f.path,
        ask: !f.is_certain(),
        number: f.face.0,
    })
}
