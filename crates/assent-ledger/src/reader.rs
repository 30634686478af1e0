//! Connections that only read, beside a transaction that has written nothing: since that one holds the whole ledger, all
//! see the same.
//!
//! Reading many rows through `sqlx` takes as long as using them, because it hands each row from a thread of SQLite's to
//! the caller's. So SQLite's file is read with `rusqlite`, on the thread that uses them.

use std::ops::ControlFlow;
use std::path::Path;

use rusqlite::OpenFlags;
use sqlx::{AnyConnection, Connection};
use tokio::runtime::Runtime;

use crate::db::{Db, DbError, Row, Value, args, bound};
use crate::id::{CollectionId, GrantId, SubjectId, Timestamp};
use crate::vocabulary::Purpose;

/// Records that are fetched at once where they are not read one by one.
const PAGE: usize = 1024;

/// Where the database is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'c> {
    pub(crate) url: &'c str,
    /// SQLite's file; `None` for another database.
    pub(crate) file: Option<&'c Path>,
}

/// A sealed template as it stands in the table.
pub(crate) struct Record<'a> {
    pub(crate) id: i64,
    pub(crate) grant: &'a [u8],
    pub(crate) epoch: i64,
    pub(crate) sealed: &'a [u8],
}

/// Grants in force, and whose they are, in a collection (`$1`), for a purpose (`$2`), at a time (`$3`), in the order of ids.
const GRANTS_IN_FORCE: &str = "SELECT id, subject_id FROM grants WHERE collection_id = $1 AND purpose = $2 \
    AND state = 'active' AND valid_from_ms <= $3 AND valid_until_ms > $3 \
    AND subject_id NOT IN (SELECT id FROM subjects WHERE restricted_ms IS NOT NULL) ORDER BY id";

/// A connection that only reads.
pub(crate) enum Reader {
    Sqlite(rusqlite::Connection),
    Other { runtime: Runtime, connection: AnyConnection },
}

