//! The segments of a JPEG, walked as libjpeg walks them.
//!
//! Cameras, editors and mail programs leave stray bytes between segments, lengths that are too short, a trailer behind
//! the picture or no end marker at all. Every common decoder opens such a file in full, with a warning at most, and so
//! does this one: the picture is written anew, without what does not belong to it ([`Walk::rewritten`]). What a decoder
//! still complains of then is missing from the picture itself.
//!
//! # Source
//!
//! ITU-T T.81 (JPEG), annex B: marker segments carry their length; within entropy-coded data 0xFF is followed by 0x00 or
//! a restart marker. libjpeg's `next_marker` and `skip_variable` for what lies between.

/// A step of the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'b> {
    /// A marker segment: the marker's second byte, and what follows the length.
    Segment(u8, &'b [u8]),
    /// The entropy-coded data behind a start of scan.
    Data(&'b [u8]),
    /// The end marker.
    End,
}

/// Walks the parts of a JPEG, up to the end marker, the end of the file, or what no decoder goes past.
#[derive(Debug, Clone)]
pub(super) struct Parts<'b> {
    bytes: &'b [u8],
    at: usize,
    in_data: bool,
}

impl<'b> Parts<'b> {
    /// The parts behind the two bytes that every JPEG begins with.
    pub(super) fn of(bytes: &'b [u8]) -> Parts<'b> {
        Parts { bytes, at: 2, in_data: false }
    }

    /// Where the next marker is: the place of its second byte. Stray bytes and fill bytes are passed over.
    fn marker(&self) -> Option<usize> {
        let mut at = self.at;
        loop {
            at += memchr::memchr(0xFF, self.bytes.get(at..)?)?;
            while *self.bytes.get(at)? == 0xFF {
                at += 1;
            }
            // A stuffed byte is none, and a restart marker or TEM has nothing behind it.
            match self.bytes[at] {
                0x00 | 0x01 | 0xD0..=0xD7 => at += 1,
                _ => return Some(at),
            }
        }
    }
}

impl<'b> Iterator for Parts<'b> {
    type Item = Part<'b>;

    fn next(&mut self) -> Option<Part<'b>> {
        let marker = self.marker();
        if std::mem::take(&mut self.in_data) {
            // The data end before the fill bytes of the next marker, or with the file.
            let end = marker.map_or(self.bytes.len(), |at| at - 1);
            let data = self.bytes.get(self.at..end)?;
            self.at = end;
            return Some(Part::Data(data.trim_suffix_of(0xFF)));
        }
        let at = marker?;
        match self.bytes[at] {
            0xD9 => {
                self.at = self.bytes.len();
                Some(Part::End)
            }
            // What no decoder knows, and a second picture within the first.
            0x02..=0xBF | 0xD8 | 0xF0..=0xFD => {
                self.at = self.bytes.len();
                None
            }
            kind => {
                // A length counts its own two bytes; one below that counts as none.
                let length = usize::from(u16::from_be_bytes(*self.bytes.get(at + 1..)?.first_chunk()?)).max(2);
                let content = self.bytes.get(at + 3..at + 1 + length)?;
                self.at = at + 1 + length;
                self.in_data = kind == 0xDA;
                Some(Part::Segment(kind, content))
            }
        }
    }
}

trait TrimSuffix {
    fn trim_suffix_of(&self, byte: u8) -> &Self;
}

impl TrimSuffix for [u8] {
    fn trim_suffix_of(&self, byte: u8) -> &[u8] {
        &self[..self.iter().rposition(|b| *b != byte).map_or(0, |last| last + 1)]
    }
}

/// A run of zeros of this length within the data is no picture: a copy that was not finished, or a bad sector.
pub(super) const HOLE_BYTES: usize = 256;

/// Coefficients of a block.
const COEFFICIENTS: usize = 64;

/// A colour of the frame.
#[derive(Debug, Clone)]
struct Component {
    id: u8,
    /// Samples across and down for one unit.
    sampling: (u64, u64),
    /// Up to which bit each coefficient has come; `None` for one that has not.
    come: [Option<u8>; COEFFICIENTS],
}

