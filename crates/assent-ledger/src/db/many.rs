//! Statements about many rows. Each is written for one row, and made from that for as many as are needed.
//!
//! ```text
//! INSERT INTO t (a, b) VALUES ($1, $2)                      VALUES ($1, $2), ($1, $3)          $1 is said once
//! SELECT a FROM t WHERE a IN ($1)                           WHERE a IN ($1, $2)
//! DELETE FROM t WHERE (a = $1 AND b = $2)                   WHERE (a = $1 AND b = $2) OR (a = $3 AND b = $4)
//! UPDATE t SET b = CASE a WHEN $1 THEN $2 ELSE b END        CASE a WHEN $1 THEN $2 WHEN $3 THEN $4 ELSE b END
//!     WHERE a IN ($1)                                           WHERE a IN ($1, $3)
//! ```
//!
//! So that few different statements are kept prepared, they are made for 1, 2, 4, ... rows up to [`ROWS_MAX`]. Insertions are cut
//! into such parts; anything else names its last row more than once.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::Value;

/// Rows of one statement at most.
const ROWS_MAX: usize = 64;

/// A statement for one row, whose first values are the same for all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForEach {
    pub(crate) sql: &'static str,
    pub(crate) shared: usize,
}

impl ForEach {
    /// A statement without such values.
    pub(crate) fn row(sql: &'static str) -> Self {
        Self { sql, shared: 0 }
    }

    /// Statements for all rows, each with its values. `shared` come first.
    pub(crate) fn parts(self, shared: &[Value], rows: &[Vec<Value>]) -> Vec<(&'static str, Vec<Value>)> {
        let (mut parts, mut left) = (Vec::new(), rows);
        while let Some(last) = left.first() {
            let whole = left.len().min(ROWS_MAX);
            let is_insertion = self.sql.starts_with("INSERT");
            let made_for = if is_insertion { 1 << whole.ilog2() } else { whole.next_power_of_two() };
            let (now, later) = left.split_at(whole.min(made_for));
            let last = now.last().unwrap_or(last);
            let all = now.iter().chain(std::iter::repeat_n(last, made_for - now.len())).flatten();
            let values = shared.iter().chain(all).cloned().collect();
            parts.push((self.of(last.len(), made_for), values));
            left = later;
        }
        parts
    }

    /// The statement for so many rows of so many values.
    fn of(self, width: usize, rows: usize) -> &'static str {
        type Made = HashMap<(&'static str, usize), &'static str>;
        static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);
        if rows == 1 {
            return self.sql;
        }
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        // As many as there are such statements in the crate, seven times.
        made.entry((self.sql, rows)).or_insert_with(|| Box::leak(self.text(width, rows).into_boxed_str()))
    }

    fn text(self, width: usize, rows: usize) -> String {
        let (mut text, mut rest) = (String::new(), self.sql);
        while let Some((before, unit, between, after)) = self.next_unit(rest) {
            text.push_str(before);
            for row in 0..rows {
                text.push_str(if row == 0 { "" } else { between });
                self.renumber(unit, width * row, &mut text);
            }
            rest = after;
        }
        text + rest
    }

    /// The next part that is said for each row: what stands before it, itself, what goes between two, what stands after it.
    fn next_unit(self, text: &str) -> Option<(&str, &str, &'static str, &str)> {
        let marks = [("VALUES ", ", "), ("IN (", ", "), ("CASE ", " "), ("WHERE (", " OR ")];
        let found = marks.into_iter().filter_map(|(mark, between)| {
            text.match_indices(mark).find_map(|(at, _)| {
                let (start, end) = match mark {
                    "VALUES " => (at + mark.len(), at + mark.len() + bracket(&text[at + mark.len()..])?),
                    "WHERE (" => (at + mark.len() - 1, at + mark.len() - 1 + bracket(&text[at + mark.len() - 1..])?),
                    "IN (" => (at + mark.len(), at + mark.len() - 2 + bracket(&text[at + mark.len() - 1..])?),
                    _ => (at + text[at..].find("WHEN ")?, at + text[at..].find(" ELSE ")?),
                };
                let unit = &text[start..end];
                (self.is_of_a_row(unit) && (mark != "IN (" || unit.starts_with('$'))).then_some((start, end, between))
            })
        });
        let (start, end, between) = found.min_by_key(|(start, ..)| *start)?;
        Some((&text[..start], &text[start..end], between, &text[end..]))
    }

    /// Whether a text has values that each row has its own of.
    fn is_of_a_row(self, unit: &str) -> bool {
        unit.split('$').skip(1).any(|after| number(after).0 > self.shared)
    }

    fn renumber(self, unit: &str, by: usize, to: &mut String) {
        let mut parts = unit.split('$');
        to.push_str(parts.next().unwrap_or_default());
        for after in parts {
            let (number, rest) = number(after);
            to.push('$');
            to.push_str(&(if number > self.shared { number + by } else { number }).to_string());
            to.push_str(rest);
        }
    }
}

