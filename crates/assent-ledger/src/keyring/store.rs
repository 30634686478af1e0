//! Where the slots of a key ring are kept.

use std::fs::File;
use std::path::Path;

use zeroize::Zeroizing;

use super::KeyRingError;
use super::lock::Header;
use super::slot::SLOT_BYTES;
use crate::durable::WriteKind;

/// Keeps numbered slots, each of a fixed size, and a header. What a slot says, the [`KeyRing`](super::KeyRing) knows.
///
/// A file is one ([`RingFile`](super::file::RingFile)). For several machines it can be a database of its own. Whoever keeps slots
/// has to see to it that what was overwritten can be read nowhere any more, and that several processes can use them side by side.
pub(super) trait KeyStore: Send + Sync {
    /// Where it is, for whoever reads an error.
    fn path(&self) -> &Path;

    /// How many slots there are in full. Others may have added some since it was asked last.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if that cannot be read.
    fn slots(&self) -> Result<u64, KeyRingError>;

    /// Reads slots that lie side by side, from `first` on.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if one of them cannot be read.
    fn get_many(&self, first: u64, into: &mut [[u8; SLOT_BYTES]]) -> Result<(), KeyRingError>;

    /// Writes slots at their places, of which one may be the next new one. When this returns they are durable, and what stood
    /// there before is gone.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if they cannot be written; some of them may be.
    fn put(&mut self, kind: WriteKind, slots: &[(u64, &[u8; SLOT_BYTES])]) -> Result<(), KeyRingError>;

    /// Adds slots behind the `end` that there are: all or none of them, durable when this returns.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if they cannot be written: none of them is there.
    fn append(&mut self, kind: WriteKind, end: u64, slots: &[[u8; SLOT_BYTES]]) -> Result<(), KeyRingError>;

    /// Puts another header and other slots in the place of all; nothing of the old ones can be read afterwards.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if they cannot be written: the old ones are there, or the new ones.
    fn replace(&mut self, header: &Header, slots: &[[u8; SLOT_BYTES]]) -> Result<(), KeyRingError>;

    /// The whole ring in the form of `docs/formats/keyring.md`, for a backup.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if it cannot be read.
    fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyRingError>;

    /// Keeps other processes from writing while what it returns lives.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the system refuses.
    fn exclusive(&self) -> Result<Exclusive, KeyRingError>;
}

/// A key ring that one process has to itself for a moment.
pub(super) struct Exclusive(pub(super) File);

