//! Jobs as every process sees them: here one of them works, and another one opened the same vault.

use std::collections::BTreeMap;
use std::fs;

use assent_ledger::*;
use rand_core::TryRng;

use crate::support::*;

const OPERATOR: Actor = Actor { role: Role::Operator, via: Via::Terminal };

fn second(w: &World) -> Ledger {
    let place = w.home.another_place();
    patient(|| w.home.open_at(&place)).unwrap()
}

/// So many seconds after the vault was made.
fn after(seconds: i64) -> Timestamp {
    Timestamp(T0.0 + seconds * 1000)
}

fn act(seconds: i64) -> Act {
    Act { by: OPERATOR, at: after(seconds) }
}

fn scan(w: &World) -> NewJob<'static> {
    let collection = Some(w.collection);
    NewJob { kind: JobKind::Scan, collection, lease: LeaseName::Scan(w.collection), task: "scan" }
}

const TICK: NewJob<'_> = NewJob { kind: JobKind::Tick, collection: None, lease: LeaseName::Tick, task: "tick" };

/// A child of another test may hold a file for a moment.
fn start(ledger: &Ledger, new: &NewJob<'_>, act: Act) -> JobRun {
    loop {
        match ledger.start_job(new, act) {
            Err(TxError::Leased { .. } | TxError::JobRuns { .. }) => std::thread::yield_now(),
            started => return started.unwrap(),
        }
    }
}

fn report(ledger: &Ledger, run: &JobRun, (done, total): (u64, u64), at: Timestamp) -> Result<bool, TxError> {
    ledger.run_tx("report", at, |tx| tx.report_job(run, done, total)).map(Committed::into_inner)
}

fn counts(photos: u64) -> JobCounts {
    JobCounts::from([("photos".to_owned(), photos)])
}

fn states(ledger: &Ledger, now: Timestamp) -> Vec<(i64, JobState)> {
    ledger.jobs(now).unwrap().jobs.iter().map(|job| (job.id.0, job.state)).collect()
}

#[test]
fn a_job_is_seen_by_every_process_from_its_beginning_to_its_end() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let other = second(&w);
        assert_eq!(states(&other, T0), [], "{backend:?}");
        let run = start(&w.ledger, &scan(&w), act(1));
        let seen = |at| other.job(run.id(), after(at)).unwrap();
        let begun = seen(2);
        assert_eq!((begun.state, begun.done, begun.total), (JobState::Running, 0, 0), "{backend:?}");
        assert_eq!((begun.kind, begun.collection, &*begun.task), (JobKind::Scan, Some(w.collection), "scan"));
        assert_eq!(begun.by, AskedFor { role: Role::Operator, via: Some(Via::Terminal) }, "{backend:?}");
        assert!(!report(&w.ledger, &run, (64, 200), after(3)).unwrap());
        let on_its_way = seen(3);
        assert_eq!((on_its_way.done, on_its_way.total, on_its_way.heard), (64, 200, after(3)), "{backend:?}");
        let id = run.id();
        w.ledger.end_job(run, (200, 200), &JobOutcome::Done(counts(200)), act(5)).unwrap();
        let done = other.job(id, after(6)).unwrap();
        assert_eq!((done.state, done.done, done.ended), (JobState::Done, 200, Some(after(5))), "{backend:?}");
        assert_eq!((done.started, done.counts, done.error), (after(1), counts(200), None), "{backend:?}");
        let failing = start(&other, &TICK, act(7));
        other.end_job(failing, (0, 0), &JobOutcome::Failed("stopped".to_owned()), act(8)).unwrap();
        let failed = &w.ledger.jobs(after(9)).unwrap().jobs[0];
        assert_eq!((failed.state, failed.error.as_deref()), (JobState::Failed, Some("stopped")), "{backend:?}");
        assert_eq!(states(&w.ledger, after(9)), [(2, JobState::Failed), (1, JobState::Done)], "{backend:?}");
        assert!(matches!(w.ledger.job(JobId(3), T0), Err(TxError::NoJob { job: JobId(3) })), "{backend:?}");
    });
}

