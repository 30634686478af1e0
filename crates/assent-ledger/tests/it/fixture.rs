//! A vault of each format, made once and opened by every later version.
//!
//! Made by `ASSENT_WRITE_FIXTURE=1 cargo test -p assent-ledger --test it fixture_writer`, which refuses to overwrite one:
//! a new format gets a folder of its own beside the others.

use std::fs;
use std::path::{Path, PathBuf};

use assent_ledger::*;
use sha2::{Digest, Sha256};

use crate::support::*;
use crate::waiting_files::try_wait;

fn kept(format: i64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/v{format}"))
}

/// What the fixture keeps of a face, from format 2 on.
const CROP: &[u8] = b"pixels of a face";

/// Why it was stopped once, from format 4 on.
const REASON: &str = "order 7";

/// What is stated about the collection, from format 5 on.
const NECESSITY: &str = "too many to look through";

/// Where the picture of an enrolment lies that waits for its second witness, from format 5 on.
const PORTRAIT: &str = "/portraits/ada.jpg";

/// The picture itself, from format 10 on.
const PICTURE: &[u8] = b"ada's picture";

/// The face of somebody as they were enrolled, from format 6 on.
const FACE_OF_ADA: &[u8] = b"ada's face";

fn wanted() -> bool {
    variable("ASSENT_WRITE_FIXTURE").is_some()
}

/// When its photo was taken, from format 6 on.
fn taken() -> PhotoTime {
    PhotoTime { at: Timestamp(T0.0 - 86_400_000), offset_min: Some(120), from: PhotoTimeSource::Exif }
}

/// What its one job counted, from format 10 on.
fn counted() -> JobCounts {
    JobCounts::from([("photos".to_owned(), 1)])
}

#[test]
fn fixture_writer() {
    if !wanted() {
        return;
    }
    let w = World::new(Backend::Sqlite);
    let (ada, bob) = (w.subject("ada"), w.subject("bob"));
    let (ga, gb) = (w.grant(ada, 3650), w.grant(bob, 3650));
    w.enrol(ga, b"embedding of ada");
    w.enrol(gb, b"embedding of bob");
    w.tx(T0, |tx| tx.keep_crops(w.collection)).unwrap();
    let photo = w.photo("boats/a.jpg", &[face(0.0), face(200.0)]);
    w.tx(T0, |tx| tx.keep_crops_of(photo.id, MODEL, &[(photo.faces[0], CROP)])).unwrap();
    w.tx(T0, |tx| {
        let proof = tx.active_grant(ga)?;
        tx.replace_sightings(
            &tx.matching(w.collection)?,
            photo.id,
            &[NewSighting { grant: &proof, face: photo.faces[0], band: Band::Review }],
        )?;
        tx.record_decision(&proof, photo.faces[0], Verdict::Confirmed)?;
        tx.note_portraits(ada, [[7; 32]].iter())?;
        tx.keep_portrait(&proof, FACE_OF_ADA)?;
        tx.set_photo_times(&[(photo.id, taken())])
    })
    .unwrap();
    w.tx(T0, |tx| {
        let printed = give(tx, ada, w.collection, &Purpose::publish_print(), &w.witnesses, 9)?;
        tx.withdraw(tx.active_grant(printed)?)?;
        let order = tx.order_stop(&Scope::Vault, REASON, None)?;
        tx.lift_order(order)?;
        tx.refuse(ada, w.collection, &Purpose::publish_website(), notice())?;
        tx.set_basis(w.collection, &Basis { necessity: Some(NECESSITY.into()), ..Basis::default() })?;
        tx.object(photo.id, photo.faces[1])?;
        tx.open_request(&asks(ada, REASON)).map(drop)
    })
    .unwrap();
    give_keys(&w);
    let waits = try_wait(&w, ada, &Purpose::publish_print(), (PORTRAIT, PICTURE)).unwrap();
    let unlocked = w.ledger.unlock_witness(w.witnesses[0], PASSPHRASE, T0).unwrap();
    w.tx(T0, |tx| tx.sign_roster(&unlocked, &[waits])).unwrap();
    w.ledger.erase(bob, T0, |_| {}).unwrap();
    let (task, by, at) = ("scan", Actor { role: Role::Operator, via: Via::Terminal }, T0);
    let lease = LeaseName::Scan(w.collection);
    let scan = NewJob { kind: JobKind::Scan, collection: Some(w.collection), lease, task };
    let run = w.ledger.start_job(&scan, Act { by, at }).unwrap();
    w.ledger.end_job(run, (1, 1), &JobOutcome::Done(counted()), Act { by, at }).unwrap();
    let World { ledger, home, .. } = w;
    drop(ledger);
    let kept = kept(FORMAT_VERSION);
    fs::create_dir(&kept).unwrap();
    fs::copy(home.place.folder.join("assent.db"), kept.join("assent.db")).unwrap();
    fs::copy(&home.place.ring, kept.join("ring")).unwrap();
}

