//! Why the key ring could not be used.

use std::io;
use std::path::PathBuf;

use super::lock::RingLock;
use crate::id::{GrantId, SubjectId};

/// Why the key ring could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// There is no file at this path.
    #[error("there is no key ring at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A ring is to be created where one is in use.
    #[error("there is a key ring at {} already, with keys in it; name another place", path.display())]
    Exists {
        /// The path at which a key ring lies already.
        path: PathBuf,
    },
    /// The file is no key ring.
    #[error("{} is not a key ring; name the vault's key ring", path.display())]
    NotARing {
        /// The path of the file.
        path: PathBuf,
    },
    /// A later version wrote the file.
    #[error("the key ring {} has format {version}, and this assent reads formats 1 and 2; use a newer assent", path.display())]
    Newer {
        /// The path of the file.
        path: PathBuf,
        /// The format's number that stands in the file.
        version: u32,
    },
    /// The ring belongs to another vault.
    #[error("the key ring {} belongs to another vault; name the key ring of this one", path.display())]
    WrongVault {
        /// The path of the file.
        path: PathBuf,
    },
    /// Others than the owner may read or write the file.
    #[error("the key ring {} can be read or changed by others; run: chmod 600 {}", path.display(), path.display())]
    TooOpen {
        /// The path of the file.
        path: PathBuf,
    },
    /// The ring is locked, and nothing was given that fits its lock.
    #[error("the key ring {} opens with its {} alone", path.display(), words(lock).0)]
    Locked {
        /// The path of the file.
        path: PathBuf,
        /// The kind of lock that is on the key ring.
        lock: RingLock,
    },
    /// What was given fits the lock and does not open it.
    #[error("this is not the {} of the key ring {}; {}", words(lock).0, path.display(), words(lock).1)]
    WrongSecret {
        /// The path of the file.
        path: PathBuf,
        /// What it is locked with.
        lock: RingLock,
    },
    /// The ring cannot be locked with what was given.
    #[error(
        "the key ring {} cannot be locked so: a wrapped data key has at most 4096 bytes, and a passphrase takes 64 MiB of \
         memory",
        path.display()
    )]
    NotLocked {
        /// The path of the file.
        path: PathBuf,
    },
    /// A slot's checksum does not fit.
    #[error(
        "the key of this person is damaged, so that nothing of theirs can be read (place {slot} in the key ring {})",
        path.display()
    )]
    Damaged {
        /// The path of the file.
        path: PathBuf,
        /// Which slot, from 0.
        slot: u64,
    },
    /// The ring holds no slot for this subject.
    #[error(
        "the key ring holds no key of this person, so that nothing of theirs can be read: it is damaged, or older \
         than the vault"
    )]
    NoKey {
        /// The id of the subject.
        subject: SubjectId,
    },
    /// The ring holds no slot for this grant.
    #[error(
        "the key ring holds no key of this consent, so that nothing that hangs on it can be read: it is damaged, or \
         older than the vault"
    )]
    NoSecret {
        /// The id of the grant.
        grant: GrantId,
    },
    /// The subject's key was destroyed, for good.
    #[error("this person was erased and their key destroyed; what was sealed under it cannot be opened by anyone")]
    Destroyed {
        /// The id of the subject.
        subject: SubjectId,
    },
    /// The operating system refused.
    #[error("cannot {op} the key ring {}", path.display())]
    Io {
        /// What was tried, as a bare verb.
        op: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// The secret's name, and what to do if it is wrong.
fn words(lock: &RingLock) -> (&'static str, &'static str) {
    match lock {
        RingLock::DataKey { .. } => ("data key", "look at which key the command uses"),
        RingLock::None | RingLock::Passphrase => {
            ("passphrase", "try again, or restore the key ring from a backup whose passphrase you know")
        }
    }
}
