//! `keys` and `rotate`: the key ring.

use assent::ledger::{self, DamagedSlot, KeyCheck, SlotOwner, Unreadable};
use schemars::JsonSchema;
use serde::Serialize;

use super::Id;

/// How the key ring is locked.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct KeysLocked {
    /// `none`, `passphrase` or `data-key`.
    pub lock: String,
}

/// Which key ring counts.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct KeysAdopted {
    /// Its file.
    pub key_ring: String,
}

/// Whether the key ring is whole.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct KeysChecked {
    /// Whether nothing is damaged.
    pub whole: bool,
    /// How many places it has.
    pub slots: u64,
    /// How many of them are whole.
    pub whole_slots: u64,
    /// The places whose keys are of nobody in this vault.
    pub foreign_slots: Vec<u64>,
    /// The places that are damaged.
    pub damaged_slots: Vec<Slot>,
    /// Whose key is damaged.
    pub people: Vec<WithoutKey>,
    /// The consents whose keys are damaged.
    pub consents: Vec<Id>,
}

impl From<&KeyCheck> for KeysChecked {
    fn from(check: &KeyCheck) -> Self {
        Self {
            whole: check.is_whole(),
            slots: check.slots,
            whole_slots: check.slots - check.damaged.len() as u64,
            foreign_slots: check.foreign.clone(),
            damaged_slots: check.damaged.iter().map(Slot::from).collect(),
            people: check.people.iter().map(WithoutKey::from).collect(),
            consents: check.grants.iter().map(|(_, grant)| Id::of(grant)).collect(),
        }
    }
}

/// A damaged place of the key ring.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Slot {
    /// Its number.
    pub slot: u64,
    /// What its key is of.
    pub of: String,
    /// Whose it is.
    pub id: Option<Id>,
}

impl From<&DamagedSlot> for Slot {
    fn from(slot: &DamagedSlot) -> Self {
        let (of, id) = match slot.owner {
            SlotOwner::Subject(id) => ("person", Some(Id::of(id))),
            SlotOwner::Grant(id) => ("consent of a person", Some(Id::of(id))),
            SlotOwner::Erased(id) => ("erased person", Some(Id::of(id))),
            SlotOwner::Crops(id) => ("crops of a collection", Some(Id::of(id))),
            SlotOwner::Unknown => ("unknown", None),
        };
        Self { slot: slot.slot, of: of.to_owned(), id }
    }
}

/// Somebody whose key is damaged.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct WithoutKey {
    /// The person.
    pub subject: Id,
    /// The digits that stand for their name.
    pub stands_for: String,
    /// How many consents they have.
    pub consents: usize,
}

impl From<&Unreadable> for WithoutKey {
    fn from(who: &Unreadable) -> Self {
        Self { subject: Id::of(who.subject), stands_for: who.number.clone(), consents: who.consents.len() }
    }
}

/// What was mended in the key ring.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct KeysRepaired {
    /// How many places.
    pub mended_slots: u64,
    /// Who can be found again.
    pub people: Vec<Id>,
    /// The places that are damaged still.
    pub damaged_slots: Vec<Slot>,
    /// Whose key is damaged still.
    pub without_key: Vec<WithoutKey>,
}

impl From<&ledger::KeyRepair> for KeysRepaired {
    fn from(done: &ledger::KeyRepair) -> Self {
        Self {
            mended_slots: done.mended,
            people: done.people.iter().map(Id::of).collect(),
            damaged_slots: done.left.iter().map(Slot::from).collect(),
            without_key: done.without.iter().map(WithoutKey::from).collect(),
        }
    }
}

/// Who has a new key.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct KeysRotated {
    /// How many people.
    pub rotated: usize,
    /// Who keeps the key that they had.
    pub kept: Vec<NotDone>,
}

/// Somebody for whom something could not be done.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct NotDone {
    /// The person.
    pub subject: Id,
    /// Why.
    pub because: String,
}
