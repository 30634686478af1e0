//! The part of an ONNX file that is read and written here: its nodes, its weights, and the names of what comes out.
//!
//! # Source
//!
//! `onnx/onnx.proto3` of the repository onnx/onnx at v1.17.0; the numbers are the file's field numbers.

use std::collections::{HashMap, HashSet};

use prost::Message;

use crate::runtime::{InferenceError, Role};
use crate::wire;

#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
}

/// A file of which only what comes out is read.
#[derive(Clone, PartialEq, Message)]
struct ModelHeads {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphHeads>,
}

#[derive(Clone, PartialEq, Message)]
struct GraphHeads {
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfoProto>,
}

/// One operation of the graph, an ONNX `NodeProto`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(crate) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    pub(crate) op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub(crate) domain: String,
}

/// A setting of an operation.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, tag = "2")]
    f: f32,
    #[prost(int64, tag = "3")]
    i: i64,
    #[prost(bytes = "vec", tag = "4")]
    s: Vec<u8>,
    #[prost(int64, repeated, tag = "8")]
    ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    r#type: i32,
}

impl Attribute {
    /// A real number.
    pub(crate) fn float(name: &str, f: f32) -> Attribute {
        Attribute { name: name.to_owned(), f, r#type: 1, ..Attribute::default() }
    }

    /// A whole number.
    pub(crate) fn int(name: &str, i: i64) -> Attribute {
        Attribute { name: name.to_owned(), i, r#type: 2, ..Attribute::default() }
    }

    /// Makes an attribute that is a list of whole numbers.
    pub(crate) fn ints(name: &str, ints: &[i64]) -> Attribute {
        Attribute { name: name.to_owned(), ints: ints.to_vec(), r#type: 7, ..Attribute::default() }
    }
}

#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    float_data: Vec<f32>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfoProto {
    #[prost(string, tag = "1")]
    name: String,
}

/// `TensorProto.DataType.FLOAT`.
const FLOAT: i32 = 1;

/// A constant of the graph.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Constant {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// A network as a graph, to be walked from its outputs to its input.
#[derive(Debug)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    producers: HashMap<String, usize>,
    constants: HashMap<String, Constant>,
}

impl Graph {
    /// Reads a file; `None` if it is no ONNX model with a graph, if its operations are in no order, or if they use
    /// the same weights again and again, so that what is made of them would be far larger than the file.
    pub(crate) fn read(onnx: &[u8]) -> Option<Graph> {
        let graph = ModelProto::decode(onnx).ok()?.graph?;
        if disorder(&graph.node).is_some() {
            return None;
        }
        let producers =
            graph.node.iter().enumerate().flat_map(|(i, n)| n.output.iter().map(move |o| (o.clone(), i))).collect();
        let constants: HashMap<String, Constant> = graph.initializer.into_iter().filter_map(constant).collect();
        let length = |name: &String| constants.get(name).map_or(0, |constant| constant.values.len());
        // In numbers of four bytes: four times the file at most.
        let used: usize = graph.node.iter().flat_map(|node| &node.input).map(length).sum();
        let fits = used <= onnx.len();
        fits.then_some(Graph { nodes: graph.node, producers, constants })
    }

    /// The operation that makes `tensor`, if it is an `op`.
    pub(crate) fn producer(&self, tensor: &str, op: &str) -> Option<&Node> {
        self.producers.get(tensor).map(|&i| &self.nodes[i]).filter(|node| node.op_type == op)
    }

