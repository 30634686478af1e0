//! Photos whose files are not in the folder: kept as missing, back by themselves, forgotten after a day (invariant I12).

use std::collections::BTreeSet;

use assent_ledger::*;

use crate::support::*;

const HOUR: i64 = DAY / 24;

/// A collection with so many photos of one face each.
fn with_photos(backend: Backend, number: usize) -> (World, Vec<PhotoId>) {
    let w = World::new(backend);
    let photos = (0..number).map(|i| w.photo(&format!("{i:02}.jpg"), &[face(0.0)]).id).collect();
    (w, photos)
}

fn set(photos: &[PhotoId]) -> BTreeSet<PhotoId> {
    photos.iter().copied().collect()
}

fn later(hours: i64) -> Timestamp {
    Timestamp(T0.0 + hours * HOUR)
}

/// A listing so many hours after the first, without these photos; `[absent, forgotten, too many]`.
fn list(w: &World, hours: i64, absent: &[PhotoId]) -> [u64; 3] {
    let (now, absent) = (later(hours), set(absent));
    let said = w.tx(now, |tx| tx.note_listing(w.collection, &absent, &BTreeSet::new())).unwrap();
    let forgotten = w.tx(now, |tx| tx.forget_absent(w.collection, &absent, now)).unwrap();
    [said.absent - forgotten, forgotten, said.too_many.into()]
}

/// Since how many hours after the first listing each photo that is left is missing.
fn missing(w: &World) -> Vec<Option<i64>> {
    let known = w.tx(T0, |tx| tx.known_photos(w.collection)).unwrap();
    let counted = w.tx(T0, |tx| tx.counts(w.collection)).unwrap().missing;
    assert_eq!(counted as usize, known.iter().filter(|k| k.missing.is_some()).count());
    known.iter().map(|k| k.missing.map(|at| (at.0 - T0.0) / HOUR)).collect()
}

#[test]
fn i12_a_photo_is_forgotten_only_when_it_is_absent_twice_a_day_apart() {
    on_every_database(|backend| {
        // When listings did not have the photo, and at which of them it is forgotten.
        let check = |name: &str, listings: &[(i64, bool)], forgotten_at: Option<i64>| {
            let (w, photos) = with_photos(backend, 6);
            for &(hours, absent) in listings {
                let [_, forgotten, too_many] = list(&w, hours, if absent { &photos[..1] } else { &[] });
                assert_eq!((forgotten == 1, too_many), (forgotten_at == Some(hours), 0), "{name}, {hours}");
            }
            let left = 6 - usize::from(forgotten_at.is_some());
            assert_eq!(missing(&w).len(), left, "{name}");
        };
        check("absent once", &[(0, true)], None);
        check("twice within an hour", &[(0, true), (1, true)], None);
        check("an hour short of a day", &[(0, true), (23, true)], None);
        check("twice a day apart", &[(0, true), (24, true)], Some(24));
        check("first missed at the beginning", &[(0, true), (10, true), (20, true), (30, true)], Some(30));
        check("back in between", &[(0, true), (12, false), (30, true), (40, true)], None);
        check("the day begins anew", &[(0, true), (12, false), (30, true), (54, true)], Some(54));
        check("a clock that was set back", &[(0, true), (-48, true)], None);
    });
}

#[test]
fn i12_what_is_known_of_a_missing_photo_stays_and_comes_back_with_it() {
    on_every_database(|backend| {
        let (w, photos) = with_photos(backend, 5);
        let grant = w.grant(w.subject("ada"), 9);
        let seen = |w: &World| {
            w.tx(T0, |tx| {
                let proof = tx.active_grant(grant)?;
                Ok((tx.sightings_of(&proof)?, tx.known_photos(w.collection)?.len()))
            })
            .unwrap()
        };
        w.tx(T0, |tx| {
            let (proof, face) = (tx.active_grant(grant)?, tx.faces_of(photos[0])?[0].0);
            let new = NewSighting { grant: &proof, face, band: Band::Review };
            tx.replace_sightings(&tx.matching(w.collection)?, photos[0], &[new])?;
            tx.record_decision(&proof, face, Verdict::Refused)
        })
        .unwrap();
        let before = seen(&w);
        assert_eq!(list(&w, 1, &photos[..1]), [1, 0, 0]);
        assert_eq!(missing(&w), [Some(1), None, None, None, None]);
        assert_eq!(seen(&w), before);
        assert_eq!(list(&w, 2, &[]), [0, 0, 0]);
        assert_eq!((missing(&w), seen(&w)), (vec![None; 5], before));
    });
}

#[test]
fn i12_where_more_than_a_fifth_is_missing_at_once_nothing_is_marked_or_forgotten() {
    on_every_database(|backend| {
        let check = |name: &str, known: usize, absent: usize, marked: bool| {
            let (w, photos) = with_photos(backend, known);
            assert_eq!(list(&w, 0, &photos[..absent])[2], u64::from(!marked), "{name}");
            assert_eq!(missing(&w).iter().flatten().count(), if marked { absent } else { 0 }, "{name}");
        };
        check("a fifth", 10, 2, true);
        check("more than a fifth", 10, 3, false);
        check("one of a few", 3, 1, false);
        check("all of them", 4, 4, false);
        check("none of none", 0, 0, true);

        // One that was missed yesterday is not forgotten on the day on which the disk is away.
        let (w, photos) = with_photos(backend, 10);
        assert_eq!(list(&w, 0, &photos[..1]), [1, 0, 0]);
        assert_eq!(list(&w, 30, &photos), [10, 0, 1]);
        assert_eq!(missing(&w).iter().flatten().count(), 1);
        assert_eq!(list(&w, 31, &photos[..1]), [0, 1, 0]);
    });
}

