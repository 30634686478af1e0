//! What is handed out: copies of a person's photos in a folder, and where such files may lie.
//!
//! Each file that is handed out carries a [`Mark`], so that a run that was cut short is run again into the same folder, and
//! nothing else that lies there is overwritten.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

use assent_ledger::{Collection, SubjectId, UniqueFileNames, file_name_of};
use assent_vision::encode::{self, EncodeError};
use assent_vision::frame::Frame;
use thiserror::Error;

use crate::find::{FoundPhoto, PictureError};
use crate::packs::{hex, sha256};

/// Begins every mark.
const MARK: &str = "assent-copy";

/// A mark stands within the first bytes of a file.
const HEAD_BYTES: u64 = 1024;

/// Ends the name of a file that is being written.
const PART: &str = ".assent-part";

/// What systems leave in folders that somebody looked at.
const SYSTEM_FILES: [&str; 3] = [".DS_Store", "Thumbs.db", "desktop.ini"];

/// Whom a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The person whose photos they are.
    Subject,
    /// Those who decide on proposals.
    Reviewers,
}

/// Says in a file for whom it was made. Without the person's id nobody reads it, or sees that two files were made for one
/// person.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    subject: SubjectId,
    audience: Audience,
}

impl Mark {
    /// The mark of files about this person.
    pub fn new(subject: SubjectId, audience: Audience) -> Self {
        Self { subject, audience }
    }

    /// The mark for one file, by the file's name.
    pub fn text(self, name: &str) -> String {
        let salt = sha256(&[self.subject.as_bytes().as_slice(), name.as_bytes()].concat());
        let salt = hex(&salt)[..16].to_owned();
        let tag = self.tag(&salt);
        format!("{MARK} {salt} {tag}")
    }

    /// Whether the beginning of a file holds this mark.
    pub fn is_in(self, head: &[u8]) -> bool {
        let text = String::from_utf8_lossy(head);
        let mut after = text.split(MARK).skip(1);
        after.any(|rest| {
            let mut words = rest.split_ascii_whitespace();
            let (salt, tag) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            tag.starts_with(&self.tag(salt))
        })
    }

    fn tag(self, salt: &str) -> String {
        let audience: &[u8] = match self.audience {
            Audience::Subject => b"subject",
            Audience::Reviewers => b"reviewers",
        };
        let parts: [&[u8]; 4] = [b"assent copy v1 ", self.subject.as_bytes(), audience, salt.as_bytes()];
        hex(&sha256(&parts.concat()))[..32].to_owned()
    }

    fn is_in_file(self, path: &Path) -> io::Result<bool> {
        let mut head = Vec::new();
        File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
        Ok(self.is_in(&head))
    }
}