    /// The constant 32-bit floats behind a name.
    pub(crate) fn constant(&self, name: &str) -> Option<&Constant> {
        self.constants.get(name)
    }
}

/// The part of a file that says in which order what is computed, without the weights.
#[derive(Clone, PartialEq, Message)]
struct ModelOrder {
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphOrder>,
}

#[derive(Clone, PartialEq, Message)]
struct GraphOrder {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
}

/// Operations of a network, weights of it, and parts of its operations, at most.
///
/// # Source
///
/// The largest face embedders in use (residual networks of 100 layers) have fewer than 1,000 operations.
const NODES_MAX: usize = 10_000;
const NODE_PARTS_MAX: usize = 200_000;

/// Refuses a network that cannot be run in an order, or whose parts are more than any network has, before anything is
/// built from it. A file that is no ONNX model is left for the library to refuse.
///
/// # Errors
///
/// [`InferenceError::Absurd`] if an operation needs what comes after it, two give the same, one goes round in a loop, or
/// there are more than 10,000 operations or weights.
pub fn refuse_absurd(onnx: &[u8], role: Role) -> Result<(), InferenceError> {
    let refused = |what| Err(InferenceError::Absurd { role, what });
    let (mut nodes, mut weights, mut parts) = (0, 0, 0);
    let counted = wire::each(onnx, |field| {
        let (7, Some(graph)) = (field.number, field.content) else { return };
        let _ = wire::each(graph, |field| match (field.number, field.content) {
            (1, Some(node)) => {
                nodes += 1;
                // A part that is no message of its own is counted up to its fault; the decoder refuses it below.
                let _ = wire::each(node, |_| parts += 1);
            }
            (5, _) => weights += 1,
            _ => {}
        });
    });
    if nodes > NODES_MAX || weights > NODES_MAX || parts > NODE_PARTS_MAX {
        return refused("it has more operations than any network");
    }
    if counted.is_none() {
        return Ok(());
    }
    let nodes = ModelOrder::decode(onnx).ok().and_then(|m| m.graph).map(|g| g.node).unwrap_or_default();
    match disorder(&nodes) {
        Some(what) => refused(what),
        None => Ok(()),
    }
}

/// What is wrong with the order of these operations: each must come after all that it needs, as ONNX asks. Then no walk
/// along them comes back to where it was.
fn disorder(nodes: &[Node]) -> Option<&'static str> {
    let made_by_some: HashSet<&str> = nodes.iter().flat_map(|n| n.output.iter().map(String::as_str)).collect();
    let mut made: HashSet<&str> = HashSet::new();
    for node in nodes {
        if matches!(node.op_type.as_str(), "Loop" | "Scan") {
            return Some("it goes round in a loop, for nobody knows how long");
        }
        for input in node.input.iter().map(String::as_str).filter(|name| !name.is_empty()) {
            if made_by_some.contains(input) && !made.contains(input) {
                return Some("one of its operations needs what comes after it");
            }
        }
        for output in node.output.iter().map(String::as_str).filter(|name| !name.is_empty()) {
            if !made.insert(output) {
                return Some("two of its operations give the same");
            }
        }
    }
    None
}

/// Refuses a network that gives more than `heads`: what its card does not name, nobody asked for (invariant I8).
/// A file that is no ONNX model is left for the library to refuse.
pub(crate) fn refuse_other_heads(onnx: &[u8], role: Role, heads: &[String]) -> Result<(), InferenceError> {
    let outputs = ModelHeads::decode(onnx).ok().and_then(|m| m.graph).map(|g| g.output).unwrap_or_default();
    match outputs.into_iter().find(|output| !heads.contains(&output.name)) {
        Some(other) => Err(InferenceError::OtherHead { role, name: other.name }),
        None => Ok(()),
    }
}

/// A constant of 32-bit floats as it stands in a file.
pub(crate) fn float_tensor(name: &str, shape: &[usize], values: &[f32]) -> Vec<u8> {
    let dims = shape.iter().map(|side| *side as i64).collect();
    let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let name = name.to_owned();
    TensorProto { dims, data_type: FLOAT, float_data: vec![], name, raw_data }.encode_to_vec()
}

impl Node {
    /// An operation to be written, named after its output.
    pub(crate) fn new(op_type: &str, input: &[&str], output: &str, attribute: Vec<Attribute>) -> Node {
        Node {
            input: input.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: op_type.to_owned(),
            attribute,
            domain: String::new(),
        }
    }

    /// Its `i`-th input.
    pub(crate) fn input(&self, i: usize) -> Option<&str> {
        self.input.get(i).map(String::as_str)
    }

    /// A list of whole numbers; empty if there is none of that name.
    pub(crate) fn ints(&self, name: &str) -> &[i64] {
        self.attribute.iter().find(|a| a.name == name).map_or(&[], |a| &a.ints)
    }

    /// A whole number, or what the operation takes where it is not said.
    pub(crate) fn int(&self, name: &str, otherwise: i64) -> i64 {
        self.attribute.iter().find(|a| a.name == name).map_or(otherwise, |a| a.i)
    }

    /// A word; empty if there is none of that name.
    pub(crate) fn word(&self, name: &str) -> &[u8] {
        self.attribute.iter().find(|a| a.name == name).map_or(&[], |a| &a.s)
    }
}

