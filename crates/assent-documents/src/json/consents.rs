//! `consent`, `enrol` and what waits for witnesses.

use assent::ledger::{self, Collection, Grant, GrantId, Pending, Subject};
use assent::packs::hex;
use assent::service::lookup::collection_name;
use assent::service::subjects::Person;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Day, Id, Sha256};

/// Somebody agreed to something.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Consent {
    /// The consent.
    pub consent: Id,
    /// For which collection.
    pub collection: String,
    /// What for.
    pub purpose: String,
    /// Where it stands: `active`, `withdrawn`, `expired` or the like.
    pub state: String,
    /// The first day.
    pub from: Day,
    /// The day on which it ends.
    pub until: Day,
}

impl Consent {
    /// A consent with the name of its collection.
    pub fn new(grant: &Grant, collections: &[Collection]) -> Consent {
        Consent {
            consent: Id::of(grant.id),
            collection: collection_name(collections, grant.collection).to_owned(),
            purpose: grant.purpose.as_str().to_owned(),
            state: grant.state.as_str().to_owned(),
            from: Day(grant.valid_from),
            until: Day(grant.valid_until),
        }
    }
}

/// Somebody was asked and said no.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Refusal {
    /// The refusal.
    pub refusal: Id,
    /// For which collection.
    pub collection: String,
    /// What for.
    pub purpose: String,
    /// The day on which they said it.
    pub on: Day,
}

impl Refusal {
    /// A refusal with the name of its collection.
    pub fn new(refusal: &ledger::Refusal, collections: &[Collection]) -> Refusal {
        Refusal {
            refusal: Id::of(refusal.id),
            collection: collection_name(collections, refusal.collection).to_owned(),
            purpose: refusal.purpose.as_str().to_owned(),
            on: Day(refusal.created),
        }
    }
}

/// A form of somebody that waits for its witnesses.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Waiting {
    /// The form.
    pub pending: Id,
    /// The person.
    pub subject: Id,
    /// Their short name.
    pub handle: String,
    /// Their name.
    pub name: String,
    /// What they agree to.
    pub consents: Vec<WaitingConsent>,
    /// The day on which it ends.
    pub until: Day,
    /// Who signed the form: `subject`, `parent` or `both`.
    pub signed_by: String,
    /// The signed form.
    pub release_sha256: Sha256,
    /// The notice that they were given.
    pub notice_sha256: Sha256,
    /// The pictures that they are to be found by.
    pub pictures_sha256: Vec<Sha256>,
    /// The hash of what the witnesses sign.
    pub statement: Sha256,
    /// The witnesses who have not signed.
    pub waits_for: Vec<Id>,
}

impl Waiting {
    /// A form with its person and the names of its collections.
    pub fn new(who: &Subject, pending: &Pending, collections: &[Collection]) -> Waiting {
        let consent = |c: &ledger::PendingConsent| WaitingConsent {
            collection: collection_name(collections, c.collection).to_owned(),
            purpose: c.purpose.as_str().to_owned(),
            renews: c.renews.map(Id::of),
        };
        Waiting {
            pending: Id::of(pending.id),
            subject: Id::of(pending.subject),
            handle: who.handle.clone(),
            name: who.name.clone(),
            consents: pending.signed.consents.iter().map(consent).collect(),
            until: Day(pending.valid_until),
            signed_by: pending.signed_by.as_str().to_owned(),
            release_sha256: Sha256(hex(&pending.release_sha256)),
            notice_sha256: Sha256(hex(&pending.notice_sha256)),
            pictures_sha256: pending.signed.pictures.iter().map(|hash| Sha256(hex(hash))).collect(),
            statement: Sha256(hex(&pending.statement_hash())),
            waits_for: pending.missing().iter().map(Id::of).collect(),
        }
    }
}

/// What somebody agrees to when their witnesses have signed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WaitingConsent {
    /// For which collection.
    pub collection: String,
    /// What for.
    pub purpose: String,
    /// The consent that it is given again for.
    pub renews: Option<Id>,
}

/// What one person agreed to, what of it waits, and what they said no to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ConsentList {
    /// What they agreed to, also what is over.
    pub consents: Vec<Consent>,
    /// What they said no to.
    pub refusals: Vec<Refusal>,
    /// What waits for its witnesses.
    pub waiting: Vec<Waiting>,
}

impl From<&Person> for ConsentList {
    fn from(person: &Person) -> Self {
        let Person { subject, grants, pending, refusals, collections } = person;
        Self {
            consents: grants.iter().map(|grant| Consent::new(grant, collections)).collect(),
            refusals: refusals.iter().map(|refusal| Refusal::new(refusal, collections)).collect(),
            waiting: pending.iter().map(|pending| Waiting::new(subject, pending, collections)).collect(),
        }
    }
}

/// That somebody said no.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ConsentRefused {
    /// The person.
    pub subject: Id,
    /// For which collection.
    pub collection: String,
    /// What for.
    pub purpose: String,
}

/// What was ended, or would be.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ConsentsWithdrawn {
    /// The consents.
    pub withdrawn: Vec<Id>,
    /// The forms that waited for their witnesses.
    pub given_up: Vec<Id>,
    /// Whether nothing was ended.
    pub dry_run: bool,
}

/// That somebody agreed again.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ConsentRenewed {
    /// The new consents.
    pub consents: Vec<Id>,
    /// The day on which they end.
    pub until: Day,
}

