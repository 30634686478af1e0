//! When a photo was taken: in every format, with and without an offset, and dates that are none.

use image::ImageFormat;

use super::super::tiff::tag;
use super::super::{CaptureTime, capture_time};
use super::writers::{TiffFile, Value, boxed, crc32, segment, with_exif};
use super::{encoded, small};

/// 2026-07-14 09:30:00 UTC.
const MORNING: i64 = 1_784_021_400_000;

/// EXIF data with these texts for the date, the parts of a second and the offset, in the EXIF directory.
fn exif(date: &str, fraction: &str, offset: &str) -> Vec<u8> {
    let texts =
        [(tag::DATE_TIME_ORIGINAL, date), (tag::OFFSET_TIME_ORIGINAL, offset), (tag::SUB_SEC_TIME_ORIGINAL, fraction)];
    let ended: Vec<(u16, String)> = texts.iter().map(|(tag, text)| (*tag, format!("{text}\0"))).collect();
    let entries = ended.iter().filter(|(_, text)| text.len() > 1);
    let entries = entries.map(|(tag, text)| (*tag, Value::Bytes(text.as_bytes()))).collect();
    let first = vec![(tag::EXIF_IFD, Value::Directories(vec![entries]))];
    TiffFile::write(b"MM\0*\0\0\0\0", 4, true, vec![first])
}

fn in_jpeg(exif: &[u8]) -> Vec<u8> {
    let mut jpeg = encoded(&small(), ImageFormat::Jpeg);
    jpeg.splice(2..2, segment(0xE1, &[b"Exif\0\0", exif].concat()));
    jpeg
}

/// What is read of a JPEG with these texts: the time after [`MORNING`], ms, and the offset.
fn read(date: &str, fraction: &str, offset: &str) -> Option<(i64, Option<i16>)> {
    let found = capture_time(&in_jpeg(&exif(date, fraction, offset)));
    found.map(|CaptureTime { instant_ms, offset_min }| (instant_ms - MORNING, offset_min))
}

#[test]
fn a_date_is_read_from_every_format_that_has_one() {
    let data = exif("2026:07:14 09:30:00", "", "");
    let check = |name: &str, bytes: &[u8]| {
        let expected = CaptureTime { instant_ms: MORNING, offset_min: None };
        assert_eq!(capture_time(bytes), Some(expected), "{name}");
        // Cut off anywhere, it has the same date or none.
        for end in 0..bytes.len().min(2_000) {
            assert!(capture_time(&bytes[..end]).is_none_or(|found| found == expected), "{name}, {end}");
        }
    };
    let jpeg = in_jpeg(&data);
    check("JPEG", &jpeg);
    check("JPEG with an orientation before it", &with_exif(jpeg.clone(), 6));
    let stray = [&jpeg[..2], &segment(0xFE, b"a comment"), &[0], &jpeg[2..]].concat();
    check("JPEG with a stray byte", &stray);

    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let body = [kind.as_slice(), content].concat();
        [&(content.len() as u32).to_be_bytes()[..], &body, &crc32(&body).to_be_bytes()].concat()
    };
    let png = encoded(&small(), ImageFormat::Png);
    let (head, end) = (&png[..33], png.len() - 12);
    check("PNG", &[head, &chunk(b"eXIf", &data), &png[33..]].concat());
    check("PNG, after the picture", &[&png[..end], &chunk(b"eXIf", &data), &png[end..]].concat());

    let webp = encoded(&small(), ImageFormat::WebP);
    for (name, prefix) in [("WebP", &b""[..]), ("WebP with the prefix of a JPEG", b"Exif\0\0")] {
        let content = [prefix, &data].concat();
        let length = (content.len() as u32).to_le_bytes();
        check(name, &[&webp[..], b"EXIF", &length, &content].concat());
    }

    check("TIFF", &data);
    let old = vec![(tag::DATE_TIME_ORIGINAL, Value::Bytes(b"2026:07:14 09:30:00\0"))];
    let old = TiffFile::write(b"II*\0\0\0\0\0", 4, false, vec![old]);
    check("TIFF with the date in its first directory", &old);
    let rw2 = TiffFile::write(
        b"IIU\0\0\0\0\0",
        4,
        false,
        vec![vec![(
            tag::EXIF_IFD,
            Value::Directories(vec![vec![(tag::DATE_TIME_ORIGINAL, Value::Bytes(b"2026:07:14 09:30:00\0"))]]),
        )]],
    );
    check("RW2", &rw2);
    let mut raf = b"FUJIFILMCCD-RAW 0201FF383501X-T5".to_vec();
    raf.resize(160, 0);
    raf[84..88].copy_from_slice(&160u32.to_be_bytes());
    raf[88..92].copy_from_slice(&(jpeg.len() as u32).to_be_bytes());
    check("RAF", &[raf, jpeg].concat());
    let canon = 0x85c0_b687_820f_11e0_8111_f4ce_462b_6a48u128.to_be_bytes();
    let about = boxed(*b"uuid", &[&canon[..], &boxed(*b"CMT2", &old)].concat());
    check("CR3", &[boxed(*b"ftyp", b"crx \0\0\0\x01crx isom"), boxed(*b"moov", &about)].concat());

    // The item begins with how many bytes stand before the data; here the six of a JPEG.
    let item = [&[0, 0, 0, 6][..], b"Exif\0\0", &data].concat();
    let heic = |brand: &[u8; 4], place: u32| {
        let infe = boxed(*b"infe", b"\x02\0\0\0\0\x07\0\0Exif\0");
        let iinf = boxed(*b"iinf", &[&[0, 0, 0, 0, 0, 1][..], &infe].concat());
        let extent = [place.to_be_bytes(), (item.len() as u32).to_be_bytes()].concat();
        let iloc = boxed(*b"iloc", &[b"\0\0\0\0\x44\0\0\x01\0\x07\0\0\0\x01", extent.as_slice()].concat());
        let meta = boxed(*b"meta", &[&[0; 4][..], &iinf, &iloc].concat());
        let head = [boxed(*b"ftyp", &[brand, &[0; 4][..], b"mif1", brand].concat()), meta].concat();
        (head.len() as u32 + 8, [head, boxed(*b"mdat", &item)].concat())
    };
    for (name, brand) in [("HEIC", b"heic"), ("AVIF", b"avif")] {
        let (place, _) = heic(brand, 0);
        check(name, &heic(brand, place).1);
    }
    for (name, bytes) in [("no EXIF data", encoded(&small(), ImageFormat::Jpeg)), ("no picture", data[..4].to_vec())] {
        assert_eq!(capture_time(&bytes), None, "{name}");
    }
}

