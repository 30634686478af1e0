//! An embedder's `PReLU` layers, written as layers that ONNX Runtime's own CPU code is fast at.
//!
//! `PReLU(x) = x` where `x` is at least 0, and `slope * x` below. One slope for all channels is a `LeakyRelu`, which is
//! the same number to the bit. A slope for each channel is `dwconv(x, slope) + dwconv(Relu(x), 1 - slope)`, two
//! convolutions of one pixel in each channel: the same but for rounding, which is why [`compare`] exists.
//!
//! # Source
//!
//! Measured (`docs/performance.md`): 11 ms a face against 25 with one slope. With a slope for each channel 4.3 against 9.7
//! on a network of the family of `MobileFaceNet`, on another machine.

use prost::Message as _;

use crate::model::EmbedderSpec;
use crate::onnx::{Attribute, Constant, Graph, Node, float_tensor};
use crate::runtime::{Execution, InferenceError, Role, Runtime};
use crate::wire::{self, Field};

/// Raised with every change of what [`rewrite`] gives for the same file.
pub const REWRITE_VERSION: u32 = 1;

/// Least cosine between the two networks' answers of a rewrite that is used.
pub const COSINE_MIN: f32 = 0.99999;

/// Largest difference between two numbers of their answers, as a part of the answer's largest number.
pub const DIFFERENCE_MAX: f32 = 1e-3;

/// `ModelProto.graph`.
const GRAPH: u64 = 7;
/// `GraphProto.node`.
const NODE: u64 = 1;
/// `GraphProto.initializer`.
const INITIALIZER: u64 = 5;

/// A network that was written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The ONNX file.
    pub onnx: Vec<u8>,
    /// Layers with one slope.
    pub one_slope: usize,
    /// Layers with a slope for each channel.
    pub slope_per_channel: usize,
}

/// The network with other layers in the place of its `PReLU`s; everything else stays as it is, byte by byte.
///
/// `None` if there is no `PReLU` in it whose slopes are constants, or if it is no ONNX file.
pub fn rewrite(onnx: &[u8]) -> Option<Rewritten> {
    let graph = Graph::read(onnx)?;
    let mut done =
        Rewritten { onnx: Vec::with_capacity(onnx.len() + onnx.len() / 8), one_slope: 0, slope_per_channel: 0 };
    let mut new = Vec::with_capacity(onnx.len());
    for field in wire::fields(onnx)? {
        match field {
            Field { number: GRAPH, content: Some(content), .. } => {
                new.clear();
                rewrite_graph(&graph, content, &mut new, &mut done)?;
                wire::put(&mut done.onnx, GRAPH, &new);
            }
            other => done.onnx.extend_from_slice(other.whole),
        }
    }
    (done.one_slope + done.slope_per_channel > 0).then_some(done)
}

fn rewrite_graph(graph: &Graph, content: &[u8], new: &mut Vec<u8>, done: &mut Rewritten) -> Option<()> {
    for field in wire::fields(content)? {
        let (NODE, Some(node)) = (field.number, field.content) else {
            new.extend_from_slice(field.whole);
            continue;
        };
        let node = Node::decode(node).ok()?;
        match replacement(graph, &node) {
            None => new.extend_from_slice(field.whole),
            Some(Replacement::OneSlope(node)) => {
                wire::put(new, NODE, &node.encode_to_vec());
                done.one_slope += 1;
            }
            Some(Replacement::SlopePerChannel(nodes, weights)) => {
                for node in &nodes {
                    wire::put(new, NODE, &node.encode_to_vec());
                }
                for tensor in &weights {
                    wire::put(new, INITIALIZER, tensor);
                }
                done.slope_per_channel += 1;
            }
        }
    }
    Some(())
}

#[expect(clippy::large_enum_variant, reason = "one at a time, and gone at once")]
enum Replacement {
    OneSlope(Node),
    /// The layers and their weights, which are encoded tensors.
    SlopePerChannel([Node; 4], [Vec<u8>; 2]),
}

