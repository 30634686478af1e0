//! Collections that are searched on a person's own request alone: once, in one album (R11).

use assent::ledger::{
    Album, BystanderBasis, NewRequest, RequestId, RequestKind, RequestOutcome, SubjectId, Timestamp, TxError, VaultKind,
};
use assent::scan::{ScanError, ScanSummary};
use assent_testkit::{World, dated, models, scan_for};

use crate::{DESERT, TRIO, WALZ, paths, photo};

fn ask(w: &World, subject: SubjectId, album: Album) -> RequestId {
    let new = NewRequest { album, ..w.request(RequestKind::Search, subject) };
    w.tx(|tx| tx.open_request(&new)).unwrap().id
}

fn answer(w: &World, request: RequestId) -> Result<ScanSummary, ScanError> {
    scan_for(&w.ledger, models(), w.collection, request)
}

#[test]
fn r11_a_collection_on_request_is_searched_for_who_asks_once_and_in_their_album() {
    let others = BystanderBasis::OnRequest("DPIA 7".into());
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

    let no_search = w.tx(|tx| tx.open_request(&w.request(RequestKind::Access, walz))).unwrap().id;
    assert!(matches!(answer(&w, no_search), Err(ScanError::Ledger(TxError::NotAsked { .. }))));
}

#[test]
fn the_time_of_an_album_is_when_its_photos_were_taken() {
    let day = |secs: u64| std::time::UNIX_EPOCH + std::time::Duration::from_secs(secs);
    // June 2024 is asked for; midnight UTC, as days are written.
    let (june, july) = (1_717_200_000u64, 1_719_792_000u64);
    let (inside, outside) = (day(june + 86_400), day(july + 86_400));
    let photos = [
        ("taken-then.jpg", dated(&photo(WALZ), "2024:06:15 12:00:00", None), outside),
        ("changed-then.jpg", dated(&photo(WALZ), "2019:06:15 12:00:00", None), inside),
        ("late-on-the-last-day.jpg", dated(&photo(WALZ), "2024:06:30 23:30:00", Some("-07:00")), outside),
        ("early-on-the-day-after.jpg", dated(&photo(WALZ), "2024:07:01 00:30:00", Some("+02:00")), inside),
        ("file-of-then.jpg", photo(WALZ), inside),
        ("file-of-another-day.jpg", photo(WALZ), outside),
        ("a-camera-that-is-ahead.jpg", dated(&photo(WALZ), "2099:06:15 12:00:00", None), inside),
    ];
    // Asked for before anybody looked at the photos, and after.
    for scanned_before in [false, true] {
        let w = World::of(VaultKind::Organisation, &BystanderBasis::OnRequest("DPIA 7".into()), &[]);
        for (name, bytes, changed) in &photos {
            w.home.put(name, bytes);
            let file = std::fs::File::options().write(true).open(w.home.photos.join(name)).unwrap();
            file.set_modified(*changed).unwrap();
        }
        let (walz, _) = w.enrol("walz", "carl-walz");
        if scanned_before {
            w.scan();
        }
        let time = |secs: u64| Some(Timestamp(secs as i64 * 1000));
        let request = ask(&w, walz, Album { from: time(june), until: time(july), ..Album::default() });
        assert_eq!(answer(&w, request).unwrap().unchanged, 3, "{scanned_before}");
        let found = w.find(walz);
        let mut found = paths(&found);
        found.sort_unstable();
        let asked_for =
            ["a-camera-that-is-ahead.jpg", "file-of-then.jpg", "late-on-the-last-day.jpg", "taken-then.jpg"];
        assert_eq!(found, asked_for, "{scanned_before}");
    }
}
