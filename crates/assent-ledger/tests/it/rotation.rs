//! R45: a person gets a new key without being enrolled anew; the old key opens nothing afterwards, and results are equal.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use assent_ledger::*;

use crate::held::{AFTER_THEM, tables, world};
use crate::support::*;

/// What is searched and what is held, without what a rotation may change.
fn results(w: &World, subject: SubjectId) -> String {
    let gallery = w.gallery(T0);
    let mut found: Vec<_> = gallery.templates.iter().map(|t| (t.template, t.grant, t.plain.to_vec())).collect();
    found.sort();
    let held = w.tx(T0, |tx| tx.subject_access(subject)).unwrap();
    let plain: Vec<_> = held.templates.iter().map(|t| t.plain.to_vec()).collect();
    let told = |e: &&AccessEvent| !matches!(e.leaf.kind, EventKind::Rotation | EventKind::Access);
    let events: Vec<_> = held.events.iter().filter(told).collect();
    let epoch = gallery.epoch;
    format!("{epoch} {found:?} {:?} {:?} {plain:?} {:?} {events:?}", held.subject.name, held.grants, held.sightings)
}

/// The keys that stand in a ring's live slots, after whose they are.
fn keys(ring: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let live = ring[128..].chunks_exact(128).filter(|slot| slot[7] == 1);
    let mut keys: Vec<_> = live.map(|slot| (slot[8..24].to_vec(), slot[24..56].to_vec())).collect();
    keys.sort();
    keys
}

fn ring(home: &Home) -> Vec<u8> {
    fs::read(&home.place.ring).unwrap()
}

#[test]
fn r45_after_a_rotation_results_are_equal_and_the_old_key_is_gone() {
    on_every_database(|backend| {
        let (w, ada) = world(backend);
        let bob = w.subject("bob");
        w.enrol(w.grant(bob, 9), b"embedding of bob");
        let (mine, theirs) = (results(&w, ada), results(&w, bob));
        let before = keys(&ring(&w.home));
        w.ledger.rotate(ada, T0).unwrap();
        assert_eq!((results(&w, ada), results(&w, bob)), (mine.clone(), theirs.clone()));
        let after = ring(&w.home);
        let changed: Vec<_> = before.iter().filter(|slot| !contains(&after, &slot.1)).collect();
        assert_eq!(changed.len(), 1, "hers alone");
        assert_eq!(changed[0].0, ada.as_bytes());
        assert_eq!(keys(&after).len(), before.len());
        let audit = w.ledger.audit_verify(None, T0).unwrap();
        assert_eq!(audit.fault, None);
        let World { ledger, home, collection, witnesses } = w;
        drop(ledger);
        let w = World { ledger: home.open(), home, collection, witnesses };
        assert_eq!((results(&w, ada), results(&w, bob)), (mine, theirs), "also when it is opened again");
        let held = w.tx(T0, |tx| tx.subject_access(ada)).unwrap();
        let rotations = held.events.iter().filter(|event| event.leaf.kind == EventKind::Rotation).count();
        assert_eq!(rotations, 1, "and she is told that it was done");
    });
}

/// What is in them are ids, purposes and hashes: nothing to seal.
const NOT_SEALED: [&str; 2] = ["refusals", "used_portraits"];

/// Every record that is sealed under a person's key is sealed anew: whoever adds a table is told here.
#[test]
fn r45_a_rotation_leaves_no_record_as_it_was() {
    let (w, ada) = world(Backend::Sqlite);
    let mut raw = w.home.raw();
    let sealed = |raw: &mut Raw| -> Vec<(String, Vec<Vec<u8>>)> {
        let tables: Vec<String> = tables(raw)
            .into_iter()
            .filter(|table| !AFTER_THEM.contains(&table.as_str()) && !NOT_SEALED.contains(&table.as_str()))
            .collect();
        let of = |table: String| (table.clone(), raw.blobs(format!("SELECT sealed FROM {table}")));
        tables.into_iter().map(of).collect()
    };
    let pseudonyms = "SELECT pseudonym FROM sightings UNION SELECT pseudonym FROM decisions \
                      UNION SELECT pseudonym FROM log_openings";
    let (before, names) = (sealed(&mut raw), raw.blobs(pseudonyms));
    w.ledger.rotate(ada, T0).unwrap();
    assert!(w.ledger.scrub_if_due(T0));
    let all = bytes_below(&w.home.place.folder);
    assert!(before.len() >= 6 && names.len() == 2);
    for (table, records) in before {
        assert!(!records.is_empty(), "{table}");
        assert!(records.iter().all(|record| !contains(&all, record)), "{table}");
    }
    assert!(names.iter().all(|name| !contains(&all, name)), "and stands under another pseudonym");
}

