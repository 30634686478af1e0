//! How a command answers: one JSON object for machines, sentences for people. Everything that the program prints goes
//! through [`Escaping`]; progress bars show constant words and numbers alone.

use std::io::{self, IsTerminal, Write};

use assent::ledger::{Timestamp, is_unprintable};
pub(crate) use assent_documents::dates::{date, long_date, long_time, taken_on};
use assent_documents::json::{Answer, line};
pub(crate) use assent_documents::vocabulary::{count, number_of, people, printable, role_words, shown};

use crate::error::CommandError;
use crate::roster::cells;

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
        value: &impl Answer,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.json { write_line(value, self.out) } else { text(self.out) }
    }
}

/// Writes an answer for a machine: one line.
///
/// # Errors
///
/// As the writer.
pub(crate) fn write_line(answer: &impl Answer, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", line(answer)?)
}

/// Writes what is printed, so that no name in it does anything to a terminal: control characters but line feeds and tabs
/// are written as JSON writes them (`\u001b`). Who closes the other end, as `head` does, has seen enough: that is no failure.
pub(crate) struct Escaping<W> {
    inner: W,
    closed: bool,
}

impl<W: Write> Escaping<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, closed: false }
    }

    fn unless_closed(&mut self, step: impl FnOnce(&mut W) -> io::Result<()>) -> io::Result<()> {
        let done = if self.closed { Ok(()) } else { step(&mut self.inner) };
        done.or_else(|error| {
            self.closed = error.kind() == io::ErrorKind::BrokenPipe;
            if self.closed { Ok(()) } else { Err(error) }
        })
    }
}

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let safe = printable(&text, &['\n', '\t']);
        self.unless_closed(|inner| inner.write_all(safe.as_bytes()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_closed(Write::flush)
    }
}

/// A word of a command that is printed to be copied, quoted for a shell where it has to be.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./@%+=:,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.contains(is_unprintable) {
        let escapes = word.replace('\\', "\\\\").replace('\'', "\\'");
        format!("$'{}'", shown(escapes))
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Midnight UTC that begins a date written as `2027-07-31`, `31.07.2027`, `31 July 2027` and the like; `None` if it is not
/// written so, or could be either of two days.
pub(crate) fn parse_date(text: &str) -> Option<Timestamp> {
    let iso = |text: &str| {
        let date: jiff::civil::Date = text.parse().ok()?;
        let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Timestamp(midnight.timestamp().as_millisecond()))
    };
    iso(text).or_else(|| cells::end(text, cells::Order::Unknown).ok())
}

/// The day that an option names.
///
/// # Errors
///
/// [`CommandError::Date`] if it is not written as [`parse_date`] reads it.
pub(crate) fn day(text: &str) -> Result<Timestamp, CommandError> {
    parse_date(text).ok_or_else(|| CommandError::Date { text: text.to_owned() })
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
    let mut error = Escaping::new(io::stderr().lock());
    write!(error, "{question} ")?;
    error.flush()?;
    let mut line = String::new();
    input.read_line(&mut line)?;
    let line = line.trim().to_owned();
    Ok((!line.is_empty()).then_some(line))
}

/// Whether a person at the terminal types `word` after being told `warning`. Where no terminal is, there is nobody to
/// ask: scripts go on.
///
/// # Errors
///
/// As the terminal.
pub(crate) fn confirmed(warning: &str, word: &str) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(true);
    }
    Ok(ask(&format!("{warning}\nType {word} to go on:"))?.is_some_and(|typed| typed == word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(text: &str) -> String {
        let mut bytes = Vec::new();
        write!(Escaping::new(&mut bytes), "{text}").unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_does_something_to_a_terminal_is_printed_as_text() {
        let check = |name: &str, text: &str, expected: &str| assert_eq!(printed(text), expected, "{name}");
        check("plain", "Müller\tone\ntwo", "Müller\tone\ntwo");
        check("colour", "\u{1b}[31mRED", "\\u001b[31mRED");
        check("title", "\u{1b}]0;owned\u{7}", "\\u001b]0;owned\\u0007");
        check("carriage return", "a\rb", "a\\u000db");
        check("DEL and C1", "\u{7f}\u{9b}31m", "\\u007f\\u009b31m");
        check("text turned round", "\u{202e}gpj", "\\u202egpj");
        assert_eq!(shown("new\nline\tand\u{1b}"), "new\\nline\\tand\\u001b");
    }

    #[test]
    fn names_in_commands_are_quoted_where_a_shell_needs_it() {
        let check = |word: &str, expected: &str| assert_eq!(quoted(word), expected);
        check("trip", "trip");
        check("/home/jörg/a-b.jpg", "/home/jörg/a-b.jpg");
        check("urlaub fotos", "'urlaub fotos'");
        check("it's", "'it'\\''s'");
        check("$(reboot)", "'$(reboot)'");
        check("", "''");
        check("a\nb'", "$'a\\nb\\''");
    }

    #[test]
    fn a_day_is_read_in_the_forms_that_offices_use() {
        let whole = parse_date("2027-07-31").unwrap();
        assert!(parse_date("2999-01-01").is_some(), "far away");
        for text in ["31.07.2027", "31.7.2027", "31/07/2027", "31 July 2027", " 2027-07-31 "] {
            assert_eq!(parse_date(text), Some(whole), "{text}");
        }
        for text in ["03/04/2027", "2027-07", "soon", "31.02.2027", ""] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let mut out = Escaping::new(Closed);
        assert!(writeln!(out, "one").and_then(|()| writeln!(out, "two")).is_ok());
    }

    proptest! {
        #[test]
        fn nothing_that_is_printed_does_anything(text in any::<String>()) {
            prop_assert!(!printed(&text).contains(|c| is_unprintable(c) && c != '\n' && c != '\t'));
            prop_assert!(!shown(&text).contains(is_unprintable));
            prop_assert!(!quoted(&text).contains(is_unprintable));
        }
    }
}
