//! The pages: contact sheet, review page, receipt, and the frame that all of them have.

use assent::export::{Audience, Mark};
use assent::ledger::{FaceBox, PhotoPath, PhotoTime, PhotoTimeSource, SubjectId, VaultKind};
use assent::{CoverStyle, Frame};
use assent_documents::picture::PagePhoto;
use assent_documents::receipt::Receipt;
use assent_documents::review::{self, HowToDecide, KnownFace, Person, Proposal};
use assent_documents::sheet::{self, Sheet, made_by};

use super::club::{Club, T0, day};

/// Names that a page has to bear.
pub(crate) const NAMES: &[(&str, &str)] = &[
    ("markup", "<b onclick=\"alert(1)\">Mia & 'Co'</b><script>alert(2)</script>"),
    ("right to left", "נועה לוי"),
    ("text turned round", "\u{202e}aiM"),
    ("one very long word", LONG),
];

const LONG: &str =
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaftsmitgliederversammlungssaal";

/// A page without its style sheet, and its pictures as words: what is left is what it says.
pub(crate) fn said(page: &str) -> String {
    let (before, rest) = page.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    let mut parts = after.split("base64,");
    let mut said = format!("{before}<style></style>{}", parts.next().unwrap());
    for part in parts {
        said.push_str("base64,PICTURE");
        said.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+/=".contains(c)));
    }
    said
}

/// Nothing of a name is markup: every `<` begins an element of the page's own, and no attribute of another's.
pub(crate) fn assert_no_markup(flaw: &str, page: &str) {
    for bad in ["<b ", "<script", "</script", "onclick=\""] {
        assert!(!page.contains(bad), "{flaw}: {bad}: {}", said(page));
    }
}

fn mark(audience: Audience) -> Mark {
    Mark::new(SubjectId::from_bytes([1; 16]), audience)
}

fn face(x: f32, y: f32) -> FaceBox {
    FaceBox { x, y, w: 12.0, h: 16.0, quarter_turn: 0, score: 0.9, size_px: 12.0, sharpness: 1.0, luminance: 0.5 }
}

fn photo<'a>(path: &'a PhotoPath, collection: &'a str, (faces, covered): (usize, usize)) -> PagePhoto<'a> {
    let taken = PhotoTime { at: T0, offset_min: Some(60), from: PhotoTimeSource::Exif };
    PagePhoto { collection, path, at: face(30.0, 10.0), faces, covered, taken }
}

fn picture() -> Frame {
    Frame::filled(96, 64, [90, 120, 150])
}

fn sheet(club: &Club, photos: &[(&str, (usize, usize))], style: CoverStyle) -> String {
    let title = format!("Photos of {}", club.subject.name);
    let made = made_by(club.kind, &club.settings, day(3));
    let mut sheet = Sheet::default();
    for (i, (path, faces)) in photos.iter().enumerate() {
        let path = PhotoPath::from(*path);
        let copy = (i == 0).then(|| format!("copies/{path}"));
        let mut photo = photo(&path, &club.collection.name, *faces);
        photo.taken.at = day(-(i as i64) * 200);
        sheet.add(&photo, &picture(), copy.as_deref()).unwrap();
    }
    assert_eq!(sheet.is_empty(), photos.is_empty());
    sheet.page(&sheet::About { mark: mark(Audience::Subject), title: &title, made: &made, style }).unwrap()
}

const PHOTOS: &[(&str, (usize, usize))] = &[("day 1/start.jpg", (3, 2)), ("alone.jpg", (1, 0)), ("two.jpg", (2, 1))];

#[test]
fn a_sheet_shows_photos_by_year_and_says_who_is_covered() {
    insta::assert_snapshot!("sheet", said(&sheet(&Club::new(), PHOTOS, CoverStyle::Blur)));
}

#[test]
fn a_sheet_without_photos_says_so() {
    let page = sheet(&Club::household(), &[], CoverStyle::Solid);
    assert!(page.contains("<p>0 photos.</p>") && !page.contains("<ul>"), "{}", said(&page));
    assert!(page.contains("Made on 18 January 2027 with Assent, on the computer that the photos are on."));
}

#[test]
fn a_sheet_says_how_others_are_covered() {
    let check = |style, faces, says: &str| {
        let page = sheet(&Club::new(), &[("a.jpg", faces)], style);
        assert!(page.contains(&format!("<p>1 photo.{says}</p>")), "{says}: {}", said(&page));
    };
    check(CoverStyle::Blur, (2, 1), " The face of 1 other person is blurred.");
    check(CoverStyle::Solid, (3, 2), " The faces of other people are covered.");
    check(CoverStyle::Solid, (3, 0), "");
}

