//! A backup has one form wherever the vault was, and comes back into either database.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use assent_ledger::*;

use crate::support::*;

/// From which database into which, as far as they are there.
fn ways() -> Vec<(Backend, Backend)> {
    use Backend::{Postgres, Sqlite};
    if postgres().is_none() {
        vec![(Sqlite, Sqlite)]
    } else {
        vec![(Postgres, Postgres), (Postgres, Sqlite), (Sqlite, Postgres)]
    }
}

/// Where a backup lies.
struct Kept {
    home: Home,
}

impl Kept {
    fn new() -> Self {
        Self { home: Home::new(Backend::Sqlite) }
    }

    fn data(&self) -> std::path::PathBuf {
        self.home.dir.path().join("data")
    }

    fn ring(&self) -> std::path::PathBuf {
        self.home.dir.path().join("elsewhere/ring")
    }
}

fn keep(ledger: &Ledger) -> Kept {
    let kept = Kept::new();
    ledger.backup(&kept.data(), &kept.ring(), T0).unwrap();
    kept
}

fn restore(home: &Home, kept: &Kept, now: Timestamp) -> Result<Ledger, RestoreError> {
    home.restore(Backup { data: &kept.data(), ring: Some(&kept.ring()), newest: None }, now)
}

/// A place that has the key ring of `home` as it is now, and no vault.
fn with_ring_of(home: &Home, backend: Backend) -> Home {
    let other = Home::new(backend);
    fs::create_dir_all(other.place.ring.parent().unwrap()).unwrap();
    fs::copy(&home.place.ring, &other.place.ring).unwrap();
    other
}

