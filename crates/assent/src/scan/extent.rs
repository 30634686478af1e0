//! What a scan can see of a photo, against what was seen of it before.
//!
//! A photo that was searched at a smaller side, for upright faces alone, or only where a smaller picture showed something, is
//! searched again by a scan that would see more; in no respect for less than before, so that nobody is lost. A scan that
//! would see less leaves it as it is; where it has to look again, because the file was rated, captioned or renamed, it
//! looks for no less than before either. Of photos that were scanned before format 6 it is not known how; they are taken as
//! searched by the defaults of that time: a longest side of 1600 pixels, any way up, coarse to fine.

use assent_ledger::{KnownPhoto, SearchExtent};
use assent_vision::decode::TOO_MUCH_MEMORY;
use assent_vision::detect::{Posture, SearchOptions, Thoroughness};

/// The longest side of the searches before format 6, pixels.
const SIDE_PX_BEFORE: u32 = 1600;

/// What this scan would see of photos, against what was seen of them before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extents {
    /// How this scan searches.
    pub(super) search: SearchOptions,
}

/// What a scan would see of a known photo.
pub(super) struct Compared {
    /// This scan would see more: it is looked at again.
    pub(super) is_more: bool,
    /// This scan would see less: it stays as it is.
    pub(super) is_less: bool,
    /// How it is searched if it is looked at again, where that is another search than this scan's.
    pub(super) no_less: Option<SearchOptions>,
}

/// How a photo was searched. `None`: it was scanned before format 6.
fn before(searched: Option<SearchExtent>, size: (u32, u32)) -> SearchExtent {
    searched.unwrap_or(SearchExtent {
        side_px: size.0.max(size.1).min(SIDE_PX_BEFORE),
        any_way_up: true,
        exhaustive: false,
    })
}

impl Extents {
    /// Of one that could not be read nothing was seen.
    pub(super) fn compare(self, known: &KnownPhoto) -> Compared {
        if known.failure.is_some() {
            return Compared { is_more: false, is_less: false, no_less: None };
        }
        self.compared(known.searched, (known.width, known.height))
    }

    fn compared(self, searched: Option<SearchExtent>, size: (u32, u32)) -> Compared {
        let (before, now) = (before(searched, size), extent_of(self.search, size));
        Compared {
            is_more: !before.includes(now),
            is_less: !now.includes(before),
            no_less: Some(self.no_less(before, size)).filter(|search| *search != self.search),
        }
    }

    /// How a photo of this width and height is searched again: as this scan searches, and for no less than before.
    fn no_less(self, before: SearchExtent, size: (u32, u32)) -> SearchOptions {
        let now = extent_of(self.search, size);
        // A search whose side is larger in this proportion is usually enough; a photo that was searched at more than its
        // shape asks for was searched so on somebody's word.
        let scaled = u64::from(self.search.side_px) * u64::from(before.side_px);
        let scaled = scaled.div_ceil(u64::from(now.side_px.max(1))) as u32;
        let is_enough =
            |side_px: &u32| SearchOptions { side_px: *side_px, ..self.search }.side_of(size) >= before.side_px;
        let side_px = [self.search.side_px, scaled].into_iter().find(is_enough).unwrap_or(before.side_px);
        let posture = if before.any_way_up { Posture::AnyWayUp } else { self.search.posture };
        let thoroughness = if before.exhaustive { Thoroughness::Exhaustive } else { self.search.thoroughness };
        SearchOptions { side_px, posture, thoroughness }
    }
}

/// Whether a photo that could not be read is tried again although its file is as it was: for a reason that lay not in the
/// file, or may not lie there any more.
pub(super) fn tries_again(known: &KnownPhoto, has_heif: bool) -> bool {
    known.failure.as_deref().is_some_and(|code| match code {
        TOO_MUCH_MEMORY | "decoder-gave-up" => true,
        "heic-not-decoded" | "avif-not-decoded" => has_heif,
        // Before format 6 other files were refused than now.
        _ => known.searched.is_none(),
    })
}

/// The search that finds what either of two finds.
pub(super) fn union(a: SearchOptions, b: SearchOptions) -> SearchOptions {
    SearchOptions {
        side_px: a.side_px.max(b.side_px),
        posture: if b.posture == Posture::AnyWayUp { b.posture } else { a.posture },
        thoroughness: if b.thoroughness == Thoroughness::Exhaustive { b.thoroughness } else { a.thoroughness },
    }
}

