//! Where photos come from: a folder that the operator names, or files that were handed in.
//!
//! ```text
//! Source::of(collection)  -> list: photos (key, length, version), problems, what is left out
//!                         -> read: one of them as it was listed, or why not
//!                         -> read_scanned: one of them as it was scanned, or why not
//! Uploads::open(folder)   -> add: a file that was handed in, as a whole or not at all
//! ```
//!
//! There is no other kind (invariant I7): a web address is refused here, before anything is stored, and nothing in this
//! crate could open one.

mod left_out;
mod listing;
mod regular;
#[cfg(test)]
mod tests;
mod uploads;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use assent_ledger::{Collection, ContentTag, PhotoPath, Timestamp};
use thiserror::Error;

use crate::find::{PictureError, read_scanned};

pub use left_out::Leftover;
pub use listing::{LeftOut, Listing, Problem, ProblemKind};
pub use regular::{open_regular, read_regular};
pub use uploads::{UploadError, Uploaded, Uploads};

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

/// Where the photos of a collection are.
///
/// A kind of place that is added gets a variant, and says what it lists and reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder that the operator named.
    Folder(Folder),
    /// A folder of the vault's own, into which photos are handed in ([`Uploads`]).
    Uploads(Folder),
}

impl Source {
    /// Where the photos of this collection are.
    ///
    /// # Errors
    ///
    /// As [`Folder::open`].
    pub fn of(collection: &Collection) -> Result<Source, SourceError> {
        let folder = Folder::open(&collection.directory)?;
        Ok(if collection.uploads { Source::Uploads(folder) } else { Source::Folder(folder) })
    }

    /// The photos that are there. One odd name or folder never stops the rest: it is among the problems.
    ///
    /// # Errors
    ///
    /// [`SourceError::Unreadable`] if nothing of it can be listed.
    pub fn list(&self) -> Result<Listing, SourceError> {
        match self {
            Source::Folder(folder) => folder.list(),
            Source::Uploads(folder) => {
                let mut listing = folder.list()?;
                // What is not whole yet is of nobody's interest.
                listing.left_out.retain(|left| !uploads::is_part(&left.path));
                Ok(listing)
            }
        }
    }

    /// A photo as it was listed; never more bytes than that.
    ///
    /// # Errors
    ///
    /// [`Unread`], each variant as it says.
    pub fn read(&self, photo: &PhotoFile) -> Result<Vec<u8>, Unread> {
        self.folder().read(photo)
    }

    /// A photo, if it holds the `length` bytes that were scanned.
    ///
    /// # Errors
    ///
    /// [`PictureError::Unreadable`], [`PictureError::Changed`].
    pub(crate) fn read_scanned(
        &self,
        key: &PhotoPath,
        (length, content): (u64, &ContentTag),
    ) -> Result<Vec<u8>, PictureError> {
        read_scanned(&self.folder().path().join(key.to_path()), length, content)
    }

    fn folder(&self) -> &Folder {
        let (Source::Folder(folder) | Source::Uploads(folder)) = self;
        folder
    }
}

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
    /// The operating system would not give it, or it is none of the folder's any more.
    Unreadable,
    /// It is not there any more.
    Missing,
    /// It was written to since it was listed.
    Changed,
    /// It is longer than 2 GiB.
    TooLarge,
}

impl Unread {
    /// A word for counting and storing: `too-large`, or `unreadable` for what may be there the next time.
    pub fn code(self) -> &'static str {
        match self {
            Unread::Unreadable | Unread::Missing | Unread::Changed => "unreadable",
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
        let read = || -> io::Result<Option<Vec<u8>>> {
            let path = self.0.join(file.path.to_path()).canonicalize()?;
            // Something else may have its name by now: a link that leads outside, or a pipe that nobody writes to.
            if !path.starts_with(&self.0) {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let bytes = read_regular(&path, file.bytes)?;
            let same = bytes.len() as u64 == file.bytes && modified(&fs::metadata(&path)?) == file.modified;
            Ok(same.then_some(bytes))
        };
        match read() {
            Ok(bytes) => bytes.ok_or(Unread::Changed),
            Err(e) if e.kind() == io::ErrorKind::FileTooLarge => Err(Unread::Changed),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(Unread::Missing),
            Err(_) => Err(Unread::Unreadable),
        }
    }
}

fn modified(metadata: &fs::Metadata) -> Timestamp {
    Timestamp(metadata.modified().map_or(0, milliseconds))
}

/// Milliseconds since 1970; 0 for what is before.
fn milliseconds(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
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
