//! One odd file never stops the rest: whatever a photo does to the decoders, it is one damaged photo.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use assent::DeclaredRates;
use assent::budget::MEMORY_MB_PER_THREAD;
use assent::enrol::EnrolError;
use assent::models::DetectError;
use assent::portrait::PortraitError;
use assent::scan::{ScanOptions, ScanWatch, scan};
use assent_testkit::{OPERATOR, SEARCH, T0, World, models};

use crate::invariants::pack_that_cannot_embed;
use crate::{DESERT, WALZ, paths};

/// A TIFF of 16 bits whose three colours lie in tiles of their own, wider than the picture: the decoder's own check of
/// its buffers fails in the middle of it (image-tiff 403).
fn tiff_that_panics() -> Vec<u8> {
    const TILE: u32 = 64;
    let tile_bytes = TILE * TILE * 2;
    let entries: [(u16, u16, u32, u32); 12] = [
        (256, 3, 1, 40),  // Width.
        (257, 3, 1, 20),  // Height.
        (258, 3, 3, 200), // Bits of each colour, at 200.
        (259, 3, 1, 1),   // Not compressed.
        (262, 3, 1, 2),   // RGB.
        (277, 3, 1, 3),   // Three colours.
        (284, 3, 1, 2),   // Each by itself.
        (322, 3, 1, TILE),
        (323, 3, 1, TILE),
        (324, 4, 3, 220), // Where the tiles begin, at 220.
        (325, 4, 3, 240), // How long they are, at 240.
        (339, 3, 3, 210), // Whole numbers, at 210.
    ];
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    let mut put = |at: usize, bytes: &[u8]| {
        file.resize(file.len().max(at + bytes.len()), 0);
        file[at..at + bytes.len()].copy_from_slice(bytes);
    };
    for i in 0..3 {
        put(200 + 2 * i, &16u16.to_le_bytes());
        put(210 + 2 * i, &1u16.to_le_bytes());
        put(220 + 4 * i, &(256 + i as u32 * tile_bytes).to_le_bytes());
        put(240 + 4 * i, &tile_bytes.to_le_bytes());
        put(256 + i * tile_bytes as usize, &vec![0x80; tile_bytes as usize]);
    }
    file
}

#[test]
fn a_photo_in_which_a_decoder_panics_is_damaged_and_the_rest_is_scanned() {
    let w = World::new(&[WALZ, DESERT]);
    let (walz, _) = w.enrol("walz", "carl-walz");
    w.home.put("a-scan0001.tif", &tiff_that_panics());
    w.home.put("z-scan0002.tif", &tiff_that_panics());
    for (name, threads, looked_at) in [("first", 1, 4), ("again, on two threads", 2, 0)] {
        let summary = w.scan_on(threads);
        assert_eq!((summary.photos, summary.looked_at), (4, looked_at), "{name}");
        let damaged = |name: &str| (name.to_owned(), "damaged".to_owned());
        assert_eq!(summary.failed, [damaged("a-scan0001.tif"), damaged("z-scan0002.tif")], "{name}");
        assert_eq!(paths(&w.find(walz)), [WALZ], "{name}");
    }
}

#[test]
fn a_portrait_in_which_a_decoder_panics_is_refused_and_the_next_is_taken() {
    let w = World::new(&[]);
    let subject = w.subject("walz");
    let refused = w.try_enrol(subject, &w.paper(), &[("scan.tif", tiff_that_panics())]).unwrap_err();
    assert!(
        matches!(refused, EnrolError::Portrait { source: PortraitError::Detect(DetectError::Decode(_)), .. }),
        "{refused:?}"
    );
    w.enrol_again(subject, "carl-walz");
}

#[cfg(unix)]
#[test]
fn a_photo_with_a_name_that_is_no_text_is_scanned_and_found() {
    use std::os::unix::ffi::OsStrExt as _;

    let w = World::new(&[DESERT]);
    let (walz, _) = w.enrol("walz", "carl-walz");
    let name = std::ffi::OsStr::from_bytes(b"Sch\xfctzenfest.jpg");
    std::fs::write(w.home.photos.join(name), crate::photo(WALZ)).unwrap();
    assert_eq!(w.scan().looked_at, 2);
    let found = w.find(walz);
    assert_eq!(paths(&found), ["Sch\\xFCtzenfest.jpg"]);
    assert_eq!(found[0].file, w.home.photos.canonicalize().unwrap().join(name));
    let again = w.scan();
    assert_eq!((again.unchanged, again.looked_at), (2, 0), "it is known by its bytes");
    std::fs::rename(w.home.photos.join(name), w.home.photos.join("feast.jpg")).unwrap();
    assert_eq!(w.scan().moved, 1);
    assert_eq!(paths(&w.find(walz)), ["feast.jpg"]);
}

#[cfg(unix)]
#[test]
fn photos_behind_a_link_whose_disk_is_away_are_not_taken_for_missing() {
    use std::os::unix::fs::symlink;

    let w = World::new(&[DESERT]);
    let (walz, _) = w.enrol("walz", "carl-walz");
    w.home.put(".disk/walz.jpg", &crate::photo(WALZ));
    symlink(".disk", w.home.photos.join("usb")).unwrap();
    w.scan();
    assert_eq!(paths(&w.find(walz)), ["usb/walz.jpg"]);
    std::fs::rename(w.home.photos.join(".disk"), w.home.dir.path().join("away")).unwrap();
    let summary = w.scan();
    assert_eq!((summary.removed, summary.problems.len()), (0, 1));
    std::fs::rename(w.home.dir.path().join("away"), w.home.photos.join(".disk")).unwrap();
    assert_eq!((w.scan().looked_at, paths(&w.find(walz))), (0, vec!["usb/walz.jpg".to_owned()]));
}

#[test]
fn a_scan_that_is_to_stop_ends_in_the_middle_of_a_photo() {
    let w = World::new(&[WALZ, DESERT]);
    w.enrol("walz", "carl-walz");
    let mut worker = models().worker(SEARCH).unwrap();
    worker.stop_by(Arc::new(AtomicBool::new(true)));
    assert!(worker.detect(&crate::photo(WALZ)).is_err(), "the detector hears it between two passes");
    let options = ScanOptions {
        search: SEARCH,
        threads: 2,
        rates: DeclaredRates::default(),
        memory_mb: MEMORY_MB_PER_THREAD,
        free_bytes: None,
        request: None,
        by: OPERATOR,
    };
    let stop = Arc::new(AtomicBool::new(true));
    let watch = &mut ScanWatch { now: &|| T0, stop: &stop, progress: &mut |_| {} };
    let summary = scan(&w.ledger, models(), w.collection, options, watch).unwrap();
    assert!(summary.stopped);
    assert_eq!((summary.looked_at, w.known().len()), (0, 0), "what was begun is begun anew by the next scan");
    assert_eq!(w.scan().looked_at, 2);
}

#[test]
fn a_pack_whose_networks_run_is_tried_out() {
    models().try_out().unwrap();
    let dir = tempfile::tempdir().unwrap();
    assert!(pack_that_cannot_embed(dir.path()).try_out().is_err());
}
