//! A consent as a record by the field names of ISO/IEC TS 27560, and its receipt. The form is described in
//! `docs/formats/consent.md`, and its schema is `docs/formats/consent-record.schema.json`.

use assent::ledger::{
    Age, Collection, ConsentEvent, EventKind, Evidence, Grant, GrantId, Notice, Purpose, Refusal, Settings, Subject,
    Timestamp, VaultKind,
};
use assent::packs::hex;
use serde_json::{Value, json};
use thiserror::Error;

/// Which profile the record follows.
const SCHEMA: &str = "https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr";

/// Which profile a receipt follows.
const RECEIPT_SCHEMA: &str = "https://w3id.org/dpv/schema/dpv-27560#receipt-eu-gdpr";

/// The controller, among the parties of a record.
const CONTROLLER: &str = "controller";

/// The state of a consent that ended by its date.
const EXPIRED: &str = "ConsentExpired";

/// Nothing of the person's is kept under a refusal.
const NOTHING: &str = "P0D";

/// Why there is no record: a field that every record has cannot be filled in.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum RecordError {
    /// The text that the person was given is not in the vault, its hash alone.
    #[error(
        "the record lacks its privacy notice: no text in the vault has the SHA-256 {sha256}; add the file that the person was given: assent notice add FILE"
    )]
    NoNotice {
        /// Of the text, in hexadecimal digits.
        sha256: String,
    },
    /// The controller is not said.
    #[error("the record lacks {what} of the controller; say it with: assent controller set {flag} TEXT")]
    Controller {
        /// The field of the settings that is missing.
        what: &'static str,
        /// What says it.
        flag: &'static str,
    },
    /// The log does not say that it was given.
    #[error(
        "the record lacks its events: the log says nothing of the consent {grant}; check it with: assent audit verify"
    )]
    NoEvent {
        /// The id of the grant.
        grant: GrantId,
    },
}

/// What a record is made of.
pub(crate) struct Record<'a> {
    pub(crate) kind: VaultKind,
    pub(crate) settings: &'a Settings,
    pub(crate) subject: &'a Subject,
    pub(crate) collection: &'a Collection,
    pub(crate) notice: Option<&'a Notice>,
    pub(crate) authority: &'a str,
    pub(crate) events: &'a [ConsentEvent],
    pub(crate) vault: String,
}

