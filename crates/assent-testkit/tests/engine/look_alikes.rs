//! People whom the engine cannot tell apart.

use assent::DeclaredRates;
use assent::calibrate::Calibrated;
use assent::ledger::{Band, SubjectId};
use assent::searched::{Opening, Searched};
use assent_testkit::{World, models};

use crate::WALZ;

fn bands(w: &World, subject: SubjectId) -> Vec<Band> {
    w.find(subject).iter().map(|found| found.band).collect()
}

fn open(w: &World) -> Searched {
    let opening = &mut Opening { threads: 2, available_bytes: None, progress: &mut |_, _| {} };
    let opened = w.tx(|tx| Searched::open(tx, models(), w.collection, DeclaredRates::default(), opening)).unwrap();
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
fn i9_a_collection_is_searched_by_its_own_calibration_and_never_more_laxly() {
    let w = World::new(&[WALZ]);
    let calibrate = || {
        let calibrated = Calibrated::measure(&open(&w), models(), 2).unwrap();
        w.tx(|tx| calibrated.keep(tx, models(), w.collection)).unwrap();
        calibrated
    };
    // Different people say nothing against the models' table.
    for name in ["carl-walz", "julie-payette", "andre-kuipers"] {
        w.enrol(name, name);
    }
    let before = open(&w).thresholds();
    let calibrated = calibrate();
    assert_eq!((calibrated.people, calibrated.pairs), (3, 3));
    assert_eq!(Some(&calibrated.table), models().pack().calibration());
    assert_eq!(open(&w).thresholds(), before);
    // Eight of one face are 28 pairs, all of which are alike: nobody here is sure to be told from the others.
    for copy in 1..8 {
        w.enrol(&format!("copy-{copy}"), "carl-walz");
    }
    assert!(open(&w).thresholds().certain.is_some());
    let calibrated = calibrate();
    assert_eq!(calibrated.measured.last().unwrap().reached, 28);
    let (kept, own) = (open(&w), models().pack().calibration().unwrap());
    assert_eq!(kept.table(), Some(&calibrated.table));
    assert!(calibrated.table.rows().iter().zip(own.rows()).all(|((_, now), (_, fmr))| now > fmr));
    assert_eq!(kept.thresholds().certain, None);
    assert_eq!(w.scan().thresholds, Some(kept.thresholds()));
}
