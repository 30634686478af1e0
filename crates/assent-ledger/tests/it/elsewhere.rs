//! A vault at another place: in the folder of another process, from files, or from a backup.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use assent_ledger::*;

use crate::support::*;

impl Home {
    /// Where another process has the same vault: one on a server from a folder of its own, with the same key ring.
    pub(crate) fn another_place(&self) -> VaultPlace {
        if self.backend == Backend::Sqlite {
            return self.place.clone();
        }
        let folder = self.dir.path().join("another folder");
        fs::create_dir_all(&folder).unwrap();
        VaultPlace { folder, ..self.place.clone() }
    }

    /// A vault on SQLite from copies of these files.
    pub(crate) fn of_files(database: &Path, ring: &Path) -> Self {
        let home = Self::new(Backend::Sqlite);
        fs::create_dir_all(&home.place.folder).unwrap();
        fs::create_dir_all(home.place.ring.parent().unwrap()).unwrap();
        fs::copy(database, home.place.folder.join("assent.db")).unwrap();
        fs::copy(ring, &home.place.ring).unwrap();
        fs::set_permissions(&home.place.ring, fs::Permissions::from_mode(0o600)).unwrap();
        home
    }

    pub(crate) fn restore(&self, from: Backup<'_>, now: Timestamp) -> Result<Ledger, RestoreError> {
        patient(|| Ledger::restore(&self.place, from, self.tools(no_hook()), now))
    }
}

impl World {
    /// The same world after its vault was lost and came back from a backup; the key ring was not lost.
    pub(crate) fn restored(self, data: &Path, ring: &Path, now: Timestamp) -> Self {
        let Self { ledger, home, collection, witnesses } = self;
        drop(ledger);
        home.lose();
        let ledger = home.restore(Backup { data, ring: Some(ring), newest: None }, now).unwrap();
        Self { ledger, home, collection, witnesses }
    }
}
