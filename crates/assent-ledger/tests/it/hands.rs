//! Several threads and several processes on one vault: each opens it for itself, as here two ledgers of one process do.
#![expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use assent_ledger::{
    CollectionId, EventKind, FORMAT_VERSION, GrantState, LeaseName, Ledger, Moment, NewSubject, OpenError, RingSecret,
    Settings, Tx, TxError, VaultPlace, WriteHook, WriteKind, no_hook,
};

use crate::support::{Backend, World, at, on_every_database, patient};
use crate::support::{MODEL, T0};

/// The same vault, opened once more; one on a server from a folder of its own, with the same key ring.
fn second(w: &World) -> Ledger {
    let place = w.home.another_place();
    patient(|| w.home.open_at(&place)).unwrap()
}

#[test]
fn who_reads_waits_for_nobody_who_writes_and_sees_what_was_committed() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let other = second(&w);
        let (inside, go_on) = (mpsc::channel(), mpsc::channel::<()>());
        let go_on_when = Mutex::new(go_on.1);
        thread::scope(|scope| {
            let writing = scope.spawn(|| {
                w.ledger.run_tx("write for long", T0, |tx| {
                    tx.add_subject(&NewSubject { handle: "late", name: "L", ..NewSubject::default() })?;
                    inside.0.send(()).unwrap();
                    go_on_when.lock().unwrap().recv().unwrap();
                    Ok(())
                })
            });
            inside.1.recv().unwrap();
            for ledger in [&w.ledger, &other] {
                assert_eq!(ledger.read_tx(T0, |tx| Ok(tx.subjects()?.len())).unwrap(), 0, "{backend:?}");
            }
            go_on.0.send(()).unwrap();
            writing.join().unwrap().unwrap();
        });
        assert_eq!(other.read_tx(T0, |tx| Ok(tx.subjects()?.len())).unwrap(), 1, "{backend:?}");
    });
}

#[test]
fn a_snapshot_stays_as_it_was_while_others_write() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let other = second(&w);
        w.ledger
            .read_tx(T0, |tx| {
                let before = tx.log_head()?;
                other.run_tx("write", T0, |tx| tx.append_leaf(EventKind::Search, b"", &[])).unwrap();
                assert_eq!(tx.log_head()?, before, "{backend:?}");
                Ok(())
            })
            .unwrap();
    });
}

#[test]
fn what_one_process_does_the_other_goes_by() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let other = second(&w);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let grant = w.grant(ada, 9);
        w.enrol(grant, b"a template of ada");
        // Keys that were added.
        let names = |ledger: &Ledger| ledger.read_tx(T0, |tx| Ok(tx.subjects()?.len())).unwrap();
        assert_eq!(names(&other), 2, "{backend:?}");
        // Rotated: the other one's view of the ring has the old slot.
        w.ledger.rotate(ada, T0).unwrap();
        let handle = |ledger: &Ledger| ledger.read_tx(T0, |tx| Ok(tx.subject(ada)?.handle)).unwrap();
        assert_eq!((handle(&other), handle(&w.ledger)), ("ada".to_owned(), "ada".to_owned()), "{backend:?}");
        other.run_tx("enrol", T0, |tx| tx.enrol(&tx.active_grant(grant)?, MODEL, &[b"another"]).map(drop)).unwrap();
        // Who answers.
        let club = Settings { controller: "The Other Club".into(), ..Settings::clone(&w.ledger.settings()) };
        w.ledger.change_settings(club, T0).unwrap();
        assert_eq!(names(&other), 2);
        assert_eq!(other.settings().controller, "The Other Club", "{backend:?}");
        // Withdrawn.
        other.run_tx("withdraw", T0, |tx| tx.withdraw(tx.active_grant(grant)?)).unwrap();
        let refused = w.ledger.run_tx("find", T0, |tx| tx.active_grant(grant).map(drop));
        assert!(matches!(refused, Err(TxError::NotActive { .. })), "{backend:?}");
        // Erased: the key is gone for both.
        other.erase(bob, T0, |_| {}).unwrap();
        assert_eq!(names(&w.ledger), 1, "{backend:?}");
        let gone = w.ledger.run_tx("seal", T0, |tx| tx.append_leaf(EventKind::Search, b"", &[(bob, b"")]));
        assert!(matches!(gone, Err(TxError::KeyRing(_))), "{backend:?}");
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None, "{backend:?}");
    });
}

/// Unwinds before the commit of a transaction with this name.
fn unwind_before(name: &'static str) -> WriteHook {
    Arc::new(move |point| {
        assert!(point.kind != WriteKind::Commit(name) || point.moment == Moment::After, "the process is killed");
    })
}

