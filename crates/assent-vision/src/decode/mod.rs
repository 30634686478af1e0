//! From the bytes of a photo file to a picture as it was seen.
//!
//! ```text
//! bytes -> format: by the first bytes
//!   JPEG          -> jpeg: libjpeg-turbo, at a part of its size; what it complains of is looked into by segments
//!   RAW           -> raw: the largest JPEG preview, by tiff or bmff; then as a JPEG
//!   PNG           -> png: the picture's own chunks; then `image`
//!   TIFF, ..      -> `image`
//!   HEIC, ..      -> refused by name
//! ```
//!
//! `docs/photos.md` lists every format and kind, and why it is decoded or not.

mod bmff;
mod capture_time;
mod error;
mod exif;
mod format;
mod heif;
mod heif_outline;
pub(crate) mod jpeg;
pub(crate) mod outline;
mod picture;
mod png;
mod raw;
mod segments;
mod stoppable;
#[cfg(test)]
mod tests;
mod tiff;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

pub use capture_time::{CaptureTime, capture_time};
pub use error::{DecodeError, NotDecoded, TOO_MUCH_MEMORY};
use format::Format;
pub use heif_outline::Heif;
use outline::Outline;
pub use picture::picture_data;
use segments::Walk;
use stoppable::StoppableReader;

use crate::catch_panic::catch_panic;
use crate::frame::Frame;
use crate::geometry::Orientation;

/// What is refused before or while it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most pixels of a photo.
    pub pixels: u64,
    /// Most pixels on one side.
    pub side_px: u32,
    /// Most memory that decoding a picture may take at any moment, bytes: the picture, and what its decoder works with.
    pub memory_bytes: u64,
}

impl Default for DecodeLimits {
    /// 250 megapixels (a stitched panorama), 65,535 a side (the most that a JPEG can have), 2 GiB.
    fn default() -> DecodeLimits {
        DecodeLimits { pixels: 250_000_000, side_px: 65_535, memory_bytes: 2 << 30 }
    }
}

impl DecodeLimits {
    /// # Errors
    ///
    /// [`DecodeError::TooLarge`] if a picture of this size is refused.
    pub fn check(&self, (width, height): (u32, u32)) -> Result<(), DecodeError> {
        let pixels = u64::from(width) * u64::from(height);
        if width.max(height) > self.side_px || pixels > self.pixels {
            return Err(DecodeError::TooLarge { width, height });
        }
        Ok(())
    }

    /// # Errors
    ///
    /// [`DecodeError::TooMuchMemory`] if decoding at `side_px` or more takes more than there may be.
    fn check_memory(&self, outline: Option<Outline>, side_px: u32) -> Result<(), DecodeError> {
        let needed = outline.map_or(0, |outline| outline.decode_bytes(outline.decoded(side_px)));
        if needed > self.memory_bytes {
            return Err(DecodeError::TooMuchMemory { needed_mb: needed.div_ceil(1_000_000) });
        }
        Ok(())
    }
}

/// How a picture is decoded.
#[derive(Debug, Clone, Copy)]
pub struct DecodeOptions<'a> {
    /// What is refused.
    pub limits: DecodeLimits,
    /// Ends the decoding of anything but a JPEG in the middle of the picture once it is set. Of a JPEG, no part is waited
    /// for: its passes are bounded.
    pub stop: &'a AtomicBool,
}

/// A stop flag that is never set: the default of whoever cannot be stopped.
static NEVER: AtomicBool = AtomicBool::new(false);

impl From<DecodeLimits> for DecodeOptions<'_> {
    fn from(limits: DecodeLimits) -> Self {
        DecodeOptions { limits, stop: &NEVER }
    }
}

/// A decoded photo, perhaps at a part of its size.
#[derive(Debug)]
pub struct Decoded {
    /// The picture, upright, at the size at which it was decoded.
    pub frame: Frame,
    /// The photo's own width and height as it is seen, pixels.
    pub size: (u32, u32),
    /// What brought the pixels as they are stored to the picture as it is seen.
    pub orientation: Orientation,
}

impl Decoded {
    fn upright(frame: Frame, size: (u32, u32), orientation: Orientation) -> Decoded {
        Decoded { frame: frame.oriented(orientation), size: orientation.turn.move_size(size), orientation }
    }

    /// Photo pixels for one pixel of the picture, 1 or more.
    pub fn scale(&self) -> f32 {
        self.size.0.max(self.size.1) as f32 / self.frame.width().max(self.frame.height()) as f32
    }
}

