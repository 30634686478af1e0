//! The schema as it is, compared with what the migrations make: a trigger that somebody planted is found before it does anything.
//!
//! In SQLite the migrations are run in memory, and the texts of all objects compared. For PostgreSQL the catalogue's own words are
//! kept in `migrations/postgres/schema.txt`, which a test writes anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use super::migrate::{self, STEPS, VERSION_TABLE};
use super::{Columns, Connection, DbError};
use crate::names::is_unprintable;

/// What PostgreSQL says of the tables that the migrations make.
const POSTGRES: &str = include_str!("../../migrations/postgres/schema.txt");

/// A table, a trigger or another object of the database that is not as the program makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFault {
    /// What the database calls an object of this kind: `table`, `trigger`, `index`, ...
    pub kind: String,
    /// Its name, and the table that it belongs to if that is another one.
    pub name: String,
    /// What is wrong with it.
    pub difference: Difference,
}

/// How an object differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The program makes none of this name.
    Foreign,
    /// The program makes one, and it is not there.
    Missing,
    /// It is another than the program makes.
    Changed,
}

impl fmt::Display for SchemaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, difference } = self;
        match difference {
            Difference::Foreign => write!(f, "the {kind} {name} is not one of assent's"),
            Difference::Missing => write!(f, "the {kind} {name} is missing"),
            Difference::Changed => write!(f, "the {kind} {name} was changed"),
        }
    }
}

/// Each object by kind, name and table: what it says.
type Objects = BTreeMap<(String, String, String), String>;

/// What differs from the tables of this format. Of a PostgreSQL database of an older format nothing is known.
pub(super) fn faults(connection: &mut Connection, version: i64) -> Result<Vec<SchemaFault>, DbError> {
    if migrate::is_version_gone(connection)? {
        let (kind, name) = ("table".to_owned(), VERSION_TABLE.to_owned());
        return Ok(vec![SchemaFault { kind, name, difference: Difference::Changed }]);
    }
    match connection {
        Connection::Sqlite(file) => {
            let (mut found, mut made) = (sqlite_objects(file)?, sqlite_made(version)?);
            // SQLite's own, and what programs of before format 8 kept instead.
            let aside = |name: &str| match name {
                "sqlite_sequence" | "sqlite_stat1" | "sqlite_stat4" => true,
                "_sqlx_migrations" | "sqlite_autoindex__sqlx_migrations_1" | VERSION_TABLE => version < 8,
                _ => false,
            };
            for objects in [&mut found, &mut made] {
                objects.retain(|(kind, name, _), _| kind == "trigger" || !aside(name));
            }
            Ok(compared(&found, &made))
        }
        Connection::Postgres(_) if version < STEPS.len() as i64 => Ok(Vec::new()),
        Connection::Postgres(_) => {
            let found = postgres_objects(connection)?;
            Ok(compared(&found, &written(POSTGRES)))
        }
    }
}

fn compared(found: &Objects, made: &Objects) -> Vec<SchemaFault> {
    let all: BTreeSet<_> = found.keys().chain(made.keys()).collect();
    let differing = all.into_iter().filter_map(|object| {
        let difference = match (found.get(object), made.get(object)) {
            (Some(found), Some(made)) if found == made => return None,
            (Some(_), Some(_)) => Difference::Changed,
            (Some(_), None) => Difference::Foreign,
            _ => Difference::Missing,
        };
        let (kind, name, table) = object;
        let name = if table.is_empty() || table == name { name.clone() } else { format!("{name} of {table}") };
        // Who planted it chose the name.
        let name = name.chars().map(|c| if is_unprintable(c) { '?' } else { c }).take(100).collect();
        Some(SchemaFault { kind: kind.clone(), name, difference })
    });
    // What fires by itself first, and a table before its columns.
    let mut faults: Vec<_> = differing.collect();
    faults.sort_by_key(|fault| match fault.kind.as_str() {
        "trigger" => 0,
        "table" | "view" => 1,
        _ => 2,
    });
    faults
}

