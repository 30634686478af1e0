//! Notes at the end of the ring: what must hold whatever backup of the database is brought back. A withdrawal is one slot, any
//! other note as many as it takes.

use sha2::{Digest, Sha256};

use super::slot::{NOTE, SLOT_BYTES, WITHDRAWN, field, id_slot, number_slot, write_checksum};
use super::{KeyRing, KeyRingError};
use crate::durable::WriteKind;
use crate::fields::Reader;
use crate::id::GrantId;

/// The kind of the note that says which format the vault has.
pub(crate) const FORMAT: &str = "format";

/// So many bytes of a note stand in one slot.
const PART: usize = 64;

/// A note of which further parts are to come.
#[derive(Default)]
pub(super) struct PartialNote {
    id: [u8; 16],
    bytes: Vec<u8>,
    parts: u16,
}

impl KeyRing {
    /// How many slots the ring has.
    pub(crate) fn slots(&self) -> u64 {
        self.whole
    }

    /// Behind the last slot that notes something.
    pub(crate) fn noted_until(&self) -> u64 {
        self.noted_until
    }

    /// The notes that end in this slot or later, oldest first; those of withdrawals are not among them.
    pub(crate) fn notes_from(&self, slot: u64) -> Vec<Vec<u8>> {
        self.notes.iter().filter(|(end, _)| *end >= slot).map(|(_, note)| note.clone()).collect()
    }

    /// The newest format that the vault is noted to have had.
    pub(crate) fn noted_format(&self) -> Option<i64> {
        let formats = self.notes.iter().filter_map(|(_, note)| {
            let mut fields = Reader::new(note);
            (fields.text()? == FORMAT).then(|| fields.int())?
        });
        formats.max()
    }

    /// Whether it is noted that this consent was withdrawn.
    pub(crate) fn is_withdrawn(&self, grant: GrantId) -> bool {
        self.withdrawn_ids.contains(&grant)
    }

    /// How many leaves the log had at least, by what the ring notes of it.
    pub(crate) fn leaves_known(&self) -> u64 {
        let withdrawn = self.withdrawn.iter().map(|(position, _)| position.saturating_add(1));
        withdrawn.chain(self.retired.iter().map(|(leaves, _)| *leaves)).max().unwrap_or(0)
    }

    /// Notes consents that were withdrawn, each with the position of the leaf that says so, and whatever else there is to
    /// note: all of it or nothing.
    ///
    /// # Errors
    ///
    /// [`KeyRingError::Io`] if the file cannot be written: it is as it was.
    pub(crate) fn note(&mut self, withdrawn: &[(GrantId, u64)], notes: &[Vec<u8>]) -> Result<(), KeyRingError> {
        let _exclusive = self.exclusive()?;
        self.refresh()?;
        let mut slots: Vec<[u8; SLOT_BYTES]> = Vec::new();
        for (grant, position) in withdrawn {
            slots.push(with_checksum(WITHDRAWN, *number_slot(grant.as_bytes(), *position)));
        }
        for note in notes {
            let id = id_of(note);
            let parts = note.chunks(PART).len() as u16;
            for (index, bytes) in (0u16..).zip(note.chunks(PART)) {
                let mut slot = *id_slot(&id);
                slot[24..26].copy_from_slice(&index.to_be_bytes());
                slot[26..28].copy_from_slice(&parts.to_be_bytes());
                slot[28..30].copy_from_slice(&(bytes.len() as u16).to_be_bytes());
                slot[30..30 + bytes.len()].copy_from_slice(bytes);
                slots.push(with_checksum(NOTE, slot));
            }
        }
        if slots.is_empty() {
            return Ok(());
        }
        self.store.append(WriteKind::RingNote, self.whole, &slots)?;
        self.refresh()
    }

    /// Takes in one slot of a note. One whose other parts are missing never counted.
    pub(super) fn read_note_part(&mut self, slot: u64, bytes: &[u8; SLOT_BYTES]) {
        let number = |at| u16::from_be_bytes(field(bytes, at));
        let (id, index, parts) = (field(bytes, 8), number(24), number(26));
        if index == 0 {
            self.partial = PartialNote { id, ..PartialNote::default() };
        }
        let begun = &mut self.partial;
        let Some(said) = bytes[30..30 + PART].get(..number(28).into()) else { return };
        if (begun.id, begun.parts) != (id, index) {
            return;
        }
        begun.bytes.extend_from_slice(said);
        begun.parts += 1;
        if begun.parts == parts {
            let note = std::mem::take(begun).bytes;
            if id_of(&note) == id {
                self.notes.push((slot, note));
                self.noted_until = slot + 1;
            }
        }
    }
}

fn with_checksum(state: u64, mut slot: [u8; SLOT_BYTES]) -> [u8; SLOT_BYTES] {
    slot[..8].copy_from_slice(&state.to_be_bytes());
    write_checksum(&mut slot);
    slot
}

/// A note's id: the first bytes of its SHA-256.
fn id_of(note: &[u8]) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&Sha256::digest(note)[..16]);
    id
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::durable::no_hook;
    use crate::id::{SubjectId, VaultId};
    use crate::secret::Key;

    fn fresh(path: &Path) -> KeyRing {
        KeyRing::create(path, VaultId::from_bytes([9; 16]), &Key::from_bytes(&[5; 32]), &[], &no_hook()).unwrap()
    }

    fn open(path: &Path) -> KeyRing {
        KeyRing::open(path, &[], &no_hook()).unwrap()
    }

    #[test]
    fn notes_of_every_length_are_read_as_they_were_written_and_stand_among_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let mut ring = fresh(&path);
        let notes: Vec<Vec<u8>> = [1, 63, 64, 65, 128, 129, 5000].map(|n| (0..n).map(|i| i as u8).collect()).into();
        let grant = GrantId::from_bytes([7; 16]);
        for (i, note) in (0u8..).zip(&notes) {
            ring.add(SubjectId::from_bytes([i; 16]), &Key::from_bytes(&[i; 32])).unwrap();
            ring.note(&[(grant, i.into())], std::slice::from_ref(note)).unwrap();
        }
        for ring in [&ring, &open(&path)] {
            assert_eq!(ring.notes_from(0), notes);
            assert_eq!(ring.withdrawn.iter().map(|(_, grant)| *grant).collect::<Vec<_>>(), vec![grant; notes.len()]);
            assert_eq!(ring.leaves_known(), 7);
            let (last, _) = ring.notes.last().unwrap();
            assert_eq!((ring.notes_from(*last), ring.notes_from(last + 1)), (notes[6..].to_vec(), Vec::new()));
        }
    }

    #[test]
    fn a_note_cut_at_any_byte_never_counted_and_the_next_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ring");
        let mut ring = fresh(&path);
        ring.note(&[], &[b"the first".to_vec()]).unwrap();
        let before = fs::read(&path).unwrap().len();
        ring.note(&[], &[vec![0x6e; 3 * PART]]).unwrap();
        let whole = fs::read(&path).unwrap();
        for cut in before..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let mut ring = open(&path);
            assert_eq!(ring.notes_from(0), [b"the first".to_vec()], "cut at {cut}");
            ring.note(&[], &[b"the next".to_vec()]).unwrap();
            assert_eq!(open(&path).notes_from(0), [b"the first".to_vec(), b"the next".to_vec()], "cut at {cut}");
        }
    }
}
