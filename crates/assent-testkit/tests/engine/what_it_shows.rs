//! I12: a photo is what it shows. What people decided and set apart hangs on the picture and a place in it, whatever its file is
//! called and whatever else is written in it; and nothing is drawn on other bytes than those that were scanned.

use std::cell::Cell;
use std::fs;
use std::time::{Duration, SystemTime};

use assent::CoverStyle;
use assent::find::{FoundPhoto, PictureError, picture};
use assent::heif::PhotoDecoder;
use assent::household::owner;
use assent::ledger::{
    BystanderBasis, Evidence, FaceBox, NewPhoto, Outcome, PhotoId, Purpose, SubjectId, VaultKind, Verdict,
};
use assent::packs::sha256;
use assent::scan::{ScanError, ScanSummary};
use assent::set_apart::{Pointed, SetApartError, set_apart, set_apart_in_exports};
use assent_testkit::{
    T0, World, act, commented, held, jpeg, models, open, png, rated, scan_with, shrunk, tiff, webp, with_worker,
};
use tempfile::TempDir;

use crate::invariants::pack_that_cannot_embed;
use crate::{DESERT, SMALL_TRIO, WALZ, paths, photo, portrait};

/// A photo in which Walz is, under this path, and he is enrolled and found.
fn walz_in(path: &str, file: &[u8]) -> (World, SubjectId) {
    let w = World::new(&[]);
    w.home.put(path, file);
    let (walz, _) = w.enrol("walz", "carl-walz");
    w.scan();
    assert_eq!(paths(&w.find(walz)), [path]);
    (w, walz)
}

fn decide(w: &World, subject: SubjectId, verdict: Verdict) {
    let face = w.find(subject)[0].face;
    w.tx(|tx| {
        let proof = tx.active_grant_for(subject, w.collection, &Purpose::find_my_photos())?.unwrap();
        tx.record_decision(&proof, face, verdict)
    })
    .unwrap();
}

fn centre(b: &FaceBox) -> (f32, f32) {
    (b.x + b.w / 2.0, b.y + b.h / 2.0)
}

/// Sets the face apart that is largest in a photo.
fn object(w: &World, path: &str) -> FaceBox {
    let photo = w.known().into_iter().find(|k| k.path == path).unwrap().id;
    let faces = w.tx(|tx| tx.faces_of(photo)).unwrap();
    let at = faces.into_iter().map(|(_, at)| at).max_by(|a, b| a.w.total_cmp(&b.w)).unwrap();
    set_apart(&w.ledger, &Pointed { collection: w.collection, path, at: centre(&at) }, act(T0)).unwrap();
    at
}

/// How much of a box differs between a picture and the file that it was made of, 0 to 1.
pub(crate) fn covered(f: &FoundPhoto, b: &FaceBox) -> f32 {
    let (drawn, plain) =
        (picture(f, CoverStyle::Solid, &PhotoDecoder::default()).unwrap(), open(&fs::read(&f.file).unwrap()));
    let (mut all, mut other) = (0, 0);
    for y in b.y as i64..(b.y + b.h) as i64 {
        for x in b.x as i64..(b.x + b.w) as i64 {
            all += 1;
            other += i32::from(drawn.pixel(x, y) != plain.pixel(x, y));
        }
    }
    other as f32 / all as f32
}

/// Another photo, in whose place one may be put.
const OTHER: &str = "other.jpg";

