//! JPEG in its kinds.

use turbojpeg::{Colorspace, Compressor, Image, PixelFormat, Subsamp};

use super::super::{DecodeLimits, decode_at_least, jpeg};
use super::writers::{blocky_jpeg, frame_at, segment, with_exif};
use super::{decoded, encoded, refused, shows, small};
use image::{DynamicImage, ImageFormat};

/// The small picture, compressed as `how` says.
fn made(how: impl FnOnce(&mut Compressor)) -> Vec<u8> {
    let rgb = small().to_rgb8();
    compressed(rgb.as_raw(), PixelFormat::RGB, how)
}

fn compressed(pixels: &[u8], format: PixelFormat, how: impl FnOnce(&mut Compressor)) -> Vec<u8> {
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(95).unwrap();
    compressor.set_subsamp(Subsamp::None).unwrap();
    how(&mut compressor);
    let image = Image { pixels, width: 97, pitch: 97 * format.size(), height: 61, format };
    compressor.compress_to_vec(image).unwrap()
}

/// The small picture as inks that are stored as Adobe stores them, with `black` over all of it.
fn inks(black: u8) -> Vec<u8> {
    small().to_rgb8().pixels().flat_map(|p| [p[0], p[1], p[2], black]).collect()
}

fn darker() -> DynamicImage {
    let mut rgb = small().to_rgb8();
    rgb.iter_mut().for_each(|v| *v = (u32::from(*v) * 128 / 255) as u8);
    DynamicImage::ImageRgb8(rgb)
}

