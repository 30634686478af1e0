//! Reading a card's tables: every key is asked for by name and type, and no key is left over.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use assent_ledger::check_file_name;
use toml::{Table, Value};

use super::{CARD_BYTES_MAX, CARD_FILE, PackError, PackKind};
use crate::source::open_regular;

/// The bytes of the card in `dir` and its path.
pub(super) fn read_card(dir: &Path) -> Result<(PathBuf, Vec<u8>), PackError> {
    let card = dir.join(CARD_FILE);
    let file = match open_regular(&card) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(PackError::NoCard { dir: dir.to_owned() });
        }
        Err(source) => return Err(PackError::CardUnreadable { card, source }),
    };
    let mut bytes = Vec::new();
    match file.take(CARD_BYTES_MAX + 1).read_to_end(&mut bytes) {
        Ok(read) if read as u64 <= CARD_BYTES_MAX => Ok((card, bytes)),
        Ok(_) => Err(PackError::CardUnreadable { card, source: io::Error::other("it is larger than 1 MiB") }),
        Err(source) => Err(PackError::CardUnreadable { card, source }),
    }
}

/// The card's tables, with its format and kind checked: both come first, because the known keys depend on them.
pub(super) fn parse_card(card: &Path, bytes: &[u8], wanted: PackKind) -> Result<Table, PackError> {
    let text = std::str::from_utf8(bytes).map_err(|error| PackError::CardUnreadable {
        card: card.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, error),
    })?;
    let table = text
        .parse::<Table>()
        .map_err(|source| PackError::CardNotToml { card: card.to_owned(), source: Box::new(source) })?;
    let reader = Keys::top(card, &table);
    let found = reader.integer("format")?;
    let newest = wanted.newest_format();
    if !(1..=newest).contains(&found) {
        return Err(PackError::Format { card: card.to_owned(), found, newest });
    }
    let found = reader.text("kind")?;
    if found != wanted.word() {
        return Err(PackError::Kind { card: card.to_owned(), found, wanted });
    }
    Ok(table)
}

/// One table of a card.
pub(super) struct Keys<'a> {
    card: &'a Path,
    table: &'a Table,
    /// The dotted path of the table and a dot, or nothing at the top.
    prefix: String,
}

impl<'a> Keys<'a> {
    pub(super) fn top(card: &'a Path, table: &'a Table) -> Self {
        Self { card, table, prefix: String::new() }
    }

    pub(super) fn card(&self) -> PathBuf {
        self.card.to_owned()
    }

