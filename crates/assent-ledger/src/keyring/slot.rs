//! One slot of the ring, 128 bytes: what it says, and whether it is whole.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub(super) const SLOT_BYTES: usize = 128;
pub(super) const LIVE: u64 = 1;
pub(super) const DESTROYED: u64 = 2;
pub(super) const WITHDRAWN: u64 = 3;
pub(super) const RETIRED: u64 = 4;
pub(super) const NOTE: u64 = 5;
pub(super) const GRANT: u64 = 6;
pub(super) const ENDED: u64 = 7;
/// The last 32 bytes are the SHA-256 of the bytes before them.
const BODY: usize = SLOT_BYTES - 32;

/// The state of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It holds a key.
    Live,
    /// It held the key of somebody who was erased.
    Destroyed,
    /// It says that a consent was withdrawn.
    Withdrawn,
    /// It held a key that a rotation retired; another slot holds the new one.
    Retired,
    /// It is a part of a note.
    Note,
    /// It holds the secret of a grant.
    Grant,
    /// It held the secret of a grant that ended.
    Ended,
    /// Its checksum does not fit, or its state is none of these.
    Damaged,
}

pub(super) fn state(bytes: &[u8; SLOT_BYTES]) -> State {
    match u64::from_be_bytes(field(bytes, 0)) {
        _ if !checksum_ok(bytes) => State::Damaged,
        LIVE => State::Live,
        DESTROYED => State::Destroyed,
        WITHDRAWN => State::Withdrawn,
        RETIRED => State::Retired,
        NOTE => State::Note,
        GRANT => State::Grant,
        ENDED => State::Ended,
        _ => State::Damaged,
    }
}

/// A slot with this id; state, number or key, and checksum are to follow.
pub(super) fn id_slot(id: &[u8; 16]) -> Zeroizing<[u8; SLOT_BYTES]> {
    let mut bytes = Zeroizing::new([0; SLOT_BYTES]);
    bytes[8..24].copy_from_slice(id);
    bytes
}

/// The same with a number.
pub(super) fn number_slot(id: &[u8; 16], number: u64) -> Zeroizing<[u8; SLOT_BYTES]> {
    let mut bytes = id_slot(id);
    bytes[24..32].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub(super) fn field<const N: usize>(bytes: &[u8; SLOT_BYTES], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// Writes the checksum over the body: its SHA-256, in the last 32 bytes.
pub(super) fn write_checksum(bytes: &mut [u8; SLOT_BYTES]) {
    let sum: [u8; 32] = Sha256::digest(&bytes[..BODY]).into();
    bytes[BODY..].copy_from_slice(&sum);
}

fn checksum_ok(bytes: &[u8; SLOT_BYTES]) -> bool {
    let sum: [u8; 32] = Sha256::digest(&bytes[..BODY]).into();
    bytes[BODY..] == sum
}