#[test]
fn r45_everybody_is_rotated_but_those_whose_records_are_damaged() {
    on_every_database(|backend| {
        let (w, ada, _) = full(backend, "ada");
        let carl = w.subject("carl");
        let before = keys(&ring(&w.home));
        let torn = "UPDATE templates SET sealed = $1 WHERE grant_id IN (SELECT id FROM grants WHERE subject_id = $2)";
        w.home.raw().exec_with(torn, &[b"torn", ada.as_bytes()]);
        let mut said = Vec::new();
        let kept = w.ledger.rotate_all(T0, &mut |done, of| said.push((done, of))).unwrap();
        assert_eq!(said, [(1, 3), (2, 3), (3, 3)]);
        assert!(matches!(kept.as_slice(), [(who, TxError::Seal(_))] if *who == ada), "{kept:?}");
        let after = keys(&ring(&w.home));
        let same: Vec<_> = before.iter().filter(|slot| after.contains(slot)).collect();
        assert_eq!((same.len(), after.len()), (1, 3));
        assert_eq!(same[0].0, ada.as_bytes(), "what was begun for her is undone");
        assert_eq!(w.tx(T0, |tx| tx.subjects()).unwrap().len(), 3);
        let nobody = SubjectId::from_bytes([1; 16]);
        assert!(matches!(w.ledger.rotate(nobody, T0), Err(TxError::NoSubject)));
        w.ledger.erase(carl, T0, |_| {}).unwrap();
        assert!(matches!(w.ledger.rotate(carl, T0), Err(TxError::NoSubject)));
        assert_eq!(keys(&ring(&w.home)).len(), 2);
    });
}

#[test]
fn r45_a_rotation_interrupted_at_any_write_is_done_or_undone() {
    on_every_database(|backend| {
        let mut outcomes = Vec::new();
        for n in 1.. {
            let (w, ada) = world(backend);
            let mine = results(&w, ada);
            let before = keys(&ring(&w.home));
            let World { ledger, home, collection, witnesses } = w;
            drop(ledger);
            let done = catch_unwind(AssertUnwindSafe(|| {
                let ledger = home.open_hooked(&unwind_at(n)).unwrap();
                ledger.rotate(ada, T0).unwrap();
            }));
            let w = World { ledger: home.open(), home, collection, witnesses };
            let after = keys(&ring(&w.home));
            assert_eq!(after.len(), before.len(), "{backend:?}, write {n}: one key each");
            let (whole, openings) = (w.ledger.audit_verify(None, T0).unwrap().fault, results(&w, ada));
            assert_eq!((whole, openings), (None, mine), "{backend:?}, write {n}");
            let leaves = w.tx(T0, |tx| tx.leaves(0, 1000)).unwrap();
            let rotated = leaves.iter().filter(|leaf| leaf.kind == EventKind::Rotation).count();
            assert_eq!(after != before, rotated == 1, "{backend:?}, write {n}: the log says what is so");
            w.ledger.erase(ada, T0, |_| {}).unwrap();
            assert!(keys(&ring(&w.home)).iter().all(|(owner, _)| owner != ada.as_bytes()));
            if done.is_ok() {
                break;
            }
            outcomes.push(rotated);
        }
        assert!(outcomes.len() >= 6 && outcomes.is_sorted(), "{outcomes:?}");
        assert_eq!((outcomes.first(), outcomes.last()), (Some(&0), Some(&1)));
    });
}

/// A vault with Ada and Bob, a backup of it, and the vault gone; what was done since the backup is `since`.
fn lost(since: impl FnOnce(&World, SubjectId)) -> (Home, SubjectId, PathBuf, PathBuf) {
    let (w, ada, _) = full(Backend::Sqlite, "ada");
    let (data, copy) = (w.home.dir.path().join("backup"), w.home.dir.path().join("elsewhere/ring"));
    w.ledger.backup(&data, &copy, T0).unwrap();
    since(&w, ada);
    let World { ledger, home, .. } = w;
    drop(ledger);
    fs::remove_dir_all(&home.place.folder).unwrap();
    (home, ada, data, copy)
}

fn restore(home: &Home, data: &std::path::Path, ring: Option<&std::path::Path>) -> Result<Ledger, RestoreError> {
    home.restore(Backup { data, ring, newest: None }, at(2))
}