#[test]
fn i12_of_a_part_that_was_not_listed_nothing_is_missing_and_nothing_is_back() {
    on_every_database(|backend| {
        let (w, photos) = with_photos(backend, 6);
        assert_eq!(list(&w, 0, &photos[..1]), [1, 0, 0]);
        let unlisted = set(&photos[..2]);
        let said = w.tx(later(30), |tx| tx.note_listing(w.collection, &BTreeSet::new(), &unlisted)).unwrap();
        assert_eq!((said.absent, said.too_many), (0, false));
        assert_eq!(missing(&w), [Some(0), None, None, None, None, None]);
    });
}

#[test]
fn i12_a_listing_that_was_long_ago_says_nothing_of_the_day_after_it() {
    on_every_database(|backend| {
        let (w, photos) = with_photos(backend, 6);
        let absent = set(&photos[..1]);
        assert_eq!(list(&w, 0, &photos[..1]), [1, 0, 0]);
        let forget = |at: i64, listed: i64| {
            w.tx(later(at), |tx| tx.forget_absent(w.collection, &absent, later(listed))).unwrap()
        };
        assert_eq!(forget(30, 0), 0, "a scan of thirty hours");
        assert_eq!(forget(31, 30), 1);
    });
}

#[test]
fn i12_a_missing_photo_is_found_again_by_its_picture_once_and_a_copy_is_no_move() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let shows = |path: &str, picture: u8| crate::sightings::shows(&w, path, picture, &[]).id;
        let (a, copy, other) = (shows("a.jpg", 1), shows("copy.jpg", 1), shows("other.jpg", 2));
        for i in 0..12 {
            w.photo(&format!("{i:02}.jpg"), &[]);
        }
        let follow = |path: &str, picture: u8, free: &[PhotoId]| {
            let of = |tx: &Tx<'_>| tx.follow_pictures(w.collection, &[(&path.into(), [picture; 32])], set(free));
            w.tx(T0, of).unwrap().pop_first()
        };
        let at = |photo: PhotoId| {
            let known = w.tx(T0, |tx| tx.known_photos(w.collection)).unwrap();
            known.into_iter().find(|k| k.id == photo).map(|k| (k.path.to_string(), k.missing.is_some()))
        };
        assert_eq!(list(&w, 0, &[a, copy]), [2, 0, 0]);
        assert_eq!(follow("b.jpg", 1, &[]), None, "both files are there: another copy");
        assert_eq!(follow("b.jpg", 3, &[a, copy]), None, "another picture");
        assert_eq!(follow("copy.jpg", 1, &[a]), None, "it is known there");
        assert_eq!(follow("b.jpg", 1, &[a, copy]), Some(a));
        assert_eq!(at(a), Some(("b.jpg".to_owned(), false)));
        assert_eq!(at(copy), Some(("copy.jpg".to_owned(), true)));
        assert_eq!(follow("other.jpg", 1, &[copy]), Some(copy), "in the place of another photo");
        assert_eq!((at(copy), at(other)), (Some(("other.jpg".to_owned(), false)), None));
    });
}

#[test]
fn what_would_be_forgotten_is_counted_before() {
    on_every_database(|backend| {
        let (w, ada, _) = full(backend, "ada");
        let photo = w.tx(T0, |tx| tx.known_photos(w.collection)).unwrap()[0].id;
        let would = |photos: &[PhotoId]| w.tx(T0, |tx| tx.would_forget(w.collection, &set(photos))).unwrap();
        assert_eq!(would(&[photo]), Forgotten { photos: 1, faces: 2, sightings: 2, decisions: 1 });
        assert_eq!(would(&[PhotoId(photo.0 + 1)]), Forgotten::default(), "none of this collection");
        w.ledger.erase(ada, T0, |_| {}).unwrap();
        assert_eq!(would(&[photo]), Forgotten { photos: 1, faces: 2, sightings: 1, decisions: 0 });
    });
}

#[test]
fn when_a_photo_was_taken_is_kept_with_it() {
    on_every_database(|backend| {
        let w = World::new(backend);
        let photo = w.photo("a.jpg", &[]).id;
        let known = || w.tx(T0, |tx| tx.known_photos(w.collection)).unwrap().remove(0);
        // As after the migration: nobody looked yet.
        assert_eq!((known().taken, known().taken()), (None, PhotoTime::by_file(T0)));
        let exif = |at, offset_min| PhotoTime { at: Timestamp(at), offset_min, from: PhotoTimeSource::Exif };
        for taken in [exif(5_400_000, Some(90)), exif(-1, None), exif(0, Some(-720)), PhotoTime::by_file(at(1))] {
            w.tx(T0, |tx| tx.set_photo_times(&[(photo, taken)])).unwrap();
            assert_eq!(known().taken, Some(taken));
        }
        assert_eq!(exif(5_400_000, Some(90)).wall_clock(), Timestamp(10_800_000));
        w.tx(T0, |tx| tx.move_photo(w.collection, photo, &"b.jpg".into(), (at(2), None))).unwrap();
        assert_eq!(known().taken(), PhotoTime::by_file(at(1)), "a copy is of the day of its original");
    });
}