    pub(super) fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The names of the keys that are not in `known`, in the order of the alphabet.
    pub(super) fn unknown(&self, known: &[&str]) -> Option<&'a str> {
        self.table.keys().map(String::as_str).filter(|key| !known.contains(key)).min()
    }

    /// Refuses a key that is not in `known`.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), PackError> {
        match self.unknown(known) {
            None => Ok(()),
            Some(key) => Err(PackError::UnknownKey { card: self.card(), key: self.path(key) }),
        }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(super) fn is_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.is_table() || value.is_array() && holds_tables(value))
    }

    pub(super) fn bad(&self, key: &str, wanted: impl Into<String>) -> PackError {
        PackError::BadValue { card: self.card(), key: self.path(key), wanted: wanted.into() }
    }

    fn get(&self, key: &str) -> Result<&'a Value, PackError> {
        self.table.get(key).ok_or_else(|| PackError::MissingKey { card: self.card(), key: self.path(key) })
    }

    pub(super) fn table(&self, key: &str) -> Result<Keys<'a>, PackError> {
        let table = self.get(key)?.as_table().ok_or_else(|| self.bad(key, "a table"))?;
        Ok(Keys { card: self.card, table, prefix: format!("{}.", self.path(key)) })
    }

    /// The tables of a list `[[key]]`; none without the key.
    pub(super) fn tables(&self, key: &str) -> Result<Vec<Keys<'a>>, PackError> {
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let wanted = || self.bad(key, "a list of tables");
        let list = value.as_array().ok_or_else(wanted)?;
        let table = |(i, value): (usize, &'a Value)| {
            let table = value.as_table().ok_or_else(wanted)?;
            Ok(Keys { card: self.card, table, prefix: format!("{}[{i}].", self.path(key)) })
        };
        list.iter().enumerate().map(table).collect()
    }

    /// Text that is not empty.
    pub(super) fn text(&self, key: &str) -> Result<String, PackError> {
        match self.get(key)?.as_str() {
            Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
            _ => Err(self.bad(key, "a text that is not empty")),
        }
    }

    /// Text that can have one value only in this format.
    pub(super) fn exactly(&self, key: &str, only: &str) -> Result<(), PackError> {
        if self.text(key)? == only { Ok(()) } else { Err(self.bad(key, format!("\"{only}\""))) }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, PackError> {
        let wanted = || self.bad(key, "a list of texts");
        let list = self.get(key)?.as_array().ok_or_else(wanted)?;
        list.iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wanted)).collect()
    }

    pub(super) fn truth(&self, key: &str) -> Result<bool, PackError> {
        self.get(key)?.as_bool().ok_or_else(|| self.bad(key, "true or false"))
    }

    pub(super) fn integer(&self, key: &str) -> Result<i64, PackError> {
        self.get(key)?.as_integer().ok_or_else(|| self.bad(key, "a whole number"))
    }

    /// A whole number within `1..=most`.
    pub(super) fn count(&self, key: &str, most: u32) -> Result<u32, PackError> {
        u32::try_from(self.integer(key)?)
            .ok()
            .filter(|count| (1..=most).contains(count))
            .ok_or_else(|| self.bad(key, format!("a whole number from 1 to {most}")))
    }

    /// A list of whole numbers within `1..=most`.
    pub(super) fn counts(&self, key: &str, most: u32) -> Result<Vec<u32>, PackError> {
        let wanted = || self.bad(key, format!("a list of whole numbers from 1 to {most}"));
        let list = self.get(key)?.as_array().ok_or_else(wanted)?;
        list.iter()
            .map(|value| {
                let count = value.as_integer().and_then(|count| u32::try_from(count).ok());
                count.filter(|count| (1..=most).contains(count)).ok_or_else(wanted)
            })
            .collect()
    }

    /// A finite number; `1` counts as `1.0`.
    pub(super) fn number(&self, key: &str) -> Result<f64, PackError> {
        number(self.get(key)?).ok_or_else(|| self.bad(key, "a number"))
    }

    /// A number strictly between 0 and 1.
    pub(super) fn fraction(&self, key: &str) -> Result<f32, PackError> {
        let value = self.number(key)?;
        if value > 0.0 && value < 1.0 { Ok(value as f32) } else { Err(self.bad(key, "a number between 0 and 1")) }
    }

    pub(super) fn numbers(&self, key: &str) -> Result<Vec<f64>, PackError> {
        let wanted = || self.bad(key, "a list of numbers");
        let list = self.get(key)?.as_array().ok_or_else(wanted)?;
        list.iter().map(|value| number(value).ok_or_else(wanted)).collect()
    }

    /// Five pairs of numbers within 0..=1: where the landmarks go, as parts of the side.
    pub(super) fn landmarks(&self, key: &str) -> Result<[[f32; 2]; 5], PackError> {
        let wanted = || self.bad(key, "five pairs [x, y] of numbers from 0 to 1");
        let list = self.get(key)?.as_array().filter(|list| list.len() == 5).ok_or_else(wanted)?;
        let mut points = [[0.0; 2]; 5];
        for (point, value) in points.iter_mut().zip(list) {
            let pair = value.as_array().filter(|pair| pair.len() == 2).ok_or_else(wanted)?;
            for (part, value) in point.iter_mut().zip(pair) {
                *part = number(value).filter(|part| (0.0..=1.0).contains(part)).ok_or_else(wanted)? as f32;
            }
        }
        Ok(points)
    }

    /// The plain name of a file or folder in the pack's own folder.
    pub(super) fn file_name(&self, key: &str) -> Result<String, PackError> {
        let name = self.text(key)?;
        self.plain(key, name)
    }

    pub(super) fn file_names(&self, key: &str) -> Result<Vec<String>, PackError> {
        self.texts(key)?.into_iter().map(|name| self.plain(key, name)).collect()
    }

    fn plain(&self, key: &str, name: String) -> Result<String, PackError> {
        if check_file_name(&name).is_ok() {
            Ok(name)
        } else {
            Err(PackError::FileNameLeaves { card: self.card(), key: self.path(key), name })
        }
    }
}

/// Whether `path` has only plain parts, so that it cannot leave the folder it is joined to, on any system.
pub(super) fn is_relative(path: &str) -> bool {
    !path.is_empty()
        && !path.contains(['\\', ':', '\0'])
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
        && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64)).filter(|number| number.is_finite())
}

fn holds_tables(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.iter().any(Value::is_table))
}
