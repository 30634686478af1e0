//! `YuNet`: one run of the detector network, from a picture to raw detections.
//!
//! The network looks at a picture through grids of 8, 16 and 32 pixels a cell. For each cell it says how sure it
//! is of a face, where the face's box lies relative to the cell, and where the five landmarks lie.
//!
//! # Source
//!
//! W. Wu, H. Peng, S. Yu, "`YuNet`: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023;
//! decoding as in libfacedetection.train at commit 0047ac24.

use crate::detect::Detection;
use crate::frame::Frame;
use crate::geometry::{Point, QuarterTurn, Rect};
use crate::model::{ChannelOrder, DetectorSpec, Preprocessing};
use crate::runtime::{InferenceError, Network};

/// Numbers per cell in each output: class, objectness, box, landmarks.
const WIDTHS: [usize; 4] = [1, 1, 4, 10];

/// The network with its buffers.
#[derive(Debug)]
pub(crate) struct Yunet {
    network: Network,
    spec: DetectorSpec,
    planes: Vec<f32>,
}

impl Yunet {
    pub(crate) fn new(network: Network, spec: DetectorSpec) -> Yunet {
        Yunet { network, spec, planes: Vec::new() }
    }

    pub(crate) fn spec(&self) -> &DetectorSpec {
        &self.spec
    }

    /// Finds upright faces in `frame`, padded with black to `(width, height)` at the right and the bottom.
    /// Detections are unsorted and overlap; coordinates are those of `frame`.
    pub(crate) fn run(&mut self, frame: &Frame, (width, height): (u32, u32)) -> Result<Vec<Detection>, InferenceError> {
        let (w, h) = (width as usize, height as usize);
        fill_planes(frame, (w, h), &self.spec.preprocessing, &mut self.planes);
        let spec = &self.spec;
        let names: Vec<(String, Vec<usize>)> = spec
            .strides_px
            .iter()
            .flat_map(|&stride| {
                let cells = (w / stride as usize) * (h / stride as usize);
                spec.output_names
                    .iter()
                    .zip(WIDTHS)
                    .map(move |(name, n)| (name.replace("{stride}", &stride.to_string()), vec![1, cells, n]))
            })
            .collect();
        let outputs: Vec<(&str, Vec<usize>)> = names.iter().map(|(n, s)| (n.as_str(), s.clone())).collect();
        let mut found = Vec::new();
        // The outputs of one stride come one after the other; cells above the threshold are picked up on the way.
        let (mut class, mut sure) = (Vec::new(), Vec::<(usize, f32)>::new());
        let first = found.len();
        let mut start = first;
        self.network.run((&spec.input_name, [1, 3, h, w], &self.planes), &outputs, |i, values| {
            let stride = spec.strides_px[i / 4];
            let columns = w / stride as usize;
            let cell = |k: usize| ((k % columns) as f32, (k / columns) as f32);
            let s = stride as f32;
            match i % 4 {
                0 => class = values.to_vec(),
                1 => {
                    let score = |(k, o): (usize, &f32)| (k, (class[k].clamp(0.0, 1.0) * o.clamp(0.0, 1.0)).sqrt());
                    sure = values.iter().enumerate().map(score).filter(|c| c.1 >= spec.score_threshold).collect();
                    start = found.len();
                }
                2 => found.extend(sure.iter().map(|&(k, score)| {
                    let (column, row) = cell(k);
                    let b = &values[k * 4..k * 4 + 4];
                    let (bw, bh) = (b[2].exp() * s, b[3].exp() * s);
                    let bounds = Rect {
                        x: (column + b[0]) * s - bw / 2.0,
                        y: (row + b[1]) * s - bh / 2.0,
                        width: bw,
                        height: bh,
                    };
                    Detection { bounds, score, turn: QuarterTurn::None, landmarks: [Point::default(); 5] }
                })),
                _ => {
                    for (detection, &(k, _)) in found[start..].iter_mut().zip(&sure) {
                        let (column, row) = cell(k);
                        for (landmark, xy) in detection.landmarks.iter_mut().zip(values[k * 10..].chunks_exact(2)) {
                            *landmark = Point { x: (column + xy[0]) * s, y: (row + xy[1]) * s };
                        }
                    }
                }
            }
        })?;
        found.retain(|d| d.bounds.area().is_finite() && d.landmarks.iter().all(|p| p.x.is_finite() && p.y.is_finite()));
        Ok(found)
    }
}

/// Fills `planes` (`[3][height][width]`) from `frame`, black where the frame ends.
fn fill_planes(frame: &Frame, (w, h): (usize, usize), how: &Preprocessing, planes: &mut Vec<f32>) {
    let (fw, fh) = ((frame.width() as usize).min(w), (frame.height() as usize).min(h));
    planes.resize(3 * w * h, 0.0);
    let [x, y, z] = match how.channels {
        ChannelOrder::Rgb => [0, 1, 2],
        ChannelOrder::Bgr => [2, 1, 0],
    };
    let number = |byte: u8, plane: usize| (f32::from(byte) - how.mean[plane]) * how.scale;
    let (first, rest) = planes.split_at_mut(w * h);
    let (second, third) = rest.split_at_mut(w * h);
    let mut source = frame.rgb().chunks_exact(frame.width() as usize * 3).take(fh);
    let rows = first.chunks_exact_mut(w).zip(second.chunks_exact_mut(w)).zip(third.chunks_exact_mut(w));
    for ((a, b), c) in rows {
        let filled = source.next().map_or(0, |row| {
            let pixels = row.chunks_exact(3).zip(a.iter_mut()).zip(b.iter_mut()).zip(c.iter_mut());
            for (((pixel, a), b), c) in pixels.take(fw) {
                *a = number(pixel[x], 0);
                *b = number(pixel[y], 1);
                *c = number(pixel[z], 2);
            }
            fw
        });
        for (plane, row) in [a, b, c].into_iter().enumerate() {
            row[filled..].fill(number(0, plane));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_follow_the_card() {
        let frame = Frame::new(1, 1, vec![10, 20, 30]).unwrap();
        let check = |name: &str, channels, mean, scale, expected: [f32; 6]| {
            let mut planes = vec![];
            fill_planes(&frame, (2, 1), &Preprocessing { channels, mean, scale }, &mut planes);
            assert_eq!(planes, expected, "{name}");
        };
        check("BGR as it is", ChannelOrder::Bgr, [0.0; 3], 1.0, [30.0, 0.0, 20.0, 0.0, 10.0, 0.0]);
        check("RGB as it is", ChannelOrder::Rgb, [0.0; 3], 1.0, [10.0, 0.0, 20.0, 0.0, 30.0, 0.0]);
        let shifted = [(10.0 - 1.0) * 0.5, -0.5, (20.0 - 2.0) * 0.5, -1.0, (30.0 - 3.0) * 0.5, -1.5];
        check("mean and scale", ChannelOrder::Rgb, [1.0, 2.0, 3.0], 0.5, shifted);
    }
}
