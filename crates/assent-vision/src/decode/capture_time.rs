//! When a photo was taken, by what its camera wrote into it.
//!
//! ```text
//! JPEG: APP1 | PNG: eXIf | WebP: EXIF | TIFF and RAW: the file itself, CR3: CMT2, RAF: its JPEG | HEIC, AVIF: the item
//!   -> EXIF directory -> DateTimeOriginal, SubSecTimeOriginal, OffsetTimeOriginal
//! ```

use image::ImageFormat;

use super::bmff::boxes;
use super::format::{Format, recognise};
use super::tiff::{Directory, Tiff, tag};
use super::{heif, raw};

/// Photography is not older. Programs that know no date write the first day of their own calendar.
const FIRST_YEAR: i64 = 1800;

/// Characters of a date or an offset that are read, at most.
const TEXT_MAX: usize = 64;

/// When the shutter opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureTime {
    /// Milliseconds since 1970-01-01 UTC. Without an offset: as if the camera's clock had shown UTC.
    pub instant_ms: i64,
    /// By how much the camera's clock was ahead of UTC, minutes, if the photo says so.
    pub offset_min: Option<i16>,
}

/// When a photo was taken, by its EXIF data (`DateTimeOriginal`): the picture is not decoded for it. `None` where there is
/// no such date, or one that cannot be.
///
/// # Source
///
/// Exif 2.32, 4.6.5: dates as `2026:07:14 09:30:00`, blanks where a part is not known; offsets as `+02:00`, from 2.31 on.
pub fn capture_time(bytes: &[u8]) -> Option<CaptureTime> {
    let exif = |data: &[u8]| in_exif(data.strip_prefix(b"Exif\0\0").unwrap_or(data));
    match recognise(bytes)? {
        Format::Jpeg => in_jpeg(bytes),
        Format::Raw if bytes.starts_with(b"FUJIFILM") => in_jpeg(raw::preview(bytes).ok()?.jpeg),
        Format::Raw if bytes.get(4..8) == Some(b"ftyp") => exif(canon_exif(bytes)?),
        Format::Raw | Format::Image(ImageFormat::Tiff, _) => in_exif(bytes),
        Format::Image(ImageFormat::Png, _) => exif(png_chunk(bytes, *b"eXIf")?),
        Format::Image(ImageFormat::WebP, _) => exif(webp_chunk(bytes, *b"EXIF")?),
        Format::Image(..) => None,
        Format::Other(_) => exif(heif::exif(bytes)?),
    }
}

/// The first segment of EXIF data that names a date.
fn in_jpeg(bytes: &[u8]) -> Option<CaptureTime> {
    let mut at = 2;
    loop {
        let [first, kind] = *bytes.get(at..)?.first_chunk()?;
        match (first, kind) {
            (0xFF, 0xFF) => at += 1,
            (0xFF, 0x01 | 0xD0..=0xD8) => at += 2,
            (0xFF, 0x00 | 0xD9 | 0xDA) => return None,
            (0xFF, _) => {
                let length = usize::from(u16::from_be_bytes(*bytes.get(at + 2..)?.first_chunk()?));
                let segment = bytes.get(at + 4..at + 2 + length)?;
                let exif = segment.strip_prefix(b"Exif\0\0").filter(|_| kind == 0xE1);
                if let Some(found) = exif.and_then(in_exif) {
                    return Some(found);
                }
                at += 2 + length;
            }
            // A stray byte between two segments.
            _ => at += 1,
        }
    }
}

