//! Each grant has a key of its own, and ending the grant destroys it: whatever copy of the database is put in place of the
//! vault's, nothing that hung on the grant opens any more.

use std::fs;
use std::path::Path;

use assent_ledger::*;

use crate::support::*;

const FACE: &[u8] = b"ada's face";

/// Ada and Bob, enrolled and seen in a photo.
struct Two {
    w: World,
    ada: SubjectId,
    grant: GrantId,
    of_bob: GrantId,
}

fn two(backend: Backend) -> Two {
    let w = World::new(backend);
    let (ada, bob) = (w.subject("ada"), w.subject("bob"));
    let (grant, of_bob) = (w.grant(ada, 30), w.grant(bob, 90));
    w.enrol(grant, b"embedding of ada");
    w.enrol(of_bob, b"embedding of bob");
    let photo = w.photo("a.jpg", &[face(0.0), face(200.0)]);
    w.tx(T0, |tx| {
        let proofs = [tx.active_grant(grant)?, tx.active_grant(of_bob)?];
        let new = |(i, grant)| NewSighting { grant, face: photo.faces[i], band: Band::Match };
        let seen: Vec<_> = proofs.iter().enumerate().map(new).collect();
        tx.replace_sightings(&tx.matching(w.collection)?, photo.id, &seen)?;
        tx.keep_portrait(&proofs[0], FACE)?;
        tx.record_decision(&proofs[0], photo.faces[0], Verdict::Confirmed)
    })
    .unwrap();
    Two { w, ada, grant, of_bob }
}

/// Whom the templates are of that open in a vault, and whether a grant is said to be in force.
fn found(ledger: &Ledger, collection: CollectionId, grant: GrantId) -> (Vec<Vec<u8>>, bool) {
    ledger
        .run_tx("look", T0, |tx| {
            let gallery = tx.searchable_templates(collection, &Purpose::find_my_photos(), MODEL)?;
            let mut names: Vec<_> = gallery.templates.iter().map(|t| t.plain.to_vec()).collect();
            names.sort();
            let in_force = match tx.active_grant(grant) {
                Ok(proof) => {
                    tx.sightings_of(&proof)?;
                    true
                }
                Err(TxError::NotActive { .. } | TxError::NoGrant { .. }) => false,
                Err(e) => return Err(e),
            };
            Ok((names, in_force))
        })
        .unwrap()
        .into_inner()
}

/// An old copy of the whole database is put in place of the vault's, without a restore: as somebody does who has the disk.
#[test]
fn i1_what_hung_on_a_grant_opens_in_no_old_copy_after_it_ended() {
    type End = fn(&Two);
    let cases: [(&str, End); 5] = [
        ("withdrawn", |t| t.w.tx(T0, |tx| tx.withdraw(tx.active_grant(t.grant)?)).unwrap()),
        ("over by its date", |t| assert_eq!(t.w.ledger.expire_due(at(31)).unwrap().ended, [t.grant])),
        ("erased", |t| assert!(t.w.ledger.erase(t.ada, T0, |_| {}).is_ok())),
        ("renewed, and then withdrawn", |t| {
            let renewed = t.w.tx(T0, |tx| renew(tx, t.grant, &t.w.witnesses, 60)).unwrap();
            t.w.tx(T0, |tx| tx.withdraw(tx.active_grant(renewed)?)).unwrap();
        }),
        ("renewed, and its own date is over", |t| {
            t.w.tx(T0, |tx| renew(tx, t.grant, &t.w.witnesses, 60)).unwrap();
            assert_eq!(t.w.ledger.expire_due(at(31)).unwrap().ended, []);
        }),
    ];
    for (name, end) in cases {
        let t = two(Backend::Sqlite);
        let copy = t.w.home.dir.path().join("copy");
        fs::create_dir(&copy).unwrap();
        t.w.home.copy_database(&copy);
        end(&t);
        let Two { w: World { ledger, home, collection, .. }, grant, of_bob, .. } = t;
        drop(ledger);
        put_back(&home, &copy);
        let ledger = home.open();
        let bob = b"embedding of bob".to_vec();
        assert_eq!(found(&ledger, collection, grant), (vec![bob], false), "{name}");
        assert!(found(&ledger, collection, of_bob).1, "{name}: and Bob is found as before");
    }
}

