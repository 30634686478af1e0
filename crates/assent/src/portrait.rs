//! Is this picture fit to enrol somebody? Reasons that a person can act on.

use assent_vision::detect::Detection;
use assent_vision::embed::{Aligned, Embedding};
use assent_vision::kept_face::KeptFace;
use assent_vision::quality::Quality;
use assent_vision::runtime::InferenceError;
use thiserror::Error;

use crate::models::{DetectError, FaceCrop, Worker};

/// What a portrait needs. The names are those of ISO/IEC 29794-5, the numbers raw measurements
/// ([`assent_vision::quality`]); `docs/quality.md` says how each limit was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PortraitGate {
    /// Least distance between the eyes, pixels.
    pub inter_eye_distance_px_min: f32,
    /// Least room between the face's box and each edge of the picture, in distances between the eyes; below 0, because
    /// boxes are a little larger than faces.
    pub crop_of_the_face_image_min: f32,
    /// Furthest that the nose may lie from the middle between the eyes, where 1 is below an eye.
    pub head_pose_yaw_ratio_max: f32,
    /// Least and most mean luminance, 0 to 1.
    pub luminance_mean: (f32, f32),
    /// Largest part of the crop that may be over-exposed.
    pub over_exposed_part_max: f32,
    /// Least agreement of the light on both sides of the face, 0 to 1.
    pub illumination_uniformity_min: f32,
    /// Least entropy of the luminance, bits.
    pub dynamic_range_bits_min: f32,
    /// Least variance of the Laplacian.
    pub sharpness_min: f32,
    /// Another face counts as a second person if its box has at least this part of the largest one's surface.
    pub second_face_part: f32,
}

impl Default for PortraitGate {
    fn default() -> PortraitGate {
        PortraitGate {
            inter_eye_distance_px_min: 16.0,
            crop_of_the_face_image_min: -0.15,
            head_pose_yaw_ratio_max: 0.75,
            luminance_mean: (0.12, 0.9),
            over_exposed_part_max: 0.4,
            illumination_uniformity_min: 0.01,
            dynamic_range_bits_min: 5.0,
            sharpness_min: 12.0,
            second_face_part: 0.2,
        }
    }
}

/// Why a picture is no portrait.
#[derive(Debug, Error)]
pub enum PortraitError {
    /// The file cannot be decoded, or the detector failed.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The embedder failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// Nobody is in it.
    #[error("no face was found in it; use a picture that shows the face upright and from the front")]
    NoFace,
    /// Somebody else is in it, too (`SingleFacePresent`).
    #[error("{faces} faces are in it; use a picture of this person alone")]
    SeveralFaces {
        /// The number of faces in the picture.
        faces: usize,
    },
    /// The one face in it is not fit, for all of these reasons; one on each line.
    #[error("{}", reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join("\n"))]
    Unfit {
        /// At least one, those that are easiest to put right first.
        reasons: Vec<Reason>,
    },
    /// The network gave no embedding.
    #[error("the face could not be measured; use another picture")]
    Unmeasurable,
}

impl PortraitError {
    /// What is wrong with the picture itself, for machines: a code, the measure of ISO/IEC 29794-5 that it belongs to,
    /// and the sentence for people. Empty where the picture was not judged.
    pub fn reasons(&self) -> Vec<(&'static str, &'static str, String)> {
        match self {
            PortraitError::SeveralFaces { .. } => vec![("several-faces", "SingleFacePresent", self.to_string())],
            PortraitError::NoFace => vec![("no-face", "SingleFacePresent", self.to_string())],
            PortraitError::Unfit { reasons } => {
                reasons.iter().map(|r| (r.code(), r.measure(), r.to_string())).collect()
            }
            PortraitError::Detect(_) | PortraitError::Inference(_) | PortraitError::Unmeasurable => Vec::new(),
        }
    }
}