/// Decodes `bytes` at full size, see [`decode_at_least`].
///
/// # Errors
///
/// As [`decode_at_least`].
pub fn decode(bytes: &[u8], limits: DecodeLimits) -> Result<Frame, DecodeError> {
    Ok(decode_at_least(bytes, limits, u32::MAX)?.frame)
}

/// Decodes `bytes`, brings the picture upright by its orientation and drops transparency onto white.
///
/// A JPEG is decoded at a half, a quarter or an eighth of its size if its longest side is at least `side_px` then: the
/// rest of its pixels is never computed. Of an animation the first frame is taken; 16-bit samples are rounded to 8; of
/// a RAW file the largest JPEG preview is the photo, and its size the photo's.
///
/// # Errors
///
/// - [`DecodeError::UnknownFormat`] if the first bytes name none of the formats.
/// - [`DecodeError::NotDecoded`] if the format, or this kind of it, is known and refused.
/// - [`DecodeError::NoPreview`], [`DecodeError::SmallPreview`] if a RAW file has no preview, or only a thumbnail.
/// - [`DecodeError::TooLarge`], [`DecodeError::TooMuchMemory`], [`DecodeError::TooManyPasses`] if the header promises more
///   than `limits`, or more than a decoder should spend on it; nothing was decoded then.
/// - [`DecodeError::Damaged`] if the file is cut off or contradicts itself, and a part of the picture is missing.
/// - [`DecodeError::Stopped`] if somebody said so.
pub fn decode_at_least(bytes: &[u8], limits: DecodeLimits, side_px: u32) -> Result<Decoded, DecodeError> {
    decode_into(bytes, limits.into(), |_| side_px, Vec::new())
}

/// The same at the side that `side_px` says for the photo's own width and height, in the memory of `spare`, what a picture
/// was in that is not needed any more, if the photo is a JPEG: clearing as much memory anew takes a tenth of the time of
/// decoding.
///
/// # Errors
///
/// As [`decode_at_least`].
pub fn decode_into(
    bytes: &[u8],
    options: DecodeOptions<'_>,
    side_px: impl Fn((u32, u32)) -> u32,
    spare: Vec<u8>,
) -> Result<Decoded, DecodeError> {
    let (frame, size, exif) = stored(bytes, options, side_px, spare)?;
    // An orientation that is none is no reason to refuse the picture.
    let orientation = exif.and_then(Orientation::from_exif).unwrap_or_default();
    Ok(Decoded::upright(frame, size, orientation))
}

/// The same for a picture that is upright as it is stored, whatever its metadata say.
///
/// # Errors
///
/// As [`decode_at_least`].
pub fn decode_as_stored(
    bytes: &[u8],
    options: DecodeOptions<'_>,
    side_px: impl Fn((u32, u32)) -> u32,
    spare: Vec<u8>,
) -> Result<Decoded, DecodeError> {
    let (frame, size, _) = stored(bytes, options, side_px, spare)?;
    Ok(Decoded::upright(frame, size, Orientation::default()))
}

/// The side, pixels, at which a picture is decoded at the largest size for which `limits` has the memory: a JPEG that is too
/// large for it at a part of its size, anything else whole or not at all.
pub fn largest_side_px(bytes: &[u8], limits: DecodeLimits) -> u32 {
    let (width, height) = Outline::of(bytes).map_or((1, 1), |outline| outline.largest_within(limits.memory_bytes));
    width.max(height)
}

fn stored(
    bytes: &[u8],
    options: DecodeOptions<'_>,
    side_px: impl Fn((u32, u32)) -> u32,
    spare: Vec<u8>,
) -> Result<Stored, DecodeError> {
    // A decoder that panics says in its own way that the file contradicts itself.
    let decoded = catch_panic(|| of_its_format(bytes, options, side_px, spare));
    decoded.unwrap_or(Err(DecodeError::Damaged { format: "picture", source: None }))
}

fn of_its_format(
    bytes: &[u8],
    options: DecodeOptions<'_>,
    side_px: impl Fn((u32, u32)) -> u32,
    spare: Vec<u8>,
) -> Result<Stored, DecodeError> {
    match format::recognise(bytes).ok_or(DecodeError::UnknownFormat)? {
        Format::Other(what) => Err(DecodeError::NotDecoded { what }),
        Format::Image(format, name) => decode_image(bytes, (format, name), options),
        Format::Jpeg => decode_jpeg(bytes, options.limits, side_px, spare),
        Format::Raw => {
            let damaged = || DecodeError::Damaged { format: "RAW file", source: None };
            let none = |e: raw::NoPreview| if e.cut_off { damaged() } else { DecodeError::NoPreview };
            let preview = raw::preview(bytes).map_err(none)?;
            let (frame, size, own) = decode_jpeg(preview.jpeg, options.limits, side_px, spare)?;
            if size.0.max(size.1) < raw::PREVIEW_SIDE_PX_MIN {
                let needed_px = raw::PREVIEW_SIDE_PX_MIN;
                return Err(DecodeError::SmallPreview { width: size.0, height: size.1, needed_px });
            }
            Ok((frame, size, preview.orientation.or(own)))
        }
    }
}