/// Every row of every table in a backup, and the numbers that were given last.
fn rows(data: &Path) -> BTreeMap<String, Vec<String>> {
    let connection = rusqlite::Connection::open(data.join("assent.db")).unwrap();
    // Whether a file has to be cleaned up is about the file.
    connection.execute_batch("UPDATE vault SET scrub_due = 0").unwrap();
    let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'sqlite_stat1'";
    let mut names = connection.prepare(names).unwrap();
    let names: Vec<String> = names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut all = BTreeMap::new();
    for name in names {
        let mut statement = connection.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns = statement.column_count();
        let mut rows: Vec<String> = statement
            .query_map([], |row| {
                let values = (0..columns).map(|n| row.get::<_, rusqlite::types::Value>(n).map(|v| format!("{v:?}")));
                Ok(values.collect::<Result<Vec<_>, _>>()?.join(" | "))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        rows.sort();
        all.insert(name, rows);
    }
    all
}

/// Something of every kind that a vault holds, as far as it has a table.
fn furnish_all(w: &World, ada: SubjectId) {
    w.tx(T0, |tx| tx.keep_crops(w.collection)).unwrap();
    let photo = w.photo("boats/b.jpg", &[face(0.0), face(200.0)]);
    let gone = w.photo("boats/gone.jpg", &[face(10.0)]);
    w.tx(T0, |tx| {
        tx.keep_crops_of(photo.id, MODEL, &[(photo.faces[0], b"crop")])?;
        tx.object(photo.id, photo.faces[1])?;
        tx.refuse(ada, w.collection, &Purpose::publish_website(), notice())?;
        tx.lift_order(tx.order_stop(&Scope::Vault, "a judge", None)?)?;
        tx.open_request(&asks(ada, "what?"))?;
        tx.note_portraits(ada, [[7; 32]].iter())?;
        tx.remove_photos(w.collection, &[gone.id].into()).map(drop)
    })
    .unwrap();
    let erased = w.subject("eve");
    w.ledger.erase(erased, T0, |_| {}).unwrap();
}

#[test]
fn a_backup_is_the_same_rows_whichever_database_they_went_through() {
    if postgres().is_none() {
        return;
    }
    let (w, ada, _) = full(Backend::Sqlite, "ada");
    furnish_all(&w, ada);
    let w = w.reopened();
    let first = keep(&w.ledger);
    let home = with_ring_of(&w.home, Backend::Postgres);
    let ledger = restore(&home, &first, T0).unwrap();
    let second = keep(&ledger);
    let (before, after) = (rows(&first.data()), rows(&second.data()));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let filled = before.iter().filter(|(_, rows)| !rows.is_empty()).count();
    assert!(filled > 20, "{filled} tables are looked at");
    for (table, rows) in &before {
        // The restore and the second backup are entries of the log, and the key ring of the server's vault has its place.
        // Who cleaned up is no part of the vault.
        if table == "ring_place" || table == "leases" {
            continue;
        }
        if table.starts_with("log_") {
            assert!(after[table].len() >= rows.len(), "{table}");
        } else {
            assert_eq!(&after[table], rows, "{table}");
        }
    }
    for table in ["log_leaves", "log_openings"] {
        assert!(before[table].iter().all(|row| after[table].contains(row)), "{table}: nothing of it is lost");
    }
    // No number is given twice, also of a photo that is not there any more.
    let numbers = |ledger: &Ledger| {
        let put = ledger.run_tx("scan", T0, |tx| put_photo(tx, tx.collections()?[0].id, "new.jpg", &[face(0.0)]));
        let put = put.unwrap().into_inner();
        (put.id, put.faces)
    };
    assert_eq!(numbers(&ledger), numbers(&w.ledger));
}

#[test]
fn i5_whoever_was_erased_or_withdrew_stays_so_by_whatever_way_a_backup_comes_back() {
    for (from, to) in ways() {
        let (w, ada, _) = full(from, "ada");
        let kept = keep(&w.ledger);
        let bob = w.tx(T0, |tx| Ok(tx.find_subject("bob")?.id)).unwrap();
        w.ledger.erase(ada, at(1), |_| {}).unwrap();
        w.tx(at(1), |tx| tx.withdraw(tx.active_grant(tx.grants_of(bob)?[0].id)?)).unwrap();
        let home = with_ring_of(&w.home, to);
        let ledger = restore(&home, &kept, at(2)).unwrap();
        let (found, made_good) = (ledger.recovered(), (1, 1));
        assert_eq!((found.erased, found.withdrawn), made_good, "{from:?} to {to:?}");
        drop(ledger);
        // By another program, too.
        let ledger = patient(|| home.try_open()).unwrap();
        let read = ledger.run_tx("look", at(2), |tx| {
            let collection = tx.collections()?[0].id;
            let templates = tx.searchable_templates(collection, &Purpose::find_my_photos(), MODEL)?.templates.len();
            let handles: Vec<_> = tx.subjects()?.into_iter().map(|s| s.handle).collect();
            Ok((handles, tx.grants_of(bob)?[0].state, templates))
        });
        let read = read.unwrap().into_inner();
        assert_eq!(read, (vec!["bob".to_owned()], GrantState::Withdrawn, 0), "{from:?} to {to:?}");
        let certificate = ledger.certificate(ada, at(2)).unwrap();
        Certificate::verify(&certificate, &ledger.log_keys()).unwrap();
        let audit = ledger.audit_verify(None, at(2)).unwrap();
        assert_eq!(audit.fault, None, "{from:?} to {to:?}");
        let leaves = ledger.read_tx(at(2), |tx| tx.leaves(0, 1000)).unwrap();
        assert_eq!(leaves.iter().filter(|leaf| leaf.kind == EventKind::Restored).count(), 1);
        let left: Vec<_> = fs::read_dir(&home.place.folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name == "assent.db.restoring"), "{left:?}");
        assert_eq!(home.place.folder.join("assent.db").exists(), to == Backend::Sqlite, "{left:?}");
    }
}

#[test]
fn a_backup_is_one_moment_of_the_vault_whatever_others_write_meanwhile() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let mut written = 0;
                while !over.load(Ordering::Relaxed) && written < 500 {
                    w.tx(T0, |tx| {
                        add_subject(tx, &format!("p{written}"))?;
                        tx.append_leaf(EventKind::Search, b"", &[])
                    })
                    .unwrap();
                    written += 1;
                }
                written
            });
            for _ in 0..3 {
                let kept = keep(&w.ledger);
                // With its own copy of the ring: everybody in it has a key there.
                let home = Home::new(Backend::Sqlite);
                let ledger = restore(&home, &kept, T0).unwrap();
                let audit = ledger.audit_verify(None, T0).unwrap();
                assert_eq!(audit.fault, None, "{backend:?}");
                let (people, leaves) =
                    ledger.read_tx(T0, |tx| Ok((tx.subjects()?.len(), tx.leaves(0, 10_000)?))).unwrap();
                let added = leaves.iter().filter(|leaf| leaf.kind == EventKind::Search).count();
                assert_eq!(people, added, "{backend:?}: what one transaction wrote is there as a whole");
            }
            over.store(true, Ordering::Relaxed);
            assert!(writing.join().unwrap() > 0);
        });
    });
}

