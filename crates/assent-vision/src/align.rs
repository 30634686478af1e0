//! Alignment: cutting a face out so that its landmarks lie where the embedder was taught to expect them.
//!
//! # Invariants
//!
//! - **No reflection.** A mirrored order of landmarks gives a bad fit, never a mirrored crop.
//! - A crop is cut from the picture that it is given; nothing is sharpened or invented.

use assent_kernels::{Kernel, PLACE_BITS, Pixels, SAMPLE_ONE, SampleRow};
use thiserror::Error;

use crate::frame::Frame;
use crate::geometry::Point;

/// A move in the plane, row by row: `x' = m[0][0] x + m[0][1] y + m[0][2]`, and likewise for `y'`.
pub type Affine = [[f64; 3]; 2];

/// Why landmarks give no alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AlignError {
    /// A coordinate is not a number.
    #[error("a landmark of the face is not a number")]
    NotFinite,
    /// The landmarks spread over less than one pixel.
    #[error("the landmarks of the face lie on one spot")]
    Degenerate,
}

/// Finds the similarity transform (rotation, one scale, shift) that best moves `from` onto `to`, in the sense of least
/// squares. Both are points in pixels, in the same order.
///
/// # Errors
///
/// - [`AlignError::NotFinite`] if a coordinate is NaN or infinite.
/// - [`AlignError::Degenerate`] if `from` spreads over less than 1 px (root of the summed squares).
///
/// # Source
///
/// S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE TPAMI 13(4),
/// 1991; in the plane and without reflection its decomposition reduces to the two sums below.
///
/// # Example
///
/// ```
/// use assent_vision::align::similarity;
/// use assent_vision::geometry::Point;
///
/// let face = [(30.0, 40.0), (60.0, 40.0), (45.0, 60.0), (33.0, 75.0), (57.0, 75.0)].map(|(x, y)| Point { x, y });
/// let m = similarity(&face, &face)?; // Already in place: the identity.
/// assert!((m[0][0] - 1.0).abs() < 1e-9 && m[0][2].abs() < 1e-9);
/// # Ok::<(), assent_vision::align::AlignError>(())
/// ```
pub fn similarity(from: &[Point; 5], to: &[Point; 5]) -> Result<Affine, AlignError> {
    if from.iter().chain(to).any(|p| !p.x.is_finite() || !p.y.is_finite()) {
        return Err(AlignError::NotFinite);
    }
    let mean = |points: &[Point; 5]| {
        let sum = points.iter().fold((0.0, 0.0), |s, p| (s.0 + f64::from(p.x), s.1 + f64::from(p.y)));
        (sum.0 / 5.0, sum.1 / 5.0)
    };
    let (from_mean, to_mean) = (mean(from), mean(to));
    let (mut spread, mut along, mut across) = (0.0, 0.0, 0.0);
    for (p, q) in from.iter().zip(to) {
        let (px, py) = (f64::from(p.x) - from_mean.0, f64::from(p.y) - from_mean.1);
        let (qx, qy) = (f64::from(q.x) - to_mean.0, f64::from(q.y) - to_mean.1);
        spread += px * px + py * py;
        along += px * qx + py * qy;
        across += px * qy - py * qx;
    }
    if spread < 1.0 {
        return Err(AlignError::Degenerate);
    }
    let (c, s) = (along / spread, across / spread);
    Ok([[c, -s, to_mean.0 - c * from_mean.0 + s * from_mean.1], [s, c, to_mean.1 - s * from_mean.0 - c * from_mean.1]])
}

/// The landmarks' places in a crop of `side_px`, from the template's parts of the side.
pub fn template_px(template: &[[f32; 2]; 5], side_px: u32) -> [Point; 5] {
    template.map(|[x, y]| Point { x: x * side_px as f32, y: y * side_px as f32 })
}

