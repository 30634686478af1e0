//! The restore drill: whoever was erased stays erased, whatever backup is brought back.

use std::fs;
use std::path::{Path, PathBuf};

use assent_ledger::*;

use crate::support::*;

/// A vault with Ada and Bob in it, both seen in a photo; a backup of it.
struct Drill {
    w: World,
    ada: SubjectId,
    data: PathBuf,
    ring: PathBuf,
}

impl Drill {
    fn new() -> Self {
        let (w, ada, _) = full(Backend::Sqlite, "ada");
        let (data, ring) = (w.home.dir.path().join("backup"), w.home.dir.path().join("elsewhere/ring"));
        w.ledger.backup(&data, &ring, T0).unwrap();
        Self { w, ada, data, ring }
    }

    /// Ends with the vault closed and its folder gone; the key ring stays. Gives back the newest checkpoint.
    fn lose_the_vault(self) -> (Home, SubjectId, PathBuf, PathBuf, String) {
        let Self { w, ada, data, ring } = self;
        let newest = w.ledger.checkpoint(T0).unwrap();
        let World { ledger, home, .. } = w;
        drop(ledger);
        fs::remove_dir_all(&home.place.folder).unwrap();
        (home, ada, data, ring, newest)
    }
}

fn handles(ledger: &Ledger) -> Vec<String> {
    let all = ledger.run_tx("list", at(2), |tx| tx.subjects()).unwrap().into_inner();
    all.into_iter().map(|s| s.handle).collect()
}

#[test]
fn i5_whoever_was_erased_since_the_backup_is_erased_again_by_restoring_it() {
    let drill = Drill::new();
    drill.w.ledger.erase(drill.ada, at(1), |_| {}).unwrap();
    let late = drill.w.subject("late");
    drill.w.ledger.erase(late, at(1), |_| {}).unwrap();
    let log = drill.w.home.dir.path().join("log");
    let size = drill.w.ledger.export_log(&log, at(1), &mut |_, _| {}).unwrap().size;
    let (home, ada, data, _, newest) = drill.lose_the_vault();
    let ledger = home.restore(Backup { data: &data, ring: None, newest: Some(&newest) }, at(2)).unwrap();
    // As long as the one that was exported, and longer.
    while ledger.run_tx("grow", at(2), |tx| tx.append_leaf(EventKind::Scan, b"", &[])).unwrap().into_inner() <= size {}

    assert_eq!(handles(&ledger), ["bob"]);
    let mut raw = home.raw();
    for table in ["templates", "sightings", "log_openings"] {
        let left = raw.blobs(format!("SELECT CAST('' AS BLOB) FROM {table}")).len();
        assert_eq!(left, if table == "log_openings" { 2 } else { 1 }, "{table}: bob's alone");
    }
    assert_eq!(raw.count("SELECT COUNT(*) FROM decisions"), 0);
    let found = ledger.run_tx("search", at(2), |tx| {
        let collection = tx.collections()?.remove(0).id;
        tx.searchable_templates(collection, &Purpose::find_my_photos(), MODEL)
    });
    assert_eq!(found.unwrap().templates.len(), 1);
    for gone in [ada, late] {
        let certificate = ledger.certificate(gone, at(2)).unwrap();
        assert_eq!(Certificate::verify(&certificate, &ledger.log_keys()).unwrap().erased, at(2), "again");
    }
    let audit = ledger.audit_verify(None, at(2)).unwrap();
    assert_eq!((audit.fault, audit.openings), (None, 2));
    let leaves = ledger.run_tx("look", at(2), |tx| tx.leaves(0, 1000)).unwrap();
    assert_eq!(leaves.iter().filter(|leaf| leaf.kind == EventKind::Restored).count(), 1);
    let then = Checkpoint::verify(&newest, &ledger.log_keys()).unwrap();
    let audit = ledger.audit_verify(Some(&then), at(2)).unwrap();
    assert!(
        audit.lost.is_some_and(|lost| lost.named && lost.from < then.size),
        "that the log went back is said: {audit:?}"
    );
    let audit = ledger.audit_verify(None, at(2)).unwrap();

    let mut progress = |_, _| {};
    let exported = ledger.export_log(&log, at(2), &mut progress);
    assert!(matches!(exported, Err(ExportError::OtherLog { .. })), "two histories do not mix");
    drop(ledger);
    let again = home.open();
    assert_eq!(again.audit_verify(None, at(2)).unwrap().size, audit.size, "and replayed once");
}

