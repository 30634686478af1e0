//! A gallery that stays in memory follows what is committed, by whatever process. A second opening of the vault is another
//! process here.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;

use assent::DeclaredRates;
use assent::ledger::{
    Evidence, GrantId, LeaseName, Ledger, NewGrant, NewPhoto, NewSubject, OrderId, Outcome, Purpose, Scope, SubjectId,
    Timestamp, Tx, TxError,
};
use assent::models::Models;
use assent::open_gallery::{OpenGallery, OpenOptions};
use assent::packs::sha256;
use assent::resident::{Resident, ResidentError};
use assent::scan::{ScanError, ScanSummary};
use assent_testkit::{NOTICE, T0, World, at, models, on_postgres, scan_with};
use tempfile::TempDir;

use crate::everybody::face;
use crate::invariants::pack_that_cannot_embed;
use crate::{WALZ, paths, photo};

/// A vector of length 1, at right angles to those of all other numbers: whoever has it looks like nobody else.
fn along(axis: usize) -> Vec<f32> {
    let dimensions = models().pack().embedder().dimensions;
    let sign = |i: usize| if (i & axis).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
    (0..dimensions).map(|i| sign(i) / (dimensions as f32).sqrt()).collect()
}

fn give(w: &World, subject: SubjectId, days: i64) -> GrantId {
    let (purpose, evidence) = (Purpose::find_my_photos(), w.paper());
    w.tx(|tx| tx.open_grant(&consent(w, subject, &purpose, &evidence, days))).unwrap()
}

fn consent<'a>(w: &World, subject: SubjectId, purpose: &'a Purpose, evidence: &'a Evidence, days: i64) -> NewGrant<'a> {
    let (collection, notice_sha256) = (w.collection, sha256(NOTICE.as_bytes()));
    NewGrant { subject, collection, purpose, evidence, valid_from: T0, valid_until: at(days), notice_sha256 }
}

fn enrol(ledger: &Ledger, grant: GrantId, axis: usize) {
    let bytes: Vec<u8> = along(axis).iter().flat_map(|number| number.to_le_bytes()).collect();
    let model = models().pack().model_sha256;
    ledger.run_tx("enrol", T0, |tx| tx.enrol(&tx.active_grant(grant)?, model, &[&bytes]).map(drop)).unwrap();
}

fn open(w: &World, now: Timestamp) -> Resident {
    let options = &mut OpenOptions { threads: 2, available_bytes: None, progress: &mut |_, _| {} };
    let asked = (w.collection, None);
    let rates = DeclaredRates::default();
    let opened = w.ledger.read_tx(now, |tx| Resident::open(tx, models(), asked, rates, options, now));
    opened.unwrap().unwrap().0
}

/// Whose the faces along the first axes are, each in a photo of its own.
fn whose(resident: &Resident, now: Timestamp) -> Result<Vec<(usize, GrantId)>, ResidentError> {
    let mut found = Vec::new();
    for axis in 0..4 {
        found.extend(resident.answers(&[&along(axis)], now)?.faces.iter().map(|answer| (axis, answer.grant)));
    }
    Ok(found)
}

/// Ada, along the first axis, and Bob, along the second, who can be found; Carl, along the third, is restricted; Dora, along
/// the fourth, agreed and is not enrolled.
struct Scene {
    w: World,
    people: [SubjectId; 4],
    grants: [GrantId; 4],
}

impl Scene {
    fn new() -> Scene {
        let w = World::new(&[]);
        let people = ["ada", "bob", "carl", "dora"].map(|handle| w.subject(handle));
        let grants = people.map(|person| give(&w, person, 9));
        (0..3).for_each(|axis| enrol(&w.ledger, grants[axis], axis));
        put_photo_of_a_face(&w);
        w.tx(|tx| tx.restrict(people[2], true)).unwrap();
        Scene { w, people, grants }
    }
}

type Deed = fn(&Scene, &Ledger);

