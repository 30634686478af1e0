//! I1 over random histories: whatever happens in whatever order, in which of two processes, and wherever one of them is killed in
//! it, only templates with a grant that is valid now can be searched, and none is at rest without one. `ASSENT_HISTORIES=1000`
//! makes it so many histories.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use assent_ledger::*;
use proptest::prelude::*;

use crate::support::*;

#[derive(Clone, Debug)]
enum Act {
    Add,
    Grant { who: usize, purpose: usize, days: i64 },
    Enrol { who: usize },
    Renew { who: usize, days: i64 },
    Withdraw { who: usize },
    Expire,
    Wait { days: i64 },
    Erase { who: usize },
    Rotate { who: usize },
    BackUp { which: usize },
    Restore { which: usize },
}

/// Something that happens, in which of the two processes, and where that is killed in it: before or after one of its writes,
/// counted from 1.
#[derive(Clone, Debug)]
struct Step {
    act: Act,
    by: usize,
    killed_at: Option<usize>,
}

fn step() -> impl Strategy<Value = Step> {
    let act = prop_oneof![
        1 => Just(Act::Add),
        4 => (0usize..3, 0usize..2, 1i64..4).prop_map(|(who, purpose, days)| Act::Grant { who, purpose, days }),
        4 => (0usize..3).prop_map(|who| Act::Enrol { who }),
        3 => (0usize..3, 1i64..6).prop_map(|(who, days)| Act::Renew { who, days }),
        2 => (0usize..5).prop_map(|who| Act::Withdraw { who }),
        1 => Just(Act::Expire),
        3 => (1i64..4).prop_map(|days| Act::Wait { days }),
        1 => (0usize..5).prop_map(|who| Act::Erase { who }),
        1 => (0usize..5).prop_map(|who| Act::Rotate { who }),
        3 => (0..BACKUPS).prop_map(|which| Act::BackUp { which }),
        3 => (0..BACKUPS).prop_map(|which| Act::Restore { which }),
    ];
    // A transaction has two moments; an erasure and a rotation have more.
    let killed_at = prop_oneof![3 => Just(None), 1 => (1usize..8).prop_map(Some)];
    (act, 0usize..2, killed_at).prop_map(|(act, by, killed_at)| Step { act, by, killed_at })
}

/// Whose a grant is, for which purpose, until which day, and with how many templates.
type Fact = (SubjectId, usize, i64, usize);

/// How things stand.
#[derive(Clone, Debug, Default)]
struct State {
    people: BTreeSet<SubjectId>,
    /// The grants that are active by their state.
    grants: BTreeMap<GrantId, Fact>,
    /// Which grant renews which.
    renews: BTreeMap<GrantId, GrantId>,
}

impl State {
    /// The same without ids that nobody can foresee.
    fn facts(&self) -> (usize, Vec<Fact>) {
        let mut facts: Vec<Fact> = self.grants.values().copied().collect();
        facts.sort_unstable();
        (self.people.len(), facts)
    }

    fn pick(&self, who: usize) -> Option<SubjectId> {
        self.people.iter().nth(who % self.people.len().max(1)).copied()
    }

    /// A grant of somebody that is in force on a day.
    fn live(&self, who: usize, day: i64) -> Option<(GrantId, Fact)> {
        let subject = self.pick(who)?;
        self.grants.iter().find(|(_, fact)| fact.0 == subject && fact.2 > day).map(|(id, fact)| (*id, *fact))
    }
}

/// So many backups are kept, which come back in any order.
const BACKUPS: usize = 3;

/// What was backed up, and what has to be gone whichever of them comes back.
#[derive(Default)]
struct Backups {
    /// Each with which keys people had: PostgreSQL's own means know nothing of that, and bring back what other keys open.
    kept: [Option<(State, usize)>; BACKUPS],
    /// Which keys people have now, and how many times they were exchanged.
    keys: usize,
    exchanges: usize,
    withdrawn: BTreeSet<GrantId>,
    erased: BTreeSet<SubjectId>,
}

struct Run {
    w: World,
    /// The same vault, opened by another process; none while it is restored.
    other: Option<Ledger>,
    hook: WriteHook,
    armed: Arc<AtomicUsize>,
    purposes: [Purpose; 2],
    backups: Backups,
    day: i64,
    added: usize,
}

impl Run {
    fn new(backend: Backend) -> Self {
        let armed = Arc::new(AtomicUsize::new(0));
        let trigger = armed.clone();
        let hook: WriteHook = Arc::new(move |_| {
            if trigger.load(Ordering::SeqCst) > 0 && trigger.fetch_sub(1, Ordering::SeqCst) == 1 {
                resume_unwind(Box::new("killed"));
            }
        });
        let w = World::hooked(backend, hook.clone());
        let purposes = [Purpose::find_my_photos(), Purpose::publish_website()];
        let mut run = Self { w, other: None, hook, armed, purposes, backups: Backups::default(), day: 0, added: 0 };
        run.open_other();
        run
    }

