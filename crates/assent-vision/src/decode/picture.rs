//! What a picture is made of, without what is written beside it: programs add ratings, captions and another orientation to a
//! file every day, and it is the same picture afterwards.
//!
//! ```text
//! JPEG   tables, frames and scans in their order, without APPn and COM, up to the first end marker
//! PNG    IHDR, PLTE, tRNS, and the data of all IDAT together, however they are divided
//! WebP   VP8, VP8L, ALPH, ANMF
//! TIFF   the strips or tiles of the first directory, and the numbers that give them a meaning
//! RAW    the preview that is decoded, as a JPEG
//! ```

mod tiff;

use super::format::{self, Format};
use super::raw;
use image::ImageFormat;

/// Hands over what the picture in a file is made of, piece by piece: two files that differ only in what is written beside
/// the picture give the same bytes. `false` if this is not defined for the file's format, or the file is not built as its
/// format says; what was handed over until then means nothing.
///
/// # Source
///
/// ITU-T T.81 (JPEG), annex B; PNG (third edition), 5; the WebP container specification; TIFF 6.0.
pub fn picture_data(bytes: &[u8], out: &mut dyn FnMut(&[u8])) -> bool {
    match format::recognise(bytes) {
        Some(Format::Jpeg) => jpeg(bytes, out),
        Some(Format::Raw) => raw::preview(bytes).is_ok_and(|preview| jpeg(preview.jpeg, out)),
        Some(Format::Image(ImageFormat::Png, _)) => png(bytes, out),
        Some(Format::Image(ImageFormat::WebP, _)) => webp(bytes, out),
        Some(Format::Image(ImageFormat::Tiff, _)) => tiff::tiff(bytes, out),
        _ => false,
    }
}

/// Bytes between segments that belong to none are passed over, as decoders do; a picture without its end marker ends with
/// the file.
fn jpeg(bytes: &[u8], out: &mut dyn FnMut(&[u8])) -> bool {
    out(b"JPEG");
    let mut at = 2;
    let mut scans = 0;
    while let Some(kind) = next_marker(bytes, &mut at) {
        match kind {
            0xD9 => break,
            0x00 | 0x01 | 0xD0..=0xD8 => at += 2,
            _ => {
                let Some(length) = bytes.get(at + 2..).and_then(|rest| rest.first_chunk()) else { break };
                let end = at + 2 + usize::from(u16::from_be_bytes(*length));
                let Some(segment) = bytes.get(at..end).filter(|segment| segment.len() >= 4) else {
                    at += 2;
                    continue;
                };
                at = end;
                if !matches!(kind, 0xE0..=0xEF | 0xFE) {
                    out(segment);
                }
                if kind == 0xDA {
                    scans += 1;
                    end_of_scan(bytes, &mut at);
                    out(&bytes[end..at]);
                }
            }
        }
    }
    scans > 0
}

/// Moves `at` to the next 0xFF that another byte follows, and gives that byte.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        *at += memchr::memchr(0xFF, bytes.get(*at..)?)?;
        match *bytes.get(*at + 1)? {
            0xFF => *at += 1,
            kind => return Some(kind),
        }
    }
}

/// Moves `at` behind the entropy-coded data that begin there.
fn end_of_scan(bytes: &[u8], at: &mut usize) {
    while let Some(kind) = next_marker(bytes, at) {
        match kind {
            0x00 | 0xD0..=0xD7 => *at += 2,
            _ => return,
        }
    }
    *at = bytes.len();
}

fn png(bytes: &[u8], out: &mut dyn FnMut(&[u8])) -> bool {
    out(b"PNG");
    let mut rest = bytes.get(8..).unwrap_or_default();
    let mut begun = false;
    while let Some(([l0, l1, l2, l3, kind @ ..], after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([*l0, *l1, *l2, *l3]) as usize;
        let Some(data) = after.get(..length) else { break };
        match kind {
            b"IHDR" | b"PLTE" | b"tRNS" => {
                out(kind);
                out(&(length as u64).to_be_bytes());
                out(data);
            }
            b"IDAT" => {
                if !begun {
                    out(kind);
                }
                begun = true;
                out(data);
            }
            b"IEND" => break,
            _ => {}
        }
        // The checksum follows the data.
        rest = after.get(length + 4..).unwrap_or_default();
    }
    begun
}

fn webp(bytes: &[u8], out: &mut dyn FnMut(&[u8])) -> bool {
    out(b"WebP");
    let mut rest = bytes.get(12..).unwrap_or_default();
    let mut begun = false;
    while let Some(([kind @ .., l0, l1, l2, l3], after)) = rest.split_first_chunk::<8>() {
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]) as usize;
        let Some(data) = after.get(..length) else { break };
        if matches!(kind, b"VP8 " | b"VP8L" | b"ALPH" | b"ANMF") {
            begun |= kind != b"ALPH";
            out(kind);
            out(&(length as u64).to_be_bytes());
            out(data);
        }
        // Chunks begin at even places.
        rest = after.get(length + length % 2..).unwrap_or_default();
    }
    begun
}

#[cfg(test)]
mod tests;
