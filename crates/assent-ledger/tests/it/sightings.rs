//! I4 and I9: sightings are read and written under a grant in force, and go with it. People's decisions stay.

use std::collections::BTreeSet;

use assent_ledger::*;

use crate::support::*;

fn see(w: &World, photo: &StoredPhoto, pairs: &[(GrantId, FaceId)]) -> Result<u64, TxError> {
    see_in(w, w.collection, photo, pairs)
}

fn see_in(w: &World, c: CollectionId, photo: &StoredPhoto, pairs: &[(GrantId, FaceId)]) -> Result<u64, TxError> {
    w.tx(T0, |tx| {
        let proofs = pairs.iter().map(|(g, _)| tx.active_grant(*g)).collect::<Result<Vec<_>, _>>()?;
        let new: Vec<_> = proofs
            .iter()
            .zip(pairs)
            .map(|(grant, (_, face))| NewSighting { grant, face: *face, band: Band::Match })
            .collect();
        tx.replace_sightings(&tx.matching(c)?, photo.id, &new)
    })
}

fn seen(w: &World, grant: GrantId) -> Vec<(FaceId, Option<Verdict>)> {
    let all = w.tx(T0, |tx| tx.sightings_of(&tx.active_grant(grant)?)).unwrap();
    all.into_iter().map(|s| (s.face, s.verdict)).collect()
}

#[test]
fn i4_sightings_are_read_under_a_grant_in_force_and_go_with_it() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let (ga, gb) = (w.grant(w.subject("ada"), 9), w.grant(w.subject("bob"), 5));
        let photo = w.photo("a.jpg", &[face(0.0), face(200.0)]);
        assert_eq!(see(&w, &photo, &[(ga, photo.faces[0]), (gb, photo.faces[1])]).unwrap(), 2);
        let all = w.tx(T0, |tx| tx.sightings_of(&tx.active_grant(ga)?)).unwrap();
        assert_eq!(all[0].at, face(0.0));
        assert_eq!((all[0].photo, all[0].band), (photo.id, Band::Match));
        w.tx(T0, |tx| tx.record_decision(&tx.active_grant(ga)?, photo.faces[0], Verdict::Confirmed)).unwrap();

        let late = w.tx(at(5), |tx| tx.sightings_of(&tx.active_grant(gb)?));
        assert!(matches!(late, Err(TxError::NotActive { .. })), "over at its end, before anything was deleted");
        w.ledger.expire_due(at(5)).unwrap();
        w.tx(T0, |tx| {
            let (proof, second) = (tx.active_grant(ga)?, tx.active_grant(ga)?);
            tx.withdraw(proof)?;
            assert!(matches!(tx.sightings_of(&second), Err(TxError::NotActive { .. })));
            Ok(())
        })
        .unwrap();
        let counts = w.tx(T0, |tx| tx.counts(w.collection)).unwrap();
        let left = CollectionCounts { photos: 1, faces: 2, ..CollectionCounts::default() };
        assert_eq!(counts, left, "{backend:?}");
    });
}

#[test]
fn i4_other_purposes_collections_and_photos_are_refused() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ada = w.subject("ada");
        let find = w.grant(ada, 9);
        let publish = w.tx(T0, |tx| give(tx, ada, w.collection, &Purpose::publish_print(), &w.witnesses, 9)).unwrap();
        let new = NewCollection { name: "Other", directory: "/o", others: BystanderBasis::ClosedGroup };
        let other = w.tx(T0, |tx| tx.add_collection(&new)).unwrap();
        let here = w.photo("a.jpg", &[face(0.0), face(200.0)]);
        let there = w.tx(T0, |tx| put_photo(tx, other, "a.jpg", &[face(0.0)])).unwrap();
        let gb = w.grant(w.subject("bob"), 9);
        assert!(matches!(see(&w, &here, &[(publish, here.faces[0])]), Err(TxError::OtherPurpose { .. })));
        assert!(matches!(see(&w, &there, &[(find, there.faces[0])]), Err(TxError::NoPhoto { .. })));
        let elsewhere = see_in(&w, other, &there, &[(find, there.faces[0])]);
        assert!(matches!(elsewhere, Err(TxError::OtherCollection { .. })));
        assert!(matches!(see(&w, &here, &[(find, there.faces[0])]), Err(TxError::NoFace { .. })));
        assert!(matches!(see(&w, &here, &[(find, here.faces[0]), (find, here.faces[1])]), Err(TxError::Twice { .. })));
        assert!(matches!(see(&w, &here, &[(find, here.faces[0]), (gb, here.faces[0])]), Err(TxError::Twice { .. })));
        let by_hand = w.tx(T0, |tx| tx.record_decision(&tx.active_grant(find)?, here.faces[0], Verdict::Confirmed));
        assert!(matches!(by_hand, Err(TxError::NotProposed { .. })), "nobody names a face by hand");
        see(&w, &here, &[(find, here.faces[0])]).unwrap();
        see_in(&w, other, &here, &[]).unwrap();
        assert_eq!(seen(&w, find), [(here.faces[0], None)], "another collection's search takes nothing away");
    });
}

