//! Finding known faces again: the detector runs only where they are.
//!
//! What is kept of a face is its box and its quarter turn. Its landmarks are not, and whoever enrols later needs them to
//! be looked for. A face is found again in a region of the picture that has the scale of a whole search, is turned as it
//! was found, begins at a multiple of the network's grid, and reaches far enough beyond the box that score and landmarks
//! come out as in the whole picture.

use crate::detect::{Detected, Detection, FaceFinder, cut};
use crate::frame::Frame;
use crate::geometry::{QuarterTurn, Rect};
use crate::model::{DetectorInput, DetectorSpec};
use crate::resize::{fit_within, resize};
use crate::runtime::InferenceError;

/// How far a region reaches beyond the box of its face, pixels of the picture that is searched.
///
/// A choice: `crates/assent-testkit/tests/known.rs` says how near the landmarks must come to those of a whole search.
const REACH_PX: f32 = 224.0;

/// A detection that overlaps a known box by this much (intersection over union) or more is that face.
const SAME_FACE_IOU: f32 = 0.5;

/// A face of a picture that was searched before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownFace {
    /// Its box, in pixels of the picture.
    pub bounds: Rect,
    /// The turn that brings it upright.
    pub turn: QuarterTurn,
}

impl FaceFinder {
    /// Finds faces of `photo` again whose boxes are known, as [`find`](FaceFinder::find) with the same `side_px` found
    /// them. The faces of the answer are in the order of `known`.
    ///
    /// `None` if one of them is not found again; then the whole picture is to be searched.
    ///
    /// # Errors
    ///
    /// [`InferenceError`] if the network fails.
    pub fn find_known(
        &mut self,
        photo: &Frame,
        side_px: u32,
        known: &[KnownFace],
    ) -> Result<Option<Detected>, InferenceError> {
        let size = fit_within((photo.width(), photo.height()), side_px);
        let searched = if size == (photo.width(), photo.height()) { photo.clone() } else { resize(photo, size) };
        let scale = photo.width().max(photo.height()) as f32 / size.0.max(size.1) as f32;
        let known: Vec<KnownFace> =
            known.iter().map(|face| KnownFace { bounds: face.bounds.scaled(1.0 / scale), ..*face }).collect();
        let mut found = Vec::new();
        for region in regions(&known, size, self.yunet.spec()) {
            found.extend(self.faces_in(&searched, region)?);
        }
        let again = |face: &KnownFace| -> Option<Detection> {
            let same = found.iter().filter(|d| d.turn == face.turn).map(|d| (d.bounds.iou(&face.bounds), d));
            let (iou, best) = same.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
            (iou >= SAME_FACE_IOU).then(|| best.scaled(scale))
        };
        let faces: Option<Vec<Detection>> = known.iter().map(again).collect();
        Ok(faces.map(|faces| Detected { searched, scale, faces }))
    }

    /// The upright faces of a region, in pixels of the picture before it was turned.
    fn faces_in(&mut self, searched: &Frame, region: Region) -> Result<Vec<Detection>, InferenceError> {
        let turned_size = region.turn.move_size(searched.size());
        let (x, y) = (region.left as f32, region.top as f32);
        let (width, height) = ((region.right - region.left) as f32, (region.bottom - region.top) as f32);
        let place = region.turn.inverse().move_rect(Rect { x, y, width, height }, turned_size);
        let part = cut(searched, (place.x as u32, place.y as u32), (place.width as u32, place.height as u32));
        let faces = self.upright_faces(&part.turned(region.turn))?;
        Ok(faces.into_iter().map(|d| d.shifted(x, y).turned_back(region.turn, turned_size)).collect())
    }
}

/// A part of a turned picture, in whole pixels of it; the end is not inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Region {
    turn: QuarterTurn,
    left: u32,
    top: u32,
    right: u32,
    bottom: u32,
}

impl Region {
    fn area(&self) -> u64 {
        u64::from(self.right - self.left) * u64::from(self.bottom - self.top)
    }

