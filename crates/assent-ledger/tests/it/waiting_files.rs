//! R4: the pictures and the form of an enrolment that waits are in the vault, and go with it.

use assent_ledger::*;

use crate::support::*;

/// The picture that somebody hands in under a name; everybody has one of their own. It is longer than one piece.
pub(crate) fn picture(subject: SubjectId, name: &str) -> Vec<u8> {
    [b"the picture of ".as_slice(), subject.as_bytes(), name.as_bytes(), &vec![7; (1 << 20) + 1]].concat()
}

/// An enrolment that waits for both witnesses, with a picture of this name.
pub(crate) fn wait(w: &World, subject: SubjectId, purpose: &Purpose, name: &str) -> PendingId {
    try_wait(w, subject, purpose, (name, &picture(subject, name))).unwrap()
}

/// As [`wait`], with any picture, or none if it is empty.
pub(crate) fn try_wait(
    w: &World,
    subject: SubjectId,
    purpose: &Purpose,
    (name, bytes): (&str, &[u8]),
) -> Result<PendingId, TxError> {
    let pictures: Vec<NewFile<'_>> =
        Some(NewFile { name, bytes }).filter(|new| !new.bytes.is_empty()).into_iter().collect();
    let release = format!("the form of {} for {purpose}, {}", subject, fresh());
    let new = NewPending {
        subject,
        consents: &[(w.collection, purpose.clone())],
        evidence: &paper_of(release.as_bytes(), &w.witnesses),
        notice_sha256: notice(),
        valid_until: at(9),
        pictures: &pictures.iter().map(NewFile::sha256).collect::<Vec<_>>(),
        renewal: false,
    };
    let files = NewFiles { pictures: &pictures, release: NewFile { name: "form.pdf", bytes: release.as_bytes() } };
    w.tx(T0, |tx| tx.add_pending(&new, &files))
}

fn find() -> Purpose {
    Purpose::find_my_photos()
}

/// A picture of these many bytes, no two of whose pieces are alike.
fn bytes(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n / 4096 + n) as u8).collect()
}

fn pending(w: &World, id: PendingId) -> Pending {
    w.tx(T0, |tx| tx.pending(id)).unwrap()
}

/// The pictures of what waits, and its form.
fn files(w: &World, id: PendingId) -> Result<Vec<Vec<u8>>, TxError> {
    w.tx(T0, |tx| {
        let pending = tx.pending(id)?;
        pending.files.sealed().map(|file| Ok(tx.waiting_file(&pending, file)?.to_vec())).collect()
    })
}

fn rows(w: &World) -> i64 {
    w.home.raw().count("SELECT COUNT(*) FROM blobs")
}

fn world(backend: Backend) -> World {
    let w = World::new(backend);
    give_keys(&w);
    w
}

#[test]
fn r4_a_file_of_any_length_comes_back_as_it_was_handed_in() {
    on_every_database(|backend| {
        let w = world(backend);
        for length in [1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20] {
            let picture = bytes(length);
            let subject = w.subject(&format!("person-{length}"));
            let id = try_wait(&w, subject, &find(), ("a.jpg", &picture)).unwrap();
            let back = files(&w, id).unwrap();
            assert!(back.len() == 2 && back[0] == picture && back[1].starts_with(b"the form of"), "{length}");
            assert!(pending(&w, id).files.sealed().map(|file| file.kind).eq([BlobKind::Portrait, BlobKind::Release]));
        }
        let large = bytes(WAITING_FILE_BYTES_MAX as usize + 1);
        let refused = try_wait(&w, w.subject("large"), &find(), ("a.jpg", &large)).unwrap_err();
        assert!(matches!(refused, TxError::WaitingFileTooLarge), "{refused}");
    });
}

