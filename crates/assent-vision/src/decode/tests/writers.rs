//! Small writers of what no encoder at hand writes.

/// An EXIF segment that holds an orientation alone, to be put behind the first two bytes of a JPEG.
pub(super) fn with_exif(mut jpeg: Vec<u8>, orientation: u8) -> Vec<u8> {
    // A TIFF header and a directory of one entry: tag 0x0112, type SHORT, one value.
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    jpeg.splice(2..2, segment(0xE1, &exif));
    jpeg
}

/// A segment of a JPEG.
pub(super) fn segment(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xFF, kind], length.as_slice(), content].concat()
}

/// The place of the second byte of a JPEG's frame marker.
pub(super) fn frame_at(jpeg: &[u8]) -> usize {
    let mut at = 2;
    while !matches!(jpeg[at + 1], 0xC0..=0xC2 | 0xC9 | 0xCA) {
        at += 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
    }
    at + 1
}

/// A grey baseline JPEG of blocks of one grey each, `[blocks_high][blocks_wide]`, with a restart marker after every
/// `restart` blocks.
///
/// # Source
///
/// ITU-T T.81: annexes B (segments), C (codes), F.1.2 (differences of the mean; here no block has anything else).
pub(super) fn blocky_jpeg(greys: &[u8], blocks_wide: usize, restart: usize) -> Vec<u8> {
    let (width, height) = (blocks_wide as u16 * 8, (greys.len() / blocks_wide) as u16 * 8);
    let mut out = vec![0xFF, 0xD8];
    // The mean's step is 8: then a block's coefficient is its grey - 128.
    out.extend(segment(0xDB, &[&[0u8][..], &[8; 64]].concat()));
    let ([h0, h1], [w0, w1]) = (height.to_be_bytes(), width.to_be_bytes());
    out.extend(segment(0xC0, &[8, h0, h1, w0, w1, 1, 1, 0x11, 0]));
    // Twelve codes of four bits for the lengths of differences; one code of one bit for "nothing else".
    let means = [&[0u8, 0, 0, 0, 12][..], &[0; 12], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]].concat();
    out.extend(segment(0xC4, &means));
    out.extend(segment(0xC4, &[&[0x10u8, 1][..], &[0; 15], &[0]].concat()));
    out.extend(segment(0xDD, &(restart as u16).to_be_bytes()));
    out.extend(segment(0xDA, &[1, 1, 0, 0, 63, 0]));
    for (n, run) in greys.chunks(restart).enumerate() {
        if n > 0 {
            out.extend([0xFF, 0xD0 + (n as u8 - 1) % 8]);
        }
        let mut bits = Vec::new();
        let mut before = 0;
        for grey in run {
            let level = i32::from(*grey) - 128;
            let difference = level - before;
            before = level;
            let length = 32 - difference.unsigned_abs().leading_zeros();
            let coded = if difference < 0 { difference - 1 + (1 << length) } else { difference };
            bits.extend((0..4).rev().map(|i| length >> i & 1));
            bits.extend((0..length).rev().map(|i| coded as u32 >> i & 1));
            bits.push(0);
        }
        while !bits.len().is_multiple_of(8) {
            bits.push(1);
        }
        for byte in bits.chunks(8) {
            let byte = byte.iter().fold(0, |byte, bit| byte << 1 | *bit as u8);
            out.push(byte);
            if byte == 0xFF {
                out.push(0);
            }
        }
    }
    out.extend([0xFF, 0xD9]);
    out
}

/// CRC-32 as PNG wants it, bit by bit.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |mut crc, b| {
        crc ^= u32::from(*b);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
        }
        crc
    })
}

fn png_chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let body = [kind.as_slice(), content].concat();
    [&(content.len() as u32).to_be_bytes()[..], &body, &crc32(&body).to_be_bytes()].concat()
}

/// An animated PNG of two frames, from two PNGs of the same size and kind.
pub(super) fn animated_png(first: &[u8], second: &[u8]) -> Vec<u8> {
    let data = |png: &[u8]| {
        let (mut at, mut data) = (8, Vec::new());
        while at < png.len() {
            let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
            if &png[at + 4..at + 8] == b"IDAT" {
                data.extend(&png[at + 8..at + 8 + length]);
            }
            at += 12 + length;
        }
        data
    };
    let control = |n: u32| {
        let still = [0u32.to_be_bytes(), 0u32.to_be_bytes()].concat(); // At the left top, for no time.
        png_chunk(*b"fcTL", &[&n.to_be_bytes()[..], &first[16..24], &still, &[0, 1, 0, 1, 0, 0]].concat())
    };
    let mut out = first[..33].to_vec(); // Signature and header.
    out.extend(png_chunk(*b"acTL", &[2u32.to_be_bytes(), 0u32.to_be_bytes()].concat()));
    out.extend(control(0));
    out.extend(png_chunk(*b"IDAT", &data(first)));
    out.extend(control(1));
    out.extend(png_chunk(*b"fdAT", &[&2u32.to_be_bytes()[..], &data(second)].concat()));
    out.extend(png_chunk(*b"IEND", &[]));
    out
}

