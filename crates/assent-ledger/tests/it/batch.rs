//! A scan's batch is stored in as many statements as one photo: on a server each is a round trip.

use assent_ledger::*;

use crate::support::*;

const FACES: usize = 3;

/// A vault where everybody can be found, a batch in which each photo shows several of them.
struct Scene {
    w: World,
    grants: Vec<GrantId>,
}

impl Scene {
    fn new(backend: Backend) -> Self {
        let w = World::new(backend);
        w.tx(T0, |tx| tx.keep_crops(w.collection)).unwrap();
        let grants = (0..8).map(|n| w.grant(w.subject(&format!("p{n}")), 9)).collect();
        Self { w, grants }
    }

    /// What a scan does with these photos, as `assent::scan::store` does it; with the statements that it takes.
    fn scan(&self, photos: std::ops::Range<usize>, at: f32) -> Traffic {
        let boxes = |n: usize| (0..FACES).map(move |i| face(at + 200.0 * (i + n % 7) as f32)).collect();
        let paths: Vec<PhotoPath> = photos.clone().map(|n| format!("{n:04}.jpg").as_str().into()).collect();
        let outcomes: Vec<Outcome> = photos.clone().map(|n| Outcome::Faces(boxes(n))).collect();
        let scanned = |i: usize| ScannedPhoto {
            photo: NewPhoto {
                collection: self.w.collection,
                path: &paths[i],
                sha256: sha256(i + photos.start),
                bytes: 1234,
                mtime: T0,
                changed: Some(T0),
                picture: Some(PictureOf { sha256: sha256(i + photos.start), orientation: 1 }),
                width: 4000,
                height: 3000,
                outcome: &outcomes[i],
                scanned_with: MODEL,
                matched_epoch: Some(1),
            },
            searched: Some(SearchExtent { side_px: 1600, any_way_up: true, exhaustive: false }),
            taken: Some(PhotoTime::by_file(T0)),
        };
        let new: Vec<ScannedPhoto<'_>> = (0..paths.len()).map(scanned).collect();
        let done = self.w.ledger.run_tx("scan", T0, |tx| {
            let matching = tx.matching_by(self.w.collection, MODEL)?;
            let shown: Vec<_> = new.iter().map(|n| (n.photo.path, n.photo.sha256)).collect();
            tx.follow_pictures(self.w.collection, &shown, [PhotoId(i64::MAX)].into())?;
            let stored = tx.put_photos(&new)?;
            let crops: Vec<PhotoCrops<'_>> =
                stored.iter().map(|p| (p.id, p.faces.iter().map(|f| (*f, b"crop".as_slice())).collect())).collect();
            tx.keep_crops_of_photos(self.w.collection, MODEL, &crops)?;
            let read: Vec<_> = stored.iter().map(|p| (p.id, T0, Some(T0))).collect();
            tx.set_read(&read)?;
            let proofs = tx.nameable(&self.grants.iter().copied().collect())?;
            let seen = |i: usize, photo: &StoredPhoto| {
                let of = |(n, face): (usize, &FaceId)| NewSighting {
                    grant: &proofs[&self.grants[(i + n) % self.grants.len()]],
                    face: *face,
                    band: Band::Match,
                };
                (photo.id, photo.faces.iter().enumerate().map(of).collect::<Vec<_>>())
            };
            let seen: Vec<_> = stored.iter().enumerate().map(|(i, photo)| seen(i, photo)).collect();
            let seen: Vec<_> = seen.iter().map(|(photo, new)| (*photo, new.as_slice())).collect();
            assert_eq!(tx.replace_sightings_in(&matching, &seen)?, (FACES * stored.len()) as u64);
            tx.set_matched(&stored.iter().map(|p| p.id).collect::<Vec<_>>(), 1)?;
            let concerned: Vec<_> = proofs.values().map(|proof| (proof.subject(), b"seen".as_slice())).collect();
            tx.append_leaf(EventKind::Scan, b"", &concerned).map(drop)
        });
        done.unwrap().traffic()
    }
}

fn sha256(n: usize) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    bytes
}

#[test]
fn a_batch_takes_as_many_statements_as_one_photo() {
    on_every_database(|backend| {
        let scene = Scene::new(backend);
        // Faces of 32 photos are cut into 64 and 32 rows, and so are their crops and sightings.
        let (one, many) = (scene.scan(0..1, 10.0).statements, scene.scan(1..33, 10.0).statements);
        println!("{backend:?}: new photos: {one} statements for one, {many} for 32");
        assert!(many <= one + 10, "{backend:?}: {one}, {many}");
        // Scanned again, some faces at other places.
        let (one, many) = (scene.scan(0..1, 30.0).statements, scene.scan(1..33, 30.0).statements);
        println!("{backend:?}: known photos: {one} statements for one, {many} for 32");
        assert!(many <= one + 10, "{backend:?}: {one}, {many}");
        assert_eq!(scene.w.ledger.audit_verify(None, T0).unwrap().tampered, []);
    });
}

