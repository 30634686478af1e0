//! JPEG: what the header says, whether a file is whole, and decoding it at a part of its size.

use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

use super::error::NotDecoded;
use super::tiff::Tiff;
use crate::frame::Frame;

/// Passes over a progressive picture, at most. Cameras and editors make about ten; a file with thousands is an attack
/// on the decoder's time.
const SCANS_MAX: u32 = 500;

/// What the segments before the picture say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Width and height as they are stored, pixels.
    pub(super) size: (u32, u32),
    /// How the camera was held, as EXIF numbers it.
    pub(super) orientation: Option<u8>,
    /// Bits of a sample.
    precision: u8,
    /// The second byte of the frame's marker: which process the picture was coded with.
    process: u8,
}

impl Header {
    /// Reads the segments up to the first frame; `None` if there is no frame.
    ///
    /// # Source
    ///
    /// ITU-T T.81 (JPEG), annex B: marker segments carry their length; a frame has its precision, height and width.
    /// The EXIF data are in APP1 (Exif 2.32, 4.7.2).
    pub(super) fn read(bytes: &[u8]) -> Option<Header> {
        let mut at = 2;
        let mut orientation = None;
        loop {
            let [first, kind] = *bytes.get(at..)?.first_chunk()?;
            match (first, kind) {
                (0xFF, 0xFF) => at += 1,
                (0xFF, 0x01 | 0xD0..=0xD8) => at += 2,
                // The scan before the frame, or the end.
                (0xFF, 0x00 | 0xD9 | 0xDA) => return None,
                (0xFF, _) => {
                    let length = usize::from(u16::from_be_bytes(*bytes.get(at + 2..)?.first_chunk()?));
                    let segment = bytes.get(at + 4..(at + 2).checked_add(length)?)?;
                    match kind {
                        0xC4 | 0xC8 | 0xCC => {}
                        0xC0..=0xCF => {
                            let [precision, h0, h1, w0, w1] = *segment.first_chunk()?;
                            let size = (u16::from_be_bytes([w0, w1]).into(), u16::from_be_bytes([h0, h1]).into());
                            return Some(Header { size, orientation, precision, process: kind });
                        }
                        0xE1 if orientation.is_none() => {
                            let exif = segment.strip_prefix(b"Exif\0\0");
                            orientation = exif.and_then(Tiff::open).and_then(|tiff| tiff.orientation());
                        }
                        _ => {}
                    }
                    at += 2 + length;
                }
                _ => return None,
            }
        }
    }

    /// Which kind it is, if it is one that is not decoded.
    ///
    /// # Source
    ///
    /// ITU-T T.81, table B.1: the processes of the frame markers.
    pub(super) fn refusal(&self) -> Option<NotDecoded> {
        match self.process {
            0xC3 | 0xCB => Some(NotDecoded::LosslessJpeg),
            0xC5..=0xC7 | 0xCD..=0xCF => Some(NotDecoded::HierarchicalJpeg),
            _ if self.precision != 8 => Some(NotDecoded::DeepJpeg),
            _ => None,
        }
    }
}

/// Decodes a JPEG of `size` at the smallest of its scales whose longest side is `side_px` or more, at full size if none
/// is. `None` if libjpeg-turbo does not decode it without a complaint: damaged files, kinds that it does not know. Those
/// are left to the slower decoder, which says what is wrong. The frame takes the memory of `spare`.
pub(super) fn decode(bytes: &[u8], size: (u32, u32), side_px: u32, spare: Vec<u8>) -> Option<Frame> {
    let scale = scale(size, side_px);
    let mut decompressor = Decompressor::new().ok()?;
    let header = decompressor.read_header(bytes).ok()?;
    if (header.width, header.height) != (size.0 as usize, size.1 as usize) {
        return None;
    }
    let inks = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let (format, samples) = if inks { (PixelFormat::CMYK, 4) } else { (PixelFormat::RGB, 3) };
    decompressor.set_scan_limit(SCANS_MAX).ok()?;
    decompressor.set_scaling_factor(scale).ok()?;
    let (width, height) = (scale.scale(header.width), scale.scale(header.height));
    let mut pixels = spare;
    pixels.resize(width * height * samples, 0);
    let image = Image { pixels: pixels.as_mut_slice(), width, pitch: width * samples, height, format };
    decompressor.decompress(bytes, image).ok()?;
    let pixels = if inks { without_inks(&pixels) } else { pixels };
    Frame::new(width as u32, height as u32, pixels)
}

/// The size at which [`decode`] gives a JPEG of `size`.
pub(crate) fn decoded_size(size: (u32, u32), side_px: u32) -> (u32, u32) {
    let scale = scale(size, side_px);
    (scale.scale(size.0 as usize) as u32, scale.scale(size.1 as usize) as u32)
}

fn scale((width, height): (u32, u32), side_px: u32) -> ScalingFactor {
    let longest = width.max(height) as usize;
    let scales = [ScalingFactor::ONE_EIGHTH, ScalingFactor::ONE_QUARTER, ScalingFactor::ONE_HALF];
    let enough = |scale: &ScalingFactor| scale.scale(longest) >= side_px as usize;
    scales.into_iter().find(enough).unwrap_or(ScalingFactor::ONE)
}

/// Red, green and blue of what is printed with cyan, magenta, yellow and black, `[pixels][4]` to `[pixels][3]`.
///
/// # Source
///
/// Adobe's programs store 255 minus the ink ("Supporting the DCT Filters in `PostScript` Level 2", Adobe TN 5116), and
/// browsers take every JPEG with inks so. No colour profile is applied: hues are off a little, faces are not.
fn without_inks(cmyk: &[u8]) -> Vec<u8> {
    let seen = |light: u8, black: u8| ((u32::from(light) * u32::from(black) + 127) / 255) as u8;
    cmyk.chunks_exact(4).flat_map(|p| [seen(p[0], p[3]), seen(p[1], p[3]), seen(p[2], p[3])]).collect()
}

/// Whether a JPEG's entropy-coded data are followed by an end marker: walks the segments, so that the end marker
/// of an embedded thumbnail does not count. What follows the end marker (a film, a second picture) is not looked at.
///
/// # Source
///
/// ITU-T T.81 (JPEG), annex B: marker segments carry their length; within entropy-coded data 0xFF is followed by
/// 0x00 or a restart marker.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[first, second]) = bytes.get(at..at + 2) {
        match (first, second) {
            (0xFF, 0xD9) => return true,
            (0xFF, 0xFF) => at += 1,
            (0xFF, 0x00 | 0xD0..=0xD8 | 0x01) => at += 2,
            (0xFF, _) => {
                let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return false };
                at += 2 + usize::from(u16::from_be_bytes([high, low]));
            }
            _ => at += memchr::memchr(0xFF, &bytes[at..]).unwrap_or(bytes.len() - at),
        }
    }
    false
}