fn put_back(home: &Home, copy: &Path) {
    for file in ["assent.db-wal", "assent.db-shm"] {
        fs::remove_file(home.place.folder.join(file)).ok();
    }
    fs::copy(copy.join("assent.db"), home.place.folder.join("assent.db")).unwrap();
}

/// The rows alone are put back, in the open vault.
#[test]
fn i1_rows_of_a_consent_that_ended_are_worth_nothing_when_they_are_put_back() {
    on_every_database(|backend| {
        let t = two(backend);
        let mut raw = t.w.home.raw();
        raw.exec("CREATE TABLE kept_grants AS SELECT * FROM grants");
        raw.exec("CREATE TABLE kept_templates AS SELECT * FROM templates");
        t.w.tx(T0, |tx| tx.withdraw(tx.active_grant(t.grant)?)).unwrap();
        raw.exec("DELETE FROM grants WHERE state = 'withdrawn'");
        raw.exec("INSERT INTO grants SELECT * FROM kept_grants WHERE id NOT IN (SELECT id FROM grants)");
        raw.exec("INSERT INTO templates SELECT * FROM kept_templates WHERE id NOT IN (SELECT id FROM templates)");
        raw.exec("DROP TABLE kept_grants");
        raw.exec("DROP TABLE kept_templates");
        let (names, in_force) = found(&t.w.ledger, t.w.collection, t.grant);
        assert_eq!((names, in_force), (vec![b"embedding of bob".to_vec()], false));
    });
}

/// Whoever agreed again is found in a backup from before, until the date that they agreed to then.
#[test]
fn whoever_renewed_since_the_backup_is_found_in_it() {
    let t = two(Backend::Sqlite);
    let (data, ring) = (t.w.home.dir.path().join("backup"), t.w.home.dir.path().join("elsewhere/ring"));
    t.w.ledger.backup(&data, &ring, T0).unwrap();
    t.w.tx(T0, |tx| renew(tx, t.grant, &t.w.witnesses, 60)).unwrap();
    let Two { w, grant, .. } = t;
    let w = w.restored(&data, &ring, T0);
    let (names, in_force) = found(&w.ledger, w.collection, grant);
    assert_eq!((names.len(), in_force), (2, true));
}

#[test]
fn what_was_seen_and_said_goes_with_a_consent_to_the_one_that_renews_it() {
    on_every_database(|backend| {
        let t = two(backend);
        let renewed = t.w.tx(T0, |tx| renew(tx, t.grant, &t.w.witnesses, 60)).unwrap();
        t.w.tx(T0, |tx| {
            let proof = tx.active_grant(renewed)?;
            let seen = tx.sightings_of(&proof)?;
            assert_eq!((seen.len(), seen[0].band, seen[0].verdict), (1, Band::Match, Some(Verdict::Confirmed)));
            assert_eq!(tx.portrait(&proof)?.as_deref(), Some(FACE));
            assert_eq!(tx.subject_access(t.ada)?.templates.len(), 1);
            Ok(())
        })
        .unwrap();
        let pseudonyms = t.w.home.raw().blobs("SELECT pseudonym FROM sightings UNION SELECT pseudonym FROM decisions");
        assert_eq!(pseudonyms.len(), 2, "one for each consent, and none of the old one is left");
    });
}

#[test]
fn a_face_that_is_kept_goes_with_the_last_consent_to_be_found() {
    on_every_database(|backend| {
        let t = two(backend);
        let (w, ada) = (&t.w, t.ada);
        let other = w
            .tx(T0, |tx| {
                let others = BystanderBasis::ClosedGroup;
                tx.add_collection(&NewCollection { name: "Summer fair", directory: "/photos/fair", others })
            })
            .unwrap();
        let second = w.tx(T0, |tx| give(tx, ada, other, &Purpose::find_my_photos(), &w.witnesses, 9)).unwrap();
        let kept = |grant| w.tx(T0, |tx| tx.portrait(&tx.active_grant(grant)?)).unwrap();
        w.tx(T0, |tx| tx.withdraw(tx.active_grant(t.grant)?)).unwrap();
        assert_eq!(kept(second).as_deref(), Some(FACE));
        w.tx(T0, |tx| tx.withdraw(tx.active_grant(second)?)).unwrap();
        assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM portraits"), 0);
    });
}

const SLOT: usize = 128;

