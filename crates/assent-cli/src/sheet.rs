//! The contact sheet: one file that shows a subject's photos, their own face framed and everybody else's covered.

use std::path::Path;

use askama::Template;
use assent::find::{FoundPhoto, picture};
use assent::{fit_within, resize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::CommandError;
use crate::find_cmd::write_whole;
use crate::output::count;

/// Longest side of a picture on the sheet, pixels.
const SIDE_PX: u32 = 1_000;

/// Quality of the pictures, of 100.
const QUALITY: u8 = 85;

#[derive(Template)]
#[template(path = "sheet.html")]
struct Sheet<'a> {
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

/// Writes the sheet, whole or not at all.
///
/// # Errors
///
/// [`CommandError`] if a photo cannot be read any more, or the file cannot be written.
pub(crate) fn write(file: &Path, title: &str, found: &[FoundPhoto], cover_others: bool) -> Result<(), CommandError> {
    let covered: usize = if cover_others { found.iter().map(|f| f.others.len()).sum() } else { 0 };
    let photos = count(found.len(), "photo");
    let summary =
        if cover_others { format!("{photos}; {} of other people covered", count(covered, "face")) } else { photos };
    let pictures = found.iter().map(|f| shown(f, cover_others)).collect::<Result<_, _>>()?;
    let page = Sheet { title, summary, pictures }.render()?;
    write_whole(file, page.as_bytes())
}

fn shown(f: &FoundPhoto, cover_others: bool) -> Result<Picture<'_>, CommandError> {
    let full = picture(f, cover_others, true)?;
    let size = fit_within((full.width(), full.height()), SIDE_PX);
    let small = resize(&full, size);
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
