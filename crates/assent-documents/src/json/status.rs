//! `init`, `controller`, `doctor`, `due`, `tick`, `backup`, `restore`: the vault as a whole.

use std::collections::BTreeMap;

use assent::ledger::{Recovered, Settings};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Day, Id};

/// A new vault.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VaultMade {
    /// Its folder.
    pub vault: String,
    /// Its id.
    pub vault_id: Id,
    /// The address of its database; null where that lies in the folder.
    pub database: Option<String>,
    /// The file with its keys.
    pub key_ring: String,
    /// `household` or `organisation`.
    pub kind: String,
    /// The folder with drafts to fill in.
    pub drafts: String,
}

/// Who answers for a vault.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Controller {
    /// The organisation.
    pub controller: String,
    /// The accountable person.
    pub accountable: String,
    /// How people reach them.
    pub contact: String,
    /// Where the controller sits, as a code.
    pub jurisdiction: String,
    /// The data protection officer; empty if there is none.
    pub dpo: String,
    /// Who represents the controller, under each law.
    pub representatives: BTreeMap<String, String>,
    /// Since when the policy on retention and destruction is public.
    pub retention_policy_public: Option<Day>,
}

impl From<&Settings> for Controller {
    fn from(s: &Settings) -> Self {
        Self {
            controller: s.controller.clone(),
            accountable: s.accountable.clone(),
            contact: s.contact.clone(),
            jurisdiction: s.jurisdiction.clone(),
            dpo: s.dpo.clone(),
            representatives: s.representatives.clone(),
            retention_policy_public: s.retention_policy_public.map(Day),
        }
    }
}

/// What is missing.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Examined {
    /// Whether nothing is.
    pub well: bool,
    /// What was looked at.
    pub findings: Vec<Finding>,
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Finding {
    /// What.
    pub what: String,
    /// Whether it is as it should be.
    pub good: bool,
    /// What there is to say.
    pub says: String,
}

/// What has an end.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeadlineList {
    /// Each, the nearest first.
    pub deadlines: Vec<Deadline>,
}

/// Something that has an end.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Deadline {
    /// What: `consent`, `request`, `review`, `purpose` or `order`.
    pub what: String,
    /// The id of it.
    pub id: Id,
    /// What it is about.
    pub about: String,
    /// The day on which the time began.
    pub from: Day,
    /// The day on which it ends.
    pub until: Day,
    /// How much of the time has passed, in words.
    pub passed: String,
    /// How many days it is overdue.
    pub days_overdue: i64,
}

/// What is done every day.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Ticked {
    /// The consents that ended by their date.
    pub expired: Vec<Id>,
    /// How many deadlines are near.
    pub near: usize,
    /// How many entries the log has that was written for others; null where none was.
    pub log_entries: Option<u64>,
    /// Whether the vault's file is without what was deleted.
    pub rewritten: bool,
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BackedUp {
    /// The folder with the data.
    pub data: String,
    /// The file with the keys.
    pub key_ring: String,
    /// The folders with photos that were uploaded: they are not in it.
    pub not_copied: Vec<String>,
}

/// A vault that was restored.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Restored {
    /// Its folder.
    pub vault: String,
    /// The file with its keys.
    pub key_ring: String,
    /// How many entries of the log came after the backup, at least.
    pub entries_lost: u64,
    /// What the key ring knew of the time after the backup.
    pub made_good: MadeGood,
}

/// What a key ring knew of the time after a backup.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MadeGood {
    /// People who were erased.
    pub erasures: usize,
    /// Consents that were withdrawn.
    pub withdrawals: usize,
    /// People whose data is kept and not used.
    pub restrictions: usize,
    /// Orders to stop.
    pub orders: usize,
    /// What people and authorities asked for.
    pub requests: usize,
    /// Faces that were set apart.
    pub objections: usize,
}

impl From<&Recovered> for MadeGood {
    fn from(found: &Recovered) -> Self {
        Self {
            erasures: found.erased,
            withdrawals: found.withdrawn,
            restrictions: found.replayed.restrictions,
            orders: found.replayed.orders,
            requests: found.replayed.requests,
            objections: found.replayed.objections,
        }
    }
}

/// What a demonstration showed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Demonstrated {
    /// Each step.
    pub steps: Vec<DemoStep>,
    /// The page that is left behind.
    pub sheet: String,
}

/// A step of a demonstration.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DemoStep {
    /// The time it took.
    pub seconds: f64,
    /// What was done.
    pub step: String,
}
