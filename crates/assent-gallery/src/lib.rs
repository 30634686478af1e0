//! Exact one-to-many search over the templates of people who said yes.
//!
//! A [`gallery::Gallery`] lives in memory alone: it owns no file and knows no person, only opaque owners. Which score is
//! an answer is decided by a pack's measured error rates ([`calibration`]); which face is whose, photo by photo, by
//! [`assign`].

pub mod assign;
pub mod calibration;
mod codes;
pub mod gallery;
pub mod impostors;
#[cfg(all(test, feature = "model"))]
mod model;
mod owners;
mod rows;
#[cfg(all(test, not(feature = "model")))]
mod simulation;
mod sync;
#[cfg(all(test, not(feature = "model")))]
mod tests;
pub mod vector;
