//! What an organisation does, for whoever asks: a person at a terminal today, a page tomorrow. Each function opens the
//! transaction that it needs, takes typed input, and returns a typed answer; it names no command, and formats nothing. One that
//! writes takes an [`Act`](assent_ledger::Act), which says who asks and when; one that reads takes the time alone.

pub mod collections;
pub mod consents;
pub mod demonstration;
pub mod enrolment;
pub mod erasures;
pub mod evidence;
pub mod gallery;
pub mod log;
pub mod lookup;
pub mod notices;
pub mod orders;
pub mod requests;
pub mod review;
pub mod rights;
pub mod rosters;
pub mod status;
pub mod subjects;
pub mod upkeep;
pub mod uploads;
pub mod witnesses;
