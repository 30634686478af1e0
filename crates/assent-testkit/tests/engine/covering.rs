//! What leaves the vault: who is covered in it, and that nobody who is can be found or recognised again.

use std::fs;
use std::path::Path;

use assent::find::{FoundPhoto, PictureError, picture};
use assent::heif::PhotoDecoder;
use assent::household::owner;
use assent::ledger::{BystanderBasis, Evidence, VaultKind};
use assent::{CoverStyle, DeclaredRates, Frame, SearchOptions, encode, resize};
use assent_testkit::{T0, World, act, crew, held, jpeg, mirrored, models, open, part, rated, shrunk, with_worker};
use assent_vision::cover::{COVER_RGB, cover};
use assent_vision::detect::Detection;
use assent_vision::geometry::Rect;

use crate::{TRIO, photo, portrait};

const GROUP: &str = "prime-and-backup-crew-for-iss-expedition-13.jpg";
const STYLES: [CoverStyle; 2] = [CoverStyle::Blur, CoverStyle::Solid];

fn faces(frame: &Frame) -> Vec<Detection> {
    with_worker(|worker| worker.detect(&jpeg(frame)).unwrap().detected.faces)
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
        assert_eq!((found[0].faces, found[0].covered.len()), (all, all - 1), "{handle}");
        for style in STYLES {
            let left = faces(&picture(&found[0], style, &PhotoDecoder::default()).unwrap());
            assert_eq!(left.len(), 1, "{handle}, {style:?}");
            assert!(left[0].bounds.iou(&bounds(&found[0])) > 0.7, "{handle}, {style:?}");
        }
    }
}

#[test]
fn covers_are_where_they_belong() {
    let w = World::new(&[TRIO]);
    let (subject, _) = w.enrol("sergei-krikalev", "sergei-krikalev");
    w.scan();
    let found = w.find(subject).remove(0);
    let plain = open(&photo(TRIO));
    let own = bounds(&found).centre();
    for style in STYLES {
        let covered = picture(&found, style, &PhotoDecoder::default()).unwrap();
        for at in &found.covered {
            let (x, y) = ((at.x + at.w / 2.0) as i64, (at.y + at.h / 2.0) as i64);
            assert_ne!(covered.pixel(x, y), plain.pixel(x, y), "{style:?}");
            assert_eq!(covered.pixel(x, y) == COVER_RGB, style == CoverStyle::Solid, "{style:?}");
        }
        let (x, y) = (own.x as i64, own.y as i64);
        assert_eq!(covered.pixel(x, y), plain.pixel(x, y), "{style:?}");
    }
}

#[test]
fn in_a_household_nobody_is_covered_but_who_objected() {
    let w = World::of(VaultKind::Household, &BystanderBasis::Household, &[TRIO]);
    let me = owner(&w.ledger, act(T0)).unwrap().id;
    let self_statement = Evidence::SelfStatement { statement: "It is me, and I want to be found".into() };
    w.try_enrol(me, &self_statement, &[("portrait", portrait("sergei-krikalev"))]).unwrap();
    w.scan();
    let found = w.find(me).remove(0);
    assert_eq!((found.faces, found.covered.len()), (3, 0));
    assert!(
        picture(&found, CoverStyle::Blur, &PhotoDecoder::default()).unwrap() == open(&photo(TRIO)),
        "their own album as it is"
    );
    let other = w
        .tx(|tx| {
            let photo = tx.known_photos(w.collection)?.remove(0).id;
            let (face, at) = tx.faces_of(photo)?.into_iter().find(|(id, _)| *id != found.face).unwrap();
            tx.object(photo, face)?;
            Ok(at)
        })
        .unwrap();
    let found = w.find(me).remove(0);
    assert_eq!(found.covered, [other]);
    assert_eq!(faces(&picture(&found, CoverStyle::Blur, &PhotoDecoder::default()).unwrap()).len(), 2);
}

