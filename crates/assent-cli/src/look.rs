//! What waits for a witness, put where they can look at it: the pictures of each person, and the form that they signed.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use assent::ledger::{Ledger, UniqueFileNames, WaitingFiles, file_name_of};
use assent::service::enrolment::{WaitingForm, pictures, release};
use tempfile::TempDir;

use crate::error::CommandError;
use crate::vault::now;

/// Pictures and forms that lie in a folder until this goes.
pub(crate) struct LookedAt {
    /// The folder.
    pub(crate) folder: PathBuf,
    files: Vec<PathBuf>,
    /// A folder that was made for it, and goes with this.
    _private: Option<TempDir>,
}

impl LookedAt {
    /// Puts the pictures and the forms of what waits into a folder, for nobody but whoever runs this: the one that was named, or
    /// a new one. What was recorded before format 10 has none in the vault.
    ///
    /// # Errors
    ///
    /// - [`CommandError::Other`] if a file is there already.
    /// - [`CommandError::Io`] if the folder refuses; as the ledger.
    pub(crate) fn put(
        ledger: &Ledger,
        waiting: &[&WaitingForm],
        folder: Option<&Path>,
    ) -> Result<LookedAt, CommandError> {
        let private = folder.is_none().then(tempfile::tempdir).transpose()?;
        let folder = match (folder, &private) {
            (Some(folder), _) => folder.to_owned(),
            (None, Some(private)) => private.path().to_owned(),
            (None, None) => return Err(CommandError::Missing { flag: "--look" }),
        };
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|source| CommandError::Io { op: "make the folder", path: folder.clone(), source })?;
        let mut looked = LookedAt { folder, files: Vec::new(), _private: private };
        let mut names = UniqueFileNames::default();
        for WaitingForm { who, pending } in waiting {
            if matches!(pending.files, WaitingFiles::Paths(_)) {
                continue;
            }
            let named = |what, (name, bytes)| (format!("{} {what} {name}", who.handle), bytes);
            let pictures = pictures(ledger, pending, now())?.into_iter().map(|file| named("picture", file));
            let form = release(ledger, pending, now())?.map(|file| named("form", file));
            for (name, bytes) in pictures.chain(form) {
                let path = looked.folder.join(names.unique(&file_name_of(&name)));
                looked.write(path, &bytes)?;
            }
        }
        Ok(looked)
    }

    fn write(&mut self, path: PathBuf, bytes: &[u8]) -> Result<(), CommandError> {
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => file,
            Err(_) if path.exists() => return Err(CommandError::Other { path }),
            Err(source) => return Err(CommandError::Io { op: "write", path, source }),
        };
        self.files.push(path.clone());
        file.write_all(bytes).map_err(|source| CommandError::Io { op: "write", path, source })
    }

    /// How many files they are.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    /// Leaves them in the folder that was named.
    pub(crate) fn leave(mut self) -> PathBuf {
        self.files.clear();
        std::mem::take(&mut self.folder)
    }
}

impl Drop for LookedAt {
    fn drop(&mut self) {
        // Whoever moved one of them away has it.
        self.files.iter().for_each(|file| drop(fs::remove_file(file)));
    }
}
