//! Records by the field names of ISO/IEC TS 27560, against the schema of their form.

use assent::ledger::{Age, VaultKind};
use assent_documents::consent_record::receipt;
use serde_json::{Value, json};

use super::club::Club;

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/formats/consent-record.schema.json")).unwrap()
}

fn validator() -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(&schema()).unwrap()
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
    let whole = receipt(Club::new().record().unwrap(), [9; 16]);
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
        let mut record = Club::new().record().unwrap();
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
    let valid = |name: &str, change: &dyn Fn(&mut Club)| {
        let mut club = Club::new();
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
        club.settings = Club::household().settings;
    });
    let lacks = |name: &str, change: &dyn Fn(&mut Club), what: &str| {
        let mut club = Club::new();
        change(&mut club);
        let told = club.record().unwrap_err().to_string();
        assert!(told.starts_with("the record lacks") && told.contains(what), "{name}: {told}");
    };
    lacks("no notice", &|club| club.notice = None, "0303");
    lacks("no contact", &|club| club.settings.contact = " ".into(), "the contact");
    lacks("no controller", &|club| club.settings.controller = String::new(), "the name");
    lacks("no event", &|club| club.events.clear(), "its events");

    let refused = Club::new().refused().unwrap();
    assert!(validator.is_valid(&refused), "{refused:#}");
    let kinds = refused.pointer("/pii_processing/purposes/0/pii_information").and_then(Value::as_array).unwrap();
    assert_eq!(kinds.len(), 1, "no template is made to print a photo");
}

#[test]
fn r3_the_example_on_the_page_is_a_record() {
    let page = include_str!("../../../../docs/formats/consent.md");
    let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let record: Value = serde_json::from_str(example).unwrap();
    assert!(validator().is_valid(&record));
}
