//! Photos whose files are away for a while, or for good; and collections that lie elsewhere, or end.

use std::fs;

use assent::ledger::{Purpose, SubjectId, Timestamp, TxError, Verdict};
use assent::scan::ScanSummary;
use assent::service::collections::{self, CollectionError};
use assent_testkit::{DAY, T0, World, act, models, rated, scan_with};

use crate::{WALZ, paths, photo};

const HOUR: i64 = DAY / 24;

/// Walz in one photo in a folder of its own, whom somebody confirmed there, and eight files beside it.
fn decided() -> (World, SubjectId) {
    let w = World::new(&[]);
    w.home.put("nas/walz.jpg", &photo(WALZ));
    for i in 0..8 {
        w.home.put(&format!("a{i}.jpg"), format!("no picture {i}").as_bytes());
    }
    let (walz, _) = w.enrol("walz", "carl-walz");
    scan_at(&w, 0);
    let face = w.find(walz)[0].face;
    w.tx(|tx| {
        let proof = tx.active_grant_for(walz, w.collection, &Purpose::find_my_photos())?.unwrap();
        tx.record_decision(&proof, face, Verdict::Confirmed)
    })
    .unwrap();
    (w, walz)
}

fn scan_at(w: &World, hours: i64) -> ScanSummary {
    let now = || Timestamp(T0.0 + hours * HOUR);
    scan_with(&w.ledger, models(), w.collection, 1, &now, &mut |_, _| {}).unwrap()
}

/// Missing, forgotten, moved.
fn gone(s: &ScanSummary) -> [usize; 3] {
    [s.missing, s.removed, s.moved]
}

fn away(w: &World, path: &str) {
    fs::rename(w.home.photos.join(path), w.home.dir.path().join("away")).unwrap();
}

fn back(w: &World, path: &str) {
    fs::rename(w.home.dir.path().join("away"), w.home.photos.join(path)).unwrap();
}

#[test]
fn i12_a_folder_that_is_away_for_one_scan_comes_back_with_what_people_decided() {
    let (w, walz) = decided();
    let before = w.find(walz);
    assert_eq!((before[0].verdict, before[0].missing), (Some(Verdict::Confirmed), None));
    away(&w, "nas");
    assert_eq!(gone(&scan_at(&w, 1)), [1, 0, 0]);
    let missing = w.find(walz);
    assert_eq!((missing[0].face, missing[0].verdict), (before[0].face, Some(Verdict::Confirmed)));
    assert_eq!(missing[0].missing, Some(Timestamp(T0.0 + HOUR)), "said, and since when");
    assert_eq!(w.tx(|tx| tx.counts(w.collection)).unwrap().missing, 1);
    back(&w, "nas");
    let again = scan_at(&w, 2);
    assert_eq!((gone(&again), again.looked_at, again.unchanged), ([0, 0, 0], 0, 9));
    assert_eq!(w.find(walz), before);
}

#[test]
fn i12_a_file_that_was_missing_comes_back_under_another_name() {
    let (w, walz) = decided();
    let before = w.find(walz).remove(0);
    away(&w, "nas/walz.jpg");
    assert_eq!(gone(&scan_at(&w, 1)), [1, 0, 0]);
    back(&w, "renamed.jpg");
    assert_eq!(gone(&scan_at(&w, 2)), [0, 0, 1]);
    let found = w.find(walz).remove(0);
    assert_eq!((found.path.to_string().as_str(), found.missing), ("renamed.jpg", None));
    assert_eq!((found.face, found.verdict, found.taken), (before.face, before.verdict, before.taken));
}