#[test]
fn a_decision_outlives_every_rescan_and_is_never_overwritten() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let (ga, gb) = (w.grant(w.subject("ada"), 9), w.grant(w.subject("bob"), 9));
        let photo = w.photo("a.jpg", &[face(0.0), face(200.0)]);
        let [left, right] = [photo.faces[0], photo.faces[1]];
        see(&w, &photo, &[(ga, left), (gb, right)]).unwrap();
        let decide = |g, f, v| {
            w.tx(T0, |tx| tx.record_decision(&tx.active_grant(g)?, f, v)).unwrap();
        };
        decide(ga, left, Verdict::Confirmed);
        decide(gb, right, Verdict::Refused);

        assert_eq!(see(&w, &photo, &[(gb, left)]).unwrap(), 0, "a confirmed face goes to nobody else");
        assert_eq!(see(&w, &photo, &[(gb, right)]).unwrap(), 0, "a refused pair stays refused");
        assert_eq!(see(&w, &photo, &[(ga, right)]).unwrap(), 1, "a face refused by one may be another");
        assert_eq!(seen(&w, ga), [(left, Some(Verdict::Confirmed)), (right, None)]);
        assert_eq!(seen(&w, gb), [(right, Some(Verdict::Refused))]);

        let again = w.photo("a.jpg", &[face(205.0), face(400.0)]);
        assert_eq!(again.id, photo.id);
        assert_eq!(again.faces[0], right, "the box moved a little");
        assert_ne!(again.faces[1], left);
        see(&w, &again, &[]).unwrap();
        assert_eq!(seen(&w, ga), [(left, Some(Verdict::Confirmed))], "also where the detector misses it now");
        decide(ga, left, Verdict::Refused);
        assert_eq!(seen(&w, ga), [(left, Some(Verdict::Refused))], "a person may change their mind");
    });
}

#[test]
fn a_photo_is_known_by_path_and_content_and_can_move_and_go() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let grant = w.grant(w.subject("ada"), 9);
        let photo = w.photo("a.jpg", &[face(0.0)]);
        see(&w, &photo, &[(grant, photo.faces[0])]).unwrap();
        let failed = Outcome::Failed("truncated".into());
        let (collection, sha256) = (w.collection, [3; 32]);
        let bad = NewPhoto {
            collection,
            path: &"b/ü.jpg".into(),
            sha256,
            bytes: 7,
            mtime: T0,
            changed: None,
            picture: None,
            width: 0,
            height: 0,
            outcome: &failed,
            scanned_with: MODEL,
            matched_epoch: Some(1),
        };
        w.tx(T0, |tx| tx.put_photo(&bad)).unwrap();
        let known = || w.tx(T0, |tx| tx.known_photos(collection)).unwrap();
        let paths =
            |k: &[KnownPhoto]| k.iter().map(|p| (p.path.clone(), p.faces, p.failure.clone())).collect::<Vec<_>>();
        let failure = Some("truncated".to_owned());
        assert_eq!(paths(&known()), [("a.jpg".into(), 1, None), ("b/ü.jpg".into(), 0, failure)]);
        let same = w.tx(T0, |tx| tx.photos_with_content(collection, sha256)).unwrap();
        assert_eq!(same, [known()[1].id]);
        w.tx(T0, |tx| tx.move_photo(collection, photo.id, &"z.jpg".into(), (T0, None))).unwrap();
        w.tx(T0, |tx| tx.set_matched(&[photo.id], 4)).unwrap();
        assert_eq!((known()[1].path.to_string().as_str(), known()[1].matched_epoch), ("z.jpg", Some(4)));
        assert_eq!(seen(&w, grant).len(), 1, "a moved photo keeps its sightings");
        assert_eq!(w.tx(T0, |tx| tx.remove_photos(collection, &BTreeSet::from([photo.id]))).unwrap(), 1);
        assert!(seen(&w, grant).is_empty());
    });
}

pub(crate) fn shows(w: &World, path: &str, picture: u8, boxes: &[FaceBox]) -> StoredPhoto {
    let outcome = Outcome::read(boxes.to_vec());
    let new = NewPhoto {
        collection: w.collection,
        path: &path.into(),
        sha256: [path.len() as u8; 32],
        bytes: 7,
        mtime: T0,
        changed: Some(T0),
        picture: Some(PictureOf { sha256: [picture; 32], orientation: 1 }),
        width: 640,
        height: 480,
        outcome: &outcome,
        scanned_with: MODEL,
        matched_epoch: Some(1),
    };
    w.tx(T0, |tx| tx.put_photo(&new)).unwrap()
}

