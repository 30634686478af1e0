//! Another lock for a ring: the whole file is written anew, with the keys sealed by another key of the ring, and the old
//! file overwritten.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::lock::{Header, RingSecret};
use super::slot::{SLOT_BYTES, State, field, id_slot, state, write_checksum};
use super::{KeyRing, KeyRingError, Opener};
use crate::id::SubjectId;

impl KeyRing {
    /// Locks the ring with `secret` alone from now on; `None` leaves the keys in it as they are. Slots keep their places.
    ///
    /// # Errors
    ///
    /// - [`KeyRingError::Damaged`] if a key does not open: nothing was changed.
    /// - [`KeyRingError::NotLocked`] if a wrapped data key is too long, or Argon2 has no memory: nothing was changed.
    /// - [`KeyRingError::Io`] if the file cannot be written: it has the old lock or the new one.
    pub(crate) fn rewrap(&mut self, secret: Option<&RingSecret>, rng: &mut dyn CryptoRng) -> Result<(), KeyRingError> {
        self.refresh()?;
        let path = self.path().to_owned();
        let refused = || KeyRingError::NotLocked { path: path.clone() };
        let (header, locked) = match secret {
            None => (Header::in_the_clear(self.vault, &self.master), None),
            Some(secret) => {
                let (header, key) = Header::locked(self.vault, &self.master, secret, rng).ok_or_else(refused)?;
                (header, Some(key))
            }
        };
        let to = Opener { vault: self.vault, locked: locked.as_ref() };
        let mut slots = Zeroizing::new(vec![[0; SLOT_BYTES]; self.whole as usize]);
        for (slot, rewrapped) in (0..).zip(slots.iter_mut()) {
            let old = self.read(slot)?;
            let new = match state(&old) {
                State::Live | State::Grant => {
                    let key = self.opener().key_in(&old).ok_or_else(|| self.damaged_slot(slot))?;
                    let mut new = to.slot_of(SubjectId::from_bytes(field(&old, 8)), &key).ok_or_else(refused)?;
                    new[..8].copy_from_slice(&old[..8]);
                    new
                }
                State::Destroyed | State::Withdrawn | State::Retired | State::Note | State::Ended => old,
                // As damaged as before, by a state that there is not, and without what is left of a key.
                State::Damaged => id_slot(&field(&old, 8)),
            };
            *rewrapped = *new;
            write_checksum(rewrapped);
        }
        self.store.replace(&header, &slots)?;
        self.locked = locked;
        Ok(())
    }
}
