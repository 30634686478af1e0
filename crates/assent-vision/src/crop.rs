//! A face's crop as bytes that can be kept, and back: every pixel comes back as it was, so that an embedding made later
//! is the same to the bit.

use std::io::Cursor;

use image::codecs::png::{CompressionType, FilterType, PngDecoder, PngEncoder};
use image::{ColorType, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError};
use thiserror::Error;

use crate::embed::Aligned;
use crate::frame::Frame;

/// The longest side of a crop, pixels: more than any embedder takes.
const SIDE_MAX_PX: u32 = 1024;

/// Why bytes are no crop, or a crop could not be written.
#[derive(Debug, Error)]
pub enum CropError {
    /// The codec refuses.
    #[error("a kept crop cannot be written or read")]
    Codec(#[from] ImageError),
    /// It is a picture, but not a crop: not square, too large, or of other colours.
    #[error("a kept crop is no square of at most {SIDE_MAX_PX} pixels a side in three colours")]
    Form,
}

/// The crop as a PNG.
///
/// # Errors
///
/// [`CropError::Codec`] if the codec refuses.
pub fn encode(aligned: &Aligned) -> Result<Vec<u8>, CropError> {
    png(aligned.crop())
}

/// The crop that [`encode`] wrote.
///
/// # Errors
///
/// - [`CropError::Codec`] if `bytes` are no whole PNG.
/// - [`CropError::Form`] if they are another picture than a crop.
pub fn decode(bytes: &[u8]) -> Result<Aligned, CropError> {
    frame(bytes).map(|crop| Aligned { crop })
}

pub(crate) fn png(crop: &Frame) -> Result<Vec<u8>, CropError> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive).write_image(
        crop.rgb(),
        crop.width(),
        crop.height(),
        ExtendedColorType::Rgb8,
    )?;
    Ok(bytes)
}

pub(crate) fn frame(bytes: &[u8]) -> Result<Frame, CropError> {
    let decoder = PngDecoder::new(Cursor::new(bytes))?;
    let (width, height) = decoder.dimensions();
    if width != height || width > SIDE_MAX_PX || decoder.color_type() != ColorType::Rgb8 {
        return Err(CropError::Form);
    }
    let mut rgb = vec![0; width as usize * height as usize * 3];
    decoder.read_image(&mut rgb)?;
    Frame::new(width, height, rgb).ok_or(CropError::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(side: u32) -> Aligned {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        Aligned { crop: Frame::new(side, side, (0..side * side * 3).map(|_| next()).collect()).unwrap() }
    }

    #[test]
    fn every_pixel_comes_back() {
        for side in [1, 17, 128] {
            let crop = noise(side);
            let back = decode(&encode(&crop).unwrap()).unwrap();
            assert!(back.crop() == crop.crop(), "{side}");
        }
    }

    #[test]
    fn what_is_no_crop_is_refused() {
        let whole = encode(&noise(8)).unwrap();
        for end in [0, 7, 20, whole.len() / 2] {
            assert!(matches!(decode(&whole[..end]), Err(CropError::Codec(_))), "cut at {end}");
        }
        let wide = Aligned { crop: Frame::filled(4, 5, [1; 3]) };
        assert!(matches!(decode(&encode(&wide).unwrap()), Err(CropError::Form)), "not square");
        let large = Aligned { crop: Frame::filled(1025, 1025, [1; 3]) };
        assert!(matches!(decode(&encode(&large).unwrap()), Err(CropError::Form)), "too large");
    }
}