impl Record<'_> {
    /// The record of a consent that was given, and perhaps given again under another id.
    ///
    /// # Errors
    ///
    /// [`RecordError`] names the field that cannot be filled in.
    pub(crate) fn of(&self, grant: &Grant, renewed_by: Option<GrantId>) -> Result<Value, RecordError> {
        let mine: Vec<&ConsentEvent> = self.events.iter().filter(|e| e.grant == grant.id).collect();
        let last = mine.last().ok_or(RecordError::NoEvent { grant: grant.id })?;
        let duration = duration(grant.valid_from, grant.valid_until);
        let events: Vec<Value> = mine.iter().map(|e| self.event(e.time, &duration, state(e.kind))).collect();
        let (kind, witnesses) = match &grant.evidence {
            Evidence::SelfStatement { .. } => ("self-statement", Vec::new()),
            Evidence::Paper { witnesses, .. } => ("paper-release", witnesses.iter().map(ToString::to_string).collect()),
        };
        let (signed_by, release) = match &grant.evidence {
            Evidence::SelfStatement { .. } => ("subject", None),
            Evidence::Paper { signed_by, release_sha256, .. } => (signed_by.as_str(), Some(hex(release_sha256))),
        };
        let mut record = self.frame(grant.id, &grant.purpose, &grant.notice_sha256, &duration, &events)?;
        record["x_evidence"] =
            json!({ "kind": kind, "signed_by": signed_by, "witnesses": witnesses, "release_sha256": release });
        record["x_rule_pack"] = json!(grant.rules);
        record["x_renews"] = json!(grant.renews.map(|id| uuid(*id.as_bytes())));
        record["x_renewed_by"] = json!(renewed_by.map(|id| uuid(*id.as_bytes())));
        record["x_valid_until"] = json!(instant(grant.valid_until));
        record["x_last_interaction"] = json!(instant(last.time));
        record["x_log_index"] = json!(mine.iter().map(|e| e.position).collect::<Vec<_>>());
        Ok(record)
    }

    /// The record of a consent that was refused.
    ///
    /// # Errors
    ///
    /// As [`Self::of`].
    pub(crate) fn refused(&self, refusal: &Refusal) -> Result<Value, RecordError> {
        let event = self.event(refusal.created, NOTHING, "ConsentRefused");
        self.frame(refusal.id, &refusal.purpose, &refusal.notice_sha256, NOTHING, &[event])
    }

    fn event(&self, at: Timestamp, duration: &str, state: &str) -> Value {
        // Nobody does anything when a consent ends by its date: the controller notes it.
        let entity = if state == EXPIRED { CONTROLLER.to_owned() } else { self.subject.id.to_string() };
        json!({
            "event_time": instant(at), "validity_duration": duration, "entity_id": entity,
            "event_type": "dpv:ExplicitlyExpressedConsent", "event_state": format!("dpv:{state}"),
        })
    }

    /// What the person was told, and in which language.
    fn notice_given(&self, notice_sha256: &[u8; 32]) -> Result<(String, &str), RecordError> {
        match self.notice {
            Some(n) => Ok((format!("{} version {}", n.name, n.version), n.language.as_str())),
            None if self.kind == VaultKind::Household => Ok(("none: a household".to_owned(), "und")),
            None => Err(RecordError::NoNotice { sha256: hex(notice_sha256) }),
        }
    }

    /// The controller's name, and how people reach it.
    fn controller(&self) -> Result<(&str, &str), RecordError> {
        let said = |text: &str| !text.trim().is_empty();
        let s = self.settings;
        match (said(&s.controller), said(&s.contact)) {
            (true, true) => Ok((&s.controller, &s.contact)),
            (true, false) if self.kind == VaultKind::Household => Ok((&s.controller, "in person")),
            (true, false) => Err(RecordError::Controller { what: "the contact", flag: "--contact" }),
            (false, _) => Err(RecordError::Controller { what: "the name", flag: "--controller" }),
        }
    }

    fn frame(
        &self,
        id: GrantId,
        purpose: &Purpose,
        notice_sha256: &[u8; 32],
        retained: &str,
        events: &[Value],
    ) -> Result<Value, RecordError> {
        let Self { settings, collection, .. } = self;
        let (notice, language) = self.notice_given(notice_sha256)?;
        let (controller, contact) = self.controller()?;
        let seat = settings.seat();
        let place = collection.basis.jurisdiction.as_ref().unwrap_or(&seat);
        let dpia = collection.basis.dpia.as_ref().map_or("none", |d| d.reference.as_str());
        let representatives: Vec<Value> = settings
            .representatives
            .iter()
            .map(|(pack, who)| json!({ "jurisdiction": pack, "party_name": who }))
            .collect();
        let mut party = json!({
            "party_id": CONTROLLER, "party_name": controller, "party_address": contact, "party_contact": contact,
            "party_role": "controller", "x_dpo": settings.dpo,
            "party_type": if self.kind == VaultKind::Household { "natural-person" } else { "organisation" },
        });
        if !settings.accountable.trim().is_empty() {
            party["x_accountable"] = json!(settings.accountable);
        }
        let what = Processing::of(purpose);
        let age = match self.subject.age {
            Age::Adult => "adult",
            Age::Born { .. } => "declared",
            Age::Unknown => "unknown",
        };
        Ok(json!({
            "record": {
                "schema_version": SCHEMA, "record_id": uuid(*id.as_bytes()),
                "pii_principal_id": self.subject.id.to_string(),
            },
            "pii_processing": {
                "privacy_notice": notice,
                "language": language,
                "purposes": [{
                    "purpose": purpose.as_str(),
                    "lawful_basis": what.basis,
                    "pii_information": what.pii,
                    "pii_controllers": [CONTROLLER],
                    "collection_method": what.collected,
                    "processing_method": what.processed,
                    "storage_locations": [seat.as_str()],
                    "retention_period": retained,
                    "processing_locations": [seat.as_str()],
                    "geographic_restrictions": [seat.as_str()],
                    "jurisdiction": place.as_str(),
                    "recipient_third_parties": [],
                    "withdrawal_method": format!("tell {controller} in any form: {contact}"),
                    "privacy_rights": ["access", "rectify", "erase", "restrict", "object", "port", "complaint", "withdraw"],
                    "impact_assessment": dpia,
                    "authority_party": self.authority,
                }],
            },
            "party_identification": [party],
            "event": events,
            "x_notice_sha256": hex(notice_sha256),
            "x_collection_id": collection.id.to_string(),
            "x_alternative_offered": collection.basis.alternative,
            "x_age_band": age,
            "x_representative_party": representatives,
            "x_key_custody": "operator",
            "x_vault": self.vault,
        }))
    }
}

