//! Unpacking the inference library from a Python wheel, which is a zip archive.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use thiserror::Error;
use zip::ZipArchive;
use zip::result::ZipError;

/// The folder in the wheel that holds the library.
const CAPI: &str = "onnxruntime/capi/";
/// The most bytes that are unpacked: four times what the wheel of today holds.
const BYTES_MAX: u64 = 1 << 30;

/// A file that was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Library {
    /// Plain name in the `capi` folder.
    pub(crate) name: String,
    /// Size, bytes.
    pub(crate) bytes: u64,
}

/// Why a wheel was not unpacked.
#[derive(Debug, Error)]
pub(crate) enum WheelError {
    /// It is no zip archive, or a damaged one.
    #[error("the wheel is no zip archive that can be read: fetch it again")]
    Zip(#[from] ZipError),
    /// A name in it leaves the folder it is unpacked to.
    #[error("the wheel holds the name \"{name}\", which leaves its folder: it was not unpacked")]
    Leaves {
        /// The name of the file, as the archive or the card has it.
        name: String,
    },
    /// It holds no library.
    #[error("the wheel holds no ONNX Runtime library in onnxruntime/capi: it is another package's")]
    NoLibrary,
    /// It unpacks to more than [`BYTES_MAX`].
    #[error("the wheel unpacks to more than 1 GiB: it was not unpacked")]
    TooLarge,
    /// A file could not be written.
    #[error("cannot unpack {name}: check the free space")]
    Write {
        /// The file's name in the wheel.
        name: String,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
}

/// Unpacks the libraries of `wheel`'s folder `onnxruntime/capi` into `to`, which exists.
///
/// The Python module beside them is left out. Names are checked for the whole archive before anything is written.
///
/// # Errors
///
/// Each variant of [`WheelError`] says when; `to` may then hold a part of the libraries.
pub(crate) fn unpack(wheel: File, to: &Path) -> Result<Vec<Library>, WheelError> {
    let mut archive = ZipArchive::new(wheel)?;
    for name in archive.file_names() {
        let name = name?;
        if !stays_within(&name) {
            return Err(WheelError::Leaves { name: name.into_owned() });
        }
    }
    let mut libraries = Vec::new();
    let mut left = BYTES_MAX;
    for index in 0..archive.len() {
        let entry = archive.by_index(index)?;
        let path = entry.name()?.into_owned();
        let Some(name) = path.strip_prefix(CAPI).filter(|name| is_library(name)) else {
            continue;
        };
        if entry.is_symlink() {
            return Err(WheelError::Leaves { name: path });
        }
        let failed = |source| WheelError::Write { name: path.clone(), source };
        let mut file = File::create_new(to.join(name)).map_err(failed)?;
        let bytes = io::copy(&mut entry.take(left + 1), &mut file).map_err(failed)?;
        left = left.checked_sub(bytes).ok_or(WheelError::TooLarge)?;
        file.sync_all().map_err(failed)?;
        executable(&file).map_err(failed)?;
        libraries.push(Library { name: name.to_owned(), bytes });
    }
    if libraries.iter().any(|library| is_runtime(&library.name)) { Ok(libraries) } else { Err(WheelError::NoLibrary) }
}

/// Whether the folder `capi` holds the library itself.
pub(crate) fn has_runtime(capi: &Path) -> bool {
    let Ok(entries) = fs::read_dir(capi) else {
        return false;
    };
    entries.flatten().any(|entry| entry.file_name().to_str().is_some_and(is_runtime))
}

/// The library that programs load, by its name on the three families of systems.
fn is_runtime(name: &str) -> bool {
    name == "onnxruntime.dll"
        || name.starts_with("libonnxruntime.so")
        || name.starts_with("libonnxruntime.") && has_ending(name, "dylib")
}

fn is_library(name: &str) -> bool {
    !name.contains('/')
        && (name.starts_with("lib") && (name.contains(".so") || has_ending(name, "dylib")) || has_ending(name, "dll"))
}

fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

fn stays_within(name: &str) -> bool {
    !name.starts_with('/') && !name.contains(['\\', ':', '\0']) && name.split('/').all(|part| part != "..")
}

/// Shared libraries are readable and executable by everyone, as `pip` installs them.
fn executable(file: &File) -> io::Result<()> {
    #[cfg(unix)]
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    #[cfg(not(unix))]
    let mode = file.metadata()?.permissions();
    file.set_permissions(mode)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn wheel(files: &[(&str, &str)]) -> File {
        let mut zip = ZipWriter::new(tempfile::tempfile().unwrap());
        for (name, content) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(content.as_bytes()).unwrap();
        }
        let mut file = zip.finish().unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn libraries_alone_are_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = wheel(&[
            ("onnxruntime/capi/libonnxruntime.so.1.24.1", "library"),
            ("onnxruntime/capi/libopenvino.so", "same"),
            ("onnxruntime/capi/libopenvino.so.2541", "same"),
            ("onnxruntime/capi/onnxruntime_pybind11_state.cpython-312-x86_64-linux-gnu.so", "python"),
            ("onnxruntime/capi/_pybind_state.py", "python"),
            ("onnxruntime/capi/deeper/libx.so", "x"),
            ("onnxruntime/libx.so", "x"),
        ]);
        let names: Vec<_> = unpack(wheel, dir.path()).unwrap().into_iter().map(|library| library.name).collect();
        assert_eq!(names, ["libonnxruntime.so.1.24.1", "libopenvino.so", "libopenvino.so.2541"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
        assert!(has_runtime(dir.path()));
    }

    #[test]
    fn names_that_leave_the_folder_are_refused_before_anything_is_written() {
        let library = ("onnxruntime/capi/libonnxruntime.so.1", "library");
        for name in ["../x", "/etc/x", "onnxruntime/capi/../../../libx.so", "onnxruntime/capi/..", "a\\..\\b", "C:x"] {
            let dir = tempfile::tempdir().unwrap();
            let error = unpack(wheel(&[library, (name, "x")]), dir.path()).unwrap_err();
            assert!(matches!(error, WheelError::Leaves { .. }), "{name}: {error}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{name}");
        }
    }

    #[test]
    fn other_archives_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut text = tempfile::tempfile().unwrap();
        text.write_all(b"no archive").unwrap();
        assert!(matches!(unpack(text, dir.path()), Err(WheelError::Zip(_))));
        let other = wheel(&[("numpy/libx.so", "x"), ("onnxruntime/capi/libonnxruntime_providers_shared.so", "x")]);
        assert!(matches!(unpack(other, dir.path()), Err(WheelError::NoLibrary)));
    }
}
