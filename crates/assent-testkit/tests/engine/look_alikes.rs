//! People whom the engine cannot tell apart.

use assent::DeclaredRates;
use assent::ledger::{Band, SubjectId};
use assent::open_gallery::{OpenGallery, OpenOptions};
use assent_testkit::{T0, World, light, models, scan_with};

use crate::{TRIO, WALZ};

fn bands(w: &World, subject: SubjectId) -> Vec<Band> {
    w.find(subject).iter().map(|found| found.band).collect()
}

fn open(w: &World) -> OpenGallery {
    let options = &mut OpenOptions { threads: 2, available_bytes: None, progress: &mut |_, _| {} };
    let opened = w
        .ledger
        .read_tx(T0, |tx| OpenGallery::open(tx, models(), w.collection, DeclaredRates::default(), options))
        .unwrap();
    opened.unwrap()
}

fn look_alikes(w: &World) -> Vec<(SubjectId, SubjectId)> {
    open(w).look_alikes()
}

#[test]
fn i9_a_face_of_somebody_who_looks_like_somebody_else_is_proposed_at_most() {
    let w = World::new(&[WALZ]);
    let (one, _) = w.enrol("one", "carl-walz");
    let (other, _) = w.enrol("other", "julie-payette");
    w.scan();
    assert_eq!((bands(&w, one), bands(&w, other)), (vec![Band::Match], vec![]));
    assert_eq!(look_alikes(&w), []);

    // A twin, as far as the engine can tell: the same picture.
    let (twin, grant) = w.enrol("twin", "carl-walz");
    w.scan();
    let pair = look_alikes(&w);
    assert!(pair == [(one, twin)] || pair == [(twin, one)], "{pair:?}");
    // The face goes to one of them, and a person has to say to whom.
    let found = [bands(&w, one), bands(&w, twin)].concat();
    assert_eq!(found, [Band::Review]);

    // When one of them leaves, the other is told from everybody again.
    w.withdraw(grant);
    w.enrol("newcomer", "andre-kuipers");
    w.scan();
    assert_eq!(bands(&w, one), [Band::Match]);
}

#[test]
fn i9_a_collection_starts_from_the_harshest_group_and_follows_its_own_people() {
    let w = World::new(&[WALZ]);
    // Three different people are too few to say anything.
    for name in ["carl-walz", "julie-payette", "andre-kuipers"] {
        w.enrol(name, name);
    }
    let few = open(&w);
    let calibrated = few.calibrated().unwrap();
    assert_eq!((calibrated.people, calibrated.pairs), (3, 3));
    assert_eq!(calibrated.table, models().pack().harshest().unwrap());
    assert!(few.thresholds().certain.is_some());
    // Eight of one face are 28 pairs, all of which are alike: from the enrolment on, without a command, nobody here is sure
    // to be told from the others.
    let copies: Vec<_> = (1..8).map(|copy| w.enrol(&format!("copy-{copy}"), "carl-walz").1).collect();
    let alike = open(&w);
    assert!(alike.calibrated().unwrap().measured.iter().any(|m| (m.reached - 28.0).abs() < 1e-6));
    let (here, harshest) = (alike.table().unwrap(), models().pack().harshest().unwrap());
    assert!(here.rows().iter().zip(harshest.rows()).all(|((_, now), (_, fmr))| now > fmr));
    assert_eq!(alike.thresholds().certain, None);
    assert_eq!(w.scan().thresholds, Some(alike.thresholds()));
    // Nothing of those who withdrew is kept.
    for grant in copies {
        w.withdraw(grant);
    }
    assert_eq!(open(&w).thresholds(), few.thresholds());
}

#[test]
fn people_of_two_packs_are_found_side_by_side_each_by_scores_of_their_own() {
    let w = World::new(&[WALZ, TRIO]);
    let walz = w.enrol_with(light(), "walz", "carl-walz");
    let (krikalev, _) = w.enrol("krikalev", "sergei-krikalev");
    let scan = |models| {
        let summary = scan_with(&w.ledger, models, w.collection, 1, &|| T0, &mut |_, _| {}).unwrap();
        assert_eq!((summary.templates, summary.people_of_other_models), (1, 1));
    };
    scan(models());
    assert_eq!((bands(&w, walz).len(), bands(&w, krikalev).len()), (0, 1));
    // A scan with one pack looks at every photo anew, and leaves what the other one found.
    for models in [light(), models(), light()] {
        scan(models);
        assert_eq!((bands(&w, walz).len(), bands(&w, krikalev).len()), (1, 1));
    }
}
