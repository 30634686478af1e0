//! Cameras' RAW files: the JPEG previews in them.
//!
//! What the sensor saw is not developed here. Every camera puts at least one finished JPEG beside it, mostly of full
//! size, and the largest of these is the photo. Read are the files that are built like a TIFF (CR2, NEF, NRW, ARW, DNG,
//! PEF, SRW, ORF, RW2), Fujifilm's RAF and Canon's CR3.
//!
//! # Source
//!
//! TIFF 6.0 and DNG 1.7.1 for the directories; `ExifTool`'s tag tables for Olympus and Panasonic; `lclevy/canon_cr3` for
//! CR3; `dcraw` for RAF.

use std::ops::Range;

use super::bmff::{Bmff, boxes};
use super::jpeg;
use super::tiff::{Directory, Tiff, tag};

/// The id of the box that holds what Canon writes about a CR3.
pub(super) const CANON: u128 = 0x85c0_b687_820f_11e0_8111_f4ce_462b_6a48;

/// Least longer side of a preview, pixels. Below it faces at the back of a group are lost, and nobody would know.
pub(super) const PREVIEW_SIDE_PX_MIN: u32 = 800;

/// What to decode instead of a RAW file.
#[derive(Debug)]
pub(super) struct Preview<'b> {
    /// A whole JPEG, or what is there of one.
    pub(super) jpeg: &'b [u8],
    /// How the RAW file says that the camera was held; it counts instead of what the JPEG says.
    pub(super) orientation: Option<u8>,
}

/// The largest preview that this program can decode.
///
/// # Errors
///
/// [`NoPreview`]: whether there is one that does not lie within the file, which was cut off then.
pub(super) fn preview(bytes: &[u8]) -> Result<Preview<'_>, NoPreview> {
    let found = if bytes.starts_with(b"FUJIFILM") {
        raf(bytes)
    } else if let Some(tiff) = Tiff::open(bytes) {
        tiff_based(bytes, &tiff)
    } else {
        cr3(bytes)
    };
    let mut largest: Option<(u64, &[u8])> = None;
    let mut cut_off = false;
    for jpeg in found.jpegs {
        let Some(bytes) = jpeg else {
            cut_off = true;
            continue;
        };
        let Some(header) = jpeg::Header::read(bytes).filter(|h| h.refusal().is_none()) else { continue };
        let pixels = u64::from(header.size.0) * u64::from(header.size.1);
        if largest.is_none_or(|(most, _)| pixels > most) {
            largest = Some((pixels, bytes));
        }
    }
    match largest {
        Some((_, jpeg)) => Ok(Preview { jpeg, orientation: found.orientation }),
        None => Err(NoPreview { cut_off }),
    }
}

/// There is no preview to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoPreview {
    /// The file names one behind its end.
    pub(super) cut_off: bool,
}

/// What may be JPEGs, not checked yet; `None` for one that does not lie within the file.
struct Found<'b> {
    jpegs: Vec<Option<&'b [u8]>>,
    orientation: Option<u8>,
}

/// Whether a file that begins as a TIFF is a RAW file: one of its pictures is what a sensor saw.
///
/// # Source
///
/// `PhotometricInterpretation` 32803 (colour filter array) and 34892 (linear raw) of TIFF/EP and DNG; the compressions of
/// Nikon, Sony, Pentax and Samsung (`ExifTool`).
pub(super) fn is_raw_tiff(bytes: &[u8]) -> bool {
    let Some(tiff) = Tiff::open(bytes) else { return false };
    tiff.directories().iter().any(|d| {
        d.has(tag::DNG_VERSION)
            || matches!(d.value(tag::PHOTOMETRIC), Some(32803 | 34892))
            || matches!(d.value(tag::COMPRESSION), Some(34713 | 32767 | 65535 | 32770))
    }) || bytes.get(8..10) == Some(b"CR")
}

fn tiff_based<'b>(bytes: &'b [u8], tiff: &Tiff<'b>) -> Found<'b> {
    let directories = tiff.directories();
    let in_note = tiff.first().and_then(|first| olympus(bytes, tiff, &first));
    let places = directories.iter().flat_map(in_directory).chain(in_note);
    Found { jpegs: places.map(|place| bytes.get(place)).collect(), orientation: tiff.orientation() }
}

