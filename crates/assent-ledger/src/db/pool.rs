//! Connections: one that writes, and as many that read as are needed at once.
//!
//! # Group commit
//!
//! The price of a transaction that writes is the wait for the disk at its commit. Threads that want to write therefore share
//! it: who is done while others wait leaves the transaction open and hands the connection on, and the last of them commits
//! for all. Each runs inside a savepoint, so that one that fails takes back its own statements alone. Nobody gets an answer
//! before the commit.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};

use super::migrate::{MigrationError, migrate};
use super::schema::SchemaFault;
use super::{ClockSource, Connection, Database, Db, DbError, DbProblem, copy, postgres, sqlite};
use crate::durable;
use crate::id::Timestamp;

/// So many connections that read are kept for the next who needs one.
const IDLE: usize = 8;

/// So many transactions share a commit at most.
const GROUP: usize = 64;

/// Where connections lead.
enum Source {
    Sqlite(PathBuf),
    Postgres(Box<postgres::Server>),
}

impl Source {
    fn connect(&self, writes: bool) -> Result<Connection, DbError> {
        match self {
            Self::Sqlite(file) => Ok(Connection::Sqlite(sqlite::connect(file, writes)?)),
            Self::Postgres(server) => Ok(Connection::Postgres(server.connect()?)),
        }
    }
}

/// The connections to a vault's tables.
pub(crate) struct Pool {
    source: Source,
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Writer>,
    /// The connection that writes is free.
    turn: Condvar,
    /// A group was committed, or failed.
    decided: Condvar,
}

#[derive(Default)]
struct Writer {
    /// The connection, unless a thread has it or there is none yet.
    connection: Option<Connection>,
    /// Which thread has it.
    holder: Option<ThreadId>,
    /// How many threads wait for it.
    waiting: usize,
    /// A transaction that is open, and waits for its commit.
    group: Option<Group>,
}

struct Group {
    members: usize,
    outcome: Outcome,
}

/// What became of a group, once that is decided.
type Outcome = Arc<OnceLock<Result<(), CommitError>>>;

/// Why no transaction began.
pub(crate) enum BeginError {
    /// This thread is in one already.
    Nested,
    Database(DbError),
}

impl From<DbError> for BeginError {
    fn from(cause: DbError) -> Self {
        Self::Database(cause)
    }
}

impl Pool {
    /// Nothing is connected yet. `file` is SQLite's, and not used otherwise.
    pub(crate) fn new(database: &Database, file: &Path) -> Self {
        let source = match database {
            Database::Sqlite => Source::Sqlite(file.to_owned()),
            Database::Postgres(place) => Source::Postgres(Box::new(postgres::Server::new(place))),
        };
        let (readers, writer) = (Mutex::default(), Mutex::default());
        Self { source, readers, writer, turn: Condvar::new(), decided: Condvar::new() }
    }

    /// Makes or completes the tables. Where they are not as the program makes them, nothing is done, and what differs is told.
    pub(crate) fn set_up(&self) -> Result<Vec<SchemaFault>, MigrationError> {
        let mut connection = self.source.connect(true)?;
        let faults = migrate(&mut connection)?;
        self.lock().connection = Some(connection);
        Ok(faults)
    }

    /// Runs `body` over a snapshot that nobody changes. Nothing can be written.
    pub(crate) fn read<T, E: From<DbError>>(&self, body: impl FnOnce(Db<'_>) -> Result<T, E>) -> Result<T, E> {
        let idle = self.readers().pop().filter(|connection| !connection.is_closed());
        let connection = match idle.map(begin_reading) {
            Some(Ok(connection)) => connection,
            // The server let go of one that nobody used, which is seen only now.
            Some(Err(cause)) if !cause.retryable() => return Err(cause.into()),
            _ => begin_reading(self.source.connect(false)?)?,
        };
        let connection = RefCell::new(connection);
        let answer = body(Db::new(&connection));
        let mut connection = connection.into_inner();
        // Where that fails, the connection is not used again, which ends the transaction too.
        if connection.batch("ROLLBACK").is_ok() {
            let mut readers = self.readers();
            if readers.len() < IDLE {
                readers.push(connection);
            }
        }
        answer
    }

    /// Runs `body` in a transaction of its own, in which nobody else writes.
    pub(crate) fn write<T>(&self, body: impl FnOnce(&Db<'_>) -> Result<T, DbError>) -> Result<T, DbError> {
        let writing = self.begin().map_err(|cause| match cause {
            BeginError::Database(cause) => cause,
            BeginError::Nested => DbError::said("a transaction in a transaction"),
        })?;
        let done = body(&writing.db()?)?;
        writing.commit().map_err(|(CommitError::Undone(cause) | CommitError::Unknown(cause))| cause)?;
        Ok(done)
    }

    /// Waits for the connection that writes, and begins a transaction or joins one that is open.
    pub(crate) fn begin(&self) -> Result<Writing<'_>, BeginError> {
        let me = thread::current().id();
        let mut writer = self.lock();
        if writer.holder == Some(me) {
            return Err(BeginError::Nested);
        }
        writer.waiting += 1;
        while writer.holder.is_some() {
            writer = self.turn.wait(writer).unwrap_or_else(PoisonError::into_inner);
        }
        writer.waiting -= 1;
        writer.holder = Some(me);
        let (connection, joins) = (writer.connection.take(), writer.group.is_some());
        drop(writer);
        let mut turn = Turn { pool: self, connection: None, joins };
        turn.connection = Some(RefCell::new(match connection.filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            // With the connection the group's transaction is gone.
            None if joins => return Err(turn.fail(DbError::connection_lost()).into()),
            None => self.source.connect(true)?,
        }));
        match turn.begin() {
            Ok(()) => Ok(Writing { turn, ended: false }),
            Err(cause) => Err(turn.fail(cause).into()),
        }
    }

