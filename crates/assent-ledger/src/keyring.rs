//! The key ring: it lies outside the vault's folder, as a file ([`file`]), and holds the only keys. What a slot says, and what may
//! become of it, stands here; where slots are kept is a [`KeyStore`]'s matter.
//!
//! ```text
//! header | slot 0 (128 bytes) | slot 1 | ...
//! ```
//!
//! A slot is live (a subject's key, or the secret of a grant), destroyed (zeros, and the id, for ever), given up (zeros: another
//! slot has the key), or part of a note: that a consent was withdrawn, or something else that holds whatever backup is brought back. New keys are
//! appended; a key is destroyed by overwriting its slot in place. Slots are 128 bytes so that none crosses a 512-byte sector. The
//! bytes are described in `docs/formats/keyring.md`.
//!
//! Keys are read from the file at each use and wiped after it: no list of keys stays in memory but while a collection's
//! templates are opened, and a key that another process destroyed is gone here too.

mod error;
mod file;
mod grants;
mod lock;
mod notes;
mod repair;
mod rewrap;
mod rotation;
mod slot;
mod store;

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::path::Path;

use zeroize::Zeroizing;

use self::file::RingFile;
use self::lock::{BOX_BYTES, Header, RingKey};
use self::notes::PartialNote;
use self::slot::{DESTROYED, LIVE, SLOT_BYTES, State, field, id_slot, state, write_checksum};
use self::store::{Exclusive, KeyStore};
use crate::durable::{self, WriteHook, WriteKind};
use crate::id::{GrantId, SubjectId, VaultId};
use crate::secret::Key;

pub use error::KeyRingError;
pub use lock::{RingLock, RingSecret};
pub(crate) use notes::FORMAT;
pub(crate) use repair::SlotContent;

/// So many slots are read at once where many are.
const READ_BATCH: u64 = 512;

/// An open key ring.
pub(crate) struct KeyRing {
    store: Box<dyn KeyStore>,
    vault: VaultId,
    master: Key,
    /// What the keys in the slots are sealed with; `None` if they are not.
    locked: Option<RingKey>,
    /// Which slot is whose. Damaged slots are in it too, so that an erasure can overwrite them.
    slots: BTreeMap<SubjectId, u64>,
    /// Further slots of subjects that have one in `slots`.
    rotated: BTreeMap<SubjectId, BTreeSet<u64>>,
    /// Which slot holds, or held, the secret of which grant.
    grants: BTreeMap<GrantId, u64>,
    /// Whose key another took the place of, each with the size of the log then.
    retired: Vec<(u64, SubjectId)>,
    /// Whose key was destroyed.
    destroyed: BTreeSet<SubjectId>,
    /// Consents that were withdrawn, each with the position of the leaf that says so.
    withdrawn: Vec<(u64, GrantId)>,
    /// The same by their ids.
    withdrawn_ids: BTreeSet<GrantId>,
    /// The other notes, each with the number of the slot in which it ends.
    notes: Vec<(u64, Vec<u8>)>,
    partial: PartialNote,
    /// Behind the last slot of a withdrawal or another note.
    noted_until: u64,
    /// Slots whose checksum does not fit.
    damaged: BTreeSet<u64>,
    /// How many slots were read, of those that the store holds in full; one that ends early lies beyond and is overwritten by the next append.
    whole: u64,
}

