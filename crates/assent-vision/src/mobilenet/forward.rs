//! One run of the network: a row goes through the three layers of a block as soon as there are enough rows above it.

use std::sync::atomic::{Ordering, compiler_fence};

use assent_kernels::{Dense, Depthwise, Kernel, largest, quantise};

use super::weights::{Block, Excite, Small, Weights};
use crate::border::clear_border;
use crate::colours::Colours;
use crate::frame::Frame;
use crate::model::EmbedderSpec;

/// The network with its buffers, which are kept from crop to crop.
#[derive(Debug)]
pub(crate) struct Forward {
    kernel: Kernel,
    weights: Weights,
    /// What goes into a block, and what comes out of it.
    maps: [Map; 2],
    lines: Lines,
    /// A row in whole steps, before and after the neighbours were looked at.
    steps: [Vec<i16>; 2],
    /// One number for each channel.
    sums: Vec<f32>,
    row: Vec<f32>,
}

impl Forward {
    /// `None` unless `onnx` is a network of the known architecture.
    pub(crate) fn read(kernel: Kernel, onnx: &[u8], spec: &EmbedderSpec) -> Option<Forward> {
        Some(Forward {
            kernel,
            weights: Weights::read(onnx, spec)?,
            maps: Default::default(),
            lines: Lines::default(),
            steps: Default::default(),
            sums: Vec::new(),
            row: Vec::new(),
        })
    }

    /// The embedding of a square crop of the card's side, not yet of length 1, into `embedding`.
    pub(crate) fn run(&mut self, crop: &Frame, embedding: &mut [f32]) {
        self.stem(crop);
        for i in 0..self.weights.blocks.len() {
            let [from, to] = &mut self.maps;
            block(self.kernel, &self.weights.blocks[i], from, to, (&mut self.lines, &mut self.steps, &mut self.sums));
            self.maps.swap(0, 1);
        }
        self.end(embedding);
    }

    /// Overwrites what the last crop left.
    pub(crate) fn forget(&mut self) {
        self.maps.iter_mut().for_each(|map| wipe(&mut map.numbers));
        self.lines.ring.iter_mut().for_each(wipe);
        wipe(&mut self.lines.out);
        self.steps.iter_mut().for_each(wipe);
        wipe(&mut self.sums);
        wipe(&mut self.row);
    }

    /// The crop through the first two layers, into the first map.
    fn stem(&mut self, crop: &Frame) {
        let (kernel, weights) = (self.kernel, &self.weights);
        let size = (crop.width() as usize / 2, crop.height() as usize / 2);
        let colours = Colours::new(crop, &weights.preprocessing);
        // One pixel of zeros at the left, as the convolution's border. At the right no output needs one; the layer reads
        // its taps in pairs, and the last pair ends one number further.
        let mut rows: [Vec<i16>; 3] = std::array::from_fn(|_| vec![0; (2 * size.0 + 1) * 3 + 1]);
        let map = &mut self.maps[0];
        map.begin(size, weights.stem_depthwise.channels());
        let give = |y: usize, to: &mut [f32]| {
            let [above, here, below] = &mut rows;
            std::mem::swap(above, below);
            colours.fill(kernel, 2 * y, here);
            colours.fill(kernel, 2 * y + 1, below);
            weights.stem.row(kernel, &[above, here, below], 6, colours.step(), to);
        };
        self.lines
            .through(kernel, &weights.stem_depthwise, size, give, |y, row, _| map.row_mut(y).copy_from_slice(row));
    }

    /// From the first map to the embedding.
    fn end(&mut self, embedding: &mut [f32]) {
        let (kernel, weights, map) = (self.kernel, &self.weights, &self.maps[0]);
        let (wide, pool) = (weights.widen.outputs(), &weights.pool);
        self.sums.clear();
        self.sums.extend_from_slice(&pool.bias);
        self.row.resize(map.width * wide, 0.0);
        for (y, factors) in (0..map.height).zip(pool.weights.chunks_exact(map.width * wide)) {
            let row = map.row(y);
            dense(kernel, &weights.widen, (row, largest(kernel, row)), &mut self.steps[0], &mut self.row);
            for (pixel, factors) in self.row.chunks_exact(wide).zip(factors.chunks_exact(wide)) {
                for ((sum, number), factor) in self.sums.iter_mut().zip(pixel).zip(factors) {
                    *sum += number * factor;
                }
            }
        }
        dense(kernel, &weights.last, (&self.sums, largest(kernel, &self.sums)), &mut self.steps[0], embedding);
    }
}

/// Overwrites a buffer, also what lies beyond its end from an earlier use; volatile writes, one by one, would take a
/// hundredth of a scan. The memory stays in use, and the compiler does not see by whom: it cannot leave these writes out.
#[inline(never)]
fn wipe<T: Copy + Default>(numbers: &mut Vec<T>) {
    numbers.clear();
    numbers.resize(numbers.capacity(), T::default());
    compiler_fence(Ordering::SeqCst);
}

