//! Finding the faces of a photo: scaling, quarter turns, tiles, and one detection for each face.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::coarse;
use crate::frame::Frame;
use crate::geometry::{Point, QuarterTurn, Rect};
use crate::model::{DetectorInput, DetectorSpec};
use crate::nms::suppress;
use crate::resize::{fit_within, resize};
use crate::runtime::{Execution, InferenceError, Role, Runtime};
use crate::search_side::search_side_px;
use crate::yunet::Yunet;

/// A face that was found, in pixels of the picture that was searched.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Detection {
    /// The bounding box of the face, pixels of the picture that was searched.
    pub bounds: Rect,
    /// Left eye, right eye, nose tip, left and right mouth corner, left and right as the viewer of the *upright* face
    /// sees them.
    pub landmarks: [Point; 5],
    /// The turn that brings the face upright.
    pub turn: QuarterTurn,
    /// How sure the detector is, 0 to 1.
    pub score: f32,
}

impl Detection {
    pub(crate) fn scaled(mut self, factor: f32) -> Detection {
        self.bounds = self.bounds.scaled(factor);
        for p in &mut self.landmarks {
            *p = Point { x: p.x * factor, y: p.y * factor };
        }
        self
    }

    pub(crate) fn shifted(mut self, x: f32, y: f32) -> Detection {
        self.bounds.x += x;
        self.bounds.y += y;
        for p in &mut self.landmarks {
            *p = Point { x: p.x + x, y: p.y + y };
        }
        self
    }

    /// The same face in the picture as it was before `turn` was applied to it; `size` is that of the turned picture.
    pub(crate) fn turned_back(mut self, turn: QuarterTurn, size: (f32, f32)) -> Detection {
        let back = turn.inverse();
        self.bounds = back.move_rect(self.bounds, size);
        for p in &mut self.landmarks {
            *p = back.move_point(*p, size);
        }
        self.turn = turn;
        self
    }
}

/// How a photo is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchOptions {
    /// The longest side, pixels, at which a photo of usual shape and size is searched; panoramas and very large photos are
    /// searched at more ([`side_of`](Self::side_of)). Larger finds smaller faces and takes longer.
    pub side_px: u32,
    /// Which way up faces may be.
    pub posture: Posture,
    /// How thorough the search is.
    pub thoroughness: Thoroughness,
}

impl Default for SearchOptions {
    fn default() -> SearchOptions {
        SearchOptions { side_px: 1600, posture: Posture::AnyWayUp, thoroughness: Thoroughness::CoarseToFine }
    }
}

impl SearchOptions {
    /// The longest side, pixels, at which a photo of this width and height is searched; see
    /// [`search_side`](crate::search_side). Never more than its own.
    pub fn side_of(&self, size: (u32, u32)) -> u32 {
        search_side_px(size, self.side_px)
    }
}

/// How thorough a search is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoroughness {
    /// A smaller picture shows where faces may be, and the full side is looked at there alone.
    CoarseToFine,
    /// Every pixel at the full side.
    Exhaustive,
}

/// Which way up the faces of a photo may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posture {
    /// Upright, give or take half a quarter turn: one pass.
    Upright,
    /// Any way: a pass for each of the four quarter turns, and the surest detection of each face is kept.
    AnyWayUp,
}

/// The faces of a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Detected {
    /// Surest first, in photo pixels.
    pub faces: Vec<Detection>,
}

impl Detected {
    /// The same for a photo of `factor` times the size, of which the picture that was searched is a smaller copy.
    #[must_use]
    pub fn in_larger(self, factor: f32) -> Detected {
        Detected { faces: self.faces.into_iter().map(|face| face.scaled(factor)).collect() }
    }
}

/// A detector, ready for one thread.
#[derive(Debug)]
pub struct FaceFinder {
    pub(crate) yunet: Yunet,
    /// Set by somebody else to end a search between two passes.
    stop: Arc<AtomicBool>,
}

impl FaceFinder {
    /// Loads the detector network with the engine that [`Runtime::choose`] names.
    ///
    /// # Errors
    ///
    /// As [`with_execution`](Self::with_execution).
    pub fn new(runtime: &Runtime, spec: DetectorSpec, onnx: &[u8]) -> Result<FaceFinder, InferenceError> {
        FaceFinder::with_execution(runtime, spec, onnx, runtime.choose(Role::Detector).0)
    }

