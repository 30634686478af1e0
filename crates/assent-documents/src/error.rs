//! Why a document could not be made.

use assent::encode::EncodeError;
use thiserror::Error;
use zip::result::ZipError;

/// Why a document could not be made.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// A picture could not be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The page could not be put together.
    #[error("cannot make the page")]
    Page(#[from] askama::Error),
    /// The ZIP file could not be put together.
    #[error("cannot make the ZIP file")]
    Zip(#[from] ZipError),
}
