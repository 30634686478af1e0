//! Crops of faces: kept where that was declared, sealed to their place, and gone with what they belong to.

use std::collections::BTreeSet;

use assent_ledger::*;

use crate::support::*;

const PIXELS: &[u8] = b"0123456789 the pixels of a face 0123456789";

fn keep(w: &World, photo: &StoredPhoto) -> Result<(), TxError> {
    let crops: Vec<(FaceId, &[u8])> = photo.faces.iter().map(|face| (*face, PIXELS)).collect();
    w.tx(T0, |tx| tx.keep_crops_of(photo.id, MODEL, &crops))
}

fn kept(w: &World, photo: &StoredPhoto) -> Vec<FaceId> {
    let crops = w.tx(T0, |tx| tx.crops_of(w.collection, photo.id, MODEL)).unwrap();
    assert!(crops.iter().all(|(_, plain)| plain == PIXELS));
    crops.into_iter().map(|(face, _)| face).collect()
}

fn keeping(backend: Backend) -> World {
    let w = World::new(backend);
    w.tx(T0, |tx| tx.keep_crops(w.collection)).unwrap();
    w
}

#[test]
fn crops_are_kept_only_where_that_was_declared() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let photo = w.photo("a.jpg", &[face(0.0), face(200.0)]);
        assert!(matches!(keep(&w, &photo), Err(TxError::NoCrops { .. })));
        let by_hand = "INSERT INTO crops (face_id, photo_id, model_sha256, sealed) \
                       SELECT f.id, f.photo_id, p.scanned_with, p.sealed FROM faces f JOIN photos p ON p.id = f.photo_id";
        let refused = w.home.raw().try_exec(by_hand).unwrap_err();
        assert!(refused.contains("this collection keeps no crops"), "{refused}");

        let size = w.ledger.audit_verify(None, T0).unwrap().size;
        for _ in 0..2 {
            w.tx(T0, |tx| tx.keep_crops(w.collection)).unwrap();
        }
        let audit = w.ledger.audit_verify(None, T0).unwrap();
        assert_eq!((audit.size, audit.fault), (size + 1, None), "declared once, and the log says so");
        keep(&w, &photo).unwrap();
        assert_eq!(kept(&w, &photo), photo.faces);
        let known = w.tx(T0, |tx| tx.known_photos(w.collection)).unwrap();
        assert_eq!((known[0].faces, known[0].crops), (2, 2));
        assert!(w.home.raw().try_exec("UPDATE crops SET photo_id = 7").is_err(), "a crop is never changed");

        let new = NewCollection { name: "Street", directory: "/s", others: BystanderBasis::None };
        let covered = w.tx(T0, |tx| tx.add_collection(&new)).unwrap();
        assert!(matches!(w.tx(T0, |tx| tx.keep_crops(covered)), Err(TxError::NoBasis { .. })));
        w.tx(T0, |tx| tx.freeze_collection(w.collection)).unwrap();
        assert!(matches!(keep(&w, &photo), Err(TxError::Frozen { .. })));
    });
}

#[test]
fn crops_go_with_their_photo_and_with_every_new_look_at_it() {
    on_every_database(|backend| {
        let w = keeping(backend);
        let (a, b) = (w.photo("a.jpg", &[face(0.0), face(200.0)]), w.photo("b.jpg", &[face(0.0)]));
        keep(&w, &a).unwrap();
        keep(&w, &b).unwrap();
        let again = w.photo("a.jpg", &[face(0.0), face(200.0)]);
        assert_eq!(
            (again.faces.clone(), kept(&w, &again)),
            (a.faces.clone(), vec![]),
            "the face is the same, its box may not be"
        );
        keep(&w, &again).unwrap();
        w.tx(T0, |tx| tx.forget_crops_at(&[a.faces[1]])).unwrap();
        assert_eq!((kept(&w, &a), kept(&w, &b)), (vec![a.faces[0]], b.faces.clone()));
        w.tx(T0, |tx| tx.remove_photos(w.collection, &BTreeSet::from([a.id]))).unwrap();
        assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM crops"), 1, "only the other photo's");
        assert_eq!(w.tx(T0, |tx| tx.counts(w.collection)).unwrap().crops, 1);
        let other_model = w.tx(T0, |tx| tx.crops_of(w.collection, b.id, [9; 32])).unwrap();
        assert!(other_model.is_empty(), "made for other networks");
    });
}

/// How a person leaves.
type Leave = fn(&World, SubjectId, GrantId);

