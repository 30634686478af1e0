//! Nothing bricks a vault, and nothing that was decided is lost: by whatever backup comes back, in whatever order, wherever a
//! backup or a restore is interrupted, and with a key ring that is older than the vault.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use assent_ledger::*;
use sha2::{Digest, Sha256};

use crate::support::*;

/// A world, and how to take it back to an earlier moment by the means of its database, the key ring left as it is.
struct Past {
    data: PathBuf,
}

impl Past {
    fn keep(w: &World, name: &str) -> Self {
        let data = w.home.dir.path().join(name);
        match w.home.backend {
            Backend::Sqlite => w.ledger.backup(&data, &data.with_extension("ring"), T0).unwrap(),
            Backend::Postgres => w.home.dump(&data),
        }
        Self { data }
    }

    fn come_back(&self, w: World) -> World {
        match w.home.backend {
            Backend::Sqlite => w.restored(&self.data, &self.data.with_extension("ring"), at(1)),
            Backend::Postgres => {
                let World { ledger, home, collection, witnesses } = w;
                drop(ledger);
                home.load(&self.data);
                World { ledger: home.open(), home, collection, witnesses }
            }
        }
    }
}

fn ask(tx: &Tx<'_>, subject: Option<SubjectId>, words: &str) -> Result<RequestId, TxError> {
    let (kind, album) = (RequestKind::Access, Album::default());
    let new = NewRequest { kind, subject, collection: None, words, received: tx.now(), due: None, album };
    Ok(tx.open_request(&new)?.id)
}

/// What may not be forgotten, in order: who is restricted, the reason of each order in force, what each request says and
/// whether it was answered, and how many faces are set apart.
type Decided = (Vec<bool>, Vec<String>, Vec<(Option<String>, bool)>, usize);

fn decided(w: &World, photo: PhotoId) -> Decided {
    let read = |tx: &Tx<'_>| {
        let restricted = tx.subjects()?.iter().map(|s| s.restricted.is_some()).collect();
        let orders = tx.orders()?.into_iter().filter(|o| o.in_force(at(1))).map(|o| o.reason).collect();
        let mut requests: Vec<_> = tx.requests()?.into_iter().map(|r| (r.words, r.answered.is_some())).collect();
        requests.sort();
        Ok((restricted, orders, requests, tx.objected_faces(photo)?.len()))
    };
    w.tx(at(1), read).unwrap()
}

#[test]
fn whatever_backup_comes_back_restrictions_orders_requests_and_objections_of_later_hold() {
    on_every_database(|backend| {
        let (w, ada, _) = full(backend, "ada");
        let bob = w.tx(T0, |tx| Ok(tx.find_subject("bob")?.id)).unwrap();
        let photo = w.tx(T0, |tx| Ok(tx.known_photos(w.collection)?[0].id)).unwrap();
        let before = w.tx(T0, |tx| tx.order_stop(&Scope::Vault, "an old order", None)).unwrap();
        let open = w.tx(T0, |tx| ask(tx, Some(bob), "an old request")).unwrap();
        let early = Past::keep(&w, "early");
        w.tx(T0, |tx| {
            tx.restrict(ada, true)?;
            tx.restrict(bob, true)?;
            tx.lift_order(before)?;
            tx.order_stop(&Scope::Collection(w.collection), "the court says so", None)?;
            tx.answer_request(open, RequestOutcome::Granted)?;
            ask(tx, Some(ada), "tell me everything")?;
            ask(tx, None, "I am not on your list")
        })
        .unwrap();
        let between = Past::keep(&w, "between");
        w.tx(T0, |tx| {
            tx.restrict(bob, false)?;
            let face = tx.faces_of(photo)?[0].0;
            tx.object(photo, face)
        })
        .unwrap();
        let then = decided(&w, photo);
        let words = |text: &str| Some(text.to_owned());
        let requests = vec![
            (words("I am not on your list"), false),
            (words("an old request"), true),
            (words("tell me everything"), false),
        ];
        assert_eq!(then, (vec![true, false], vec!["the court says so".into()], requests, 1));
        let mut w = w;
        for (n, past) in [&early, &between, &early].into_iter().enumerate() {
            w = past.come_back(w);
            assert_eq!(decided(&w, photo), then, "{backend:?}, {n}");
            let sightings = w.home.raw().count("SELECT COUNT(*) FROM sightings");
            assert_eq!(sightings, 1, "{backend:?}, {n}: nothing is kept of a face that was set apart");
            let taken = w.ledger.recovered().replayed;
            let all = ReplayedNotes { restrictions: 1, orders: 2, requests: 3, objections: 1 };
            // Bob was not restricted early on, and is not now.
            let few = ReplayedNotes { restrictions: 1, objections: 1, ..ReplayedNotes::default() };
            assert_eq!(taken, if n == 1 { few } else { all }, "{backend:?}, {n}");
            assert_eq!(w.ledger.audit_verify(None, at(1)).unwrap().fault, None, "{backend:?}, {n}");
            let World { ledger, home, collection, witnesses } = w;
            drop(ledger);
            let ledger = home.open();
            assert_eq!(ledger.recovered(), Recovered::default(), "{backend:?}, {n}: once");
            w = World { ledger, home, collection, witnesses };
        }
    });
}

