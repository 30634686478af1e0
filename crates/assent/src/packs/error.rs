//! Why a pack was refused.

use std::io;
use std::path::PathBuf;

use assent_gallery::calibration::CalibrationError;
use assent_vision::runtime::InferenceError;
use thiserror::Error;

use super::PackKind;

/// Why a pack was not loaded.
///
/// One enum for reading a card, loading a pack and verifying its files: the three share these causes. A `key` is
/// the dotted path of a key in the card, such as `detector.input.mean`.
#[derive(Debug, Error)]
pub enum PackError {
    /// The folder has no card (or is no folder).
    #[error("{} has no pack.toml: name the folder that holds the card", dir.display())]
    NoCard {
        /// The path of the folder.
        dir: PathBuf,
    },
    /// The card could not be read, or is larger than [`super::CARD_BYTES_MAX`].
    #[error("cannot read the card {}", card.display())]
    CardUnreadable {
        /// The path of the pack's card.
        card: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The card is not TOML.
    #[error("the card {} is not TOML: fetch the pack again", card.display())]
    CardNotToml {
        /// The path of the pack's card.
        card: PathBuf,
        /// The cause, with line and column.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The card has a version that is not read, see [`super::PackKind::newest_format`].
    #[error(
        "the card {} has format {found}, and this program reads formats up to {newest}: fetch the pack that belongs to it",
        card.display()
    )]
    Format {
        /// The path of the pack's card.
        card: PathBuf,
        /// The format's number that stands in the vault.
        found: i64,
        /// The newest version that is read.
        newest: i64,
    },
    /// The card is of another kind of pack.
    #[error("the card {} has kind \"{found}\", and \"{wanted}\" was asked for: name a pack of that kind", card.display())]
    Kind {
        /// The path of the pack's card.
        card: PathBuf,
        /// The kind that it names.
        found: String,
        /// The kind that was asked for.
        wanted: PackKind,
    },
    /// A key is missing.
    #[error("the card {} lacks the key {key}: add it (docs/formats/pack.md says what it means)", card.display())]
    MissingKey {
        /// The path of the pack's card.
        card: PathBuf,
        /// The key of the card, with the tables above it.
        key: String,
    },
    /// A key is not one of the format's.
    #[error("the card {} has the unknown key {key}: remove it, or use the program that knows it", card.display())]
    UnknownKey {
        /// The path of the pack's card.
        card: PathBuf,
        /// The key of the card, with the tables above it.
        key: String,
    },
    /// A key about how pixels become numbers is unknown. Left out, the network would see other numbers than it was
    /// trained with, and nothing would say so.
    #[error("the card {} asks for the unknown preprocessing {key}: it cannot be left out, so use the program that knows it", card.display())]
    UnknownPreprocessing {
        /// The path of the pack's card.
        card: PathBuf,
        /// The key of the card, with the tables above it.
        key: String,
    },
    /// A key has a value that the format does not allow.
    #[error("in the card {}, {key} must be {wanted}", card.display())]
    BadValue {
        /// The path of the pack's card.
        card: PathBuf,
        /// The key of the card, with the tables above it.
        key: String,
        /// What is allowed.
        wanted: String,
    },
    /// The card describes a head that is neither a detector nor an embedder (invariant I8).
    #[error(
        "the card {} has a part {head}: only networks that detect, embed or rate the quality of faces are loaded, and \
         this format knows the detector \"yunet\" and the embedder \"embedding\"", card.display()
    )]
    UnsupportedHead {
        /// The path of the pack's card.
        card: PathBuf,
        /// The part: a table's name, or `table.kind = "…"`.
        head: String,
    },
    /// A file's name is not a plain name within the pack's folder.
    #[error("in the card {}, {key} names \"{name}\", which is no plain file name in the pack's folder", card.display())]
    FileNameLeaves {
        /// The card (or the list of hashes).
        card: PathBuf,
        /// The key of the card, with the tables above it.
        key: String,
        /// The name of the file, as the archive or the card has it.
        name: String,
    },
    /// The licence is not one that allows every use, and was not accepted.
    #[error(
        "{key} in the card {} is under \"{licence}\", which may not allow your use", card.display()
    )]
    LicenceNotAccepted {
        /// The path of the pack's card.
        card: PathBuf,
        /// The part that is under it: `detector` or `embedder`.
        key: String,
        /// The licence, as the card writes it.
        licence: String,
    },
    /// The score-to-FMR table is no calibration.
    #[error("the table [calibration] of the card {} cannot be used: fetch the pack again", card.display())]
    Calibration {
        /// The path of the pack's card.
        card: PathBuf,
        /// The error of the calibration table.
        #[source]
        source: CalibrationError,
    },
    /// A file or folder that the card names is not there.
    #[error("the pack lacks {}: fetch it again, or put the file there", path.display())]
    FileMissing {
        /// The path of the file.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    FileUnreadable {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        source: io::Error,
    },
    /// A file has another size than the card says.
    #[error("{} has {got} bytes, and the card says {expected}: fetch the pack again", path.display())]
    FileSize {
        /// The path of the file.
        path: PathBuf,
        /// Bytes, by the card.
        expected: u64,
        /// Bytes, on disk.
        got: u64,
    },
    /// A file is not the one that the card describes.
    #[error("{} has sha256 {got}, and {expected} was expected: fetch the pack again", path.display())]
    FileHash {
        /// The path of the file.
        path: PathBuf,
        /// 64 hexadecimal digits, by the card.
        expected: String,
        /// 64 hexadecimal digits, of the file.
        got: String,
    },
    /// A network that is whole, and that nothing can run.
    #[error("{} cannot be used", path.display())]
    Network {
        /// The path of the file.
        path: PathBuf,
        /// The error of the network.
        #[source]
        source: InferenceError,
    },
    /// A line of a photo pack's `SHA256SUMS` is not `<64 digits>  <relative path>`, or repeats a path.
    #[error("line {line} of {} is not a hash, two spaces and a new path: fetch the pack again", path.display())]
    SumsLine {
        /// The path of the list of checksums.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A photo pack holds a file that its list of hashes does not name.
    #[error("{} is not in the pack's SHA256SUMS: remove it from the pack", path.display())]
    Unlisted {
        /// The path of the file.
        path: PathBuf,
    },
}