/// Cuts the square of `side_px` that `source_to_crop` points at out of `source`.
///
/// Bilinear samples, each of which sees two pixels either way; where the crop is smaller than half of its part of the
/// source, each of its pixels is the mean of a grid of samples, so that nothing is skipped. What lies outside of the
/// source is black.
pub fn cut(source: &Frame, source_to_crop: &Affine, side_px: u32) -> Frame {
    let black = || Frame::filled(side_px, side_px, [0; 3]);
    let (width, height) = (source.width() as usize, source.height() as usize);
    let Some(pixels) = Pixels::new(source.rgb(), width, height) else { return black() };
    let kernel = Kernel::detect();
    let [[a, b, tx], [c, d, ty]] = *source_to_crop;
    let det = a * d - b * c;
    // Crop pixel (u, v) -> source point, by the inverse.
    let inverse = [[d / det, -b / det], [-c / det, a / det]];
    let shrink = 1.0 / det.abs().sqrt();
    let samples = ((shrink / 2.0).ceil() as usize).clamp(1, SAMPLES_MAX);
    let side = side_px as usize;
    // The samples lie on a grid of `side * samples` points each way, all equally far from their neighbours.
    let place = |k: usize| (k as f64 + 0.5) / samples as f64;
    let step = inverse.map(|row| fixed(row[0] / samples as f64));
    let one = (samples * samples) as u32 * SAMPLE_ONE;
    // A product takes the place of a division.
    let part = (1_u64 << 32).div_ceil(u64::from(one));
    let mut out = vec![0; side * side * 3];
    let mut sums = vec![[0; 4]; side];
    for (v, out) in out.chunks_exact_mut((side * 3).max(1)).enumerate() {
        sums.fill([0; 4]);
        for row in v * samples..(v + 1) * samples {
            let (x, y) = (place(0) - tx, place(row) - ty);
            let start = inverse.map(|row| fixed(row[0] * x + row[1] * y - 0.5));
            pixels.add_samples(kernel, SampleRow { start, step }, samples, &mut sums);
        }
        for (pixel, [red, green, blue, _]) in out.as_chunks_mut::<3>().0.iter_mut().zip(&sums) {
            *pixel = [red, green, blue].map(|sum| ((u64::from(sum + one / 2) * part) >> 32) as u8);
        }
    }
    Frame::new(side_px, side_px, out).unwrap_or_else(black)
}

/// Samples each way for a pixel of a crop, at most.
const SAMPLES_MAX: usize = 8;

