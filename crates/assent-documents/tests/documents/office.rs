//! What an organisation keeps and hands to an authority: drafts, register, evidence.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use assent::ledger::{
    Album, Basis, Dpia, EntryName, EventKind, EvidenceError, Jurisdiction, Order, OrderId, Purpose, Request, RequestId,
    RequestKind, RequestOutcome, RuleError, SubjectId, TxError, VaultId,
};
use assent::rulepacks::{Described, described, rulebook};
use assent::service::evidence::{Processing, Records, Register};
use assent::service::log::Occurrences;
use assent_documents::drafts::Drafts;
use assent_documents::evidence::{self, Files};
use assent_documents::json::pretty;
use assent_documents::register::{About, register};
use zip::ZipArchive;

use super::club::{Club, T0, day};
use super::pages::{NAMES, assert_no_markup, said};

fn drafts(club: &Club) -> BTreeMap<&'static str, String> {
    let book = rulebook().unwrap();
    let how_to_note = ["note the place".to_owned(), "    and the day".to_owned()];
    let drafts = Drafts {
        kind: club.kind,
        settings: &club.settings,
        rules: &book.rules(&[&club.settings.seat()]),
        today: day(3),
        how_to_note: &how_to_note,
    };
    drafts.files().unwrap().into_iter().collect()
}

#[test]
fn an_organisation_gets_three_drafts_with_its_name() {
    let mut club = Club::new();
    club.settings.dpo = "Dora".into();
    let drafts = drafts(&club);
    assert_eq!(drafts.keys().copied().collect::<Vec<_>>(), ["dpia.md", "notice.txt", "release.html"]);
    insta::assert_snapshot!("draft_of_an_impact_assessment", drafts["dpia.md"]);
    insta::assert_snapshot!("draft_of_a_notice", drafts["notice.txt"]);
    insta::assert_snapshot!("draft_of_a_form", said(&drafts["release.html"]));
}

#[test]
fn a_household_gets_the_form_alone() {
    let drafts = drafts(&Club::household());
    assert_eq!(drafts.keys().copied().collect::<Vec<_>>(), ["release.html"]);
    insta::assert_snapshot!("draft_of_a_form_at_home", said(&drafts["release.html"]));
}

#[test]
fn the_name_of_an_organisation_is_text_on_its_form_and_itself_in_its_texts() {
    for (flaw, name) in NAMES {
        let drafts = drafts(&Club::called(name));
        assert_no_markup(flaw, &drafts["release.html"]);
        for text in ["dpia.md", "notice.txt"] {
            assert!(drafts[text].contains(name), "{flaw}: {text}");
        }
    }
}

fn processing(club: &Club) -> Register {
    let mut collection = club.collection.clone();
    let dpia = Dpia { reference: "shelf 3".into(), made: T0, review: day(365) };
    collection.basis = Basis { dpia: Some(dpia), purpose_ends: Some(day(90)), ..Basis::default() };
    let missing = vec![TxError::Rule(RuleError::AgeUnknown)];
    let purposes = BTreeMap::from([(Purpose::find_my_photos(), 2)]);
    let france: Jurisdiction = "FR".parse().unwrap();
    Register {
        people: BTreeMap::from([(france, 2)]),
        processing: vec![Processing { collection, purposes, erased_by: Some(day(30)), missing }],
    }
}

fn about<'a>(club: &'a Club, laws: &'a [Described]) -> About<'a> {
    About { settings: &club.settings, vault: VaultId::from_bytes([0xab; 16]), made: day(3), laws }
}

#[test]
fn the_register_says_what_article_30_asks_for_and_names_nobody_on_the_list() {
    let (club, laws) = (Club::new(), described().unwrap());
    let text = pretty(&register(&about(&club, &laws[..1]), &processing(&club))).unwrap();
    assert!(!text.contains(&club.subject.name));
    insta::assert_snapshot!("register", text);
}

/// What was asked, ordered and done in a club, under these names of files beside it.
fn files(club: &Club, beside: &[&str]) -> Result<Files, EvidenceError> {
    let id = club.collection.id;
    let request = Request {
        id: RequestId::from_bytes([9; 16]),
        kind: RequestKind::Access,
        subject: Some(club.subject.id),
        collection: Some(id),
        words: Some("this is mine alone".into()),
        album: Album::default(),
        received: day(-40),
        due: day(-10),
        first_due: day(-10),
        paused: None,
        answered: None,
    };
    let answered = Some((day(-20), RequestOutcome::Refused));
    let order = Order {
        id: OrderId::from_bytes([4; 16]),
        collection: Some(id),
        jurisdiction: None,
        reason: "a court says so".into(),
        from: T0,
        until: None,
        lifted: Some(day(1)),
    };
    let records = Records {
        register: processing(club),
        notices: club.notice.clone().into_iter().collect(),
        requests: vec![request.clone(), Request { answered, ..request }],
        orders: vec![order],
        collections: vec![club.collection.clone()],
        events: BTreeMap::from([(EventKind::Search, Occurrences { times: 3, last: day(2) })]),
        certificates: vec![(SubjectId::from_bytes([5; 16]), "erased".into())],
    };
    let beside = beside.iter().map(|name| ((*name).to_owned(), name.as_bytes().to_vec())).collect();
    evidence::files(&about(club, &[]), records, beside)
}

#[test]
fn the_evidence_says_when_something_was_asked_and_not_by_whom() {
    let files = files(&Club::new(), &["log/checkpoint", "with/dpia.pdf"]).unwrap();
    let names: Vec<&str> = files.keys().map(EntryName::as_str).collect();
    insta::assert_snapshot!("files_of_the_evidence", names.join("\n"));
    for name in ["requests.json", "orders.json", "events.json"] {
        let (_, bytes) = files.iter().find(|(entry, _)| entry.as_str() == name).unwrap();
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(!text.contains("mine alone") && !text.contains("Mia"), "{text}");
        insta::assert_snapshot!(name, text);
    }
    let mut zip = ZipArchive::new(Cursor::new(evidence::file("the list\n", &files).unwrap())).unwrap();
    assert_eq!(zip.len(), files.len() + 1);
    let mut list = String::new();
    zip.by_index(0).unwrap().read_to_string(&mut list).unwrap();
    assert_eq!((zip.name_for_index(0).unwrap().unwrap().as_ref(), list.as_str()), ("list.txt", "the list\n"));
}

#[test]
fn a_file_of_the_evidence_that_leaves_its_place_is_refused() {
    for name in ["../list.txt", "/etc/passwd", "with/a\nb"] {
        let refused = files(&Club::new(), &[name]);
        assert!(matches!(&refused, Err(EvidenceError::Name { name: of, .. }) if of == name), "{name}: {refused:?}");
    }
}

#[test]
fn a_collection_of_any_name_is_itself_in_the_register() {
    for (flaw, name) in NAMES {
        let club = Club::called(name);
        let object = serde_json::to_value(register(&about(&club, &[]), &processing(&club))).unwrap();
        assert_eq!(
            (&object["controller"], &object["processing"][0]["collection"]),
            (&(*name).into(), &(*name).into()),
            "{flaw}"
        );
    }
}
