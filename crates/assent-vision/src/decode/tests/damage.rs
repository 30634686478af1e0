//! What is missing of a picture makes its file damaged; what is wrong beside the picture does not.

use image::{DynamicImage, ImageFormat, RgbImage};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use super::super::segments::{Part, Parts};
use super::writers::{blocky_jpeg, crc32, segment};
use super::{decoded, encoded, refused, shows, worst};

/// A picture with so much in it that a hole of a few hundred bytes takes a part of it.
fn scene() -> DynamicImage {
    let noise = |x: u32, y: u32, n: u32| {
        let v = (x / 3 * 73 + y / 3 * 151 + n * 37) ^ (x / 5 * 11 + y / 7 * 29);
        (v % 61) as u8 + (x / 4 + y / 6 + n * 20) as u8
    };
    let rgb = RgbImage::from_fn(320, 240, |x, y| image::Rgb([noise(x, y, 0), noise(x, y, 1), noise(x, y, 2)]));
    DynamicImage::ImageRgb8(rgb)
}

fn jpeg(how: impl FnOnce(&mut Compressor)) -> Vec<u8> {
    let rgb = scene().to_rgb8();
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(85).unwrap();
    compressor.set_subsamp(Subsamp::Sub2x2).unwrap();
    how(&mut compressor);
    let image =
        Image { pixels: rgb.as_raw().as_slice(), width: 320, pitch: 960, height: 240, format: PixelFormat::RGB };
    compressor.compress_to_vec(image).unwrap()
}

