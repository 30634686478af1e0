//! Scanning again: what is looked at a second time, what is kept, and what bad files get.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assent::budget::MEMORY_MB_PER_THREAD;
use assent::ledger::{Purpose, Verdict};
use assent::scan::{Progress, ScanError, ScanOptions, ScanSummary, ScanWatch, scan};
use assent::{DeclaredRates, Frame};
use assent_testkit::{OPERATOR, SEARCH, T0, World, jpeg, models, open, scan_with};

use crate::{DESERT, TRIO, WALZ, paths, photo};

/// Looked at, unchanged, moved, removed; nothing was rematched.
fn work(s: &ScanSummary) -> [usize; 4] {
    assert_eq!(s.rematched, 0);
    [s.looked_at, s.unchanged, s.moved, s.removed]
}

/// Walz, enrolled and found in one of two photos.
fn scanned() -> (World, assent::ledger::SubjectId) {
    let w = World::new(&[WALZ, DESERT]);
    let (walz, _) = w.enrol("walz", "carl-walz");
    assert_eq!(work(&w.scan()), [2, 0, 0, 0]);
    assert_eq!(paths(&w.find(walz)), [WALZ]);
    (w, walz)
}

fn decide(w: &World, subject: assent::ledger::SubjectId, verdict: Verdict) {
    let face = w.find(subject)[0].face;
    w.tx(|tx| {
        let proof = tx.active_grant_for(subject, w.collection, &Purpose::find_my_photos())?.unwrap();
        tx.record_decision(&proof, face, verdict)
    })
    .unwrap();
}

#[test]
fn a_second_scan_looks_at_nothing() {
    let (w, walz) = scanned();
    let before = w.find(walz);
    assert_eq!(work(&w.scan()), [0, 2, 0, 0]);
    assert_eq!(w.find(walz), before);
}

#[test]
fn a_moved_photo_keeps_what_is_known_of_it() {
    let (w, walz) = scanned();
    decide(&w, walz, Verdict::Confirmed);
    let before = w.find(walz).remove(0);
    let moved_to = |path: &str| {
        let found = w.find(walz);
        assert_eq!(paths(&found), [path]);
        assert_eq!((found[0].face, found[0].at, found[0].verdict), (before.face, before.at, Some(Verdict::Confirmed)));
        assert_eq!(fs::read(&found[0].file).unwrap(), photo(WALZ));
    };
    fs::create_dir(w.home.photos.join("2026")).unwrap();
    fs::rename(w.home.photos.join(WALZ), w.home.photos.join("2026/walz.jpg")).unwrap();
    assert_eq!(work(&w.scan()), [0, 2, 1, 0]);
    moved_to("2026/walz.jpg");

    // Copied and deleted, as some programs move files: the date is another one.
    w.home.put("other.jpg", &photo(WALZ));
    fs::remove_file(w.home.photos.join("2026/walz.jpg")).unwrap();
    let file = fs::File::options().write(true).open(w.home.photos.join("other.jpg")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000)).unwrap();
    assert_eq!(work(&w.scan()), [0, 2, 1, 0]);
    moved_to("other.jpg");
    assert_eq!(work(&w.scan()), [0, 2, 0, 0]);

    // A copy beside it is a photo of its own.
    w.home.put("copy.jpg", &photo(WALZ));
    assert_eq!(work(&w.scan()), [1, 2, 0, 0]);
    assert_eq!(paths(&w.find(walz)), ["copy.jpg", "other.jpg"]);
}

#[test]
fn a_changed_photo_is_looked_at_again() {
    let (w, walz) = scanned();
    w.home.put(WALZ, &photo(TRIO));
    assert_eq!(work(&w.scan()), [1, 1, 0, 0]);
    assert_eq!(w.find(walz), []);
    assert_eq!(w.known().iter().map(|k| k.faces).collect::<Vec<_>>(), [3, 0]);
    w.home.put(WALZ, &photo(WALZ));
    assert_eq!(work(&w.scan()), [1, 1, 0, 0]);
    assert_eq!(paths(&w.find(walz)), [WALZ]);
}