    fn open_other(&mut self) {
        let (home, hook) = (&self.w.home, &self.hook);
        self.other = None;
        let place = home.another_place();
        let open = || Ledger::open(&place, home.tools(hook.clone()), at(self.day));
        self.other = Some(patient(open).unwrap());
    }

    /// The vault as one of the two processes has it open.
    fn by(&self, process: usize) -> &Ledger {
        self.other.as_ref().filter(|_| process == 1).unwrap_or(&self.w.ledger)
    }

    fn tx<T>(&self, by: usize, body: impl for<'tx> Fn(&Tx<'tx>) -> Result<T, TxError>) -> Result<T, TxError> {
        self.by(by).run_tx("test", at(self.day), body).map(Committed::into_inner)
    }

    fn places(&self, which: usize) -> (PathBuf, PathBuf) {
        let dir = self.w.home.dir.path();
        (dir.join(format!("backup {which}")), dir.join(format!("elsewhere/ring {which}")))
    }

    /// How things stand by what the vault says.
    fn read(&self) -> State {
        let mut templates = BTreeMap::new();
        for grant in self.w.home.raw().blobs("SELECT grant_id FROM templates") {
            *templates.entry(GrantId::from_bytes(grant.try_into().unwrap())).or_insert(0) += 1;
        }
        let grants = self.w.tx(at(self.day), |tx| {
            let people: BTreeSet<SubjectId> = tx.subjects()?.iter().map(|s| s.id).collect();
            let grants = people.iter().map(|s| tx.grants_of(*s)).collect::<Result<Vec<_>, _>>()?;
            let consents = people.iter().map(|s| tx.consents_of(*s)).collect::<Result<Vec<_>, _>>()?;
            let not_ended: BTreeSet<GrantId> = consents.concat().iter().map(|consent| consent.grant).collect();
            Ok((people, grants.concat(), not_ended))
        });
        let (people, grants, not_ended) = grants.unwrap();
        let mut state = State { people, ..State::default() };
        for g in grants {
            state.renews.extend(g.renews.map(|old| (g.id, old)));
            if not_ended.contains(&g.id) {
                let purpose = self.purposes.iter().position(|p| *p == g.purpose).unwrap();
                let until = (g.valid_until.0 - T0.0) / DAY;
                state.grants.insert(g.id, (g.subject, purpose, until, templates.remove(&g.id).unwrap_or(0)));
            }
        }
        assert!(templates.is_empty(), "templates without an active grant: {templates:?}");
        state
    }

    /// How things have to stand after a step that was not interrupted.
    fn expected(&self, before: &State, act: &Act) -> State {
        let mut after = before.clone();
        let new = GrantId::from_bytes([0xff; 16]);
        match *act {
            Act::Add => {
                after.people.insert(SubjectId::from_bytes([0xff; 16]));
            }
            Act::Grant { who, purpose, days } => {
                let twin = |s: SubjectId, g: &(SubjectId, usize, i64, usize)| g.0 == s && g.1 == purpose;
                let in_force = |s: SubjectId| before.grants.values().any(|g| twin(s, g) && g.2 > self.day);
                if let Some(s) = before.pick(who).filter(|s| !in_force(*s)) {
                    // One that is over does not stand in the way.
                    after.grants.retain(|_, g| !twin(s, g));
                    after.grants.insert(new, (s, purpose, self.day + days, 0));
                }
            }
            Act::Enrol { who } => {
                if let Some((id, _)) = before.live(who, self.day) {
                    after.grants.get_mut(&id).unwrap().3 += 1;
                }
            }
            Act::Renew { who, days } => {
                if let Some((id, fact)) = before.live(who, self.day) {
                    after.grants.remove(&id);
                    after.grants.insert(new, (fact.0, fact.1, self.day + days, fact.3));
                }
            }
            Act::Withdraw { who } => {
                let id = before.live(who, self.day).map(|(id, _)| id);
                after.grants.retain(|grant, _| Some(*grant) != id);
            }
            Act::Expire => after.grants.retain(|_, fact| fact.2 > self.day),
            Act::Erase { who } => {
                let subject = before.pick(who);
                after.people.retain(|s| Some(*s) != subject);
                after.grants.retain(|_, fact| Some(fact.0) != subject);
            }
            Act::Restore { which } => {
                if let Some(kept) = self.restorable(which) {
                    after = kept.clone();
                    after.people.retain(|s| !self.backups.erased.contains(s));
                    after
                        .grants
                        .retain(|id, g| !self.backups.withdrawn.contains(id) && !self.backups.erased.contains(&g.0));
                }
            }
            Act::Wait { .. } | Act::Rotate { .. } | Act::BackUp { .. } => {}
        }
        after
    }

    fn restorable(&self, which: usize) -> Option<&State> {
        let kept = self.backups.kept[which].as_ref();
        kept.filter(|(_, keys)| !self.is_dumped(which) || *keys == self.backups.keys).map(|(state, _)| state)
    }

    /// Whether this backup is made by the database's own means.
    fn is_dumped(&self, which: usize) -> bool {
        self.w.home.backend == Backend::Postgres && which == 0
    }

    fn act(&mut self, before: &State, Step { act, by, .. }: &Step) -> Result<(), TxError> {
        let (now, w, by) = (at(self.day), &self.w, *by);
        match *act {
            Act::Add => {
                self.added += 1;
                let handle = format!("person {}", self.added);
                self.tx(by, |tx| add_subject(tx, &handle)).map(drop)
            }
            Act::Grant { who, purpose, days } => match before.pick(who) {
                Some(s) => {
                    match self.tx(by, |tx| give(tx, s, w.collection, &self.purposes[purpose], &w.witnesses, days)) {
                        Err(TxError::GrantExists) => Ok(()),
                        other => other.map(drop),
                    }
                }
                None => Ok(()),
            },
            Act::Enrol { who } => match before.live(who, self.day) {
                Some((id, _)) => self.tx(by, |tx| tx.enrol(&tx.active_grant(id)?, MODEL, &[b"e"])).map(drop),
                None => Ok(()),
            },
            Act::Renew { who, days } => match before.live(who, self.day) {
                Some((id, _)) => self.tx(by, |tx| renew(tx, id, &w.witnesses, days)).map(drop),
                None => Ok(()),
            },
            Act::Withdraw { who } => match before.live(who, self.day) {
                Some((id, _)) => self.tx(by, |tx| tx.withdraw(tx.active_grant(id)?)),
                None => Ok(()),
            },
            Act::Expire => self.by(by).expire_due(now).map(drop),
            Act::Wait { days } => {
                self.day += days;
                Ok(())
            }
            Act::Erase { who } => match before.pick(who) {
                Some(s) => self.by(by).erase(s, now, |_| {}).map(drop),
                None => Ok(()),
            },
            Act::Rotate { who } => match before.pick(who) {
                Some(s) => {
                    self.backups.exchanges += 1;
                    self.backups.keys = self.backups.exchanges;
                    self.by(by).rotate(s, now)
                }
                None => Ok(()),
            },
            Act::BackUp { .. } | Act::Restore { .. } => Ok(()),
        }
    }

    /// Another program opens the vault in place of one of the two. The other one stays.
    fn reopen(mut self, by: usize) -> Self {
        if by == 1 {
            self.open_other();
            return self;
        }
        let World { ledger, home, collection, witnesses } = self.w;
        drop(ledger);
        let ledger = home.open_hooked_at(&self.hook, at(self.day));
        Self { w: World { ledger, home, collection, witnesses }, ..self }
    }

    fn back_up(&mut self, which: usize, by: usize, before: &State) {
        let (data, ring) = self.places(which);
        if self.is_dumped(which) {
            self.w.home.dump(&data);
        } else {
            self.by(by).backup(&data, &ring, at(self.day)).unwrap();
        }
        self.backups.kept[which] = Some((before.clone(), self.backups.keys));
    }

    fn restore(mut self, which: usize) -> Self {
        let (data, ring) = self.places(which);
        if self.restorable(which).is_none() {
            return self;
        }
        self.other = None;
        self.backups.keys = self.backups.kept[which].as_ref().map_or(0, |(_, keys)| *keys);
        let mut run = if self.is_dumped(which) {
            let World { ledger, home, collection, witnesses } = self.w;
            drop(ledger);
            home.load(&data);
            let ledger = home.open_hooked_at(&self.hook, at(self.day));
            Self { w: World { ledger, home, collection, witnesses }, ..self }
        } else {
            self.w = self.w.restored(&data, &ring, at(self.day));
            // The ledger that restored it has no hook.
            self.reopen(0)
        };
        run.open_other();
        run
    }

    /// What a search finds is what has a grant that is valid now, in whichever process.
    fn check(&self, state: &State, step: &Step) {
        let each = self.purposes.iter().enumerate().flat_map(|of| [(0, of), (1, of)]);
        for (by, (number, purpose)) in each {
            let gallery = self.tx(by, |tx| tx.searchable_templates(self.w.collection, purpose, MODEL)).unwrap();
            let mut found = BTreeMap::new();
            for t in &gallery.templates {
                *found.entry(t.grant).or_insert(0) += 1;
            }
            let due = state.grants.iter().filter(|(_, g)| g.1 == number && g.2 > self.day && g.3 > 0);
            assert_eq!(found, due.map(|(id, g)| (*id, g.3)).collect(), "after {step:?}");
            assert!(gallery.unopened.is_empty(), "after {step:?}");
        }
    }
}

