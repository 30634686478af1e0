//! The codes of errors: words for programs, which stay the same when a sentence changes. `docs/errors.md` lists them.

use crate::database::DatabaseError;
use crate::error::CommandError;
use crate::evaluate_cmd::EvaluateCmdError;
use crate::models_arg::LoadModelsError;
use crate::packs_cmd::PacksError;
use crate::passphrase::SecretError;
use crate::places::PlacesError;
use crate::roster::TableError;
use crate::runtime_cmd::RuntimeError;
use crate::vault::VaultError;

impl DatabaseError {
    /// A word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Address(..) => "database-address",
            Self::Record { .. } => "database-record",
            Self::Newer { .. } => "database-newer",
            Self::Other { .. } => "database-other",
            Self::Io { .. } => "io",
            Self::Password(..) => "database-password",
            Self::Login { .. } => "database-login",
        }
    }
}

impl CommandError {
    /// A word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Vault(refused) => refused.code(),
            Self::Ledger(refused) => refused.code(),
            Self::Source(refused) => refused.code(),
            Self::Models(refused) => refused.code(),
            Self::Inference(refused) => refused.code(),
            Self::Enrol(refused) => refused.code(),
            Self::Move(refused) => refused.code(),
            Self::Complete(refused) => refused.code(),
            Self::Release(refused) => refused.code(),
            Self::Collection(refused) => refused.code(),
            Self::Uploads(refused) => refused.code(),
            Self::NotUploaded { .. } => "not-uploaded",
            Self::Request(refused) => refused.code(),
            Self::Scan(refused) => refused.code(),
            Self::Gallery(refused) => refused.code(),
            Self::Picture(refused) => refused.code(),
            Self::Word(refused) => refused.code(),
            Self::Jurisdiction(refused) => refused.code(),
            Self::Age(refused) => refused.code(),
            Self::Evidence(refused) => refused.code(),
            Self::Receipt(refused) => refused.code(),
            Self::ErasureList(refused) => refused.code(),
            Self::Record(refused) => refused.code(),
            Self::Id(refused) => refused.code(),
            Self::Note(refused) => refused.code(),
            Self::Certificate(refused) => refused.code(),
            Self::Proof(refused) => refused.code(),
            Self::Export(refused) => refused.code(),
            Self::Backup(refused) => refused.code(),
            Self::Secret(refused) => refused.code(),
            Self::NotFound { .. } => "not-found",
            Self::Missing { .. } => "option-missing",
            Self::Nobody { .. } => "option-empty",
            Self::NothingToCalibrate => "nothing-to-calibrate",
            Self::StillWaiting { .. } => "still-waiting",
            Self::Date { .. } => "date-form",
            Self::NoNotice => "notice-missing",
            Self::RosterTable(refused) => refused.code(),
            Self::RosterColumns { .. } => "roster-columns",
            Self::RosterProblems { .. } => "roster-problems",
            Self::Handed { .. } => "checkpoint-not-taken",
            Self::Representative => "representative-form",
            Self::FolderAway { .. } => "folder-away",
            Self::WhichCollection { .. } => "which-collection",
            Self::Point => "point-form",
            Self::SetApart(refused) => refused.code(),
            Self::NoStatement => "statement-not-typed",
            Self::WrongStatement => "wrong-statement",
            Self::AgreedAlready { .. } => "agreed-already",
            Self::NotConfirmed => "not-confirmed",
            Self::Uncovered => "uncovered-refused",
            Self::NothingToWithdraw => "nothing-to-withdraw",
            Self::NotProposed { .. } => "not-proposed",
            Self::BothSaid { .. } => "both-said",
            Self::NobodyInGroup { .. } => "nobody-in-group",
            Self::NotRotated { .. } => "not-rotated",
            Self::OrderNames { .. } => "order-names",
            Self::NotAllErased { .. } => "not-all-erased",
            Self::DamagedKeys => "damaged-keys",
            Self::HandOut(refused) => refused.code(),
            Self::NotAll { .. } => "photos-left",
            Self::NoPage { .. } => "page-name",
            Self::Audit { .. } => "log-not-whole",
            Self::Tampered { .. } => "log-tampered",
            Self::Io { .. } => "io",
            Self::Other { .. } => "other-file-there",
            Self::OtherCertificate { .. } => "other-certificate",
            Self::Document(refused) => refused.code(),
            Self::Zip(..) => "zip-form",
            Self::EvidenceZip { .. } => "evidence-zip",
            Self::EvidenceTooLarge { .. } => "evidence-too-large",
            Self::Demo { .. } => "demonstration-failed",
            Self::Doctor => "findings",
            Self::Output(..) => "output-closed",
        }
    }
}

