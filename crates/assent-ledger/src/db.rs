//! The database: one connection, blocking calls, and the same query texts for SQLite and PostgreSQL.
//!
//! # Transactions
//!
//! A transaction begins by taking the whole ledger: `BEGIN IMMEDIATE` in SQLite, a row lock on the log's head in
//! PostgreSQL. Transactions of this crate therefore never interleave, on however many machines, and what one of them
//! read is still so when it commits. Other clients are held by the constraints and triggers of the migrations.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use sqlx::any::AnyRow;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Any, AnyConnection, Connection, Executor, Row as _, Transaction};
use tokio::runtime::Runtime;

use crate::durable;
use crate::reader::Place;

static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");

/// Up to this size, in bytes, a database is rewritten by way of memory.
const COPIED_IN_MEMORY: i64 = 256 << 20;

/// Where a vault's tables are.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// The file `assent.db` in the vault's folder.
    Sqlite,
    /// A PostgreSQL database, when several machines share the work.
    Postgres {
        /// `postgres://user@host:port/name`; it may hold a password and is never printed.
        url: String,
    },
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "Sqlite",
            Self::Postgres { .. } => "Postgres { .. }",
        })
    }
}

/// What the database said. The text is the driver's; it is meant for the log of the operator.
#[derive(Debug)]
pub struct DbError(Box<dyn Error + Send + Sync>);

impl DbError {
    pub(crate) fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(cause))
    }

    pub(crate) fn earlier_step() -> Self {
        Self("an earlier step of the transaction failed".into())
    }

    /// Whether the disk, or the quota, is full.
    pub(crate) fn no_space(&self) -> bool {
        // SQLITE_FULL, and PostgreSQL's disk_full.
        let code = self.0.downcast_ref::<sqlx::Error>().and_then(|e| e.as_database_error()?.code());
        code.is_some_and(|code| code == "13" || code == "53100")
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for DbError {}

impl From<sqlx::Error> for DbError {
    fn from(cause: sqlx::Error) -> Self {
        Self(Box::new(cause))
    }
}

impl From<std::io::Error> for DbError {
    fn from(cause: std::io::Error) -> Self {
        Self(Box::new(cause))
    }
}

impl From<MigrateError> for DbError {
    fn from(cause: MigrateError) -> Self {
        Self(Box::new(cause))
    }
}

/// How bringing the tables up to date failed.
pub(crate) enum SetUpError {
    /// A later version wrote the tables; its number.
    Newer(i64),
    Other(DbError),
}

/// A connection, and what is needed to make it again.
pub(crate) struct Connector {
    pub(crate) runtime: Runtime,
    url: String,
    sqlite: bool,
    /// Where SQLite has its file.
    file: PathBuf,
    connection: Option<AnyConnection>,
}

impl Connector {
    pub(crate) fn new(database: &Database, file: &Path) -> Result<Self, std::io::Error> {
        sqlx::any::install_default_drivers();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (url, sqlite) = match database {
            Database::Sqlite => (sqlite_url(file), true),
            Database::Postgres { url } => (url.clone(), false),
        };
        Ok(Self { runtime, url, sqlite, file: file.to_owned(), connection: None })
    }

    /// Connects if needed.
    fn connect(&mut self) -> Result<(), DbError> {
        if self.connection.is_none() {
            let (url, sqlite) = (&self.url, self.sqlite);
            self.connection = Some(self.runtime.block_on(async {
                let mut connection = AnyConnection::connect(url).await?;
                if sqlite {
                    for pragma in [
                        "PRAGMA foreign_keys = ON",
                        "PRAGMA secure_delete = ON",
                        "PRAGMA journal_mode = TRUNCATE",
                        "PRAGMA synchronous = FULL",
                        // Nothing of a vault goes to the system's temporary folder, which may be full or another's.
                        "PRAGMA temp_store = MEMORY",
                    ] {
                        connection.execute(pragma).await?;
                    }
                }
                Ok::<_, sqlx::Error>(connection)
            })?);
        }
        Ok(())
    }

    /// Makes or completes the tables.
    pub(crate) fn set_up(&mut self) -> Result<(), SetUpError> {
        self.connect().map_err(SetUpError::Other)?;
        let migrator = if self.sqlite { &SQLITE } else { &POSTGRES };
        match &mut self.connection {
            None => Ok(()),
            Some(connection) => self.runtime.block_on(migrator.run(connection)).map_err(|cause| match cause {
                MigrateError::VersionMissing(version) => SetUpError::Newer(version),
                other => SetUpError::Other(other.into()),
            }),
        }
    }

    /// Begins a transaction that holds the whole ledger.
    pub(crate) fn begin(&mut self) -> Result<Db<'_>, DbError> {
        self.connect()?;
        let Some(connection) = &mut self.connection else {
            return Err(DbError("not connected".into()));
        };
        let sqlite = self.sqlite;
        let transaction = self.runtime.block_on(async {
            if sqlite {
                return connection.begin_with("BEGIN IMMEDIATE").await;
            }
            let mut transaction = connection.begin().await?;
            transaction.execute("SELECT size FROM log_head WHERE one = 1 FOR UPDATE").await?;
            Ok(transaction)
        })?;
        Ok(Db {
            runtime: &self.runtime,
            transaction: RefCell::new(transaction),
            failed: Cell::new(false),
            wrote: Cell::new(false),
            place: Place { url: &self.url, file: self.sqlite.then_some(&self.file) },
        })
    }

    /// Rewrites the database file without what was deleted. `secure_delete` overwrites a row where it stands, but copies
    /// that SQLite left behind when it moved rows between pages stay until the pages are written anew. PostgreSQL is
    /// left to its own vacuum.
    pub(crate) fn scrub(&mut self) -> Result<(), DbError> {
        self.connect()?;
        match &mut self.connection {
            Some(connection) if self.sqlite => Ok(self.runtime.block_on(async {
                // The new copy is made in memory, unless it is too large for that.
                let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
                let bytes: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
                let large = bytes > COPIED_IN_MEMORY;
                connection
                    .execute(if large { "PRAGMA temp_store = FILE" } else { "PRAGMA temp_store = MEMORY" })
                    .await?;
                let done = connection.execute("VACUUM").await;
                connection.execute("PRAGMA temp_store = MEMORY").await?;
                done.map(drop)
            })?),
            _ => Ok(()),
        }
    }

    /// Whether the tables are in SQLite's file.
    pub(crate) fn is_sqlite(&self) -> bool {
        self.sqlite
    }

    /// Copies SQLite's database into a file that is not there yet.
    pub(crate) fn copy_into(&mut self, to: &Path) -> Result<(), DbError> {
        self.connect()?;
        let to = to.to_str().ok_or(DbError("the backup's path is not UTF-8".into()))?;
        match &mut self.connection {
            Some(connection) => {
                self.runtime.block_on(sqlx::query("VACUUM INTO $1").bind(to).execute(connection))?;
                Ok(())
            }
            None => Err(DbError("not connected".into())),
        }
    }

    /// Gives SQLite's file another name in its folder, over none.
    pub(crate) fn rename(&mut self, to: &Path) -> Result<(), std::io::Error> {
        self.disconnect();
        // Empty, and it would not be found beside the other name.
        durable::remove_if_there(&journal_of(&self.file))?;
        std::fs::rename(&self.file, to)?;
        durable::sync_folder_of(to)?;
        to.clone_into(&mut self.file);
        self.url = sqlite_url(to);
        Ok(())
    }

    /// Forgets the connection; the next transaction makes a new one.
    pub(crate) fn disconnect(&mut self) {
        if let Some(connection) = self.connection.take() {
            // Whether the good-bye arrives does not matter: what was committed is durable.
            let outside = tokio::runtime::Handle::try_current().is_err();
            if outside {
                drop(self.runtime.block_on(connection.close()));
            }
        }
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        self.disconnect();
    }
}

