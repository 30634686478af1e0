//! One damaged slot of the key ring concerns one person.

use std::fs;
use std::path::Path;

use assent_ledger::*;

use crate::support::*;

const SLOT: usize = 128;

/// Where in a slot a bit is wrong, and whether the key can still be read.
const PARTS: [(&str, usize, bool); 5] =
    [("state", 7, true), ("id", 12, true), ("key", 30, false), ("what is empty", 80, true), ("checksum", 100, true)];

pub(crate) fn flip(ring: &Path, slot: usize, byte: usize) {
    let mut bytes = fs::read(ring).unwrap();
    bytes[SLOT + slot * SLOT + byte] ^= 1;
    fs::write(ring, bytes).unwrap();
}

/// The same vault after a bit went wrong while it was closed.
fn damaged(w: World, slot: usize, byte: usize) -> World {
    let World { ledger, home, collection, witnesses } = w;
    drop(ledger);
    flip(&home.place.ring, slot, byte);
    World { ledger: home.open(), home, collection, witnesses }
}

/// Three people, each in a photo, with an open request and an enrolment that waits; of each the slot is their place.
fn three() -> (World, [SubjectId; 3], [GrantId; 3]) {
    let w = World::new(Backend::Sqlite);
    let people = ["ada", "bob", "cem"].map(|handle| w.subject(handle));
    give_keys(&w);
    let grants = people.map(|who| w.grant(who, 9));
    let photo = w.photo("a.jpg", &[face(0.0), face(200.0), face(400.0)]);
    for (i, who) in people.into_iter().enumerate() {
        w.enrol(grants[i], format!("embedding {i}").as_bytes());
        wait(&w, who, &"publish-print".parse().unwrap(), &format!("{i}.jpg"));
        ask(&w, who).unwrap();
    }
    w.tx(T0, |tx| {
        let proofs: Vec<_> = grants.iter().map(|grant| tx.active_grant(*grant)).collect::<Result<_, _>>()?;
        let new = |(i, grant)| NewSighting { grant, face: photo.faces[i], band: Band::Review };
        let seen: Vec<_> = proofs.iter().enumerate().map(new).collect();
        tx.replace_sightings(&tx.matching(w.collection)?, photo.id, &seen)?;
        (0..3).try_for_each(|i| tx.record_decision(&proofs[i], photo.faces[i], Verdict::Confirmed))
    })
    .unwrap();
    (w, people, grants)
}

fn ask(w: &World, who: SubjectId) -> Result<Request, TxError> {
    w.tx(T0, |tx| tx.open_request(&asks(who, "what do you hold?")))
}

fn counts(w: &World) -> [i64; 5] {
    let mut raw = w.home.raw();
    [
        "SELECT COUNT(*) FROM templates",
        "SELECT COUNT(*) FROM sightings",
        "SELECT COUNT(*) FROM decisions",
        "SELECT COUNT(*) FROM grants WHERE state = 'active'",
        "SELECT COUNT(*) FROM pending_enrolments",
    ]
    .map(|sql| raw.count(sql))
}

fn everywhere(check: impl Fn(&str, World, usize, [SubjectId; 3], [GrantId; 3], bool)) {
    for slot in 0..3 {
        for (part, byte, readable) in PARTS {
            let (w, people, grants) = three();
            check(&format!("{part} of slot {slot}"), damaged(w, slot, byte), slot, people, grants, readable);
        }
    }
}