#[test]
fn i12_a_picture_that_is_no_longer_the_scanned_one_is_refused() {
    let w = World::new(&[TRIO]);
    let (subject, _) = w.enrol("sergei-krikalev", "sergei-krikalev");
    w.scan();
    let found = w.find(subject).remove(0);
    let check = |name: &str, bytes: Option<&[u8]>, right: fn(&PictureError) -> bool| {
        match bytes {
            Some(bytes) => w.home.put(TRIO, bytes),
            None => fs::remove_file(w.home.photos.join(TRIO)).unwrap(),
        }
        let refused = picture(&found, CoverStyle::Blur, &PhotoDecoder::default()).unwrap_err();
        assert!(right(&refused), "{name}: {refused}");
    };
    check("another size", Some(&jpeg(&shrunk(&open(&photo(TRIO)), 300))), |e| {
        matches!(e, PictureError::Changed { .. })
    });
    check("another picture of this size", Some(&jpeg(&mirrored(&open(&photo(TRIO))))), |e| {
        matches!(e, PictureError::Changed { .. })
    });
    check("with another orientation", Some(&held(&photo(TRIO), 3)), |e| matches!(e, PictureError::Changed { .. }));
    check("with a rating", Some(&rated(&photo(TRIO))), |e| matches!(e, PictureError::Changed { .. }));
    check("damaged", Some(b"no picture"), |e| matches!(e, PictureError::Changed { .. }));
    w.home.put(TRIO, &photo(TRIO));
    assert!(picture(&found, CoverStyle::Blur, &PhotoDecoder::default()).is_ok(), "the scanned one, with another date");
    check("gone", None, |e| matches!(e, PictureError::Unreadable { .. }));
}

/// Side of a tile with a head in it, pixels, and how many tiles there are in a row.
const TILE_PX: u32 = 400;
const TILES: usize = 4;

/// What somebody may try on a copy before they look for faces in it.
type Attack = fn(&Frame) -> Frame;

/// A picture with its edges raised: twice the difference to a soft copy is added.
fn sharpened(frame: &Frame) -> Frame {
    let soft = resize(&resize(frame, (frame.width() / 3, frame.height() / 3)), (frame.width(), frame.height()));
    let mut sharp = frame.clone();
    for (value, soft) in sharp.rgb_mut().iter_mut().zip(soft.rgb()) {
        *value = value.saturating_add(value.saturating_sub(*soft).saturating_mul(2));
        *value = value.saturating_sub(soft.saturating_sub(*value).saturating_mul(2));
    }
    sharp
}

/// The surroundings of a head as a tile, after an attack.
fn tile(frame: &Frame, head: Rect, attack: Attack) -> Frame {
    let (centre, reach) = (head.centre(), head.width.max(head.height) * 1.25);
    let edge = |v: f32, most: u32| (v.max(0.0) as u32).min(most - 1);
    let (left, top) = (edge(centre.x - reach, frame.width()), edge(centre.y - reach, frame.height()));
    let (right, bottom) = (edge(centre.x + reach, frame.width()), edge(centre.y + reach, frame.height()));
    let cut = part(frame, [left, top, (right - left).max(1), (bottom - top).max(1)]);
    let scale = TILE_PX as f32 / cut.width().max(cut.height()) as f32;
    let sides = (cut.width() as f32 * scale, cut.height() as f32 * scale);
    let large = attack(&resize(&cut, (sides.0 as u32, sides.1 as u32)));
    let mut tile = Frame::filled(TILE_PX, TILE_PX, [0; 3]);
    paste(&mut tile, &large, (0, 0));
    tile
}

fn paste(onto: &mut Frame, tile: &Frame, (left, top): (u32, u32)) {
    let (width, row) = (onto.width(), tile.width() as usize * 3);
    for (y, pixels) in (top..).zip(tile.rgb().chunks_exact(row)) {
        let at = (y * width + left) as usize * 3;
        onto.rgb_mut()[at..at + row].copy_from_slice(pixels);
    }
}

