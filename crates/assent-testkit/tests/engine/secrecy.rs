//! What is at rest, searched byte by byte.

use std::collections::BTreeSet;
use std::fs;

use assent::find::{Disclosure, find};
use assent::ledger::{KeyRingError, Ledger, Purpose, TxError, VaultPlace, Verdict, no_hook};
use assent_testkit::{T0, World, act, contains, models, with_worker};
use half::f16;

use crate::{TRIO, WALZ, photo};

/// Every run of 16 bytes of an embedding, in each form that it could be kept in.
fn traces(values: &[f32]) -> BTreeSet<[u8; 16]> {
    // As crates/assent-gallery/src/gallery.rs rounds.
    let scale = 127.0 * (values.len() as f64).sqrt() / 5.6;
    let int8: Vec<u8> =
        values.iter().map(|v| (f64::from(*v) * scale).round().clamp(-127.0, 127.0) as i8 as u8).collect();
    let little: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let half: Vec<u8> = values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
    let big: Vec<u8> = values.iter().flat_map(|v| v.to_be_bytes()).collect();
    // As SQLite writes a number into a column.
    let wide: Vec<u8> = values.iter().flat_map(|v| f64::from(*v).to_be_bytes()).collect();
    let windows = |bytes: &[u8]| bytes.windows(16).map(|w| w.try_into().unwrap()).collect::<Vec<[u8; 16]>>();
    [int8, little, half, big, wide].iter().flat_map(|form| windows(form)).collect()
}

fn holds(hay: &[u8], traces: &BTreeSet<[u8; 16]>) -> bool {
    hay.windows(16).any(|w| traces.contains(w))
}

/// The traces of every face in a photo.
fn faces(bytes: &[u8]) -> Vec<BTreeSet<[u8; 16]>> {
    with_worker(|worker| {
        let photo = worker.detect(bytes).unwrap();
        let face_crops = worker.crop_faces(&photo);
        worker.embed(face_crops).unwrap().iter().flatten().map(|e| traces(e.values())).collect()
    })
}

/// The traces of the templates that can be searched.
fn templates(w: &World) -> Vec<BTreeSet<[u8; 16]>> {
    let values =
        |plain: &[u8]| -> Vec<f32> { plain.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect() };
    w.gallery().templates.iter().map(|t| traces(&values(&t.plain))).collect()
}

#[test]
fn i2_other_faces_leave_nothing_behind() {
    let w = World::new(&[TRIO, WALZ]);
    let (krikalev, _) = w.enrol("krikalev", "sergei-krikalev");
    assert_eq!(w.scan().faces, 4);
    assert_eq!(w.find(krikalev).len(), 1);
    let strangers: Vec<_> = [TRIO, WALZ].iter().flat_map(|name| faces(&photo(name))).collect();
    let own = templates(&w);
    assert_eq!(
        (strangers.len(), own.len()),
        (4, 1),
        "the fourth of the faces is the subject's, and may not stay either"
    );

    // The search itself works, at any offset.
    let mut control = w.bytes();
    assert!(control.len() > 50_000);
    control.extend(strangers[1].iter().next().unwrap());
    assert!(holds(&control, &strangers[1]));

    let all = w.bytes();
    for (i, face) in strangers.iter().enumerate() {
        assert!(!holds(&all, face), "face {i} is at rest");
    }
    assert!(!holds(&all, &own[0]), "the template is at rest in clear");
    // What the vault can open holds nothing of them either: one template, and it is the subject's own.
    let boxes = w.tx(|tx| tx.counts(w.collection)).unwrap();
    assert_eq!((boxes.faces, boxes.sightings, boxes.templates), (4, 1, 1));
}

#[test]
fn i5_nothing_of_an_erased_subject_can_be_opened() {
    let w = World::new(&[TRIO, WALZ]);
    let (walz, _) = w.enrol("carl-the-handle", "carl-walz");
    let (krikalev, _) = w.enrol("sergei-the-handle", "sergei-krikalev");
    w.scan();
    let face = w.find(walz)[0].face;
    w.tx(|tx| {
        let proof = tx.active_grant_for(walz, w.collection, &Purpose::find_my_photos())?.unwrap();
        tx.record_decision(&proof, face, Verdict::Confirmed)
    })
    .unwrap();
    find(&w.ledger, walz, None, Disclosure::Export, act(T0)).unwrap();
    let secrets: Vec<Vec<u8>> = ["Name of carl-the-handle", "carl-the-handle", "carl-the-handle@example.org", WALZ]
        .map(|s| s.as_bytes().to_vec())
        .to_vec();
    let before = templates(&w);
    let gone = w.gallery().templates.iter().position(|t| t.subject == walz).unwrap();
    let template = w.gallery().templates[gone].template;

    // A copy of the database, as a backup would hold it.
    let old = VaultPlace { folder: w.home.dir.path().join("backup"), ..w.home.place.clone() };
    w.ledger.backup(&old.folder, &w.home.dir.path().join("elsewhere/ring"), T0).unwrap();

    let mut forgotten = Vec::new();
    w.ledger.erase(walz, T0, |ids| forgotten = ids.to_vec()).unwrap();
    assert_eq!(forgotten, [template]);
    let check = |name: &str, bytes: &[u8]| {
        for traces in &before {
            assert!(!holds(bytes, traces), "{name}: a template");
        }
        for secret in &secrets {
            assert!(!contains(bytes, secret), "{name}: {}", String::from_utf8_lossy(secret));
        }
    };
    check("vault and key ring", &w.bytes());
    check("the old copy", &fs::read(old.folder.join("assent.db")).unwrap());

    let destroyed = |name: &str, outcome: Result<(), TxError>| match outcome {
        Err(TxError::KeyRing(KeyRingError::Destroyed { subject })) => assert_eq!(subject, walz, "{name}"),
        Err(other) => panic!("{name}: {other}"),
        Ok(()) => panic!("{name} opens"),
    };
    // The one who stays is still found, now and after a scan; the erased one is nobody.
    w.home.put("new.jpg", &photo(WALZ));
    assert_eq!(w.scan().matches, 0);
    assert_eq!(w.find(krikalev).len(), 1);
    destroyed("photos", find(&w.ledger, walz, None, Disclosure::Search, act(T0)).map(drop));
    assert!(matches!(w.tx(|tx| tx.subject(walz).map(drop)), Err(TxError::NoSubject)));
    assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None);

    // The old copy under the present key ring: opening it erases them again.
    let World { ledger, home, collection, .. } = w;
    drop(ledger);
    let copy = Ledger::open(&old, home.tools(no_hook()), T0).unwrap();
    let nobody = copy.read_tx(T0, |tx| tx.find_subject("carl-the-handle").map(drop));
    assert!(matches!(nobody, Err(TxError::NoSubject)));
    assert!(copy.read_tx(T0, |tx| tx.grants_of(walz)).unwrap().is_empty());
    destroyed("photos", find(&copy, walz, None, Disclosure::Search, act(T0)).map(drop));
    let model = models().pack().model_sha256;
    let gallery =
        copy.read_tx(T0, |tx| tx.searchable_templates(collection, &Purpose::find_my_photos(), model)).unwrap();
    assert!(gallery.unopened.is_empty() && gallery.templates.iter().all(|t| t.subject == krikalev));
    assert_eq!(find(&copy, krikalev, None, Disclosure::Search, act(T0)).unwrap().photos.len(), 1);
}
