//! How much memory a photo will take, by its header alone, so that a scan can make room before it decodes.

use crate::decode::outline::{Outline, pixels};
use crate::detect::SearchOptions;
use crate::resize::fit_within;

/// Bytes of a pixel in a [`Frame`](crate::frame::Frame).
const RGB: u64 = 3;

/// The most memory, bytes, that it takes to decode a photo, to search it and to cut faces out of it: an estimate on the
/// high side. The file's own bytes and what the networks keep from photo to photo come on top.
///
/// A photo for which `limit_bytes` do not suffice is not decoded at all, and one that a search could not decode takes
/// nothing. Of a RAW file, what counts is its preview.
///
/// Three pictures are counted at the most: what [`decode_at_least`](crate::decode::decode_at_least) gives, the one that
/// is searched with a turned copy of it, and the photo at the largest size for which there is memory, which small faces
/// are cut from ([`whole_limit_bytes`]). A picture that EXIF turns is there twice for a moment.
pub fn bytes_needed(bytes: &[u8], options: SearchOptions, limit_bytes: u64) -> u64 {
    let Some(outline) = Outline::of(bytes) else { return 0 };
    let decoded = outline.decoded(options.side_of(outline.size));
    let decode = outline.decode_bytes(decoded);
    if decode > limit_bytes {
        return 0;
    }
    let search = search_bytes(outline.size, decoded, options);
    if decoded == outline.size {
        return search.max(decode);
    }
    let whole = outline.largest_within(limit_bytes.saturating_sub(search));
    search.max(decode).max(if pixels(whole) > pixels(decoded) { search + outline.decode_bytes(whole) } else { 0 })
}

/// The most memory, bytes, that a photo of `size` may take at full size beside its copy of `decoded` pixels, which was
/// searched.
pub fn whole_limit_bytes(size: (u32, u32), decoded: (u32, u32), options: SearchOptions, limit_bytes: u64) -> u64 {
    limit_bytes.saturating_sub(search_bytes(size, decoded, options))
}

fn search_bytes(size: (u32, u32), decoded: (u32, u32), options: SearchOptions) -> u64 {
    RGB * pixels(decoded) + 2 * RGB * pixels(fit_within(decoded, options.side_of(size)))
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
            let needed = bytes_needed(bytes, OPTIONS, u64::MAX);
            assert_eq!(needed.div_ceil(1_000_000), megabytes, "{name}: {needed}");
        };
        // At half size 3000 x 2000 is 18 MB, searched at 1600 x 1067 twice 5.1 MB, whole and turned twice 72 MB.
        check("24 megapixels", &jpeg(0xC0, (6000, 4000)), 173);
        // Coefficients of 24 million luminance and 12 million colour samples.
        check("progressive", &jpeg(0xC2, (6000, 4000)), 245);
        check("small", &jpeg(0xC0, (1000, 1000)), 9);
        check("65,535 a side", &jpeg(0xC0, (65535, 65535)), 26_067);
        let raw = [&b"FUJIFILMCCD-RAW 0201"[..], &[0; 64], &[0, 0, 0, 100, 0, 0, 0, 60], &[0; 8]].concat();
        let raw = [&raw, &jpeg(0xC0, (6000, 4000))[..], &[0; 64]].concat();
        check("a RAW file by its preview", &raw, 173);
    }

    #[test]
    fn what_is_too_large_at_full_size_is_counted_at_the_size_it_is_cut_from() {
        let check = |name: &str, limit_mb: u64, megabytes: u64| {
            let needed = bytes_needed(&jpeg(0xC0, (6000, 4000)), OPTIONS, limit_mb * 1_000_000);
            assert_eq!(needed.div_ceil(1_000_000), megabytes, "{name}: {needed}");
        };
        check("all of it", 173, 173);
        check("at half its size, as it was searched", 172, 37);
        check("not at all", 36, 0);
    }

    #[test]
    fn what_is_not_decoded_takes_nothing() {
        let cut = jpeg(0xC0, (6000, 4000));
        let check = |name: &str, bytes: &[u8]| assert_eq!(bytes_needed(bytes, OPTIONS, u64::MAX), 0, "{name}");
        check("empty", &[]);
        check("text", b"hello, this is no picture");
        check("a JPEG cut off in its header", &cut[..cut.len() - 12]);
        check("no pixel", &jpeg(0xC0, (6000, 0)));
        check("a PNG cut off in its header", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0");
    }
}
