//! Everyday words: how things are counted, what a purpose and a role are called, and how a name stands in a line.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};

use assent::ledger::{Purpose, Role, Subject, is_unprintable};
use assent::service::lookup::SHORT;

/// "1 photo", "2 photos".
pub fn count(n: usize, one: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{n} {one}{ending}")
}

/// "1 person", "2 people": a number with the words that go with it.
pub fn number_of(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// "1 person", "2 people".
pub fn people(n: usize) -> String {
    number_of(n, "person", "people")
}

/// What somebody agreed to, in words for them.
pub fn purpose_words(purpose: &Purpose) -> &str {
    match purpose.as_str() {
        "find-my-photos" => "finding your photos",
        "publish-website" => "showing you on the website",
        "publish-print" => "showing you in print",
        "name-in-metadata" => "writing your name into the files",
        other => other,
    }
}

/// Who asked for something, in words.
pub fn role_words(role: Role) -> &'static str {
    match role {
        Role::Admin => "an administrator",
        Role::Operator => "the operator",
        Role::Enroller => "whoever enrols people",
        Role::Reviewer => "a reviewer",
        Role::Publisher => "a publisher",
        Role::Auditor => "an auditor",
        Role::Member => "the person themselves",
    }
}

/// A text without characters that do something to a line, a terminal or the direction of writing, but for those to `keep`:
/// they are written as JSON writes them (`\u001b`).
pub fn printable<'a>(text: &'a str, keep: &[char]) -> Cow<'a, str> {
    let acts = |c: char| is_unprintable(c) && !keep.contains(&c);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if !acts(c) => safe.push(c),
            '\n' => safe.push_str("\\n"),
            '\t' => safe.push_str("\\t"),
            // Writing to a string does not fail.
            c => write!(safe, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
        }
    }
    Cow::Owned(safe)
}

/// A name or a path as it is shown in a line: whatever it contains, it stays one line and one column.
pub fn shown(name: impl Display) -> String {
    printable(&name.to_string(), &[]).into_owned()
}

/// Somebody for people: `Anna Novak (anna)`; a name alone where it says the same.
pub fn person(s: &Subject) -> String {
    if s.name.is_empty() || s.name == s.handle {
        shown(&s.handle)
    } else {
        format!("{} ({})", shown(&s.name), shown(&s.handle))
    }
}

/// An id as it is shown and typed.
pub fn short(id: &impl Display) -> String {
    id.to_string().chars().take(SHORT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_goes_with_its_words() {
        assert_eq!((count(1, "photo"), count(0, "photo")), ("1 photo".to_owned(), "0 photos".to_owned()));
        assert_eq!((people(1), people(2)), ("1 person".to_owned(), "2 people".to_owned()));
    }

    #[test]
    fn a_name_stays_on_its_line() {
        let check = |flaw: &str, name: &str, expected: &str| assert_eq!(shown(name), expected, "{flaw}");
        check("none", "Müller", "Müller");
        check("lines and columns", "new\nline\tand\u{1b}", "new\\nline\\tand\\u001b");
        check("text turned round", "\u{202e}gpj", "\\u202egpj");
        check("right to left", "נועה", "נועה");
        assert_eq!(printable("a\nb\u{1b}", &['\n']), "a\nb\\u001b");
    }
}