/// What is done for a purpose, and with what.
struct Processing {
    basis: &'static [&'static str],
    pii: Value,
    collected: &'static str,
    processed: &'static str,
}

impl Processing {
    fn of(purpose: &Purpose) -> Self {
        let picture = json!({ "pii_type": "pd:Picture", "pii_optional": true, "special_pii_category": false });
        if purpose.is_find() {
            let template = json!({ "pii_type": "pd:FacialPrint", "pii_optional": true, "special_pii_category": true });
            return Self {
                basis: &["eu-gdpr:A6-1-a", "eu-gdpr:A9-2-a"],
                pii: json!([template, picture]),
                collected: "a portrait that the person gave for it",
                processed: "a template is made of the portrait and compared with the faces in the collection",
            };
        }
        Self {
            basis: &["eu-gdpr:A6-1-a"],
            pii: json!([picture]),
            collected: "photos of the collection that the person is in",
            processed: "the person is shown or named in copies of photos for this purpose; no template is made for it",
        }
    }
}

/// The record as a receipt with an id of its own.
pub(crate) fn receipt(mut record: Value, id: [u8; 16]) -> Value {
    record["receipt"] = json!({ "schema_version": RECEIPT_SCHEMA, "receipt_id": uuid(id) });
    record
}

fn state(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Renewal => "RenewedConsentGiven",
        EventKind::Withdrawal => "ConsentWithdrawn",
        EventKind::Expiry => EXPIRED,
        _ => "ConsentGiven",
    }
}

/// The id as a UUID of version 4: four bits and two bits of it say so.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = GrantId::from_bytes(bytes).to_string();
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

/// As RFC 3339 writes it, in UTC.
fn instant(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |t| t.to_string())
}

