//! Making a picture smaller.

use assent_kernels::{Kernel, Taps, shrink};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::frame::Frame;
use crate::geometry::Rect;

/// The sides of a picture of `(width, height)` whose longest side is to be at most `side_px`: never larger than it
/// was, never below 1.
pub fn fit_within((width, height): (u32, u32), side_px: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= side_px {
        return (width, height);
    }
    let scale = |side: u32| {
        ((f64::from(side) * f64::from(side_px) / f64::from(longest)).round() as u32).clamp(1, side_px.max(1))
    };
    (scale(width), scale(height))
}

/// `frame` at `(width, height)` pixels, each new pixel the weighted mean of the old ones that it covers.
///
/// The filter is a triangle over the covered area (antialiased bilinear); colours are averaged as they are stored,
/// without going through linear light, because that is how the networks were trained.
pub fn resize(frame: &Frame, size: (u32, u32)) -> Frame {
    resize_part(frame, Rect { x: 0.0, y: 0.0, width: frame.width() as f32, height: frame.height() as f32 }, size)
}

/// The part of `frame` within `part` (pixels of `frame`; moved and cut to lie inside) at `(width, height)` pixels, as
/// [`resize`] does it.
pub fn resize_part(frame: &Frame, part: Rect, (width, height): (u32, u32)) -> Frame {
    let (all_x, all_y) = (f64::from(frame.width()), f64::from(frame.height()));
    let (left, top) = (f64::from(part.x).clamp(0.0, all_x - 1.0), f64::from(part.y).clamp(0.0, all_y - 1.0));
    let (across, down) =
        (f64::from(part.width).clamp(1.0, all_x - left), f64::from(part.height).clamp(1.0, all_y - top));
    let (width, height) = (width.max(1), height.max(1));
    let taps = |old: u32, part, new: u32| Taps::new(old as usize, part, new as usize);
    let sides = taps(frame.width(), (left, across), width).zip(taps(frame.height(), (top, down), height));
    let rgb = if let Some((across, down)) = sides {
        let mut rgb = vec![0; width as usize * height as usize * 3];
        shrink(Kernel::detect(), frame.rgb(), &across, &down, &mut rgb);
        rgb
    } else {
        let mut target = Image::new(width, height, PixelType::U8x3);
        // Up to a half, the four nearest pixels see every old pixel; further down, as a strip is along one side alone, the
        // filter widens.
        let (to_half, filter) = (across / f64::from(width) <= 2.0, FilterType::Bilinear);
        let algorithm = if to_half { ResizeAlg::Interpolation(filter) } else { ResizeAlg::Convolution(filter) };
        let options = ResizeOptions::new().resize_alg(algorithm).crop(left, top, across, down);
        let resized = ImageRef::new(frame.width(), frame.height(), frame.rgb(), PixelType::U8x3)
            .map_err(|_| ())
            .and_then(|source| Resizer::new().resize(&source, &mut target, &options).map_err(|_| ()));
        // A `Frame` always has the right number of bytes and the pixel types agree, so nothing is left that could fail.
        debug_assert!(resized.is_ok());
        target.into_vec()
    };
    Frame::new(width, height, rgb).unwrap_or_else(|| Frame::filled(width, height, [0; 3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_side_decides() {
        assert_eq!(fit_within((2400, 1600), 1200), (1200, 800));
        assert_eq!(fit_within((1600, 2400), 1200), (800, 1200));
        assert_eq!(fit_within((100, 50), 1200), (100, 50));
        assert_eq!(fit_within((100_000, 1), 1200), (1200, 1));
    }

    #[test]
    fn a_part_is_what_the_whole_shows_there() {
        let rgb = (0..64u32 * 48).flat_map(|i| [(i % 64 * 4) as u8, (i / 64 * 5) as u8, 7]).collect();
        let frame = Frame::new(64, 48, rgb).unwrap();
        let check = |name: &str, shrink: u32, inner: [(u32, u32); 3]| {
            let whole = resize(&frame, (64 / shrink, 48 / shrink));
            let part = Rect { x: 16.0, y: 8.0, width: 40.0, height: 32.0 };
            let part = resize_part(&frame, part, (40 / shrink, 32 / shrink));
            for (x, y) in inner {
                let expected = whole.pixel((x + 16 / shrink).into(), (y + 8 / shrink).into());
                let got = part.pixel(x.into(), y.into());
                assert!(expected.iter().zip(got).all(|(a, b)| a.abs_diff(b) <= 1), "{name}: {got:?} for {expected:?}");
            }
        };
        check("half", 2, [(1, 1), (10, 7), (18, 13)]);
        check("an eighth", 8, [(1, 1), (2, 2), (3, 2)]);
        let outside = resize_part(&frame, Rect { x: -9.0, y: 47.5, width: 900.0, height: 9.0 }, (64, 1));
        assert_eq!((outside.width(), outside.height()), (64, 1));
    }

    #[test]
    fn a_resized_picture_keeps_its_mean() {
        let rgb = (0..64 * 64).flat_map(|i| [if i % 2 == 0 { 200 } else { 100 }; 3]).collect();
        let small = resize(&Frame::new(64, 64, rgb).unwrap(), (16, 16));
        assert_eq!((small.width(), small.height()), (16, 16));
        assert!(small.rgb().iter().all(|&v| (145..=155).contains(&v)));
    }
}
