//! Leases: what one process does at a time, of all that work on a vault.
//!
//! A lease is a row, and on its own machine a locked file as well: when a process is killed, the system lets go of the file, and
//! the next one there takes the lease at once. Elsewhere it is free when its time is over. Whoever takes it gets a higher token,
//! and a transaction that renews it under an old one is refused, so that nothing is stored by a process that was thought dead.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::actor::Origin;
use crate::db::{Columns, args};
use crate::durable;
use crate::error::TxError;
use crate::id::{CollectionId, Timestamp};
use crate::ledger::Ledger;
use crate::tx::Tx;

/// A lease is free this long after it was renewed last, ms.
const LEASE_MS: i64 = 60_000;

/// In the vault's folder: the files that are locked.
const FOLDER: &str = "leases";

/// Among them: which of the folders of a vault this is.
const NODE_FILE: &str = "node";

/// Begins the names of leases that are for one place each.
const EXPORT: &str = "export-";

/// What is done by one process at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseName {
    /// Listing a collection's folder, and scanning it.
    Scan(CollectionId),
    /// What is done every day.
    Tick,
    /// Taking what was deleted out of the database's file.
    Scrub,
    /// Recording a table of people.
    Import,
    /// Writing copies or a page to one place, by a keyed tag of its path ([`Ledger::export_lease`]).
    Export([u8; 16]),
}

impl LeaseName {
    /// As it stands in the table, and the name of the file.
    pub(crate) fn text(self) -> String {
        match self {
            Self::Scan(collection) => format!("scan-{collection}"),
            Self::Tick => "tick".to_owned(),
            Self::Scrub => "scrub".to_owned(),
            Self::Import => "import".to_owned(),
            Self::Export(target) => format!("{EXPORT}{:032x}", u128::from_be_bytes(target)),
        }
    }
}

/// What its holder does, in words.
impl std::fmt::Display for LeaseName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Scan(_) => "scanning this collection",
            Self::Tick => "doing what has to be done every day",
            Self::Scrub => "clearing away what was deleted",
            Self::Import => "recording a table of people",
            Self::Export(_) => "writing copies to this place",
        })
    }
}

/// A lease that this process has, until it is dropped or another one takes it.
#[derive(Debug)]
pub struct Lease {
    pub(crate) name: LeaseName,
    pub(crate) token: i64,
    _file: File,
}

impl Ledger {
    /// Takes a lease, for as long as it is renewed by [`Tx::renew_lease`] every minute.
    ///
    /// # Errors
    ///
    /// - [`TxError::Leased`] if another process has it.
    /// - [`TxError::LeaseFile`] if its file cannot be made or locked.
    /// - As [`Self::run_tx`].
    pub fn lease(&self, name: LeaseName, now: Timestamp) -> Result<Lease, TxError> {
        Ok(self.lease_and(("take a lease", name), now, |_, _| Ok(()))?.0)
    }

    /// The same, and whatever else is to be done in the transaction that takes it, with its token.
    pub(crate) fn lease_and<T>(
        &self,
        (transaction, name): (&'static str, LeaseName),
        origin: impl Into<Origin>,
        then: impl for<'tx> Fn(&Tx<'tx>, i64) -> Result<T, TxError>,
    ) -> Result<(Lease, T), TxError> {
        let folder = self.folder().join(FOLDER);
        let (file, node) = self.lock_lease(&folder, name).map_err(|source| TxError::LeaseFile { folder, source })?;
        let file = file.ok_or(TxError::Leased { name })?;
        let taken = self.run_tx(transaction, origin, |tx| {
            let token = tx.take_lease(name, node)?;
            Ok((token, then(tx, token)?))
        });
        let (token, value) = taken?.into_inner();
        Ok((Lease { name, token, _file: file }, value))
    }

    /// The lease for writing to one place: two that write to the same one are told apart from two that do not.
    ///
    /// # Source
    ///
    /// The first 16 bytes of `HMAC(master key, "assent export place v1" | path)`.
    pub fn export_lease(&self, place: &Path) -> LeaseName {
        let mac = self.ring().master().mac("assent export place v1", place.as_os_str().as_encoded_bytes());
        LeaseName::Export(*mac.first_chunk().unwrap_or(&[0; 16]))
    }

    /// Whether the holder of a lease works still, by its row. A process of this folder has the lease's file locked; of one elsewhere
    /// nobody knows more than until when it has the lease.
    pub(crate) fn is_held(&self, name: &str, (holder, until): ([u8; 16], i64), now: Timestamp) -> bool {
        // What cannot be looked at says nothing.
        let locked = locked_here(&self.folder().join(FOLDER), name, holder).unwrap_or(None);
        locked.unwrap_or(until > now.0)
    }

    /// Deletes the files of leases for places that no row is about and nobody holds. What cannot be deleted stays.
    pub(crate) fn remove_lease_files(&self, now: Timestamp) -> Result<(), TxError> {
        let known: BTreeSet<String> = self.read_tx(now, |tx| {
            let rows = tx.rows("SELECT name FROM leases WHERE name LIKE 'export-%'", args![])?;
            Ok(rows.iter().map(|row| row.text(0)).collect::<Result<_, _>>()?)
        })?;
        drop(remove_unknown(&self.folder().join(FOLDER), &known));
        Ok(())
    }

