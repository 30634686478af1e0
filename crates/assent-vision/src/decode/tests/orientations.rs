//! How the camera was held, wherever a file says it.

use image::ImageFormat;

use super::writers::{crc32, segment};
use super::{decoded, encoded, small};

/// EXIF data with an orientation alone.
fn exif(orientation: u8) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif
}

fn prefixed(orientation: u8) -> Vec<u8> {
    [&b"Exif\0\0"[..], &exif(orientation)].concat()
}

fn is_turned(name: &str, bytes: &[u8]) {
    let decoded = decoded(bytes).unwrap_or_else(|code| panic!("{name}: {code}"));
    assert_eq!(decoded.size, (61, 97), "{name}");
    assert_eq!((decoded.frame.width(), decoded.frame.height()), (61, 97), "{name}");
    assert_eq!(decoded.orientation.turn.count(), 1, "{name}");
}

#[test]
fn of_a_jpeg() {
    let plain = encoded(&small(), ImageFormat::Jpeg);
    let with = |segments: &[u8]| [&plain[..2], segments, &plain[2..]].concat();
    let xmp = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta tiff:Orientation=\"3\"/>");
    is_turned("EXIF", &with(&segment(0xE1, &prefixed(6))));
    is_turned("behind XMP", &with(&[xmp.clone(), segment(0xE1, &prefixed(6))].concat()));
    is_turned("before XMP", &with(&[segment(0xE1, &prefixed(6)), xmp.clone()].concat()));
    is_turned("in the second of two", &with(&[segment(0xE1, b"Exif\0\0II*\0"), segment(0xE1, &prefixed(6))].concat()));
    is_turned("behind stray bytes", &with(&[&b"stray"[..], &segment(0xE1, &prefixed(6))].concat()));
    // Browsers and viewers go by EXIF alone.
    assert_eq!(decoded(&with(&xmp)).unwrap().size, (97, 61), "XMP alone");
}

#[test]
fn of_a_png() {
    let plain = encoded(&small(), ImageFormat::Png);
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let sum = crc32(&[&kind[..], content].concat());
        [&(content.len() as u32).to_be_bytes()[..], kind, content, &sum.to_be_bytes()].concat()
    };
    let end = plain.len() - 12;
    let first = |extra: &[u8]| [&plain[..33], extra, &plain[33..]].concat();
    let last = |extra: &[u8]| [&plain[..end], extra, &plain[end..]].concat();
    is_turned("eXIf before the data", &first(&chunk(b"eXIf", &exif(6))));
    is_turned("eXIf behind the data", &last(&chunk(b"eXIf", &exif(6))));
    is_turned("eXIf with a JPEG's prefix", &first(&chunk(b"eXIf", &prefixed(6))));
    let hex: String = prefixed(6)
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect();
    let (first_line, second_line) = hex.split_at(24);
    let text = format!("\nexif\n{:8}\n{first_line}\n{second_line}\n", prefixed(6).len()).into_bytes();
    let deflated = miniz_oxide::deflate::compress_to_vec_zlib(&text, 6);
    for name in ["Raw profile type exif", "Raw profile type APP1"] {
        let of = |between: &[u8], text: &[u8]| [name.as_bytes(), b"\0", between, text].concat();
        is_turned(&format!("{name} in tEXt"), &first(&chunk(b"tEXt", &of(b"", &text))));
        is_turned(&format!("{name} in zTXt"), &last(&chunk(b"zTXt", &of(b"\0", &deflated))));
        is_turned(&format!("{name} in iTXt"), &first(&chunk(b"iTXt", &of(b"\0\0\0\0", &text))));
        is_turned(&format!("{name} in iTXt, deflated"), &first(&chunk(b"iTXt", &of(b"\x01\0en\0\0", &deflated))));
    }
    for junk in [&b""[..], b"\nexif\n", b"\nexif\n 9\nzz", b"no lines"] {
        let content = [&b"Raw profile type exif\0"[..], junk].concat();
        assert_eq!(decoded(&first(&chunk(b"tEXt", &content))).unwrap().size, (97, 61), "{junk:?}");
    }
}

#[test]
fn of_a_webp() {
    let plain = encoded(&small(), ImageFormat::WebP);
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let mut out = [&kind[..], &(content.len() as u32).to_le_bytes(), content].concat();
        out.resize(out.len().next_multiple_of(2), 0);
        out
    };
    let with = |exif: &[u8]| {
        let head = chunk(b"VP8X", &[8, 0, 0, 0, 96, 0, 0, 60, 0, 0]);
        chunk(b"RIFF", &[b"WEBP", &head[..], &plain[12..], &chunk(b"EXIF", exif)].concat())
    };
    is_turned("EXIF", &with(&exif(6)));
    is_turned("EXIF with a JPEG's prefix", &with(&prefixed(6)));
    assert_eq!(decoded(&with(b"junk")).unwrap().size, (97, 61));
}
