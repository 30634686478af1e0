//! The bytes of a template before they are sealed: `dimensions` little-endian 32-bit floats, of length 1 together.

use assent_vision::embed::Embedding;
use zeroize::Zeroizing;

/// A template's bytes.
pub(crate) fn encode(embedding: &Embedding) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(embedding.values().len() * 4));
    for value in embedding.values() {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// The numbers of a template; `None` if the bytes are not whole numbers of 4.
pub(crate) fn decode(bytes: &[u8]) -> Option<Zeroizing<Vec<f32>>> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| Zeroizing::new(numbers.iter().map(|b| f32::from_le_bytes(*b)).collect()))
}