#[test]
fn a_vault_of_every_format_opens() {
    for format in 1..=FORMAT_VERSION {
        // The newest format gets its fixture when it is frozen.
        if format < FORMAT_VERSION || kept(format).is_dir() {
            opens(format);
        }
    }
}

pub(crate) fn copy_of(format: i64) -> Home {
    Home::of_files(&kept(format).join("assent.db"), &kept(format).join("ring"))
}

/// Boxes with what was said of them, places that were set apart, and the faces there.
type Said = (Vec<(FaceBox, Option<Verdict>)>, Vec<FaceBox>, Vec<FaceBox>);

/// Before format 6 a decision hung on a face and an objection on a file. When the file is read again they are kept by its
/// picture, and from then on another file that shows it will do.
#[test]
fn i12_what_was_said_before_format_6_is_kept_by_the_picture() {
    let home = copy_of(5);
    let ledger = home.open();
    let seen = |tx: &Tx<'_>| {
        let collection = tx.collections()?.remove(0);
        let grant = tx.grants_in(collection.id)?.into_iter().find(|g| g.state == GrantState::Active).unwrap();
        let verdicts = tx.sightings_of(&tx.active_grant(grant.id)?)?;
        let photo = tx.known_photos(collection.id)?.remove(0);
        let apart = tx.objected_faces(photo.id)?;
        let boxes = tx.faces_of(photo.id)?.into_iter().filter(|(id, _)| apart.contains(id)).map(|(_, at)| at).collect();
        Ok((verdicts.into_iter().map(|s| (s.at, s.verdict)).collect(), tx.objected_places(photo.id)?, boxes))
    };
    let check = |name: &str, ours: FaceBox, apart: FaceBox| {
        let (verdicts, places, boxes): Said = ledger.run_tx("read", T0, seen).unwrap().into_inner();
        assert_eq!(verdicts, [(ours, Some(Verdict::Confirmed))], "{name}");
        assert!(places.len() == 1 && places[0].overlap(&apart) > 0.99, "{name}: {places:?}");
        assert_eq!(boxes, [apart], "{name}");
    };
    check("as it was opened", face(0.0), face(200.0));

    let put = |content: [u8; 32], orientation: u8, boxes: &[FaceBox]| {
        ledger
            .run_tx("scan", T0, |tx| {
                let collection = tx.collections()?.remove(0).id;
                let outcome = Outcome::Faces(boxes.to_vec());
                tx.put_photo(&NewPhoto {
                    collection,
                    path: &"boats/a.jpg".into(),
                    sha256: content,
                    bytes: 1234,
                    mtime: T0,
                    changed: None,
                    picture: Some(PictureOf { sha256: [7; 32], orientation }),
                    width: 640,
                    height: 480,
                    outcome: &outcome,
                    scanned_with: [9; 32],
                    matched_epoch: None,
                })
            })
            .unwrap();
    };
    put(Sha256::digest("boats/a.jpg").into(), 1, &[face(0.0), face(200.0)]);
    check("read again", face(0.0), face(200.0));
    let turned = |b: FaceBox| FaceBox { x: 640.0 - b.x - b.w, y: 480.0 - b.y - b.h, quarter_turn: 2, ..b };
    put([1; 32], 3, &[turned(face(0.0)), turned(face(200.0))]);
    check("turned and rated", turned(face(0.0)), turned(face(200.0)));
}

