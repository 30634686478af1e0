//! A portrait that is a copy or a crop of a known photo is none (R4); another photo of the same person is one.

use std::fs;

use assent::Frame;
use assent::encode;
use assent::enrol::EnrolError;
use assent::ledger::{BystanderBasis, FaceBox, NewCollection};
use assent::source::Folder;
use assent_testkit::{T0, World, darkened, jpeg, mirrored, models, open, part, scan_with, shrunk};

use crate::enrolling::refused;
use crate::{DESERT, TRIO, WALZ, photo, portrait};

/// The first known face of a photo, with so much of the photo around it, in parts of its box.
fn crop_around(w: &World, name: &str, around: f32) -> Frame {
    let photo = w.known().into_iter().find(|p| p.path == name).unwrap();
    let faces = w.tx(|tx| tx.faces_of(photo.id)).unwrap();
    let (_, FaceBox { x, y, w, h, .. }) = faces[0];
    let (width, height) = (w * (1.0 + 2.0 * around), h * (1.0 + 2.0 * around));
    let whole = open(&self::photo(name));
    let (left, top) = ((x - w * around).max(0.0) as u32, (y - h * around).max(0.0) as u32);
    let (width, height) = ((width as u32).min(whole.width() - left), (height as u32).min(whole.height() - top));
    part(&whole, [left, top, width, height])
}

/// Whether the picture was refused as a copy; that it is one is the only reason to refuse it here.
fn is_refused(w: &World, name: &str, picture: Vec<u8>) -> bool {
    let subject = w.subject(name);
    let Err(error) = w.try_enrol(subject, &w.paper(), &[("picture.jpg", picture)]) else { return false };
    assert!(matches!(&error, EnrolError::CopyOfPhoto { picture } if picture == "picture.jpg"), "{name}: {error}");
    true
}

#[test]
fn r4_a_copy_or_crop_of_a_photo_is_no_portrait() {
    let w = World::new(&[WALZ, TRIO]);
    w.scan();
    let (whole, crop) = (open(&photo(WALZ)), crop_around(&w, WALZ, 0.6));
    let half = |frame: &Frame| shrunk(frame, frame.width().max(frame.height()) / 2);
    let one_of_three = crop_around(&w, TRIO, 0.3);
    let check = |name: &str, picture: Vec<u8>, expected: bool| {
        assert_eq!(is_refused(&w, name, picture), expected, "{name}");
    };
    check("byte copy", photo(WALZ), true);
    check("re-saved at quality 60", encode::jpeg(&whole, 60).unwrap(), true);
    check("half the size", jpeg(&half(&whole)), true);
    check("crop around the face", jpeg(&crop), true);
    check("mirrored", jpeg(&mirrored(&crop)), true);
    check("brighter", jpeg(&darkened(&crop, 1.08)), true);
    check("all at once", encode::jpeg(&darkened(&half(&mirrored(&crop)), 0.92), 60).unwrap(), true);
    check("one of three", encode::jpeg(&one_of_three, 80).unwrap(), true);
    // Every face of both photos is compared with this one, his own in the other photo among them.
    check("another photo of the same person", portrait("yuri-gidzenko"), false);
    check("another photo, much sharper", portrait("carl-walz"), false);
    check("a photo of somebody else", portrait("julie-payette"), false);
}

#[test]
fn r4_what_is_refused_leaves_nothing() {
    let w = World::new(&[WALZ]);
    w.scan();
    let subject = w.subject("walz");
    for found in [photo(WALZ), jpeg(&crop_around(&w, WALZ, 0.6))] {
        let pictures = [("good.jpg", portrait("carl-walz")), ("found.jpg", found)];
        let error = refused(&w, subject, || w.try_enrol(subject, &w.paper(), &pictures).map(drop));
        assert!(matches!(&error, EnrolError::CopyOfPhoto { picture } if picture == "found.jpg"), "{error}");
    }
    // The reason was the copy: without it the enrolment goes through.
    w.try_enrol(subject, &w.paper(), &[("good.jpg", portrait("carl-walz"))]).unwrap();
}

#[test]
fn r4_copies_are_recognised_in_every_collection() {
    // The consents are for an empty collection; the photo is in another one.
    let w = World::new(&[]);
    let other = w.home.dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join(WALZ), photo(WALZ)).unwrap();
    let folder = Folder::open(other.to_str().unwrap()).unwrap();
    // Nobody may be looked for in it: its pictures are compared, its people are not.
    let new = NewCollection { name: "Archive", directory: folder.text(), others: BystanderBasis::None };
    let archive = w.tx(|tx| tx.add_collection(&new)).unwrap();
    scan_with(&w.ledger, models(), archive, 1, &|| T0, &mut |_, _| {}).unwrap();
    assert!(is_refused(&w, "byte copy", photo(WALZ)));
    assert!(is_refused(&w, "re-saved", encode::jpeg(&open(&photo(WALZ)), 80).unwrap()));
    assert!(!is_refused(&w, "another photo", portrait("carl-walz")));
}

#[test]
fn r4_a_photo_that_is_gone_is_passed_over_unless_crops_of_it_are_kept() {
    for kept in [false, true] {
        let w = World::new(&[WALZ]);
        if kept {
            w.tx(|tx| tx.keep_crops(w.collection)).unwrap();
        }
        w.scan();
        let resaved = encode::jpeg(&open(&photo(WALZ)), 80).unwrap();
        fs::remove_file(w.home.photos.join(WALZ)).unwrap();
        assert!(is_refused(&w, "byte copy", photo(WALZ)), "kept: {kept}");
        assert_eq!(is_refused(&w, "re-saved", resaved), kept);
        fs::remove_dir(&w.home.photos).unwrap();
        assert!(!is_refused(&w, "another photo", portrait("carl-walz")), "kept: {kept}");
    }
}

#[test]
fn r4_every_photo_that_is_opened_is_counted() {
    let w = World::new(&[WALZ, TRIO, DESERT]);
    w.scan();
    let mut told = Vec::new();
    let pictures = [("a.jpg", portrait("yuri-gidzenko"))];
    let subject = w.subject("gidzenko");
    w.enrol_watched(subject, &w.paper(), &pictures, &mut |done, of| told.push((done, of))).unwrap();
    assert_eq!(told, [(1, 2), (2, 2)]);
}