/// Where SQLite keeps what a transaction changes in a file.
pub(crate) fn journal_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-journal");
    PathBuf::from(name)
}

/// `sqlite://` and the path, every byte that is not plain written as `%XX`.
fn sqlite_url(file: &Path) -> String {
    let path: String = file
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|&b| match b {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect();
    format!("sqlite://{path}?mode=rwc")
}

/// A value bound to `$n`.
pub(crate) enum Value {
    Int(Option<i64>),
    Float(f64),
    Text(Option<String>),
    Bytes(Vec<u8>),
    OptBytes(Option<Vec<u8>>),
}

macro_rules! value_from {
    ($($type:ty: |$v:ident| $make:expr;)+) => { $(impl From<$type> for Value { fn from($v: $type) -> Self { $make } })+ };
}

value_from! {
    i64: |v| Self::Int(Some(v));
    Option<i64>: |v| Self::Int(v);
    u32: |v| Self::Int(Some(v.into()));
    u8: |v| Self::Int(Some(v.into()));
    bool: |v| Self::Int(Some(v.into()));
    f32: |v| Self::Float(v.into());
    &str: |v| Self::Text(Some(v.to_owned()));
    Option<&str>: |v| Self::Text(v.map(str::to_owned));
    Vec<u8>: |v| Self::Bytes(v);
    Option<Vec<u8>>: |v| Self::OptBytes(v);
    &[u8]: |v| Self::Bytes(v.to_vec());
    [u8; 32]: |v| Self::Bytes(v.to_vec());
    [u8; 16]: |v| Self::Bytes(v.to_vec());
    Option<[u8; 32]>: |v| Self::OptBytes(v.map(|bytes| bytes.to_vec()));
    crate::id::SubjectId: |v| Self::Bytes(v.as_bytes().to_vec());
    crate::id::GrantId: |v| Self::Bytes(v.as_bytes().to_vec());
    crate::id::CollectionId: |v| Self::Bytes(v.as_bytes().to_vec());
    crate::id::WitnessId: |v| Self::Bytes(v.as_bytes().to_vec());
    crate::id::OrderId: |v| Self::Bytes(v.as_bytes().to_vec());
    Option<crate::id::CollectionId>: |v| Self::OptBytes(v.map(|id| id.as_bytes().to_vec()));
    Option<crate::id::SubjectId>: |v| Self::OptBytes(v.map(|id| id.as_bytes().to_vec()));
    Option<crate::id::GrantId>: |v| Self::OptBytes(v.map(|id| id.as_bytes().to_vec()));
    crate::id::PendingId: |v| Self::Bytes(v.as_bytes().to_vec());
    crate::id::RequestId: |v| Self::Bytes(v.as_bytes().to_vec());
    crate::id::VaultId: |v| Self::Bytes(v.as_bytes().to_vec());
    crate::id::PhotoId: |v| Self::Int(Some(v.0));
    crate::id::FaceId: |v| Self::Int(Some(v.0));
    crate::id::TemplateId: |v| Self::Int(Some(v.0));
    crate::id::Timestamp: |v| Self::Int(Some(v.0));
}

/// The values of `$1`, `$2`, ... in order.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Value::from($value)),*] };
}
pub(crate) use args;