/// Where in a slot a bit is wrong, and whether the secret can still be read.
const PARTS: [(&str, usize, bool); 4] =
    [("state", 7, true), ("id", 12, true), ("secret", 30, false), ("checksum", 100, true)];

/// The slot of a grant in the ring.
fn slot_of(ring: &Path, grant: GrantId) -> usize {
    let bytes = fs::read(ring).unwrap();
    bytes[SLOT..].chunks(SLOT).position(|slot| slot[8..24] == *grant.as_bytes()).unwrap()
}

#[test]
fn a_damaged_key_of_a_consent_concerns_that_consent_and_is_mended_from_a_backup() {
    for (part, byte, readable) in PARTS {
        for from_backup in [false, true] {
            let name = format!("{part}, backup {from_backup}");
            let Two { w, ada, grant, of_bob } = two(Backend::Sqlite);
            let World { ledger, home, collection, .. } = w;
            drop(ledger);
            let copy = home.dir.path().join("copy");
            fs::copy(&home.place.ring, &copy).unwrap();
            let slot = slot_of(&home.place.ring, grant);
            let mut bytes = fs::read(&copy).unwrap();
            bytes[SLOT + slot * SLOT + byte] ^= 1;
            fs::write(&home.place.ring, bytes).unwrap();
            let ledger = home.open();
            let check = ledger.check_keys(T0).unwrap();
            assert_eq!(
                (check.damaged.len(), check.people.len(), &*check.grants),
                (1, 0, &[(ada, grant)][..]),
                "{name}"
            );
            assert!(found(&ledger, collection, of_bob).1, "{name}");
            let from: Option<(&Path, &[RingSecret])> = from_backup.then_some((copy.as_path(), &[]));
            let mended = readable || from_backup;
            let done = ledger.repair_keys(from, T0).unwrap();
            assert_eq!(done.people.len(), usize::from(mended), "{name}");
            assert_eq!(ledger.check_keys(T0).unwrap().is_whole(), mended, "{name}");
            if mended {
                assert_eq!(found(&ledger, collection, grant).0.len(), 2, "{name}");
            }
            ledger.run_tx("leave", T0, |tx| tx.withdraw_consent(grant)).unwrap();
            assert_eq!(home.raw().count("SELECT COUNT(*) FROM sightings"), 1, "{name}: what was hers is gone");
            ledger.repair_keys(Some((&copy, &[])), T0).unwrap();
            assert!(!found(&ledger, collection, grant).1, "{name}: and no repair brings it back");
            let (secret, left) = (fs::read(&copy).unwrap(), fs::read(&home.place.ring).unwrap());
            let at = SLOT + slot * SLOT;
            assert!(!contains(&left, &secret[at + 24..at + 56]), "{name}");
        }
    }
}

/// A vault of format 8 is brought up to date, and then a backup from before comes back.
#[test]
fn i1_an_older_backup_is_brought_up_to_date_again_and_brings_nobody_back() {
    for withdrawn in [false, true] {
        let home = crate::fixture::copy_of(8);
        let (data, ring) = (home.dir.path().join("backup"), home.dir.path().join("elsewhere/ring"));
        for folder in [&data, &ring.parent().unwrap().to_path_buf()] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::copy(home.place.folder.join("assent.db"), data.join("assent.db")).unwrap();
        fs::copy(&home.place.ring, &ring).unwrap();
        let ledger = home.open();
        let (collection, grant) = ledger
            .run_tx("look", T0, |tx| {
                let collection = tx.collections()?.remove(0).id;
                Ok((collection, tx.grants_in(collection)?.remove(0).id))
            })
            .unwrap()
            .into_inner();
        assert_eq!(found(&ledger, collection, grant), (vec![b"embedding of ada".to_vec()], true));
        if withdrawn {
            ledger.run_tx("leave", T0, |tx| tx.withdraw_consent(grant)).unwrap();
        }
        drop(ledger);
        fs::remove_dir_all(&home.place.folder).unwrap();
        let from = Backup { data: &data, ring: Some(&ring), newest: None };
        let ledger = home.restore(from, T0).unwrap();
        let there = if withdrawn { vec![] } else { vec![b"embedding of ada".to_vec()] };
        assert_eq!(found(&ledger, collection, grant), (there, !withdrawn));
    }
}
