//! Is this picture fit to enrol somebody? Reasons that a person can act on.

use assent_vision::detect::Detection;
use assent_vision::embed::Embedding;
use assent_vision::quality::Quality;
use assent_vision::runtime::InferenceError;
use thiserror::Error;

use crate::models::{LookError, Worker};

/// What a portrait needs. The names are those of ISO/IEC 29794-5, the numbers raw measurements.
///
/// # Source
///
/// Set so that every one of the 78 sample portraits passes and pictures that were made too small, dark, bright or blurred
/// do not (`crates/assent-testkit/tests/portraits.rs`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PortraitGate {
    /// Least distance between the eyes, pixels.
    pub inter_eye_distance_px_min: f32,
    /// Least and most mean luminance, 0 to 1.
    pub luminance_mean: (f32, f32),
    /// Least entropy of the luminance, bits.
    pub dynamic_range_bits_min: f32,
    /// Least variance of the Laplacian.
    pub sharpness_min: f32,
    /// Furthest that the nose may lie from the middle between the eyes, where 1 is below an eye.
    pub head_pose_yaw_ratio_max: f32,
    /// Another face counts as a second person if its box has at least this part of the largest one's surface.
    pub second_face_part: f32,
}

impl Default for PortraitGate {
    fn default() -> PortraitGate {
        PortraitGate {
            inter_eye_distance_px_min: 16.0,
            luminance_mean: (0.12, 0.9),
            dynamic_range_bits_min: 4.5,
            sharpness_min: 12.0,
            head_pose_yaw_ratio_max: 0.75,
            second_face_part: 0.2,
        }
    }
}

/// Why a picture is no portrait.
#[derive(Debug, Error)]
pub enum PortraitError {
    /// The file cannot be decoded, or the detector failed.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The embedder failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// Nobody is in it.
    #[error("no face was found in it; use a picture that shows the face from the front")]
    NoFace,
    /// Somebody else is in it, too (`SingleFacePresent`).
    #[error("{faces} faces are in it; use a picture of this person alone, or cut one out")]
    SeveralFaces {
        /// How many.
        faces: usize,
    },
    /// `InterEyeDistance`.
    #[error(
        "the face is too small: {got_px:.0} pixels between the eyes, {needed_px:.0} are needed; use a larger picture"
    )]
    TooSmall {
        /// Measured.
        got_px: f32,
        /// Needed.
        needed_px: f32,
    },
    /// `UnderExposurePrevention`.
    #[error("the face is too dark; use a picture taken in more light")]
    TooDark,
    /// `OverExposurePrevention`.
    #[error("the face is too bright; use a picture without glare")]
    TooBright,
    /// `DynamicRange`.
    #[error("the face has too little contrast; use a picture in even light")]
    TooFlat,
    /// `Sharpness`.
    #[error("the face is blurred; use a sharper picture")]
    Blurred,
    /// `HeadPoseYaw`.
    #[error("the face is turned away; use a picture that shows it from the front")]
    TurnedAway,
    /// The network gave no embedding.
    #[error("the face could not be measured; use another picture")]
    Unmeasurable,
}

/// Makes a template's embedding from the picture of one person.
///
/// # Errors
///
/// [`PortraitError`]: the first of its reasons that holds, in the order of its variants.
pub fn embed_portrait(worker: &mut Worker, gate: &PortraitGate, bytes: &[u8]) -> Result<Embedding, PortraitError> {
    let looked = worker.look(bytes)?;
    let largest = the_one_face(&looked.detected.faces, gate.second_face_part)?;
    let mut cuts = worker.cut(&looked);
    let cut = cuts.swap_remove(largest);
    check(gate, cut.quality.as_ref().ok_or(PortraitError::Unmeasurable)?)?;
    worker.embed(vec![cut])?.pop().flatten().ok_or(PortraitError::Unmeasurable)
}

/// The index of the only face, or of the largest where the others are small ones in the background.
fn the_one_face(faces: &[Detection], second_face_part: f32) -> Result<usize, PortraitError> {
    let area = |i: &usize| faces[*i].bounds.area();
    let largest = (0..faces.len()).max_by(|a, b| area(a).total_cmp(&area(b))).ok_or(PortraitError::NoFace)?;
    let count = (0..faces.len()).filter(|i| area(i) >= second_face_part * area(&largest)).count();
    if count > 1 { Err(PortraitError::SeveralFaces { faces: count }) } else { Ok(largest) }
}

fn check(gate: &PortraitGate, quality: &Quality) -> Result<(), PortraitError> {
    let (got_px, needed_px) = (quality.inter_eye_distance_px, gate.inter_eye_distance_px_min);
    if got_px < needed_px {
        Err(PortraitError::TooSmall { got_px, needed_px })
    } else if quality.luminance_mean < gate.luminance_mean.0 {
        Err(PortraitError::TooDark)
    } else if quality.luminance_mean > gate.luminance_mean.1 {
        Err(PortraitError::TooBright)
    } else if quality.dynamic_range_bits < gate.dynamic_range_bits_min {
        Err(PortraitError::TooFlat)
    } else if quality.sharpness < gate.sharpness_min {
        Err(PortraitError::Blurred)
    } else if quality.head_pose_yaw_ratio.abs() > gate.head_pose_yaw_ratio_max {
        Err(PortraitError::TurnedAway)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_vision::geometry::Rect;

    #[test]
    fn one_face_or_a_reason() {
        let faces = |sides: &[f32]| -> Vec<Detection> {
            let at = |side| Rect { x: 0.0, y: 0.0, width: side, height: side };
            sides.iter().map(|s| Detection { bounds: at(*s), ..Detection::default() }).collect()
        };
        let check = |name: &str, sides: &[f32], expected: &str| {
            let got = match the_one_face(&faces(sides), 0.2) {
                Ok(i) => i.to_string(),
                Err(e) => e.to_string(),
            };
            assert!(got.starts_with(expected), "{name}: {got}");
        };
        check("nobody", &[], "no face");
        check("one", &[100.0], "0");
        check("one, and somebody far away", &[20.0, 100.0], "1");
        check("two", &[100.0, 90.0], "2 faces");
    }

    #[test]
    fn every_reason_can_be_reached() {
        let good = Quality {
            inter_eye_distance_px: 80.0,
            head_size: 0.4,
            head_pose_roll_deg: 0.0,
            head_pose_yaw_ratio: 0.0,
            crop_of_the_face_image: 1.0,
            luminance_mean: 0.5,
            luminance_variance: 0.05,
            under_exposed_part: 0.0,
            over_exposed_part: 0.0,
            dynamic_range_bits: 7.0,
            sharpness: 200.0,
        };
        let reason = |quality: Quality| match check(&PortraitGate::default(), &quality) {
            Ok(()) => "good".to_owned(),
            Err(e) => e.to_string(),
        };
        assert_eq!(reason(good), "good");
        let cases = [
            (
                Quality { inter_eye_distance_px: 10.4, ..good },
                "the face is too small: 10 pixels between the eyes, 16 are needed",
            ),
            (Quality { luminance_mean: 0.05, ..good }, "the face is too dark"),
            (Quality { luminance_mean: 0.95, ..good }, "the face is too bright"),
            (Quality { dynamic_range_bits: 3.0, ..good }, "the face has too little contrast"),
            (Quality { sharpness: 3.0, ..good }, "the face is blurred"),
            (Quality { head_pose_yaw_ratio: -0.9, ..good }, "the face is turned away"),
        ];
        for (quality, expected) in cases {
            assert!(reason(quality).starts_with(expected), "{}", reason(quality));
        }
    }
}
