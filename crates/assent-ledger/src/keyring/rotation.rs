//! Key rotation in the ring: a subject with two keys, because theirs is being rotated, or that was interrupted.
//!
//! The new key is appended beside the old one, and no slot whose key may be needed is ever overwritten: which of the two is
//! the subject's is what the database says. Only then is the other one retired: zeros, and how long the log was.

use std::collections::BTreeSet;

use super::slot::{LIVE, RETIRED, number_slot};
use super::{KeyRing, KeyRingError};
use crate::durable::WriteKind;
use crate::id::SubjectId;
use crate::secret::Key;

impl KeyRing {
    /// Appends a key beside the subject's own. Until [`Self::complete_rotation`], theirs is the one that they had.
    ///
    /// # Errors
    ///
    /// - [`KeyRingError::NoKey`], [`KeyRingError::Destroyed`] if the subject has no key.
    /// - [`KeyRingError::Io`] if the file cannot be written.
    pub(crate) fn add_rotated(&mut self, subject: SubjectId, key: &Key) -> Result<(), KeyRingError> {
        self.get(subject)?;
        let _exclusive = self.exclusive()?;
        self.refresh()?;
        let slot = self.whole;
        self.put(WriteKind::RingAppend, slot, LIVE, self.key_slot(subject, key)?)?;
        self.rotated.entry(subject).or_default().insert(slot);
        self.whole += 1;
        Ok(())
    }

    /// How many keys were rotated, or are being rotated, by whatever process.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be read.
    pub(crate) fn rotations(&mut self) -> Result<usize, KeyRingError> {
        self.read_anew()?;
        Ok(self.retired.len() + self.rotated.len())
    }

    /// Whether a rotation of this subject's key is pending.
    pub(crate) fn is_rotating(&self, subject: SubjectId) -> bool {
        self.rotated.contains_key(&subject)
    }

    /// Whose rotation is pending: the subjects who have more slots than one.
    pub(crate) fn pending_rotations(&self) -> Vec<SubjectId> {
        self.rotated.keys().filter(|subject| !self.destroyed.contains(subject)).copied().collect()
    }

    /// The keys that stand for a subject in the ring, each with its slot.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be read.
    pub(crate) fn keys_of(&mut self, subject: SubjectId) -> Result<Vec<(u64, Key)>, KeyRingError> {
        let mut keys = Vec::new();
        for slot in self.slots_of(subject) {
            let bytes = self.read(slot)?;
            keys.extend(self.opener().key_in(&bytes).map(|key| (slot, key)));
        }
        Ok(keys)
    }

    /// Completes a rotation: makes the key in `slot` the subject's only one; the others are overwritten in place and synced. `leaves` is how long
    /// the log is. Calling it again changes nothing (it is idempotent).
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be written; done again, it goes on.
    pub(crate) fn complete_rotation(&mut self, subject: SubjectId, slot: u64, leaves: u64) -> Result<(), KeyRingError> {
        let _exclusive = self.exclusive()?;
        let mut others = self.slots_of(subject);
        others.remove(&slot);
        self.slots.insert(subject, slot);
        self.rotated.insert(subject, others.clone());
        for other in others {
            self.put(WriteKind::RingErase, other, RETIRED, number_slot(subject.as_bytes(), leaves))?;
            self.retired.push((leaves, subject));
        }
        self.rotated.remove(&subject);
        Ok(())
    }

    /// Whose key was retired when the log was longer than `leaves`.
    pub(crate) fn retired_after(&self, leaves: u64) -> BTreeSet<SubjectId> {
        self.retired.iter().filter(|(then, _)| *then > leaves).map(|(_, subject)| *subject).collect()
    }

