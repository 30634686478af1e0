//! Why a file is not decoded.

use std::fmt;

use image::ImageError;
use thiserror::Error;

/// The code of [`DecodeError::TooMuchMemory`], the one reason that lies not in the file alone.
pub const TOO_MUCH_MEMORY: &str = "too-much-memory";

/// Why a file is no photo for Assent. Messages hold neither names nor contents of files.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The first bytes are of no format that is known here.
    #[error("not a picture in a known format (JPEG, PNG, WebP, TIFF, BMP, GIF, or a camera's RAW file)")]
    UnknownFormat,
    /// The format, or this kind of it, is known and not decoded.
    #[error("{what} is not decoded; export the picture as JPEG")]
    NotDecoded {
        /// What it is.
        what: NotDecoded,
    },
    /// A RAW file without a JPEG that shows what it holds.
    #[error("the RAW file holds no preview that can be decoded; export the picture as JPEG")]
    NoPreview,
    /// A RAW file whose largest preview is a thumbnail: faces would be overlooked in it.
    #[error(
        "the largest preview in the RAW file has {width} x {height} pixels, {needed_px} on the longer side are needed; \
         export the picture as JPEG"
    )]
    SmallPreview {
        /// The width of the picture, pixels.
        width: u32,
        /// The height of the picture, pixels.
        height: u32,
        /// Needed on the longer side, pixels.
        needed_px: u32,
    },
    /// Larger than the limits.
    #[error("{width} x {height} pixels are more than the limit")]
    TooLarge {
        /// The width of the picture, pixels.
        width: u32,
        /// The height of the picture, pixels.
        height: u32,
    },
    /// A JPEG in so many passes that decoding it would take far longer than its size.
    #[error(
        "the JPEG is stored in {passes} passes, far more than any camera or editor makes; save the picture anew as JPEG"
    )]
    TooManyPasses {
        /// Passes over the picture.
        passes: u32,
    },
    /// Decoding it takes more memory than there may be.
    #[error("opening the picture takes about {needed_mb} MB of memory, more than photos may take here")]
    TooMuchMemory {
        /// Needed, millions of bytes.
        needed_mb: u64,
    },
    /// The system's program that decodes this format did not start, or was ended at its limits of memory and time.
    #[error("the system's decoder gave up on the {format}; export the picture as JPEG")]
    GaveUp {
        /// The format's name.
        format: &'static str,
    },
    /// Somebody said stop in the middle of it.
    #[error("stopped in the middle of the picture")]
    Stopped,
    /// The file ends early or contradicts itself.
    #[error("the {format} is damaged or cut off")]
    Damaged {
        /// The format's name.
        format: &'static str,
        /// What the decoder says; `None` where the file simply ends too early.
        #[source]
        source: Option<ImageError>,
    },
}

impl DecodeError {
    /// A word for counting and storing, such as `unknown-format`, `damaged` or `heic-not-decoded`.
    pub fn code(&self) -> &'static str {
        match self {
            DecodeError::UnknownFormat => "unknown-format",
            DecodeError::NotDecoded { what } => what.code(),
            DecodeError::NoPreview => "raw-without-preview",
            DecodeError::SmallPreview { .. } => "raw-preview-too-small",
            DecodeError::TooLarge { .. } => "too-large",
            DecodeError::TooManyPasses { .. } => "too-many-passes",
            DecodeError::TooMuchMemory { .. } => TOO_MUCH_MEMORY,
            DecodeError::GaveUp { .. } => "decoder-gave-up",
            DecodeError::Stopped => "stopped",
            DecodeError::Damaged { .. } => "damaged",
        }
    }
}

/// Formats, and kinds of them, that are recognised in order to be refused by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotDecoded {
    /// HEIF, mostly with HEVC: what phones call HEIC.
    Heif,
    /// The file is an AVIF picture, and this build or machine has no decoder for it.
    Avif,
    /// The file is a JPEG XL picture, for which there is no decoder.
    JpegXl,
    /// The file is a JPEG 2000 picture, for which there is no decoder.
    Jpeg2000,
    /// Photoshop's PSD and PSB.
    Photoshop,
    /// A JPEG with more than eight bits a sample.
    DeepJpeg,
    /// A JPEG without loss, as in scanners' and cameras' raw data.
    LosslessJpeg,
    /// A JPEG in several resolutions, one built on the other.
    HierarchicalJpeg,
    /// Another kind of a format that is decoded.
    Kind {
        /// The format's name.
        format: &'static str,
    },
}

impl NotDecoded {
    fn code(self) -> &'static str {
        match self {
            NotDecoded::Heif => "heic-not-decoded",
            NotDecoded::Avif => "avif-not-decoded",
            NotDecoded::JpegXl => "jpeg-xl-not-decoded",
            NotDecoded::Jpeg2000 => "jpeg-2000-not-decoded",
            NotDecoded::Photoshop => "photoshop-not-decoded",
            NotDecoded::DeepJpeg => "jpeg-12-bit-not-decoded",
            NotDecoded::LosslessJpeg => "jpeg-lossless-not-decoded",
            NotDecoded::HierarchicalJpeg => "jpeg-hierarchical-not-decoded",
            NotDecoded::Kind { .. } => "kind-not-decoded",
        }
    }
}

impl fmt::Display for NotDecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotDecoded::Heif => f.write_str("a HEIC picture"),
            NotDecoded::Avif => f.write_str("an AVIF picture"),
            NotDecoded::JpegXl => f.write_str("a JPEG XL picture"),
            NotDecoded::Jpeg2000 => f.write_str("a JPEG 2000 picture"),
            NotDecoded::Photoshop => f.write_str("a Photoshop file"),
            NotDecoded::DeepJpeg => f.write_str("a JPEG with more than 8 bits a sample"),
            NotDecoded::LosslessJpeg => f.write_str("a lossless JPEG"),
            NotDecoded::HierarchicalJpeg => f.write_str("a hierarchical JPEG"),
            NotDecoded::Kind { format } => write!(f, "this kind of {format}"),
        }
    }
}
