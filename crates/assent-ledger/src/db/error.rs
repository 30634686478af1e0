//! What a database refuses, and what can be done about it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What the database said. The text is the driver's; it is meant for the log of the operator.
///
/// It can be cloned, because all transactions of a group fail by the same commit.
#[derive(Clone, Debug)]
pub struct DbError {
    kind: Kind,
    source: Arc<dyn Error + Send + Sync>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The disk, or the quota, is full.
    NoSpace,
    /// Another transaction was in the way, or the connection is gone: the transaction did nothing, and may be run again.
    Retry,
    /// Anything else.
    Other,
}

impl DbError {
    /// An error that no driver made.
    pub(crate) fn said(text: impl Into<String>) -> Self {
        Self { kind: Kind::Other, source: Arc::from(Box::<dyn Error + Send + Sync>::from(text.into())) }
    }

    /// An error of something that is not the database, and concerns it.
    pub(crate) fn other(cause: impl Error + Send + Sync + 'static) -> Self {
        Self { kind: Kind::Other, source: Arc::new(cause) }
    }

    pub(crate) fn earlier_step() -> Self {
        Self::said("an earlier step of the transaction failed")
    }

    /// The connection was lost before the commit.
    pub(crate) fn connection_lost() -> Self {
        Self { kind: Kind::Retry, ..Self::said("the connection to the database was lost") }
    }

    /// Whether the disk, or the quota, is full.
    pub(crate) fn no_space(&self) -> bool {
        self.kind == Kind::NoSpace
    }

    /// Whether running the whole transaction again may succeed.
    pub(crate) fn retryable(&self) -> bool {
        self.kind == Kind::Retry
    }
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Error for DbError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(cause: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull};
        let kind = match cause.sqlite_error_code() {
            Some(DiskFull) => Kind::NoSpace,
            Some(DatabaseBusy | DatabaseLocked) => Kind::Retry,
            _ => Kind::Other,
        };
        Self { kind, source: Arc::new(cause) }
    }
}

impl From<tokio_postgres::Error> for DbError {
    fn from(cause: tokio_postgres::Error) -> Self {
        use tokio_postgres::error::SqlState;
        let kind = match cause.code() {
            Some(code) if *code == SqlState::DISK_FULL => Kind::NoSpace,
            Some(code)
                if [
                    SqlState::T_R_SERIALIZATION_FAILURE,
                    SqlState::T_R_DEADLOCK_DETECTED,
                    SqlState::ADMIN_SHUTDOWN,
                    SqlState::CRASH_SHUTDOWN,
                ]
                .contains(code) =>
            {
                Kind::Retry
            }
            None if cause.is_closed() => Kind::Retry,
            _ => Kind::Other,
        };
        // The driver's own text of a refusal is "db error"; what the server said is its cause.
        let source = match cause.as_db_error() {
            Some(said) => Arc::new(said.clone()) as Arc<dyn Error + Send + Sync>,
            None => Arc::new(cause),
        };
        Self { kind, source }
    }
}

impl From<std::io::Error> for DbError {
    fn from(cause: std::io::Error) -> Self {
        Self::other(cause)
    }
}
