//! The boxes of ISO base media files: HEIF, AVIF, JPEG 2000, JPEG XL and Canon's CR3 are built of them.

/// A box: its type and what it holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bmff<'b> {
    pub(super) kind: [u8; 4],
    pub(super) content: &'b [u8],
}

impl<'b> Bmff<'b> {
    /// The first box within it of this type.
    pub(super) fn child(&self, kind: [u8; 4]) -> Option<Bmff<'b>> {
        boxes(self.content).find(|b| b.kind == kind)
    }

    /// What a `uuid` box with this id holds.
    pub(super) fn of_uuid(&self, uuid: u128) -> Option<&'b [u8]> {
        let (id, content) = self.content.split_first_chunk()?;
        (&self.kind == b"uuid" && u128::from_be_bytes(*id) == uuid).then_some(content)
    }
}

/// The boxes that `bytes` begin with, up to the first that does not fit.
///
/// # Source
///
/// ISO/IEC 14496-12, 4.2: size (1: a size of eight bytes follows the type; 0: up to the end), type, content.
pub(super) fn boxes(bytes: &[u8]) -> impl Iterator<Item = Bmff<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (size, after) = rest.split_first_chunk()?;
        let (kind, after) = after.split_first_chunk()?;
        let (head, size) = match u32::from_be_bytes(*size) {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(u64::from_be_bytes(*after.first_chunk()?)).ok()?),
            size => (8, size as usize),
        };
        let content = rest.get(head..size)?;
        rest = &rest[size..];
        Some(Bmff { kind: *kind, content })
    })
}
