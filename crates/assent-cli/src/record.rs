//! A consent as a record by the field names of ISO/IEC TS 27560, and its receipt. The form is described in
//! `docs/formats/consent.md`, and its schema is `docs/formats/consent-record.schema.json`.

use assent::ledger::{
    Collection, ConsentEvent, EventKind, Evidence, Grant, GrantId, Notice, Refusal, Settings, Subject, Timestamp,
};
use assent::packs::hex;
use serde_json::{Value, json};

/// Which profile the record follows.
const SCHEMA: &str = "https://w3id.org/dpv/schema/dpv-27560#record-eu-gdpr";

/// What a record is made of.
pub(crate) struct Record<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) subject: &'a Subject,
    pub(crate) collection: &'a Collection,
    pub(crate) notice: Option<&'a Notice>,
    pub(crate) authority: &'a str,
    pub(crate) events: &'a [ConsentEvent],
    pub(crate) vault: String,
}

impl Record<'_> {
    /// The record of a consent that was given.
    pub(crate) fn of(&self, grant: &Grant) -> Value {
        let mine: Vec<&ConsentEvent> = self.events.iter().filter(|e| e.grant == grant.id).collect();
        let duration = duration(grant.valid_from, grant.valid_until);
        let events: Vec<Value> = mine.iter().map(|e| self.event(e.time, &duration, state(e.kind))).collect();
        let (signature, witnesses) = match &grant.evidence {
            Evidence::SelfStatement { .. } => ("self-statement", Vec::new()),
            Evidence::Paper { witnesses, .. } => ("paper-release", witnesses.iter().map(ToString::to_string).collect()),
        };
        let (signed_by, release) = match &grant.evidence {
            Evidence::SelfStatement { .. } => ("subject", None),
            Evidence::Paper { signed_by, release_sha256, .. } => (signed_by.as_str(), Some(hex(release_sha256))),
        };
        let mut record = self.frame(grant.id, grant.purpose.as_str(), &grant.notice_sha256, &events);
        record["pii_processing"]["purposes"][0]["retention_period"] = json!(instant(grant.valid_until));
        record["x_evidence"] =
            json!({ "kind": signature, "signed_by": signed_by, "witnesses": witnesses, "release_sha256": release });
        record["x_rule_pack"] = json!(grant.rules);
        record["x_renews"] = json!(grant.renews.map(|id| id.to_string()));
        record["x_last_interaction"] = json!(mine.last().map(|e| instant(e.time)));
        record["x_log_index"] = json!(mine.iter().map(|e| e.position).collect::<Vec<_>>());
        record
    }

    /// The record of a consent that was refused.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Value {
        let event = self.event(refusal.created, "P0D", "ConsentRefused");
        let mut record = self.frame(refusal.id, refusal.purpose.as_str(), &refusal.notice_sha256, &[event]);
        record["pii_processing"]["purposes"][0]["retention_period"] = json!("nothing is retained");
        record
    }

    fn event(&self, at: Timestamp, duration: &str, state: &str) -> Value {
        json!({
            "event_time": instant(at), "validity_duration": duration, "entity_id": self.subject.id.to_string(),
            "event_type": "dpv:ExplicitlyExpressedConsent", "event_state": format!("dpv:{state}"),
        })
    }

    fn frame(&self, id: GrantId, purpose: &str, notice_sha256: &[u8; 32], events: &[Value]) -> Value {
        let Self { settings, collection, notice, .. } = self;
        let place = collection.basis.jurisdiction.as_ref().map_or(settings.jurisdiction.as_str(), |j| j.as_str());
        let dpia = collection.basis.dpia.as_ref().map_or("none", |d| d.reference.as_str());
        let named = notice.map_or_else(|| "none".to_owned(), |n| format!("{} version {}", n.name, n.version));
        let representatives: Vec<Value> = settings
            .representatives
            .iter()
            .map(|(pack, who)| json!({ "jurisdiction": pack, "party_name": who }))
            .collect();
        json!({
            "record": { "schema_version": SCHEMA, "record_id": uuid(id.as_bytes()), "pii_principal_id": self.subject.id.to_string() },
            "pii_processing": {
                "privacy_notice": named,
                "language": notice.map_or("und", |n| n.language.as_str()),
                "purposes": [{
                    "purpose": purpose,
                    "lawful_basis": ["eu-gdpr:A6-1-a", "eu-gdpr:A9-2-a"],
                    "pii_information": [
                        { "pii_type": "pd:FacialPrint", "pii_optional": true, "special_pii_category": true },
                        { "pii_type": "pd:Photo", "pii_optional": true, "special_pii_category": false },
                    ],
                    "pii_controllers": ["controller"],
                    "collection_method": "a portrait that the person gave for it",
                    "processing_method": "a template is made of the portrait and compared with the faces in the collection",
                    "storage_locations": [settings.jurisdiction],
                    "processing_locations": [settings.jurisdiction],
                    "geographic_restrictions": [settings.jurisdiction],
                    "jurisdiction": place,
                    "recipient_third_parties": [],
                    "withdrawal_method": format!("tell {} in any form", settings.contact),
                    "privacy_rights": ["access", "rectify", "erase", "restrict", "object", "port", "complaint", "withdraw"],
                    "impact_assessment": dpia,
                    "authority_party": self.authority,
                }],
            },
            "party_identification": [{
                "party_id": "controller", "party_name": settings.controller, "party_address": settings.contact,
                "party_contact": settings.contact, "party_role": "controller", "party_type": "organisation",
                "x_accountable": settings.accountable, "x_dpo": settings.dpo,
            }],
            "event": events,
            "x_notice_sha256": hex(notice_sha256),
            "x_collection_id": collection.id.to_string(),
            "x_alternative_offered": collection.basis.alternative,
            "x_age_band": if self.subject.age.to_string() == "adult" { "adult" } else { "declared" },
            "x_representative_party": representatives,
            "x_key_custody": "operator",
            "x_vault": self.vault,
        })
    }
}

fn state(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Renewal => "RenewedConsentGiven",
        EventKind::Withdrawal => "ConsentWithdrawn",
        EventKind::Expiry => "ConsentExpired",
        _ => "ConsentGiven",
    }
}

/// The id as a UUID of version 4: four bits and two bits of it say so.
fn uuid(id: &[u8; 16]) -> String {
    let mut bytes = *id;
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
