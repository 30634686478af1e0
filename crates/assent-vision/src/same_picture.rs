//! Are two crops of faces cut from one picture? Pictures are compared here, not people: another photo of the same person
//! is another picture.
//!
//! ```text
//! portrait's crop, photo's crop -> luminance, 64 x 64
//!   -> the photo's is moved, turned and resized a little until it lies on the portrait's as well as it can
//!   -> what is finer than a part of a face (the band) is kept of both, and correlated
//! ```
//!
//! Landmarks of a copy differ by a pixel or two from those of its original, and that is enough to make a copy look less
//! like its original than two portraits in the same studio light look like each other. Hence the first step. The second
//! one leaves out what all faces have in common: light eyes' surroundings, a dark mouth.
//!
//! A copy may be resized, compressed, mirrored, or brighter; all of that leaves the band nearly as it was.

use crate::embed::Aligned;
use crate::quality::luminance;
use crate::resize::resize;

/// Side of the compared pictures, pixels. The eyes are about 24 of them apart, so that every face that is fit for an
/// enrolment (16 pixels) has nearly all of this detail.
const SIDE: usize = 64;

/// This much of the portrait's crop is left out at each edge, pixels, so that a moved crop still covers the rest.
const BORDER: usize = 8;

/// Side of what is compared, pixels.
const INNER: usize = SIDE - 2 * BORDER;

/// How the photo's crop is laid onto the portrait's, coarse first.
const STAGES: [Stage; 3] = [
    Stage { blur_px: 3, steps: 8, every_px: 3 },
    Stage { blur_px: 1, steps: 8, every_px: 2 },
    Stage { blur_px: 0, steps: 4, every_px: 1 },
];

/// So many steps on both crops blurred so much, by pixels this far apart.
struct Stage {
    blur_px: usize,
    steps: usize,
    every_px: usize,
}

/// One step changes size and turn by at most this (parts, radians), and the place by at most 2 pixels.
const STEP_MAX: [f64; 4] = [0.1, 0.1, 2.0, 2.0];

/// All steps together change size and turn by at most this, and the place by at most 10 pixels.
const MOVE_MAX: [f64; 4] = [0.35, 0.35, 10.0, 10.0];

/// What a blur by so many pixels takes away is the band.
const BAND: usize = 4;

/// From this correlation of the bands on, two crops are from one picture.
///
/// # Source
///
/// Measured on the sample photos and portraits, see `docs/quality.md`: two of 2,123 copies and crops lie below 0.92, no
/// pair of different pictures above 0.86. A little nearer to the latter, because a copy that is taken does more harm
/// than a picture that has to be taken again.
const COPY_MIN: f64 = 0.88;

/// A portrait's face, ready to be compared with the faces of many photos.
pub struct Comparison {
    plain: [Plane; 3],
    mirrored: [Plane; 3],
}

impl std::fmt::Debug for Comparison {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Comparison { .. }")
    }
}

impl Comparison {
    /// Of a portrait's crop.
    pub fn new(portrait: &Aligned) -> Comparison {
        let plain = Plane::of(portrait);
        let mirrored = plain.mirrored();
        Comparison { plain: plain.for_each_stage(), mirrored: mirrored.for_each_stage() }
    }

    /// Whether `photo`, a crop by the same template, shows the same picture, plain or mirrored.
    pub fn is_same_picture(&self, photo: &Aligned) -> bool {
        let photo = Plane::of(photo).for_each_stage().map(Sloped::of);
        likeness(&self.plain, &photo) >= COPY_MIN || likeness(&self.mirrored, &photo) >= COPY_MIN
    }
}