/// One block, from one map to the other.
fn block(
    kernel: Kernel,
    block: &Block,
    from: &Map,
    to: &mut Map,
    (lines, steps, sums): (&mut Lines, &mut [Vec<i16>; 2], &mut Vec<f32>),
) {
    let (stride, channels) = (block.depthwise.stride(), block.project.outputs());
    let [steps_in, steps_out] = steps;
    to.begin((from.width / stride, from.height / stride), channels);
    sums.clear();
    sums.resize(channels, 0.0);
    lines.through(
        kernel,
        &block.depthwise,
        (from.width, from.height),
        |y, wide| dense(kernel, &block.expand, (from.row(y), largest(kernel, from.row(y))), steps_in, wide),
        |y, wide, most| {
            let row = to.row_mut(y);
            dense(kernel, &block.project, (wide, most), steps_out, row);
            for pixel in row.chunks_exact(channels) {
                sums.iter_mut().zip(pixel).for_each(|(sum, number)| *sum += number);
            }
        },
    );
    let pixels = (to.width * to.height) as f32;
    for sum in sums.iter_mut() {
        *sum /= pixels;
    }
    let factors = block.excite.factors(sums);
    for (to, from) in to.numbers.chunks_exact_mut(channels).zip(from.numbers.chunks(channels)) {
        if block.adds {
            to.iter_mut().zip(&factors).zip(from).for_each(|((to, factor), from)| *to = *to * factor + from);
        } else {
            to.iter_mut().zip(&factors).for_each(|(to, factor)| *to *= factor);
        }
    }
}

/// A layer in which every output depends on all channels of its pixel; no number of `row` is larger than `most` without
/// its sign.
fn dense(kernel: Kernel, layer: &Dense, (row, most): (&[f32], f32), steps: &mut Vec<i16>, out: &mut [f32]) {
    steps.resize(row.len().next_multiple_of(2), 0);
    let scale = quantise(kernel, row, most, steps);
    layer.row(kernel, &[steps], layer.share(), scale, out);
}

impl Excite {
    /// The factor of each channel, 0 to 1, from the channels' means.
    fn factors(&self, means: &[f32]) -> Vec<f32> {
        let mut factors = self.up.run(&self.down.run(means));
        for factor in &mut factors {
            *factor = 1.0 / (1.0 + (-*factor).exp());
        }
        factors
    }
}

impl Small {
    fn run(&self, inputs: &[f32]) -> Vec<f32> {
        let outputs = self.weights.chunks_exact(inputs.len()).zip(&self.bias);
        let sum = |(weights, bias): (&[f32], &f32)| {
            weights.iter().zip(inputs).fold(*bias, |sum, (weight, input)| sum + weight * input)
        };
        outputs.map(|output| self.activation.apply(sum(output))).collect()
    }
}

/// Rows of pixels, `[row][pixel][channel]`.
#[derive(Debug, Default)]
struct Map {
    width: usize,
    height: usize,
    channels: usize,
    numbers: Vec<f32>,
}

impl Map {
    /// Makes room for another map.
    fn begin(&mut self, (width, height): (usize, usize), channels: usize) {
        (self.width, self.height, self.channels) = (width, height, channels);
        self.numbers.resize(width * height * channels, 0.0);
    }

    fn row(&self, y: usize) -> &[f32] {
        let length = self.width * self.channels;
        &self.numbers[y * length..][..length]
    }

    fn row_mut(&mut self, y: usize) -> &mut [f32] {
        let length = self.width * self.channels;
        &mut self.numbers[y * length..][..length]
    }
}

/// The last three rows before a layer that looks at neighbours, each with a pixel of zeros at either end.
#[derive(Debug, Default)]
struct Lines {
    ring: [Vec<f32>; 3],
    out: Vec<f32>,
}

impl Lines {
    /// Runs `layer` over a map of `(width, height)` whose rows `give` writes one after the other; `take` gets the rows
    /// that come out, each with its largest number without its sign.
    fn through(
        &mut self,
        kernel: Kernel,
        layer: &Depthwise,
        (width, height): (usize, usize),
        mut give: impl FnMut(usize, &mut [f32]),
        mut take: impl FnMut(usize, &[f32], f32),
    ) {
        let (channels, stride) = (layer.channels(), layer.stride());
        clear_border(&mut self.ring, (width + 2) * channels, channels);
        self.out.resize(width / stride * channels, 0.0);
        let inner = channels..(width + 1) * channels;
        let mut given = 0;
        for y in 0..height / stride {
            let centre = y * stride;
            while given < (centre + 2).min(height) {
                give(given, &mut self.ring[given % 3][inner.clone()]);
                given += 1;
            }
            if centre + 1 == height {
                self.ring[height % 3].fill(0.0); // Below the last row.
            }
            let line = |i: usize| self.ring[i % 3].as_slice();
            let most = layer.row(kernel, [line(centre + 2), line(centre), line(centre + 1)], &mut self.out);
            take(y, &self.out, most);
        }
    }
}
