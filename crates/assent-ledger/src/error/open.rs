//! Why a vault was not made or opened.

use std::io;
use std::path::{Path, PathBuf};

use super::TxError;
use crate::bound::Tampering;
use crate::db::{DbError, DbProblem};
use crate::keyring::KeyRingError;

/// Why a vault could not be created or opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder holds no vault.
    #[error("there is no vault at {}", folder.display())]
    NoVault {
        /// The path of the folder.
        folder: PathBuf,
    },
    /// A vault is to be created where there is one.
    #[error("there is a vault at {} already", folder.display())]
    VaultExists {
        /// The path of the folder.
        folder: PathBuf,
    },
    /// A vault is to be created in a database that holds one.
    #[error(
        "the database {database} holds a vault already; name another database, or another schema in it, for a second one"
    )]
    DatabaseTaken {
        /// Which database, at which server.
        database: String,
    },
    /// Another process has it open.
    #[error("another assent is working on the vault at {}; wait until it is done, then try again", folder.display())]
    Busy {
        /// The path of the folder.
        folder: PathBuf,
    },
    /// A restore was interrupted here.
    #[error(
        "a vault was being restored at {}, and that was interrupted",
        folder.display()
    )]
    HalfRestored {
        /// The path of the folder.
        folder: PathBuf,
    },
    /// The database was written by a later version.
    #[error("the vault at {} has format {format}, which this assent cannot read; use a newer assent", folder.display())]
    Newer {
        /// The path of the folder.
        folder: PathBuf,
        /// The number of the format or of the migration that is unknown here.
        format: i64,
    },
    /// The key ring lies where every copy of the vault would take it along.
    #[error("the key ring {} lies inside the vault's folder; keep it outside, so that no backup of the vault holds it", ring.display())]
    RingInside {
        /// The path of the key ring.
        ring: PathBuf,
    },
    /// The vault is on a server, and used with another copy of its key ring.
    #[error(
        "the key ring {} is a copy of the one that this vault is used with, which is at another place; two copies would differ \
         soon, and whoever is erased with one would stay in the other",
        ring.display()
    )]
    RingElsewhere {
        /// The path of the copy.
        ring: PathBuf,
    },
    /// The key ring refused.
    #[error(transparent)]
    KeyRing(#[from] KeyRingError),
    /// The operating system refused.
    #[error("cannot {op} {}", path.display())]
    Io {
        /// What was tried, as a bare verb.
        op: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The database refused.
    #[error("{}", unopened(folder, source))]
    Database {
        /// The path of the folder.
        folder: PathBuf,
        /// The error of the database.
        source: DbError,
    },
    /// The database, or the key ring, is from before people's keys were rotated.
    #[error(
        "the key ring has no key for the records of {people} people in the vault at {}, because it or the database \
         is a copy from before a rotation of keys",
        folder.display()
    )]
    OtherKeys {
        /// The path of the folder.
        folder: PathBuf,
        /// How many people.
        people: usize,
    },
    /// Somebody without the keys changed the database.
    #[error(
        "the database of the vault at {} was changed by something other than assent: {first}{}. Nothing was done",
        folder.display(), and_more(*.more)
    )]
    Tampered {
        /// The path of the folder.
        folder: PathBuf,
        /// What was found first.
        first: Tampering,
        /// How much more was found.
        more: usize,
    },
    /// What an interrupted run left could not be finished.
    #[error("cannot finish what an interrupted run left in the vault at {}", folder.display())]
    Resume {
        /// The path of the folder.
        folder: PathBuf,
        /// The error of the ledger.
        source: Box<TxError>,
    },
}

fn unopened(folder: &Path, source: &DbError) -> String {
    let folder = folder.display();
    match source.problem() {
        DbProblem::Other => format!("cannot open the database of the vault at {folder}"),
        problem => format!("cannot open the vault at {folder}: {problem}"),
    }
}

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" (and {more} more)") }
}