impl KeyRing {
    /// Makes the file. A ring without any slot, as an interrupted creation leaves it, is taken over.
    pub(crate) fn create(
        path: &Path,
        vault: VaultId,
        master: &Key,
        secrets: &[RingSecret],
        hook: &WriteHook,
    ) -> Result<Self, KeyRingError> {
        if path.exists() {
            let ring = Self::open(path, secrets, hook)?;
            let used = ring.whole > 0;
            return if used { Err(KeyRingError::Exists { path: path.to_owned() }) } else { Ok(ring) };
        }
        let io = |op: &'static str| move |source| KeyRingError::Io { op, path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            durable::make_private_folder(folder).map_err(io("make the folder of"))?;
        }
        let header = Header::in_the_clear(vault, master);
        durable::create_private(hook, WriteKind::RingCreate, path, header.bytes()).map_err(io("create"))?;
        Self::open(path, secrets, hook)
    }

    /// Opens the file, with the first of `secrets` that fits if it is locked, and clears away what an interrupted replacement
    /// left beside it.
    pub(crate) fn open(path: &Path, secrets: &[RingSecret], hook: &WriteHook) -> Result<Self, KeyRingError> {
        let ring = Self::open_backup(path, secrets, hook)?;
        durable::finish_replacing(path).map_err(|source| KeyRingError::Io {
            op: "finish replacing",
            path: path.to_owned(),
            source,
        })?;
        Ok(ring)
    }

    /// Opens the file and leaves alone what lies beside it.
    pub(crate) fn open_backup(path: &Path, secrets: &[RingSecret], hook: &WriteHook) -> Result<Self, KeyRingError> {
        let (file, header) = RingFile::open(path, hook)?;
        Self::over(Box::new(file), &header, secrets)
    }

    fn over(store: Box<dyn KeyStore>, header: &Header, secrets: &[RingSecret]) -> Result<Self, KeyRingError> {
        let (master, locked) = header.unlock(secrets, store.path())?;
        let mut ring = Self {
            store,
            vault: header.vault(),
            master,
            locked,
            slots: BTreeMap::new(),
            rotated: BTreeMap::new(),
            grants: BTreeMap::new(),
            retired: Vec::new(),
            destroyed: BTreeSet::new(),
            withdrawn: Vec::new(),
            withdrawn_ids: BTreeSet::new(),
            notes: Vec::new(),
            partial: PartialNote::default(),
            noted_until: 0,
            damaged: BTreeSet::new(),
            whole: 0,
        };
        ring.refresh()?;
        Ok(ring)
    }

    pub(crate) fn vault(&self) -> VaultId {
        self.vault
    }

    pub(crate) fn path(&self) -> &Path {
        self.store.path()
    }

    /// Whose key was destroyed, as far as this view of the file goes.
    pub(crate) fn destroyed(&self) -> Vec<SubjectId> {
        self.destroyed.iter().copied().collect()
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyRingError> {
        self.store.bytes()
    }

    pub(crate) fn master(&self) -> &Key {
        &self.master
    }

    /// The key of a subject, read from the file.
    pub(crate) fn get(&mut self, subject: SubjectId) -> Result<Key, KeyRingError> {
        if !self.slots.contains_key(&subject) {
            self.refresh()?;
        }
        match self.read_key(subject) {
            // Another process may have given them another slot since.
            Err(KeyRingError::Damaged { .. }) => {
                self.read_anew()?;
                self.read_key(subject)
            }
            read => read,
        }
    }

    fn read_key(&mut self, subject: SubjectId) -> Result<Key, KeyRingError> {
        let &slot = self.slots.get(&subject).ok_or(KeyRingError::NoKey { subject })?;
        let bytes = self.read(slot)?;
        match state(&bytes) {
            State::Destroyed => Err(KeyRingError::Destroyed { subject }),
            _ => self.opener().key_in(&bytes).ok_or_else(|| self.damaged_slot(slot)),
        }
    }

    /// The keys as the file has them from now on, for several threads.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be read.
    pub(crate) fn reader(&mut self) -> Result<KeyReader<'_>, KeyRingError> {
        self.refresh()?;
        let (slots, grants) = (&self.slots, &self.grants);
        Ok(KeyReader { store: &*self.store, slots, grants, opener: self.opener() })
    }

    /// Appends a key. A live slot that is there already (left by a transaction that did not commit) gets the new key.
    pub(crate) fn add(&mut self, subject: SubjectId, key: &Key) -> Result<(), KeyRingError> {
        let _exclusive = self.exclusive()?;
        self.refresh()?;
        let slot = match self.slots.get(&subject) {
            Some(&slot) => match state(&*self.read(slot)?) {
                State::Destroyed => return Err(KeyRingError::Destroyed { subject }),
                _ => slot,
            },
            None => self.whole,
        };
        let bytes = self.key_slot(subject, key)?;
        self.write(WriteKind::RingAppend, slot, LIVE, subject, bytes)
    }

    /// How many withdrawals are noted.
    pub(crate) fn withdrawals(&self) -> u64 {
        self.withdrawn.len() as u64
    }

    /// Overwrites the subject's key with zeros, for good, wherever it stands. Done twice, it is done once. A subject
    /// without a slot gets a destroyed one, so that its id never gets a key again.
    pub(crate) fn destroy(&mut self, subject: SubjectId) -> Result<(), KeyRingError> {
        let _exclusive = self.exclusive()?;
        self.refresh()?;
        let slot = self.slots.get(&subject).copied().unwrap_or(self.whole);
        let rotated: Vec<u64> = self.rotated.get(&subject).into_iter().flatten().copied().collect();
        for slot in rotated {
            self.put(WriteKind::RingErase, slot, DESTROYED, id_slot(subject.as_bytes()))?;
        }
        self.write(WriteKind::RingErase, slot, DESTROYED, subject, id_slot(subject.as_bytes()))?;
        self.rotated.remove(&subject);
        Ok(())
    }

    fn write(
        &mut self,
        kind: WriteKind,
        slot: u64,
        word: u64,
        subject: SubjectId,
        bytes: Zeroizing<[u8; SLOT_BYTES]>,
    ) -> Result<(), KeyRingError> {
        self.put(kind, slot, word, bytes)?;
        self.slots.insert(subject, slot);
        if word == DESTROYED {
            self.destroyed.insert(subject);
        }
        self.whole = self.whole.max(slot + 1);
        Ok(())
    }

    fn put(
        &mut self,
        kind: WriteKind,
        slot: u64,
        word: u64,
        mut bytes: Zeroizing<[u8; SLOT_BYTES]>,
    ) -> Result<(), KeyRingError> {
        bytes[..8].copy_from_slice(&word.to_be_bytes());
        write_checksum(&mut bytes);
        self.store.put(kind, &[(slot, &*bytes)])?;
        self.damaged.remove(&slot);
        Ok(())
    }

    /// Takes in slots that were appended since the last look.
    pub(crate) fn refresh(&mut self) -> Result<(), KeyRingError> {
        let full = self.store.slots()?;
        let mut bytes = Zeroizing::new(vec![[0; SLOT_BYTES]; READ_BATCH.min(full.saturating_sub(self.whole)) as usize]);
        while self.whole < full {
            let slots = &mut bytes[..READ_BATCH.min(full - self.whole) as usize];
            self.store.get_many(self.whole, slots)?;
            for bytes in slots.iter() {
                let state = state(bytes);
                if state == State::Damaged {
                    self.damaged.insert(self.whole);
                }
                let (subject, number) = (SubjectId::from_bytes(field(bytes, 8)), u64::from_be_bytes(field(bytes, 24)));
                match state {
                    State::Withdrawn => {
                        let grant = GrantId::from_bytes(field(bytes, 8));
                        self.withdrawn.push((number, grant));
                        self.withdrawn_ids.insert(grant);
                        self.noted_until = self.whole + 1;
                    }
                    State::Retired => self.retired.push((number, subject)),
                    State::Note => self.read_note_part(self.whole, bytes),
                    State::Grant | State::Ended => {
                        self.grants.insert(GrantId::from_bytes(field(bytes, 8)), self.whole);
                    }
                    State::Destroyed => {
                        self.destroyed.insert(subject);
                        // First, so that no other of their slots is taken for their key.
                        let before = self.slots.insert(subject, self.whole);
                        self.rotated.entry(subject).or_default().extend(before);
                    }
                    State::Live | State::Damaged => match self.slots.entry(subject) {
                        Entry::Vacant(free) => drop(free.insert(self.whole)),
                        Entry::Occupied(_) => drop(self.rotated.entry(subject).or_default().insert(self.whole)),
                    },
                }
                self.whole += 1;
            }
        }
        Ok(())
    }

    /// Keeps other processes from writing while it lives.
    fn exclusive(&self) -> Result<Exclusive, KeyRingError> {
        self.store.exclusive()
    }

    fn read(&self, slot: u64) -> Result<Zeroizing<[u8; SLOT_BYTES]>, KeyRingError> {
        let mut bytes = Zeroizing::new([0; SLOT_BYTES]);
        self.store.get_many(slot, std::slice::from_mut(&mut *bytes))?;
        Ok(bytes)
    }

    fn damaged_slot(&self, slot: u64) -> KeyRingError {
        KeyRingError::Damaged { path: self.path().to_owned(), slot }
    }

    /// A slot with this key, sealed if the ring is locked.
    fn key_slot(&self, subject: SubjectId, key: &Key) -> Result<Zeroizing<[u8; SLOT_BYTES]>, KeyRingError> {
        self.opener().slot_of(subject, key).ok_or_else(|| KeyRingError::NotLocked { path: self.path().to_owned() })
    }

    fn opener(&self) -> Opener<'_> {
        Opener { vault: self.vault, locked: self.locked.as_ref() }
    }
}

