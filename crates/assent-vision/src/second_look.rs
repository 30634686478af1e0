//! A second look at a face that was found: its landmarks again, from a picture of it alone.
//!
//! In the photo a face may be small, large or tilted, and landmarks found so are a little off. Turned upright and brought
//! to one size, every face is seen as the detector sees faces best, portraits and photos alike, and the crops that are
//! compared are cut alike. It costs one pass over [`SIDE_PX`] squared pixels for each face; what it brings is in
//! `docs/accuracy.md`.

use crate::align::{cut, similarity};
use crate::detect::{Detection, FaceFinder};
use crate::frame::Frame;
use crate::geometry::Point;
use crate::runtime::InferenceError;

/// Side of the picture of the face alone, pixels.
pub const SIDE_PX: u32 = 256;

/// Distance between the eyes there, pixels: the face is about 200 wide, within the sizes the detector was taught (10 to
/// 300), with room around it.
const EYES_PX: f32 = 80.0;

/// That a face is there is known; the second look need not be as sure as the first.
const LEAST: f32 = 0.3;

/// A face's middle may lie this far from where the first look puts it, in distances between the eyes; further away it is
/// another face.
const SHIFT_MAX: f32 = 0.5;

/// Where the landmarks are expected in the picture of the face alone.
#[derive(Debug, Clone, Copy)]
pub struct SecondLook {
    expected: [Point; 5],
}

impl SecondLook {
    /// For faces with the proportions of an embedder's `template`: parts of a side, in the detector's order.
    pub fn new(template: &[[f32; 2]; 5]) -> SecondLook {
        let [[left, _], [right, _], ..] = *template;
        let (scale, middle) = (EYES_PX / (right - left).max(f32::EPSILON), SIDE_PX as f32 / 2.0);
        let place = |part: f32| (part - 0.5) * scale + middle;
        SecondLook { expected: template.map(|[x, y]| Point { x: place(x), y: place(y) }) }
    }

    /// The landmarks of `face`, in pixels of `photo` as the face is; as they were if it is not found again.
    ///
    /// # Errors
    ///
    /// [`InferenceError`] if the network fails.
    pub fn landmarks(
        &self,
        finder: &mut FaceFinder,
        photo: &Frame,
        face: &Detection,
    ) -> Result<[Point; 5], InferenceError> {
        let Ok(to_alone) = similarity(&face.landmarks, &self.expected) else { return Ok(face.landmarks) };
        let alone = cut(photo, &to_alone, SIDE_PX);
        let again = finder.upright_faces(&alone, LEAST)?;
        let expected = middle(&self.expected);
        let near = |found: &&Detection| {
            let m = middle(&found.landmarks);
            (m.x - expected.x).hypot(m.y - expected.y) < SHIFT_MAX * EYES_PX
        };
        // The surest comes first.
        let Some(found) = again.iter().find(near) else { return Ok(face.landmarks) };
        let [[a, b, tx], [c, d, ty]] = to_alone;
        let det = a * d - b * c;
        let back = |p: Point| {
            let (x, y) = (f64::from(p.x) - tx, f64::from(p.y) - ty);
            Point { x: ((d * x - b * y) / det) as f32, y: ((a * y - c * x) / det) as f32 }
        };
        Ok(found.landmarks.map(back))
    }
}

fn middle(points: &[Point; 5]) -> Point {
    let sum = points.iter().fold((0.0, 0.0), |s, p| (s.0 + p.x, s.1 + p.y));
    Point { x: sum.0 / 5.0, y: sum.1 / 5.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_face_is_expected_in_the_middle_with_its_eyes_so_far_apart() {
        let template = [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]];
        let [left, right, nose, ..] = SecondLook::new(&template).expected;
        assert!((right.x - left.x - EYES_PX).abs() < 1e-3 && (left.y - right.y).abs() < 1e-3);
        assert!((nose.x - 128.0).abs() < 1e-3 && (nose.y - 148.0).abs() < 1e-3, "{nose:?}");
    }
}
