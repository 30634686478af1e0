//! Which of all files with its keys a vault on a server is used with.
//!
//! With SQLite the vault's folder is on the machine of the key ring. A database on a server is within reach of every machine, and a copy
//! of the key ring on another one would drift: who is erased here keeps a key there, and who is added there has none here. So the
//! database knows the place of the ring by a number that lies beside the ring's file, and every transaction compares the two. The number
//! is bound to the file that holds it (its inode), so that a copy of the whole folder is none either.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rand_core::CryptoRng;

use crate::db::{Database, args};
use crate::durable;
use crate::error::{OpenError, TxError};
use crate::ledger::{DATABASE_FILE, Ledger, Tools, VaultPlace, set_up};
use crate::tx::Tx;
use crate::vault::read_vault;

/// The number of a place.
pub(crate) type RingPlace = [u8; 16];

/// In the table of places.
const PUT: &str = "INSERT INTO ring_place (one, number) VALUES (1, $1) \
                   ON CONFLICT (one) DO UPDATE SET number = excluded.number";

/// Beside the ring's file, whatever name it is called by.
fn beside(ring: &Path) -> io::Result<PathBuf> {
    Ok(durable::sibling_path(&ring.canonicalize()?, ".place"))
}

/// The place of this ring; `None` if it has none, or was copied from another.
fn known(ring: &Path) -> io::Result<Option<RingPlace>> {
    let mut file = match File::open(beside(ring)?) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut bytes = Vec::new();
    let inode = file.metadata()?.ino();
    file.read_to_end(&mut bytes)?;
    let own = bytes.strip_suffix(&inode.to_be_bytes());
    Ok(own.and_then(|number| number.try_into().ok()))
}

/// Makes this the place of the ring, under a number of its own.
fn mark(ring: &Path, rng: &mut dyn CryptoRng) -> io::Result<RingPlace> {
    let path = beside(ring)?;
    let draft = durable::sibling_path(&path, ".new");
    durable::remove_if_there(&draft)?;
    let mut number = RingPlace::default();
    rng.fill_bytes(&mut number);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let inode = file.metadata()?.ino();
    file.write_all(&[&number[..], &inode.to_be_bytes()].concat())?;
    file.sync_all()?;
    fs::rename(&draft, &path)?;
    durable::sync_folder_of(&path)?;
    Ok(number)
}

impl Ledger {
    /// From now on the vault is used with the key ring at `place`, and with no copy of it: for a ring that was moved there, or whose
    /// other copies are lost.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn adopt_ring(place: &VaultPlace, mut tools: Tools) -> Result<(), OpenError> {
        let pool = set_up(place, DATABASE_FILE)?;
        let vault = read_vault(place, &pool)?.ok_or_else(|| OpenError::NoVault { folder: place.folder.clone() })?;
        vault.ring(place, &tools)?;
        if place.database == Database::Sqlite {
            return Ok(());
        }
        let number = mark(&place.ring, &mut *tools.rng).map_err(unmarked(place))?;
        let put = pool.write(|db| db.exec(PUT, args![number]));
        put.map(drop).map_err(|source| OpenError::Database { folder: place.folder.clone(), source })
    }

    /// Whether the ring that this process has is the one that the vault is used with; `number` is the database's.
    pub(crate) fn check_ring_place(&self, number: Option<RingPlace>) -> Result<(), TxError> {
        let Some(number) = number else { return Ok(()) };
        let mut place = self.ring_place.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *place != Some(number) {
            // Another process of this machine may have taken the place anew.
            *place = known(self.ring().path()).ok().flatten();
        }
        if *place == Some(number) { Ok(()) } else { Err(TxError::RingElsewhere) }
    }

    /// The number under which the vault's ring is to be known, which is the one that it has if its place has one; `None` with SQLite.
    pub(crate) fn new_ring_place(&self, place: &VaultPlace) -> Result<Option<RingPlace>, OpenError> {
        if place.database == Database::Sqlite {
            return Ok(None);
        }
        let number = known(&place.ring).and_then(|known| match known {
            Some(number) => Ok(number),
            None => mark(&place.ring, &mut **self.rng()),
        });
        number.map(Some).map_err(unmarked(place))
    }
}

impl Tx<'_> {
    /// Writes down which ring the vault is used with; `None` where that is not asked.
    pub(crate) fn put_ring_place(&self, number: Option<RingPlace>) -> Result<(), TxError> {
        match number {
            Some(number) => self.exec(PUT, args![number]).map(drop),
            None => self.exec("DELETE FROM ring_place", args![]).map(drop),
        }
    }
}

fn unmarked(place: &VaultPlace) -> impl FnOnce(io::Error) -> OpenError {
    let path = place.ring.clone();
    move |source| OpenError::Io { op: "write beside", path, source }
}
