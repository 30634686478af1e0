//! Every durable write, with a hook that is called before and after it, so that a test can stop the program at each.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is about to become durable, or just did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteKind {
    /// A new key ring file.
    RingCreate,
    /// A new key at the end of the ring.
    RingAppend,
    /// A withdrawal noted at the end of the ring.
    RingNote,
    /// A key overwritten in place.
    RingErase,
    /// A step of the whole ring written anew: the new file, its name, and the old file overwritten.
    RingReplace,
    /// A step of a backup: a file written beside its place, or put in its place.
    Backup,
    /// A step of a restore: the copy of the database, or its name.
    Restore,
    /// The database file rewritten, so that no trace of deleted rows is left in it.
    Scrub,
    /// A database transaction, by the name given to `run_tx`.
    Commit(&'static str),
}

/// On which side of the write the hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of it is on disk yet.
    Before,
    /// All of it is.
    After,
}

/// One moment at which the program could be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WritePoint {
    /// The kind of write.
    pub kind: WriteKind,
    /// Before or after it.
    pub moment: Moment,
}

/// Called before and after every durable write. It may unwind or end the process, and nothing else.
pub type WriteHook = Arc<dyn Fn(WritePoint) + Send + Sync>;

/// A hook that does nothing.
pub fn no_hook() -> WriteHook {
    Arc::new(|_| {})
}

/// Runs `write` between the two calls of the hook; the second is left out when `write` fails.
pub(crate) fn with_hook<T, E>(hook: &WriteHook, kind: WriteKind, write: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    hook(WritePoint { kind, moment: Moment::Before });
    let done = write()?;
    hook(WritePoint { kind, moment: Moment::After });
    Ok(done)
}

/// Makes a file that only its owner may read, whole or not at all, and syncs it and its folder.
///
/// The content goes to `PATH.new` first; the link under the right name fails if there is a file already.
pub(crate) fn create_private(hook: &WriteHook, kind: WriteKind, path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let draft = Path::new(&name);
    with_hook(hook, kind, || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        let linked = std::fs::hard_link(draft, path);
        std::fs::remove_file(draft)?;
        linked?;
        sync_folder_of(path)
    })
}

/// Puts another content in the place of a file that only its owner may read. At every moment one of the two is there, whole;
/// of the old one nothing is left in the blocks that it had, as far as the file system overwrites in place.
///
/// What an interruption leaves is cleared away by [`finish_replacing`].
pub(crate) fn replace_private(hook: &WriteHook, path: &Path, content: &[u8]) -> std::io::Result<()> {
    let (draft, old) = (sibling_path(path, DRAFT), sibling_path(path, REPLACED));
    finish_replacing(path)?;
    with_hook(hook, WriteKind::RingReplace, || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::hard_link(path, &old)
    })?;
    with_hook(hook, WriteKind::RingReplace, || {
        std::fs::rename(&draft, path)?;
        sync_folder_of(path)
    })?;
    with_hook(hook, WriteKind::RingReplace, || finish_replacing(path))
}

/// Overwrites and removes what [`replace_private`] left beside a file: a draft, or the file that was replaced.
pub(crate) fn finish_replacing(path: &Path) -> std::io::Result<()> {
    for other in [sibling_path(path, DRAFT), sibling_path(path, REPLACED)] {
        let Ok(about) = other.symlink_metadata() else { continue };
        let here = path.metadata()?;
        // Before the draft took its name, the file itself has two names.
        let another = (about.dev(), about.ino()) != (here.dev(), here.ino());
        if another && about.is_file() {
            let mut file = OpenOptions::new().write(true).open(&other)?;
            file.write_all(&vec![0; about.len() as usize])?;
            file.sync_all()?;
        }
        std::fs::remove_file(&other)?;
        sync_folder_of(path)?;
    }
    Ok(())
}

const DRAFT: &str = ".assent-draft";
const REPLACED: &str = ".assent-replaced";

/// The path with something more at its end.
pub(crate) fn sibling_path(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Keeps a file that is to be replaced under a second name, until [`finish_replacing`]. One that an interruption left there
/// stays: what goes with it was not replaced yet.
pub(crate) fn set_aside(hook: &WriteHook, kind: WriteKind, path: &Path) -> std::io::Result<()> {
    let aside = set_aside_at(path);
    if aside.exists() || !path.exists() {
        return Ok(());
    }
    with_hook(hook, kind, || {
        if std::fs::hard_link(path, &aside).is_err() {
            // Not every disk that people carry away knows two names of one file.
            let draft = sibling_path(&aside, DRAFT);
            std::fs::copy(path, &draft)?;
            File::open(&draft)?.sync_all()?;
            std::fs::rename(&draft, &aside)?;
        }
        sync_folder_of(path)
    })
}

/// Where [`set_aside`] keeps a file.
pub(crate) fn set_aside_at(path: &Path) -> PathBuf {
    sibling_path(path, REPLACED)
}

/// Writes a file that only its owner may read, whole or not at all, over the one that is there.
pub(crate) fn put_private(hook: &WriteHook, kind: WriteKind, path: &Path, content: &[u8]) -> std::io::Result<()> {
    let draft = draft_private(hook, kind, path, content)?;
    put_in_place(hook, kind, &draft, path)
}

/// Writes a file beside its place, for [`put_in_place`].
pub(crate) fn draft_private(
    hook: &WriteHook,
    kind: WriteKind,
    path: &Path,
    content: &[u8],
) -> std::io::Result<PathBuf> {
    let draft = sibling_path(path, DRAFT);
    with_hook(hook, kind, || {
        remove_if_there(&draft)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(content)?;
        file.sync_all()
    })?;
    Ok(draft)
}

/// Gives a file that is whole and on disk its name, over the file that has it.
pub(crate) fn put_in_place(hook: &WriteHook, kind: WriteKind, draft: &Path, path: &Path) -> std::io::Result<()> {
    with_hook(hook, kind, || {
        std::fs::rename(draft, path)?;
        sync_folder_of(path)
    })
}

/// Removes a file; that there is none is no error.
pub(crate) fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Makes an empty file that only its owner may read, if there is none.
pub(crate) fn begin_private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map(drop)
}

/// Makes a folder for its owner alone, with those above it that are not there.
pub(crate) fn make_private_folder(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The same for a vault; one that is there and empty becomes its owner's alone.
pub(crate) fn make_vault_folder(path: &Path) -> std::io::Result<()> {
    make_private_folder(path)?;
    if std::fs::read_dir(path)?.next().is_none() {
        std::fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

pub(crate) fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Writes several pieces, each at its offset, in place or at the end, with one sync for all.
pub(crate) fn write_pieces<'a>(
    hook: &WriteHook,
    kind: WriteKind,
    file: &File,
    pieces: impl Iterator<Item = (u64, &'a [u8])>,
) -> std::io::Result<()> {
    with_hook(hook, kind, || {
        for (offset, content) in pieces {
            file.write_all_at(content, offset)?;
        }
        file.sync_all()
    })
}