#[test]
fn a_restored_vault_says_how_much_it_cannot_know() {
    let w = World::new(Backend::Sqlite);
    let early = Past::keep(&w, "early");
    w.tx(T0, |tx| (0..5).try_for_each(|_| tx.append_leaf(EventKind::Scan, b"", &[]).map(drop))).unwrap();
    let newest = w.ledger.checkpoint(T0).unwrap();
    let World { ledger, home, .. } = w;
    drop(ledger);
    fs::remove_dir_all(&home.place.folder).unwrap();
    let ledger = home.restore(Backup { data: &early.data, ring: None, newest: Some(&newest) }, at(1)).unwrap();
    assert_eq!(ledger.recovered(), Recovered { entries_lost: 5, ..Recovered::default() });
}

#[test]
fn i5_an_older_key_ring_under_a_newer_vault_is_found_and_brings_nobody_back() {
    on_every_database(|backend| {
        let (w, ada, _) = full(backend, "ada");
        let old = fs::read(&w.home.place.ring).unwrap();
        let ada_key = old.chunks(128).find(|slot| slot[8..24] == *ada.as_bytes()).unwrap()[24..56].to_vec();
        let past = Past::keep(&w, "early");
        w.tx(T0, |tx| {
            let bob = tx.find_subject("bob")?.id;
            tx.restrict(bob, true)?;
            tx.withdraw(tx.active_grant(tx.grants_of(bob)?[0].id)?)
        })
        .unwrap();
        w.ledger.erase(ada, T0, |_| {}).unwrap();
        let World { ledger, home, collection, witnesses } = w;
        drop(ledger);
        fs::write(&home.place.ring, &old).unwrap();
        let ledger = home.open();
        let found = ledger.recovered();
        assert_eq!((found.older_ring, found.keys_destroyed), (true, 1), "{backend:?}");
        assert!(!contains(&fs::read(&home.place.ring).unwrap(), &ada_key), "{backend:?}: destroyed again");
        drop(ledger);
        let ledger = home.open();
        assert_eq!(ledger.recovered(), Recovered::default(), "{backend:?}: once");
        // The ring knows again what it has to know.
        let w = past.come_back(World { ledger, home, collection, witnesses });
        let (people, found) = (w.tx(at(1), |tx| tx.subjects()).unwrap(), w.gallery(at(1)).templates.len());
        assert_eq!((people.len(), people[0].restricted.is_some(), found), (1, true, 0), "{backend:?}");
    });
}

/// A key ring of about two megabytes, so that a limit on the size of files meets it and not the database.
fn pad(ring: &Path) -> u64 {
    let mut bytes = fs::read(ring).unwrap();
    for n in 0..16_384_u64 {
        // A live slot of somebody whom no transaction added: they are harmless.
        let mut slot = [0; 128];
        slot[..8].copy_from_slice(&1_u64.to_be_bytes());
        slot[8..16].copy_from_slice(&n.to_be_bytes());
        let sum: [u8; 32] = Sha256::digest(&slot[..96]).into();
        slot[96..].copy_from_slice(&sum);
        bytes.extend_from_slice(&slot);
    }
    fs::write(ring, &bytes).unwrap();
    bytes.len() as u64
}

const FULL: &str = "ASSENT_TEST_RING_FULL";

