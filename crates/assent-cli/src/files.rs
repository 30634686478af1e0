//! Files that a person named: read, written, and what to say when that fails.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use assent::source::read_regular;

use crate::error::CommandError;

/// A picture or a scanned form that a person names is at most so long, bytes.
const BYTES_MAX: u64 = 1 << 30;

/// A text that a person names is at most so long, bytes.
const TEXT_BYTES_MAX: u64 = 128 << 20;

/// # Errors
///
/// [`CommandError::Io`] if the file cannot be read, is none, or is longer than 1 GiB.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, CommandError> {
    read_regular(path, BYTES_MAX).map_err(|source| CommandError::Io { op: "read", path: path.to_owned(), source })
}

/// # Errors
///
/// [`CommandError::Io`] if the file cannot be read as text, is none, or is longer than 128 MiB.
pub(crate) fn read_text(path: &Path) -> Result<String, CommandError> {
    let text = read_regular(path, TEXT_BYTES_MAX).and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
    });
    text.map_err(|source| CommandError::Io { op: "read", path: path.to_owned(), source })
}

/// The bytes by which a file says what it is, at most.
const HEAD_BYTES: u64 = 512;

/// Refuses to write over a file of another kind: a picture, somebody's letter. An earlier one of the same kind may be
/// replaced, and so may an empty file, a terminal or a pipe. `kind` is the first line of a text, or the first name in a ZIP
/// file.
///
/// # Errors
///
/// [`CommandError::Other`] if something else is there.
pub(crate) fn refuse_other(path: &Path, kind: &str) -> Result<(), CommandError> {
    if !fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() > 0) {
        return Ok(());
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
    if read.is_ok() && kind_of(&head) == kind.as_bytes() {
        return Ok(());
    }
    Err(CommandError::Other { path: path.to_owned() })
}

/// What the beginning of a file says that it is.
fn kind_of(head: &[u8]) -> &[u8] {
    match head {
        // The local header of the first entry: 30 bytes, of which 26 and 27 are the length of its name.
        [b'P', b'K', 3, 4, ..] => {
            let length = head.get(26..28).map_or(0, |bytes| usize::from(u16::from_le_bytes([bytes[0], bytes[1]])));
            head.get(30..30 + length).unwrap_or_default()
        }
        _ => head.split(|byte| *byte == b'\n').next().unwrap_or_default(),
    }
}

/// Writes a file so that it is whole or as it was, and no file of another kind is lost.
///
/// # Errors
///
/// - [`CommandError::Other`] as [`refuse_other`].
/// - [`CommandError::Io`] if the file cannot be written.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), CommandError> {
    refuse_other(path, text.lines().next().unwrap_or_default())?;
    replace_text(path, text)
}

/// Writes a file whose name this program chose, so that it is whole or as it was.
///
/// # Errors
///
/// [`CommandError::Io`] if the file cannot be written.
pub(crate) fn replace_text(path: &Path, text: &str) -> Result<(), CommandError> {
    write_whole(path, text).map_err(|source| CommandError::Io { op: "write", path: path.to_owned(), source })
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    // A link keeps where it leads, and a terminal or a pipe has nothing to be beside.
    if fs::symlink_metadata(path).is_ok_and(|about| !about.is_file()) {
        return fs::write(path, text);
    }
    write_beside(path, text, &mut OpenOptions::new())
}

/// Writes a file for its owner alone, so that it is whole or as it was.
///
/// # Errors
///
/// [`io::Error`] if the file cannot be written.
pub(crate) fn replace_private(path: &Path, text: &str) -> io::Result<()> {
    write_beside(path, text, OpenOptions::new().mode(0o600))
}

fn write_beside(path: &Path, text: &str, options: &mut OpenOptions) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let mut file = options.write(true).create(true).truncate(true).open(&new)?;
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