/// A place as samples have it; one that is further away than any picture reaches stays outside of all.
fn fixed(place: f64) -> i64 {
    (place.clamp(-1e9, 1e9) * (1_u64 << PLACE_BITS) as f64) as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FACE: [(f32, f32); 5] = [(30.0, 40.0), (60.0, 41.0), (45.0, 60.0), (33.0, 75.0), (57.0, 74.0)];

    fn face() -> [Point; 5] {
        FACE.map(|(x, y)| Point { x, y })
    }

    #[test]
    fn known_moves_are_found_again() {
        let check = |name: &str, scale: f64, degrees: f64, shift: (f64, f64)| {
            let (s, c) = degrees.to_radians().sin_cos();
            let (c, s) = (scale * c, scale * s);
            let moved = face().map(|p| {
                let (x, y) = (f64::from(p.x), f64::from(p.y));
                Point { x: (c * x - s * y + shift.0) as f32, y: (s * x + c * y + shift.1) as f32 }
            });
            let m = similarity(&face(), &moved).unwrap();
            let expected = [[c, -s, shift.0], [s, c, shift.1]];
            for (got, want) in m.iter().flatten().zip(expected.iter().flatten()) {
                assert!((got - want).abs() < 1e-3, "{name}: {m:?} instead of {expected:?}");
            }
        };
        check("shift", 1.0, 0.0, (10.0, -4.0));
        check("half the size", 0.5, 0.0, (0.0, 0.0));
        check("a quarter turn", 1.0, 90.0, (100.0, 0.0));
        check("upside down", 2.0, 180.0, (5.0, 5.0));
        check("all at once", 1.7, -33.0, (-20.0, 7.0));
    }

    #[test]
    fn a_mirrored_face_is_never_mirrored_back() {
        let mirrored = face().map(|p| Point { x: 100.0 - p.x, y: p.y });
        let [[a, b, _], [c, d, _]] = similarity(&face(), &mirrored).unwrap();
        assert!(a * d - b * c > 0.0);
    }

    #[test]
    fn landmarks_that_cannot_be_used_are_named() {
        let spot = [Point { x: 5.0, y: 5.0 }; 5];
        assert_eq!(similarity(&spot, &face()), Err(AlignError::Degenerate));
        let mut broken = face();
        broken[2].x = f32::NAN;
        assert_eq!(similarity(&broken, &face()), Err(AlignError::NotFinite));
    }

    /// The same in floating point, every sample on its own.
    fn cut_plainly(source: &Frame, source_to_crop: &Affine, side: u32) -> Vec<f64> {
        let [[a, b, tx], [c, d, ty]] = *source_to_crop;
        let det = a * d - b * c;
        let samples = ((1.0 / det.abs().sqrt() / 2.0).ceil()).clamp(1.0, 8.0) as u32;
        let inside =
            |x: f64, y: f64| (0.0..source.width().into()).contains(&x) && (0.0..source.height().into()).contains(&y);
        let colour = |x: f64, y: f64, channel: usize| {
            if inside(x, y) { f64::from(source.pixel(x as i64, y as i64)[channel]) } else { 0.0 }
        };
        let at = |u: f64, v: f64, channel: usize| {
            let (u, v) = (u - tx, v - ty);
            let (x, y) = ((d * u - b * v) / det - 0.5, (a * v - c * u) / det - 0.5);
            let (x0, y0) = (x.floor(), y.floor());
            let row = |y: f64| colour(x0, y, channel) * (x0 + 1.0 - x) + colour(x0 + 1.0, y, channel) * (x - x0);
            row(y0) * (y0 + 1.0 - y) + row(y0 + 1.0) * (y - y0)
        };
        let place = |pixel: u32, sample: u32| f64::from(pixel) + (f64::from(sample) + 0.5) / f64::from(samples);
        let grid = |n: u32| (0..n * n).map(move |i| (i % n, i / n));
        let pixel = |(u, v): (u32, u32), channel| {
            let sum: f64 = grid(samples).map(|(i, j)| at(place(u, i), place(v, j), channel)).sum();
            sum / f64::from(samples * samples)
        };
        grid(side).flat_map(|uv| [0, 1, 2].map(|channel| pixel(uv, channel))).collect()
    }

    proptest! {
        #[test]
        fn whole_numbers_cut_as_floating_point_does(
            scale in 0.05_f64..4.0, degrees in 0.0_f64..360.0, x in -10.0_f64..50.0, y in -10.0_f64..40.0,
            seed in any::<u32>(),
        ) {
            let noise = |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(2_246_822_519) >> 24) as u8;
            let source = Frame::new(40, 30, (0..40 * 30 * 3).map(noise).collect()).unwrap();
            let (s, c) = degrees.to_radians().sin_cos();
            let (c, s) = (scale * c, scale * s);
            // The place `(x, y)` of the source comes to the middle of the crop.
            let to_crop = [[c, -s, 8.0 - c * x + s * y], [s, c, 8.0 - s * x - c * y]];
            let (cut, plain) = (cut(&source, &to_crop, 16), cut_plainly(&source, &to_crop, 16));
            for (i, (got, expected)) in cut.rgb().iter().zip(plain).enumerate() {
                // A place is off by half a 64th of a pixel down and half a 128th across, between black and white; and a
                // colour is rounded.
                let off = 255.0 / 128.0 + 255.0 / 256.0 + 0.6;
                prop_assert!((f64::from(*got) - expected).abs() < off, "{i}: {got} for {expected}");
            }
        }
    }

    #[test]
    fn the_identity_copies_and_outside_is_black() {
        let rgb: Vec<u8> = (0..8 * 8 * 3).map(|i| i as u8).collect();
        let frame = Frame::new(8, 8, rgb).unwrap();
        let same = cut(&frame, &[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], 8);
        assert!(same == frame);
        let away = cut(&frame, &[[1.0, 0.0, 100.0], [0.0, 1.0, 0.0]], 8);
        assert!(away == Frame::filled(8, 8, [0; 3]));
    }

    #[test]
    fn shrinking_takes_the_mean() {
        let rgb = (0..32 * 32).flat_map(|i| [if (i + i / 32) % 2 == 0 { 200 } else { 100 }; 3]).collect();
        let small = cut(&Frame::new(32, 32, rgb).unwrap(), &[[0.25, 0.0, 0.0], [0.0, 0.25, 0.0]], 8);
        assert!(small.rgb().iter().all(|&v| (145..=155).contains(&v)), "{:?}", small.rgb());
    }
}