/// What a whole walk says of a JPEG.
#[derive(Debug, Clone, Default)]
pub(super) struct Walk {
    /// Passes over the picture.
    pub(super) passes: u32,
    /// Samples that the decoder visits in all passes together.
    pub(super) visits: u64,
    /// Samples of all colours, which a decoder of several passes keeps.
    pub(super) samples: u64,
    /// Whether the end marker was there.
    pub(super) ended: bool,
    /// Whether the coding tells when its data end too early: arithmetic coding does not.
    tells_its_end: bool,
    is_progressive: bool,
    components: Vec<Component>,
}

impl Walk {
    /// Walks all of a JPEG.
    pub(super) fn of(bytes: &[u8]) -> Walk {
        Walk::through(Parts::of(bytes))
    }

    /// Walks a JPEG up to its data.
    pub(super) fn begin(bytes: &[u8]) -> Walk {
        Walk::through(Parts::of(bytes).take_while(|part| !matches!(part, Part::Data(_))))
    }

    /// Whether a decoder makes several passes; known from the beginning.
    pub(super) fn has_several_passes(&self) -> bool {
        self.is_progressive || self.passes > 0 && self.components.iter().any(|c| c.come[0].is_none())
    }

    fn through<'b>(parts: impl Iterator<Item = Part<'b>>) -> Walk {
        let mut walk = Walk::default();
        for part in parts {
            match part {
                Part::Segment(kind @ (0xC0..=0xC2 | 0xC9..=0xCA), frame) if walk.components.is_empty() => {
                    walk.frame(kind, frame);
                }
                Part::Segment(0xDA, scan) => walk.scan(scan),
                Part::Segment(..) | Part::Data(_) => {}
                Part::End => walk.ended = true,
            }
        }
        walk
    }

    /// # Source
    ///
    /// ITU-T T.81, annex B.2.2: precision, height, width, the number of components, and for each of them its number, its
    /// sampling and its table.
    fn frame(&mut self, kind: u8, frame: &[u8]) {
        let [_, h0, h1, w0, w1, count, rest @ ..] = frame else { return };
        let pixels = u64::from(u16::from_be_bytes([*h0, *h1])) * u64::from(u16::from_be_bytes([*w0, *w1]));
        self.tells_its_end = kind < 0xC9;
        self.is_progressive = matches!(kind, 0xC2 | 0xCA);
        let component = |c: &[u8; 3]| Component {
            id: c[0],
            sampling: (u64::from(c[1] >> 4), u64::from(c[1] & 15)),
            come: [None; COEFFICIENTS],
        };
        self.components = rest.as_chunks::<3>().0.iter().take(usize::from(*count)).map(component).collect();
        let most = |side: fn(&Component) -> u64| self.components.iter().map(side).max().unwrap_or(1).max(1);
        let unit = most(|c| c.sampling.0) * most(|c| c.sampling.1);
        self.samples = self.components.iter().map(|c| c.sampling.0 * c.sampling.1 * pixels / unit).sum();
    }

    /// # Source
    ///
    /// ITU-T T.81, annex B.2.3: the number of components, two bytes for each, the first and the last coefficient, and the
    /// bit that came before and the one that comes now.
    fn scan(&mut self, scan: &[u8]) {
        self.passes += 1;
        let Some((count, rest)) = scan.split_first() else { return };
        let Some((ids, &[first, last, bits])) = rest.split_at_checked(2 * usize::from(*count)) else { return };
        let units: u64 = self.components.iter().map(|c| c.sampling.0 * c.sampling.1).sum();
        for id in ids.iter().step_by(2) {
            let Some(component) = self.components.iter_mut().find(|c| c.id == *id) else { continue };
            self.visits += self.samples * component.sampling.0 * component.sampling.1 / units.max(1);
            let coefficients = usize::from(first).min(COEFFICIENTS)..=usize::from(last).min(COEFFICIENTS - 1);
            component.come.get_mut(coefficients).unwrap_or_default().fill(Some(bits & 15));
        }
    }

    /// Whether every pass that the picture needs is there. A file with its end marker has at least the means of each
    /// colour; one without must have all of them to the last bit, because nothing else says that no more was to come.
    pub(super) fn has_all_passes(&self) -> bool {
        if self.ended {
            return self.components.iter().all(|c| c.come[0].is_some());
        }
        self.tells_its_end && self.components.iter().all(|c| c.come.iter().all(|come| *come == Some(0)))
    }

    /// Whether a scan holds so many zeros that they are no part of a picture: what a copy that was not finished, or a bad
    /// sector, leaves behind. A decoder takes them for blocks in which every value is -1, and may find its way again behind
    /// them without a complaint. Only where zeros are the code for "nothing more in this block" can a picture be full of
    /// them: a flat one, with a table of its own. Of a progressive picture that is not known.
    ///
    /// # Source
    ///
    /// ITU-T T.81, annexes B.2.4.2 and C: a table has the number of its codes of each length, then their symbols, and the
    /// first code is all zeros; F.1.2.2: symbol 0 of a table of the second class ends the block.
    pub(super) fn has_hole(bytes: &[u8]) -> bool {
        let is_empty = |block: &[u8; HOLE_BYTES / 2]| block[0] == 0 && block.iter().all(|b| *b == 0);
        // A quick look: somewhere within so many zeros, half as many lie in one piece.
        if !bytes.as_chunks().0.iter().any(is_empty) {
            return false;
        }
        let (mut ends_block, mut is_sequential, mut is_flat) = ([false; 16], false, false);
        for part in Parts::of(bytes) {
            match part {
                Part::Segment(0xC0 | 0xC1, _) => is_sequential = true,
                Part::Segment(0xC4, mut tables) => {
                    while let Some((&[class_and_id, ref lengths @ ..], symbols)) = tables.split_first_chunk::<17>() {
                        let count = lengths.iter().map(|n| usize::from(*n)).sum::<usize>();
                        if class_and_id >> 4 == 1 {
                            ends_block[usize::from(class_and_id & 15)] = symbols.first() == Some(&0);
                        }
                        tables = symbols.get(count..).unwrap_or_default();
                    }
                }
                Part::Segment(0xDA, [count, rest @ ..]) => {
                    let tables = rest.as_chunks::<2>().0.iter().take(usize::from(*count));
                    is_flat = tables.into_iter().all(|[_, tables]| ends_block[usize::from(tables & 15)]);
                }
                // Those at its end may be padding; the decoder says whether it used them.
                Part::Data(data) if is_sequential && !is_flat => {
                    let data = data.trim_suffix_of(0);
                    if longest_zeros(data) >= HOLE_BYTES {
                        return true;
                    }
                }
                _ => {}
            }
        }
        false
    }

    /// Whether it is printed with inks.
    pub(super) fn has_inks(&self) -> bool {
        self.components.len() == 4
    }

    /// The longest tail of zeros behind the last data of `bytes`, and its longest run of them anywhere, bytes.
    pub(super) fn zeros(bytes: &[u8]) -> (usize, usize) {
        let mut last: &[u8] = &[];
        let mut longest = 0;
        for part in Parts::of(bytes) {
            if let Part::Data(data) = part {
                last = data;
                longest = longest_zeros(data).max(longest);
            }
        }
        (last.iter().rev().take_while(|b| **b == 0).count(), longest)
    }

    /// The picture alone: what a decoder needs, in its order, with nothing between and with an end marker.
    pub(super) fn rewritten(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + 64);
        out.extend([0xFF, 0xD8]);
        let (mut jfif, mut adobe) = (false, false);
        for part in Parts::of(bytes) {
            match part {
                // Of both, the colours follow alone, so that they are written as every decoder knows them.
                Part::Segment(0xE0, content) if content.starts_with(b"JFIF\0") && !jfif => {
                    jfif = true;
                    put(&mut out, 0xE0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
                }
                Part::Segment(0xEE, content) if content.starts_with(b"Adobe") && content.len() >= 12 && !adobe => {
                    adobe = true;
                    let mut content = content[..12].to_vec();
                    // A kind that is not known is taken for colours, or inks, as they are mostly stored.
                    if content[11] > 2 {
                        content[11] = 1 + u8::from(Walk::of(bytes).components.len() == 4);
                    }
                    put(&mut out, 0xEE, &content);
                }
                // DNL comes behind the data whose height it says; without APPn and comments, this is the picture.
                Part::Segment(0xE0..=0xFE | 0xDC, _) | Part::End => {}
                Part::Segment(kind, content) => put(&mut out, kind, content),
                Part::Data(data) => out.extend(data),
            }
        }
        out.extend([0xFF, 0xD9]);
        out
    }
}

fn longest_zeros(data: &[u8]) -> usize {
    data.split(|b| *b != 0).map(<[u8]>::len).max().unwrap_or(0)
}

fn put(out: &mut Vec<u8>, kind: u8, content: &[u8]) {
    out.extend([0xFF, kind]);
    out.extend((content.len() as u16 + 2).to_be_bytes());
    out.extend(content);
}
