//! How usable a face is, in numbers that need no network.
//!
//! The names are those of ISO/IEC 29794-5; the values are raw measurements in stated units, not that standard's 0 to
//! 100, and have not been checked for conformance to it.

use crate::detect::Detection;
use crate::embed::Aligned;
use crate::frame::Frame;

/// Measurements of one face. None of them says anything about the person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Distance between the eyes, photo pixels.
    pub inter_eye_distance_px: f32,
    /// Height of the face's box, parts of the photo's height.
    pub head_size: f32,
    /// Angle of the line between the eyes against the nearest upright, degrees, clockwise positive.
    pub head_pose_roll_deg: f32,
    /// Where the nose tip lies between the eyes: 0 in the middle, -1 and 1 below the left and the right eye. A face
    /// turned away by about 45 degrees reaches them.
    pub head_pose_yaw_ratio: f32,
    /// Room between the face's box and the photo's left edge, in distances between the eyes; negative if it is cut off
    /// there. Left is the viewer's left in the photo, whichever way up the face is.
    pub leftward_crop_of_the_face_image: f32,
    /// The same to the right edge.
    pub rightward_crop_of_the_face_image: f32,
    /// The same to the upper edge.
    pub margin_above_of_the_face_image: f32,
    /// The same to the lower edge.
    pub margin_below_of_the_face_image: f32,
    /// Mean luminance of the aligned crop, 0 to 1.
    pub luminance_mean: f32,
    /// Variance of the luminance, 0 to 0.25.
    pub luminance_variance: f32,
    /// Part of the crop darker than 25 of 255.
    pub under_exposed_part: f32,
    /// Part of the crop brighter than 246 of 255.
    pub over_exposed_part: f32,
    /// How alike the luminance of the left and of the right cheek are spread, 0 (nothing in common) to 1.
    pub illumination_uniformity: f32,
    /// Entropy of the luminance histogram, bits, 0 to 8.
    pub dynamic_range_bits: f32,
    /// Variance of the Laplacian of the luminance (0 to 255), as it would be with [`EYES_PX`] between the eyes: low is
    /// blurred.
    pub sharpness: f32,
}

/// Between the eyes in the crop for which sharpness is told, pixels: networks take crops of different sizes, and a smaller
/// one looks sharper.
pub const EYES_PX: f32 = 47.0;

/// Measures `face`, cut out as `aligned` with `eyes_px` pixels between the eyes, in a photo of `photo_size` pixels (width,
/// height).
///
/// The second derivative of a smooth picture grows with the square of a pixel's size, and its variance with the fourth
/// power; what is left of noise in a blurred photo does not. Measured where portraits are refused, the same picture has 1.65
/// times as much in a crop with 47 pixels between the eyes as in one with 35, which is the power 2.25, and by that sharpness is brought to
/// [`EYES_PX`]: `docs/quality.md`.
///
/// # Source
///
/// Exposure limits, the entropy and the agreement of the histograms follow ISO/IEC 29794-5's `UnderExposurePrevention`,
/// `OverExposurePrevention`, `DynamicRange` and `IlluminationUniformity`, as OFIQ computes them; luminance is ITU-R BT.709's weighting of the stored values.
pub fn measure(face: &Detection, (aligned, eyes_px): (&Aligned, f32), photo_size: (f32, f32)) -> Quality {
    let [left, right, nose, _, _] = face.landmarks;
    let (dx, dy) = (right.x - left.x, right.y - left.y);
    let eyes = dx.hypot(dy).max(f32::EPSILON);
    let roll = dy.atan2(dx).to_degrees() + f32::from(face.turn.count()) * 90.0;
    let roll = (roll + 180.0).rem_euclid(360.0) - 180.0;
    // The nose's place along the line between the eyes: 0 at the left one, 1 at the right one.
    let along = ((nose.x - left.x) * dx + (nose.y - left.y) * dy) / (eyes * eyes);
    let b = face.bounds;
    let upright_height =
        if face.turn.count().is_multiple_of(2) { b.height / photo_size.1 } else { b.width / photo_size.0 };

    let crop = aligned.crop();
    let luminance = luminance(crop);
    let n = luminance.len() as f32;
    let mean = mean(&luminance);
    let variance = luminance.iter().map(|l| (l - mean).powi(2)).sum::<f32>() / n;
    let histogram = histogram(luminance.iter());
    let part = |range: std::ops::Range<usize>| histogram[range].iter().sum::<u32>() as f32 / n;
    let entropy = histogram.iter().filter(|&&c| c > 0).map(|&c| c as f32 / n).map(|p| -p * p.log2()).sum();
    Quality {
        inter_eye_distance_px: eyes,
        head_size: upright_height,
        head_pose_roll_deg: roll,
        head_pose_yaw_ratio: (along - 0.5) * 2.0,
        leftward_crop_of_the_face_image: b.x / eyes,
        rightward_crop_of_the_face_image: (photo_size.0 - b.x - b.width) / eyes,
        margin_above_of_the_face_image: b.y / eyes,
        margin_below_of_the_face_image: (photo_size.1 - b.y - b.height) / eyes,
        luminance_mean: mean / 255.0,
        luminance_variance: variance / (255.0 * 255.0),
        under_exposed_part: part(0..25),
        over_exposed_part: part(247..256),
        illumination_uniformity: uniformity(&luminance, crop.width() as usize),
        dynamic_range_bits: entropy,
        sharpness: laplacian_variance(&luminance, crop.width() as usize) * to_power_2_25(eyes_px / EYES_PX),
    }
}

