//! The gate of enrolment: every sample portrait passes it, and pictures that were made worse are refused for the right
//! reason. The limits are set by these two.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use std::fs;

use assent::models::Worker;
use assent::portrait::{PortraitError, PortraitGate, embed_portrait};
use assent::{Frame, Posture, SearchOptions};
use assent_testkit::{
    blurred, crew, cropped, darkened, jpeg, levelled, models, open, portrait_names, shaded_left_of, shrunk,
};
use assent_vision::detect::Detection;

fn portrait(name: &str) -> Vec<u8> {
    fs::read(crew().join("portraits").join(format!("{name}.jpg"))).unwrap()
}

/// The reason and the measurements of a portrait that does not pass.
fn refusal(worker: &mut Worker, name: &str) -> Option<String> {
    let bytes = portrait(name);
    let reason = embed_portrait(worker, &PortraitGate::default(), &bytes).err()?;
    let looked = worker.look(&bytes).unwrap();
    let cuts = worker.cut(&looked);
    let measured: Vec<_> = cuts.iter().map(|c| c.quality).collect();
    Some(format!("{name}: {reason}; {measured:?}"))
}

#[test]
fn every_sample_portrait_passes_the_gate() {
    let names = portrait_names();
    assert_eq!(names.len(), 78);
    // As an enrolment does it, and with the default search.
    for options in [
        SearchOptions::default(),
        SearchOptions { side_px: 1024, posture: Posture::Upright, ..SearchOptions::default() },
    ] {
        let mut worker = models().worker(options).unwrap();
        let refused: Vec<String> = names.iter().filter_map(|name| refusal(&mut worker, name)).collect();
        assert!(refused.is_empty(), "{} of {} are refused:\n{}", refused.len(), names.len(), refused.join("\n"));
    }
}

/// A good portrait and where its face is.
struct Good {
    frame: Frame,
    face: Detection,
}

impl Good {
    fn part(&self, x: f32, y: f32) -> (u32, u32) {
        let b = self.face.bounds;
        ((b.x + x * b.width).max(0.0) as u32, (b.y + y * b.height).max(0.0) as u32)
    }

    fn with_eyes_apart(&self, px: f32) -> Frame {
        let [left, right, ..] = self.face.landmarks;
        let factor = px / (right.x - left.x).hypot(right.y - left.y);
        shrunk(&self.frame, (self.frame.width().max(self.frame.height()) as f32 * factor) as u32)
    }
}

#[test]
fn worse_pictures_are_refused_for_the_right_reason() {
    let mut worker = models()
        .worker(SearchOptions { side_px: 1024, posture: Posture::Upright, ..SearchOptions::default() })
        .unwrap();
    let names = portrait_names();
    // Every ninth: enough kinds of faces and light.
    for name in names.iter().step_by(9) {
        let bytes = portrait(name);
        let face = *worker.look(&bytes).unwrap().detected.faces.first().unwrap();
        let good = Good { frame: open(&bytes), face };
        let whole = (u32::MAX, u32::MAX);
        let (left, top) = (good.part(0.35, 0.0).0, good.part(0.0, 0.3).1);
        let (right, bottom) = (good.part(0.65, 0.0).0, good.part(0.0, 0.7).1);
        let middle = good.part(0.5, 0.0).0;
        let worse = [
            (
                "too-small",
                "InterEyeDistance",
                good.with_eyes_apart(PortraitGate::default().inter_eye_distance_px_min - 2.0),
            ),
            ("cut-off", "LeftwardCropOfTheFaceImage", cropped(&good.frame, (left, 0), whole)),
            ("cut-off", "MarginAboveOfTheFaceImage", cropped(&good.frame, (0, top), whole)),
            ("cut-off", "RightwardCropOfTheFaceImage", cropped(&good.frame, (0, 0), (right, u32::MAX))),
            ("cut-off", "MarginBelowOfTheFaceImage", cropped(&good.frame, (0, 0), (u32::MAX, bottom))),
            ("too-dark", "LuminanceMean", darkened(&good.frame, 0.12)),
            ("too-bright", "OverExposurePrevention", levelled(&good.frame, 2.5, 120.0)),
            ("uneven-light", "IlluminationUniformity", shaded_left_of(&good.frame, middle, 0.25)),
            ("too-flat", "DynamicRange", levelled(&good.frame, 0.06, 110.0)),
            ("blurred", "Sharpness", blurred(&good.frame, (good.face.bounds.width / 12.0) as i64)),
        ];
        for (code, measure, frame) in worse {
            let error = embed_portrait(&mut worker, &PortraitGate::default(), &jpeg(&frame)).err();
            let Some(error) = error else { panic!("{name}, {code} ({measure}) passes") };
            let reasons = error.reasons();
            assert!(reasons.iter().any(|(c, m, _)| (*c, *m) == (code, measure)), "{name}, {code} ({measure}): {error}");
        }
    }
}

#[test]
fn several_flaws_are_told_at_once() {
    let mut worker = models()
        .worker(SearchOptions { side_px: 1024, posture: Posture::Upright, ..SearchOptions::default() })
        .unwrap();
    let dark_and_small = darkened(&shrunk(&open(&portrait("carl-walz")), 60), 0.12);
    let error = embed_portrait(&mut worker, &PortraitGate::default(), &jpeg(&dark_and_small)).err().unwrap();
    let codes: Vec<&str> = error.reasons().iter().map(|(code, _, _)| *code).collect();
    assert!(codes.starts_with(&["too-small", "too-dark"]), "{codes:?}");
    assert!(matches!(&error, PortraitError::Unfit { reasons } if reasons.len() == codes.len()), "{error}");
    assert_eq!(error.to_string().lines().count(), codes.len());
}
