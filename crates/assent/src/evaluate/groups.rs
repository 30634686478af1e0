//! Groups of people, for figures of each: `person<TAB>group`, one line for each person.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::labels::{APPEARANCES_MIN, LabelledSet, PEOPLE_MIN};

/// Who is in which group, checked against a labelled set.
///
/// A group needs as many labelled people and appearances as a whole set (I11). With so few the 95 % interval of an FNIR of
/// 0.1 reaches from 0.03 to 0.26 at worst: groups that differ by less cannot be told apart, and a smaller group would not
/// show that much. People with labels who are in no group must be none or as many, for else the figures of the whole set
/// and of its groups would give theirs by subtraction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    /// The people of each group with a label.
    pub(super) people: BTreeMap<String, BTreeSet<usize>>,
    /// All people of each group, those without a label too.
    pub(super) members: BTreeMap<String, BTreeSet<usize>>,
}

/// Why groups cannot be used. A person's name is never in a message: lines are counted instead.
#[derive(Debug, Error)]
pub enum GroupsError {
    /// The file cannot be read.
    #[error("cannot read the groups from {}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A line is not `person<TAB>group`.
    #[error("line {line} of the groups is not: person, tab, group; correct it")]
    Line {
        /// The number of the line in the file, from 1.
        line: usize,
    },
    /// A line names a person without a portrait.
    #[error("line {line} of the groups names a person without a portrait; correct it, or add the portrait")]
    NoPortrait {
        /// The number of the line in the file, from 1.
        line: usize,
    },
    /// A person stands there twice.
    #[error("line {line} of the groups names a person for the second time; a person is in one group")]
    Twice {
        /// The number of the line in the file, from 1.
        line: usize,
    },
    /// A group is too small for figures of its own.
    #[error(
        "the group {group} is too small: {people} people with {appearances} labelled appearances, and {PEOPLE_MIN} and \
         {APPEARANCES_MIN} are needed; join it with another one, or leave its people out of the labels"
    )]
    TooSmall {
        /// The group, as the file calls it.
        group: String,
        /// Its people with a label.
        people: usize,
        /// The number of labelled faces of the group's people.
        appearances: usize,
    },
    /// The people without a group are too few.
    #[error(
        "{people} people with {appearances} labelled appearances are in no group, and {PEOPLE_MIN} and {APPEARANCES_MIN} \
         are needed, or none; give them a group"
    )]
    RestTooSmall {
        /// People with a label and without a group.
        people: usize,
        /// The number of labelled faces of these people.
        appearances: usize,
    },
}

impl Groups {
    /// Reads the groups of the people of a set. A first line `person<TAB>group` is a heading, empty lines are skipped, and
    /// further columns are not read. People with a portrait and without a label may be named; they count in no group.
    ///
    /// # Errors
    ///
    /// [`GroupsError`], each variant as it says.
    pub fn read(path: &Path, set: &LabelledSet) -> Result<Groups, GroupsError> {
        let text =
            fs::read_to_string(path).map_err(|source| GroupsError::Unreadable { path: path.to_path_buf(), source })?;
        let portrait = |name: &str| set.portraits.iter().position(|p| p.file_stem().is_some_and(|n| n == name));
        let labels: Vec<usize> = set.labels.iter().map(|l| l.person).collect();
        check(&parse(&text, portrait)?, &labels)
    }
}

/// The group of each person.
fn parse(text: &str, portrait: impl Fn(&str) -> Option<usize>) -> Result<BTreeMap<usize, String>, GroupsError> {
    let mut groups = BTreeMap::new();
    for (i, text) in text.lines().enumerate() {
        let line = i + 1;
        if text.trim().is_empty() || i == 0 && text.starts_with("person\tgroup") {
            continue;
        }
        let mut fields = text.split('\t');
        let (Some(person), Some(group)) = (fields.next(), fields.next().map(str::trim).filter(|g| !g.is_empty()))
        else {
            return Err(GroupsError::Line { line });
        };
        let person = portrait(person).ok_or(GroupsError::NoPortrait { line })?;
        if groups.insert(person, group.to_owned()).is_some() {
            return Err(GroupsError::Twice { line });
        }
    }
    Ok(groups)
}