    /// Loads the detector network with a named engine; for measuring one against the other.
    ///
    /// # Errors
    ///
    /// - [`InferenceError::Absurd`] if the network cannot be run in an order.
    /// - [`InferenceError::OtherHead`] if the network gives more than its card says (invariant I8).
    /// - [`InferenceError::Load`] if the library refuses `onnx`.
    pub fn with_execution(
        runtime: &Runtime,
        spec: DetectorSpec,
        onnx: &[u8],
        execution: Execution,
    ) -> Result<FaceFinder, InferenceError> {
        Ok(FaceFinder { yunet: Yunet::new(runtime, spec, onnx, execution)?, stop: Arc::default() })
    }

    /// From now on, a search ends between two passes over a picture or a part of it once `stop` is set.
    pub fn stop_by(&mut self, stop: Arc<AtomicBool>) {
        self.stop = stop;
    }

    /// The engine that runs the network: [`Execution::Cpu`] instead of [`Execution::Own`] for a network that only the
    /// library knows.
    pub fn execution(&self) -> Execution {
        self.yunet.execution()
    }

    /// Finds every face of `photo`, a photo of its own size.
    ///
    /// # Errors
    ///
    /// [`InferenceError`] if the network fails, or the search was [stopped](Self::stop_by); no face is an empty list,
    /// never an error.
    pub fn find(&mut self, photo: &Frame, options: SearchOptions) -> Result<Detected, InferenceError> {
        self.find_at(photo, options.side_of((photo.width(), photo.height())), options)
    }

    /// Finds every face of `photo`, perhaps a smaller copy, at a longest side of `side_px` (and not of
    /// `options.side_px`).
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub fn find_at(&mut self, photo: &Frame, side_px: u32, options: SearchOptions) -> Result<Detected, InferenceError> {
        let size = fit_within((photo.width(), photo.height()), side_px);
        // A network of one input size looks at tiles, which do not get fewer by looking at parts.
        let has_one_size = matches!(self.yunet.spec().input, DetectorInput::Fixed { .. });
        match options.thoroughness {
            Thoroughness::CoarseToFine if !has_one_size && coarse::pays(size) => {
                self.coarse_to_fine(photo, size, options.posture)
            }
            _ => self.exhaustive(photo, size, options.posture),
        }
    }

    fn exhaustive(&mut self, photo: &Frame, size: (u32, u32), posture: Posture) -> Result<Detected, InferenceError> {
        let searched = if size == (photo.width(), photo.height()) {
            Cow::Borrowed(photo)
        } else {
            Cow::Owned(resize(photo, size))
        };
        let scale = photo.width().max(photo.height()) as f32 / size.0.max(size.1) as f32;
        let least = self.yunet.spec().score_threshold;
        let mut found = self.upright_faces(&searched, least)?;
        if posture == Posture::AnyWayUp {
            for turn in &QuarterTurn::ALL[1..] {
                let turned = searched.turned(*turn);
                let faces = self.upright_faces(&turned, least)?;
                found.extend(faces.into_iter().map(|d| d.turned_back(*turn, turned.size())));
            }
        }
        let faces = suppress(found, self.yunet.spec().nms_iou).into_iter().map(|d| d.scaled(scale)).collect();
        Ok(Detected { faces })
    }

    /// What scores `least` or more in one pass over `frame`, one detection for each face.
    pub(crate) fn upright_faces(&mut self, frame: &Frame, least: f32) -> Result<Vec<Detection>, InferenceError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(InferenceError::Stopped);
        }
        let iou = self.yunet.spec().nms_iou;
        let found = match self.yunet.spec().input {
            DetectorInput::MultipleOf { px } => {
                let up = |side: u32| side.div_ceil(px) * px;
                if u64::from(frame.width()) * u64::from(frame.height()) > ONE_PASS_PIXELS_MAX {
                    let tile = |side: u32| up(side.min(TILE_PX));
                    self.tiles(frame, (tile(frame.width()), tile(frame.height())), least)?
                } else {
                    self.yunet.run(frame, (up(frame.width()), up(frame.height())), least)?
                }
            }
            DetectorInput::Fixed { width_px, height_px } => self.tiles(frame, (width_px, height_px), least)?,
        };
        Ok(suppress(found, iou))
    }

    /// For a network of one input size, and for pictures that are too large for one pass: the whole picture scaled down
    /// to a tile (large faces), then overlapping tiles (small ones). A face that a tile's inner edge cuts is left to the neighbour, which holds it whole, or to the
    /// whole picture.
    fn tiles(
        &mut self,
        frame: &Frame,
        (width, height): (u32, u32),
        least: f32,
    ) -> Result<Vec<Detection>, InferenceError> {
        let shrink = (frame.width() as f32 / width as f32).max(frame.height() as f32 / height as f32).max(1.0);
        let whole = ((frame.width() as f32 / shrink) as u32, (frame.height() as f32 / shrink) as u32);
        let small = if shrink > 1.0 { resize(frame, whole) } else { frame.clone() };
        let mut found: Vec<Detection> =
            self.yunet.run(&small, (width, height), least)?.into_iter().map(|d| d.scaled(shrink)).collect();
        if shrink > 1.0 {
            for y in tile_starts(frame.height(), height) {
                for x in tile_starts(frame.width(), width) {
                    let tile = cut(frame, (x, y), (width, height));
                    let part =
                        Rect { x: x as f32, y: y as f32, width: tile.width() as f32, height: tile.height() as f32 };
                    let faces = self.yunet.run(&tile, (width, height), least)?;
                    let faces = faces.into_iter().map(|d| d.shifted(part.x, part.y));
                    found.extend(faces.filter(|d| is_whole(&d.bounds, &part, frame.size())));
                }
            }
        }
        Ok(found)
    }
}

