//! Damaged slots: which they are, what may still be read of them, and how a whole one takes their place.
//!
//! A wrong bit is in the key itself, or in what stands beside it. In the second case the key can still be read, and whoever
//! knows records that were sealed under it can tell that it is right.

use zeroize::Zeroizing;

use super::notes::PartialNote;
use super::slot::{
    DESTROYED, ENDED, GRANT, LIVE, NOTE, RETIRED, SLOT_BYTES, State, WITHDRAWN, field, id_slot, number_slot, state,
};
use super::{KeyRing, KeyRingError};
use crate::durable::WriteKind;
use crate::id::{GrantId, SubjectId};
use crate::secret::Key;

/// What a slot that is whole says.
pub(crate) enum SlotContent {
    /// It holds the key of this subject, or of a collection's crops.
    Key(SubjectId, Key),
    /// It holds the secret of this grant.
    Secret(GrantId, Key),
    /// It held the secret of a grant that ended.
    Ended(GrantId),
    /// It held the key of a subject who was erased.
    Destroyed(SubjectId),
    /// This consent was withdrawn, by the leaf at this position.
    Withdrawn([u8; 16], u64),
    /// It held a key of this subject that another one took the place of, when the log was so long.
    Retired(SubjectId, u64),
    /// It is a part of a note, with these bytes.
    Note(Box<[u8; SLOT_BYTES]>),
}

impl KeyRing {
    /// Whether every slot's checksum fits.
    pub(crate) fn is_whole(&self) -> bool {
        self.damaged.is_empty()
    }

    /// The damaged slots, each with the id that stands in it, which may itself be damaged.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be read.
    pub(crate) fn damaged(&mut self) -> Result<Vec<(u64, SubjectId)>, KeyRingError> {
        self.refresh()?;
        let slots: Vec<u64> = self.damaged.iter().copied().collect();
        slots.into_iter().map(|slot| Ok((slot, SubjectId::from_bytes(field(&*self.read(slot)?, 8))))).collect()
    }

    /// What stands where a key of `subject` would stand, in each damaged slot from which it can be read. Whether it is
    /// theirs, their records say.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be read.
    pub(crate) fn salvaged(&mut self, subject: SubjectId) -> Result<Vec<(u64, Key)>, KeyRingError> {
        let mut found = Vec::new();
        for (slot, _) in self.damaged()? {
            let mut bytes = self.read(slot)?;
            bytes[..8].copy_from_slice(&LIVE.to_be_bytes());
            bytes[8..24].copy_from_slice(subject.as_bytes());
            super::slot::write_checksum(&mut bytes);
            found.extend(self.opener().key_in(&bytes).map(|key| (slot, key)));
        }
        Ok(found)
    }

    /// What a slot says; `None` if it is damaged, or there is none.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be read.
    pub(crate) fn content(&mut self, slot: u64) -> Result<Option<SlotContent>, KeyRingError> {
        self.refresh()?;
        if slot >= self.whole {
            return Ok(None);
        }
        let bytes = self.read(slot)?;
        let (id, number) = (field(&bytes, 8), u64::from_be_bytes(field(&bytes, 24)));
        let subject = SubjectId::from_bytes(id);
        Ok(match state(&bytes) {
            State::Live => self.opener().key_in(&bytes).map(|key| SlotContent::Key(subject, key)),
            State::Grant => self.opener().key_in(&bytes).map(|key| SlotContent::Secret(GrantId::from_bytes(id), key)),
            State::Ended => Some(SlotContent::Ended(GrantId::from_bytes(id))),
            State::Destroyed => Some(SlotContent::Destroyed(subject)),
            State::Withdrawn => Some(SlotContent::Withdrawn(id, number)),
            State::Retired => Some(SlotContent::Retired(subject, number)),
            State::Note => Some(SlotContent::Note(Box::new(*bytes))),
            State::Damaged => None,
        })
    }

    /// Whether a damaged slot here and the same slot of a backup are one: the id is the same, or all the rest is.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if a file cannot be read.
    pub(crate) fn is_same_slot(&mut self, backup: &mut Self, slot: u64) -> Result<bool, KeyRingError> {
        if slot >= self.whole.min(backup.whole) {
            return Ok(false);
        }
        let (here, there) = (self.read(slot)?, backup.read(slot)?);
        Ok(here[8..24] == there[8..24] || here[24..96] == there[24..96])
    }

