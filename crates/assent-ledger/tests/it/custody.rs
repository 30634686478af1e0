//! R41: a key ring that is locked with a passphrase, or with a data key that somebody else keeps.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};

use assent_ledger::*;
use zeroize::Zeroizing;

use crate::support::*;

fn passphrase(text: &str) -> RingSecret {
    RingSecret::Passphrase(Zeroizing::new(text.as_bytes().to_vec()))
}

fn data_key(byte: u8) -> RingSecret {
    RingSecret::DataKey { key: Zeroizing::new([byte; 32]), wrapped: vec![byte; 300] }
}

fn open(home: &Home, secrets: &[RingSecret], hook: &WriteHook) -> Result<Ledger, OpenError> {
    patient(|| Ledger::open(&home.place, Tools { secrets: secrets.to_vec(), ..home.tools(hook.clone()) }, T0))
}

/// The names of the files in the ring's folder.
fn files(home: &Home) -> Vec<String> {
    let folder = fs::read_dir(home.place.ring.parent().unwrap()).unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // Beside the ring of a vault on a server lie its place and its lock, which hold no key.
    names.filter(|name| name != "ring.place" && name != "ring.lock").collect()
}

#[test]
fn r41_a_locked_vault_works_and_opens_with_its_secret_alone() {
    on_every_database(|backend| {
        for secret in [passphrase("a long walk by the river"), data_key(7)] {
            let (w, ada, _) = full(backend, "ada");
            let in_the_clear = fs::read(&w.home.place.ring).unwrap();
            w.ledger.lock_keys(Some(&secret)).unwrap();
            let locked = fs::read(&w.home.place.ring).unwrap();
            let slots = in_the_clear[128..].chunks(128).map(|slot| &slot[24..56]);
            assert!(slots.chain([&in_the_clear[40..72]]).all(|key| !contains(&locked, key)));
            assert_eq!(files(&w.home), ["ring"]);
            w.ledger.rotate(ada, T0).unwrap();
            let late = w.subject("late");
            w.tx(T0, |tx| tx.withdraw(tx.active_grant(tx.grants_of(ada)?[0].id)?)).unwrap();
            w.ledger.erase(late, T0, |_| {}).unwrap();
            let (id, certificate) = (w.ledger.id(), w.ledger.certificate(late, T0).unwrap());
            let World { ledger, home, .. } = w;
            drop(ledger);

            let refused = open(&home, &[], &no_hook());
            assert!(matches!(refused, Err(OpenError::KeyRing(KeyRingError::Locked { .. }))), "{refused:?}");
            let ledger = open(&home, std::slice::from_ref(&secret), &no_hook()).unwrap();
            assert_eq!((ledger.id(), ledger.audit_verify(None, T0).unwrap().fault), (id, None));
            assert_eq!(ledger.run_tx("look", T0, |tx| tx.subjects()).unwrap().len(), 2);
            assert!(Certificate::verify(&certificate, &ledger.log_keys()).is_ok());
            ledger.lock_keys(None).unwrap();
            drop(ledger);
            drop(home.open());
        }
    });
}

#[test]
fn r41_a_new_passphrase_leaves_nothing_to_the_old_one() {
    let (w, ..) = full(Backend::Sqlite, "ada");
    let (old, new) = (passphrase("the old one, long enough"), passphrase("the new one, long enough"));
    w.ledger.lock_keys(Some(&old)).unwrap();
    let before = fs::read(&w.home.place.ring).unwrap();
    w.ledger.lock_keys(Some(&new)).unwrap();
    let after = fs::read(&w.home.place.ring).unwrap();
    // The sealed keys: the ring's own and the master key in the header, the others in the slots.
    let slots = before[256..].chunks(128).map(|slot| &slot[24..96]);
    assert!(slots.chain([&before[80..152], &before[152..224]]).all(|sealed| !contains(&after, sealed)));
    let World { ledger, home, .. } = w;
    drop(ledger);
    let refused = open(&home, &[old], &no_hook());
    assert!(matches!(refused, Err(OpenError::KeyRing(KeyRingError::WrongSecret { .. }))), "{refused:?}");
    open(&home, &[new], &no_hook()).unwrap();
}