/// The largest picture that goes through the network at once, pixels: what the network keeps grows with it, and a photo of
/// usual shape and size is smaller.
const ONE_PASS_PIXELS_MAX: u64 = 4 << 20;

/// Longest side of the tiles of a larger picture, pixels. They overlap by a quarter; larger faces are found in the whole
/// picture, scaled down.
const TILE_PX: u32 = 1600;

/// Whether a box that was found in `part` of a picture of `size` is cut by none of the part's inner edges.
pub(crate) fn is_whole(bounds: &Rect, part: &Rect, (width, height): (f32, f32)) -> bool {
    let (right, bottom) = (part.x + part.width, part.y + part.height);
    (part.x <= 0.0 || bounds.x > part.x + 1.0)
        && (part.y <= 0.0 || bounds.y > part.y + 1.0)
        && (right >= width || bounds.x + bounds.width < right - 1.0)
        && (bottom >= height || bounds.y + bounds.height < bottom - 1.0)
}

/// Where tiles of `tile` pixels begin on a side of `side`: evenly spread, each overlapping the next by a quarter of
/// a tile or more.
fn tile_starts(side: u32, tile: u32) -> Vec<u32> {
    if side <= tile {
        return vec![0];
    }
    let step = tile - tile / 4;
    let steps = (side - tile).div_ceil(step);
    (0..=steps).map(|i| (u64::from(side - tile) * u64::from(i) / u64::from(steps)) as u32).collect()
}

/// The part of `frame` from `(x, y)` on, of `(width, height)` or as much as there is.
pub(crate) fn cut(frame: &Frame, (x, y): (u32, u32), (width, height): (u32, u32)) -> Frame {
    let (w, h) = (width.min(frame.width() - x), height.min(frame.height() - y));
    let stride = frame.width() as usize * 3;
    let rows = frame.rgb().chunks_exact(stride).skip(y as usize).take(h as usize);
    let mut rgb = Vec::with_capacity(w as usize * h as usize * 3);
    rows.for_each(|row| rgb.extend_from_slice(&row[x as usize * 3..(x + w) as usize * 3]));
    Frame::new(w, h, rgb).unwrap_or_else(|| Frame::filled(w, h, [0; 3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_side_and_overlap() {
        for (side, tile) in [(100, 640), (640, 640), (641, 640), (1600, 640), (2399, 640)] {
            let starts = tile_starts(side, tile);
            assert_eq!(starts[0], 0);
            assert_eq!(starts.last().unwrap() + tile.min(side), side, "{side}");
            assert!(starts.windows(2).all(|w| w[1] - w[0] <= tile - tile / 4), "{side}: {starts:?}");
        }
    }

    #[test]
    fn a_detection_turns_back_to_where_the_face_was() {
        let photo = (40.0, 30.0);
        let face = Rect { x: 5.0, y: 2.0, width: 4.0, height: 6.0 };
        for turn in QuarterTurn::ALL {
            let seen = Detection {
                bounds: turn.move_rect(face, photo),
                landmarks: [turn.move_point(Point { x: 6.0, y: 3.0 }, photo); 5],
                ..Detection::default()
            };
            let back = seen.turned_back(turn, turn.move_size(photo));
            assert_eq!((back.bounds, back.landmarks[0], back.turn), (face, Point { x: 6.0, y: 3.0 }, turn));
        }
    }
}