/// Reads keys from slots, and writes them there.
#[derive(Clone, Copy)]
struct Opener<'r> {
    vault: VaultId,
    locked: Option<&'r RingKey>,
}

impl Opener<'_> {
    /// The key or the secret in a slot; `None` if there is none, or it does not open.
    fn key_in(&self, bytes: &[u8; SLOT_BYTES]) -> Option<Key> {
        match (state(bytes), self.locked) {
            (State::Live | State::Grant, None) => Some(Key::from_bytes(&field(bytes, 24))),
            (State::Live | State::Grant, Some(ring)) => ring.open(&self.context(&field(bytes, 8)), &field(bytes, 24)),
            _ => None,
        }
    }

    /// A slot with this key; state and checksum are to follow.
    fn slot_of(&self, subject: SubjectId, key: &Key) -> Option<Zeroizing<[u8; SLOT_BYTES]>> {
        let mut bytes = id_slot(subject.as_bytes());
        match self.locked {
            None => bytes[24..56].copy_from_slice(key.expose()),
            Some(ring) => {
                bytes[24..24 + BOX_BYTES].copy_from_slice(&ring.seal(&self.context(subject.as_bytes()), key)?);
            }
        }
        Some(bytes)
    }

    /// What a slot's key is sealed to.
    fn context(&self, id: &[u8; 16]) -> Vec<u8> {
        [b"assent ring slot v1".as_slice(), self.vault.as_bytes(), id].concat()
    }
}