/// Whole days, as ISO 8601 writes them, a day begun counted as one.
fn duration(from: Timestamp, until: Timestamp) -> String {
    const DAY_MS: i64 = 86_400_000;
    format!("P{}D", ((until.0 - from.0).max(0) + DAY_MS - 1) / DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent::ledger::{Basis, BystanderBasis, CollectionId, Signer, SubjectId, WitnessId};

    const DAY_MS: i64 = 86_400_000;
    const T0: Timestamp = Timestamp(1_800_000_000_000);

    fn schema() -> Value {
        serde_json::from_str(include_str!("../../../docs/formats/consent-record.schema.json")).unwrap()
    }

    fn validator() -> jsonschema::Validator {
        jsonschema::options().should_validate_formats(true).build(&schema()).unwrap()
    }

    /// What records are made of, for a club with one member.
    struct ClubFixture {
        kind: VaultKind,
        settings: Settings,
        subject: Subject,
        collection: Collection,
        notice: Option<Notice>,
        events: Vec<ConsentEvent>,
    }

    impl ClubFixture {
        fn new() -> Self {
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
            let event = |kind, days, position| {
                let time = Timestamp(T0.0 + days * DAY_MS);
                ConsentEvent { grant: Self::id(), kind, time, position }
            };
            let events = vec![event(EventKind::Grant, 0, 4), event(EventKind::Expiry, 30, 9)];
            Self { kind: VaultKind::Organisation, settings, subject, collection, notice: Some(notice), events }
        }

        fn id() -> GrantId {
            GrantId::from_bytes([0xff; 16])
        }

        fn grant() -> Grant {
            Grant {
                id: Self::id(),
                subject: SubjectId::from_bytes([1; 16]),
                collection: CollectionId::from_bytes([2; 16]),
                purpose: Purpose::find_my_photos(),
                state: assent::ledger::GrantState::Expired,
                notice_sha256: [3; 32],
                valid_from: T0,
                valid_until: Timestamp(T0.0 + 30 * DAY_MS),
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

        fn frame(&self) -> Record<'_> {
            Record {
                kind: self.kind,
                settings: &self.settings,
                subject: &self.subject,
                collection: &self.collection,
                notice: self.notice.as_ref(),
                authority: "CNIL",
                events: &self.events,
                vault: "0".repeat(32),
            }
        }

        fn record(&self) -> Result<Value, RecordError> {
            self.frame().of(&Self::grant(), None)
        }
    }

    /// Where the schema says that an object of this record has a field: each as the object's place and the field's name.
    fn mandatory(schema: &Value, rule: &Value, place: &str, record: &Value, found: &mut Vec<(String, String)>) {
        if let Some(reference) = rule["$ref"].as_str() {
            let rule = schema.pointer(reference.trim_start_matches('#')).unwrap();
            return mandatory(schema, rule, place, record, found);
        }
        for name in rule["required"].as_array().into_iter().flatten() {
            found.push((place.to_owned(), name.as_str().unwrap().to_owned()));
        }
        for (name, inner) in rule["properties"].as_object().into_iter().flatten() {
            if let Some(value) = record.get(name) {
                mandatory(schema, inner, &format!("{place}/{name}"), value, found);
            }
        }
        for (i, value) in record.as_array().into_iter().flatten().enumerate() {
            mandatory(schema, &rule["items"], &format!("{place}/{i}"), value, found);
        }
    }

    #[test]
    fn r3_a_record_without_a_mandatory_field_is_refused() {
        let (schema, validator) = (schema(), validator());
        let whole = receipt(ClubFixture::new().record().unwrap(), [9; 16]);
        let told: Vec<String> = validator.iter_errors(&whole).map(|e| e.to_string()).collect();
        assert_eq!(told, [""; 0], "{whole:#}");
        let mut fields = Vec::new();
        mandatory(&schema, &schema, "", &whole, &mut fields);
        for (place, name) in &fields {
            let mut record = whole.clone();
            let object = record.pointer_mut(place).and_then(Value::as_object_mut).unwrap();
            assert!(object.remove(name).is_some(), "{place}/{name} is mandatory and was not there");
            assert!(!validator.is_valid(&record), "without {place}/{name}");
        }
        // Those of ISO/IEC TS 27560, and those that the GDPR adds: that the schema itself loses none.
        let names: std::collections::BTreeSet<&str> = fields.iter().map(|(_, name)| name.as_str()).collect();
        let asked = "schema_version record_id pii_principal_id receipt_id privacy_notice language purpose lawful_basis \
                     pii_information pii_controllers collection_method processing_method storage_locations \
                     retention_period processing_locations geographic_restrictions jurisdiction \
                     recipient_third_parties withdrawal_method privacy_rights authority_party pii_type pii_optional \
                     special_pii_category party_id party_address party_name party_role party_contact party_type \
                     event_time validity_duration entity_id event_type event_state";
        for name in asked.split_whitespace() {
            assert!(names.contains(name), "{name}");
        }
    }

    #[test]
    fn r3_a_record_with_another_word_or_form_is_refused() {
        let validator = validator();
        let check = |name: &str, place: &str, value: Value| {
            let mut record = ClubFixture::new().record().unwrap();
            *record.pointer_mut(place).unwrap() = value;
            assert!(!validator.is_valid(&record), "{name}");
        };
        check("another profile", "/record/schema_version", json!("KI-CR-v1.1.0"));
        check("no UUID", "/record/record_id", json!("ffffffffffffffffffffffffffffffff"));
        check("a UUID of version 1", "/record/record_id", json!("ffffffff-ffff-1fff-bfff-ffffffffffff"));
        check("a made up state", "/event/0/event_state", json!("dpv:ConsentAssumed"));
        check("not explicit", "/event/0/event_type", json!("dpv:ImpliedConsent"));
        check("no event", "/event", json!([]));
        check("another kind of party", "/party_identification/0/party_type", json!("robot"));
        check("a local time", "/event/0/event_time", json!("2027-01-15T08:00:00"));
        check("a day that is none", "/event/0/event_time", json!("2027-02-30T08:00:00Z"));
        check("no duration", "/event/0/validity_duration", json!("30 days"));
        check("a day for how long", "/pii_processing/purposes/0/retention_period", json!("2027-01-15T08:00:00Z"));
        check("an empty text", "/party_identification/0/party_contact", json!(" "));
        check("no truth", "/pii_processing/purposes/0/pii_information/0/pii_optional", json!("yes"));
        check("nobody answers", "/pii_processing/purposes/0/pii_controllers", json!([]));
    }

    #[test]
    fn r3_every_record_is_valid_or_says_what_it_lacks() {
        let validator = validator();
        let valid = |name: &str, change: &dyn Fn(&mut ClubFixture)| {
            let mut club = ClubFixture::new();
            change(&mut club);
            let record = club.record().unwrap_or_else(|e| panic!("{name}: {e}"));
            let told: Vec<String> = validator.iter_errors(&record).map(|e| e.to_string()).collect();
            assert_eq!(told, [""; 0], "{name}: {record:#}");
        };
        valid("as it is", &|_| {});
        valid("nobody said how old", &|club| club.subject.age = Age::Unknown);
        valid("nobody said where", &|club| club.settings.jurisdiction = String::new());
        valid("no accountable person", &|club| club.settings.accountable = String::new());
        valid("a household", &|club| {
            (club.kind, club.notice) = (VaultKind::Household, None);
            club.settings = Settings { controller: "Ann".into(), accountable: "Ann".into(), ..Settings::default() };
        });
        let lacks = |name: &str, change: &dyn Fn(&mut ClubFixture), what: &str| {
            let mut club = ClubFixture::new();
            change(&mut club);
            let told = club.record().unwrap_err().to_string();
            assert!(told.starts_with("the record lacks") && told.contains(what), "{name}: {told}");
        };
        lacks("no notice", &|club| club.notice = None, "0303");
        lacks("no contact", &|club| club.settings.contact = " ".into(), "--contact");
        lacks("no controller", &|club| club.settings.controller = String::new(), "--controller");
        lacks("no event", &|club| club.events.clear(), "audit verify");

        let (id, created) = (ClubFixture::id(), T0);
        let (subject, collection) = (SubjectId::from_bytes([1; 16]), CollectionId::from_bytes([2; 16]));
        let purpose = Purpose::publish_print();
        let refusal = Refusal { id, subject, collection, purpose, notice_sha256: [3; 32], created };
        let refused = ClubFixture::new().frame().refused(&refusal).unwrap();
        assert!(validator.is_valid(&refused), "{refused:#}");
        let kinds = refused.pointer("/pii_processing/purposes/0/pii_information").and_then(Value::as_array).unwrap();
        assert_eq!(kinds.len(), 1, "no template is made to print a photo");
    }

    #[test]
    fn r3_the_example_on_the_page_is_a_record() {
        let page = include_str!("../../../docs/formats/consent.md");
        let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let record: Value = serde_json::from_str(example).unwrap();
        assert!(validator().is_valid(&record));
    }
}
