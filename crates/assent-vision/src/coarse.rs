//! Coarse to fine: a small picture shows where faces may be, and the full side is looked at there alone.
//!
//! ```text
//! picture at half the side -> what may be a face, however unsure
//!   -> large and sure: a face, as it is
//!   -> else: the part of the full side around it, no larger than need be, through the detector again, which decides
//! picture at two fifths of the side, turned by one, two, three quarters: the same
//! ```
//!
//! The detector's time is the number of its pixels, and most pixels of most photos are no face. It was trained on faces
//! of 10 to 300 pixels, so a face of 20 pixels at the full side still shows at half of it; what it loses there is
//! certainty, which the second look gives back.
//!
//! # Source
//!
//! The numbers below were chosen on the sample photos and on mosaics of them with faces of 14 pixels and more:
//! `docs/performance.md`.

use crate::detect::{Detected, Detection, FaceFinder, Posture, cut, is_whole};
use crate::frame::Frame;
use crate::geometry::{QuarterTurn, Rect};
use crate::nms::suppress;
use crate::resize::{fit_within, resize, resize_part};
use crate::runtime::InferenceError;

/// The first look at one quarter turn.
#[derive(Debug, Clone, Copy)]
struct CoarsePass {
    /// Its picture's longest side, as a part of the full one.
    part: f32,
    /// The least longest side that it is worth while to go down to, pixels.
    side_px_min: u32,
    /// What scores this much may be a face.
    least: f32,
}

/// Upright: most faces are, so nothing may be lost.
const UPRIGHT: CoarsePass = CoarsePass { part: 1.0 / 2.0, side_px_min: 640, least: 0.1 };
/// Turned: three of them, so each must be cheap.
const TURNED: CoarsePass = CoarsePass { part: 0.4, side_px_min: 480, least: 0.3 };

/// A box of this many pixels or more at the first look holds all that the detector needs; a larger picture makes it
/// no surer, so it must score more to be looked at again.
const LARGE_PX: f32 = 64.0;
/// What a large box must score to be looked at again.
const LARGE_LEAST: f32 = 0.3;
/// At the second look, a box need not have more than this many pixels: the larger it would be at the full side, the
/// smaller is the picture of it, in quarters of the full side.
const ENOUGH_PX: f32 = 96.0;
/// A sure face of this many pixels or more at the first look is taken as it is; its landmarks come from a look at it
/// alone ([`crate::refine`]).
const SURE_PX: f32 = 40.0;
/// The second look takes in this much around a box, as a part of its longer side, and no less than [`AROUND_PX_MIN`].
const AROUND: f32 = 0.5;
/// Pixels of the full side.
const AROUND_PX_MIN: f32 = 32.0;
/// Where a second look begins and ends: the detector's coarsest grid, so that its cells lie as in the whole picture.
const GRID_PX: f32 = 32.0;
/// With more parts than this, or more of the picture in them, the whole picture is looked at instead.
const PARTS_MAX: usize = 150;
/// As a part of the picture's surface.
const SURFACE_MAX: f32 = 0.7;

/// Whether a first look at a smaller picture is cheaper, for a picture that is `size` at its full side.
pub(crate) fn pays(size: (u32, u32)) -> bool {
    size.0.max(size.1) > UPRIGHT.side_px_min * 5 / 4
}

impl CoarsePass {
    fn size(self, full: (u32, u32)) -> (u32, u32) {
        fit_within(full, ((full.0.max(full.1) as f32 * self.part) as u32).max(self.side_px_min))
    }
}

/// A photo at its full side, of which only parts are ever made.
struct Full<'p> {
    photo: &'p Frame,
    size: (f32, f32),
    /// Photo pixels for one pixel of the full side.
    scale: f32,
}

impl Full<'_> {
    /// The same at a part of its size.
    fn smaller(&self, part: f32) -> Full<'_> {
        let size = ((self.size.0 * part).round().max(1.0), (self.size.1 * part).round().max(1.0));
        Full { photo: self.photo, size, scale: self.scale / part }
    }

    fn part(&self, part: &Rect) -> Frame {
        let (width, height) = (part.width as u32, part.height as u32);
        if self.scale == 1.0 {
            cut(self.photo, (part.x as u32, part.y as u32), (width, height))
        } else {
            resize_part(self.photo, part.scaled(self.scale), (width, height))
        }
    }
}

