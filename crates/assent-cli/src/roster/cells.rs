//! What people write into the cells of a table: dates, months of birth, several values at once, names of files.

use std::fs;
use std::path::{Component, Path, PathBuf};

use assent::ledger::{Age, Signer, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use unicode_normalization::UnicodeNormalization as _;

/// The names of the months in English, German, French and Dutch, at least the letters that tell them apart.
#[rustfmt::skip]
const MONTHS: [&[&str]; 12] = [
    &["january", "januar", "jänner", "janvier", "januari"],
    &["february", "februar", "feber", "février", "fevrier", "februari"],
    &["march", "märz", "maerz", "mars", "maart", "mrz", "mrt"],
    &["april", "avril", "avr"],
    &["may", "mai", "mei"],
    &["june", "juni", "juin"],
    &["july", "juli", "juillet"],
    &["august", "août", "aout", "augustus"],
    &["september", "septembre"],
    &["october", "oktober", "octobre"],
    &["november", "novembre"],
    &["december", "dezember", "décembre", "decembre"],
];

/// What a cell says of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartialDate {
    /// A whole date.
    Day(Date),
    /// A month of a year.
    Month(i16, i8),
}

/// Which part of `03/04/2027` is the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    DayFirst,
    MonthFirst,
    /// No cell of the column tells, or they tell different things.
    Unknown,
}

/// Why a cell is no date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateError {
    /// It is not written like one.
    Form,
    /// Day and month could be meant either way round.
    Ambiguous,
}

/// Whose year of two digits: somebody's birth lies in the past, an end in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Century {
    /// Not after this year.
    Past(i16),
    /// A year of two digits is after 2000, as in the end of a consent.
    Future,
}

/// Which part of dates such as `03/04/2027` is the day, by the cells of a column that tell it: no month is above 12.
pub(crate) fn order<'a>(cells: impl Iterator<Item = &'a str>) -> Order {
    let (mut day_first, mut month_first) = (false, false);
    for cell in cells {
        let parts: Vec<i32> = cell.split('/').map_while(|part| part.trim().parse().ok()).collect();
        if let [first, second, _] = parts[..]
            && first <= 31
        {
            day_first |= first > 12;
            month_first |= second > 12;
        }
    }
    match (day_first, month_first) {
        (true, false) => Order::DayFirst,
        (false, true) => Order::MonthFirst,
        _ => Order::Unknown,
    }
}

/// Reads a date or a month: `2027-07-31`, `31.07.2027`, `31.7.27`, `31/07/2027`, `31 July 2027`, `2011-04`, `04/2011`,
/// `April 2011`, `Apr-11`. Of `03/04/2027` the column must say which is the day.
///
/// # Errors
///
/// [`DateError`], each variant as it says.
pub(crate) fn date(text: &str, order: Order, century: Century) -> Result<PartialDate, DateError> {
    // A spreadsheet may write a time of day behind the date.
    let text = text.trim();
    let text = match text.split_once(['T', ' ']) {
        Some((date, time)) if time.contains(':') && date.contains(|c: char| c.is_ascii_digit()) => date,
        _ => text,
    };
    let slashes = text.contains('/');
    let parts: Vec<String> = text
        .split(|c: char| ".-/,' ".contains(c) || c.is_whitespace())
        .filter(|part| !part.is_empty())
        .map(str::to_lowercase)
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if let [digits] = parts[..]
        && digits.len() == 8
        && digits.bytes().all(|b| b.is_ascii_digit())
    {
        return day(number(&digits[..4])?, number(&digits[4..6])?, number(&digits[6..])?);
    }
    match parts[..] {
        [y, m, d] if y.len() == 4 && numeric(y) => day(number(y)?, month(m)?, number(d)?),
        [m, d, y] | [d, m, y] if word(m) => day(year(y, century)?, month(m)?, number(ordinal(d))?),
        [first, second, y] => {
            let (a, b): (i16, i16) = (number(first)?, number(second)?);
            let (d, m) = match order {
                _ if !slashes => (a, b),
                _ if a > 12 => (a, b),
                _ if b > 12 => (b, a),
                _ if a == b => (a, b),
                Order::DayFirst => (a, b),
                Order::MonthFirst => (b, a),
                Order::Unknown => return Err(DateError::Ambiguous),
            };
            day(year(y, century)?, m, d)
        }
        [y, m] if y.len() == 4 && numeric(y) => in_month(number(y)?, month(m)?),
        [m, y] => in_month(year(y, century)?, month(m)?),
        _ => Err(DateError::Form),
    }
}