/// The records of what a person agreed to and said no to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ConsentRecords {
    /// Each as `docs/formats/consent-record.schema.json` has it.
    pub records: Vec<serde_json::Value>,
}

/// Receipts for a person to keep.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Receipts {
    /// The files.
    pub receipts: Vec<String>,
    /// The key that they are checked with.
    pub key: String,
}

/// That somebody is enrolled.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Enrolled {
    /// The person.
    pub subject: Id,
    /// What they agreed to now.
    pub consents: usize,
    /// The day on which it ends.
    pub until: Day,
}

/// That somebody who is enrolled is looked for with other models.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EnrolledAnew {
    /// The person.
    pub subject: Id,
    /// What they agreed to now: nothing.
    pub consents: usize,
    /// The models.
    pub moved_to: String,
}

/// What came of completing forms that both witnesses have signed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Completed {
    /// Who is enrolled now.
    pub enrolled: Vec<CompletedForm>,
    /// What waits still.
    pub still_waiting: Vec<StillWaiting>,
}

/// Somebody whose form is complete.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CompletedForm {
    /// The person.
    pub subject: Id,
    /// Their short name.
    pub handle: String,
    /// What they agreed to.
    pub consents: Vec<Id>,
}

impl CompletedForm {
    /// Of a person and what they agreed to.
    pub fn new(who: &Subject, grants: &[GrantId]) -> CompletedForm {
        CompletedForm {
            subject: Id::of(who.id),
            handle: who.handle.clone(),
            consents: grants.iter().map(Id::of).collect(),
        }
    }
}

/// A form that both witnesses have signed and that cannot be completed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StillWaiting {
    /// The form.
    pub pending: Id,
    /// The person.
    pub subject: Id,
    /// Why.
    pub because: String,
}

/// What came of completing everything that both witnesses have signed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AllCompleted {
    /// How many forms lack a signature.
    pub unsigned: usize,
    /// What came of the others.
    #[serde(flatten)]
    pub completed: Completed,
}

/// The problems of a table of people, of which nothing was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RosterProblems {
    /// Each.
    pub problems: Vec<RosterProblem>,
    /// How many rows were recorded: none.
    pub recorded: usize,
    /// What else there is to say of the table.
    pub notes: Vec<String>,
}

/// A cell that cannot be recorded.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RosterProblem {
    /// The row, counted as a spreadsheet does.
    pub row: usize,
    /// The row's id: the person's short name.
    pub handle: String,
    /// The column's heading.
    pub column: String,
    /// What is wrong.
    pub says: String,
}

/// What was recorded of a table of people.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RosterRecorded {
    /// How many people are enrolled.
    pub enrolled: usize,
    /// How many wait for their witnesses.
    pub waiting: usize,
    /// How many rows were recorded before.
    pub done_before: usize,
    /// Whether nothing was recorded.
    pub dry_run: bool,
    /// How many rows would be recorded.
    pub to_record: usize,
    /// Whether it was stopped before the last row.
    pub stopped: bool,
    /// What else there is to say of the table.
    pub notes: Vec<String>,
}

/// A new witness.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WitnessAdded {
    /// The witness.
    pub witness: Id,
    /// Their name.
    pub name: String,
    /// Whether they sign with a passphrase.
    pub has_key: bool,
}

/// What a witness would sign.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WitnessDryRun {
    /// The witness.
    pub witness: Id,
    /// The forms.
    pub waiting: Vec<Waiting>,
    /// The folder with their pictures and forms, to be looked at; null where that was not asked for.
    pub folder: Option<String>,
}

/// What a witness signed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WitnessSigned {
    /// The witness.
    pub witness: Id,
    /// The forms.
    pub signed: Vec<Waiting>,
    /// The root of the tree of the forms' hashes.
    pub root: Sha256,
    /// The signature of it, in base64.
    pub signature: String,
    /// What came of the forms that nothing is missing of.
    #[serde(flatten)]
    pub completed: Completed,
}

/// All witnesses.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WitnessList {
    /// Each.
    pub witnesses: Vec<Witness>,
}

/// A witness.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Witness {
    /// The witness.
    pub witness: Id,
    /// Their name.
    pub name: String,
    /// Since when they are one.
    pub since: Day,
    /// Their key; null for one who signs on paper alone.
    pub public_key: Option<Sha256>,
}

impl From<&ledger::Witness> for Witness {
    fn from(w: &ledger::Witness) -> Self {
        Self {
            witness: Id::of(w.id),
            name: w.name.clone(),
            since: Day(w.registered),
            public_key: w.public_key.map(|key| Sha256(hex(&key))),
        }
    }
}

/// The notices that people are given.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NoticeList {
    /// Each version of each.
    pub notices: Vec<Notice>,
}

/// A notice that people are given.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Notice {
    /// What it is called.
    pub name: String,
    /// Its language.
    pub language: String,
    /// Its version, from 1.
    pub version: i64,
    /// Its text.
    pub sha256: Sha256,
    /// Since when it is there.
    pub since: Day,
}

impl From<&ledger::Notice> for Notice {
    fn from(n: &ledger::Notice) -> Self {
        Self {
            name: n.name.clone(),
            language: n.language.clone(),
            version: n.version,
            sha256: Sha256(hex(&n.sha256)),
            since: Day(n.created),
        }
    }
}
