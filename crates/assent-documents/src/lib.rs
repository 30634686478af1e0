//! The answers of Assent as people and programs read them.
//!
//! - [`json`]: what a program reads, a type for each answer. `docs/json.md` shows all of them.
//! - [`problem`]: an error as a program reads it.
//! - [`dates`]: how days and moments are written.
//!
//! Everything here is pure: it goes from what [`assent`] answered to text, and reads no file and no clock. What to type next is
//! not said here: a command knows that, and a page would say something else.

pub mod dates;
pub mod json;
pub mod problem;