#[test]
fn a_second_job_of_one_kind_and_collection_is_refused_with_what_runs() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let other = second(&w);
        let run = start(&w.ledger, &scan(&w), act(1));
        report(&w.ledger, &run, (64, 200), after(2)).unwrap();
        for ledger in [&w.ledger, &other] {
            let refused = ledger.start_job(&scan(&w), act(3)).unwrap_err();
            assert!(
                matches!(refused, TxError::JobRuns { job: JobId(1), done: 64, total: 200, .. }),
                "{backend:?}: {refused}"
            );
            let says = "another program is scanning this collection already (64 of 200 done); wait until it is done, or stop it";
            assert_eq!(refused.to_string(), says, "{backend:?}");
        }
        // Another collection, another kind.
        let elsewhere = CollectionId::from_bytes([9; 16]);
        let new = NewJob { collection: Some(elsewhere), lease: LeaseName::Scan(elsewhere), ..scan(&w) };
        drop((start(&other, &new, act(4)), start(&other, &TICK, act(4))));
        // What has the lease and is no job is told as before.
        w.ledger.end_job(run, (64, 200), &JobOutcome::Done(counts(64)), act(5)).unwrap();
        let moving = other.lease(LeaseName::Scan(w.collection), after(6)).unwrap();
        assert!(matches!(w.ledger.start_job(&scan(&w), act(7)), Err(TxError::Leased { .. })), "{backend:?}");
        other.release(moving, after(8)).unwrap();
        assert_eq!(start(&w.ledger, &scan(&w), act(9)).id(), JobId(4), "{backend:?}: what was refused left no record");
    });
}

#[test]
fn a_job_that_is_stopped_by_another_process_hears_it_at_its_next_step_and_the_record_says_by_whom() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let other = second(&w);
        let run = start(&w.ledger, &scan(&w), act(1));
        let id = run.id();
        let asked = |at| w.ledger.read_tx(at, |tx| tx.job_is_cancelled(&run)).unwrap();
        assert!(!asked(after(2)) && !report(&w.ledger, &run, (1, 9), after(2)).unwrap(), "{backend:?}");
        let account = Via::Account(AccountId::from_bytes([3; 16]));
        let admin = Actor { role: Role::Admin, via: account };
        other.cancel_job(id, Act { by: admin, at: after(3) }).unwrap();
        // Somebody else asks, too: the first is named.
        other.cancel_job(id, act(4)).unwrap();
        let cancel = Some((after(3), Some(AskedFor { role: Role::Admin, via: Some(account) })));
        assert_eq!((other.job(id, after(4)).unwrap().cancel, asked(after(4))), (cancel, true), "{backend:?}");
        assert!(report(&w.ledger, &run, (2, 9), after(5)).unwrap(), "{backend:?}");
        w.ledger.end_job(run, (2, 9), &JobOutcome::Cancelled(counts(2)), act(6)).unwrap();
        let ended = other.job(id, after(7)).unwrap();
        assert_eq!((ended.state, ended.cancel, ended.counts), (JobState::Cancelled, cancel, counts(2)), "{backend:?}");
        for (what, job, at) in [("it ended", id, 8), ("there is none", JobId(77), 8)] {
            let refused = other.cancel_job(job, act(at)).unwrap_err();
            assert!(matches!(refused, TxError::JobEnded { .. } | TxError::NoJob { .. }), "{backend:?}: {what}");
        }
        assert_eq!(start(&other, &scan(&w), act(9)).id(), JobId(2), "{backend:?}: the lease is free at once");
    });
}

#[test]
fn a_job_whose_process_was_killed_is_interrupted_for_whoever_looks_and_in_the_record_when_it_is_started_again() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let other = second(&w);
        let killed = start(&w.ledger, &scan(&w), act(1));
        report(&w.ledger, &killed, (64, 200), after(2)).unwrap();
        // The system closes its files.
        drop(killed);
        let here = patient_state(&w.ledger, JobState::Interrupted, after(3));
        assert_eq!(
            (here.ended, here.done, here.total),
            (Some(after(2)), 64, 200),
            "{backend:?}: at once on its machine"
        );
        let elsewhere = other.job(JobId(1), after(70)).unwrap();
        assert_eq!((elsewhere.state, elsewhere.ended), (JobState::Interrupted, Some(after(2))), "{backend:?}");
        assert!(matches!(w.ledger.cancel_job(JobId(1), act(4)), Err(TxError::JobEnded { .. })), "{backend:?}");
        let again = start(&w.ledger, &scan(&w), act(5));
        assert_eq!(states(&other, after(6)), [(2, JobState::Running), (1, JobState::Interrupted)], "{backend:?}");
        let said = w.home.raw().count("SELECT COUNT(*) FROM jobs WHERE state = 'interrupted' AND ended_ms IS NOT NULL");
        assert_eq!(said, 1, "{backend:?}: and it is written down");
        w.ledger.end_job(again, (136, 136), &JobOutcome::Done(counts(200)), act(7)).unwrap();
        assert_eq!(states(&other, after(8)), [(2, JobState::Done), (1, JobState::Interrupted)], "{backend:?}");
    });
}

