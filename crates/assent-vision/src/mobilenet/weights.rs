//! The weights, read out of an ONNX file.
//!
//! The graph is walked from its output back to its input, and every operation on the way must be the one that the
//! architecture has in that place. A file that differs anywhere is not recognised, and runs through the inference
//! library instead.

use assent_kernels::{Activation, Dense, Depthwise};

use crate::colours::plane;
use crate::convolution::{convolution, stem_taps};
use crate::model::{EmbedderSpec, Preprocessing};
use crate::onnx::{Graph, Node};

/// All weights, in the order in which they are used.
#[derive(Debug)]
pub(super) struct Weights {
    /// What is done to the bytes; a part of the file may be among it.
    pub(super) preprocessing: Preprocessing,
    /// 3x3, every second pixel, over three rows of colours.
    pub(super) stem: Dense,
    pub(super) stem_depthwise: Depthwise,
    pub(super) blocks: Vec<Block>,
    pub(super) widen: Dense,
    pub(super) pool: Pool,
    pub(super) last: Dense,
}

/// The weights of one inverted residual block.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) expand: Dense,
    pub(super) depthwise: Depthwise,
    pub(super) project: Dense,
    pub(super) excite: Excite,
    /// Whether what came in is added to what goes out.
    pub(super) adds: bool,
}

/// From the mean of each channel to a factor for it.
#[derive(Debug)]
pub(super) struct Excite {
    pub(super) down: Small,
    pub(super) up: Small,
}

/// A layer of a few numbers, in 32-bit floats: `[input][output]` and a bias for each output.
#[derive(Debug)]
pub(super) struct Small {
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) activation: Activation,
}

/// One weighted sum over all pixels for each channel.
#[derive(Debug)]
pub(super) struct Pool {
    /// `[pixel][channel]`
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
    /// Its side, pixels.
    pub(super) side: usize,
}

impl Weights {
    /// `None` unless `onnx` is an embedder of this family, for crops and embeddings of the sizes of `spec`.
    pub(super) fn read(onnx: &[u8], spec: &EmbedderSpec) -> Option<Weights> {
        let graph = Graph::read(onnx)?;
        let flat = graph.producer(&spec.output_name, "Flatten").filter(|node| node.int("axis", 1) == 1)?;
        let last = convolution(&graph, flat.input(0)?, 1, 1, 1)?;
        let channels = last.shape[1];
        let pool_node = graph.producer(last.from, "Conv")?;
        let side = *graph.constant(pool_node.input(1)?)?.shape.last()?;
        let pool = convolution(&graph, last.from, side, 1, channels)?;
        let (widen, mut tensor) = dense(&graph, pool.from, true)?;
        let mut blocks = Vec::new();
        while let Some((block, before)) = block(&graph, tensor) {
            blocks.push(block);
            tensor = before;
        }
        blocks.reverse();
        let (stem_depthwise, from) = depthwise(&graph, tensor, 1)?;
        let (stem, preprocessing) = stem(&graph, from, spec)?;
        let weights = Weights {
            preprocessing,
            stem,
            stem_depthwise,
            blocks,
            widen,
            pool: Pool {
                // The file has them by channel.
                weights: (0..side * side)
                    .flat_map(|pixel| pool.weights.iter().skip(pixel).step_by(side * side).copied())
                    .collect(),
                bias: pool.bias.to_vec(),
                side,
            },
            last: Dense::new(last.weights, 1, &last.bias, Activation::None)?,
        };
        weights.fits(spec).then_some(weights)
    }

    /// Whether each layer takes what the one before it gives, and the whole takes and gives what `spec` says.
    fn fits(&self, spec: &EmbedderSpec) -> bool {
        let mut channels = self.stem.outputs();
        let mut side = spec.side_px as usize / 2;
        let mut fits = spec.side_px.is_multiple_of(2) && self.stem_depthwise.channels() == channels;
        // What comes into the first block is never whole, and cannot be added.
        fits &= self.blocks.first().is_some_and(|first| !first.adds);
        for block in &self.blocks {
            let (wide, narrow) = (block.expand.outputs(), block.project.outputs());
            fits &= block.expand.share() == channels
                && block.depthwise.channels() == wide
                && block.project.share() == wide
                && block.excite.fits(narrow)
                && side.is_multiple_of(block.depthwise.stride())
                && (!block.adds || (block.depthwise.stride() == 1 && narrow == channels));
            side /= block.depthwise.stride();
            channels = narrow;
        }
        let wide = self.widen.outputs();
        fits && self.widen.share() == channels
            && self.pool.side == side
            && self.pool.bias.len() == wide
            && self.pool.weights.len() == side * side * wide
            && self.last.share() == wide
            && self.last.outputs() == spec.dimensions
    }
}

impl Excite {
    fn fits(&self, channels: usize) -> bool {
        let fits = |layer: &Small, inputs: usize| inputs > 0 && layer.weights.len() == inputs * layer.bias.len();
        self.up.bias.len() == channels && fits(&self.down, channels) && fits(&self.up, self.down.bias.len())
    }
}

