//! Answers in sentences.

use assent::find::NoResultReason;
use assent::ledger::{Basis, CollectionId, Dpia, RequiredDocument, RuleError, TxError};
use assent_documents::no_result::reason;
use assent_documents::prerequisite::{basis, what_is_missing};

use super::club::day;

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
