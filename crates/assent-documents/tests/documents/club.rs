//! A rowing club with one member, of which documents are made.

use assent::ledger::{
    Age, Basis, BystanderBasis, Collection, CollectionId, ConsentEvent, EventKind, Evidence, Grant, GrantId,
    GrantState, Notice, Purpose, Refusal, Settings, Signer, Subject, SubjectId, Timestamp, VaultId, VaultKind,
    WitnessId,
};
use assent::service::consents::Held;
use assent_documents::consent_record::{About, RecordError, records};
use serde_json::Value;

const DAY_MS: i64 = 86_400_000;

/// 15 January 2027.
pub(crate) const T0: Timestamp = Timestamp(1_800_000_000_000);

pub(crate) fn day(days: i64) -> Timestamp {
    Timestamp(T0.0 + days * DAY_MS)
}

pub(crate) struct Club {
    pub(crate) kind: VaultKind,
    pub(crate) settings: Settings,
    pub(crate) subject: Subject,
    pub(crate) collection: Collection,
    pub(crate) notice: Option<Notice>,
    pub(crate) events: Vec<ConsentEvent>,
}

impl Club {
    pub(crate) fn new() -> Self {
        let settings = Settings {
            controller: "The Rowing Club".into(),
            accountable: "Ann".into(),
            contact: "office@example.org".into(),
            jurisdiction: "FR".into(),
            representatives: [("UK".to_owned(), "Bea, London".to_owned())].into(),
            ..Settings::default()
        };
        let subject = Subject {
            id: SubjectId::from_bytes([1; 16]),
            handle: "m-1".into(),
            name: "Mia".into(),
            contact: String::new(),
            group: String::new(),
            owner: false,
            age: Age::Adult,
            jurisdiction: "FR".parse().unwrap(),
            restricted: None,
            created: T0,
        };
        let collection = Collection {
            id: CollectionId::from_bytes([2; 16]),
            name: "Regatta".into(),
            directory: "/photos".into(),
            uploads: false,
            others: BystanderBasis::ClosedGroup,
            frozen: false,
            keep_crops: false,
            template_epoch: 0,
            face_epoch: 0,
            basis: Basis::default(),
            created: T0,
            removed: None,
        };
        let notice = Notice {
            sha256: [3; 32],
            name: "members".into(),
            version: 2,
            language: "en-GB".into(),
            text: "You will be looked for.".into(),
            created: T0,
        };
        let event = |kind, days, position| ConsentEvent { grant: Self::id(), kind, time: day(days), position };
        let events = vec![event(EventKind::Grant, 0, 4), event(EventKind::Expiry, 30, 9)];
        Self { kind: VaultKind::Organisation, settings, subject, collection, notice: Some(notice), events }
    }

    /// A household, in which nobody says how they are reached.
    pub(crate) fn household() -> Self {
        let settings = Settings { controller: "Ann".into(), accountable: "Ann".into(), ..Settings::default() };
        Self { kind: VaultKind::Household, settings, notice: None, ..Self::new() }
    }

    /// The same with this name in place of the member's, the collection's and the club's.
    pub(crate) fn called(name: &str) -> Self {
        let mut club = Self::new();
        club.subject.name = name.into();
        club.collection.name = name.into();
        club.settings.controller = name.into();
        club
    }

    fn id() -> GrantId {
        GrantId::from_bytes([0xff; 16])
    }

    /// What the member agreed to, for thirty days.
    pub(crate) fn grant() -> Grant {
        Grant {
            id: Self::id(),
            subject: SubjectId::from_bytes([1; 16]),
            collection: CollectionId::from_bytes([2; 16]),
            purpose: Purpose::find_my_photos(),
            state: GrantState::Expired,
            notice_sha256: [3; 32],
            valid_from: T0,
            valid_until: day(30),
            evidence: Evidence::Paper {
                release_sha256: [5; 32],
                witnesses: vec![WitnessId::from_bytes([6; 16]), WitnessId::from_bytes([7; 16])],
                signed_by: Signer::Both,
                statement: String::new(),
                signed: None,
            },
            rules: "EU 1".into(),
            renews: Some(GrantId::from_bytes([8; 16])),
            created: T0,
        }
    }

    /// What the member said no to.
    pub(crate) fn refusal() -> Refusal {
        let (subject, collection) = (SubjectId::from_bytes([1; 16]), CollectionId::from_bytes([2; 16]));
        let (id, purpose) = (Self::id(), Purpose::publish_print());
        Refusal { id, subject, collection, purpose, notice_sha256: [3; 32], created: T0 }
    }

    fn records(&self, grants: Vec<Grant>, refusals: Vec<Refusal>) -> Result<Value, RecordError> {
        let about = About {
            kind: self.kind,
            settings: &self.settings,
            subject: &self.subject,
            authority: "CNIL",
            vault: VaultId::from_bytes([0; 16]),
        };
        let (events, notices) = (self.events.clone(), self.notice.iter().cloned().collect());
        let held = Held { grants, refusals, events, notices, collections: vec![self.collection.clone()] };
        let [(_, record)] = <[_; 1]>::try_from(records(&about, &held)).unwrap();
        record
    }

    /// The record of what the member agreed to.
    pub(crate) fn record(&self) -> Result<Value, RecordError> {
        self.records(vec![Self::grant()], Vec::new())
    }

    /// The record of what they said no to.
    pub(crate) fn refused(&self) -> Result<Value, RecordError> {
        self.records(Vec::new(), vec![Self::refusal()])
    }
}