/// Why nothing, or nothing more, is handed out.
#[derive(Debug, Error)]
pub enum HandOutError {
    /// It would lie among the photos.
    #[error(
        "{} lies in the folder of the collection {collection}, where it would be scanned as one of its photos; name another place",
        path.display()
    )]
    InsideCollection {
        /// The path that lies inside a collection's folder.
        path: PathBuf,
        /// The collection's name.
        collection: String,
    },
    /// Photos lie below the folder.
    #[error("the collection {collection} lies in {}; name a new folder for the copies", path.display())]
    AroundCollection {
        /// The path of the folder.
        path: PathBuf,
        /// The collection's name.
        collection: String,
    },
    /// The folder holds something else.
    #[error(
        "{} is not empty: {} is not a copy made for this person; name a new folder for the copies",
        folder.display(), file.display()
    )]
    Foreign {
        /// The path of the folder.
        folder: PathBuf,
        /// What lies in it.
        file: PathBuf,
    },
    /// The file is there and was made otherwise.
    #[error("{} is there already, and was not made for this person; name a new file", path.display())]
    Exists {
        /// The path of the file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {op} {}", path.display())]
    Io {
        /// A bare verb.
        op: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// A picture could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A folder for the copies of one person's photos: a new or an empty one, or one that holds earlier copies for them.
#[derive(Debug)]
pub struct CopyFolder {
    path: PathBuf,
    mark: Mark,
    /// Copies of an earlier run.
    earlier: BTreeSet<PathBuf>,
    /// What a run that was cut short had begun to write.
    begun: Vec<PathBuf>,
}

/// What came of making copies.
#[derive(Debug, Default)]
pub struct Copied {
    /// How many copies were written.
    pub written: usize,
    /// Photos that could not be copied, each by its file, and why.
    pub failed: Vec<(PathBuf, PictureError)>,
    /// Copies of an earlier run whose photos are not among these.
    pub left_over: Vec<PathBuf>,
    /// Whether it was stopped before the last photo.
    pub stopped: bool,
}

impl CopyFolder {
    /// Looks whether copies for this person may be written there. Nothing is written yet.
    ///
    /// # Errors
    ///
    /// - [`HandOutError::InsideCollection`], [`HandOutError::AroundCollection`] if one of these collections lies around it
    ///   or in it, also by way of links.
    /// - [`HandOutError::Foreign`] if it holds anything but earlier copies for this person.
    /// - [`HandOutError::Io`] if it cannot be read.
    pub fn open(path: &Path, mark: Mark, collections: &[Collection]) -> Result<Self, HandOutError> {
        let full = outside(path, collections)?;
        if let Some(c) = collections.iter().find(|c| directory(c).starts_with(&full)) {
            return Err(HandOutError::AroundCollection { path: path.to_owned(), collection: c.name.clone() });
        }
        let mut folder = Self { path: path.to_owned(), mark, earlier: BTreeSet::new(), begun: Vec::new() };
        folder.look()?;
        Ok(folder)
    }

    fn look(&mut self) -> Result<(), HandOutError> {
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            let unreadable = |source| HandOutError::Io { op: "read", path: folder.clone(), source };
            let entries = match fs::read_dir(&folder) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
                other => other.map_err(unreadable)?,
            };
            for entry in entries {
                let entry = entry.map_err(unreadable)?;
                let (path, name) = (entry.path(), entry.file_name());
                let kind = entry.file_type().map_err(unreadable)?;
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() && is_part(&name) {
                    self.begun.push(path);
                } else if kind.is_file() && self.mark.is_in_file(&path).map_err(unreadable)? {
                    self.earlier.insert(path);
                } else if !SYSTEM_FILES.iter().any(|known| name == OsStr::new(known)) {
                    return Err(HandOutError::Foreign { folder: self.path.clone(), file: path });
                }
            }
        }
        Ok(())
    }

    /// Writes a copy of each photo, as `render` makes it and as a JPEG of this quality (1 to 100), each whole or not at all.
    /// A photo that cannot be rendered keeps none of the others back. `done` is called after each, and says whether to go on.
    ///
    /// # Errors
    ///
    /// [`HandOutError::Io`] if the folder refuses, [`HandOutError::Encode`] if a picture cannot be a JPEG: those before it
    /// are written.
    pub fn write(
        mut self,
        photos: &[FoundPhoto],
        render: &dyn Fn(&FoundPhoto) -> Result<Frame, PictureError>,
        quality: u8,
        done: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Copied, HandOutError> {
        for path in &self.begun {
            fs::remove_file(path).map_err(|source| HandOutError::Io { op: "remove", path: path.clone(), source })?;
        }
        let mut copied = Copied::default();
        let paths: Vec<String> = photos.iter().map(|f| f.path.to_string()).collect();
        let named: Vec<(&str, &str)> =
            photos.iter().zip(&paths).map(|(f, path)| (f.collection.as_str(), path.as_str())).collect();
        for (at, (photo, name)) in photos.iter().zip(copy_names(&named)).enumerate() {
            let target = self.path.join(&name);
            self.earlier.remove(&target);
            match render(photo) {
                Ok(frame) => {
                    let jpeg = encode::jpeg(&frame, quality)?;
                    write_whole(&target, &commented(&jpeg, &self.mark.text(&name)))?;
                    copied.written += 1;
                }
                Err(error) => copied.failed.push((photo.file.clone(), error)),
            }
            if done().is_break() && at + 1 < photos.len() {
                copied.stopped = true;
                return Ok(copied);
            }
        }
        copied.left_over = self.earlier.into_iter().collect();
        Ok(copied)
    }
}

/// Looks whether a page may be written there: not among photos, and over nothing but an earlier page with this mark.
///
/// # Errors
///
/// - [`HandOutError::InsideCollection`] if one of these collections lies around it.
/// - [`HandOutError::Exists`] if something else is there.
/// - [`HandOutError::Io`] if that cannot be read.
pub fn check_page(path: &Path, mark: Mark, collections: &[Collection]) -> Result<(), HandOutError> {
    outside(path, collections)?;
    match fs::metadata(path) {
        Ok(there) if there.is_file() => match mark.is_in_file(path) {
            Ok(true) => Ok(()),
            Ok(false) => Err(HandOutError::Exists { path: path.to_owned() }),
            Err(source) => Err(HandOutError::Io { op: "read", path: path.to_owned(), source }),
        },
        Ok(_) => Err(HandOutError::Exists { path: path.to_owned() }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(HandOutError::Io { op: "read", path: path.to_owned(), source }),
    }
}

/// Writes a file so that it is there whole or not at all, with the mode that new files have (the umask's), and makes the
/// folders that it lies in.
///
/// # Errors
///
/// [`HandOutError::Io`] if the folder refuses.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), HandOutError> {
    let io = |op, path: &Path| {
        let path = path.to_owned();
        move |source| HandOutError::Io { op, path, source }
    };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(io("make the folder", folder))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(PART);
    let part = folder.join(name);
    let write = || -> io::Result<()> {
        match fs::remove_file(&part) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        // A new file, never through a link that somebody put there.
        let mut file = File::create_new(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    };
    write().map_err(|source| {
        // What is left is of no use, and said below is what went wrong first.
        fs::remove_file(&part).ok();
        io("write", path)(source)
    })
}

fn is_part(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.ends_with(PART))
}

/// The names of copies, each a path with `/` between its parts: the collection's name and the photo's path there, as far as
/// they can be names of files. A photo that is no JPEG by its name gets `.jpg` behind the whole of it. No two are one file on
/// any common system.
pub fn copy_names(photos: &[(&str, &str)]) -> Vec<String> {
    let wanted: Vec<String> = photos
        .iter()
        .map(|(collection, path)| {
            let parts = std::iter::once(*collection).chain(path.split('/'));
            let mut name = parts.map(file_name_of).collect::<Vec<_>>().join("/");
            let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
            if !["jpg", "jpeg", "jpe", "jfif"].iter().any(|known| known.eq_ignore_ascii_case(ending)) {
                name.push_str(".jpg");
            }
            name
        })
        .collect();
    let mut given = UniqueFileNames::default();
    for name in &wanted {
        for (at, _) in name.match_indices('/') {
            given.reserve(&name[..at]);
        }
    }
    wanted.iter().map(|name| given.unique(name)).collect()
}

/// A JPEG with a comment, behind its JFIF header.
fn commented(jpeg: &[u8], comment: &str) -> Vec<u8> {
    const START: usize = 2;
    let at = match jpeg.get(START..START + 4) {
        Some([0xff, 0xe0, high, low]) => START + 2 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => START,
    };
    let (head, rest) = jpeg.split_at(at.min(jpeg.len()));
    let length = (comment.len() as u16 + 2).to_be_bytes();
    [head, &[0xff, 0xfe], &length, comment.as_bytes(), rest].concat()
}

/// The full path of what may not be there yet, if no collection lies around it.
fn outside(path: &Path, collections: &[Collection]) -> Result<PathBuf, HandOutError> {
    let full = resolved(path).map_err(|source| HandOutError::Io { op: "find", path: path.to_owned(), source })?;
    match collections.iter().find(|c| full.starts_with(directory(c))) {
        Some(c) => Err(HandOutError::InsideCollection { path: path.to_owned(), collection: c.name.clone() }),
        None => Ok(full),
    }
}

/// Where a collection lies now: its folder may have become a link.
fn directory(collection: &Collection) -> PathBuf {
    let path = Path::new(&collection.directory);
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// A path without links and dots: as far as it is there by the file system, from there on by its words.
pub(crate) fn resolved(path: &Path) -> io::Result<PathBuf> {
    let (mut there, mut missing) = (path, Vec::new());
    let mut full = loop {
        match there.canonicalize() {
            Ok(full) => break full,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let mut parts = there.components();
                match parts.next_back() {
                    Some(last) => missing.push(last),
                    None => break Path::new(".").canonicalize()?,
                }
                there = parts.as_path();
            }
            Err(e) => return Err(e),
        }
    };
    for part in missing.iter().rev() {
        match part {
            Component::ParentDir => {
                full.pop();
            }
            Component::Normal(name) => full.push(name),
            _ => {}
        }
    }
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_photo_has_a_copy_of_its_own() {
        let check = |flaw: &str, photos: &[(&str, &str)], expected: &[&str]| {
            assert_eq!(copy_names(photos), expected, "{flaw}");
        };
        let endings =
            [("a", "IMG_1.jpg"), ("a", "IMG_1.jpeg"), ("a", "IMG_1.png"), ("a", "IMG_1.webp"), ("a", "IMG_1.CR2")];
        let each = ["a/IMG_1.jpg", "a/IMG_1.jpeg", "a/IMG_1.png.jpg", "a/IMG_1.webp.jpg", "a/IMG_1.CR2.jpg"];
        check("one stem, many endings", &endings, &each);
        check("RAW and JPEG", &[("a", "IMG.CR2"), ("a", "IMG.JPG")], &["a/IMG.CR2.jpg", "a/IMG.JPG"]);
        let cases = [("a", "x.jpg"), ("a", "X.JPG"), ("A", "x.jpg")];
        check("names that differ in case", &cases, &["a/x.jpg", "a/X (2).JPG", "A/x (3).jpg"]);
        let forms = [("a", "u\u{308}.jpg"), ("a", "\u{fc}.jpg")];
        check("names that differ in their Unicode form", &forms, &["a/u\u{308}.jpg", "a/\u{fc} (2).jpg"]);
        let places = [("a", "1/x.jpg"), ("a", "2/x.jpg"), ("b", "1/x.jpg")];
        check("one name in many folders", &places, &["a/1/x.jpg", "a/2/x.jpg", "b/1/x.jpg"]);
        let folder = [("a", "x.png"), ("a", "x.png.jpg/y.jpg")];
        check("a folder that is called as a copy would be", &folder, &["a/x.png (2).jpg", "a/x.png.jpg/y.jpg"]);
        let away = [("../up", "x.jpg"), ("/etc", "x.jpg"), ("", "x.jpg"), ("C:\\", "../../x.jpg")];
        let here = ["_.._up/x.jpg", "_etc/x.jpg", "_/x.jpg", "C__/_._/_._/x.jpg"];
        check("names of an old vault that lead away", &away, &here);
        check("control characters", &[("a\u{1b}[31m", "new\nline.jpg")], &["a_[31m/new_line.jpg"]);
        check("no ending, and one that is not meant", &[("a", "IMG"), ("a", "v1.0")], &["a/IMG.jpg", "a/v1.0.jpg"]);
    }

    #[test]
    fn a_mark_is_read_by_who_knows_the_person_alone() {
        let (me, you) = (SubjectId::from_bytes([1; 16]), SubjectId::from_bytes([2; 16]));
        let mine = Mark::new(me, Audience::Subject);
        let text = mine.text("a/x.jpg");
        let check = |flaw: &str, mark: Mark, head: &str, expected: bool| {
            assert_eq!(mark.is_in(head.as_bytes()), expected, "{flaw}");
        };
        check("as written", mine, &text, true);
        check("in a page", mine, &format!("<meta name=\"generator\" content=\"{text}\">"), true);
        check("another person", Mark::new(you, Audience::Subject), &text, false);
        check("for those who decide", Mark::new(me, Audience::Reviewers), &text, false);
        check("no mark", mine, "JFIF", false);
        check("a torn one", mine, &text[..text.len() - 1], false);
        check("nothing behind it", mine, MARK, false);
        assert_ne!(text[MARK.len()..], mine.text("a/y.jpg")[MARK.len()..], "two copies do not show whose they are");
    }

    #[test]
    fn a_comment_stands_in_a_jpeg_and_changes_no_pixel() {
        let frame = Frame::new(16, 8, vec![120; 16 * 8 * 3]).unwrap();
        let jpeg = encode::jpeg(&frame, 90).unwrap();
        let marked = commented(&jpeg, "a comment");
        let decode = |bytes: &[u8]| {
            assent_vision::decode::decode(bytes, assent_vision::decode::DecodeLimits::default()).unwrap()
        };
        assert!(marked.windows(9).any(|part| part == b"a comment"));
        assert_eq!(decode(&marked).rgb(), decode(&jpeg).rgb());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_handed_out_has_the_mode_of_new_files() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        write_whole(&dir.path().join("new/copy"), b"x").unwrap();
        fs::write(dir.path().join("plain"), b"x").unwrap();
        assert_eq!(mode("new/copy"), mode("plain"));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_is_where_its_links_and_dots_lead() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("photos/sub")).unwrap();
        fs::create_dir(root.join("other")).unwrap();
        std::os::unix::fs::symlink(root.join("photos"), root.join("link")).unwrap();
        let check = |path: &str, expected: &str| {
            assert_eq!(resolved(&root.join(path)).unwrap(), root.join(expected), "{path}");
        };
        check("photos", "photos");
        check("photos/new/deeper", "photos/new/deeper");
        check("link/new", "photos/new");
        check("other/../photos/new", "photos/new");
        check("link/sub/../new", "photos/new");
        check("nowhere/../photos/new", "photos/new");
        check("other", "other");
        assert_eq!(resolved(Path::new("new")).unwrap(), Path::new(".").canonicalize().unwrap().join("new"));
    }
}
