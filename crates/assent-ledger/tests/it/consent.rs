//! I1: only templates with a grant that is valid now can be searched, and none is at rest without one.

use std::collections::{BTreeMap, BTreeSet};

use assent_ledger::*;
use proptest::prelude::*;

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

        assert_eq!(w.ledger.expire_due(at(10)).unwrap(), [ga]);
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

#[derive(Clone, Debug)]
enum Step {
    Add,
    Grant { who: usize, purpose: usize, days: i64 },
    Enrol { who: usize },
    Withdraw { who: usize },
    Expire,
    Wait { days: i64 },
    Erase { who: usize },
    Rotate { who: usize },
    BackUp,
    Restore,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Add),
        4 => (0usize..3, 0usize..2, 1i64..4).prop_map(|(who, purpose, days)| Step::Grant { who, purpose, days }),
        4 => (0usize..3).prop_map(|who| Step::Enrol { who }),
        2 => (0usize..5).prop_map(|who| Step::Withdraw { who }),
        1 => Just(Step::Expire),
        3 => (1i64..4).prop_map(|days| Step::Wait { days }),
        1 => (0usize..5).prop_map(|who| Step::Erase { who }),
        1 => (0usize..5).prop_map(|who| Step::Rotate { who }),
        1 => Just(Step::BackUp),
        1 => Just(Step::Restore),
    ]
}

/// What should be so: per grant its subject, purpose, end, and number of templates.
type Model = BTreeMap<GrantId, (SubjectId, usize, i64, usize)>;

fn history(backend: Backend, steps: &[Step]) {
    let mut w = World::new(backend);
    let (data, ring) = (w.home.dir.path().join("backup"), w.home.dir.path().join("elsewhere/ring"));
    let mut backup: Option<(Vec<SubjectId>, Model)> = None;
    let purposes = [Purpose::find_my_photos(), Purpose::publish_website()];
    let (mut people, mut day, mut model) = (vec![w.subject("one"), w.subject("two")], 0, Model::new());
    let mut raw = w.home.raw();
    for (n, step) in steps.iter().enumerate() {
        let now = at(day);
        let pick = |who: usize, people: &[SubjectId]| (!people.is_empty()).then(|| people[who % people.len()]);
        let live = |model: &Model, s: SubjectId| {
            let mut all = model.iter().filter(|(_, g)| g.0 == s && g.2 > day);
            all.next().map(|(id, _)| *id)
        };
        match *step {
            Step::Add => people.push(w.tx(now, |tx| add_subject(tx, &format!("p{n}"))).unwrap()),
            Step::Wait { days } => day += days,
            Step::Expire => {
                let due: BTreeSet<_> = model.iter().filter(|(_, g)| g.2 <= day).map(|(id, _)| *id).collect();
                assert_eq!(w.ledger.expire_due(now).unwrap().into_iter().collect::<BTreeSet<_>>(), due);
                model.retain(|_, g| g.2 > day);
            }
            Step::Grant { who, purpose, days } => {
                let Some(s) = pick(who, &people) else {
                    continue;
                };
                let made = w.tx(now, |tx| give(tx, s, w.collection, &purposes[purpose], &w.witnesses, days));
                let taken = model.values().any(|g| g.0 == s && g.1 == purpose);
                assert_eq!(made.is_err(), taken);
                if let Ok(id) = made {
                    model.insert(id, (s, purpose, day + days, 0));
                }
            }
            Step::Enrol { who } => {
                let Some(id) = pick(who, &people).and_then(|s| live(&model, s)) else {
                    continue;
                };
                w.tx(now, |tx| tx.enrol(&tx.active_grant(id)?, MODEL, &[b"e"])).unwrap();
                model.get_mut(&id).unwrap().3 += 1;
            }
            Step::Withdraw { who } => {
                let Some(id) = pick(who, &people).and_then(|s| live(&model, s)) else {
                    continue;
                };
                w.tx(now, |tx| tx.withdraw(tx.active_grant(id)?)).unwrap();
                model.remove(&id);
                if let Some((_, model)) = &mut backup {
                    model.remove(&id);
                }
            }
            Step::Erase { who } => {
                let Some(s) = pick(who, &people) else {
                    continue;
                };
                w.ledger.erase(s, now, |_| {}).unwrap();
                let kept = backup.iter_mut().map(|(people, model)| (people, model));
                for (people, model) in kept.chain([(&mut people, &mut model)]) {
                    people.retain(|p| *p != s);
                    model.retain(|_, g| g.0 != s);
                }
            }
            Step::Rotate { who } => {
                let Some(s) = pick(who, &people) else {
                    continue;
                };
                w.ledger.rotate(s, now).unwrap();
            }
            // The tables of PostgreSQL are backed up by its own means.
            Step::BackUp | Step::Restore if backend != Backend::Sqlite => {}
            Step::BackUp => {
                w.ledger.backup(&data, &ring, now).unwrap();
                backup = Some((people.clone(), model.clone()));
            }
            Step::Restore => {
                let Some((then, kept)) = backup.clone() else { continue };
                (people, model) = (then, kept);
                w = w.restored(&data, &ring, now);
                raw = w.home.raw();
            }
        }
        let stray = raw.count(
            "SELECT COUNT(*) FROM templates t WHERE NOT EXISTS (SELECT 1 FROM grants g WHERE g.id = t.grant_id \
             AND g.state = 'active' AND t.created_ms >= g.valid_from_ms AND t.created_ms < g.valid_until_ms)",
        );
        assert_eq!(stray, 0, "templates without an active grant after {step:?}");
        for (number, purpose) in purposes.iter().enumerate() {
            let gallery = w.tx(at(day), |tx| tx.searchable_templates(w.collection, purpose, MODEL)).unwrap();
            let mut found = BTreeMap::new();
            for t in &gallery.templates {
                *found.entry(t.grant).or_insert(0) += 1;
            }
            let due = model.iter().filter(|(_, g)| g.1 == number && g.2 > day && g.3 > 0);
            assert_eq!(found, due.map(|(id, g)| (*id, g.3)).collect(), "after {step:?}");
            assert!(gallery.unopened.is_empty());
        }
    }
    assert_eq!(w.ledger.audit_verify(None, at(day)).unwrap().fault, None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn i1_no_history_leaves_a_template_without_an_active_grant(steps in prop::collection::vec(step(), 5..30)) {
        on_every_database(|backend| history(backend, &steps));
    }
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
