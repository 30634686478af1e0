//! The picture in a TIFF: programs move directories and data about when they write into it, so every number is taken for
//! what it says and not for how it is stored.

/// What gives strips and tiles their meaning: size, bits, compression, colours, order, divisions, tables.
///
/// # Source
///
/// TIFF 6.0, section 8 and appendix A; its supplements 1 and 2 (predictor, JPEG tables, sample formats).
const MEANING: [u16; 22] = [
    0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x010A, 0x0115, 0x0116, 0x011C, 0x0124, 0x0125, 0x013D, 0x0140, 0x0142,
    0x0143, 0x0152, 0x0153, 0x0154, 0x0155, 0x015B, 0x0212, 0x0214,
];

/// Values that are read of one entry, at most: strips of one row in a picture of a million rows.
const VALUES_MAX: u64 = 1 << 20;

const STRIPS: (u16, u16) = (0x0111, 0x0117);
const TILES: (u16, u16) = (0x0144, 0x0145);

/// As the parent's `picture_data`.
pub(super) fn tiff(bytes: &[u8], out: &mut dyn FnMut(&[u8])) -> bool {
    let Some(file) = File::open(bytes) else { return false };
    let Some(directory) = file.first() else { return false };
    out(b"TIFF");
    out(&[u8::from(file.big_endian)]);
    for tag in MEANING {
        let Some(entry) = directory.iter().find(|e| e.tag == tag) else { continue };
        let Some(values) = file.values(entry) else { return false };
        out(&tag.to_be_bytes());
        out(&(values.len() as u64).to_be_bytes());
        for value in values {
            out(&value.to_be_bytes());
        }
    }
    [STRIPS, TILES].iter().any(|(offsets, lengths)| {
        let find = |tag: u16| file.values(directory.iter().find(|e| e.tag == tag)?);
        match (find(*offsets), find(*lengths)) {
            (Some(offsets), Some(lengths)) => file.pieces(&offsets, &lengths, out),
            _ => false,
        }
    })
}

/// A TIFF, of the usual kind or of the large one.
struct File<'b> {
    bytes: &'b [u8],
    big_endian: bool,
    large: bool,
}

struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// Where its values begin.
    at: u64,
}

impl<'b> File<'b> {
    fn open(bytes: &'b [u8]) -> Option<File<'b>> {
        let big_endian = bytes.starts_with(b"MM");
        let mut file = File { bytes, big_endian, large: false };
        file.large = file.number(2, 2)? == 43;
        Some(file)
    }

    /// The whole number of so many bytes (8 at most) at `at`.
    fn number(&self, at: u64, size: u64) -> Option<u64> {
        let at = usize::try_from(at).ok()?;
        let bytes = self.bytes.get(at..at.checked_add(size as usize)?)?;
        let add = |n: u64, b: &u8| n << 8 | u64::from(*b);
        Some(if self.big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
    }

    fn first(&self) -> Option<Vec<Entry>> {
        let (place, word, count_size) = if self.large { (8, 8, 8) } else { (4, 4, 2) };
        let begin = self.number(place, word)?;
        let count = self.number(begin, count_size)?;
        let (entry_size, begin) = (4 + 2 * word, begin.checked_add(count_size)?);
        // No more entries than fit into the file.
        if count > self.bytes.len() as u64 / entry_size {
            return None;
        }
        let entry = |i: u64| {
            let at = begin.checked_add(i * entry_size)?;
            let (tag, kind) = (self.number(at, 2)? as u16, self.number(at + 2, 2)? as u16);
            let count = self.number(at + 4, word)?;
            let inside = size_of(kind).checked_mul(count)? <= word;
            let at = if inside { at + 4 + word } else { self.number(at + 4 + word, word)? };
            Some(Entry { tag, kind, count, at })
        };
        (0..count).map(entry).collect()
    }

    /// The whole numbers of an entry; `None` if they do not lie within the file, or are more than a picture has.
    fn values(&self, entry: &Entry) -> Option<Vec<u64>> {
        let size = size_of(entry.kind);
        let end = entry.at.checked_add(entry.count.checked_mul(size)?)?;
        if end > self.bytes.len() as u64 || entry.count > VALUES_MAX {
            return None;
        }
        (0..entry.count).map(|i| self.number(entry.at + i * size, size)).collect()
    }

    /// Hands the pieces over; `false` if there are none, or they are not as many as their lengths, lie outside of the
    /// file, or are together longer than it, so that some would count twice.
    fn pieces(&self, offsets: &[u64], lengths: &[u64], out: &mut dyn FnMut(&[u8])) -> bool {
        let together = lengths.iter().try_fold(0u64, |sum, length| sum.checked_add(*length));
        let fits = together.is_some_and(|sum| 0 < sum && sum <= self.bytes.len() as u64);
        if !fits || offsets.len() != lengths.len() {
            return false;
        }
        offsets.iter().zip(lengths).all(|(at, length)| {
            let place = at.checked_add(*length).and_then(|end| self.bytes.get(*at as usize..end as usize));
            place.inspect(|data| out(data)).is_some()
        })
    }
}

/// Bytes of one value of a type; types that are not known count as bytes.
fn size_of(kind: u16) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => 1,
    }
}
