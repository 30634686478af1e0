//! JPEG: whether a file is whole, and decoding it at a part of its size.

use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

use crate::frame::Frame;

/// Decodes a JPEG of `size` at the smallest of its scales whose longest side is `side_px` or more, at full size if none
/// is. `None` if libjpeg-turbo does not decode it without a complaint: CMYK, damaged files, kinds that it does not know.
/// Those are left to the slower decoder, which says what is wrong.
pub(crate) fn decode(bytes: &[u8], size: (u32, u32), side_px: u32) -> Option<Frame> {
    let longest = size.0.max(size.1) as usize;
    let scales = [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF];
    let enough = |scale: &ScalingFactor| scale.scale(longest) >= side_px as usize;
    let scale = scales.into_iter().find(enough).unwrap_or(ScalingFactor::ONE);
    let mut decompressor = Decompressor::new().ok()?;
    let header = decompressor.read_header(bytes).ok()?;
    let known = matches!(header.colorspace, Colorspace::YCbCr | Colorspace::RGB | Colorspace::Gray);
    if !known || (header.width, header.height) != (size.0 as usize, size.1 as usize) {
        return None;
    }
    decompressor.set_scaling_factor(scale).ok()?;
    let (width, height) = (scale.scale(header.width), scale.scale(header.height));
    let mut pixels = vec![0; width * height * 3];
    let image = Image { pixels: pixels.as_mut_slice(), width, pitch: width * 3, height, format: PixelFormat::RGB };
    decompressor.decompress(bytes, image).ok()?;
    Frame::new(width as u32, height as u32, pixels)
}

/// Whether a JPEG's entropy-coded data are followed by an end marker: walks the segments, so that the end marker
/// of an embedded thumbnail does not count.
///
/// # Source
///
/// ITU-T T.81 (JPEG), annex B: marker segments carry their length; within entropy-coded data 0xFF is followed by
/// 0x00 or a restart marker.
pub(crate) fn has_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[first, second]) = bytes.get(at..at + 2) {
        match (first, second) {
            (0xFF, 0xD9) => return true,
            (0xFF, 0xFF) => at += 1,
            (0xFF, 0x00 | 0xD0..=0xD8 | 0x01) => at += 2,
            (0xFF, _) => {
                let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return false };
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
            }
            _ => at += 1,
        }
    }
    false
}