/// Another picture under an old name, as cameras and people reuse names.
#[test]
fn i4_what_was_decided_about_a_photo_does_not_pass_to_another_one_of_its_name() {
    // Julie Payette's face exactly where Walz's was.
    let (here, there) = (open(&photo(WALZ)), open(&photo("julie-payette.jpg")));
    let mut in_his_place = here.clone();
    for (i, pixel) in in_his_place.rgb_mut().chunks_exact_mut(3).enumerate() {
        let (x, y) = (i as i64 % i64::from(here.width()), i as i64 / i64::from(here.width()));
        pixel.copy_from_slice(&there.pixel(x - 136, y - 77));
    }
    let check = |name: &str, other: &[u8], faces: u32, verdict: Verdict| {
        let (w, walz) = scanned();
        decide(&w, walz, verdict);
        w.home.put(WALZ, other);
        assert_eq!((w.scan().looked_at, w.known()[0].faces), (1, faces), "{name}");
        assert_eq!(w.find(walz), [], "{name}");
        assert_eq!(w.tx(|tx| tx.counts(w.collection)).unwrap().sightings, 0, "{name}");
        // Put back, it is the photo that was decided about.
        w.home.put(WALZ, &photo(WALZ));
        w.scan();
        let verdicts: Vec<_> = w.find(walz).iter().map(|f| f.verdict).collect();
        let expected = if verdict == Verdict::Confirmed { vec![Some(verdict)] } else { Vec::new() };
        assert_eq!(verdicts, expected, "{name}");
    };
    check("nobody", &photo(DESERT), 0, Verdict::Confirmed);
    check("three others", &photo(TRIO), 3, Verdict::Confirmed);
    check("a stranger in the same place", &jpeg(&in_his_place), 1, Verdict::Confirmed);
    check("no photo at all", b"no picture", 0, Verdict::Refused);
}

#[test]
fn a_newcomer_is_looked_for_in_every_photo() {
    let (w, walz) = scanned();
    w.home.add_photo(TRIO);
    assert_eq!(work(&w.scan()), [1, 2, 0, 0]);
    let (krikalev, grant) = w.enrol("krikalev", "sergei-krikalev");
    let walk = w.scan();
    assert_eq!((walk.looked_at, walk.rematched, walk.unchanged), (0, 3, 0));
    let (his, other) = (paths(&w.find(krikalev)), paths(&w.find(walz)));
    assert_eq!((his, other), (vec![TRIO.to_owned()], vec![WALZ.to_owned()]));
    assert_eq!(work(&w.scan()), [0, 3, 0, 0]);
    // Who leaves is gone at once: there is nothing to look for.
    w.withdraw(grant);
    assert_eq!(work(&w.scan()), [0, 3, 0, 0]);
}

#[test]
fn what_a_person_decided_outlives_every_scan() {
    let (w, walz) = scanned();
    decide(&w, walz, Verdict::Refused);
    assert_eq!(w.find(walz), []);
    w.enrol("krikalev", "sergei-krikalev");
    assert_eq!(w.scan().rematched, 2);
    assert_eq!(w.find(walz), []);
    // The refused pair is still there to be seen by the person, with its verdict.
    let kept = w.tx(|tx| {
        let proof = tx.active_grant_for(walz, w.collection, &Purpose::find_my_photos())?.unwrap();
        tx.sightings_of(&proof)
    });
    assert_eq!(kept.unwrap().iter().map(|s| s.verdict).collect::<Vec<_>>(), [Some(Verdict::Refused)]);
    // Somebody else who is not in any photo does not get the face that Walz refused.
    assert_eq!(w.tx(|tx| tx.counts(w.collection)).unwrap().sightings, 1);
}

#[test]
fn what_a_person_confirmed_stays_although_the_engine_no_longer_says_so() {
    // Scores between the thresholds of a few people and the end of the models' table.
    const LIKE_ENOUGH: &str = "expedition-1.jpg";
    let (w, _) = scanned();
    let (krikalev, _) = w.enrol("krikalev", "sergei-krikalev");
    w.home.add_photo(LIKE_ENOUGH);
    w.scan();
    assert_eq!(paths(&w.find(krikalev)), [LIKE_ENOUGH]);
    // Somebody new each time, so that the faces of all photos are compared again; and rates so strict that no score is
    // proposed that the table does not reach.
    let strictly = |newcomer: &str| {
        w.enrol(newcomer, newcomer);
        let options = ScanOptions {
            search: SEARCH,
            threads: 1,
            rates: DeclaredRates::new(1e-12, 1e-12).unwrap(),
            memory_mb: MEMORY_MB_PER_THREAD,
            free_bytes: None,
            request: None,
            by: OPERATOR,
        };
        let watch = &mut ScanWatch { now: &|| T0, stop: &Arc::default(), progress: &mut |_| {} };
        assert_eq!(scan(&w.ledger, models(), w.collection, options, watch).unwrap().rematched, 3);
    };
    strictly("anousheh-ansari");
    assert_eq!(w.find(krikalev), [], "a proposal goes with the scan that made it");
    w.enrol("jessica-meir", "jessica-meir");
    assert_eq!(w.scan().rematched, 3);
    decide(&w, krikalev, Verdict::Confirmed);
    strictly("kate-rubins");
    assert_eq!(w.find(krikalev)[0].verdict, Some(Verdict::Confirmed));
}

/// A PNG header that promises 60,000 x 60,000 pixels.
fn huge() -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0".to_vec();
    let crc = !png[12..29].iter().fold(!0u32, |crc, b| {
        (0..8).fold(crc ^ u32::from(*b), |c, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 })
    });
    png.extend(crc.to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    png
}

