//! `gallery`: how people are found in a collection, and how sure that is.

use schemars::JsonSchema;
use serde::Serialize;

use super::Id;

/// How people are found in a collection.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GalleryStatus {
    /// The collection.
    pub collection: String,
    /// How many people can be found.
    pub people: usize,
    /// By how many templates.
    pub templates: usize,
    /// Templates that did not open.
    pub unopened_templates: Vec<String>,
    /// From which similarity on a face is named; null where every one is confirmed first.
    pub match_from: Option<f64>,
    /// From which similarity on somebody is asked.
    pub review_from: f64,
    /// How often a stranger may be named, as declared.
    pub declared_fpir: f64,
    /// How often a stranger may be named or suggested, as declared.
    pub declared_fpir_review: f64,
    /// How often a stranger is expected to be named.
    pub expected_fpir: Option<f64>,
    /// How often a stranger is expected to be named or suggested.
    pub expected_fpir_review: Option<f64>,
    /// How often somebody who is enrolled is expected not to be named.
    pub expected_fnir: Option<f64>,
    /// How often somebody who is enrolled is expected to be neither named nor suggested.
    pub expected_fnir_review: Option<f64>,
    /// Up to how many templates faces can be named.
    pub match_up_to_templates: Option<usize>,
    /// What other numbers of templates would mean.
    pub by_size: Vec<BySize>,
    /// Pairs of people, by their short names, who look so alike that they are suggested for each other.
    pub look_alikes: Vec<[String; 2]>,
    /// People who are enrolled with other models.
    pub people_of_other_models: u64,
    /// Whether the templates in memory are never written to a disk.
    pub locked_in_memory: bool,
    /// Whether they are left out of a dump of the memory.
    pub kept_out_of_dumps: bool,
}

/// What a number of templates means.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BySize {
    /// The number.
    pub templates: usize,
    /// For the people of this collection.
    pub here: ExpectedRates,
    /// For people on average.
    pub average_people: ExpectedRates,
}

/// Thresholds, and how often somebody is missed with them.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ExpectedRates {
    /// From which similarity on a face is named; null where every one is confirmed first.
    pub match_from: Option<f64>,
    /// From which similarity on somebody is asked.
    pub review_from: f64,
    /// How often somebody who is enrolled is not named.
    pub fnir: Option<f64>,
    /// How often they are neither named nor suggested.
    pub fnir_review: Option<f64>,
}

/// How alike the people of a collection are.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Calibrated {
    /// The collection.
    pub collection: String,
    /// How many people were compared with each other.
    pub people: usize,
    /// In how many pairs.
    pub pairs: u64,
    /// The groups that the models were measured on.
    pub groups_of_the_models: Vec<String>,
    /// At each threshold, how often two people are taken for one.
    pub thresholds: Vec<AtThreshold>,
}

/// How often two people are taken for one at a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AtThreshold {
    /// The similarity from which on they are.
    pub threshold: f64,
    /// How many pairs of this collection reach it.
    pub pairs_reached: f64,
    /// The rate here.
    pub fmr: f64,
    /// The least that it may be.
    pub fmr_low: f64,
    /// The most that it may be.
    pub fmr_high: f64,
    /// The rate by the models' own table.
    pub fmr_of_the_models: Option<f64>,
    /// The rate for the group that the models confuse most.
    pub fmr_of_the_harshest_group: Option<f64>,
    /// The rate that holds here.
    pub fmr_that_holds: Option<f64>,
}

/// Who is looked for with other models from now on, or would be.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GalleryMoved {
    /// The models.
    pub pack: String,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Who is moved.
    pub moved: Vec<Id>,
    /// Who needs a new picture.
    pub need_picture: Vec<Id>,
    /// Whose key is damaged.
    pub unreadable: Vec<Id>,
    /// Collections in which nobody is compared.
    pub locked_collections: Vec<String>,
}
