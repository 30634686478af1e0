//! A secret for each grant, in a slot of its own. Together with the key of its person it makes the key that everything is sealed
//! under that hangs on the grant. When the grant ends the slot is overwritten in place: that takes no room on the disk.

use zeroize::Zeroizing;

use super::slot::{ENDED, GRANT, SLOT_BYTES, State, field, id_slot, state, write_checksum};
use super::{KeyRing, KeyRingError};
use crate::durable::WriteKind;
use crate::id::{GrantId, SubjectId};
use crate::secret::Key;

impl KeyRing {
    /// Gives a grant its secret. One that is there already, left by a transaction that did not commit, is overwritten. Whether
    /// that was done: a grant that ended gets none again.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be written.
    pub(crate) fn add_secret(&mut self, grant: GrantId, secret: &Key) -> Result<bool, KeyRingError> {
        let bytes = self.secret_slot(grant, secret)?;
        let _exclusive = self.exclusive()?;
        self.refresh()?;
        let slot = match self.slot_of_grant(grant) {
            Some(slot) if state(&*self.read(slot)?) == State::Ended => return Ok(false),
            slot => slot.unwrap_or(self.whole),
        };
        self.put(WriteKind::RingAppend, slot, GRANT, bytes)?;
        self.slots.remove(&Self::as_subject(grant));
        self.grants.insert(grant, slot);
        self.whole = self.whole.max(slot + 1);
        Ok(true)
    }

    /// The secret of a grant; `None` if it was destroyed, because the grant ended.
    ///
    /// # Errors
    ///
    /// - [`KeyRingError::NoSecret`], [`KeyRingError::Damaged`] if it cannot be read.
    /// - [`KeyRingError::Io`] if the file cannot be read.
    pub(crate) fn secret(&mut self, grant: GrantId) -> Result<Option<Key>, KeyRingError> {
        if self.slot_of_grant(grant).is_none() {
            self.refresh()?;
        }
        let slot = self.slot_of_grant(grant).ok_or(KeyRingError::NoSecret { grant })?;
        let bytes = self.read(slot)?;
        if state(&bytes) == State::Ended {
            return Ok(None);
        }
        let secret = self.opener().key_in(&bytes);
        secret.map(Some).ok_or_else(|| self.damaged_slot(slot))
    }

    /// The secret of a grant with its slot, if it is whole.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be read.
    pub(crate) fn secrets_of(&mut self, grant: GrantId) -> Result<Vec<(u64, Key)>, KeyRingError> {
        let Some(slot) = self.slot_of_grant(grant) else { return Ok(Vec::new()) };
        let bytes = self.read(slot)?;
        Ok(self.opener().key_in(&bytes).map(|secret| (slot, secret)).into_iter().collect())
    }

    /// Destroys the secrets of grants that ended. Those that have none are passed by.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be written; done again, it goes on.
    pub(crate) fn end_secrets(&mut self, grants: &[GrantId]) -> Result<(), KeyRingError> {
        if grants.is_empty() {
            return Ok(());
        }
        let _exclusive = self.exclusive()?;
        self.refresh()?;
        let mut pieces = Vec::new();
        for grant in grants {
            let Some(slot) = self.slot_of_grant(*grant) else { continue };
            if state(&*self.read(slot)?) != State::Ended {
                let mut bytes = *id_slot(grant.as_bytes());
                bytes[..8].copy_from_slice(&ENDED.to_be_bytes());
                write_checksum(&mut bytes);
                pieces.push((slot, bytes));
            }
        }
        if pieces.is_empty() {
            return Ok(());
        }
        let written: Vec<_> = pieces.iter().map(|(slot, bytes)| (*slot, bytes)).collect();
        self.store.put(WriteKind::RingErase, &written)?;
        for (slot, bytes) in pieces {
            let grant = GrantId::from_bytes(field(&bytes, 8));
            self.slots.remove(&Self::as_subject(grant));
            self.damaged.remove(&slot);
            self.grants.insert(grant, slot);
        }
        Ok(())
    }

    /// Whether the ring holds, or held, a secret of a grant, as far as this view of the file goes.
    pub(crate) fn has_secret(&self, grant: GrantId) -> bool {
        self.slot_of_grant(grant).is_some()
    }

    /// The same, in a slot that is whole.
    pub(crate) fn has_whole_secret(&self, grant: GrantId) -> bool {
        self.grants.contains_key(&grant)
    }

    /// A slot with the secret of a grant, sealed if the ring is locked.
    pub(super) fn secret_slot(
        &self,
        grant: GrantId,
        secret: &Key,
    ) -> Result<Zeroizing<[u8; SLOT_BYTES]>, KeyRingError> {
        self.key_slot(Self::as_subject(grant), secret)
    }

    /// Damaged slots are kept by the id that stands in them, whosever it is.
    fn slot_of_grant(&self, grant: GrantId) -> Option<u64> {
        let damaged = || self.slots.get(&Self::as_subject(grant)).filter(|slot| self.damaged.contains(slot));
        self.grants.get(&grant).or_else(damaged).copied()
    }

    fn as_subject(grant: GrantId) -> SubjectId {
        SubjectId::from_bytes(*grant.as_bytes())
    }
}
