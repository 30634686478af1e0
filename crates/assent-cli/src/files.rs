//! Files that a person named: read, written, and what to say when that fails.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::error::CommandError;

/// # Errors
///
/// [`CommandError::Io`] if the file cannot be read.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, CommandError> {
    fs::read(path).map_err(|source| CommandError::Io { op: "read", path: path.to_owned(), source })
}

/// # Errors
///
/// [`CommandError::Io`] if the file cannot be read as text.
pub(crate) fn read_text(path: &Path) -> Result<String, CommandError> {
    fs::read_to_string(path).map_err(|source| CommandError::Io { op: "read", path: path.to_owned(), source })
}

/// Writes a file so that it is whole or as it was.
///
/// # Errors
///
/// [`CommandError::Io`] if the file cannot be written.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), CommandError> {
    write_whole(path, text).map_err(|source| CommandError::Io { op: "write", path: path.to_owned(), source })
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    // A link keeps where it leads, and a terminal or a pipe has nothing to be beside.
    if fs::symlink_metadata(path).is_ok_and(|about| !about.is_file()) {
        return fs::write(path, text);
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// Writes what is theirs alone whose it is: a file that nobody else may read, there whole or not at all.
///
/// # Errors
///
/// [`CommandError::Io`] if the folder refuses.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let failed = |source| CommandError::Io { op: "write", path: path.to_owned(), source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Makes a folder, if it is not there.
///
/// # Errors
///
/// [`CommandError::Io`] if it cannot be made.
pub(crate) fn make_folder(path: &Path) -> Result<(), CommandError> {
    fs::create_dir_all(path).map_err(|source| CommandError::Io { op: "make the folder", path: path.to_owned(), source })
}
