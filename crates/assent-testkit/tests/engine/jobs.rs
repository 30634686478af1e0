//! Scans, tables, copies and what is done every day as jobs that another program sees and stops: here the vault opened once more.

use std::cell::Cell;
use std::fs;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use assent::Frame;
use assent::export::{Audience, CopyFolder, Mark};
use assent::jobs::{self, Finished, Task, Watch, counted};
use assent::ledger::{AskedFor, Job, JobCounts, JobKind, JobState, Ledger, Role, Scope, Timestamp, TxError, Via};
use assent::scan::{ScanError, ScanSummary};
use assent::service::upkeep;
use assent_testkit::{OPERATOR, T0, World, act, models, scan_with};

use crate::{DESERT, TRIO, WALZ};

/// A clock that jumps by two seconds whenever it is read, so that every photo is a batch and every report is written.
struct Clock(Cell<i64>);

impl Clock {
    fn new() -> Clock {
        Clock(Cell::new(T0.0))
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.0.replace(self.0.get() + 2_000))
    }
}

/// A scan, and what is done in another program after each photo.
fn scan(w: &World, between: &mut dyn FnMut(usize, &Ledger)) -> Result<ScanSummary, ScanError> {
    let (other, clock) = (w.open_again(), Clock::new());
    let progress = &mut |done, _| between(done, &other);
    scan_with(&w.ledger, models(), w.collection, 1, &|| clock.now(), progress)
}

fn newest(ledger: &Ledger) -> Job {
    jobs::list(ledger, false, T0).unwrap().jobs.remove(0)
}

/// The newest job, when it is in this state: a child of another test may hold its file for a moment.
fn patiently(ledger: &Ledger, state: JobState) -> Job {
    let mut tried = 0;
    loop {
        let job = newest(ledger);
        tried += 1;
        if job.state == state || tried == 10_000 {
            assert_eq!(job.state, state);
            return job;
        }
        std::thread::yield_now();
    }
}

#[test]
fn how_far_a_scan_is_shows_in_another_program() {
    let w = World::new(&[WALZ, TRIO, DESERT]);
    let mut seen = Vec::new();
    scan(&w, &mut |_, other| {
        let job = newest(other);
        seen.push((job.state, job.done, job.total));
    })
    .unwrap();
    // The record comes with the batch: it is told what is kept, and not what is only seen.
    let running = |done, total| (JobState::Running, done, total);
    assert_eq!(seen, [running(0, 0), running(1, 3), running(2, 3)]);
    let done = newest(&w.open_again());
    assert_eq!((done.kind, done.collection, done.state), (JobKind::Scan, Some(w.collection), JobState::Done));
    assert_eq!((done.done, done.total, done.counts["photos"], done.counts["looked-at"]), (3, 3, 3, 3));
    assert_eq!(done.by, AskedFor { role: Role::Operator, via: Some(Via::Terminal) });
}

#[test]
fn a_second_scan_is_refused_with_what_runs() {
    let w = World::new(&[WALZ, DESERT]);
    let mut refused = None;
    scan(&w, &mut |_, other| {
        refused = scan_with(other, models(), w.collection, 1, &|| T0, &mut |_, _| {}).err();
    })
    .unwrap();
    match refused.unwrap() {
        ScanError::Ledger(TxError::JobRuns { done: 1, total: 2, .. }) => {}
        other => panic!("{other}"),
    }
    assert_eq!(jobs::list(&w.ledger, true, T0).unwrap().jobs.len(), 1, "what was refused left no record");
}