/// What a chunk of a PNG holds: its length, its name, as many bytes, a checksum.
fn png_chunk(bytes: &[u8], wanted: [u8; 4]) -> Option<&[u8]> {
    let mut rest = bytes.get(8..)?;
    loop {
        let (length, after) = rest.split_first_chunk()?;
        let (kind, after) = after.split_first_chunk()?;
        let (content, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        if *kind == wanted {
            return Some(content);
        }
        rest = after.get(4..)?;
    }
}

/// What a chunk of a WebP holds: its name, its length, as many bytes, padded to an even number.
fn webp_chunk(bytes: &[u8], wanted: [u8; 4]) -> Option<&[u8]> {
    let mut rest = bytes.get(12..)?;
    loop {
        let (kind, after) = rest.split_first_chunk()?;
        let (length, after) = after.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        if *kind == wanted {
            return Some(after.get(..length).unwrap_or(after));
        }
        rest = after.get(length.checked_add(length % 2)?..)?;
    }
}

/// The EXIF directory of a CR3, which is built like a TIFF of its own.
fn canon_exif(bytes: &[u8]) -> Option<&[u8]> {
    let moov = boxes(bytes).find(|b| &b.kind == b"moov")?;
    let canon = boxes(moov.content).find_map(|inner| inner.of_uuid(raw::CANON))?;
    boxes(canon).find(|b| &b.kind == b"CMT2").map(|b| b.content)
}

fn in_exif(data: &[u8]) -> Option<CaptureTime> {
    let tiff = Tiff::open(data)?;
    let first = tiff.first()?;
    let exif = first.value(tag::EXIF_IFD).and_then(|at| tiff.directory(at));
    // Some cameras write the date into the first directory, as TIFF/EP had it.
    exif.iter().chain([&first]).find_map(|directory| in_directory(data, directory))
}

fn in_directory(data: &[u8], directory: &Directory<'_>) -> Option<CaptureTime> {
    let text = |tag| {
        let place = directory.place(tag)?;
        let text = data.get(place)?;
        let text = text.get(..TEXT_MAX).unwrap_or(text);
        std::str::from_utf8(text.split(|byte| *byte == 0).next()?).ok()
    };
    let date = text(tag::DATE_TIME_ORIGINAL)?.trim();
    let (seconds, rest) = wall_clock_s(date)?;
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let fraction = text(tag::SUB_SEC_TIME_ORIGINAL).map(str::trim).filter(|s| !s.is_empty()).unwrap_or(fraction);
    let offset_min = text(tag::OFFSET_TIME_ORIGINAL).and_then(offset_min).or_else(|| offset_min(rest));
    let instant_ms = seconds * 1000 + thousandths(fraction) - i64::from(offset_min.unwrap_or(0)) * 60_000;
    Some(CaptureTime { instant_ms, offset_min })
}

/// Seconds since 1970 that a clock on the wall shows, and what is written behind the date.
fn wall_clock_s(text: &str) -> Option<(i64, &str)> {
    let bytes = text.as_bytes();
    let number = |from: usize, digits: usize| -> Option<i64> {
        let digits = bytes.get(from..from + digits)?;
        digits.iter().all(u8::is_ascii_digit).then_some(())?;
        Some(digits.iter().fold(0, |n, digit| 10 * n + i64::from(digit - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    let separated = [4, 7].iter().all(|at| b":-/.".contains(&bytes[*at]))
        && b" T".contains(&bytes[10])
        && [13, 16].iter().all(|at| bytes[*at] == b':');
    // The second 60 is a leap second.
    let is_time = hour < 24 && minute < 60 && second <= 60;
    let is_date = year >= FIRST_YEAR && (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    let seconds = (days_since_1970(year, month, day) * 24 + hour) * 3600 + minute * 60 + second;
    (separated && is_time && is_date).then_some((seconds, text.get(19..)?))
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// # Source
///
/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// `+02:00`, `-0530` or `Z`, in minutes.
fn offset_min(text: &str) -> Option<i16> {
    let text = text.trim();
    if text == "Z" {
        return Some(0);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':').or_else(|| rest.split_at_checked(2))?;
    let number = |digits: &str, max: i16| {
        let right = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|n: &i16| right && *n <= max)
    };
    Some(sign * (number(hours, 14)? * 60 + number(minutes, 59)?))
}

/// What digits behind a decimal point are, in thousandths.
fn thousandths(digits: &str) -> i64 {
    let value = |(i, c): (usize, char)| Some(i64::from(c.to_digit(10)?) * [100, 10, 1][i]);
    digits.chars().take(3).enumerate().map_while(value).sum()
}