/// Why a face is not fit to enrol somebody: what was measured, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Reason {
    /// Fewer pixels than the embedder needs.
    #[error(
        "the face is too small: {got_px} pixels between the eyes, {needed_px} are needed; \
         use a larger picture, or one taken from nearer"
    )]
    TooSmall {
        /// Measured, rounded down.
        got_px: u32,
        /// The distance between the eyes that is needed, pixels.
        needed_px: u32,
    },
    /// A part of the face lies outside of the picture.
    #[error("the face is cut off at the {} of the picture; use one that shows the whole head", edge.name())]
    CutOff {
        /// Where most is missing.
        edge: Edge,
    },
    /// Seen from the side.
    #[error("the face is turned to the side; use a picture that shows it from the front")]
    TurnedAway,
    /// Too little light.
    #[error("the face is too dark; use a picture taken in more light, without a bright window behind")]
    TooDark,
    /// Too much light, or a reflection.
    #[error("the face is too bright, or a part of it shines white; use a picture without glare or direct flash")]
    TooBright,
    /// Light from one side alone.
    #[error("one side of the face is much darker than the other; use a picture with light from the front")]
    UnevenLight,
    /// Few shades of grey.
    #[error("the face has too little contrast; use a picture without fog, backlight or a dirty lens")]
    TooFlat,
    /// Out of focus, moved, or enlarged.
    #[error("the face is blurred; use a sharper picture, not an enlarged one")]
    Blurred,
}

impl Reason {
    /// A word for machines.
    pub fn code(&self) -> &'static str {
        match self {
            Reason::TooSmall { .. } => "too-small",
            Reason::CutOff { .. } => "cut-off",
            Reason::TurnedAway => "turned-away",
            Reason::TooDark => "too-dark",
            Reason::TooBright => "too-bright",
            Reason::UnevenLight => "uneven-light",
            Reason::TooFlat => "too-flat",
            Reason::Blurred => "blurred",
        }
    }

    /// The measure, as ISO/IEC 29794-5:2025 and its reference implementation OFIQ name it.
    pub fn measure(&self) -> &'static str {
        match self {
            Reason::TooSmall { .. } => "InterEyeDistance",
            Reason::CutOff { edge } => edge.measure(),
            Reason::TurnedAway => "HeadPoseYaw",
            Reason::TooDark => "LuminanceMean",
            Reason::TooBright => "OverExposurePrevention",
            Reason::UnevenLight => "IlluminationUniformity",
            Reason::TooFlat => "DynamicRange",
            Reason::Blurred => "Sharpness",
        }
    }
}

/// An edge of the picture, as it is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// The left one.
    Left,
    /// The right one.
    Right,
    /// The upper one.
    Top,
    /// The lower one.
    Bottom,
}

impl Edge {
    fn name(self) -> &'static str {
        match self {
            Edge::Left => "left edge",
            Edge::Right => "right edge",
            Edge::Top => "top",
            Edge::Bottom => "bottom",
        }
    }

    fn measure(self) -> &'static str {
        match self {
            Edge::Left => "LeftwardCropOfTheFaceImage",
            Edge::Right => "RightwardCropOfTheFaceImage",
            Edge::Top => "MarginAboveOfTheFaceImage",
            Edge::Bottom => "MarginBelowOfTheFaceImage",
        }
    }
}

/// Makes a template's embedding from the picture of one person.
///
/// # Errors
///
/// [`PortraitError`]: the first of its variants that holds, in their order; [`PortraitError::Unfit`] with every reason.
pub fn embed_portrait(worker: &mut Worker, gate: &PortraitGate, bytes: &[u8]) -> Result<Embedding, PortraitError> {
    let face = fit_face(worker, gate, bytes)?;
    embed_face(worker, face)
}