#[test]
fn a_word_that_a_killed_process_had_noted_is_kept_by_the_next_transaction_of_another() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let grant = w.grant(ada, 9);
        w.enrol(grant, b"a template of ada");
        let killed = w.home.open_hooked(&unwind_before("withdraw")).unwrap();
        let withdraw = || killed.run_tx("withdraw", T0, |tx| tx.withdraw(tx.active_grant(grant)?));
        catch_unwind(AssertUnwindSafe(withdraw)).unwrap_err();
        drop(killed);
        let state = w.tx(T0, |tx| Ok(tx.grants_of(ada)?[0].state)).unwrap();
        assert_eq!(state, GrantState::Withdrawn, "{backend:?}");
        assert!(w.gallery(T0).templates.is_empty(), "{backend:?}");
    });
}

#[test]
fn many_threads_write_and_each_of_their_leaves_is_there_once() {
    on_every_database(|backend| {
        let (threads, each) = (8, 25);
        let w = World::new(backend);
        let failed = AtomicUsize::new(0);
        thread::scope(|scope| {
            for thread in 0..threads {
                let (w, failed) = (&w, &failed);
                scope.spawn(move || {
                    for n in 0..each {
                        // One in five takes itself back, whoever shares its commit.
                        let refuse = (thread + n) % 5 == 0;
                        let done = w.ledger.run_tx("append", T0, |tx| {
                            let leaf = tx.append_leaf(EventKind::Search, &[thread as u8, n as u8], &[])?;
                            if refuse { Err(TxError::NoReason) } else { Ok(leaf) }
                        });
                        assert_eq!(done.is_err(), refuse);
                        failed.fetch_add(usize::from(refuse), Ordering::Relaxed);
                    }
                });
            }
        });
        let leaves = w.ledger.read_tx(T0, |tx| tx.leaves(0, 10_000)).unwrap();
        let searches: Vec<_> = leaves.iter().filter(|leaf| leaf.kind == EventKind::Search).collect();
        let all: BTreeSet<_> = searches.iter().map(|leaf| leaf.public.clone()).collect();
        let expected = threads * each - failed.load(Ordering::Relaxed);
        assert_eq!((searches.len(), all.len()), (expected, expected), "{backend:?}");
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None, "{backend:?}");
    });
}

#[test]
fn a_panic_in_a_shared_commit_takes_back_its_own_transaction_alone() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let before = w.ledger.read_tx(T0, |tx| tx.log_head()).unwrap().0;
        thread::scope(|scope| {
            for thread in 0..8_u8 {
                let w = &w;
                scope.spawn(move || {
                    for _ in 0..10 {
                        let run = || {
                            w.ledger.run_tx("append", T0, |tx| {
                                tx.append_leaf(EventKind::Search, &[thread], &[])?;
                                assert!(thread % 4 != 0, "a bug");
                                Ok(())
                            })
                        };
                        assert_eq!(catch_unwind(AssertUnwindSafe(run)).is_err(), thread % 4 == 0);
                    }
                });
            }
        });
        let after = w.ledger.read_tx(T0, |tx| tx.log_head()).unwrap().0;
        assert_eq!(after - before, 60, "{backend:?}");
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None, "{backend:?}");
    });
}

#[test]
fn a_lease_is_one_process_s_until_it_is_given_back_or_its_time_is_over() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let name = LeaseName::Scan(w.collection);
        let lease = w.ledger.lease(name, T0).unwrap();
        let other = patient(|| w.home.try_open()).unwrap();
        assert!(matches!(other.lease(name, T0), Err(TxError::Leased { .. })), "{backend:?}");
        assert!(other.lease(LeaseName::Scan(CollectionId::from_bytes([9; 16])), T0).is_ok(), "another thing");
        w.tx(T0, |tx| tx.renew_lease(&lease)).unwrap();
        w.ledger.release(lease, T0).unwrap();
        let theirs = other.lease(name, T0).unwrap();
        // A process of this machine that is gone needs no waiting for.
        drop(theirs);
        let again = patient_lease(&w.ledger, name);
        let refused = other.run_tx("late", T0, |tx| tx.renew_lease(&again));
        assert!(refused.is_ok(), "the one that was taken last counts");
    });
}