/// The newest job, which is in this state: a child of another test may hold its file for a moment.
fn patient_state(ledger: &Ledger, state: JobState, now: Timestamp) -> Job {
    let newest = || ledger.jobs(now).unwrap().jobs.remove(0);
    let seen = (0..10_000).map(|_| newest()).inspect(|_| std::thread::yield_now()).find(|job| job.state == state);
    seen.unwrap_or_else(|| panic!("{state}: {:?}", newest()))
}

#[test]
fn a_process_that_works_in_silence_is_not_taken_for_dead_on_its_machine() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let run = start(&w.ledger, &scan(&w), act(1));
        // Its lease is over by the clock, and its file is locked.
        assert_eq!(states(&w.ledger, after(3600)), [(1, JobState::Running)], "{backend:?}");
        assert!(matches!(w.ledger.start_job(&scan(&w), act(3600)), Err(TxError::JobRuns { .. })), "{backend:?}");
        w.ledger.end_job(run, (1, 1), &JobOutcome::Done(counts(1)), act(3601)).unwrap();
    });
}

#[test]
fn a_job_that_was_taken_over_stores_nothing_any_more_and_says_nothing_of_its_end() {
    // On SQLite the vault's folder is the machine, so that this is about PostgreSQL alone.
    on_every_database(|backend| {
        if backend == Backend::Sqlite {
            return;
        }
        let w = World::new(backend);
        let other = second(&w);
        let slow = start(&w.ledger, &scan(&w), act(1));
        let theirs = start(&other, &scan(&w), act(70));
        let late = report(&w.ledger, &slow, (5, 9), after(71));
        assert!(matches!(late, Err(TxError::LeaseLost { .. })), "{late:?}");
        w.ledger.end_job(slow, (9, 9), &JobOutcome::Done(counts(9)), act(72)).unwrap();
        assert_eq!(states(&other, after(73)), [(2, JobState::Running), (1, JobState::Interrupted)]);
        report(&other, &theirs, (1, 9), after(74)).unwrap();
    });
}

#[test]
fn old_records_are_cleared_and_the_newest_of_each_kind_and_collection_stays() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let place = |name: &str| w.ledger.export_lease(std::path::Path::new(name));
        let export = |lease| NewJob { kind: JobKind::Export, collection: None, lease, task: "copies-for-one" };
        let of_day = |new: &NewJob<'_>, day: i64| {
            let act = Act { by: OPERATOR, at: at(day) };
            let run = start(&w.ledger, new, act);
            w.ledger.end_job(run, (1, 1), &JobOutcome::Done(counts(1)), act).unwrap();
        };
        of_day(&scan(&w), 0);
        of_day(&scan(&w), 1);
        of_day(&TICK, 2);
        of_day(&export(place("a")), 3);
        of_day(&export(place("b")), 4);
        drop(start(&w.ledger, &scan(&w), Act { by: OPERATOR, at: at(20) }));
        of_day(&TICK, 33);
        let left = |day| {
            w.ledger.clear_jobs(at(day)).unwrap();
            states(&w.ledger, at(day)).into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        assert_eq!(left(30), [7, 6, 5, 4, 3, 2, 1], "{backend:?}: on the 30th day all are there");
        assert_eq!(left(32), [7, 6, 5, 4, 3], "{backend:?}");
        assert_eq!(left(100), [7, 6, 5], "{backend:?}");
        let mut raw = w.home.raw();
        let interrupted = raw.count("SELECT COUNT(*) FROM jobs WHERE id = 6 AND state = 'interrupted'");
        assert_eq!(interrupted, 1, "{backend:?}: the one that was killed is said to be");
        let places = raw.count("SELECT COUNT(*) FROM leases WHERE name LIKE 'export-%'");
        assert_eq!(places, 1, "{backend:?}: a place that no record is about is forgotten");
        let files = fs::read_dir(w.home.place.folder.join("leases")).unwrap().map(|entry| entry.unwrap().file_name());
        let of_places = files.filter(|name| name.to_str().unwrap().starts_with("export-")).count();
        assert_eq!(of_places, 1, "{backend:?}: and its file is gone");
        assert_eq!(start(&w.ledger, &TICK, Act { by: OPERATOR, at: at(101) }).id(), JobId(8), "{backend:?}");
    });
}

