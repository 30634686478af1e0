//! JPEG: what the header says, and decoding it at a part of its size, whole or not at all.

use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

use super::error::NotDecoded;
use super::segments::{HOLE_BYTES, Part, Parts, Walk};
use super::tiff::Tiff;
use crate::frame::Frame;

/// Passes over a progressive picture, at most. Cameras and editors make about ten.
///
/// # Source
///
/// "Two Issues with the JPEG Standard" (libjpeg-turbo): a pass costs time with hardly a byte of it in the file.
pub(super) const PASSES_MAX: u32 = 500;

/// Samples that are visited in all passes together, at most: a progressive picture of 250 megapixels in twelve passes.
/// Passes that say nothing take about a third of a nanosecond a sample, so this bounds them to two seconds.
pub(super) const VISITS_MAX: u64 = 5_000_000_000;

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
    /// ITU-T T.81 (JPEG), annex B: a frame has its precision, height and width. The EXIF data are in APP1 (Exif 2.32,
    /// 4.7.2); of several, the first that says how the camera was held counts, as with other readers of EXIF.
    pub(super) fn read(bytes: &[u8]) -> Option<Header> {
        let mut orientation = None;
        for part in Parts::of(bytes) {
            match part {
                Part::Segment(0xE1, content) if orientation.is_none() => {
                    let exif = content.strip_prefix(b"Exif\0\0");
                    orientation = exif.and_then(Tiff::open).and_then(|tiff| tiff.orientation());
                }
                Part::Segment(process @ (0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF), frame) => {
                    let [precision, h0, h1, w0, w1] = *frame.first_chunk()?;
                    let size = (u16::from_be_bytes([w0, w1]).into(), u16::from_be_bytes([h0, h1]).into());
                    return Some(Header { size, orientation, precision, process });
                }
                // A scan before the frame, or the end.
                Part::Segment(0xDA, _) | Part::Data(_) | Part::End => return None,
                Part::Segment(..) => {}
            }
        }
        None
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

/// Why a JPEG is not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A part of the picture is missing or makes no sense.
    Damaged,
    /// A kind that libjpeg-turbo does not know.
    Kind,
}

/// Decodes a JPEG of `size` at the smallest of its scales whose longest side is `side_px` or more, at full size if none
/// is. The frame takes the memory of `spare`.
///
/// libjpeg-turbo paints what is missing of a picture in grey, and complains. A face under the grey would count as none,
/// so a complaint about the picture is an error. What it complains of besides, every common decoder passes over: then
/// the picture is written anew without it, and decoded once more.
///
/// # Errors
///
/// [`Trouble`], each variant as it says.
pub(super) fn decode(bytes: &[u8], size: (u32, u32), side_px: u32, spare: Vec<u8>) -> Result<Frame, Trouble> {
    let spare = match once(bytes, size, side_px, spare) {
        Ok((frame, None)) => return Ok(frame),
        Ok((frame, Some(_))) => frame.into_rgb(),
        Err(_) => Vec::new(),
    };
    let picture = Walk::rewritten(bytes);
    match once(&picture, size, side_px, spare)? {
        (frame, None) => Ok(frame),
        (frame, Some(complaint)) if is_padded(&complaint, &picture) => Ok(frame),
        _ => Err(Trouble::Damaged),
    }
}

/// The picture, and what libjpeg-turbo complained of first.
fn once(bytes: &[u8], size: (u32, u32), side_px: u32, spare: Vec<u8>) -> Result<(Frame, Option<String>), Trouble> {
    let scale = scale(size, side_px);
    let mut decompressor = Decompressor::new().map_err(trouble)?;
    let header = decompressor.read_header(bytes).map_err(trouble)?;
    if (header.width, header.height) != (size.0 as usize, size.1 as usize) {
        return Err(Trouble::Damaged);
    }
    let inks = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let (format, samples) = if inks { (PixelFormat::CMYK, 4) } else { (PixelFormat::RGB, 3) };
    decompressor.set_scan_limit(PASSES_MAX).map_err(trouble)?;
    decompressor.set_scaling_factor(scale).map_err(trouble)?;
    let (width, height) = (scale.scale(header.width), scale.scale(header.height));
    let mut pixels = spare;
    pixels.resize(width * height * samples, 0);
    let image = Image { pixels: pixels.as_mut_slice(), width, pitch: width * samples, height, format };
    let complaint = match decompressor.decompress(bytes, image) {
        Ok(()) => None,
        Err(turbojpeg::Error::TurboJpegError(text)) if is_warning(&text) => Some(text),
        Err(e) => return Err(trouble(e)),
    };
    let pixels = if inks { without_inks(&pixels) } else { pixels };
    let frame = Frame::new(width as u32, height as u32, pixels).ok_or(Trouble::Damaged)?;
    Ok((frame, complaint))
}

/// Whether libjpeg-turbo went on after what it says.
///
/// # Source
///
/// `jerror.h` of libjpeg-turbo 3: the messages whose names begin with `JWRN`.
fn is_warning(text: &str) -> bool {
    let beginnings = ["Corrupt JPEG data", "Premature end of JPEG file", "Warning:", "Unknown Adobe color transform"];
    let others = ["Inconsistent progression sequence", "Invalid SOS parameters for sequential JPEG"];
    beginnings.iter().chain(&others).any(|warning| text.starts_with(warning))
}

fn trouble(e: turbojpeg::Error) -> Trouble {
    let unknown = ["Unsupported color", "Unsupported JPEG", "Fractional sampling", "CCIR601"];
    match e {
        turbojpeg::Error::BadSubsamp(_) | turbojpeg::Error::BadColorspace(_) => Trouble::Kind,
        turbojpeg::Error::TurboJpegError(text) if unknown.iter().any(|kind| text.contains(kind)) => Trouble::Kind,
        _ => Trouble::Damaged,
    }
}

/// Bytes behind the picture's last block that are taken for padding, whatever they hold; some cameras write a few.
const PADDING_BYTES_MAX: usize = 64;

/// How far the decoder may have read beyond the last block, bytes.
const READ_AHEAD_BYTES: usize = 16;

/// Whether all that is wrong with the data of `picture` is that some follow its last block.
fn is_padded(complaint: &str, picture: &[u8]) -> bool {
    let count = complaint
        .strip_prefix("Corrupt JPEG data: ")
        .and_then(|rest| rest.strip_suffix(" extraneous bytes before marker 0xd9")?.parse::<usize>().ok());
    let (tail, longest) = Walk::zeros(picture);
    count.is_some_and(|count| match count {
        0..=PADDING_BYTES_MAX => longest < HOLE_BYTES,
        // Zeros from the last block on, and none that were taken for blocks.
        _ => tail.abs_diff(count) <= READ_AHEAD_BYTES,
    })
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
