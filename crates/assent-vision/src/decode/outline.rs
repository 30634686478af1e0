//! What decoding a picture takes, by its header alone.

use std::io::Cursor;

use image::{ColorType, ImageDecoder, ImageFormat, ImageReader};

use super::format::{Format, recognise};
use super::segments::Walk;
use super::tiff::{Tiff, tag};
use super::{jpeg, png, raw};

/// Bytes of a pixel in a [`Frame`](crate::frame::Frame).
const RGB: u64 = 3;

/// A picture by its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outline {
    /// Width and height as they are stored, pixels. Of a RAW file, those of its preview.
    pub(crate) size: (u32, u32),
    /// What the decoder keeps beside the picture, bytes.
    decoder_bytes: u64,
    /// Whether it can be decoded at a part of its size.
    shrinks: bool,
}

impl Outline {
    /// `None` for what is not decoded, because its header does not say how large the picture is, or for another reason
    /// that shows before any memory is taken.
    pub(crate) fn of(bytes: &[u8]) -> Option<Outline> {
        match recognise(bytes)? {
            Format::Jpeg => Outline::of_jpeg(bytes),
            Format::Raw => Outline::of_jpeg(raw::preview(bytes).ok()?.jpeg),
            Format::Image(ImageFormat::Png, _) => {
                let png::Header { size, pixel_bytes } = png::Header::read(bytes)?;
                let converted = if pixel_bytes == RGB { 0 } else { pixel_bytes * pixels(size) };
                Some(Outline { size, decoder_bytes: bytes.len() as u64 + converted, shrinks: false })
            }
            Format::Image(format, _) => Outline::of_image(bytes, format),
            Format::Other(_) => None,
        }
    }

    /// All coefficients of a JPEG of several passes are kept until its last one has come, 16 bits each. Inks are four to
    /// a pixel.
    fn of_jpeg(bytes: &[u8]) -> Option<Outline> {
        let header = jpeg::Header::read(bytes).filter(|header| pixels(header.size) > 0)?;
        let walk = Walk::begin(bytes);
        let coefficients = if walk.has_several_passes() { 2 * walk.samples } else { 0 };
        let inks = if walk.has_inks() { 4 * pixels(header.size) } else { 0 };
        let decoder_bytes = bytes.len() as u64 + coefficients + inks;
        Some(Outline { size: header.size, decoder_bytes, shrinks: true })
    }

    fn of_image(bytes: &[u8], format: ImageFormat) -> Option<Outline> {
        let decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder().ok()?;
        let (size, stored) = (decoder.dimensions(), decoder.total_bytes());
        let converted = if decoder.color_type() == ColorType::Rgb8 { 0 } else { stored };
        let four = 4 * pixels(size);
        let kept = match format {
            // A frame that is smaller than the picture, or a picture without transparency, is decoded apart.
            ImageFormat::Gif | ImageFormat::WebP => 2 * four,
            // As the file has it (inks are four), a strip, and a row of a tile, which may be wider than the picture.
            ImageFormat::Tiff => (2 * stored.max(four)).saturating_add(tile_row_bytes(bytes)),
            _ => 0,
        };
        Some(Outline { size, decoder_bytes: converted.saturating_add(kept), shrinks: false })
    }

    /// Width and height, pixels, of what a search at `side_px` decodes.
    pub(crate) fn decoded(&self, side_px: u32) -> (u32, u32) {
        if self.shrinks { jpeg::decoded_size(self.size, side_px) } else { self.size }
    }

    /// The most memory, bytes, that decoding takes at `size`, which is one of its own ([`decoded`](Self::decoded)). A
    /// picture that EXIF turns is there twice for a moment.
    pub(crate) fn decode_bytes(&self, size: (u32, u32)) -> u64 {
        self.decoder_bytes.saturating_add(2 * RGB * pixels(size))
    }

    /// The largest of its sizes that decoding takes `memory_bytes` for at most; the smallest if none does.
    pub(crate) fn largest_within(&self, memory_bytes: u64) -> (u32, u32) {
        let longest = self.size.0.max(self.size.1);
        let sizes = [1, 2, 4, 8].map(|part| self.decoded(longest.div_ceil(part)));
        sizes.into_iter().find(|size| self.decode_bytes(*size) <= memory_bytes).unwrap_or(sizes[3])
    }
}

/// A row of a tile at the most bytes that a pixel has.
fn tile_row_bytes(bytes: &[u8]) -> u64 {
    let width = Tiff::open(bytes).and_then(|tiff| tiff.first()?.value(tag::TILE_WIDTH));
    width.map_or(0, |width| 16 * width as u64)
}

pub(crate) fn pixels((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height)
}