/// What is done, and who is found afterwards by which axis; nobody is searched for where that is refused.
const DEEDS: [(&str, Deed, Option<&[usize]>); 12] = [
    ("enrolment", |s, by| enrol(by, s.grants[3], 3), Some(&[0, 1, 3])),
    ("withdrawal", |s, by| withdraw(by, s.grants[0]), Some(&[1])),
    ("expiry", |_, by| drop(by.expire_due(at(9)).unwrap()), Some(&[])),
    ("restriction", |s, by| restrict(by, s.people[0], true), Some(&[1])),
    ("a restriction that is lifted", |s, by| restrict(by, s.people[2], false), Some(&[0, 1, 2])),
    ("objection", |s, by| object(&s.w, by), Some(&[0, 1])),
    ("renewal", |s, by| renew(&s.w, by, (s.people[0], s.grants[0])), Some(&[0, 1])),
    ("erasure", |s, by| assert!(by.erase(s.people[0], T0, |_| {}).is_ok()), Some(&[1])),
    ("another template", |s, by| enrol(by, s.grants[0], 3), Some(&[0, 1, 3])),
    ("an order to stop", |_, by| _ = stop(by), None),
    ("freeze", |s, by| drop(by.run_tx("freeze", T0, |tx| tx.freeze_collection(s.w.collection)).unwrap()), None),
    ("the end of the collection", |s, by| remove(by, s), None),
];

fn withdraw(by: &Ledger, grant: GrantId) {
    by.run_tx("withdraw", T0, |tx| tx.withdraw(tx.active_grant(grant)?)).unwrap();
}

fn restrict(by: &Ledger, person: SubjectId, restricted: bool) {
    by.run_tx("restrict", T0, |tx| tx.restrict(person, restricted)).unwrap();
}

fn stop(by: &Ledger) -> OrderId {
    by.run_tx("stop", T0, |tx| tx.order_stop(&Scope::Vault, "a court", None)).unwrap().into_inner()
}

fn remove(by: &Ledger, s: &Scene) {
    by.run_tx("remove", T0, |tx| tx.remove_collection(s.w.collection).map(drop)).unwrap();
}

fn renew(w: &World, by: &Ledger, (person, grant): (SubjectId, GrantId)) {
    let (purpose, evidence) = (Purpose::find_my_photos(), w.paper());
    let new = consent(w, person, &purpose, &evidence, 90);
    by.run_tx("renew", T0, |tx| tx.renew(tx.active_grant(grant)?, &new).map(drop)).unwrap();
}

fn put_photo_of_a_face(w: &World) {
    let new = NewPhoto {
        collection: w.collection,
        path: &"a.jpg".into(),
        bytes: 1,
        mtime: T0,
        changed: None,
        picture: None,
        sha256: [1; 32],
        width: 800,
        height: 600,
        outcome: &Outcome::Faces(vec![face(0)]),
        scanned_with: [9; 32],
        matched_epoch: None,
    };
    w.tx(|tx| tx.put_photo(&new).map(drop)).unwrap();
}

/// Sets the first face of the first photo apart.
fn object(w: &World, by: &Ledger) {
    by.run_tx("object", T0, |tx| {
        let photo = tx.known_photos(w.collection)?[0].id;
        tx.object(photo, tx.faces_of(photo)?[0].0)
    })
    .unwrap();
}

#[test]
fn i1_a_gallery_in_memory_follows_every_commit_here_and_in_other_processes() {
    for (name, deed, expected) in DEEDS {
        for elsewhere in [false, true] {
            let name = format!("{name}, {}", if elsewhere { "in another process" } else { "here" });
            let s = Scene::new();
            let resident = open(&s.w, T0);
            let (before, other) = (whose(&resident, T0).unwrap(), s.w.open_again());
            assert_eq!(before, [(0, s.grants[0]), (1, s.grants[1])], "{name}: before");
            deed(&s, if elsewhere { &other } else { &s.w.ledger });
            let now = if name.starts_with("expiry") { at(9) } else { T0 };
            let followed = resident.follow(&s.w.ledger, models(), now);
            match (expected, whose(&resident, now)) {
                (Some(axes), Ok(found)) => {
                    followed.unwrap();
                    assert_eq!(found.iter().map(|(axis, _)| *axis).collect::<Vec<_>>(), axes, "{name}");
                    let renewed = axes.contains(&0) && found[0].1 != s.grants[0];
                    assert_eq!(renewed, name.starts_with("renewal"), "{name}");
                    // What was opened anew would say the same.
                    assert_eq!(found, whose(&open(&s.w, now), now).unwrap(), "{name}");
                }
                (None, Err(ResidentError::Closed)) => assert!(followed.is_err(), "{name}"),
                (_, found) => panic!("{name}: {found:?}"),
            }
        }
    }
}

