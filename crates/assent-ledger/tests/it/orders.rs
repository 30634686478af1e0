//! R38: an order to stop stops everything in its scope, and nothing that people may ask for.

use assent_ledger::*;
use std::cell::RefCell;

use crate::support::*;

/// Something that may be refused.
type Act<'a> = (&'static str, Box<dyn Fn(&Tx<'_>) -> Result<(), TxError> + 'a>);

fn stopped(outcome: &Result<(), TxError>) -> bool {
    matches!(outcome, Err(TxError::Stopped { .. }))
}

#[test]
fn r38_an_order_stops_all_in_its_scope_and_the_rights_go_on() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let grant = w.grant(ada, 90);
        w.enrol(grant, b"embedding");
        let photo = w.photo("a.jpg", &[face(0.0)]);
        w.tx(T0, |tx| {
            let proof = tx.active_grant(grant)?;
            tx.replace_sightings(
                &tx.matching(w.collection)?,
                photo.id,
                &[NewSighting { grant: &proof, face: photo.faces[0], band: Band::Review }],
            )
        })
        .unwrap();
        let find = Purpose::find_my_photos();
        let sighting = |tx: &Tx<'_>| {
            let proof = tx.active_grant(grant)?;
            let new = NewSighting { grant: &proof, face: photo.faces[0], band: Band::Review };
            tx.replace_sightings(&tx.matching(w.collection)?, photo.id, &[new]).map(drop)
        };
        let acts: Vec<Act<'_>> = vec![
            ("search", Box::new(|tx| tx.searchable(w.collection, &find, MODEL).map(drop))),
            ("store what a scan saw", Box::new(|tx| put_photo(tx, w.collection, "b.jpg", &[]).map(drop))),
            ("store a sighting", Box::new(sighting)),
            ("read sightings", Box::new(|tx| tx.sightings_of(&tx.active_grant(grant)?).map(drop))),
            ("decide", Box::new(|tx| tx.record_decision(&tx.active_grant(grant)?, photo.faces[0], Verdict::Refused))),
            ("enrol", Box::new(|tx| tx.enrol(&tx.active_grant(grant)?, MODEL, &[b"more"]).map(drop))),
            ("consent", Box::new(|tx| give(tx, bob, w.collection, &find, &w.witnesses, 9).map(drop))),
        ];
        // Each is tried and taken back.
        let tried = |at: Timestamp, act: &Act<'_>| -> Result<(), TxError> {
            let outcome = RefCell::new(Ok(()));
            w.ledger
                .run_tx("try", at, |tx| {
                    drop(outcome.replace(act.1(tx)));
                    Err::<(), _>(TxError::NoSubject)
                })
                .unwrap_err();
            outcome.into_inner()
        };
        let other = w.tx(T0, |tx| {
            tx.add_collection(&NewCollection { name: "Other", directory: "/o", others: BystanderBasis::ClosedGroup })
        });
        let code = |text: &str| Scope::Jurisdiction(text.parse().unwrap());
        let scopes = [
            ("the vault", Scope::Vault, true),
            ("this collection", Scope::Collection(w.collection), true),
            ("another", Scope::Collection(other.unwrap()), false),
            ("where the controller sits", code("FR"), true),
            ("elsewhere", code("UK"), false),
        ];
        let mut day = 0;
        for (name, scope, hit) in &scopes {
            let until = Some(at(day + 20));
            let order = w.tx(at(day + 1), |tx| tx.order_stop(scope, "order of the authority", until)).unwrap();
            for act in &acts {
                assert_eq!(stopped(&tried(at(day + 2), act)), *hit, "{name}: {}", act.0);
                assert!(tried(at(day + 20), act).is_ok(), "{name}: {} when the order is over", act.0);
            }
            w.tx(at(day + 3), |tx| tx.lift_order(order)).unwrap();
            for act in &acts {
                assert!(tried(at(day + 4), act).is_ok(), "{name}: {} when the order is lifted", act.0);
            }
            day += 4;
        }

        let now = at(day);
        w.tx(now, |tx| tx.order_stop(&Scope::Vault, "again", None)).unwrap();
        assert_eq!(w.tx(now, |tx| tx.subject_access(ada)).unwrap().sightings.len(), 1, "access");
        w.tx(now, |tx| tx.withdraw(tx.active_grant(grant)?)).unwrap();
        w.ledger.erase(ada, now, |_| {}).unwrap();
        assert_eq!(w.ledger.audit_verify(None, now).unwrap().fault, None);
    });
}

