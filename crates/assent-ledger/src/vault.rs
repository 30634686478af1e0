//! The vault's own row: which vault it is, of which format, and who answers for it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use crate::actor::Origin;
use crate::db::{Columns, DbError, Pool, args};
use crate::error::{OpenError, TxError};
use crate::id::VaultId;
use crate::keyring::{KeyRing, KeyRingError};
use crate::ledger::{FORMAT_VERSION, Ledger, Tools, VaultPlace, resume, taken};
use crate::log::EventKind;
use crate::seal::{self, SealContext};
use crate::settings::Settings;
use crate::tx::Tx;
use crate::vocabulary::VaultKind;

const VAULT: &str = "vault";

/// What is known of a vault.
pub(crate) struct About {
    /// The vault's folder, by its full path.
    pub(crate) folder: PathBuf,
    pub(crate) kind: VaultKind,
    pub(crate) settings: Arc<Settings>,
    /// The settings as they stand in the table.
    pub(crate) sealed: Vec<u8>,
}

/// The full path of a folder.
pub(crate) fn whole(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}

impl About {
    /// # Errors
    ///
    /// [`TxError::Seal`], [`TxError::Damaged`] if the row is not as this vault's ring and format make it.
    pub(crate) fn open(
        (folder, ring): (&Path, &KeyRing),
        id: VaultId,
        kind: &str,
        sealed: Vec<u8>,
    ) -> Result<Self, TxError> {
        let damaged = || TxError::Damaged { table: VAULT };
        let kind = kind.parse().map_err(|_| damaged())?;
        let plain = seal::open(ring.master(), &vault_context(&id), &sealed)?;
        let settings = Arc::new(Settings::decode(&plain).ok_or_else(damaged)?);
        Ok(Self { folder: whole(folder), kind, settings, sealed })
    }
}

/// The vault's row, before its settings are opened.
pub(crate) struct StoredVault {
    pub(crate) id: VaultId,
    pub(crate) kind: String,
    ring_check: [u8; 32],
    pub(crate) sealed: Vec<u8>,
}

impl StoredVault {
    /// The vault's key ring, opened.
    ///
    /// # Errors
    ///
    /// [`OpenError::KeyRing`] if it cannot be opened, or is another vault's.
    pub(crate) fn ring(&self, place: &VaultPlace, tools: &Tools) -> Result<KeyRing, OpenError> {
        let ring = KeyRing::open(&place.ring, &tools.secrets, &tools.hook)?;
        if ring.vault() == self.id && ring_check(&ring) == self.ring_check {
            return Ok(ring);
        }
        Err(KeyRingError::WrongVault { path: ring.path().to_owned() }.into())
    }
}

/// Reads the vault's row; `None` if creation never got so far.
pub(crate) fn read_vault(place: &VaultPlace, pool: &Pool) -> Result<Option<StoredVault>, OpenError> {
    let folder = || place.folder.clone();
    let sql = "SELECT format_version, id, kind, ring_check, sealed FROM vault WHERE one = 1";
    let row = pool.read(|db| db.row(sql, args![]));
    let stored = row.and_then(|row| {
        let Some(row) = row else { return Ok(None) };
        let vault = StoredVault {
            id: VaultId::from_bytes(row.array(1)?),
            kind: row.text(2)?,
            ring_check: row.array(3)?,
            sealed: row.bytes(4)?,
        };
        Ok::<_, DbError>(Some((row.int(0)?, vault)))
    });
    match stored.map_err(|source| OpenError::Database { folder: folder(), source })? {
        Some((format, _)) if format > FORMAT_VERSION => Err(OpenError::Newer { folder: folder(), format }),
        stored => Ok(stored.map(|(_, vault)| vault)),
    }
}

/// Shows that a ring holds the vault's master key, and nothing of the key.
fn ring_check(ring: &KeyRing) -> [u8; 32] {
    ring.master().mac("assent ring check v1", ring.vault().as_bytes())
}

fn vault_context(id: &VaultId) -> SealContext<'_> {
    SealContext { table: VAULT, row: Some(id.as_bytes()), ..SealContext::default() }
}

impl Ledger {
    /// Writes the row and the first leaf of the log.
    pub(crate) fn put_vault(&self, place: &VaultPlace, origin: Origin) -> Result<(), OpenError> {
        let ring_place = self.new_ring_place(place)?;
        let sealed = self.run_tx("create vault", origin, |tx| {
            tx.put_ring_place(ring_place)?;
            tx.put_vault(self.id(), self.kind(), &self.settings())
        });
        let sealed = sealed.map_err(|cause| match read_vault(place, &self.pool) {
            // Another process was first.
            Ok(Some(other)) if other.id != self.id() => taken(place),
            _ => resume(place)(cause),
        })?;
        let sealed = sealed.into_inner();
        self.set_about(self.settings(), sealed);
        Ok(())
    }

    /// Writes down anew who answers for the vault.
    ///
    /// # Errors
    ///
    /// As [`Self::run_tx`].
    pub fn change_settings(&self, settings: Settings, origin: impl Into<Origin>) -> Result<(), TxError> {
        let id = self.id();
        let sealed = self.run_tx("change the controller", origin, |tx| {
            let sealed = tx.seal_master(&vault_context(&id), &settings.encode())?;
            tx.exec("UPDATE vault SET sealed = $1 WHERE one = 1", args![sealed.clone()])?;
            tx.append_leaf(EventKind::Controller, &[], &[])?;
            Ok(sealed)
        })?;
        self.set_about(Arc::new(settings), sealed.into_inner());
        Ok(())
    }

    fn set_about(&self, settings: Arc<Settings>, sealed: Vec<u8>) {
        let about = Arc::new(About { folder: whole(self.folder()), kind: self.kind(), settings, sealed });
        *self.about.write().unwrap_or_else(PoisonError::into_inner) = about;
    }
}

impl Tx<'_> {
    fn put_vault(&self, id: VaultId, kind: VaultKind, settings: &Settings) -> Result<Vec<u8>, TxError> {
        let sealed = self.seal_master(&vault_context(&id), &settings.encode())?;
        let check = ring_check(&self.ring());
        self.exec(
            "INSERT INTO vault (one, id, format_version, kind, ring_check, sealed, created_ms, ring_slots) \
             VALUES (1, $1, $2, $3, $4, $5, $6, 0)",
            args![id, FORMAT_VERSION, kind.as_str(), check, sealed.clone(), self.now],
        )?;
        self.append_leaf(EventKind::Created, id.as_bytes(), &[])?;
        Ok(sealed)
    }
}