    /// Writes a damaged slot, or a new one at the end if `slot` is `None`, so that it says this.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be written.
    pub(crate) fn write_content(&mut self, slot: Option<u64>, says: &SlotContent) -> Result<(), KeyRingError> {
        let _exclusive = self.exclusive()?;
        self.refresh()?;
        let slot = slot.unwrap_or(self.whole);
        let (word, bytes) = match says {
            SlotContent::Key(subject, key) => (LIVE, self.key_slot(*subject, key)?),
            SlotContent::Secret(grant, key) => (GRANT, self.secret_slot(*grant, key)?),
            SlotContent::Ended(grant) => (ENDED, id_slot(grant.as_bytes())),
            SlotContent::Destroyed(subject) => (DESTROYED, id_slot(subject.as_bytes())),
            SlotContent::Withdrawn(grant, position) => (WITHDRAWN, number_slot(grant, *position)),
            SlotContent::Retired(subject, leaves) => (RETIRED, number_slot(subject.as_bytes(), *leaves)),
            SlotContent::Note(bytes) => (NOTE, Zeroizing::new(**bytes)),
        };
        let kind = if slot < self.whole { WriteKind::RingErase } else { WriteKind::RingAppend };
        self.put(kind, slot, word, bytes)?;
        self.read_anew()
    }

    /// Forgets what was read of the file, and reads it again.
    pub(super) fn read_anew(&mut self) -> Result<(), KeyRingError> {
        self.slots.clear();
        self.rotated.clear();
        self.grants.clear();
        self.retired.clear();
        self.destroyed.clear();
        self.withdrawn.clear();
        self.withdrawn_ids.clear();
        self.notes.clear();
        self.noted_until = 0;
        self.partial = PartialNote::default();
        self.damaged.clear();
        self.whole = 0;
        self.refresh()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::durable::no_hook;
    use crate::id::VaultId;

    fn subject(n: u8) -> SubjectId {
        SubjectId::from_bytes([n; 16])
    }

    #[test]
    fn a_flipped_bit_anywhere_damages_one_slot_and_leaves_the_others_and_nothing_overwrites_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let open = || KeyRing::open(&path, &[], &no_hook()).unwrap();
        let master = Key::from_bytes(&[5; 32]);
        let mut ring = KeyRing::create(&path, VaultId::from_bytes([9; 16]), &master, &[], &no_hook()).unwrap();
        (1..=3).for_each(|n| ring.add(subject(n), &Key::from_bytes(&[n; 32])).unwrap());
        let whole = fs::read(&path).unwrap();
        for at in SLOT_BYTES..4 * SLOT_BYTES {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(&path, &bytes).unwrap();
            let mut ring = open();
            let (hit, within) = (at / SLOT_BYTES - 1, at % SLOT_BYTES);
            assert_eq!(ring.damaged().unwrap().iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [hit as u64], "{at}");
            for n in 1..=3_u8 {
                assert_eq!(ring.get(subject(n)).is_ok(), usize::from(n) != hit + 1, "byte {at}, subject {n}");
            }
            ring.add(subject(4), &Key::from_bytes(&[4; 32])).unwrap();
            assert_eq!(
                fs::read(&path).unwrap()[..4 * SLOT_BYTES],
                bytes,
                "byte {at}: the next key does not take its place"
            );

            let id = subject(hit as u8 + 1);
            let read = open().salvaged(id).unwrap();
            assert_eq!(read[0].1.expose() == &[hit as u8 + 1; 32], !(24..56).contains(&within), "byte {at}");
            let mut ring = open();
            ring.write_content(Some(hit as u64), &SlotContent::Key(id, Key::from_bytes(&[hit as u8 + 1; 32]))).unwrap();
            assert!(ring.is_whole() && (1..=4).all(|n| ring.get(subject(n)).is_ok()), "byte {at}");
            assert_eq!(fs::read(&path).unwrap()[..4 * SLOT_BYTES], whole, "byte {at}");
        }
    }
}
