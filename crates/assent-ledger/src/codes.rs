//! The codes of errors: words for programs, which stay the same when a sentence changes. `docs/errors.md` lists them.

use crate::AddressError;
use crate::AgeForm;
use crate::BackupError;
use crate::CertificateError;
use crate::DbProblem;
use crate::ErasureListError;
use crate::EvidenceError;
use crate::ExportError;
use crate::IdError;
use crate::JurisdictionForm;
use crate::KeyRingError;
use crate::NameError;
use crate::NoteError;
use crate::OpenError;
use crate::ProofError;
use crate::ReceiptError;
use crate::RestoreError;
use crate::RingLock;
use crate::RuleError;
use crate::RulebookError;
use crate::SealError;
use crate::TxError;
use crate::VocabularyError;

impl BackupError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ledger(refused) => refused.code(),
            Self::RingInside { .. } => "backup-ring-inside",
            Self::KeyRing(refused) => refused.code(),
            Self::Copy { .. } => "backup-copy",
            Self::Io { .. } => "io",
        }
    }
}

impl CertificateError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Note(refused) => refused.code(),
            Self::Form { .. } => "certificate-form",
            Self::Contradiction { .. } => "certificate-contradiction",
        }
    }
}

impl AddressError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Form => "address-form",
            Self::Password => "address-password",
            Self::Mode => "address-mode",
            Self::Certificates => "address-certificates",
        }
    }
}

impl TxError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Database(cause) => cause.problem().code(),
            Self::ErasureUnfinished(..) => "erasure-unfinished",
            Self::CommitUnknown { .. } => "commit-unknown",
            Self::RingElsewhere => "key-ring-elsewhere",
            Self::KeyRing(refused) => refused.code(),
            Self::Seal(refused) => refused.code(),
            Self::Damaged { .. } => "record-damaged",
            Self::Tampered(..) => "tampered",
            Self::NotKept { .. } => "not-kept",
            Self::NoLeaf { .. } => "no-leaf",
            Self::LeafTooLong => "leaf-too-long",
            Self::NotErased { .. } => "not-erased",
            Self::Nested => "transaction-nested",
            Self::OtherFormat => "other-format",
            Self::Leased { .. } => "busy",
            Self::JobRuns { .. } => "job-runs",
            Self::NoJob { .. } => "no-job",
            Self::JobEnded { .. } => "job-ended",
            Self::LeaseLost { .. } => "lease-lost",
            Self::LeaseFile { .. } => "io",
            Self::InUse => "vault-in-use",
            Self::NoCollection { .. } => "no-collection",
            Self::NoSubject => "no-subject",
            Self::NobodyReadable { .. } => "nobody-readable",
            Self::AmbiguousSubject { .. } => "ambiguous-subject",
            Self::NoGrant { .. } => "no-grant",
            Self::NoWitness { .. } => "no-witness",
            Self::NoPhoto { .. } => "no-photo",
            Self::NoFace { .. } => "no-face",
            Self::CollectionExists => "collection-exists",
            Self::CollectionName(..) => "collection-name",
            Self::NotOneLine => "not-one-line",
            Self::RequestsOpen { .. } => "requests-open",
            Self::Frozen { .. } => "frozen",
            Self::Stopped { .. } => "stopped",
            Self::NoReason => "no-reason",
            Self::NoOrder { .. } => "no-order",
            Self::NoBasis { .. } => "no-basis",
            Self::OnRequest { .. } => "on-request",
            Self::NotAsked { .. } => "not-asked",
            Self::OthersOfKind => "others-of-kind",
            Self::BasisForm => "basis-form",
            Self::NoStatement => "no-statement",
            Self::Rule(refused) => refused.code(),
            Self::NoNotice => "no-notice",
            Self::NoticeForm => "notice-form",
            Self::NoticeUnfilled { .. } => "notice-unfilled",
            Self::NoticeTaken => "notice-taken",
            Self::NothingToRenew => "nothing-to-renew",
            Self::OtherRenewal => "other-renewal",
            Self::Restricted { .. } => "restricted",
            Self::ClockAhead { .. } => "clock-ahead",
            Self::ClockSetBack { .. } => "clock-set-back",
            Self::Overdue { .. } => "overdue",
            Self::NoRequest { .. } => "no-request",
            Self::RequestStep { .. } => "request-step",
            Self::SearchNowhere => "search-nowhere",
            Self::RequestDates => "request-dates",
            Self::NoExtension => "no-extension",
            Self::NoPause => "no-pause",
            Self::NoCrops { .. } => "no-crops",
            Self::HandleTaken => "handle-taken",
            Self::HandleForm => "handle-form",
            Self::Owner => "owner-not-allowed",
            Self::HouseholdFull => "household-full",
            Self::HouseholdPurpose => "household-purpose",
            Self::Witnesses { .. } => "witnesses-missing",
            Self::NoWitnessKey { .. } => "no-witness-key",
            Self::WitnessHasKey { .. } => "witness-has-key",
            Self::WitnessPassphrase { .. } => "witness-passphrase",
            Self::NoMemoryForKey => "no-memory-for-key",
            Self::NotSigned { .. } => "not-signed",
            Self::SignedTwice { .. } => "signed-twice",
            Self::OtherStatement => "other-statement",
            Self::WrongSignature { .. } => "wrong-signature",
            Self::NothingToSign { .. } => "nothing-to-sign",
            Self::OtherWitness { .. } => "other-witness",
            Self::NoPending { .. } => "no-pending",
            Self::PendingExists { .. } => "pending-exists",
            Self::SelfStatement => "self-statement",
            Self::ReleaseUsed => "release-used",
            Self::PortraitOfAnother => "portrait-of-another",
            Self::WaitingFileTooLarge => "waiting-file-too-large",
            Self::WaitingFile => "waiting-file",
            Self::OtherFile => "other-file",
            Self::Validity => "validity-empty",
            Self::Backdated => "backdated",
            Self::GrantExists => "grant-exists",
            Self::NotActive { .. } => "not-active",
            Self::OtherPurpose { .. } => "other-purpose",
            Self::OtherCollection { .. } => "other-collection",
            Self::Twice { .. } => "face-or-person-twice",
            Self::NotProposed { .. } => "not-proposed",
            Self::Erased { .. } => "erased",
        }
    }
}

