//! One run of the network: a row goes through the three layers of a block as soon as there are enough rows above it.

use std::sync::Arc;

use assent_kernels::{Buffer, Dense, Depthwise, Kernel, add_pixels, largest, quantise, scale_pixels};

use super::weights::{Block, Excite, Small, Weights};
use crate::border::clear_border;
use crate::colours::Colours;
use crate::frame::Frame;
use crate::model::EmbedderSpec;

/// The network with its buffers, which are kept from crop to crop.
#[derive(Debug)]
pub(crate) struct Forward {
    kernel: Kernel,
    weights: Arc<Weights>,
    stem: Stem,
    workspace: Workspace,
    /// What goes into a block, and what comes out of it.
    maps: [Map; 2],
    /// A row in whole steps.
    steps: Buffer<i16>,
}

impl Forward {
    /// `None` unless `onnx` is a network of the known architecture.
    pub(crate) fn read(kernel: Kernel, onnx: &[u8], spec: &EmbedderSpec) -> Option<Forward> {
        Some(Forward::with(kernel, Arc::new(Weights::read(onnx, spec)?)))
    }

    /// The same network with buffers of its own, for another thread.
    pub(crate) fn another(&self) -> Forward {
        Forward::with(self.kernel, Arc::clone(&self.weights))
    }

    fn with(kernel: Kernel, weights: Arc<Weights>) -> Forward {
        Forward {
            kernel,
            weights,
            stem: Stem::default(),
            workspace: Workspace::default(),
            maps: Default::default(),
            steps: Buffer::default(),
        }
    }

    pub(crate) fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// The embedding of a square crop of the card's side, not yet of length 1, into `embedding`.
    pub(crate) fn run(&mut self, crop: &Frame, embedding: &mut [f32]) {
        let (kernel, weights, steps) = (self.kernel, &self.weights, &mut self.steps);
        let [first, rest @ ..] = weights.blocks.as_slice() else { return };
        let colours = Colours::new(crop, &weights.preprocessing);
        let size = (crop.width() as usize / 2, crop.height() as usize / 2);
        self.stem.begin(weights, size);
        // The map before the first block is the largest, and never whole.
        let from_stem = |y, wide: &mut [f32]| {
            let row = self.stem.row(kernel, weights, &colours, y);
            dense(kernel, &first.expand, row, steps, wide);
        };
        self.workspace.block(kernel, first, size, from_stem, None, &mut self.maps[0]);
        for block in rest {
            let [from, to] = &mut self.maps;
            let from_map = |y, wide: &mut [f32]| dense(kernel, &block.expand, from.row(y), steps, wide);
            self.workspace.block(kernel, block, from.size, from_map, block.adds.then_some(from), to);
            self.maps.swap(0, 1);
        }
        self.end(embedding);
    }

    /// Overwrites what the last crop left.
    pub(crate) fn forget(&mut self) {
        self.maps.iter_mut().for_each(Map::wipe);
        self.stem.wipe();
        self.workspace.wipe();
        self.steps.wipe();
    }

    /// From the last block's map to the embedding.
    fn end(&mut self, embedding: &mut [f32]) {
        let (kernel, weights, map) = (self.kernel, &self.weights, &self.maps[0]);
        let (wide, pool) = (weights.widen.outputs(), &weights.pool);
        let sums = self.workspace.sums.resized(wide);
        sums.copy_from_slice(&pool.bias);
        let row = self.workspace.row.resized(map.size.0 * wide);
        for (y, factors) in (0..map.size.1).zip(pool.weights.chunks_exact(map.size.0 * wide)) {
            dense(kernel, &weights.widen, map.row(y), &mut self.steps, row);
            for (pixel, factors) in row.chunks_exact(wide).zip(factors.chunks_exact(wide)) {
                for ((sum, number), factor) in sums.iter_mut().zip(pixel).zip(factors) {
                    *sum += number * factor;
                }
            }
        }
        dense(kernel, &weights.last, (sums, largest(kernel, sums)), &mut self.steps, embedding);
    }
}

/// The first two layers.
#[derive(Debug, Default)]
struct Stem {
    /// The last three rows of the crop.
    colours: [Buffer<i16>; 3],
    lines: Lines,
    row: Buffer<f32>,
}

impl Stem {
    /// For a map of `width` and `height`.
    fn begin(&mut self, weights: &Weights, (width, height): (usize, usize)) {
        for row in &mut self.colours {
            // One pixel of zeros at the left, as the convolution's border. At the right no output needs one; the layer
            // reads its taps in pairs, and the last pair ends one number further.
            row.resized((2 * width + 1) * 3 + 1).fill(0);
        }
        self.lines.begin(&weights.stem_depthwise, (width, height));
        self.row.resized(width * weights.stem_depthwise.channels());
    }

    /// Row `y`, which follows the last one, and its largest number without its sign.
    fn row(&mut self, kernel: Kernel, weights: &Weights, colours: &Colours, y: usize) -> (&[f32], f32) {
        let give = |y: usize, to: &mut [f32]| {
            let [above, here, below] = &mut self.colours;
            std::mem::swap(above, below);
            colours.fill(kernel, 2 * y, here);
            colours.fill(kernel, 2 * y + 1, below);
            weights.stem.row(kernel, &[above, here, below], 6, colours.step(), to);
        };
        let most = self.lines.row(kernel, &weights.stem_depthwise, give, y, &mut self.row);
        (&self.row, most)
    }