/// What a search sees of a photo of this width and height; of one that could not be read, with sides of 0, nothing.
pub(super) fn extent_of(search: SearchOptions, size: (u32, u32)) -> SearchExtent {
    SearchExtent {
        side_px: search.side_of(size),
        any_way_up: search.posture == Posture::AnyWayUp,
        exhaustive: search.thoroughness == Thoroughness::Exhaustive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPRIGHT: SearchOptions =
        SearchOptions { side_px: 1600, posture: Posture::Upright, thoroughness: Thoroughness::CoarseToFine };
    const USUAL: SearchOptions = SearchOptions { posture: Posture::AnyWayUp, ..UPRIGHT };
    const THOROUGH: SearchOptions = SearchOptions { thoroughness: Thoroughness::Exhaustive, ..UPRIGHT };
    const LARGER: SearchOptions = SearchOptions { side_px: 3000, ..UPRIGHT };
    const PHOTO: (u32, u32) = (6000, 4000);
    const SCHOOL: (u32, u32) = (12_000, 1800);

    #[test]
    fn a_scan_that_would_see_more_looks_again_for_no_less() {
        let check = |name: &str, size: (u32, u32), before: Option<SearchOptions>, now: SearchOptions, expected| {
            let searched = before.map(|before| extent_of(before, size));
            let compared = Extents { search: now }.compared(searched, size);
            let search = compared.no_less.unwrap_or(now);
            assert_eq!(compared.is_more.then_some(search), expected, "{name}");
            // Also where it looks again for another reason.
            let after = extent_of(search, size);
            assert!(after.includes(extent_of(now, size)) && after.includes(super::before(searched, size)), "{name}");
        };
        check("the same", PHOTO, Some(USUAL), USUAL, None);
        check("upright first", PHOTO, Some(UPRIGHT), USUAL, Some(USUAL));
        check("upright after", PHOTO, Some(USUAL), UPRIGHT, None);
        check(
            "every pixel, after any way up",
            PHOTO,
            Some(USUAL),
            THOROUGH,
            Some(SearchOptions { posture: Posture::AnyWayUp, ..THOROUGH }),
        );
        check(
            "larger, after every pixel",
            PHOTO,
            Some(THOROUGH),
            LARGER,
            Some(SearchOptions { thoroughness: Thoroughness::Exhaustive, ..LARGER }),
        );
        check("any way up, after larger", PHOTO, Some(LARGER), USUAL, Some(SearchOptions { side_px: 3000, ..USUAL }));
        check("larger than the photo is", (900, 600), Some(UPRIGHT), LARGER, None);
        check("before format 6", PHOTO, None, USUAL, None);
        check("a panorama before format 6", SCHOOL, None, USUAL, Some(USUAL));
        check("a panorama", SCHOOL, Some(USUAL), USUAL, None);
        check(
            "a panorama, after larger",
            SCHOOL,
            Some(LARGER),
            THOROUGH,
            Some(SearchOptions { side_px: 3001, ..THOROUGH }),
        );
    }

    #[test]
    fn the_union_of_two_searches_finds_what_either_finds() {
        let all = [UPRIGHT, USUAL, THOROUGH, LARGER];
        for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b))) {
            let both = extent_of(union(a, b), PHOTO);
            assert!(both.includes(extent_of(a, PHOTO)) && both.includes(extent_of(b, PHOTO)), "{a:?}, {b:?}");
            assert_eq!(union(a, a), a);
        }
    }

    #[test]
    fn a_scan_that_would_see_less_is_known() {
        let check = |name: &str, before: SearchOptions, now: SearchOptions, expected: bool| {
            let compared = Extents { search: now }.compared(Some(extent_of(before, PHOTO)), PHOTO);
            assert_eq!(compared.is_less, expected, "{name}");
        };
        check("the same", USUAL, USUAL, false);
        check("more", UPRIGHT, USUAL, false);
        check("upright after", USUAL, UPRIGHT, true);
        check("smaller", LARGER, UPRIGHT, true);
        check("not every pixel", THOROUGH, UPRIGHT, true);
    }
}