/// Cuts the face out of the picture of one person, if it is fit.
///
/// # Errors
///
/// [`PortraitError`], as [`embed_portrait`]; no embedding is made.
pub(crate) fn fit_face(worker: &mut Worker, gate: &PortraitGate, bytes: &[u8]) -> Result<FitFace, PortraitError> {
    let photo = worker.detect(bytes)?;
    let largest = the_one_face(&photo.detected.faces, gate.second_face_part)?;
    let mut face_crops = worker.crop_faces(&photo);
    let FaceCrop { aligned: Some(aligned), quality: Some(quality) } = face_crops.swap_remove(largest) else {
        return Err(PortraitError::Unmeasurable);
    };
    let reasons = gate.reasons(&quality);
    if !reasons.is_empty() {
        return Err(PortraitError::Unfit { reasons });
    }
    let kept = worker.keep_face(&photo, largest).map_err(|_| PortraitError::Unmeasurable)?;
    Ok(FitFace { aligned, quality, kept })
}

/// A portrait's face that is fit for an enrolment.
pub(crate) struct FitFace {
    pub(crate) aligned: Aligned,
    pub(crate) quality: Quality,
    /// As it is kept of an enrolment.
    pub(crate) kept: KeptFace,
}

/// The embedding of a fit face.
///
/// # Errors
///
/// [`PortraitError::Inference`], [`PortraitError::Unmeasurable`].
pub(crate) fn embed_face(worker: &mut Worker, face: FitFace) -> Result<Embedding, PortraitError> {
    let cut = FaceCrop { aligned: Some(face.aligned), quality: Some(face.quality) };
    worker.embed(vec![cut])?.pop().flatten().ok_or(PortraitError::Unmeasurable)
}

impl PortraitGate {
    /// Everything that is wrong with a face, those reasons first that are easiest to put right.
    pub fn reasons(&self, face: &Quality) -> Vec<Reason> {
        let too_small = Reason::TooSmall {
            got_px: face.inter_eye_distance_px as u32,
            needed_px: self.inter_eye_distance_px_min.ceil() as u32,
        };
        let rooms = [
            (face.leftward_crop_of_the_face_image, Edge::Left),
            (face.rightward_crop_of_the_face_image, Edge::Right),
            (face.margin_above_of_the_face_image, Edge::Top),
            (face.margin_below_of_the_face_image, Edge::Bottom),
        ];
        let (room, edge) = rooms.into_iter().fold(rooms[0], |least, one| if one.0 < least.0 { one } else { least });
        let (darkest, brightest) = self.luminance_mean;
        let bright = face.luminance_mean > brightest || face.over_exposed_part > self.over_exposed_part_max;
        let all = [
            (face.inter_eye_distance_px < self.inter_eye_distance_px_min, too_small),
            (room < self.crop_of_the_face_image_min, Reason::CutOff { edge }),
            (face.head_pose_yaw_ratio.abs() > self.head_pose_yaw_ratio_max, Reason::TurnedAway),
            (face.luminance_mean < darkest, Reason::TooDark),
            (bright, Reason::TooBright),
            (face.illumination_uniformity < self.illumination_uniformity_min, Reason::UnevenLight),
            (face.dynamic_range_bits < self.dynamic_range_bits_min, Reason::TooFlat),
            (face.sharpness < self.sharpness_min, Reason::Blurred),
        ];
        all.into_iter().filter_map(|(holds, reason)| holds.then_some(reason)).collect()
    }
}

