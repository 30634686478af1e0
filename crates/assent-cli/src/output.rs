//! How a command answers: one JSON object for machines, sentences for people.

use std::io::{self, IsTerminal, Write};

use assent::ledger::Timestamp;
use serde_json::Value;

use crate::error::CommandError;

/// Where answers go, and in which form.
pub(crate) struct Output<'a> {
    pub(crate) json: bool,
    pub(crate) out: &'a mut dyn Write,
}

impl Output<'_> {
    /// Writes `value` for a machine, or what `text` writes for a person.
    ///
    /// # Errors
    ///
    /// As the writer.
    pub(crate) fn answer(
        &mut self,
        value: &Value,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.json { writeln!(self.out, "{value}") } else { text(self.out) }
    }
}

/// A date for people, in UTC: `2026-11-22`.
pub(crate) fn date(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "?".to_owned(), |t| t.to_zoned(jiff::tz::TimeZone::UTC).date().to_string())
}

/// Midnight UTC that begins a date written as `2027-07-31`; `None` if it is not written so.
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    let date: jiff::civil::Date = text.parse().ok()?;
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp(midnight.timestamp().as_millisecond()))
}

/// The day that an option names.
///
/// # Errors
///
/// [`CommandError::Date`] if it is not written as [`parse_date`] reads it.
pub(crate) fn day(text: &str) -> Result<Timestamp, CommandError> {
    parse_date(text).ok_or_else(|| CommandError::Date { text: text.to_owned() })
}

/// "1 photo", "2 photos".
pub(crate) fn count(n: usize, one: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{n} {one}{ending}")
}

/// Asks a question on the terminal; `None` if there is no terminal or no answer.
///
/// # Errors
///
/// As the terminal.
pub(crate) fn ask(question: &str) -> io::Result<Option<String>> {
    let input = io::stdin();
    if !input.is_terminal() {
        return Ok(None);
    }
    let mut error = io::stderr().lock();
    write!(error, "{question} ")?;
    error.flush()?;
    let mut line = String::new();
    input.read_line(&mut line)?;
    let line = line.trim().to_owned();
    Ok((!line.is_empty()).then_some(line))
}
