//! Every durable write, announced before and after, so that a test can stop the program at each.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
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
    /// Which write.
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
pub(crate) fn announced<T, E>(hook: &WriteHook, kind: WriteKind, write: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
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
    announced(hook, kind, || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        let linked = std::fs::hard_link(draft, path);
        std::fs::remove_file(draft)?;
        linked?;
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    })
}

/// Writes `content` at `offset`, in place or at the end, and syncs.
pub(crate) fn write_at(
    hook: &WriteHook,
    kind: WriteKind,
    file: &mut File,
    offset: u64,
    content: &[u8],
) -> std::io::Result<()> {
    announced(hook, kind, || {
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(content)?;
        file.sync_all()
    })
}

/// Reads exactly as many bytes as `into` has, from `offset`.
pub(crate) fn read_at(file: &mut File, offset: u64, into: &mut [u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}
