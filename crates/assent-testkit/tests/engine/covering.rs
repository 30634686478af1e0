//! What leaves the vault: a photo with everybody else covered.

use assent::Frame;
use assent::find::{FoundPhoto, PictureError, picture};
use assent_testkit::{World, jpeg, open, shrunk, with_worker};
use assent_vision::cover::COVER_RGB;
use assent_vision::detect::Detection;
use assent_vision::geometry::Rect;

use crate::{TRIO, photo};

const GROUP: &str = "prime-and-backup-crew-for-iss-expedition-13.jpg";

fn faces(frame: &Frame) -> Vec<Detection> {
    with_worker(|worker| worker.look(&jpeg(frame)).unwrap().detected.faces)
}

fn bounds(f: &FoundPhoto) -> Rect {
    Rect { x: f.at.x, y: f.at.y, width: f.at.w, height: f.at.h }
}

#[test]
fn i4_only_the_subjects_own_face_can_be_found_in_their_copy() {
    for (name, handle, all) in [(TRIO, "sergei-krikalev", 3), (GROUP, "pavel-vinogradov", 6)] {
        let w = World::new(&[name]);
        let (subject, _) = w.enrol(handle, handle);
        w.scan();
        let found = w.find(subject);
        assert_eq!(found.len(), 1, "{handle}");
        assert_eq!(found[0].others.len(), all - 1, "{handle}");
        assert_eq!(faces(&picture(&found[0], false, false).unwrap()).len(), all, "{handle}");
        let left = faces(&picture(&found[0], true, false).unwrap());
        assert_eq!(left.len(), 1, "{handle}");
        assert!(left[0].bounds.iou(&bounds(&found[0])) > 0.7, "{handle}");
    }
}

#[test]
fn covers_and_outline_are_where_they_belong() {
    let w = World::new(&[TRIO]);
    let (subject, _) = w.enrol("sergei-krikalev", "sergei-krikalev");
    w.scan();
    let found = w.find(subject).remove(0);
    let plain = picture(&found, false, false).unwrap();
    let framed = picture(&found, false, true).unwrap();
    let covered = picture(&found, true, false).unwrap();
    let own = bounds(&found);
    let centre = |r: &Rect| (r.centre().x as i64, r.centre().y as i64);
    for other in &found.others {
        let (x, y) = centre(&Rect { x: other.x, y: other.y, width: other.w, height: other.h });
        assert_eq!(covered.pixel(x, y), COVER_RGB);
        assert_ne!(plain.pixel(x, y), COVER_RGB);
    }
    let (x, y) = centre(&own);
    assert_eq!(covered.pixel(x, y), plain.pixel(x, y));
    assert_eq!(framed.pixel(x, y), plain.pixel(x, y));
    // The frame lies just outside of the box.
    let (left, right) = (own.x as i64 - 4, (own.x + own.width) as i64 + 4);
    assert_eq!(framed.pixel(left, y), framed.pixel(right, y));
    assert_eq!(framed.pixel(left, y), framed.pixel(x, own.y as i64 - 4));
    assert_ne!(framed.pixel(left, y), plain.pixel(left, y));
}

#[test]
fn a_picture_that_is_no_longer_the_scanned_one_is_refused() {
    let w = World::new(&[TRIO]);
    let (subject, _) = w.enrol("sergei-krikalev", "sergei-krikalev");
    w.scan();
    let found = w.find(subject).remove(0);
    let check = |name: &str, bytes: Option<&[u8]>, right: fn(&PictureError) -> bool| {
        match bytes {
            Some(bytes) => w.home.put(TRIO, bytes),
            None => std::fs::remove_file(w.home.photos.join(TRIO)).unwrap(),
        }
        let refused = picture(&found, true, false).unwrap_err();
        assert!(right(&refused), "{name}: {refused}");
    };
    check("another size", Some(&jpeg(&shrunk(&open(&photo(TRIO)), 300))), |e| {
        matches!(e, PictureError::Changed { .. })
    });
    check("damaged", Some(b"no picture"), |e| matches!(e, PictureError::Decode { .. }));
    check("gone", None, |e| matches!(e, PictureError::Unreadable { .. }));
}