impl OpenError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoVault { .. } => "no-vault",
            Self::VaultExists { .. } => "vault-exists",
            Self::DatabaseTaken { .. } => "database-taken",
            Self::Busy { .. } => "vault-busy",
            Self::HalfRestored { .. } => "half-restored",
            Self::Newer { .. } => "vault-newer",
            Self::RingInside { .. } => "key-ring-inside",
            Self::RingElsewhere { .. } => "key-ring-elsewhere",
            Self::KeyRing(refused) => refused.code(),
            Self::Io { .. } => "io",
            Self::Database { source, .. } => source.problem().code(),
            Self::OtherKeys { .. } => "other-keys",
            Self::Tampered { .. } => "tampered",
            Self::Resume { .. } => "not-resumed",
        }
    }
}

impl EvidenceError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Note(refused) => refused.code(),
            Self::Form => "evidence-form",
            Self::Name { .. } => "evidence-name",
            Self::File { .. } => "evidence-file",
            Self::Root => "evidence-root",
        }
    }
}

impl IdError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        "id-form"
    }
}

impl JurisdictionForm {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        "jurisdiction-form"
    }
}

impl AgeForm {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        "age-form"
    }
}

impl KeyRingError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "key-ring-missing",
            Self::Exists { .. } => "key-ring-exists",
            Self::NotARing { .. } => "not-a-key-ring",
            Self::Newer { .. } => "key-ring-newer",
            Self::WrongVault { .. } => "key-ring-wrong-vault",
            Self::TooOpen { .. } => "key-ring-too-open",
            Self::Locked { lock: RingLock::DataKey { .. }, .. } => "data-key-missing",
            Self::Locked { .. } => "passphrase-missing",
            Self::WrongSecret { .. } => "wrong-secret",
            Self::NotLocked { .. } => "key-ring-not-locked",
            Self::Damaged { .. } => "key-damaged",
            Self::NoKey { .. } => "key-missing",
            Self::NoSecret { .. } => "consent-key-missing",
            Self::Destroyed { .. } => "key-destroyed",
            Self::Io { .. } => "io",
        }
    }
}

