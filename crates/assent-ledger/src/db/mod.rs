//! The database: the same query texts for SQLite and PostgreSQL, by one driver for each, with blocking calls.
//!
//! # Transactions
//!
//! One that reads is a snapshot: it holds no lock, and any number run side by side, with each other and with one that writes.
//! One that writes begins by taking the whole ledger: `BEGIN IMMEDIATE` in SQLite, a row lock on the log's head in
//! PostgreSQL. Transactions that write therefore never interleave, in however many processes and on however many machines,
//! and what one of them read is still so when it commits. Other clients are held by the constraints and triggers of the
//! migrations.

mod address;
mod copy;
mod error;
mod many;
mod migrate;
mod pool;
mod postgres;
mod schema;
mod sqlite;
mod value;

use std::cell::{Cell, RefCell};

pub use address::{AddressError, ClockSource, Postgres, PostgresAddress};
pub use error::{DbError, DbProblem};
pub(crate) use many::ForEach;
pub(crate) use migrate::MigrationError;
pub(crate) use pool::{BeginError, CommitError, Pool, Writing};
pub use schema::{Difference, SchemaFault};
pub(crate) use sqlite::companion_files;
pub(crate) use value::{Column, Columns, Row, Value, args};

/// Where a vault's tables are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// The file `assent.db` in the vault's folder.
    Sqlite,
    /// A PostgreSQL database, when several machines share the work.
    Postgres(Box<Postgres>),
}

/// A connection to either.
enum Connection {
    Sqlite(rusqlite::Connection),
    Postgres(postgres::Connection),
}

impl Connection {
    /// Statements without values and answers.
    fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        match self {
            Self::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            Self::Postgres(connection) => connection.batch(sql),
        }
    }

    fn exec(&mut self, sql: &'static str, args: &[Value]) -> Result<u64, DbError> {
        match self {
            Self::Sqlite(connection) => sqlite::exec(connection, sql, args),
            Self::Postgres(connection) => connection.exec(sql, args),
        }
    }

    fn rows(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, DbError> {
        match self {
            Self::Sqlite(connection) => sqlite::rows(connection, sql, args),
            Self::Postgres(connection) => connection.rows(sql, args),
        }
    }

    fn is_closed(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(connection) => connection.is_closed(),
        }
    }
}

/// A transaction.
pub(crate) struct Db<'c> {
    connection: &'c RefCell<Connection>,
    /// A failed statement may have undone those before it; this remembers the failure where the caller went on.
    failed: Cell<bool>,
    traffic: Cell<Traffic>,
}

/// What a transaction asked of its database. On a server each statement is a round trip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many statements were run.
    pub statements: u64,
    /// How many rows they answered with.
    pub rows: u64,
}

impl<'c> Db<'c> {
    fn new(connection: &'c RefCell<Connection>) -> Self {
        Self { connection, failed: Cell::new(false), traffic: Cell::default() }
    }

    /// What was asked so far.
    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic.get()
    }

    fn count_traffic(&self, rows: usize) {
        let Traffic { statements, rows: before } = self.traffic.get();
        self.traffic.set(Traffic { statements: statements + 1, rows: before + rows as u64 });
    }

    /// Runs a statement. Returns how many rows it changed.
    pub(crate) fn exec(&self, sql: &'static str, args: &[Value]) -> Result<u64, DbError> {
        let done = self.connection.borrow_mut().exec(sql, args);
        self.count_traffic(0);
        self.remember(done)
    }

    /// Wakes who listens to PostgreSQL once this is committed. With SQLite, whoever wants to know has to ask.
    pub(crate) fn announce(&self, channel: &'static str, what: String) -> Result<(), DbError> {
        let done = match &mut *self.connection.borrow_mut() {
            Connection::Sqlite(_) => Ok(()),
            Connection::Postgres(connection) => {
                connection.rows("SELECT pg_notify($1, $2)::TEXT", &[channel.into(), what.into()]).map(drop)
            }
        };
        self.remember(done)
    }

    pub(crate) fn rows(&self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, DbError> {
        let rows = self.connection.borrow_mut().rows(sql, args);
        self.count_traffic(rows.as_ref().map_or(0, Vec::len));
        self.remember(rows)
    }

    /// Calls `each` for the rows of an answer where they lie, until it returns `false`. It may not ask the database.
    pub(crate) fn each(
        &self,
        sql: &'static str,
        args: &[Value],
        each: &mut dyn FnMut(&Answer<'_>) -> Result<bool, DbError>,
    ) -> Result<(), DbError> {
        let mut rows = 0;
        let mut each = |row: &Answer<'_>| {
            rows += 1;
            each(row)
        };
        let done = match &mut *self.connection.borrow_mut() {
            Connection::Sqlite(connection) => {
                sqlite::each(connection, sql, args, &mut |row| each(&Answer::Sqlite(row)))
            }
            Connection::Postgres(connection) => connection.each(sql, args, &mut |row| each(&Answer::Postgres(row))),
        };
        self.count_traffic(rows);
        self.remember(done)
    }

    pub(crate) fn row(&self, sql: &'static str, args: &[Value]) -> Result<Option<Row>, DbError> {
        Ok(self.rows(sql, args)?.into_iter().next())
    }

    /// The first column of the only row.
    pub(crate) fn count(&self, sql: &'static str, args: &[Value]) -> Result<i64, DbError> {
        self.row(sql, args)?.map_or(Ok(0), |row| row.int(0))
    }

    fn remember<T>(&self, result: Result<T, DbError>) -> Result<T, DbError> {
        result.inspect_err(|_| self.failed.set(true))
    }

    /// What of the tables is not as the program makes it.
    pub(crate) fn schema_faults(&self) -> Result<Vec<SchemaFault>, DbError> {
        schema::faults(&mut self.connection.borrow_mut(), migrate::STEPS.len() as i64)
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed.get()
    }
}

/// A row while it is looked at.
pub(crate) enum Answer<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl Columns for Answer<'_> {
    fn column(&self, column: usize) -> Result<value::Column<'_>, DbError> {
        match self {
            Self::Sqlite(row) => row.column(column),
            Self::Postgres(row) => row.column(column),
        }
    }
}