/// Started by the next test as a process of its own, in which no file may grow beyond the key ring.
#[test]
fn child_whose_key_ring_is_full() {
    let Some(folder) = variable(FULL) else { return };
    let folder = PathBuf::from(folder);
    let place =
        VaultPlace { folder: folder.join("my vault"), ring: folder.join("keys/ring"), database: Database::Sqlite };
    let tools = Tools { rng: Box::new(TestRng::new("full")), hook: no_hook(), secrets: Vec::new(), rules: lenient() };
    let ledger = Ledger::open(&place, tools, T0).unwrap();
    let refused = ledger.run_tx("add", T0, |tx| add_subject(tx, "late"));
    assert!(matches!(refused, Err(TxError::KeyRing(KeyRingError::Io { .. }))), "the ring is full: {refused:?}");
    ledger
        .run_tx("withdraw", T0, |tx| {
            let ada = tx.find_subject("ada")?.id;
            tx.restrict(ada, true)?;
            tx.withdraw(tx.active_grant(tx.grants_of(ada)?[0].id)?)
        })
        .unwrap();
    assert_eq!(ledger.notes_due(T0).unwrap(), 2);
}

#[test]
fn i1_a_withdrawal_counts_although_the_disk_of_the_key_ring_is_full() {
    let (w, _, _) = full(Backend::Sqlite, "ada");
    let early = Past::keep(&w, "early");
    let World { ledger, home, collection, witnesses } = w;
    drop(ledger);
    let limit = format!("--fsize={}", pad(&home.place.ring));
    let test = ["recovery::child_whose_key_ring_is_full", "--exact", "--quiet"];
    // A write beyond the limit is an error then, and not a signal.
    let done = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec prlimit \"$@\"", "sh", &limit])
        .arg(std::env::current_exe().unwrap())
        .args(test)
        .env(FULL, home.dir.path())
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    let w = World { ledger: home.open(), home, collection, witnesses };
    let state = |w: &World| {
        let read = |tx: &Tx<'_>| {
            let ada = tx.find_subject("ada")?;
            Ok((tx.grants_of(ada.id)?[0].state, ada.restricted.is_some()))
        };
        (w.tx(at(1), read).unwrap(), w.ledger.notes_due(at(1)).unwrap())
    };
    assert_eq!(state(&w), ((GrantState::Withdrawn, true), 0), "it counts, and is noted by now");
    let w = early.come_back(w);
    assert_eq!(state(&w), ((GrantState::Withdrawn, true), 0), "and an old backup does not bring it back");
}

/// The folder of a backup and of its key ring, as a person would carry both away.
struct Carried {
    data: PathBuf,
    ring: PathBuf,
}

/// Restores what a backup holds, with everything else lost.
fn from_nothing(from: &Carried) -> Vec<String> {
    let home = Home::new(Backend::Sqlite);
    let backup = Backup { data: &from.data, ring: Some(&from.ring), newest: None };
    let ledger = home.restore(backup, at(1)).unwrap();
    assert_eq!(ledger.audit_verify(None, at(1)).unwrap().fault, None);
    let people = ledger.run_tx("list", at(1), |tx| tx.subjects()).unwrap().into_inner();
    people.into_iter().map(|s| s.handle).collect()
}

#[test]
fn a_backup_over_the_last_one_is_whole_wherever_it_is_interrupted() {
    let mut seen = Vec::new();
    for n in 1.. {
        let w = World::new(Backend::Sqlite);
        let ada = w.subject("ada");
        let dir = w.home.dir.path();
        let to = Carried { data: dir.join("backup"), ring: dir.join("elsewhere/ring") };
        w.ledger.backup(&to.data, &to.ring, T0).unwrap();
        w.subject("bob");
        // So that the newer key ring alone does not open the older data.
        w.ledger.rotate(ada, T0).unwrap();
        let World { ledger, home, .. } = w;
        drop(ledger);
        let killed = catch_unwind(AssertUnwindSafe(|| {
            let ledger = home.open_hooked(&unwind_at(n)).unwrap();
            ledger.backup(&to.data, &to.ring, T0).unwrap();
        }))
        .is_err();
        let people = from_nothing(&to);
        assert!(people == ["ada"] || people == ["ada", "bob"], "write {n}: {people:?}");
        home.open().backup(&to.data, &to.ring, T0).unwrap();
        assert_eq!(from_nothing(&to), ["ada", "bob"], "write {n}: and it can be made again");
        for (folder, files) in [(to.data.as_path(), 2), (to.ring.parent().unwrap(), 1)] {
            let left: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(left.len(), files, "write {n}: {left:?}");
        }
        if !killed {
            break;
        }
        seen.push(people.len());
    }
    assert!(seen.len() > 12 && seen.contains(&1) && seen.contains(&2), "{seen:?}");
}