#[test]
fn i5_a_copy_from_before_a_rotation_opens_to_nothing_with_the_present_key_ring() {
    let (w, ada, _) = full(Backend::Sqlite, "ada");
    let old = VaultPlace { folder: w.home.dir.path().join("copy"), ..w.home.place.clone() };
    fs::create_dir(&old.folder).unwrap();
    w.home.copy_database(&old.folder);
    w.ledger.rotate(ada, T0).unwrap();
    let refused = w.home.open_at(&old);
    assert!(matches!(refused, Err(OpenError::OtherKeys { people: 1, .. })), "{refused:?}");
    let size = w.ledger.audit_verify(None, T0).unwrap().size;
    let World { ledger, home, .. } = w;
    drop(ledger);
    assert_eq!(home.open().audit_verify(None, T0).unwrap().size, size, "the vault itself does not mind");
}

#[test]
fn r45_a_backup_from_before_a_rotation_is_restored_with_the_key_ring_of_that_time() {
    let (home, ada, data, copy) = lost(|w, _| assert!(w.ledger.rotate_all(T0, &mut |_, _| {}).unwrap().is_empty()));
    let before = ring(&home);
    let refused = restore(&home, &data, None);
    assert!(matches!(refused, Err(RestoreError::Open(OpenError::OtherKeys { people: 2, .. }))), "{refused:?}");
    assert!(!home.place.folder.join("assent.db").exists() && ring(&home) == before, "nothing was made or changed");
    let ledger = restore(&home, &data, Some(&copy)).unwrap();
    let held = ledger.run_tx("look", at(2), |tx| tx.subject_access(ada)).unwrap();
    assert_eq!((held.templates[0].plain.as_slice(), held.sightings.len()), (TEMPLATE, 1));
    assert_eq!(ledger.audit_verify(None, at(2)).unwrap().fault, None);
    assert_eq!(keys(&ring(&home)), keys(&fs::read(&copy).unwrap()), "one key each");
    drop(ledger);
    drop(home.open());
}

#[test]
fn i5_a_key_ring_of_that_time_brings_nobody_back_who_was_erased_or_withdrew() {
    let (home, ada, data, copy) = lost(|w, ada| {
        let bob = w.tx(T0, |tx| tx.find_subject("bob")).unwrap().id;
        w.ledger.rotate_all(T0, &mut |_, _| {}).unwrap();
        w.tx(at(1), |tx| tx.withdraw(tx.active_grant(tx.grants_of(bob)?[0].id)?)).unwrap();
        w.ledger.erase(ada, at(1), |_| {}).unwrap();
    });
    let ledger = restore(&home, &data, Some(&copy)).unwrap();
    let look = |tx: &Tx<'_>| {
        let bob = tx.find_subject("bob")?.id;
        Ok((tx.subjects()?.len(), tx.grants_of(bob)?[0].state, tx.leaves_about(bob)?.len()))
    };
    let (people, state, leaves) = ledger.run_tx("look", at(2), look).unwrap().into_inner();
    assert_eq!((people, state), (1, GrantState::Withdrawn));
    assert!(leaves >= 3, "grant, enrolment, withdrawal");
    let gone = ledger.run_tx("look", at(2), |tx| tx.append_leaf(EventKind::Search, b"", &[(ada, b"")]));
    assert!(matches!(gone, Err(TxError::KeyRing(KeyRingError::Destroyed { .. }))));
    let raw = home.raw().blobs("SELECT CAST('' AS BLOB) FROM sightings");
    assert!(raw.is_empty());
}

#[test]
fn r45_a_key_ring_from_before_a_rotation_does_not_fit_a_backup_from_after_it() {
    let (home, _, data, copy) = lost(|w, ada| {
        w.ledger.rotate(ada, T0).unwrap();
        let (data, other) = (w.home.dir.path().join("backup"), w.home.dir.path().join("elsewhere/newer"));
        w.ledger.backup(&data, &other, T0).unwrap();
    });
    fs::remove_file(&home.place.ring).unwrap();
    let refused = restore(&home, &data, Some(&copy));
    assert!(matches!(refused, Err(RestoreError::Open(OpenError::OtherKeys { people: 1, .. }))), "{refused:?}");
    // The ring that was put in place stays, and the other one helps it out.
    restore(&home, &data, Some(&home.dir.path().join("elsewhere/newer"))).unwrap();
}
