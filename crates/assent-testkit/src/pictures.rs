//! Pictures and forms made for tests.

use assent::{Frame, encode, fit_within, resize};
use assent_vision::decode::{DecodeLimits, decode};
use assent_vision::geometry::{Orientation, QuarterTurn};

/// A picture file, decoded.
pub fn open(bytes: &[u8]) -> Frame {
    decode(bytes, DecodeLimits::default()).unwrap()
}

/// A picture as a JPEG of high quality.
pub fn jpeg(frame: &Frame) -> Vec<u8> {
    encode::jpeg(frame, 95).unwrap()
}

/// A JPEG with EXIF data that say when it was taken (`2026:07:14 09:30:00`), and by how much that clock was ahead of UTC
/// (`+02:00`).
pub fn dated(jpeg: &[u8], date: &str, offset: Option<&str>) -> Vec<u8> {
    let texts = [(0x9003u16, Some(date)), (0x9011, offset)];
    let texts: Vec<(u16, String)> =
        texts.iter().filter_map(|(tag, text)| Some((*tag, format!("{}\0", (*text)?)))).collect();
    // A directory that points at the EXIF directory, and that one, both of 12 bytes an entry; then the texts.
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1A\0\0\0\0".to_vec();
    exif.extend((texts.len() as u16).to_be_bytes());
    let mut at = 26 + 2 + 12 * texts.len() + 4;
    for (tag, text) in &texts {
        exif.extend(
            [&tag.to_be_bytes()[..], &[0, 2], &(text.len() as u32).to_be_bytes(), &(at as u32).to_be_bytes()].concat(),
        );
        at += text.len();
    }
    exif.extend([0; 4]);
    exif.extend(texts.iter().flat_map(|(_, text)| text.bytes()));
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

/// A JPEG that opens and differs for each `n`: a signed form, as far as a program can tell.
pub fn release(n: u32) -> Vec<u8> {
    let mut form = Frame::filled(32, 8, [255; 3]);
    for (x, pixel) in form.rgb_mut().chunks_exact_mut(3).enumerate() {
        if n >> (x % 32) & 1 == 1 {
            pixel.fill(0);
        }
    }
    jpeg(&form)
}

/// A PDF of so many empty pages, with `text` in a comment.
pub fn pdf(pages: usize, text: &str) -> Vec<u8> {
    let kids: Vec<String> = (0..pages).map(|i| format!("{} 0 R", i + 3)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Count {pages} /Kids [ {} ] >>", kids.join(" ")),
    ];
    objects.extend((0..pages).map(|_| "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>".to_owned()));
    let mut out = format!("%PDF-1.4\n% {text}\n");
    let mut table = vec!["0000000000 65535 f ".to_owned()];
    for (i, object) in objects.iter().enumerate() {
        table.push(format!("{:010} 00000 n ", out.len()));
        out = format!("{out}{} 0 obj\n{object}\nendobj\n", i + 1);
    }
    let (count, start, table) = (table.len(), out.len(), table.join("\n"));
    format!("{out}xref\n0 {count}\n{table}\ntrailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n")
        .into()
}

/// The picture with its longest side made this short.
pub fn shrunk(frame: &Frame, side_px: u32) -> Frame {
    resize(frame, fit_within((frame.width(), frame.height()), side_px))
}

/// The picture, its left and right sides exchanged.
pub fn mirrored(frame: &Frame) -> Frame {
    frame.clone().oriented(Orientation { mirror: true, turn: QuarterTurn::None })
}

/// A part of the picture: left, top, width, height, pixels.
pub fn part(frame: &Frame, [left, top, width, height]: [u32; 4]) -> Frame {
    let rows = (top..top + height).map(|y| (y * frame.width() + left) as usize * 3);
    let rgb = rows.flat_map(|i| frame.rgb()[i..i + width as usize * 3].iter().copied()).collect();
    Frame::new(width, height, rgb).unwrap()
}

/// The picture with every value multiplied, up to white.
pub fn darkened(frame: &Frame, factor: f32) -> Frame {
    let mut dark = frame.clone();
    dark.rgb_mut().iter_mut().for_each(|v| *v = (f32::from(*v) * factor) as u8);
    dark
}

/// The picture, blurred: each value becomes the mean of a square that reaches `reach` pixels to each side.
pub fn blurred(frame: &Frame, reach: i64) -> Frame {
    let mut soft = frame.clone();
    for across in [true, false] {
        let from = soft.clone();
        let width = i64::from(from.width());
        for (i, pixel) in soft.rgb_mut().chunks_exact_mut(3).enumerate() {
            let (x, y) = (i as i64 % width, i as i64 / width);
            let mut sum = [0i64; 3];
            for d in -reach..=reach {
                let near = if across { from.pixel(x + d, y) } else { from.pixel(x, y + d) };
                sum.iter_mut().zip(near).for_each(|(s, v)| *s += i64::from(v));
            }
            pixel.iter_mut().zip(sum).for_each(|(p, s)| *p = (s / (2 * reach + 1)) as u8);
        }
    }
    soft
}

/// Two pictures beside each other, the lower one filled up with black.
pub fn side_by_side(a: &Frame, b: &Frame) -> Frame {
    let (width, height) = (a.width() + b.width(), a.height().max(b.height()));
    let mut both = Frame::filled(width, height, [0; 3]);
    for (frame, left) in [(a, 0), (b, a.width())] {
        let row = frame.width() as usize * 3;
        for (y, pixels) in frame.rgb().chunks_exact(row).enumerate() {
            let at = (y * width as usize + left as usize) * 3;
            both.rgb_mut()[at..at + row].copy_from_slice(pixels);
        }
    }
    both
}
