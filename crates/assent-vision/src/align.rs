//! Alignment: cutting a face out so that its landmarks lie where the embedder was taught to expect them.
//!
//! # Invariants
//!
//! - **No reflection.** A mirrored order of landmarks gives a bad fit, never a mirrored crop.
//! - A crop is cut from the picture that it is given; nothing is sharpened or invented.

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
/// source, each of its pixels is the mean of a grid of samples, so that nothing is skipped. What lies outside of the source is black.
pub fn cut(source: &Frame, source_to_crop: &Affine, side_px: u32) -> Frame {
    let [[a, b, tx], [c, d, ty]] = *source_to_crop;
    let det = a * d - b * c;
    // Crop pixel (u, v) -> source point, by the inverse.
    let inverse = [[d / det, -b / det], [-c / det, a / det]];
    let shrink = 1.0 / det.abs().sqrt();
    let samples = ((shrink / 2.0).ceil() as usize).clamp(1, 8);
    let side = side_px as usize;
    let weight = 1.0 / (samples * samples) as f32;
    // The samples lie on a grid of `side * samples` points each way, all equally far from their neighbours.
    let place = |k: usize| (k as f64 + 0.5) / samples as f64;
    let across = (inverse[0][0] / samples as f64, inverse[1][0] / samples as f64);
    let mut out = Vec::with_capacity(side * side * 3);
    let mut sums = vec![[0f32; 3]; side];
    for v in 0..side {
        sums.fill([0.0; 3]);
        for row in v * samples..(v + 1) * samples {
            let (x, y) = (place(0) - tx, place(row) - ty);
            let (x0, y0) = (inverse[0][0] * x + inverse[0][1] * y, inverse[1][0] * x + inverse[1][1] * y);
            for (u, sum) in sums.iter_mut().enumerate() {
                for k in u * samples..(u + 1) * samples {
                    let k = k as f64;
                    sample(source, ((x0 + across.0 * k) as f32 - 0.5, (y0 + across.1 * k) as f32 - 0.5), sum);
                }
            }
        }
        out.extend(sums.iter().flat_map(|sum| sum.map(|s| (s * weight + 0.5) as u8)));
    }
    Frame::new(side_px, side_px, out).unwrap_or_else(|| Frame::filled(side_px, side_px, [0; 3]))
}

/// Adds the bilinear sample at `(x, y)`, counted from the centre of the first pixel, to `sum`.
fn sample(source: &Frame, (x, y): (f32, f32), sum: &mut [f32; 3]) {
    let (w, h, rgb) = (source.width() as usize, source.height() as usize, source.rgb());
    // NaN is outside, too.
    if !(x >= -1.0 && y >= -1.0 && x < w as f32 && y < h as f32) {
        return;
    }
    // Not below -1, so cutting off the fraction after adding 1 rounds down.
    let (ix, iy) = ((x + 1.0) as isize - 1, (y + 1.0) as isize - 1);
    let (dx, dy) = (x - ix as f32, y - iy as f32);
    let weights = [(1.0 - dx) * (1.0 - dy), dx * (1.0 - dy), (1.0 - dx) * dy, dx * dy];
    if ix >= 0 && iy >= 0 && (ix as usize) + 1 < w && (iy as usize) + 1 < h {
        let i = (iy as usize * w + ix as usize) * 3;
        let (top, bottom) = (&rgb[i..i + 6], &rgb[i + w * 3..i + w * 3 + 6]);
        for (c, s) in sum.iter_mut().enumerate() {
            *s += weights[0] * f32::from(top[c])
                + weights[1] * f32::from(top[c + 3])
                + weights[2] * f32::from(bottom[c])
                + weights[3] * f32::from(bottom[c + 3]);
        }
        return;
    }
    for (corner, weight) in weights.into_iter().enumerate() {
        let (cx, cy) = (ix + (corner % 2) as isize, iy + (corner / 2) as isize);
        if cx >= 0 && cy >= 0 && (cx as usize) < w && (cy as usize) < h {
            let i = (cy as usize * w + cx as usize) * 3;
            for (s, &value) in sum.iter_mut().zip(&rgb[i..i + 3]) {
                *s += weight * f32::from(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