#[test]
fn records_outlive_backup_and_restore_and_what_ran_then_is_interrupted() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let done = start(&w.ledger, &TICK, act(1));
        w.ledger.end_job(done, (4, 4), &JobOutcome::Done(counts(4)), act(2)).unwrap();
        let runs = start(&w.ledger, &scan(&w), act(3));
        let kept = tempfile::tempdir().unwrap();
        let (data, ring) = (kept.path().join("data"), kept.path().join("keys/ring"));
        w.ledger.backup(&data, &ring, after(4)).unwrap();
        drop(runs);
        let other = Home::new(backend);
        fs::create_dir_all(other.place.ring.parent().unwrap()).unwrap();
        fs::copy(&w.home.place.ring, &other.place.ring).unwrap();
        let from = Backup { data: &data, ring: Some(&ring), newest: None };
        // At once: the lease of the one that ran would not be over by the clock.
        let restored = other.restore(from, after(5)).unwrap();
        assert_eq!(states(&restored, after(6)), [(2, JobState::Interrupted), (1, JobState::Done)], "{backend:?}");
        assert_eq!(restored.job(JobId(1), after(6)).unwrap().counts, counts(4), "{backend:?}");
        let again = start(&restored, &scan(&w), act(7));
        assert_eq!(again.id(), JobId(3), "{backend:?}");
    });
}

#[test]
fn i5_the_record_of_a_job_for_a_person_holds_nothing_of_them() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let own = Actor { role: Role::Member, via: Via::Account(AccountId::from_bytes(*ada.as_bytes())) };
        let lease = w.ledger.export_lease(std::path::Path::new("/home/ada/photos of ada"));
        let copies = NewJob { kind: JobKind::Export, collection: None, lease, task: "copies-for-one" };
        let run = start(&w.ledger, &copies, Act { by: own, at: after(1) });
        let id = run.id();
        w.ledger.cancel_job(id, Act { by: own, at: after(2) }).unwrap();
        w.ledger.end_job(run, (1, 2), &JobOutcome::Cancelled(counts(1)), Act { by: own, at: after(3) }).unwrap();
        w.ledger.erase(ada, T0, |_| {}).unwrap();
        // What the vault's own key opens is all that there is, and it says that a member asked.
        let job = w.ledger.job(id, after(4)).unwrap();
        let member = AskedFor { role: Role::Member, via: None };
        assert_eq!((job.by, job.cancel), (member, Some((after(2), Some(member)))), "{backend:?}");
        assert_eq!((&*job.task, job.counts), ("copies-for-one", counts(1)), "{backend:?}");
        let mut raw = w.home.raw();
        let lease = raw.blobs("SELECT CAST(lease AS BLOB) FROM jobs".replace("BLOB", binary(backend)));
        for part in [ada.as_bytes().as_slice(), b"ada"] {
            let all =
                ["sealed", "outcome", "cancelled_by"].map(|column| raw.blobs(format!("SELECT {column} FROM jobs")));
            assert!(!all.iter().flatten().chain(&lease).any(|bytes| contains(bytes, part)), "{backend:?}");
        }
    });
}

fn binary(backend: Backend) -> &'static str {
    if backend == Backend::Sqlite { "BLOB" } else { "BYTEA" }
}