fn constant(tensor: TensorProto) -> Option<(String, Constant)> {
    if tensor.data_type != FLOAT {
        return None;
    }
    let shape: Option<Vec<usize>> = tensor.dims.iter().map(|d| usize::try_from(*d).ok()).collect();
    let shape = shape?;
    let values = if tensor.raw_data.is_empty() {
        tensor.float_data
    } else {
        let (numbers, rest) = tensor.raw_data.as_chunks::<4>();
        if !rest.is_empty() {
            return None;
        }
        numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    // No side is 0: then each is at most the number of values, whatever else the file says.
    let count = shape.iter().try_fold(1usize, |n, side| n.checked_mul(*side)).filter(|count| *count > 0)?;
    (values.len() == count).then_some((tensor.name, Constant { shape, values }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(nodes: &[Node]) -> Vec<u8> {
        let mut graph = Vec::new();
        for node in nodes {
            wire::put(&mut graph, 1, &node.encode_to_vec());
        }
        let mut model = Vec::new();
        wire::put(&mut model, 7, &graph);
        model
    }

    fn node(op: &str, input: &[&str], output: &str) -> Node {
        Node::new(op, input, output, vec![])
    }

    #[test]
    fn a_network_without_an_order_or_without_end_is_refused_before_anything_is_built() {
        let check = |name: &str, onnx: &[u8], expected: Option<&str>| {
            let what = match refuse_absurd(onnx, Role::Detector) {
                Err(InferenceError::Absurd { what, .. }) => Some(what),
                Err(other) => panic!("{name}: {other}"),
                Ok(()) => None,
            };
            assert_eq!(what.is_some(), expected.is_some(), "{name}: {what:?}");
            assert!(what.unwrap_or_default().contains(expected.unwrap_or_default()), "{name}: {what:?}");
        };
        let chain = |n: usize| -> Vec<Node> {
            (0..n).map(|i| node("Relu", &[&format!("t{i}")], &format!("t{}", i + 1))).collect()
        };
        check("a chain", &model(&chain(NODES_MAX)), None);
        check("a side input that is left out", &model(&[node("Resize", &["x", "", "s"], "y")]), None);
        check("no model", b"no model at all", None);
        check("nothing", b"", None);
        check("its own output", &model(&[node("MaxPool", &["y"], "y")]), Some("comes after"));
        let circle = [node("Relu", &["b"], "a"), node("MaxPool", &["a"], "b")];
        check("a circle of two", &model(&circle), Some("comes after"));
        let backwards = [node("Relu", &["a"], "b"), node("Relu", &["x"], "a")];
        check("backwards", &model(&backwards), Some("comes after"));
        let twice = [node("Relu", &["x"], "y"), node("MaxPool", &["x"], "y")];
        check("one tensor made twice", &model(&twice), Some("give the same"));
        check("a loop", &model(&[node("Loop", &["n"], "y")]), Some("loop"));
        check("too many operations", &model(&chain(NODES_MAX + 1)), Some("more operations"));
        let mut crowded = node("Relu", &["x"], "y");
        crowded.attribute = vec![Attribute::default(); NODE_PARTS_MAX];
        check("an operation of too many parts", &model(&[crowded]), Some("more operations"));
    }

    #[test]
    fn no_graph_is_walked_that_is_far_larger_than_its_file() {
        let graph = |uses: usize| {
            let mut graph = Vec::new();
            for i in 0..uses {
                let (from, to) = (format!("t{i}"), format!("t{}", i + 1));
                wire::put(&mut graph, 1, &node("Conv", &[&from, "w"], &to).encode_to_vec());
            }
            wire::put(&mut graph, 5, &float_tensor("w", &[100, 100, 1, 1], &vec![0.5; 10_000]));
            let mut model = Vec::new();
            wire::put(&mut model, 7, &graph);
            Graph::read(&model)
        };
        assert!(graph(1).is_some() && graph(3).is_some());
        assert!(graph(100).is_none(), "one weight, a hundred times");
        let sides = |dims: &[usize]| {
            let mut graph = Vec::new();
            wire::put(&mut graph, 5, &float_tensor("w", dims, &[]));
            let mut model = Vec::new();
            wire::put(&mut model, 7, &graph);
            Graph::read(&model).unwrap().constant("w").is_some()
        };
        assert!(!sides(&[usize::MAX >> 2, 0, 3, 3]), "no numbers, and a side beyond all memory");
    }
}