/// Reads keys from the store. Nothing of them is kept.
#[derive(Clone, Copy)]
pub(crate) struct KeyReader<'r> {
    store: &'r dyn KeyStore,
    slots: &'r BTreeMap<SubjectId, u64>,
    grants: &'r BTreeMap<GrantId, u64>,
    opener: Opener<'r>,
}

impl KeyReader<'_> {
    /// Gives `take` the key of each subject that has one, in the order of the file, with the subject's index: none for
    /// whom there is no key, it was destroyed or damaged, or the file cannot be read. Slots that lie near each other are
    /// read at once.
    pub(crate) fn each(&self, subjects: impl Iterator<Item = SubjectId>, take: &mut dyn FnMut(usize, &Key)) {
        let slot = |(i, subject)| Some((*self.slots.get(&subject)?, i));
        self.each_slot(subjects.enumerate().filter_map(slot).collect(), take);
    }

    /// The same for the secrets of grants: none for a grant that ended.
    pub(crate) fn each_secret(&self, grants: impl Iterator<Item = GrantId>, take: &mut dyn FnMut(usize, &Key)) {
        let slot = |(i, grant)| Some((*self.grants.get(&grant)?, i));
        self.each_slot(grants.enumerate().filter_map(slot).collect(), take);
    }

    fn each_slot(&self, mut wanted: Vec<(u64, usize)>, take: &mut dyn FnMut(usize, &Key)) {
        wanted.sort_unstable();
        let mut bytes = Zeroizing::new(vec![[0; SLOT_BYTES]; READ_BATCH as usize]);
        for near in wanted.chunk_by(|(a, _), (b, _)| a / READ_BATCH == b / READ_BATCH) {
            let first = near[0].0;
            let slots = &mut bytes[..=(near[near.len() - 1].0 - first) as usize];
            if self.store.get_many(first, slots).is_err() {
                continue;
            }
            for &(slot, i) in near {
                let bytes = &slots[(slot - first) as usize];
                if let Some(key) = self.opener.key_in(bytes) {
                    take(i, &key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::no_hook;

    fn subject(n: u8) -> SubjectId {
        SubjectId::from_bytes([n; 16])
    }

    fn fresh(folder: &Path) -> KeyRing {
        let path = folder.join("ring");
        KeyRing::create(&path, VaultId::from_bytes([9; 16]), &Key::from_bytes(&[5; 32]), &[], &no_hook()).unwrap()
    }

    #[test]
    fn a_key_survives_reopening_and_a_destroyed_one_never_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut ring = fresh(folder.path());
        for n in 1..=3 {
            ring.add(subject(n), &Key::from_bytes(&[n; 32])).unwrap();
        }
        ring.destroy(subject(2)).unwrap();
        let mut ring = KeyRing::open(&folder.path().join("ring"), &[], &no_hook()).unwrap();
        assert_eq!(ring.get(subject(1)).unwrap().expose(), &[1; 32]);
        assert!(matches!(ring.get(subject(2)), Err(KeyRingError::Destroyed { .. })));
        assert!(matches!(ring.add(subject(2), &Key::from_bytes(&[7; 32])), Err(KeyRingError::Destroyed { .. })));
        assert!(matches!(ring.get(subject(4)), Err(KeyRingError::NoKey { .. })));
        let bytes = std::fs::read(folder.path().join("ring")).unwrap();
        assert!(bytes.windows(32).all(|w| w != [2; 32]));
    }

    #[test]
    fn an_append_cut_at_any_byte_leaves_a_ring_that_works() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let mut ring = fresh(folder.path());
        ring.add(subject(1), &Key::from_bytes(&[1; 32])).unwrap();
        ring.add(subject(2), &Key::from_bytes(&[2; 32])).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 2 * SLOT_BYTES..3 * SLOT_BYTES {
            for padded in [false, true] {
                let mut bytes = whole[..cut].to_vec();
                if padded {
                    bytes.resize(3 * SLOT_BYTES, 0);
                }
                std::fs::write(&path, &bytes).unwrap();
                let mut ring = KeyRing::open(&path, &[], &no_hook()).unwrap();
                assert!(ring.get(subject(1)).is_ok());
                // By its length the file holds a second slot, if it was padded: that is damaged, and nothing overwrites it.
                assert_eq!(ring.damaged().unwrap().len(), usize::from(padded && bytes != whole), "cut at {cut}");
                assert!(ring.get(subject(2)).is_err() || bytes == whole, "cut at {cut}");
                ring.add(subject(3), &Key::from_bytes(&[3; 32])).unwrap();
                let mut ring = KeyRing::open(&path, &[], &no_hook()).unwrap();
                assert_eq!(ring.get(subject(3)).unwrap().expose(), &[3; 32], "cut at {cut}");
                assert_eq!(std::fs::read(&path).unwrap().len(), (3 + usize::from(padded)) * SLOT_BYTES, "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_second_view_of_the_file_sees_new_and_destroyed_keys() {
        let folder = tempfile::tempdir().unwrap();
        let mut one = fresh(folder.path());
        let mut two = KeyRing::open(&folder.path().join("ring"), &[], &no_hook()).unwrap();
        one.add(subject(1), &Key::from_bytes(&[1; 32])).unwrap();
        assert!(two.get(subject(1)).is_ok());
        one.destroy(subject(1)).unwrap();
        assert!(matches!(two.get(subject(1)), Err(KeyRingError::Destroyed { .. })));
    }
}
