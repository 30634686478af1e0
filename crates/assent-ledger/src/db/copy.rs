//! All tables of a vault from one database into another of the other kind, row by row. The tables of both are made by the same
//! migrations, which differ in types alone; which tables and columns there are is read from SQLite's schema.

use std::path::Path;
use std::pin::pin;

use rusqlite::Connection as Sqlite;

use super::migrate::{self, MigrationError};
use super::value::{Columns, Value};
use super::{Connection, DbError, Row, postgres, sqlite};

/// A table, and its columns in their order.
struct Table {
    name: String,
    columns: Vec<String>,
    /// The tables whose rows those of this one refer to.
    refers_to: Vec<String>,
    /// The column whose numbers are never given twice.
    counted: Option<String>,
}

impl Table {
    fn list(&self) -> String {
        self.columns.iter().map(|column| format!("\"{column}\"")).collect::<Vec<_>>().join(", ")
    }
}

/// Writes what one snapshot of PostgreSQL's tables holds into SQLite's file, which is there and empty.
///
/// # Errors
///
/// [`DbError`] if either database refuses, or the tables are not of the format that is written here.
pub(super) fn into_sqlite(from: &mut postgres::Connection, to: &Path) -> Result<(), DbError> {
    let connection = Sqlite::open(to)?;
    // The file is nobody's until it is whole, and on disk then.
    connection.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = OFF;",
    )?;
    let mut made = Connection::Sqlite(connection);
    migrate::migrate(&mut made).map_err(|cause| match cause {
        MigrationError::Newer(_) => wrong_format(),
        MigrationError::Other(cause) => cause,
    })?;
    let Connection::Sqlite(to) = made else { return Err(wrong_format()) };
    from.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    let copied = copy_out(from, &to);
    from.batch("ROLLBACK")?;
    copied?;
    to.close().map_err(|(_, cause)| cause.into())
}

fn copy_out(from: &mut postgres::Connection, to: &Sqlite) -> Result<(), DbError> {
    let format = "SELECT version FROM schema_version WHERE one = 1";
    let theirs = from.rows(format, &[])?.first().map(|row| row.int(0)).transpose()?;
    let ours = sqlite::rows(to, format, &[])?.first().map(|row| row.int(0)).transpose()?;
    if theirs != ours {
        return Err(wrong_format());
    }
    to.execute_batch("BEGIN")?;
    // The rules held when the rows were written. Some of them are about the order of that.
    let rules = sqlite::rows(to, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'", &[])?;
    for rule in &rules {
        to.execute_batch(&format!("DROP TRIGGER \"{}\"", rule.text(0)?))?;
    }
    for table in tables(to)? {
        let (name, columns) = (&table.name, table.list());
        to.execute_batch(&format!("DELETE FROM \"{name}\""))?;
        let values = (1..=table.columns.len()).map(|n| format!("?{n}")).collect::<Vec<_>>().join(", ");
        let mut insert = to.prepare(&format!("INSERT INTO \"{name}\" ({columns}) VALUES ({values})"))?;
        from.each_once(&format!("SELECT {columns} FROM \"{name}\""), &mut |row| {
            insert.execute(rusqlite::params_from_iter(Row::of(row, table.columns.len())?.into_values()))?;
            Ok(())
        })?;
        if let Some(column) = &table.counted {
            let last = from.last_number(name, column)?;
            to.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [name])?;
            to.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", rusqlite::params![name, last])?;
        }
    }
    for rule in &rules {
        to.execute_batch(&rule.text(1)?)?;
    }
    to.execute_batch("COMMIT")?;
    match sqlite::rows(to, "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1", &[])?.first() {
        None => Ok(()),
        Some(row) => Err(DbError::said(format!("rows of the table {} refer to rows that are not there", row.text(0)?))),
    }
}

