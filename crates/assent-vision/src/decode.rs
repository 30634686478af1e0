//! From the bytes of a photo file to a picture as it was seen.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use thiserror::Error;

use crate::frame::Frame;
use crate::geometry::Orientation;
use crate::jpeg;

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

/// A decoded photo, perhaps at a part of its size.
#[derive(Debug)]
pub struct Decoded {
    /// The picture.
    pub frame: Frame,
    /// The photo's own width and height as it is seen, pixels.
    pub size: (u32, u32),
}

impl Decoded {
    /// Photo pixels for one pixel of the picture, 1 or more.
    pub fn scale(&self) -> f32 {
        self.size.0.max(self.size.1) as f32 / self.frame.width().max(self.frame.height()) as f32
    }
}

/// Decodes `bytes` at full size, see [`decode_at_least`].
///
/// # Errors
///
/// As [`decode_at_least`].
pub fn decode(bytes: &[u8], limits: DecodeLimits) -> Result<Frame, DecodeError> {
    Ok(decode_at_least(bytes, limits, u32::MAX)?.frame)
}

/// Decodes `bytes`, brings the picture upright by its EXIF orientation and drops transparency onto white.
///
/// A JPEG is decoded at a half, a quarter or an eighth of its size if its longest side is at least `side_px` then: the
/// rest of its pixels is never computed. Of an animation the first frame is taken; 16-bit samples are rounded to 8.
///
/// # Errors
///
/// - [`DecodeError::UnknownFormat`] if the first bytes name none of the formats.
/// - [`DecodeError::TooLarge`] if the header promises more than `limits`; nothing was decoded then.
/// - [`DecodeError::Unsupported`] if the decoder does not know this kind of the format.
/// - [`DecodeError::Damaged`] if the file is cut off or contradicts itself.
pub fn decode_at_least(bytes: &[u8], limits: DecodeLimits, side_px: u32) -> Result<Decoded, DecodeError> {
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
    if format == ImageFormat::Jpeg && !jpeg::has_end(bytes) {
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
    let orientation = Orientation::from_exif(exif).unwrap_or_default();
    let fast = if format == ImageFormat::Jpeg { jpeg::decode(bytes, (width, height), side_px) } else { None };
    let frame = if let Some(frame) = fast {
        frame
    } else {
        let picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
        let frame = Frame::new(width, height, onto_white(picture));
        frame.ok_or(DecodeError::Damaged { format: name, source: None })?
    };
    Ok(Decoded { frame: frame.oriented(orientation), size: orientation.turn.move_size((width, height)) })
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
    fn a_jpeg_is_decoded_no_larger_than_asked_for() {
        let check = |side_px: u32, expected: (u32, u32)| {
            let decoded = decode_at_least(&encoded(ImageFormat::Jpeg), DecodeLimits::default(), side_px).unwrap();
            assert_eq!((decoded.frame.width(), decoded.frame.height()), expected, "{side_px}");
            assert_eq!(decoded.size, (97, 61));
        };
        check(u32::MAX, (97, 61));
        check(97, (97, 61));
        check(50, (97, 61));
        check(49, (49, 31));
        check(25, (25, 16));
        check(1, (13, 8));
        let png = decode_at_least(&encoded(ImageFormat::Png), DecodeLimits::default(), 1).unwrap();
        assert_eq!((png.frame.width(), png.scale()), (97, 1.0));
    }

    #[test]
    fn a_picture_decoded_at_half_size_is_the_picture_shrunk() {
        let half = decode_at_least(&encoded(ImageFormat::Jpeg), DecodeLimits::default(), 49).unwrap();
        for (x, y) in [(3, 3), (20, 10), (40, 25)] {
            let (expected, got) = (picture().to_rgb8().get_pixel(2 * x, 2 * y).0, half.frame.pixel(x.into(), y.into()));
            let worst = expected.iter().zip(got).map(|(a, b)| a.abs_diff(b)).max();
            assert!(worst < Some(20), "{x}, {y}: {got:?} instead of {expected:?}");
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