/// By roots, which every machine takes alike.
fn to_power_2_25(x: f32) -> f32 {
    x * x * x.sqrt().sqrt()
}

/// The mean luminance of a crop, 0 to 1, as [`measure`] has it.
pub fn luminance_mean(aligned: &Aligned) -> f32 {
    mean(&luminance(aligned.crop())) / 255.0
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len() as f32
}

/// The luminance of each pixel, `[height][width]`, 0 to 255.
pub(crate) fn luminance(frame: &Frame) -> Vec<f32> {
    let weigh = |p: &[u8]| 0.2126 * f32::from(p[0]) + 0.7152 * f32::from(p[1]) + 0.0722 * f32::from(p[2]);
    frame.rgb().chunks_exact(3).map(weigh).collect()
}

fn histogram<'a>(luminance: impl Iterator<Item = &'a f32>) -> [u32; 256] {
    let mut histogram = [0; 256];
    for l in luminance {
        histogram[*l as usize & 255] += 1;
    }
    histogram
}

/// The sum of the lesser of both cheeks' histograms. The cheeks are taken to lie between the eyes' line and the mouth's,
/// left and right of the nose, where every alignment template in use has them.
fn uniformity(luminance: &[f32], width: usize) -> f32 {
    let height = luminance.len() / width;
    let side = |from: f32, to: f32| {
        let columns = (from * width as f32) as usize..(to * width as f32) as usize;
        let rows = (0.5 * height as f32) as usize..(0.8 * height as f32) as usize;
        let cheek = rows.flat_map(move |y| &luminance[y * width + columns.start..y * width + columns.end]);
        histogram(cheek)
    };
    let (left, right) = (side(0.2, 0.42), side(0.58, 0.8));
    let n = left.iter().sum::<u32>().max(right.iter().sum()).max(1);
    left.iter().zip(right).map(|(l, r)| (*l).min(r)).sum::<u32>() as f32 / n as f32
}

fn laplacian_variance(luminance: &[f32], width: usize) -> f32 {
    let height = luminance.len() / width;
    let (mut sum, mut squares, mut n) = (0.0f64, 0.0f64, 0.0f64);
    for y in 1..height.saturating_sub(1) {
        for x in 1..width - 1 {
            let i = y * width + x;
            let l = f64::from(
                luminance[i - 1] + luminance[i + 1] + luminance[i - width] + luminance[i + width] - 4.0 * luminance[i],
            );
            sum += l;
            squares += l * l;
            n += 1.0;
        }
    }
    if n == 0.0 { 0.0 } else { (squares / n - (sum / n).powi(2)) as f32 }
}
