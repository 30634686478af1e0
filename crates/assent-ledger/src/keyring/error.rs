//! Why the key ring could not be used.

use std::io;
use std::path::PathBuf;

use crate::id::SubjectId;

/// Why the key ring could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// There is no file at this path.
    #[error("there is no key ring at {}; put the vault's key ring there or name its place", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A ring is to be created where one is in use.
    #[error("there is a key ring at {} already, with keys in it; name another place", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// The file is no key ring.
    #[error("{} is not a key ring; name the vault's key ring", path.display())]
    NotARing {
        /// The file.
        path: PathBuf,
    },
    /// A later version wrote the file.
    #[error("the key ring {} has format {version}, and this assent reads format 1; use a newer assent", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        version: u32,
    },
    /// The ring belongs to another vault.
    #[error("the key ring {} belongs to another vault; name the key ring of this one", path.display())]
    WrongVault {
        /// The file.
        path: PathBuf,
    },
    /// Others than the owner may read or write the file.
    #[error("the key ring {} can be read or changed by others; run: chmod 600 {}", path.display(), path.display())]
    TooOpen {
        /// The file.
        path: PathBuf,
    },
    /// A slot's checksum does not fit.
    #[error("slot {slot} of the key ring {} is damaged; restore the key ring from its backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which slot, from 0.
        slot: u64,
    },
    /// The ring holds no slot for this subject.
    #[error("the key ring holds no key for {subject:?}; it may be older than the vault: use its newest backup")]
    NoKey {
        /// Whose.
        subject: SubjectId,
    },
    /// The subject's key was destroyed, for good.
    #[error("the key of {subject:?} was destroyed by an erasure; what was sealed under it cannot be opened by anyone")]
    Destroyed {
        /// Whose.
        subject: SubjectId,
    },
    /// The operating system refused.
    #[error("cannot {op} the key ring {}", path.display())]
    Io {
        /// What was tried, as a bare verb.
        op: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}