#[test]
fn r41_a_lock_that_was_interrupted_is_the_old_one_or_the_new_one() {
    let mut outcomes = Vec::new();
    for n in 1.. {
        let (w, ..) = full(Backend::Sqlite, "ada");
        let World { ledger, home, .. } = w;
        drop(ledger);
        let keys: Vec<Vec<u8>> =
            fs::read(&home.place.ring).unwrap()[128..].chunks(128).map(|slot| slot[24..56].to_vec()).collect();
        let done = catch_unwind(AssertUnwindSafe(|| {
            open(&home, &[], &unwind_at(n)).unwrap().lock_keys(Some(&data_key(7))).unwrap();
        }));
        let locked = RingLock::of(&home.place.ring).unwrap() != RingLock::None;
        let ledger = open(&home, &[data_key(7)], &no_hook()).unwrap();
        assert_eq!(ledger.run_tx("look", T0, |tx| tx.subjects()).unwrap().len(), 2);
        assert_eq!(files(&home), ["ring"], "write {n}: nothing is left beside it");
        let bytes = bytes_below(home.place.ring.parent().unwrap());
        assert!(keys.iter().all(|key| contains(&bytes, key) != locked), "write {n}");
        if done.is_ok() {
            break;
        }
        outcomes.push(locked);
    }
    assert!(outcomes.len() >= 6 && outcomes.is_sorted(), "{outcomes:?}");
    assert_eq!((outcomes.first(), outcomes.last()), (Some(&false), Some(&true)));
}

#[test]
fn r41_a_backup_keeps_the_lock_that_it_was_made_under() {
    let (w, ada, _) = full(Backend::Sqlite, "ada");
    let (data, copy) = (w.home.dir.path().join("backup"), w.home.dir.path().join("elsewhere/ring"));
    w.ledger.lock_keys(Some(&data_key(1))).unwrap();
    w.ledger.backup(&data, &copy, T0).unwrap();
    w.ledger.lock_keys(Some(&data_key(2))).unwrap();
    w.ledger.rotate(ada, T0).unwrap();
    let World { ledger, home, .. } = w;
    drop(ledger);
    fs::remove_dir_all(&home.place.folder).unwrap();
    let restore = |secrets: Vec<RingSecret>| {
        let from = Backup { data: &data, ring: Some(&copy), newest: None };
        Ledger::restore(&home.place, from, Tools { secrets, ..home.tools(no_hook()) }, T0)
    };
    let refused = restore(vec![data_key(2)]);
    let lock = RingLock::of(&copy).unwrap();
    assert!(matches!(refused, Err(RestoreError::KeyRing(KeyRingError::Locked { lock: l, .. })) if l == lock));
    let ledger = restore(vec![data_key(1), data_key(2)]).unwrap();
    assert_eq!(ledger.run_tx("look", T0, |tx| tx.find_subject("ada")).unwrap().id, ada);
    assert_ne!(RingLock::of(&home.place.ring).unwrap(), lock, "the present ring keeps its own");
}

#[test]
fn what_a_lock_asks_for_is_said() {
    let (w, ..) = full(Backend::Sqlite, "ada");
    w.ledger.lock_keys(Some(&data_key(1))).unwrap();
    let World { ledger, home, .. } = w;
    drop(ledger);
    let sentence = |secrets: &[RingSecret]| {
        let text = open(&home, secrets, &no_hook()).unwrap_err().to_string();
        text.replace(home.dir.path().to_str().unwrap(), "~")
    };
    assert_eq!(sentence(&[]), "the key ring ~/keys/ring opens with its data key alone");
    open(&home, &[data_key(1)], &no_hook()).unwrap().lock_keys(Some(&passphrase("one"))).unwrap();
    assert_eq!(sentence(&[data_key(1)]), "the key ring ~/keys/ring opens with its passphrase alone");
    assert_eq!(
        sentence(&[passphrase("two")]),
        "this is not the passphrase of the key ring ~/keys/ring; try again, or restore the key ring from a backup whose \
         passphrase you know"
    );
    assert!(!format!("{:?}", passphrase("two")).contains("two"));
}
