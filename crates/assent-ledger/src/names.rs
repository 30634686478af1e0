//! Names that become a file's name, an entry of an archive or a word on a line: one rule for all of them.
//!
//! What people call a collection or a file comes from outside. Nothing of it may lead out of a folder, mean another file on
//! another system, or do something to a terminal.

use std::collections::BTreeSet;
use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

/// The longest name that [`check_file_name`] takes, bytes. File systems take 255; a copy adds an ending and a number.
pub const FILE_NAME_BYTES_MAX: usize = 230;

/// What no file's name has on some common system.
const RESERVED: [char; 9] = ['/', '\\', ':', '*', '?', '"', '<', '>', '|'];

/// Why a text is no name for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It has more than [`FILE_NAME_BYTES_MAX`] bytes.
    #[error("it is longer than {} bytes", FILE_NAME_BYTES_MAX)]
    Long,
    /// It has a character that [`is_unprintable`].
    #[error("it contains a control character")]
    Unprintable,
    /// It has a character that some system keeps for itself.
    #[error("it contains {0}, which some systems do not allow in the name of a file")]
    Reserved(char),
    /// It begins with a dot, a dash or a space, or ends with a dot or a space.
    #[error("a name does not begin with a dot, a dash or a space, nor end with a dot or a space")]
    Edge,
    /// Windows keeps it for a device.
    #[error("Windows keeps this name for a device")]
    Device,
}

/// Whether a character could do something to a terminal or a line, or hide what is written: control characters (C0, DEL,
/// C1), line and paragraph separators, and those that turn the direction of text round.
pub fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a text can be the name of a file or a folder on every common system, and nothing else than that.
///
/// # Errors
///
/// [`NameError`], each variant as it says.
///
/// # Example
///
/// ```
/// use assent_ledger::{NameError, check_file_name};
///
/// assert_eq!(check_file_name("Sommer 2019"), Ok(()));
/// assert_eq!(check_file_name("../escaped"), Err(NameError::Reserved('/')));
/// assert_eq!(check_file_name(".."), Err(NameError::Edge));
/// ```
pub fn check_file_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > FILE_NAME_BYTES_MAX {
        return Err(NameError::Long);
    }
    if name.contains(is_unprintable) {
        return Err(NameError::Unprintable);
    }
    if let Some(c) = name.chars().find(|c| RESERVED.contains(c)) {
        return Err(NameError::Reserved(c));
    }
    if name.starts_with(['.', '-', ' ']) || name.ends_with(['.', ' ']) {
        return Err(NameError::Edge);
    }
    if is_device(name) { Err(NameError::Device) } else { Ok(()) }
}

/// A name for a file that is as close to a text as [`check_file_name`] allows: the text itself where it can be.
pub fn file_name_of(text: &str) -> String {
    let plain = |c: char| if is_unprintable(c) || RESERVED.contains(&c) { '_' } else { c };
    let mut name: String = text.chars().map(plain).collect();
    if name.is_empty() || name.starts_with(['.', '-', ' ']) || is_device(&name) {
        name.insert(0, '_');
    }
    if name.len() > FILE_NAME_BYTES_MAX {
        let (stem, ending) = split_ending(&name);
        name = [&stem[..stem.floor_char_boundary(FILE_NAME_BYTES_MAX - ending.len())], ending].concat();
    }
    if name.ends_with(['.', ' ']) {
        name.pop();
        name.push('_');
    }
    name
}

/// A name in two: before its ending, and the ending with its dot. What is long is no ending.
fn split_ending(name: &str) -> (&str, &str) {
    const ENDING_BYTES_MAX: usize = 16;
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= ENDING_BYTES_MAX => name.split_at(at),
        _ => (name, ""),
    }
}

/// Windows takes these for devices, in any case and whatever follows the first dot.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let numbered = |device| {
        let number = stem.strip_prefix(device).unwrap_or_default();
        let mut digits = number.chars();
        matches!((digits.next(), digits.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    };
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul" | "conin$" | "conout$") || numbered("com") || numbered("lpt")
}

/// Names that were given out in one place. No two of them are one file, also where neither case nor the Unicode form of a
/// letter counts.
#[derive(Clone, Debug, Default)]
pub struct UniqueFileNames(BTreeSet<String>);

impl UniqueFileNames {
    /// Takes a path, with `/` between its parts, or the first one of `IMG (2).jpg`, `IMG (3).jpg` and so on that is free.
    pub fn unique(&mut self, path: &str) -> String {
        if self.0.insert(folded(path)) {
            return path.to_owned();
        }
        let name = path.rfind('/').map_or(0, |at| at + 1);
        let (stem, ending) = split_ending(&path[name..]);
        let numbered = |n: u32| format!("{}{stem} ({n}){ending}", &path[..name]);
        let mut n = 2;
        while !self.0.insert(folded(&numbered(n))) {
            n += 1;
        }
        numbered(n)
    }

    /// Reserves a path: it is never given out.
    pub fn reserve(&mut self, path: &str) {
        self.0.insert(folded(path));
    }
}

/// A path as systems compare it that know neither case nor Unicode forms: upper case first, so that ß is ss.
fn folded(path: &str) -> String {
    path.nfd().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfd().collect()
}

