//! The codes of errors: words for programs, which stay the same when a sentence changes. `docs/errors.md` lists them.

use crate::calibration::CalibrationError;
use crate::gallery::InsertError;
use crate::vector::VectorError;

impl CalibrationError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Shape { .. } => "calibration-shape",
            Self::Order { .. } => "calibration-order",
        }
    }
}

impl InsertError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Vector(refused) => refused.code(),
            Self::Gone { .. } => "insert-gone",
            Self::Full => "insert-full",
        }
    }
}

impl VectorError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Dimensions { .. } => "vector-dimensions",
            Self::NotFinite => "vector-not-finite",
            Self::Zero => "vector-zero",
            Self::NotNormalised => "vector-not-normalised",
        }
    }
}