fn numeric(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

fn word(text: &str) -> bool {
    text.starts_with(char::is_alphabetic)
}

fn number(text: &str) -> Result<i16, DateError> {
    if text.len() <= 4 && numeric(text) { text.parse().map_err(|_| DateError::Form) } else { Err(DateError::Form) }
}

/// `1st` is 1, `31st` 31, `1er` 1.
fn ordinal(text: &str) -> &str {
    text.trim_end_matches(|c: char| c.is_alphabetic())
}

fn month(text: &str) -> Result<i16, DateError> {
    if numeric(text) {
        return number(text);
    }
    let letters = text.chars().count();
    let called = |names: &&[&str]| names.iter().any(|name| *name == text || (letters >= 3 && name.starts_with(text)));
    let mut found = MONTHS.iter().enumerate().filter(|(_, names)| called(names));
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at as i16 + 1),
        _ => Err(DateError::Form),
    }
}

fn year(text: &str, century: Century) -> Result<i16, DateError> {
    let year = number(text)?;
    match (text.len(), century) {
        (4, _) => Ok(year),
        (2, Century::Future) => Ok(2000 + year),
        (2, Century::Past(now)) => Ok(if 2000 + year > now { 1900 + year } else { 2000 + year }),
        _ => Err(DateError::Form),
    }
}

fn day(year: i16, month: i16, day: i16) -> Result<PartialDate, DateError> {
    let part = |n: i16| i8::try_from(n).map_err(|_| DateError::Form);
    if !(1900..=2200).contains(&year) {
        return Err(DateError::Form);
    }
    Date::new(year, part(month)?, part(day)?).map(PartialDate::Day).map_err(|_| DateError::Form)
}

fn in_month(year: i16, month: i16) -> Result<PartialDate, DateError> {
    match day(year, month, 1)? {
        PartialDate::Day(first) => Ok(PartialDate::Month(first.year(), first.month())),
        other @ PartialDate::Month(..) => Ok(other),
    }
}

/// Midnight UTC that begins the day of an end; a month alone is no end.
///
/// # Errors
///
/// As [`date`].
pub(crate) fn end(text: &str, order: Order) -> Result<Timestamp, DateError> {
    let PartialDate::Day(date) = date(text, order, Century::Future)? else { return Err(DateError::Form) };
    let midnight = date.to_zoned(TimeZone::UTC).map_err(|_| DateError::Form)?;
    Ok(Timestamp(midnight.timestamp().as_millisecond()))
}

/// How old somebody is: `adult`, a month or a date of birth, of which the month is kept; nothing, or `unknown`, says
/// nothing. `this_year` tells of which century a year of two digits is.
///
/// # Errors
///
/// As [`date`].
pub(crate) fn age(text: &str, order: Order, this_year: i16) -> Result<Option<Age>, DateError> {
    match text.to_lowercase().as_str() {
        "" => return Ok(None),
        "unknown" | "?" | "unbekannt" | "inconnu" | "onbekend" => return Ok(Some(Age::Unknown)),
        "adult" | "erwachsen" | "erwachsene" | "volljährig" | "adulte" | "majeur" | "majeure" | "volwassen" => {
            return Ok(Some(Age::Adult));
        }
        _ => {}
    }
    let (year, month) = match date(text, order, Century::Past(this_year))? {
        PartialDate::Day(date) => (date.year(), date.month()),
        PartialDate::Month(year, month) => (year, month),
    };
    if year > this_year { Err(DateError::Form) } else { Ok(Some(Age::Born { year, month })) }
}