#[test]
fn i1_what_was_withdrawn_since_the_backup_is_withdrawn_again_by_restoring_it() {
    let drill = Drill::new();
    let withdraw = |tx: &Tx<'_>| tx.withdraw(tx.active_grant(tx.grants_of(drill.ada)?[0].id)?);
    let taken_back = drill.w.tx(at(1), |tx| withdraw(tx).and(Err::<(), _>(TxError::NoReason)));
    assert!(taken_back.is_err(), "what was not committed is not noted");
    let ring = fs::read(&drill.ring).unwrap();
    assert_eq!(ring, fs::read(&drill.w.home.place.ring).unwrap());
    drill.w.tx(at(1), |tx| withdraw(tx)).unwrap();
    let (home, ada, data, old_ring, newest) = drill.lose_the_vault();
    fs::rename(&home.place.ring, home.dir.path().join("newer")).unwrap();
    let refused = home.restore(Backup { data: &data, ring: Some(&old_ring), newest: Some(&newest) }, at(2));
    assert!(matches!(refused, Err(RestoreError::OldRing { signed: 1, known: 0 })), "{refused:?}");
    fs::rename(home.dir.path().join("newer"), &home.place.ring).unwrap();
    let ledger = home.restore(Backup { data: &data, ring: None, newest: Some(&newest) }, at(2)).unwrap();
    assert_eq!(handles(&ledger), ["ada", "bob"]);
    let look = |tx: &Tx<'_>| {
        let collection = tx.collections()?.remove(0).id;
        let gallery = tx.searchable_templates(collection, &Purpose::find_my_photos(), MODEL)?;
        Ok((tx.grants_of(ada)?[0].state, gallery.templates.len()))
    };
    assert_eq!(ledger.run_tx("look", at(2), look).unwrap().into_inner(), (GrantState::Withdrawn, 1));
    assert_eq!(home.raw().count("SELECT COUNT(*) FROM decisions"), 0, "what hung on it is gone");
    let size = ledger.audit_verify(None, at(2)).unwrap().size;
    drop(ledger);
    assert_eq!(home.open().audit_verify(None, at(2)).unwrap().size, size, "once");
}

#[test]
fn i5_a_key_ring_older_than_the_newest_checkpoint_is_refused() {
    let drill = Drill::new();
    drill.w.ledger.erase(drill.ada, at(1), |_| {}).unwrap();
    let (home, _, data, ring, newest) = drill.lose_the_vault();
    fs::remove_file(&home.place.ring).unwrap();
    let refused = home.restore(Backup { data: &data, ring: Some(&ring), newest: Some(&newest) }, at(2));
    assert!(matches!(refused, Err(RestoreError::OldRing { signed: 1, known: 0 })), "{refused:?}");
    assert!(!home.place.folder.join("assent.db").exists() && !home.place.ring.exists(), "nothing was made");
    // This is the window that the certificate names: until such backups are destroyed, they open what they opened.
    let kept = fs::read_to_string(data.join("checkpoint")).unwrap();
    let ledger = home.restore(Backup { data: &data, ring: Some(&ring), newest: Some(&kept) }, at(2)).unwrap();
    assert_eq!(handles(&ledger), ["ada", "bob"]);
}

#[test]
fn a_backup_holds_no_key_and_goes_where_it_is_told() {
    let drill = Drill::new();
    let ring = fs::read(&drill.ring).unwrap();
    assert_eq!(ring, fs::read(&drill.w.home.place.ring).unwrap());
    let data = bytes_below(&drill.data);
    // The master key, each subject's, and the secret of each grant.
    let keys = std::iter::once(&ring[40..72]).chain(ring[128..].chunks(128).map(|slot| &slot[24..56]));
    assert!(keys.clone().count() == 5 && keys.into_iter().all(|key| !contains(&data, key)));
    assert!(!contains(&data, TEMPLATE));
    let again = || drill.w.ledger.backup(&drill.data, &drill.ring, T0);
    again().unwrap();
    let inside = drill.data.join("sub/ring");
    let refused = drill.w.ledger.backup(&drill.data, &inside, T0);
    assert!(matches!(refused, Err(BackupError::RingInside { .. })), "{refused:?}");
}

/// What is wrong, what is restored, and whether the refusal fits.
type Case<'a> = (&'a str, Backup<'a>, fn(&RestoreError) -> bool);

#[test]
fn what_cannot_be_restored_is_refused_and_leaves_nothing() {
    let drill = Drill::new();
    let stranger = Drill::new();
    let theirs = stranger.w.ledger.checkpoint(T0).unwrap();
    let (home, _, data, _, newest) = drill.lose_the_vault();
    let nowhere = home.dir.path().join("nowhere");
    let own = home.place.ring.clone();
    let cases: [Case<'_>; 4] = [
        ("no backup", Backup { data: &nowhere, ring: None, newest: None }, |e| {
            matches!(e, RestoreError::NoBackup { .. })
        }),
        ("another vault's ring", Backup { data: &data, ring: Some(&stranger.ring), newest: None }, |e| {
            matches!(e, RestoreError::KeyRing(KeyRingError::WrongVault { .. }))
        }),
        ("another vault's checkpoint", Backup { data: &data, ring: None, newest: Some(&theirs) }, |e| {
            matches!(e, RestoreError::Checkpoint(_))
        }),
        ("another vault's data", Backup { data: &stranger.data, ring: None, newest: Some(&newest) }, |e| {
            matches!(e, RestoreError::Open(OpenError::KeyRing(KeyRingError::WrongVault { .. })))
        }),
    ];
    for (name, from, fits) in cases {
        let refused = home.restore(from, at(2)).unwrap_err();
        assert!(fits(&refused), "{name}: {refused:?}");
        assert!(!home.place.folder.join("assent.db").exists() && own.exists(), "{name}");
    }
    home.restore(Backup { data: &data, ring: None, newest: Some(&newest) }, at(2)).unwrap();
    let twice = home.restore(Backup { data: &data, ring: None, newest: None }, at(2));
    assert!(matches!(twice, Err(RestoreError::Open(OpenError::VaultExists { .. }))));
    assert!(Path::new(&home.place.folder).join("assent.db").exists(), "the vault that was there stays");
}