fn history(backend: Backend, steps: &[Step]) {
    let mut run = Run::new(backend);
    run.w.subject("one");
    run.w.subject("two");
    let mut before = run.read();
    for step in steps {
        let expected = run.expected(&before, &step.act);
        match step.act {
            Act::BackUp { which } => run.back_up(which, step.by, &before),
            Act::Restore { which } => run = run.restore(which),
            _ => {
                run.armed.store(step.killed_at.unwrap_or(0), Ordering::SeqCst);
                let outcome = catch_unwind(AssertUnwindSafe(|| run.act(&before, step)));
                run.armed.store(0, Ordering::SeqCst);
                match outcome {
                    Ok(done) => done.unwrap(),
                    Err(_) => run = run.reopen(step.by),
                }
            }
        }
        let after = run.read();
        let kept = [expected.facts()].into_iter().chain(step.killed_at.map(|_| before.facts()));
        assert!(
            kept.clone().any(|facts| facts == after.facts()),
            "{step:?}: {:?}, {:?}",
            after,
            kept.collect::<Vec<_>>()
        );
        match step.act {
            Act::Withdraw { .. } => {
                // With it goes what it renewed, wherever an old backup has it in force.
                let ended = before.grants.keys().filter(|id| !after.grants.contains_key(id));
                for id in ended {
                    let chain = std::iter::successors(Some(*id), |id| after.renews.get(id).copied());
                    run.backups.withdrawn.extend(chain);
                }
            }
            Act::Erase { .. } => run.backups.erased.extend(before.people.difference(&after.people)),
            _ => {}
        }
        run.check(&after, step);
        before = after;
    }
    assert_eq!(run.w.ledger.audit_verify(None, at(run.day)).unwrap().fault, None);
}

