//! The domain: who is enrolled, what is scanned, who is found, and how all of it ends. Ids meet faces here alone.
//!
//! | module | the verb |
//! |---|---|
//! | [`enrol`] | a portrait and a consent become templates |
//! | [`scan`] | the photos of a collection become boxes and sightings |
//! | [`find`] | a subject's sightings become a list, or copies with everybody else covered |
//! | [`export`] | the copies become files that nothing else is overwritten by |
//! | [`set_apart`] | a face that somebody points at is never compared, and always covered |
//! | [`evaluate`] | labelled photos become counts |
//! | [`jobs`] | long work under a lease, with progress, a way to stop it, and a record that stays |
//! | [`service`] | what an organisation does: enrolments, consents, tables of people, requests, orders, erasures, reports, status |
//!
//! Withdrawing, erasing and auditing are the ledger's alone: nothing of them needs a face. Time, randomness and folders
//! are arguments everywhere.
//!
//! # Tour
//!
//! Enrol somebody, scan, search, withdraw. (It is compiled and not run: the models are files of a pack.)
//!
//! ```no_run
//! use std::path::{Path, PathBuf};
//! use std::sync::Arc;
//!
//! use assent::budget::MEMORY_MB_PER_THREAD;
//! use assent::enrol::{Consent, Enrolment, enrol};
//! use assent::find::{Disclosure, find};
//! use assent::ledger::{Act, Actor, Evidence, Ledger, Purpose, Role, Timestamp, VaultKind, Via};
//! use assent::models::Models;
//! use assent::packs::AcceptedLicences;
//! use assent::scan::{ScanOptions, ScanWatch, scan};
//! use assent::source::Folder;
//! use assent::{DeclaredRates, SearchOptions};
//! # use assent::ledger::{BystanderBasis, Database, NewCollection, Settings, Tools, VaultPlace, no_hook};
//!
//! # fn tour(dir: &Path, rng: Box<dyn rand_core::CryptoRng + Send>, now: Timestamp) -> Result<(), Box<dyn std::error::Error>> {
//! # let place = VaultPlace { folder: dir.join("vault"), ring: dir.join("keys/ring"), database: Database::Sqlite };
//! let tools = Tools { rng, hook: no_hook(), rules: assent::rulepacks::rulebook()?, secrets: Vec::new() };
//! let ledger = Ledger::create(&place, VaultKind::Household, &Settings::default(), tools, now)?;
//! // Whatever is done is done by somebody, at a time.
//! let by = Actor { role: Role::Operator, via: Via::Terminal };
//! let act = Act { by, at: now };
//! let owner = assent::household::owner(&ledger, act)?;
//! let folder = Folder::open("/photos")?;
//! let photos = NewCollection { name: "photos", directory: folder.text(), others: BystanderBasis::Household };
//! let collection = ledger.run_tx("add a collection", act, |tx| tx.add_collection(&photos))?.into_inner();
//!
//! // Enrol: a consent and a portrait become a grant and a template.
//! let models = Models::load(Path::new(".runtime"), Path::new("packs/sface"), &AcceptedLicences::none(), &[])?;
//! let search = SearchOptions::default();
//! let enrolment = Enrolment {
//!     subject: owner.id,
//!     consents: &[Consent { collection, purpose: Purpose::find_my_photos() }],
//!     evidence: &Evidence::SelfStatement { statement: "I want to be found".into() },
//!     notice_sha256: [0; 32],
//!     valid_until: Timestamp(now.0 + 365 * 24 * 60 * 60 * 1000),
//!     pictures: &[("me.jpg".into(), std::fs::read("me.jpg")?)],
//! };
//! let enrolled = enrol(&ledger, &models, &mut models.worker(search)?, &enrolment, &mut |_, _| {}, act)?;
//!
//! // Scan: photos become faces and sightings.
//! let (threads, rates, memory_mb) = (2, DeclaredRates::default(), 2 * MEMORY_MB_PER_THREAD);
//! let options = ScanOptions { search, threads, rates, memory_mb, free_bytes: None, request: None, by };
//! let mut watch = ScanWatch { now: &|| now, stop: &Arc::default(), progress: &mut |p| println!("{} of {}", p.done, p.of) };
//! let summary = scan(&ledger, &models, collection, options, &mut watch)?;
//! println!("{} photos, {} sure sightings", summary.photos, summary.matches);
//!
//! // Search: the answer is a leaf of the log, and names nobody whose grant is over.
//! let found = find(&ledger, owner.id, None, Disclosure::Search, act)?;
//! let paths: Vec<PathBuf> = found.photos.into_iter().map(|photo| photo.file).collect();
//!
//! // Withdraw: from the commit on nobody finds them.
//! ledger.run_tx("withdraw", act, |tx| tx.withdraw(tx.active_grant(enrolled.grants[0])?))?;
//! assert!(find(&ledger, owner.id, None, Disclosure::Search, act)?.photos.is_empty());
//! # Ok(())
//! # }
//! ```

pub mod budget;
pub mod calibrate;
pub mod change_models;
mod codes;
mod copies;
pub mod enrol;
pub mod evaluate;
pub mod export;
pub mod find;
pub mod heif;
pub mod household;
pub mod jobs;
pub mod models;
mod no_result;
pub mod open_gallery;
pub mod packs;
mod picture;
pub mod portrait;
pub mod release;
pub mod resident;
pub mod rulepacks;
pub mod scan;
pub mod service;
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
