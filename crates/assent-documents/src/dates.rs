//! How days and moments are written: for people in everyday language, for programs as RFC 3339 has it.

use assent::ledger::{PhotoTime, PhotoTimeSource, Timestamp};

/// A day, in UTC: `2026-11-22`.
pub fn date(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "?".to_owned(), |t| t.to_zoned(jiff::tz::TimeZone::UTC).date().to_string())
}

/// A moment, in UTC, as RFC 3339 has it: `2026-11-22T08:30:00.5Z`.
pub fn moment(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| "?".to_owned(), |t| t.to_string())
}

/// A date for people in a sentence, in UTC: `31 July 2027`.
pub fn long_date(at: Timestamp) -> String {
    written(at, "%-d %B %Y")
}

/// A moment for people, in UTC: `31 July 2027, 14:05 UTC`.
pub fn long_time(at: Timestamp) -> String {
    written(at, "%-d %B %Y, %H:%M UTC")
}

/// The year in which a photo was taken.
pub fn year(taken: &PhotoTime) -> String {
    written(taken.wall_clock(), "%Y")
}

/// The month in which a photo was taken: `December 2024`.
pub fn month(taken: &PhotoTime) -> String {
    written(taken.wall_clock(), "%B %Y")
}

fn written(at: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| "?".to_owned(), |t| t.strftime(format).to_string())
}

/// The day on which a photo was taken, for people.
pub fn taken_on(taken: &PhotoTime) -> String {
    let day = long_date(taken.wall_clock());
    match taken.from {
        PhotoTimeSource::Exif => day,
        PhotoTimeSource::File => format!("{day} (date of the file)"),
    }
}

/// When a photo was taken, for machines: what a clock on the wall showed, and its offset where that is known.
pub fn taken_at(taken: &PhotoTime) -> String {
    let offset = match (taken.offset_min, taken.from) {
        (Some(0), _) | (None, PhotoTimeSource::File) => "Z".to_owned(),
        (Some(min), _) => format!("{}{:02}:{:02}", if min < 0 { '-' } else { '+' }, min.abs() / 60, min.abs() % 60),
        (None, PhotoTimeSource::Exif) => String::new(),
    };
    jiff::Timestamp::from_millisecond(taken.wall_clock().0).map_or_else(
        |_| "?".to_owned(),
        |t| format!("{}{offset}", t.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_dated_by_the_clock_on_the_wall() {
        let check = |name: &str, offset_min: Option<i16>, from: PhotoTimeSource, says: &str, at: &str| {
            // 2026-07-13 22:30 UTC.
            let taken = PhotoTime { at: Timestamp(1_783_981_800_000), offset_min, from };
            assert_eq!((taken_on(&taken).as_str(), taken_at(&taken).as_str()), (says, at), "{name}");
        };
        check("east", Some(120), PhotoTimeSource::Exif, "14 July 2026", "2026-07-14T00:30:00+02:00");
        check("west", Some(-210), PhotoTimeSource::Exif, "13 July 2026", "2026-07-13T19:00:00-03:30");
        check("UTC", Some(0), PhotoTimeSource::Exif, "13 July 2026", "2026-07-13T22:30:00Z");
        check("no offset", None, PhotoTimeSource::Exif, "13 July 2026", "2026-07-13T22:30:00");
        check("a file", None, PhotoTimeSource::File, "13 July 2026 (date of the file)", "2026-07-13T22:30:00Z");
    }
}
