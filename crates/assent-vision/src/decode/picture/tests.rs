use proptest::prelude::*;

use super::*;

fn data(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    picture_data(bytes, &mut |part| all.extend(part)).then_some(all)
}

fn segment(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xFF, kind], length.as_slice(), content].concat()
}

/// The parts of a JPEG: before the frame, the frame with its tables, the scan, behind it.
fn a_jpeg(before: &[u8], between: &[u8], scan: &[u8], after: &[u8]) -> Vec<u8> {
    let frame = [segment(0xDB, &[7; 65]), segment(0xC0, &[8, 0, 9, 0, 9, 1, 1, 0x11, 0])].concat();
    let scan = [segment(0xDA, &[1, 1, 0, 0, 63, 0]), scan.to_vec()].concat();
    [b"\xFF\xD8".as_slice(), before, &frame, between, &segment(0xC4, &[1; 20]), &scan, after].concat()
}

const SCAN: &[u8] = b"\x12\xFF\x00\x34\xFF\xD0\x56";
const END: &[u8] = b"\xFF\xD9";

fn chunk(kind: &[u8], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_be_bytes(), kind, content, b"crc!"].concat()
}

fn a_png(before: &[u8], data: &[&[u8]], after: &[u8]) -> Vec<u8> {
    let data: Vec<u8> = data.iter().flat_map(|part| chunk(b"IDAT", part)).collect();
    let head = chunk(b"IHDR", &[1; 13]);
    [b"\x89PNG\r\n\x1A\n".as_slice(), &head, before, &data, after, &chunk(b"IEND", b"")].concat()
}

fn a_webp(chunks: &[(&[u8], &[u8])]) -> Vec<u8> {
    let one = |(kind, content): &(&[u8], &[u8])| {
        let padding = vec![0; content.len() % 2];
        [kind, (content.len() as u32).to_le_bytes().as_slice(), content, &padding].concat()
    };
    let body: Vec<u8> = chunks.iter().flat_map(one).collect();
    [b"RIFF", (body.len() as u32 + 4).to_le_bytes().as_slice(), b"WEBP", &body].concat()
}

/// A TIFF of the usual kind with two strips, `gap` bytes before its directory, and these entries beside.
fn a_tiff(big_endian: bool, gap: usize, more: &[(u16, u16, u32, u32)], strips: [&[u8]; 2]) -> Vec<u8> {
    let n16 = |n: u16| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
    let n32 = |n: u32| if big_endian { n.to_be_bytes() } else { n.to_le_bytes() };
    let data = strips.concat();
    let lists = 8 + gap as u32 + data.len() as u32;
    let first = 8 + gap as u32;
    let at = [first, first + strips[0].len() as u32, strips[0].len() as u32, strips[1].len() as u32];
    let mut entries =
        vec![(0x0100, 3, 1, 9), (0x0101, 4, 1, 9), (0x0103, 3, 1, 1), (0x0111, 4, 2, lists), (0x0117, 4, 2, lists + 8)];
    entries.extend(more);
    entries.sort_unstable();
    let value = |kind: u16, n: u32| {
        if kind == 3 { [n16(n as u16), [0, 0]].concat() } else { n32(n).to_vec() }
    };
    let mut out = if big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
    out.extend(n32(lists + 16));
    out.extend(vec![0xEE; gap]);
    out.extend(data);
    out.extend(at.iter().flat_map(|n| n32(*n)));
    out.extend(n16(entries.len() as u16));
    for (tag, kind, count, n) in entries {
        out.extend([n16(tag), n16(kind)].concat());
        out.extend(n32(count));
        out.extend(value(kind, n));
    }
    out.extend(n32(0));
    out
}

#[test]
fn i12_what_is_written_beside_a_picture_does_not_change_it() {
    let check = |name: &str, plain: &[u8], written: &[u8]| {
        let expected = data(plain);
        assert!(expected.is_some(), "{name}");
        assert_eq!(data(written), expected, "{name}");
    };
    let plain = a_jpeg(b"", b"", SCAN, END);
    let rating = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<xmp:Rating>5</xmp:Rating>");
    check("JPEG: a rating", &plain, &a_jpeg(&rating, b"", SCAN, END));
    let thumbnail = segment(0xE1, &[b"Exif\0\0".as_slice(), &plain].concat());
    check("JPEG: a thumbnail", &plain, &a_jpeg(&thumbnail, b"", SCAN, END));
    check("JPEG: a comment behind the frame", &plain, &a_jpeg(b"", &segment(0xFE, b"hello"), SCAN, END));
    check("JPEG: fill bytes and stray bytes", &plain, &a_jpeg(b"\0\0\xFF\xFF", b"\xFF", SCAN, END));
    check("JPEG: a maker's trailer", &plain, &a_jpeg(b"", b"", SCAN, b"\xFF\xD9trailer\xFF\xDA\0\x08"));
    check("JPEG: a second picture", &plain, &[plain.clone(), a_jpeg(&rating, b"", b"other", END)].concat());
    check("JPEG: no end marker", &plain, &a_jpeg(b"", b"", SCAN, b""));
    check("JPEG: an APPn whose length is too large", &plain, &a_jpeg(b"\xFF\xEF\xFF\xFF", b"", SCAN, END));

    let plain = a_png(b"", &[b"abcdef"], b"");
    check("PNG: a text before", &plain, &a_png(&chunk(b"iTXt", b"XML:com.adobe.xmp"), &[b"abcdef"], b""));
    check("PNG: EXIF behind", &plain, &a_png(b"", &[b"abcdef"], &chunk(b"eXIf", b"MM\0*")));
    check("PNG: divided otherwise", &plain, &a_png(b"", &[b"abc", b"", b"def"], b""));

    let plain = a_webp(&[(b"VP8 ", b"pixel")]);
    let written = [(b"VP8X".as_slice(), [8; 10].as_slice()), (b"VP8 ", b"pixel"), (b"EXIF", b"MM\0*"), (b"XMP ", b"5")];
    check("WebP: made the extended kind", &plain, &a_webp(&written));

    for big_endian in [false, true] {
        let plain = a_tiff(big_endian, 0, &[], [b"first", b"second"]);
        let more = [(0x0112, 3, 1, 6), (0x4746, 3, 1, 5), (0x02BC, 1, 3, 7)];
        check("TIFF: a rating, and all of it moved", &plain, &a_tiff(big_endian, 99, &more, [b"first", b"second"]));
    }
}

