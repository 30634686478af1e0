//! The contact sheet: one file that shows a person's photos, with a ring around their own head, and whoever is to
//! be covered covered.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};
use std::path::{Path, PathBuf};

use askama::Template;
use assent::export::{Mark, copy_names, write_whole};
use assent::find::{FoundPhoto, PictureError, head, picture};
use assent::ledger::{Ledger, PhotoPath, PhotoTime, VaultKind};
use assent::{CoverStyle, Frame, fit_within, resize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::CommandError;
use crate::output::{count, long_date, month, taken_on, year};
use crate::places::photo_decoder;
use crate::vault::now;

/// Longest side of a picture on the sheet, pixels.
const SIDE_PX: u32 = 1_000;

/// Photos of a year under one heading, at most; more are divided by month.
const YEAR_MAX: usize = 24;

/// Quality of the pictures, of 100.
const QUALITY: u8 = 85;

/// How high a row of pictures is, before it is stretched to the page's width; `rem`.
const ROW_REM: f32 = 17.0;

/// How much larger the ring is than the head.
const RING_ROOM: f32 = 1.12;

#[derive(Template)]
#[template(path = "sheet.html")]
struct Sheet<'a> {
    /// By which it is known again as a page of the same person.
    mark: String,
    title: &'a str,
    summary: String,
    groups: Vec<Group<'a>>,
    made: &'a str,
}

/// Photos of a year, or of a month.
struct Group<'a> {
    title: String,
    pictures: Vec<Picture<'a>>,
}

struct Picture<'a> {
    base64: String,
    width: u32,
    height: u32,
    alt: String,
    ring: Option<Ring>,
    /// When it was taken.
    day: String,
    collection: &'a str,
    path: &'a PhotoPath,
    /// Where the whole copy is from the page, if there is one.
    link: Option<String>,
    basis_rem: f32,
    grow: f32,
}

/// The ellipse around a head, pixels of the picture. The page draws it over the picture: one that is saved has none.
pub(crate) struct Ring {
    picture: (u32, u32),
    cx: f32,
    cy: f32,
    rx: f32,
    ry: f32,
}

impl Ring {
    /// Around the found head, in a picture of this size. Who is alone in a photo need not be pointed at.
    pub(crate) fn of(f: &FoundPhoto, full: &Frame, size: (u32, u32)) -> Option<Ring> {
        let at = head(&f.at).scaled(size.0 as f32 / full.width() as f32);
        let ring = Ring {
            picture: size,
            cx: at.centre().x.round(),
            cy: at.centre().y.round(),
            rx: (at.width / 2.0 * RING_ROOM).round(),
            ry: (at.height / 2.0 * RING_ROOM).round(),
        };
        (f.faces > 1).then_some(ring)
    }
}

/// As SVG, numbers alone.
impl Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ring { picture: (width, height), cx, cy, rx, ry } = self;
        write!(f, r#"<svg viewBox="0 0 {width} {height}" aria-hidden="true">"#)?;
        write!(f, r#"<ellipse cx="{cx}" cy="{cy}" rx="{rx}" ry="{ry}"/></svg>"#)
    }
}

/// What a sheet says of itself.
pub(crate) struct About<'a> {
    pub(crate) title: &'a str,
    /// Who made it, when, and where to ask.
    pub(crate) made: String,
    pub(crate) style: CoverStyle,
    /// The folder with the copies that were written in the same run.
    pub(crate) copies: Option<&'a Path>,
}

