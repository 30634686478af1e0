//! Which format a file is of, by its first bytes.

use image::ImageFormat;

use super::error::NotDecoded;
use super::raw;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    /// A camera's RAW file, of which the preview is decoded.
    Raw,
    /// One that the `image` crate decodes, and its name.
    Image(ImageFormat, &'static str),
    /// One that is known and not decoded.
    Other(NotDecoded),
}

/// Brands of the files that hold pictures.
///
/// # Source
///
/// ISO/IEC 23008-12 (HEIF), annexes B and G; the AV1 image file format, 1.2; `lclevy/canon_cr3` for CR3.
const HEIF_BRANDS: [&[u8]; 10] =
    [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"];

const AVIF_BRANDS: [&[u8]; 2] = [b"avif", b"avis"];

/// The format of a file; `None` for what is no picture.
pub(super) fn recognise(bytes: &[u8]) -> Option<Format> {
    let is = |start: &[u8]| bytes.starts_with(start);
    if is(b"\xFF\xD8") {
        Some(Format::Jpeg)
    } else if is(b"FUJIFILMCCD-RAW") || is(b"IIU\0") || is(b"IIRO") || is(b"IIRS") || is(b"MMOR") {
        Some(Format::Raw)
    } else if is(b"II*\0") || is(b"MM\0*") {
        Some(if raw::is_raw_tiff(bytes) { Format::Raw } else { Format::Image(ImageFormat::Tiff, "TIFF") })
    } else if is(b"II+\0") || is(b"MM\0+") {
        Some(Format::Image(ImageFormat::Tiff, "TIFF")) // Its large kind.
    } else if is(b"\x89PNG\r\n\x1A\n") {
        Some(Format::Image(ImageFormat::Png, "PNG"))
    } else if is(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some(Format::Image(ImageFormat::WebP, "WebP"))
    } else if is(b"GIF87a") || is(b"GIF89a") {
        Some(Format::Image(ImageFormat::Gif, "GIF"))
    } else if is(b"BM") {
        Some(Format::Image(ImageFormat::Bmp, "BMP"))
    } else if is(b"8BPS") {
        Some(Format::Other(NotDecoded::Photoshop))
    } else if is(b"\xFF\x0A") || is(b"\0\0\0\x0CJXL \r\n\x87\n") {
        Some(Format::Other(NotDecoded::JpegXl))
    } else if is(b"\xFF\x4F\xFF\x51") || is(b"\0\0\0\x0CjP  \r\n\x87\n") {
        Some(Format::Other(NotDecoded::Jpeg2000))
    } else {
        by_brand(bytes)
    }
}

fn by_brand(bytes: &[u8]) -> Option<Format> {
    // The first box: its size, its type, the major brand, a version, the brands that the file is compatible with. A file
    // that was cut off within it is known, too.
    let (size, rest) = bytes.split_first_chunk()?;
    let brands = rest.strip_prefix(b"ftyp")?;
    let brands = &brands[..brands.len().min((u32::from_be_bytes(*size) as usize).saturating_sub(8))];
    let brands: Vec<&[u8]> = brands.chunks_exact(4).collect();
    let any = |known: &[&[u8]]| brands.iter().any(|b| known.contains(b));
    if any(&[b"crx "]) {
        Some(Format::Raw)
    } else if any(&AVIF_BRANDS) {
        Some(Format::Other(NotDecoded::Avif))
    } else if any(&HEIF_BRANDS) {
        Some(Format::Other(NotDecoded::Heif))
    } else {
        None
    }
}
