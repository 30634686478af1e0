//! What is handed out, and what is said where there is nothing. No models are needed: what a scan would store, the tests do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use assent::encode;
use assent::ledger::{Band, FaceBox, NewPhoto, NewSighting, Outcome, Purpose};
use assent::packs::sha256;

use super::consent::{agree, club, open};
use super::rights::ClubFixture;
use super::{assent, command, stderr, stdout};

const MODEL: [u8; 32] = [7; 32];

/// A picture with two faces where [`scanned`] says, as a JPEG.
fn jpeg() -> Vec<u8> {
    let rgb = (0..120 * 80 * 3).map(|i| (i % 251) as u8).collect();
    encode::jpeg(&assent::Frame::new(120, 80, rgb).unwrap(), 90).unwrap()
}

fn face(x: f32) -> FaceBox {
    FaceBox {
        x,
        y: 10.0,
        w: 20.0,
        h: 24.0,
        quarter_turn: 0,
        score: 0.9,
        size_px: 12.0,
        sharpness: 1.0,
        luminance: 100.0,
    }
}

/// Stores what a scan would: two faces in each photo, the first of them the member in this band, or nobody.
pub(super) fn scanned(club: &ClubFixture, photos: &[(&str, Option<Band>)]) {
    let member = |band: &Option<Band>| band.iter().map(|band| (0, "m-1", *band)).collect::<Vec<_>>();
    let photos: Vec<_> = photos.iter().map(|(path, band)| (*path, member(band))).collect();
    let photos: Vec<_> = photos.iter().map(|(path, who)| (*path, who.as_slice())).collect();
    scanned_for(club, &["m-1"], &photos);
}

/// A person as a scan sees them: which of a photo's two faces they are, their handle, and how sure the engine is.
pub(super) type Seen<'a> = (usize, &'a str, Band);

/// What is kept as somebody's portrait.
pub(super) fn portrait_of(handle: &str) -> Vec<u8> {
    format!("the face of {handle}").into_bytes()
}