/// What it is called, the file before, what is done, and which paths show the picture afterwards.
type Change = (&'static str, Vec<u8>, fn(&World, &[u8]), &'static [&'static str]);

fn put(w: &World, path: &str, file: &[u8]) {
    w.home.put(path, file);
}

fn rename(w: &World, from: &str, to: &str) {
    fs::rename(w.home.photos.join(from), w.home.photos.join(to)).unwrap();
}

/// Another name, and written anew on the way.
pub(crate) fn anew(w: &World, to: &str, file: &[u8]) {
    fs::remove_file(w.home.photos.join("a.jpg")).unwrap();
    w.home.put(to, file);
}

fn in_the_place_of_another(w: &World, file: &[u8]) {
    w.home.put(OTHER, &photo(SMALL_TRIO));
    w.scan();
    anew(w, OTHER, &rated(file));
}

/// Which photos are known; none of them is missing.
fn all_there(w: &World, name: &str) -> Vec<String> {
    let known = w.known();
    assert!(known.iter().all(|k| k.missing.is_none() && w.home.photos.join(k.path.to_path()).exists()), "{name}");
    let mut paths: Vec<String> = known.into_iter().map(|k| k.path.to_string()).collect();
    paths.retain(|path| path != DESERT);
    paths
}

/// What happens to a photo in its life: what it was, what is done, and which paths show it afterwards.
fn changes() -> Vec<Change> {
    let walz = photo(WALZ);
    let small = open(&walz);
    let (png, webp, tiff) = (png(&small), webp(&small), tiff(&small));
    let change =
        |name: &'static str, file: &[u8], change: fn(&World, &[u8]), expected: &'static [&'static str]| -> Change {
            (name, file.to_vec(), change, expected)
        };
    vec![
        change("a rating", &walz, |w, f| put(w, "a.jpg", &rated(f)), &["a.jpg"]),
        change("a caption", &walz, |w, f| put(w, "a.jpg", &commented(f)), &["a.jpg"]),
        change("a rating in a PNG", &png, |w, f| put(w, "a.jpg", &rated(f)), &["a.jpg"]),
        change("a rating in a WebP", &webp, |w, f| put(w, "a.jpg", &rated(f)), &["a.jpg"]),
        change("a rating in a TIFF", &tiff, |w, f| put(w, "a.jpg", &rated(f)), &["a.jpg"]),
        change("held otherwise", &held(&walz, 1), |w, f| put(w, "a.jpg", &held(f, 8)), &["a.jpg"]),
        change("held upside down, mirrored", &held(&walz, 1), |w, f| put(w, "a.jpg", &held(f, 4)), &["a.jpg"]),
        change("another name", &walz, |w, _| rename(w, "a.jpg", "z.jpg"), &["z.jpg"]),
        change("another name and a rating", &walz, |w, f| anew(w, "z.jpg", &rated(f)), &["z.jpg"]),
        change("another folder and a caption", &walz, |w, f| anew(w, "2/a.jpg", &commented(f)), &["2/a.jpg"]),
        change("another name, held otherwise", &held(&walz, 1), |w, f| anew(w, "z.jpg", &held(f, 6)), &["z.jpg"]),
        change("another name, a rating in a PNG", &png, |w, f| anew(w, "z.jpg", &rated(f)), &["z.jpg"]),
        change("another name, a rating in a WebP", &webp, |w, f| anew(w, "z.jpg", &rated(f)), &["z.jpg"]),
        change("another name, a rating in a TIFF", &tiff, |w, f| anew(w, "z.jpg", &rated(f)), &["z.jpg"]),
        change("in the place of another photo, rated", &walz, in_the_place_of_another, &[OTHER]),
        change("an exact copy", &walz, |w, f| put(w, "b.jpg", f), &["a.jpg", "b.jpg"]),
        change("a copy with a rating", &walz, |w, f| put(w, "b.jpg", &rated(f)), &["a.jpg", "b.jpg"]),
    ]
}

#[test]
fn i12_what_people_decided_outlives_whatever_is_done_to_the_file() {
    for (name, file, change, expected) in changes() {
        for verdict in [Verdict::Confirmed, Verdict::Refused] {
            let (w, walz) = walz_in("a.jpg", &file);
            w.home.add_photo(DESERT);
            decide(&w, walz, verdict);
            change(&w, &file);
            w.scan();
            assert_eq!(all_there(&w, name), expected, "{name}");
            let found: Vec<FoundPhoto> = w.find(walz).into_iter().filter(|f| f.file.exists()).collect();
            if verdict == Verdict::Refused {
                assert_eq!(found, [], "{name}");
                continue;
            }
            let mut found_at = paths(&found);
            found_at.sort();
            assert_eq!(found_at, expected, "{name}");
            for f in &found {
                assert_eq!(f.verdict, Some(Verdict::Confirmed), "{name}");
                assert!(picture(f, CoverStyle::Solid, &PhotoDecoder::default()).is_ok(), "{name}");
            }
        }
    }
}

#[test]
fn i12_a_face_that_was_set_apart_stays_apart_whatever_is_done_to_the_file() {
    for (name, file, change, expected) in changes() {
        let (w, walz) = walz_in("a.jpg", &file);
        w.home.add_photo(DESERT);
        object(&w, "a.jpg");
        assert_eq!(w.find(walz), [], "{name}");
        change(&w, &file);
        w.scan();
        assert_eq!(all_there(&w, name), expected, "{name}");
        assert_eq!(w.find(walz), [], "{name}");
        for known in w.known().into_iter().filter(|k| expected.contains(&k.path.to_string().as_str())) {
            let places = w.tx(|tx| tx.objected_places(known.id)).unwrap();
            assert_eq!(places.len(), 1, "{name}");
        }
    }
}

/// A household's owner, in a photo with two others, of whom one has objected: where that one is, and the third.
fn two_of_three() -> (World, SubjectId, [FaceBox; 2]) {
    let w = World::of(VaultKind::Household, &BystanderBasis::Household, &[SMALL_TRIO]);
    let me = owner(&w.ledger, act(T0)).unwrap().id;
    let self_statement = Evidence::SelfStatement { statement: "It is me, and I want to be found".into() };
    w.try_enrol(me, &self_statement, &[("portrait", portrait("sergei-krikalev"))]).unwrap();
    w.scan();
    let own = w.find(me).remove(0).at;
    let others = w.tx(|tx| tx.faces_of(tx.known_photos(w.collection)?[0].id)).unwrap().into_iter();
    let others: Vec<FaceBox> = others.map(|(_, at)| at).filter(|at| !at.is_same_face(&own)).collect();
    let [other, third]: [FaceBox; 2] = others.try_into().unwrap();
    set_apart(&w.ledger, &Pointed { collection: w.collection, path: SMALL_TRIO, at: centre(&other) }, act(T0)).unwrap();
    (w, me, [other, third])
}

#[test]
fn i12_what_was_set_apart_is_covered_also_where_nobody_else_is() {
    let (w, me, [other, third]) = two_of_three();
    let found = w.find(me).remove(0);
    assert_eq!(found.covered.len(), 1);
    assert!(covered(&found, &other) > 0.7);
    assert!(covered(&found, &third) < 0.3, "nobody else");

    // The same after a turn, where it is then.
    w.home.put(SMALL_TRIO, &held(&photo(SMALL_TRIO), 3));
    w.scan();
    let (width, height) = found.size;
    let there = FaceBox { x: width as f32 - other.x - other.w, y: height as f32 - other.y - other.h, ..other };
    let turned = w.tx(|tx| tx.objected_places(tx.known_photos(w.collection)?[0].id)).unwrap().remove(0);
    assert!(turned.overlap(&there) > 0.99, "{turned:?}");
    assert_eq!(turned.quarter_turn, (other.quarter_turn + 2) % 4);
}

#[test]
fn i12_what_was_set_apart_is_covered_where_the_detector_finds_nothing() {
    let (w, me, [other, _]) = two_of_three();
    let (found, known) = (w.find(me).remove(0), w.known().remove(0));
    // Another search, which sees nobody but him.
    let outcome = Outcome::Faces(vec![found.at]);
    let new = NewPhoto {
        collection: w.collection,
        path: &SMALL_TRIO.into(),
        sha256: sha256(&photo(SMALL_TRIO)),
        bytes: known.bytes,
        mtime: known.mtime,
        changed: known.changed,
        picture: None,
        width: known.width,
        height: known.height,
        outcome: &outcome,
        scanned_with: known.scanned_with,
        matched_epoch: known.matched_epoch,
    };
    w.tx(|tx| tx.put_photo(&new)).unwrap();
    let found = w.find(me).remove(0);
    assert_eq!((found.faces, found.covered.len()), (1, 1));
    assert!(covered(&found, &other) > 0.7);
}

/// With the same date as before.
fn put_as_old(w: &World, path: &str, file: &[u8]) {
    w.home.put(path, file);
    let day = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    fs::File::options().write(true).open(w.home.photos.join(path)).unwrap().set_modified(day).unwrap();
}

/// Bytes behind the end of a picture, so that it is as long as another one.
fn as_long(mut file: Vec<u8>, length: usize) -> Vec<u8> {
    file.resize(length, 0);
    file
}

/// Looked at, unchanged.
fn work(s: &ScanSummary) -> [usize; 2] {
    [s.looked_at, s.unchanged]
}

#[test]
fn i12_photos_of_one_size_length_and_date_that_swap_their_names_are_told_apart() {
    let (walz, other) = (photo(WALZ), {
        let frame = open(&photo(WALZ));
        jpeg(&assent::resize(&open(&photo("julie-payette.jpg")), (frame.width(), frame.height())))
    });
    let length = walz.len().max(other.len());
    let (walz_file, other_file) = (as_long(walz, length), as_long(other, length));
    let w = World::new(&[]);
    put_as_old(&w, "1.jpg", &walz_file);
    put_as_old(&w, "2.jpg", &other_file);
    let (walz, _) = w.enrol("walz", "carl-walz");
    w.scan();
    assert_eq!(work(&w.scan()), [0, 2]);
    decide(&w, walz, Verdict::Confirmed);
    let before = w.find(walz);
    assert_eq!(paths(&before), ["1.jpg"]);

    for (from, to) in [("1.jpg", "x"), ("2.jpg", "1.jpg"), ("x", "2.jpg")] {
        rename(&w, from, to);
    }
    let refused = picture(&before[0], CoverStyle::Solid, &PhotoDecoder::default()).unwrap_err();
    assert!(matches!(&refused, PictureError::Changed { .. }), "{refused}");
    let pointed = Pointed { collection: w.collection, path: "1.jpg", at: centre(&before[0].at) };
    let refused = set_apart(&w.ledger, &pointed, act(T0)).unwrap_err();
    assert!(matches!(refused, SetApartError::Picture(PictureError::Changed { .. })), "{refused}");

    assert_eq!(work(&w.scan()), [2, 0]);
    let after = w.find(walz);
    assert_eq!((paths(&after), after[0].verdict), (vec!["2.jpg".to_owned()], Some(Verdict::Confirmed)));
    assert!(picture(&after[0], CoverStyle::Solid, &PhotoDecoder::default()).is_ok());
}

#[test]
fn i12_a_turn_that_keeps_date_and_length_is_noticed() {
    let file = photo(WALZ);
    let w = World::new(&[]);
    put_as_old(&w, "a.jpg", &held(&file, 1));
    let (walz, _) = w.enrol("walz", "carl-walz");
    w.scan();
    decide(&w, walz, Verdict::Confirmed);
    let before = w.find(walz).remove(0);
    put_as_old(&w, "a.jpg", &held(&file, 2));
    assert!(matches!(picture(&before, CoverStyle::Solid, &PhotoDecoder::default()), Err(PictureError::Changed { .. })));
    assert_eq!(work(&w.scan()), [1, 0]);
    let after = w.find(walz).remove(0);
    let mirrored = FaceBox { x: before.size.0 as f32 - before.at.x - before.at.w, ..before.at };
    assert!(after.at.overlap(&mirrored) > 0.8, "{:?} and {mirrored:?}", after.at);
    assert_eq!((after.face, after.verdict), (before.face, Some(Verdict::Confirmed)));
}

#[test]
fn a_file_with_another_date_that_holds_what_it_held_is_not_searched_again() {
    let (w, walz) = walz_in("a.jpg", &photo(WALZ));
    let before = w.find(walz);
    put_as_old(&w, "a.jpg", &photo(WALZ));
    assert_eq!(work(&w.scan()), [0, 1]);
    assert_eq!(w.find(walz), before);
    let leaves = w.log_size();
    assert_eq!(work(&w.scan()), [0, 1]);
    assert_eq!(w.log_size(), leaves, "nothing was done");
}

/// A file that is listed, and gone when it is read.
#[test]
fn i12_a_scan_that_cannot_read_a_file_forgets_nothing() {
    let check = |name: &str, touch: &dyn Fn(&World)| {
        let (w, walz) = walz_in("a.jpg", &photo(WALZ));
        decide(&w, walz, Verdict::Refused);
        touch(&w);
        let (from, to) = (w.home.photos.join("a.jpg"), w.home.dir.path().join("away"));
        let reads = Cell::new(0);
        let now = || {
            reads.set(reads.get() + 1);
            if reads.get() == 2 {
                fs::rename(&from, &to).unwrap();
            }
            T0
        };
        let before = w.known();
        let scan = scan_with(&w.ledger, models(), w.collection, 1, &now, &mut |_, _| {}).unwrap();
        assert_eq!(scan.failed, [("a.jpg".to_owned(), "unreadable".to_owned())], "{name}");
        assert_eq!((scan.removed, w.known()), (0, before), "{name}");
        fs::rename(&to, &from).unwrap();
        w.scan();
        assert_eq!(w.find(walz), [], "{name}");
    };
    check("touched", &|w| put_as_old(w, "a.jpg", &photo(WALZ)));
    check("rated", &|w| put_as_old(w, "a.jpg", &rated(&photo(WALZ))));
    check("another picture", &|w| put_as_old(w, "a.jpg", &photo(SMALL_TRIO)));
}

#[test]
fn i2_a_face_that_was_set_apart_is_never_embedded() {
    let dir = TempDir::new().unwrap();
    let broken = pack_that_cannot_embed(dir.path());
    let scan = |w: &World| scan_with(&w.ledger, &broken, w.collection, 1, &|| T0, &mut |_, _| {});
    for keeps in [false, true] {
        let w = World::new(&[WALZ]);
        if keeps {
            w.tx(|tx| tx.keep_crops(w.collection)).unwrap();
        }
        assert_eq!(scan(&w).unwrap().faces, 1);
        let crops = || w.tx(|tx| tx.counts(w.collection)).unwrap().crops;
        assert_eq!(crops(), u64::from(keeps));
        object(&w, WALZ);
        assert_eq!(crops(), 0, "its crop is gone at once");

        // Somebody is looked for from now on: whoever embeds a face gets an error.
        let mut vector = [0f32; 256];
        vector[0] = 1.0;
        let template: Vec<u8> = vector.iter().flat_map(|v| v.to_le_bytes()).collect();
        let (_, grant) = w.enrol("krikalev", "sergei-krikalev");
        w.tx(|tx| tx.enrol(&tx.active_grant(grant)?, broken.pack().model_sha256, &[&template])).unwrap();
        let walk = scan(&w).unwrap();
        assert_eq!((walk.rematched, walk.looked_at, walk.matches + walk.reviews), (1, 0, 0), "known");
        w.home.put("copy.jpg", &photo(WALZ));
        w.home.put("rated.jpg", &rated(&photo(WALZ)));
        w.home.put(WALZ, &held(&photo(WALZ), 2));
        assert_eq!(scan(&w).unwrap().looked_at, 3, "new and changed");
        assert_eq!(crops(), 0);
        w.home.add_photo(SMALL_TRIO);
        assert!(matches!(scan(&w), Err(ScanError::Inference(_))), "anybody else's face is embedded");
    }
}

#[test]
fn a_face_is_set_apart_in_copies_and_where_it_is_asked_for_in_exports() {
    let trio = open(&photo(crate::TRIO));
    let w = World::new(&[DESERT, WALZ]);
    w.home.put("a.jpg", &photo(crate::TRIO));
    w.home.put("same.jpg", &rated(&photo(crate::TRIO)));
    w.home.put("export.jpg", &jpeg(&shrunk(&trio, trio.width().max(trio.height()) * 2 / 3)));
    w.scan();
    let photo_at = |path: &str| w.known().into_iter().find(|k| k.path == path).unwrap().id;
    let pointed_at = photo_at("a.jpg");
    let (_, at) = w.tx(|tx| tx.faces_of(pointed_at)).unwrap()[0];
    let pointed = Pointed { collection: w.collection, path: "a.jpg", at: centre(&at) };
    let set = set_apart(&w.ledger, &pointed, act(T0)).unwrap();
    assert_eq!(set.same, ["same.jpg"]);
    let apart = |photo: PhotoId| w.tx(|tx| tx.objected_faces(photo)).unwrap().len();
    let all = || ["a.jpg", "same.jpg", "export.jpg", WALZ].map(|path| apart(photo_at(path)));
    assert_eq!(all(), [1, 1, 0, 0], "an export is another picture");
    let exports = || {
        with_worker(|worker| {
            set_apart_in_exports(&w.ledger, (models(), worker), (w.collection, &set), &mut |_, _| {}, act(T0))
        })
    };
    assert_eq!(exports().unwrap(), ["export.jpg"]);
    assert_eq!(all(), [1, 1, 1, 0]);
    // Said again, it is said once.
    assert_eq!(set_apart(&w.ledger, &pointed, act(T0)).unwrap(), set);
    assert_eq!(exports().unwrap(), ["export.jpg"]);
    assert_eq!(all(), [1, 1, 1, 0]);

    let refused = |path: &str, at: (f32, f32)| {
        set_apart(&w.ledger, &Pointed { collection: w.collection, path, at }, act(T0)).unwrap_err()
    };
    assert!(matches!(refused("b.jpg", (1.0, 1.0)), SetApartError::NoPhoto { .. }));
    assert!(matches!(refused("a.jpg", (1.0, 1.0)), SetApartError::NoFace));
    fs::remove_file(w.home.photos.join("a.jpg")).unwrap();
    assert!(matches!(refused("a.jpg", centre(&at)), SetApartError::Picture(PictureError::Unreadable { .. })));
}

/// A photo that was moved and written anew is looked at again, and is the photo that it was.
#[test]
fn i12_a_photo_that_was_renamed_and_rated_between_two_scans_is_one_photo() {
    let (w, walz) = walz_in("a.jpg", &held(&photo(WALZ), 1));
    w.home.add_photo(DESERT);
    w.scan();
    decide(&w, walz, Verdict::Confirmed);
    let (before, id) = (w.find(walz).remove(0), w.known()[0].id);
    anew(&w, "z.jpg", &rated(&held(&photo(WALZ), 3)));
    let said = w.scan();
    assert_eq!((said.moved, said.missing, said.looked_at, said.unchanged), (1, 0, 1, 1));
    let after = w.find(walz).remove(0);
    let known = w.known().into_iter().find(|k| k.path == "z.jpg").unwrap();
    assert_eq!((known.id, w.known().len()), (id, 2));
    assert_eq!((after.face, after.verdict), (before.face, before.verdict));
    let (width, height) = (before.size.0 as f32, before.size.1 as f32);
    let turned = FaceBox { x: width - before.at.x - before.at.w, y: height - before.at.y - before.at.h, ..before.at };
    assert!(after.at.overlap(&turned) > 0.8, "{:?} and {turned:?}", after.at);
    assert!(picture(&after, CoverStyle::Solid, &PhotoDecoder::default()).is_ok(), "covers on the bytes that were read");
    assert_eq!(work(&w.scan()), [0, 2]);
}

#[test]
fn i12_of_several_copies_each_that_is_missing_is_found_once() {
    let (w, _) = walz_in("a.jpg", &photo(WALZ));
    w.home.put("b.jpg", &commented(&photo(WALZ)));
    w.scan();
    let ids = |w: &World| w.known().into_iter().map(|k| (k.path.to_string(), k.id)).collect::<Vec<_>>();
    let before = ids(&w);
    fs::remove_file(w.home.photos.join("b.jpg")).unwrap();
    w.home.put("c.jpg", &rated(&photo(WALZ)));
    w.home.put("d.jpg", &rated(&commented(&photo(WALZ))));
    let said = w.scan();
    assert_eq!((said.moved, said.missing, said.looked_at), (1, 0, 2));
    let after = ids(&w);
    assert_eq!(after.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["a.jpg", "c.jpg", "d.jpg"]);
    assert_eq!(after[0], before[0], "a copy is no move");
    assert_eq!(after.iter().filter(|(_, id)| *id == before[1].1).count(), 1);
}

#[test]
fn a_scan_names_later_copies_of_photos_in_which_a_face_was_set_apart() {
    let trio = open(&photo(crate::TRIO));
    let longest = trio.width().max(trio.height());
    let w = World::new(&[DESERT]);
    w.home.put("a.jpg", &photo(crate::TRIO));
    w.home.put("early.jpg", &jpeg(&shrunk(&trio, longest * 3 / 4)));
    assert_eq!(w.scan().copied, []);
    let pointed_at = w.known().into_iter().find(|k| k.path == "a.jpg").unwrap().id;
    let (_, at) = w.tx(|tx| tx.faces_of(pointed_at)).unwrap()[0];
    set_apart(&w.ledger, &Pointed { collection: w.collection, path: "a.jpg", at: centre(&at) }, act(T0)).unwrap();

    // Another photo, the same picture with a rating, and a resized one.
    w.home.add_photo(WALZ);
    w.home.put("same.jpg", &rated(&photo(crate::TRIO)));
    w.home.put("export.jpg", &jpeg(&shrunk(&trio, longest / 2)));
    let said = w.scan();
    assert_eq!(said.looked_at, 3);
    let [copied] = said.copied.as_slice() else { panic!("{:?}", said.copied) };
    assert_eq!((copied.photo.as_str(), copied.original.as_str()), ("export.jpg", "a.jpg"));

    // It is where the summary says.
    let (x, y) = (copied.at.0 as f32, copied.at.1 as f32);
    assert!((at.x..=at.x + at.w).contains(&(2.0 * x)) && (at.y..=at.y + at.h).contains(&(2.0 * y)));
    set_apart(&w.ledger, &Pointed { collection: w.collection, path: "export.jpg", at: (x, y) }, act(T0)).unwrap();
    w.home.put("export-rated.jpg", &rated(&fs::read(w.home.photos.join("export.jpg")).unwrap()));
    let said = w.scan();
    assert_eq!((said.looked_at, said.copied), (1, vec![]), "it is set apart there by now");
}