fn in_directory(d: &Directory<'_>) -> Vec<Range<usize>> {
    let of = |begin: u16, length: u16| {
        let begin = d.value(begin)?;
        Some(begin..begin.checked_add(d.value(length)?)?)
    };
    // 6 and 7: JPEG, old and new. What a sensor saw may be one, too, but a lossless one.
    let strip = matches!(d.value(tag::COMPRESSION), Some(6 | 7)).then(|| of(tag::STRIP_OFFSETS, tag::STRIP_BYTES));
    let all = [of(tag::JPEG_OFFSET, tag::JPEG_BYTES), strip.flatten(), d.place(tag::PANASONIC_JPEG)];
    all.into_iter().flatten().collect()
}

/// The preview of an ORF is named by the maker's note, whose offsets count from its own beginning.
fn olympus(bytes: &[u8], tiff: &Tiff<'_>, first: &Directory<'_>) -> Option<Range<usize>> {
    let exif = tiff.directory(first.value(tag::EXIF_IFD)?)?;
    let begin = exif.place(tag::MAKER_NOTE)?.start;
    let note = bytes.get(begin..)?;
    let note = match note {
        [b'O', b'L', b'Y', b'M', b'P', b'U', b'S', 0, ..] => Tiff::note(note, 8, 12)?,
        [b'O', b'M', b' ', b'S', b'Y', b'S', b'T', b'E', b'M', 0, ..] => Tiff::note(note, 12, 16)?,
        _ => return None,
    };
    // `CameraSettings`, and in it `PreviewImageStart` and `PreviewImageLength`.
    let settings = note.directory(note.first()?.value(0x2020)?)?;
    let begin = begin.checked_add(settings.value(0x0101)?)?;
    Some(begin..begin.checked_add(settings.value(0x0102)?)?)
}

fn raf(bytes: &[u8]) -> Found<'_> {
    let number = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?) as usize);
    let place = || {
        let begin = number(84)?;
        Some(begin..begin.checked_add(number(88)?)?)
    };
    Found { jpegs: place().map(|place| bytes.get(place)).into_iter().collect(), orientation: None }
}

fn cr3(bytes: &[u8]) -> Found<'_> {
    const PREVIEW: u128 = 0xeaf4_2b5e_1c98_4b88_b9fb_b7dc_406e_4d16;
    let mut found = Found { jpegs: Vec::new(), orientation: None };
    for one in boxes(bytes) {
        if &one.kind == b"moov" {
            for inner in boxes(one.content) {
                if let Some(canon) = inner.of_uuid(CANON) {
                    let about = boxes(canon).find(|b| &b.kind == b"CMT1").and_then(|b| Tiff::open(b.content));
                    found.orientation = about.and_then(|tiff| tiff.orientation());
                }
                found.jpegs.extend(sample(&inner).map(|place| bytes.get(place)));
            }
        } else if let Some(preview) = one.of_uuid(PREVIEW).and_then(|content| boxes(content.get(8..)?).next()) {
            // 12 bytes with its size in pixels, its length in bytes, the JPEG.
            found.jpegs.extend(preview.content.get(16..).filter(|_| &preview.kind == b"PRVW").map(Some));
        }
    }
    found
}

/// The only sample of a track: in the first one it is a JPEG of full size.
fn sample(track: &Bmff<'_>) -> Option<Range<usize>> {
    if &track.kind != b"trak" {
        return None;
    }
    let table = track.child(*b"mdia")?.child(*b"minf")?.child(*b"stbl")?;
    // Both begin with version and flags; then the size of every sample, and how many chunks there are.
    let length = u32::from_be_bytes(*table.child(*b"stsz")?.content.get(4..)?.first_chunk()?);
    let begin = u64::from_be_bytes(*table.child(*b"co64")?.content.get(8..)?.first_chunk()?);
    let begin = usize::try_from(begin).ok()?;
    Some(begin..begin.checked_add(length as usize)?)
}
