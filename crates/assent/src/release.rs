//! A signed form on paper, scanned: does the file open?

use assent_vision::catch_panic::catch_panic;
use assent_vision::decode::{self, DecodeError, DecodeLimits};
use thiserror::Error;

use crate::packs::sha256;

/// Why a file is no release.
#[derive(Debug, Error)]
pub enum ReleaseError {
    /// It begins as a PDF and cannot be read as one.
    #[error("the release is a PDF that cannot be opened; scan the signed form again")]
    Pdf(#[source] lopdf::Error),
    /// A PDF without a page.
    #[error("the release is a PDF without a page; scan the signed form again")]
    NoPage,
    /// It is no picture either.
    #[error("the release is neither a PDF nor a picture that can be opened; scan the signed form again")]
    Picture(#[source] DecodeError),
}

/// Opens a release and returns its SHA-256, by which the ledger sees that it is used once.
///
/// # Errors
///
/// [`ReleaseError`] if `bytes` are neither a PDF with a page nor a picture.
pub fn open_release(bytes: &[u8]) -> Result<[u8; 32], ReleaseError> {
    if bytes.starts_with(b"%PDF-") {
        let pages = catch_panic(|| Ok(lopdf::Document::load_mem(bytes)?.get_pages().len()));
        if pages.unwrap_or(Ok(0)).map_err(ReleaseError::Pdf)? == 0 {
            return Err(ReleaseError::NoPage);
        }
    } else {
        decode::decode(bytes, DecodeLimits::default()).map_err(ReleaseError::Picture)?;
    }
    Ok(sha256(bytes))
}