impl FaceFinder {
    /// Finds every face of `photo`, which is `size` at its full side.
    pub(crate) fn coarse_to_fine(
        &mut self,
        photo: &Frame,
        size: (u32, u32),
        posture: Posture,
    ) -> Result<Detected, InferenceError> {
        let scale = photo.width().max(photo.height()) as f32 / size.0.max(size.1) as f32;
        let full = Full { photo, size: (size.0 as f32, size.1 as f32), scale };
        let half = resize(photo, UPRIGHT.size(size));
        let mut found = self.coarse_pass(&full, &half, QuarterTurn::None, UPRIGHT.least)?;
        if posture == Posture::AnyWayUp {
            let smaller = resize(&half, TURNED.size(size));
            for turn in &QuarterTurn::ALL[1..] {
                found.extend(self.coarse_pass(&full, &smaller, *turn, TURNED.least)?);
            }
        }
        let faces = suppress(found, self.yunet.spec().nms_iou).into_iter().map(|d| d.scaled(scale)).collect();
        Ok(Detected { faces })
    }

    /// The faces that stand upright after `turn`, in pixels of the full side.
    fn coarse_pass(
        &mut self,
        full: &Full<'_>,
        coarse: &Frame,
        turn: QuarterTurn,
        least: f32,
    ) -> Result<Vec<Detection>, InferenceError> {
        let (threshold, iou) = (self.yunet.spec().score_threshold, self.yunet.spec().nms_iou);
        let to_full = full.size.0.max(full.size.1) / coarse.width().max(coarse.height()) as f32;
        let first = self.upright_faces_turned(coarse, turn, least.min(threshold))?;
        let side = |d: &Detection| d.bounds.width.min(d.bounds.height);
        let (sure, unsure): (Vec<Detection>, Vec<Detection>) =
            first.into_iter().partition(|d| d.score >= threshold && side(d) >= SURE_PX);
        let mut faces: Vec<Detection> = sure.into_iter().map(|d| d.scaled(to_full)).collect();
        let again = unsure.into_iter().filter(|d| side(d) < LARGE_PX || d.score >= LARGE_LEAST.min(threshold));
        let again = again.map(|d| d.scaled(to_full).bounds);
        let again = again.filter(|b| faces.iter().all(|face| face.bounds.iou(b) <= iou));
        let mut by_quarters: [Vec<Rect>; 4] = Default::default();
        for bounds in again {
            let quarters = (4.0 * ENOUGH_PX / bounds.width.min(bounds.height)).ceil() as usize;
            by_quarters[quarters.clamp(1, 4) - 1].push(bounds);
        }
        for (boxes, part) in by_quarters.into_iter().zip([0.25, 0.5, 0.75, 1.0]) {
            let full = full.smaller(part);
            for around in parts(boxes.into_iter().map(|b| b.scaled(part)).collect(), full.size) {
                let found = self.upright_faces_turned(&full.part(&around), turn, threshold)?;
                let found = found.into_iter().map(|d| d.shifted(around.x, around.y));
                let whole = found.filter(|d| is_whole(&d.bounds, &around, full.size));
                faces.extend(whole.map(|d| d.scaled(1.0 / part)));
            }
        }
        Ok(faces)
    }

    /// One pass over `picture` turned by `turn`; what is found is turned back.
    fn upright_faces_turned(
        &mut self,
        picture: &Frame,
        turn: QuarterTurn,
        least: f32,
    ) -> Result<Vec<Detection>, InferenceError> {
        if turn == QuarterTurn::None {
            return self.upright_faces(picture, least);
        }
        let turned = picture.turned(turn);
        Ok(self.upright_faces(&turned, least)?.into_iter().map(|d| d.turned_back(turn, turned.size())).collect())
    }
}

/// The parts of a picture of `size` to look at for `boxes`: each with what is around it, on the detector's grid; parts
/// are joined where one look costs no more than two.
fn parts(boxes: Vec<Rect>, (width, height): (f32, f32)) -> Vec<Rect> {
    let whole = Rect { x: 0.0, y: 0.0, width, height };
    if boxes.len() > PARTS_MAX {
        return vec![whole];
    }
    let mut parts: Vec<Rect> = Vec::new();
    for face in boxes {
        let Some(mut part) = around(&face, (width, height)) else { continue };
        while let Some(i) = parts.iter().position(|p| join(p, &part).area() <= p.area() + part.area()) {
            part = join(&parts.swap_remove(i), &part);
        }
        parts.push(part);
    }
    let surface: f32 = parts.iter().map(Rect::area).sum();
    if surface > SURFACE_MAX * whole.area() { vec![whole] } else { parts }
}

