//! Embedders whose `PReLU` layers were rewritten, against the originals on the inference library.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use assent_testkit::light;
use assent_vision::model::{ChannelOrder, EmbedderSpec, Preprocessing};
use assent_vision::prelu::{Agreement, compare, rewrite};
use assent_vision::runtime::Execution;
use proptest::prelude::*;

const SIDE: usize = 16;
const CHANNELS: usize = 6;

/// A message with these fields of text, bytes and messages.
fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, content) in fields {
        bytes.push(number << 3 | 2);
        let mut length = content.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(*content);
    }
    bytes
}

/// A whole number as a field; all that occur here are smaller than 128.
fn number(field: u8, value: usize) -> Vec<u8> {
    vec![field << 3, u8::try_from(value).unwrap()]
}

fn node(op: &str, inputs: &[&str], output: &str, attributes: &[(&str, &[usize])]) -> Vec<u8> {
    let mut bytes: Vec<u8> = inputs.iter().flat_map(|input| message(&[(1, input.as_bytes())])).collect();
    bytes.extend(message(&[(2, output.as_bytes()), (4, op.as_bytes())]));
    for (name, values) in attributes {
        let mut attribute = message(&[(1, name.as_bytes())]);
        attribute.extend(values.iter().flat_map(|v| number(8, *v)));
        attribute.extend([0xA0, 0x01, 7]); // Field 20: whole numbers.
        bytes.extend(message(&[(5, &attribute)]));
    }
    bytes
}

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> Vec<u8> {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let dims: Vec<u8> = shape.iter().flat_map(|side| number(1, *side)).collect();
    [dims, number(2, 1), message(&[(8, name.as_bytes()), (9, &raw)])].concat()
}

fn value(name: &str, shape: &[usize]) -> Vec<u8> {
    let dims: Vec<u8> = shape.iter().flat_map(|side| message(&[(1, &number(1, *side))])).collect();
    let tensor = [number(1, 1), message(&[(2, &dims)])].concat();
    message(&[(1, name.as_bytes()), (2, &message(&[(1, &tensor)]))])
}

/// Two convolutions with a `PReLU` behind each, and the mean of each channel.
fn network(slopes: [(&[usize], &[f32]); 2]) -> Vec<u8> {
    let weight = |i: usize| ((i * 37 % 101) as f32 / 101.0 - 0.5) * 0.4;
    let weights = |inputs: usize| (0..CHANNELS * inputs * 9).map(weight).collect::<Vec<f32>>();
    let conv = |input: &str, weights: &str, output: &str| node("Conv", &[input, weights], output, &[("pads", &[1; 4])]);
    let [(first_shape, first), (second_shape, second)] = slopes;
    let graph = message(&[
        (2, b"embedder"),
        (1, &conv("data", "w1", "c1")),
        (1, &node("PRelu", &["c1", "s1"], "p1", &[])),
        (1, &conv("p1", "w2", "c2")),
        (1, &node("PRelu", &["c2", "s2"], "p2", &[])),
        (1, &node("GlobalAveragePool", &["p2"], "mean", &[])),
        (1, &node("Flatten", &["mean"], "embedding", &[])),
        (5, &tensor("w1", &[CHANNELS, 3, 3, 3], &weights(3))),
        (5, &tensor("w2", &[CHANNELS, CHANNELS, 3, 3], &weights(CHANNELS))),
        (5, &tensor("s1", first_shape, first)),
        (5, &tensor("s2", second_shape, second)),
        (10, b"a text that nothing here reads"),
        (11, &value("data", &[1, 3, SIDE, SIDE])),
        (12, &value("embedding", &[1, CHANNELS])),
    ]);
    [number(1, 8), message(&[(7, &graph), (8, &number(2, 13))])].concat()
}

fn spec() -> EmbedderSpec {
    EmbedderSpec {
        input_name: "data".to_owned(),
        output_name: "embedding".to_owned(),
        preprocessing: Preprocessing { channels: ChannelOrder::Bgr, mean: [127.5; 3], scale: 1.0 / 128.0 },
        side_px: SIDE as u32,
        dimensions: CHANNELS,
        template: [[0.5; 2]; 5],
    }
}

fn agreement(first: &[u8], second: &[u8]) -> Agreement {
    compare(light().runtime(), &spec(), first, second).unwrap()
}

#[test]
fn one_slope_gives_the_same_bits() {
    let original = network([(&[1], &[0.25]), (&[CHANNELS, 1, 1], &[-0.5; CHANNELS])]);
    let rewritten = rewrite(&original).unwrap();
    assert_eq!((rewritten.one_slope, rewritten.slope_per_channel), (2, 0));
    let agreement = agreement(&original, &rewritten.onnx);
    assert!(agreement.is_close() && agreement.largest_difference == 0.0, "{agreement:?}");
    assert_eq!(rewrite(&rewritten.onnx), None, "nothing is left to rewrite");
}

#[test]
fn the_light_embedder_gives_the_same_bits() {
    let pack = light().pack();
    let rewritten = rewrite(&pack.embedder_bytes).unwrap();
    assert_eq!((rewritten.one_slope, rewritten.slope_per_channel), (48, 0));
    let agreement = compare(light().runtime(), pack.embedder(), &pack.embedder_bytes, &rewritten.onnx).unwrap();
    assert!(agreement.is_close() && agreement.largest_difference == 0.0, "{agreement:?}");
}

#[test]
fn another_network_is_not_taken_for_the_original() {
    let original = network([(&[1], &[0.25]), (&[1], &[0.25])]);
    let other = network([(&[1], &[0.26]), (&[1], &[0.25])]);
    let agreement = agreement(&original, &other);
    assert!(!agreement.is_close(), "{agreement:?}");
    let broken = network([(&[1], &[f32::NAN]), (&[1], &[0.25])]);
    assert!(!compare(light().runtime(), &spec(), &original, &broken).unwrap().is_close());
}

#[test]
fn slopes_that_lie_along_another_side_stay() {
    let slopes: Vec<f32> = (0..SIDE).map(|i| i as f32 / 20.0).collect();
    let original = network([(&[SIDE], &slopes), (&[1, 1, SIDE, 1], &slopes)]);
    assert_eq!(rewrite(&original), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn slopes_of_their_own_give_nearly_the_same_numbers(
        first in prop::collection::vec(-1.5..1.5f32, CHANNELS),
        second in prop::collection::vec(0.0..1.0f32, CHANNELS),
    ) {
        let original = network([(&[CHANNELS, 1, 1], &first), (&[1, CHANNELS, 1, 1], &second)]);
        let rewritten = rewrite(&original).unwrap();
        prop_assert_eq!((rewritten.one_slope, rewritten.slope_per_channel), (0, 2));
        let agreement = agreement(&original, &rewritten.onnx);
        prop_assert!(agreement.is_close() && agreement.inputs == 8, "{:?}", agreement);
    }
}

#[test]
fn engines_that_the_library_has_run_and_others_do_not() {
    let runtime = light().runtime();
    let machine = runtime.machine();
    let check = |execution, expected| assert_eq!(runtime.can_run(execution), expected, "{execution:?}");
    check(Execution::Cpu, true);
    check(Execution::OpenVinoF32, machine.has_openvino);
    check(Execution::Cuda, machine.has_cuda);
}
