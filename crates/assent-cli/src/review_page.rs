//! The page for those who decide on proposals: each face large, beside one that is known to be theirs, with the commands
//! that confirm and refuse it.

use std::path::{Path, PathBuf};

use askama::Template;
use assent::export::{Mark, write_whole};
use assent::find::{FoundPhoto, PictureError, head, picture};
use assent::ledger::{PhotoPath, Verdict};
use assent::{CoverStyle, Frame, Rect, fit_within, resize, resize_part};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::CommandError;
use crate::output::{count, quoted};
use crate::places::photo_decoder;
use crate::sheet::Ring;

/// Side of a face on the page, and longest side of a photo, pixels.
const FACE_PX: u32 = 400;
const PHOTO_PX: u32 = 800;

const QUALITY: u8 = 85;

/// How much larger than the head the cut-out is.
const ROOM: f32 = 1.3;

#[derive(Template)]
#[template(path = "review.html")]
struct Page<'a> {
    mark: String,
    title: String,
    summary: String,
    /// A command that decides on more than one of them, where there is more than one.
    several: Option<String>,
    people: Vec<Section<'a>>,
    made: &'a str,
}

/// One person's proposals on the page.
struct Section<'a> {
    name: &'a str,
    /// The name, and what tells them from somebody of the same name.
    heading: String,
    /// As the commands name them.
    who: String,
    /// A face that is known to be theirs, if there is one.
    known: Option<Known>,
    proposals: Vec<Proposal<'a>>,
}

struct Known {
    /// An address that holds the picture.
    src: String,
    caption: String,
}

struct Proposal<'a> {
    number: i64,
    face: String,
    whole: String,
    width: u32,
    height: u32,
    ring: Option<Ring>,
    path: &'a PhotoPath,
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
    /// The photos that cannot be shown, each by its file and with what is wrong with it.
    pub(crate) failed: Vec<(PathBuf, PictureError)>,
}

/// Writes the page, whole or not at all; `made` says who made it and when. Without any proposal that can be shown, nothing
/// is written.
///
/// # Errors
///
/// [`CommandError`] if the file cannot be written.
pub(crate) fn write(file: &Path, mark: Mark, everybody: &[Person<'_>], made: &str) -> Result<Made, CommandError> {
    let (mut people, mut failed) = (Vec::new(), Vec::new());
    for person in everybody {
        let mut proposals = Vec::new();
        for f in person.proposals {
            match picture(f, CoverStyle::Blur, &photo_decoder()) {
                Ok(full) => proposals.push(proposal(f, &full)?),
                Err(error) => failed.push((f.file.clone(), error)),
            }
        }
        if !proposals.is_empty() {
            let known = person.portrait.as_deref().map(portrait).or_else(|| surest(person.known));
            let (name, reference) = (person.name, person.reference);
            let heading = if name == reference { name.to_owned() } else { format!("{name} ({reference})") };
            people.push(Section { name, heading, who: quoted(reference), known, proposals });
        }
    }
    let shown = people.iter().map(|person| person.proposals.len()).sum();
    let Some(first) = people.first() else { return Ok(Made { shown, failed }) };
    let title = if everybody.len() == 1 { format!("Is this {}?", first.name) } else { "Is this them?".to_owned() };
    let summary = format!(
        "{} to decide on. Until somebody does, none of these photos is handed out. The faces of other people are blurred.",
        count(shown, "photo")
    );
    let numbers: Vec<i64> = people.iter().flat_map(|person| &person.proposals).map(|p| p.number).collect();
    let several = several(&numbers, (everybody.len() == 1).then_some(first.who.as_str()));
    let page = Page { mark: mark.text(&title), title, summary, several, people, made };
    write_whole(file, page.render()?.as_bytes())?;
    Ok(Made { shown, failed })
}

/// How several are decided on at once: the first ones, as if the last of them were nobody's.
fn several(numbers: &[i64], who: Option<&str>) -> Option<String> {
    let who = who.map_or_else(String::new, |who| format!(" {who}"));
    match numbers {
        [] | [_] => None,
        [first, last] => Some(format!("assent review{who} --confirm {first} --refuse {last}")),
        [first, second, last, ..] => Some(format!("assent review{who} --confirm {first},{second} --refuse {last}")),
    }
}

fn portrait(png: &[u8]) -> Known {
    let src = format!("data:image/png;base64,{}", STANDARD.encode(png));
    Known { src, caption: "The picture that they were enrolled with".to_owned() }
}

fn proposal<'a>(f: &'a FoundPhoto, full: &Frame) -> Result<Proposal<'a>, CommandError> {
    let size = fit_within((full.width(), full.height()), PHOTO_PX);
    Ok(Proposal {
        number: f.face.0,
        face: face(f, full)?,
        whole: STANDARD.encode(assent::encode::jpeg(&resize(full, size), QUALITY)?),
        width: size.0,
        height: size.1,
        ring: Ring::of(f, full, size),
        path: &f.path,
    })
}

/// A face that is theirs beyond doubt: one that a person confirmed before one that the engine is sure of, the largest
/// first. A photo that cannot be opened is passed over.
fn surest(known: &[FoundPhoto]) -> Option<Known> {
    let mut known: Vec<&FoundPhoto> = known.iter().filter(|f| f.is_certain()).collect();
    known.sort_by(|a, b| {
        let confirmed = |f: &FoundPhoto| f.verdict == Some(Verdict::Confirmed);
        confirmed(b).cmp(&confirmed(a)).then(b.at.w.total_cmp(&a.at.w))
    });
    known.iter().find_map(|f| {
        let base64 = face(f, &picture(f, CoverStyle::Blur, &photo_decoder()).ok()?).ok()?;
        let said = if f.verdict.is_some() { "a person confirmed" } else { "the program is sure of" };
        let src = format!("data:image/jpeg;base64,{base64}");
        Some(Known { src, caption: format!("From a photo that {said}") })
    })
}

/// The head, cut out as a square.
fn face(f: &FoundPhoto, full: &Frame) -> Result<String, CommandError> {
    let head = head(&f.at);
    let side = head.width.max(head.height) * ROOM;
    let (x, y) = (head.centre().x - side / 2.0, head.centre().y - side / 2.0);
    let (x, y) = (x.max(0.0), y.max(0.0));
    let (width, height) = (side.min(full.width() as f32 - x), side.min(full.height() as f32 - y));
    let scale = FACE_PX as f32 / width.max(height);
    let size = ((width * scale) as u32, (height * scale) as u32);
    let cut = resize_part(full, Rect { x, y, width, height }, size);
    Ok(STANDARD.encode(assent::encode::jpeg(&cut, QUALITY)?))
}