#[test]
fn r4_a_file_that_is_not_the_one_that_was_announced_is_not_kept() {
    let w = world(Backend::Sqlite);
    let ada = w.subject("ada");
    let file = |bytes: &'static [u8]| NewFile { name: "a.jpg", bytes };
    let (picture, form) = (file(b"picture"), file(b"form"));
    let add = |pictures: &[NewFile<'_>], release: NewFile<'_>| {
        let new = NewPending {
            subject: ada,
            consents: &[(w.collection, find())],
            evidence: &paper_of(form.bytes, &w.witnesses),
            notice_sha256: notice(),
            valid_until: at(9),
            pictures: &[picture.sha256()],
            renewal: false,
        };
        w.tx(T0, |tx| tx.add_pending(&new, &NewFiles { pictures, release }))
    };
    for (name, pictures, release) in [
        ("another form", &[picture][..], file(b"another")),
        ("another picture", &[form][..], form),
        ("no picture", &[][..], form),
        ("one more", &[picture, form][..], form),
    ] {
        assert!(matches!(add(pictures, release), Err(TxError::OtherFile)), "{name}");
    }
    assert_eq!(rows(&w), 0);
    add(&[picture], form).unwrap();
}

/// Whatever ends it: completed, given up, withdrawn by its date, the person erased.
#[test]
fn r4_the_files_go_with_what_waits_whatever_ends_it() {
    type End = fn(&World, SubjectId, PendingId);
    let ends: [(&str, End); 4] = [
        ("completed", |w, _, id| {
            for witness in &w.witnesses {
                let unlocked = w.ledger.unlock_witness(*witness, PASSPHRASE, T0).unwrap();
                w.tx(T0, |tx| tx.sign_roster(&unlocked, &[id])).unwrap();
            }
            w.tx(T0, |tx| tx.open_pending(id)).unwrap();
        }),
        ("given up", |w, _, id| w.tx(T0, |tx| tx.discard_pending(id)).unwrap()),
        ("expired", |w, _, _| drop(w.ledger.expire_due(at(9)).unwrap())),
        ("erased", |w, subject, _| {
            w.ledger.erase(subject, T0, |_| {}).unwrap();
        }),
    ];
    on_every_database(|backend| {
        for (name, end) in ends {
            let w = world(backend);
            let (ada, bob) = (w.subject("ada"), w.subject("bob"));
            let hers = wait(&w, ada, &find(), "a.jpg");
            // His stays; by its date it goes as well.
            let his = wait(&w, bob, &find(), "b.jpg");
            assert_eq!(rows(&w), 6, "{name}: two pieces of the picture, and one of the form");
            end(&w, ada, hers);
            let left = if name == "expired" { 0 } else { 3 };
            assert_eq!(rows(&w), left, "{name}");
            if left > 0 {
                assert_eq!(files(&w, his).unwrap()[0], picture(bob, "b.jpg"), "{name}");
            }
            assert_eq!(w.ledger.audit_verify(None, at(9)).unwrap().fault, None, "{name}");
        }
    });
}

#[test]
fn i5_no_byte_of_a_file_that_waited_can_be_opened_when_its_person_is_erased() {
    on_every_database(|backend| {
        let w = world(backend);
        let ada = w.subject("ada");
        wait(&w, ada, &find(), "ada-in-the-garden.jpg");
        let before = w.home.raw().blobs("SELECT sealed FROM blobs");
        let (data, ring) = (w.home.dir.path().join("backup"), w.home.dir.path().join("elsewhere/ring"));
        w.ledger.backup(&data, &ring, T0).unwrap();
        w.ledger.erase(ada, T0, |_| {}).unwrap();
        w.ledger.scrub_if_due(at(2));
        let all = bytes_below(&w.home.place.folder);
        for plain in [b"the picture of ".as_slice(), b"the form of", b"ada-in-the-garden"] {
            assert!(!contains(&all, plain), "{backend:?}: nothing in clear");
        }
        for sealed in &before {
            assert!(!contains(&all, sealed), "{backend:?}: nor what was sealed");
        }
        // The database as it was before, brought back under the keys of today.
        let World { ledger, home, collection, witnesses } = w;
        drop(ledger);
        home.lose();
        let ledger = home.restore(Backup { data: &data, ring: None, newest: None }, at(2)).unwrap();
        let w = World { ledger, home, collection, witnesses };
        assert_eq!(rows(&w), 0, "{backend:?}");
        assert!(sealed_rows(&data).iter().all(|row| before.contains(row)), "{backend:?}: they were in the backup");
    });
}

/// What a backup holds of the files.
fn sealed_rows(data: &std::path::Path) -> Vec<Vec<u8>> {
    let rows = raw_sqlite(data).blobs("SELECT sealed FROM blobs");
    assert!(!rows.is_empty());
    rows
}

#[test]
fn r4_a_file_that_was_swapped_cut_or_edited_in_the_database_is_refused_and_found() {
    let edits = [
        ("cut", "DELETE FROM blobs WHERE piece = 1"),
        ("gone", "DELETE FROM blobs WHERE kind = 'portrait'"),
        (
            "its pieces in another order",
            "UPDATE blobs SET piece = 1 - piece + 10 WHERE kind = 'portrait'; UPDATE blobs SET piece = piece - 10 WHERE piece > 5",
        ),
        (
            "somebody else's",
            "CREATE TABLE f AS SELECT * FROM blobs; UPDATE blobs SET sealed = (SELECT f.sealed FROM f WHERE f.piece = blobs.piece \
             AND f.kind = blobs.kind AND f.subject_id <> blobs.subject_id); DROP TABLE f",
        ),
        (
            "the form in place of the picture",
            "UPDATE blobs SET sealed = (SELECT b.sealed FROM blobs b WHERE b.kind = 'release' ORDER BY b.id LIMIT 1)",
        ),
    ];
    on_every_database(|backend| {
        for (name, edit) in edits {
            let w = world(backend);
            let (ada, bob) = (w.subject("ada"), w.subject("bob"));
            let id = wait(&w, ada, &find(), "a.jpg");
            wait(&w, bob, &find(), "b.jpg");
            w.home.raw().exec(edit);
            let refused = files(&w, id).unwrap_err();
            assert!(matches!(refused, TxError::WaitingFile), "{backend:?} {name}: {refused}");
            let found = w.ledger.audit_verify(None, T0).unwrap();
            assert!(!found.tampered.is_empty(), "{backend:?} {name}: {found:?}");
        }
    });
}

#[test]
fn r4_the_files_move_with_their_persons_key_and_come_back_from_a_backup() {
    on_every_database(|backend| {
        let w = world(backend);
        let ada = w.subject("ada");
        let id = wait(&w, ada, &find(), "a.jpg");
        let (before, sealed) = (files(&w, id).unwrap(), w.home.raw().blobs("SELECT sealed FROM blobs"));
        w.ledger.rotate(ada, T0).unwrap();
        assert_eq!(files(&w, id).unwrap(), before, "{backend:?}");
        let after = w.home.raw().blobs("SELECT sealed FROM blobs");
        assert!(after.iter().all(|row| !sealed.contains(row)), "{backend:?}: sealed anew");
        let (data, ring) = (w.home.dir.path().join("backup"), w.home.dir.path().join("elsewhere/ring"));
        w.ledger.backup(&data, &ring, T0).unwrap();
        w.tx(T0, |tx| tx.discard_pending(id)).unwrap();
        wait(&w, ada, &Purpose::publish_print(), "later.jpg");
        let kept = wait(&w, w.subject("bob"), &find(), "b.jpg");
        let w = w.restored(&data, &ring, T0);
        // What was given up since stays so, and no file of it is left.
        assert!(matches!(w.tx(T0, |tx| tx.pending(id)), Err(TxError::NoPending { .. })), "{backend:?}");
        assert!(matches!(w.tx(T0, |tx| tx.pending(kept)), Err(TxError::NoPending { .. })), "{backend:?}");
        assert_eq!(rows(&w), 0, "{backend:?}");
    });
}

#[test]
fn r4_what_waits_comes_back_from_a_backup_with_its_files() {
    on_every_database(|backend| {
        let w = world(backend);
        let id = wait(&w, w.subject("ada"), &find(), "a.jpg");
        let before = files(&w, id).unwrap();
        let (data, ring) = (w.home.dir.path().join("backup"), w.home.dir.path().join("elsewhere/ring"));
        w.ledger.backup(&data, &ring, T0).unwrap();
        let w = w.restored(&data, &ring, T0);
        assert_eq!(files(&w, id).unwrap(), before, "{backend:?}");
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None, "{backend:?}");
    });
}
