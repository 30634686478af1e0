//! The pictures of the cases, made of sample photos.

use std::fs;

use assent::encode;
use assent::{Frame, resize};
use assent_testkit::{crew, open};
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};

/// The owner in the group and alone.
pub(crate) const OWNER: &str = "jeffrey-williams.jpg";

/// A sample photo's bytes.
pub(crate) fn sample(name: &str) -> Vec<u8> {
    fs::read(crew().join("photos").join(name)).unwrap()
}

/// A photo of a group in which the owner is, of this size.
pub(crate) fn group(width: u32, height: u32) -> Vec<u8> {
    jpeg(&sized("prime-and-backup-crew-for-iss-expedition-13.jpg", width, height))
}

/// A sample photo in another size.
pub(crate) fn sized(name: &str, width: u32, height: u32) -> Frame {
    resize(&open(&sample(name)), (width, height))
}

pub(crate) fn jpeg(frame: &Frame) -> Vec<u8> {
    encode::jpeg(frame, 85).unwrap()
}

pub(crate) fn png(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new(&mut bytes);
    encoder.write_image(frame.rgb(), frame.width(), frame.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

pub(crate) fn webp(frame: &Frame) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = WebPEncoder::new_lossless(&mut bytes);
    encoder.write_image(frame.rgb(), frame.width(), frame.height(), ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// A JPEG with one more segment behind its beginning.
pub(crate) fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, content, &jpeg[2..]].concat()
}

/// A JPEG with an EXIF orientation.
pub(crate) fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let exif = [
        b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01".as_slice(),
        &[0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0],
    ];
    with_segment(jpeg, 0xe1, &exif.concat())
}

/// A JPEG that somebody gave five stars.
pub(crate) fn rated(jpeg: &[u8]) -> Vec<u8> {
    let xmp = "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF \
               xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description \
               xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" xmp:Rating=\"5\"/></rdf:RDF></x:xmpmeta>";
    with_segment(jpeg, 0xe1, xmp.as_bytes())
}