/// Who signed, in any case; nothing means the person alone.
pub(crate) fn signer(text: &str) -> Option<Signer> {
    match text.trim().to_lowercase().as_str() {
        "" | "self" | "selbst" | "zelf" => Some(Signer::Subject),
        "parents" | "guardian" | "mother" | "father" | "eltern" | "elternteil" | "mutter" | "vater"
        | "sorgeberechtigte" | "mère" | "père" | "tuteur" | "ouder" | "ouders" | "moeder" | "vader" | "voogd" => {
            Some(Signer::Parent)
        }
        "beide" | "les deux" => Some(Signer::Both),
        word => word.parse().ok(),
    }
}

/// The parts of a cell that holds several values. They are separated by semicolons, bars or lines, or else by commas; a
/// cell that is one of the things itself, as `known` tells, is not parted.
pub(crate) fn parts<'c>(cell: &'c str, known: &dyn Fn(&str) -> bool) -> Vec<&'c str> {
    let split = |by: &[char]| -> Vec<&'c str> { cell.split(by).map(str::trim).filter(|p| !p.is_empty()).collect() };
    if known(cell) {
        return vec![cell];
    }
    let firmly = split(&[';', '|', '\n']);
    if firmly.len() == 1 { split(&[';', '|', '\n', ',']) } else { firmly }
}

/// The file that a cell names, from the table's folder: by its name as it is, with `\` for `/`, or with its accents
/// written the other way, as macOS and Windows differ.
pub(crate) fn file(folder: &Path, name: &str) -> Option<PathBuf> {
    let slashes = name.replace('\\', "/");
    [name, &slashes].into_iter().find_map(|name| {
        let plain = folder.join(name);
        if plain.is_file() { Some(plain) } else { composed(folder, Path::new(name)).filter(|path| path.is_file()) }
    })
}

