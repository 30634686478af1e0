//! PNG's chunks: what the picture is made of, and how the camera was held.
//!
//! Whatever does not belong to the picture (colour profiles, texts, times) never reaches the decoder: it would inflate a
//! profile of a megabyte to half a gigabyte, and refuse a picture for a checksum in a comment.
//!
//! # Source
//!
//! Portable Network Graphics (PNG) Specification, third edition, 5.3 (chunks), 11.2 and 11.3; `ExifTool`'s table of PNG
//! tags for the raw profiles that `ImageMagick` writes.

use super::exif;

/// The header of a PNG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Width and height, pixels.
    pub(super) size: (u32, u32),
    /// Bytes of a pixel as it is decoded: palettes become colours, and samples of less than 8 bits become 8.
    pub(super) pixel_bytes: u64,
}

/// A chunk; one that is cut off has what is there of it.
#[derive(Debug, Clone, Copy)]
struct Chunk<'b> {
    kind: [u8; 4],
    content: &'b [u8],
    checksum: Option<u32>,
}

/// The chunks of a PNG up to its end.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let (kind, after) = after.split_first_chunk::<4>()?;
        if kind == b"IEND" {
            return None;
        }
        let length = u32::from_be_bytes(*length) as usize;
        let (content, after) = after.split_at_checked(length).unwrap_or((after, &[]));
        let checksum = after.first_chunk().map(|sum| u32::from_be_bytes(*sum));
        rest = after.get(4..).unwrap_or_default();
        Some(Chunk { kind: *kind, content, checksum })
    })
}

impl Header {
    /// Reads the header; `None` where there is none, or it says what no PNG has.
    pub(super) fn read(bytes: &[u8]) -> Option<Header> {
        let first = chunks(bytes).next().filter(|chunk| &chunk.kind == b"IHDR")?;
        let [w0, w1, w2, w3, h0, h1, h2, h3, depth, colours, ..] = *first.content else { return None };
        let size = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
        let samples = match colours {
            0 => 1,
            2 | 3 => 3,
            4 => 2,
            6 => 4,
            _ => return None,
        };
        let transparent = matches!(colours, 0 | 2 | 3) && chunks(bytes).any(|chunk| &chunk.kind == b"tRNS");
        let pixel_bytes = (samples + u64::from(transparent)) * if depth == 16 { 2 } else { 1 };
        (size.0 > 0 && size.1 > 0).then_some(Header { size, pixel_bytes })
    }
}

/// The picture alone: its header, palette, transparency, data, and an end, which some files lack.
pub(super) fn picture(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().min(bytes.len() / 2 + (1 << 20)));
    out.extend(&bytes[..bytes.len().min(8)]);
    for chunk in chunks(bytes) {
        // A lower case letter first: a decoder need not know the chunk.
        let is_needed = chunk.kind[0].is_ascii_uppercase()
            || &chunk.kind == b"tRNS" && chunk.checksum == Some(checksum(chunk.kind, chunk.content));
        if is_needed {
            let sum = chunk.checksum.unwrap_or_else(|| checksum(chunk.kind, chunk.content));
            put(&mut out, chunk.kind, chunk.content, sum);
        }
    }
    put(&mut out, *b"IEND", &[], checksum(*b"IEND", &[]));
    out
}

fn put(out: &mut Vec<u8>, kind: [u8; 4], content: &[u8], checksum: u32) {
    out.extend((content.len() as u32).to_be_bytes());
    out.extend(kind);
    out.extend(content);
    out.extend(checksum.to_be_bytes());
}

/// The orientation by the EXIF data, wherever in the file they are: a chunk of their own, else a raw profile.
pub(super) fn orientation(bytes: &[u8]) -> Option<u8> {
    let own = chunks(bytes).find(|chunk| &chunk.kind == b"eXIf").and_then(|chunk| exif::orientation(chunk.content));
    own.or_else(|| {
        let mut texts = chunks(bytes).filter_map(|chunk| profile(&chunk));
        texts.find_map(|hex| exif::orientation(&from_hex(&hex)?))
    })
}

/// Bytes of a raw profile that are read: the orientation is among the first.
const PROFILE_BYTES_MAX: usize = 1 << 16;

/// The text of a raw profile with EXIF data.
fn profile(chunk: &Chunk<'_>) -> Option<Vec<u8>> {
    let names: [&[u8]; 2] = [b"Raw profile type exif", b"Raw profile type APP1"];
    let (name, rest) = after_zero(chunk.content)?;
    if !names.contains(&name) {
        return None;
    }
    match (&chunk.kind, rest) {
        (b"tEXt", text) => Some(text[..text.len().min(PROFILE_BYTES_MAX)].to_vec()),
        (b"zTXt", [0, deflated @ ..]) => Some(inflated(deflated)),
        // Whether it is deflated, how, the language, and the name in it.
        (b"iTXt", [is_deflated, _, rest @ ..]) => {
            let text = after_zero(after_zero(rest)?.1)?.1;
            let plain = || text[..text.len().min(PROFILE_BYTES_MAX)].to_vec();
            Some(if *is_deflated == 1 { inflated(text) } else { plain() })
        }
        _ => None,
    }
}

fn after_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let zero = memchr::memchr(0, bytes)?;
    Some((&bytes[..zero], &bytes[zero + 1..]))
}

/// The beginning of what `deflated` inflates to.
fn inflated(deflated: &[u8]) -> Vec<u8> {
    miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(deflated, PROFILE_BYTES_MAX).unwrap_or_else(|e| e.output)
}

/// What the hexadecimal digits of a raw profile say: a line with its kind, one with its length, then the digits.
fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let mut lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    lines.nth(1)?;
    let digits: Vec<u8> = lines.flatten().filter_map(|b| Some(char::from(*b).to_digit(16)? as u8)).collect();
    Some(digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect())
}

/// CRC-32 of a chunk.
///
/// # Source
///
/// PNG Specification, annex D.
fn checksum(kind: [u8; 4], content: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut n = 0;
        while n < 256 {
            let mut value = n as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { 0xEDB8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[n] = value;
            n += 1;
        }
        table
    };
    let next = |sum: u32, byte: &u8| TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8);
    !kind.iter().chain(content).fold(!0, next)
}
