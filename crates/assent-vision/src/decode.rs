//! From the bytes of a photo file to a picture as it was seen.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use thiserror::Error;

use crate::frame::Frame;
use crate::geometry::Orientation;

/// What is refused before or while it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most pixels of a photo.
    pub pixels: u64,
    /// Most pixels on one side.
    pub side_px: u32,
    /// Most memory that a decoder may ask for, bytes. Some decoders count only their main buffers.
    pub memory_bytes: u64,
}

impl Default for DecodeLimits {
    /// 250 megapixels (a stitched panorama), 65,535 a side (the most that a JPEG can have), 2 GiB.
    fn default() -> DecodeLimits {
        DecodeLimits { pixels: 250_000_000, side_px: 65_535, memory_bytes: 2 << 30 }
    }
}

/// Why a file is no photo for Assent. Messages hold neither names nor contents of files.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The first bytes are of no format that is known here.
    #[error("not a picture in a known format (JPEG, PNG, WebP, TIFF, BMP, GIF)")]
    UnknownFormat,
    /// The format is known, this kind of it is not decoded.
    #[error("a kind of {format} that is not supported")]
    Unsupported {
        /// The format's name.
        format: &'static str,
    },
    /// Larger than the limits.
    #[error("{width} x {height} pixels are more than the limit")]
    TooLarge {
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
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
    /// A word for counting and storing: `unknown-format`, `unsupported`, `too-large` or `damaged`.
    pub fn code(&self) -> &'static str {
        match self {
            DecodeError::UnknownFormat => "unknown-format",
            DecodeError::Unsupported { .. } => "unsupported",
            DecodeError::TooLarge { .. } => "too-large",
            DecodeError::Damaged { .. } => "damaged",
        }
    }
}

/// Decodes `bytes`, brings the picture upright by its EXIF orientation and drops transparency onto white.
///
/// Of an animation the first frame is taken; 16-bit samples are rounded to 8.
///
/// # Errors
///
/// - [`DecodeError::UnknownFormat`] if the first bytes name none of the formats.
/// - [`DecodeError::TooLarge`] if the header promises more than `limits`; nothing was decoded then.
/// - [`DecodeError::Unsupported`] if the decoder does not know this kind of the format.
/// - [`DecodeError::Damaged`] if the file is cut off or contradicts itself.
pub fn decode(bytes: &[u8], limits: DecodeLimits) -> Result<Frame, DecodeError> {
    let format = image::guess_format(bytes).map_err(|_| DecodeError::UnknownFormat)?;
    let name = match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Tiff => "TIFF",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Gif => "GIF",
        _ => return Err(DecodeError::UnknownFormat),
    };
    // The JPEG decoder paints what is missing of a file that was cut off in grey: half a face would count as one.
    if format == ImageFormat::Jpeg && !jpeg_has_end(bytes) {
        return Err(DecodeError::Damaged { format: name, source: None });
    }
    let failed = |e: ImageError| match e {
        ImageError::Unsupported(_) => DecodeError::Unsupported { format: name },
        other => DecodeError::Damaged { format: name, source: Some(other) },
    };
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let too_large = DecodeError::TooLarge { width, height };
    if width.max(height) > limits.side_px || u64::from(width) * u64::from(height) > limits.pixels {
        return Err(too_large);
    }
    let mut decoder_limits = Limits::no_limits();
    decoder_limits.max_alloc = Some(limits.memory_bytes);
    if decoder.set_limits(decoder_limits).is_err() || decoder.total_bytes() > limits.memory_bytes {
        return Err(too_large);
    }
    // EXIF that cannot be read is no reason to refuse the picture.
    let exif = decoder.orientation().map_or(1, image::metadata::Orientation::to_exif);
    let picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let frame = Frame::new(width, height, onto_white(picture));
    let frame = frame.ok_or(DecodeError::Damaged { format: name, source: None })?;
    Ok(frame.oriented(Orientation::from_exif(exif).unwrap_or_default()))
}

