//! The answers of Assent as people and programs read them.
//!
//! - [`json`]: what a program reads, a type for each answer. `docs/json.md` shows all of them.
//! - [`problem`]: an error as a program reads it.
//! - [`dates`], [`vocabulary`]: how days are written, how things are counted, what they are called.
//! - [`sheet`], [`review`]: pages with pictures, for a person and for those who decide.
//! - [`access`], [`consent_record`], [`receipt`]: what a person may ask for about themselves.
//! - [`drafts`], [`register`], [`evidence`]: what an organisation keeps, and what an authority gets.
//! - [`no_result`], [`listing`], [`failed_files`], [`prerequisite`], [`deadlines`]: answers in sentences.
//!
//! Everything here is pure: it goes from what [`assent`] answered to text, and reads no file and no clock. What to type next is
//! not said here: a command knows that, and a page would say something else.

pub mod access;
mod archive;
mod codes;
pub mod consent_record;
pub mod dates;
pub mod deadlines;
pub mod drafts;
pub mod error;
pub mod evidence;
pub mod failed_files;
pub mod json;
pub mod listing;
pub mod no_result;
pub mod picture;
pub mod prerequisite;
pub mod problem;
pub mod receipt;
pub mod register;
pub mod review;
pub mod sheet;
pub mod vocabulary;
