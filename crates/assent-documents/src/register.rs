//! The record of processing activities that article 30 of the GDPR asks for. It names nobody on the roster.

use std::collections::BTreeMap;

use assent::ledger::{Settings, Timestamp, VaultId};
use assent::rulepacks::Described;
use assent::service::evidence::{Processing, Register};
use schemars::JsonSchema;
use serde::Serialize;

use crate::json::collections::Dpia;
use crate::json::status::Controller;
use crate::json::{Day, Id};

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

/// What article 30 (1) asks for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProcessingRegister {
    /// The day on which it was written.
    pub written: Day,
    /// The vault's id.
    pub vault_id: Id,
    /// Who answers for it.
    #[serde(flatten)]
    pub controller: Controller,
    /// The number of people for the code of each law.
    pub jurisdictions: BTreeMap<String, usize>,
    /// What is done, collection by collection.
    pub processing: Vec<ProcessingOf>,
    /// The laws that the program knows.
    pub laws: Vec<Law>,
    /// What keeps the data safe.
    pub security: Vec<&'static str>,
}

/// What is done with a collection.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ProcessingOf {
    /// The collection.
    pub collection: String,
    /// The number of consents for each purpose.
    pub purposes: BTreeMap<String, usize>,
    /// Why the other people in it may be looked at.
    pub others: String,
    /// Whose data it is.
    pub data_subjects: &'static str,
    /// What data.
    pub categories_of_data: Vec<&'static str>,
    /// The law that allows it.
    pub basis: Vec<&'static str>,
    /// Who gets it.
    pub recipients: &'static str,
    /// To which other countries it goes.
    pub transfers: &'static str,
    /// When the last consent ends.
    pub erased_by: Option<Day>,
    /// The last day of what the photos are for.
    pub purpose_ends: Option<Day>,
    /// The data protection impact assessment.
    pub dpia: Option<Dpia>,
    /// Why nothing less intrusive would do.
    pub necessity: Option<String>,
    /// How people get their photos without biometrics.
    pub alternative: Option<String>,
    /// Since when the public notice is out.
    pub notice_public: Option<Day>,
    /// What is missing still.
    pub open: Vec<String>,
}

impl From<&Processing> for ProcessingOf {
    fn from(Processing { collection: c, purposes, erased_by, missing }: &Processing) -> Self {
        let basis = &c.basis;
        Self {
            collection: c.name.clone(),
            purposes: purposes.iter().map(|(purpose, n)| (purpose.to_string(), *n)).collect(),
            others: c.others.to_string(),
            data_subjects: "people who consented; everybody else in the photos is found and covered",
            categories_of_data: vec![
                "portraits",
                "templates of faces (special category)",
                "photos",
                "names and contacts",
            ],
            basis: vec!["GDPR article 6 (1) (a)", "GDPR article 9 (2) (a)"],
            recipients: "the person themselves",
            transfers: "none",
            erased_by: erased_by.map(Day),
            purpose_ends: basis.purpose_ends.map(Day),
            dpia: basis.dpia.as_ref().map(Dpia::from),
            necessity: basis.necessity.clone(),
            alternative: basis.alternative.clone(),
            notice_public: basis.notice_public.map(Day),
            open: missing.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A law that the program knows.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Law {
    /// The rule pack, with its version.
    pub rule_pack: String,
    /// The law that it reads.
    pub law: String,
    /// The authority that answers for it.
    pub authority: String,
}

impl From<&Described> for Law {
    fn from(d: &Described) -> Self {
        Self { rule_pack: d.rules.label(), law: d.law.clone(), authority: d.authority.clone() }
    }
}

/// What article 30 (1) asks for, collection by collection.
pub fn register(about: &About<'_>, register: &Register) -> ProcessingRegister {
    ProcessingRegister {
        written: Day(about.made),
        vault_id: Id::of(about.vault),
        controller: Controller::from(about.settings),
        jurisdictions: register.people.iter().map(|(code, n)| (code.to_string(), *n)).collect(),
        processing: register.processing.iter().map(ProcessingOf::from).collect(),
        laws: about.laws.iter().map(Law::from).collect(),
        security: vec![
            "everything of a person is sealed under a key of their own, and the keys lie apart from the data",
            "erasure destroys the key, and a signed certificate says so",
            "each search, export and erasure is an entry of a log that cannot be changed unnoticed",
            "faces of people who did not consent are compared in memory alone and never kept",
        ],
    }
}