/// Follows a path part by part, comparing names in the composed form.
fn composed(folder: &Path, path: &Path) -> Option<PathBuf> {
    let mut at = folder.to_owned();
    for part in path.components() {
        let Component::Normal(wanted) = part else {
            at.push(part);
            continue;
        };
        let wanted: String = wanted.to_str()?.nfc().collect();
        let mut entries = fs::read_dir(if at.as_os_str().is_empty() { Path::new(".") } else { &at }).ok()?.flatten();
        let there = entries.find(|entry| entry.file_name().to_str().is_some_and(|n| n.nfc().eq(wanted.chars())))?;
        at.push(there.file_name());
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_the_forms_that_offices_use() {
        let check = |text: &str, expected: Option<&str>| {
            let read = date(text, Order::Unknown, Century::Future).ok().map(|said| match said {
                PartialDate::Day(date) => date.to_string(),
                PartialDate::Month(year, month) => format!("{year:04}-{month:02}"),
            });
            assert_eq!(read.as_deref(), expected, "{text}");
        };
        for text in [
            "2027-07-31",
            "2027/07/31",
            "2027.7.31",
            "20270731",
            "31.07.2027",
            "31.7.27",
            "31-07-2027",
            "31/07/2027",
            "07/31/2027",
            "31 July 2027",
            "31st July 2027",
            "July 31, 2027",
            "31. Juli 2027",
            "31 juillet 2027",
            "31 juli 2027",
            "31-Jul-27",
            "2027-07-31 00:00:00",
            "2027-07-31T00:00:00",
            " 31.07.2027 ",
        ] {
            check(text, Some("2027-07-31"));
        }
        for text in ["2027-07", "07/2027", "7.2027", "July 2027", "Juli 27", "Jul-27", "JULI 2027"] {
            check(text, Some("2027-07"));
        }
        for text in ["", "soon", "31.13.2027", "30.02.2027", "2027", "1.2", "31.07.99999", "ma 2027", "0/0/0"] {
            check(text, None);
        }
        check("1. März 2027", Some("2027-03-01"));
        check("1er août 2027", Some("2027-08-01"));
    }

    #[test]
    fn a_date_that_could_be_two_is_read_as_its_column_or_refused() {
        let of = |cells: &[&str]| order(cells.iter().copied());
        assert_eq!(of(&["03/04/2027", "31/07/2027"]), Order::DayFirst);
        assert_eq!(of(&["03/04/2027", "07/31/2027"]), Order::MonthFirst);
        assert_eq!(of(&["03/04/2027", "2027-07-31"]), Order::Unknown);
        assert_eq!(of(&["31/07/2027", "07/31/2027"]), Order::Unknown);
        let read = |order| date("03/04/2027", order, Century::Future);
        assert_eq!(read(Order::DayFirst), day(2027, 4, 3));
        assert_eq!(read(Order::MonthFirst), day(2027, 3, 4));
        assert_eq!(read(Order::Unknown), Err(DateError::Ambiguous));
        assert_eq!(date("04/04/2027", Order::Unknown, Century::Future), day(2027, 4, 4));
        assert_eq!(date("3.4.2027", Order::MonthFirst, Century::Future), day(2027, 4, 3), "dots are the day's first");
    }

    #[test]
    fn of_a_date_of_birth_the_month_is_kept() {
        let check = |text: &str, expected: Option<Age>| {
            assert_eq!(age(text, Order::Unknown, 2026), Ok(expected), "{text}");
        };
        let born = |year, month| Some(Age::Born { year, month });
        check("", None);
        check("Adult", Some(Age::Adult));
        check("unknown", Some(Age::Unknown));
        check("2011-04", born(2011, 4));
        check("31.12.2011", born(2011, 12));
        check("Mai 90", born(1990, 5));
        check("May-90", born(1990, 5));
        check("Mai 12", born(2012, 5));
        check("02.02.09", born(2009, 2));
        assert_eq!(age("2031-01-01", Order::Unknown, 2026), Err(DateError::Form), "nobody is born in the future");
        assert_eq!(age("15", Order::Unknown, 2026), Err(DateError::Form));
    }

    #[test]
    fn a_cell_of_several_values_is_parted_and_a_name_with_a_comma_is_not() {
        let known = |name: &str| name == "Weiss, Anna";
        let check = |cell: &str, expected: &[&str]| assert_eq!(parts(cell, &known), expected, "{cell}");
        check("First Witness;Second Witness", &["First Witness", "Second Witness"]);
        check("First Witness, Second Witness", &["First Witness", "Second Witness"]);
        check("Weiss, Anna", &["Weiss, Anna"]);
        check("Weiss, Anna; Second Witness", &["Weiss, Anna", "Second Witness"]);
        check("First Witness\nSecond Witness", &["First Witness", "Second Witness"]);
        check(" ; ", &[]);
    }

    #[test]
    fn who_signed_is_read_in_the_words_of_offices() {
        let check = |words: &[&str], expected: Option<Signer>| {
            for word in words {
                assert_eq!(signer(word), expected, "{word}");
            }
        };
        check(&["", "subject", "Selbst", "zelf"], Some(Signer::Subject));
        check(&["parent", "Eltern", "Mutter", " vater ", "père", "ouder", "guardian"], Some(Signer::Parent));
        check(&["both", "Beide", "les deux"], Some(Signer::Both));
        check(&["yes", "ja", "x"], None);
    }

    #[test]
    fn files_are_found_in_either_unicode_form() {
        let dir = tempfile::tempdir().unwrap();
        let (composed, decomposed) = ("J\u{fc}rgen.jpg", "Ju\u{308}rgen.jpg");
        fs::create_dir(dir.path().join("bilder")).unwrap();
        fs::write(dir.path().join("bilder").join(decomposed), "x").unwrap();
        fs::write(dir.path().join("plain.jpg"), "x").unwrap();
        let found = |name: &str| file(dir.path(), name).is_some();
        assert!(found(&format!("bilder/{composed}")) && found(&format!("bilder/{decomposed}")));
        assert!(found(&format!("bilder\\{composed}")), "as Windows writes it");
        assert!(found("plain.jpg") && !found("other.jpg") && !found("bilder"));
    }
}