/// Who hands a page out, and when.
pub(crate) fn made_by(ledger: &Ledger) -> String {
    let (settings, today) = (ledger.settings(), long_date(now()));
    if ledger.kind() == VaultKind::Household {
        return format!("Made on {today} with Assent, on the computer that the photos are on.");
    }
    let contact =
        if settings.contact.is_empty() { String::new() } else { format!(" Questions: {}.", settings.contact) };
    format!("Made by {} on {today} with Assent.{contact}", settings.controller)
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
    about: &About<'_>,
    found: &[FoundPhoto],
) -> Result<Vec<(PathBuf, PictureError)>, CommandError> {
    let paths: Vec<String> = found.iter().map(|f| f.path.to_string()).collect();
    let names: Vec<(&str, &str)> =
        found.iter().zip(&paths).map(|(f, path)| (f.collection.as_str(), path.as_str())).collect();
    let beside = about.copies.and_then(|folder| below(file, folder));
    let link = |name: String| beside.as_ref().map(|folder| encoded(&format!("{folder}{name}")));
    let mut shown: Vec<(&FoundPhoto, Picture<'_>)> = Vec::new();
    let mut failed = Vec::new();
    let mut found: Vec<(&FoundPhoto, String)> = found.iter().zip(copy_names(&names)).collect();
    // As clocks on the wall showed it, which is what the headings say.
    found.sort_by_key(|(f, _)| Reverse(f.taken.wall_clock()));
    for (f, name) in found {
        match picture(f, about.style, &photo_decoder()) {
            Ok(full) => shown.push((f, small(f, &full, link(name))?)),
            Err(error) => failed.push((f.file.clone(), error)),
        }
    }
    if shown.is_empty() {
        return Ok(failed);
    }
    let (shown, pictures): (Vec<&FoundPhoto>, Vec<Picture<'_>>) = shown.into_iter().unzip();
    let summary = summary(&shown, about.style);
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (title, picture) in titles(&shown.iter().map(|f| f.taken).collect::<Vec<_>>()).into_iter().zip(pictures) {
        match groups.last_mut() {
            Some(group) if group.title == title => group.pictures.push(picture),
            _ => groups.push(Group { title, pictures: vec![picture] }),
        }
    }
    let page = Sheet { mark: mark.text(about.title), title: about.title, summary, groups, made: &about.made };
    write_whole(file, page.render()?.as_bytes())?;
    Ok(failed)
}

/// Under which heading each photo stands: its year, or its month where the year has many photos.
fn titles(taken: &[PhotoTime]) -> Vec<String> {
    let years: Vec<String> = taken.iter().map(year).collect();
    let mut photos: BTreeMap<&str, usize> = BTreeMap::new();
    for year in &years {
        *photos.entry(year.as_str()).or_default() += 1;
    }
    let many = |year: &String| photos.get(year.as_str()).is_some_and(|n| *n > YEAR_MAX);
    let title = |(taken, year): (&PhotoTime, &String)| if many(year) { month(taken) } else { year.clone() };
    taken.iter().zip(&years).map(title).collect()
}

/// How many photos, and who is covered.
fn summary(found: &[&FoundPhoto], style: CoverStyle) -> String {
    let covered: usize = found.iter().map(|f| f.covered.len()).sum();
    let mut text = format!("{}.", count(found.len(), "photo"));
    if covered > 0 {
        let how = match style {
            CoverStyle::Blur => "blurred",
            CoverStyle::Solid => "covered",
        };
        let whose = if covered == 1 { "The face of 1 other person is" } else { "The faces of other people are" };
        // Writing to a string does not fail.
        write!(text, " {whose} {how}.").ok();
    }
    text
}

fn small<'a>(f: &'a FoundPhoto, full: &Frame, link: Option<String>) -> Result<Picture<'a>, CommandError> {
    let size = fit_within((full.width(), full.height()), SIDE_PX);
    let ring = Ring::of(f, full, size);
    let mut alt =
        if ring.is_none() { "Photo".to_owned() } else { "Photo with a ring around the found face".to_owned() };
    if !f.covered.is_empty() {
        write!(alt, ", {} covered", count(f.covered.len(), "other face")).ok();
    }
    let ratio = size.0 as f32 / size.1 as f32;
    Ok(Picture {
        base64: STANDARD.encode(assent::encode::jpeg(&resize(full, size), QUALITY)?),
        width: size.0,
        height: size.1,
        alt,
        ring,
        day: taken_on(&f.taken),
        collection: &f.collection,
        path: &f.path,
        link,
        basis_rem: (ratio * ROW_REM * 10.0).round() / 10.0,
        grow: (ratio * 100.0).round() / 100.0,
    })
}

