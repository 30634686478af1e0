//! All answers, with the commands that give them, and their schemas.

use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    collections, consents, evaluate, find, gallery, jobs, keys, log, packs, requests, rights, scan, status, subjects,
};
use crate::problem;

/// What a command answers a program: a type of this module.
pub trait Answer: Serialize {}

macro_rules! answers {
    ($($($command:literal),+ => $kind:ty;)+) => {
        $(impl Answer for $kind {})+

        fn of_commands(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
            let mut all = Vec::new();
            $(
                let schema = generator.subschema_for::<$kind>();
                all.extend([$($command),+].map(|command| (command, schema.clone())));
            )+
            all
        }
    };
}

answers! {
    "init" => status::VaultMade;
    "controller show", "controller set" => status::Controller;
    "doctor" => status::Examined;
    "due" => status::DeadlineList;
    "tick" => status::Ticked;
    "backup" => status::BackedUp;
    "restore" => status::Restored;
    "demo" => status::Demonstrated;
    "subject add" => subjects::SubjectAdded;
    "subject set" => subjects::SubjectChanged;
    "subject restrict" => subjects::SubjectRestricted;
    "subject count" => subjects::SubjectCount;
    "subject list" => subjects::SubjectList;
    "subject show" => subjects::SubjectShown;
    "collection add" => collections::CollectionAdded;
    "collection basis" => collections::CollectionBasis;
    "collection list" => collections::CollectionList;
    "collection show" => collections::CollectionShown;
    "collection move" => collections::CollectionMoved;
    "collection forget-missing" => collections::MissingForgotten;
    "collection remove" => collections::CollectionRemoved;
    "upload" => collections::PhotosUploaded;
    "notice add" => consents::Notice;
    "notice list" => consents::NoticeList;
    "witness add" => consents::WitnessAdded;
    "witness list" => consents::WitnessList;
    "witness sign" => consents::WitnessSigned;
    "witness sign --dry-run" => consents::WitnessDryRun;
    "enrol NAME" => consents::Enrolled;
    "enrol NAME, with other models than before" => consents::EnrolledAnew;
    "enrol NAME, where its witnesses have to sign", "consent renew NAME, where its witnesses have to sign" => consents::Waiting;
    "enrol --complete" => consents::AllCompleted;
    "enrol --roster", "consent renew --roster" => consents::RosterRecorded;
    "enrol --roster, with problems", "consent renew --roster, with problems" => consents::RosterProblems;
    "consent list" => consents::ConsentList;
    "consent renew NAME" => consents::ConsentRenewed;
    "consent refuse" => consents::ConsentRefused;
    "consent record" => consents::ConsentRecords;
    "consent receipt" => consents::Receipts;
    "consent withdraw" => consents::ConsentsWithdrawn;
    "scan" => scan::Scanned;
    "find NAME" => find::Found;
    "find --all" => find::FoundForAll;
    "review NAME" => find::Reviewed;
    "review" => find::ReviewedForAll;
    "request list" => requests::RequestList;
    "request open", "request show", "request extend", "request pause", "request resume", "request answer" => requests::Request;
    "request blur" => requests::FaceSetApart;
    "freeze" => requests::OrderGiven;
    "freeze list" => requests::OrderList;
    "freeze lift" => requests::OrderLifted;
    "jobs" => jobs::JobsAnswer;
    "jobs cancel" => jobs::CancelAnswer;
    "access" => rights::AccessGiven;
    "erase NAME" => rights::Erased;
    "erase NAME --dry-run" => rights::ErasureDryRun;
    "erase, of many" => rights::ErasedMany;
    "erase, of many, --dry-run" => rights::ErasuresDryRun;
    "report register" => crate::register::ProcessingRegister;
    "report evidence" => rights::EvidenceWritten;
    "audit show" => log::LogEntries;
    "audit verify" => log::LogVerified;
    "audit verify --proof" => log::ProofHolds;
    "audit verify --grown" => log::GrowthHolds;
    "audit verify --certificate" => log::CertificateHolds;
    "audit verify --certificates" => log::CertificatesHold;
    "audit verify --receipt" => log::ReceiptHolds;
    "audit verify --evidence" => log::EvidenceHolds;
    "audit prove", "audit checkpoint", "audit certificate", "audit key" => log::SignedText;
    "audit prove --to", "audit checkpoint --to", "audit certificate --to" => log::Written;
    "audit export" => log::LogExported;
    "keys wrap", "keys unwrap" => keys::KeysLocked;
    "keys adopt" => keys::KeysAdopted;
    "keys check" => keys::KeysChecked;
    "keys repair" => keys::KeysRepaired;
    "rotate" => keys::KeysRotated;
    "gallery status" => gallery::GalleryStatus;
    "gallery calibrate" => gallery::Calibrated;
    "gallery move" => gallery::GalleryMoved;
    "packs list", "packs verify" => packs::PackList;
    "packs fetch" => packs::PackFetched;
    "runtime status" => packs::RuntimeStatus;
    "runtime fetch" => packs::RuntimeFetched;
    "evaluate find" => evaluate::FindEvaluated;
    "evaluate verify" => evaluate::VerifyEvaluated;
    "any command that fails" => problem::Told;
}

/// Each command with the schema of its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Schemas {
    /// The commands, and where in `definitions` the schema is.
    pub commands: Vec<(&'static str, Value)>,
    /// The schemas that they refer to, by the names of types.
    pub definitions: Map<String, Value>,
}

/// The schemas of all answers, in the form of JSON Schema 2020-12.
pub fn schemas() -> Schemas {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let commands = of_commands(&mut generator).into_iter().map(|(command, schema)| (command, schema.into())).collect();
    Schemas { commands, definitions: generator.take_definitions(false) }
}