#[test]
fn what_was_deleted_is_cleared_away_by_one_program_and_stays_due_if_more_is_deleted_meanwhile() {
    on_every_database(|backend| {
        // A server cleans up by itself.
        if backend == Backend::Postgres {
            return;
        }
        let w = World::new(backend);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let [of_ada, of_bob] = [ada, bob].map(|who| w.grant(who, 9));
        let is_due = || w.ledger.scrub_is_due(T0).unwrap();
        let withdraw = |grant| w.tx(T0, |tx| tx.withdraw(tx.active_grant(grant)?)).unwrap();
        let (other, third) = (second(&w), Mutex::new(Some(second(&w))));
        withdraw(of_ada);
        let theirs = patient_lease(&other, LeaseName::Scrub);
        assert!(!w.ledger.scrub_if_due(T0) && is_due(), "{backend:?}: another program is at it");
        other.release(theirs, T0).unwrap();
        // Whoever withdraws while the file is written anew.
        let hook: WriteHook = Arc::new(move |point| {
            if point.kind == WriteKind::Scrub && point.moment == Moment::After {
                let withdraw = |tx: &Tx<'_>| tx.withdraw(tx.active_grant(of_bob)?);
                drop(third.lock().unwrap().take().map(|third| third.run_tx("withdraw", T0, withdraw).unwrap()));
            }
        });
        let busy = w.home.open_hooked(&hook).unwrap();
        assert!(
            !busy.scrub_if_due(T0) && is_due(),
            "{backend:?}: what was there is cleared away, and not what came meanwhile"
        );
        assert!(busy.scrub_if_due(T0) && !is_due(), "{backend:?}");
    });
}

fn patient_lease(ledger: &Ledger, name: LeaseName) -> assent_ledger::Lease {
    loop {
        match ledger.lease(name, T0) {
            // A child of another test holds the file for a moment.
            Err(TxError::Leased { .. }) => thread::yield_now(),
            lease => return lease.unwrap(),
        }
    }
}

#[test]
fn a_machine_that_was_thought_dead_stores_nothing_any_more() {
    // On SQLite the vault's folder is the machine, so that this is about PostgreSQL alone.
    on_every_database(|backend| {
        if backend == Backend::Sqlite {
            return;
        }
        let w = World::new(backend);
        let name = LeaseName::Scan(w.collection);
        let lease = w.ledger.lease(name, T0).unwrap();
        let folder = w.home.dir.path().join("another machine");
        std::fs::create_dir(&folder).unwrap();
        let elsewhere = w.home.open_at(&VaultPlace { folder, ..w.home.place.clone() }).unwrap();
        assert!(matches!(elsewhere.lease(name, at(0)), Err(TxError::Leased { .. })));
        let theirs = elsewhere.lease(name, at(1)).unwrap();
        let late = w.tx(at(1), |tx| tx.renew_lease(&lease));
        assert!(matches!(late, Err(TxError::LeaseLost { .. })), "{late:?}");
        elsewhere.run_tx("batch", at(1), |tx| tx.renew_lease(&theirs)).unwrap();
    });
}

#[test]
fn i6_an_erasure_that_two_processes_finish_has_one_last_leaf() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        // Whoever opens the vault just then takes it for one that was interrupted, and finishes it.
        w.ledger.erase(ada, T0, |_| drop(second(&w))).unwrap();
        let leaves = w.ledger.read_tx(T0, |tx| tx.leaves(0, 1000)).unwrap();
        assert_eq!(leaves.iter().filter(|leaf| leaf.kind == EventKind::ErasureDone).count(), 1, "{backend:?}");
        assert_eq!(w.ledger.erasures(T0).unwrap().len(), 1, "{backend:?}");
    });
}

/// Locking the keys anew needs the ring alone, in whatever folder the others have opened the vault.
#[test]
fn keys_are_locked_anew_by_nobody_while_another_process_has_them() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let secret = RingSecret::Passphrase(b"a long walk by the river".to_vec().into());
        let other = second(&w);
        let refused = w.ledger.lock_keys(Some(&secret));
        assert!(matches!(refused, Err(TxError::InUse)), "{backend:?}: {refused:?}");
        assert_eq!(other.read_tx(T0, |tx| Ok(tx.subject(ada)?.handle)).unwrap(), "ada", "{backend:?}");
        drop(other);
        // Another test's child may hold the lock for a moment.
        while matches!(w.ledger.lock_keys(Some(&secret)), Err(TxError::InUse)) {
            thread::yield_now();
        }
        assert_eq!(w.ledger.read_tx(T0, |tx| Ok(tx.subject(ada)?.handle)).unwrap(), "ada", "{backend:?}");
        let locked = patient(|| w.home.try_open()).map(drop);
        assert!(matches!(locked, Err(OpenError::KeyRing(_))), "{backend:?}: {locked:?}");
    });
}