#[test]
fn i4_what_was_found_in_memory_names_nobody_who_left_before_the_commit() {
    for (name, deed, _) in DEEDS {
        let stays = ["enrolment", "a restriction that is lifted", "objection", "renewal", "another template", "freeze"];
        let s = Scene::new();
        let resident = open(&s.w, T0);
        let (_, grant) = whose(&resident, T0).unwrap()[0];
        deed(&s, &s.w.open_again());
        // Nobody took it up yet: the transaction that says it knows.
        let named = s.w.tx(|tx| Ok(tx.still_nameable(grant)?.map(|proof| (proof.subject(), proof.grant())))).unwrap();
        assert_eq!(named.map(|(who, _)| who), stays.contains(&name).then_some(s.people[0]), "{name}");
        assert_eq!(
            named.is_some_and(|(_, by)| by != grant),
            name == "renewal",
            "{name}: by the consent that holds now"
        );
        if name == "freeze" {
            let stored = s.w.tx(|tx| tx.matching(s.w.collection).map(drop));
            assert!(matches!(stored, Err(TxError::Frozen { .. })), "{name}: nothing new is stored");
        }
    }
}

#[test]
fn i1_whose_date_has_come_is_not_searched_before_anybody_looked() {
    let s = Scene::new();
    let resident = open(&s.w, T0);
    let last = Timestamp(at(9).0 - 1);
    resident.follow(&s.w.ledger, models(), last).unwrap();
    assert_eq!(whose(&resident, last).unwrap().len(), 2);
    assert_eq!(whose(&resident, at(9)).unwrap(), []);
    assert_eq!(resident.with(OpenGallery::templates), Some(0), "overwritten, not passed by");
}

#[test]
fn i1_while_it_is_not_known_who_may_be_searched_for_nobody_is() {
    let s = Scene::new();
    let resident = open(&s.w, T0);
    let late = |ms| Timestamp(T0.0 + ms);
    assert_eq!(whose(&resident, late(3_000)).unwrap().len(), 2);
    assert!(matches!(whose(&resident, late(3_001)), Err(ResidentError::Closed)), "nobody looked for three seconds");
    assert_eq!(resident.with(OpenGallery::templates), None, "nothing is in memory");
    resident.follow(&s.w.ledger, models(), late(3_001)).unwrap();
    assert_eq!(whose(&resident, late(3_001)).unwrap().len(), 2, "all are there again");
    // An order is lifted.
    let order = stop(&s.w.open_again());
    let stopped = resident.follow(&s.w.ledger, models(), late(3_002));
    assert!(matches!(stopped, Err(ResidentError::Ledger(TxError::Stopped { .. }))));
    s.w.tx(|tx| tx.lift_order(order)).unwrap();
    resident.follow(&s.w.ledger, models(), late(3_003)).unwrap();
    assert_eq!(whose(&resident, late(3_003)).unwrap().len(), 2);
}

/// Does something while the database cannot be read: the only connection is taken, and no other can be made.
fn while_the_database_is_away(w: &World, body: impl FnOnce()) {
    let (file, away) = (w.home.place.folder.join("assent.db"), w.home.dir.path().join("away.db"));
    let taken = w.ledger.read_tx(T0, |_| {
        fs::rename(&file, &away).unwrap();
        body();
        fs::rename(&away, &file).unwrap();
        Ok(())
    });
    taken.unwrap();
}

#[test]
fn i1_a_database_that_does_not_answer_for_three_seconds_leaves_nobody_in_memory() {
    // The file is what is taken away.
    if on_postgres() {
        return;
    }
    let s = Scene::new();
    let resident = open(&s.w, T0);
    let late = |ms| Timestamp(T0.0 + ms);
    while_the_database_is_away(&s.w, || {
        for (ms, found) in [(1_000, Some(2)), (2_999, Some(2)), (3_000, None)] {
            let asked = resident.follow(&s.w.ledger, models(), late(ms));
            assert!(matches!(asked, Err(ResidentError::Ledger(TxError::Database(_)))), "{ms} ms: {asked:?}");
            assert_eq!(whose(&resident, late(ms)).ok().map(|found| found.len()), found, "{ms} ms");
        }
        assert_eq!(resident.with(OpenGallery::templates), None);
    });
    resident.follow(&s.w.ledger, models(), late(3_001)).unwrap();
    assert_eq!(whose(&resident, late(3_001)).unwrap().len(), 2);
}

#[test]
fn what_changes_by_its_date_alone_is_taken_up_within_a_minute() {
    let s = Scene::new();
    let abroad = NewSubject { handle: "erik", name: "E", jurisdiction: "SE".parse().unwrap(), ..NewSubject::default() };
    let grant = give(&s.w, s.w.tx(|tx| tx.add_subject(&abroad)).unwrap(), 9);
    enrol(&s.w.ledger, grant, 3);
    let resident = open(&s.w, T0);
    let until = Timestamp(T0.0 + 5_000);
    let stop =
        |tx: &Tx<'_>| tx.order_stop(&Scope::Jurisdiction("SE".parse().unwrap()), "a court", Some(until)).map(drop);
    s.w.open_again().run_tx("stop", T0, stop).unwrap();
    let follow = |ms: i64| {
        let now = Timestamp(T0.0 + ms);
        resident.follow(&s.w.ledger, models(), now).unwrap();
        whose(&resident, now).unwrap().len()
    };
    // Nobody commits anything when the order is over.
    assert_eq!([0, 4_000, 60_000].map(follow), [2, 2, 3]);
}