/// What takes the place of a node; `None` if it stays.
fn replacement(graph: &Graph, node: &Node) -> Option<Replacement> {
    if node.op_type != "PRelu" || !matches!(node.domain.as_str(), "" | "ai.onnx") {
        return None;
    }
    let ([input, slope], [output]) = (node.input.as_slice(), node.output.as_slice()) else { return None };
    let Constant { shape, values } = graph.constant(slope)?;
    let (&first, others) = values.split_first()?;
    if others.iter().all(|other| other.to_bits() == first.to_bits()) {
        let leaky = Node::new("LeakyRelu", &[input], output, vec![Attribute::float("alpha", first)]);
        return Some(Replacement::OneSlope(leaky));
    }
    // `[channels][1][1]`, with or without a batch of one before it: aligned with `[batch][channels][height][width]`.
    let ([channels, 1, 1] | [1, channels, 1, 1]) = *shape.as_slice() else { return None };
    let name = |part: &str| format!("{output}/assent/{part}");
    let [slopes, rest, relu, below, above] = ["slopes", "rest", "relu", "below", "above"].map(name);
    let dwconv = |input: &str, weights: &str, output: &str| {
        let attributes = vec![Attribute::int("group", channels as i64), Attribute::ints("kernel_shape", &[1, 1])];
        Node::new("Conv", &[input, weights], output, attributes)
    };
    let nodes = [
        Node::new("Relu", &[input], &relu, vec![]),
        dwconv(input, &slopes, &below),
        dwconv(&relu, &rest, &above),
        Node::new("Add", &[&below, &above], output, vec![]),
    ];
    let shape = [channels, 1, 1, 1];
    let complement: Vec<f32> = values.iter().map(|slope| 1.0 - slope).collect();
    let weights = [float_tensor(&slopes, &shape, values), float_tensor(&rest, &shape, &complement)];
    Some(Replacement::SlopePerChannel(nodes, weights))
}

/// How far the answers of two networks are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Inputs that both were given.
    pub inputs: usize,
    /// Least cosine between two answers.
    pub least_cosine: f32,
    /// Largest difference between two numbers, as a part of the largest number of the first network's answer.
    pub largest_difference: f32,
}

impl Agreement {
    /// Whether one may stand for the other: [`COSINE_MIN`] and [`DIFFERENCE_MAX`].
    pub fn is_close(&self) -> bool {
        self.least_cosine >= COSINE_MIN && self.largest_difference <= DIFFERENCE_MAX
    }
}

/// Gives two embedders the same pictures, noise of four grains, on ONNX Runtime's own CPU code. Equal files give equal
/// answers, whenever and wherever.
///
/// # Errors
///
/// [`InferenceError`] if the library refuses one of the networks, or it fails.
pub fn compare(
    runtime: &Runtime,
    spec: &EmbedderSpec,
    first: &[u8],
    second: &[u8],
) -> Result<Agreement, InferenceError> {
    let mut networks = [
        runtime.network_with(Role::Embedder, first, Execution::Cpu)?,
        runtime.network_with(Role::Embedder, second, Execution::Cpu)?,
    ];
    let side = spec.side_px as usize;
    let mut agreement = Agreement { inputs: 0, least_cosine: 1.0, largest_difference: 0.0 };
    for (seed, grain) in [(1, 1), (2, 3), (3, 8), (4, 32), (5, 1), (6, 3), (7, 8), (8, 32)] {
        let planes = noise(spec, seed, grain);
        let [a, b] = networks.each_mut().map(|network| {
            let mut answer = Vec::new();
            let input = (spec.input_name.as_str(), [1, 3, side, side], planes.as_slice());
            let output = [(spec.output_name.as_str(), vec![1, spec.dimensions])];
            network.run(input, &output, |_, values| answer.extend_from_slice(values)).map(|()| answer)
        });
        agreement.add(&a?, &b?);
    }
    Ok(agreement)
}

impl Agreement {
    fn add(&mut self, a: &[f32], b: &[f32]) {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let largest = a.iter().fold(0f32, |most, v| most.max(v.abs()));
        let cosine = (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()) as f32;
        // An answer that is no number agrees with nothing.
        let difference = a.iter().zip(b).map(|(a, b)| (a - b).abs() / largest);
        let difference = difference.fold(0f32, |most, d| if d.is_nan() { f32::INFINITY } else { most.max(d) });
        self.inputs += 1;
        self.least_cosine = self.least_cosine.min(if cosine.is_nan() { -1.0 } else { cosine });
        self.largest_difference = self.largest_difference.max(difference);
    }
}

/// A picture of squares of `grain` pixels, as the network takes it.
fn noise(spec: &EmbedderSpec, seed: u64, grain: usize) -> Vec<f32> {
    let side = spec.side_px as usize;
    let squares = side.div_ceil(grain);
    let how = &spec.preprocessing;
    let number = |plane: usize, y: usize, x: usize| {
        let place = ((plane * squares + y / grain) * squares + x / grain) as u64;
        let byte = (mixed(seed << 32 | place) & 0xFF) as f32;
        (byte - how.mean[plane]) * how.scale
    };
    (0..3 * side * side).map(|i| number(i / (side * side), i / side % side, i % side)).collect()
}