    /// The smallest region around two of the same turn.
    fn around(self, other: Region) -> Region {
        Region {
            turn: self.turn,
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// Where the detector has to look for `known` faces of a picture of `size` pixels.
fn regions(known: &[KnownFace], size: (u32, u32), spec: &DetectorSpec) -> Vec<Region> {
    let mut regions: Vec<Region> = known.iter().map(|face| region(face, size, spec)).collect();
    // Two regions that are no larger together than apart become one.
    let mut i = 0;
    while i < regions.len() {
        let one = regions[i];
        let joins = |other: &Region| other.turn == one.turn && one.around(*other).area() <= one.area() + other.area();
        match (i + 1..regions.len()).find(|&j| joins(&regions[j])) {
            Some(j) => {
                let other = regions.swap_remove(j);
                regions[i] = one.around(other);
                // It has grown: what did not join it before may do so now.
                i = 0;
            }
            None => i += 1,
        }
    }
    regions
}

fn region(face: &KnownFace, size: (u32, u32), spec: &DetectorSpec) -> Region {
    let (width, height) = face.turn.move_size(size);
    let whole = Region { turn: face.turn, left: 0, top: 0, right: width, bottom: height };
    // A network of one input size sees large faces in a smaller copy of the whole picture.
    let DetectorInput::MultipleOf { px } = spec.input else { return whole };
    let step = spec.strides_px.iter().fold(px, |most, stride| most.max(*stride));
    let bounds = face.turn.move_rect(face.bounds, (size.0 as f32, size.1 as f32));
    let down = |at: f32, end: u32| ((at - REACH_PX).max(0.0) as u32).min(end.saturating_sub(1)) / step * step;
    let up = |at: f32, end: u32| (((at + REACH_PX).max(1.0).ceil() as u32).div_ceil(step) * step).min(end);
    Region {
        turn: face.turn,
        left: down(bounds.x, width),
        top: down(bounds.y, height),
        right: up(bounds.x + bounds.width, width),
        bottom: up(bounds.y + bounds.height, height),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelOrder, Preprocessing};

    fn spec(input: DetectorInput) -> DetectorSpec {
        DetectorSpec {
            input_name: String::new(),
            preprocessing: Preprocessing { channels: ChannelOrder::Bgr, mean: [0.0; 3], scale: 1.0 },
            input,
            strides_px: vec![8, 16, 32],
            output_names: Default::default(),
            score_threshold: 0.5,
            nms_iou: 0.3,
        }
    }

    fn face(x: f32, y: f32, side: f32, turn: QuarterTurn) -> KnownFace {
        KnownFace { bounds: Rect { x, y, width: side, height: side }, turn }
    }

    #[test]
    fn regions_lie_on_the_grid_and_inside_of_the_picture() {
        let spec = spec(DetectorInput::MultipleOf { px: 32 });
        let size = (1600, 1067);
        for turn in QuarterTurn::ALL {
            let (width, height) = turn.move_size(size);
            for (x, y) in [(0.0, 0.0), (-30.0, -9.0), (700.0, 500.0), (1580.0, 1050.0), (1599.9, 0.0), (1700.0, 1200.0)]
            {
                let found = regions(&[face(x, y, 50.0, turn)], size, &spec);
                let [r] = found[..] else { panic!("{found:?}") };
                assert_eq!((r.left % 32, r.top % 32), (0, 0), "{turn:?} {x} {y}");
                assert!(r.left < r.right && r.right <= width && r.top < r.bottom && r.bottom <= height, "{r:?}");
                assert!((r.right - r.left) % 32 == 0 || r.right == width, "{r:?}");
                assert!((r.bottom - r.top) % 32 == 0 || r.bottom == height, "{r:?}");
            }
        }
    }

    #[test]
    fn neighbours_share_a_region_and_others_do_not() {
        let own = spec(DetectorInput::MultipleOf { px: 32 });
        let check = |name: &str, known: &[KnownFace], spec: &DetectorSpec, expected: usize| {
            let found = regions(known, (1600, 1200), spec);
            assert_eq!(found.len(), expected, "{name}: {found:?}");
        };
        let up = QuarterTurn::None;
        let (a, b) = (face(400.0, 400.0, 60.0, up), face(480.0, 410.0, 60.0, up));
        check("beside each other", &[a, b], &own, 1);
        check("far apart", &[a, face(1300.0, 1000.0, 60.0, up)], &own, 2);
        check("of another turn", &[a, KnownFace { turn: QuarterTurn::Half, ..b }], &own, 2);
        check("the third joins the other two", &[a, face(640.0, 420.0, 60.0, up), b], &own, 1);
        check("nobody", &[], &own, 0);
        let fixed = spec(DetectorInput::Fixed { width_px: 640, height_px: 640 });
        check("a network of one size", &[a, face(1300.0, 1000.0, 60.0, up)], &fixed, 1);
    }
}
