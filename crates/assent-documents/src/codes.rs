//! The codes of errors: words for programs, which stay the same when a sentence changes. `docs/errors.md` lists them.

use crate::consent_record::RecordError;
use crate::error::DocumentError;

impl DocumentError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Encode(refused) => refused.code(),
            Self::Page(..) => "page-not-made",
            Self::Zip(..) => "zip-not-made",
        }
    }
}

impl RecordError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoNotice { .. } => "record-no-notice",
            Self::NoController => "record-controller",
            Self::NoContact => "record-contact",
            Self::NoEvent { .. } => "record-no-event",
        }
    }
}
