//! The EXIF data of HEIC and AVIF files, which are not decoded here.

use std::ops::Range;

use super::bmff::{Bmff, boxes};

/// The EXIF data, without the six bytes that stand before them in a JPEG.
///
/// # Source
///
/// ISO/IEC 14496-12, 8.11 (`meta`, `iinf`, `iloc`); ISO/IEC 23008-12, annex A: an item of the type `Exif` begins with how
/// many bytes (4) stand before the data.
pub(super) fn exif(bytes: &[u8]) -> Option<&[u8]> {
    let meta = boxes(bytes).find(|b| &b.kind == b"meta")?.content.get(4..)?;
    let child = |kind: &[u8; 4]| boxes(meta).find(|b| &b.kind == kind);
    let item = exif_item(&child(b"iinf")?)?;
    let data = bytes.get(place_of(&child(b"iloc")?, item)?)?;
    let (before, data) = data.split_first_chunk()?;
    data.get(u32::from_be_bytes(*before) as usize..)
}

/// The number of the item that holds EXIF data.
fn exif_item(iinf: &Bmff<'_>) -> Option<u64> {
    let mut fields = Fields(iinf.content);
    let version = fields.number(4)? >> 24;
    fields.number(if version == 0 { 2 } else { 4 })?;
    boxes(fields.0).find_map(|entry| {
        let mut fields = Fields(entry.content);
        let version = fields.number(4)? >> 24;
        let item = match version {
            2 => fields.number(2)?,
            3 => fields.number(4)?,
            _ => return None,
        };
        fields.number(2)?;
        (fields.number(4)? == u64::from(u32::from_be_bytes(*b"Exif"))).then_some(item)
    })
}

/// Where an item lies in the file, if it lies in one piece.
fn place_of(iloc: &Bmff<'_>, wanted: u64) -> Option<Range<usize>> {
    let mut fields = Fields(iloc.content);
    let version = fields.number(4)? >> 24;
    let sizes = fields.number(2)?;
    let size = |shift: u64| (sizes >> shift & 15) as usize;
    let (offset_size, length_size, base_size, index_size) = (size(12), size(8), size(4), size(0));
    let id_size = if version < 2 { 2 } else { 4 };
    for _ in 0..fields.number(id_size)? {
        let item = fields.number(id_size)?;
        let in_file = version == 0 || fields.number(2)? % 16 == 0;
        fields.number(2)?;
        let base = fields.number(base_size)?;
        let extents = fields.number(2)?;
        let mut place = None;
        for _ in 0..extents {
            if version > 0 {
                fields.number(index_size)?;
            }
            let begin = usize::try_from(base.checked_add(fields.number(offset_size)?)?).ok()?;
            let length = usize::try_from(fields.number(length_size)?).ok()?;
            place = Some(begin..begin.checked_add(length)?);
        }
        if item == wanted {
            return place.filter(|_| in_file && extents == 1);
        }
    }
    None
}

/// Big-endian numbers, one after the other.
struct Fields<'b>(&'b [u8]);

impl Fields<'_> {
    /// The next number of so many bytes, 8 at most; 0 of none.
    fn number(&mut self, bytes: usize) -> Option<u64> {
        let (number, rest) = self.0.split_at_checked(bytes).filter(|_| bytes <= 8)?;
        self.0 = rest;
        Some(number.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)))
    }
}
