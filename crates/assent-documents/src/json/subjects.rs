//! `subject`: the people of a vault.

use std::collections::BTreeMap;

use assent::ledger::{Jurisdiction, Subject, SubjectId};
use assent::service::subjects::Person;
use schemars::JsonSchema;
use serde::Serialize;

use super::consents::{Consent, Refusal, Waiting};
use super::{Day, Id};

/// Who was put on the list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SubjectAdded {
    /// The person.
    pub subject: Id,
    /// Their short name.
    pub handle: String,
}

/// About whom something was changed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SubjectChanged {
    /// The person.
    pub subject: Id,
}

/// Whether what is held about somebody is used.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SubjectRestricted {
    /// The person.
    pub subject: Id,
    /// Since when it is kept and not used; null where it is used.
    pub restricted: Option<Day>,
}

/// How many people are under which law.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SubjectCount {
    /// The number of people for the code of each law, such as `FR`.
    pub jurisdictions: BTreeMap<String, usize>,
    /// All people.
    pub total: usize,
}

impl SubjectCount {
    /// Of the numbers for each law.
    pub fn new(counted: &BTreeMap<Jurisdiction, usize>) -> SubjectCount {
        SubjectCount {
            jurisdictions: counted.iter().map(|(code, people)| (code.to_string(), *people)).collect(),
            total: counted.values().sum(),
        }
    }
}

/// Everybody on the list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SubjectList {
    /// Whose name can be read.
    pub subjects: Vec<ListedSubject>,
    /// Whose key is damaged, so that their name cannot be read.
    pub unreadable: Vec<Id>,
}

impl SubjectList {
    /// Of these people.
    pub fn new<'a>(people: &[Subject], unreadable: impl Iterator<Item = &'a SubjectId>) -> SubjectList {
        SubjectList {
            subjects: people.iter().map(ListedSubject::from).collect(),
            unreadable: unreadable.map(Id::of).collect(),
        }
    }
}

/// Somebody on the list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ListedSubject {
    /// The person.
    pub subject: Id,
    /// Their short name.
    pub handle: String,
    /// Their name.
    pub name: String,
    /// Their class or group; empty if they are in none.
    pub group: String,
    /// Whether they are the owner of a household's vault.
    pub owner: bool,
}

impl From<&Subject> for ListedSubject {
    fn from(s: &Subject) -> Self {
        Self {
            subject: Id::of(s.id),
            handle: s.handle.clone(),
            name: s.name.clone(),
            group: s.group.clone(),
            owner: s.owner,
        }
    }
}

/// What is held about somebody on the list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SubjectData {
    /// The person.
    pub subject: Id,
    /// Their short name.
    pub handle: String,
    /// Their name.
    pub name: String,
    /// How they are reached; empty if nobody said.
    pub contact: String,
    /// `adult`, the month of birth such as `2011-04`, or `unknown`.
    pub age: String,
    /// Their class or group; empty if they are in none.
    pub group: String,
    /// Whose law protects them, as a code, or `unknown`.
    pub jurisdiction: String,
    /// Since when what is held is kept and not used; null where it is used.
    pub restricted: Option<Day>,
    /// Since when they are on the list.
    pub since: Day,
}

impl From<&Subject> for SubjectData {
    fn from(s: &Subject) -> Self {
        Self {
            subject: Id::of(s.id),
            handle: s.handle.clone(),
            name: s.name.clone(),
            contact: s.contact.clone(),
            age: s.age.to_string(),
            group: s.group.clone(),
            jurisdiction: s.jurisdiction.as_str().to_owned(),
            restricted: s.restricted.map(Day),
            since: Day(s.created),
        }
    }
}

/// One person, with what they agreed to, what of it waits, and what they said no to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SubjectShown {
    /// What is held about them.
    #[serde(flatten)]
    pub data: SubjectData,
    /// What they agreed to, also what is over.
    pub consents: Vec<Consent>,
    /// What waits for its witnesses.
    pub waiting: Vec<Waiting>,
    /// What they said no to.
    pub refusals: Vec<Refusal>,
}

impl From<&Person> for SubjectShown {
    fn from(person: &Person) -> Self {
        let Person { subject, grants, pending, refusals, collections } = person;
        Self {
            data: SubjectData::from(subject),
            consents: grants.iter().map(|grant| Consent::new(grant, collections)).collect(),
            waiting: pending.iter().map(|pending| Waiting::new(subject, pending, collections)).collect(),
            refusals: refusals.iter().map(|refusal| Refusal::new(refusal, collections)).collect(),
        }
    }
}
