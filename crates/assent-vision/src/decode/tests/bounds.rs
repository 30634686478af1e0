//! What a decoder may take: files that promise or do far more than they hold.

use image::ImageFormat;
use turbojpeg::{Compressor, Image, PixelFormat};

use super::super::outline::Outline;
use super::super::{DecodeLimits, decode_at_least, largest_side_px};
use super::writers::crc32;
use super::{encoded, refused, shows, small};

/// Requires the code with which a file is refused where a picture may take 200 MB.
fn within_200_mb(name: &str, bytes: &[u8], code: &str) {
    let limits = DecodeLimits { memory_bytes: 200_000_000, ..DecodeLimits::default() };
    match decode_at_least(bytes, limits, 1600) {
        Ok(_) => panic!("{name} was decoded"),
        Err(e) => assert_eq!(e.code(), code, "{name}"),
    }
}

#[test]
fn few_bytes_that_promise_many_pixels() {
    let side = 15_800u16.to_le_bytes();
    let gif =
        [&b"GIF89a"[..], &side, &side, &[0x80, 0, 0, 0, 0, 0, 9, 9, 9, 0x2C, 0, 0, 0, 0], &side, &side, &[0, 2, 1]]
            .concat();
    within_200_mb("a GIF of 250 megapixels", &gif, "too-much-memory");
    let bits = (15_800u32 - 1) | (15_800 - 1) << 14;
    let webp = [&b"RIFF\x16\0\0\0WEBPVP8L\x0A\0\0\0\x2F"[..], &bits.to_le_bytes(), &[0x88, 0x88, 8, 0, 0]].concat();
    within_200_mb("a WebP of 250 megapixels", &webp, "too-much-memory");
    let mut png = encoded(&small(), ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0x3D, 0xB8, 0, 0, 0x3D, 0xB8]);
    let sum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    within_200_mb("a PNG of 250 megapixels", &png, "too-much-memory");
    let mut bmp = encoded(&small(), ImageFormat::Bmp);
    bmp[18..26].copy_from_slice(&[0xB8, 0x3D, 0, 0, 0xB8, 0x3D, 0, 0]);
    within_200_mb("a BMP of 250 megapixels", &bmp, "too-much-memory");
}

#[test]
fn a_profile_that_would_inflate_is_never_looked_at() {
    let plain = encoded(&small(), ImageFormat::Png);
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 64 << 20], 1);
    for (kind, head) in [(b"iCCP", &b"icc\0\0"[..]), (b"zTXt", b"Raw profile type exif\0\0"), (b"zTXt", b"Comment\0\0")]
    {
        let content = [head, &bomb].concat();
        let sum = crc32(&[&kind[..], &content].concat());
        let chunk = [&(content.len() as u32).to_be_bytes()[..], kind, &content, &sum.to_be_bytes()].concat();
        let bytes = [&plain[..33], &chunk, &plain[33..]].concat();
        shows("a PNG with a profile that inflates to 64 MB", &bytes, &small(), 0);
        let outline = Outline::of(&bytes).unwrap();
        assert!(outline.decode_bytes(outline.size) < 1_000_000, "it is not counted either");
    }
}

/// A progressive JPEG whose last pass is there again and again.
fn in_passes(size: (usize, usize), passes: usize) -> Vec<u8> {
    let grey = vec![128; size.0 * size.1];
    let mut compressor = Compressor::new().unwrap();
    compressor.set_progressive(true).unwrap();
    compressor.set_subsamp(turbojpeg::Subsamp::Gray).unwrap();
    let image =
        Image { pixels: grey.as_slice(), width: size.0, pitch: size.0, height: size.1, format: PixelFormat::GRAY };
    let whole = compressor.compress_to_vec(image).unwrap();
    let last = whole.windows(2).rposition(|w| w == [0xFF, 0xDA]).unwrap();
    let end = whole.len() - 2;
    [&whole[..end], &whole[last..end].repeat(passes), &whole[end..]].concat()
}

#[test]
fn a_jpeg_of_endless_passes_is_refused_by_name() {
    refused("more than 500", &in_passes((64, 64), 600), "too-many-passes");
    // 500 passes over 4 megapixels are fine; a large picture may have fewer.
    let mut large = in_passes((64, 64), 400);
    let at = super::writers::frame_at(&large);
    large[at + 4..at + 8].copy_from_slice(&15_800u16.to_be_bytes().repeat(2));
    refused("400 over 250 megapixels", &large, "too-many-passes");
    let error = decode_at_least(&large, DecodeLimits::default(), 1).unwrap_err().to_string();
    assert!(error.contains("passes") && error.ends_with("save the picture anew as JPEG"), "{error}");
}

#[test]
fn coefficients_of_several_passes_count() {
    let mut large = in_passes((64, 64), 1);
    let at = super::writers::frame_at(&large);
    large[at + 4..at + 8].copy_from_slice(&12_000u16.to_be_bytes().repeat(2));
    within_200_mb("144 megapixels, progressive", &large, "too-much-memory");
}

#[test]
fn the_largest_size_for_which_there_is_memory() {
    let mut jpeg = encoded(&small(), ImageFormat::Jpeg);
    let at = super::writers::frame_at(&jpeg);
    jpeg[at + 4..at + 8].copy_from_slice(&[8000u16.to_be_bytes(), 12_000u16.to_be_bytes()].concat());
    let check = |name: &str, megabytes: u64, expected: u32| {
        let limits = DecodeLimits { memory_bytes: megabytes * 1_000_000, ..DecodeLimits::default() };
        assert_eq!(largest_side_px(&jpeg, limits), expected, "{name}");
    };
    check("all of it", 600, 12_000);
    check("half", 200, 6000);
    check("a quarter", 100, 3000);
    check("an eighth, whatever it takes", 1, 1500);
}

#[test]
fn a_tiff_with_an_absurd_strip_is_named() {
    let whole = encoded(&small(), ImageFormat::Tiff);
    let mut file = whole;
    // The entry of the strip's length in bytes, which comes to four thousand millions.
    let at = file.windows(2).position(|w| w == [0x17, 0x01]).unwrap();
    file[at + 8..at + 12].fill(0xFF);
    assert!(super::decoded(&file).is_err_and(|code| code == "damaged" || code == "kind-not-decoded"));
}
