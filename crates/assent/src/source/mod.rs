//! Where photos come from: a folder that the operator names.
//!
//! There is no other kind (invariant I7): a web address is refused here, before anything is stored, and nothing in this
//! crate could open one.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use assent_ledger::Timestamp;
use thiserror::Error;

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
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// Its path cannot be stored as text.
    #[error("the path {} is not valid UTF-8; rename it", path.display())]
    NotText {
        /// Which.
        path: PathBuf,
    },
}

/// One file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoFile {
    /// Its path below the folder, with `/` between the parts.
    pub path: String,
    /// Its length, bytes.
    pub bytes: u64,
    /// When it was last changed.
    pub modified: Timestamp,
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

    /// The photo files below it, in the order of their paths. Hidden files and folders, links to folders, and files with
    /// other endings are left out.
    ///
    /// # Errors
    ///
    /// [`SourceError::Unreadable`], [`SourceError::NotText`] for the first folder or name that cannot be used.
    pub fn photos(&self) -> Result<Vec<PhotoFile>, SourceError> {
        let mut found = Vec::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            let unreadable = |source| SourceError::Unreadable { path: folder.clone(), source };
            for entry in fs::read_dir(&folder).map_err(unreadable)? {
                let entry = entry.map_err(unreadable)?;
                let path = entry.path();
                if entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                if entry.file_type().map_err(unreadable)?.is_dir() {
                    folders.push(path);
                } else if is_photo(&path) {
                    // A file that goes while it is listed is no longer there to be scanned.
                    let Ok(metadata) = fs::metadata(&path) else { continue };
                    if metadata.is_file() {
                        found.push(self.photo(&path, &metadata)?);
                    }
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
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
            let mut bytes = Vec::with_capacity(file.bytes as usize);
            File::open(self.0.join(&file.path))?.take(file.bytes + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().ok().filter(|bytes| bytes.len() as u64 == file.bytes).ok_or(Unread::Unreadable)
    }

    fn photo(&self, path: &Path, metadata: &fs::Metadata) -> Result<PhotoFile, SourceError> {
        let below = path.strip_prefix(&self.0).unwrap_or(path);
        let text = below.to_str().ok_or_else(|| SourceError::NotText { path: path.to_path_buf() })?;
        let modified = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        Ok(PhotoFile {
            path: text.replace(std::path::MAIN_SEPARATOR, "/"),
            bytes: metadata.len(),
            modified: Timestamp(modified.map_or(0, |d| d.as_millis() as i64)),
        })
    }
}

fn is_photo(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    PHOTO_ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i7_a_web_address_is_no_source() {
        for text in ["http://example.org/a", "https://example.org", "ftp://x/y", "s3://bucket", "HTTPS://EXAMPLE.ORG"] {
            assert!(matches!(Folder::open(text), Err(SourceError::WebAddress { .. })), "{text}");
        }
        assert!(matches!(Folder::open("/no/such/folder"), Err(SourceError::Unreadable { .. })));
    }

    #[test]
    fn only_photos_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("2026/.thumbs")).unwrap();
        let others = ["notes.txt", ".hidden.jpg", "2026/.thumbs/d.jpg", "noending", "film.mp4", "settings.xmp"];
        for name in ["b.JPG", "a.png", "2026/c.heic", "2026/d.CR3"].iter().chain(&others) {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let folder = Folder::open(dir.path().to_str().unwrap()).unwrap();
        let paths: Vec<String> = folder.photos().unwrap().into_iter().map(|p| p.path).collect();
        assert_eq!(paths, ["2026/c.heic", "2026/d.CR3", "a.png", "b.JPG"]);
    }

    #[test]
    fn a_file_is_read_as_it_was_listed_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.jpg"), "abc").unwrap();
        let folder = Folder::open(dir.path().to_str().unwrap()).unwrap();
        let listed = folder.photos().unwrap().remove(0);
        let check = |name: &str, file: PhotoFile, expected: Result<&[u8], Unread>| {
            assert_eq!(folder.read(&file).as_deref(), expected.as_deref(), "{name}");
        };
        check("as listed", listed.clone(), Ok(b"abc"));
        check("longer now", PhotoFile { bytes: 2, ..listed.clone() }, Err(Unread::Unreadable));
        check("shorter now", PhotoFile { bytes: 4, ..listed.clone() }, Err(Unread::Unreadable));
        check("gone", PhotoFile { path: "b.jpg".to_owned(), ..listed.clone() }, Err(Unread::Unreadable));
        check("huge", PhotoFile { bytes: u64::MAX, ..listed }, Err(Unread::TooLarge));
    }
}
