//! `YuNet`'s weights, read out of its ONNX file.
//!
//! The graph is walked from its outputs back to its input, and every operation on the way must be the one that the
//! architecture has in that place. A file that differs anywhere is not recognised, and runs through the inference
//! library instead.

use assent_kernels::{Activation, Dense, Depthwise};

use crate::convolution::{Convolution, convolution, pads_nothing, stem_taps};
use crate::model::DetectorSpec;
use crate::onnx::Graph;

/// The pyramid's steps, pixels.
const STRIDES_PX: [u32; 3] = [8, 16, 32];
/// Channels of the heads: class, objectness, box, landmarks.
const HEAD_CHANNELS: [usize; 4] = [1, 1, 4, 10];

/// Pools on the way to the maps of every 8th, 16th, 32nd pixel; the stem makes the first step of two pixels.
const POOLS: [usize; 3] = [2, 1, 1];

/// A 1x1 convolution and a 3x3 one in each channel after it.
pub(super) type UnitWeights = (Dense, Depthwise);

/// One step of the backbone.
pub(super) enum Layer {
    Unit(UnitWeights),
    /// The largest of 2 x 2 pixels.
    Pool,
}

/// All weights, by their place.
pub(super) struct Weights {
    /// 3x3, every second pixel, over three rows of colours.
    pub(super) stem: Dense,
    /// From the stem to the map of every 8th pixel, from there to every 16th, to every 32nd.
    pub(super) backbone: [Vec<Layer>; 3],
    /// For the maps of every 8th, 16th, 32nd pixel.
    pub(super) lateral: [UnitWeights; 3],
    /// All heads of a map as one unit of 16 channels.
    pub(super) heads: [UnitWeights; 3],
}

impl Weights {
    /// `None` unless `onnx` is a `YuNet` whose outputs have the names of `spec`.
    pub(super) fn read(onnx: &[u8], spec: &DetectorSpec) -> Option<Weights> {
        if spec.strides_px != STRIDES_PX {
            return None;
        }
        let graph = Graph::read(onnx)?;
        let mut heads = Vec::new();
        let mut features = Vec::new();
        for stride in STRIDES_PX {
            let (unit, feature) = stride_heads(&graph, spec, stride)?;
            heads.push(unit);
            features.push(feature);
        }
        let (top, c5) = unit(&graph, features[2])?;
        let (middle, c4) = merged_unit(&graph, features[1], features[2])?;
        let (bottom, c3) = merged_unit(&graph, features[0], features[1])?;
        let stem_output = stem_output(&graph, c3)?;
        let backbone = [path(&graph, stem_output, c3)?, path(&graph, c3, c4)?, path(&graph, c4, c5)?];
        let weights = Weights {
            stem: stem(&graph, stem_output, spec)?,
            backbone,
            lateral: [bottom, middle, top],
            heads: heads.try_into().ok()?,
        };
        weights.fit().then_some(weights)
    }

    /// Whether each layer takes what the one before it gives, and the maps lie where they are taken to lie.
    fn fit(&self) -> bool {
        let takes = |(dense, depthwise): &UnitWeights, channels: usize| {
            dense.share() == channels && depthwise.channels() == dense.outputs()
        };
        let mut channels = self.stem.outputs();
        let mut fit = true;
        let mut maps = [0; 3];
        for ((layers, pools), map) in self.backbone.iter().zip(POOLS).zip(&mut maps) {
            for layer in layers {
                if let Layer::Unit(unit) = layer {
                    fit &= takes(unit, channels);
                    channels = unit.0.outputs();
                }
            }
            fit &= layers.iter().filter(|layer| matches!(layer, Layer::Pool)).count() == pools;
            *map = channels;
        }
        for level in 0..3 {
            let given = self.lateral[level].0.outputs();
            fit &= takes(&self.lateral[level], maps[level]) && takes(&self.heads[level], given);
            // What a coarser map gives is added to the finer one.
            fit &= level == 0 || given == maps[level - 1];
        }
        fit
    }
}

