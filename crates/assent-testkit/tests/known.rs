//! Known faces, found again in a part of the picture, against the search of the whole picture.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use std::fs;

use assent_testkit::{crew, models};
use assent_vision::decode::{DecodeLimits, decode_at_least};
use assent_vision::detect::{Detected, FaceFinder, Posture, SearchOptions};
use assent_vision::known::KnownFace;

fn finder() -> FaceFinder {
    let pack = models().pack();
    FaceFinder::new(models().runtime(), pack.detector().clone(), &pack.detector_bytes).unwrap()
}

fn known(found: &Detected) -> Vec<KnownFace> {
    found.faces.iter().map(|face| KnownFace { bounds: face.bounds, turn: face.turn }).collect()
}

/// The most by which a landmark may lie elsewhere, parts of the longer side of the face's box.
const LANDMARK_PARTS: f32 = 0.01;

#[test]
fn every_face_of_the_sample_photos_is_found_again_where_it_was() {
    let mut finder = finder();
    let mut compared = 0;
    let mut worst = (0.0f32, 0.0f32);
    for entry in fs::read_dir(crew().join("photos")).unwrap() {
        let path = entry.unwrap().path();
        for side_px in [800, 1600] {
            let search = SearchOptions { side_px, posture: Posture::AnyWayUp };
            let photo = decode_at_least(&fs::read(&path).unwrap(), DecodeLimits::default(), side_px).unwrap().frame;
            let whole = finder.find(&photo, search).unwrap();
            let again = finder.find_known(&photo, side_px, &known(&whole)).unwrap();
            let again = again.unwrap_or_else(|| panic!("{} at {side_px}: a face was not found", path.display()));
            assert_eq!((again.faces.len(), again.scale), (whole.faces.len(), whole.scale));
            assert!(again.searched == whole.searched);
            for (a, b) in whole.faces.iter().zip(&again.faces) {
                compared += 1;
                assert_eq!(a.turn, b.turn);
                let side = a.bounds.width.max(a.bounds.height);
                let far = a.landmarks.iter().zip(&b.landmarks).map(|(p, q)| (p.x - q.x).hypot(p.y - q.y) / side);
                worst = (far.fold(worst.0, f32::max), worst.1.max((a.score - b.score).abs()));
            }
        }
    }
    eprintln!("{compared} faces, worst landmark {:.5} of the box, worst score {:.5}", worst.0, worst.1);
    assert!(compared > 80, "{compared}");
    assert!(worst.0 < LANDMARK_PARTS && worst.1 < 0.02, "{worst:?}");
}

#[test]
fn a_box_without_a_face_is_not_found_again() {
    let mut finder = finder();
    let bytes = fs::read(crew().join("photos/carl-walz.jpg")).unwrap();
    let photo = decode_at_least(&bytes, DecodeLimits::default(), 640).unwrap().frame;
    let search = SearchOptions { side_px: 640, posture: Posture::Upright };
    let mut faces = known(&finder.find(&photo, search).unwrap());
    assert_eq!(finder.find_known(&photo, 640, &[]).unwrap().unwrap().faces, []);
    assert!(finder.find_known(&photo, 640, &faces).unwrap().is_some());
    faces.push(KnownFace { bounds: faces[0].bounds.scaled(0.3), ..faces[0] });
    assert!(finder.find_known(&photo, 640, &faces).unwrap().is_none(), "one of two is missing");
}