/// It comes back in the listing after which it would be forgotten.
#[test]
fn i12_a_photo_that_comes_back_rated_under_another_name_is_not_forgotten_first() {
    for hours in [2, 30] {
        let (w, walz) = decided();
        let before = w.find(walz).remove(0);
        fs::remove_file(w.home.photos.join("nas/walz.jpg")).unwrap();
        assert_eq!(gone(&scan_at(&w, 1)), [1, 0, 0]);
        w.home.put("renamed.jpg", &rated(&photo(WALZ)));
        assert_eq!(gone(&scan_at(&w, hours)), [0, 0, 1], "{hours}");
        let found = w.find(walz).remove(0);
        assert_eq!((found.path.to_string().as_str(), found.missing), ("renamed.jpg", None), "{hours}");
        assert_eq!((found.face, found.verdict), (before.face, before.verdict), "{hours}");
        assert_eq!(gone(&scan_at(&w, 60)), [0, 0, 0], "{hours}");
    }
}

/// While a new file was not looked at, it may be the photo that is missing.
#[test]
fn i12_a_scan_that_looks_not_at_every_new_file_forgets_nothing() {
    let (w, walz) = decided();
    fs::remove_file(w.home.photos.join("nas/walz.jpg")).unwrap();
    assert_eq!(gone(&scan_at(&w, 1)), [1, 0, 0]);
    // Longer than what is ever read.
    w.home.put("renamed.jpg", &rated(&photo(WALZ)));
    fs::File::options().write(true).open(w.home.photos.join("renamed.jpg")).unwrap().set_len(3 << 30).unwrap();
    assert_eq!(gone(&scan_at(&w, 30)), [1, 0, 0]);
    assert_eq!(w.find(walz).len(), 1);
    assert_eq!(gone(&scan_at(&w, 60)), [0, 1, 0], "it is known by now, and is no new one");
}

#[test]
fn i12_a_file_that_is_gone_for_good_is_forgotten_after_a_day_and_not_before() {
    let (w, walz) = decided();
    fs::remove_file(w.home.photos.join("nas/walz.jpg")).unwrap();
    assert_eq!(gone(&scan_at(&w, 1)), [1, 0, 0]);
    assert_eq!(gone(&scan_at(&w, 2)), [1, 0, 0]);
    assert_eq!(w.find(walz).len(), 1);
    assert_eq!(gone(&scan_at(&w, 25)), [0, 1, 0]);
    assert_eq!(w.find(walz), []);
    let counts = w.tx(|tx| tx.counts(w.collection)).unwrap();
    assert_eq!((counts.photos, counts.decisions), (8, 0));
}

#[test]
fn i12_a_scan_that_misses_more_than_a_fifth_says_so_and_goes_on() {
    let (w, walz) = decided();
    away(&w, "nas");
    fs::remove_file(w.home.photos.join("a0.jpg")).unwrap();
    fs::remove_file(w.home.photos.join("a1.jpg")).unwrap();
    w.home.put("new.jpg", b"no picture either");
    for hours in [1, 30] {
        let said = scan_at(&w, hours);
        assert_eq!((gone(&said), said.too_many_missing), ([3, 0, 0], true), "{hours}");
        assert_eq!(w.find(walz)[0].missing, None, "{hours}");
    }
    assert_eq!(w.known().len(), 10, "what is new is taken up");
}

#[test]
fn i12_a_file_that_cannot_be_read_is_not_missing() {
    let (w, walz) = decided();
    let before = w.find(walz);
    // A file that is there, and that nobody gets: it is longer than what is ever read.
    let path = w.home.photos.join("nas/walz.jpg");
    let bytes = fs::read(&path).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_len(3 << 30).unwrap();
    for hours in [1, 30] {
        assert_eq!(gone(&scan_at(&w, hours)), [0, 0, 0]);
    }
    fs::write(&path, bytes).unwrap();
    scan_at(&w, 31);
    assert_eq!(w.find(walz)[0].missing, None);
    assert_eq!(w.find(walz)[0].at, before[0].at);
}

