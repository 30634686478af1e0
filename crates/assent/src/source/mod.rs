//! Where photos come from: a folder that the operator names.
//!
//! There is no other kind (invariant I7): a web address is refused here, before anything is stored, and nothing in this
//! crate could open one.

mod left_out;
mod listing;
mod regular;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use assent_ledger::{PhotoPath, Timestamp};
use thiserror::Error;

pub use left_out::Leftover;
pub use listing::{LeftOut, Listing, Problem, ProblemKind};
pub use regular::{open_regular, read_regular};

/// File endings that are looked at: pictures, cameras' RAW files, and what the decoder refuses by name, because that is
/// better counted than overlooked. What a file is, its first bytes say.
#[rustfmt::skip]
const PHOTO_ENDINGS: [&str; 35] = [
    "jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "webp", "tif", "tiff", "bmp", "gif",
    "cr2", "cr3", "nef", "nrw", "arw", "sr2", "dng", "orf", "rw2", "pef", "srw", "raf",
    "heic", "heif", "hif", "avif", "jxl", "jp2", "j2k", "psd", "psb", "crw", "x3f",
];

/// A file that is longer is not read, bytes: no decoder is allowed so much either.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// A folder that exists, by its full path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

/// Why something is no folder of photos.
#[derive(Debug, Error)]
pub enum SourceError {
    /// It is a web address.
    #[error("{text} is a web address; Assent takes photos from folders that you hold, never from the web")]
    WebAddress {
        /// What was given.
        text: String,
    },
    /// It does not exist, is no folder, or may not be read.
    #[error("cannot read the folder {}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// Its path cannot be stored as text.
    #[error("the path {} is not valid UTF-8; rename it", path.display())]
    NotText {
        /// The path of the file.
        path: PathBuf,
    },
}

/// One file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoFile {
    /// Its path below the folder.
    pub path: PhotoPath,
    /// Its length, bytes.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: Timestamp,
    /// When the file system last changed anything about it, its name included. No program can set this back. `None` where
    /// the system does not say.
    pub changed: Option<Timestamp>,
}

/// Why a photo's file was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// The operating system would not give it, or it was written to since it was listed.
    Unreadable,
    /// It is longer than 2 GiB.
    TooLarge,
}

impl Unread {
    /// A word for counting and storing: `unreadable` or `too-large`.
    pub fn code(self) -> &'static str {
        match self {
            Unread::Unreadable => "unreadable",
            Unread::TooLarge => "too-large",
        }
    }
}

impl Folder {
    /// Takes a folder by its path.
    ///
    /// # Errors
    ///
    /// - [`SourceError::WebAddress`] if `text` begins like a URL (`scheme://`).
    /// - [`SourceError::Unreadable`] if there is no such folder, or it may not be read.
    /// - [`SourceError::NotText`] if its full path is not UTF-8.
    ///
    /// # Example
    ///
    /// ```
    /// use assent::source::{Folder, SourceError};
    ///
    /// assert!(matches!(Folder::open("https://example.org/album"), Err(SourceError::WebAddress { .. })));
    /// assert!(Folder::open(std::env::temp_dir().to_str().unwrap()).is_ok());
    /// ```
    pub fn open(text: &str) -> Result<Folder, SourceError> {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        if !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) {
            return Err(SourceError::WebAddress { text: text.to_owned() });
        }
        let unreadable = |source| SourceError::Unreadable { path: PathBuf::from(text), source };
        let path = Path::new(text).canonicalize().map_err(unreadable)?;
        fs::read_dir(&path).map_err(unreadable)?;
        if path.to_str().is_none() {
            return Err(SourceError::NotText { path });
        }
        Ok(Folder(path))
    }

    /// Its full path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Its full path as text.
    pub fn text(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// What lies below it. One odd name or folder never stops the rest: it is among the problems.
    ///
    /// # Errors
    ///
    /// [`SourceError::Unreadable`] if the folder itself cannot be read.
    pub fn list(&self) -> Result<Listing, SourceError> {
        listing::list(&self.0).map_err(|source| SourceError::Unreadable { path: self.0.clone(), source })
    }

    /// A file of the folder; never more bytes than were listed.
    ///
    /// # Errors
    ///
    /// [`Unread`], each variant as it says.
    pub fn read(&self, file: &PhotoFile) -> Result<Vec<u8>, Unread> {
        if file.bytes > FILE_BYTES_MAX {
            return Err(Unread::TooLarge);
        }
        let read = || -> io::Result<Vec<u8>> {
            let path = self.0.join(file.path.to_path()).canonicalize()?;
            // Something else may have its name by now: a link that leads outside, or a pipe that nobody writes to.
            if !path.starts_with(&self.0) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            read_regular(&path, file.bytes)
        };
        read().ok().filter(|bytes| bytes.len() as u64 == file.bytes).ok_or(Unread::Unreadable)
    }
}

fn changed(metadata: &fs::Metadata) -> Option<Timestamp> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let (seconds, nanoseconds) = (metadata.ctime(), metadata.ctime_nsec());
        seconds.checked_mul(1000)?.checked_add(nanoseconds / 1_000_000).map(Timestamp)
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

fn is_photo(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    PHOTO_ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending))
}