impl Reader {
    pub(crate) fn connect(place: Place<'_>) -> Result<Self, DbError> {
        if let Some(file) = place.file {
            return Ok(Self::Sqlite(sqlite(file)?));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connection = runtime.block_on(AnyConnection::connect(place.url))?;
        Ok(Self::Other { runtime, connection })
    }

    /// Calls `each` for the templates of a model whose ids lie between these two, in the order of ids.
    pub(crate) fn records(
        &mut self,
        (from, to): (i64, i64),
        model_sha256: [u8; 32],
        each: &mut dyn FnMut(&Record<'_>),
    ) -> Result<(), DbError> {
        match self {
            Self::Sqlite(connection) => {
                let sql = "SELECT id, grant_id, epoch, sealed FROM templates \
                           WHERE id BETWEEN $1 AND $2 AND model_sha256 = $3 ORDER BY id";
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query(rusqlite::params![from, to, model_sha256])?;
                while let Some(row) = rows.next()? {
                    each(&Record { id: row.get(0)?, grant: blob(row, 1)?, epoch: row.get(2)?, sealed: blob(row, 3)? });
                }
                Ok(())
            }
            Self::Other { runtime, connection } => {
                let mut rows = |sql, args| {
                    let rows = runtime.block_on(bound(sql, args).fetch_all(&mut *connection))?;
                    Ok(rows.into_iter().map(Row).collect())
                };
                records_by_page(&mut rows, (from, to), model_sha256, each)
            }
        }
    }
}

/// The grants in force in a collection: by a connection of their own where one may be made and is faster.
pub(crate) fn grants_in_force(
    db: &Db<'_>,
    collection: CollectionId,
    purpose: &Purpose,
    now: Timestamp,
) -> Result<Vec<(GrantId, SubjectId)>, DbError> {
    if let Some(file) = db.beside().and_then(|place| place.file) {
        let connection = sqlite(file)?;
        let mut statement = connection.prepare(GRANTS_IN_FORCE)?;
        let by = rusqlite::params![collection.as_bytes(), purpose.as_str(), now.0];
        let rows = statement
            .query_map(by, |row| Ok((GrantId::from_bytes(row.get(0)?), SubjectId::from_bytes(row.get(1)?))))?;
        return Ok(rows.collect::<Result<_, _>>()?);
    }
    let rows = db.rows(GRANTS_IN_FORCE, args![collection, purpose.as_str(), now])?;
    rows.iter().map(|row| Ok((GrantId::from_bytes(row.array(0)?), SubjectId::from_bytes(row.array(1)?)))).collect()
}

/// [`Reader::records`] through a connection that is there already.
pub(crate) fn records_by_page(
    rows: &mut dyn FnMut(&'static str, Vec<Value>) -> Result<Vec<Row>, DbError>,
    (mut from, to): (i64, i64),
    model_sha256: [u8; 32],
    each: &mut dyn FnMut(&Record<'_>),
) -> Result<(), DbError> {
    let sql = "SELECT id, grant_id, epoch, sealed FROM templates \
               WHERE id BETWEEN $1 AND $2 AND model_sha256 = $3 ORDER BY id LIMIT $4";
    loop {
        let page = rows(sql, args![from, to, model_sha256, PAGE as i64])?;
        for row in &page {
            let (id, epoch) = (row.int(0)?, row.int(2)?);
            each(&Record { id, grant: &row.bytes(1)?, epoch, sealed: &row.bytes(3)? });
            from = id;
        }
        if page.len() < PAGE || from == to {
            return Ok(());
        }
        from += 1;
    }
}

/// A leaf of the log as it stands in the table.
pub(crate) struct Leaf<'a> {
    pub(crate) position: i64,
    pub(crate) bytes: &'a [u8],
    pub(crate) hash: &'a [u8],
}

/// An opening of a leaf as it stands in the table.
pub(crate) struct Opening<'a> {
    pub(crate) pseudonym: &'a [u8],
    pub(crate) position: i64,
    pub(crate) slot: i64,
    pub(crate) sealed: &'a [u8],
}

/// Leaves from a position (`$1`) on, at most so many (`$2`; in SQLite -1 means all).
const LEAVES: &str = "SELECT seq, bytes, hash FROM log_leaves WHERE seq >= $1 ORDER BY seq LIMIT $2";

/// Openings after one (`$1`, `$2`, `$3`), person by person, at most so many (`$4`).
const OPENINGS: &str = "SELECT pseudonym, seq, slot, sealed FROM log_openings \
    WHERE (pseudonym, seq, slot) > ($1, $2, $3) ORDER BY pseudonym, seq, slot LIMIT $4";

/// Calls `each` for the leaves of SQLite's file, in their order, until it has enough.
pub(crate) fn each_leaf(file: &Path, each: &mut dyn FnMut(&Leaf<'_>) -> ControlFlow<()>) -> Result<(), DbError> {
    let connection = sqlite(file)?;
    let mut statement = connection.prepare(LEAVES)?;
    let mut rows = statement.query(rusqlite::params![i64::MIN, -1])?;
    while let Some(row) = rows.next()? {
        let leaf = Leaf { position: row.get(0)?, bytes: blob(row, 1)?, hash: blob(row, 2)? };
        if each(&leaf).is_break() {
            break;
        }
    }
    Ok(())
}

/// The same through a connection that is there already.
pub(crate) fn leaves_by_page(
    rows: &mut dyn FnMut(&'static str, Vec<Value>) -> Result<Vec<Row>, DbError>,
    each: &mut dyn FnMut(&Leaf<'_>) -> ControlFlow<()>,
) -> Result<(), DbError> {
    let mut from = i64::MIN;
    loop {
        let page = rows(LEAVES, args![from, PAGE as i64])?;
        for row in &page {
            let position = row.int(0)?;
            if each(&Leaf { position, bytes: &row.bytes(1)?, hash: &row.bytes(2)? }).is_break() {
                return Ok(());
            }
            from = position + 1;
        }
        if page.len() < PAGE {
            return Ok(());
        }
    }
}

/// Calls `each` for the openings of SQLite's file, person by person.
pub(crate) fn each_opening(file: &Path, each: &mut dyn FnMut(&Opening<'_>)) -> Result<(), DbError> {
    let connection = sqlite(file)?;
    let mut statement = connection.prepare(OPENINGS)?;
    let mut rows = statement.query(rusqlite::params![[0_u8; 0], 0, 0, -1])?;
    while let Some(row) = rows.next()? {
        each(&Opening { pseudonym: blob(row, 0)?, position: row.get(1)?, slot: row.get(2)?, sealed: blob(row, 3)? });
    }
    Ok(())
}

/// The same through a connection that is there already.
pub(crate) fn openings_by_page(
    rows: &mut dyn FnMut(&'static str, Vec<Value>) -> Result<Vec<Row>, DbError>,
    each: &mut dyn FnMut(&Opening<'_>),
) -> Result<(), DbError> {
    let mut after = (Vec::new(), 0, 0);
    loop {
        let (pseudonym, position, slot) = after.clone();
        let page = rows(OPENINGS, args![pseudonym, position, slot, PAGE as i64])?;
        for row in &page {
            let (pseudonym, position, slot) = (row.bytes(0)?, row.int(1)?, row.int(2)?);
            each(&Opening { pseudonym: &pseudonym, position, slot, sealed: &row.bytes(3)? });
            after = (pseudonym, position, slot);
        }
        if page.len() < PAGE {
            return Ok(());
        }
    }
}

fn blob<'r>(row: &'r rusqlite::Row<'_>, column: usize) -> Result<&'r [u8], rusqlite::Error> {
    Ok(row.get_ref(column)?.as_blob()?)
}

/// SQLite's file, to be read.
fn sqlite(file: &Path) -> Result<rusqlite::Connection, DbError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(rusqlite::Connection::open_with_flags(file, flags)?)
}

impl From<rusqlite::Error> for DbError {
    fn from(cause: rusqlite::Error) -> Self {
        Self::new(cause)
    }
}
