//! I6: every event is one leaf, and a change to the log is found where it is.

use assent_ledger::EventKind::{Decision, Enrolment, ErasureDone, ErasureIntent, Expiry, Export, Grant, Withdrawal};
use assent_ledger::*;

use crate::support::*;

/// Nine leaves or more, and how many.
fn world(backend: Backend) -> (World, u64) {
    let w = World::new(backend);
    let grant = w.grant(w.subject("ada"), 9);
    w.enrol(grant, b"embedding");
    for n in 0..6u8 {
        w.tx(T0, |tx| tx.append_leaf(EventKind::Scan, &[n], &[]).map(drop)).unwrap();
    }
    let size = w.ledger.audit_verify(None, T0).unwrap().size;
    (w, size)
}

#[test]
fn i6_every_event_is_one_leaf() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let photo = w.photo("a.jpg", &[face(0.0)]);
        let size = || w.ledger.audit_verify(None, T0).unwrap().size;
        let start = size();
        let grant = w.grant(ada, 9);
        assert_eq!(size(), start + 1, "grant");
        w.enrol(grant, b"e");
        assert_eq!(size(), start + 2, "enrolment");
        w.tx(T0, |tx| {
            let proof = tx.active_grant(grant)?;
            let new = NewSighting { grant: &proof, face: photo.faces[0], band: Band::Review };
            tx.replace_sightings(&tx.matching(w.collection)?, photo.id, &[new])?;
            tx.record_decision(&proof, photo.faces[0], Verdict::Confirmed)
        })
        .unwrap();
        assert_eq!(size(), start + 3, "decision");
        w.tx(T0, |tx| tx.withdraw(tx.active_grant(grant)?)).unwrap();
        assert_eq!(size(), start + 4, "withdrawal");
        w.grant(ada, 1);
        w.ledger.expire_due(at(1)).unwrap();
        assert_eq!(size(), start + 6, "grant and expiry");
        w.tx(T0, |tx| tx.append_leaf(EventKind::Export, b"", &[(ada, b"x")]).map(drop)).unwrap();
        assert!(
            w.tx(T0, |tx| tx.append_leaf(EventKind::Scan, b"", &[]).and(Err::<(), _>(TxError::NoSubject))).is_err()
        );
        assert_eq!(size(), start + 7, "a transaction that was refused leaves none");
        let audit = w.ledger.audit_verify(None, T0).unwrap();
        assert_eq!((audit.openings, audit.fault), (7, None), "one per leaf that concerns her");
        w.ledger.erase(ada, T0, |_| {}).unwrap();
        let audit = w.ledger.audit_verify(None, T0).unwrap();
        assert_eq!((audit.size, audit.openings, audit.fault), (start + 9, 0, None), "intent and done");
        let bytes = w.home.raw().blobs("SELECT bytes FROM log_leaves ORDER BY seq");
        let kinds: Vec<_> = bytes.iter().map(|b| Leaf::from_bytes(b).unwrap().kind).collect();
        let due = [Grant, Enrolment, Decision, Withdrawal, Grant, Expiry, Export, ErasureIntent, ErasureDone];
        assert_eq!(kinds[start as usize..], due);
    });
}

#[test]
fn i6_what_was_changed_is_found_at_its_place() {
    type Tamper = fn(&mut Raw);
    let cases: [(&str, Tamper, u64, Fault); 8] = [
        ("a changed leaf", |r| flip(r, false), 4, Fault::Changed),
        ("a changed leaf with its hash", |r| flip(r, true), 4, Fault::Head),
        (
            "a changed hash",
            |r| r.exec_with("UPDATE log_leaves SET hash = $1 WHERE seq = 3", &[&[0; 32]]),
            3,
            Fault::Changed,
        ),
        ("a dropped leaf", |r| r.exec("DELETE FROM log_leaves WHERE seq = 5"), 5, Fault::Missing),
        ("a dropped first leaf", |r| r.exec("DELETE FROM log_leaves WHERE seq = 0"), 0, Fault::Missing),
        ("two leaves in each other's place", swap, 2, Fault::Moved),
        ("a shortened log", |r| r.exec("DELETE FROM log_leaves WHERE seq >= 7"), 7, Fault::Missing),
        ("an opening of another leaf", |r| r.exec("UPDATE log_openings SET seq = 6 WHERE seq = 3"), 6, Fault::Opening),
    ];
    on_every_database(|backend| {
        for (name, tamper, place, fault) in cases {
            let (w, size) = world(backend);
            assert!(size >= 9);
            tamper(&mut w.home.raw_without_log_rules());
            let audit = w.ledger.audit_verify(None, T0).unwrap();
            let found = audit.fault.unwrap_or_else(|| panic!("{name} was not found"));
            // Of a leaf that was changed together with its hash only the subtree is known, by its first leaf.
            let place = if fault == Fault::Head { 0 } else { place };
            assert_eq!(found, (place, fault), "{backend:?}: {name}");
        }
    });
}

fn flip(raw: &mut Raw, with_hash: bool) {
    let mut bytes = raw.blobs("SELECT bytes FROM log_leaves WHERE seq = 4").remove(0);
    bytes[22] ^= 1; // the first byte of the public detail
    raw.exec_with("UPDATE log_leaves SET bytes = $1 WHERE seq = 4", &[&bytes]);
    if with_hash {
        raw.exec_with("UPDATE log_leaves SET hash = $1 WHERE seq = 4", &[&leaf_hash(&bytes)]);
    }
}

fn swap(raw: &mut Raw) {
    for sql in [
        "UPDATE log_leaves SET seq = -1 WHERE seq = 2",
        "UPDATE log_leaves SET seq = 2 WHERE seq = 3",
        "UPDATE log_leaves SET seq = 3 WHERE seq = -1",
    ] {
        raw.exec(sql);
    }
}

#[test]
fn i6_the_database_refuses_to_change_a_leaf() {
    on_every_database(|backend| {
        let (w, _) = world(backend);
        let mut raw = w.home.raw();
        assert!(raw.try_exec("DELETE FROM log_leaves WHERE seq = 1").is_err(), "{backend:?}");
        assert!(raw.try_exec("UPDATE log_leaves SET hash = bytes WHERE seq = 1").is_err(), "{backend:?}");
    });
}