#[test]
fn files_that_cannot_be_used_are_counted_by_name_and_skipped() {
    let whole = photo(WALZ);
    let bad: [(&str, Vec<u8>, &str); 7] = [
        ("a-zero-bytes.jpg", vec![], "unknown-format"),
        ("b-text.jpeg", b"hello, this is no picture".to_vec(), "unknown-format"),
        ("c-truncated.jpg", whole[..whole.len() / 2].to_vec(), "damaged"),
        ("d-header-alone.png", b"\x89PNG\r\n\x1a\n".to_vec(), "damaged"),
        ("e-huge.png", huge(), "too-large"),
        ("f-not-for-us.heic", b"\0\0\0\x18ftypheic".to_vec(), "heic-not-decoded"),
        ("g-corrupt.jpg", [&whole[..400], &[0u8; 4000], &whole[4400..]].concat(), "damaged"),
    ];
    let w = World::new(&[WALZ]);
    for (name, bytes, _) in &bad {
        w.home.put(name, bytes);
    }
    fs::create_dir(w.home.photos.join("a-folder.jpg")).unwrap();
    w.home.put("a-folder.jpg/z.jpg", &jpeg(&Frame::filled(40, 40, [9; 3])));
    let (walz, _) = w.enrol("walz", "carl-walz");
    let summary = w.scan();
    let expected: Vec<_> = bad.iter().map(|(name, _, code)| ((*name).to_owned(), (*code).to_owned())).collect();
    assert_eq!(summary.failed, expected);
    assert_eq!((summary.photos, summary.looked_at, summary.faces), (9, 9, 1));
    assert_eq!(paths(&w.find(walz)), [WALZ]);
    // They are named each time, and looked at once.
    let again = w.scan();
    assert_eq!((again.looked_at, again.failed), (0, summary.failed));
}

#[test]
fn a_file_that_cannot_be_read_is_tried_again_by_the_next_scan() {
    let w = World::new(&[WALZ]);
    // Small files keep the reader busy: with one worker, it is never more than eight photos ahead of what is told.
    for i in 0..20 {
        w.home.put(&format!("a{i:02}.jpg"), b"no picture");
    }
    let (from, to) = (w.home.photos.join(WALZ), w.home.dir.path().join("away"));
    let mut take_away = |done: usize, _| {
        if done == 1 {
            fs::rename(&from, &to).unwrap();
        }
    };
    let summary = scan_with(&w.ledger, models(), w.collection, 1, &|| T0, &mut take_away).unwrap();
    assert_eq!(summary.looked_at, 21);
    assert!(summary.failed.contains(&(WALZ.to_owned(), "unreadable".to_owned())), "{:?}", summary.failed);
    fs::rename(&to, &from).unwrap();
    let again = w.scan();
    assert_eq!((work(&again), again.faces, again.failed.len()), ([1, 20, 0, 0], 1, 20));
}

#[test]
fn a_folder_that_became_empty_is_refused_and_nothing_is_forgotten() {
    let (w, walz) = scanned();
    let scan = || scan_with(&w.ledger, models(), w.collection, 1, &|| T0, &mut |_, _| {});
    let away = w.home.dir.path().join("away");
    fs::rename(&w.home.photos, &away).unwrap();
    assert!(matches!(scan(), Err(ScanError::Source(_))), "no folder at all");
    fs::create_dir(&w.home.photos).unwrap();
    assert!(matches!(scan(), Err(ScanError::EmptyFolder { known: 2, .. })), "a mount point without its disk");
    fs::remove_dir(&w.home.photos).unwrap();
    fs::rename(&away, &w.home.photos).unwrap();
    assert_eq!(work(&w.scan()), [0, 2, 0, 0]);
    assert_eq!(w.find(walz).len(), 1);
    // A collection that never had a photo is no mistake.
    assert_eq!(work(&World::new(&[]).scan()), [0, 0, 0, 0]);
}

#[test]
fn a_stopped_scan_goes_on_where_it_was() {
    let w = World::new(&[WALZ]);
    for i in 0..12 {
        w.home.put(&format!("a{i:02}.jpg"), b"no picture");
    }
    let (walz, _) = w.enrol("walz", "carl-walz");
    let stop = Arc::new(AtomicBool::new(false));
    let mut progress = |p: Progress| stop.store(p.done == 2, Ordering::Relaxed);
    let options = ScanOptions {
        search: SEARCH,
        threads: 1,
        rates: DeclaredRates::default(),
        memory_mb: 1,
        free_bytes: None,
        request: None,
        by: OPERATOR,
    };
    let watch = &mut ScanWatch { now: &|| T0, stop: &stop, progress: &mut progress };
    let first = scan(&w.ledger, models(), w.collection, options, watch).unwrap();
    assert_eq!((first.stopped, first.looked_at, w.known().len()), (true, 2, 2));
    let second = w.scan();
    assert_eq!((second.stopped, second.looked_at, second.unchanged), (false, 11, 2));
    assert_eq!(paths(&w.find(walz)), [WALZ]);
}
