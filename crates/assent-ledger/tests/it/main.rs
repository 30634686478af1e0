//! The ledger from outside, on SQLite always and on PostgreSQL where `ASSENT_TEST_POSTGRES` names one
//! (`scripts/with-postgres cargo test -p assent-ledger`).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]
#![expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]

mod backup;
mod clock;
mod consent;
mod crash;
mod crops;
mod custody;
mod damage;
mod erasure;
mod fixture;
mod held;
mod histories;
mod log;
mod missing;
mod opening;
mod orders;
mod published;
mod recovery;
mod removal;
mod rights;
mod roster;
mod rotation;
mod sentences;
mod sightings;
mod support;
mod witnesses;