/// The correlation of the bands, -1 to 1, after `photo` was laid onto `portrait`.
fn likeness(portrait: &[Plane; 3], photo: &[Sloped; 3]) -> f64 {
    let mut placed = [0.0; 4];
    for ((stage, portrait), photo) in STAGES.iter().zip(portrait).zip(photo) {
        placed = lay(portrait, photo, placed, stage);
    }
    let cut = |plane: &Plane, placed| {
        let values: Vec<Option<f32>> = inner(1).map(|at| plane.sample(moved(placed, at))).collect();
        let known = values.iter().flatten().count().max(1) as f32;
        let mean = values.iter().flatten().sum::<f32>() / known;
        (Plane { side: INNER, values: values.iter().map(|v| v.unwrap_or(mean)).collect() }, values)
    };
    let [.., portrait] = portrait;
    let [.., photo] = photo;
    let ((a, _), (b, seen)) = (cut(portrait, [0.0; 4]), cut(&photo.plane, placed));
    let (a, b) = (a.band(BAND), b.band(BAND));
    let both = a.values.iter().zip(&b.values).zip(&seen).filter(|(_, seen)| seen.is_some());
    let pairs: Vec<(f64, f64)> = both.map(|((a, b), _)| (f64::from(*a), f64::from(*b))).collect();
    // What was moved out of the photo's crop is unknown; half must be left to compare.
    if pairs.len() * 2 < a.values.len() { 0.0 } else { correlation(&pairs) }
}

/// Where `photo` has to be looked up so that it lies on `portrait`: `[size, turn, right, down]` as [`moved`] takes them,
/// improved from `placed`.
///
/// # Source
///
/// B. D. Lucas and T. Kanade, "An iterative image registration technique with an application to stereo vision", IJCAI
/// 1981, for a similarity transform, with contrast and brightness as two more unknowns.
fn lay(portrait: &Plane, photo: &Sloped, mut placed: [f64; 4], stage: &Stage) -> [f64; 4] {
    for _ in 0..stage.steps {
        // The normal equations of least squares, the right side last.
        let mut normal = [[0.0; 7]; 6];
        for at in inner(stage.every_px) {
            let Some([value, dx, dy]) = photo.sample(moved(placed, at)) else { continue };
            let target = portrait.sample(moved([0.0; 4], at)).unwrap_or_default();
            let (x, y) = (f64::from(at.0), f64::from(at.1));
            let [value, dx, dy, target] = [value, dx, dy, target].map(f64::from);
            let row = [dx * x + dy * y, dy * x - dx * y, dx, dy, value, 1.0, target];
            for (sums, a) in normal.iter_mut().zip(row) {
                sums.iter_mut().zip(row).for_each(|(sum, b)| *sum += a * b);
            }
        }
        let Some(found) = solve(normal) else { break };
        let contrast = found[4].max(0.1);
        for i in 0..4 {
            let step = (found[i] / contrast).clamp(-STEP_MAX[i], STEP_MAX[i]);
            placed[i] = (placed[i] + step).clamp(-MOVE_MAX[i], MOVE_MAX[i]);
        }
    }
    placed
}

/// The places that are compared, every so many pixels, from the middle of the crop.
fn inner(every_px: usize) -> impl Iterator<Item = (f32, f32)> {
    let part = |i: usize| i as f32 - (INNER - 1) as f32 / 2.0;
    let all = move || (0..INNER).step_by(every_px);
    all().flat_map(move |y| all().map(move |x| (part(x), part(y))))
}

/// A place of the portrait's crop (from its middle) in the photo's (from the middle of its first pixel).
fn moved([size, turn, right, down]: [f64; 4], (x, y): (f32, f32)) -> (f32, f32) {
    let (x, y, middle) = (f64::from(x), f64::from(y), (SIDE - 1) as f64 / 2.0);
    ((middle + x + size * x - turn * y + right) as f32, (middle + y + turn * x + size * y + down) as f32)
}

