//! The contact sheet: one page that shows a person's photos, with a ring around their own head, and whoever is to be
//! covered covered.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use askama::Template;
use assent::export::Mark;
use assent::ledger::{PhotoTime, Settings, Timestamp, VaultKind};
use assent::{CoverStyle, Frame};

use crate::dates::{long_date, month, taken_on, year};
use crate::error::DocumentError;
use crate::picture::{Inline, PagePhoto};
use crate::vocabulary::count;

/// Longest side of a picture on the sheet, pixels.
const SIDE_PX: u32 = 1_000;

/// Photos of a year under one heading, at most; more are divided by month.
const YEAR_MAX: usize = 24;

/// How high a row of pictures is, before it is stretched to the page's width; `rem`.
const ROW_REM: f32 = 17.0;

#[derive(Template)]
#[template(path = "sheet.html")]
struct Page<'a> {
    /// By which it is known again as a page of the same person.
    mark: String,
    title: &'a str,
    summary: String,
    groups: Vec<Group>,
    made: &'a str,
}

/// Photos of a year, or of a month.
struct Group {
    title: String,
    pictures: Vec<Picture>,
}

struct Picture {
    inline: Inline,
    alt: String,
    /// When it was taken.
    day: String,
    collection: String,
    path: String,
    /// Where the whole copy is from the page, if there is one.
    link: Option<String>,
    basis_rem: f32,
    grow: f32,
}

/// What a sheet says of itself.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Whom it is for.
    pub mark: Mark,
    /// Its heading.
    pub title: &'a str,
    /// Who made it, when, and where to ask: [`made_by`].
    pub made: &'a str,
    /// How other people are covered in its pictures.
    pub style: CoverStyle,
}

/// Who hands a page out, and when.
pub fn made_by(kind: VaultKind, settings: &Settings, today: Timestamp) -> String {
    let today = long_date(today);
    if kind == VaultKind::Household {
        return format!("Made on {today} with Assent, on the computer that the photos are on.");
    }
    let contact =
        if settings.contact.is_empty() { String::new() } else { format!(" Questions: {}.", settings.contact) };
    format!("Made by {} on {today} with Assent.{contact}", settings.controller)
}

/// A contact sheet that is put together photo by photo, so that one picture at a time is open.
#[derive(Default)]
pub struct Sheet {
    photos: Vec<(PhotoTime, Picture)>,
    covered: usize,
}

impl std::fmt::Debug for Sheet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sheet({} photos)", self.photos.len())
    }
}

impl Sheet {
    /// Adds a photo as it is handed out, whoever is to be covered covered. `copy` is the relative path from the page to the
    /// whole copy, if there is one.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Encode`] if the picture cannot be encoded.
    pub fn add(&mut self, photo: &PagePhoto<'_>, picture: &Frame, copy: Option<&str>) -> Result<(), DocumentError> {
        let inline = Inline::of(photo, picture, SIDE_PX)?;
        let what = if inline.ring.is_none() { "Photo" } else { "Photo with a ring around the found face" };
        let mut alt = what.to_owned();
        if photo.covered > 0 {
            write!(alt, ", {} covered", count(photo.covered, "other face")).ok();
        }
        let ratio = inline.width as f32 / inline.height as f32;
        let picture = Picture {
            inline,
            alt,
            day: taken_on(&photo.taken),
            collection: photo.collection.to_owned(),
            path: photo.path.to_string(),
            link: copy.map(link),
            basis_rem: (ratio * ROW_REM * 10.0).round() / 10.0,
            grow: (ratio * 100.0).round() / 100.0,
        };
        self.covered += photo.covered;
        self.photos.push((photo.taken, picture));
        Ok(())
    }

    /// Whether there is no photo on it.
    pub fn is_empty(&self) -> bool {
        self.photos.is_empty()
    }

    /// The page, the newest photos first.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Page`] if it cannot be put together.
    pub fn page(mut self, about: &About<'_>) -> Result<String, DocumentError> {
        let summary = self.summary(about.style);
        // As clocks on the wall showed it, which is what the headings say.
        self.photos.sort_by_key(|(taken, _)| Reverse(taken.wall_clock()));
        let (taken, pictures): (Vec<PhotoTime>, Vec<Picture>) = self.photos.into_iter().unzip();
        let mut groups: Vec<Group> = Vec::new();
        for (title, picture) in titles(&taken).into_iter().zip(pictures) {
            match groups.last_mut() {
                Some(group) if group.title == title => group.pictures.push(picture),
                _ => groups.push(Group { title, pictures: vec![picture] }),
            }
        }
        let About { mark, title, made, .. } = *about;
        Ok(Page { mark: mark.text(title), title, summary, groups, made }.render()?)
    }

    /// How many photos, and who is covered.
    fn summary(&self, style: CoverStyle) -> String {
        let mut text = format!("{}.", count(self.photos.len(), "photo"));
        if self.covered > 0 {
            let how = match style {
                CoverStyle::Blur => "blurred",
                CoverStyle::Solid => "covered",
            };
            let whose =
                if self.covered == 1 { "The face of 1 other person is" } else { "The faces of other people are" };
            // Writing to a string does not fail.
            write!(text, " {whose} {how}.").ok();
        }
        text
    }
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

/// A relative path as a link: whatever is not a plain letter, digit or mark is encoded.
fn link(path: &str) -> String {
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
    use assent::ledger::PhotoTimeSource;

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
            assert_eq!(link(path), expected);
        }
    }
}