/// A person's name without regard to case, Unicode form and repeated spaces. People are found by it, and it is under the tags
/// that are kept of names: whatever changes it needs another label there.
pub fn fold_name(name: &str) -> String {
    let plain: String = name.nfkc().collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The name of an entry of an archive: parts that are names of files, with `/` between them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName(String);

impl EntryName {
    /// Takes a name.
    ///
    /// # Errors
    ///
    /// [`NameError`] for the first part that is no name of a file.
    pub fn new(name: &str) -> Result<Self, NameError> {
        name.split('/').try_for_each(check_file_name).map(|()| Self(name.to_owned()))
    }

    /// The name as it is written, with `/` between its parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first square brackets with words in them: what a draft leaves for somebody to fill in. Marks such as `[1]`, and
/// links, are none.
pub(crate) fn unfilled(text: &str) -> Option<&str> {
    text.match_indices('[').find_map(|(at, _)| {
        let rest = &text[at + 1..];
        let inner = &rest[..rest.find(']')?];
        let link = rest[inner.len() + 1..].starts_with(['(', '[', ':']);
        (!link && !inner.contains('[') && inner.chars().filter(|c| c.is_alphabetic()).count() >= 2).then_some(inner)
    })
}

/// Whether a text has something left to fill in.
pub(crate) fn is_unfilled(text: &str) -> bool {
    unfilled(text).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_are_no_files_name_are_refused_each_for_its_reason() {
        let check = |what: &str, name: &str, expected: Result<(), NameError>| {
            assert_eq!(check_file_name(name), expected, "{what}");
        };
        for name in ["trip", "Sommer 2019", "Ölwerk", "東京", "a.b", "a-b", "console", "com10", "it's", "100%"] {
            check("a plain name", name, Ok(()));
        }
        check("empty", "", Err(NameError::Empty));
        check("long", &"a".repeat(FILE_NAME_BYTES_MAX + 1), Err(NameError::Long));
        check("as long as allowed", &"a".repeat(FILE_NAME_BYTES_MAX), Ok(()));
        for name in ["a/b", "../a", "/etc", "a\\b", "C:", "a*", "what?"] {
            let c = name.chars().find(|c| RESERVED.contains(c)).unwrap();
            check("a separator", name, Err(NameError::Reserved(c)));
        }
        for name in [".", "..", ".hidden", "-rf", " a", "a ", "a."] {
            check("an edge", name, Err(NameError::Edge));
        }
        for name in ["a\nb", "\u{1b}[31m", "a\u{7f}", "a\u{9b}31m", "\u{202e}gpj", "a\0", "a\u{2028}b"] {
            check("a control character", name, Err(NameError::Unprintable));
        }
        for name in ["con", "NUL", "aux.jpg", "Com1.tar.gz", "lpt9", "prn ", "COM¹"] {
            let expected = if name.ends_with(' ') { NameError::Edge } else { NameError::Device };
            check("a device", name, Err(expected));
        }
    }

    #[test]
    fn names_that_some_system_takes_for_one_are_numbered() {
        let mut given = UniqueFileNames::default();
        let mut check = |path: &str, expected: &str| assert_eq!(given.unique(path), expected);
        check("a/IMG_1.jpg", "a/IMG_1.jpg");
        check("b/IMG_1.jpg", "b/IMG_1.jpg");
        check("a/img_1.JPG", "a/img_1 (2).JPG");
        check("A/IMG_1.jpg", "A/IMG_1 (3).jpg");
        check("a/Ju\u{308}rgen.jpg", "a/Ju\u{308}rgen.jpg");
        check("a/J\u{fc}rgen.jpg", "a/J\u{fc}rgen (2).jpg");
        check("a/Gru\u{df}.jpg", "a/Gru\u{df}.jpg");
        check("a/GRUSS.jpg", "a/GRUSS (2).jpg");
        check("noending", "noending");
        check("noending", "noending (2)");
    }

    proptest! {
        /// Whatever text there is, control characters and separators among it.
        #[test]
        fn what_is_made_of_a_text_is_a_files_name(text in any_text()) {
            let name = file_name_of(&text);
            prop_assert_eq!(check_file_name(&name), Ok(()), "{:?}", name);
            if check_file_name(&text).is_ok() {
                prop_assert_eq!(name, text, "a good name stays");
            }
        }

        #[test]
        fn no_entry_of_an_archive_leaves_its_folder(text in any_text()) {
            if EntryName::new(&text).is_ok() {
                let parts = std::path::Path::new(&text).components();
                prop_assert!(parts.into_iter().all(|part| matches!(part, std::path::Component::Normal(_))));
                prop_assert!(!text.contains(is_unprintable));
            }
        }

        #[test]
        fn no_two_names_that_are_given_out_fold_to_one(texts in prop::collection::vec("[aAbBüÜß/.]{1,4}", 1..40)) {
            let mut given = UniqueFileNames::default();
            let names: Vec<String> = texts.iter().map(|text| folded(&given.unique(text))).collect();
            let different: BTreeSet<&String> = names.iter().collect();
            prop_assert_eq!(different.len(), names.len());
        }
    }

    /// Texts of every character, and of those alone that mean something in a path or to a terminal.
    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[ab./\\\\: \\-\u{0}\u{1b}\n\u{7f}\u{9b}\u{202e}]{0,12}",
            "(?i)(con|nul|com1|lpt3)[. ]{0,2}[a-z]{0,3}",
            "[aé]{100,400}\\.[a-z]{1,20}",
        ]
    }
}
