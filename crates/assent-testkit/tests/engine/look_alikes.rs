//! Two people whom the engine cannot tell apart.

use assent::DeclaredRates;
use assent::ledger::{Band, SubjectId};
use assent::searched::{Opening, Searched};
use assent_testkit::{World, models};

use crate::WALZ;

fn bands(w: &World, subject: SubjectId) -> Vec<Band> {
    w.find(subject).iter().map(|found| found.band).collect()
}

fn look_alikes(w: &World) -> Vec<(SubjectId, SubjectId)> {
    let opening = &mut Opening { threads: 2, available_bytes: None, progress: &mut |_, _| {} };
    let opened = w.tx(|tx| Searched::open(tx, models(), w.collection, DeclaredRates::default(), opening)).unwrap();
    opened.unwrap().look_alikes()
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
