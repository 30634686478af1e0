//! Labelled pairs of images, in the layout of Labeled Faces in the Wild.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use super::labels::{APPEARANCES_MIN, PEOPLE_MIN};

/// What a line for one person's two images looks like.
const SAME_LINE: &str = "name, tab, number, tab, number (a pair of one person's images)";

/// What a line for the images of two people looks like.
const DIFFERENT_LINE: &str = "name, tab, number, tab, name, tab, number (a pair of two people's images)";

/// Two images, as indexes into the set's images, and what is known of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    /// The part of the set that the pair belongs to, from 0.
    pub(super) fold: usize,
    /// Whether both images show the same person.
    pub(super) same: bool,
    /// The index of the first image of the pair.
    pub(super) a: usize,
    /// Second image, another one.
    pub(super) b: usize,
}

/// Pairs of images with labels, in folds, checked.
///
/// # Source
///
/// G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller: Labeled Faces in the Wild, University of Massachusetts, Amherst,
/// technical report 07-49, 2007; the file `pairs.txt` of its view 2.
#[derive(Debug, Clone)]
pub struct PairSet {
    /// Every image that a pair names, once, in the order of the first line that names it.
    pub(super) images: Vec<PathBuf>,
    /// The pairs, in the order of their lines; both kinds are there.
    pub(super) pairs: Vec<Pair>,
    /// How many folds; at least 1, all of the same size.
    pub(super) folds: usize,
    /// The number of different people that the pairs name.
    pub(super) people: usize,
}

/// Why pairs cannot be used. A line is told by its number; a name stands in a message only as part of the path of a file
/// that is missing.
#[derive(Debug, Error)]
pub enum PairsError {
    /// The first line is not `folds<TAB>pairs` or `pairs`, in numbers of at least 1.
    #[error(
        "the first line of the pairs is not: number of folds, tab, pairs of each kind in a fold (or this number alone, \
         for one fold); write it there"
    )]
    Header,
    /// A line does not have the form that its place asks for.
    #[error("line {line} of the pairs is not: {expected}; correct it, or the numbers in the first line")]
    Line {
        /// The number of the line in the file, from 1.
        line: usize,
        /// The form that is needed there.
        expected: &'static str,
    },
    /// A name cannot be the name of a folder.
    #[error("line {line} of the pairs has a name that is no name of a folder; correct it")]
    Name {
        /// The number of the line in the file, from 1.
        line: usize,
    },
    /// Both images are the same file.
    #[error("line {line} of the pairs compares an image with itself; name two images")]
    SameImage {
        /// The number of the line in the file, from 1.
        line: usize,
    },
    /// A pair of two people names one person twice.
    #[error("line {line} of the pairs names one person twice, where two people are compared; correct it")]
    OnePerson {
        /// The number of the line in the file, from 1.
        line: usize,
    },
    /// The file has fewer pairs than its first line says.
    #[error("the pairs end after {pairs}, and the first line promises {promised}; is the file whole?")]
    TooShort {
        /// The number of pairs that were read.
        pairs: usize,
        /// Pairs promised: folds times 2 times pairs of each kind.
        promised: usize,
    },
    /// The file goes on after the last pair that its first line promises.
    #[error("line {line} of the pairs is beyond the {promised} that the first line promises; correct one of them")]
    TooLong {
        /// The number of the line in the file, from 1.
        line: usize,
        /// Pairs promised: folds times 2 times pairs of each kind.
        promised: usize,
    },
    /// An image is not where the layout puts it.
    #[error(
        "there is no image {}, which line {line} of the pairs names; the folder must hold one folder for each name, with \
         images such as Name/Name_0001.jpg", path.display()
    )]
    NoImage {
        /// The number of the line in the file, from 1.
        line: usize,
        /// Where it should be.
        path: PathBuf,
    },
    /// Too few people or pairs (I11).
    #[error(
        "{people} people in {pairs} different pairs are too few: {PEOPLE_MIN} and {APPEARANCES_MIN} are needed, so that \
         a figure says nothing about one person"
    )]
    TooFew {
        /// The number of different people that the list names.
        people: usize,
        /// Pairs, each counted once however often it is listed.
        pairs: usize,
    },
}

