//! What a program reads: a type for each answer, made of what the domain answered.
//!
//! One thing has one name in all of them:
//!
//! | what | name | written as |
//! |---|---|---|
//! | a person | `subject` | 32 hexadecimal digits |
//! | a collection | `collection` | its name |
//! | a day | `since`, `until`, `due` and the like | RFC 3339 full-date, in UTC: `2026-11-22` |
//! | a moment | `time`, `taken` | RFC 3339 date-time |

mod asked;
pub mod jobs;

pub use asked::AskedBy;
use serde::Serialize;

/// An answer as one line of JSON.
///
/// # Errors
///
/// If the answer has something that JSON has no form for. None of the types here has.
pub fn line(answer: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(answer)
}
