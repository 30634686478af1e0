//! `YuNet` on our own kernels, for processors where they are faster than the inference library's.
//!
//! The network is a chain of small layers over large maps, so most of its time is spent waiting for memory if each
//! layer runs over the whole picture before the next begins. Here a row goes through all layers as soon as there are
//! enough rows above it, and only the three maps of the pyramid are ever whole.

use assent_kernels::{Buffer, Dense, Depthwise, Kernel, largest, pool, quantise};

use super::weights::{Layer, UnitWeights, Weights};
use crate::border::clear_border;
use crate::colours::Colours;
use crate::frame::Frame;
use crate::model::{DetectorSpec, Preprocessing};

/// Numbers per cell: class, objectness, box (4), landmarks (10).
pub(super) const CELL: usize = 16;

/// The network with its buffers, which are kept from picture to picture.
#[derive(Debug)]
pub(super) struct Forward {
    kernel: Kernel,
    preprocessing: Preprocessing,
    stem: Dense,
    backbone: [Vec<Step>; 3],
    lateral: [Vec<Step>; 3],
    heads: [Vec<Step>; 3],
    /// What the backbone gives for every 8th, 16th, 32nd pixel; later with what the next coarser map adds.
    pyramid: [Map; 3],
    features: [Map; 3],
    cells: [Map; 3],
}

impl Forward {
    /// `None` unless `onnx` is a `YuNet` of the known architecture.
    pub(super) fn read(kernel: Kernel, onnx: &[u8], spec: &DetectorSpec) -> Option<Forward> {
        let Weights { stem, backbone, lateral, heads } = Weights::read(onnx, spec)?;
        let unit = |weights: UnitWeights| vec![Step::Unit(Unit::new(kernel, weights))];
        let step = |layer| match layer {
            Layer::Unit(weights) => Step::Unit(Unit::new(kernel, weights)),
            Layer::Pool => Step::Pool(Pool { kernel, width: 0, upper: None, out: Buffer::default() }),
        };
        Some(Forward {
            kernel,
            preprocessing: spec.preprocessing,
            stem,
            backbone: backbone.map(|layers| layers.into_iter().map(step).collect()),
            lateral: lateral.map(unit),
            heads: heads.map(unit),
            pyramid: Default::default(),
            features: Default::default(),
            cells: Default::default(),
        })
    }

    pub(super) fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// Runs the network over `frame`, padded with black to `width` x `height` (multiples of 32). Returns the cells of
    /// every 8th, 16th and 32nd pixel, `[cell][16]`, class and objectness as probabilities.
    pub(super) fn run(&mut self, frame: &Frame, (width, height): (usize, usize)) -> [&[f32]; 3] {
        self.first_map(frame, (width, height));
        for level in 1..3 {
            let [finer, coarser] = &mut self.pyramid[level - 1..=level] else { continue };
            through(self.kernel, &mut self.backbone[level], finer, coarser);
        }
        for level in (0..3).rev() {
            through(self.kernel, &mut self.lateral[level], &self.pyramid[level], &mut self.features[level]);
            if level > 0 {
                self.pyramid[level - 1].add_doubled(&self.features[level]);
            }
            through(self.kernel, &mut self.heads[level], &self.features[level], &mut self.cells[level]);
            for cell in self.cells[level].numbers_mut().chunks_exact_mut(CELL) {
                for logit in &mut cell[..2] {
                    *logit = 1.0 / (1.0 + (-*logit).exp());
                }
            }
        }
        self.cells.each_ref().map(Map::numbers)
    }

    /// The rows of the picture through the stem and the first part of the backbone.
    fn first_map(&mut self, frame: &Frame, (width, height): (usize, usize)) {
        let colours = Colours::new(frame, &self.preprocessing);
        // One pixel of zeros at the left, as the convolution's border. At the right no output needs one; the layer reads
        // its taps in pairs, and the last pair ends one number further.
        let mut rows: [Vec<i16>; 3] = std::array::from_fn(|_| vec![0; (width + 1) * 3 + 1]);
        let mut out = Buffer::default();
        out.resized(width / 2 * self.stem.outputs());
        let (steps, map) = (&mut self.backbone[0], &mut self.pyramid[0]);
        map.begin(begin(steps, width / 2));
        for y in 0..height / 2 {
            let [above, here, below] = &mut rows;
            std::mem::swap(above, below);
            colours.fill(self.kernel, 2 * y, here);
            colours.fill(self.kernel, 2 * y + 1, below);
            self.stem.row(self.kernel, &[above, here, below], 6, colours.step(), &mut out);
            push(steps, Row::of(self.kernel, &out), map);
        }
        finish(steps, map);
    }
}