/// One row of an answer, read by column number.
pub(crate) struct Row(pub(crate) AnyRow);

impl Row {
    pub(crate) fn int(&self, column: usize) -> Result<i64, DbError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn opt_int(&self, column: usize) -> Result<Option<i64>, DbError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn float(&self, column: usize) -> Result<f32, DbError> {
        let wide: f64 = self.0.try_get(column)?;
        Ok(wide as f32)
    }

    pub(crate) fn text(&self, column: usize) -> Result<String, DbError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn opt_text(&self, column: usize) -> Result<Option<String>, DbError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn bytes(&self, column: usize) -> Result<Vec<u8>, DbError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn opt_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, DbError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn array<const N: usize>(&self, column: usize) -> Result<[u8; N], DbError> {
        exactly(self.bytes(column)?)
    }

    pub(crate) fn opt_array<const N: usize>(&self, column: usize) -> Result<Option<[u8; N]>, DbError> {
        self.opt_bytes(column)?.map(exactly).transpose()
    }
}

fn exactly<const N: usize>(bytes: Vec<u8>) -> Result<[u8; N], DbError> {
    bytes.try_into().map_err(|_| DbError("a value has another length than the format says".into()))
}

/// An open database transaction: statements run on it until it commits or rolls back.
pub(crate) struct Db<'c> {
    runtime: &'c Runtime,
    transaction: RefCell<Transaction<'c, Any>>,
    /// PostgreSQL answers the COMMIT of a failed transaction with a silent rollback; this remembers the failure.
    failed: Cell<bool>,
    /// Whether other connections may see something else than this one.
    wrote: Cell<bool>,
    place: Place<'c>,
}

impl<'c> Db<'c> {
    /// Where more connections can read what this transaction sees; `None` once it has written.
    pub(crate) fn beside(&self) -> Option<Place<'c>> {
        (!self.wrote.get()).then_some(self.place)
    }

    pub(crate) fn exec(&self, sql: &'static str, args: Vec<Value>) -> Result<u64, DbError> {
        self.wrote.set(true);
        let mut transaction = self.transaction.borrow_mut();
        let done = self.runtime.block_on(bound(sql, args).execute(&mut **transaction));
        self.noted(done).map(|d| d.rows_affected())
    }

    pub(crate) fn rows(&self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>, DbError> {
        let mut transaction = self.transaction.borrow_mut();
        let rows = self.runtime.block_on(bound(sql, args).fetch_all(&mut **transaction));
        self.noted(rows).map(|rows| rows.into_iter().map(Row).collect())
    }

    pub(crate) fn row(&self, sql: &'static str, args: Vec<Value>) -> Result<Option<Row>, DbError> {
        Ok(self.rows(sql, args)?.into_iter().next())
    }

    /// The first column of the only row.
    pub(crate) fn count(&self, sql: &'static str, args: Vec<Value>) -> Result<i64, DbError> {
        self.row(sql, args)?.map_or(Ok(0), |row| row.int(0))
    }

    fn noted<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, DbError> {
        result.map_err(|cause| {
            self.failed.set(true);
            cause.into()
        })
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed.get()
    }

    pub(crate) fn roll_back(self) -> Result<(), DbError> {
        Ok(self.runtime.block_on(self.transaction.into_inner().rollback())?)
    }

    pub(crate) fn commit(self) -> Result<(), DbError> {
        Ok(self.runtime.block_on(self.transaction.into_inner().commit())?)
    }
}

pub(crate) fn bound(sql: &'static str, args: Vec<Value>) -> sqlx::query::Query<'static, Any, sqlx::any::AnyArguments> {
    args.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Int(v) => query.bind(v),
        Value::Float(v) => query.bind(v),
        Value::Text(v) => query.bind(v),
        Value::Bytes(v) => query.bind(v),
        Value::OptBytes(v) => query.bind(v),
    })
}
