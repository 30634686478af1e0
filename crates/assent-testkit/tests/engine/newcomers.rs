//! Somebody enrols after the scan: what a walk over known photos reads, what it finds, and what it leaves alone.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use assent::ledger::{BystanderBasis, FaceBox, NewPhoto, Outcome, Purpose, TxError, VaultKind, Verdict};
use assent::packs::sha256;
use assent::scan::{Progress, ScanOptions, ScanSummary, ScanWatch, scan};
use assent::service::collections::{forget_missing, missing};
use assent::source::Folder;
use assent::{DeclaredRates, SearchOptions};
use assent_testkit::{OPERATOR, SEARCH, T0, World, act, crew, models, portrait_names, scan_with};

use crate::{DESERT, SMALL_TRIO, TRIO, WALZ, paths, photo};

/// Looked at, rematched, unchanged.
fn work(s: &ScanSummary) -> [usize; 3] {
    [s.looked_at, s.rematched, s.unchanged]
}

fn keeping_crops(photos: &[&str]) -> World {
    let w = World::new(photos);
    w.tx(|tx| tx.keep_crops(w.collection)).unwrap();
    w
}

/// Other bytes in place of a photo's, with the same length and date: whoever reads the file, notices.
fn replace_unnoticed(w: &World, name: &str, with: u8) {
    let path = w.home.photos.join(name);
    let (length, date) = fs::metadata(&path).map(|m| (m.len(), m.modified().unwrap())).unwrap();
    w.home.put(name, &vec![with; length as usize]);
    set_date(w, name, date);
    // The file system knows better, and is not believed here.
    let files = Folder::open(w.home.photos.to_str().unwrap()).unwrap().list().unwrap().files;
    let file = files.iter().find(|file| file.path == name).unwrap();
    let known = w.known().into_iter().find(|k| k.path == name).unwrap();
    w.tx(|tx| tx.set_read(&[(known.id, file.modified, file.changed)])).unwrap();
}

fn set_date(w: &World, name: &str, date: SystemTime) {
    let file = fs::File::options().write(true).open(w.home.photos.join(name)).unwrap();
    file.set_modified(date).unwrap();
}

/// All sample photos, any way up; every answer with its box, whatever the ids.
fn answers(w: &World, people: &[assent::ledger::SubjectId]) -> BTreeSet<(usize, String, String, [u32; 4])> {
    let mut all = BTreeSet::new();
    for (i, person) in people.iter().enumerate() {
        for f in w.find(*person) {
            let at = [f.at.x, f.at.y, f.at.w, f.at.h].map(f32::to_bits);
            all.insert((i, f.path.to_string(), format!("{:?}", f.band), at));
        }
    }
    all
}

