//! A consent as a record by the field names of ISO/IEC TS 27560, and its receipt. The form is described in
//! `docs/formats/consent.md`, and its schema is `docs/formats/consent-record.schema.json`.

use assent::ledger::{
    Age, Collection, CollectionId, ConsentEvent, EventKind, Evidence, Grant, GrantId, Notice, Purpose, Refusal,
    Settings, Subject, Timestamp, VaultId, VaultKind,
};
use assent::packs::hex;
use assent::service::consents::Held;
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
pub enum RecordError {
    /// The text that the person was given is not in the vault, its hash alone.
    #[error("the record lacks its privacy notice: no text in the vault has the SHA-256 {sha256}")]
    NoNotice {
        /// Of the text, in hexadecimal digits.
        sha256: String,
    },
    /// Nobody said who the controller is.
    #[error("the record lacks the name of the controller")]
    NoController,
    /// Nobody said how people reach the controller.
    #[error("the record lacks the contact of the controller")]
    NoContact,
    /// The log does not say that it was given.
    #[error("the record lacks its events: the log says nothing of the consent {grant}")]
    NoEvent {
        /// The id of the grant.
        grant: GrantId,
    },
}

/// What the records of one person have in common.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What kind of vault it is.
    pub kind: VaultKind,
    /// Who answers for it.
    pub settings: &'a Settings,
    /// Whose consents they are.
    pub subject: &'a Subject,
    /// Which authorities watch over the rules that apply.
    pub authority: &'a str,
    /// The vault's id.
    pub vault: VaultId,
}

/// The record of each consent of a person, and of each refusal, which has no consent; or what one lacks.
pub type Records = Vec<(Option<Grant>, Result<Value, RecordError>)>;

/// The records of a person's consents and refusals.
pub fn records(about: &About<'_>, held: &Held) -> Records {
    let Held { grants, refusals, events, notices, collections } = held;
    let frame = |collection: CollectionId, notice: [u8; 32]| {
        let collection = collections.iter().find(|c| c.id == collection)?;
        let notice = notices.iter().find(|n| n.sha256 == notice);
        Some(Record { about: *about, collection, notice, events })
    };
    let mut all = Vec::new();
    for grant in grants {
        let renewed_by = grants.iter().find(|g| g.renews == Some(grant.id)).map(|g| g.id);
        let frame = frame(grant.collection, grant.notice_sha256);
        all.extend(frame.map(|frame| (Some(grant.clone()), frame.of(grant, renewed_by))));
    }
    for refusal in refusals {
        let frame = frame(refusal.collection, refusal.notice_sha256);
        all.extend(frame.map(|frame| (None, frame.refused(refusal))));
    }
    all
}

/// What a record is made of.
struct Record<'a> {
    about: About<'a>,
    collection: &'a Collection,
    notice: Option<&'a Notice>,
    events: &'a [ConsentEvent],
}

impl Record<'_> {
    /// The record of a consent that was given, and perhaps given again under another id.
    ///
    /// # Errors
    ///
    /// [`RecordError`] names the field that cannot be filled in.
    fn of(&self, grant: &Grant, renewed_by: Option<GrantId>) -> Result<Value, RecordError> {
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
    fn refused(&self, refusal: &Refusal) -> Result<Value, RecordError> {
        let event = self.event(refusal.created, NOTHING, "ConsentRefused");
        self.frame(refusal.id, &refusal.purpose, &refusal.notice_sha256, NOTHING, &[event])
    }

    fn event(&self, at: Timestamp, duration: &str, state: &str) -> Value {
        // Nobody does anything when a consent ends by its date: the controller notes it.
        let entity = if state == EXPIRED { CONTROLLER.to_owned() } else { self.about.subject.id.to_string() };
        json!({
            "event_time": instant(at), "validity_duration": duration, "entity_id": entity,
            "event_type": "dpv:ExplicitlyExpressedConsent", "event_state": format!("dpv:{state}"),
        })
    }

    /// What the person was told, and in which language.
    fn notice_given(&self, notice_sha256: &[u8; 32]) -> Result<(String, &str), RecordError> {
        match self.notice {
            Some(n) => Ok((format!("{} version {}", n.name, n.version), n.language.as_str())),
            None if self.about.kind == VaultKind::Household => Ok(("none: a household".to_owned(), "und")),
            None => Err(RecordError::NoNotice { sha256: hex(notice_sha256) }),
        }
    }

    /// The controller's name, and how people reach it.
    fn controller(&self) -> Result<(&str, &str), RecordError> {
        let said = |text: &str| !text.trim().is_empty();
        let s = self.about.settings;
        match (said(&s.controller), said(&s.contact)) {
            (true, true) => Ok((&s.controller, &s.contact)),
            (true, false) if self.about.kind == VaultKind::Household => Ok((&s.controller, "in person")),
            (true, false) => Err(RecordError::NoContact),
            (false, _) => Err(RecordError::NoController),
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
        let Self { about: About { kind, settings, subject, authority, vault }, collection, .. } = self;
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
            "party_type": if *kind == VaultKind::Household { "natural-person" } else { "organisation" },
        });
        if !settings.accountable.trim().is_empty() {
            party["x_accountable"] = json!(settings.accountable);
        }
        let what = Processing::of(purpose);
        let age = match subject.age {
            Age::Adult => "adult",
            Age::Born { .. } => "declared",
            Age::Unknown => "unknown",
        };
        Ok(json!({
            "record": {
                "schema_version": SCHEMA, "record_id": uuid(*id.as_bytes()),
                "pii_principal_id": subject.id.to_string(),
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
                    "authority_party": authority,
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
            "x_vault": vault.to_string(),
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
pub fn receipt(mut record: Value, id: [u8; 16]) -> Value {
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
