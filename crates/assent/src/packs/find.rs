//! Which packs there are.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The two kinds of packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PackKind {
    /// Networks, under `<root>/models`.
    Models,
    /// Labelled photos, under `<root>/photos`.
    Photos,
}

impl PackKind {
    /// The word in a card's `kind`, which is also the folder's name under a root.
    pub fn word(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Photos => "photos",
        }
    }

    /// The newest version of such a card that this program reads. It reads all before it.
    pub fn newest_format(self) -> i64 {
        match self {
            Self::Models => 2,
            Self::Photos => 1,
        }
    }
}

impl fmt::Display for PackKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A folder that stands where a pack belongs. Its card has not been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPack {
    /// By the folder it lies in.
    pub kind: PackKind,
    /// The folder's name, by which people ask for the pack.
    pub name: String,
    /// The path of the folder in which the pack lies.
    pub dir: PathBuf,
}

/// Why the packs could not be listed.
#[derive(Debug, Error)]
pub enum FindPacksError {
    /// A folder is there and cannot be listed.
    #[error("cannot list the packs in {}", dir.display())]
    Unreadable {
        /// The path of the folder.
        dir: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// Lists the folders under `<root>/models` and `<root>/photos`, in the order of `roots`, then kind, then name.
///
/// A root that does not exist holds no packs. Hidden folders (a leading dot) are skipped, and so is a pack whose kind
/// and name an earlier root has too.
///
/// # Errors
///
/// - [`FindPacksError::Unreadable`] if one of the folders exists and cannot be listed.
pub fn find_packs(roots: &[PathBuf]) -> Result<Vec<FoundPack>, FindPacksError> {
    let mut found: Vec<FoundPack> = Vec::new();
    for root in roots {
        for kind in [PackKind::Models, PackKind::Photos] {
            let dir = root.join(kind.word());
            let mut names =
                folder_names(&dir).map_err(|source| FindPacksError::Unreadable { dir: dir.clone(), source })?;
            names.sort();
            for name in names {
                if !found.iter().any(|pack| pack.kind == kind && pack.name == name) {
                    let dir = dir.join(&name);
                    found.push(FoundPack { kind, name, dir });
                }
            }
        }
    }
    Ok(found)
}

/// Names of the folders in `dir`; names that are not UTF-8 cannot be asked for and are skipped.
fn folder_names(dir: &std::path::Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
            && entry.path().is_dir()
        {
            names.push(name);
        }
    }
    Ok(names)
}