#[test]
fn i12_another_picture_is_another_one() {
    let check = |name: &str, one: &[u8], other: &[u8]| {
        assert!(data(one).is_some() && data(other).is_some(), "{name}");
        assert_ne!(data(one), data(other), "{name}");
    };
    check("JPEG: another scan", &a_jpeg(b"", b"", SCAN, END), &a_jpeg(b"", b"", b"\x12\xFF\x00\x35", END));
    check("JPEG: another table", &a_jpeg(b"", b"", SCAN, END), &a_jpeg(b"", &segment(0xC4, &[2]), SCAN, END));
    check("PNG: other data", &a_png(b"", &[b"abc"], b""), &a_png(b"", &[b"abd"], b""));
    check("PNG: another palette", &a_png(b"", &[b"abc"], b""), &a_png(&chunk(b"PLTE", &[1, 2, 3]), &[b"abc"], b""));
    check("WebP: other data", &a_webp(&[(b"VP8L", b"abc")]), &a_webp(&[(b"VP8L", b"abd")]));
    check("WebP: transparent", &a_webp(&[(b"VP8 ", b"abc")]), &a_webp(&[(b"ALPH", b"a"), (b"VP8 ", b"abc")]));
    let plain = a_tiff(false, 0, &[], [b"first", b"second"]);
    check("TIFF: other data", &plain, &a_tiff(false, 0, &[], [b"first", b"sekond"]));
    check("TIFF: other colours", &plain, &a_tiff(false, 0, &[(0x0106, 3, 1, 0)], [b"first", b"second"]));
}

#[test]
fn what_is_not_built_as_its_format_says_is_told() {
    let check = |name: &str, bytes: &[u8]| assert_eq!(data(bytes), None, "{name}");
    check("nothing", b"");
    check("a text", b"hello");
    check("a JPEG without a scan", &[b"\xFF\xD8".as_slice(), &segment(0xDB, &[7; 65]), END].concat());
    check("a PNG without data", &a_png(b"", &[], b""));
    check("a WebP without a picture", &a_webp(&[(b"XMP ", b"5")]));
    check("a GIF", b"GIF89a\x01\0\x01\0\0\0\0;");
    let strips = [b"first".as_slice(), b"second"];
    check("a TIFF whose strips lie outside", &a_tiff(false, 0, &[], strips)[..20]);
    // Many strips that are the whole file would be as many times as much work.
    let mut again = a_tiff(false, 0, &[], strips);
    let length = again.len() as u32;
    again[8 + 11 + 8..8 + 11 + 12].copy_from_slice(&length.to_le_bytes());
    check("a TIFF whose strips are longer than it", &again);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_hand_over_more_than_there_is(
        which in 0usize..4, cut in 0usize..400, changes in prop::collection::vec((0usize..400, any::<u8>()), 0..8),
    ) {
        let mut bytes = match which {
            0 => a_jpeg(&segment(0xE1, b"Exif\0\0"), b"", SCAN, END),
            1 => a_png(&chunk(b"tEXt", b"hello"), &[b"abc", b"def"], b""),
            2 => a_webp(&[(b"VP8X", &[8; 10]), (b"ALPH", b"a"), (b"VP8 ", b"pixel")]),
            _ => a_tiff(cut % 2 == 0, 3, &[(0x0112, 3, 1, 6)], [b"first", b"second"]),
        };
        for (at, value) in changes {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        bytes.truncate(cut.max(1));
        let mut sum = 0;
        picture_data(&bytes, &mut |part| sum += part.len());
        // A TIFF's numbers are handed over as eight bytes each, and 22 of its entries count.
        prop_assert!(sum <= 400 + 22 * 8 * bytes.len());
    }
}