/// The groups, if each of them and the rest are large enough; `labels` holds a person once for each label.
fn check(group_of: &BTreeMap<usize, String>, labels: &[usize]) -> Result<Groups, GroupsError> {
    let mut people: BTreeMap<String, BTreeSet<usize>> =
        group_of.values().map(|g| (g.clone(), BTreeSet::new())).collect();
    let mut rest = BTreeSet::new();
    for person in labels {
        match group_of.get(person) {
            Some(group) => people.entry(group.clone()).or_default().insert(*person),
            None => rest.insert(*person),
        };
    }
    let appearances = |of: &BTreeSet<usize>| labels.iter().filter(|l| of.contains(l)).count();
    let too_small = |of: &BTreeSet<usize>| of.len() < PEOPLE_MIN || appearances(of) < APPEARANCES_MIN;
    for (group, of) in &people {
        if too_small(of) {
            return Err(GroupsError::TooSmall { group: group.clone(), people: of.len(), appearances: appearances(of) });
        }
    }
    if !rest.is_empty() && too_small(&rest) {
        return Err(GroupsError::RestTooSmall { people: rest.len(), appearances: appearances(&rest) });
    }
    let mut members: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (person, group) in group_of {
        members.entry(group.clone()).or_default().insert(*person);
    }
    Ok(Groups { people, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_do_not_fit_are_counted_and_nobody_is_named() {
        let portrait = |name: &str| ["anna", "berta"].iter().position(|n| *n == name);
        let check = |name: &str, text: &str, expected: &str| {
            let error = parse(text, portrait).unwrap_err().to_string();
            assert!(error.starts_with(expected) && !error.contains("anna"), "{name}: {error}");
        };
        check("no tab", "person\tgroup\nanna", "line 2 of the groups is not: person, tab, group");
        check("no group", "anna\t ", "line 1 of the groups is not: person, tab, group");
        check("a heading below", "anna\tred\nperson\tgroup", "line 2 of the groups names a person without a portrait");
        check("twice", "anna\tred\n\nanna\tblue", "line 3 of the groups names a person for the second time");
        let good = parse("person\tgroup\nanna\tred\n\nberta\tblue\tand more\n", portrait).unwrap();
        assert_eq!(good, BTreeMap::from([(0, "red".to_owned()), (1, "blue".to_owned())]));
    }

    #[test]
    fn i11_small_groups_and_a_small_rest_are_refused() {
        // Everybody below `people` has `each` labels; the first are red, the next blue, the last in no group.
        let check = |name: &str, (red, blue, rest): (usize, usize, usize), each: usize, expected: Option<&str>| {
            let group = |i| if i < red { "red" } else { "blue" };
            let group_of = (0..red + blue).map(|i| (i, group(i).to_owned())).collect();
            let labels: Vec<usize> = (0..(red + blue + rest) * each).map(|i| i / each).collect();
            match (super::check(&group_of, &labels), expected) {
                (Ok(groups), None) => assert_eq!(groups.people["red"].len(), red, "{name}"),
                (Err(e), Some(expected)) => assert!(e.to_string().starts_with(expected), "{name}: {e}"),
                (got, _) => panic!("{name}: {got:?}"),
            }
        };
        check("large enough", (40, 40, 0), 1, None);
        check("large enough, with a rest", (40, 30, 30), 2, None);
        check("29 people", (40, 29, 0), 2, Some("the group blue is too small: 29 people with 58 labelled appearances"));
        check("39 appearances", (40, 39, 0), 1, Some("the group blue is too small: 39 people with 39"));
        check("nobody with a label", (40, 40, 0), 0, Some("the group blue is too small: 0 people with 0"));
        check("a small rest", (40, 40, 1), 3, Some("1 people with 3 labelled appearances are in no group"));
    }
}
