//! Killed at every write of a history, by SIGKILL: the next start is consistent and goes on where it was.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use assent::ledger::{EventKind, GrantState, KeyRingError, Ledger, OpenError, Purpose, TxError, no_hook};
use assent_testkit::{Home, T0, bytes_below, contains};

const SIGKILL: i32 = 9;

/// Runs the child. How many photos it looked at; `None` if it was killed.
fn child(home: &Home, kill_at: usize, mode: &str, run: usize) -> Option<usize> {
    let output = Command::new(env!("CARGO_BIN_EXE_crash_child"))
        .arg(home.dir.path())
        .args([&kill_at.to_string(), mode, &run.to_string()])
        .output()
        .unwrap();
    if output.status.signal() == Some(SIGKILL) {
        return None;
    }
    assert!(output.status.success(), "killed at write {kill_at}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().trim().parse().unwrap())
}

/// Another thread's child may hold our lock between its fork and its exec; that passes.
fn open(home: &Home) -> Ledger {
    loop {
        match Ledger::open(&home.place, home.tools(no_hook()), T0) {
            Err(OpenError::Busy { .. }) => thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

/// The end of the history, however often it was interrupted.
fn check_end(home: &Home, photos: usize, name: &str) {
    let ledger = open(home);
    assert_eq!(ledger.audit_verify(None, T0).unwrap().fault, None, "{name}");
    let run = ledger.read_tx(T0, |tx| Ok((tx.collections()?, tx.subjects()?, tx.witnesses()?)));
    let (collections, subjects, witnesses) = run.unwrap();
    assert_eq!((collections.len(), subjects.len(), witnesses.len()), (1, 1, 2), "{name}: once each");
    let (collection, stays) = (collections[0].id, subjects[0].id);

    let run = ledger.run_tx("look", T0, |tx| {
        let grants = tx.grants_of(stays)?;
        let proof = tx.active_grant(grants[0].id)?;
        let (templates, sightings) = (tx.templates_of(&proof)?, tx.sightings_of(&proof)?);
        Ok((grants, templates, sightings, tx.counts(collection)?, tx.known_photos(collection)?))
    });
    let (grants, templates, sightings, counts, known) = run.unwrap().into_inner();
    assert_eq!((grants.len(), grants[0].state, templates.len()), (1, GrantState::Active, 1), "{name}");
    assert_eq!((counts.templates, counts.active_grants), (1, 1), "{name}: nothing else is searched");
    assert_eq!((counts.photos, counts.failed), (photos as u64, 0), "{name}: the scan is complete");
    assert!(known.iter().all(|k| k.matched_epoch.is_some()), "{name}");
    assert!(!sightings.is_empty(), "{name}");
    assert_eq!((counts.sightings, counts.decisions), (sightings.len() as u64, 0), "{name}: nobody else's");

    // The one who was erased.
    let erasures = ledger.erasures(T0).unwrap();
    assert_eq!(erasures.len(), 1, "{name}");
    let gone = erasures[0].subject;
    let sealed = ledger.run_tx("seal", T0, |tx| tx.append_leaf(EventKind::Search, b"", &[(gone, b"")]));
    assert!(matches!(sealed, Err(TxError::KeyRing(KeyRingError::Destroyed { .. }))), "{name}: the key is gone");
    let find = Purpose::find_my_photos();
    let proof = ledger.run_tx("look", T0, |tx| Ok(tx.active_grant_for(gone, collection, &find)?.is_some()));
    assert!(!proof.unwrap().into_inner(), "{name}");

    // Nothing half-written: the vault's folder and the ring's hold what belongs there.
    let names = |folder: &std::path::Path| -> Vec<String> {
        let mut all: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        // This process has the vault open; a scan of the engine leaves its lease's file.
        all.retain(|name| !["assent.db-wal", "assent.db-shm", "leases"].contains(&name.as_str()));
        all.sort();
        all
    };
    assert_eq!(names(&home.place.folder), ["assent.db", "assent.lock"], "{name}");
    assert_eq!(names(home.place.ring.parent().unwrap()), ["ring"], "{name}");
    let bytes = bytes_below(home.dir.path().join("vault").as_path());
    for secret in ["Name of sergei-krikalev", "sergei-krikalev"] {
        assert!(!contains(&bytes, secret.as_bytes()), "{name}");
    }
}

/// Kills at every write that `picks` wants, two at a time. Returns how many photos each second run still looked at.
fn kill_everywhere(mode: &str, photos: &[&str], picks: impl Fn(usize) -> bool + Sync) -> BTreeMap<usize, usize> {
    // How many writes there are: the first one that is not reached.
    let next = AtomicUsize::new(1);
    let over = AtomicUsize::new(usize::MAX);
    let looked_at = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let n = next.fetch_add(1, Ordering::SeqCst);
            if n > over.load(Ordering::SeqCst) {
                return;
            }
            if !picks(n) {
                continue;
            }
            let home = Home::with(photos);
            let name = format!("{mode}, killed at write {n}");
            if child(&home, n, mode, 1).is_some() {
                over.fetch_min(n, Ordering::SeqCst);
            } else {
                let again = child(&home, 0, mode, 2).unwrap();
                looked_at.lock().unwrap().insert(n, again);
            }
            assert_eq!(child(&home, 0, mode, 3), Some(0), "{name}: a third run has nothing to do");
            // Last, because another thread's child may hold a lock of this process for a moment.
            check_end(&home, photos.len(), &name);
        }
    };
    thread::scope(|scope| {
        let both = [scope.spawn(work), scope.spawn(work)];
        for thread in both {
            thread.join().unwrap();
        }
    });
    looked_at.into_inner().unwrap()
}

#[test]
fn i5_killed_at_every_write_the_next_start_goes_on() {
    let left = kill_everywhere("fixed", &["expedition-1.jpg", "andreas-mogensen.jpg"], |_| true);
    assert!(left.len() > 40, "{} writes", left.len());
    // Where it was: the later the kill, the fewer photos are left, and photos that were committed are not repeated.
    let left: Vec<usize> = left.into_values().collect();
    assert!(left.is_sorted_by(|a, b| a >= b), "{left:?}");
    assert_eq!((left.first(), left.last()), (Some(&2), Some(&0)));
    assert!(left.contains(&1));
}

#[test]
fn i5_killed_within_the_engine_the_next_start_goes_on() {
    let left = kill_everywhere("real", &["expedition-1.jpg", "andreas-mogensen.jpg"], |n| n > 20 && n % 3 == 0);
    let left: Vec<usize> = left.into_values().collect();
    assert!(left.len() >= 8 && left.is_sorted_by(|a, b| a >= b), "{left:?}");
}
