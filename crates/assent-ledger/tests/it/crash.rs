//! Killed at every write: the next opening is consistent and goes on where it was.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use assent_ledger::*;

use crate::support::*;

const NAME: &str = "Name of ada";

/// Everything that happens to Ada, from whatever point a vault is at.
fn story(ledger: &Ledger) -> Result<(), TxError> {
    let run =
        |name| move |body: &dyn Fn(&Tx<'_>) -> Result<(), TxError>| ledger.run_tx(name, T0, |tx| body(tx)).map(drop);
    if ledger.run_tx("look", T0, |tx| tx.collections())?.is_empty() {
        furnish(ledger);
    }
    run("add")(&|tx| match tx.find_subject("ada") {
        Err(TxError::NoSubject) => add_subject(tx, "ada").map(drop),
        other => other.map(drop),
    })?;
    run("enrol")(&|tx| {
        let ada = tx.find_subject("ada")?.id;
        if tx.grants_of(ada)?.is_empty() {
            let collection = tx.collections()?[0].id;
            let witnesses: Vec<_> = tx.witnesses()?.iter().map(|w| w.id).collect();
            let grant = give(tx, ada, collection, &Purpose::find_my_photos(), &witnesses, 9)?;
            tx.enrol(&tx.active_grant(grant)?, MODEL, &[b"the embedding of ada"])?;
        }
        Ok(())
    })?;
    run("scan")(&|tx| {
        let grant = tx.grants_of(tx.find_subject("ada")?.id)?[0].id;
        let proof = tx.active_grant(grant)?;
        let photo = put_photo(tx, proof.collection(), "a.jpg", &[face(0.0)])?;
        let matching = tx.matching(proof.collection())?;
        tx.replace_sightings(
            &matching,
            photo.id,
            &[NewSighting { grant: &proof, face: photo.faces[0], band: Band::Match }],
        )?;
        tx.append_leaf(EventKind::Scan, b"1 photo", &[]).map(drop)
    })?;
    let ada = ledger.run_tx("look", T0, |tx| tx.find_subject("ada"))?.into_inner().id;
    ledger.rotate(ada, T0)?;
    ledger.erase(ada, T0, |_| {})?;
    assert!(ledger.scrub_if_due(T0));
    Ok(())
}

/// After a kill: whole, and Ada is either all there or all gone.
fn check_reopened(home: &Home, point: &str) -> bool {
    let ledger = home.open();
    let audit = ledger.audit_verify(None, T0).unwrap();
    assert_eq!(audit.fault, None, "{point}");
    let mut raw = home.raw();
    let open = raw.count("SELECT COUNT(*) FROM tombstones WHERE done_leaf IS NULL");
    assert_eq!(open, 0, "{point}: an erasure that began is finished by opening");
    let erased = raw.count("SELECT COUNT(*) FROM tombstones") == 1;
    let present = ledger.run_tx("look", T0, |tx| tx.subjects()).unwrap().len();
    assert!(present <= 1 && !(erased && present == 1), "{point}");
    let templates = raw.count("SELECT COUNT(*) FROM templates");
    assert_eq!(templates, raw.count("SELECT COUNT(*) FROM grants"), "{point}: grant and template come together");
    if erased {
        let id = ledger.erasures(T0).unwrap()[0].subject;
        let refused = ledger.run_tx("seal", T0, |tx| tx.append_leaf(EventKind::Search, b"", &[(id, b"")]));
        assert!(matches!(refused, Err(TxError::KeyRing(KeyRingError::Destroyed { .. }))), "{point}: the key is gone");
        assert_eq!(templates + raw.count("SELECT COUNT(*) FROM sightings"), 0, "{point}");
    } else {
        story(&ledger).unwrap_or_else(|e| panic!("{point}: it does not go on: {e}"));
        assert_eq!(ledger.audit_verify(None, T0).unwrap().fault, None, "{point}");
        assert_eq!(raw.count("SELECT COUNT(*) FROM tombstones"), 1, "{point}");
    }
    assert!(!contains(&bytes_below(&home.place.folder), NAME.as_bytes()));
    erased
}

#[test]
fn i5_a_program_that_unwinds_at_any_write_leaves_a_vault_that_goes_on() {
    on_every_database(|backend| {
        let mut n = 0;
        let mut outcomes = Vec::new();
        loop {
            n += 1;
            let home = Home::new(backend);
            drop(home.create(VaultKind::Organisation));
            let finished = catch_unwind(AssertUnwindSafe(|| {
                let ledger = home.open_hooked(&unwind_at(n)).unwrap();
                if let Err(killed) = catch_unwind(AssertUnwindSafe(|| story(&ledger).unwrap())) {
                    // A panic takes its own transaction back, and nothing else.
                    ledger.run_tx("x", T0, |tx| tx.log_head()).unwrap();
                    drop(ledger);
                    resume_unwind(killed);
                }
            }))
            .is_ok();
            if finished {
                break;
            }
            outcomes.push(check_reopened(&home, &format!("{backend:?}, write {n}")));
        }
        assert!(outcomes.len() > 15 && outcomes.contains(&true) && outcomes.contains(&false));
    });
}

#[test]
fn i5_a_commit_that_was_lost_and_one_whose_answer_was_lost_differ() {
    on_every_database(|backend| {
        for (moment, kept) in [(Moment::Before, 0), (Moment::After, 1)] {
            let armed = Arc::new(Mutex::new(false));
            let trigger = armed.clone();
            let hook: WriteHook = Arc::new(move |point| {
                let hit = matches!(point.kind, WriteKind::Commit("test")) && point.moment == moment;
                if hit && *trigger.lock().unwrap() {
                    std::panic::resume_unwind(Box::new("killed"));
                }
            });
            let w = World::hooked(backend, hook);
            *armed.lock().unwrap() = true;
            assert!(catch_unwind(AssertUnwindSafe(|| w.subject("ada"))).is_err());
            let World { ledger, home, .. } = w;
            drop(ledger);
            let found = home.open().run_tx("look", T0, |tx| tx.subjects()).unwrap().len();
            assert_eq!(found, kept, "{moment:?}");
        }
    });
}

const CHILD: &str = "ASSENT_TEST_KILL_AT";

fn child_of() -> Option<(std::path::PathBuf, usize)> {
    let given = variable(CHILD)?;
    let (n, folder) = given.split_once(' ')?;
    Some((folder.into(), n.parse().ok()?))
}

/// Started by the next test as a process of its own: lives the story and is killed at the n-th write.
#[test]
fn child_that_is_killed() {
    let Some((folder, n)) = child_of() else {
        return;
    };
    let calls = AtomicUsize::new(0);
    let hook: WriteHook = Arc::new(move |_| {
        if calls.fetch_add(1, Ordering::SeqCst) + 1 == n {
            let me = std::process::id().to_string();
            Command::new("kill").args(["-9", &me]).status().unwrap();
        }
    });
    let place =
        VaultPlace { folder: folder.join("my vault"), ring: folder.join("keys/ring"), database: Database::Sqlite };
    let tools =
        Tools { rng: Box::new(TestRng::new(&format!("child {n}"))), hook, secrets: Vec::new(), rules: lenient() };
    story(&Ledger::open(&place, tools, T0).unwrap()).unwrap();
}

#[test]
fn i5_a_process_killed_at_any_write_leaves_a_vault_that_goes_on() {
    let program = std::env::current_exe().unwrap();
    let mut killed = 0;
    for n in 1.. {
        let home = Home::new(Backend::Sqlite);
        drop(home.create(VaultKind::Organisation));
        let order = format!("{n} {}", home.dir.path().display());
        let args = ["crash::child_that_is_killed", "--exact", "--quiet"];
        let done = Command::new(&program).args(args).env(CHILD, order).output().unwrap();
        if done.status.success() {
            break;
        }
        assert_eq!(done.status.code(), None, "killed, not failed: {}", String::from_utf8_lossy(&done.stdout));
        killed += 1;
        check_reopened(&home, &format!("killed at write {n}"));
    }
    assert!(killed > 15, "{killed}");
}

#[test]
fn a_creation_that_was_interrupted_is_completed() {
    for n in 1.. {
        let home = Home::new(Backend::Sqlite);
        let make = |hook| Ledger::create(&home.place, VaultKind::Household, &Settings::default(), home.tools(hook), T0);
        if catch_unwind(AssertUnwindSafe(|| make(unwind_at(n)).map(drop))).is_ok() {
            assert!(n > 4);
            break;
        }
        match patient(|| make(no_hook())) {
            Ok(ledger) => drop(ledger),
            Err(e) => assert!(matches!(e, OpenError::VaultExists { .. }), "write {n}: {e}"),
        }
        drop(home.open());
    }
}