/// The index of the only face, or of the largest where the others are small ones in the background.
fn the_one_face(faces: &[Detection], second_face_part: f32) -> Result<usize, PortraitError> {
    let area = |i: &usize| faces[*i].bounds.area();
    let largest = (0..faces.len()).max_by(|a, b| area(a).total_cmp(&area(b))).ok_or(PortraitError::NoFace)?;
    let count = (0..faces.len()).filter(|i| area(i) >= second_face_part * area(&largest)).count();
    if count > 1 { Err(PortraitError::SeveralFaces { faces: count }) } else { Ok(largest) }
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

    /// A face that is fit, to be spoilt.
    const GOOD: Quality = Quality {
        inter_eye_distance_px: 80.0,
        head_size: 0.4,
        head_pose_roll_deg: 0.0,
        head_pose_yaw_ratio: 0.0,
        leftward_crop_of_the_face_image: 1.0,
        rightward_crop_of_the_face_image: 1.0,
        margin_above_of_the_face_image: 1.0,
        margin_below_of_the_face_image: 1.0,
        luminance_mean: 0.5,
        luminance_variance: 0.05,
        under_exposed_part: 0.0,
        over_exposed_part: 0.0,
        illumination_uniformity: 0.8,
        dynamic_range_bits: 7.0,
        sharpness: 200.0,
    };

    #[test]
    fn every_reason_has_its_sentence_and_its_measure() {
        let gate = PortraitGate::default();
        assert_eq!(gate.reasons(&GOOD), []);
        let check = |face: Quality, measure: &str, sentence: &str| {
            let reasons = gate.reasons(&face);
            let [reason] = reasons.as_slice() else { panic!("{measure}: {reasons:?}") };
            assert_eq!(reason.measure(), measure);
            assert!(reason.to_string().starts_with(sentence), "{measure}: {reason}");
            // What to do follows.
            assert!(reason.to_string().contains("; use "), "{measure}: {reason}");
        };
        // Never "16 pixels, 16 are needed".
        check(
            Quality { inter_eye_distance_px: gate.inter_eye_distance_px_min - 0.1, ..GOOD },
            "InterEyeDistance",
            &format!(
                "the face is too small: {} pixels between the eyes, {} are needed",
                gate.inter_eye_distance_px_min - 1.0,
                gate.inter_eye_distance_px_min
            ),
        );
        let cut = Quality { margin_below_of_the_face_image: -0.5, leftward_crop_of_the_face_image: -0.4, ..GOOD };
        check(cut, "MarginBelowOfTheFaceImage", "the face is cut off at the bottom of the picture");
        let cut = Quality { leftward_crop_of_the_face_image: -0.5, ..GOOD };
        check(cut, "LeftwardCropOfTheFaceImage", "the face is cut off at the left edge of the picture");
        let cut = Quality { rightward_crop_of_the_face_image: -0.5, ..GOOD };
        check(cut, "RightwardCropOfTheFaceImage", "the face is cut off at the right edge");
        let cut = Quality { margin_above_of_the_face_image: -0.5, ..GOOD };
        check(cut, "MarginAboveOfTheFaceImage", "the face is cut off at the top");
        check(Quality { head_pose_yaw_ratio: -0.9, ..GOOD }, "HeadPoseYaw", "the face is turned to the side");
        check(Quality { luminance_mean: 0.05, ..GOOD }, "LuminanceMean", "the face is too dark");
        check(Quality { luminance_mean: 0.95, ..GOOD }, "OverExposurePrevention", "the face is too bright");
        check(Quality { over_exposed_part: 0.5, ..GOOD }, "OverExposurePrevention", "the face is too bright");
        let uneven = Quality { illumination_uniformity: 0.0, ..GOOD };
        check(uneven, "IlluminationUniformity", "one side of the face is much darker");
        check(Quality { dynamic_range_bits: 3.0, ..GOOD }, "DynamicRange", "the face has too little contrast");
        check(Quality { sharpness: 3.0, ..GOOD }, "Sharpness", "the face is blurred");
    }

    #[test]
    fn all_reasons_are_told_at_once() {
        let bad = Quality { inter_eye_distance_px: 9.0, luminance_mean: 0.05, sharpness: 1.0, ..GOOD };
        let error = PortraitError::Unfit { reasons: PortraitGate::default().reasons(&bad) };
        let codes: Vec<&str> = error.reasons().iter().map(|(code, _, _)| *code).collect();
        assert_eq!(codes, ["too-small", "too-dark", "blurred"]);
        assert_eq!(error.to_string().lines().count(), 3);
    }
}