    /// An error, by what is behind it: a file that was opened on a full disk refuses whoever writes as if it were meant to.
    pub(crate) fn explained(&self, cause: DbError) -> DbError {
        match &self.source {
            Source::Sqlite(file) if cause.problem() == DbProblem::ReadOnly => sqlite::why_read_only(file, cause),
            _ => cause,
        }
    }

    /// Whose clock counts.
    pub(crate) fn clock_source(&self) -> ClockSource {
        match &self.source {
            Source::Sqlite(_) => ClockSource::Caller,
            Source::Postgres(server) => server.clock(),
        }
    }

    /// Whether the tables are in SQLite's file.
    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self.source, Source::Sqlite(_))
    }

    /// Rewrites the database without what was deleted. PostgreSQL is left to its own vacuum.
    pub(crate) fn scrub(&self) -> Result<(), DbError> {
        match &self.source {
            Source::Sqlite(file) => sqlite::scrub(&sqlite::connect(file, true)?),
            Source::Postgres(_) => Ok(()),
        }
    }

    /// Writes what the database holds into SQLite's file `to`, which is not there yet, or is empty.
    pub(crate) fn copy_into(&self, to: &Path) -> Result<(), DbError> {
        match &self.source {
            Source::Sqlite(file) => sqlite::copy_into(&sqlite::connect(file, true)?, to),
            Source::Postgres(server) => copy::into_sqlite(&mut server.connect()?, to),
        }
    }

    /// Writes what SQLite's file holds into the tables of `to`, where there is no vault, and works there from now on.
    pub(crate) fn move_into(&mut self, to: Self) -> Result<(), DbError> {
        if let (Source::Sqlite(file), Source::Postgres(server)) = (&self.source, &to.source) {
            copy::into_postgres(&sqlite::connect(file, false)?, &mut server.connect()?)?;
        }
        *self = to;
        Ok(())
    }

    /// What time it is, by the clock that counts.
    pub(crate) fn time(&self, caller: Timestamp) -> Result<Timestamp, DbError> {
        match self.clock_source() {
            ClockSource::Caller => Ok(caller),
            ClockSource::Database => {
                let sql = "SELECT floor(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::BIGINT";
                self.read(|db| db.count(sql, &[])).map(Timestamp)
            }
        }
    }

    /// Gives SQLite's file another name in its folder, over none.
    ///
    /// # Errors
    ///
    /// [`std::io::Error`] if the system refuses, or another process has the file open.
    pub(crate) fn rename(&mut self, to: &Path) -> Result<(), std::io::Error> {
        let Source::Sqlite(file) = &mut self.source else { return Ok(()) };
        // With the last connection the write-ahead log goes into the file.
        self.readers.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).connection = None;
        let [log, ..] = sqlite::companion_files(file);
        if std::fs::metadata(&log).is_ok_and(|about| about.len() > 0) {
            return Err(std::io::Error::other("another process works on the database"));
        }
        for companion in sqlite::companion_files(file) {
            durable::remove_if_there(&companion)?;
        }
        std::fs::rename(&*file, to)?;
        durable::sync_folder_of(to)?;
        to.clone_into(file);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        // What a thread changes under this lock it changes as a whole.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn readers(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins a snapshot.
fn begin_reading(mut connection: Connection) -> Result<Connection, DbError> {
    connection.batch(match &connection {
        Connection::Sqlite(_) => "BEGIN",
        Connection::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    })?;
    Ok(connection)
}

/// The connection that writes, while a thread has it.
struct Turn<'p> {
    pool: &'p Pool,
    connection: Option<RefCell<Connection>>,
    /// There is a transaction already, which others wait for.
    joins: bool,
}

