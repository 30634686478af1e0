//! EXIF data outside of a JPEG: they are built like a TIFF.

use super::tiff::Tiff;

/// The orientation that EXIF data name, with or without the six bytes that stand before them in a JPEG: some programs
/// write these elsewhere, too.
pub(super) fn orientation(exif: &[u8]) -> Option<u8> {
    Tiff::open(exif.strip_prefix(b"Exif\0\0").unwrap_or(exif))?.orientation()
}

/// The same of a WebP.
///
/// # Source
///
/// WebP Container Specification: chunks of a name, a length and as many bytes, padded to an even number.
pub(super) fn orientation_of_webp(bytes: &[u8]) -> Option<u8> {
    let mut rest = bytes.get(12..)?;
    loop {
        let (kind, after) = rest.split_first_chunk::<4>()?;
        let (length, after) = after.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        if kind == b"EXIF" {
            return orientation(after.get(..length).unwrap_or(after));
        }
        rest = after.get(length.checked_add(length % 2)?..)?;
    }
}
