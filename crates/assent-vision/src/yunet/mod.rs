//! `YuNet`: one run of the detector network, from a picture to raw detections.
//!
//! The network looks at a picture through grids of 8, 16 and 32 pixels a cell. For each cell it says how sure it
//! is of a face, where the face's box lies relative to the cell, and where the five landmarks lie.
//!
//! # Source
//!
//! W. Wu, H. Peng, S. Yu, "`YuNet`: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 20, 2023;
//! decoding as in libfacedetection.train at commit 0047ac24.

mod forward;
mod weights;

use crate::detect::Detection;
use crate::frame::Frame;
use crate::geometry::{Point, QuarterTurn, Rect};
use crate::model::{ChannelOrder, DetectorSpec, Preprocessing};
use crate::onnx::{refuse_absurd, refuse_other_heads};
use crate::runtime::{Execution, InferenceError, Network, Role, Runtime};
use forward::{CELL, Forward};

/// Numbers per cell in each output: class, objectness, box, landmarks.
const WIDTHS: [usize; 4] = [1, 1, 4, 10];

/// The network with its buffers.
#[derive(Debug)]
pub(crate) struct Yunet {
    engine: Engine,
    spec: DetectorSpec,
}

#[derive(Debug)]
enum Engine {
    Own(Box<Forward>),
    Library { network: Network, planes: Vec<f32> },
}

impl Yunet {
    /// Loads the network; one that our own kernels do not recognise runs through the library.
    pub(crate) fn new(
        runtime: &Runtime,
        spec: DetectorSpec,
        onnx: &[u8],
        execution: Execution,
    ) -> Result<Yunet, InferenceError> {
        refuse_absurd(onnx, Role::Detector)?;
        let heads = spec
            .strides_px
            .iter()
            .flat_map(|stride| spec.output_names.iter().map(move |name| name.replace("{stride}", &stride.to_string())));
        refuse_other_heads(onnx, Role::Detector, &heads.collect::<Vec<_>>())?;
        let own = match execution {
            Execution::Own(kernel) => Forward::read(kernel, onnx, &spec),
            _ => None,
        };
        let engine = if let Some(forward) = own {
            Engine::Own(Box::new(forward))
        } else {
            Engine::Library { network: runtime.network_with(Role::Detector, onnx, execution)?, planes: Vec::new() }
        };
        Ok(Yunet { engine, spec })
    }

    pub(crate) fn spec(&self) -> &DetectorSpec {
        &self.spec
    }

    pub(crate) fn execution(&self) -> Execution {
        match &self.engine {
            Engine::Own(forward) => Execution::Own(forward.kernel()),
            Engine::Library { network, .. } => network.execution(),
        }
    }

    /// Finds what may be upright faces in `frame`, padded with black to `(width, height)` at the right and the bottom:
    /// all that score `least` or more. Detections are unsorted and overlap; coordinates are those of `frame`.
    pub(crate) fn run(
        &mut self,
        frame: &Frame,
        (width, height): (u32, u32),
        least: f32,
    ) -> Result<Vec<Detection>, InferenceError> {
        let (w, h) = (width as usize, height as usize);
        let spec = &self.spec;
        let mut found = Vec::new();
        match &mut self.engine {
            Engine::Own(forward) => {
                for (cells, &stride) in forward.run(frame, (w, h)).into_iter().zip(&spec.strides_px) {
                    decode(cells, (stride, width / stride), least, &mut found);
                }
            }
            Engine::Library { network, planes } => {
                fill_planes(frame, (w, h), &spec.preprocessing, planes);
                let names: Vec<(String, Vec<usize>)> = spec
                    .strides_px
                    .iter()
                    .flat_map(|&stride| {
                        let cells = (w / stride as usize) * (h / stride as usize);
                        let name = move |name: &String| name.replace("{stride}", &stride.to_string());
                        spec.output_names.iter().zip(WIDTHS).map(move |(n, width)| (name(n), vec![1, cells, width]))
                    })
                    .collect();
                let outputs: Vec<(&str, Vec<usize>)> = names.iter().map(|(n, s)| (n.as_str(), s.clone())).collect();
                // The outputs of one stride come one after the other.
                let mut cells = Vec::new();
                network.run((&spec.input_name, [1, 3, h, w], planes), &outputs, |i, values| {
                    let (stride, part) = (spec.strides_px[i / 4], i % 4);
                    let (first, width_of_part) = (WIDTHS[..part].iter().sum::<usize>(), WIDTHS[part]);
                    cells.resize(values.len() / width_of_part * CELL, 0.0);
                    for (cell, numbers) in cells.chunks_exact_mut(CELL).zip(values.chunks_exact(width_of_part)) {
                        cell[first..first + width_of_part].copy_from_slice(numbers);
                    }
                    if part == 3 {
                        decode(&cells, (stride, width / stride), least, &mut found);
                    }
                })?;
            }
        }
        found.retain(|d| d.bounds.area().is_finite() && d.landmarks.iter().all(|p| p.x.is_finite() && p.y.is_finite()));
        Ok(found)
    }
}

/// The detections of one grid: `cells` (`[row * columns + column][16]`: class, objectness, box, landmarks) that are at
/// least `threshold` sure.
fn decode(cells: &[f32], (stride, columns): (u32, u32), threshold: f32, found: &mut Vec<Detection>) {
    let s = stride as f32;
    for (k, cell) in cells.as_chunks::<CELL>().0.iter().enumerate() {
        let [class, sure, x, y, width, height, landmarks @ ..] = cell;
        let score = (class.clamp(0.0, 1.0) * sure.clamp(0.0, 1.0)).sqrt();
        if score >= threshold {
            let (column, row) = ((k % columns as usize) as f32, (k / columns as usize) as f32);
            let (width, height) = (width.exp() * s, height.exp() * s);
            let mut points = [Point::default(); 5];
            for (point, xy) in points.iter_mut().zip(landmarks.as_chunks::<2>().0) {
                *point = Point { x: (column + xy[0]) * s, y: (row + xy[1]) * s };
            }
            let bounds = Rect { x: (column + x) * s - width / 2.0, y: (row + y) * s - height / 2.0, width, height };
            found.push(Detection { bounds, score, turn: QuarterTurn::None, landmarks: points });
        }
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