/// The four heads of a stride as one unit, and the tensor that they look at.
fn stride_heads<'g>(graph: &'g Graph, spec: &DetectorSpec, stride: u32) -> Option<(UnitWeights, &'g str)> {
    let (mut dense, mut dense_bias, mut deep, mut deep_bias) = (vec![], vec![], vec![], vec![]);
    let mut feature = None;
    for (name, channels) in spec.output_names.iter().zip(HEAD_CHANNELS) {
        let name = name.replace("{stride}", &stride.to_string());
        // Class and objectness end with a sigmoid, the others with nothing.
        let last = graph.producer(&name, "Sigmoid");
        if last.is_some() != (channels == 1) {
            return None;
        }
        let reshaped = match last {
            Some(sigmoid) => sigmoid.input(0)?,
            None => name.as_str(),
        };
        let transpose = graph.producer(graph.producer(reshaped, "Reshape")?.input(0)?, "Transpose")?;
        if transpose.ints("perm") != [0, 2, 3, 1] {
            return None;
        }
        let (neighbours, own, from) = convolutions(graph, transpose.input(0)?)?;
        if neighbours.bias.len() != channels || feature.is_some_and(|f| f != from) {
            return None;
        }
        feature = Some(from);
        dense.extend_from_slice(own.weights);
        dense_bias.extend_from_slice(&own.bias);
        deep.extend_from_slice(neighbours.weights);
        deep_bias.extend_from_slice(&neighbours.bias);
    }
    let unit = (
        Dense::new(&dense, 1, &dense_bias, Activation::None)?,
        Depthwise::new(&deep, &deep_bias, 1, Activation::None)?,
    );
    Some((unit, feature?))
}

/// The unit that makes `tensor`, and the tensor that it takes.
fn unit<'g>(graph: &'g Graph, tensor: &str) -> Option<(UnitWeights, &'g str)> {
    let relu = graph.producer(tensor, "Relu")?;
    let (neighbours, own, from) = convolutions(graph, relu.input(0)?)?;
    let dense = Dense::new(own.weights, 1, &own.bias, Activation::None)?;
    Some(((dense, Depthwise::new(neighbours.weights, &neighbours.bias, 1, Activation::Relu)?), from))
}

/// The unit that makes `tensor` from the sum of another tensor (the one that is returned) and `upper`, doubled.
fn merged_unit<'g>(graph: &'g Graph, tensor: &str, upper: &str) -> Option<(UnitWeights, &'g str)> {
    let (unit, sum) = unit(graph, tensor)?;
    let add = graph.producer(sum, "Add")?;
    let resize = graph.producer(add.input(1)?, "Resize")?;
    let scales = graph.constant(resize.input(2)?)?;
    let doubles = scales.values == [1.0, 1.0, 2.0, 2.0]
        && resize.word("mode") == b"nearest"
        && resize.word("nearest_mode") == b"floor"
        && resize.word("coordinate_transformation_mode") == b"asymmetric";
    (doubles && resize.input(0)? == upper).then_some((unit, add.input(0)?))
}

/// The steps from one tensor to another.
fn path(graph: &Graph, from: &str, to: &str) -> Option<Vec<Layer>> {
    let mut steps = Vec::new();
    let mut tensor = to;
    while tensor != from {
        if let Some(pool) = graph.producer(tensor, "MaxPool") {
            if pool.ints("kernel_shape") != [2, 2] || pool.ints("strides") != [2, 2] || !pads_nothing(pool) {
                return None;
            }
            steps.push(Layer::Pool);
            tensor = pool.input(0)?;
        } else {
            let (weights, before) = unit(graph, tensor)?;
            steps.push(Layer::Unit(weights));
            tensor = before;
        }
    }
    steps.reverse();
    Some(steps)
}

/// The tensor from which on everything is units and pools.
fn stem_output<'g>(graph: &'g Graph, mut tensor: &'g str) -> Option<&'g str> {
    loop {
        if let Some(pool) = graph.producer(tensor, "MaxPool") {
            tensor = pool.input(0)?;
        } else if let Some((_, before)) = unit(graph, tensor) {
            tensor = before;
        } else {
            return Some(tensor);
        }
    }
}

/// The first layer.
fn stem(graph: &Graph, tensor: &str, spec: &DetectorSpec) -> Option<Dense> {
    let first = convolution(graph, graph.producer(tensor, "Relu")?.input(0)?, 3, 2, 1)?;
    let taps = stem_taps(&first, spec.preprocessing.channels)?;
    (first.from == spec.input_name).then(|| Dense::new(&taps, 3, &first.bias, Activation::Relu))?
}

/// The 3x3 convolution in each channel that makes `tensor`, the 1x1 one before it, and the tensor before that.
fn convolutions<'g>(graph: &'g Graph, tensor: &str) -> Option<(Convolution<'g>, Convolution<'g>, &'g str)> {
    let group = usize::try_from(graph.producer(tensor, "Conv")?.int("group", 1)).ok()?;
    let neighbours = convolution(graph, tensor, 3, 1, group)?;
    let own = convolution(graph, neighbours.from, 1, 1, 1)?;
    let from = own.from;
    let in_each_channel = neighbours.shape[1] == 1 && own.bias.len() == neighbours.bias.len();
    in_each_channel.then_some((neighbours, own, from))
}
