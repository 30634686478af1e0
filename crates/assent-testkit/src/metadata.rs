//! What other programs write into photo files: ratings, and how the camera was held.

use std::io::Cursor;

use assent::Frame;
use image::codecs::png::PngEncoder;
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder as _};

const XMP: &str = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><xmp:Rating>5</xmp:Rating></x:xmpmeta>";

/// A picture as a PNG.
pub fn png(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    PngEncoder::new(&mut out).write_image(frame.rgb(), frame.width(), frame.height(), ExtendedColorType::Rgb8).unwrap();
    out
}

/// A picture as a lossless WebP.
pub fn webp(frame: &Frame) -> Vec<u8> {
    let mut out = Vec::new();
    WebPEncoder::new_lossless(&mut out)
        .write_image(frame.rgb(), frame.width(), frame.height(), ExtendedColorType::Rgb8)
        .unwrap();
    out
}

/// A picture as a TIFF.
pub fn tiff(frame: &Frame) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    TiffEncoder::new(&mut out)
        .write_image(frame.rgb(), frame.width(), frame.height(), ExtendedColorType::Rgb8)
        .unwrap();
    out.into_inner()
}

/// The file with a rating written into it, as photo managers do: a JPEG, a PNG or a WebP gets it as XMP, a TIFF as an entry
/// of a new directory at its end.
pub fn rated(file: &[u8]) -> Vec<u8> {
    match file {
        [0xFF, 0xD8, ..] => with_segment(file, 0xE1, &[b"http://ns.adobe.com/xap/1.0/\0", XMP.as_bytes()].concat()),
        [0x89, b'P', ..] => {
            let text = [b"XML:com.adobe.xmp\0\0\0\0\0", XMP.as_bytes()].concat();
            let mut out = file.to_vec();
            // Behind the header: the signature, and a chunk of 13 bytes.
            out.splice(33..33, chunk(b"iTXt", &text));
            out
        }
        [b'R', b'I', ..] => {
            // From the simple kind to the extended one, with the canvas of the picture's own size.
            let (w, h) = size_of_lossless_webp(file);
            let [w0, w1, w2, _] = (w - 1).to_le_bytes();
            let [h0, h1, h2, _] = (h - 1).to_le_bytes();
            let head = riff(b"VP8X", &[4, 0, 0, 0, w0, w1, w2, h0, h1, h2]);
            let body = [b"WEBP".as_slice(), &head, &file[12..], &riff(b"XMP ", XMP.as_bytes())].concat();
            riff(b"RIFF", &body)
        }
        _ => with_entry(file, 0x4746, 5),
    }
}

/// A JPEG with a comment.
pub fn commented(jpeg: &[u8]) -> Vec<u8> {
    with_segment(jpeg, 0xFE, b"The boat house in June")
}

/// A JPEG with EXIF data that say how the camera was held, 1 to 8; they are of the same length for all eight.
pub fn held(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    with_segment(jpeg, 0xE1, &exif)
}

fn with_segment(jpeg: &[u8], kind: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xFF, kind], &length, content, &jpeg[2..]].concat()
}

fn chunk(kind: &[u8], content: &[u8]) -> Vec<u8> {
    let body = [kind, content].concat();
    let crc = !body.iter().fold(!0u32, |crc, b| {
        (0..8).fold(crc ^ u32::from(*b), |c, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 })
    });
    [(content.len() as u32).to_be_bytes().as_slice(), &body, &crc.to_be_bytes()].concat()
}

fn riff(kind: &[u8], content: &[u8]) -> Vec<u8> {
    let padding = vec![0; content.len() % 2];
    [kind, &(content.len() as u32).to_le_bytes(), content, &padding].concat()
}

/// # Source
///
/// The WebP lossless bitstream specification, 3: a signature byte, 14 bits of width - 1, 14 bits of height - 1.
fn size_of_lossless_webp(file: &[u8]) -> (u32, u32) {
    let bits = u32::from_le_bytes(*file[21..].first_chunk().unwrap());
    ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
}

/// A little-endian TIFF whose first directory is written anew at the end, with one entry more.
fn with_entry(tiff: &[u8], tag: u16, value: u16) -> Vec<u8> {
    let at = u32::from_le_bytes(*tiff[4..].first_chunk().unwrap()) as usize;
    let count = usize::from(u16::from_le_bytes(*tiff[at..].first_chunk().unwrap()));
    let mut entries: Vec<&[u8]> = tiff[at + 2..at + 2 + 12 * count].chunks(12).collect();
    let [t0, t1] = tag.to_le_bytes();
    let [v0, v1] = value.to_le_bytes();
    let more = [t0, t1, 3, 0, 1, 0, 0, 0, v0, v1, 0, 0];
    entries.push(&more);
    entries.sort_by_key(|e| u16::from_le_bytes([e[0], e[1]]));
    let mut out = tiff.to_vec();
    out.resize(out.len() + out.len() % 2, 0);
    let place = out.len() as u32;
    out[4..8].copy_from_slice(&place.to_le_bytes());
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend(entries.concat());
    out.extend([0; 4]);
    out
}