#[test]
fn a_date_has_an_offset_and_parts_of_a_second_or_not() {
    let check = |name: &str, (fraction, offset): (&str, &str), expected: (i64, Option<i16>)| {
        assert_eq!(read("2026:07:14 09:30:00", fraction, offset), Some(expected), "{name}");
    };
    check("neither", ("", ""), (0, None));
    check("east", ("", "+02:00"), (-7_200_000, Some(120)));
    check("west, by half an hour", ("", "-03:30"), (12_600_000, Some(-210)));
    check("UTC", ("", "Z"), (0, Some(0)));
    check("without its colon", ("", "+0545"), (-20_700_000, Some(345)));
    check("blank", ("", "   :  "), (0, None));
    check("no offset", ("", "+99:00"), (0, None));
    check("no number", ("", "+a2:00"), (0, None));
    check("a sign twice", ("", "+-1:00"), (0, None));
    check("one digit", ("5", ""), (500, None));
    check("three digits, padded", ("045 ", ""), (45, None));
    check("more than are kept", ("123456", ""), (123, None));
    check("no digits", ("x", ""), (0, None));
    assert_eq!(read("2026-07-14T09:30:00.25+01:00", "", ""), Some((250 - 3_600_000, Some(60))), "all in one");
}

#[test]
fn a_date_that_cannot_be_is_none() {
    for date in [
        "",
        "    :  :     :  :  ",
        "0000:00:00 00:00:00",
        "0001:01:01 00:00:00",
        "2026:13:01 00:00:00",
        "2026:02:29 00:00:00",
        "2026:04:31 00:00:00",
        "2026:07:00 00:00:00",
        "2026:07:14 24:00:00",
        "2026:07:14 09:60:00",
        "2026:07:14",
        "14.07.2026 09:30:00",
        "2026:7:14 09:30:00 ",
        "+026:07:14 09:30:00",
        "2026\u{fc}07:14 09:30:00",
    ] {
        assert_eq!(read(date, "", ""), None, "{date}");
    }
    let instant = |date| read(date, "", "").map(|(ms, _)| (ms + MORNING) / 1000);
    assert_eq!(instant("1970:01:01 00:00:00"), Some(0));
    assert_eq!(instant("1969:12:31 23:59:59"), Some(-1));
    assert_eq!(instant("2024:02:29 12:00:00"), Some(1_709_208_000));
    assert_eq!(instant("2000:02:29 00:00:00"), Some(951_782_400));
    assert_eq!(instant("1912:05:01 00:00:00"), Some(-1_819_929_600), "an old picture that was dated by hand");
}
