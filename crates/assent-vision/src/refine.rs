//! A second look at a face whose place is known: its landmarks, from a picture of it alone.
//!
//! In the photo a face may be small, large or tilted, and landmarks found so are a little off. Turned upright and brought
//! to one size, every face is seen as the detector sees faces best, portraits and photos alike, and the crops that are
//! compared are cut alike: what it brings is in `docs/accuracy.md`. It is two looks, one at the face in its box and one
//! with the eyes levelled by what the first one found; the landmarks are the mean of both, which scatters less. Where the
//! first look is not sure of the face, which may stand half-way between two quarter turns, it is turned a little to either
//! side, and the surest of the three stands. The looks
//! start from what is kept of a face, its box and its quarter turn, so that a face that is met again later gives the same
//! landmarks to the bit.

use crate::align::{Affine, cut, similarity};
use crate::detect::FaceFinder;
use crate::frame::Frame;
use crate::geometry::{Point, QuarterTurn, Rect};
use crate::runtime::InferenceError;

/// Side of the picture of the face alone, pixels.
const SIDE_PX: u32 = 224;

/// The longer side of the face's box there, pixels: within the sizes that the detector was taught (10 to 300), with
/// room around it.
const FACE_PX: f32 = 188.0;

/// Distance between the eyes in the picture that is levelled by the first landmarks, pixels.
const EYES_PX: f32 = 75.0;

/// That a face is there is known; the second look need not be as sure as the first.
const LEAST: f32 = 0.3;

/// A first look that scores less is made again with the face turned to either side.
///
/// # Source
///
/// From 0.88 to 0.95, and with 30 or 45 degrees, the sample set gives the same answers: `docs/accuracy.md`.
const SURE: f32 = 0.9;

/// How far the face is turned to either side then: sine and cosine of 30 degrees, written out so that every machine has
/// the same.
const TILT: (f64, f64) = (0.5, 0.866_025_403_784_438_6);

/// The middle of the face may lie this far from the middle of the picture, pixels; further away it is another face.
const SHIFT_MAX_PX: f32 = 50.0;

/// Where the landmarks are expected in a picture of a face alone.
#[derive(Debug, Clone, Copy)]
pub struct LandmarkRefiner {
    expected: [Point; 5],
}

impl LandmarkRefiner {
    /// For faces with the proportions of an embedder's `template`: parts of a side, in the detector's order.
    pub fn new(template: &[[f32; 2]; 5]) -> LandmarkRefiner {
        let [[left, _], [right, _], ..] = *template;
        let (scale, middle) = (EYES_PX / (right - left).max(f32::EPSILON), SIDE_PX as f32 / 2.0);
        let place = |part: f32| (part - 0.5) * scale + middle;
        LandmarkRefiner { expected: template.map(|[x, y]| Point { x: place(x), y: place(y) }) }
    }

    /// The landmarks of the face in `bounds` (photo pixels), which stands upright after `turn`, in photo pixels; `None`
    /// if no face is found there. `copy` is the photo with `scale` of its pixels for one of the copy's.
    ///
    /// # Errors
    ///
    /// [`InferenceError`] if the network fails.
    pub fn landmarks(
        &self,
        finder: &mut FaceFinder,
        (copy, scale): (&Frame, f32),
        bounds: Rect,
        turn: QuarterTurn,
    ) -> Result<Option<[Point; 5]>, InferenceError> {
        let bounds = bounds.scaled(1.0 / scale);
        let mut best = find(finder, copy, &around(bounds, turn, (0.0, 1.0)))?;
        if best.is_none_or(|(_, score)| score < SURE) {
            for tilt in [(-TILT.0, TILT.1), TILT] {
                let tilted = find(finder, copy, &around(bounds, turn, tilt))?;
                if tilted.map_or(0.0, |(_, score)| score) > best.map_or(0.0, |(_, score)| score) {
                    best = tilted;
                }
            }
        }
        let Some((first, _)) = best else { return Ok(None) };
        let level = similarity(&first, &self.expected).ok();
        let again = match level {
            Some(to_alone) => find(finder, copy, &to_alone)?.map_or(first, |(again, _)| again),
            None => first,
        };
        let mean = |a: f32, b: f32| f32::midpoint(a, b) * scale;
        Ok(Some(std::array::from_fn(|i| Point { x: mean(first[i].x, again[i].x), y: mean(first[i].y, again[i].y) })))
    }
}