/// Whether a JPEG's entropy-coded data are followed by an end marker: walks the segments, so that the end marker
/// of an embedded thumbnail does not count.
///
/// # Source
///
/// ITU-T T.81 (JPEG), annex B: marker segments carry their length; within entropy-coded data 0xFF is followed by
/// 0x00 or a restart marker.
fn jpeg_has_end(bytes: &[u8]) -> bool {
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

fn onto_white(picture: DynamicImage) -> Vec<u8> {
    if !picture.color().has_alpha() {
        return picture.into_rgb8().into_raw();
    }
    let rgba = picture.into_rgba8().into_raw();
    let over = |value: u8, alpha: u8| {
        let alpha = u32::from(alpha);
        ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    rgba.chunks_exact(4).flat_map(|p| [over(p[0], p[3]), over(p[1], p[3]), over(p[2], p[3])]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> DynamicImage {
        DynamicImage::ImageRgb8(image::RgbImage::from_fn(97, 61, |x, y| image::Rgb([x as u8 * 2, y as u8 * 3, 90])))
    }

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(vec![]);
        picture().write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_format_gives_the_same_picture() {
        for format in [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Jpeg] {
            let frame = decode(&encoded(format), DecodeLimits::default()).unwrap();
            let worst = frame.rgb().iter().zip(picture().as_bytes()).map(|(a, b)| a.abs_diff(*b)).max();
            let tolerance = if format == ImageFormat::Jpeg { 24 } else { 0 };
            assert!(worst <= Some(tolerance), "{format:?}: {worst:?}");
        }
    }

    #[test]
    fn bad_files_are_named() {
        let check = |name: &str, bytes: &[u8], code: &str| match decode(bytes, DecodeLimits::default()) {
            Ok(_) => panic!("{name} was decoded"),
            Err(e) => assert_eq!(e.code(), code, "{name}"),
        };
        check("empty", &[], "unknown-format");
        check("text", b"hello, this is no picture", "unknown-format");
        check("an SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unknown-format");
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::WebP] {
            let bytes = encoded(format);
            for part in [20, 60, 90] {
                check(&format!("{format:?}, {part} % of it"), &bytes[..bytes.len() * part / 100], "damaged");
            }
        }
        let mut header = encoded(ImageFormat::Png);
        header[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]); // 60,000 x 60,000
        let crc = crc32(&header[12..29]);
        header[29..33].copy_from_slice(&crc.to_be_bytes());
        check("a PNG of 60,000 x 60,000", &header, "too-large");
    }

    #[test]
    fn the_end_marker_of_a_thumbnail_does_not_count() {
        let mut whole = encoded(ImageFormat::Jpeg);
        let thumbnail = encoded(ImageFormat::Jpeg);
        let mut segment = vec![0xFF, 0xE1];
        segment.extend((thumbnail.len() as u16 + 2).to_be_bytes());
        segment.extend(&thumbnail);
        whole.splice(2..2, segment);
        assert!(decode(&whole, DecodeLimits::default()).is_ok());
        whole.truncate(whole.len() - 30);
        assert_eq!(decode(&whole, DecodeLimits::default()).unwrap_err().code(), "damaged");
    }

    #[test]
    fn exif_turns_the_picture() {
        for value in 1..=8u8 {
            let mut bytes = encoded(ImageFormat::Jpeg);
            // A TIFF header and a directory of one entry: tag 0x0112, type SHORT, one value.
            let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
            exif.extend([value, 0, 0, 0, 0, 0, 0]);
            let mut segment = vec![0xFF, 0xE1];
            segment.extend((exif.len() as u16 + 2).to_be_bytes());
            segment.extend(exif);
            bytes.splice(2..2, segment);
            let frame = decode(&bytes, DecodeLimits::default()).unwrap();
            let expected = if value < 5 { (97, 61) } else { (61, 97) };
            assert_eq!((frame.width(), frame.height()), expected, "orientation {value}");
        }
    }

    #[test]
    fn transparency_becomes_white() {
        let mut bytes = Cursor::new(vec![]);
        let glass = image::RgbaImage::from_pixel(4, 4, image::Rgba([0, 0, 0, 0]));
        DynamicImage::ImageRgba8(glass).write_to(&mut bytes, ImageFormat::Png).unwrap();
        let frame = decode(&bytes.into_inner(), DecodeLimits::default()).unwrap();
        assert_eq!(frame.pixel(1, 1), [255; 3]);
    }

    /// CRC-32 as PNG wants it, bit by bit.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |mut crc, b| {
            crc ^= u32::from(*b);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
            }
            crc
        })
    }
}
