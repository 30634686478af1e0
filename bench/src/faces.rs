//! Which of the faces that the peers' side finds are also found in a smaller picture.

use assent::{Posture, SearchOptions, Thoroughness, resize};
use assent_vision::detect::{Detected, FaceFinder};
use assent_vision::frame::Frame;
use assent_vision::geometry::Rect;
use serde_json::{Value, json};

use crate::Error;
use crate::figures::round;
use crate::scan::PEER_SIDE_PX;
use crate::setup::{self, Setup, decoded_at_least, read};

/// Smaller faces, by their box's shorter side in the picture that is searched, are not counted.
const FACE_MIN_PX: f32 = 20.0;

/// Two boxes that overlap by this much are the same face.
const SAME_FACE_IOU: f32 = 0.4;

/// A photo with as many faces, of any size, is a group photo.
const GROUP_FACES_MIN: usize = 3;

/// Faces found again, of those there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Kept {
    kept: usize,
    of: usize,
}

impl Kept {
    fn add(&mut self, other: Kept) {
        self.kept += other.kept;
        self.of += other.of;
    }

    fn json(self) -> Value {
        let share = (self.of > 0).then(|| round(self.kept as f64 / self.of as f64, 4));
        json!({ "kept": self.kept, "of": self.of, "share": share })
    }
}

/// The shares of faces that a coarse-to-fine search at `side_px` keeps, of those that a search of every pixel at the
/// peers' side finds: of the sample photos, and of their group photos after these
/// were made smaller by two and by three, which is how far away a camera stands in other people's collections.
///
/// # Errors
///
/// If a photo cannot be read or the network fails.
pub(crate) fn kept(setup: &Setup, side_px: u32) -> Result<Value, Error> {
    let mut finder = setup.finder()?;
    let (all, own_way) = ((PEER_SIDE_PX, Thoroughness::Exhaustive), (side_px, Thoroughness::CoarseToFine));
    let (mut crew, mut halves, mut thirds) = (Kept::default(), Kept::default(), Kept::default());
    for path in &setup.sample.photos {
        let bytes = read(path)?;
        let decoded = |side_px| decoded_at_least(&bytes, side_px);
        // The photo as each of the two searches decodes it.
        let (reference, own) = (decoded(PEER_SIDE_PX)?, decoded(side_px)?);
        let size = reference.size;
        let reference = find(&mut finder, &reference.frame, all)?.in_larger(reference.scale());
        let own = find(&mut finder, &own.frame, own_way)?.in_larger(own.scale());
        crew.add(compare(&reference, &own, size));
        if reference.faces.len() >= GROUP_FACES_MIN {
            let photo = setup::decoded(&bytes)?;
            for (part, sum) in [(2, &mut halves), (3, &mut thirds)] {
                let small = resize(&photo, (photo.width() / part, photo.height() / part));
                let reference = find(&mut finder, &small, all)?;
                let own = find(&mut finder, &small, own_way)?;
                sum.add(compare(&reference, &own, (small.width(), small.height())));
            }
        }
    }
    Ok(json!({ "crew": crew.json(), "groups_half": halves.json(), "groups_third": thirds.json() }))
}

fn find(
    finder: &mut FaceFinder,
    picture: &Frame,
    (side_px, thoroughness): (u32, Thoroughness),
) -> Result<Detected, Error> {
    Ok(finder.find(picture, SearchOptions { side_px, posture: Posture::Upright, thoroughness })?)
}

/// How many of the faces that are large enough at the peers' side of a photo of `size` the other search finds too.
fn compare(reference: &Detected, own: &Detected, size: (u32, u32)) -> Kept {
    let scale = (size.0.max(size.1) as f32 / PEER_SIDE_PX as f32).max(1.0);
    let large = |b: &Rect| b.width.min(b.height) / scale >= FACE_MIN_PX;
    let wanted: Vec<Rect> = reference.faces.iter().map(|f| f.bounds).filter(large).collect();
    let found: Vec<Rect> = own.faces.iter().map(|f| f.bounds).collect();
    found_again(&wanted, &found)
}

/// How many boxes of `wanted` are in `found`; a box stands for one face only.
fn found_again(wanted: &[Rect], found: &[Rect]) -> Kept {
    let mut free: Vec<Rect> = found.to_vec();
    let mut kept = 0;
    for face in wanted {
        let best = (0..free.len()).max_by(|&a, &b| face.iou(&free[a]).total_cmp(&face.iou(&free[b])));
        if let Some(best) = best.filter(|&i| face.iou(&free[i]) >= SAME_FACE_IOU) {
            free.swap_remove(best);
            kept += 1;
        }
    }
    Kept { kept, of: wanted.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_stands_for_one_face() {
        let at = |x: f32| Rect { x, y: 0.0, width: 10.0, height: 10.0 };
        let check = |name: &str, wanted: &[f32], found: &[f32], kept: usize| {
            let boxes = |places: &[f32]| places.iter().copied().map(at).collect::<Vec<_>>();
            let got = found_again(&boxes(wanted), &boxes(found));
            assert_eq!(got, Kept { kept, of: wanted.len() }, "{name}");
        };
        check("nobody there", &[], &[0.0], 0);
        check("lost", &[0.0], &[], 0);
        check("moved a little", &[0.0, 20.0], &[21.0, 1.0], 2);
        check("moved too far", &[0.0], &[6.0], 0);
        check("one box, two faces", &[0.0, 1.0], &[0.0], 1);
    }
}