/// Rows of pixels, `[row][pixel][channel]`.
#[derive(Debug, Default)]
struct Map {
    width: usize,
    channels: usize,
    /// Those that the rows fill; what lies beyond is left of a larger picture.
    filled: usize,
    numbers: Buffer<f32>,
}

impl Map {
    /// Forgets the rows; new ones will have `width` pixels.
    fn begin(&mut self, width: usize) {
        (self.width, self.filled) = (width, 0);
    }

    /// Room for one row more, to be written all over.
    fn add(&mut self, channels: usize) -> &mut [f32] {
        let (start, end) = (self.filled, self.filled + self.width * channels);
        (self.channels, self.filled) = (channels, end);
        if self.numbers.len() < end {
            self.numbers.resized(end.max(2 * start));
        }
        &mut self.numbers[start..end]
    }

    fn numbers(&self) -> &[f32] {
        &self.numbers[..self.filled]
    }

    fn numbers_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[..self.filled]
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.numbers().chunks_exact(self.width * self.channels)
    }

    /// Adds a map of half the sides, each of its pixels to four of this one.
    fn add_doubled(&mut self, upper: &Map) {
        let (row, channels) = (self.width * self.channels, self.channels);
        for (pair, from) in self.numbers_mut().chunks_mut(2 * row).zip(upper.rows()) {
            for to in pair.chunks_exact_mut(row) {
                for (two, one) in to.chunks_exact_mut(2 * channels).zip(from.chunks_exact(channels)) {
                    let (left, right) = two.split_at_mut(channels);
                    left.iter_mut().zip(one).for_each(|(to, from)| *to += from);
                    right.iter_mut().zip(one).for_each(|(to, from)| *to += from);
                }
            }
        }
    }
}

/// Numbers of a row of pixels (`[pixel][channel]`), none of which is larger than `most` without its sign.
#[derive(Debug, Clone, Copy)]
struct Row<'r> {
    numbers: &'r [f32],
    most: f32,
}

impl Row<'_> {
    fn of(kernel: Kernel, numbers: &[f32]) -> Row<'_> {
        Row { numbers, most: largest(kernel, numbers) }
    }
}

/// One layer that takes rows and gives rows.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has a dozen steps")]
enum Step {
    Unit(Unit),
    Pool(Pool),
}

impl Step {
    /// Forgets the picture before; rows will have `width` pixels. Returns the width of the rows that come out.
    fn begin(&mut self, width: usize) -> usize {
        match self {
            Step::Unit(unit) => unit.begin(width),
            Step::Pool(pool) => pool.begin(width),
        }
    }

    /// Takes the next row, and gives the one that is complete with it.
    fn push(&mut self, row: Row) -> Option<Row<'_>> {
        match self {
            Step::Unit(unit) => unit.push(row),
            Step::Pool(pool) => pool.push(row),
        }
    }

    /// Gives the row that waited for one below it.
    fn finish(&mut self) -> Option<Row<'_>> {
        match self {
            Step::Unit(unit) => unit.finish(),
            Step::Pool(_) => None,
        }
    }
}

fn begin(steps: &mut [Step], width: usize) -> usize {
    steps.iter_mut().fold(width, |width, step| step.begin(width))
}

/// Sends a row through `steps`; what comes out at the end is added to `map`.
fn push(steps: &mut [Step], row: Row, map: &mut Map) {
    match steps {
        [] => map.add(row.numbers.len() / map.width).copy_from_slice(row.numbers),
        [Step::Unit(last)] => {
            if last.take(row) {
                last.give(map.add(last.depthwise.channels()));
            }
        }
        [first, rest @ ..] => {
            if let Some(out) = first.push(row) {
                push(rest, out, map);
            }
        }
    }
}

