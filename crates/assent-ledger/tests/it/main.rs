//! The ledger from outside, on SQLite always and on PostgreSQL where `ASSENT_TEST_POSTGRES` names one
//! (`scripts/with-postgres cargo test -p assent-ledger`).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod actors;
mod backup;
mod batch;
mod changes;
mod clock;
mod consent;
mod crash;
mod crops;
mod crossing;
mod custody;
mod damage;
mod elsewhere;
mod erasure;
mod fixture;
mod grant_keys;
mod hands;
mod held;
mod histories;
mod jobs;
mod late;
mod log;
mod missing;
mod names;
mod opening;
mod operator;
mod orders;
mod origins;
mod published;
mod recovery;
mod removal;
mod rights;
mod roster;
mod rotation;
mod sentences;
mod server;
mod sightings;
mod support;
mod untrusted;
mod waiting_files;
mod witnesses;
