//! A clock that is wrong destroys nothing, from the command line alone. The vault is made at another time instead of the clock
//! being set.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use assent::ledger::{
    Database, Evidence, Ledger, NewCollection, NewGrant, NewSubject, OthersBasis, Purpose, Settings, Timestamp, Tools,
    Tx, TxError, VaultKind, VaultPlace, no_hook,
};
use assent::rulepacks::rulebook;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use serde_json::Value;
use tempfile::TempDir;

use super::{assent, stderr, stdout};

const DAY_MS: i64 = 86_400_000;

/// A household's vault whose entries are all of another day than today. Its owner agreed to be found in one collection for 20
/// days, and in another for ten years.
struct Aged {
    home: TempDir,
}

impl Aged {
    /// Made so many days after today.
    fn new(days: i64) -> Self {
        let home = tempfile::tempdir().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test may read the clock that the program reads")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let made = Timestamp(now + days * DAY_MS);
        let (folder, ring) = (home.path().join("vault"), home.path().join("ring"));
        let place = VaultPlace { folder, ring, database: Database::Sqlite };
        let tools = Tools {
            rng: Box::new(UnwrapErr(SysRng)),
            hook: no_hook(),
            secrets: Vec::new(),
            rules: rulebook().unwrap(),
        };
        let ledger = Ledger::create(&place, VaultKind::Household, &Settings::default(), tools, made).unwrap();
        let photos = home.path().join("photos");
        fs::create_dir(&photos).unwrap();
        ledger.run_tx("furnish", made, |tx| furnish(tx, &photos)).unwrap();
        Self { home }
    }

    fn try_run(&self, args: &[&str]) -> std::process::Output {
        let (vault, ring) = (self.home.path().join("vault"), self.home.path().join("ring"));
        let place = ["--vault", vault.to_str().unwrap(), "--key-ring", ring.to_str().unwrap(), "--json"];
        // Another test's child holds the lock of this process between its fork and its exec; that passes.
        for _ in 0..100 {
            let output = assent(self.home.path(), &[&place, args].concat());
            if !stderr(&output).contains("another assent is working") {
                return output;
            }
        }
        assent(self.home.path(), &[&place, args].concat())
    }

    fn run(&self, args: &[&str]) -> Value {
        let output = self.try_run(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap()
    }

    fn refused(&self, args: &[&str]) -> String {
        let output = self.try_run(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", stdout(&output));
        stderr(&output)
    }

    /// The times of the log's entries, in their order.
    fn times(&self) -> Vec<i64> {
        let shown = self.run(&["audit", "show"]);
        shown["entries"].as_array().unwrap().iter().map(|entry| entry["time_ms"].as_i64().unwrap()).collect()
    }
}

fn furnish(tx: &Tx<'_>, photos: &Path) -> Result<(), TxError> {
    let new = NewSubject { handle: "me", name: "Mo", contact: "", owner: true, ..NewSubject::default() };
    let me = tx.add_subject(&new)?;
    let directory = photos.to_str().unwrap();
    for (name, days) in [("summer", 20), ("always", 3650)] {
        let collection = tx.add_collection(&NewCollection { name, directory, others: OthersBasis::Household })?;
        let grant = tx.open_grant(&NewGrant {
            subject: me,
            collection,
            purpose: &Purpose::find_my_photos(),
            evidence: &Evidence::SelfStatement { statement: "yes".to_owned() },
            valid_from: tx.now(),
            valid_until: Timestamp(tx.now().0 + days * DAY_MS),
            notice_sha256: [0; 32],
        })?;
        tx.enrol(&tx.active_grant(grant)?, [7; 32], &[b"an embedding"])?;
    }
    Ok(())
}

/// Questions, and what people ask for.
fn goes_on(aged: &Aged) {
    let answered = [
        &["find", "me"][..],
        &["subject", "list"],
        &["consent", "list", "me"],
        &["due", "--all"],
        &["audit", "verify"],
        &["collection", "list"],
        &["request", "open", "access", "--subject", "me"],
    ];
    for args in answered {
        aged.run(args);
    }
    // Something is missing on this machine: models.
    assert_eq!(aged.try_run(&["doctor"]).status.code(), Some(1));
}

#[test]
fn a_clock_that_leaped_ahead_ends_nothing_until_somebody_says_that_it_is_right() {
    let aged = Aged::new(-100);
    goes_on(&aged);
    let doctor = stdout(&aged.try_run(&["doctor"]));
    assert!(doctor.contains("machine's clock says") && doctor.contains("1 permission is over by the date"), "{doctor}");
    for args in [&["tick"][..], &["scan", "always"], &["gallery", "status", "always"]] {
        let refused = aged.refused(args);
        assert!(
            refused.contains("machine's clock says") && refused.contains("--clock-is-right"),
            "{args:?}: {refused}"
        );
    }
    // What people ask for is done, and is no word on the clock.
    aged.run(&["consent", "withdraw", "me", "--collection", "always"]);
    aged.refused(&["tick"]);
    let ticked = aged.run(&["tick", "--clock-is-right"]);
    assert_eq!(ticked["expired"].as_array().unwrap().len(), 1, "nothing ended before");
    assert_eq!(aged.run(&["tick"])["expired"].as_array().unwrap().len(), 0, "and it is asked once");
    assert_eq!(aged.run(&["audit", "show", "--kind", "clock-confirmed"])["entries"].as_array().unwrap().len(), 1);
    let times = aged.times();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn a_clock_that_ran_back_ends_nothing_and_time_does_not_run_backwards() {
    let aged = Aged::new(40);
    goes_on(&aged);
    let refused = aged.refused(&["tick"]);
    assert!(refused.contains("which is later") && refused.contains("--clock-is-right"), "{refused}");
    aged.run(&["consent", "withdraw", "me", "--collection", "always"]);
    aged.run(&["erase", "me"]);
    let times = aged.times();
    assert!(times.is_sorted(), "{times:?}");
    aged.run(&["tick", "--clock-is-right"]);
    aged.run(&["tick"]);
}

#[test]
fn i4_an_answer_names_nobody_whose_consent_is_over_although_nothing_ended_it() {
    let aged = Aged::new(-25);
    let states = |shown: &Value| {
        let consents = shown["consents"].as_array().unwrap().iter();
        let mut states: Vec<String> = consents.map(|c| c["state"].as_str().unwrap().to_owned()).collect();
        states.sort();
        states
    };
    assert_eq!(states(&aged.run(&["consent", "list", "me"])), ["active", "expired"]);
    aged.run(&["find", "me", "--collection", "summer"]);
    assert_eq!(aged.run(&["tick"])["expired"].as_array().unwrap().len(), 1, "25 days are no leap");
}