#[test]
fn i12_a_decision_is_about_every_photo_that_shows_its_picture_and_goes_with_the_last_one() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let (ga, gb) = (w.grant(w.subject("ada"), 9), w.grant(w.subject("bob"), 9));
        let photo = shows(&w, "a", 1, &[face(0.0), face(200.0)]);
        see(&w, &photo, &[(ga, photo.faces[0])]).unwrap();
        let decide =
            |grant, face| w.tx(T0, |tx| tx.record_decision(&tx.active_grant(grant)?, face, Verdict::Confirmed));
        decide(ga, photo.faces[0]).unwrap();
        assert!(matches!(decide(gb, photo.faces[1]), Err(TxError::NotProposed { .. })));

        let copy = shows(&w, "bb", 1, &[face(203.0), face(3.0)]);
        let both = [(photo.faces[0], Some(Verdict::Confirmed)), (copy.faces[1], Some(Verdict::Confirmed))];
        assert_eq!(seen(&w, ga), both, "{backend:?}");
        assert_eq!(see(&w, &copy, &[(gb, copy.faces[1])]).unwrap(), 0, "it is hers in the copy, too");
        let other = shows(&w, "ccc", 2, &[face(0.0)]);
        assert_eq!(see(&w, &other, &[(gb, other.faces[0])]).unwrap(), 1, "another picture");
        let like = |photo: PhotoId| w.tx(T0, |tx| tx.photos_like(photo)).unwrap();
        assert_eq!((like(photo.id), like(other.id)), (vec![photo.id, copy.id], vec![other.id]));

        // Another picture takes the place of the first: its faces are nobody's, and the copy is still there.
        let replaced = shows(&w, "a", 3, &[face(0.0)]);
        assert_ne!(replaced.id, photo.id);
        assert_eq!(seen(&w, ga), both[1..]);
        assert_eq!(w.tx(T0, |tx| tx.subject_access(tx.subjects()?[0].id)).unwrap().decisions.len(), 1);
        let gone = |photo: PhotoId| w.tx(T0, |tx| tx.remove_photos(w.collection, &BTreeSet::from([photo]))).unwrap();
        gone(replaced.id);
        assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM decisions"), 1, "about another picture");
        gone(copy.id);
        assert_eq!(w.home.raw().count("SELECT COUNT(*) FROM decisions"), 0, "forgotten with the last photo");
    });
}

#[test]
fn i12_where_a_person_decided_there_is_a_face() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let ga = w.grant(w.subject("ada"), 9);
        let photo = shows(&w, "a", 1, &[face(0.0), face(200.0)]);
        see(&w, &photo, &[(ga, photo.faces[0])]).unwrap();
        w.tx(T0, |tx| tx.record_decision(&tx.active_grant(ga)?, photo.faces[0], Verdict::Confirmed)).unwrap();
        // Other networks find nobody, and the photo was away in between.
        w.tx(T0, |tx| {
            tx.object(photo.id, photo.faces[1])?;
            Ok(())
        })
        .unwrap();
        shows(&w, "a", 9, &[]);
        assert_eq!(seen(&w, ga), [], "{backend:?}");
        let again = shows(&w, "a", 1, &[]);
        assert_eq!(again.faces, []);
        let all = w.tx(T0, |tx| tx.sightings_of(&tx.active_grant(ga)?)).unwrap();
        assert!(all.len() == 1 && all[0].at.overlap(&face(0.0)) > 0.99, "{all:?}");
        assert_eq!(all[0].verdict, Some(Verdict::Confirmed));
        assert_eq!(w.tx(T0, |tx| tx.faces_of(again.id)).unwrap().len(), 1);
        // And what was set apart is known to be there, although no face is.
        assert_eq!(w.tx(T0, |tx| tx.objected_faces(again.id)).unwrap(), []);
        let places = w.tx(T0, |tx| tx.objected_places(again.id)).unwrap();
        assert!(places.len() == 1 && places[0].overlap(&face(200.0)) > 0.99);
    });
}

#[test]
fn photos_are_read_a_few_at_a_time_each_once_and_of_their_collection_alone() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let new = NewCollection { name: "Gala", directory: "/photos/gala", others: BystanderBasis::ClosedGroup };
        let other = w.tx(T0, |tx| tx.add_collection(&new)).unwrap();
        let mut here = Vec::new();
        for n in 0..7 {
            here.push(w.photo(&format!("{n}.jpg"), &[face(10.0), face(200.0)]).id);
            w.tx(T0, |tx| put_photo(tx, other, &format!("{n}.jpg"), &[face(10.0)])).unwrap();
        }
        let (mut after, mut read, mut faces) = (PhotoId(0), Vec::new(), 0);
        let (light, sharp) = (0.0..=f32::MAX, 0.0..);
        while let Some((first, last)) = w
            .tx(T0, |tx| {
                let page = tx.photos_after(w.collection, after, 3)?;
                Ok(page.first().copied().zip(page.last().copied()))
            })
            .unwrap()
        {
            let measured = w.tx(T0, |tx| tx.faces_measured(w.collection, (&light, &sharp), (first, last))).unwrap();
            faces += measured.values().map(Vec::len).sum::<usize>();
            read.extend(measured.into_keys());
            after = last;
        }
        assert_eq!((read, faces), (here, 14), "{backend:?}");
        assert_eq!(w.tx(T0, |tx| tx.photos_measured(w.collection, (&light, &sharp))).unwrap(), 7, "{backend:?}");
    });
}