impl EvaluateCmdError {
    /// A word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Models(refused) => refused.code(),
            Self::Labels(refused) => refused.code(),
            Self::Evaluate(refused) => refused.code(),
            Self::PairsFile { .. } => "evaluate-pairs-file",
            Self::Pairs(refused) => refused.code(),
            Self::Verify(refused) => refused.code(),
            Self::Groups(refused) => refused.code(),
            Self::Plot { .. } => "evaluate-plot",
            Self::NoPlot => "evaluate-no-plot",
            Self::Output(..) => "evaluate-output",
        }
    }
}

impl LoadModelsError {
    /// A word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Places(refused) => refused.code(),
            Self::Find(refused) => refused.code(),
            Self::NoPack { .. } => "models-no-pack",
            Self::Models(refused) => refused.code(),
            Self::OtherModels { .. } => "models-other-models",
            Self::Ledger(refused) => refused.code(),
        }
    }
}

impl PacksError {
    /// A word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Places(refused) => refused.code(),
            Self::Find(refused) => refused.code(),
            Self::NoPack { .. } => "packs-no-pack",
            Self::Refused { .. } => "packs-refused",
            Self::Card { .. } => "packs-card",
            Self::Folder { .. } => "packs-folder",
            Self::NotFetched { .. } => "packs-not-fetched",
            Self::NotWritten { .. } => "packs-not-written",
            Self::Output(..) => "packs-output",
        }
    }
}

impl SecretError {
    /// A word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "secret-read",
            Self::Empty { .. } => "secret-empty",
            Self::Long { .. } => "secret-long",
            Self::Short => "secret-short",
            Self::Differ => "secret-differ",
            Self::Command(..) => "secret-command",
            Self::Failed { .. } => "secret-failed",
            Self::NoKey { .. } => "secret-no-key",
        }
    }
}

impl PlacesError {
    /// A word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Nowhere { .. } => "no-folder",
        }
    }
}

impl TableError {
    /// A word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "table-empty",
            Self::Form { .. } => "table-form",
        }
    }
}

impl RuntimeError {
    /// A word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Places(refused) => refused.code(),
            Self::NotPinned { .. } => "runtime-not-pinned",
            Self::NoPython { .. } => "runtime-no-python",
            Self::Pip { .. } => "runtime-pip",
            Self::Wheel { .. } => "runtime-wheel",
            Self::WheelSize { .. } => "runtime-wheel-size",
            Self::WheelHash { .. } => "runtime-wheel-hash",
            Self::Unpack(..) => "runtime-unpack",
            Self::Folder { .. } => "runtime-folder",
            Self::Load(refused) => refused.code(),
            Self::Network(refused) => refused.code(),
            Self::Output(..) => "runtime-output",
        }
    }
}

impl VaultError {
    /// A word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Places(refused) => refused.code(),
            Self::Secret(refused) => refused.code(),
            Self::Io { .. } => "io",
            Self::NoRingName { .. } => "no-ring-name",
            Self::Open(refused) => refused.code(),
            Self::Elsewhere { .. } => "elsewhere",
            Self::EmptyDatabase { .. } => "empty-database",
            Self::CopiedRing { .. } => "key-ring-elsewhere",
            Self::Database(refused) => refused.code(),
            Self::NotYours { .. } => "not-yours",
            Self::Restore(refused) => refused.code(),
            Self::Rules(refused) => refused.code(),
            Self::Due(refused) => refused.code(),
        }
    }
}
