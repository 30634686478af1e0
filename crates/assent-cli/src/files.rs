//! Files that a person named: read, written, and what to say when that fails.

use std::fs;
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

/// # Errors
///
/// [`CommandError::Io`] if the file cannot be written.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), CommandError> {
    fs::write(path, text).map_err(|source| CommandError::Io { op: "write", path: path.to_owned(), source })
}

/// Makes a folder, if it is not there.
///
/// # Errors
///
/// [`CommandError::Io`] if it cannot be made.
pub(crate) fn make_folder(path: &Path) -> Result<(), CommandError> {
    fs::create_dir_all(path).map_err(|source| CommandError::Io { op: "make the folder", path: path.to_owned(), source })
}
