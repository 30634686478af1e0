//! The record of processing activities that article 30 of the GDPR asks for. It names nobody on the roster.

use std::collections::BTreeMap;

use assent::ledger::{Settings, Timestamp, VaultId};
use assent::rulepacks::Described;
use assent::service::evidence::{Processing, Register};
use serde_json::{Value, json};

use crate::dates::date;

/// What the register says beside what is done.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Who answers for it.
    pub settings: &'a Settings,
    /// The vault's id.
    pub vault: VaultId,
    /// When it was made.
    pub made: Timestamp,
    /// The rule packs of the program.
    pub laws: &'a [Described],
}

/// What article 30 (1) asks for, collection by collection.
pub fn register(about: &About<'_>, register: &Register) -> Value {
    let s = about.settings;
    let people: BTreeMap<String, usize> = register.people.iter().map(|(code, n)| (code.to_string(), *n)).collect();
    let processing: Vec<Value> = register.processing.iter().map(describe).collect();
    let law = |d: &Described| json!({ "rule_pack": d.rules.label(), "law": d.law, "authority": d.authority });
    let laws: Vec<Value> = about.laws.iter().map(law).collect();
    json!({
        "made": date(about.made), "vault": about.vault.to_string(), "controller": s.controller,
        "accountable": s.accountable, "contact": s.contact, "jurisdiction": s.jurisdiction, "dpo": s.dpo,
        "representatives": s.representatives, "retention_policy_public": s.retention_policy_public.map(date),
        "people_by_jurisdiction": people, "processing": processing, "rules": laws,
        "security": [
            "everything of a person is sealed under a key of their own, and the keys lie apart from the data",
            "erasure destroys the key, and a signed certificate says so",
            "each search, export and erasure is an entry of a log that cannot be changed unnoticed",
            "faces of people who did not consent are compared in memory alone and never kept",
        ],
    })
}

fn describe(one: &Processing) -> Value {
    let Processing { collection: c, purposes, erased_by, missing } = one;
    let purposes: BTreeMap<String, usize> = purposes.iter().map(|(purpose, n)| (purpose.to_string(), *n)).collect();
    let basis = &c.basis;
    json!({
        "collection": c.name, "purposes": purposes, "others": c.others.to_string(),
        "data_subjects": "people who consented; everybody else in the photos is found and covered",
        "categories_of_data": ["portraits", "templates of faces (special category)", "photos", "names and contacts"],
        "basis": ["GDPR article 6 (1) (a)", "GDPR article 9 (2) (a)"], "recipients": "the person themselves",
        "transfers": "none", "erased_by": erased_by.map(date), "purpose_ends": basis.purpose_ends.map(date),
        "dpia": basis.dpia.as_ref().map(|d| json!({ "reference": d.reference, "date": date(d.made), "review": date(d.review) })),
        "necessity": basis.necessity, "alternative": basis.alternative, "notice_public": basis.notice_public.map(date),
        "open": missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}
