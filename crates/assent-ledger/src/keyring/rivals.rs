//! A subject with two keys: theirs is being exchanged, or that was interrupted.
//!
//! The new key is appended beside the old one, and no slot whose key may be needed is ever overwritten: which of the two is
//! the subject's is what the database says. Only then is the other one given up: zeros, and how long the log was.

use std::collections::BTreeSet;

use super::slot::{GIVEN_UP, LIVE, number_slot};
use super::{KeyRing, KeyRingError};
use crate::durable::WriteKind;
use crate::id::SubjectId;
use crate::secret::Key;

impl KeyRing {
    /// Appends a key beside the subject's own. Until [`Self::settle`], theirs is the one that they had.
    ///
    /// # Errors
    ///
    /// - [`KeyRingError::NoKey`], [`KeyRingError::Destroyed`] if the subject has no key.
    /// - [`KeyRingError::Io`] if the file cannot be written.
    pub(crate) fn add_rival(&mut self, subject: SubjectId, key: &Key) -> Result<(), KeyRingError> {
        self.get(subject)?;
        self.refresh()?;
        let slot = self.whole;
        self.put(WriteKind::RingAppend, slot, LIVE, self.key_slot(subject, key)?)?;
        self.rivals.entry(subject).or_default().insert(slot);
        self.whole += 1;
        Ok(())
    }

    /// Who has more slots than one.
    pub(crate) fn unsettled(&self) -> Vec<SubjectId> {
        self.rivals.keys().filter(|subject| !self.destroyed.contains(subject)).copied().collect()
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

    /// Makes the key in `slot` the subject's only one: the others are overwritten in place and synced. `leaves` is how long
    /// the log is. Done twice, it is done once.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be written; done again, it goes on.
    pub(crate) fn settle(&mut self, subject: SubjectId, slot: u64, leaves: u64) -> Result<(), KeyRingError> {
        let mut others = self.slots_of(subject);
        others.remove(&slot);
        self.slots.insert(subject, slot);
        self.rivals.insert(subject, others.clone());
        for other in others {
            self.put(WriteKind::RingErase, other, GIVEN_UP, number_slot(subject.as_bytes(), leaves))?;
            self.given_up.push((leaves, subject));
        }
        self.rivals.remove(&subject);
        Ok(())
    }

    /// Whose key was exchanged when the log was longer than this.
    pub(crate) fn given_up_after(&self, leaves: u64) -> BTreeSet<SubjectId> {
        self.given_up.iter().filter(|(then, _)| *then > leaves).map(|(_, subject)| *subject).collect()
    }

    fn slots_of(&self, subject: SubjectId) -> BTreeSet<u64> {
        let rivals = self.rivals.get(&subject).into_iter().flatten();
        self.slots.get(&subject).into_iter().chain(rivals).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::slot::SLOT;
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
        ring.add_rival(ADA, &Key::from_bytes(&[0xa2; 32])).unwrap();
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
            assert_eq!((ring.unsettled(), first_bytes(&mut ring, ADA)), (vec![ADA], vec![0xa1, 0xa2]));
            ring.settle(ADA, slot, 7).unwrap();
            for mut ring in [ring, open(&path)] {
                assert_eq!(ring.get(ADA).unwrap().expose()[0], stays);
                assert_eq!((ring.unsettled(), first_bytes(&mut ring, BOB)), (Vec::new(), vec![0xb0]));
                assert_eq!((ring.given_up_after(6).len(), ring.given_up_after(7).len()), (1, 0));
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
        for cut in 3 * SLOT..4 * SLOT {
            fs::write(&path, &whole[..cut]).unwrap();
            let mut ring = open(&path);
            assert_eq!((ring.unsettled(), first_bytes(&mut ring, ADA)), (Vec::new(), vec![0xa1]), "cut at {cut}");
        }
    }

    #[test]
    fn r45_a_key_given_up_halfway_is_given_up_again() {
        for slot in [0, 2] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ring");
            let mut ring = two_keys(&path);
            let before = fs::read(&path).unwrap();
            ring.settle(ADA, slot, 7).unwrap();
            let after = fs::read(&path).unwrap();
            let other = (3 - slot as usize) * SLOT;
            for cut in 1..SLOT {
                let mut torn = before.clone();
                torn[other..other + cut].copy_from_slice(&after[other..other + cut]);
                fs::write(&path, &torn).unwrap();
                let mut ring = open(&path);
                let stays = if slot == 0 { 0xa1 } else { 0xa2 };
                if cut > 7 && torn != after {
                    assert_eq!((ring.unsettled(), first_bytes(&mut ring, ADA)), (vec![ADA], vec![stays]));
                }
                ring.settle(ADA, slot, 7).unwrap();
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
        assert_eq!((ring.unsettled(), ring.destroyed()), (Vec::new(), vec![ADA]), "and counts once");
        // Halfway: the second key is overwritten, the first is not yet.
        let mut half = bytes.clone();
        fs::remove_file(&path).unwrap();
        drop(two_keys(&path));
        half[SLOT..2 * SLOT].copy_from_slice(&fs::read(&path).unwrap()[SLOT..2 * SLOT]);
        fs::write(&path, &half).unwrap();
        let mut ring = open(&path);
        assert!(matches!(ring.get(ADA), Err(KeyRingError::Destroyed { .. })));
        ring.destroy(ADA).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}
