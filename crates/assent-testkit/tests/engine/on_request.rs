//! Collections that are searched on a person's own request alone: once, in one album (R11).

use assent::ledger::{
    Album, NewRequest, OthersBasis, RequestId, RequestKind, RequestOutcome, SubjectId, TxError, VaultKind,
};
use assent::scan::{ScanError, ScanSummary};
use assent_testkit::{T0, World, models, scan_for};

use crate::{DESERT, TRIO, WALZ, paths};

fn ask(w: &World, subject: SubjectId, album: Album) -> RequestId {
    let new = NewRequest {
        kind: RequestKind::Search,
        subject: Some(subject),
        collection: Some(w.collection),
        words: "",
        received: T0,
        due: None,
        album,
    };
    w.tx(|tx| tx.open_request(&new)).unwrap().id
}

fn answer(w: &World, request: RequestId) -> Result<ScanSummary, ScanError> {
    scan_for(&w.ledger, models(), w.collection, request)
}

#[test]
fn r11_a_collection_on_request_is_searched_for_who_asks_once_and_in_their_album() {
    let others = OthersBasis::OnRequest("DPIA 7".into());
    let w = World::of(VaultKind::Organisation, &others, &[WALZ, DESERT, TRIO]);
    let (walz, _) = w.enrol("walz", "carl-walz");
    let (other, _) = w.enrol("krikalev", "sergei-krikalev");
    let summary = w.scan();
    assert!(summary.locked.is_some() && summary.faces > 0, "faces are found and compared with nobody");
    assert!(paths(&w.find(walz)).is_empty() && paths(&w.find(other)).is_empty());

    let elsewhere = ask(&w, walz, Album { prefix: "another/".into(), ..Album::default() });
    assert_eq!(answer(&w, elsewhere).unwrap().matches, 0, "in their album alone");
    let too_old = ask(&w, walz, Album { until: Some(assent::ledger::Timestamp(1)), ..Album::default() });
    assert_eq!(answer(&w, too_old).unwrap().matches, 0, "in their time alone");
    let all = ask(&w, walz, Album::default());
    assert_eq!(answer(&w, all).unwrap().matches, 1);
    assert_eq!(paths(&w.find(walz)), [WALZ]);
    assert!(paths(&w.find(other)).is_empty(), "nobody else is looked for");
    assert!(matches!(answer(&w, all), Err(ScanError::Ledger(TxError::RequestStep { .. }))), "once");
    let answered = w.tx(|tx| tx.request(all)).unwrap().answered;
    assert_eq!(answered.map(|(_, how)| how), Some(RequestOutcome::Granted));

    let krikalev = ask(&w, other, Album::default());
    answer(&w, krikalev).unwrap();
    assert_eq!(paths(&w.find(walz)), [WALZ], "what one was answered stays when another asks");
    assert!(!paths(&w.find(other)).is_empty());

    let new = NewRequest {
        kind: RequestKind::Access,
        subject: Some(walz),
        collection: Some(w.collection),
        words: "",
        received: T0,
        due: None,
        album: Album::default(),
    };
    let no_search = w.tx(|tx| tx.open_request(&new)).unwrap().id;
    assert!(matches!(answer(&w, no_search), Err(ScanError::Ledger(TxError::NotAsked { .. }))));
}