#[test]
fn i9_a_walk_finds_what_a_scan_would_have_found() {
    let photos: Vec<String> = {
        let name = |e: std::io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
        fs::read_dir(crew().join("photos")).unwrap().map(name).collect()
    };
    let photos: Vec<&str> = photos.iter().map(String::as_str).collect();
    let search = SearchOptions { side_px: 800, ..SearchOptions::default() };
    let scan_all = |w: &World| {
        let options = ScanOptions {
            search,
            threads: 2,
            rates: DeclaredRates::default(),
            memory_mb: 512,
            free_bytes: None,
            request: None,
            by: OPERATOR,
        };
        let watch = &mut ScanWatch { now: &|| T0, stop: &Arc::default(), progress: &mut |_| {} };
        scan(&w.ledger, models(), w.collection, options, watch).unwrap()
    };
    let enrol = |w: &World, names: &[String]| names.iter().map(|name| w.enrol(name, name).0).collect::<Vec<_>>();
    let names: Vec<String> = portrait_names().into_iter().step_by(2).collect();
    let first = World::new(&photos);
    let people = enrol(&first, &names);
    assert_eq!(work(&scan_all(&first)), [photos.len(), 0, 0]);
    let expected = answers(&first, &people);
    assert!(expected.len() >= 15, "{}", expected.len());

    for (case, keeps) in [("from the files", false), ("from kept crops", true)] {
        let w = if keeps { keeping_crops(&photos) } else { World::new(&photos) };
        let (early, late) = names.split_at(names.len() / 3);
        let mut people = enrol(&w, early);
        let summary = scan_all(&w);
        assert_eq!(work(&summary), [photos.len(), 0, 0], "{case}");
        let before = w.known();
        if keeps {
            // Nobody needs the files any more.
            assert!(before.iter().all(|k| k.crops == k.faces), "{case}");
            for name in &photos {
                replace_unnoticed(&w, name, 0);
            }
        }
        people.extend(enrol(&w, late));
        let walk = scan_all(&w);
        assert_eq!((work(&walk), walk.failed), ([0, photos.len(), 0], vec![]), "{case}");
        let ids = |known: &[assent::ledger::KnownPhoto]| known.iter().map(|k| (k.id, k.faces)).collect::<Vec<_>>();
        assert_eq!(ids(&w.known()), ids(&before), "{case}");
        assert_eq!(walk.faces, summary.faces, "{case}");
        if keeps {
            // `find` reads no file either.
            assert_eq!(w.tx(|tx| tx.counts(w.collection)).unwrap().crops, summary.faces as u64, "{case}");
        }
        let found = answers(&w, &people);
        let missing: Vec<_> = expected.difference(&found).collect();
        let more: Vec<_> = found.difference(&expected).collect();
        assert!(missing.is_empty() && more.is_empty(), "{case}: {missing:?} are missing, {more:?} are too many");
        assert_eq!(work(&scan_all(&w)), [0, 0, photos.len()], "{case}");
    }
}

#[test]
fn several_newcomers_share_one_walk() {
    let w = World::new(&[WALZ, TRIO, SMALL_TRIO, DESERT]);
    w.scan();
    let people = ["carl-walz", "sergei-krikalev", "yuri-gidzenko"].map(|name| w.enrol(name, name).0);
    let walk = w.scan();
    assert_eq!((work(&walk), walk.templates), ([0, 4, 0], 3));
    let photos: Vec<usize> = people.iter().map(|person| w.find(*person).len()).collect();
    assert_eq!(photos, [1, 2, 2]);
    assert_eq!(work(&w.scan()), [0, 0, 4]);
}

#[test]
fn a_walk_does_not_read_photos_without_a_face() {
    let w = World::new(&[DESERT, WALZ]);
    w.scan();
    w.enrol("walz", "carl-walz");
    replace_unnoticed(&w, DESERT, 0);
    let walk = w.scan();
    assert_eq!((work(&walk), walk.failed.as_slice()), ([0, 2, 0], [].as_slice()));
    assert!(w.known().iter().all(|k| k.matched_epoch == Some(1) && k.failure.is_none()));
    // Nobody to meet: no photo is read, although none has met the newest templates.
    w.enrol("krikalev", "sergei-krikalev");
    for grant in w.tx(|tx| tx.grants_in(w.collection)).unwrap() {
        w.withdraw(grant.id);
    }
    replace_unnoticed(&w, WALZ, 0);
    let walk = w.scan();
    assert_eq!((work(&walk), walk.templates), ([0, 2, 0], 0));
    assert!(w.known().iter().all(|k| k.matched_epoch == Some(2)));
}

#[test]
fn a_file_that_changed_unnoticed_is_looked_at_as_a_new_one() {
    let check = |name: &str, keeps: bool, expected: [usize; 3], failed: usize| {
        let w = if keeps { keeping_crops(&[WALZ]) } else { World::new(&[WALZ]) };
        w.scan();
        let (walz, _) = w.enrol("walz", "carl-walz");
        replace_unnoticed(&w, WALZ, b'x');
        let walk = w.scan();
        assert_eq!((work(&walk), walk.failed.len()), (expected, failed), "{name}");
        assert_eq!(w.find(walz).len(), 1 - failed, "{name}");
    };
    check("read", false, [1, 0, 0], 1);
    check("with crops it is not read", true, [0, 1, 0], 0);
}