    fn slots_of(&self, subject: SubjectId) -> BTreeSet<u64> {
        let rotated = self.rotated.get(&subject).into_iter().flatten();
        self.slots.get(&subject).into_iter().chain(rotated).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::slot::SLOT_BYTES;
    use super::*;
    use crate::durable::no_hook;
    use crate::id::VaultId;

    const ADA: SubjectId = SubjectId::from_bytes([1; 16]);
    const BOB: SubjectId = SubjectId::from_bytes([2; 16]);

    /// Ada and Bob, and a second key for Ada.
    fn two_keys(path: &Path) -> KeyRing {
        let mut ring =
            KeyRing::create(path, VaultId::from_bytes([9; 16]), &Key::from_bytes(&[5; 32]), &[], &no_hook()).unwrap();
        ring.add(ADA, &Key::from_bytes(&[0xa1; 32])).unwrap();
        ring.add(BOB, &Key::from_bytes(&[0xb0; 32])).unwrap();
        ring.add_rotated(ADA, &Key::from_bytes(&[0xa2; 32])).unwrap();
        ring
    }

    fn open(path: &Path) -> KeyRing {
        KeyRing::open(path, &[], &no_hook()).unwrap()
    }

    fn first_bytes(ring: &mut KeyRing, subject: SubjectId) -> Vec<u8> {
        ring.keys_of(subject).unwrap().iter().map(|(_, key)| key.expose()[0]).collect()
    }

    #[test]
    fn r45_of_two_keys_one_is_settled_and_the_other_is_gone() {
        for (slot, stays, goes) in [(0, 0xa1, 0xa2), (2, 0xa2, 0xa1)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ring");
            let mut ring = two_keys(&path);
            assert_eq!(ring.get(ADA).unwrap().expose()[0], 0xa1, "theirs until it is settled");
            let mut ring = if slot == 0 { ring } else { open(&path) };
            assert_eq!((ring.pending_rotations(), first_bytes(&mut ring, ADA)), (vec![ADA], vec![0xa1, 0xa2]));
            ring.complete_rotation(ADA, slot, 7).unwrap();
            for mut ring in [ring, open(&path)] {
                assert_eq!(ring.get(ADA).unwrap().expose()[0], stays);
                assert_eq!((ring.pending_rotations(), first_bytes(&mut ring, BOB)), (Vec::new(), vec![0xb0]));
                assert_eq!((ring.retired_after(6).len(), ring.retired_after(7).len()), (1, 0));
                assert!(ring.destroyed().is_empty(), "nobody was erased");
            }
            assert!(fs::read(&path).unwrap().windows(32).all(|w| w != [goes; 32]));
        }
    }

    #[test]
    fn r45_a_second_key_cut_at_any_byte_leaves_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        drop(two_keys(&path));
        let whole = fs::read(&path).unwrap();
        for cut in 3 * SLOT_BYTES..4 * SLOT_BYTES {
            fs::write(&path, &whole[..cut]).unwrap();
            let mut ring = open(&path);
            assert_eq!(
                (ring.pending_rotations(), first_bytes(&mut ring, ADA)),
                (Vec::new(), vec![0xa1]),
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn r45_a_key_given_up_halfway_is_given_up_again() {
        for slot in [0, 2] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ring");
            let mut ring = two_keys(&path);
            let before = fs::read(&path).unwrap();
            ring.complete_rotation(ADA, slot, 7).unwrap();
            let after = fs::read(&path).unwrap();
            let other = (3 - slot as usize) * SLOT_BYTES;
            for cut in 1..SLOT_BYTES {
                let mut torn = before.clone();
                torn[other..other + cut].copy_from_slice(&after[other..other + cut]);
                fs::write(&path, &torn).unwrap();
                let mut ring = open(&path);
                let stays = if slot == 0 { 0xa1 } else { 0xa2 };
                if cut > 7 && torn != after {
                    assert_eq!((ring.pending_rotations(), first_bytes(&mut ring, ADA)), (vec![ADA], vec![stays]));
                }
                ring.complete_rotation(ADA, slot, 7).unwrap();
                assert_eq!(fs::read(&path).unwrap(), after, "cut at {cut}");
            }
        }
    }

    #[test]
    fn i5_erasing_somebody_with_two_keys_destroys_both() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        two_keys(&path).destroy(ADA).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.windows(32).all(|w| w != [0xa1; 32] && w != [0xa2; 32]));
        let mut ring = open(&path);
        assert!(matches!(ring.get(ADA), Err(KeyRingError::Destroyed { .. })));
        assert_eq!((ring.pending_rotations(), ring.destroyed()), (Vec::new(), vec![ADA]), "and counts once");
        // Halfway: the second key is overwritten, the first is not yet.
        let mut half = bytes.clone();
        fs::remove_file(&path).unwrap();
        drop(two_keys(&path));
        half[SLOT_BYTES..2 * SLOT_BYTES].copy_from_slice(&fs::read(&path).unwrap()[SLOT_BYTES..2 * SLOT_BYTES]);
        fs::write(&path, &half).unwrap();
        let mut ring = open(&path);
        assert!(matches!(ring.get(ADA), Err(KeyRingError::Destroyed { .. })));
        ring.destroy(ADA).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