/// What is in the vault's folder, but for the locks of what one program does at a time.
fn left_in(home: &Home) -> Vec<std::ffi::OsString> {
    let all = fs::read_dir(&home.place.folder).unwrap().map(|e| e.unwrap().file_name());
    all.filter(|name| name != "leases").collect()
}

#[test]
fn a_restore_onto_a_server_can_be_run_again_wherever_it_is_interrupted() {
    if postgres().is_none() {
        return;
    }
    let (w, ada, _) = full(Backend::Postgres, "ada");
    let kept = keep(&w.ledger);
    w.ledger.erase(ada, T0, |_| {}).unwrap();
    let mut tries = 0;
    for n in 1.. {
        let home = with_ring_of(&w.home, Backend::Postgres);
        let (data, ring) = (kept.data(), kept.ring());
        let from = Backup { data: &data, ring: Some(&ring), newest: None };
        let run = || drop(Ledger::restore(&home.place, from, home.tools(unwind_at(n)), at(1)).unwrap());
        let killed = catch_unwind(AssertUnwindSafe(run)).is_err();
        let there = home.raw().count("SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('vault')") == 1
            && home.raw().count("SELECT COUNT(*) FROM vault") == 1;
        let opened = patient(|| home.try_open());
        assert_eq!(there, opened.is_ok(), "write {n}: a vault or none: {opened:?}");
        drop(opened);
        match restore(&home, &kept, at(1)) {
            Ok(_) => assert!(!there, "write {n}"),
            Err(RestoreError::Open(OpenError::DatabaseTaken { .. })) => assert!(there, "write {n}"),
            Err(e) => panic!("write {n}: {e}"),
        }
        let ledger = patient(|| home.try_open()).unwrap();
        assert_eq!(ledger.read_tx(at(1), |tx| Ok(tx.subjects()?.len())).unwrap(), 1, "write {n}");
        assert_eq!(ledger.audit_verify(None, at(1)).unwrap().fault, None, "write {n}");
        assert_eq!(left_in(&home), ["assent.lock"], "write {n}");
        if !killed {
            break;
        }
        tries = n;
    }
    assert!(tries > 8, "{tries}");
}

#[test]
fn a_restore_over_a_vault_on_a_server_is_refused_and_changes_nothing() {
    if postgres().is_none() {
        return;
    }
    let (w, _, _) = full(Backend::Postgres, "ada");
    let kept = keep(&w.ledger);
    w.subject("late");
    let size = w.ledger.audit_verify(None, T0).unwrap().size;
    let mut home = with_ring_of(&w.home, Backend::Sqlite);
    home.place.database = w.home.place.database.clone();
    let refused = restore(&home, &kept, T0).map(drop);
    assert!(matches!(refused, Err(RestoreError::Open(OpenError::DatabaseTaken { .. }))), "{refused:?}");
    assert_eq!(w.ledger.audit_verify(None, T0).unwrap().size, size);
    assert_eq!(left_in(&home), ["assent.lock"]);
}