#[test]
fn r38_an_order_for_a_jurisdiction_stops_its_people_alone() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let add = |handle, code: &str| {
            let jurisdiction: Jurisdiction = code.parse().unwrap();
            w.tx(T0, |tx| {
                tx.add_subject(&NewSubject {
                    handle,
                    name: "N",
                    jurisdiction: jurisdiction.clone(),
                    ..NewSubject::default()
                })
            })
            .unwrap()
        };
        let (ada, bob) = (add("ada", "UK"), add("bob", "FR"));
        let (ga, gb) = (w.grant(ada, 9), w.grant(bob, 9));
        w.enrol(ga, b"embedding of ada");
        w.enrol(gb, b"embedding of bob");
        let found = || w.gallery(T0).templates.iter().map(|t| t.subject).collect::<Vec<_>>();
        let uk = Scope::Jurisdiction("UK".parse().unwrap());
        let order = w.tx(T0, |tx| tx.order_stop(&uk, "order of the authority", None)).unwrap();
        assert_eq!(found(), [bob]);
        let seen = |grant| w.tx(T0, |tx| tx.sightings_of(&tx.active_grant(grant)?)).map(drop);
        assert!(matches!(seen(ga), Err(TxError::Stopped { order: by }) if by == order));
        assert!(seen(gb).is_ok());
        let print = Purpose::publish_print();
        let more = w.tx(T0, |tx| give(tx, ada, w.collection, &print, &w.witnesses, 9));
        assert!(matches!(more, Err(TxError::Stopped { .. })));
        assert_eq!(w.tx(T0, |tx| tx.orders()).unwrap()[0].jurisdiction, "UK".parse().ok());
        w.tx(T0, |tx| tx.lift_order(order)).unwrap();
        assert_eq!(found().len(), 2);
    });
}

#[test]
fn an_order_has_a_reason_and_an_end_to_come_and_is_lifted_once() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let nowhere = CollectionId::from_bytes([9; 16]);
        let order = |scope: &Scope, reason: &str, until| w.tx(T0, |tx| tx.order_stop(scope, reason, until));
        assert!(matches!(order(&Scope::Vault, " ", None), Err(TxError::NoReason)));
        assert!(matches!(order(&Scope::Vault, "late", Some(T0)), Err(TxError::Validity)));
        assert!(matches!(order(&Scope::Collection(nowhere), "where", None), Err(TxError::NoCollection { .. })));
        let id = order(&Scope::Collection(w.collection), "a complaint", Some(at(9))).unwrap();
        let leaf = w.tx(T0, |tx| Ok(tx.leaves(tx.log_head()?.0 - 1, 1)?.remove(0))).unwrap();
        assert_eq!((leaf.kind, leaf.about().0), (EventKind::Stopped, Some(w.collection)));
        let listed = w.tx(at(1), |tx| tx.orders()).unwrap().remove(0);
        assert_eq!((listed.id, listed.reason.as_str(), listed.until), (id, "a complaint", Some(at(9))));
        assert!(listed.in_force(at(8)) && !listed.in_force(at(9)));
        assert!(matches!(w.tx(at(9), |tx| tx.lift_order(id)), Err(TxError::NoOrder { .. })), "it is over");
        w.tx(at(2), |tx| tx.lift_order(id)).unwrap();
        assert!(matches!(w.tx(at(2), |tx| tx.lift_order(id)), Err(TxError::NoOrder { .. })));
        assert!(!contains(&bytes_below(&w.home.place.folder), b"a complaint"), "the reason is sealed");
    });
}