/// What the picture of an enrolment that waits is called: from format 10 on it is in the vault, and before it is a path.
fn first_picture(pending: &Pending) -> &str {
    match &pending.files {
        WaitingFiles::Sealed { pictures, .. } => &pictures[0].name,
        WaitingFiles::Paths(paths) => &paths[0],
    }
}

#[test]
fn r4_what_waits_since_before_format_10_is_signed_and_completed() {
    for format in 5..10 {
        let ledger = copy_of(format).open();
        let run = |body: &dyn for<'tx> Fn(&Tx<'tx>) -> Result<(), TxError>| ledger.run_tx("test", T0, body).map(drop);
        let waits = ledger.run_tx("test", T0, |tx| tx.all_pending()).unwrap().into_inner().remove(0);
        assert!(matches!(&waits.files, WaitingFiles::Paths(paths) if paths == &[PORTRAIT]), "{format}");
        ledger.rotate(waits.subject, T0).unwrap();
        let unlocked = ledger.unlock_witness(waits.missing()[0], PASSPHRASE, T0).unwrap();
        run(&|tx| tx.sign_roster(&unlocked, &[waits.id]).map(drop)).unwrap();
        let signed = ledger.read_tx(T0, |tx| tx.pending(waits.id)).unwrap();
        assert_eq!((signed.missing(), &signed.files), (Vec::new(), &waits.files), "{format}");
        run(&|tx| tx.open_pending(waits.id).map(drop)).unwrap();
        assert_eq!(ledger.audit_verify(None, T0).unwrap().fault, None, "{format}");
    }
}