impl NameError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "name-empty",
            Self::Long => "name-long",
            Self::Unprintable => "name-unprintable",
            Self::Reserved(..) => "name-reserved",
            Self::Edge => "name-edge",
            Self::Device => "name-device",
        }
    }
}

impl NoteError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Key => "note-key",
            Self::Form => "note-form",
            Self::Unsigned => "note-unsigned",
            Self::Changed => "note-changed",
            Self::NoCheckpoint => "note-no-checkpoint",
        }
    }
}

impl ProofError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Note(refused) => refused.code(),
            Self::Form => "proof-form",
            Self::NotGrown => "proof-not-grown",
            Self::NotInLog => "proof-not-in-log",
        }
    }
}

impl ExportError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ledger(refused) => refused.code(),
            Self::Io { .. } => "io",
            Self::OtherLog { .. } => "export-other-log",
        }
    }
}

impl ReceiptError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Note(..) => "receipt-note",
            Self::Form => "receipt-form",
        }
    }
}

impl ErasureListError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Note(..) => "erasure-list-note",
            Self::Form => "erasure-list-form",
        }
    }
}

impl RestoreError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open(refused) => refused.code(),
            Self::Ledger(refused) => refused.code(),
            Self::KeyRing(refused) => refused.code(),
            Self::NoBackup { .. } => "restore-no-backup",
            Self::Checkpoint(..) => "restore-checkpoint",
            Self::OldRing { .. } => "restore-old-ring",
            Self::Io { .. } => "io",
        }
    }
}

impl RulebookError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Generic { .. } => "rulebook-generic",
            Self::Twice { .. } => "rulebook-twice",
        }
    }
}

impl RuleError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::AgeUnknown => "age-unknown",
            Self::TooYoung { .. } => "too-young",
            Self::ParentMissing { .. } => "parent-missing",
            Self::TooLong { .. } => "consent-too-long",
            Self::NoRepresentative { .. } => "no-representative",
            Self::Missing { .. } => "document-missing",
            Self::ReviewOverdue { .. } => "review-overdue",
        }
    }
}

impl SealError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Newer { .. } => "seal-newer",
            Self::DoesNotOpen { .. } => "seal-does-not-open",
        }
    }
}

impl VocabularyError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PurposeForm => "vocabulary-purpose-form",
            Self::PurposeUnknown => "vocabulary-purpose-unknown",
            Self::PurposeRefused => "vocabulary-purpose-refused",
            Self::BystanderForm => "vocabulary-bystander-form",
            Self::RequestForm => "vocabulary-request-form",
            Self::OutcomeForm => "vocabulary-outcome-form",
            Self::SignerForm => "vocabulary-signer-form",
            Self::KindForm => "vocabulary-kind-form",
            Self::StoredForm => "vocabulary-stored-form",
        }
    }
}

impl DbProblem {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSpace => "disk-full",
            Self::Interrupted => "database-interrupted",
            Self::Unreachable => "database-unreachable",
            Self::Crowded => "database-crowded",
            Self::NotLetIn => "database-not-let-in",
            Self::NoDatabase => "database-no-database",
            Self::NoSchema => "database-no-schema",
            Self::NoTls => "database-no-tls",
            Self::Unproven => "database-unproven",
            Self::Certificates => "database-certificates",
            Self::ReadOnly => "database-read-only",
            Self::NotAllowed => "database-not-allowed",
            Self::Occupied => "database-occupied",
            Self::Other => "database-other",
        }
    }
}
