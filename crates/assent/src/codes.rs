//! The codes of errors: words for programs, which stay the same when a sentence changes. `docs/errors.md` lists them.

use crate::change_models::MoveError;
use crate::enrol::EnrolError;
use crate::evaluate::EvaluateError;
use crate::evaluate::GroupsError;
use crate::evaluate::LabelsError;
use crate::evaluate::PairsError;
use crate::evaluate::VerifyError;
use crate::export::HandOutError;
use crate::find::PictureError;
use crate::models::DetectError;
use crate::models::ModelsError;
use crate::open_gallery::NotEnoughMemory;
use crate::packs::FindPacksError;
use crate::packs::PackError;
use crate::portrait::PortraitError;
use crate::release::ReleaseError;
use crate::resident::ResidentError;
use crate::rulepacks::RulePackError;
use crate::scan::ScanError;
use crate::service::collections::CollectionError;
use crate::service::consents::ConsentError;
use crate::service::enrolment::CompleteError;
use crate::service::gallery::GalleryError;
use crate::service::lookup::LookupError;
use crate::service::requests::RequestError;
use crate::service::rosters::Refused;
use crate::service::uploads::UploadsError;
use crate::set_apart::SetApartError;
use crate::source::{SourceError, UploadError};

impl MoveError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ledger(refused) => refused.code(),
            Self::Inference(refused) => refused.code(),
        }
    }
}

impl EnrolError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPicture => "no-picture",
            Self::NoConsent => "no-consent",
            Self::Portrait { .. } => "portrait-unusable",
            Self::CopyOfPhoto { .. } => "copy-of-photo",
            Self::OtherPerson { .. } => "other-person",
            Self::ReleaseIsPortrait { .. } => "release-is-portrait",
            Self::NoRelease => "no-release",
            Self::TooLargeToWait { .. } => "waiting-file-too-large",
            Self::Comparison { .. } => "not-compared",
            Self::NoModels => "no-models",
            Self::Ledger(refused) => refused.code(),
        }
    }
}

impl EvaluateError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SampleSetOnly => "evaluate-sample-set-only",
            Self::LabelsBeyondFaces => "evaluate-labels-beyond-faces",
            Self::NobodyEnrolled => "evaluate-nobody-enrolled",
            Self::Inference(refused) => refused.code(),
            Self::Template(refused) => refused.code(),
            Self::Vector(refused) => refused.code(),
        }
    }
}

impl GroupsError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "groups-unreadable",
            Self::Line { .. } => "groups-line",
            Self::NoPortrait { .. } => "groups-no-portrait",
            Self::Twice { .. } => "groups-twice",
            Self::TooSmall { .. } => "groups-too-small",
            Self::RestTooSmall { .. } => "groups-rest-too-small",
        }
    }
}

impl LabelsError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "labels-unreadable",
            Self::Line { .. } => "labels-line",
            Self::NoPhoto { .. } => "labels-no-photo",
            Self::NoPortrait { .. } => "labels-no-portrait",
            Self::TooFew { .. } => "labels-too-few",
        }
    }
}

impl PairsError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Header => "pairs-header",
            Self::Line { .. } => "pairs-line",
            Self::Name { .. } => "pairs-name",
            Self::SameImage { .. } => "pairs-same-image",
            Self::OnePerson { .. } => "pairs-one-person",
            Self::TooShort { .. } => "pairs-too-short",
            Self::TooLong { .. } => "pairs-too-long",
            Self::NoImage { .. } => "pairs-no-image",
            Self::TooFew { .. } => "pairs-too-few",
        }
    }
}

impl VerifyError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "evaluate-unreadable",
            Self::Inference(refused) => refused.code(),
        }
    }
}

impl HandOutError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InsideCollection { .. } => "inside-collection",
            Self::AroundCollection { .. } => "around-collection",
            Self::Foreign { .. } => "foreign",
            Self::Exists { .. } => "copy-exists",
            Self::Io { .. } => "io",
            Self::Encode(refused) => refused.code(),
        }
    }
}

impl PictureError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "picture-missing",
            Self::Unreadable { .. } => "picture-unreadable",
            Self::Decode { .. } => "picture-decode",
            Self::Changed { .. } => "picture-changed",
        }
    }
}

impl ModelsError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Runtime(refused) => refused.code(),
            Self::Pack(refused) => refused.code(),
        }
    }
}

impl DetectError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Decode(refused) => refused.code(),
            Self::Inference(refused) => refused.code(),
        }
    }
}

impl NotEnoughMemory {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        "not-enough-memory"
    }
}