/// The way from a page's folder to a folder below it, with a slash at its end; `None` if it is not below.
fn below(file: &Path, folder: &Path) -> Option<String> {
    let beside = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (beside, folder) = (beside.canonicalize().ok()?, folder.canonicalize().ok()?);
    let way = folder.strip_prefix(&beside).ok()?.to_str()?.to_owned();
    Some(if way.is_empty() { way } else { format!("{way}/") })
}

/// A relative path as a link: whatever is not a plain letter, digit or mark is encoded.
fn encoded(path: &str) -> String {
    let mut link = String::from("./");
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => link.push(char::from(byte)),
            other => {
                write!(link, "%{other:02X}").ok();
            }
        }
    }
    link
}

#[cfg(test)]
mod tests {
    use assent::ledger::{PhotoTimeSource, Timestamp};

    use super::*;

    #[test]
    fn photos_stand_under_their_year_and_under_their_month_where_a_year_has_many() {
        let day = |days: i64, offset_min| PhotoTime {
            at: Timestamp(days * 24 * 60 * 60 * 1000),
            offset_min,
            from: PhotoTimeSource::Exif,
        };
        let check = |name: &str, taken: &[PhotoTime], expected: &[&str]| {
            let mut titles = titles(taken);
            titles.dedup();
            assert_eq!(titles, expected, "{name}");
        };
        check("none", &[], &[]);
        check("a few years", &[day(400, None), day(40, None), day(20, None)], &["1971", "1970"]);
        check("the clock on the wall counts", &[day(365, None), day(365, Some(-60))], &["1971", "1970"]);
        let many: Vec<PhotoTime> = (0..=YEAR_MAX as i64).rev().map(|i| day(2 * i, None)).collect();
        check("as many as a heading takes", &many[1..], &["1970"]);
        let older = [many.as_slice(), &[day(-1, None)]].concat();
        check("one more", &older, &["February 1970", "January 1970", "1969"]);
    }

    /// Every page is made from one frame.
    #[test]
    fn every_page_has_a_dark_scheme_and_prints_black_on_white() {
        let page = Sheet { mark: String::new(), title: "", summary: String::new(), groups: Vec::new(), made: "" };
        let page = page.render().unwrap();
        let (dark, print) = (page.find("(prefers-color-scheme: dark)").unwrap(), page.find("@media print").unwrap());
        assert!(dark < print, "what is printed comes after the dark scheme, and counts");
        assert!(page[print..].contains("--ink: #000") && page[print..].contains("--paper: #fff"));
        assert!(page.contains("calc(50% - .5rem)"), "two photos in a row on paper");
        for (name, own) in [
            ("access", include_str!("../templates/access.html")),
            ("receipt", include_str!("../templates/receipt.html")),
            ("release", include_str!("../templates/release.html")),
            ("review", include_str!("../templates/review.html")),
            ("sheet", include_str!("../templates/sheet.html")),
        ] {
            assert!(own.starts_with("{% extends \"page.html\" %}"), "{name}");
            let style = &own[own.find("{% block style %}").unwrap()..own.find("{% block main %}").unwrap()];
            let colours = style
                .split([':', ' ', ';', ')'])
                .filter(|word| word.starts_with('#') && *word != "#fff" && *word != "#0009");
            assert_eq!(colours.collect::<Vec<_>>(), Vec::<&str>::new(), "{name} has colours of its own");
        }
    }

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
    fn a_link_is_a_link_whatever_the_file_is_called() {
        for (path, expected) in [
            ("a/IMG_1.jpg", "./a/IMG_1.jpg"),
            ("2019 Sommer/Müller.jpg", "./2019%20Sommer/M%C3%BCller.jpg"),
            ("a/100%.jpg", "./a/100%25.jpg"),
            ("javascript:x.jpg", "./javascript%3Ax.jpg"),
            ("a\"><script>.jpg", "./a%22%3E%3Cscript%3E.jpg"),
            ("#1?.jpg", "./%231%3F.jpg"),
        ] {
            assert_eq!(encoded(path), expected);
        }
    }
}