fn opens(format: i64) {
    let home = copy_of(format);
    let ledger = home.open();
    assert_eq!(ledger.settings().controller, "The Rowing Club");
    let audit = ledger.audit_verify(None, T0).unwrap();
    // From format 2 on, that crops are kept is a leaf, too; from format 3 to 6, a calibration.
    let (crops, calibrated) = (format >= 2, (3..7).contains(&format));
    // From format 4 on, a consent that was given and withdrawn, and an order that was given and lifted.
    // From format 5 on, a refusal, a basis, an objection and a request; the keys of two witnesses, an enrolment that waits
    // for them, and what the first of them signed.
    let (more, openings) = match format {
        5.. => (12, 9),
        4 => (4, 5),
        _ => (0, 3),
    };
    let leaves = 9 + u64::from(crops) + u64::from(calibrated) + more;
    assert_eq!((audit.size, audit.openings, audit.fault), (leaves, openings, None), "{format}");
    ledger
        .run_tx("read", T0, |tx| {
            let collection = tx.collections()?.remove(0);
            assert_eq!((collection.name.as_str(), collection.others), ("Regatta", BystanderBasis::ClosedGroup));
            let latest = format >= 5;
            assert_eq!(collection.basis.necessity.as_deref(), latest.then_some(NECESSITY));
            let people = tx.subjects()?;
            let held = tx.subject_access(people[0].id)?;
            assert_eq!(held.refusals.len(), usize::from(latest));
            assert_eq!(held.requests.iter().find_map(|r| r.words.as_deref()), latest.then_some(REASON));
            assert_eq!(held.pending.first().map(first_picture), latest.then_some(PORTRAIT));
            assert_eq!(held.pending.first().map(|p| p.missing().len()), latest.then_some(1));
            if let Some(WaitingFiles::Sealed { pictures, .. }) = held.pending.first().map(|p| &p.files) {
                let plain = tx.waiting_file(&held.pending[0], &pictures[0])?;
                assert_eq!(plain.as_slice(), PICTURE);
            }
            assert_eq!(tx.find_subject_id("Name of ADA")?, people[0].id);
            assert!(tx.witnesses()?.iter().all(|witness| witness.public_key.is_some() == latest));
            assert_eq!(people[0].jurisdiction == seat(), latest);
            assert_eq!(held.grants[0].rules, if latest { "generic 1" } else { "" });
            assert_eq!((people.len(), people[0].contact.as_str()), (1, "ada@example.org"));
            let gallery = tx.searchable_templates(collection.id, &Purpose::find_my_photos(), MODEL)?;
            assert_eq!(gallery.templates[0].plain.as_slice(), b"embedding of ada");
            let seen = tx.sightings_of(&tx.active_grant(gallery.templates[0].grant)?)?;
            assert_eq!((seen[0].verdict, seen[0].at), (Some(Verdict::Confirmed), face(0.0)));
            let photo = tx.known_photos(collection.id)?.remove(0);
            let newest = format >= 6;
            assert_eq!(
                (held.portrait.as_deref(), held.portrait_tags),
                // A picture that was noted, and that of the enrolment which waits.
                (newest.then_some(FACE_OF_ADA), 2 * usize::from(newest))
            );
            assert_eq!((photo.taken, photo.missing), (newest.then(taken), None));
            assert_eq!(tx.objected_places(photo.id)?.len(), usize::from(latest));
            assert_eq!(
                (photo.path.to_string().as_str(), photo.crops, collection.keep_crops),
                ("boats/a.jpg", crops.into(), crops)
            );
            let kept = tx.crops_of(collection.id, photo.id, MODEL)?;
            assert!(kept.iter().all(|(face, plain)| (*face, plain.as_slice()) == (seen[0].face, CROP)));
            assert_eq!(kept.len(), usize::from(crops));
            let orders: Vec<String> = tx.orders()?.into_iter().map(|order| order.reason).collect();
            assert_eq!(orders, if format >= 4 { vec![REASON.to_owned()] } else { Vec::new() });
            Ok(())
        })
        .unwrap();
    let jobs: Vec<JobCounts> = ledger.jobs(T0).unwrap().jobs.into_iter().map(|job| job.counts).collect();
    assert_eq!(jobs, if format >= 10 { vec![counted()] } else { vec![] });
    let erased = ledger.erasures(T0).unwrap();
    assert_eq!(erased.len(), 1);
    let certificate = ledger.certificate(erased[0].subject, T0).unwrap();
    assert_eq!(Certificate::verify(&certificate, &ledger.log_keys()).unwrap().subject, erased[0].subject);
}

#[test]
fn i1_a_vault_of_an_older_format_that_was_edited_is_refused_and_not_brought_up_to_date() {
    let cases = [
        ("a consent for a century", "UPDATE grants SET valid_until_ms = valid_until_ms + 1576800000000", "grants"),
        ("another kind of vault", "UPDATE vault SET kind = 'household'", "vault"),
        ("an order that is gone", "DELETE FROM orders", "orders"),
    ];
    for (name, sql, wanted) in cases {
        let home = copy_of(9);
        home.edit(sql);
        let refused = home.try_open().map(drop);
        let Err(OpenError::Tampered { first, .. }) = &refused else { panic!("{name}: {refused:?}") };
        assert!(format!("{first:?}").contains(wanted), "{name}: {first:?}");
        let format = home.raw().count("SELECT format_version FROM vault");
        assert!(format < FORMAT_VERSION, "{name}: {format}");
    }
}

#[test]
fn i1_a_database_that_says_it_is_of_an_older_format_is_not_left_unchecked() {
    on_every_database(|backend| {
        // The key ring notes the format when a vault is opened.
        let World { ledger, home, .. } = World::new(backend).reopened();
        drop(ledger);
        home.edit("UPDATE vault SET format_version = 8");
        let refused = home.try_open().map(drop);
        let Err(OpenError::Tampered { first: Tampering::Downgraded, .. }) = &refused else {
            panic!("{backend:?}: {refused:?}")
        };
    });
}
