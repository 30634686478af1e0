//! Where a vault's tables are: in its folder, or in the PostgreSQL database that the file `database` there names
//! (`docs/formats/database.md`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use assent::ledger::{AddressError, ClockSource, Database, Postgres, PostgresAddress};
use clap::Args;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::files::replace_private;
use crate::passphrase::{self, SecretError};
use crate::places;
use crate::vault::make_private_folder;

/// In the vault's folder: where its database is.
const FILE: &str = "database";

/// What the file begins with.
const FORM: &str = "assent database v";

/// The version that is written and read here.
const VERSION: &str = "1";

/// Where a new vault's tables go.
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "these comments are the help text, and a person reads no backticks")]
pub(crate) struct DatabaseArgs {
    /// Keep the tables in a PostgreSQL database, postgres://USER@HOST:PORT/NAME. Its password comes from
    /// $ASSENT_DATABASE_PASSWORD, or from the file that $ASSENT_DATABASE_PASSWORD_FILE names
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// The file with the certificates (PEM) by one of which the database's server proves its name [default: those that
    /// everybody trusts]
    #[arg(long, value_name = "FILE", requires = "database")]
    database_ca: Option<PathBuf>,
}

/// Why it is not known where the tables are, or how to get there.
#[derive(Debug, Error)]
pub(crate) enum DatabaseError {
    /// The address is none.
    #[error("{}", describe(*.0))]
    Address(AddressError),
    /// What the folder says about it.
    #[error("{} does not say where the database is: {what}", path.display())]
    Record {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// What the folder says is of a later version.
    #[error("{} was written by a newer assent; use that one", path.display())]
    Newer {
        /// The path of the file.
        path: PathBuf,
    },
    /// Another database was named than the one that the folder says.
    #[error(
        "{} says that the vault's tables are in {recorded}; leave --database out, or name another folder with --vault",
        path.display()
    )]
    Other {
        /// The path of the file.
        path: PathBuf,
        /// The database in it, for people.
        recorded: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {op} {}", path.display())]
    Io {
        /// A bare verb.
        op: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The file with the password.
    #[error("the password of the database cannot be read")]
    Password(#[source] SecretError),
    /// The server asks for another password, or for one.
    #[error("{}", describe_login(database, *.given))]
    Login {
        /// The database, for people.
        database: String,
        /// Whether a password was given.
        given: bool,
        /// What the server said.
        #[source]
        source: assent::ledger::DbError,
    },
}

fn describe(wrong: AddressError) -> String {
    match wrong {
        AddressError::Password => {
            "the address of the database holds a password, and addresses are kept and shown. Leave it out, and put it into the \
             environment variable ASSENT_DATABASE_PASSWORD, or into a file that ASSENT_DATABASE_PASSWORD_FILE names"
                .to_owned()
        }
        AddressError::Certificates => {
            "the file with the certificates is named by --database-ca, and not in the address (sslrootcert)".to_owned()
        }
        other => other.to_string(),
    }
}

fn describe_login(database: &str, given: bool) -> String {
    if given {
        format!(
            "the server does not let this user into the database {database}: is the password right? It was taken from {}",
            places::database_password_source()
        )
    } else {
        format!(
            "the server does not let this user into the database {database} without a password: put it into the environment \
             variable ASSENT_DATABASE_PASSWORD, or into a file that ASSENT_DATABASE_PASSWORD_FILE names"
        )
    }
}

/// What a folder says about its database.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    address: PostgresAddress,
    certificates: Option<PathBuf>,
}

impl Record {
    /// What the file of a folder says; `None` without one.
    fn read(folder: &Path) -> Result<Option<Self>, DatabaseError> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
            Err(source) => return Err(DatabaseError::Io { op: "read", path, source }),
        };
        let wrong = |what| DatabaseError::Record { path: path.clone(), what };
        let mut lines = text.lines();
        let form = lines.next().and_then(|first| first.strip_prefix(FORM));
        match form.ok_or_else(|| wrong("it begins with other words"))? {
            VERSION => {}
            _ => return Err(DatabaseError::Newer { path }),
        }
        let (mut address, mut certificates) = (None, None);
        for line in lines {
            match line.split_once(' ') {
                Some(("address", value)) => address = Some(value.parse().map_err(DatabaseError::Address)?),
                Some(("certificates", value)) => certificates = Some(PathBuf::from(value)),
                _ => return Err(wrong("a line in it begins neither with address nor with certificates")),
            }
        }
        Ok(Some(Self { address: address.ok_or_else(|| wrong("it has no address"))?, certificates }))
    }

    /// Writes it whole or not at all, for the owner alone.
    fn write(&self, folder: &Path) -> Result<(), DatabaseError> {
        let path = folder.join(FILE);
        let certificates = self.certificates.as_ref().map(|file| format!("certificates {}\n", file.display()));
        let text = format!("{FORM}{VERSION}\naddress {}\n{}", self.address.as_str(), certificates.unwrap_or_default());
        let written = make_private_folder(folder).and_then(|()| replace_private(&path, &text));
        written.map_err(|source| DatabaseError::Io { op: "write", path, source })
    }

    fn database(self) -> Result<Database, DatabaseError> {
        let password = password()?;
        let Self { address, certificates } = self;
        Ok(Database::Postgres(Box::new(Postgres { address, password, certificates, clock: ClockSource::Database })))
    }
}

/// The password of the database, if one was given.
fn password() -> Result<Option<Zeroizing<Vec<u8>>>, DatabaseError> {
    if let Some(password) = places::database_password() {
        return Ok(Some(password));
    }
    let file = places::database_password_file();
    file.as_deref().map(passphrase::read_line).transpose().map_err(DatabaseError::Password)
}

/// Whether a folder says that its tables are elsewhere.
pub(crate) fn is_recorded(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

/// Where the tables of the vault in this folder are.
///
/// # Errors
///
/// [`DatabaseError`] if what the folder says about it, or the password, cannot be read.
pub(crate) fn of(folder: &Path) -> Result<Database, DatabaseError> {
    Record::read(folder)?.map_or(Ok(Database::Sqlite), Record::database)
}

/// Makes something of the database that the arguments name, or else the folder. What the arguments name is written down in
/// the folder first, so that it is found whatever interrupts this; if making fails, the folder is as before.
///
/// # Errors
///
/// [`DatabaseError`] if the address is none, the folder names another database, or a file cannot be read or written; and what
/// `make` returns.
pub(crate) fn choose<T, E: From<DatabaseError>>(
    args: &DatabaseArgs,
    folder: &Path,
    make: impl FnOnce(Database) -> Result<T, E>,
) -> Result<T, E> {
    let recorded = Record::read(folder)?;
    let Some(address) = &args.database else {
        return make(recorded.map_or(Ok(Database::Sqlite), Record::database)?);
    };
    let address: PostgresAddress = address.parse().map_err(DatabaseError::Address)?;
    let whole = |file: &PathBuf| {
        let io = |source| DatabaseError::Io { op: "read", path: file.clone(), source };
        file.canonicalize().map_err(io)
    };
    let chosen = Record { address, certificates: args.database_ca.as_ref().map(whole).transpose()? };
    match recorded {
        Some(recorded) if recorded == chosen => make(chosen.database()?),
        Some(recorded) => {
            let recorded = recorded.address.to_string();
            Err(DatabaseError::Other { path: folder.join(FILE), recorded }.into())
        }
        None => {
            let database = chosen.clone().database()?;
            chosen.write(folder)?;
            make(database).inspect_err(|_| drop(fs::remove_file(folder.join(FILE))))
        }
    }
}
