//! The part of an ONNX file that is read and written here: its nodes, its weights, and the names of what comes out.
//!
//! # Source
//!
//! `onnx/onnx.proto3` of the repository onnx/onnx at v1.17.0; the numbers are the file's field numbers.

use std::collections::HashMap;

use prost::Message;

use crate::runtime::{InferenceError, Role};

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

/// One operation.
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

    /// Whole numbers.
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
    /// Reads a file; `None` if it is no ONNX model with a graph.
    pub(crate) fn read(onnx: &[u8]) -> Option<Graph> {
        let graph = ModelProto::decode(onnx).ok()?.graph?;
        let producers =
            graph.node.iter().enumerate().flat_map(|(i, n)| n.output.iter().map(move |o| (o.clone(), i))).collect();
        let constants = graph.initializer.into_iter().filter_map(constant).collect();
        Some(Graph { nodes: graph.node, producers, constants })
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
    let count = shape.iter().try_fold(1usize, |n, side| n.checked_mul(*side))?;
    (values.len() == count).then_some((tensor.name, Constant { shape, values }))
}