#[test]
fn a_face_that_is_not_found_again_means_a_whole_look() {
    let w = World::new(&[WALZ]);
    let bytes = photo(WALZ);
    w.scan();
    let [face] = w.tx(|tx| tx.faces_of(tx.known_photos(w.collection)?[0].id)).unwrap()[..] else { panic!() };
    let known = w.known().remove(0);
    // A box where there is no face, as if the detector had been another one.
    let outcome = Outcome::Faces(vec![FaceBox { x: 1.0, y: 1.0, w: 20.0, h: 20.0, ..face.1 }]);
    let new = NewPhoto {
        collection: w.collection,
        path: &WALZ.into(),
        sha256: sha256(&bytes),
        bytes: known.bytes,
        mtime: known.mtime,
        changed: None,
        picture: None,
        width: known.width,
        height: known.height,
        outcome: &outcome,
        scanned_with: known.scanned_with,
        matched_epoch: Some(0),
    };
    w.tx(|tx| tx.put_photo(&new)).unwrap();
    let (walz, _) = w.enrol("walz", "carl-walz");
    assert_eq!(work(&w.scan()), [1, 0, 0]);
    assert_eq!(w.find(walz)[0].at, face.1);
}

#[test]
fn a_known_photo_that_cannot_be_read_keeps_what_is_known_of_it() {
    let w = World::new(&[WALZ, TRIO]);
    let (walz, _) = w.enrol("walz", "carl-walz");
    w.scan();
    let face = w.find(walz)[0].face;
    w.tx(|tx| {
        let proof = tx.active_grant_for(walz, w.collection, &Purpose::find_my_photos())?.unwrap();
        tx.record_decision(&proof, face, Verdict::Confirmed)
    })
    .unwrap();
    let (krikalev, _) = w.enrol("krikalev", "sergei-krikalev");
    // The file goes after the folder was listed: the clock is read in between.
    let (from, to) = (w.home.photos.join(WALZ), w.home.dir.path().join("away"));
    let reads = std::cell::Cell::new(0);
    let now = || {
        reads.set(reads.get() + 1);
        if reads.get() == 2 {
            fs::rename(&from, &to).unwrap();
        }
        T0
    };
    let walk = scan_with(&w.ledger, models(), w.collection, 1, &now, &mut |_, _| {}).unwrap();
    assert_eq!((work(&walk), walk.failed), ([0, 1, 0], vec![(WALZ.to_owned(), "unreadable".to_owned())]));
    assert_eq!((w.find(walz)[0].verdict, w.find(krikalev).len()), (Some(Verdict::Confirmed), 1));
    fs::rename(&to, &from).unwrap();
    assert_eq!(work(&w.scan()), [0, 1, 1]);
}

#[test]
fn the_newest_photos_come_first() {
    let w = World::new(&[]);
    let day = |n: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(n * 86_400);
    for (name, date) in [("d.jpg", 3), ("c.jpg", 1), ("b.jpg", 2), ("a.jpg", 1)] {
        w.home.put(name, &photo(WALZ)[..9_000 + date as usize]);
        set_date(&w, name, day(date));
    }
    let mut order = Vec::new();
    for _ in 0..4 {
        let stop = Arc::new(AtomicBool::new(false));
        let mut progress = |_: Progress| stop.store(true, Ordering::Relaxed);
        let options = ScanOptions {
            search: SEARCH,
            threads: 1,
            rates: DeclaredRates::default(),
            memory_mb: 512,
            free_bytes: None,
            request: None,
            by: OPERATOR,
        };
        let watch = &mut ScanWatch { now: &|| T0, stop: &stop, progress: &mut progress };
        assert_eq!(scan(&w.ledger, models(), w.collection, options, watch).unwrap().looked_at, 1);
        let known: Vec<String> = w.known().into_iter().map(|k| k.path.to_string()).collect();
        order.extend(known.into_iter().filter(|path| !order.contains(path)).collect::<Vec<_>>());
    }
    assert_eq!(order, ["d.jpg", "b.jpg", "a.jpg", "c.jpg"]);
}

