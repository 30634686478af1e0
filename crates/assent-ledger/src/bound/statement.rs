//! What a statement changes: taken apart once, so that no statement can leave a row without its MAC.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::tables::{FACES, PHOTOS, TABLES, Table};
use crate::db::DbError;

/// What has to be done around a statement.
#[derive(Debug)]
pub(super) enum Plan {
    /// Nothing: no bound column of a bound table changes.
    Free,
    /// The log's head changes, on which the sums hang.
    Head,
    /// Rows of the table change.
    Rows(Change),
}

/// A statement that changes rows of a bound table.
#[derive(Debug)]
pub(super) struct Change {
    /// Place in [`TABLES`].
    pub(super) table: usize,
    pub(super) kind: Kind,
    /// Asks for the keys of the rows that will change.
    pub(super) before: Option<Derived>,
    /// What to run: an insertion says at its end which keys it made.
    pub(super) sql: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// New rows; `or_nothing` if there may be none.
    Insert {
        or_nothing: bool,
    },
    Update,
    Delete,
}

/// A question with some of the statement's values.
#[derive(Debug)]
pub(super) struct Derived {
    pub(super) sql: &'static str,
    /// Which values, from 0.
    pub(super) args: Vec<usize>,
}

/// The plan for a statement.
///
/// # Errors
///
/// [`DbError`] if it changes a bound table in a way that cannot be followed.
pub(super) fn plan(sql: &'static str) -> Result<&'static Plan, DbError> {
    // As many as the crate has statements.
    static PLANS: LazyLock<Mutex<HashMap<&'static str, &'static Plan>>> = LazyLock::new(Mutex::default);
    let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(plan) = plans.get(sql) {
        return Ok(plan);
    }
    let plan: &'static Plan = Box::leak(Box::new(take_apart(sql).ok_or_else(|| {
        DbError::said(format!("a statement changes a bound table in a way that cannot be followed: {sql}"))
    })?));
    plans.insert(sql, plan);
    Ok(plan)
}

fn take_apart(sql: &'static str) -> Option<Plan> {
    let mut words = sql.split_whitespace();
    let (verb, name) = match (words.next()?, words.next()?) {
        ("UPDATE", name) => ("UPDATE", name),
        ("INSERT", "INTO") => ("INSERT", words.next()?),
        ("DELETE", "FROM") => ("DELETE", words.next()?),
        _ => return Some(Plan::Free),
    };
    if name == "log_head" {
        return Some(Plan::Head);
    }
    let parent = if name == FACES { PHOTOS } else { name };
    let Some(table) = Table::find(parent) else { return Some(Plan::Free) };
    let about = &TABLES[table];
    let key = if name == FACES { "photo_id".to_owned() } else { about.key.join(", ") };
    let rest = sql.split_once(name)?.1.trim_start();
    let (kind, before, sql) = match verb {
        "UPDATE" => {
            let (set, condition) = split_at_word(rest.strip_prefix("SET ")?, "WHERE");
            let columns = assigned(set)?;
            let bound = |column: &&str| about.bound().any(|bound| bound == *column);
            if name != FACES && !columns.iter().any(bound) {
                return Some(Plan::Free);
            }
            let before = derived(&format!("SELECT {key} FROM {name} WHERE {}", condition.unwrap_or("1 = 1")));
            if name != FACES && columns.iter().any(|column| about.key.contains(column)) {
                // With another key a row goes and another one comes.
                (Kind::Insert { or_nothing: true }, Some(before), leak(format!("{sql} RETURNING {key}")))
            } else {
                (Kind::Update, Some(before), sql)
            }
        }
        "DELETE" => {
            let condition = rest.strip_prefix("WHERE ").unwrap_or("1 = 1");
            if condition.contains(" RETURNING ") {
                return None;
            }
            (Kind::Delete, Some(derived(&format!("SELECT {key} FROM {name} WHERE {condition}"))), sql)
        }
        _ => insertion(name, &key, rest, sql)?,
    };
    Some(Plan::Rows(Change { table, kind, before, sql }))
}

/// An insertion, and the rows that it may change in place of that.
fn insertion(name: &str, key: &str, rest: &str, sql: &'static str) -> Option<(Kind, Option<Derived>, &'static str)> {
    let (columns, rest) = in_brackets(rest)?;
    let (values, rest) = in_brackets(rest.trim_start().strip_prefix("VALUES")?.trim_start())?;
    let value_of = |column: &str| {
        let at = columns.iter().position(|c| *c == column)?;
        values.get(at).copied()
    };
    let (conflict, returning) = split_at_word(rest, "RETURNING");
    let or_nothing = conflict.trim_end().ends_with("DO NOTHING");
    let before = if name == FACES {
        Some(derived(&format!("SELECT id FROM {PHOTOS} WHERE id = {}", value_of(key)?)))
    } else if conflict.contains("DO UPDATE") {
        let (columns, _) = in_brackets(conflict.split_once("ON CONFLICT")?.1.trim_start())?;
        let all = columns.iter().map(|c| Some(format!("{c} = {}", value_of(c)?))).collect::<Option<Vec<_>>>()?;
        Some(derived(&format!("SELECT {key} FROM {name} WHERE {}", all.join(" AND "))))
    } else {
        None
    };
    let sql = match returning {
        Some(_) => leak(format!("{sql}, {key}")),
        None => leak(format!("{sql} RETURNING {key}")),
    };
    Some((Kind::Insert { or_nothing }, before, sql))
}

/// The columns that are set.
fn assigned(set: &str) -> Option<Vec<&str>> {
    top_level(set).into_iter().map(|one| Some(one.split_once('=')?.0.trim())).collect()
}

/// What stands in the brackets that the text begins with, by its commas; and what follows them.
fn in_brackets(text: &str) -> Option<(Vec<&str>, &str)> {
    let inner = text.strip_prefix('(')?;
    let mut depth = 1;
    let end = inner.char_indices().find_map(|(at, c)| {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        (depth == 0).then_some(at)
    })?;
    Some((top_level(&inner[..end]), &inner[end + 1..]))
}

/// The parts between commas outside of brackets.
fn top_level(text: &str) -> Vec<&str> {
    let (mut depth, mut parts, mut start) = (0, Vec::new(), 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

/// What stands before and after a word outside of brackets.
fn split_at_word<'t>(text: &'t str, word: &str) -> (&'t str, Option<&'t str>) {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ' ' if depth == 0 => {
                if let Some(rest) = text[at + 1..].strip_prefix(word)
                    && rest.starts_with(' ')
                {
                    return (&text[..at], Some(rest.trim_start()));
                }
            }
            _ => {}
        }
    }
    (text, None)
}

/// The text with its values numbered anew, in the order in which they occur.
fn derived(text: &str) -> Derived {
    let (mut sql, mut args, mut rest) = (String::with_capacity(text.len()), Vec::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let wanted = after[..digits].parse::<usize>().unwrap_or(1) - 1;
        let place = args.iter().position(|arg| *arg == wanted).unwrap_or_else(|| {
            args.push(wanted);
            args.len() - 1
        });
        sql = sql + before + &format!("${}", place + 1);
        rest = &after[digits..];
    }
    sql.push_str(rest);
    Derived { sql: leak(sql), args }
}

pub(super) fn leak(sql: String) -> &'static str {
    Box::leak(sql.into_boxed_str())
}
