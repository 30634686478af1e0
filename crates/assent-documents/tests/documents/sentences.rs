//! Answers in sentences.

use assent::find::NoResultReason;
use assent::ledger::RequiredDocument;
use assent_documents::no_result::reason;

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