#[test]
fn whoever_can_write_the_database_stops_a_job_and_cannot_say_how_one_ended() {
    on_every_database(|backend| {
        let make = || {
            let w = World::new(backend);
            let run = start(&w.ledger, &TICK, act(1));
            w.ledger.end_job(run, (0, 4), &JobOutcome::Failed("disk-full".to_owned()), act(2)).unwrap();
            let run = start(&w.ledger, &scan(&w), act(3));
            (w, run)
        };
        let told = [
            ("that it was done", "UPDATE jobs SET state = 'done' WHERE id = 1"),
            ("that it ended later", "UPDATE jobs SET ended_ms = ended_ms + 1 WHERE id = 1"),
            ("that another kind did", "UPDATE jobs SET kind = 'import' WHERE id = 1"),
            ("that it had no outcome", "UPDATE jobs SET outcome = NULL WHERE id = 1"),
            ("that one that runs ended", "UPDATE jobs SET state = 'done', ended_ms = 1, outcome = sealed WHERE id = 2"),
        ];
        for (what, sql) in told {
            let (w, _run) = make();
            w.home.raw().exec(sql);
            let JobRecords { jobs, unreadable } = w.ledger.jobs(after(4)).unwrap();
            assert_eq!((jobs.len(), unreadable.len()), (1, 1), "{backend:?}: {what}: {jobs:?}");
            let one = w.ledger.job(unreadable[0], after(4));
            assert!(matches!(one, Err(TxError::Damaged { .. } | TxError::Seal(_))), "{backend:?}: {what}: {one:?}");
            // It is in nobody's way.
            w.ledger.clear_jobs(after(5)).unwrap();
        }
        // That is denial of service, and names nobody.
        let (w, run) = make();
        w.home.raw().exec("UPDATE jobs SET cancel_ms = 1 WHERE id = 2");
        assert!(report(&w.ledger, &run, (1, 9), after(4)).unwrap(), "{backend:?}");
        assert_eq!(w.ledger.job(run.id(), after(5)).unwrap().cancel, Some((Timestamp(1), None)), "{backend:?}");
        w.home.raw().exec("DELETE FROM jobs");
        report(&w.ledger, &run, (2, 9), after(6)).unwrap();
        w.ledger.end_job(run, (9, 9), &JobOutcome::Done(counts(9)), act(7)).unwrap();
        assert_eq!(states(&w.ledger, after(8)), [], "{backend:?}: the work is done all the same");
    });
}

/// Jobs of three kinds in two processes of one machine, begun, reported, stopped, ended, killed and cleared at random: after each step
/// every process sees of each what happened to it, and under one lease never two run.
#[test]
fn in_no_history_do_two_jobs_run_under_one_lease_or_does_one_change_that_ended() {
    on_every_database(|backend| {
        for seed in 0..4 {
            let w = World::new(backend);
            let other = patient(|| w.home.try_open()).unwrap();
            let export = NewJob {
                kind: JobKind::Export,
                lease: w.ledger.export_lease(std::path::Path::new("copies")),
                task: "copies-for-one",
                ..TICK
            };
            let (kinds, ledgers) = ([scan(&w), TICK, export], [&w.ledger, &other]);
            let mut rng = TestRng::new(&format!("jobs {seed}"));
            let mut random = |n: u64| (rng.try_next_u64().unwrap() % n) as usize;
            let mut running: BTreeMap<usize, JobRun> = BTreeMap::new();
            let mut expected: Vec<(i64, JobState)> = Vec::new();
            for step in 0..40 {
                let (kind, ledger, act) = (random(3), ledgers[random(2)], act(step));
                let runs = running.contains_key(&kind);
                let what = random(7);
                match what {
                    0 | 1 if runs => {
                        let refused = ledger.start_job(&kinds[kind], act);
                        assert!(matches!(refused, Err(TxError::JobRuns { .. })), "{backend:?} {seed}.{step}");
                    }
                    0 | 1 => {
                        let run = start(ledger, &kinds[kind], act);
                        expected.insert(0, (run.id().0, JobState::Running));
                        running.insert(kind, run);
                    }
                    2 => {
                        let number = random(expected.len() as u64 + 1) as i64 + 1;
                        let can = expected.contains(&(number, JobState::Running));
                        let told = ledger.cancel_job(JobId(number), act);
                        assert_eq!(told.is_ok(), can, "{backend:?} {seed}.{step}: {told:?}");
                    }
                    3 => ledger.clear_jobs(act.at).unwrap(),
                    4 if runs => drop(report(ledger, &running[&kind], (1, 2), act.at).unwrap()),
                    _ => {
                        let Some(run) = running.remove(&kind) else { continue };
                        let id = run.id().0;
                        let ended = if what == 5 { JobState::Interrupted } else { JobState::Done };
                        if ended == JobState::Done {
                            ledger.end_job(run, (2, 2), &JobOutcome::Done(counts(2)), act).unwrap();
                        } else {
                            // Its process is killed.
                            drop(run);
                        }
                        let of_it = expected.iter_mut().find(|(number, _)| *number == id).unwrap();
                        of_it.1 = ended;
                    }
                }
                for ledger in ledgers {
                    // A child of another test may hold the file of one that was killed for a moment.
                    let mut seen = states(ledger, act.at);
                    for _ in 0..10_000 {
                        if seen == expected {
                            break;
                        }
                        std::thread::yield_now();
                        seen = states(ledger, act.at);
                    }
                    assert_eq!(seen, expected, "{backend:?} {seed}.{step}");
                }
            }
            assert!(expected.len() > 3, "{backend:?} {seed}: {expected:?}");
        }
    });
}