fn kinds() -> [(&'static str, Vec<u8>); 3] {
    [
        ("baseline", jpeg(|_| {})),
        ("optimised", jpeg(|c| c.set_optimize(true).unwrap())),
        ("progressive", jpeg(|c| c.set_progressive(true).unwrap())),
    ]
}

/// Where the data of the first scan begin, and their length.
fn data(jpeg: &[u8]) -> (usize, usize) {
    let found = Parts::of(jpeg).find_map(|part| if let Part::Data(data) = part { Some(data) } else { None });
    let data = found.unwrap();
    (data.as_ptr() as usize - jpeg.as_ptr() as usize, data.len())
}

/// Puts `bytes` before the first marker of this kind.
fn before(jpeg: &[u8], kind: u8, bytes: &[u8]) -> Vec<u8> {
    let at = jpeg.windows(2).position(|w| w == [0xFF, kind]).unwrap();
    [&jpeg[..at], bytes, &jpeg[at..]].concat()
}

#[test]
fn a_jpeg_that_every_decoder_opens_in_full_is_decoded() {
    for (kind, whole) in kinds() {
        let expected = decoded(&whole).unwrap().frame;
        let check = |name: &str, bytes: &[u8]| {
            let got = decoded(bytes).unwrap_or_else(|code| panic!("{kind}, {name}: {code}")).frame;
            assert_eq!(worst(&got, expected.rgb()), 0, "{kind}, {name}");
        };
        let app = |length: u16, content: &[u8]| [&[0xFF, 0xE5], &length.to_be_bytes()[..], content].concat();
        let end = whole.len() - 2;
        check("stray bytes between segments", &before(&whole, 0xDB, b"stray"));
        check(
            "stray bytes before the frame",
            &before(&whole, if kind == "progressive" { 0xC2 } else { 0xC0 }, &[0; 3]),
        );
        check("a stuffed byte between segments", &before(&whole, 0xDB, &[0xFF, 0x00, 7]));
        check("a restart marker between segments", &before(&whole, 0xDB, &[0xFF, 0xD3]));
        check("fill bytes before a marker", &before(&whole, 0xDB, &[0xFF; 9]));
        check("a maker's segment that is longer than it says", &before(&whole, 0xDB, &app(6, b"maker's note")));
        check("a maker's segment of length 0", &before(&whole, 0xDB, &app(0, b"")));
        check("a maker's segment of length 1", &before(&whole, 0xDB, &app(1, b"xy")));
        check("a JFIF of a revision that nobody knows", &{
            let mut odd = whole.clone();
            odd[11] = 9;
            odd
        });
        check("no end marker", &whole[..end]);
        check("half an end marker", &whole[..=end]);
        check("a maker's trailer", &[&whole, &b"MAKER"[..], &[0xFF, 0xD8, 0xFF, 1, 2, 3]].concat());
        check("a trailer in place of the end marker", &[&whole[..end], &[0xFF, 0x05], &[9; 99]].concat());
        check("some bytes before the end marker", &[&whole[..end], &[1, 2, 3], &whole[end..]].concat());
        check("padding before the end marker", &[&whole[..end], &[0; 700], &whole[end..]].concat());
    }
}

#[test]
fn a_jpeg_whose_data_end_early_is_damaged() {
    let arithmetic = jpeg(|c| c.set_arithmetic(true).unwrap());
    for (kind, whole) in kinds().into_iter().chain([("arithmetic", arithmetic)]) {
        let (begin, _) = data(&whole);
        for part in [5, 30, 60, 90, 98] {
            let cut = begin + (whole.len() - begin) * part / 100;
            refused(&format!("{kind}, {part} %"), &whole[..cut], "damaged");
            let closed = [&whole[..cut], &[0xFF, 0xD9]].concat();
            if kind == "baseline" || kind == "optimised" {
                refused(&format!("{kind}, {part} % and an end marker"), &closed, "damaged");
            }
        }
    }
    refused("no data at all", &jpeg(|_| {})[..data(&jpeg(|_| {})).0], "damaged");
    // Every pass is whole, and there were to be more.
    let progressive = jpeg(|c| c.set_progressive(true).unwrap());
    let scans: Vec<usize> =
        progressive.windows(2).enumerate().filter(|(_, w)| *w == [0xFF, 0xDA]).map(|(i, _)| i).collect();
    refused("progressive, without its last pass", &progressive[..scans[scans.len() - 1]], "damaged");
}

#[test]
fn a_jpeg_with_holes_is_damaged() {
    for (kind, whole) in kinds() {
        let (begin, length) = data(&whole);
        for (part, size) in [(10, 300), (40, 512), (60, 700)] {
            let at = begin + length * part / 100;
            let size = size.min(length * 3 / 10);
            let filled = |byte: u8| {
                let mut holed = whole.clone();
                holed[at..at + size].fill(byte);
                holed
            };
            let name = format!("{kind}, {size} bytes at {part} %");
            refused(&format!("{name}, zeros"), &filled(0), "damaged");
            refused(&format!("{name}, ones"), &filled(0xFF), "damaged");
            refused(&format!("{name}, gone"), &[&whole[..at], &whole[at + size..]].concat(), "damaged");
            refused(&format!("{name}, twice"), &[&whole[..at + size], &whole[at..]].concat(), "damaged");
        }
    }
}

#[test]
fn a_hole_between_restart_markers_is_damage() {
    let greys: Vec<u8> = (0..600u32).map(|i| (i * 97 % 251) as u8).collect();
    let whole = blocky_jpeg(&greys, 30, 30);
    let (begin, length) = data(&whole);
    for (part, size) in [(10, 20), (50, 40), (70, 90)] {
        let at = begin + length * part / 100;
        let mut holed = whole.clone();
        holed[at..at + size].fill(0);
        refused(&format!("{size} zeros at {part} %"), &holed, "damaged");
        refused(&format!("{size} gone at {part} %"), &[&whole[..at], &whole[at + size..]].concat(), "damaged");
    }
}

#[test]
fn a_blocky_jpeg_without_its_last_block_is_damaged() {
    let greys: Vec<u8> = (0..24).map(|i| i * 10).collect();
    let whole = blocky_jpeg(&greys, 6, 6);
    assert!(decoded(&whole).is_ok());
    let fewer = blocky_jpeg(&greys[..18], 6, 6);
    // The header of the whole one, and the data of the shorter one.
    let ((a, _), (b, _)) = (data(&whole), data(&fewer));
    refused("a row short", &[&whole[..a], &fewer[b..]].concat(), "damaged");
}

#[test]
fn a_frame_hides_no_second_picture() {
    let whole = jpeg(|_| {});
    // A decoder that went on would take a thumbnail for the photo.
    let thumbnail = encoded(&scene().thumbnail(80, 60), ImageFormat::Jpeg);
    let short = [&whole[..2], &[0xFF, 0xE1, 0, 8], b"Exif\0\0", &thumbnail, &whole[2..]].concat();
    refused("a thumbnail behind its segment's end", &short, "damaged");
    let right = [&whole[..2], &segment(0xE1, &[&b"Exif\0\0"[..], &thumbnail].concat()), &whole[2..]].concat();
    shows("a thumbnail within it", &right, &scene(), 255);
}

#[test]
fn a_png_is_its_picture() {
    let whole = encoded(&scene(), ImageFormat::Png);
    let chunk = |kind: &[u8; 4], content: &[u8], sum: u32| {
        [&(content.len() as u32).to_be_bytes()[..], kind, content, &sum.to_be_bytes()].concat()
    };
    let with = |extra: &[u8]| [&whole[..33], extra, &whole[33..]].concat();
    let end = whole.len() - 12;
    shows("no end", &whole[..end], &scene(), 0);
    shows("no last checksum", &whole[..end - 4], &scene(), 0);
    shows("a comment with a wrong checksum", &with(&chunk(b"tEXt", b"Comment\0x", 7)), &scene(), 0);
    shows("a colour profile that is none", &with(&chunk(b"iCCP", b"x\0\0junk", 7)), &scene(), 0);
    let sum = crc32(b"gAMA\0\0\0\0");
    shows("a gamma of 0", &with(&chunk(b"gAMA", &[0; 4], sum)), &scene(), 0);
    shows("bytes behind it", &[&whole[..], b"trailer"].concat(), &scene(), 0);
    refused("data that end early", &whole[..end - 200], "damaged");
    let closed = [&whole[..whole.len() / 2], &whole[end..]].concat();
    refused("half of it, and an end", &closed, "damaged");
    let mut holed = whole.clone();
    holed[end / 2..end / 2 + 400].fill(0);
    refused("a hole", &holed, "damaged");
}

#[test]
fn other_formats_that_end_early_are_damaged() {
    for format in [ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::Tiff] {
        let whole = encoded(&scene(), format);
        for part in [30, 60, 90] {
            refused(&format!("{format:?}, {part} %"), &whole[..whole.len() * part / 100], "damaged");
        }
    }
    let gif = encoded(&scene(), ImageFormat::Gif);
    assert!(decoded(&gif[..gif.len() - 1]).is_ok(), "a GIF without its trailer");
}