fn sqlite_objects(connection: &rusqlite::Connection) -> Result<Objects, DbError> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, COALESCE(sql, '') FROM sqlite_master")?;
    let rows = statement.query_map([], |row| Ok(((row.get(0)?, row.get(1)?, row.get(2)?), row.get(3)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What the migrations up to `version` make.
fn sqlite_made(version: i64) -> Result<Objects, DbError> {
    static MADE: Mutex<BTreeMap<i64, Objects>> = Mutex::new(BTreeMap::new());
    let mut known = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(made) = known.get(&version) {
        return Ok(made.clone());
    }
    let memory = rusqlite::Connection::open_in_memory()?;
    if version >= 8 {
        memory.execute_batch(super::migrate::MAKE_VERSION_TABLE)?;
    }
    for (sqlite, _) in STEPS.iter().take(version.max(0) as usize) {
        memory.execute_batch(sqlite)?;
    }
    let made = sqlite_objects(&memory)?;
    known.insert(version, made.clone());
    Ok(made)
}

/// The objects of `schema.txt`.
fn written(text: &str) -> Objects {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let fields = lines.map(|line| line.splitn(4, '\t').map(str::to_owned).collect::<Vec<_>>());
    fields
        .filter_map(|fields| {
            let [kind, name, table, text] = <[String; 4]>::try_from(fields).ok()?;
            Some(((kind, name, table), text))
        })
        .collect()
}

/// Tables, columns, constraints, indices, triggers, functions, rules, policies and operators of the schema that the tables are in, in
/// words that do not depend on its name.
const CATALOGUE: &str = r"
WITH tables AS (
    SELECT oid, relname::TEXT AS name, relkind, relrowsecurity FROM pg_catalog.pg_class
    WHERE relnamespace = pg_catalog.current_schema()::pg_catalog.regnamespace
)
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' WHEN 'S' THEN 'sequence' ELSE 'table' END,
    name, '', relkind::TEXT || ' ' || relrowsecurity::TEXT
FROM tables WHERE relkind NOT IN ('i', 'I', 't', 'c')
UNION ALL
SELECT 'column', a.attname::TEXT, t.name, pg_catalog.format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull::TEXT || ' '
    || a.attidentity::TEXT || ' ' || a.attgenerated::TEXT || ' '
    || COALESCE(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_catalog.pg_attribute a JOIN tables t ON t.oid = a.attrelid
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE t.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint', c.conname::TEXT, t.name, c.convalidated::TEXT || ' ' || pg_catalog.pg_get_constraintdef(c.oid)
FROM pg_catalog.pg_constraint c JOIN tables t ON t.oid = c.conrelid WHERE c.contype IN ('p', 'u', 'f', 'c', 'x', 't')
UNION ALL
SELECT 'index', i.name, t.name, x.indisunique::TEXT || ' ' || x.indisvalid::TEXT || ' ' || x.indkey::TEXT || ' '
    || COALESCE(pg_catalog.pg_get_expr(x.indpred, x.indrelid), '')
FROM pg_catalog.pg_index x JOIN tables i ON i.oid = x.indexrelid JOIN tables t ON t.oid = x.indrelid
WHERE t.relkind IN ('r', 'p')
UNION ALL
SELECT 'trigger', g.tgname::TEXT, t.name, p.proname::TEXT || ' '
    || (p.pronamespace = pg_catalog.current_schema()::pg_catalog.regnamespace)::TEXT || ' ' || g.tgtype::TEXT || ' '
    || g.tgenabled::TEXT || ' ' || (g.tgqual IS NULL)::TEXT || ' ' || g.tgattr::TEXT || ' '
    || pg_catalog.encode(g.tgargs, 'escape')
FROM pg_catalog.pg_trigger g JOIN tables t ON t.oid = g.tgrelid JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid
WHERE NOT g.tgisinternal
UNION ALL
SELECT 'trigger', 'of foreign keys, switched off', t.name, g.tgname::TEXT
FROM pg_catalog.pg_trigger g JOIN tables t ON t.oid = g.tgrelid WHERE g.tgisinternal AND g.tgenabled <> 'O'
UNION ALL
SELECT 'function', p.proname::TEXT, pg_catalog.pg_get_function_identity_arguments(p.oid),
    l.lanname::TEXT || ' ' || p.prosecdef::TEXT || ' ' || p.prosrc
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = pg_catalog.current_schema()::pg_catalog.regnamespace
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.objid = p.oid AND e.deptype = 'e')
UNION ALL
SELECT 'rule', r.rulename::TEXT, t.name, r.ev_type::TEXT
FROM pg_catalog.pg_rewrite r JOIN tables t ON t.oid = r.ev_class WHERE t.relkind IN ('r', 'p')
UNION ALL
SELECT 'policy', y.polname::TEXT, t.name, '' FROM pg_catalog.pg_policy y JOIN tables t ON t.oid = y.polrelid
UNION ALL
SELECT 'operator', o.oprname::TEXT, o.oid::TEXT, '' FROM pg_catalog.pg_operator o
WHERE o.oprnamespace = pg_catalog.current_schema()::pg_catalog.regnamespace
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.objid = o.oid AND e.deptype = 'e')
UNION ALL
SELECT 'table', c.relname::TEXT, 'inheriting', '' FROM pg_catalog.pg_inherits h JOIN tables t ON t.oid = h.inhparent
JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid";

fn postgres_objects(connection: &mut Connection) -> Result<Objects, DbError> {
    let rows = connection.rows(CATALOGUE, &[])?;
    rows.iter()
        .map(|row| {
            let text = row.text(3)?.replace('\n', "\\n").replace('\t', "\\t");
            Ok(((row.text(0)?, row.text(1)?, row.text(2)?), text))
        })
        .collect()
}

/// The text of `schema.txt` for the tables of a connection.
#[cfg(test)]
fn as_text(objects: &Objects, migrations: &str) -> String {
    let mut text = format!(
        "# What PostgreSQL says of the tables; written by the test in src/db/schema.rs. Of migrations {migrations}\n"
    );
    for ((kind, name, table), said) in objects {
        text.push_str(&[kind, name, table, said].map(String::as_str).join("\t"));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::id::hex;

    fn digest() -> String {
        let all = STEPS.iter().fold(Sha256::new(), |hash, (_, postgres)| hash.chain_update(postgres));
        hex(&all.finalize())
    }

    #[test]
    fn the_kept_catalogue_is_of_these_migrations() {
        let how = "run this test on PostgreSQL (scripts/with-postgres), and take over what it wrote";
        assert!(POSTGRES.lines().next().is_some_and(|line| line.ends_with(&digest())), "{how}");
    }

    #[test]
    fn the_kept_catalogue_is_what_the_migrations_make() {
        #[expect(clippy::disallowed_methods, reason = "a test may read its environment")]
        let Ok(url) = std::env::var("ASSENT_TEST_POSTGRES") else { return };
        let server = super::super::postgres::Server::new(&super::super::Postgres {
            address: url.parse().unwrap(),
            password: None,
            certificates: None,
            clock: super::super::ClockSource::Caller,
        });
        let mut connection = Connection::Postgres(server.connect().unwrap());
        connection
            .batch("BEGIN; CREATE SCHEMA schema_text; SET LOCAL search_path = schema_text")
            .and_then(|()| connection.batch(super::super::migrate::MAKE_VERSION_TABLE))
            .unwrap();
        for (_, postgres) in &STEPS {
            connection.batch(postgres).unwrap();
        }
        let made = postgres_objects(&mut connection).unwrap();
        connection.batch("ROLLBACK").unwrap();
        let text = as_text(&made, &digest());
        if text != POSTGRES {
            let to = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres/schema.txt");
            std::fs::write(to, &text).unwrap();
        }
        assert_eq!(compared(&made, &written(POSTGRES)), [], "schema.txt was written anew; build again");
        assert_eq!(text, POSTGRES, "schema.txt was written anew; build again");
    }

    #[test]
    fn objects_that_differ_are_named_with_triggers_first() {
        let of = |all: &[(&str, &str, &str, &str)]| -> Objects {
            all.iter().map(|(k, n, t, s)| (((*k).into(), (*n).into(), (*t).into()), (*s).into())).collect()
        };
        let made = of(&[("table", "grants", "grants", "a"), ("index", "i", "grants", "b"), ("table", "x", "x", "c")]);
        let found =
            of(&[("table", "grants", "grants", "z"), ("index", "i", "grants", "b"), ("trigger", "t", "orders", "d")]);
        let said: Vec<_> = compared(&found, &made).iter().map(ToString::to_string).collect();
        let wanted = [
            "the trigger t of orders is not one of assent's",
            "the table grants was changed",
            "the table x is missing",
        ];
        assert_eq!(said, wanted);
    }
}