fn histories() -> u32 {
    variable("ASSENT_HISTORIES").map_or(24, |said| said.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: histories(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn i1_no_history_leaves_a_template_without_an_active_grant(steps in prop::collection::vec(step(), 5..40)) {
        on_every_database(|backend| history(backend, &steps));
    }
}

#[test]
fn i1_who_renewed_and_then_withdrew_is_not_found_in_an_old_backup() {
    let who = 0;
    let story = [
        Act::Grant { who, purpose: 0, days: 20 },
        Act::Enrol { who },
        Act::BackUp { which: 0 },
        Act::Renew { who, days: 30 },
        Act::Renew { who, days: 40 },
        Act::Withdraw { who },
        Act::Restore { which: 0 },
    ];
    let steps = story.map(|act| Step { act, by: 0, killed_at: None });
    on_every_database(|backend| history(backend, &steps));
}

#[test]
fn i1_who_withdrew_is_found_in_no_backup_whatever_the_order_they_come_back_in() {
    let who = 0;
    // The second backup's log is longer than the first one's was when the person withdrew.
    let story = [
        Act::Grant { who, purpose: 0, days: 20 },
        Act::Enrol { who },
        Act::BackUp { which: 0 },
        Act::Add,
        Act::Add,
        Act::Add,
        Act::BackUp { which: 1 },
        Act::Restore { which: 0 },
        Act::Withdraw { who },
        Act::Restore { which: 1 },
        Act::Restore { which: 0 },
        Act::Restore { which: 1 },
    ];
    let steps = story.map(|act| Step { act, by: 1, killed_at: None });
    on_every_database(|backend| history(backend, &steps));
}

#[test]
fn r45_a_rotation_that_is_killed_after_a_restore_is_settled_wherever_it_stopped() {
    let who = 0;
    // The log was longer at the first rotation than it is at the second.
    let grants = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(who, purpose)| Act::Grant { who, purpose, days: 20 });
    let rotated = [Act::Rotate { who }, Act::Restore { which: 1 }, Act::Rotate { who }];
    let story: Vec<Act> = [Act::BackUp { which: 1 }].into_iter().chain(grants).chain(rotated).collect();
    for killed_at in 1..8 {
        let mut steps: Vec<Step> = story.iter().map(|act| Step { act: act.clone(), by: 0, killed_at: None }).collect();
        steps.last_mut().unwrap().killed_at = Some(killed_at);
        on_every_database(|backend| history(backend, &steps));
    }
}

#[test]
fn r45_backups_from_before_and_after_a_rotation_come_back_each_with_its_keys() {
    let (before, after) = (1, 2);
    let story = [
        Act::BackUp { which: before },
        Act::Rotate { who: 0 },
        Act::BackUp { which: after },
        Act::Restore { which: before },
        Act::Restore { which: after },
        Act::Restore { which: before },
    ];
    let steps = story.map(|act| Step { act, by: 0, killed_at: None });
    on_every_database(|backend| history(backend, &steps));
}