    /// Does something under a lease of its own, and gives it back.
    ///
    /// # Errors
    ///
    /// As [`Self::lease`], and whatever `body` returns.
    pub fn under_lease<T, E: From<TxError>>(
        &self,
        name: LeaseName,
        now: Timestamp,
        body: impl FnOnce(&Lease) -> Result<T, E>,
    ) -> Result<T, E> {
        let lease = self.lease(name, now)?;
        let done = body(&lease);
        // Where it cannot be given back it ends by itself.
        drop(self.release(lease, now));
        done
    }

    /// Gives a lease back, so that nobody has to wait for its end.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`]: it is free when its time is over.
    pub fn release(&self, lease: Lease, now: Timestamp) -> Result<(), TxError> {
        self.run_tx("release a lease", now, |tx| tx.end_lease(&lease))?;
        drop(lease);
        Ok(())
    }

    /// The lease's file, locked; `None` if another process has it. And which folder of the vault this is.
    fn lock_lease(&self, folder: &Path, name: LeaseName) -> io::Result<(Option<File>, [u8; 16])> {
        durable::make_private_folder(folder)?;
        let open = |name: &str| {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(folder.join(name))
        };
        let mut node = open(NODE_FILE)?;
        // Whoever comes first says which it is; and nobody looks meanwhile whether the lease's file is locked.
        node.lock()?;
        let file = open(&name.text())?;
        let file = match file.try_lock() {
            Ok(()) => Some(file),
            Err(fs::TryLockError::WouldBlock) => None,
            Err(fs::TryLockError::Error(source)) => return Err(source),
        };
        let mut bytes = Vec::new();
        node.read_to_end(&mut bytes)?;
        if let Ok(known) = bytes.try_into() {
            return Ok((file, known));
        }
        let mut fresh = [0; 16];
        self.rng().fill_bytes(&mut fresh);
        node.set_len(0)?;
        node.rewind()?;
        node.write_all(&fresh)?;
        node.sync_all()?;
        Ok((file, fresh))
    }
}

impl Tx<'_> {
    /// The caller has the lease's file.
    fn take_lease(&self, name: LeaseName, node: [u8; 16]) -> Result<i64, TxError> {
        let row = self.row("SELECT holder, token, until_ms FROM leases WHERE name = $1", args![name.text()])?;
        let before = row.map(|row| Ok::<_, TxError>((row.array::<16>(0)?, row.int(1)?, row.int(2)?))).transpose()?;
        if before.is_some_and(|(holder, _, until)| holder != node && until > self.now.0) {
            return Err(TxError::Leased { name });
        }
        let token = before.map_or(1, |(_, token, _)| token + 1);
        self.exec(
            "INSERT INTO leases (name, holder, token, until_ms) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO UPDATE \
             SET holder = excluded.holder, token = excluded.token, until_ms = excluded.until_ms",
            args![name.text(), node, token, self.now.0.saturating_add(LEASE_MS)],
        )?;
        Ok(token)
    }

    /// From here on anybody may take it. Whether it was this process's still.
    pub(crate) fn end_lease(&self, lease: &Lease) -> Result<bool, TxError> {
        let sql = "UPDATE leases SET until_ms = 0 WHERE name = $1 AND token = $2";
        Ok(self.exec(sql, args![lease.name.text(), lease.token])? == 1)
    }

    /// Every lease is free: those who had them worked on another copy of the vault.
    pub(crate) fn end_leases(&self) -> Result<(), TxError> {
        self.exec("UPDATE leases SET until_ms = 0", args![]).map(drop)
    }

    /// Says that the holder of a lease is alive, and that this transaction is theirs.
    ///
    /// # Errors
    ///
    /// [`TxError::LeaseLost`] if another process has taken it, or it was given back; [`TxError::Database`] if the database
    /// refuses.
    pub fn renew_lease(&self, lease: &Lease) -> Result<(), TxError> {
        let until = self.now.0.saturating_add(LEASE_MS);
        let sql = "UPDATE leases SET until_ms = $1 WHERE name = $2 AND token = $3";
        match self.exec(sql, args![until, lease.name.text(), lease.token])? {
            1 => Ok(()),
            _ => Err(TxError::LeaseLost { name: lease.name }),
        }
    }
}

/// Whether a lease's file is locked, if its holder is this folder.
fn locked_here(folder: &Path, name: &str, holder: [u8; 16]) -> io::Result<Option<bool>> {
    // The name stands in the database, which may be anybody's.
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Ok(None);
    }
    let mut node = File::open(folder.join(NODE_FILE))?;
    // Whoever takes a lease holds this one meanwhile, and does not meet the lock of somebody who only looks.
    node.lock()?;
    let mut bytes = Vec::new();
    node.read_to_end(&mut bytes)?;
    if bytes != holder {
        return Ok(None);
    }
    match File::open(folder.join(name))?.try_lock() {
        Ok(()) => Ok(Some(false)),
        Err(fs::TryLockError::WouldBlock) => Ok(Some(true)),
        Err(fs::TryLockError::Error(source)) => Err(source),
    }
}

/// Deletes the files of leases for places that are not among these, and that nobody has locked.
fn remove_unknown(folder: &Path, known: &BTreeSet<String>) -> io::Result<()> {
    let node = File::open(folder.join(NODE_FILE))?;
    // Whoever takes a lease holds this one until it has the file.
    node.lock()?;
    for entry in fs::read_dir(folder)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let unknown = name.to_str().is_some_and(|name| name.starts_with(EXPORT) && !known.contains(name));
        if unknown && File::open(&path)?.try_lock().is_ok() {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