/// A box with what is around it; `None` if all of it lies outside of the picture.
fn around(face: &Rect, (width, height): (f32, f32)) -> Option<Rect> {
    let margin = (AROUND * face.width.max(face.height)).max(AROUND_PX_MIN);
    let begin = |from: f32| ((from - margin) / GRID_PX).floor().max(0.0) * GRID_PX;
    let end = |to: f32, side: f32| (((to + margin) / GRID_PX).ceil() * GRID_PX).min(side);
    let (x, y) = (begin(face.x), begin(face.y));
    let part = Rect { x, y, width: end(face.x + face.width, width) - x, height: end(face.y + face.height, height) - y };
    (part.width >= 1.0 && part.height >= 1.0).then_some(part)
}

/// The smallest box around two.
fn join(a: &Rect, b: &Rect) -> Rect {
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let (right, bottom) = ((a.x + a.width).max(b.x + b.width), (a.y + a.height).max(b.y + b.height));
    Rect { x, y, width: right - x, height: bottom - y }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: (f32, f32) = (1600.0, 1067.0);

    fn holds(part: &Rect, face: &Rect) -> bool {
        part.x <= face.x
            && part.y <= face.y
            && part.x + part.width >= face.x + face.width
            && part.y + part.height >= face.y + face.height
    }

    proptest! {
        #[test]
        fn every_box_lies_in_a_part_and_every_part_in_the_picture(
            boxes in prop::collection::vec((0f32..1500.0, 0f32..1000.0, 5f32..90.0, 5f32..60.0), 0..200),
        ) {
            let boxes: Vec<Rect> =
                boxes.into_iter().map(|(x, y, width, height)| Rect { x, y, width, height }).collect();
            let parts = parts(boxes.clone(), SIZE);
            let picture = Rect { x: 0.0, y: 0.0, width: SIZE.0, height: SIZE.1 };
            prop_assert!(parts.iter().all(|part| holds(&picture, part)));
            prop_assert!(boxes.iter().all(|face| parts.iter().any(|part| holds(part, face))));
            prop_assert!(parts.iter().map(Rect::area).sum::<f32>() <= picture.area());
        }
    }

    #[test]
    fn parts_lie_on_the_grid_and_join_where_that_is_cheaper() {
        let face = |x: f32, y: f32| Rect { x, y, width: 40.0, height: 50.0 };
        let check = |name: &str, boxes: &[Rect], expected: &[(f32, f32, f32, f32)]| {
            let got: Vec<_> = parts(boxes.to_vec(), SIZE).iter().map(|p| (p.x, p.y, p.width, p.height)).collect();
            assert_eq!(got, expected, "{name}");
        };
        check("nothing", &[], &[]);
        check("one", &[face(100.0, 100.0)], &[(64.0, 64.0, 128.0, 128.0)]);
        check("at the corner", &[face(1580.0, 1040.0)], &[(1536.0, 992.0, 64.0, 75.0)]);
        check("beyond the edge", &[face(-20.0, -20.0)], &[(0.0, 0.0, 64.0, 64.0)]);
        check("outside", &[face(-900.0, 10.0), face(1700.0, 10.0)], &[]);
        check("two side by side", &[face(100.0, 100.0), face(160.0, 100.0)], &[(64.0, 64.0, 192.0, 128.0)]);
        let far = [face(100.0, 100.0), face(900.0, 100.0)];
        check("two far apart", &far, &[(64.0, 64.0, 128.0, 128.0), (864.0, 64.0, 128.0, 128.0)]);
        let large = Rect { x: 300.0, y: 200.0, width: 900.0, height: 700.0 };
        check("most of the picture", &[large], &[(0.0, 0.0, 1600.0, 1067.0)]);
        check("a crowd", &[face(100.0, 100.0); 151], &[(0.0, 0.0, 1600.0, 1067.0)]);
    }
}