impl Turn<'_> {
    fn connection(&mut self) -> Result<&mut Connection, DbError> {
        self.connection.as_mut().map(RefCell::get_mut).ok_or_else(DbError::connection_lost)
    }

    fn begin(&mut self) -> Result<(), DbError> {
        let joins = self.joins;
        let connection = self.connection()?;
        if joins {
            return connection.batch("SAVEPOINT member");
        }
        match connection {
            Connection::Sqlite(_) => connection.batch("BEGIN IMMEDIATE"),
            Connection::Postgres(_) => {
                connection.batch("BEGIN ISOLATION LEVEL READ COMMITTED")?;
                connection.batch("SELECT size FROM log_head WHERE one = 1 FOR UPDATE")
            }
        }
    }

    /// Ends everything: the connection is not used again, and with it goes the transaction of all.
    fn fail(&mut self, cause: DbError) -> DbError {
        self.connection = None;
        let mut writer = self.pool.lock();
        if let Some(group) = writer.group.take() {
            // None of them asked for a commit, so nothing of them was done.
            let lost = if cause.retryable() { cause.clone() } else { DbError::connection_lost() };
            drop(group.outcome.set(Err(CommitError::Undone(lost))));
        }
        drop(writer);
        self.pool.decided.notify_all();
        cause
    }

    /// Leaves the transaction to those who wait for the connection, if there are any. `counts` says that this thread wants the
    /// commit, too. Returns the group to wait for.
    fn hand_on(&mut self, counts: bool) -> Option<Outcome> {
        let mut writer = self.pool.lock();
        let members = writer.group.as_ref().map_or(0, |group| group.members);
        if writer.waiting == 0 || members + 1 >= GROUP || (!counts && members == 0) {
            return None;
        }
        let group = writer.group.get_or_insert_with(|| Group { members: 0, outcome: Arc::default() });
        group.members += usize::from(counts);
        let outcome = Arc::clone(&group.outcome);
        writer.connection = self.connection.take().map(RefCell::into_inner);
        Some(outcome)
    }

    /// Commits for all.
    fn commit(&mut self) -> Result<(), CommitError> {
        let done = self.connection().and_then(|connection| connection.batch("COMMIT"));
        // A commit for which there is no room never was.
        let done = done
            .map_err(|cause| if cause.no_space() { CommitError::Undone(cause) } else { CommitError::Unknown(cause) });
        if done.is_err() {
            // Whether it was done nobody knows, or SQLite keeps it open.
            self.connection = None;
        }
        let group = self.pool.lock().group.take();
        if let Some(group) = group {
            drop(group.outcome.set(done.clone()));
            self.pool.decided.notify_all();
        }
        done
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut writer = self.pool.lock();
        if let Some(connection) = self.connection.take() {
            writer.connection = Some(connection.into_inner());
        }
        writer.holder = None;
        drop(writer);
        // All: some of those who wait may be there for another reason.
        self.pool.turn.notify_all();
    }
}

/// How a commit failed.
#[derive(Clone, Debug)]
pub(crate) enum CommitError {
    /// Nothing was done.
    Undone(DbError),
    /// The database stopped answering: nobody knows.
    Unknown(DbError),
}

/// A transaction that writes. Dropped, it is taken back.
pub(crate) struct Writing<'p> {
    turn: Turn<'p>,
    /// There is nothing to take back any more.
    ended: bool,
}

impl Writing<'_> {
    pub(crate) fn db(&self) -> Result<Db<'_>, DbError> {
        self.turn.connection.as_ref().map(Db::new).ok_or_else(DbError::connection_lost)
    }

    /// Makes it durable: now, or with those that wait for their turn. Returns when it is.
    pub(crate) fn commit(mut self) -> Result<(), CommitError> {
        let turn = &mut self.turn;
        self.ended = true;
        if turn.joins {
            let released = turn.connection().and_then(|connection| connection.batch("RELEASE SAVEPOINT member"));
            released.map_err(|cause| CommitError::Undone(turn.fail(cause)))?;
        }
        let Some(outcome) = turn.hand_on(true) else { return turn.commit() };
        let pool = turn.pool;
        // The next one has the connection from here on.
        drop(self);
        let mut writer = pool.lock();
        loop {
            if let Some(done) = outcome.get() {
                return done.clone();
            }
            writer = pool.decided.wait(writer).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let turn = &mut self.turn;
        let joins = turn.joins;
        let undone = turn.connection().and_then(|connection| {
            connection.batch(if joins { "ROLLBACK TO SAVEPOINT member; RELEASE SAVEPOINT member" } else { "ROLLBACK" })
        });
        match undone {
            Err(cause) => drop(turn.fail(cause)),
            // Nobody else may come to commit for those who wait.
            Ok(()) if joins && turn.hand_on(false).is_none() => drop(turn.commit()),
            Ok(()) => {}
        }
    }
}
