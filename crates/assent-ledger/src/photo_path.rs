//! The path of a photo below its collection's folder.

use std::fmt::{self, Write as _};
use std::path::PathBuf;

/// Where a photo lies below its collection's folder: the bytes of the file system, with `/` between the parts.
///
/// File systems do not promise text: old cameras and archives have names in Latin-1. `Display` writes bytes that are no
/// UTF-8 as `\xFC`; [`to_path`](Self::to_path) gives the file itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhotoPath(Vec<u8>);

impl PhotoPath {
    /// A path from its bytes, with `/` between the parts; none for the folder itself.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> PhotoPath {
        PhotoPath(bytes.into())
    }

    /// The path's bytes, in the encoding of the operating system.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same for the operating system. Elsewhere than on Unix, names are text anyway.
    pub fn to_path(&self) -> PathBuf {
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStringExt as _;
            PathBuf::from(std::ffi::OsString::from_vec(self.0.clone()))
        }
        #[cfg(not(unix))]
        PathBuf::from(String::from_utf8_lossy(&self.0).into_owned())
    }
}

impl From<&str> for PhotoPath {
    fn from(path: &str) -> PhotoPath {
        PhotoPath(path.as_bytes().to_vec())
    }
}

impl fmt::Display for PhotoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02X}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for PhotoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        fmt::Display::fmt(&self.0.escape_ascii(), f)?;
        f.write_char('"')
    }
}

impl PartialEq<str> for PhotoPath {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for PhotoPath {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_text_is_shown_and_stays_the_same_file() {
        let check = |name: &str, bytes: &[u8], shown: &str| {
            let path = PhotoPath::from_bytes(bytes);
            assert_eq!(path.to_string(), shown, "{name}");
            #[cfg(unix)]
            assert_eq!(std::os::unix::ffi::OsStrExt::as_bytes(path.to_path().as_os_str()), bytes, "{name}");
        };
        check("text", "2026/Schützenfest.jpg".as_bytes(), "2026/Schützenfest.jpg");
        check("Latin-1", b"2026/Sch\xfctzenfest.jpg", "2026/Sch\\xFCtzenfest.jpg");
        check("cut in a letter", b"a\xe2\x82.jpg", "a\\xE2\\x82.jpg");
        check("empty", b"", "");
    }
}
