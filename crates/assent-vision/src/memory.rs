//! How much memory a photo will take, by its header alone, so that a scan can make room before it decodes.

use std::io::Cursor;

use image::{ImageDecoder, ImageFormat, ImageReader};

use crate::decode::jpeg;
use crate::detect::SearchOptions;
use crate::resize::fit_within;

/// Bytes of a pixel in a [`Frame`](crate::frame::Frame).
const RGB: u64 = 3;

/// The most memory, bytes, that it takes to decode a photo, to search it and to cut faces out of it: an estimate on the
/// high side. The file's own bytes and what the networks keep from photo to photo come on top.
///
/// [`u64::MAX`] for a file whose header does not say how large the picture is: it may be anything.
///
/// Three pictures are counted at the most: what [`decode_at_least`](crate::decode::decode_at_least) gives, the one that
/// is searched with a turned copy of it, and the photo at full size, which small faces are cut from. A picture that
/// EXIF turns is there twice for a moment.
pub fn bytes_needed(bytes: &[u8], options: SearchOptions) -> u64 {
    let Some(Header { size, decoded, decoder_bytes }) = header(bytes, options.side_px) else { return u64::MAX };
    let file_copy = bytes.len() as u64;
    let searched = RGB * pixels(fit_within(decoded, options.side_px));
    let search = RGB * pixels(decoded) + 2 * searched;
    let decode = file_copy + decoder_bytes + 2 * RGB * pixels(decoded);
    let whole = file_copy + decoder_bytes + 2 * RGB * pixels(size);
    if decoded == size { search.max(decode) } else { search + whole }
}

struct Header {
    /// Width and height, pixels.
    size: (u32, u32),
    /// The same of what a search decodes.
    decoded: (u32, u32),
    /// What the decoder keeps beside the picture that it gives.
    decoder_bytes: u64,
}

fn header(bytes: &[u8], side_px: u32) -> Option<Header> {
    let format = image::guess_format(bytes).ok()?;
    if format == ImageFormat::Jpeg {
        return jpeg_header(bytes, side_px);
    }
    let decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder().ok()?;
    // The picture as the file has it (16 bits, transparency), and as much again for what a decoder works with.
    let decoder_bytes = decoder.total_bytes().saturating_mul(2);
    let size = decoder.dimensions();
    Some(Header { size, decoded: size, decoder_bytes })
}

/// Walks the segments of a JPEG to the frame's header.
///
/// # Source
///
/// ITU-T T.81 (JPEG), annex B.2.2: SOF0 to SOF15 without DHT, JPG and DAC; from SOF2 on every second kind is
/// progressive. After the length come precision, height, width, the number of components, and for each of them three
/// bytes, the second with its horizontal and vertical sampling.
fn jpeg_header(bytes: &[u8], side_px: u32) -> Option<Header> {
    let mut at = 2;
    loop {
        let &[first, marker, high, low] = bytes.get(at..at + 4)? else { return None };
        match (first, marker) {
            (0xFF, 0xFF) => at += 1,
            (0xFF, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF) => break,
            (0xFF, 0x01 | 0xD0..=0xD8) => at += 2,
            (0xFF, _) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
            _ => return None,
        }
    }
    let &[_, marker, _, _, _, height_high, height_low, width_high, width_low, count] = bytes.get(at..at + 10)? else {
        return None;
    };
    let components = bytes.get(at + 10..)?.get(..usize::from(count) * 3)?.as_chunks::<3>().0;
    let size = (u16::from_be_bytes([width_high, width_low]), u16::from_be_bytes([height_high, height_low]));
    let size = (u32::from(size.0), u32::from(size.1));
    if pixels(size) == 0 {
        return None;
    }
    let sampling = |part: fn(u8) -> u64| components.iter().map(move |c| part(c[1]));
    let (across, down) = (|s: u8| u64::from(s >> 4), |s: u8| u64::from(s & 15));
    let most = sampling(across).max()?.max(1) * sampling(down).max()?.max(1);
    let samples = pixels(size) * sampling(|s| u64::from(s >> 4) * u64::from(s & 15)).sum::<u64>() / most;
    // All coefficients of a progressive JPEG are kept until its last scan has come, 16 bits each.
    let is_progressive = matches!(marker & 3, 2);
    let decoder_bytes = if is_progressive { 2 * samples } else { 0 };
    Some(Header { size, decoded: jpeg::decoded_size(size, side_px), decoder_bytes })
}

fn pixels((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{Posture, Thoroughness};

    const OPTIONS: SearchOptions =
        SearchOptions { side_px: 1600, posture: Posture::AnyWayUp, thoroughness: Thoroughness::CoarseToFine };

    /// The beginning of a JPEG: start, a comment, and the frame's header with three components, sampled 2x2, 1x1, 1x1.
    fn jpeg(frame: u8, (width, height): (u16, u16)) -> Vec<u8> {
        let mut bytes = vec![0xFF, 0xD8, 0xFF, 0xFE, 0, 4, 0xFF, 0xC0, 0xFF, frame, 0, 17, 8];
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.extend([3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]);
        bytes
    }

    #[test]
    fn what_a_photo_needs_follows_from_its_header() {
        let check = |name: &str, bytes: &[u8], megabytes: u64| {
            let needed = bytes_needed(bytes, OPTIONS);
            assert_eq!(needed.div_ceil(1_000_000), megabytes, "{name}: {needed}");
        };
        // At half size 3000 x 2000 is 18 MB, searched at 1600 x 1067 twice 5.1 MB, whole and turned twice 72 MB.
        check("24 megapixels", &jpeg(0xC0, (6000, 4000)), 173);
        // Coefficients of 24 million luminance and 12 million colour samples.
        check("progressive", &jpeg(0xC2, (6000, 4000)), 245);
        check("small", &jpeg(0xC0, (1000, 1000)), 9);
        check("65,535 a side", &jpeg(0xC0, (65535, 65535)), 25_986);
    }

    #[test]
    fn what_says_nothing_may_be_anything() {
        let cut = jpeg(0xC0, (6000, 4000));
        let check = |name: &str, bytes: &[u8]| assert_eq!(bytes_needed(bytes, OPTIONS), u64::MAX, "{name}");
        check("empty", &[]);
        check("text", b"hello, this is no picture");
        check("a JPEG cut off in its header", &cut[..cut.len() - 12]);
        check("no pixel", &jpeg(0xC0, (6000, 0)));
        check("a PNG cut off in its header", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0");
    }
}