#[test]
fn i5_the_crops_of_a_person_go_when_they_leave() {
    on_every_database(|backend| {
        let see = |w: &World, grant: GrantId, photo: &StoredPhoto, face: FaceId| {
            w.tx(T0, |tx| {
                let proof = tx.active_grant(grant)?;
                tx.replace_sightings(
                    &tx.matching(w.collection)?,
                    photo.id,
                    &[NewSighting { grant: &proof, face, band: Band::Review }],
                )
            })
            .unwrap();
        };
        let ways: [(&str, Leave); 3] = [
            ("withdrawal", |w, _, grant| w.tx(T0, |tx| tx.withdraw(tx.active_grant(grant)?)).unwrap()),
            ("expiry", |w, _, _| assert_eq!(w.ledger.expire_due(at(9)).unwrap().ended.len(), 1)),
            ("erasure", |w, subject, _| assert!(w.ledger.erase(subject, T0, |_| {}).is_ok())),
        ];
        for (name, leave) in ways {
            let w = keeping(backend);
            let ada = w.subject("ada");
            let grant = w.grant(ada, 9);
            let photo = w.photo("a.jpg", &[face(0.0), face(200.0)]);
            keep(&w, &photo).unwrap();
            see(&w, grant, &photo, photo.faces[1]);
            let sealed = w.home.raw().blobs("SELECT sealed FROM crops ORDER BY face_id");
            leave(&w, ada, grant);
            assert_eq!(kept(&w, &photo), [photo.faces[0]], "{name}, {backend:?}");
            if backend == Backend::Sqlite {
                assert!(w.ledger.scrub_if_due(at(9)));
                let bytes = bytes_below(&w.home.place.folder);
                let left: Vec<bool> = sealed.iter().map(|crop| contains(&bytes, crop)).collect();
                assert_eq!(left, [true, false], "{name}: no byte of it is left");
            }
        }
    });
}

#[test]
fn a_crop_opens_at_its_place_alone_and_under_its_own_key() {
    on_every_database(|backend| {
        let w = keeping(backend);
        let photo = w.photo("a.jpg", &[face(0.0), face(200.0)]);
        keep(&w, &photo).unwrap();
        if backend == Backend::Sqlite {
            assert!(!contains(&bytes_below(&w.home.place.folder), PIXELS), "sealed");
        }
        w.home.edit(&format!(
            "UPDATE crops SET sealed = (SELECT sealed FROM crops o WHERE o.face_id = {}) WHERE face_id = {}",
            photo.faces[0], photo.faces[1]
        ));
        assert_eq!(kept(&w, &photo), [photo.faces[0]], "one that was moved is as good as none");

        // Another collection's crops have another key, and both survive the next opening.
        let new = NewCollection { name: "Street", directory: "/s", others: BystanderBasis::ClosedGroup };
        let other = w.tx(T0, |tx| tx.add_collection(&new)).unwrap();
        w.tx(T0, |tx| tx.keep_crops(other)).unwrap();
        let World { ledger, home, collection, witnesses } = w;
        drop(ledger);
        let w = World { ledger: home.open(), home, collection, witnesses };
        assert_eq!(kept(&w, &photo), [photo.faces[0]]);
        let ring = std::fs::read(&w.home.place.ring).unwrap();
        for id in [collection, other] {
            assert!(contains(&ring, id.as_bytes()), "a slot of its own in the key ring");
        }
    });
}

#[test]
fn photos_without_a_face_meet_all_templates_at_once() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let put = |path: &str, outcome: &Outcome, scanned_with: [u8; 32]| {
            let new = NewPhoto {
                collection: w.collection,
                path: &path.into(),
                sha256: [1; 32],
                bytes: 1,
                mtime: T0,
                changed: None,
                picture: None,
                width: 9,
                height: 9,
                outcome,
                scanned_with,
                matched_epoch: Some(1),
            };
            w.tx(T0, |tx| tx.put_photo(&new)).unwrap();
        };
        put("a-nobody", &Outcome::NoFace, MODEL);
        put("b-faces", &Outcome::Faces(vec![face(0.0)]), MODEL);
        put("c-failed", &Outcome::Failed("damaged".into()), MODEL);
        put("d-other-networks", &Outcome::NoFace, [9; 32]);
        let epochs = |nobody: bool, epoch: i64| {
            w.tx(T0, |tx| {
                tx.set_matched_without_faces(w.collection, MODEL, epoch, nobody)?;
                Ok(tx.known_photos(w.collection)?.iter().map(|k| k.matched_epoch.unwrap()).collect::<Vec<_>>())
            })
            .unwrap()
        };
        assert_eq!(epochs(false, 2), [2, 1, 1, 1], "{backend:?}");
        assert_eq!(epochs(true, 3), [3, 3, 1, 1], "{backend:?}: nobody to meet");
    });
}

#[test]
fn i12_of_a_face_that_was_set_apart_no_crop_is_kept() {
    on_every_database(|backend| {
        let w = keeping(backend);
        let (photo, copy) = (w.photo("a.jpg", &[face(0.0), face(200.0)]), w.photo("a.jpg", &[face(0.0), face(200.0)]));
        keep(&w, &copy).unwrap();
        w.tx(T0, |tx| tx.object(photo.id, photo.faces[0])).unwrap();
        assert_eq!(kept(&w, &copy), [copy.faces[1]], "{backend:?}: gone at once");
        keep(&w, &copy).unwrap();
        assert_eq!(kept(&w, &copy), [copy.faces[1]], "{backend:?}: and not kept again");
    });
}
