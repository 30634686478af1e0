//! A restored log goes on under a name and a key of its own: nothing makes two histories of one log.

use std::fs;
use std::path::PathBuf;

use assent_ledger::*;

use crate::support::*;

/// A vault with a backup, and what was signed before and after it.
struct Drill {
    home: Home,
    data: PathBuf,
    keys: LogKeys,
    /// Signed before the backup, when it was made, and after it.
    checkpoints: [String; 3],
}

fn grow(ledger: &Ledger) {
    ledger.run_tx("grow", T0, |tx| tx.append_leaf(EventKind::Scan, b"", &[])).unwrap();
}

fn drill() -> Drill {
    let w = World::new(Backend::Sqlite);
    let data = w.home.dir.path().join("backup");
    let sign = || w.ledger.checkpoint(T0).unwrap();
    let before = sign();
    grow(&w.ledger);
    let then = sign();
    w.ledger.backup(&data, &w.home.dir.path().join("elsewhere/ring"), T0).unwrap();
    (0..3).for_each(|_| grow(&w.ledger));
    let after = sign();
    let keys = w.ledger.log_keys();
    let World { ledger, home, .. } = w;
    drop(ledger);
    Drill { home, data, keys, checkpoints: [before, then, after] }
}

fn restore(drill: &Drill, newest: Option<&str>) -> Ledger {
    let home = &drill.home;
    fs::remove_dir_all(&home.place.folder).unwrap();
    home.restore(Backup { data: &drill.data, ring: None, newest }, at(1)).unwrap()
}

#[test]
fn i6_a_restored_log_goes_on_under_another_name_and_says_what_was_lost() {
    for named in [true, false] {
        let drill = drill();
        let [before, then, after] = &drill.checkpoints;
        let ledger = restore(&drill, named.then_some(after.as_str()));
        (0..9).for_each(|_| grow(&ledger));
        let keys = ledger.log_keys();
        assert_ne!(keys.name(), drill.keys.name());
        let audit = |note: &str| {
            let checkpoint = Checkpoint::verify(note, &keys).unwrap();
            let audit = ledger.audit_verify(Some(&checkpoint), at(1)).unwrap();
            (audit.fault, audit.lost.map(|lost| (lost.from, lost.named)), checkpoint.size)
        };
        assert_eq!((audit(before).0, audit(before).1), (None, None), "from before the backup: compared");
        let (fault, lost, from) = audit(then);
        assert_eq!((fault, lost), (None, None), "as long as the backup: compared");
        // That a backup was made is an entry of the copy, too.
        let (fault, lost, size) = audit(after);
        assert_eq!((fault, lost), (None, Some((from + 1, named))), "{size} entries were signed for");

        // What is signed from now on is another log's for whoever has the old keys, until they learn the new ones.
        let now = ledger.checkpoint(at(1)).unwrap();
        assert_eq!(Checkpoint::verify(&now, &drill.keys), Err(NoteError::Unsigned));
        let learned = drill.keys.learn(&ledger.log_keys_signed()).unwrap();
        assert_eq!(Checkpoint::verify(&now, &learned).unwrap().name, keys.name());
        assert_eq!(learned, keys);
        drop(ledger);
        assert_eq!(drill.home.open().log_keys(), keys, "and it stays so");
    }
}

#[test]
fn i6_two_restores_of_one_backup_are_two_logs() {
    let drill = drill();
    let one = restore(&drill, None);
    grow(&one);
    let of_one = one.checkpoint(at(1)).unwrap();
    drop(one);
    let two = restore(&drill, Some(&of_one));
    assert_eq!(Checkpoint::verify(&of_one, &two.log_keys()), Err(NoteError::Unsigned), "none that signs for both");
    // Restored from a backup of the restored one, it is the third in a row.
    grow(&two);
    let again = drill.home.dir.path().join("again");
    two.backup(&again, &drill.home.dir.path().join("elsewhere/again"), at(1)).unwrap();
    let keys = two.log_keys();
    drop(two);
    let drill = Drill { data: again, ..drill };
    let three = restore(&drill, None);
    assert_eq!(three.log_keys().to_string().lines().count(), keys.to_string().lines().count() + 1);
    assert_eq!(keys.learn(&three.log_keys_signed()).unwrap(), three.log_keys());
    assert_eq!(three.audit_verify(None, at(1)).unwrap().fault, None);
}