#[test]
fn what_is_found_is_told_and_kept_while_the_scan_runs() {
    let w = World::new(&[WALZ, TRIO, DESERT]);
    let told = |w: &World| {
        let mut told = Vec::new();
        // A clock that jumps: every photo is a batch.
        let reads = std::cell::Cell::new(0);
        let now = || assent::ledger::Timestamp(T0.0 + 3_000 * reads.replace(reads.get() + 1));
        let mut progress = |p: Progress| told.push(p.committed.map(|c| c.matches + c.reviews));
        let options = ScanOptions {
            search: SEARCH,
            threads: 1,
            rates: DeclaredRates::default(),
            memory_mb: 512,
            free_bytes: None,
            request: None,
            by: OPERATOR,
        };
        let watch = &mut ScanWatch { now: &now, stop: &Arc::default(), progress: &mut progress };
        scan(&w.ledger, models(), w.collection, options, watch).unwrap();
        told
    };
    let day = |n: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(n * 86_400);
    set_date(&w, WALZ, day(9));
    set_date(&w, TRIO, day(8));
    assert_eq!(told(&w), [None; 3], "nobody is looked for");
    let (walz, _) = w.enrol("walz", "carl-walz");
    assert_eq!(told(&w), [Some(0), Some(1)], "his photo is the newest, and kept when the next one is done");
    assert_eq!(paths(&w.find(walz)), [WALZ]);
}

#[test]
fn crops_are_kept_where_that_was_declared_and_go_with_photo_person_and_look() {
    let w = World::new(&[TRIO]);
    w.scan();
    let crops = |w: &World| w.tx(|tx| tx.counts(w.collection)).unwrap().crops;
    assert_eq!(crops(&w), 0, "not declared");

    let w = keeping_crops(&[TRIO, WALZ]);
    assert!(w.tx(|tx| tx.collection(w.collection)).unwrap().keep_crops);
    let (krikalev, grant) = w.enrol("krikalev", "sergei-krikalev");
    w.scan();
    assert_eq!(crops(&w), 4);
    fs::remove_file(w.home.photos.join(WALZ)).unwrap();
    w.scan();
    assert_eq!(crops(&w), 4, "a file may come back");
    let missing = missing(&w.ledger, w.collection, T0).unwrap();
    assert_eq!(forget_missing(&w.ledger, &missing, act(T0)).unwrap(), 1);
    assert_eq!(crops(&w), 3, "gone with the photo");
    let own = w.find(krikalev)[0].face;
    let photo = w.known()[0].id;
    w.withdraw(grant);
    let model = models().pack().model_sha256;
    let left = w.tx(|tx| tx.crops_of(w.collection, photo, model)).unwrap();
    assert_eq!((left.len(), left.iter().any(|(face, _)| *face == own)), (2, false), "gone with the consent");

    // The photo is read again for the next one, and no crop comes back.
    let (gidzenko, _) = w.enrol("gidzenko", "yuri-gidzenko");
    assert_eq!((work(&w.scan()), w.find(gidzenko).len(), crops(&w)), ([0, 1, 0], 1, 2));
    w.ledger.erase(gidzenko, T0, |_| {}).unwrap();
    assert_eq!(crops(&w), 1, "gone with the person");
    // What the photo showed before is not kept beside what it shows now.
    w.home.put(TRIO, &crate::photo(WALZ));
    w.scan();
    assert_eq!((crops(&w), w.known()[0].faces), (1, 1));
}

#[test]
fn a_crop_of_somebody_who_leaves_while_their_photo_waits_is_not_kept() {
    let w = keeping_crops(&[WALZ]);
    let (_, grant) = w.enrol("walz", "carl-walz");
    let mut leave = |_, _| w.withdraw(grant);
    scan_with(&w.ledger, models(), w.collection, 1, &|| T0, &mut leave).unwrap();
    assert_eq!(w.tx(|tx| tx.counts(w.collection)).unwrap().crops, 0);
}

#[test]
fn a_covered_collection_keeps_no_crops() {
    let w = World::of(VaultKind::Organisation, &BystanderBasis::None, &[WALZ]);
    assert!(matches!(w.tx(|tx| tx.keep_crops(w.collection)), Err(TxError::NoBasis { .. })));
    w.scan();
    assert_eq!(w.tx(|tx| tx.counts(w.collection)).unwrap().crops, 0);
}