impl PackError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCard { .. } => "pack-no-card",
            Self::CardUnreadable { .. } => "pack-card-unreadable",
            Self::CardNotToml { .. } => "pack-card-not-toml",
            Self::Format { .. } => "pack-format",
            Self::Kind { .. } => "pack-kind",
            Self::MissingKey { .. } => "pack-missing-key",
            Self::UnknownKey { .. } => "pack-unknown-key",
            Self::UnknownPreprocessing { .. } => "pack-unknown-preprocessing",
            Self::BadValue { .. } => "pack-bad-value",
            Self::UnsupportedHead { .. } => "pack-unsupported-head",
            Self::FileNameLeaves { .. } => "pack-file-name-leaves",
            Self::LicenceNotAccepted { .. } => "pack-licence-not-accepted",
            Self::Calibration { .. } => "pack-calibration",
            Self::FileMissing { .. } => "pack-file-missing",
            Self::FileUnreadable { .. } => "pack-file-unreadable",
            Self::FileSize { .. } => "pack-file-size",
            Self::FileHash { .. } => "pack-file-hash",
            Self::Network { .. } => "pack-network",
            Self::SumsLine { .. } => "pack-sums-line",
            Self::Unlisted { .. } => "pack-unlisted",
        }
    }
}

impl FindPacksError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "find-packs-unreadable",
        }
    }
}

impl PortraitError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Detect(refused) => refused.code(),
            Self::Inference(refused) => refused.code(),
            Self::NoFace => "portrait-no-face",
            Self::SeveralFaces { .. } => "portrait-several-faces",
            Self::Unfit { .. } => "portrait-unfit",
            Self::Unmeasurable => "portrait-unmeasurable",
        }
    }
}

impl ReleaseError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Pdf(..) => "release-pdf",
            Self::NoPage => "release-no-page",
            Self::Picture(..) => "release-picture",
        }
    }
}

impl ResidentError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ledger(refused) => refused.code(),
            Self::NotEnoughMemory(refused) => refused.code(),
            Self::Closed => "search-closed",
            Self::Vector(..) => "network-answer",
        }
    }
}

impl RulePackError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotToml { .. } => "rule-pack-not-toml",
            Self::Key { .. } => "rule-pack-key",
            Self::Together(refused) => refused.code(),
        }
    }
}

impl ScanError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Source(refused) => refused.code(),
            Self::EmptyFolder { .. } => "empty-folder",
            Self::Ledger(refused) => refused.code(),
            Self::Inference(refused) => refused.code(),
            Self::Resident(refused) => refused.code(),
        }
    }
}

impl CollectionError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Source(refused) => refused.code(),
            Self::Upload(refused) => refused.code(),
            Self::Ledger(refused) => refused.code(),
            Self::NoBystanderBasis => "collection-no-bystander-basis",
            Self::AllMissing { .. } => "collection-all-missing",
            Self::NotScanned { .. } => "collection-not-scanned",
            Self::SameFolder { .. } => "collection-same-folder",
            Self::WrongFolder { .. } => "collection-wrong-folder",
        }
    }
}

impl ConsentError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NothingToWithdraw => "nothing-to-withdraw",
            Self::Ledger(refused) => refused.code(),
        }
    }
}

impl CompleteError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "witnessed-picture-unreadable",
            Self::Changed { .. } => "witnessed-picture-changed",
            Self::Enrol(refused) => refused.code(),
        }
    }
}

impl GalleryError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotEnoughMemory(refused) => refused.code(),
            Self::Ledger(refused) => refused.code(),
        }
    }
}

impl LookupError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoCollection { .. } => "no-collection",
            Self::NoPerson { .. } => "no-person",
            Self::OwnerNotEnrolled => "owner-not-enrolled",
            Self::SeveralPeople { .. } => "several-people",
            Self::NoWitness { .. } => "no-witness",
            Self::NoRequest { .. } => "no-request",
            Self::NoOrder { .. } => "no-order",
            Self::NobodyErased { .. } => "nobody-erased",
            Self::Ledger(refused) => refused.code(),
        }
    }
}

impl RequestError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Source(refused) => refused.code(),
            Self::Ledger(refused) => refused.code(),
            Self::NoAlbum { .. } => "request-no-album",
        }
    }
}

impl Refused {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SameHandle { .. } => "roster-same-handle",
            Self::OtherName => "roster-other-name",
            Self::SamePicture { .. } => "roster-same-picture",
            Self::SameForm { .. } => "roster-same-form",
            Self::AgreedBefore => "roster-agreed-before",
            Self::Enrol(refused) => refused.code(),
            Self::Ledger(refused) => refused.code(),
        }
    }
}

impl SetApartError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPhoto { .. } => "set-apart-no-photo",
            Self::NoFace => "set-apart-no-face",
            Self::Picture(refused) => refused.code(),
            Self::Inference(refused) => refused.code(),
            Self::Ledger(refused) => refused.code(),
        }
    }
}

impl SourceError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::WebAddress { .. } => "source-web-address",
            Self::Unreadable { .. } => "source-unreadable",
            Self::NotText { .. } => "source-not-text",
        }
    }
}

impl UploadError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoPhoto { .. } => "upload-no-photo",
            Self::Empty { .. } => "upload-empty",
            Self::TooLarge { .. } => "upload-too-large",
            Self::Read { .. } => "upload-unreadable",
            Self::Write { .. } => "upload-not-written",
            Self::Source(refused) => refused.code(),
        }
    }
}

impl UploadsError {
    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InFolder { .. } => "upload-in-folder",
            Self::Upload(refused) => refused.code(),
            Self::Ledger(refused) => refused.code(),
        }
    }
}