/// # Source
///
/// `SplitMix64`: G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node, the constant it names, and fields that nothing here knows.
    fn model(slopes: &[f32]) -> Vec<u8> {
        let mut graph = Vec::new();
        wire::put(&mut graph, 2, b"a graph");
        wire::put(&mut graph, NODE, &Node::new("Relu", &["x"], "r", vec![]).encode_to_vec());
        wire::put(&mut graph, NODE, &Node::new("PRelu", &["r", "s"], "y", vec![]).encode_to_vec());
        wire::put(&mut graph, INITIALIZER, &float_tensor("s", &[slopes.len(), 1, 1], slopes));
        wire::put(&mut graph, 99, b"unknown");
        let mut model = vec![0x08, 8];
        wire::put(&mut model, GRAPH, &graph);
        wire::put(&mut model, 98, b"unknown");
        model
    }

    #[test]
    fn everything_but_the_layer_stays_byte_by_byte() {
        for (name, slopes, layers) in [("one slope", &[0.5, 0.5], 1), ("two slopes", &[0.5, 0.25], 4)] {
            let original = model(slopes);
            let rewritten = rewrite(&original).unwrap();
            let split = |onnx: &[u8]| {
                let fields = wire::fields(onnx).unwrap();
                let (graph, others): (Vec<Field<'_>>, Vec<Field<'_>>) =
                    fields.into_iter().partition(|f| f.number == GRAPH);
                let others: Vec<Vec<u8>> = others.iter().map(|f| f.whole.to_vec()).collect();
                let parts = wire::fields(graph[0].content.unwrap()).unwrap();
                (others, parts.iter().map(|f| f.whole.to_vec()).collect::<Vec<_>>())
            };
            let (others, mut parts) = split(&original);
            let (new_others, mut new_parts) = split(&rewritten.onnx);
            assert_eq!(new_others, others, "{name}");
            let prelu = parts.remove(2);
            assert!(!new_parts.contains(&prelu), "{name}");
            let before = new_parts.len();
            new_parts.retain(|part| parts.contains(part));
            assert_eq!(new_parts, parts, "{name}");
            assert_eq!(before - parts.len(), if layers == 1 { 1 } else { layers + 2 }, "{name}: layers and weights");
        }
    }

    #[test]
    fn what_is_no_network_or_has_no_such_layer_is_left_alone() {
        let mut of_another_domain = Node::new("PRelu", &["r", "s"], "y", vec![]);
        of_another_domain.domain = "example.org".to_owned();
        let mut graph = Vec::new();
        wire::put(&mut graph, NODE, &of_another_domain.encode_to_vec());
        wire::put(&mut graph, NODE, &Node::new("PRelu", &["r", "computed"], "z", vec![]).encode_to_vec());
        wire::put(&mut graph, INITIALIZER, &float_tensor("s", &[1], &[0.5]));
        let mut model = Vec::new();
        wire::put(&mut model, GRAPH, &graph);
        for (name, onnx) in [("empty", &[][..]), ("text", b"no network"), ("other layers", &model)] {
            assert_eq!(rewrite(onnx), None, "{name}");
        }
    }

    #[test]
    fn an_answer_that_is_no_number_agrees_with_nothing() {
        let check = |name: &str, a: &[f32], b: &[f32], expected: bool| {
            let mut agreement = Agreement { inputs: 0, least_cosine: 1.0, largest_difference: 0.0 };
            agreement.add(a, b);
            assert_eq!(agreement.is_close(), expected, "{name}: {agreement:?}");
            agreement.add(&[1.0], &[1.0]);
            assert_eq!(agreement.is_close(), expected, "{name}, and then a good one: {agreement:?}");
        };
        check("the same", &[1.0, -2.0], &[1.0, -2.0], true);
        check("rounded", &[1.0, -2.0], &[1.0001, -2.0], true);
        check("one number off", &[1.0, -2.0, 100.0], &[1.0, -2.3, 100.0], false);
        check("NaN", &[1.0, 2.0], &[1.0, f32::NAN], false);
        check("zeros", &[0.0, 0.0], &[0.0, 0.0], false);
    }
}