/// Pixels as they are stored, the size of the whole picture as it is stored, and its orientation as EXIF numbers it.
type Stored = (Frame, (u32, u32), Option<u8>);

fn decode_jpeg(
    bytes: &[u8],
    limits: DecodeLimits,
    side_px: impl Fn((u32, u32)) -> u32,
    spare: Vec<u8>,
) -> Result<Stored, DecodeError> {
    let damaged = || DecodeError::Damaged { format: "JPEG", source: None };
    let header = jpeg::Header::read(bytes).ok_or_else(damaged)?;
    if let Some(what) = header.refusal() {
        return Err(DecodeError::NotDecoded { what });
    }
    limits.check(header.size)?;
    let walk = Walk::of(bytes);
    if walk.passes > jpeg::PASSES_MAX || walk.visits > jpeg::VISITS_MAX {
        return Err(DecodeError::TooManyPasses { passes: walk.passes });
    }
    if !walk.has_all_passes() || Walk::has_hole(bytes) {
        return Err(damaged());
    }
    let side_px = side_px(header.size);
    limits.check_memory(Outline::of(bytes), side_px)?;
    match jpeg::decode(bytes, header.size, side_px, spare) {
        Ok(frame) => Ok((frame, header.size, header.orientation)),
        Err(jpeg::Trouble::Damaged) => Err(damaged()),
        Err(jpeg::Trouble::Kind) => Err(DecodeError::NotDecoded { what: NotDecoded::Kind { format: "JPEG" } }),
    }
}

fn decode_image(
    bytes: &[u8],
    (format, name): (ImageFormat, &'static str),
    DecodeOptions { limits, stop }: DecodeOptions<'_>,
) -> Result<Stored, DecodeError> {
    let failed = |e: ImageError| match e {
        _ if stop.load(Ordering::Relaxed) => DecodeError::Stopped,
        ImageError::Unsupported(_) => DecodeError::NotDecoded { what: NotDecoded::Kind { format: name } },
        other => DecodeError::Damaged { format: name, source: Some(other) },
    };
    let outline = Outline::of(bytes);
    if let Some(outline) = outline {
        limits.check(outline.size)?;
    }
    limits.check_memory(outline, u32::MAX)?;
    let (content, own) = match format {
        ImageFormat::Png => (Cow::Owned(png::picture(bytes)), png::orientation(bytes)),
        ImageFormat::WebP => (Cow::Borrowed(bytes), exif::orientation_of_webp(bytes)),
        _ => (Cow::Borrowed(bytes), None),
    };
    let mut decoder =
        ImageReader::with_format(StoppableReader::new(&content, stop), format).into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    limits.check((width, height))?;
    let mut decoder_limits = Limits::no_limits();
    decoder_limits.max_alloc = Some(limits.memory_bytes);
    if decoder.set_limits(decoder_limits).is_err() || decoder.total_bytes() > limits.memory_bytes {
        return Err(DecodeError::TooMuchMemory { needed_mb: decoder.total_bytes().div_ceil(1_000_000) });
    }
    let exif = own.or_else(|| decoder.orientation().map(image::metadata::Orientation::to_exif).ok());
    let picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let frame = Frame::new(width, height, onto_white(picture));
    Ok((frame.ok_or(DecodeError::Damaged { format: name, source: None })?, (width, height), exif))
}

fn onto_white(picture: DynamicImage) -> Vec<u8> {
    if !picture.color().has_alpha() {
        return picture.into_rgb8().into_raw();
    }
    let rgba = picture.into_rgba8().into_raw();
    let over = |value: u8, alpha: u8| {
        let alpha = u32::from(alpha);
        ((u32::from(value) * alpha + 255 * (255 - alpha) + 127) / 255) as u8
    };
    rgba.chunks_exact(4).flat_map(|p| [over(p[0], p[3]), over(p[1], p[3]), over(p[2], p[3])]).collect()
}