#[test]
fn missing_photos_are_forgotten_at_once_when_somebody_says_so() {
    let (w, walz) = decided();
    let missing = || collections::missing(&w.ledger, w.collection, T0);
    assert_eq!(missing().unwrap().paths, [""; 0]);
    // One that has another name is not missing, and is not moved by a question.
    fs::rename(w.home.photos.join("a1.jpg"), w.home.photos.join("b1.jpg")).unwrap();
    away(&w, "nas");
    // One that was not scanned yet may be it.
    w.home.put("new.jpg", &rated(&photo(WALZ)));
    assert!(matches!(missing(), Err(CollectionError::NotScanned { new: 1 })));
    fs::remove_file(w.home.photos.join("new.jpg")).unwrap();
    let found = missing().unwrap();
    assert_eq!(found.paths, ["nas/walz.jpg"]);
    assert_eq!((found.known, found.held.faces, found.held.sightings, found.held.decisions), (9, 1, 1, 1));
    assert_eq!((w.known().len(), w.find(walz).len()), (9, 1), "nothing was changed yet");
    assert_eq!(collections::forget_missing(&w.ledger, &found, act(T0)).unwrap(), 1);
    assert_eq!((w.known().len(), w.find(walz).len()), (8, 0));

    for entry in fs::read_dir(&w.home.photos).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert!(matches!(missing(), Err(CollectionError::AllMissing { known: 8, .. })), "a disk that is away");
    assert_eq!(w.known().len(), 8);
}

#[test]
fn a_collection_moves_with_its_photos_and_not_without_them() {
    let (w, walz) = decided();
    let before = w.find(walz).remove(0);
    let elsewhere = w.home.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let place = |at: &std::path::Path| collections::place(&w.ledger, w.collection, at.to_str().unwrap(), T0).unwrap();
    let wrong = place(&elsewhere);
    assert_eq!((wrong.known, wrong.there), (9, 0));
    let refused = collections::move_to(&w.ledger, &wrong, false, act(T0));
    assert!(matches!(refused, Err(CollectionError::WrongFolder { there: 0, known: 9, .. })));
    assert!(w.find(walz)[0].file.exists(), "nothing was changed");

    fs::remove_dir(&elsewhere).unwrap();
    fs::rename(&w.home.photos, &elsewhere).unwrap();
    // Edited on the way: another length is another file.
    fs::write(elsewhere.join("a0.jpg"), b"cut").unwrap();
    let right = place(&elsewhere);
    assert_eq!((right.known, right.there), (9, 8));
    collections::move_to(&w.ledger, &right, false, act(T0)).unwrap();
    let found = w.find(walz).remove(0);
    assert_eq!((found.face, found.verdict), (before.face, before.verdict));
    assert!(found.file.starts_with(&elsewhere) && found.file.exists());
    assert_eq!(gone(&scan_at(&w, 1)), [0, 0, 0]);

    fs::create_dir(&w.home.photos).unwrap();
    collections::move_to(&w.ledger, &place(&w.home.photos), true, act(T0)).unwrap();
}

#[test]
fn i4_in_a_removed_collection_nobody_is_found_and_nothing_is_scanned() {
    let (w, walz) = decided();
    assert_eq!(collections::remove(&w.ledger, w.collection, act(T0)).unwrap().photos, 9);
    assert_eq!(w.find(walz), []);
    let scan = scan_with(&w.ledger, models(), w.collection, 1, &|| T0, &mut |_, _| {});
    assert!(matches!(scan, Err(assent::scan::ScanError::Ledger(TxError::NoCollection { .. }))));
    assert!(w.home.photos.join("nas/walz.jpg").exists(), "the files are the operator's");
}

#[test]
fn photos_are_listed_by_when_they_were_taken() {
    let w = World::new(&[]);
    let dated = |date| assent_testkit::dated(&photo(WALZ), date, None);
    w.home.put("b-oldest.jpg", &dated("2019:01:01 10:00:00"));
    w.home.put("c-newest.jpg", &dated("2024:12:24 18:00:00"));
    // Without a date of its own it is of the day of its file.
    w.home.put("a-between.jpg", &photo(WALZ));
    let file = fs::File::options().write(true).open(w.home.photos.join("a-between.jpg")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000)).unwrap();
    let (walz, _) = w.enrol("walz", "carl-walz");
    scan_at(&w, 0);
    assert_eq!(paths(&w.find(walz)), ["c-newest.jpg", "a-between.jpg", "b-oldest.jpg"]);
}