#[test]
fn a_restore_can_be_run_again_wherever_it_is_interrupted() {
    // With the key ring there, and with its backup alone.
    for ring_lost in [false, true] {
        let mut tries = 0;
        for n in 1.. {
            let (w, ada, _) = full(Backend::Sqlite, "ada");
            let dir = w.home.dir.path();
            let to = Carried { data: dir.join("backup"), ring: dir.join("elsewhere/ring") };
            w.ledger.backup(&to.data, &to.ring, T0).unwrap();
            w.ledger.erase(ada, T0, |_| {}).unwrap();
            let World { ledger, home, .. } = w;
            drop(ledger);
            fs::remove_dir_all(&home.place.folder).unwrap();
            if ring_lost {
                fs::remove_file(&home.place.ring).unwrap();
            }
            let from = Backup { data: &to.data, ring: Some(&to.ring), newest: None };
            let restore = || Ledger::restore(&home.place, from, home.tools(unwind_at(n)), at(1));
            let killed = catch_unwind(AssertUnwindSafe(|| drop(restore().unwrap()))).is_err();
            let there = home.place.folder.join("assent.db").exists();
            assert_eq!(there, patient(|| home.try_open()).is_ok(), "write {n}: a vault or none");
            match home.restore(from, at(1)) {
                Ok(_) => assert!(!there, "write {n}"),
                Err(RestoreError::Open(OpenError::VaultExists { .. })) => assert!(there, "write {n}"),
                Err(e) => panic!("write {n}: {e}"),
            }
            let ledger = home.open();
            let people = ledger.run_tx("list", at(1), |tx| tx.subjects()).unwrap().len();
            assert_eq!(people, if ring_lost { 2 } else { 1 }, "write {n}");
            assert_eq!(ledger.audit_verify(None, at(1)).unwrap().fault, None, "write {n}");
            let leaves = ledger.run_tx("look", at(1), |tx| tx.leaves(0, 1000)).unwrap();
            assert_eq!(leaves.iter().filter(|leaf| leaf.kind == EventKind::Restored).count(), 1, "write {n}");
            let mut left: Vec<_> = fs::read_dir(&home.place.folder).unwrap().map(|e| e.unwrap().file_name()).collect();
            left.retain(|name| !["assent.db-wal", "assent.db-shm", "leases"].iter().any(|other| name == other));
            left.sort();
            assert_eq!(left, ["assent.db", "assent.lock"], "write {n}");
            if !killed {
                break;
            }
            tries = n;
        }
        assert!(tries > 8, "{tries}");
    }
}

#[test]
fn a_half_restored_vault_is_none_and_says_so() {
    let home = Home::new(Backend::Sqlite);
    fs::create_dir(&home.place.folder).unwrap();
    fs::write(home.place.folder.join("assent.db.restoring"), b"half").unwrap();
    let opened = home.try_open().map(drop);
    assert!(matches!(opened, Err(OpenError::HalfRestored { .. })), "{opened:?}");
    let made =
        Ledger::create(&home.place, VaultKind::Household, &Settings::default(), home.tools(no_hook()), T0).map(drop);
    assert!(matches!(made, Err(OpenError::HalfRestored { .. })), "{made:?}");
}

#[test]
fn a_vault_its_backup_and_what_is_restored_from_it_are_their_owners_alone() {
    let w = World::new(Backend::Sqlite);
    let dir = w.home.dir.path();
    let to = Carried { data: dir.join("backup"), ring: dir.join("elsewhere/ring") };
    w.ledger.backup(&to.data, &to.ring, T0).unwrap();
    let check = |path: &Path| {
        let about = fs::metadata(path).unwrap();
        let mode = about.permissions().mode() & 0o777;
        assert_eq!(mode, if about.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    };
    let check_all = |home: &Home| {
        let folders = [&home.place.folder, home.place.ring.parent().unwrap()].map(Path::to_path_buf);
        for folder in folders.iter().chain([&to.data]) {
            check(folder);
            for entry in fs::read_dir(folder).unwrap() {
                check(&entry.unwrap().path());
            }
        }
        check(&to.ring);
    };
    check_all(&w.home);
    // A folder that was there, and is empty, becomes so.
    let other = Home::new(Backend::Sqlite);
    fs::create_dir(&other.place.folder).unwrap();
    let from = Backup { data: &to.data, ring: Some(&to.ring), newest: None };
    let _restored = other.restore(from, T0).unwrap();
    check_all(&other);
}
