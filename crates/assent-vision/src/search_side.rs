//! How large a photo is while it is searched for faces.
//!
//! Faces are as large as the short edge of a photo and the number of its pixels let them be: a panorama of a whole school
//! has the faces of a group photo in a strip, and whoever takes 200 people at once takes many pixels. A rule by the longest
//! side alone loses both.
//!
//! ```text
//! up to 2:1 and 26 megapixels   the longest side is that of the search
//! longer than 2:1               the short edge is half of it, as in a photo of 2:1
//! more than 26 megapixels       at least a third of its own size (for a search at 1600)
//! any                           at most 16 megapixels, and never larger than it is
//! ```

/// Up to here a photo has the usual shape: longest side through short edge.
const USUAL_SHAPE: f64 = 2.0;

/// Up to here a photo has the usual size, pixels: cameras of 24 megapixels and all below them.
const USUAL_PIXELS: f64 = 26e6;

/// A photo of more pixels is searched at this part of its size or more, for each pixel of the search's side: a third at
/// 1600, where faces of 60 pixels have the 20 that the detector needs.
const PART_OF_LARGE: f64 = 1.0 / 4800.0;

/// The most pixels that are searched.
const SEARCHED_PIXELS_MAX: f64 = 16e6;

/// The longest side, pixels, at which a photo of this width and height is searched, where one of usual shape and size is
/// searched at `side_px`. Never more than its own.
pub fn search_side_px((width, height): (u32, u32), side_px: u32) -> u32 {
    let (longest, shortest) = (f64::from(width.max(height)), f64::from(width.min(height).max(1)));
    let usual = f64::from(side_px);
    let by_shape = if longest > USUAL_SHAPE * shortest { usual / USUAL_SHAPE / shortest * longest } else { usual };
    let by_size = if longest * shortest > USUAL_PIXELS { longest * usual * PART_OF_LARGE } else { usual };
    let most = longest * (SEARCHED_PIXELS_MAX / (longest * shortest)).sqrt();
    // What somebody asks for outright is not made less.
    (by_shape.max(by_size).min(most).max(usual).min(longest).round()) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_edge_and_the_pixels_decide() {
        let check = |name: &str, size: (u32, u32), expected: u32| {
            assert_eq!(search_side_px(size, 1600), expected, "{name}");
            assert_eq!(search_side_px((size.1, size.0), 1600), expected, "{name}, upright");
        };
        check("a phone", (4000, 3000), 1600);
        check("24 megapixels", (6000, 4000), 1600);
        check("twice as wide as high", (6000, 3000), 1600);
        check("small", (900, 600), 900);
        check("a panorama of a school", (12_000, 1800), 5333);
        check("a small panorama", (3000, 400), 3000);
        check("a group of 200", (8000, 5333), 2667);
        check("108 megapixels", (12_000, 9000), 4000);
        check("250 megapixels", (19_000, 13_000), 4836);
        check("a panorama of 120 megapixels", (30_000, 4000), 10_000);
        check("a strip", (65_000, 500), 45_607);
        assert_eq!(search_side_px((8000, 5333), 4000), 4899, "asked for, within the most");
        assert_eq!(search_side_px((8000, 6000), 8000), 8000, "asked for outright");
        assert_eq!(search_side_px((0, 0), 1600), 0);
    }
}