#[test]
fn a_scan_that_is_stopped_from_another_program_ends_whole_and_goes_on() {
    let w = World::new(&[WALZ, TRIO, DESERT]);
    let stopped = scan(&w, &mut |_, other| {
        let running = newest(other);
        if running.cancel.is_none() {
            jobs::cancel(other, running.id, act(T0)).unwrap();
        }
    });
    let stopped = stopped.unwrap();
    assert!(stopped.stopped);
    assert_eq!(w.known().len(), stopped.looked_at, "what was looked at is kept");
    assert_eq!(stopped.looked_at, 1);
    let record = newest(&w.ledger);
    assert_eq!((record.state, record.done, record.total), (JobState::Cancelled, 1, 3));
    assert_eq!(record.cancel.unwrap().1, Some(AskedFor { role: Role::Operator, via: Some(Via::Terminal) }));
    assert_eq!(record.counts["looked-at"], 1);
    let rest = scan(&w, &mut |_, _| {}).unwrap();
    assert_eq!((rest.looked_at, rest.unchanged, rest.stopped), (2, 1, false));
    assert_eq!(newest(&w.ledger).state, JobState::Done);
}

#[test]
fn a_scan_that_was_killed_is_interrupted_and_the_next_one_goes_on() {
    let w = World::new(&[WALZ, TRIO, DESERT]);
    let killed = catch_unwind(AssertUnwindSafe(|| {
        scan(&w, &mut |done, _| assert!(done < 2, "the program is killed")).unwrap();
    }));
    killed.unwrap_err();
    let record = patiently(&w.open_again(), JobState::Interrupted);
    assert_eq!((record.done, record.total, record.ended), (1, 3, Some(record.heard)));
    let rest = scan(&w, &mut |_, _| {}).unwrap();
    assert_eq!((rest.looked_at, rest.unchanged), (2, 1));
    let all = jobs::list(&w.ledger, true, T0).unwrap().jobs;
    assert_eq!(all.iter().map(|job| job.state).collect::<Vec<_>>(), [JobState::Done, JobState::Interrupted]);
    let shown = jobs::list(&w.ledger, false, T0).unwrap().jobs;
    assert_eq!(shown.len(), 1, "the newest of its kind and collection alone");
}

#[test]
fn a_scan_that_an_order_stops_is_recorded_as_failed() {
    let w = World::new(&[WALZ, DESERT]);
    let stop = |ledger: &Ledger| ledger.run_tx("stop", T0, |tx| tx.order_stop(&Scope::Vault, "a court", None)).unwrap();
    let check = |what: &str, outcome: Result<ScanSummary, ScanError>| {
        assert!(matches!(outcome, Err(ScanError::Ledger(TxError::Stopped { .. }))), "{what}");
        let record = newest(&w.ledger);
        assert_eq!((record.state, record.error.as_deref()), (JobState::Failed, Some("stopped")), "{what}");
        assert_eq!(record.counts, JobCounts::new(), "{what}");
    };
    let running = scan(&w, &mut |done, other| {
        if done == 1 {
            stop(other);
        }
    });
    check("while it runs", running);
    check("before it begins", scan(&w, &mut |_, _| {}));
    let records = jobs::list(&w.ledger, true, T0).unwrap().jobs;
    assert_eq!(records.len(), 2);
}

