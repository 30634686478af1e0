//! A table as spreadsheets write it: in which characters, with which separator, and which cells.

use std::path::Path;

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use thiserror::Error;

use super::columns::{Columns, known_headings};

/// What separates cells, the commonest first.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// A table: its headings, and the rows below them.
#[derive(Debug)]
pub(crate) struct Table {
    /// Which column holds what.
    pub(crate) columns: Columns,
    /// The cells of every row that has any, in the order of the headings, trimmed; with its number from 1.
    pub(crate) rows: Vec<(usize, Vec<String>)>,
}

/// Why a file is no table.
#[derive(Debug, Error)]
pub(crate) enum TableError {
    /// It has no heading.
    #[error("the table {path} is empty; its first row names the columns")]
    Empty {
        /// The path of the table's file, as it is shown.
        path: String,
    },
    /// Quotes or line ends that no reader understands.
    #[error("the table {path} cannot be read; save it as CSV (comma or semicolon separated) and try again")]
    Form {
        /// The path of the table's file, as it is shown.
        path: String,
        /// The error of the CSV parser.
        #[source]
        source: csv::Error,
    },
}

impl Table {
    /// Reads a table: UTF-8, UTF-16 or Windows-1252 (which holds Latin-1), with or without a byte order mark; separated by
    /// commas, semicolons or tabs; quoted as spreadsheets do. Rows without any text are left out.
    ///
    /// # Errors
    ///
    /// - [`TableError::Empty`] if there is no heading.
    /// - [`TableError::Form`] if it cannot be split into cells.
    pub(crate) fn read(path: &Path, bytes: &[u8]) -> Result<Table, TableError> {
        let name = || path.display().to_string();
        let text = decode(bytes);
        let text = without_separator_line(&text);
        let form = |source| TableError::Form { path: name(), source };
        let mut best: Option<(usize, u8, Vec<String>)> = None;
        for separator in SEPARATORS {
            let Some(first) = reader(text, separator).into_records().next() else {
                return Err(TableError::Empty { path: name() });
            };
            let headings: Vec<String> = first.map_err(form)?.iter().map(|h| h.trim().to_owned()).collect();
            // The right separator is the one with which most headings are understood.
            let known = known_headings(&headings) * 1000 + headings.len();
            if best.as_ref().is_none_or(|(most, ..)| known > *most) {
                best = Some((known, separator, headings));
            }
        }
        let Some((_, separator, headings)) = best else { return Err(TableError::Empty { path: name() }) };
        let mut rows = Vec::new();
        for (i, record) in reader(text, separator).into_records().skip(1).enumerate() {
            let cells: Vec<String> = record.map_err(form)?.iter().map(|cell| cell.trim().to_owned()).collect();
            if cells.iter().any(|cell| !cell.is_empty()) {
                rows.push((i + 1, cells));
            }
        }
        Ok(Table { columns: Columns::new(headings), rows })
    }
}

fn reader(text: &str, separator: u8) -> csv::Reader<&[u8]> {
    let mut form = csv::ReaderBuilder::new();
    form.delimiter(separator).has_headers(false).flexible(true).from_reader(text.as_bytes())
}

/// The text of a file, whatever its characters are encoded as.
fn decode(bytes: &[u8]) -> String {
    // A byte order mark decides; without one, UTF-16 shows itself by its zeros, which no other text has.
    let zeros = |from: usize| bytes.iter().skip(from).step_by(2).take(256).filter(|b| **b == 0).count();
    let unmarked = match (zeros(0), zeros(1)) {
        (0, 0) if std::str::from_utf8(bytes).is_ok() => UTF_8,
        (0, 0) => WINDOWS_1252,
        (first, second) if first > second => UTF_16BE,
        _ => UTF_16LE,
    };
    unmarked.decode(bytes).0.into_owned()
}

/// A spreadsheet may say its separator in a line of its own, `sep=;`, which is no row.
fn without_separator_line(text: &str) -> &str {
    match text.split_once('\n') {
        Some((first, rest)) if first.trim_matches(['"', '\r', ' ']).to_ascii_lowercase().starts_with("sep=") => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(bytes: &[u8]) -> Vec<(usize, Vec<String>)> {
        Table::read(Path::new("people.csv"), bytes).unwrap().rows
    }

    #[test]
    fn a_table_is_read_as_every_spreadsheet_writes_it() {
        let plain = "id,name,photos\nm-1,Jürgen Müller,p1.jpg\nm-2,\"Bär, Anna\",p2.jpg\n";
        let expected = cells(plain.as_bytes());
        assert_eq!(
            expected,
            [
                (1, vec!["m-1".into(), "Jürgen Müller".into(), "p1.jpg".into()]),
                (2, vec!["m-2".into(), "Bär, Anna".into(), "p2.jpg".into()])
            ]
        );
        let utf16 = |text: &str, big: bool| -> Vec<u8> {
            let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
            text.encode_utf16().flat_map(bytes).collect()
        };
        let latin1: Vec<u8> = plain.chars().map(|c| c as u8).collect();
        let semicolons = "id;name;photos\nm-1;Jürgen Müller;p1.jpg\nm-2;Bär, Anna;p2.jpg\n";
        let check = |name: &str, bytes: Vec<u8>| assert_eq!(cells(&bytes), expected, "{name}");
        check("a mark of UTF-8", [b"\xef\xbb\xbf", plain.as_bytes()].concat());
        check("UTF-16, little end first", [b"\xff\xfe".to_vec(), utf16(plain, false)].concat());
        check("UTF-16, big end first", [b"\xfe\xff".to_vec(), utf16(plain, true)].concat());
        check("UTF-16 without a mark", utf16(plain, false));
        check("UTF-16, big end first, without a mark", utf16(plain, true));
        check("Latin-1", latin1);
        check("semicolons", semicolons.as_bytes().to_vec());
        check("tabs", semicolons.replace(';', "\t").into_bytes());
        check("line ends of Windows", plain.replace('\n', "\r\n").into_bytes());
        check("no line end at the end", plain.trim_end().as_bytes().to_vec());
        check("a line with the separator", format!("sep=;\r\n{semicolons}").into_bytes());
        check("spaces around cells", semicolons.replace(';', " ; ").into_bytes());
        check("empty rows", [plain.as_bytes(), b",,\n ,\t,\n\n"].concat());
    }

    #[test]
    fn rows_keep_their_numbers_and_an_empty_file_is_named() {
        let rows = cells(b"id,name\nm-1,A\n,\nm-3,C\n");
        assert_eq!(rows.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 3]);
        for empty in [&b""[..], b"\xef\xbb\xbf", b"\n\n"] {
            let told = Table::read(Path::new("people.csv"), empty).unwrap_err().to_string();
            assert!(told.contains("people.csv is empty"), "{told}");
        }
    }
}