/// Sends through what still waits in `steps`, the first step's first.
fn finish(steps: &mut [Step], map: &mut Map) {
    match steps {
        [] => {}
        [Step::Unit(last)] => {
            if last.take_zeros() {
                last.give(map.add(last.depthwise.channels()));
            }
        }
        [first, rest @ ..] => {
            if let Some(out) = first.finish() {
                push(rest, out, map);
            }
            finish(rest, map);
        }
    }
}

/// All rows of `from` through `steps`, in place of what `to` held.
fn through(kernel: Kernel, steps: &mut [Step], from: &Map, to: &mut Map) {
    to.begin(begin(steps, from.width));
    for row in from.rows() {
        push(steps, Row::of(kernel, row), to);
    }
    finish(steps, to);
}

/// A 1x1 convolution, the last three rows of what it gave (with a border of zeros), and the 3x3 one over them.
#[derive(Debug)]
struct Unit {
    kernel: Kernel,
    dense: Dense,
    depthwise: Depthwise,
    steps: Buffer<i16>,
    ring: [Buffer<f32>; 3],
    rows: usize,
    out: Buffer<f32>,
}

impl Unit {
    fn new(kernel: Kernel, (dense, depthwise): UnitWeights) -> Unit {
        Unit {
            kernel,
            dense,
            depthwise,
            steps: Buffer::default(),
            ring: Default::default(),
            rows: 0,
            out: Buffer::default(),
        }
    }

    fn begin(&mut self, width: usize) -> usize {
        let channels = self.depthwise.channels();
        self.rows = 0;
        self.steps.resized(width * self.dense.share());
        self.out.resized(width * channels);
        clear_border(&mut self.ring, (width + 2) * channels, channels);
        width
    }

    fn push(&mut self, row: Row) -> Option<Row<'_>> {
        self.take(row).then(|| self.row())
    }

    fn finish(&mut self) -> Option<Row<'_>> {
        self.take_zeros().then(|| self.row())
    }

    /// Takes the next row; whether the one before it is complete now.
    fn take(&mut self, row: Row) -> bool {
        let channels = self.depthwise.channels();
        let to = &mut self.ring[self.rows % 3];
        let inner = channels..to.len() - channels;
        let scale = quantise(self.kernel, row.numbers, row.most, &mut self.steps);
        self.dense.row(self.kernel, &[&self.steps], self.dense.share(), scale, &mut to[inner]);
        self.rows += 1;
        self.rows >= 2
    }

    /// The same for what is below the last row.
    fn take_zeros(&mut self) -> bool {
        self.ring[self.rows % 3].fill(0.0);
        self.rows += 1;
        self.rows >= 2
    }

    fn row(&mut self) -> Row<'_> {
        let mut out = std::mem::take(&mut self.out);
        let most = self.give(&mut out);
        self.out = out;
        Row { numbers: &self.out, most }
    }

    /// Writes the row before the one that came last. Returns its largest number without its sign.
    fn give(&self, out: &mut [f32]) -> f32 {
        let row = |back: usize| &*self.ring[(self.rows + 3 - back) % 3];
        self.depthwise.row(self.kernel, [row(3), row(2), row(1)], out)
    }
}

/// The largest of 2 x 2 pixels, channel by channel.
#[derive(Debug)]
struct Pool {
    kernel: Kernel,
    width: usize,
    /// What [`Row::most`] was of the upper row, while that waits for the lower one.
    upper: Option<f32>,
    out: Buffer<f32>,
}

impl Pool {
    fn begin(&mut self, width: usize) -> usize {
        (self.width, self.upper) = (width, None);
        width / 2
    }

    fn push(&mut self, row: Row) -> Option<Row<'_>> {
        let channels = row.numbers.len() / self.width;
        self.out.resized(self.width / 2 * channels);
        pool(self.kernel, row.numbers, channels, self.upper.is_some(), &mut self.out);
        match self.upper.take() {
            None => {
                self.upper = Some(row.most);
                None
            }
            Some(upper) => Some(Row { numbers: &self.out, most: row.most.max(upper) }),
        }
    }
}