/// The number at the beginning of a text, and what follows it.
fn number(text: &str) -> (usize, &str) {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    (text[..digits].parse().unwrap_or(0), &text[digits..])
}

/// How long the bracket is that the text begins with.
fn bracket(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.char_indices().find_map(|(at, c)| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        (depth == 0).then_some(at + c.len_utf8())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_for_one_row_becomes_one_for_many() {
        let check = |sql: &'static str, (shared, width): (usize, usize), expected: &str| {
            assert_eq!(ForEach { sql, shared }.text(width, 2), expected);
        };
        check(
            "INSERT INTO t (a, b) VALUES ($1, COALESCE($2, 0)) ON CONFLICT (a) DO UPDATE SET b = CASE WHEN excluded.b = $1 THEN 0 ELSE 1 END",
            (1, 1),
            "INSERT INTO t (a, b) VALUES ($1, COALESCE($2, 0)), ($1, COALESCE($3, 0)) ON CONFLICT (a) DO UPDATE SET b = CASE \
             WHEN excluded.b = $1 THEN 0 ELSE 1 END",
        );
        check(
            "SELECT a FROM t WHERE c = $1 AND (a IN ($2) OR (a IS NULL AND b IN ($3))) ORDER BY a",
            (1, 2),
            "SELECT a FROM t WHERE c = $1 AND (a IN ($2, $4) OR (a IS NULL AND b IN ($3, $5))) ORDER BY a",
        );
        check(
            "DELETE FROM t WHERE (a = $1 AND b = $2)",
            (0, 2),
            "DELETE FROM t WHERE (a = $1 AND b = $2) OR (a = $3 AND b = $4)",
        );
        check(
            "UPDATE t SET b = CASE a WHEN $1 THEN $2 ELSE b END, c = CASE a WHEN $1 THEN $3 ELSE c END WHERE a IN ($1)",
            (0, 3),
            "UPDATE t SET b = CASE a WHEN $1 THEN $2 WHEN $4 THEN $5 ELSE b END, \
             c = CASE a WHEN $1 THEN $3 WHEN $4 THEN $6 ELSE c END WHERE a IN ($1, $4)",
        );
        check("UPDATE t SET b = $1 WHERE a IN ($2)", (1, 1), "UPDATE t SET b = $1 WHERE a IN ($2, $3)");
    }

    #[test]
    fn rows_are_cut_so_that_few_statements_do_for_any_number() {
        let rows: Vec<Vec<Value>> = (0..150).map(|n| vec![Value::Int(n)]).collect();
        let check = |sql: &'static str, count: usize, expected: &[usize]| {
            let parts = ForEach { sql, shared: 1 }.parts(&[Value::Null], &rows[..count]);
            let sizes: Vec<usize> = parts.iter().map(|(_, values)| values.len() - 1).collect();
            assert_eq!(sizes, expected, "{sql}: {count}");
            let said: Vec<&Value> = parts.iter().flat_map(|(_, values)| &values[1..]).collect();
            assert!(rows[..count].iter().all(|row| said.contains(&&row[0])), "{sql}: {count}");
            assert!(parts.iter().all(|(_, values)| values[0] == Value::Null), "{sql}: {count}");
        };
        let insertion = "INSERT INTO t (a, b) VALUES ($1, $2)";
        check(insertion, 0, &[]);
        check(insertion, 1, &[1]);
        check(insertion, 37, &[32, 4, 1]);
        check(insertion, 150, &[64, 64, 16, 4, 2]);
        let question = "SELECT a FROM t WHERE b = $1 AND a IN ($2)";
        check(question, 1, &[1]);
        check(question, 37, &[64]);
        check(question, 150, &[64, 64, 32]);
    }
}
