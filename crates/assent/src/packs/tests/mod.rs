//! Real packs load; broken copies of them are refused, each by its own name.

mod models;
mod photos;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

fn shared(pack: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/packs").join(pack)
}

/// A copy of a pack that a test may break.
fn copy_of(pack: &str) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap() {
            let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
            if path.is_dir() {
                fs::create_dir(&to).unwrap();
                copy(&path, &to);
            } else {
                fs::write(&to, fs::read(&path).unwrap()).unwrap();
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    copy(&shared(pack), dir.path());
    dir
}

#[test]
fn packs_are_found_in_order_and_earlier_roots_win() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (root, folder) in [
        (&first, "models/b"),
        (&first, "models/a"),
        (&second, "models/a"),
        (&second, "photos/c"),
        (&second, "models/.x"),
    ] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    fs::write(second.path().join("models/file"), "x").unwrap();
    let roots = [first.path().to_owned(), first.path().join("absent"), second.path().to_owned()];
    let found = find_packs(&roots).unwrap();
    let names: Vec<_> = found.iter().map(|pack| (pack.kind.word(), pack.name.as_str())).collect();
    assert_eq!(names, [("models", "a"), ("models", "b"), ("photos", "c")]);
    assert_eq!(found[0].dir, first.path().join("models/a"));
}
