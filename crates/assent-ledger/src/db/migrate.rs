//! Bringing the tables up to date.

use super::schema::{self, SchemaFault};
use super::{Columns, Connection, DbError, Value};

/// The steps that make the tables, each for SQLite and for PostgreSQL. The number of a step is the format of the vault that
/// it makes.
macro_rules! steps {
    ($($name:literal),+ $(,)?) => {
        [$((
            include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        )),+]
    };
}

pub(super) const STEPS: [(&str, &str); 10] = steps![
    "0001_first",
    "0002_crops",
    "0003_calibrations",
    "0004_tiles_and_orders",
    "0005_rights",
    "0006_field",
    "0007_calibrations",
    "0008_hands",
    "0009_keys",
    "0010_index",
];

pub(super) const VERSION_TABLE: &str = "schema_version";

pub(super) const MAKE_VERSION_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (one BIGINT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL)";

/// Any number: two processes that bring one database up to date wait for each other by it.
const ADVISORY_LOCK: &str = "SELECT pg_advisory_xact_lock(4716310582)";

/// How bringing the tables up to date failed.
#[derive(Debug)]
pub(crate) enum MigrationError {
    /// A later version wrote the tables; its number.
    Newer(i64),
    Other(DbError),
}

impl From<DbError> for MigrationError {
    fn from(cause: DbError) -> Self {
        Self::Other(cause)
    }
}

/// Makes or completes the tables, in one transaction. Where nothing is to be done, nothing is written; where the tables are not as
/// the program makes them, neither: what differs is told.
pub(super) fn migrate(connection: &mut Connection) -> Result<Vec<SchemaFault>, MigrationError> {
    if version_there(connection)? == STEPS.len() as i64 {
        return Ok(schema::faults(connection, STEPS.len() as i64)?);
    }
    connection.batch(match connection {
        Connection::Sqlite(_) => "BEGIN IMMEDIATE",
        Connection::Postgres(_) => "BEGIN ISOLATION LEVEL READ COMMITTED",
    })?;
    let done = compare_and_complete(connection);
    match &done {
        Ok(faults) if faults.is_empty() => connection.batch("COMMIT")?,
        _ => connection.batch("ROLLBACK")?,
    }
    done
}

fn compare_and_complete(connection: &mut Connection) -> Result<Vec<SchemaFault>, MigrationError> {
    if matches!(connection, Connection::Postgres(_)) {
        connection.batch(ADVISORY_LOCK)?;
    }
    // Another process may have been faster.
    let before = version_there(connection)?;
    let faults = schema::faults(connection, before)?;
    if !faults.is_empty() {
        return Ok(faults);
    }
    complete(connection)?;
    Ok(schema::faults(connection, STEPS.len() as i64)?)
}

/// How far the tables are; 0 if there are none.
fn version_there(connection: &mut Connection) -> Result<i64, MigrationError> {
    let version =
        if has_table(connection, VERSION_TABLE)? { version(connection)? } else { Some(earlier_version(connection)?) };
    match version.unwrap_or(0) {
        version if version > STEPS.len() as i64 => Err(MigrationError::Newer(version)),
        version => Ok(version),
    }
}

fn complete(connection: &mut Connection) -> Result<(), MigrationError> {
    connection.batch(MAKE_VERSION_TABLE)?;
    let mut at = if let Some(version) = version(connection)? {
        version
    } else {
        let earlier = earlier_version(connection)?;
        connection.exec("INSERT INTO schema_version (one, version) VALUES (1, $1)", &[Value::Int(earlier)])?;
        earlier
    };
    for (sqlite, postgres) in &STEPS[at.max(0) as usize..] {
        connection.batch(match connection {
            Connection::Sqlite(_) => sqlite,
            Connection::Postgres(_) => postgres,
        })?;
        at += 1;
    }
    connection.exec("UPDATE schema_version SET version = $1 WHERE one = 1", &[Value::Int(at)])?;
    Ok(connection.batch("DROP TABLE IF EXISTS _sqlx_migrations")?)
}

fn version(connection: &mut Connection) -> Result<Option<i64>, DbError> {
    let rows = connection.rows("SELECT version FROM schema_version WHERE one = 1", &[])?;
    rows.first().map(|row| row.int(0)).transpose()
}

/// Whether the table that says how far the tables are is there, and says nothing: nothing of the program's leaves it so.
pub(super) fn is_version_gone(connection: &mut Connection) -> Result<bool, DbError> {
    Ok(has_table(connection, VERSION_TABLE)? && version(connection)?.is_none())
}

/// Which steps a program of before format 8 took; it kept them in a table of sqlx's.
fn earlier_version(connection: &mut Connection) -> Result<i64, DbError> {
    if !has_table(connection, "_sqlx_migrations")? {
        return Ok(0);
    }
    let rows = connection.rows("SELECT MAX(version) FROM _sqlx_migrations", &[])?;
    Ok(rows.first().map(|row| row.opt_int(0)).transpose()?.flatten().unwrap_or(0))
}

fn has_table(connection: &mut Connection, name: &str) -> Result<bool, DbError> {
    let sql = match connection {
        Connection::Sqlite(_) => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = $1",
        // Of the schemas that are searched for it.
        Connection::Postgres(_) => "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass($1)",
    };
    let rows = connection.rows(sql, &[Value::Text(name.to_owned())])?;
    Ok(rows.first().map(|row| row.int(0)).transpose()? == Some(1))
}