#[test]
fn i6_a_list_of_restores_that_was_changed_is_found() {
    let (first, second) = ("DELETE FROM log_origins", "UPDATE log_origins SET note = REPLACE(note, 'from ', 'from 1')");
    for (name, edit) in [("deleted", first), ("changed", second)] {
        let drill = drill();
        drop(restore(&drill, None));
        drill.home.raw().exec(edit);
        let fault = drill.home.open().audit_verify(None, at(1)).unwrap().fault;
        assert!(matches!(fault, Some((_, Fault::Origin))), "{name}: {fault:?}");
    }
}

/// Backup, work, another backup, the first is restored, a withdrawal, the second is restored.
#[test]
fn i1_whoever_left_stays_gone_whatever_the_order_of_two_backups() {
    for erased in [false, true] {
        let w = World::new(Backend::Sqlite);
        let (ada, bob) = (w.subject("ada"), w.subject("bob"));
        let (of_ada, of_bob) = (w.grant(ada, 9), w.grant(bob, 9));
        w.enrol(of_ada, b"embedding of ada");
        let ring = w.home.dir.path().join("elsewhere/ring");
        let (first, second) = (w.home.dir.path().join("first"), w.home.dir.path().join("second"));
        w.ledger.backup(&first, &ring, T0).unwrap();
        w.enrol(of_bob, b"embedding of bob");
        (0..20).for_each(|_| grow(&w.ledger));
        w.ledger.backup(&second, &ring, T0).unwrap();
        let w = w.restored(&first, &ring, T0);
        if erased {
            w.ledger.erase(ada, T0, |_| {}).unwrap();
        } else {
            w.tx(T0, |tx| tx.withdraw(tx.active_grant(of_ada)?)).unwrap();
        }
        let w = w.restored(&second, &ring, T0);
        let found: Vec<_> = w.gallery(T0).templates.iter().map(|t| t.plain.to_vec()).collect();
        assert_eq!(found, [b"embedding of bob".to_vec()], "erased {erased}");
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None);
    }
}

#[test]
fn i6_whoever_kept_something_signed_is_shown_that_the_log_only_grew_since() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        w.ledger.erase(ada, T0, |_| {}).unwrap();
        let certificate = w.ledger.certificate(ada, T0).unwrap();
        let kept = w.ledger.checkpoint(T0).unwrap();
        (0..700).for_each(|_| grow(&w.ledger));
        let keys: LogKeys = w.ledger.log_keys().to_string().parse().unwrap();
        let then = LogAt::from(&Checkpoint::verify(&kept, &keys).unwrap());
        let of_certificate = LogAt::from(&Certificate::verify(&certificate, &keys).unwrap());
        let proof = w.ledger.prove_growth(then.size, T0).unwrap().to_string();
        for then in [&then, &of_certificate] {
            assert_eq!(GrowthProof::verify(&proof, &keys, then).unwrap().size, then.size + 700);
            assert_eq!(
                GrowthProof::verify(&kept, &keys, then).unwrap().size,
                then.size,
                "the same moment needs no proof"
            );
        }
        let other = LogAt { root: [7; 32], ..then.clone() };
        assert_eq!(GrowthProof::verify(&proof, &keys, &other), Err(ProofError::NotGrown), "another log then");
        let sooner = LogAt { size: then.size - 1, ..then.clone() };
        assert_eq!(GrowthProof::verify(&proof, &keys, &sooner), Err(ProofError::NotGrown), "another moment");
        let stranger = World::new(backend).ledger.log_keys();
        assert_eq!(GrowthProof::verify(&proof, &stranger, &then), Err(ProofError::Note(NoteError::Unsigned)));
        for at in 0..proof.len() {
            let mut changed = proof.clone().into_bytes();
            changed[at] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            assert!(GrowthProof::verify(&changed, &keys, &then).is_err(), "byte {at}");
        }
        assert!(matches!(w.ledger.prove_growth(0, T0), Err(TxError::NoLeaf { .. })));
        assert!(matches!(w.ledger.prove_growth(100_000, T0), Err(TxError::NoLeaf { .. })));
    });
}
