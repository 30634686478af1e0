//! The gate of enrolment: every sample portrait passes it, and pictures that were made worse are refused for the right
//! reason. The limits are set by these two.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use std::fs;

use assent::models::Worker;
use assent::portrait::{PortraitError, PortraitGate, embed_portrait};
use assent::{Frame, Posture, SearchOptions, Thoroughness};
use assent_testkit::{blurred, crew, darkened, jpeg, light, models, open, portrait_names, shrunk};
use assent_vision::detect::Detection;

fn portrait(name: &str) -> Vec<u8> {
    fs::read(crew().join("portraits").join(format!("{name}.jpg"))).unwrap()
}

/// The reason and the measurements of a portrait that does not pass.
fn refusal(worker: &mut Worker, name: &str) -> Option<String> {
    let bytes = portrait(name);
    let reason = embed_portrait(worker, &PortraitGate::default(), &bytes).err()?;
    let photo = worker.detect(&bytes).unwrap();
    let face_crops = worker.crop_faces(&photo);
    let measured: Vec<_> = face_crops.iter().map(|c| c.quality).collect();
    Some(format!("{name}: {reason}; {measured:?}"))
}

#[test]
fn every_sample_portrait_passes_the_gate() {
    let names = portrait_names();
    assert_eq!(names.len(), 78);
    let mut worker = models().worker(ENROLMENT).unwrap();
    let refused: Vec<String> = names.iter().filter_map(|name| refusal(&mut worker, name)).collect();
    assert!(refused.is_empty(), "{} of {} are refused:\n{}", refused.len(), names.len(), refused.join("\n"));
}

/// The search of an enrolment.
const ENROLMENT: SearchOptions =
    SearchOptions { side_px: 1024, posture: Posture::Upright, thoroughness: Thoroughness::Exhaustive };

/// A good portrait and where its face is.
struct Good {
    frame: Frame,
    face: Detection,
}

impl Good {
    fn with_eyes_apart(&self, px: f32) -> Frame {
        let [left, right, ..] = self.face.landmarks;
        let factor = px / (right.x - left.x).hypot(right.y - left.y);
        shrunk(&self.frame, (self.frame.width().max(self.frame.height()) as f32 * factor) as u32)
    }
}

#[test]
fn worse_pictures_are_refused_for_the_right_reason() {
    let mut worker = models().worker(ENROLMENT).unwrap();
    let names = portrait_names();
    let mut wrong = Vec::new();
    // Every ninth: enough kinds of faces and light.
    for name in names.iter().step_by(9) {
        let bytes = portrait(name);
        let face = *worker.detect(&bytes).unwrap().detected.faces.first().unwrap();
        let good = Good { frame: open(&bytes), face };
        let worse = [
            (
                "too-small",
                "InterEyeDistance",
                good.with_eyes_apart(PortraitGate::default().inter_eye_distance_px_min - 2.0),
            ),
            ("too-dark", "LuminanceMean", darkened(&good.frame, 0.12)),
            ("blurred", "Sharpness", blurred(&good.frame, (good.face.bounds.width / 12.0) as i64)),
        ];
        for (code, measure, frame) in worse {
            let error = embed_portrait(&mut worker, &PortraitGate::default(), &jpeg(&frame)).err();
            let told = error.as_ref().map(PortraitError::reasons).unwrap_or_default();
            // A face may be so blurred that none is found: refused as well.
            let is_right = |c: &str, m: &str| (c, m) == (code, measure) || (code, c) == ("blurred", "no-face");
            if !told.iter().any(|(c, m, _)| is_right(c, m)) {
                let told = error.map_or_else(|| "it passes".to_owned(), |e| e.to_string());
                wrong.push(format!("{name}, {code} ({measure}): {told}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_blurred_is_so_whatever_the_size_of_the_networks_crop() {
    let (mut small, mut large) = (models().worker(ENROLMENT).unwrap(), light().worker(ENROLMENT).unwrap());
    let sharpness = |worker: &mut Worker, bytes: &[u8]| {
        let photo = worker.detect(bytes).unwrap();
        worker.crop_faces(&photo).first()?.quality.map(|q| q.sharpness)
    };
    let mut ratios = Vec::new();
    for name in portrait_names().iter().step_by(13) {
        let bytes = portrait(name);
        let [left, right, ..] = small.detect(&bytes).unwrap().detected.faces[0].landmarks;
        for part in [16.0, 12.0, 9.0] {
            let blurred = jpeg(&blurred(&open(&bytes), ((right.x - left.x) / part) as i64));
            let both = sharpness(&mut small, &blurred).zip(sharpness(&mut large, &blurred));
            // Where portraits are refused.
            ratios.extend(both.filter(|(small, _)| (6.0..40.0).contains(small)).map(|(small, large)| large / small));
        }
    }
    ratios.sort_by(f32::total_cmp);
    let median = ratios[ratios.len() / 2];
    assert!(ratios.len() >= 6 && (0.8..1.25).contains(&median), "{ratios:?}");
}

#[test]
fn several_flaws_are_told_at_once() {
    let mut worker = models().worker(ENROLMENT).unwrap();
    let dark_and_small = darkened(&shrunk(&open(&portrait("carl-walz")), 60), 0.12);
    let error = embed_portrait(&mut worker, &PortraitGate::default(), &jpeg(&dark_and_small)).err().unwrap();
    let codes: Vec<&str> = error.reasons().iter().map(|(code, _, _)| *code).collect();
    assert!(codes.starts_with(&["too-small", "too-dark"]), "{codes:?}");
    assert!(matches!(&error, PortraitError::Unfit { reasons } if reasons.len() == codes.len()), "{error}");
    assert_eq!(error.to_string().lines().count(), codes.len());
}