/// However photos come together, what is kept of them is the same.
#[test]
fn photos_of_a_batch_are_what_they_would_be_one_by_one() {
    on_every_database(|backend| {
        let kept = |sizes: &[usize]| {
            let scene = Scene::new(backend);
            for at in [10.0, 30.0, 120.0] {
                let mut next = 0;
                for size in sizes {
                    scene.scan(next..next + size, at);
                    next += size;
                }
            }
            let w = &scene.w;
            w.tx(T0, |tx| {
                let mut all = Vec::new();
                for (n, known) in tx.known_photos(w.collection)?.into_iter().enumerate() {
                    let faces = tx.faces_of(known.id)?.into_iter().map(|(_, at)| at);
                    // From 10 to 30 a face stays the same, to 120 it does not.
                    let about = (known.taken, known.searched, known.crops, known.matched_epoch);
                    all.push((n, known.path, about, faces.collect::<Vec<_>>()));
                }
                let mut seen = Vec::new();
                for grant in &scene.grants {
                    let found = tx.sightings_of(&tx.active_grant(*grant)?)?;
                    seen.push(found.into_iter().map(|s| (s.at, s.band, s.verdict)).collect::<Vec<_>>());
                }
                Ok((all, seen.concat().len()))
            })
            .unwrap()
        };
        let together = kept(&[70]);
        assert_eq!((together.0.len(), together.1), (70, 70 * FACES), "{backend:?}");
        assert_eq!(together, kept(&[1, 2, 3, 64]), "{backend:?}");
    });
}

#[test]
fn one_photo_is_found_and_an_answer_is_read_at_the_same_cost_in_a_collection_of_any_size() {
    on_every_database(|backend| {
        let cost = |photos: usize| {
            let scene = Scene::new(backend);
            let collection = scene.w.collection;
            scene.scan(0..photos, 10.0);
            let asks = |body: &dyn Fn(&Tx<'_>) -> Result<usize, TxError>| {
                let done = scene.w.ledger.run_tx("ask", T0, |tx| body(tx)).unwrap();
                (*done, done.traffic())
            };
            let path: PhotoPath = "0003.jpg".into();
            let at = asks(&|tx| Ok(usize::from(tx.photo_at(collection, &path)?.is_some())));
            let nowhere = asks(&|tx| Ok(usize::from(tx.photo_at(collection, &"none.jpg".into())?.is_some())));
            let known = scene.w.tx(T0, |tx| tx.photo_at(collection, &path)).unwrap().unwrap().id;
            let shown = asks(&|tx| Ok(tx.shown_photos(collection, &[known])?[&known].faces.len()));
            assert_eq!((at.0, nowhere.0, shown.0), (1, 0, FACES), "{backend:?}");
            // An answer of many photos takes as many statements as one of few.
            let all = asks(&|tx| {
                let seen = tx.sightings_of(&tx.active_grant(scene.grants[0])?)?;
                let photos: Vec<PhotoId> = seen.iter().map(|s| s.photo).collect();
                Ok(tx.shown_photos(collection, &photos)?.len())
            });
            ((at.1, nowhere.1, shown.1), all.1.statements)
        };
        assert_eq!(cost(8), cost(60), "{backend:?}");
    });
}

#[test]
fn photos_go_by_one_at_a_time_and_paths_are_counted_that_are_not_known() {
    on_every_database(|backend| {
        let scene = Scene::new(backend);
        let collection = scene.w.collection;
        scene.scan(0..70, 10.0);
        let ids = |most: usize| {
            let mut found = Vec::new();
            scene.w.ledger.read_tx(T0, |tx| {
                tx.each_photo(collection, &mut |photo| {
                    found.push(photo.id);
                    found.len() < most
                })
            })?;
            Ok::<_, TxError>(found)
        };
        assert_eq!((ids(7).unwrap().len(), ids(1000).unwrap().len()), (7, 70), "{backend:?}");
        let paths: Vec<PhotoPath> = (60..200).map(|n| format!("{n:04}.jpg").as_str().into()).collect();
        let unknown = |paths: &[PhotoPath]| {
            let paths: Vec<&PhotoPath> = paths.iter().collect();
            scene.w.tx(T0, |tx| tx.count_unknown(collection, &paths)).unwrap()
        };
        assert_eq!((unknown(&paths), unknown(&paths[..10]), unknown(&[])), (130, 0, 0), "{backend:?}");
    });
}
