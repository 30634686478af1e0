//! I1: only templates with a grant that is valid now can be searched, and none is at rest without one.

use std::collections::BTreeSet;

use assent_ledger::*;

use crate::support::*;

#[test]
fn i1_a_template_lives_exactly_as_long_as_its_grant() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let (ga, gb) = (w.grant(ada, 10), w.grant(bob, 20));
        let ta = w.enrol(ga, b"embedding of ada");
        w.enrol(gb, b"embedding of bob");
        let found = |day| w.gallery(at(day)).templates.iter().map(|t| t.subject).collect::<BTreeSet<_>>();
        assert_eq!(found(9), BTreeSet::from([ada, bob]));
        assert_eq!(found(10), BTreeSet::from([bob]), "over at its end, before anything was deleted");
        let first = w.gallery(T0).templates.into_iter().find(|t| t.subject == ada).unwrap();
        assert_eq!((first.template, first.plain.as_slice()), (ta[0], b"embedding of ada".as_slice()));

        assert_eq!(w.ledger.expire_due(at(10)).unwrap().ended, [ga]);
        assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM templates"), 1, "none at rest");
        w.tx(at(11), |tx| tx.withdraw(tx.active_grant(gb)?)).unwrap();
        assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM templates"), 0);
        assert!(found(11).is_empty());
        for (grant, day) in [(ga, 9), (ga, 10), (gb, 11)] {
            let refused = w.tx(at(day), |tx| tx.active_grant(grant).map(drop));
            assert!(matches!(refused, Err(TxError::NotActive { .. })), "{backend:?}");
        }
    });
}

#[test]
fn i1_a_second_proof_is_worth_nothing_after_withdrawal() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let grant = w.grant(ada, 10);
        let refused = w.tx(T0, |tx| {
            let (one, two) = (tx.active_grant(grant)?, tx.active_grant(grant)?);
            tx.withdraw(one)?;
            tx.enrol(&two, MODEL, &[b"late"]).map(drop)
        });
        assert!(matches!(refused, Err(TxError::NotActive { .. })));
        assert_eq!(w.tx(T0, |tx| tx.active_grant(grant).map(drop)).ok(), Some(()), "rolled back as a whole");
    });
}

#[test]
fn i1_the_database_refuses_a_template_without_an_active_grant() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let grant = w.grant(w.subject("ada"), 10);
        let ended = w.grant(w.subject("bob"), 10);
        w.tx(T0, |tx| tx.withdraw(tx.active_grant(ended)?)).unwrap();
        w.enrol(grant, b"embedding");
        let mut raw = w.home.raw();
        let blob = |hex: &str| {
            if backend == Backend::Sqlite { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") }
        };
        let insert = |id: &str, state: &str, when: i64| {
            format!(
                "INSERT INTO templates (id, grant_id, grant_state, model_sha256, epoch, sealed, created_ms) \
                 VALUES (7, {}, '{state}', {}, 1, {}, {when})",
                blob(id),
                blob("4d"),
                blob("00")
            )
        };
        let (good, gone) = (grant.to_string(), ended.to_string());
        let cases = [
            ("no such grant", insert("00112233445566778899aabbccddeeff", "active", T0.0)),
            ("a withdrawn grant", insert(&gone, "active", T0.0)),
            ("a state that is not active", insert(&gone, "withdrawn", T0.0)),
            ("before its time", insert(&good, "active", T0.0 - 1)),
            ("at its end", insert(&good, "active", at(10).0)),
            ("moved to an ended grant", format!("UPDATE templates SET grant_id = {}", blob(&gone))),
            ("moved in time", format!("UPDATE templates SET created_ms = {}", at(10).0)),
            ("ended under its templates", format!("UPDATE grants SET state = 'withdrawn' WHERE id = {}", blob(&good))),
            ("deleted under its templates", format!("DELETE FROM grants WHERE id = {}", blob(&good))),
            ("brought back", format!("UPDATE grants SET state = 'active' WHERE id = {}", blob(&gone))),
            ("prolonged", format!("UPDATE grants SET valid_until_ms = valid_until_ms + 1 WHERE id = {}", blob(&good))),
        ];
        for (name, sql) in cases {
            assert!(raw.try_exec(&sql).is_err(), "{backend:?}: {name}");
        }
        raw.exec(insert(&good, "active", T0.0));
    });
}

#[test]
fn what_ends_is_listed_nearest_first_until_it_has_ended() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let (far, near) = (w.grant(w.subject("ada"), 100), w.grant(w.subject("bob"), 10));
        let listed = |day: i64| -> Vec<(GrantId, Alarm)> {
            let all = w.tx(at(day), |tx| tx.deadlines()).unwrap();
            let grant = |deadline: &Deadline| match deadline.what {
                Due::Consent { grant, .. } => grant,
                _ => panic!("{deadline:?}"),
            };
            all.iter().map(|deadline| (grant(deadline), deadline.alarm(at(day)))).collect()
        };
        assert_eq!(listed(4), [(near, Alarm::None), (far, Alarm::None)]);
        assert_eq!(listed(5), [(near, Alarm::Half), (far, Alarm::None)]);
        assert_eq!(listed(8), [(near, Alarm::Soon), (far, Alarm::None)]);
        assert_eq!(listed(10), [(near, Alarm::Due), (far, Alarm::None)], "over, and nobody has ended it yet");
        w.ledger.expire_due(at(10)).unwrap();
        assert_eq!(listed(80), [(far, Alarm::Soon)]);
    });
}
