//! From a picture back to the bytes of a file, with nothing in it but the pixels.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageError};
use thiserror::Error;

use crate::frame::Frame;

/// Why a picture could not be written.
#[derive(Debug, Error)]
#[error("cannot make a JPEG of {width} x {height} pixels")]
pub struct EncodeError {
    width: u32,
    height: u32,
    #[source]
    source: ImageError,
}

/// `frame` as a JPEG of the given quality, 1 to 100, without metadata.
///
/// # Errors
///
/// [`EncodeError`] if a side is longer than the 65,535 pixels that a JPEG can have.
pub fn jpeg(frame: &Frame, quality: u8) -> Result<Vec<u8>, EncodeError> {
    let (width, height) = (frame.width(), frame.height());
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
        .encode(frame.rgb(), width, height, ExtendedColorType::Rgb8)
        .map_err(|source| EncodeError { width, height, source })?;
    Ok(bytes)
}
