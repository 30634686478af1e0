//! The codes of errors: words for programs, which stay the same when a sentence changes. `docs/errors.md` lists them.

use crate::align::AlignError;
use crate::crop::CropError;
use crate::encode::EncodeError;
use crate::runtime::InferenceError;
use crate::runtime::RuntimeError;

impl AlignError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFinite => "align-not-finite",
            Self::Degenerate => "align-degenerate",
        }
    }
}

impl CropError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Codec(..) => "crop-codec",
            Self::Form => "crop-form",
        }
    }
}

impl EncodeError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        "picture-not-encoded"
    }
}

impl RuntimeError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "runtime-missing",
            Self::Load { .. } => "runtime-load",
        }
    }
}

impl InferenceError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Load { .. } => "network-load",
            Self::OtherHead { .. } => "network-other-head",
            Self::Absurd { .. } => "network-absurd",
            Self::Stopped => "network-stopped",
            Self::Run { .. } => "network-run",
            Self::Shape { .. } => "network-shape",
        }
    }
}
