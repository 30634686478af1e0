//! What holds in a household: its own album has the portraits, its owner may leave and come back, and a new folder is
//! agreed to when it is there.

use assent::enrol::{Consent, EnrolError, not_given_yet};
use assent::household::owner;
use assent::ledger::{BystanderBasis, Evidence, NewCollection, NewSubject, Purpose, SubjectId, TxError, VaultKind};
use assent_testkit::{T0, World, act};

use crate::{WALZ, photo};

fn household(photos: &[&str]) -> World {
    World::of(VaultKind::Household, &BystanderBasis::Household, photos)
}

fn self_statement() -> Evidence {
    Evidence::SelfStatement { statement: "It is me, and I want to be found".into() }
}

#[test]
fn a_portrait_from_the_album_will_do_in_a_household_alone() {
    let pictures = [("album.jpg", photo(WALZ))];
    let check = |name: &str, w: &World, who: SubjectId, evidence: &Evidence, expected: Result<(), &str>| {
        w.scan();
        let got = w.try_enrol(who, evidence, &pictures);
        match (&got, expected) {
            (Ok(_), Ok(())) => {
                w.scan();
                assert_eq!(w.find(who).len(), 1, "{name}");
            }
            (Err(EnrolError::CopyOfPhoto { .. }), Err("copy"))
            | (Err(EnrolError::Ledger(TxError::SelfStatement)), Err("word")) => {}
            _ => panic!("{name}: {:?}", got.err()),
        }
    };
    let (home, club) = (household(&[WALZ]), World::new(&[WALZ]));
    let me = owner(&home.ledger, act(T0)).unwrap().id;
    let add = |w: &World| w.tx(|tx| tx.add_subject(&NewSubject { handle: "son", ..NewSubject::default() })).unwrap();
    let son = add(&home);
    check("another's own word", &home, son, &self_statement(), Err("word"));
    check("an organisation's member", &club, add(&club), &club.paper(), Err("copy"));
    check("the owner", &home, me, &self_statement(), Ok(()));
    let other = household(&[WALZ]);
    check("somebody else of the household", &other, add(&other), &other.paper(), Ok(()));
}

#[test]
fn the_owner_can_come_back_after_being_erased() {
    let w = household(&[WALZ]);
    let before = owner(&w.ledger, act(T0)).unwrap();
    assert_eq!(owner(&w.ledger, act(T0)).unwrap().id, before.id, "there is one");
    let pictures = [("album.jpg", photo(WALZ))];
    w.try_enrol(before.id, &self_statement(), &pictures).unwrap();
    w.scan();
    assert_eq!(w.find(before.id).len(), 1);
    w.ledger.erase(before.id, T0, |_| ()).unwrap();
    let again = owner(&w.ledger, act(T0)).unwrap();
    assert!(again.owner && again.id != before.id && again.handle == "me");
    w.try_enrol(again.id, &self_statement(), &pictures).unwrap();
    w.scan();
    assert_eq!(w.find(again.id).len(), 1);
    assert!(
        matches!(owner(&World::new(&[]).ledger, act(T0)), Err(TxError::SelfStatement)),
        "an organisation has no owner"
    );
}

#[test]
fn who_agreed_before_a_collection_was_there_agrees_to_the_new_one_alone() {
    let w = household(&[WALZ]);
    let me = owner(&w.ledger, act(T0)).unwrap().id;
    w.try_enrol(me, &self_statement(), &[("album.jpg", photo(WALZ))]).unwrap();
    let new = w
        .tx(|tx| {
            let directory = w.home.dir.path().to_str().unwrap();
            tx.add_collection(&NewCollection { name: "Phone", directory, others: BystanderBasis::Household })
        })
        .unwrap();
    let to = |collection| Consent { collection, purpose: Purpose::find_my_photos() };
    let both = vec![to(w.collection), to(new)];
    let (missing, given) = not_given_yet(&w.ledger, me, both.clone(), T0).unwrap();
    assert_eq!((missing, given.len()), (vec![to(new)], 1));
    // A consent that has ended can be given again.
    w.withdraw(given[0].id);
    assert_eq!(not_given_yet(&w.ledger, me, both.clone(), T0).unwrap().0, both);
}