#[test]
fn i9_thresholds_and_look_alikes_follow_who_comes_and_who_leaves() {
    let s = Scene::new();
    let resident = open(&s.w, T0);
    let band = || resident.answers(&[&along(0)], T0).unwrap().faces.iter().map(|a| a.band).collect::<Vec<_>>();
    let as_opened = |name: &str| {
        let said = |gallery: &OpenGallery| {
            let thresholds = gallery.thresholds();
            let pairs = gallery.look_alikes().into_iter().map(|(a, b)| (a.min(b), a.max(b)));
            // People stand in another order, and sums of fractions depend on it in their last bits.
            let scores = (thresholds.certain.map(|score| format!("{score:.4}")), format!("{:.4}", thresholds.review));
            let rows = gallery.table().unwrap().rows().iter().map(|(score, fmr)| format!("{score:.3} {fmr:.6e}"));
            (scores, rows.collect::<Vec<_>>(), pairs.collect::<BTreeSet<_>>())
        };
        assert_eq!(resident.with(said), open(&s.w, T0).with(said), "{name}");
    };
    assert_eq!(band(), [assent::Band::Match]);
    // A twin, as far as the engine can tell: from the moment on at which they can be found.
    let twin = give(&s.w, s.w.subject("twin"), 9);
    enrol(&s.w.open_again(), twin, 0);
    resident.follow(&s.w.ledger, models(), T0).unwrap();
    assert_eq!(band(), [assent::Band::Review]);
    resident.recalibrate(models(), T0);
    as_opened("a twin");
    // Eight of one face: nobody here is sure to be told from the others.
    let copies: Vec<GrantId> = (1..8).map(|copy| give(&s.w, s.w.subject(&format!("copy-{copy}")), 9)).collect();
    for grant in &copies {
        enrol(&s.w.ledger, *grant, 0);
    }
    resident.follow(&s.w.ledger, models(), T0).unwrap();
    resident.recalibrate(models(), T0);
    as_opened("eight who look alike");
    // And all are told apart again when they left.
    copies.iter().chain([&twin]).for_each(|grant| withdraw(&s.w.ledger, *grant));
    resident.follow(&s.w.ledger, models(), T0).unwrap();
    resident.recalibrate(models(), T0);
    as_opened("they left");
    assert_eq!(band(), [assent::Band::Match]);
}

/// A scan of one photo of Walz by a clock that does something when it is asked for the second time: after the gallery was
/// opened, and before the first photo is looked at.
fn scan_while(w: &World, models: &Models, deed: &dyn Fn() -> Timestamp) -> Result<ScanSummary, ScanError> {
    let (asked, now) = (Cell::new(0), Cell::new(T0));
    let clock = || {
        asked.set(asked.get() + 1);
        if asked.get() == 2 {
            now.set(deed());
        }
        now.get()
    };
    scan_with(&w.ledger, models, w.collection, 1, &clock, &mut |_, _| {})
}

/// What is done while a scan runs, here or by another process, with Walz and their consent; what the clock says then.
type During<'a> = &'a dyn Fn(&World, &Ledger, (SubjectId, GrantId)) -> Timestamp;