/// Six equations with six unknowns, the right side last, by elimination with pivots; `None` if they do not say enough.
fn solve(mut m: [[f64; 7]; 6]) -> Option<[f64; 6]> {
    let least = m.iter().enumerate().map(|(i, row)| row[i].abs()).fold(0.0, f64::max) * 1e-12;
    for i in 0..6 {
        let pivot = (i..6).max_by(|a, b| m[*a][i].abs().total_cmp(&m[*b][i].abs()))?;
        m.swap(i, pivot);
        let top = m[i];
        if top[i].abs() <= least {
            return None;
        }
        for row in m.iter_mut().enumerate().filter(|(k, _)| *k != i).map(|(_, row)| row) {
            let factor = row[i] / top[i];
            row.iter_mut().zip(top).for_each(|(v, t)| *v -= factor * t);
        }
    }
    Some(std::array::from_fn(|i| m[i][6] / m[i][i]))
}

/// Pearson's correlation; 0 where one side is flat.
fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let n = pairs.len().max(1) as f64;
    let (a_mean, b_mean) = pairs.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0 / n, s.1 + p.1 / n));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        let (a, b) = (a - a_mean, b - b_mean);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    if aa * bb > 0.0 { ab / (aa * bb).sqrt() } else { 0.0 }
}

/// The luminance of a square picture, `[side][side]`, 0 to 255; or something made of it.
struct Plane {
    side: usize,
    values: Vec<f32>,
}

impl Plane {
    fn of(aligned: &Aligned) -> Plane {
        let side = SIDE as u32;
        Plane { side: SIDE, values: luminance(&resize(aligned.crop(), (side, side))) }
    }

    fn mirrored(&self) -> Plane {
        let rows = self.values.chunks_exact(self.side);
        Plane { side: self.side, values: rows.flat_map(|row| row.iter().rev().copied()).collect() }
    }

    /// The value at a pixel; outside, that of the nearest one inside.
    fn at(&self, x: isize, y: isize) -> f32 {
        let inside = |v: isize| v.clamp(0, self.side as isize - 1) as usize;
        self.values[inside(y) * self.side + inside(x)]
    }

    /// The bilinear sample at a place; `None` outside.
    fn sample(&self, (x, y): (f32, f32)) -> Option<f32> {
        let last = (self.side - 1) as f32;
        // NaN is outside, too.
        if !(x >= 0.0 && y >= 0.0 && x <= last && y <= last) {
            return None;
        }
        let (x0, y0) = ((x as usize).min(self.side - 2), (y as usize).min(self.side - 2));
        let (dx, dy, i) = (x - x0 as f32, y - y0 as f32, y0 * self.side + x0);
        let row = |i: usize| self.values[i] * (1.0 - dx) + self.values[i + 1] * dx;
        Some(row(i) * (1.0 - dy) + row(i + self.side) * dy)
    }

    /// Each value made of its neighbours to the one side and the other, in this direction.
    fn along(&self, (right, down): (isize, isize), reach: isize, weigh: impl Fn(isize) -> f32) -> Plane {
        let side = self.side as isize;
        let one = |x, y| (-reach..=reach).map(|d| weigh(d) * self.at(x + d * right, y + d * down)).sum();
        Plane {
            side: self.side,
            values: (0..side).flat_map(|y| (0..side).map(move |x| (x, y))).map(|(x, y)| one(x, y)).collect(),
        }
    }

    /// How much the value grows for each pixel in this direction.
    fn slope(&self, right: isize, down: isize) -> Plane {
        self.along((right, down), 1, |d| d as f32 / 2.0)
    }

    /// Blurred twice by the mean over `reach` pixels to each side.
    fn blurred(&self, reach: usize) -> Plane {
        let mean = |_| 1.0 / (2 * reach + 1) as f32;
        let reach = reach as isize;
        let once = |plane: &Plane| plane.along((1, 0), reach, mean).along((0, 1), reach, mean);
        once(&once(self))
    }

    /// Blurred as each stage needs it.
    fn for_each_stage(&self) -> [Plane; 3] {
        STAGES.map(|stage| self.blurred(stage.blur_px))
    }

    /// What a blur takes away.
    fn band(&self, reach: usize) -> Plane {
        let coarse = self.blurred(reach);
        Plane { side: self.side, values: self.values.iter().zip(&coarse.values).map(|(v, c)| v - c).collect() }
    }
}

