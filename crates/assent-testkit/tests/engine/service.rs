//! What an organisation does, through `assent::service`.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use assent::jobs::Watch;
use assent::ledger::{
    Basis, BystanderBasis, ExportError, FaceId, Jurisdiction, LeaseName, NewCollection, NewGrant, Purpose, RequestKind,
    Scope, TxError, Verdict,
};
use assent::packs::sha256;
use assent::service::collections::{self, CollectionError, state_basis};
use assent::service::consents::{self, Meant};
use assent::service::erasures::{Selected, Whom, select};
use assent::service::lookup::{self, LookupError};
use assent::service::orders;
use assent::service::requests;
use assent::service::review::{Decision, decide};
use assent::service::upkeep;
use assent_testkit::{NOTICE, T0, World, act, at};

use crate::WALZ;

#[test]
fn decisions_are_recorded_together_or_not_at_all() {
    let w = World::new(&[WALZ]);
    let (walz, _) = w.enrol("walz", "carl-walz");
    w.scan();
    let face = w.find(walz)[0].face;
    let said = |face| Decision { subject: walz, face, verdict: Verdict::Confirmed };
    let wrong = FaceId(face.0 + 1000);
    let refused = decide(&w.ledger, &[said(face), said(wrong)], act(T0)).unwrap_err();
    assert!(matches!(refused, TxError::NotProposed { face } if face == wrong), "{refused}");
    assert_eq!(w.find(walz)[0].verdict, None, "nothing of it was recorded");
    decide(&w.ledger, &[said(face)], act(T0)).unwrap();
    assert_eq!(w.find(walz)[0].verdict, Some(Verdict::Confirmed));
}

#[test]
fn what_is_not_said_of_a_basis_stays() {
    let w = World::new(&[]);
    let necessity = Basis { necessity: Some("there are too many photos to look through".into()), ..Basis::default() };
    state_basis(&w.ledger, w.collection, &necessity, act(T0)).unwrap();
    let before = w.tx(|tx| tx.collection(w.collection)).unwrap().basis;
    let law: Jurisdiction = "FR".parse().unwrap();
    let change = Basis { jurisdiction: Some(law.clone()), ..Basis::default() };
    state_basis(&w.ledger, w.collection, &change, act(T0)).unwrap();
    let basis = w.tx(|tx| tx.collection(w.collection)).unwrap().basis;
    assert_eq!(basis, Basis { jurisdiction: Some(law), ..before });
    assert_eq!(basis.necessity, necessity.necessity);
}

#[test]
fn whoever_consented_elsewhere_too_is_not_erased_with_a_collection() {
    let w = World::new(&[]);
    let (walz, _) = w.enrol("walz", "carl-walz");
    let nobody = w.subject("without-consent");
    let meant = |w: &World| {
        let found = select(&w.ledger, &Whom::Collection(w.collection), T0).unwrap();
        found.people.iter().map(Selected::id).collect::<Vec<_>>()
    };
    assert_eq!(meant(&w), [walz]);
    let trip = NewCollection { name: "Trip", directory: "/trip", others: BystanderBasis::ClosedGroup };
    let trip = w.tx(|tx| tx.add_collection(&trip)).unwrap();
    let purpose = Purpose::find_my_photos();
    let evidence = w.paper();
    let new = NewGrant {
        subject: walz,
        collection: trip,
        purpose: &purpose,
        evidence: &evidence,
        valid_from: T0,
        valid_until: at(30),
        notice_sha256: sha256(NOTICE.as_bytes()),
    };
    w.tx(|tx| tx.open_grant(&new).map(drop)).unwrap();
    assert_eq!(meant(&w), []);
    let under = |law: &str| {
        let found = select(&w.ledger, &Whom::Jurisdiction(law.parse().unwrap()), T0).unwrap();
        found.people.iter().map(Selected::id).collect::<BTreeSet<_>>()
    };
    assert_eq!(under("FR"), BTreeSet::from([walz, nobody]));
    assert_eq!(under("US-IL"), BTreeSet::new());
}

#[test]
fn a_name_that_nobody_has_is_refused_with_those_that_are_near() {
    let w = World::new(&[]);
    let walz = w.subject("walz");
    assert_eq!(lookup::subject_id(&w.ledger, "WALZ", T0).unwrap(), walz);
    match lookup::subject(&w.ledger, "wlaz", T0).unwrap_err() {
        LookupError::NoPerson { name, near } => {
            assert_eq!((name.as_str(), near.iter().map(|s| s.id).collect::<Vec<_>>()), ("wlaz", vec![walz]));
        }
        other => panic!("{other}"),
    }
    let refused = lookup::collection(&w.ledger, "nothing like it", T0).unwrap_err();
    assert!(matches!(&refused, LookupError::NoCollection { near, .. } if near.is_empty()), "{refused}");
    assert!(!refused.to_string().contains("assent "), "no command is named here: {refused}");
}

#[test]
fn while_a_collection_is_scanned_it_is_not_moved_and_what_is_due_every_day_has_one_program() {
    let w = World::new(&[WALZ]);
    w.scan();
    let other = w.open_again();
    let place = collections::place(&w.ledger, w.collection, w.home.photos.to_str().unwrap(), T0).unwrap();
    let move_to = || collections::move_to(&w.ledger, &place, false, act(T0));
    let scanning = other.lease(LeaseName::Scan(w.collection), T0).unwrap();
    let refused = move_to().unwrap_err();
    assert!(matches!(refused, CollectionError::Ledger(TxError::Leased { .. })), "{refused}");
    other.release(scanning, T0).unwrap();
    move_to().unwrap();
    let ticking = other.lease(LeaseName::Tick, T0).unwrap();
    let tick = || upkeep::tick(&w.ledger, None, act(T0).by, Watch { now: &|| T0, stop: &Arc::default() });
    let refused = tick().unwrap_err();
    assert!(matches!(refused, ExportError::Ledger(TxError::Leased { .. })), "{refused}");
    other.release(ticking, T0).unwrap();
    assert!(tick().unwrap().exported.is_none());
}

#[test]
fn whatever_is_asked_and_ended_works_while_another_program_scans() {
    let w = World::new(&[WALZ]);
    let (walz, _) = w.enrol("walz", "carl-walz");
    w.scan();
    let bob = w.subject("bob");
    let other = w.open_again();
    let _scanning = other.lease(LeaseName::Scan(w.collection), T0).unwrap();
    let ledger = &w.ledger;
    assert_eq!(w.find(walz).len(), 1, "find");
    requests::open(ledger, &w.request(RequestKind::Access, walz), None, act(T0)).unwrap();
    let (data, ring) = (w.home.dir.path().join("backup"), w.home.dir.path().join("safe/ring"));
    fs::create_dir(ring.parent().unwrap()).unwrap();
    ledger.backup(&data, &ring, act(T0)).unwrap();
    upkeep::tick(ledger, None, act(T0).by, Watch { now: &|| T0, stop: &Arc::default() }).unwrap();
    let meant = Meant { subject: walz, collection: None, purpose: None };
    assert_eq!(consents::withdraw(ledger, &meant, act(T0)).unwrap().consents.len(), 1, "withdraw");
    ledger.erase(bob, act(T0), |_| {}).unwrap();
    let order = orders::stop(ledger, &Scope::Vault, "a court", None, act(T0)).unwrap();
    assert!(matches!(other.read_tx(T0, |tx| tx.matching(w.collection).map(drop)), Err(TxError::Stopped { .. })));
    orders::lift(ledger, order, act(T0)).unwrap();
    assert_eq!(w.find(walz), [], "and the other program knows it");
}