impl Small {
    /// From weights of the order `[output][input]`.
    fn new(weights: &[f32], bias: &[f32], activation: Activation) -> Small {
        let inputs = weights.len() / bias.len().max(1);
        let of_input = |i| weights.iter().skip(i).step_by(inputs).copied();
        Small { weights: (0..inputs).flat_map(of_input).collect(), bias: bias.to_vec(), activation }
    }
}

/// The block that makes `tensor`, and the tensor that it takes.
fn block<'g>(graph: &'g Graph, tensor: &'g str) -> Option<(Block, &'g str)> {
    let add = graph.producer(tensor, "Add");
    let scaled = match add {
        Some(add) => add.input(1)?,
        None => tensor,
    };
    let product = graph.producer(scaled, "Mul")?;
    let projected = product.input(0)?;
    let excite = excite(graph, product.input(1)?, projected)?;
    let (project, from) = dense(graph, projected, false)?;
    let (depthwise, from) = depthwise(graph, from, 1).or_else(|| depthwise(graph, from, 2))?;
    let (expand, from) = dense(graph, from, true)?;
    let adds = match add {
        Some(add) if add.input(0)? != from => return None,
        other => other.is_some(),
    };
    Some((Block { expand, depthwise, project, excite, adds }, from))
}

/// What makes `factors` from the means of `projected`.
fn excite(graph: &Graph, factors: &str, projected: &str) -> Option<Excite> {
    let up = convolution(graph, graph.producer(factors, "Sigmoid")?.input(0)?, 1, 1, 1)?;
    let (slope, before) = leaky(graph, up.from)?;
    let down = convolution(graph, before, 1, 1, 1)?;
    if graph.producer(down.from, "GlobalAveragePool")?.input(0)? != projected {
        return None;
    }
    Some(Excite {
        down: Small::new(down.weights, &down.bias, slope),
        up: Small::new(up.weights, &up.bias, Activation::None),
    })
}

/// The 1x1 layer that makes `tensor`, and the tensor that it takes.
fn dense<'g>(graph: &'g Graph, tensor: &'g str, has_end: bool) -> Option<(Dense, &'g str)> {
    let (activation, tensor) = if has_end { leaky(graph, tensor)? } else { (Activation::None, tensor) };
    let layer = convolution(graph, tensor, 1, 1, 1)?;
    Some((Dense::new(layer.weights, 1, &layer.bias, activation)?, layer.from))
}

/// The 3x3 layer in each channel that makes `tensor`, and the tensor that it takes.
fn depthwise<'g>(graph: &'g Graph, tensor: &'g str, stride: usize) -> Option<(Depthwise, &'g str)> {
    let (activation, tensor) = leaky(graph, tensor)?;
    let channels = graph.constant(graph.producer(tensor, "Conv")?.input(1)?)?.shape.first().copied()?;
    let layer = convolution(graph, tensor, 3, stride as i64, channels)?;
    Some((Depthwise::new(layer.weights, &layer.bias, stride, activation)?, layer.from))
}

/// The end of a layer: a `PRelu` with one slope for all channels, and the tensor that it takes.
fn leaky<'g>(graph: &'g Graph, tensor: &str) -> Option<(Activation, &'g str)> {
    let end = graph.producer(tensor, "PRelu")?;
    let [slope] = *graph.constant(end.input(1)?)?.values.as_slice() else { return None };
    Some((Activation::Leaky(slope), end.input(0)?))
}

/// The first layer, with what the card and the file do to the bytes before it.
fn stem(graph: &Graph, tensor: &str, spec: &EmbedderSpec) -> Option<(Dense, Preprocessing)> {
    let (activation, tensor) = leaky(graph, tensor)?;
    let first = convolution(graph, tensor, 3, 2, 1)?;
    // Each plane of the input times `factors` plus `shifts`.
    let (factors, shifts, from) = match graph.producer(first.from, "Add") {
        Some(add) => {
            let product = graph.producer(add.input(0)?, "Mul")?;
            (planes(graph, product)?, planes(graph, add)?, product.input(0)?)
        }
        None => ([1.0; 3], [0.0; 3], first.from),
    };
    if from != spec.input_name {
        return None;
    }
    // (byte - mean) * scale * factor + shift = (byte - other mean) * scale * factor; factors go into the weights.
    let how = &spec.preprocessing;
    let mean = std::array::from_fn(|i| how.mean[i] - shifts[i] / (factors[i] * how.scale));
    let mut taps = stem_taps(&first, how.channels)?;
    for (i, tap) in taps.iter_mut().enumerate() {
        *tap *= factors[plane(how.channels, i % 3)];
    }
    let preprocessing = Preprocessing { mean, ..*how };
    let usable = mean.iter().all(|m: &f32| m.is_finite());
    usable.then(|| Some((Dense::new(&taps, 3, &first.bias, activation)?, preprocessing)))?
}

/// The second input of a node, as one number for each of three planes.
fn planes(graph: &Graph, node: &Node) -> Option<[f32; 3]> {
    let constant = graph.constant(node.input(1)?)?;
    let by_plane = constant.shape == [1, 3, 1, 1] || constant.shape == [3, 1, 1];
    by_plane.then(|| constant.values.as_slice().try_into().ok())?
}