#[test]
fn one_damaged_slot_concerns_one_person_and_everybody_else_works() {
    everywhere(|name, w, hit, people, grants, _| {
        let (listed, unreadable) = w.tx(T0, |tx| Ok((tx.subjects()?, tx.unreadable()?))).unwrap();
        assert_eq!((listed.len(), unreadable.len()), (2, 1), "{name}");
        let who = &unreadable[0];
        assert_eq!((who.subject, who.consents[0].grant), (people[hit], grants[hit]), "{name}");
        assert!(who.number.len() >= 8 && who.subject.to_string().starts_with(&who.number), "{name}");
        assert_eq!(w.tx(T0, |tx| tx.find_subject_id(&who.number)).unwrap(), people[hit], "{name}");
        let nobody = w.tx(T0, |tx| tx.find_subject("zoe"));
        assert!(matches!(nobody, Err(TxError::NobodyReadable { people: 1 })), "{name}: {nobody:?}");
        let of_one = w.tx(T0, |tx| tx.find_subject(&who.number));
        let keys =
            |e: &TxError| matches!(e, TxError::KeyRing(KeyRingError::Damaged { .. } | KeyRingError::NoKey { .. }));
        assert!(of_one.as_ref().is_err_and(keys), "{name}: {of_one:?}");

        let audit = w.ledger.audit_verify(None, T0).unwrap();
        assert_eq!((audit.fault, audit.unreadable), (None, 1), "{name}");
        w.tx(T0, |tx| {
            assert_eq!((tx.requests()?.len(), tx.all_pending()?.len(), tx.deadlines()?.len()), (3, 2, 6), "{name}");
            assert_eq!(tx.count_by_jurisdiction()?.values().sum::<usize>(), 3, "{name}");
            let what = tx.searchable(w.collection, &Purpose::find_my_photos(), MODEL)?;
            let unopened = tx.open_templates(&what, 1, &|open| vec![true; open.len()], &mut |_| {})?;
            assert_eq!(unopened.len(), 1, "{name}");
            // A scan stores what it saw, and gives the face of the damaged one to nobody else.
            let others: Vec<_> = (0..3).filter(|i| *i != hit).collect();
            let proofs: Vec<_> = others.iter().map(|i| tx.active_grant(grants[*i])).collect::<Result<_, _>>()?;
            let photo = tx.known_photos(w.collection)?[0].id;
            let faces = tx.faces_of(photo)?;
            let wrong = NewSighting { grant: &proofs[0], face: faces[hit].0, band: Band::Match };
            assert_eq!(tx.replace_sightings(&tx.matching(w.collection)?, photo, &[wrong])?, 0, "{name}");
            assert_eq!(tx.sightings_of(&proofs[0])?.len(), 1, "{name}");
            tx.append_leaf(EventKind::Scan, b"", &people.map(|who| (who, b"seen".as_slice()))).map(drop)
        })
        .unwrap();
        let late = w.subject("late");
        w.enrol(w.grant(late, 9), b"embedding of a newcomer");
        w.ledger.erase(late, T0, |_| {}).unwrap();
        assert_eq!(w.ledger.rotate_all(T0, &mut |_, _| {}).unwrap().len(), 1, "{name}");
        ask(&w, people[hit]).unwrap();
        let check = w.ledger.check_keys(T0).unwrap();
        assert!(!check.is_whole() && check.damaged.iter().any(|d| d.slot == hit as u64), "{name}: {check:?}");
    });
}

#[test]
fn somebody_whose_key_is_damaged_withdraws_and_is_erased() {
    everywhere(|name, w, hit, people, grants, _| {
        w.tx(T0, |tx| {
            tx.pending_ids_of(people[hit])?.iter().try_for_each(|id| tx.discard_pending(*id))?;
            tx.withdraw_consent(grants[hit])
        })
        .unwrap();
        assert_eq!(counts(&w), [2, 2, 2, 2, 2], "{name}: what is theirs is gone, and nothing else");
        let again = w.tx(T0, |tx| tx.withdraw_consent(grants[hit]));
        assert!(matches!(again, Err(TxError::NotActive { .. })), "{name}: {again:?}");
        w.ledger.erase(people[hit], T0, |_| {}).unwrap();
        assert!(w.ledger.certificate(people[hit], T0).is_ok(), "{name}");
        assert_eq!(w.tx(T0, |tx| tx.unreadable()).unwrap(), [], "{name}");
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None, "{name}");
        let World { ledger, home, .. } = w;
        drop(ledger);
        drop(home.open());
    });
}

#[test]
fn i5_erasing_somebody_whose_slot_is_damaged_destroys_the_key_that_is_left_in_it() {
    everywhere(|name, w, hit, people, _, _| {
        let at = SLOT + hit * SLOT;
        let key = |ring: &[u8]| ring[at + 32..at + 56].to_vec();
        let before = key(&fs::read(&w.home.place.ring).unwrap());
        w.ledger.erase(people[hit], T0, |_| {}).unwrap();
        assert!(!contains(&fs::read(&w.home.place.ring).unwrap(), &before), "{name}");
        assert_eq!(counts(&w), [2, 2, 2, 2, 2], "{name}");
        assert!(w.ledger.check_keys(T0).unwrap().is_whole(), "{name}");
    });
}

#[test]
fn what_is_due_ends_for_everybody_although_a_key_is_damaged() {
    everywhere(|name, w, _, _, _, _| {
        let expired = w.ledger.expire_due(at(9)).unwrap();
        assert_eq!((expired.ended.len(), expired.left.len()), (3, 0), "{name}");
        assert_eq!(counts(&w), [0; 5], "{name}");
    });
}