    fn wipe(&mut self) {
        self.colours.iter_mut().for_each(Buffer::wipe);
        self.lines.wipe();
        self.row.wipe();
    }
}

/// What a block works with.
#[derive(Debug, Default)]
struct Workspace {
    lines: Lines,
    row: Buffer<f32>,
    /// The row in whole steps.
    steps: Buffer<i16>,
    /// One number for each channel.
    sums: Buffer<f32>,
}

impl Workspace {
    /// One block, from a map of `(width, height)`, of which `expand` makes more channels row by row, to another; `joined`
    /// is added to it.
    fn block(
        &mut self,
        kernel: Kernel,
        block: &Block,
        (width, height): (usize, usize),
        mut expand: impl FnMut(usize, &mut [f32]),
        joined: Option<&Map>,
        to: &mut Map,
    ) {
        let stride = block.depthwise.stride();
        to.begin((width / stride, height / stride), block.project.outputs());
        self.lines.begin(&block.depthwise, (width, height));
        let row = self.row.resized(to.size.0 * block.depthwise.channels());
        let sums = self.sums.resized(to.channels);
        sums.fill(0.0);
        for y in 0..to.size.1 {
            let most = self.lines.row(kernel, &block.depthwise, &mut expand, y, row);
            dense(kernel, &block.project, (row, most), &mut self.steps, to.row_mut(y));
            add_pixels(kernel, to.row(y).0, sums);
        }
        let pixels = (to.size.0 * to.size.1) as f32;
        for sum in sums.iter_mut() {
            *sum /= pixels;
        }
        let factors = block.excite.factors(sums);
        for y in 0..to.size.1 {
            let joined = joined.map_or([].as_slice(), |from| from.row(y).0);
            to.most[y] = scale_pixels(kernel, to.row_mut(y), &factors, joined);
        }
    }

    fn wipe(&mut self) {
        self.lines.wipe();
        self.row.wipe();
        self.steps.wipe();
        self.sums.wipe();
    }
}

/// A layer in which every output depends on all channels of its pixel; no number of `row` is larger than `most` without
/// its sign.
fn dense(kernel: Kernel, layer: &Dense, (row, most): (&[f32], f32), steps: &mut Buffer<i16>, out: &mut [f32]) {
    let steps = steps.resized(row.len().next_multiple_of(2));
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
        let mut outputs = self.bias.clone();
        for (input, weights) in inputs.iter().zip(self.weights.chunks_exact(outputs.len())) {
            outputs.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight * input);
        }
        for output in &mut outputs {
            *output = self.activation.apply(*output);
        }
        outputs
    }
}

/// Rows of pixels, `[row][pixel][channel]`.
#[derive(Debug, Default)]
struct Map {
    /// Width and height.
    size: (usize, usize),
    channels: usize,
    numbers: Buffer<f32>,
    /// The largest number of each row without its sign.
    most: Buffer<f32>,
}

impl Map {
    /// Makes room for another map, to be written all over.
    fn begin(&mut self, size: (usize, usize), channels: usize) {
        (self.size, self.channels) = (size, channels);
        self.numbers.resized(size.0 * size.1 * channels);
        self.most.resized(size.1);
    }

    /// A row, and its largest number without its sign.
    fn row(&self, y: usize) -> (&[f32], f32) {
        let length = self.size.0 * self.channels;
        (&self.numbers[y * length..][..length], self.most[y])
    }

    fn row_mut(&mut self, y: usize) -> &mut [f32] {
        let length = self.size.0 * self.channels;
        &mut self.numbers[y * length..][..length]
    }

    fn wipe(&mut self) {
        self.numbers.wipe();
        self.most.wipe();
    }
}

/// The last three rows before a layer that looks at neighbours, each with a pixel of zeros at either end.
#[derive(Debug, Default)]
struct Lines {
    ring: [Buffer<f32>; 3],
    /// Rows of the map.
    height: usize,
    /// Those that came.
    given: usize,
}

impl Lines {
    /// For another map of `(width, height)`, which `layer` looks at.
    fn begin(&mut self, layer: &Depthwise, (width, height): (usize, usize)) {
        clear_border(&mut self.ring, (width + 2) * layer.channels(), layer.channels());
        (self.height, self.given) = (height, 0);
    }

    /// Row `y` of what `layer` makes of the map, into `out`; `give` writes the map's rows, one after the other. Returns
    /// the largest number of `out` without its sign.
    fn row(
        &mut self,
        kernel: Kernel,
        layer: &Depthwise,
        mut give: impl FnMut(usize, &mut [f32]),
        y: usize,
        out: &mut [f32],
    ) -> f32 {
        let (channels, centre) = (layer.channels(), y * layer.stride());
        while self.given < (centre + 2).min(self.height) {
            let line = &mut self.ring[self.given % 3];
            let inner = channels..line.len() - channels;
            give(self.given, &mut line[inner]);
            self.given += 1;
        }
        if centre + 1 == self.height {
            self.ring[self.height % 3].fill(0.0); // Below the last row.
        }
        let line = |i: usize| &*self.ring[i % 3];
        layer.row(kernel, [line(centre + 2), line(centre), line(centre + 1)], out)
    }

    fn wipe(&mut self) {
        self.ring.iter_mut().for_each(Buffer::wipe);
    }
}