#[test]
fn i4_a_scan_takes_up_what_is_changed_while_it_runs() {
    let check = |name: &str, enrolled: bool, deed: During<'_>, found: Option<usize>| {
        let w = World::new(&[WALZ]);
        let walz = w.subject("walz");
        let grant = if enrolled { w.enrol_again(walz, "carl-walz") } else { give(&w, walz, 9) };
        let other = w.open_again();
        let scanned = scan_while(&w, models(), &|| deed(&w, &other, (walz, grant)));
        let sightings = w.tx(|tx| tx.counts(w.collection)).map(|counts| counts.sightings as usize);
        if let Some(found) = found {
            let summary = scanned.unwrap();
            assert_eq!((summary.looked_at, summary.matches), (1, found), "{name}");
            assert_eq!(sightings.unwrap(), found, "{name}");
        } else {
            let refused = scanned.unwrap_err();
            assert!(
                matches!(refused, ScanError::Ledger(TxError::Stopped { .. } | TxError::Frozen { .. })),
                "{name}: {refused}"
            );
            assert_eq!(sightings.unwrap(), 0, "{name}");
        }
        if found == Some(1) {
            assert_eq!(paths(&w.find(walz)), [WALZ], "{name}");
        }
    };
    check("nothing", true, &|_, _, _| T0, Some(1));
    let enrolment = |w: &World, _: &Ledger, (walz, grant): (SubjectId, GrantId)| {
        w.withdraw(grant);
        w.enrol_again(walz, "carl-walz");
        T0
    };
    check("enrolment", false, &enrolment, Some(1));
    check(
        "withdrawal",
        true,
        &|_, by, (_, grant)| {
            withdraw(by, grant);
            T0
        },
        Some(0),
    );
    check("expiry", true, &|_, _, _| at(30), Some(0));
    check(
        "restriction",
        true,
        &|_, by, (walz, _)| {
            restrict(by, walz, true);
            T0
        },
        Some(0),
    );
    check(
        "renewal",
        true,
        &|w, by, who| {
            renew(w, by, who);
            T0
        },
        Some(1),
    );
    check(
        "erasure",
        true,
        &|_, by, (walz, _)| {
            by.erase(walz, T0, |_| {}).unwrap();
            T0
        },
        Some(0),
    );
    check(
        "an order to stop",
        true,
        &|_, by, _| {
            stop(by);
            T0
        },
        None,
    );
    check(
        "freeze",
        true,
        &|w, by, _| {
            by.run_tx("freeze", T0, |tx| tx.freeze_collection(w.collection)).unwrap();
            T0
        },
        None,
    );
}

#[test]
fn i2_a_face_that_is_set_apart_while_a_scan_runs_is_not_embedded_by_it() {
    let dir = TempDir::new().unwrap();
    let broken = pack_that_cannot_embed(dir.path());
    let scan = |apart: bool| {
        let w = World::new(&[WALZ]);
        scan_with(&w.ledger, &broken, w.collection, 1, &|| T0, &mut |_, _| {}).unwrap();
        let grant = give(&w, w.subject("walz"), 9);
        let bytes: Vec<u8> = (0..256_usize).flat_map(|i| f32::from(u8::from(i == 0)).to_le_bytes()).collect();
        w.tx(|tx| tx.enrol(&tx.active_grant(grant)?, broken.pack().model_sha256, &[&bytes])).unwrap();
        // The same picture in another file is searched for faces anew.
        w.home.put("again.jpg", &[photo(WALZ), b"another end".to_vec()].concat());
        let other = w.open_again();
        let set_apart = || {
            other
                .run_tx("object", T0, |tx| {
                    let known = tx.known_photos(w.collection)?;
                    let photo = known.iter().find(|photo| photo.faces == 1).unwrap().id;
                    tx.object(photo, tx.faces_of(photo)?[0].0)
                })
                .unwrap();
        };
        scan_while(&w, &broken, &|| {
            if apart {
                set_apart();
            }
            T0
        })
    };
    assert!(matches!(scan(false), Err(ScanError::Inference(_))), "the network is run for the face");
    assert!(scan(true).is_ok());
}

/// Another process takes the scan for dead, as it may where files are not locked for all (on a network's disk): here the file by
/// which a machine knows that the holder of a lease is alive is lost.
#[test]
fn a_scan_that_lost_its_lease_stores_nothing_more_and_the_next_one_goes_on() {
    let w = World::new(&[WALZ]);
    let walz = w.subject("walz");
    w.enrol_again(walz, "carl-walz");
    let other = w.open_again();
    let scanning = LeaseName::Scan(w.collection);
    let (files, theirs) = (w.home.place.folder.join("leases"), Cell::new(None));
    let scanned = scan_while(&w, models(), &|| {
        for entry in fs::read_dir(&files).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("scan-") {
                fs::remove_file(path).unwrap();
            }
        }
        theirs.set(Some(other.lease(scanning, T0).unwrap()));
        T0
    });
    let refused = scanned.unwrap_err();
    assert!(matches!(refused, ScanError::Ledger(TxError::LeaseLost { name }) if name == scanning), "{refused}");
    let refused = refused.to_string();
    assert!(refused.contains("another"), "{refused}");
    assert_eq!(w.known().len(), 0, "nothing was stored");
    other.release(theirs.take().unwrap(), T0).unwrap();
    assert_eq!((w.scan().matches, paths(&w.find(walz))), (1, vec![WALZ.to_owned()]));
}
