//! The domain: who is enrolled, what is scanned, who is found, and how all of it ends. Ids meet faces here alone.
//!
//! | module | the verb |
//! |---|---|
//! | [`enrol`] | a portrait and a consent become templates |
//! | [`roster`] | a table of people is checked as a whole, and recorded |
//! | [`scan`] | the photos of a collection become boxes and sightings |
//! | [`find`] | a subject's sightings become a list, or copies with everybody else covered |
//! | [`export`] | the copies become files that nothing else is overwritten by |
//! | [`set_apart`] | a face that somebody points at is never compared, and always covered |
//! | [`evaluate`] | labelled photos become counts |
//!
//! Withdrawing, erasing and auditing are the ledger's alone: nothing of them needs a face. Time, randomness and folders
//! are arguments everywhere.

pub mod budget;
pub mod calibrate;
pub mod change_models;
pub mod collection;
mod copies;
pub mod enrol;
pub mod evaluate;
pub mod export;
pub mod find;
pub mod heif;
pub mod household;
pub mod models;
mod no_result;
pub mod open_gallery;
pub mod packs;
pub mod pending;
mod picture;
pub mod portrait;
pub mod release;
pub mod roster;
pub mod rulepacks;
pub mod scan;
pub mod set_apart;
pub mod source;
mod template;
pub mod walk;

// What callers above say and hear in the terms of the crates below: they depend on this crate alone.
pub use assent_gallery::calibration::{Band, Calibration, DeclaredRates, Thresholds};
pub use assent_ledger as ledger;
pub use assent_vision::cover::CoverStyle;
pub use assent_vision::detect::{Posture, SearchOptions, Thoroughness};
pub use assent_vision::encode;
pub use assent_vision::frame::Frame;
pub use assent_vision::geometry::Rect;
pub use assent_vision::resize::{fit_within, resize, resize_part};
pub use assent_vision::runtime::{Execution, InferenceError, Role, Runtime, RuntimeError};