/// The page of one person's proposals, or of several people's.
fn review(clubs: &[Club], proposals: usize, known: Option<&dyn Fn() -> KnownFace>) -> Option<String> {
    let path = PhotoPath::from("day 1/<start>.jpg");
    let photo = photo(&path, "Regatta", (3, 2));
    let people: Vec<Person<'_>> = clubs
        .iter()
        .map(|club| {
            let how = |n: usize| HowToDecide { yes: format!("yes <{n}>"), no: format!("no <{n}>") };
            let one = |n: usize| Proposal::new(n as i64, &photo, &picture(), how(n)).unwrap();
            let (name, reference) = (club.subject.name.as_str(), club.subject.handle.as_str());
            Person { name, reference, known: known.map(|known| known()), proposals: (1..=proposals).map(one).collect() }
        })
        .collect();
    let made = made_by(VaultKind::Organisation, &Club::new().settings, day(3));
    let several = (proposals > 1).then_some("yes to 1, no to 2");
    review::page(&review::About { mark: mark(Audience::Reviewers), made: &made, several }, &people).unwrap()
}

#[test]
fn a_review_page_shows_each_face_beside_one_that_is_known() {
    let portrait = || KnownFace::portrait(b"png");
    insta::assert_snapshot!("review", said(&review(&[Club::new()], 2, Some(&portrait)).unwrap()));
    let everybody = review(&[Club::new(), Club::called("Ben")], 1, None).unwrap();
    insta::assert_snapshot!("review_of_everybody", said(&everybody));
    assert_eq!(review(&[], 1, None), None, "nobody, no page");
}

#[test]
fn a_known_face_says_who_knows_it() {
    let path = PhotoPath::from("a.jpg");
    for (confirmed, says) in [(true, "From a photo that a person confirmed"), (false, "that the program is sure of")] {
        let known = || KnownFace::found(&photo(&path, "Regatta", (1, 0)), &picture(), confirmed).unwrap();
        let page = review(&[Club::new()], 1, Some(&known)).unwrap();
        assert!(page.contains(says), "{says}: {}", said(&page));
    }
}

fn receipt(club: &Club) -> String {
    let receipt = Receipt {
        settings: &club.settings,
        name: &club.subject.name,
        grant: &Club::grant(),
        collection: &club.collection.name,
        notice: "members version 2",
        signed: "assent receipt\n<signed>",
        key: "log+0123abcd+KEY",
    };
    receipt.page().unwrap()
}

#[test]
fn a_receipt_says_what_somebody_agreed_to_and_how_to_take_it_back() {
    insta::assert_snapshot!("receipt", said(&receipt(&Club::new())));
    let household = receipt(&Club::household());
    assert!(household.contains("at any time, in any form. From that moment"), "{}", said(&household));
}

#[test]
fn a_name_is_text_on_every_page() {
    for (flaw, name) in NAMES {
        let club = Club::called(name);
        let pages = [
            sheet(&club, &[(name, (2, 1))], CoverStyle::Blur),
            review(&[Club::called(name), Club::called(name)], 1, None).unwrap(),
            receipt(&club),
        ];
        for page in pages {
            assert_no_markup(flaw, &page);
            let text = name.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;");
            let text = text.replace('"', "&#34;").replace('\'', "&#39;");
            assert!(page.contains(&text), "{flaw}: {}", said(&page));
        }
    }
}

#[test]
fn a_name_turns_no_text_round_but_its_own() {
    for (flaw, name) in NAMES.iter().filter(|(flaw, _)| flaw.contains("right") || flaw.contains("round")) {
        let club = Club::called(name);
        let review = review(&[Club::called(name), Club::called(name)], 1, None).unwrap();
        for page in [sheet(&club, &[(name, (2, 1))], CoverStyle::Blur), review, receipt(&club)] {
            let body =
                page.split_once("<main>").unwrap().1.split_once("<footer>").map_or(page.as_str(), |(main, _)| main);
            // In an element of its own, or at the end of a heading.
            let own = body.replace(&format!(">{name}<"), "").replace(&format!("Photos of {name}</h1>"), "");
            let own = own.replace(&format!("{name} (m-1)</h2>"), "");
            assert!(!own.contains(name), "{flaw}: {}", said(&page));
        }
    }
}

#[test]
fn every_page_has_a_dark_scheme_and_prints_black_on_white() {
    let page = sheet(&Club::new(), PHOTOS, CoverStyle::Blur);
    let (dark, print) = (page.find("(prefers-color-scheme: dark)").unwrap(), page.find("@media print").unwrap());
    assert!(dark < print, "what is printed comes after the dark scheme, and counts");
    assert!(page[print..].contains("--ink: #000") && page[print..].contains("--paper: #fff"));
    assert!(page.contains("calc(50% - .5rem)"), "two photos in a row on paper");
    for (name, own) in [
        ("access", include_str!("../../templates/access.html")),
        ("receipt", include_str!("../../templates/receipt.html")),
        ("release", include_str!("../../templates/release.html")),
        ("review", include_str!("../../templates/review.html")),
        ("sheet", include_str!("../../templates/sheet.html")),
    ] {
        assert!(own.starts_with("{% extends \"page.html\" %}"), "{name}");
        let style = &own[own.find("{% block style %}").unwrap()..own.find("{% block main %}").unwrap()];
        let colours = style
            .split([':', ' ', ';', ')'])
            .filter(|word| word.starts_with('#') && *word != "#fff" && *word != "#0009");
        assert_eq!(colours.collect::<Vec<_>>(), Vec::<&str>::new(), "{name} has colours of its own");
    }
}
