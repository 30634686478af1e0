//! TIFF's directories, as far as RAW files and EXIF need them: every offset and length in them is checked.

use std::collections::BTreeSet;
use std::ops::Range;

/// Directories that are read of one file, at most. Cameras write fewer than ten.
const DIRECTORIES_MAX: usize = 64;

/// Values that are read of one entry, at most. Lists that are longer are the strips of a large picture.
const VALUES_MAX: usize = 64;

/// A file, or a part of one, that is built like a TIFF: offsets count from its first byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiff<'b> {
    bytes: &'b [u8],
    big_endian: bool,
    first: usize,
}

/// One entry of a directory.
#[derive(Debug, Clone, Copy)]
struct Entry {
    tag: u16,
    /// The number of the type of its values.
    kind: u16,
    count: usize,
    /// Where its values begin.
    at: usize,
}

/// An image file directory (IFD) of a TIFF file: a list of tagged values.
#[derive(Debug)]
pub(super) struct Directory<'b> {
    tiff: Tiff<'b>,
    entries: Vec<Entry>,
    next: usize,
}

impl<'b> Tiff<'b> {
    /// Takes `bytes` that begin with a byte order and the place of the first directory; the number between them, 42 in
    /// a TIFF, is another one in some cameras' files and is not looked at.
    pub(super) fn open(bytes: &'b [u8]) -> Option<Tiff<'b>> {
        let big_endian = byte_order(bytes)?;
        let mut tiff = Tiff { bytes, big_endian, first: 0 };
        tiff.first = tiff.u32(4)?;
        Some(tiff)
    }

    /// Takes `bytes` that hold a byte order at `order_at` and a directory at `first`: a camera maker's note.
    pub(super) fn note(bytes: &'b [u8], order_at: usize, first: usize) -> Option<Tiff<'b>> {
        Some(Tiff { bytes, big_endian: byte_order(bytes.get(order_at..)?)?, first })
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<usize> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) } as usize)
    }

    /// The directory at `at`; `None` if it does not lie within the file.
    ///
    /// # Source
    ///
    /// TIFF 6.0, section 2: a count, 12 bytes an entry (tag, type, count, values or their place), the place of the next.
    pub(super) fn directory(&self, at: usize) -> Option<Directory<'b>> {
        let count = usize::from(self.u16(at)?);
        let (begin, end) = (at + 2, at + 2 + 12 * count);
        self.bytes.get(begin..end)?;
        let entries = (begin..end).step_by(12).filter_map(|at| {
            let (tag, kind, count) = (self.u16(at)?, self.u16(at + 2)?, self.u32(at + 4)?);
            let at = if size_of(kind).checked_mul(count)? <= 4 { at + 8 } else { self.u32(at + 8)? };
            Some(Entry { tag, kind, count, at })
        });
        Some(Directory { tiff: *self, entries: entries.collect(), next: self.u32(end).unwrap_or(0) })
    }

    /// The first directory.
    pub(super) fn first(&self) -> Option<Directory<'b>> {
        self.directory(self.first)
    }

    /// The directories of the chain, each followed by those that it names as its parts (tag `SubIFDs`). One that lies
    /// outside of the file is left out, and none is visited twice.
    pub(super) fn directories(&self) -> Vec<Directory<'b>> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        let mut todo = vec![self.first];
        while let Some(at) = todo.pop() {
            if at == 0 || found.len() == DIRECTORIES_MAX || !seen.insert(at) {
                continue;
            }
            if let Some(directory) = self.directory(at) {
                todo.push(directory.next);
                todo.extend(directory.values(tag::SUB_IFDS));
                found.push(directory);
            }
        }
        found
    }

    /// The first directory's orientation, as EXIF numbers it; `None` if there is none.
    pub(super) fn orientation(&self) -> Option<u8> {
        self.first()?.value(tag::ORIENTATION)?.try_into().ok()
    }
}

impl Directory<'_> {
    fn entry(&self, tag: u16) -> Option<Entry> {
        self.entries.iter().find(|e| e.tag == tag).copied()
    }

    pub(super) fn has(&self, tag: u16) -> bool {
        self.entry(tag).is_some()
    }

    /// The whole numbers of an entry; empty if there is none, or it holds something else.
    pub(super) fn values(&self, tag: u16) -> Vec<usize> {
        let Some(Entry { kind, count, at, .. }) = self.entry(tag) else { return Vec::new() };
        let value = |i: usize| {
            let at = at.checked_add(i * size_of(kind))?;
            match kind {
                1 => self.tiff.bytes.get(at).map(|b| usize::from(*b)),
                3 => self.tiff.u16(at).map(usize::from),
                4 | 13 => self.tiff.u32(at),
                _ => None,
            }
        };
        (0..count.min(VALUES_MAX)).map_while(value).collect()
    }

    /// The only whole number of an entry.
    pub(super) fn value(&self, tag: u16) -> Option<usize> {
        match self.values(tag).as_slice() {
            [one] => Some(*one),
            _ => None,
        }
    }

    /// Where an entry's bytes lie, whatever they mean; they may lie outside of the file.
    pub(super) fn place(&self, tag: u16) -> Option<Range<usize>> {
        let Entry { kind, count, at, .. } = self.entry(tag)?;
        Some(at..at.checked_add(size_of(kind).checked_mul(count)?)?)
    }
}

/// Numbers of TIFF tags.
///
/// # Source
///
/// TIFF 6.0 and its supplement 1, Exif 2.32, DNG 1.7.1; 0x002E is Panasonic's (`ExifTool`'s tag tables).
pub(super) mod tag {
    pub(crate) const PANASONIC_JPEG: u16 = 0x002E;
    pub(crate) const COMPRESSION: u16 = 0x0103;
    pub(crate) const PHOTOMETRIC: u16 = 0x0106;
    pub(crate) const STRIP_OFFSETS: u16 = 0x0111;
    pub(crate) const ORIENTATION: u16 = 0x0112;
    pub(crate) const STRIP_BYTES: u16 = 0x0117;
    pub(crate) const TILE_WIDTH: u16 = 0x0142;
    pub(crate) const SUB_IFDS: u16 = 0x014A;
    pub(crate) const JPEG_OFFSET: u16 = 0x0201;
    pub(crate) const JPEG_BYTES: u16 = 0x0202;
    pub(crate) const EXIF_IFD: u16 = 0x8769;
    pub(crate) const MAKER_NOTE: u16 = 0x927C;
    pub(crate) const DATE_TIME_ORIGINAL: u16 = 0x9003;
    pub(crate) const OFFSET_TIME_ORIGINAL: u16 = 0x9011;
    pub(crate) const SUB_SEC_TIME_ORIGINAL: u16 = 0x9291;
    pub(crate) const DNG_VERSION: u16 = 0xC612;
}

fn byte_order(bytes: &[u8]) -> Option<bool> {
    match bytes.first_chunk()? {
        b"MM" => Some(true),
        b"II" => Some(false),
        _ => None,
    }
}

/// Bytes of one value of a type; types that are not known count as bytes.
fn size_of(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 => 8,
        _ => 1,
    }
}
