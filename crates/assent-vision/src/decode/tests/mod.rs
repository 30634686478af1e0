//! Every format and kind, decoded or refused by name. All files are made here, in code.

mod bounds;
mod capture_times;
mod damage;
mod jpegs;
mod orientations;
mod others;
mod raws;
mod writers;

use super::{DecodeLimits, Decoded, decode_at_least};
use crate::frame::Frame;
use image::{DynamicImage, ImageFormat, RgbImage};
use std::io::Cursor;

/// A picture without edges, so that every encoder keeps it.
fn picture(width: u32, height: u32) -> DynamicImage {
    let at = |x: u32, side: u32| (x * 200 / side) as u8 + 20;
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| image::Rgb([at(x, width), at(y, height), 90])))
}

fn small() -> DynamicImage {
    picture(97, 61)
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(vec![]);
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn decoded(bytes: &[u8]) -> Result<Decoded, String> {
    decode_at_least(bytes, DecodeLimits::default(), u32::MAX).map_err(|e| e.code().to_owned())
}

/// Requires the code of the error with which a file is refused.
fn refused(name: &str, bytes: &[u8], code: &str) {
    match decoded(bytes) {
        Ok(_) => panic!("{name} was decoded"),
        Err(got) => assert_eq!(got, code, "{name}"),
    }
}

/// Requires that a file shows `expected`, each value off by `tolerance` at most.
fn shows(name: &str, bytes: &[u8], expected: &DynamicImage, tolerance: u8) {
    let frame = decoded(bytes).unwrap_or_else(|code| panic!("{name}: {code}")).frame;
    let expected = expected.to_rgb8();
    assert_eq!((frame.width(), frame.height()), expected.dimensions(), "{name}");
    let worst = worst(&frame, expected.as_raw());
    assert!(worst <= tolerance, "{name}: off by {worst}");
}

fn worst(frame: &Frame, rgb: &[u8]) -> u8 {
    frame.rgb().iter().zip(rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}
