//! Packs: folders with a card (`pack.toml`) that says what lies in them, and nothing else is loaded.
//!
//! A *model pack* holds the two networks that find and compare faces; a *photo pack* holds labelled photos to try
//! and to measure with. The card names every file with its size and SHA-256, so that what runs is what was
//! reviewed. The keys are described in `docs/formats/pack.md`; a key that is not described there is refused, because
//! a misspelt or newer key would otherwise change the numbers silently.
//!
//! ```text
//! <root>/models/<name>/pack.toml    ModelCard::read -> ModelPack::load
//! <root>/photos/<name>/pack.toml    PhotoPack::load -> PhotoPack::verify
//! ```
//!
//! # Invariants
//!
//! - **Only detection and embedding heads** (I8; quality needs no network): a card with any other part is refused.
//! - **No file outside the pack's folder** is named by a card.
//! - **A card is checked whole before any other file is opened.**

mod card;
mod digest;
mod editions;
mod error;
mod find;
mod licences;
mod models;
mod photos;
mod rewritten;
mod table;
#[cfg(test)]
mod tests;

pub use card::{FileRef, GroupRates, ModelCard};
pub use digest::{hex, parse_sha256, sha256, sha256_of};
pub use error::PackError;
pub use find::{FindPacksError, FoundPack, PackKind, find_packs};
pub use licences::AcceptedLicences;
pub use models::ModelPack;
pub use photos::{PhotoPack, SAMPLE_SET_DIGEST, VerifiedPhotos};
pub use rewritten::Rewrite;
pub(crate) use rewritten::rewritten;

/// Name of the card in a pack's folder.
pub const CARD_FILE: &str = "pack.toml";

/// The most that is read of a card, bytes.
pub const CARD_BYTES_MAX: u64 = 1 << 20;