/// The landmarks, in pixels of `copy`, and the score of the surest face in the middle of the picture that `to_alone` makes
/// of it.
fn find(finder: &mut FaceFinder, copy: &Frame, to_alone: &Affine) -> Result<Option<([Point; 5], f32)>, InferenceError> {
    let alone = cut(copy, to_alone, SIDE_PX);
    let middle = SIDE_PX as f32 / 2.0;
    let faces = finder.upright_faces(&alone, LEAST)?;
    let near = faces.iter().find(|face| {
        let centre = face.bounds.centre();
        (centre.x - middle).hypot(centre.y - middle) < SHIFT_MAX_PX
    });
    let [[a, b, tx], [c, d, ty]] = *to_alone;
    let det = a * d - b * c;
    let back = |p: Point| {
        let (x, y) = (f64::from(p.x) - tx, f64::from(p.y) - ty);
        Point { x: ((d * x - b * y) / det) as f32, y: ((a * y - c * x) / det) as f32 }
    };
    Ok(near.map(|face| (face.landmarks.map(back), face.score)))
}

/// Brings the box, turned upright and then clockwise by an angle of this sine and cosine, to the middle of the picture of
/// the face alone.
fn around(bounds: Rect, turn: QuarterTurn, (tilt_sin, tilt_cos): (f64, f64)) -> Affine {
    let size = f64::from(FACE_PX / bounds.width.max(bounds.height).max(1.0));
    let (sin, cos) = match turn {
        QuarterTurn::None => (0.0, 1.0),
        QuarterTurn::Clockwise => (1.0, 0.0),
        QuarterTurn::Half => (0.0, -1.0),
        QuarterTurn::CounterClockwise => (-1.0, 0.0),
    };
    let (sin, cos) = (size * (sin * tilt_cos + cos * tilt_sin), size * (cos * tilt_cos - sin * tilt_sin));
    let (centre, middle) = (bounds.centre(), f64::from(SIDE_PX) / 2.0);
    let (x, y) = (f64::from(centre.x), f64::from(centre.y));
    [[cos, -sin, middle - cos * x + sin * y], [sin, cos, middle - sin * x - cos * y]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_face_is_expected_in_the_middle_with_its_eyes_so_far_apart() {
        let template = [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]];
        let [left, right, nose, ..] = LandmarkRefiner::new(&template).expected;
        assert!((right.x - left.x - EYES_PX).abs() < 1e-3 && (left.y - right.y).abs() < 1e-3);
        assert!((nose.x - 112.0).abs() < 1e-3 && (nose.y - 130.75).abs() < 1e-3, "{nose:?}");
    }

    #[test]
    fn a_box_comes_to_the_middle_whichever_way_up_it_is() {
        let photo = (400.0, 300.0);
        let face = Rect { x: 100.0, y: 60.0, width: 40.0, height: 50.0 };
        let (centre, chin) = (face.centre(), Point { x: 120.0, y: 110.0 });
        for turn in QuarterTurn::ALL {
            // The photo as it would lie if `turn` brought it upright.
            let lying = |p| turn.inverse().move_point(p, photo);
            let bounds = turn.inverse().move_rect(face, photo);
            let m = around(bounds, turn, (0.0, 1.0));
            let moved = |p: Point| {
                let (x, y) = (f64::from(p.x), f64::from(p.y));
                m.map(|[a, b, t]| a * x + b * y + t)
            };
            let near = |got: [f64; 2], x: f64, y: f64| (got[0] - x).abs() < 1e-3 && (got[1] - y).abs() < 1e-3;
            assert!(near(moved(lying(centre)), 112.0, 112.0), "{turn:?}");
            assert!(near(moved(lying(chin)), 112.0, 206.0), "{turn:?}: {:?}", moved(lying(chin)));
        }
    }
}
