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
    /// Each value of that is a key itself, so that nobody has to be asked.
    pub(super) names_key: bool,
    /// What to run: an insertion says at its end which keys it made.
    pub(super) sql: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// New rows, so many; `or_nothing` if there may be fewer.
    Insert {
        rows: u64,
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
                (Kind::Insert { rows: 0, or_nothing: true }, Some(before), leak(format!("{sql} RETURNING {key}")))
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
    // A face names its photo.
    let names_key = name == FACES && verb == "INSERT";
    Some(Plan::Rows(Change { table, kind, before, names_key, sql }))
}

/// An insertion, and the rows that it may change in place of that.
fn insertion(name: &str, key: &str, rest: &str, sql: &'static str) -> Option<(Kind, Option<Derived>, &'static str)> {
    let (columns, rest) = in_brackets(rest)?;
    let (first, mut rest) = in_brackets(rest.trim_start().strip_prefix("VALUES")?.trim_start())?;
    let mut rows = vec![first];
    while let Some(more) = rest.trim_start().strip_prefix(',') {
        let (next, after) = in_brackets(more.trim_start())?;
        rows.push(next);
        rest = after;
    }
    // The values of a column, one of each row.
    let values_of = |column: &str| -> Option<Vec<&str>> {
        let at = columns.iter().position(|c| *c == column)?;
        rows.iter().map(|values| values.get(at).copied()).collect()
    };
    let (conflict, returning) = split_at_word(rest, "RETURNING");
    let or_nothing = conflict.trim_end().ends_with("DO NOTHING");
    let before = if name == FACES {
        let photos = values_of(key)?;
        let are_values = photos.iter().all(|photo| photo.strip_prefix('$').is_some_and(|n| n.parse::<usize>().is_ok()));
        are_values.then_some(())?;
        Some(derived(&format!("SELECT id FROM {PHOTOS} WHERE id IN ({})", photos.join(", "))))
    } else if conflict.contains("DO UPDATE") {
        let (unique, _) = in_brackets(conflict.split_once("ON CONFLICT")?.1.trim_start())?;
        let values = unique.iter().map(|c| Some((*c, values_of(c)?))).collect::<Option<Vec<_>>>()?;
        let is_row =
            |row: usize| values.iter().map(|(c, v)| format!("{c} = {}", v[row])).collect::<Vec<_>>().join(" AND ");
        let any = (0..rows.len()).map(|row| format!("({})", is_row(row))).collect::<Vec<_>>().join(" OR ");
        Some(derived(&format!("SELECT {key} FROM {name} WHERE {any}")))
    } else {
        None
    };
    let sql = match returning {
        Some(_) => leak(format!("{sql}, {key}")),
        None => leak(format!("{sql} RETURNING {key}")),
    };
    Some((Kind::Insert { rows: rows.len() as u64, or_nothing }, before, sql))
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn sources(folder: &Path, all: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, all);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                all.push((path.clone(), fs::read_to_string(path).unwrap()));
            }
        }
    }

    fn all_sources() -> Vec<(PathBuf, String)> {
        let mut all = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
        all
    }

    /// The statements in a source that change something, as they are at run time.
    fn statements(source: &str) -> Vec<String> {
        let quoted = source.split('"').skip(1).step_by(2).map(|text| text.replace("\\\n", " "));
        let tidy = quoted.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
        tidy.filter(|text| ["INSERT INTO ", "UPDATE ", "DELETE FROM "].iter().any(|verb| text.starts_with(verb)))
            .collect()
    }

    #[test]
    fn every_statement_of_the_crate_can_be_followed() {
        let mut rows = 0;
        for (path, source) in all_sources() {
            if path.ends_with("bound/mod.rs") || path.ends_with("bound/statement.rs") {
                continue;
            }
            for sql in statements(&source) {
                let plan = take_apart(leak(sql.clone())).unwrap_or_else(|| panic!("{}: {sql}", path.display()));
                rows += usize::from(matches!(plan, Plan::Rows(_)));
            }
        }
        assert!(rows > 60, "{rows} statements on bound tables");
    }

    #[test]
    fn nothing_goes_past_what_binds_rows() {
        let aside = ["bound", "db", "ring_place.rs"];
        for (path, source) in all_sources() {
            if aside.iter().any(|part| path.iter().any(|piece| piece == *part)) {
                continue;
            }
            assert!(!source.contains("db.exec("), "{} writes without MACs", path.display());
        }
    }

    #[test]
    fn what_changes_and_which_values_say_where_is_told_apart() {
        let check = |sql: &'static str, kind: Kind, before: Option<(&str, &[usize])>, runs: &str| {
            let Some(Plan::Rows(change)) = take_apart(sql) else { panic!("{sql}") };
            let asked = change.before.as_ref().map(|derived| (derived.sql, derived.args.as_slice()));
            assert_eq!((change.kind, asked, change.sql), (kind, before, runs), "{sql}");
        };
        let once = "UPDATE orders SET lifted_ms = $1 WHERE id = $2";
        check(once, Kind::Update, Some(("SELECT id FROM orders WHERE id = $1", &[1])), once);
        let nested =
            "UPDATE grants SET state = $2 WHERE id IN (SELECT id FROM grants WHERE purpose = $3) AND subject_id = $1";
        let asked = "SELECT id FROM grants WHERE id IN (SELECT id FROM grants WHERE purpose = $1) AND subject_id = $2";
        check(nested, Kind::Update, Some((asked, &[2, 0])), nested);
        let all = "DELETE FROM orders";
        check(all, Kind::Delete, Some(("SELECT id FROM orders WHERE 1 = 1", &[])), all);
        let face = "INSERT INTO faces (x, photo_id) VALUES ($1, $2) RETURNING id";
        let runs = "INSERT INTO faces (x, photo_id) VALUES ($1, $2) RETURNING id, photo_id";
        let kind = Kind::Insert { rows: 1, or_nothing: false };
        check(face, kind, Some(("SELECT id FROM photos WHERE id IN ($1)", &[1])), runs);
        let faces = "INSERT INTO faces (x, photo_id) VALUES ($1, $2), ($3, $4) RETURNING id";
        let runs = "INSERT INTO faces (x, photo_id) VALUES ($1, $2), ($3, $4) RETURNING id, photo_id";
        let kind = Kind::Insert { rows: 2, or_nothing: false };
        check(faces, kind, Some(("SELECT id FROM photos WHERE id IN ($1, $2)", &[1, 3])), runs);
        let either = "INSERT INTO decisions (face_id, pseudonym, x) VALUES ($1, $2, 0), ($3, $2, 0) \
                      ON CONFLICT (pseudonym, face_id) DO UPDATE SET x = excluded.x RETURNING x";
        let runs = "INSERT INTO decisions (face_id, pseudonym, x) VALUES ($1, $2, 0), ($3, $2, 0) \
                    ON CONFLICT (pseudonym, face_id) DO UPDATE SET x = excluded.x RETURNING x, \
                    collection_id, pseudonym, face_id";
        let asked = "SELECT collection_id, pseudonym, face_id FROM decisions \
                     WHERE (pseudonym = $1 AND face_id = $2) OR (pseudonym = $1 AND face_id = $3)";
        check(either, kind, Some((asked, &[1, 0, 2])), runs);
        for free in [
            "UPDATE photos SET matched_epoch = $1",
            "UPDATE vault SET scrub_due = 1 WHERE one = 1",
            "DELETE FROM leases",
        ] {
            assert!(matches!(take_apart(free), Some(Plan::Free)), "{free}");
        }
        assert!(take_apart("INSERT INTO grants SELECT * FROM old").is_none(), "nobody knows which rows");
        let odd = "INSERT INTO faces (x, photo_id) VALUES ($1, $2), ($3, $4 + 1)";
        assert!(take_apart(odd).is_none(), "nobody knows which photo");
    }
}
