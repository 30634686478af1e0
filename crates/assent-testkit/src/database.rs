//! Where the tables of a vault are that a test makes: in SQLite's file, or with `ASSENT_TEST_DATABASE=postgres` in a schema of its
//! own on the server of `ASSENT_TEST_POSTGRES` (see `scripts/with-postgres`).

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use assent::ledger::{ClockSource, Database, Postgres};

#[expect(clippy::disallowed_methods, reason = "a test may read its environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether the vaults of tests are on PostgreSQL.
pub fn on_postgres() -> bool {
    variable("ASSENT_TEST_DATABASE").is_some_and(|database| database == "postgres")
}

/// Room for a new vault.
pub(crate) fn fresh_database() -> Database {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    if !on_postgres() {
        return Database::Sqlite;
    }
    let server = variable("ASSENT_TEST_POSTGRES").unwrap();
    let name = format!("e_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let psql = ["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--dbname", &server, "--command"];
    let made = Command::new("psql").args(psql).arg(format!("CREATE SCHEMA {name}")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let address = format!("{server}?options=-csearch_path%3D{name}").parse().unwrap();
    // Tests say what time it is.
    let clock = ClockSource::Caller;
    Database::Postgres(Box::new(Postgres { address, password: None, certificates: None, clock }))
}
