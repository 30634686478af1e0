//! A clock that is wrong destroys nothing, and time does not run backwards.

use assent_ledger::*;

use crate::support::*;

const HOUR: i64 = 3_600_000;

/// Ada with a template, in force for so many days; the newest entry is of T0.
fn ada(backend: Backend, days: i64) -> (World, GrantId) {
    let w = World::new(backend);
    let grant = w.grant(w.subject("ada"), days);
    w.enrol(grant, TEMPLATE);
    (w, grant)
}

fn newest_leaf(w: &World) -> Timestamp {
    let leaf = w.tx(T0, |tx| {
        let end = tx.log_head()?.0;
        Ok(tx.leaves(end - 1, 1)?.remove(0))
    });
    leaf.unwrap().time
}

#[test]
fn a_clock_in_doubt_ends_nothing_and_moves_no_mark() {
    on_every_database(|backend| {
        let back = Timestamp(T0.0 - HOUR - 1);
        for (name, now, ahead) in
            [("ahead", Timestamp(at(31).0 + 1), true), ("years ahead", at(2000), true), ("back", back, false)]
        {
            let name = format!("{backend:?}: {name}");
            let doubts = |e: &TxError| match e {
                TxError::ClockAhead { .. } => ahead,
                TxError::ClockSetBack { .. } => !ahead,
                _ => false,
            };
            let (w, grant) = ada(backend, 9);
            let find = Purpose::find_my_photos();
            let refused = w.ledger.expire_due(now).map(drop);
            assert!(refused.as_ref().is_err_and(doubts), "{name}: {refused:?}");
            let refused = w.tx(now, |tx| tx.searchable(w.collection, &find, MODEL).map(drop));
            assert!(refused.as_ref().is_err_and(doubts), "{name}: {refused:?}");
            let refused = w.tx(now, |tx| tx.matching(w.collection).map(drop));
            assert!(refused.as_ref().is_err_and(doubts), "{name}: {refused:?}");
            let bob = w.subject("bob");
            let refused = w.tx(now, |tx| give(tx, bob, w.collection, &find, &w.witnesses, 9));
            assert!(refused.as_ref().is_err_and(doubts), "{name}: {refused:?}");
            assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM templates"), 1, "{name}");

            // What people ask for.
            w.ledger.erase(bob, now, |_| {}).unwrap();
            w.tx(now, |tx| tx.withdraw_consent(grant)).unwrap();
            assert_eq!(newest_leaf(&w), now.max(T0), "{name}");
            let refused = w.ledger.expire_due(now).map(drop);
            assert!(refused.as_ref().is_err_and(doubts), "{name}, also after that: {refused:?}");

            assert!(w.ledger.confirm_clock(now).unwrap(), "{name}");
            assert_eq!(newest_leaf(&w), now, "{name}");
            w.ledger.expire_due(now).unwrap();
            assert!(!w.ledger.confirm_clock(now).unwrap(), "{name}: asked once");
            assert_eq!(w.ledger.audit_verify(None, now).unwrap().fault, None, "{name}");
        }
        for now in [Timestamp(T0.0 - HOUR), T0, at(31)] {
            let (w, _) = ada(backend, 9);
            w.ledger.expire_due(now).unwrap();
        }
    });
}

#[test]
fn a_quiet_vault_that_is_looked_at_is_not_asked_about_its_clock() {
    on_every_database(|backend| {
        let (w, grant) = ada(backend, 200);
        let leaves = w.tx(T0, |tx| tx.log_head()).unwrap().0;
        for day in 1..20 {
            assert!(w.ledger.expire_due(at(day * 10)).unwrap().ended.is_empty());
        }
        assert_eq!(w.tx(T0, |tx| tx.log_head()).unwrap().0, leaves, "no entry is made of that");
        assert_eq!(w.ledger.expire_due(at(200)).unwrap().ended, [grant]);
    });
}

#[test]
fn i4_a_consent_that_is_over_is_in_no_answer_before_it_is_ended() {
    let (w, grant) = ada(Backend::Sqlite, 9);
    let find = Purpose::find_my_photos();
    let (state, active) = w
        .tx(at(9), |tx| {
            let who = tx.subjects()?[0].id;
            Ok((tx.grants_of(who)?[0].state, tx.active_grant_for(who, w.collection, &find)?.is_some()))
        })
        .unwrap();
    assert_eq!((state, active), (GrantState::Expired, false));
    assert!(w.tx(at(9), |tx| tx.searchable(w.collection, &find, MODEL)).unwrap().grants.is_empty());
    let over = w.tx(at(9), |tx| tx.past_end_date(w.collection)).unwrap().unwrap();
    assert_eq!((over.all, over.waiting, over.last), (1, 1, at(9)));
    // It does not stand in the way of the next.
    w.tx(at(10), |tx| {
        let who = tx.subjects()?[0].id;
        give(tx, who, w.collection, &find, &w.witnesses, 9)
    })
    .unwrap();
    assert!(matches!(w.tx(at(10), |tx| tx.withdraw_consent(grant)), Err(TxError::NotActive { .. })));
}
