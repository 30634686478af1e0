//! The engine as a whole, on real photos: enrol, scan, find, withdraw, erase. One module for each question.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

mod change_models;
mod copies;
mod covering;
mod enrolling;
mod evaluating;
mod everybody;
mod household;
mod invariants;
mod jobs;
mod look_alikes;
mod missing;
mod newcomers;
mod odd_files;
mod odd_pictures;
mod on_request;
mod people;
mod rescan;
mod resident;
mod searched_again;
mod secrecy;
mod service;
mod verifying;
mod what_it_shows;

use std::fs;

use assent::find::FoundPhoto;
use assent_testkit::crew;

/// Three people, each with a portrait: Shepherd, Gidzenko, Krikalev.
const TRIO: &str = "expedition-1-crew.jpg";
/// One person with a portrait: Carl Walz.
const WALZ: &str = "carl-walz.jpg";
/// The three of [`TRIO`], small.
const SMALL_TRIO: &str = "expedition-1.jpg";
/// Nobody.
const DESERT: &str = "great-sandy-desert--australia.jpg";

fn photo(name: &str) -> Vec<u8> {
    fs::read(crew().join("photos").join(name)).unwrap()
}

fn portrait(name: &str) -> Vec<u8> {
    fs::read(crew().join("portraits").join(format!("{name}.jpg"))).unwrap()
}

fn paths(found: &[FoundPhoto]) -> Vec<String> {
    found.iter().map(|f| f.path.to_string()).collect()
}