#[test]
fn every_kind_that_is_decoded() {
    let check = |name: &str, bytes: &[u8]| {
        // Not the slower decoder: that one does not shrink.
        assert!(jpeg::decode(bytes, (97, 61), 1, Vec::new()).is_ok_and(|f| f.width() == 13), "{name}");
        shows(name, bytes, &small(), 6);
    };
    let plain = made(|_| {});
    check("baseline", &plain);
    check("colours at half the width and height", &made(|c| c.set_subsamp(Subsamp::Sub2x2).unwrap()));
    check("progressive", &made(|c| c.set_progressive(true).unwrap()));
    check("arithmetic coding", &made(|c| c.set_arithmetic(true).unwrap()));
    check(
        "arithmetic coding, progressive",
        &made(|c| {
            c.set_progressive(true).unwrap();
            c.set_arithmetic(true).unwrap();
        }),
    );
    check("red, green and blue with an Adobe marker", &made(|c| c.set_colorspace(Colorspace::RGB).unwrap()));
    let cmyk = |space, black| compressed(&inks(black), PixelFormat::CMYK, |c| c.set_colorspace(space).unwrap());
    check("CMYK with an Adobe marker", &cmyk(Colorspace::CMYK, 255));
    check("YCCK with an Adobe marker", &cmyk(Colorspace::YCCK, 255));
    let mut bare = cmyk(Colorspace::CMYK, 255);
    let marker = bare.windows(5).position(|w| w == b"Adobe").unwrap() - 4;
    bare.drain(marker..marker + 16);
    check("CMYK without an Adobe marker, as browsers take it", &bare);
    shows("CMYK with black", &cmyk(Colorspace::CMYK, 128), &darker(), 6);
    shows("YCCK with black", &cmyk(Colorspace::YCCK, 128), &darker(), 6);

    // Phones append a film (motion photos) or a second picture (MPO, portrait depth, gain maps).
    check("with a film behind it", &[plain.as_slice(), b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", &[7; 999]].concat());
    check("with zeros behind it", &[plain.as_slice(), &[0; 64]].concat());
    let mpo = [&plain[..2], &segment(0xE2, b"MPF\0II*\0\x08\0\0\0\0\0"), &plain[2..], &plain].concat();
    check("the first picture of an MPO", &mpo);
    check("with a comment of 65,533 bytes", &[&plain[..2], &segment(0xFE, &vec![b'x'; 65_533]), &plain[2..]].concat());
}

#[test]
fn grey_and_restart_markers() {
    let grey = DynamicImage::ImageLuma8(small().to_luma8());
    shows("grey", &encoded(&grey, ImageFormat::Jpeg), &grey, 12);
    let greys: Vec<u8> = (0..6 * 4).map(|i| i as u8 * 10).collect();
    let expected = DynamicImage::ImageLuma8(image::GrayImage::from_fn(48, 32, |x, y| {
        image::Luma([greys[(y / 8 * 6 + x / 8) as usize]])
    }));
    for restart in [1, 2, 5, 6, 7, 24] {
        shows(&format!("a restart after {restart}"), &blocky_jpeg(&greys, 6, restart), &expected, 1);
    }
}

#[test]
fn kinds_that_are_refused_by_name() {
    // The process and the precision stand in the frame's header, and the file is refused for what it says there.
    let with_process = |process: u8, precision: u8| {
        let mut bytes = made(|_| {});
        let at = frame_at(&bytes);
        (bytes[at], bytes[at + 3]) = (process, precision);
        bytes
    };
    refused("12 bits", &with_process(0xC1, 12), "jpeg-12-bit-not-decoded");
    refused("12 bits, progressive", &with_process(0xC2, 12), "jpeg-12-bit-not-decoded");
    refused("lossless", &made(|c| c.set_lossless(true).unwrap()), "jpeg-lossless-not-decoded");
    refused("lossless, 14 bits, a camera's raw data", &with_process(0xC3, 14), "jpeg-lossless-not-decoded");
    refused("hierarchical", &with_process(0xC5, 8), "jpeg-hierarchical-not-decoded");
}

#[test]
fn damaged_files() {
    let plain = made(|_| {});
    refused("no frame", &[&plain[..2], &segment(0xFE, b"x"), &[0xFF, 0xD9]].concat(), "damaged");
    refused("a segment longer than the file", &[0xFF, 0xD8, 0xFF, 0xE0, 0xFF, 0xFF, 0], "damaged");
    let mut flat = plain.clone();
    let at = frame_at(&flat);
    flat[at + 4..at + 6].fill(0);
    refused("a height of 0", &flat, "damaged");
    let progressive = made(|c| c.set_progressive(true).unwrap());
    refused("progressive, without its last passes", &progressive[..progressive.len() * 2 / 3], "damaged");

    // The end marker of a thumbnail does not count.
    let mut whole = [&plain[..2], &segment(0xE1, &plain), &plain[2..]].concat();
    assert!(decoded(&whole).is_ok());
    whole.truncate(whole.len() - 30);
    refused("cut off, with a whole thumbnail", &whole, "damaged");
}

#[test]
fn exif_turns_the_picture() {
    for orientation in 1..=8u8 {
        let decoded = decoded(&with_exif(made(|_| {}), orientation)).unwrap();
        let expected = if orientation < 5 { (97, 61) } else { (61, 97) };
        assert_eq!((decoded.frame.width(), decoded.frame.height()), expected, "orientation {orientation}");
        assert_eq!(decoded.size, expected);
    }
    for nonsense in [0, 9, 255] {
        assert_eq!(decoded(&with_exif(made(|_| {}), nonsense)).unwrap().size, (97, 61), "{nonsense}");
    }
}

#[test]
fn a_jpeg_is_decoded_no_larger_than_asked_for() {
    let cmyk = compressed(&inks(255), PixelFormat::CMYK, |c| c.set_colorspace(Colorspace::YCCK).unwrap());
    for (name, bytes) in [("colours", made(|_| {})), ("inks", cmyk)] {
        let check = |side_px: u32, expected: (u32, u32)| {
            let decoded = decode_at_least(&bytes, DecodeLimits::default(), side_px).unwrap();
            assert_eq!((decoded.frame.width(), decoded.frame.height()), expected, "{name}, {side_px}");
            assert_eq!(decoded.size, (97, 61));
        };
        check(u32::MAX, (97, 61));
        check(97, (97, 61));
        check(50, (97, 61));
        check(49, (49, 31));
        check(25, (25, 16));
        check(1, (13, 8));
    }
    let png = encoded(&small(), ImageFormat::Png);
    let png = decode_at_least(&png, DecodeLimits::default(), 1).unwrap();
    assert_eq!((png.frame.width(), png.scale()), (97, 1.0));
}

#[test]
fn a_picture_decoded_at_half_size_is_the_picture_shrunk() {
    let half = decode_at_least(&made(|_| {}), DecodeLimits::default(), 49).unwrap();
    for (x, y) in [(3, 3), (20, 10), (40, 25)] {
        let (expected, got) = (small().to_rgb8().get_pixel(2 * x, 2 * y).0, half.frame.pixel(x.into(), y.into()));
        let worst = expected.iter().zip(got).map(|(a, b)| a.abs_diff(b)).max();
        assert!(worst < Some(20), "{x}, {y}: {got:?} instead of {expected:?}");
    }
}