impl PairSet {
    /// Reads the text of a `pairs.txt`: `folds<TAB>n` (or `n` alone, for one fold), and then for each fold `n` lines
    /// `name<TAB>i<TAB>j` and `n` lines `name<TAB>i<TAB>other<TAB>j`. Image `i` of a person is the file
    /// `name/name_i.jpg` below `folder`, with the number in four digits. Empty lines are skipped.
    ///
    /// Refuses a small set (I11) before it looks for any image. No image is opened.
    ///
    /// # Errors
    ///
    /// [`PairsError`], each variant as it says.
    pub fn parse(text: &str, folder: &Path) -> Result<PairSet, PairsError> {
        let mut lines = text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty());
        let (folds, each) = lines.next().and_then(|(_, text)| header(text)).ok_or(PairsError::Header)?;
        let promised = each.checked_mul(2).and_then(|n| n.checked_mul(folds)).ok_or(PairsError::Header)?;
        let mut numbers: BTreeMap<(&str, u32), usize> = BTreeMap::new();
        let mut first_lines = Vec::new();
        let mut pairs = Vec::new();
        for (i, text) in lines {
            let line = i + 1;
            if pairs.len() == promised {
                return Err(PairsError::TooLong { line, promised });
            }
            let (fold, same) = (pairs.len() / (2 * each), pairs.len() % (2 * each) < each);
            let (a, b) = two_images(text, line, same)?;
            let mut number = |image| {
                *numbers.entry(image).or_insert_with(|| {
                    first_lines.push((image, line));
                    first_lines.len() - 1
                })
            };
            pairs.push(Pair { fold, same, a: number(a), b: number(b) });
        }
        if pairs.len() < promised {
            return Err(PairsError::TooShort { pairs: pairs.len(), promised });
        }
        let people = numbers.keys().map(|(name, _)| name).collect::<BTreeSet<_>>().len();
        // A pair that is listed again and again would make a figure about itself.
        let different = pairs.iter().map(|p| (p.a.min(p.b), p.a.max(p.b))).collect::<BTreeSet<_>>().len();
        if people < PEOPLE_MIN || different < APPEARANCES_MIN {
            return Err(PairsError::TooFew { people, pairs: different });
        }
        let mut images = Vec::with_capacity(first_lines.len());
        for ((name, i), line) in first_lines {
            let path = folder.join(name).join(format!("{name}_{i:04}.jpg"));
            if !path.is_file() {
                return Err(PairsError::NoImage { line, path });
            }
            images.push(path);
        }
        Ok(PairSet { images, pairs, folds, people })
    }

    /// How many images the pairs name, each counted once.
    pub fn images(&self) -> usize {
        self.images.len()
    }
}

/// Folds, and pairs of each kind in a fold.
fn header(text: &str) -> Option<(usize, usize)> {
    let number = |text: &str| text.trim().parse().ok().filter(|n| *n > 0);
    match text.split_once('\t') {
        Some((folds, each)) => Some((number(folds)?, number(each)?)),
        None => Some((1, number(text)?)),
    }
}

/// One image: a person's name and a number.
type Image<'a> = (&'a str, u32);

fn two_images(text: &str, line: usize, same: bool) -> Result<(Image<'_>, Image<'_>), PairsError> {
    let wrong = || PairsError::Line { line, expected: if same { SAME_LINE } else { DIFFERENT_LINE } };
    let number = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong());
    let fields: Vec<&str> = text.split('\t').collect();
    let (a, b) = match fields[..] {
        [name, i, j] if same => ((name, number(i)?), (name, number(j)?)),
        [name, i, other, j] if !same => ((name, number(i)?), (other, number(j)?)),
        _ => return Err(wrong()),
    };
    if !is_folder_name(a.0) || !is_folder_name(b.0) {
        Err(PairsError::Name { line })
    } else if a == b {
        Err(PairsError::SameImage { line })
    } else if !same && a.0 == b.0 {
        Err(PairsError::OnePerson { line })
    } else {
        Ok((a, b))
    }
}

