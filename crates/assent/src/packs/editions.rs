//! Editions of cards that the program knows: a pack whose card lies on a disk for years is used with what was measured
//! since. The networks are the same files, and are compared with the card as ever; a card that somebody edited is none of
//! these, and stays as it is.

/// SHA-256 of a card, and the text of the edition that came after it.
const AFTER: [(&str, &str); 2] = [
    ("44aba4367bb961cef3d041d9ee93aa90612b59ac71c37302b6a12225d3555c0a", include_str!("cards/sface.toml")),
    ("0f56bbcf1d3d0fecbf20458ce946f44fbd06dfee96a23a6342e648507f5631d3", include_str!("cards/light.toml")),
];

/// The edition that came after the card with this SHA-256, if there is one.
pub(super) fn after(card_sha256: &[u8; 32]) -> Option<&'static str> {
    let digest = super::hex(card_sha256);
    AFTER.iter().find(|(before, _)| *before == digest).map(|(_, text)| *text)
}