/// A plane and how much it grows for each pixel to the right and down.
struct Sloped {
    plane: Plane,
    across: Plane,
    down: Plane,
}

impl Sloped {
    fn of(plane: Plane) -> Sloped {
        Sloped { across: plane.slope(1, 0), down: plane.slope(0, 1), plane }
    }

    /// The value and both slopes at a place; `None` outside.
    fn sample(&self, at: (f32, f32)) -> Option<[f32; 3]> {
        Some([self.plane.sample(at)?, self.across.sample(at)?, self.down.sample(at)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::{Affine, cut};
    use crate::frame::Frame;

    /// A picture with detail of every size, another one for each `derive_key`.
    fn picture(derive_key: f32) -> Frame {
        let value = |x: f32, y: f32| {
            let wave = |fx: f32, fy: f32| ((fx * x + fy * derive_key * y) * derive_key).sin();
            128.0 + 40.0 * wave(0.11, 0.05) + 30.0 * wave(-0.13, 0.23) + 30.0 * wave(0.31, 0.17)
        };
        let rgb = (0..256u32 * 256).flat_map(|i| [value((i % 256) as f32, (i / 256) as f32) as u8; 3]).collect();
        Frame::new(256, 256, rgb).unwrap()
    }

    /// The middle of a picture, cut out with a turn (radians), a size and a shift (crop pixels).
    fn crop(picture: &Frame, turn: f64, size: f64, shift: f64) -> Aligned {
        let (s, c) = turn.sin_cos();
        let (s, c) = (s * size, c * size);
        let to_crop: Affine = [[c, -s, 64.0 + shift - 128.0 * (c - s)], [s, c, 64.0 - 128.0 * (s + c)]];
        Aligned { crop: cut(picture, &to_crop, 128) }
    }

    fn changed(aligned: &Aligned, change: impl Fn(u8) -> u8) -> Aligned {
        let rgb = aligned.crop().rgb().iter().map(|v| change(*v)).collect();
        Aligned { crop: Frame::new(128, 128, rgb).unwrap() }
    }

    fn mirrored(aligned: &Aligned) -> Aligned {
        let rows = aligned.crop().rgb().chunks_exact(128 * 3);
        let rgb = rows.flat_map(|row| row.chunks_exact(3).rev().flatten().copied()).collect();
        Aligned { crop: Frame::new(128, 128, rgb).unwrap() }
    }

    #[test]
    fn one_picture_is_recognised_and_another_is_not() {
        let original = crop(&picture(1.0), 0.0, 1.0, 0.0);
        let check = |name: &str, portrait: Aligned, expected: bool| {
            assert_eq!(Comparison::new(&portrait).is_same_picture(&original), expected, "{name}");
        };
        let moved = |turn, size, shift| crop(&picture(1.0), turn, size, shift);
        check("itself", moved(0.0, 1.0, 0.0), true);
        check("mirrored", mirrored(&original), true);
        check("with less contrast", changed(&original, |v| v / 2 + 90), true);
        check("with other landmarks", moved(0.04, 1.05, 3.0), true);
        check("coarsely rounded", changed(&original, |v| v / 16 * 16), true);
        check("another picture", crop(&picture(1.8), 0.0, 1.0, 0.0), false);
        check("its negative", changed(&original, |v| 255 - v), false);
        check("one colour", changed(&original, |_| 99), false);
    }

    #[test]
    fn equations_that_say_too_little_have_no_solution() {
        let mut equations = [[0.0; 7]; 6];
        for (i, row) in equations.iter_mut().enumerate() {
            row[5 - i] = 2.0;
            row[6] = i as f64;
        }
        assert_eq!(solve(equations), Some([2.5, 2.0, 1.5, 1.0, 0.5, 0.0]));
        equations[3] = equations[2];
        assert_eq!(solve(equations), None);
    }
}
