//! What lies in a folder of photos: one odd name or folder never stops the rest.
//!
//! ```text
//! the folder, top down   photo files     -> files
//!                        folders         -> the same again
//!                        links to files  -> files, if they stay inside
//!                        leftovers       -> left_out, and nothing below them is looked at
//!                        what fails      -> problems
//! links to folders       last, each folder once: what lies inside anyway is listed under its own path
//! ```

use std::collections::BTreeSet;
use std::fs::{self, DirEntry, FileType, Metadata};
use std::io;
use std::path::Path;

use assent_ledger::PhotoPath;

use super::left_out::{Leftover, leftover};
use super::{PhotoFile, is_photo};

/// What a folder holds, and what of it was not seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The photo files, by path.
    pub files: Vec<PhotoFile>,
    /// What could not be listed, by path.
    pub problems: Vec<Problem>,
    /// What is never listed, by path.
    pub left_out: Vec<LeftOut>,
}

/// Something that could not be listed; the rest was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where; no bytes for the folder itself.
    pub path: PhotoPath,
    /// What is wrong with it.
    pub kind: ProblemKind,
}

/// Why something could not be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProblemKind {
    /// A folder that may not be read, or stopped being read halfway: nothing is known of what lies below it.
    UnreadableFolder,
    /// The operating system says nothing about a file.
    UnreadableFile,
    /// A link that leads nowhere, or round in a circle; perhaps to a disk that is away.
    BrokenLink,
    /// A link that leads out of the folder. It is not followed: who named the folder did not name what lies outside.
    LinkOutside,
    /// A pipe, a socket or a device under the name of a photo.
    NoFile,
    /// It was gone before it could be looked at.
    Vanished,
}

impl ProblemKind {
    /// A word for counting, such as `unreadable-folder`.
    pub fn code(self) -> &'static str {
        match self {
            ProblemKind::UnreadableFolder => "unreadable-folder",
            ProblemKind::UnreadableFile => "unreadable",
            ProblemKind::BrokenLink => "broken-link",
            ProblemKind::LinkOutside => "link-outside",
            ProblemKind::NoFile => "not-a-file",
            ProblemKind::Vanished => "vanished",
        }
    }

    /// Whether there may be photos at this path, or below it, that nobody saw.
    fn hides_photos(self) -> bool {
        matches!(self, ProblemKind::UnreadableFolder | ProblemKind::UnreadableFile | ProblemKind::BrokenLink)
    }
}

/// Something that is left out on purpose, with all that lies below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// The path in the collection's folder.
    pub path: PhotoPath,
    /// What kind of thing it is that is left out.
    pub kind: Leftover,
}

impl Listing {
    /// Whether a photo at this path would have been listed if it were there. Where this is false, a photo that is not
    /// among the files is not missing: nobody could look.
    pub fn is_complete_at(&self, path: &PhotoPath) -> bool {
        let bytes = path.as_bytes();
        let hides = |end: usize| {
            let found = self.problems.binary_search_by(|problem| problem.path.as_bytes().cmp(&bytes[..end]));
            found.is_ok_and(|i| self.problems[i].kind.hides_photos())
        };
        let folders = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        ![0, bytes.len()].into_iter().chain(folders).any(hides)
    }

    /// Whether a photo at this path would have been listed everywhere in the folder.
    pub fn is_complete(&self) -> bool {
        !self.problems.iter().any(|problem| problem.kind.hides_photos())
    }
}

/// Lists what lies below `root`, whose path is canonical.
///
/// # Errors
///
/// What the operating system says if `root` itself cannot be read.
pub(super) fn list(root: &Path) -> io::Result<Listing> {
    fs::read_dir(root)?;
    let mut walk = Walk { root, listing: Listing::default(), seen: BTreeSet::new(), links: BTreeSet::new() };
    walk.list(PhotoPath::from(""), false);
    while let Some(link) = walk.links.pop_first() {
        walk.list(link, true);
    }
    let mut listing = walk.listing;
    listing.files.sort_by(|a, b| a.path.cmp(&b.path));
    listing.problems.sort();
    listing.left_out.sort();
    Ok(listing)
}

struct Walk<'a> {
    root: &'a Path,
    listing: Listing,
    /// Folders that were listed.
    seen: BTreeSet<Identity>,
    /// Links to folders inside that were found and not yet followed.
    links: BTreeSet<PhotoPath>,
}

/// Where a link leads.
enum Target {
    Inside,
    Outside,
    /// Into something that is left out.
    Leftover(Leftover),
}

