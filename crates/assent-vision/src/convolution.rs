//! Convolutions as an ONNX file holds them, for the networks that run on our own kernels.

use std::borrow::Cow;

use crate::colours::plane;
use crate::model::ChannelOrder;
use crate::onnx::{Graph, Node};

/// One convolution of a graph.
pub(crate) struct Convolution<'g> {
    /// `[outputs, inputs of a group, height, width]`
    pub(crate) shape: [usize; 4],
    /// In the order of `shape`.
    pub(crate) weights: &'g [f32],
    /// One for each output; zeros if the file has none.
    pub(crate) bias: Cow<'g, [f32]>,
    /// The tensor that it takes.
    pub(crate) from: &'g str,
}

/// The convolution that makes `tensor`, if it has this size, step and number of groups; one of 3x3 keeps the edges, any
/// other adds nothing to them.
pub(crate) fn convolution<'g>(
    graph: &'g Graph,
    tensor: &str,
    size: usize,
    step: i64,
    group: usize,
) -> Option<Convolution<'g>> {
    let node = graph.producer(tensor, "Conv")?;
    let weights = graph.constant(node.input(1)?)?;
    let shape @ [outputs, _, height, width] = <[usize; 4]>::try_from(weights.shape.as_slice()).ok()?;
    let bias = match node.input(2) {
        Some(name) => Cow::Borrowed(graph.constant(name)?.values.as_slice()),
        None => Cow::Owned(vec![0.0; outputs]),
    };
    let pads = if size == 3 { node.ints("pads") == [1; 4] } else { pads_nothing(node) };
    let fits = (height, width) == (size, size)
        && node.ints("strides") == [step; 2]
        && node.ints("dilations").iter().all(|d| *d == 1)
        && usize::try_from(node.int("group", 1)) == Ok(group)
        && bias.len() == outputs
        && pads;
    let from = node.input(0)?;
    fits.then_some(Convolution { shape, weights: &weights.values, bias, from })
}

/// The weights of a first layer of 3x3 over three colours, `[output][row][column][colour]`, the colours in the picture's
/// order: a row of taps is three pixels as they lie in memory.
pub(crate) fn stem_taps(first: &Convolution<'_>, channels: ChannelOrder) -> Option<Vec<f32>> {
    if first.shape[1..] != [3, 3, 3] {
        return None;
    }
    let place = |tap: usize| {
        let (row, column, colour) = (tap / 9, tap / 3 % 3, tap % 3);
        plane(channels, colour) * 9 + row * 3 + column
    };
    Some(first.weights.chunks_exact(27).flat_map(|output| (0..27).map(move |tap| output[place(tap)])).collect())
}

/// Whether a node adds nothing to the edges.
pub(crate) fn pads_nothing(node: &Node) -> bool {
    node.ints("pads").iter().all(|p| *p == 0)
}