#[test]
fn copies_that_are_stopped_are_whole_and_the_same_call_writes_all() {
    let w = World::new(&[]);
    for name in ["a.jpg", "b.jpg", "c.jpg"] {
        w.home.put(name, &crate::photo(WALZ));
    }
    let (walz, _) = w.enrol("walz", "carl-walz");
    w.scan();
    let found = w.find(walz);
    assert_eq!(found.len(), 3);
    let (place, other) = (w.home.dir.path().join("copies"), w.open_again());
    let copy = |stops_after: usize| {
        let clock = Clock::new();
        let (now, stop) = (|| clock.now(), Arc::default());
        jobs::run(
            &w.ledger,
            (Task::CopiesForOne(&place), OPERATOR),
            Watch { now: &now, stop: &stop },
            |refused: &Refused| refused.0,
            |job| {
                let mut done = 0;
                let mut one_more = || {
                    done += 1;
                    if done == stops_after {
                        jobs::cancel(&other, newest(&other).id, act(T0)).unwrap();
                    }
                    job.report(done as u64, 3, now());
                    if job.should_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                let render = |_: &_| Ok(Frame::new(16, 8, vec![120; 16 * 8 * 3]).unwrap());
                let folder = CopyFolder::open(&place, Mark::new(walz, Audience::Subject), &[]).unwrap();
                let copied = folder.write(&found, &render, 90, &mut one_more).unwrap();
                let counts = counted([("copies", copied.written)]);
                Ok::<_, Refused>(Finished { counts, stopped: copied.stopped, value: copied })
            },
        )
        .unwrap()
    };
    let written = || fs::read_dir(place.join("Regatta")).unwrap().count();
    let stopped = copy(1);
    assert_eq!((stopped.written, stopped.stopped, stopped.left_over.len(), written()), (1, true, 0, 1));
    let record = newest(&w.ledger);
    assert_eq!((record.kind, record.state, record.counts["copies"]), (JobKind::Export, JobState::Cancelled, 1));
    assert!(record.cancel.is_some() && record.collection.is_none());
    // One that is told to stop when the last copy is written is done.
    for stops_after in [0, 3] {
        let all = copy(stops_after);
        assert_eq!((all.written, all.stopped, written()), (3, false, 3), "{stops_after}");
        assert_eq!(newest(&w.ledger).state, JobState::Done, "{stops_after}");
    }
}

/// The code of what the ledger refused.
#[derive(Debug)]
struct Refused(&'static str);

impl From<TxError> for Refused {
    fn from(refused: TxError) -> Refused {
        Refused(refused.code())
    }
}

#[test]
fn two_exports_to_one_place_are_refused_and_two_places_are_two_jobs() {
    let w = World::new(&[]);
    let other = w.open_again();
    let at = |name: &str| w.home.dir.path().join(name);
    let run = |ledger: &Ledger, task: Task<'_>, inner: &dyn Fn()| {
        let watch = Watch { now: &|| T0, stop: &Arc::default() };
        jobs::run(
            ledger,
            (task, OPERATOR),
            watch,
            |refused: &Refused| refused.0,
            |_| {
                inner();
                Ok::<_, Refused>(Finished { value: (), counts: JobCounts::new(), stopped: false })
            },
        )
        .map_err(|refused| refused.0)
    };
    let (here, there) = (at("copies"), at("other"));
    run(&w.ledger, Task::CopiesForAll(&here), &|| {
        let by_dots = there.join("../copies");
        fs::create_dir_all(&there).unwrap();
        assert_eq!(run(&other, Task::CopiesForOne(&here), &|| ()), Err("job-runs"));
        assert_eq!(run(&other, Task::CopiesForAll(&by_dots), &|| ()), Err("job-runs"), "the same place by another way");
        assert_eq!(run(&other, Task::CopiesForAll(&there), &|| ()), Ok(()));
        assert_eq!(run(&other, Task::Enrolments, &|| ()), Ok(()));
        assert_eq!(run(&other, Task::Tick, &|| ()), Ok(()));
    })
    .unwrap();
    run(&w.ledger, Task::Enrolments, &|| assert_eq!(run(&other, Task::Renewals, &|| ()), Err("job-runs"))).unwrap();
}

#[test]
fn what_is_done_every_day_stops_behind_a_step_and_the_next_call_does_the_rest() {
    let w = World::new(&[]);
    let (other, log) = (w.open_again(), w.home.dir.path().join("log"));
    let tick = |stopped: bool| {
        let (clock, asked) = (Clock::new(), Cell::new(stopped));
        let now = || {
            let at = clock.now();
            if newest_running(&other) && asked.replace(false) {
                jobs::cancel(&other, newest(&other).id, act(T0)).unwrap();
            }
            at
        };
        upkeep::tick(&w.ledger, Some(&log), OPERATOR, Watch { now: &now, stop: &Arc::default() }).unwrap()
    };
    assert!(tick(true).exported.is_none());
    let record = newest(&w.ledger);
    assert_eq!((record.kind, record.state, record.done, record.total), (JobKind::Tick, JobState::Cancelled, 1, 4));
    assert!(tick(false).exported.is_some());
    let record = newest(&w.ledger);
    assert_eq!((record.state, record.done), (JobState::Done, 4));
}

fn newest_running(ledger: &Ledger) -> bool {
    jobs::list(ledger, false, T0).unwrap().jobs.first().is_some_and(|job| job.state == JobState::Running)
}
