//! Which requirement of the compliance matrix a refusal keeps: for programs. What people read says it in words.

use crate::error::TxError;
use crate::rules::RuleError;

impl RuleError {
    /// The requirement's number, such as `R9`.
    pub fn requirement(&self) -> &'static str {
        match self {
            Self::AgeUnknown | Self::TooYoung { .. } | Self::ParentMissing { .. } => "R9",
            Self::TooLong { .. } => "R7",
            Self::NoRepresentative { .. } => "R19",
            Self::Missing { document, .. } | Self::ReviewOverdue { document, .. } => document.requirement(),
        }
    }
}

impl TxError {
    /// The requirement's number, such as `R4`; `None` where no requirement is behind a refusal.
    pub fn requirement(&self) -> Option<&'static str> {
        match self {
            Self::Rule(rule) => Some(rule.requirement()),
            Self::NoNotice | Self::Backdated => Some("R3"),
            Self::Witnesses { .. }
            | Self::NoWitnessKey { .. }
            | Self::WitnessHasKey { .. }
            | Self::WitnessPassphrase { .. }
            | Self::NotSigned { .. }
            | Self::SignedTwice { .. }
            | Self::OtherStatement
            | Self::WrongSignature { .. }
            | Self::NothingToSign { .. }
            | Self::OtherWitness { .. }
            | Self::PendingExists { .. } => Some("R4"),
            Self::OnRequest { .. } | Self::NotAsked { .. } => Some("R11"),
            Self::NoExtension | Self::NoPause => Some("R36"),
            _ => None,
        }
    }
}