impl Drop for Exclusive {
    fn drop(&mut self) {
        // Closing the file would do, but it is open elsewhere, too.
        self.0.unlock().ok();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::*;
    use crate::durable::no_hook;
    use crate::id::{GrantId, SubjectId, VaultId};
    use crate::keyring::KeyRing;
    use crate::seal::tests::Counter;
    use crate::secret::Key;

    /// Slots in memory, shared by all who have them open.
    struct Memory {
        ring: Arc<Mutex<Vec<u8>>>,
        first: usize,
        locked: tempfile::NamedTempFile,
    }

    impl Memory {
        fn at(&self, slot: u64) -> usize {
            self.first + slot as usize * SLOT_BYTES
        }
    }

    impl KeyStore for Memory {
        fn path(&self) -> &Path {
            Path::new("memory")
        }

        fn slots(&self) -> Result<u64, KeyRingError> {
            Ok(((self.ring.lock().unwrap().len() - self.first) / SLOT_BYTES) as u64)
        }

        fn get_many(&self, first: u64, into: &mut [[u8; SLOT_BYTES]]) -> Result<(), KeyRingError> {
            let into = into.as_flattened_mut();
            into.copy_from_slice(&self.ring.lock().unwrap()[self.at(first)..][..into.len()]);
            Ok(())
        }

        fn put(&mut self, _: WriteKind, slots: &[(u64, &[u8; SLOT_BYTES])]) -> Result<(), KeyRingError> {
            let mut ring = self.ring.lock().unwrap();
            for (slot, bytes) in slots {
                let at = self.at(*slot);
                if ring.len() == at {
                    ring.extend_from_slice(*bytes);
                }
                ring[at..at + SLOT_BYTES].copy_from_slice(*bytes);
            }
            Ok(())
        }

        fn append(&mut self, _: WriteKind, end: u64, slots: &[[u8; SLOT_BYTES]]) -> Result<(), KeyRingError> {
            let mut ring = self.ring.lock().unwrap();
            ring.truncate(self.at(end));
            ring.extend_from_slice(slots.as_flattened());
            Ok(())
        }

        fn replace(&mut self, header: &Header, slots: &[[u8; SLOT_BYTES]]) -> Result<(), KeyRingError> {
            *self.ring.lock().unwrap() = [header.bytes(), slots.as_flattened()].concat();
            self.first = header.bytes().len();
            Ok(())
        }

        fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyRingError> {
            Ok(Zeroizing::new(self.ring.lock().unwrap().clone()))
        }

        fn exclusive(&self) -> Result<Exclusive, KeyRingError> {
            Ok(Exclusive(self.locked.reopen().unwrap()))
        }
    }

    #[derive(Clone, Debug)]
    enum Act {
        Add(u8),
        AddRotated(u8),
        Complete(u8),
        Destroy(u8),
        AddSecret(u8),
        EndSecret(u8),
        Note(u8),
        Rewrap,
    }

    fn do_it(ring: &mut KeyRing, act: &Act, nth: u8) -> Result<(), KeyRingError> {
        let subject = |n| SubjectId::from_bytes([n; 16]);
        let (grant, key) = (|n| GrantId::from_bytes([n + 100; 16]), Key::from_bytes(&[nth; 32]));
        match *act {
            Act::Add(n) => ring.add(subject(n), &key),
            Act::AddRotated(n) => ring.add_rotated(subject(n), &key),
            Act::Complete(n) => match ring.keys_of(subject(n))?.last() {
                Some((slot, _)) => ring.complete_rotation(subject(n), *slot, nth.into()),
                None => Ok(()),
            },
            Act::Destroy(n) => ring.destroy(subject(n)),
            Act::AddSecret(n) => ring.add_secret(grant(n), &key).map(drop),
            Act::EndSecret(n) => ring.end_secrets(&[grant(n)]),
            Act::Note(n) => ring.note(&[(grant(n), nth.into())], &[vec![n; 200]]),
            // Whoever does that has the ring alone.
            Act::Rewrap => ring.rewrap(None, &mut Counter(0)),
        }
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            3 => (0u8..4).prop_map(Act::Add),
            2 => (0u8..4).prop_map(Act::AddRotated),
            2 => (0u8..4).prop_map(Act::Complete),
            1 => (0u8..4).prop_map(Act::Destroy),
            3 => (0u8..4).prop_map(Act::AddSecret),
            2 => (0u8..4).prop_map(Act::EndSecret),
            2 => (0u8..4).prop_map(Act::Note),
            1 => Just(Act::Rewrap),
        ]
    }

    proptest! {
        /// What a ring does depends on nothing but its slots.
        #[test]
        fn a_ring_in_memory_is_the_ring_in_a_file(acts in prop::collection::vec(act(), 1..40)) {
            let folder = tempfile::tempdir().unwrap();
            let (vault, master) = (VaultId::from_bytes([9; 16]), Key::from_bytes(&[5; 32]));
            let mut in_file = KeyRing::create(&folder.path().join("ring"), vault, &master, &[], &no_hook()).unwrap();
            let header = Header::in_the_clear(vault, &master);
            let (ring, first) = (Arc::new(Mutex::new(header.bytes().to_vec())), header.bytes().len());
            let store = || {
                let store = Memory { ring: ring.clone(), first, locked: tempfile::NamedTempFile::new().unwrap() };
                KeyRing::over(Box::new(store), &header, &[]).unwrap()
            };
            // Of these two each adds what the other one has not seen.
            let mut in_memory = [store(), store()];
            for (nth, act) in (1u8..).zip(&acts) {
                let one = &mut in_memory[usize::from(nth % 2)];
                // What another one rotated is known to whoever reads anew.
                one.read_anew().unwrap();
                let done = [do_it(&mut in_file, act, nth), do_it(one, act, nth)].map(|done| done.map_err(|e| e.code()));
                prop_assert_eq!(&done[0], &done[1], "{:?}", act);
                prop_assert_eq!(in_file.bytes().unwrap(), one.bytes().unwrap(), "{:?}", act);
            }
        }
    }
}
