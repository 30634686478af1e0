//! A labelled set: photos, one portrait for each person, and who is in which photo.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::packs::PhotoPack;

/// Fewest people with a label in a set that is not the sample set (I11).
pub(super) const PEOPLE_MIN: usize = 30;

/// Fewest labelled appearances in such a set (I11).
pub(super) const APPEARANCES_MIN: usize = 40;

/// "This person is in this photo", as indexes into the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// Index of the photo.
    pub photo: usize,
    /// Index of the person's portrait.
    pub person: usize,
}

/// Photos with labels, checked.
#[derive(Debug, Clone)]
pub struct LabelledSet {
    /// Photos, in the order of their names.
    pub(super) photos: Vec<PathBuf>,
    /// Portraits, in the order of their names; a person's name is the file's stem.
    pub(super) portraits: Vec<PathBuf>,
    /// Who is where.
    pub(super) labels: BTreeSet<Label>,
    /// Read together with the others and never changed after: nobody may put their own photos beside it.
    is_sample_set: bool,
}

/// Why a set cannot be used. A person's name is never in a message: lines are counted instead.
#[derive(Debug, Error)]
pub enum LabelsError {
    /// A folder or the file of labels cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A line is not `photo<TAB>person[<TAB>basis]`.
    #[error("line {line} of the labels is not: photo, tab, person, tab, basis")]
    Line {
        /// The number of the line in the file, from 1.
        line: usize,
    },
    /// A line names a photo that is not in the folder.
    #[error("line {line} of the labels names a photo that is not in the folder of photos")]
    NoPhoto {
        /// The number of the line in the file, from 1.
        line: usize,
    },
    /// A line names a person without a portrait.
    #[error("line {line} of the labels names a person without a portrait")]
    NoPortrait {
        /// The number of the line in the file, from 1.
        line: usize,
    },
    /// Too few labels for a set that is not the sample set.
    #[error(
        "{people} people with {appearances} labelled appearances are too few: {PEOPLE_MIN} and {APPEARANCES_MIN} are \
         needed, so that a count says nothing about one person"
    )]
    TooFew {
        /// People with a label.
        people: usize,
        /// The number of labelled faces.
        appearances: usize,
    },
}

impl LabelledSet {
    /// Reads a set and checks that it is large enough (I11).
    ///
    /// # Errors
    ///
    /// [`LabelsError`], each variant as it says.
    pub fn read(photos: &Path, portraits: &Path, labels: &Path) -> Result<LabelledSet, LabelsError> {
        let is_sample_set = is_sample_set(photos, portraits, labels);
        let (photos, portraits) = (files(photos)?, files(portraits)?);
        let text = fs::read_to_string(labels)
            .map_err(|source| LabelsError::Unreadable { path: labels.to_path_buf(), source })?;
        let labels = parse(&text, &photos, &portraits)?;
        let people = labels.iter().map(|l| l.person).collect::<BTreeSet<_>>().len();
        if !is_sample_set && (people < PEOPLE_MIN || labels.len() < APPEARANCES_MIN) {
            return Err(LabelsError::TooFew { people, appearances: labels.len() });
        }
        Ok(LabelledSet { photos, portraits, labels, is_sample_set })
    }

    /// Whether it is the sample set, whose every file has the hash that is compiled in.
    pub fn is_sample_set(&self) -> bool {
        self.is_sample_set
    }
}

/// Whether the three places are those of a photo pack that verifies as the sample set.
fn is_sample_set(photos: &Path, portraits: &Path, labels: &Path) -> bool {
    let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    let Some(pack) = photos.canonicalize().ok().and_then(|p| PhotoPack::load(p.parent()?).ok()) else {
        return false;
    };
    same(&pack.photos_dir, photos)
        && same(&pack.portraits_dir, portraits)
        && same(&pack.labels, labels)
        && pack.verify().is_ok_and(|verified| verified.is_sample_set())
}

fn parse(text: &str, photos: &[PathBuf], portraits: &[PathBuf]) -> Result<BTreeSet<Label>, LabelsError> {
    let mut labels = BTreeSet::new();
    for (i, line) in text.lines().enumerate() {
        let number = i + 1;
        if line.trim().is_empty() || i == 0 && line.starts_with("photo\t") {
            continue;
        }
        let mut fields = line.split('\t');
        let (Some(photo), Some(person)) = (fields.next(), fields.next()) else {
            return Err(LabelsError::Line { line: number });
        };
        let photo = photos.iter().position(|p| p.file_name().is_some_and(|n| n == photo));
        let person = portraits.iter().position(|p| p.file_stem().is_some_and(|n| n == person));
        labels.insert(Label {
            photo: photo.ok_or(LabelsError::NoPhoto { line: number })?,
            person: person.ok_or(LabelsError::NoPortrait { line: number })?,
        });
    }
    Ok(labels)
}

/// The files of a folder by name, hidden ones left out.
fn files(folder: &Path) -> Result<Vec<PathBuf>, LabelsError> {
    let failed = |source| LabelsError::Unreadable { path: folder.to_path_buf(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_do_not_fit_are_counted_and_nobody_is_named() {
        let photos = [PathBuf::from("photos/a.jpg")];
        let portraits = [PathBuf::from("portraits/anna.jpg")];
        let check = |name: &str, text: &str, expected: &str| {
            let error = parse(text, &photos, &portraits).unwrap_err().to_string();
            assert_eq!(error, expected, "{name}");
        };
        check("no tab", "photo\tperson\na.jpg", "line 2 of the labels is not: photo, tab, person, tab, basis");
        check("no photo", "b.jpg\tanna", "line 1 of the labels names a photo that is not in the folder of photos");
        check("no portrait", "a.jpg\tberta\tx", "line 1 of the labels names a person without a portrait");
        assert_eq!(parse("photo\tperson\na.jpg\tanna\n\na.jpg\tanna\n", &photos, &portraits).unwrap().len(), 1);
    }
}
