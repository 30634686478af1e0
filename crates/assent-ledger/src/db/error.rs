//! What a database refuses, and what can be done about it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What the database said. The text is the driver's; it is meant for the log of the operator. [`Self::problem`] says what it
/// is for everybody else.
///
/// It can be cloned, because all transactions of a group fail by the same commit.
#[derive(Clone, Debug)]
pub struct DbError {
    problem: DbProblem,
    source: Arc<dyn Error + Send + Sync>,
}

/// Why a database did not do what it was asked for. As text it is half a sentence that a person can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DbProblem {
    /// The disk, or the quota, is full.
    NoSpace,
    /// Another transaction was in the way, or the connection is gone: the transaction did nothing, and may be run again.
    Interrupted,
    /// No server answers.
    Unreachable,
    /// All connections of the server are taken.
    Crowded,
    /// The server does not know the user or the password, or wants a password and got none.
    NotLetIn,
    /// The server has no such database.
    NoDatabase,
    /// The schema is not there.
    NoSchema,
    /// The server speaks no TLS, and is on another machine.
    NoTls,
    /// The server did not prove by its certificate that it is the right one.
    Unproven,
    /// The file with the certificates cannot be read, or holds none.
    Certificates,
    /// Nothing can be written: it is a standby, or was set so.
    ReadOnly,
    /// The user of the database may not do that.
    NotAllowed,
    /// Tables of something else are where the vault's belong.
    Occupied,
    /// Anything else.
    Other,
}

impl fmt::Display for DbProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSpace => "the disk that the vault is on is full; make room, then try again",
            Self::Interrupted => "the connection to the database was lost; try again",
            Self::Unreachable => "no database server answers there; when it runs and the network is there, try again",
            Self::Crowded => "all connections of the database server are taken; try again later",
            Self::NotLetIn => "the database server does not let this user in, or not with this password",
            Self::NoDatabase => "the server has no database of this name; make it there first, or name another",
            Self::NoSchema => "the database has no such schema; make it there first, or name another",
            Self::NoTls => {
                "the database server offers no TLS, and over a network it is not spoken to without; switch TLS on there"
            }
            Self::Unproven => {
                "the database server did not prove that it is the right one: its certificate is for another name, or comes \
                 from an authority that is not trusted here"
            }
            Self::Certificates => {
                "the file with the certificates, by which the database server is recognised, cannot be read or holds none"
            }
            Self::ReadOnly => {
                "the database can only be read: it is a standby, or somebody set it or its file so; try again where it can be \
                 written"
            }
            Self::NotAllowed => {
                "the database does not allow that to this user, who has to own the schema that the vault is in"
            }
            Self::Occupied => "the database holds tables of something else; name an empty one, or a schema in it",
            Self::Other => "the database refused a step; try again",
        })
    }
}

impl DbError {
    fn new(problem: DbProblem, cause: impl Error + Send + Sync + 'static) -> Self {
        Self { problem, source: Arc::new(cause) }
    }

    /// An error that no driver made.
    pub(crate) fn said(text: impl Into<String>) -> Self {
        let source = Arc::from(Box::<dyn Error + Send + Sync>::from(text.into()));
        Self { problem: DbProblem::Other, source }
    }

    /// An error of something that is not the database, and concerns it.
    pub(crate) fn other(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::new(DbProblem::Other, cause)
    }

    pub(crate) fn earlier_step() -> Self {
        Self::said("an earlier step of the transaction failed")
    }

    /// There is no room for what has to be written.
    pub(super) fn no_room(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::new(DbProblem::NoSpace, cause)
    }

    /// The connection was lost before the commit.
    pub(crate) fn connection_lost() -> Self {
        Self { problem: DbProblem::Interrupted, ..Self::said("the connection to the database was lost") }
    }

    /// The server said nothing for so long that nobody waits any more.
    pub(super) fn silent() -> Self {
        Self { problem: DbProblem::Unreachable, ..Self::said("the server took the connection and said nothing") }
    }

    /// The file with the certificates does not serve.
    pub(super) fn certificates(cause: impl Error + Send + Sync + 'static) -> Self {
        Self::new(DbProblem::Certificates, cause)
    }

    /// The same of an error that came up while connecting.
    pub(super) fn while_connecting(cause: tokio_postgres::Error) -> Self {
        // The driver has no other words for which of its errors it is.
        let because = cause.source().map(ToString::to_string);
        let problem = match (cause.to_string().as_str(), because.as_deref()) {
            _ if cause.code().is_some() => return cause.into(),
            ("error performing TLS handshake", Some("server does not support TLS")) => DbProblem::NoTls,
            ("error performing TLS handshake", _) => DbProblem::Unproven,
            ("authentication error", _) | (_, Some("password missing")) => DbProblem::NotLetIn,
            _ => DbProblem::Unreachable,
        };
        Self::new(problem, cause)
    }

    /// What it means.
    pub fn problem(&self) -> DbProblem {
        self.problem
    }

    /// Whether the disk, or the quota, is full.
    pub(crate) fn no_space(&self) -> bool {
        self.problem == DbProblem::NoSpace
    }

    /// Whether running the whole transaction again may succeed.
    pub(crate) fn retryable(&self) -> bool {
        self.problem == DbProblem::Interrupted
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
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, ReadOnly};
        let problem = match cause.sqlite_error_code() {
            Some(DiskFull) => DbProblem::NoSpace,
            Some(DatabaseBusy | DatabaseLocked) => DbProblem::Interrupted,
            Some(ReadOnly) => DbProblem::ReadOnly,
            _ => DbProblem::Other,
        };
        Self::new(problem, cause)
    }
}

impl From<tokio_postgres::Error> for DbError {
    fn from(cause: tokio_postgres::Error) -> Self {
        let problem = match cause.code() {
            Some(code) => of_code(code.code()),
            None if cause.is_closed() => DbProblem::Interrupted,
            None => DbProblem::Other,
        };
        // The driver's own text of a refusal is "db error"; what the server said is its cause.
        match cause.as_db_error() {
            Some(said) => Self::new(problem, said.clone()),
            None => Self::new(problem, cause),
        }
    }
}

/// What PostgreSQL means by a code ("PostgreSQL Error Codes" in its manual).
fn of_code(code: &str) -> DbProblem {
    match code {
        "53100" => DbProblem::NoSpace,
        // Serialisation, deadlock, administrator's command, crash, idle for too long.
        "40001" | "40P01" | "57P01" | "57P02" | "25P03" => DbProblem::Interrupted,
        "57P03" => DbProblem::Unreachable,
        "53300" => DbProblem::Crowded,
        "28P01" | "28000" => DbProblem::NotLetIn,
        "3D000" => DbProblem::NoDatabase,
        "3F000" => DbProblem::NoSchema,
        "25006" => DbProblem::ReadOnly,
        "42501" => DbProblem::NotAllowed,
        // Tables, functions.
        "42P07" | "42723" => DbProblem::Occupied,
        _ => DbProblem::Other,
    }
}

impl From<std::io::Error> for DbError {
    fn from(cause: std::io::Error) -> Self {
        Self::other(cause)
    }
}