/// Enrols these people, who agreed, and stores what a scan would: two faces in each photo, and whose they are.
pub(super) fn scanned_for(club: &ClubFixture, people: &[&str], photos: &[(&str, &[Seen<'_>])]) {
    let (ledger, now) = open(club);
    let stored = ledger.run_tx("scan", now, |tx| {
        let trip = tx.collections()?.into_iter().find(|c| c.name == "trip").unwrap();
        let mut proofs = BTreeMap::new();
        for handle in people {
            let subject = tx.find_subject(handle)?.id;
            let proof = tx.active_grant_for(subject, trip.id, &Purpose::find_my_photos())?.unwrap();
            if tx.reach(&proof)?.templates == 0 {
                tx.enrol(&proof, MODEL, &[b"an embedding"])?;
                tx.keep_portrait(&proof, &portrait_of(handle))?;
            }
            proofs.insert(*handle, proof);
        }
        let epoch = tx.collection(trip.id)?.template_epoch;
        let matching = tx.matching(trip.id)?;
        for (path, who) in photos {
            let file = Path::new(&trip.directory).join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            // No two files have the same content.
            let bytes = [jpeg().as_slice(), path.as_bytes()].concat();
            fs::write(&file, &bytes).unwrap();
            let outcome = Outcome::Faces(vec![face(10.0), face(70.0)]);
            let photo = tx.put_photo(&NewPhoto {
                collection: trip.id,
                path: &(*path).into(),
                bytes: bytes.len() as u64,
                mtime: now,
                changed: None,
                picture: None,
                sha256: sha256(&bytes),
                width: 120,
                height: 80,
                outcome: &outcome,
                scanned_with: MODEL,
                matched_epoch: Some(epoch),
            })?;
            let seen = who.iter().map(|(face, handle, band)| NewSighting {
                grant: &proofs[handle],
                face: photo.faces[*face],
                band: *band,
            });
            tx.replace_sightings(&matching, photo.id, &seen.collect::<Vec<_>>())?;
        }
        Ok(())
    });
    stored.unwrap();
}

pub(super) fn member() -> ClubFixture {
    let club = club();
    agree(&club, 365 * 86_400_000);
    club
}

pub(super) fn found(photos: &[&str]) -> ClubFixture {
    let club = member();
    scanned(&club, &photos.iter().map(|path| (*path, Some(Band::Match))).collect::<Vec<_>>());
    club
}

/// The files below a folder, sorted, without the folder.
pub(super) fn below(folder: &str) -> Vec<String> {
    let (mut files, mut folders) = (Vec::new(), vec![Path::new(folder).to_owned()]);
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

#[test]
fn i4_a_proposal_is_in_no_copy_and_on_no_page_for_the_person() {
    let club = member();
    scanned(&club, &[("sure.jpg", Some(Band::Match)), ("maybe.jpg", Some(Band::Review))]);
    let (out, page) = (club.file("out"), club.file("page.html"));
    let hand_out = ["find", "m-1", "--copy-to", &out, "--sheet", &page];
    let said = club.says(&hand_out);
    assert!(said.contains("1 photo waits to be confirmed and not handed out: assent review m-1"), "{said}");
    assert!(!said.contains("maybe.jpg"), "{said}");
    let page_text = club.text("page.html");
    assert_eq!(below(&out), ["trip/sure.jpg"]);
    assert!(page_text.contains("sure.jpg") && !page_text.contains("maybe.jpg") && !page_text.contains("confirmed"));
    let listed = club.says(&["find", "m-1"]);
    let maybe = listed.lines().find(|line| line.contains("maybe.jpg")).unwrap();
    assert!(maybe.ends_with("\t(to be confirmed: assent review)"), "{listed}");

    let review = club.file("review.html");
    let number = club.run(&["review", "m-1", "--sheet", &review])["proposals"][0]["number"].to_string();
    let review = fs::read_to_string(review).unwrap();
    assert!(review.contains("maybe.jpg") && !review.contains("sure.jpg"), "who decides sees what is to be decided");
    club.run(&["review", "m-1", "--confirm", &number]);
    club.run(&hand_out);
    assert_eq!(below(&out), ["trip/maybe.jpg", "trip/sure.jpg"]);
    assert!(club.text("page.html").contains("maybe.jpg"));

    let nobody = member();
    scanned(&nobody, &[("maybe.jpg", Some(Band::Review))]);
    let said = nobody.says(&["find", "m-1", "--copy-to", &nobody.file("out"), "--sheet", &nobody.file("page.html")]);
    assert!(said.contains("No copies were made") && said.contains("No page was written"), "{said}");
    assert!(!Path::new(&nobody.file("out")).exists() && !Path::new(&nobody.file("page.html")).exists());
}

#[test]
fn each_found_photo_has_a_copy_under_its_whole_name() {
    let names = ["IMG_1.jpg", "IMG_1.jpeg", "IMG_1.png", "IMG_1.webp", "img_1.JPG", "IMG.CR2", "IMG.JPG", "a/IMG.JPG"];
    let club = found(&names);
    let out = club.file("out");
    let answer = club.run(&["find", "m-1", "--copy-to", &out]);
    assert_eq!(answer["copied"], names.len());
    let copies = below(&out);
    assert_eq!(copies.len(), names.len(), "{copies:?}");
    let folded: BTreeSet<String> = copies.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(folded.len(), names.len(), "also where case does not count: {copies:?}");
    for name in ["trip/IMG_1.jpg", "trip/IMG_1.jpeg", "trip/IMG_1.png.jpg", "trip/IMG.CR2.jpg", "trip/a/IMG.JPG"] {
        assert!(copies.iter().any(|copy| copy == name), "{name}: {copies:?}");
    }
}

#[cfg(unix)]
#[test]
fn nothing_is_handed_out_among_the_photos() {
    let club = found(&["a.jpg"]);
    std::os::unix::fs::symlink(club.file("photos"), club.file("link")).unwrap();
    let check = |flaw: &str, option: &str, place: &str, says: &str| {
        let told = club.refused(&["find", "m-1", option, &club.file(place)]);
        assert!(told.contains(says), "{flaw}: {told}");
    };
    check("the folder itself", "--copy-to", "photos", "lies in the folder of the collection trip");
    check("a folder in it", "--copy-to", "photos/out", "lies in the folder of the collection trip");
    check("by a link", "--copy-to", "link/out", "lies in the folder of the collection trip");
    check("by dots", "--copy-to", "new/../photos/out", "lies in the folder of the collection trip");
    check("the folder around it", "--copy-to", ".", "the collection trip lies in");
    check("a page", "--sheet", "photos/page.html", "lies in the folder of the collection trip");
    check("a page by a link", "--sheet", "link/page.html", "lies in the folder of the collection trip");
    let relative = command(club.home(), ["--vault", &club.vault(), "find", "m-1", "--copy-to", "out"])
        .current_dir(club.file("photos"))
        .output()
        .unwrap();
    assert!(stderr(&relative).contains("lies in the folder of the collection trip"), "{}", stderr(&relative));
    assert_eq!(below(&club.file("photos")), ["a.jpg"]);
    assert!(!Path::new(&club.file("new")).exists(), "nothing was made on the way");
    assert_eq!(club.logged("export"), 0, "it is refused before anything is looked for");
}

#[test]
fn a_photo_that_is_gone_or_damaged_is_named_and_the_others_are_handed_out() {
    let names = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"];
    let club = found(&names);
    let photo = |name: &str| club.file(&format!("photos/{name}"));
    let whole = names.map(|name| fs::read(photo(name)).unwrap());
    fs::remove_file(photo("b.jpg")).unwrap();
    fs::write(photo("c.jpg"), "no picture").unwrap();
    let (out, page) = (club.file("out"), club.file("page.html"));
    let hand_out = ["--vault", &club.vault(), "find", "m-1", "--copy-to", &out, "--sheet", &page];
    for run in ["first", "second"] {
        let output = assent(club.home(), &hand_out);
        let (said, told) = (stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{run}: {said}");
        for name in ["b.jpg", "c.jpg"] {
            assert!(said.lines().any(|line| line.starts_with("left out: ") && line.contains(name)), "{name}: {said}");
        }
        assert!(told.starts_with("assent: 2 photos could not be used, see above; the others are done."), "{told}");
        assert_eq!(below(&out), ["trip/a.jpg", "trip/d.jpg"], "{run}");
        let page = club.text("page.html");
        assert!(page.contains("a.jpg") && !page.contains("b.jpg"), "{run}");
    }
    for (name, bytes) in names.iter().zip(&whole) {
        fs::write(photo(name), bytes).unwrap();
    }
    club.run(&["find", "m-1", "--copy-to", &out, "--sheet", &page]);
    assert_eq!(below(&out), names.map(|name| format!("trip/{name}")));
}

#[test]
fn a_run_that_was_cut_short_is_run_again_and_nothing_else_is_overwritten() {
    let club = found(&["a.jpg", "b.jpg", "sub/c.jpg"]);
    let (out, page) = (club.file("out"), club.file("page.html"));
    let hand_out = ["find", "m-1", "--copy-to", &out];
    club.run(&hand_out);
    let whole = fs::read(club.file("out/trip/a.jpg")).unwrap();
    // What a killed run leaves: some copies, and one that it had begun.
    fs::remove_file(club.file("out/trip/b.jpg")).unwrap();
    fs::write(club.file("out/trip/b.jpg.assent-part"), "half").unwrap();
    fs::write(club.file("out/.DS_Store"), "what a system leaves").unwrap();
    club.run(&hand_out);
    assert_eq!(below(&out), [".DS_Store", "trip/a.jpg", "trip/b.jpg", "trip/sub/c.jpg"]);
    assert_eq!(fs::read(club.file("out/trip/a.jpg")).unwrap(), whole);

    fs::write(club.file("out/trip/b.jpg"), "mine").unwrap();
    let told = club.refused(&hand_out);
    assert!(told.contains("is not empty: ") && told.contains("b.jpg is not a copy made for this person"), "{told}");
    assert_eq!(club.text("out/trip/b.jpg"), "mine");
    fs::remove_file(club.file("out/trip/b.jpg")).unwrap();
    club.run(&["subject", "add", "m-2", "--name", "Max"]);
    let told = club.refused(&["find", "m-2", "--copy-to", &out]);
    assert!(told.contains("is not a copy made for this person"), "copies for two people do not mix: {told}");

    club.run(&["find", "m-1", "--sheet", &page]);
    club.run(&["find", "m-1", "--sheet", &page]);
    let told = club.refused(&["review", "m-1", "--sheet", &page]);
    assert!(told.contains("is there already"), "a page for the person is none for those who decide: {told}");
    fs::write(&page, "<html>mine</html>").unwrap();
    let told = club.refused(&["find", "m-1", "--sheet", &page]);
    assert!(told.contains("is there already, and was not made for this person"), "{told}");
    assert_eq!(club.text("page.html"), "<html>mine</html>");
    assert!(club.refused(&["find", "m-1", "--sheet", &club.file("page.pdf")]).contains(".html"));
}

#[cfg(unix)]
#[test]
fn copies_and_pages_may_be_read_by_whom_the_umask_lets() {
    use std::os::unix::fs::PermissionsExt as _;
    let club = found(&["a.jpg"]);
    fs::write(club.file("plain"), "").unwrap();
    club.run(&["find", "m-1", "--copy-to", &club.file("out"), "--sheet", &club.file("page.html")]);
    let mode = |name: &str| fs::metadata(club.file(name)).unwrap().permissions().mode();
    assert_eq!([mode("out/trip/a.jpg"), mode("page.html")], [mode("plain"); 2]);
}

#[cfg(unix)]
#[test]
fn escape_sequences_in_the_names_of_photos_do_nothing() {
    let club = found(&["esc\u{1b}[31mRED\u{1b}]0;title\u{7}.jpg", "new\nline.jpg", "\u{202e}gpj.jpg"]);
    let said = club.says(&["find", "m-1", "--copy-to", &club.file("out")]);
    let acts = |text: &str| text.contains(|c: char| (c.is_control() && !"\n\t".contains(c)) || c == '\u{202e}');
    assert!(!acts(&said), "{said:?}");
    assert!(said.lines().any(|line| line.contains("new\\nline.jpg\t")), "one photo is one line: {said}");
    for name in below(&club.file("out")) {
        assert!(!acts(&name) && !name.contains('\n'), "{name:?}");
    }
    fs::remove_file(club.file("photos/new\nline.jpg")).unwrap();
    let output = assent(club.home(), &["--vault", &club.vault(), "find", "m-1", "--copy-to", &club.file("second")]);
    assert!(stdout(&output).lines().any(|line| line.starts_with("left out: ") && line.contains("new\\nline.jpg")));
}
