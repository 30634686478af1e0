//! Photos that were handed in: files in a folder of the vault's own, one folder for each collection.
//!
//! ```text
//! bytes -> .upload-N, hashed and synced -> the name of the photo, made safe -> there as a whole, or not at all
//! ```
//!
//! A name that begins with a dot is in no listing, so that what is half there is nobody's photo.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use assent_ledger::{PhotoPath, Timestamp, file_name_of};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{FILE_BYTES_MAX, Folder, SourceError, is_photo, left_out, open_regular};
use crate::packs::sha256_of;

/// How the name of a file begins that is not whole yet.
const PART: &str = ".upload-";

/// What is left of an upload that was cut short goes when it is older than this: nobody is at it any more. A day, in
/// milliseconds.
const PART_MS: i64 = 24 * 60 * 60 * 1000;

/// How much is read at once, bytes.
const READ_BYTES: usize = 1 << 20;

/// Why a file was not taken.
#[derive(Debug, Error)]
pub enum UploadError {
    /// Its name is none of a photo.
    #[error(
        "{name} is no photo by its name; photos end in .jpg, .png, .heic, .tif, .webp, or what a camera calls its RAW files"
    )]
    NoPhoto {
        /// Its name, as given.
        name: String,
    },
    /// It is empty.
    #[error("{name} is empty")]
    Empty {
        /// Its name, as given.
        name: String,
    },
    /// It is longer than any photo that is read.
    #[error("{name} is longer than 2 GB, more than a photo may be")]
    TooLarge {
        /// Its name, as given.
        name: String,
    },
    /// It could not be read to its end.
    #[error("{name} cannot be read")]
    Read {
        /// Its name, as given.
        name: String,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// It could not be written.
    #[error("cannot write into {}", folder.display())]
    Write {
        /// The folder of the uploads.
        folder: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// The folder could not be listed.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uploaded {
    /// It is a photo of the collection now, under this path.
    New(PhotoPath),
    /// The same file was there already, under this path.
    Duplicate(PhotoPath),
}

/// The folder of a collection's uploads, while files are added to it.
#[derive(Debug)]
pub struct Uploads {
    folder: Folder,
    /// The files that are there, by their length: only files of one length can be the same.
    by_length: BTreeMap<u64, Vec<PhotoPath>>,
}

impl Uploads {
    /// Opens the folder of a collection's uploads, which is made if it is not there, for its owner alone. What uploads left
    /// that were cut short a day ago or more is deleted.
    ///
    /// # Errors
    ///
    /// - [`UploadError::Write`] if it cannot be made.
    /// - [`UploadError::Source`] if it cannot be listed.
    pub fn open(folder: &str, now: Timestamp) -> Result<Uploads, UploadError> {
        let failed = |source| UploadError::Write { folder: PathBuf::from(folder), source };
        make_private(Path::new(folder)).map_err(failed)?;
        let folder = Folder::open(folder)?;
        for entry in fs::read_dir(folder.path()).map_err(failed)?.flatten() {
            let about = entry.metadata().and_then(|about| about.modified()).ok();
            let age = about.map_or(0, |at| now.0.saturating_sub(super::milliseconds(at)));
            if entry.file_name().as_encoded_bytes().starts_with(PART.as_bytes()) && age > PART_MS {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        let mut by_length: BTreeMap<u64, Vec<PhotoPath>> = BTreeMap::new();
        for file in folder.list()?.files {
            by_length.entry(file.bytes).or_default().push(file.path);
        }
        Ok(Uploads { folder, by_length })
    }

    /// Adds a file under its name, or under one beside it if another photo has that. It is there as a whole, on the disk, when this
    /// returns; after an error nothing of it is.
    ///
    /// # Errors
    ///
    /// [`UploadError`], each variant as it says.
    pub fn add(&mut self, name: &str, from: &mut dyn Read) -> Result<Uploaded, UploadError> {
        let key = key_of(name).ok_or_else(|| UploadError::NoPhoto { name: name.to_owned() })?;
        let (part, mut file) = self.part()?;
        let (bytes, sha256) = self.write(name, from, &mut file)?;
        let twins = self.by_length.get(&bytes).map_or(&[][..], Vec::as_slice);
        if let Some(twin) = twins.iter().find(|twin| hash_of(&self.at(twin)).is_some_and(|hash| hash == sha256)) {
            return Ok(Uploaded::Duplicate(twin.clone()));
        }
        let path = PhotoPath::from(self.place(&part.0, &key)?.as_str());
        self.by_length.entry(bytes).or_default().push(path.clone());
        Ok(Uploaded::New(path))
    }

    fn at(&self, path: &PhotoPath) -> PathBuf {
        self.folder.path().join(path.to_path())
    }

    fn failed(&self, source: io::Error) -> UploadError {
        UploadError::Write { folder: self.folder.path().to_owned(), source }
    }

    /// A new file that is nobody's photo.
    fn part(&self) -> Result<(Part, File), UploadError> {
        for n in 0_u64.. {
            let path = self.folder.path().join(format!("{PART}{n}"));
            match private(OpenOptions::new().write(true).create_new(true)).open(&path) {
                Ok(file) => return Ok((Part(path), file)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(self.failed(e)),
            }
        }
        Err(self.failed(io::ErrorKind::AlreadyExists.into()))
    }

    /// Writes the file and says how long it is, and what its SHA-256 is.
    fn write(&self, name: &str, from: &mut dyn Read, to: &mut File) -> Result<(u64, [u8; 32]), UploadError> {
        let (mut bytes, mut hash, mut buffer) = (0_u64, Sha256::new(), vec![0; READ_BYTES]);
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(UploadError::Read { name: name.to_owned(), source }),
            };
            bytes += read as u64;
            if bytes > FILE_BYTES_MAX {
                return Err(UploadError::TooLarge { name: name.to_owned() });
            }
            hash.update(&buffer[..read]);
            to.write_all(&buffer[..read]).map_err(|e| self.failed(e))?;
        }
        if bytes == 0 {
            return Err(UploadError::Empty { name: name.to_owned() });
        }
        to.sync_all().map_err(|e| self.failed(e))?;
        Ok((bytes, hash.finalize().into()))
    }

    /// Gives a file that is whole the first name that no photo has.
    fn place(&self, part: &Path, key: &str) -> Result<String, UploadError> {
        let (stem, ending) = key.rsplit_once('.').unwrap_or((key, ""));
        for n in 1_u64.. {
            let name = if n == 1 { key.to_owned() } else { format!("{stem} ({n}).{ending}") };
            match link(part, &self.folder.path().join(&name)) {
                Ok(()) => {
                    sync_folder(self.folder.path()).map_err(|e| self.failed(e))?;
                    return Ok(name);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(self.failed(e)),
            }
        }
        Err(self.failed(io::ErrorKind::AlreadyExists.into()))
    }
}

/// A file that is not whole yet, or has its name already: in both cases nobody needs this one.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// A second name for a file, which nothing has. Where the file system knows no second names it is moved, if nothing has the name.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists && !to.exists() => fs::rename(from, to),
        done => done,
    }
}

/// Whether a file is not whole yet.
pub(super) fn is_part(path: &PhotoPath) -> bool {
    path.as_bytes().starts_with(PART.as_bytes())
}

/// The name under which a file is kept; `None` if it is none of a photo.
fn key_of(name: &str) -> Option<String> {
    // Also what another system takes for a folder.
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let key = file_name_of(last);
    let key = if left_out::leftover(key.as_bytes()).is_some() { format!("_{key}") } else { key };
    is_photo(Path::new(&key)).then_some(key)
}

fn hash_of(path: &Path) -> Option<[u8; 32]> {
    sha256_of(open_regular(path).ok()?).ok()
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Brings the names in a folder onto the disk.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    const NOW: Timestamp = Timestamp(0);

    fn uploads() -> (tempfile::TempDir, Uploads) {
        let dir = tempfile::tempdir().unwrap();
        let uploads = Uploads::open(dir.path().join("a/b").to_str().unwrap(), NOW).unwrap();
        (dir, uploads)
    }

    /// Every photo with what it holds, as a scan meets them, and how many names the folder has.
    fn held(uploads: &Uploads) -> (Vec<(String, Vec<u8>)>, usize) {
        let source = Source::Uploads(uploads.folder.clone());
        let listing = source.list().unwrap();
        assert!(listing.problems.is_empty() && listing.left_out.is_empty(), "{listing:?}");
        let read = |file: &crate::source::PhotoFile| (file.path.to_string(), source.read(file).unwrap());
        (listing.files.iter().map(read).collect(), fs::read_dir(uploads.folder.path()).unwrap().count())
    }

    #[test]
    fn a_file_that_is_handed_in_is_a_photo_under_a_safe_name_and_none_is_written_over() {
        let (_dir, mut uploads) = uploads();
        let mut check = |name: &str, bytes: &[u8], expected: &str| {
            let added = uploads.add(name, &mut &*bytes).unwrap();
            assert_eq!(added, Uploaded::New(expected.into()), "{name}");
        };
        check("a.jpg", b"1", "a.jpg");
        check("a.jpg", b"2", "a (2).jpg");
        check("holiday/a.jpg", b"3", "a (3).jpg");
        check("C:\\Users\\me\\b.JPG", b"4", "b.JPG");
        check("../../etc/c.png", b"5", "c.png");
        check(".hidden.jpg", b"6", "_.hidden.jpg");
        check("con.jpg", b"7", "_con.jpg");
        check("new\nline.jpg", b"8", "new_line.jpg");
        check("old.lrdata.jpg", b"9", "old.lrdata.jpg");
        let long = format!("{}.jpg", "x".repeat(300));
        let added = uploads.add(&long, &mut &b"10"[..]).unwrap();
        assert!(matches!(&added, Uploaded::New(path) if path.as_bytes().len() < 256), "{added:?}");
        let (photos, names) = held(&uploads);
        assert_eq!((photos.len(), names), (10, 10), "and nothing else is there");
        assert_eq!(photos[0], ("_.hidden.jpg".to_owned(), b"6".to_vec()));
        // The same folder, opened by another process.
        let again = Uploads::open(uploads.folder.text(), NOW).unwrap();
        assert_eq!(held(&again).0, photos);
    }

    #[test]
    fn the_same_file_is_told_whatever_it_is_called_and_since_when_it_is_there() {
        let (_dir, mut uploads) = uploads();
        uploads.add("a.jpg", &mut &b"one"[..]).unwrap();
        uploads.add("b.jpg", &mut &b"two"[..]).unwrap();
        let twin = Uploaded::Duplicate("b.jpg".into());
        assert_eq!(uploads.add("b.jpg", &mut &b"two"[..]).unwrap(), twin);
        assert_eq!(uploads.add("other.png", &mut &b"two"[..]).unwrap(), twin);
        let mut later = Uploads::open(uploads.folder.text(), NOW).unwrap();
        assert_eq!(later.add("c.jpg", &mut &b"two"[..]).unwrap(), twin);
        assert_eq!(held(&later).1, 2);
    }

    /// Gives some bytes, and fails then.
    struct Cut(usize);

    impl Read for Cut {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            match self.0 {
                0 => Err(io::ErrorKind::ConnectionReset.into()),
                left => {
                    let given = left.min(to.len());
                    to[..given].fill(7);
                    self.0 -= given;
                    Ok(given)
                }
            }
        }
    }

    #[test]
    fn what_is_refused_or_cut_short_is_nobodys_photo_and_leaves_nothing() {
        let (_dir, mut uploads) = uploads();
        let mut check = |what: &str, name: &str, from: &mut dyn Read, code: &str| {
            let refused = uploads.add(name, from).unwrap_err();
            assert_eq!(refused.code(), code, "{what}: {refused}");
        };
        check("no photo", "notes.txt", &mut &b"text"[..], "upload-no-photo");
        check("no name", "", &mut &b"text"[..], "upload-no-photo");
        check("a name that is a folder", "a.jpg/", &mut &b"text"[..], "upload-no-photo");
        check("nothing in it", "a.jpg", &mut &b""[..], "upload-empty");
        check("cut short", "a.jpg", &mut Cut(3 << 20), "upload-unreadable");
        assert_eq!(held(&uploads), (Vec::new(), 0));
    }

    #[test]
    fn what_a_killed_upload_left_is_in_no_listing_and_goes_after_a_day() {
        let (_dir, mut uploads) = uploads();
        let part = uploads.folder.path().join(".upload-0");
        fs::write(&part, "half a photo").unwrap();
        uploads.add("a.jpg", &mut &b"whole"[..]).unwrap();
        assert_eq!(held(&uploads).0.len(), 1);
        let at = super::super::milliseconds(fs::metadata(&part).unwrap().modified().unwrap());
        let open =
            |later: i64| Uploads::open(uploads.folder.text(), Timestamp(at + later)).map(|_| part.exists()).unwrap();
        assert!(open(PART_MS), "somebody may be at it still");
        assert!(!open(PART_MS + 1));
        assert_eq!(held(&uploads), (vec![("a.jpg".to_owned(), b"whole".to_vec())], 1));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_what_was_handed_in() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_dir, mut uploads) = uploads();
        uploads.add("a.jpg", &mut &b"photo"[..]).unwrap();
        for path in [uploads.folder.path().to_owned(), uploads.folder.path().join("a.jpg")] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
        }
    }
}