impl Walk<'_> {
    /// Lists a folder and all below it; one that a link led to, unless that was listed before.
    fn list(&mut self, top: PhotoPath, linked: bool) {
        let mut folders = vec![top];
        while let Some(folder) = folders.pop() {
            let at = self.root.join(folder.to_path());
            // File systems that do not number their folders are no reason to pass one over that is really there.
            let is_new = identity(&at).is_ok_and(|id| self.seen.insert(id));
            if linked && !is_new {
                continue;
            }
            let entries = match fs::read_dir(&at) {
                Ok(entries) => entries,
                Err(e) => {
                    self.problem(folder, kind_of(&e, ProblemKind::UnreadableFolder));
                    continue;
                }
            };
            for entry in entries {
                let Ok(entry) = entry else {
                    self.problem(folder.clone(), ProblemKind::UnreadableFolder);
                    break;
                };
                let path = below(&folder, &entry);
                match entry.file_type() {
                    Ok(kind) if self.is_left_out(&path, &entry, kind) => {}
                    Ok(kind) if kind.is_dir() => folders.push(path),
                    Ok(kind) if kind.is_symlink() => self.link(path, &entry),
                    Ok(_) if is_photo(&entry.path()) => self.file(path, entry.metadata()),
                    Ok(_) => {}
                    Err(e) => self.problem(path, kind_of(&e, ProblemKind::UnreadableFile)),
                }
            }
        }
    }

    fn is_left_out(&mut self, path: &PhotoPath, entry: &DirEntry, kind: FileType) -> bool {
        let Some(leftover) = leftover(entry.file_name().as_encoded_bytes()) else { return false };
        // Of files, only those are named that would have been photos.
        if !kind.is_file() || is_photo(&entry.path()) {
            self.listing.left_out.push(LeftOut { path: path.clone(), kind: leftover });
        }
        true
    }

    fn link(&mut self, path: PhotoPath, entry: &DirEntry) {
        let (at, metadata) = match entry.path().canonicalize().and_then(|at| Ok((fs::metadata(&at)?, at))) {
            Ok((metadata, at)) => (at, metadata),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                return self.problem(path, ProblemKind::UnreadableFile);
            }
            Err(_) => return self.problem(path, ProblemKind::BrokenLink),
        };
        if !metadata.is_dir() && !is_photo(&entry.path()) {
            return;
        }
        match self.target(&at) {
            Target::Outside => self.problem(path, ProblemKind::LinkOutside),
            Target::Leftover(kind) => self.listing.left_out.push(LeftOut { path, kind }),
            Target::Inside if metadata.is_dir() => drop(self.links.insert(path)),
            Target::Inside => self.file(path, Ok(metadata)),
        }
    }

    fn target(&self, at: &Path) -> Target {
        let Ok(inside) = at.strip_prefix(self.root) else { return Target::Outside };
        let mut names = inside.components().filter_map(|part| leftover(part.as_os_str().as_encoded_bytes()));
        // A link into a hidden folder is how some programs keep photos: git-annex, and albums of links.
        names.find(|kind| *kind != Leftover::Hidden).map_or(Target::Inside, Target::Leftover)
    }

    /// Something under the name of a photo.
    fn file(&mut self, path: PhotoPath, metadata: io::Result<Metadata>) {
        match metadata {
            Ok(metadata) if metadata.is_file() => {
                let (modified, changed) = (super::modified(&metadata), super::changed(&metadata));
                self.listing.files.push(PhotoFile { path, bytes: metadata.len(), modified, changed });
            }
            Ok(_) => self.problem(path, ProblemKind::NoFile),
            Err(e) => self.problem(path, kind_of(&e, ProblemKind::UnreadableFile)),
        }
    }

    fn problem(&mut self, path: PhotoPath, kind: ProblemKind) {
        self.listing.problems.push(Problem { path, kind });
    }
}

fn below(folder: &PhotoPath, entry: &DirEntry) -> PhotoPath {
    let mut path = folder.as_bytes().to_vec();
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(entry.file_name().as_encoded_bytes());
    PhotoPath::from_bytes(path)
}

/// What is gone is not unreadable.
fn kind_of(error: &io::Error, otherwise: ProblemKind) -> ProblemKind {
    if error.kind() == io::ErrorKind::NotFound { ProblemKind::Vanished } else { otherwise }
}

/// What makes a folder the same one under another path: device and inode.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(folder: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(folder).map(|about| (about.dev(), about.ino()))
}

/// What makes a folder the same one under another path: where it really lies.
#[cfg(not(unix))]
type Identity = std::path::PathBuf;

#[cfg(not(unix))]
fn identity(folder: &Path) -> io::Result<Identity> {
    folder.canonicalize()
}
