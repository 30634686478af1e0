//! Connections that only read, beside a transaction that has written nothing: since that one holds the whole ledger, all
//! see the same.
//!
//! Reading records through `sqlx` takes as long as opening them, because it hands each row from a thread of SQLite's to
//! the caller's. So SQLite's file is read with `rusqlite`, on the thread that opens the records.

use std::path::Path;

use rusqlite::OpenFlags;
use sqlx::{AnyConnection, Connection};
use tokio::runtime::Runtime;

use crate::db::{DbError, Row, Value, args, bound};

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

/// A connection that only reads.
pub(crate) enum Reader {
    Sqlite(rusqlite::Connection),
    Other { runtime: Runtime, connection: AnyConnection },
}

impl Reader {
    pub(crate) fn connect(place: Place<'_>) -> Result<Self, DbError> {
        if let Some(file) = place.file {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            return Ok(Self::Sqlite(rusqlite::Connection::open_with_flags(file, flags)?));
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
                    let blob = |column| row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from);
                    each(&Record { id: row.get(0)?, grant: blob(1)?, epoch: row.get(2)?, sealed: blob(3)? });
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

/// The same through a connection that is there already.
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

impl From<rusqlite::Error> for DbError {
    fn from(cause: rusqlite::Error) -> Self {
        Self::new(cause)
    }
}
