//! An error as a program reads it.

mod fields;

use assent::portrait::PortraitError;
use schemars::JsonSchema;
use serde::Serialize;

pub use fields::{Fields, fields};

/// An error: a code that stays the same when a sentence changes, and what happened. It names nobody, and says nothing of
/// what to do next: a command and a page each know that.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Problem {
    /// A word of `docs/errors.md`.
    pub code: &'static str,
    /// What happened, and to what.
    pub message: String,
    /// What it is about: numbers, ids, paths, words.
    pub fields: Fields,
    /// The requirement of the law that a refusal keeps, of `docs/compliance.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirement: Option<&'static str>,
    /// What is wrong with a portrait.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<PortraitReason>,
}

/// An error as a command tells it, with what to do next.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Told {
    /// The error itself.
    #[serde(flatten)]
    pub problem: Problem,
    /// What to do next.
    pub hint: Option<String>,
    /// The sentence with its hint, as a person at a terminal reads it.
    pub error: String,
    /// The same of each cause.
    pub causes: Vec<String>,
}

/// One thing that is wrong with a portrait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PortraitReason {
    /// A word of `docs/quality.md`.
    pub code: &'static str,
    /// The measure of ISO/IEC 29794-5 that it is about.
    pub measure: &'static str,
    /// What is wrong, and what a better picture has.
    pub text: String,
}

/// All that is wrong with a portrait.
pub fn portrait_reasons(refused: &PortraitError) -> Vec<PortraitReason> {
    let reason = |(code, measure, text)| PortraitReason { code, measure, text };
    refused.reasons().into_iter().map(reason).collect()
}
