//! Formats other than JPEG and RAW.

use std::sync::atomic::AtomicBool;

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame as GifFrame, ImageFormat, RgbaImage};

use super::writers::{animated_png, animated_webp, boxed, crc32};
use super::{encoded, picture, refused, shows, small};
use crate::decode::{DecodeError, DecodeLimits, DecodeOptions, decode_into};

#[test]
fn every_format_gives_the_same_picture() {
    for format in [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::Bmp, ImageFormat::WebP] {
        shows(&format!("{format:?}"), &encoded(&small(), format), &small(), 0);
    }
    shows("JPEG", &encoded(&small(), ImageFormat::Jpeg), &small(), 24);
}

#[test]
fn every_depth_and_kind_of_colour() {
    // Values that lie up to half an eighth bit beside those of eight bits, to both sides.
    let deep = |off: i32| {
        let mut deep = small().to_rgb16();
        deep.iter_mut().for_each(|v| *v = (i32::from(*v) + off) as u16);
        DynamicImage::ImageRgb16(deep)
    };
    for off in [-128, 0, 128] {
        shows("16 bits in a PNG", &encoded(&deep(off), ImageFormat::Png), &small(), 0);
        shows("16 bits in a TIFF", &encoded(&deep(off), ImageFormat::Tiff), &small(), 0);
    }
    shows("numbers with a point in a TIFF", &encoded(&small().to_rgb32f().into(), ImageFormat::Tiff), &small(), 0);
    let grey = DynamicImage::ImageLuma8(small().to_luma8());
    for format in [ImageFormat::Png, ImageFormat::Tiff, ImageFormat::Bmp] {
        shows(&format!("grey in {format:?}"), &encoded(&grey, format), &grey, 0);
    }
    shows("16 bits of grey", &encoded(&small().to_luma16().into(), ImageFormat::Png), &grey, 1);
    shows("grey, opaque", &encoded(&grey.to_luma_alpha8().into(), ImageFormat::Png), &grey, 0);

    let glass = DynamicImage::ImageRgba8(RgbaImage::from_pixel(4, 4, image::Rgba([0, 0, 0, 0])));
    let half = DynamicImage::ImageRgba8(RgbaImage::from_pixel(4, 4, image::Rgba([0, 0, 0, 128])));
    let plain = |v| DynamicImage::ImageRgb8(image::RgbImage::from_pixel(4, 4, image::Rgb([v; 3])));
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Gif] {
        shows(&format!("transparency in {format:?} becomes white"), &encoded(&glass, format), &plain(255), 0);
    }
    shows("half transparent", &encoded(&half, ImageFormat::Png), &plain(127), 0);
    shows("half transparent grey", &encoded(&half.to_luma_alpha8().into(), ImageFormat::Png), &plain(127), 0);
}

/// A JPEG is decoded in one go, whatever is said; its passes are bounded.
#[test]
fn a_picture_is_left_where_it_is_once_somebody_says_stop() {
    for (format, is_left) in [
        (ImageFormat::Png, true),
        (ImageFormat::Tiff, true),
        (ImageFormat::Bmp, true),
        (ImageFormat::Gif, true),
        (ImageFormat::WebP, true),
        (ImageFormat::Jpeg, false),
    ] {
        let bytes = encoded(&picture(400, 300), format);
        for says in [false, true] {
            let stop = AtomicBool::new(says);
            let options = DecodeOptions { limits: DecodeLimits::default(), stop: &stop };
            let left = matches!(decode_into(&bytes, options, |_| u32::MAX, Vec::new()), Err(DecodeError::Stopped));
            assert_eq!(left, says && is_left, "{format:?}");
        }
    }
}

#[test]
fn the_first_frame_of_an_animation() {
    let of = |grey: u8| DynamicImage::ImageRgb8(image::RgbImage::from_pixel(20, 12, image::Rgb([grey; 3])));
    let (first, second) = (of(40), of(200));
    let png = |p: &DynamicImage| encoded(p, ImageFormat::Png);
    shows("PNG", &animated_png(&png(&first), &png(&second)), &first, 0);
    let webp = |p: &DynamicImage| encoded(p, ImageFormat::WebP);
    // Its decoder lays the frame over a background, and rounds.
    shows("WebP", &animated_webp(&[webp(&first), webp(&second)], (20, 12)), &first, 1);
    let mut gif = Vec::new();
    let frames = [&first, &second].map(|p| GifFrame::new(p.to_rgba8()));
    GifEncoder::new(&mut gif).encode_frames(frames).unwrap();
    shows("GIF", &gif, &first, 0);
}

#[test]
fn formats_that_are_refused_by_name() {
    let brands = |all: &[u8]| boxed(*b"ftyp", all);
    refused("a phone's HEIC", &brands(b"heic\0\0\0\0mif1heic"), "heic-not-decoded");
    refused("HEIF by its second brand", &brands(b"mif1\0\0\0\0mif1heix"), "heic-not-decoded");
    refused("a HEIC sequence", &brands(b"hevc\0\0\0\0msf1hevc"), "heic-not-decoded");
    refused("AVIF", &brands(b"avif\0\0\0\0avifmif1miaf"), "avif-not-decoded");
    refused("AVIF by its second brand", &brands(b"mif1\0\0\0\0mif1avif"), "avif-not-decoded");
    refused("JPEG XL", &[0xFF, 0x0A, 0, 0, 0], "jpeg-xl-not-decoded");
    refused("JPEG XL in boxes", b"\0\0\0\x0CJXL \r\n\x87\n\0\0\0\0", "jpeg-xl-not-decoded");
    refused("JPEG 2000", b"\0\0\0\x0CjP  \r\n\x87\n\0\0\0\0", "jpeg-2000-not-decoded");
    refused("Photoshop", b"8BPS\0\x01\0\0\0\0\0\0\0\x03", "photoshop-not-decoded");
    refused("a film", &brands(b"mp42\0\0\0\0mp42isom"), "unknown-format");
    refused("empty", &[], "unknown-format");
    refused("text", b"hello, this is no picture", "unknown-format");
    refused("an SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unknown-format");
    refused("a sound in RIFF", b"RIFF\x24\0\0\0WAVEfmt ", "unknown-format");
}

#[test]
fn damaged_and_huge_files() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::WebP] {
        let bytes = encoded(&small(), format);
        for part in [20, 60, 90] {
            refused(&format!("{format:?}, {part} % of it"), &bytes[..bytes.len() * part / 100], "damaged");
        }
    }
    let mut header = encoded(&small(), ImageFormat::Png);
    header[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]); // 60,000 x 60,000
    let crc = crc32(&header[12..29]);
    header[29..33].copy_from_slice(&crc.to_be_bytes());
    refused("a PNG of 60,000 x 60,000", &header, "too-large");
    let mut header = encoded(&small(), ImageFormat::Jpeg);
    let at = super::writers::frame_at(&header);
    header[at + 4..at + 8].copy_from_slice(&[0xEA, 0x60, 0xEA, 0x60]);
    refused("a JPEG of 60,000 x 60,000", &header, "too-large");
}
