//! Reading a file that somebody named: a file and nothing else, and never more of it than there may be.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Opens a regular file. A pipe that nobody writes to would keep whoever opens it waiting for ever, and a device never
/// ends; a link counts as what it leads to.
///
/// # Errors
///
/// - What the operating system says.
/// - [`io::ErrorKind::InvalidInput`] if it is something else than a file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        let what = "it is a folder, a pipe or a device; name a file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    File::open(path)
}

/// Reads a regular file of at most `bytes_max` bytes.
///
/// # Errors
///
/// - As [`open_regular`].
/// - [`io::ErrorKind::FileTooLarge`] if it is longer.
pub fn read_regular(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let mut bytes = Vec::with_capacity(file.metadata()?.len().min(bytes_max) as usize);
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let what = format!("it is longer than {} MB, more than such a file may be", bytes_max / 1_000_000);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound_and_nothing_else_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "12345").unwrap();
        let check = |name: &str, path: &Path, bytes_max: u64, expected: Result<&[u8], io::ErrorKind>| {
            let got = read_regular(path, bytes_max);
            assert_eq!(got.as_deref().map_err(io::Error::kind), expected, "{name}");
        };
        check("as long as it may be", &file, 5, Ok(b"12345"));
        check("without a bound", &file, u64::MAX, Ok(b"12345"));
        check("longer", &file, 4, Err(io::ErrorKind::FileTooLarge));
        check("nothing", &dir.path().join("none"), 5, Err(io::ErrorKind::NotFound));
        check("a folder", dir.path(), 5, Err(io::ErrorKind::InvalidInput));
        #[cfg(unix)]
        {
            let pipe = dir.path().join("pipe");
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            check("a pipe", &pipe, 5, Err(io::ErrorKind::InvalidInput));
            check("a device", Path::new("/dev/zero"), 5, Err(io::ErrorKind::InvalidInput));
            std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
            check("a link to a file", &dir.path().join("link"), 5, Ok(b"12345"));
        }
    }
}