/// Copies of the ring on other machines: the file alone, and the whole folder that it is in.
#[test]
fn i5_a_copy_of_the_key_ring_on_another_machine_is_refused() {
    on_every_database(|backend| {
        if backend == Backend::Sqlite {
            return;
        }
        let w = World::new(backend);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let elsewhere = |name: &str, whole: bool| {
            let dir = w.home.dir.path().join(name);
            std::fs::create_dir_all(dir.join("vault")).unwrap();
            std::fs::create_dir_all(dir.join("keys")).unwrap();
            for entry in std::fs::read_dir(w.home.place.ring.parent().unwrap()).unwrap() {
                let path = entry.unwrap().path();
                if whole || path == w.home.place.ring {
                    std::fs::copy(&path, dir.join("keys").join(path.file_name().unwrap())).unwrap();
                }
            }
            VaultPlace { folder: dir.join("vault"), ring: dir.join("keys/ring"), ..w.home.place.clone() }
        };
        let copies = [elsewhere("file alone", false), elsewhere("whole folder", true)];
        let refused = |place: &VaultPlace| {
            let opened = patient(|| w.home.open_at(place)).map(drop);
            assert!(matches!(opened, Err(OpenError::RingElsewhere { .. })), "{opened:?}");
        };
        copies.iter().for_each(refused);
        w.ledger.erase(ada, T0, |_| {}).unwrap();
        copies.iter().for_each(refused);
        // By another name of the same file it is the same ring.
        let link = VaultPlace { ring: w.home.dir.path().join("link"), ..w.home.place.clone() };
        std::os::unix::fs::symlink(&w.home.place.ring, &link.ring).unwrap();
        patient(|| w.home.open_at(&link)).unwrap();

        // The machine with the ring is lost, and a copy takes its place: nobody is back, and the other one is told.
        let [place, other] = copies;
        Ledger::adopt_ring(&place, w.home.tools(no_hook())).unwrap();
        let ledger = patient(|| w.home.open_at(&place)).unwrap();
        assert_eq!(ledger.recovered().keys_destroyed, 1, "the copy is from before the erasure");
        let handles = ledger.read_tx(T0, |tx| Ok(tx.subjects()?.len())).unwrap();
        assert_eq!(handles, 1);
        let late = w.tx(T0, |tx| tx.append_leaf(EventKind::Search, b"", &[(bob, b"")]));
        assert!(matches!(late, Err(TxError::RingElsewhere)), "{late:?}");
        let late = w.ledger.read_tx(T0, |tx| Ok(tx.subjects()?.len()));
        assert!(matches!(late, Err(TxError::RingElsewhere)), "{late:?}");
        refused(&w.home.place);
        refused(&other);
        // And back again, while it is open there.
        Ledger::adopt_ring(&w.home.place, w.home.tools(no_hook())).unwrap();
        w.tx(T0, |tx| tx.append_leaf(EventKind::Search, b"", &[(bob, b"")])).unwrap();
        assert!(ledger.read_tx(T0, |tx| Ok(tx.subjects()?.len())).is_err());
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None);
    });
}

#[test]
fn a_program_of_another_format_writes_nothing() {
    on_every_database(|backend| {
        let w = World::new(backend);
        w.home.raw().exec("UPDATE vault SET format_version = 99");
        let refused = w.tx(T0, |tx| tx.append_leaf(EventKind::Search, b"", &[]));
        assert!(matches!(refused, Err(TxError::OtherFormat)), "{backend:?}: {refused:?}");
        let refused = w.ledger.read_tx(T0, |tx| tx.log_head());
        assert!(matches!(refused, Err(TxError::OtherFormat)), "{backend:?}: {refused:?}");
    });
}

/// What is between the rows and the last entry of an erasure: the database cannot be written for a while.
#[test]
fn i5_an_erasure_whose_end_cannot_be_written_is_told_so_and_finished_later() {
    on_every_database(|backend| {
        for by_opening in [false, true] {
            let w = World::new(backend);
            let ada = w.subject("ada");
            let format = |format| w.home.raw().exec(format!("UPDATE vault SET format_version = {format}"));
            let erased = w.ledger.erase(ada, T0, |_| format(99));
            assert!(matches!(erased, Err(TxError::ErasureUnfinished(_))), "{backend:?}: {erased:?}");
            format(FORMAT_VERSION);
            assert_eq!(w.ledger.unfinished_erasures(T0).unwrap(), 1, "{backend:?}");
            let gone = w.ledger.read_tx(T0, |tx| tx.subject(ada).map(drop));
            assert!(matches!(gone, Err(TxError::NoSubject)), "{backend:?}: {gone:?}");
            let w = if by_opening {
                w.reopened()
            } else {
                w.ledger.erase(ada, T0, |_| {}).unwrap();
                w
            };
            assert_eq!(w.ledger.unfinished_erasures(T0).unwrap(), 0, "{backend:?}");
            let leaves = w.ledger.read_tx(T0, |tx| tx.leaves(0, 1000)).unwrap();
            assert_eq!(leaves.iter().filter(|leaf| leaf.kind == EventKind::ErasureDone).count(), 1, "{backend:?}");
        }
    });
}