#[test]
fn a_damaged_slot_is_mended_from_a_backup_or_from_what_is_left_of_it() {
    for from_backup in [false, true] {
        for slot in 0..3 {
            for (part, byte, readable) in PARTS {
                let name = format!("{part} of slot {slot}, backup {from_backup}");
                let (w, people, _) = three();
                let copy = w.home.dir.path().join("copy");
                fs::copy(&w.home.place.ring, &copy).unwrap();
                let whole = fs::read(&copy).unwrap();
                let w = damaged(w, slot, byte);
                let from: Option<(&Path, &[RingSecret])> = from_backup.then_some((copy.as_path(), &[]));
                let done = w.ledger.repair_keys(from, T0).unwrap();
                let mended = readable || from_backup;
                assert_eq!(done.people.len(), usize::from(mended), "{name}");
                assert_eq!((done.left.len(), done.without.len()), if mended { (0, 0) } else { (1, 1) }, "{name}");
                // The opening after that notes the format behind it.
                assert_eq!(fs::read(&w.home.place.ring).unwrap().starts_with(&whole), mended, "{name}");
                assert_eq!(w.ledger.check_keys(T0).unwrap().is_whole(), mended, "{name}");
                assert_eq!(w.tx(T0, |tx| tx.subject(people[slot])).is_ok(), mended, "{name}");
            }
        }
    }
}

#[test]
fn a_repair_brings_nobody_back_and_takes_no_key_from_before_a_rotation() {
    let (w, [ada, bob, cem], _) = three();
    let copy = w.home.dir.path().join("copy");
    fs::copy(&w.home.place.ring, &copy).unwrap();
    let old = fs::read(&copy).unwrap();
    w.ledger.erase(ada, T0, |_| {}).unwrap();
    w.ledger.rotate(bob, T0).unwrap();
    // Ada's slot, which holds no key, and Bob's new one.
    let slots = fs::read(&w.home.place.ring).unwrap();
    let of_bob = |slot: &[u8]| slot[7] == 1 && slot[8..24] == *bob.as_bytes();
    let new = slots[SLOT..].chunks(SLOT).position(of_bob).unwrap();
    let w = damaged(damaged(w, 0, 30), new, 30);
    let done = w.ledger.repair_keys(Some((&copy, &[])), T0).unwrap();
    assert_eq!((done.people.as_slice(), done.without[0].subject), ([].as_slice(), bob));
    let ring = fs::read(&w.home.place.ring).unwrap();
    for slot in 0..2 {
        let key = &old[SLOT + slot * SLOT + 24..SLOT + slot * SLOT + 56];
        assert!(!contains(&ring, key), "slot {slot}");
    }
    assert!(matches!(w.ledger.erase(ada, T0, |_| {}), Err(TxError::Erased { .. })));
    assert_eq!(w.tx(T0, |tx| tx.subjects()).unwrap()[0].id, cem);
    let World { ledger, home, collection, witnesses } = w;
    drop(ledger);
    let w = World { ledger: home.open(), home, collection, witnesses };
    assert_eq!(w.tx(T0, |tx| tx.unreadable()).unwrap().len(), 1);

    let other = World::new(Backend::Sqlite);
    let refused = w.ledger.repair_keys(Some((&other.home.place.ring, &[])), T0);
    assert!(matches!(refused, Err(TxError::KeyRing(KeyRingError::WrongVault { .. }))), "{refused:?}");
}

#[test]
fn a_note_of_a_withdrawal_is_mended_and_holds() {
    let (w, _, [grant, ..]) = three();
    w.tx(T0, |tx| tx.withdraw_consent(grant)).unwrap();
    let copy = w.home.dir.path().join("copy");
    fs::copy(&w.home.place.ring, &copy).unwrap();
    let whole = fs::read(&copy).unwrap();
    let last = whole.len() / SLOT - 2;
    let World { ledger, home, .. } = w;
    drop(ledger);
    for (part, byte, _) in PARTS {
        fs::copy(&copy, &home.place.ring).unwrap();
        flip(&home.place.ring, last, byte);
        let ledger = home.open();
        let check = ledger.check_keys(T0).unwrap();
        assert_eq!((check.damaged.len(), check.people.len()), (1, 0), "{part}");
        ledger.repair_keys(Some((&copy, &[])), T0).unwrap();
        // Opening noted the withdrawal again, behind it.
        assert!(fs::read(&home.place.ring).unwrap()[..whole.len()] == whole, "{part}");
        assert!(ledger.check_keys(T0).unwrap().is_whole(), "{part}");
    }
}

#[test]
fn a_backup_is_restored_although_the_ring_has_a_damaged_slot() {
    for (part, byte, _) in PARTS {
        let (w, people, grants) = three();
        let (data, ring) = (w.home.dir.path().join("backup"), w.home.dir.path().join("elsewhere/ring"));
        w.ledger.backup(&data, &ring, T0).unwrap();
        w.tx(T0, |tx| tx.withdraw_consent(grants[0])).unwrap();
        w.ledger.erase(people[1], T0, |_| {}).unwrap();
        let w = damaged(w, 0, byte).restored(&data, &ring, T0);
        assert!(w.tx(T0, |tx| tx.consents_of(people[0])).unwrap().is_empty(), "{part}: withdrawn again");
        assert_eq!(w.tx(T0, |tx| tx.subjects()).unwrap().len(), 2, "{part}: erased again, and mended on the way");
        assert!(w.ledger.check_keys(T0).unwrap().is_whole(), "{part}");
    }
}
