//! The embedder of a pack, rewritten for ONNX Runtime's own CPU code: made once, compared with the original, and kept.
//!
//! ```text
//! <folder>/rewritten-<sha256 of the original>-v1-<sha256 of this file>.onnx
//! ```
//!
//! A file that does not have the hash in its name is passed over. What is kept was compared before it was written.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use assent_vision::embed::Embedder;
use assent_vision::prelu::{self, REWRITE_VERSION};
use assent_vision::runtime::{Execution, Role, Runtime};

use super::ModelPack;
use super::digest::{hex, sha256};

/// What became of the embedder's `PReLU` layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// The engine that runs it gains nothing by it.
    NotNeeded,
    /// It has no such layers.
    NoLayers,
    /// They were rewritten; the new network agrees with the original.
    Used {
        /// The file, if a folder could be written.
        kept: Option<PathBuf>,
    },
    /// The original is used, for this reason.
    Refused {
        /// What was wrong with the new network.
        why: String,
    },
}

/// The embedder as ONNX Runtime's own code is fast at it, if that is what runs it and it can be had. It is looked for in
/// `folders`, and kept in the first of them that can be written.
pub(crate) fn rewritten(runtime: &Runtime, pack: &ModelPack, folders: &[PathBuf]) -> (Rewrite, Option<Vec<u8>>) {
    // A network that our own kernels know does not run through the library; one that it refuses is told of later.
    let runs = || Embedder::new(runtime, pack.embedder().clone(), &pack.embedder_bytes).map(|e| e.execution());
    let may_gain = runtime.machine().choose_library(Role::Embedder).0 == Execution::Cpu;
    if !may_gain || !matches!(runs(), Ok(Execution::Cpu)) {
        return (Rewrite::NotNeeded, None);
    }
    let original = pack.embedder_bytes.as_slice();
    let prefix = format!("rewritten-{}-v{REWRITE_VERSION}-", hex(&sha256(original)));
    if let Some((path, onnx)) = folders.iter().find_map(|folder| find(folder, &prefix)) {
        return (Rewrite::Used { kept: Some(path) }, Some(onnx));
    }
    let Some(new) = prelu::rewrite(original) else { return (Rewrite::NoLayers, None) };
    match prelu::compare(runtime, pack.embedder(), original, &new.onnx) {
        Ok(agreement) if agreement.is_close() => {
            let kept = folders.iter().find_map(|folder| keep(folder, &prefix, &new.onnx).ok());
            (Rewrite::Used { kept }, Some(new.onnx))
        }
        Ok(agreement) => {
            let why = format!(
                "its answers differ: cosine {}, largest difference {}",
                agreement.least_cosine, agreement.largest_difference
            );
            (Rewrite::Refused { why }, None)
        }
        Err(error) => (Rewrite::Refused { why: error.to_string() }, None),
    }
}

fn name(prefix: &str, onnx: &[u8]) -> String {
    format!("{prefix}{}.onnx", hex(&sha256(onnx)))
}

/// A whole file of this beginning of a name.
fn find(folder: &Path, prefix: &str) -> Option<(PathBuf, Vec<u8>)> {
    let mut names: Vec<String> =
        fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    names.into_iter().find_map(|found| {
        let path = folder.join(&found);
        let onnx = fs::read(&path).ok()?;
        (name(prefix, &onnx) == found).then_some((path, onnx))
    })
}

/// Writes the file whole or not at all. A folder that is marked as not to be written is left alone, whoever asks.
fn keep(folder: &Path, prefix: &str, onnx: &[u8]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    if fs::metadata(folder)?.permissions().readonly() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let path = folder.join(name(prefix, onnx));
    let part = folder.join(format!(".{prefix}{}.part", std::process::id()));
    let written = File::create(&part)
        .and_then(|mut file| file.write_all(onnx).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, &path));
    if written.is_err() {
        drop(fs::remove_file(&part));
    }
    written.map(|()| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_while_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("below");
        assert_eq!(find(&folder, "rewritten-a-v1-"), None);
        let path = keep(&folder, "rewritten-a-v1-", b"network").unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
        assert_eq!(find(&folder, "rewritten-a-v1-"), Some((path.clone(), b"network".to_vec())));
        assert_eq!(find(&folder, "rewritten-a-v2-"), None, "another version");
        assert_eq!(find(&folder, "rewritten-b-v1-"), None, "another original");
        fs::write(&path, "netw").unwrap();
        assert_eq!(find(&folder, "rewritten-a-v1-"), None, "damaged");
        assert_eq!(keep(&folder, "rewritten-a-v1-", b"network").unwrap(), path);
        assert_eq!(find(&folder, "rewritten-a-v1-"), Some((path, b"network".to_vec())), "mended");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_is_read_only_is_left_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o555)).unwrap();
        assert!(keep(dir.path(), "rewritten-a-v1-", b"network").is_err());
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