/// Whether a name leads into the folder and not out of it.
fn is_folder_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The text of a pairs file with `each` people in a fold: everybody's images 1 and 2, and everybody's image 1 with
    /// that of the next.
    fn pairs(folds: usize, each: usize) -> String {
        let fold = |f: usize| {
            let name = move |i: usize| format!("person_{}", f * each + i % each);
            let same = (0..each).map(move |i| format!("{}\t1\t2\n", name(i)));
            let different = (0..each).map(move |i| format!("{}\t1\t{}\t1\n", name(i), name(i + 1)));
            same.chain(different).collect::<String>()
        };
        format!("{folds}\t{each}\n{}", (0..folds).map(fold).collect::<String>())
    }

    #[test]
    fn folds_kinds_and_images_are_read_as_they_stand() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..30 {
            fs::create_dir(dir.path().join(format!("person_{i}"))).unwrap();
            for n in 1..=2 {
                fs::write(dir.path().join(format!("person_{i}/person_{i}_000{n}.jpg")), "").unwrap();
            }
        }
        let text = pairs(2, 15);
        let check = |name: &str, text: &str, folds: usize| {
            let set = PairSet::parse(text, dir.path()).unwrap();
            assert_eq!((set.folds, set.people, set.images()), (folds, 30, 60), "{name}");
            assert_eq!(set.pairs.iter().filter(|p| p.same).count(), 30, "{name}");
            let sizes: Vec<usize> = (0..folds).map(|f| set.pairs.iter().filter(|p| p.fold == f).count()).collect();
            assert_eq!(sizes, vec![60 / folds; folds], "{name}");
        };
        check("two folds", &text, 2);
        check("the line ends of another system", &text.replace('\n', "\r\n"), 2);
        check("empty lines", &text.replace('\n', "\n\n"), 2);
        check("one fold", &pairs(1, 30), 1);
        check("one fold, and one number", &pairs(1, 30).replacen("1\t", "", 1), 1);
        fs::remove_file(dir.path().join("person_3/person_3_0002.jpg")).unwrap();
        let error = PairSet::parse(&text, dir.path()).unwrap_err();
        assert!(
            matches!(&error, PairsError::NoImage { line: 5, path } if path.ends_with("person_3/person_3_0002.jpg"))
        );
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line() {
        let check = |name: &str, text: &str, expected: &str| {
            let error = PairSet::parse(text, Path::new("nowhere")).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{name}: {error}");
        };
        let first = "the first line of the pairs is not: number of folds, tab";
        check("nothing", "", first);
        check("no numbers", "folds\tpairs\n", first);
        check("no folds", "0\t300\n", first);
        check("three numbers", "1\t2\t3\n", first);
        check("no first line", "anna\t1\t2\n", first);
        check("more pairs than can be counted", &format!("{}\t3\n", usize::MAX), first);
        let same = "line 2 of the pairs is not: name, tab, number, tab, number (a pair of one";
        check("a number is missing", "1\nanna\t1\n", same);
        check("the other kind of pair", "1\nanna\t1\tberta\t1\n", same);
        check("no number", "1\nanna\t1\ttwo\n", same);
        check("blanks for tabs", "1\nanna 1 2\n", same);
        check(
            "one person's pair too many",
            "1\nanna\t1\t2\nanna\t1\t3\n",
            "line 3 of the pairs is not: name, tab, number",
        );
        check("an image twice", "1\nanna\t1\t1\n", "line 2 of the pairs compares an image with itself");
        check("a person twice", "1\nanna\t1\t2\nanna\t1\tanna\t2\n", "line 3 of the pairs names one person twice");
        for name in ["..", ".", "", "a/b", "/etc", "anna/", "./anna"] {
            check(name, &format!("1\n{name}\t1\t2\n"), "line 2 of the pairs has a name that is no name of a folder");
        }
        check("an end too early", "1\nanna\t1\t2\n", "the pairs end after 1, and the first line promises 2");
        let rest = "line 4 of the pairs is beyond the 2 that the first line promises";
        check("no end", "1\nanna\t1\t2\nanna\t1\tberta\t1\nanna\t1\t2\n", rest);
        check(
            "no image",
            &pairs(1, 30),
            "there is no image nowhere/person_0/person_0_0001.jpg, which line 2 of the pairs",
        );
    }

    #[test]
    fn i11_a_small_set_of_pairs_is_refused() {
        let check = |name: &str, text: &str, expected: Option<(usize, usize)>| {
            let got = match PairSet::parse(text, Path::new("nowhere")) {
                Err(PairsError::TooFew { people, pairs }) => Some((people, pairs)),
                Err(PairsError::NoImage { .. }) => None,
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(got, expected, "{name}");
        };
        check("3 people", &pairs(1, 3), Some((3, 6)));
        check("29 people", &pairs(1, 29), Some((29, 58)));
        check("30 people", &pairs(1, 30), None);
        // Two people to a pair, and pairs of one person beside them: `n` of each kind.
        let same = |i: usize| format!("p{i}\t1\t2\n");
        let different = |i: usize| format!("q{i}\t1\tp{i}\t1\n");
        let apart = |n: usize| {
            let lines: Vec<String> = (0..n).map(same).chain((0..n).map(different)).collect();
            format!("{n}\n{}", lines.concat())
        };
        check("38 pairs", &apart(19), Some((38, 38)));
        check("40 pairs", &apart(20), None);
        // A pair that is listed again, the other way round, does not make the set larger.
        let mut folds: Vec<String> = (0..19).flat_map(|i| [same(i), different(i)]).collect();
        folds.push("p0\t2\t1\np0\t1\tq0\t1\n".to_owned());
        check("the same pairs turned round", &format!("20\t1\n{}", folds.concat()), Some((38, 38)));
    }
}
