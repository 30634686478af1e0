//! Searching again: a scan looks for no less in a photo than an earlier one did, and for more where it would see more.

use std::sync::Arc;

use assent::ledger::PhotoPath;
use assent::scan::{ScanOptions, ScanSummary, ScanWatch, scan};
use assent::{DeclaredRates, Posture, SearchOptions, Thoroughness};
use assent_testkit::{OPERATOR, T0, World, commented, held, jpeg, models, open, rated, shrunk, side_by_side};
use assent_vision::geometry::QuarterTurn;

use crate::what_it_shows::{anew, covered};
use crate::{DESERT, SMALL_TRIO, WALZ, photo};

const UPRIGHT: SearchOptions =
    SearchOptions { side_px: 800, posture: Posture::Upright, thoroughness: Thoroughness::CoarseToFine };
const ANY_WAY_UP: SearchOptions = SearchOptions { posture: Posture::AnyWayUp, ..UPRIGHT };
/// At which the faces of these photos are too small to be found.
const SMALL: SearchOptions = SearchOptions { side_px: 160, ..UPRIGHT };

/// As `scan`, searching as `search` says.
fn scan_as(w: &World, search: SearchOptions) -> ScanSummary {
    let (rates, memory_mb) = (DeclaredRates::default(), 512);
    let options = ScanOptions { search, threads: 1, rates, memory_mb, free_bytes: None, request: None, by: OPERATOR };
    let watch = &mut ScanWatch { now: &|| T0, stop: &Arc::default(), progress: &mut |_| {} };
    scan(&w.ledger, models(), w.collection, options, watch).unwrap()
}

#[test]
fn turned_people_are_found_by_the_scan_that_looks_for_them() {
    let w = World::new(&[DESERT]);
    w.home.put("turned.jpg", &jpeg(&open(&photo(WALZ)).turned(QuarterTurn::Clockwise)));
    let faces = || w.known().iter().map(|k| k.faces).sum::<u32>();
    let work = |s: &ScanSummary| [s.looked_at, s.unchanged, s.searched_better];
    assert_eq!(work(&scan_as(&w, UPRIGHT)), [2, 0, 0]);
    assert_eq!(work(&scan_as(&w, UPRIGHT)), [0, 2, 0], "nothing more to see");
    assert_eq!((work(&scan_as(&w, ANY_WAY_UP)), faces()), ([2, 0, 0], 1), "turned faces, too");
    assert_eq!((work(&scan_as(&w, UPRIGHT)), faces()), ([0, 2, 2], 1), "it would see less");
    // More in one respect and less in another: nobody is lost.
    let larger = SearchOptions { side_px: 1000, ..UPRIGHT };
    assert_eq!((work(&scan_as(&w, larger)), faces()), ([2, 0, 0], 1));
    assert_eq!((work(&scan_as(&w, ANY_WAY_UP)), faces()), ([0, 2, 2], 1));
}

/// A photo's file, what is done with it between two scans, and which paths show the picture afterwards.
type Change = (fn(&World, &[u8]), &'static [&'static str]);

/// How many faces are known of the photo at a path.
fn faces(w: &World, path: &str) -> u32 {
    let path = PhotoPath::from(path);
    w.known().into_iter().find(|k| k.path == path).unwrap().faces
}

/// Krikalev with two others, and beside them Walz, who lies on his side.
fn with_one_who_lies() -> Vec<u8> {
    let (trio, walz) = (open(&photo(SMALL_TRIO)), shrunk(&open(&photo(WALZ)), 640));
    jpeg(&side_by_side(&trio, &walz.turned(QuarterTurn::Clockwise)))
}

#[test]
fn i12_no_face_is_lost_where_a_scan_that_would_see_less_looks_again() {
    let rating: Change = (|w, f| w.home.put("a.jpg", &rated(f)), &["a.jpg"]);
    let caption: Change = (|w, f| w.home.put("a.jpg", &commented(f)), &["a.jpg"]);
    let moved_and_rated: Change = (|w, f| anew(w, "z.jpg", &rated(f)), &["z.jpg"]);
    let over_another: Change = (
        |w, f| {
            w.home.put("z.jpg", &commented(&photo(DESERT)));
            scan_as(w, SMALL);
            anew(w, "z.jpg", &rated(f));
        },
        &["z.jpg"],
    );
    let rated_copy: Change = (|w, f| w.home.put("b.jpg", &rated(f)), &["a.jpg", "b.jpg"]);
    let newcomer: Change = (
        |w, _| {
            w.enrol("payette", "julie-payette");
        },
        &["a.jpg"],
    );
    let turned: Change = (|w, _| w.home.put("a.jpg", &held(&with_one_who_lies(), 6)), &["a.jpg"]);
    let moved_and_turned: Change = (|w, _| anew(w, "z.jpg", &held(&with_one_who_lies(), 6)), &["z.jpg"]);
    let file = held(&with_one_who_lies(), 1);
    let check = |name: &str, (before, now): (SearchOptions, SearchOptions), (change, expected): Change| {
        let w = World::new(&[]);
        w.home.put("a.jpg", &file);
        let (krikalev, _) = w.enrol("krikalev", "sergei-krikalev");
        scan_as(&w, before);
        let known = faces(&w, "a.jpg");
        change(&w, &file);
        scan_as(&w, now);
        for path in expected {
            let found = w.find(krikalev).into_iter().find(|f| f.path == *path).unwrap();
            assert!(faces(&w, path) >= known, "{name}, {path}: {} of {known}", faces(&w, path));
            assert_eq!(found.covered.len() as u32, faces(&w, path) - 1, "{name}, {path}");
            assert!(found.covered.iter().all(|at| covered(&found, at) > 0.7), "{name}, {path}");
        }
        assert_eq!(scan_as(&w, before).looked_at, 0, "{name}: it is known how it was searched");

        // The later search alone sees less.
        let alone = World::new(&[]);
        alone.home.put("a.jpg", &file);
        change(&alone, &file);
        scan_as(&alone, now);
        assert!(faces(&alone, expected[0]) < known, "{name}");
    };
    check("a rating", (ANY_WAY_UP, UPRIGHT), rating);
    check("a rating, at a smaller side", (UPRIGHT, SMALL), rating);
    check("a caption, in every respect less", (ANY_WAY_UP, SMALL), caption);
    check("another name and a rating", (ANY_WAY_UP, UPRIGHT), moved_and_rated);
    check("another name and a rating, at a smaller side", (UPRIGHT, SMALL), moved_and_rated);
    check("in the place of another photo, rated", (ANY_WAY_UP, UPRIGHT), over_another);
    check("a rated copy", (ANY_WAY_UP, UPRIGHT), rated_copy);
    check("somebody new to be found", (ANY_WAY_UP, UPRIGHT), newcomer);
    check("somebody new to be found, at a smaller side", (UPRIGHT, SMALL), newcomer);
    check("held otherwise", (UPRIGHT, UPRIGHT), turned);
    check("another name, held otherwise", (UPRIGHT, UPRIGHT), moved_and_turned);
}
