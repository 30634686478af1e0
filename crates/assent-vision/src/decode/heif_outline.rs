//! HEIC and AVIF, as far as another program that decodes them has to be looked after.

use super::NotDecoded;
use super::bmff::{Bmff, boxes};
use super::format::{Format, recognise};
use super::outline::pixels;

/// What the boxes of a HEIC or AVIF file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heif {
    /// HEIC or AVIF.
    pub kind: NotDecoded,
    /// Width and height of its largest picture as they are stored, pixels.
    pub size: (u32, u32),
    /// Whether its boxes say how it has to be turned. A decoder of HEIF does that, and EXIF data, which may say it again, do
    /// not count. Where the boxes say nothing, EXIF counts as for any other picture.
    pub is_turned: bool,
}

impl Heif {
    /// Which of the two a file is, by its first bytes; `None` for any other format.
    pub fn kind(bytes: &[u8]) -> Option<NotDecoded> {
        match recognise(bytes)? {
            Format::Other(kind @ (NotDecoded::Heif | NotDecoded::Avif)) => Some(kind),
            _ => None,
        }
    }

    /// Reads the boxes; `None` for any other format, and for a file that says of no picture how large it is.
    ///
    /// # Source
    ///
    /// ISO/IEC 23008-12 (HEIF), 6.5: the properties `ispe` (width and height), `irot` and `imir` (turned, mirrored) in
    /// `meta`/`iprp`/`ipco`.
    pub fn read(bytes: &[u8]) -> Option<Heif> {
        let kind = Heif::kind(bytes)?;
        let meta = boxes(bytes).find(|b| &b.kind == b"meta")?;
        // Version and flags come first.
        let inner = meta.content.get(4..)?;
        let properties = boxes(inner).find(|b| &b.kind == b"iprp")?.child(*b"ipco")?;
        let sizes = boxes(properties.content).filter(|b| &b.kind == b"ispe").filter_map(|b| size(&b));
        let is_turned = boxes(properties.content).any(|b| matches!(&b.kind, b"irot" | b"imir"));
        Some(Heif { kind, size: sizes.max_by_key(|size| pixels(*size))?, is_turned })
    }
}

fn size(ispe: &Bmff<'_>) -> Option<(u32, u32)> {
    let [_, _, _, _, w0, w1, w2, w3, h0, h1, h2, h3, ..] = *ispe.content else { return None };
    Some((u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3])))
}
