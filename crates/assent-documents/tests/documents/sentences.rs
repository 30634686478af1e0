//! Answers in sentences.

use assent::find::NoResultReason;
use assent::ledger::{
    Alarm, Album, Basis, CollectionId, Deadline, Dpia, Due, OrderId, Purpose, Request, RequestId, RequestKind,
    RequiredDocument, RuleError, SubjectId, TxError,
};
use assent::service::status::Deadlines;
use assent_documents::deadlines::{self, People};
use assent_documents::json::status::DeadlineList;
use assent_documents::no_result::reason;
use assent_documents::prerequisite::{basis, what_is_missing};

use super::club::{Club, day};

#[test]
fn each_reason_for_finding_nothing_has_a_sentence_for_people() {
    let (on, from, photos) = (day(0), day(0), 2);
    let all = [
        NoResultReason::Withdrew { on },
        NoResultReason::Expired { on },
        NoResultReason::Waiting,
        NoResultReason::NotYet { from },
        NoResultReason::Refused { on },
        NoResultReason::OtherCollections { agreed: vec!["trip".into(), "two\nlines".into()] },
        NoResultReason::NeverAgreed,
        NoResultReason::Restricted,
        NoResultReason::NoBasis,
        NoResultReason::OnRequest,
        NoResultReason::Asked { on },
        NoResultReason::MissingDocuments { missing: vec![RequiredDocument::Dpia] },
        NoResultReason::MissingDocuments { missing: vec![RequiredDocument::Dpia, RequiredDocument::Necessity] },
        NoResultReason::NoTemplate,
        NoResultReason::NotScanned,
        NoResultReason::PhotosNotScanned { photos: 1 },
        NoResultReason::PhotosNotScanned { photos },
        NoResultReason::NotCompared { photos },
        NoResultReason::ToConfirm { photos: 1 },
        NoResultReason::ToConfirm { photos },
        NoResultReason::SetApart { photos, faces: 1 },
        NoResultReason::NotThere { photos: 1, unread: 0 },
        NoResultReason::NotThere { photos, unread: 1 },
    ];
    let lines: Vec<String> = all.iter().map(|why| format!("{}: {}", why.code(), reason(why))).collect();
    insta::assert_snapshot!("why_nothing_was_found", lines.join("\n"));
}

#[test]
fn what_was_stated_of_a_collection_is_a_line_each() {
    assert_eq!(basis(&Basis::default()), [""; 0]);
    let stated = Basis {
        jurisdiction: Some("FR".parse().unwrap()),
        purpose_ends: Some(day(90)),
        dpia: Some(Dpia { reference: "shelf 3".into(), made: day(0), review: day(365) }),
        necessity: Some("too many photos\nto look at".into()),
        alternative: Some("Wim looks".into()),
        notice_public: Some(day(-3)),
    };
    insta::assert_snapshot!("what_was_stated_of_a_collection", basis(&stated).join("\n"));
}

#[test]
fn what_keeps_faces_from_being_compared_is_named() {
    let (collection, document) = (CollectionId::from_bytes([2; 16]), RequiredDocument::Dpia);
    let check = |lock: TxError, says: &str| assert_eq!(what_is_missing(&lock, "two\nlines"), says);
    let missing = RuleError::Missing { document, collection, pack: "EU 1".into() };
    check(missing.into(), "the data protection impact assessment is missing (EU 1 asks for it)");
    let overdue = RuleError::ReviewOverdue { document, collection, since: "2026-01-01".into() };
    check(overdue.into(), "the review of the data protection impact assessment is overdue since 2026-01-01");
    check(TxError::OnRequest { collection }, "two\\nlines is searched only when someone asks");
    check(RuleError::AgeUnknown.into(), "nobody has said how old this person is");
}

/// Somebody who asks, if the roster has them.
fn asked_by(subject: Option<SubjectId>) -> Request {
    Request {
        id: RequestId::from_bytes([9; 16]),
        kind: RequestKind::Access,
        subject,
        collection: None,
        words: None,
        album: Album::default(),
        received: day(0),
        due: day(30),
        first_due: day(30),
        paused: None,
        answered: None,
    }
}

#[test]
fn who_asks_is_named_as_far_as_anybody_knows() {
    let club = Club::new();
    let people = People::of(std::slice::from_ref(&club.subject));
    let check = |who, says: &str| assert_eq!(people.who_asks(&asked_by(who)), says);
    check(Some(club.subject.id), "Mia (m-1)");
    check(None, "somebody who is not enrolled");
    check(Some(SubjectId::from_bytes([0xab; 16])), "somebody who was erased, or whose name cannot be read (abababab)");
}

#[test]
fn each_thing_that_ends_is_told_with_what_it_is_about() {
    let club = Club::new();
    let (collection, purpose) = (club.collection.id, Purpose::find_my_photos());
    let grant = Club::grant().id;
    let of = |subject| Due::Consent { grant, subject, collection, purpose: purpose.clone() };
    let all = [
        (of(club.subject.id), 10),
        (of(SubjectId::from_bytes([0xab; 16])), 20),
        (Due::Request(RequestId::from_bytes([9; 16])), 1),
        (Due::Request(RequestId::from_bytes([8; 16])), -1),
        (Due::Review(collection), 90),
        (Due::Purpose(collection), 4),
        (Due::Order(OrderId::from_bytes([4; 16])), 4),
    ];
    let deadline = |(what, days): (Due, i64)| Deadline { what, from: day(-10), until: day(days) };
    let all = Deadlines {
        deadlines: all.into_iter().map(deadline).collect(),
        people: vec![club.subject.clone()],
        requests: vec![asked_by(Some(club.subject.id))],
        collections: vec![club.collection.clone()],
    };
    let text = |list: DeadlineList| serde_json::to_string_pretty(&list).unwrap();
    insta::assert_snapshot!("what_ends_when", text(deadlines::list(&all, day(1), |_| true)));
    assert_eq!(
        deadlines::list(&all, day(1), |alarm| alarm == Alarm::Due).deadlines.len(),
        2,
        "those that are due alone"
    );
}