/// Writes what is in SQLite's file into PostgreSQL's tables, which are there and hold no vault, in one transaction.
///
/// # Errors
///
/// [`DbError`] if either database refuses, or there is a vault.
pub(super) fn into_postgres(from: &Sqlite, to: &mut postgres::Connection) -> Result<(), DbError> {
    to.batch("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT size FROM log_head WHERE one = 1 FOR UPDATE")?;
    let copied = copy_in(from, to);
    to.batch(if copied.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    copied
}

fn copy_in(from: &Sqlite, to: &mut postgres::Connection) -> Result<(), DbError> {
    if !to.rows("SELECT one FROM vault", &[])?.is_empty() {
        return Err(DbError::said("there is a vault already"));
    }
    let tables = tables(from)?;
    for table in tables.iter().rev() {
        let name = &table.name;
        to.batch(&format!("ALTER TABLE \"{name}\" DISABLE TRIGGER USER; DELETE FROM \"{name}\""))?;
    }
    for table in &tables {
        let (name, columns) = (&table.name, table.list());
        let mut statement = from.prepare(&format!("SELECT {columns} FROM \"{name}\""))?;
        let mut rows = statement.raw_query();
        to.copy_in(name, &columns, &mut || {
            let Some(row) = rows.next()? else { return Ok(None) };
            Ok(Some(Row::of(row, table.columns.len())?.into_values()))
        })?;
        if let Some(column) = &table.counted {
            let last =
                from.query_row("SELECT MAX(seq) FROM sqlite_sequence WHERE name = ?1", [name], |row| row.get(0))?;
            to.set_last_number(name, column, last)?;
        }
    }
    tables.iter().try_for_each(|table| to.batch(&format!("ALTER TABLE \"{}\" ENABLE TRIGGER USER", table.name)))
}

fn wrong_format() -> DbError {
    DbError::said("the tables were brought up to date by a newer program meanwhile")
}

/// The vault's tables, those that others refer to first.
fn tables(connection: &Sqlite) -> Result<Vec<Table>, DbError> {
    let named = "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                 AND name <> 'schema_version' ORDER BY name";
    let mut left = Vec::new();
    for row in sqlite::rows(connection, named, &[])? {
        let (name, sql) = (row.text(0)?, row.text(1)?);
        let of = |what: &str| {
            let rows = sqlite::rows(connection, what, &[Value::Text(name.clone())])?;
            rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()
        };
        let columns = of("SELECT name FROM pragma_table_info($1) ORDER BY cid")?;
        let mut refers_to = of("SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($1)")?;
        refers_to.retain(|other| *other != name);
        let counted = sql.contains("AUTOINCREMENT").then(|| columns.first().cloned()).flatten();
        left.push(Table { name, columns, refers_to, counted });
    }
    let mut sorted: Vec<Table> = Vec::new();
    while !left.is_empty() {
        let next = left.iter().position(|t| t.refers_to.iter().all(|other| sorted.iter().any(|s| s.name == *other)));
        let next = next.ok_or_else(|| DbError::said("tables refer to each other in a circle"))?;
        sorted.push(left.remove(next));
    }
    Ok(sorted)
}

impl postgres::Connection {
    /// The last number that was given in a column; 0 if none was.
    fn last_number(&mut self, table: &str, column: &str) -> Result<i64, DbError> {
        let sql = "SELECT COALESCE(pg_sequence_last_value(pg_get_serial_sequence($1, $2)), 0)";
        let rows = self.rows(sql, &[Value::Text(table.to_owned()), Value::Text(column.to_owned())])?;
        rows.first().map_or(Ok(0), |row| row.int(0))
    }

    fn set_last_number(&mut self, table: &str, column: &str, last: Option<i64>) -> Result<(), DbError> {
        let Some(last) = last.filter(|last| *last > 0) else { return Ok(()) };
        let args = [Value::Text(table.to_owned()), Value::Text(column.to_owned()), Value::Int(last)];
        self.rows("SELECT setval(pg_get_serial_sequence($1, $2), $3)", &args).map(drop)
    }

    /// Writes rows into a table, until there is none any more.
    fn copy_in(
        &mut self,
        table: &str,
        columns: &str,
        next: &mut dyn FnMut() -> Result<Option<Vec<Value>>, DbError>,
    ) -> Result<(), DbError> {
        let (runtime, client) = self.parts();
        runtime.block_on(async {
            let kinds = client.prepare(&format!("SELECT {columns} FROM \"{table}\"")).await?;
            let kinds: Vec<_> = kinds.columns().iter().map(|column| column.type_().clone()).collect();
            let sink = client.copy_in(&format!("COPY \"{table}\" ({columns}) FROM STDIN BINARY")).await?;
            let mut writer = pin!(tokio_postgres::binary_copy::BinaryCopyInWriter::new(sink, &kinds));
            while let Some(row) = next()? {
                writer.as_mut().write_raw(&row).await?;
            }
            writer.finish().await?;
            Ok(())
        })
    }
}
