//! Each document as a whole, and what must not go wrong in any: markup in a name, names that are very long or written from
//! right to left, and nothing to show.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

mod access;
mod club;
mod consent_record;
mod json;
mod office;
mod pages;
mod problem;
mod sentences;