/// An animated WebP, from still lossless ones of the same size.
pub(super) fn animated_webp(frames: &[Vec<u8>], (width, height): (u32, u32)) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], content: &[u8]| {
        let mut out = [&kind[..], &(content.len() as u32).to_le_bytes(), content].concat();
        out.resize(out.len().next_multiple_of(2), 0);
        out
    };
    let three = |n: u32| n.to_le_bytes()[..3].to_vec();
    let size = [three(width - 1), three(height - 1)].concat();
    let mut body = b"WEBP".to_vec();
    body.extend(chunk(b"VP8X", &[&[2u8, 0, 0, 0][..], &size].concat()));
    body.extend(chunk(b"ANIM", &[255, 255, 255, 255, 0, 0]));
    for frame in frames {
        body.extend(chunk(b"ANMF", &[&[0u8; 6][..], &size, &three(100), &[0], &frame[12..]].concat()));
    }
    chunk(b"RIFF", &body)
}

/// The value of an entry in a directory that [`TiffFile`] writes.
pub(super) enum Value<'a> {
    Short(u16),
    /// Several whole numbers of four bytes.
    Longs(Vec<u32>),
    /// Bytes as the entry's own value.
    Bytes(&'a [u8]),
    /// Bytes elsewhere in the file, of which the entry says the place.
    At(&'a [u8]),
    /// Directories elsewhere in the file.
    Directories(Vec<Vec<(u16, Value<'a>)>>),
}

/// Writes files that are built like a TIFF.
pub(super) struct TiffFile {
    pub(super) bytes: Vec<u8>,
    big_endian: bool,
}

impl TiffFile {
    /// A file with a head of its own, which is followed by a chain of directories; the place of the first of these
    /// goes to `first_at` of the head.
    pub(super) fn write(head: &[u8], first_at: usize, big_endian: bool, chain: Vec<Vec<(u16, Value<'_>)>>) -> Vec<u8> {
        let mut file = TiffFile { bytes: head.to_vec(), big_endian };
        let mut next = 0;
        for directory in chain.into_iter().rev() {
            next = file.directory(directory, next);
        }
        let next = file.four(next);
        file.bytes[first_at..first_at + 4].copy_from_slice(&next);
        file.bytes
    }

    fn two(&self, n: u16) -> [u8; 2] {
        if self.big_endian { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    fn four(&self, n: u32) -> [u8; 4] {
        if self.big_endian { n.to_be_bytes() } else { n.to_le_bytes() }
    }

    fn put(&mut self, bytes: &[u8]) -> u32 {
        let at = self.bytes.len() as u32;
        self.bytes.extend(bytes);
        at
    }

    /// Writes what the entries point at, then the directory; returns its place.
    fn directory(&mut self, entries: Vec<(u16, Value<'_>)>, next: u32) -> u32 {
        let mut rows = Vec::new();
        for (tag, value) in entries {
            let (kind, count, bytes) = match value {
                Value::Short(n) => (3, 1, self.two(n).to_vec()),
                Value::Longs(all) => (4, all.len(), all.iter().flat_map(|n| self.four(*n)).collect()),
                Value::Bytes(bytes) => (7, bytes.len(), bytes.to_vec()),
                Value::At(bytes) => {
                    let at = self.put(bytes);
                    (4, 1, self.four(at).to_vec())
                }
                Value::Directories(all) => {
                    let places: Vec<u32> = all.into_iter().map(|d| self.directory(d, 0)).collect();
                    (4, places.len(), places.iter().flat_map(|n| self.four(*n)).collect())
                }
            };
            let mut four = bytes.clone();
            if bytes.len() > 4 {
                let at = self.put(&bytes);
                four = self.four(at).to_vec();
            }
            four.resize(4, 0);
            rows.push([&self.two(tag)[..], &self.two(kind), &self.four(count as u32), &four].concat());
        }
        let (count, next) = (self.two(rows.len() as u16), self.four(next));
        self.put(&[&count[..], &rows.concat(), &next].concat())
    }
}

/// A box of an ISO base media file.
pub(super) fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], &kind, content].concat()
}
