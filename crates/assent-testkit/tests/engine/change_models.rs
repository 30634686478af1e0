//! A change of models: everybody moves without a new form.

use std::collections::{BTreeMap, BTreeSet};

use assent::change_models::{Behind, behind, is_behind, move_people, renew_pictures};
use assent::enrol::EnrolError;
use assent::ledger::{Band, GrantId, Purpose, SubjectId};
use assent_testkit::{SEARCH, T0, World, act, darkened, jpeg, light, models, open, png, portrait_names, scan_with};
use assent_vision::frame::Frame;
use half::f16;

use crate::{TRIO, WALZ, portrait};

fn who_is_behind(w: &World) -> Behind {
    behind(&w.ledger, models(), T0).unwrap()
}

fn move_everybody(w: &World) -> BTreeSet<SubjectId> {
    let mut worker = models().worker(SEARCH).unwrap();
    move_people(&w.ledger, (models(), &mut worker), &who_is_behind(w).movable, &mut |_| {}, act(T0)).unwrap()
}

fn grant(w: &World, subject: SubjectId) -> GrantId {
    let proof = |tx: &assent::ledger::Tx<'_>| {
        Ok(tx.active_grant_for(subject, w.collection, &Purpose::find_my_photos())?.unwrap().grant())
    };
    w.tx(proof).unwrap()
}

fn bands(w: &World, subject: SubjectId) -> Vec<Band> {
    w.find(subject).iter().map(|found| found.band).collect()
}

#[test]
fn people_move_to_other_models_by_the_faces_that_were_kept_and_are_found_by_them() {
    let w = World::new(&[WALZ, TRIO]);
    let people: Vec<SubjectId> =
        ["carl-walz", "sergei-krikalev", "julie-payette"].map(|name| w.enrol_with(light(), name, name)).to_vec();
    let scan = |models| scan_with(&w.ledger, models, w.collection, 1, &|| T0, &mut |_, _| {}).unwrap();
    scan(light());
    let (walz, krikalev, payette) = (people[0], people[1], people[2]);
    let kept = grant(&w, walz);
    let portrait = || w.tx(|tx| tx.portrait(&tx.active_grant(kept)?)).unwrap();
    let before = portrait().unwrap();
    w.withdraw(grant(&w, payette));

    // To say who would move changes nothing.
    let log = w.log_size();
    let listed = who_is_behind(&w);
    let movable: BTreeSet<SubjectId> = listed.movable.iter().map(|(subject, _)| *subject).collect();
    assert_eq!(movable, BTreeSet::from([walz, krikalev]));
    assert_eq!((listed.need_picture.len(), listed.unreadable.len(), listed.locked.len()), (0, 0, 0));
    assert_eq!(w.log_size(), log);

    assert_eq!(move_everybody(&w), BTreeSet::new());
    assert_eq!(w.log_size(), log + 2, "a leaf for each, as for an enrolment");
    assert_eq!(who_is_behind(&w), Behind::default());
    let by = w.tx(|tx| tx.template_models(None)).unwrap();
    assert_eq!(by, [(models().pack().model_sha256, 2)], "nothing of the other models is kept");
    assert_eq!((grant(&w, walz), portrait().unwrap()), (kept, before), "the consent and the kept face stay");

    let summary = scan(models());
    assert_eq!((summary.templates, summary.people_of_other_models), (2, 0));
    for subject in [walz, krikalev] {
        assert_eq!(bands(&w, subject), [Band::Match]);
    }
    // And back, by the same face.
    let mut worker = light().worker(SEARCH).unwrap();
    let all = behind(&w.ledger, light(), T0).unwrap();
    assert_eq!(move_people(&w.ledger, (light(), &mut worker), &all.movable, &mut |_| {}, act(T0)).unwrap().len(), 0);
    assert_eq!(scan(light()).matches, 2);
}

#[test]
fn a_template_of_a_kept_face_is_that_of_the_portrait() {
    let (moved, enrolled) = (World::new(&[]), World::new(&[]));
    let names: Vec<String> = portrait_names().into_iter().step_by(5).collect();
    for name in &names {
        moved.enrol_with(light(), name, name);
        enrolled.enrol_with(models(), name, name);
    }
    assert_eq!(move_everybody(&moved), BTreeSet::new());
    let templates = |w: &World| -> BTreeMap<String, Vec<f32>> {
        let handle = |subject| w.tx(|tx| Ok(tx.subject(subject)?.handle)).unwrap();
        let numbers = |plain: &[u8]| plain.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect();
        w.gallery().templates.iter().map(|t| (handle(t.subject), numbers(&t.plain))).collect()
    };
    let (of_kept, of_portrait) = (templates(&moved), templates(&enrolled));
    assert_eq!((of_kept.len(), of_portrait.len()), (names.len(), names.len()));
    for (name, own) in &of_portrait {
        let cosine = |other: &[f32]| own.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
        assert!(cosine(&of_kept[name]) > 0.97, "{name}: {}", cosine(&of_kept[name]));
    }
}

#[test]
fn who_needs_a_new_picture_gets_one_without_a_new_form_if_it_shows_the_same_person() {
    let w = World::new(&[WALZ]);
    let walz = w.enrol_with(light(), "walz", "carl-walz");
    let payette = w.enrol_with(light(), "payette", "julie-payette");
    let consent = grant(&w, walz);
    // A face as it was kept before: cut to the network's own crop.
    let tight = png(&Frame::filled(128, 128, [90; 3]));
    for consent in [walz, payette].map(|subject| grant(&w, subject)) {
        w.tx(|tx| tx.keep_portrait(&tx.active_grant(consent)?, &tight)).unwrap();
    }
    let listed = who_is_behind(&w);
    assert_eq!(BTreeSet::from_iter(listed.need_picture), BTreeSet::from([walz, payette]));
    assert_eq!(listed.movable, []);

    let one = is_behind(&w.ledger, models(), walz, T0).unwrap().unwrap();
    assert_eq!((&one.grants, &one.models), (&vec![consent], &vec![light().pack().model_sha256]));
    let renew = |pictures: &[&str]| {
        let by = (models(), &mut models().worker(SEARCH).unwrap());
        let before = (light(), &mut light().worker(SEARCH).unwrap());
        let file = |name: &&str| ((*name).to_owned(), jpeg(&darkened(&open(&portrait(name)), 0.9)));
        let pictures: Vec<_> = pictures.iter().map(file).collect();
        renew_pictures(&w.ledger, by, before, (walz, &one.grants), &pictures, &mut |_, _| {}, act(T0))
    };
    let log = w.log_size();
    assert!(matches!(renew(&[]), Err(EnrolError::NoPicture)));
    for somebody_else in [&["andre-kuipers"][..], &["carl-walz", "andre-kuipers"], &["julie-payette"]] {
        let refused = renew(somebody_else);
        assert!(matches!(&refused, Err(EnrolError::OtherPerson { picture }) if picture != "carl-walz"), "{refused:?}");
    }
    assert_eq!(w.log_size(), log, "nothing was stored");
    renew(&["carl-walz"]).unwrap();
    assert_eq!((w.log_size(), grant(&w, walz)), (log + 1, consent), "under the same consent");
    assert_eq!(is_behind(&w.ledger, models(), walz, T0).unwrap(), None);
    assert_eq!(who_is_behind(&w).need_picture, [payette]);
    w.scan();
    assert_eq!(bands(&w, walz), [Band::Match]);
    // Who can be found nowhere is not behind.
    w.withdraw(grant(&w, payette));
    assert_eq!(who_is_behind(&w), Behind::default());
}
