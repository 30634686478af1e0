//! What could not be listed of a folder of photos, and what is left out on purpose, for machines.

use assent::source::{LeftOut, Problem};
use serde_json::{Value, json};

/// All problems.
pub(crate) fn problems(problems: &[Problem]) -> Vec<Value> {
    problems.iter().map(|p| json!({ "path": p.path.to_string(), "reason": p.kind.code() })).collect()
}

/// All that was left out.
pub(crate) fn left_out(left_out: &[LeftOut]) -> Vec<Value> {
    left_out.iter().map(|l| json!({ "path": l.path.to_string(), "kind": l.kind.code() })).collect()
}