/// Every picture of the sample pack that shows a face: its name, its pixels, its faces.
fn crew_pictures() -> Vec<(String, Frame, Vec<Detection>)> {
    let files = |folder: &str| {
        let mut paths: Vec<_> = fs::read_dir(crew().join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let name = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
    let mut worker = models().worker(SearchOptions::default()).unwrap();
    let mut pictures = Vec::new();
    for path in [files("photos"), files("portraits")].concat() {
        let bytes = fs::read(&path).unwrap();
        let faces = worker.detect(&bytes).unwrap().detected.faces;
        if !faces.is_empty() {
            pictures.push((name(&path), open(&bytes), faces));
        }
    }
    pictures
}

/// Whether a detection lies on a covered face.
fn on(new: &Rect, covered: &Rect) -> bool {
    let (x, y) = (new.centre().x - covered.x, new.centre().y - covered.y);
    let inside = (0.0..covered.width).contains(&x) && (0.0..covered.height).contains(&y);
    inside || new.iou(covered) > 0.1
}

/// Every face of the sample pack is covered, and looked for again with the usual search, which is for faces any way up:
/// in the whole copy after JPEG, and in what is around each cover, enlarged, sharpened, and compressed again. A face that
/// is no longer found is still cut out where it was and compared with everybody's portrait, as somebody may do who has
/// the uncovered photo's landmarks.
#[test]
fn no_covered_face_of_the_sample_pack_is_found_or_matched_again() {
    let mut worker = models().worker(SearchOptions::default()).unwrap();
    // By the laxest table that there is.
    let review = models().pack().calibration().unwrap().thresholds(DeclaredRates::default(), 78).review;
    let pictures = crew_pictures();
    let mut templates = Vec::new();
    for (_, frame, _) in pictures.iter().filter(|(_, _, faces)| faces.len() == 1) {
        let bytes = jpeg(frame);
        let photo = worker.detect(&bytes).unwrap();
        let cut = worker.crop_faces(&photo);
        templates.extend(worker.embed(cut).unwrap().into_iter().flatten());
    }
    let attacks: [(&str, Attack, u8); 4] = [
        ("enlarged", Frame::clone, 92),
        ("enlarged and compressed", Frame::clone, 50),
        ("enlarged and sharpened", sharpened, 92),
        ("enlarged, sharpened and compressed", sharpened, 60),
    ];
    let mut tiles = vec![Vec::new(); attacks.len()];
    let (mut seen, mut bad) = (0, Vec::new());
    for (name, plain, faces) in &pictures {
        seen += faces.len();
        let mut covered = plain.clone();
        for face in faces {
            cover(&mut covered, face.bounds, face.turn, CoverStyle::Blur);
        }
        let copy = encode::jpeg(&covered, 92).unwrap();
        let mut photo = worker.detect(&copy).unwrap();
        let again = photo.detected.faces.iter().filter(|new| faces.iter().any(|old| on(&new.bounds, &old.bounds)));
        bad.extend(again.map(|f| format!("{name}: found at {:?}, {}", f.bounds, f.score)));
        photo.detected.faces.clone_from(faces);
        let cut = worker.crop_faces(&photo);
        for probe in worker.embed(cut).unwrap().into_iter().flatten() {
            let score = |t: &[f32]| probe.values().iter().zip(t).map(|(a, b)| a * b).sum::<f32>();
            let best = templates.iter().map(|t| score(t.values())).fold(f32::MIN, f32::max);
            if best >= review {
                bad.push(format!("{name}: matched, {best}"));
            }
        }
        for (tiles, (_, attack, _)) in tiles.iter_mut().zip(attacks) {
            tiles.extend(faces.iter().map(|face| (name, tile(&covered, face.bounds, attack))));
        }
    }
    assert!(seen >= 120 && templates.len() >= 70, "{seen} faces, {} portraits", templates.len());
    for ((attack, _, quality), tiles) in attacks.iter().zip(&tiles) {
        for some in tiles.chunks(TILES * TILES) {
            let mut board = Frame::filled(TILE_PX * TILES as u32, TILE_PX * TILES as u32, [0; 3]);
            for (i, (_, tile)) in some.iter().enumerate() {
                paste(&mut board, tile, ((i % TILES) as u32 * TILE_PX, (i / TILES) as u32 * TILE_PX));
            }
            let found = worker.detect(&encode::jpeg(&board, *quality).unwrap()).unwrap().detected.faces;
            for face in found {
                let (column, row) = (
                    face.bounds.centre().x as usize / TILE_PX as usize,
                    face.bounds.centre().y as usize / TILE_PX as usize,
                );
                let name = some.get(row * TILES + column).map_or("?", |(name, _)| name.as_str());
                bad.push(format!("{name}: found {attack}, {}", face.score));
            }
        }
    }
    assert!(bad.is_empty(), "{} of {seen} faces: {bad:#?}", bad.len());
}
