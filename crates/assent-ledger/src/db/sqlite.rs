//! SQLite's file: the connections to it, and what is done with the file as a whole.
//!
//! The file is in WAL mode: whoever reads sees the last commit and waits for nobody, and one writes at a time. What was
//! committed lies in `assent.db-wal` until a checkpoint moves it into the file; SQLite does that by itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, ToSql};

use super::value::{Column, Columns, Value};
use super::{DbError, Row};

/// Up to this size, in bytes, a database is rewritten by way of memory.
const COPIED_IN_MEMORY: i64 = 256 << 20;

/// Statements that a connection keeps prepared. The crate has about 400.
const STATEMENTS: usize = 256;

/// How often somebody who wants to write looks whether another process is done, and for how long: 30 s.
const POLL: Duration = Duration::from_millis(1);
const POLLS: i32 = 30_000;

/// How often a checkpoint looks whether those who read are done: 50 ms.
const CHECKPOINT_POLLS: i32 = 50;

/// Connects to the file, to write if `writes`. Where the disk is so full that nothing can be kept beside the file, it can be
/// read all the same.
pub(super) fn connect(file: &Path, writes: bool) -> Result<Connection, DbError> {
    match connect_with_log(file, writes) {
        Err(cause) if is_no_room_beside(&cause) => connect_without_log(file),
        connected => Ok(connected?),
    }
}

fn connect_with_log(file: &Path, writes: bool) -> Result<Connection, rusqlite::Error> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if writes {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_handler(Some(|tries| {
        thread::sleep(POLL);
        tries < POLLS
    }))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch(
        // Nothing of a vault goes to the system's temporary folder, which may be full or another's.
        "PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;",
    )?;
    if writes {
        connection.execute_batch("PRAGMA journal_mode = WAL;")?;
    } else {
        connection.execute_batch("PRAGMA query_only = ON;")?;
    }
    // What is kept beside the file is made when something is read first.
    connection.query_row("SELECT COUNT(*) FROM sqlite_master", [], |_| Ok(()))?;
    Ok(connection)
}

/// Why the file can only be read: nothing can be kept beside it, or this is all that its owner allows.
pub(super) fn why_read_only(file: &Path, cause: DbError) -> DbError {
    match connect_with_log(file, true) {
        Err(full) if is_no_room_beside(&full) => DbError::no_room(full),
        _ => cause,
    }
}

/// Connects to a file beside which nothing can be written, because the disk is full: to read, and only while no other process
/// has it open.
///
/// # Errors
///
/// [`DbError`] if the file cannot be read, or holds commits in its write-ahead log: they cannot be read then.
fn connect_without_log(file: &Path) -> Result<Connection, DbError> {
    let [log, ..] = companion_files(file);
    if fs::metadata(log).is_ok_and(|about| about.len() > 0) {
        return Err(DbError::said("there is no room for what is kept beside the database while it is read"));
    }
    let path = file.to_str().ok_or_else(|| DbError::said("the path of the database is not UTF-8"))?;
    let path = path.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Whether this is so because nothing can be written beside the file.
fn is_no_room_beside(cause: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_CANTOPEN, SQLITE_FULL, SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};
    cause.sqlite_error().is_some_and(|error| {
        let nowhere = [SQLITE_IOERR_SHMOPEN, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE, SQLITE_FULL, SQLITE_CANTOPEN];
        nowhere.contains(&error.extended_code)
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(v) => ValueRef::Integer(*v),
            Self::Float(v) => ValueRef::Real(*v),
            Self::Text(v) => ValueRef::Text(v.as_bytes()),
            Self::Bytes(v) => ValueRef::Blob(v),
        }))
    }
}

impl Columns for rusqlite::Row<'_> {
    fn column(&self, column: usize) -> Result<Column<'_>, DbError> {
        Ok(match self.get_ref(column)? {
            ValueRef::Null => Column::Null,
            ValueRef::Integer(v) => Column::Int(v),
            ValueRef::Real(v) => Column::Float(v),
            ValueRef::Text(v) => Column::Text(str::from_utf8(v).map_err(DbError::other)?),
            ValueRef::Blob(v) => Column::Bytes(v),
        })
    }
}

/// The statement with its values. SQLite numbers `$3` by where it stands; here it is the third value.
fn bound<'c>(connection: &'c Connection, sql: &str, args: &[Value]) -> Result<CachedStatement<'c>, DbError> {
    let mut statement = connection.prepare_cached(sql)?;
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).and_then(|name| name.strip_prefix('$'));
        let number = name.and_then(|name| name.parse::<usize>().ok()).unwrap_or(index);
        let value = number.checked_sub(1).and_then(|at| args.get(at));
        let value = value.ok_or_else(|| DbError::said("a statement has more parameters than values"))?;
        statement.raw_bind_parameter(index, value)?;
    }
    Ok(statement)
}

pub(super) fn exec(connection: &Connection, sql: &str, args: &[Value]) -> Result<u64, DbError> {
    Ok(bound(connection, sql, args)?.raw_execute()? as u64)
}

/// Calls `each` for the rows of an answer, until it has enough.
pub(super) fn each(
    connection: &Connection,
    sql: &str,
    args: &[Value],
    each: &mut dyn FnMut(&rusqlite::Row<'_>) -> Result<bool, DbError>,
) -> Result<(), DbError> {
    let mut statement = bound(connection, sql, args)?;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        if !each(row)? {
            break;
        }
    }
    Ok(())
}

pub(super) fn rows(connection: &Connection, sql: &str, args: &[Value]) -> Result<Vec<Row>, DbError> {
    let mut all = Vec::new();
    each(connection, sql, args, &mut |row| {
        all.push(Row::of(row, row.as_ref().column_count())?);
        Ok(true)
    })?;
    Ok(all)
}

/// Rewrites the file without what was deleted, and empties the write-ahead log. `secure_delete` overwrites a row where it
/// stands, but copies that SQLite left behind when it moved rows between pages stay until the pages are written anew.
///
/// # Errors
///
/// [`DbError`] if there is no room, or others read for so long that the log cannot be emptied.
pub(super) fn scrub(connection: &Connection) -> Result<(), DbError> {
    // The new copy is made in memory, unless it is too large for that.
    let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let bytes: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    let large = bytes > COPIED_IN_MEMORY;
    connection.execute_batch(if large { "PRAGMA temp_store = FILE" } else { "PRAGMA temp_store = MEMORY" })?;
    let done = connection.execute_batch("VACUUM");
    connection.execute_batch("PRAGMA temp_store = MEMORY")?;
    done?;
    checkpoint(connection)
}

/// Moves what was committed into the file, and empties the write-ahead log.
///
/// # Errors
///
/// [`DbError`] if others read what was before.
fn checkpoint(connection: &Connection) -> Result<(), DbError> {
    connection.busy_handler(Some(|tries| {
        thread::sleep(POLL);
        tries < CHECKPOINT_POLLS
    }))?;
    let in_the_way: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if in_the_way == 0 { Ok(()) } else { Err(DbError::said("others read from the database for too long")) }
}

/// Copies the database into a file that is not there yet, or is empty.
pub(super) fn copy_into(connection: &Connection, to: &Path) -> Result<(), DbError> {
    let to = to.to_str().ok_or_else(|| DbError::said("the backup's path is not UTF-8"))?;
    connection.execute("VACUUM INTO ?1", [to])?;
    Ok(())
}

/// What SQLite keeps beside its file: the write-ahead log, the index of it, and the journal of earlier formats.
pub(crate) fn companion_files(file: &Path) -> [PathBuf; 3] {
    ["-wal", "-shm", "-journal"].map(|ending| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    })
}
