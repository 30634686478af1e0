//! The numbered invariants that need neither secrets nor labels.

use std::fs;
use std::path::Path;

use assent::find::{Disclosure, find};
use assent::ledger::{
    BystanderBasis, Evidence, GrantId, KeyRingError, NewGrant, Purpose, SubjectId, Timestamp, TxError, VaultKind,
};
use assent::models::Models;
use assent::packs::sha256;
use assent::scan::ScanError;
use assent::source::SourceError;
use assent_testkit::{DAY, NOTICE, T0, World, act, at, light_pack, models, models_of, scan_with};
use tempfile::TempDir;

use crate::{DESERT, SMALL_TRIO, TRIO, WALZ, paths, photo};

#[test]
fn i1_a_withdrawn_person_is_not_searched() {
    let w = World::new(&[WALZ, DESERT]);
    let (walz, grant) = w.enrol("walz", "carl-walz");
    assert_eq!(w.scan().matches, 1);
    assert_eq!(paths(&w.find(walz)), [WALZ]);
    assert_eq!(w.gallery().templates.len(), 1);

    w.withdraw(grant);
    assert_eq!(w.gallery().templates.len(), 0);
    assert_eq!(w.find(walz), []);
    w.home.put("again.jpg", &photo(WALZ));
    let again = w.scan();
    assert_eq!((again.looked_at, again.templates, again.matches + again.reviews), (1, 0, 0));
    let counts = w.tx(|tx| tx.counts(w.collection)).unwrap();
    assert_eq!((counts.templates, counts.sightings), (0, 0));
}

#[test]
fn i1_a_consent_that_is_over_is_not_searched_although_nobody_ended_it() {
    let w = World::new(&[WALZ]);
    let (walz, _) = w.enrol("walz", "carl-walz");
    let late = at(30); // At this instant it is over.
    // One moment earlier it is in force.
    let early = Timestamp(late.0 - 1);
    let summary = scan_with(&w.ledger, models(), w.collection, 1, &|| early, &mut |_, _| {}).unwrap();
    assert_eq!((summary.looked_at, summary.templates), (1, 1));
    let summary = scan_with(&w.ledger, models(), w.collection, 1, &|| late, &mut |_, _| {}).unwrap();
    assert_eq!(summary.templates, 0);
    assert_eq!(find(&w.ledger, walz, None, Disclosure::Search, act(late)).unwrap().photos, []);
    w.ledger.expire_due(late).unwrap();
    let counts = w.tx(|tx| tx.counts(w.collection)).unwrap();
    assert_eq!((counts.templates, counts.sightings), (0, 0));
}

/// The default pack with a card that gives the embedder crops of a size that it does not take: whoever embeds a face
/// gets an error.
pub(crate) fn pack_that_cannot_embed(dir: &Path) -> Models {
    for entry in fs::read_dir(light_pack()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    let card = fs::read_to_string(dir.join("pack.toml")).unwrap();
    let other = card.replace("side_px = 128", "side_px = 64");
    assert_ne!(card, other);
    fs::write(dir.join("pack.toml"), other).unwrap();
    models_of(dir)
}

/// A consent to be found, without a template.
fn grant(w: &World, subject: SubjectId, evidence: &Evidence) -> GrantId {
    let purpose = Purpose::find_my_photos();
    let new = NewGrant {
        subject,
        collection: w.collection,
        purpose: &purpose,
        evidence,
        valid_from: T0,
        valid_until: at(9),
        notice_sha256: sha256(NOTICE.as_bytes()),
    };
    w.tx(|tx| tx.open_grant(&new)).unwrap()
}

#[test]
fn i3_no_grant_no_embedding() {
    let dir = TempDir::new().unwrap();
    let broken = pack_that_cannot_embed(dir.path());
    let scan = |w: &World| scan_with(&w.ledger, &broken, w.collection, 1, &|| T0, &mut |_, _| {});

    let w = World::new(&[TRIO]);
    let summary = scan(&w).unwrap();
    assert_eq!((summary.looked_at, summary.faces, summary.templates), (1, 3, 0));
    assert_eq!(w.known()[0].faces, 3);

    // Not even for somebody who agreed, but has no template to be found by.
    let walz = w.subject("walz");
    let consent = grant(&w, walz, &w.paper());
    w.home.add_photo(WALZ);
    assert_eq!(scan(&w).unwrap().faces, 1);

    // With a template the network is run, which is what fails.
    let mut vector = [0f32; 256];
    vector[0] = 1.0;
    let bytes: Vec<u8> = vector.iter().flat_map(|v| v.to_le_bytes()).collect();
    w.tx(|tx| tx.enrol(&tx.active_grant(consent)?, broken.pack().model_sha256, &[&bytes])).unwrap();
    assert!(matches!(scan(&w), Err(ScanError::Inference(_))));
    // And once they are gone again, it is not.
    w.withdraw(consent);
    w.home.add_photo(SMALL_TRIO);
    assert_eq!(scan(&w).unwrap().templates, 0);
    assert_eq!(w.known().iter().map(|k| k.faces).collect::<Vec<_>>(), [1, 3, 3]);

    // Where the others gave no basis, nobody can even be enrolled.
    let w = World::of(VaultKind::Organisation, &BystanderBasis::None, &[WALZ]);
    let consent = grant(&w, w.subject("walz"), &w.paper());
    let enrolled = w.tx(|tx| tx.enrol(&tx.active_grant(consent)?, broken.pack().model_sha256, &[&bytes]));
    assert!(matches!(enrolled, Err(TxError::NoBasis { .. })));
    assert_eq!(scan(&w).unwrap().faces, 1);
}

#[test]
fn i4_no_reply_names_a_withdrawn_subject() {
    #[derive(Clone, Copy)]
    enum Leaving {
        Withdraws,
        IsErased,
        AgreesAgain,
    }
    // The newest photos come first, equally old ones by name: either way, the last one is a desert.
    let check = |name: &str, leaving: Leaving, after_photo: usize, clock_ms: i64| {
        let w = World::new(&[DESERT, WALZ]);
        w.home.put("d.jpg", &photo(WALZ));
        w.home.put("z.jpg", &photo(DESERT));
        let (walz, grant) = w.enrol("walz", "carl-walz");
        // A clock that stands still makes one batch of all photos; one that jumps, a batch of each.
        let reads = std::cell::Cell::new(0);
        let now = || Timestamp(T0.0 + clock_ms * reads.replace(reads.get() + 1));
        let mut leave = |done: usize, all: usize| {
            assert_eq!(all, 4, "{name}");
            if done == after_photo {
                match leaving {
                    Leaving::Withdraws => w.withdraw(grant),
                    Leaving::IsErased => assert!(w.ledger.erase(walz, T0, |_| {}).is_ok()),
                    Leaving::AgreesAgain => {
                        w.withdraw(grant);
                        w.enrol_again(walz, "carl-walz");
                    }
                }
            }
        };
        let summary = scan_with(&w.ledger, models(), w.collection, 1, &now, &mut leave).unwrap();
        assert_eq!((summary.looked_at, summary.templates), (4, 1), "{name}");
        if clock_ms == 0 {
            assert_eq!(summary.matches + summary.reviews, 0, "{name}");
        }
        assert_eq!(w.tx(|tx| tx.counts(w.collection)).unwrap().sightings, 0, "{name}");
        match (leaving, find(&w.ledger, walz, None, Disclosure::Search, act(T0))) {
            (Leaving::IsErased, Err(TxError::KeyRing(KeyRingError::Destroyed { .. }))) => {}
            (_, found) => assert_eq!(found.unwrap().photos, [], "{name}"),
        }
        if matches!(leaving, Leaving::AgreesAgain) {
            // The new template met none of the photos, or the last one, so it meets the others.
            assert!(w.scan().rematched >= 3, "{name}");
            assert_eq!(w.find(walz).len(), 2, "{name}");
        }
    };
    check("while their photo waits for its batch", Leaving::Withdraws, 3, 0);
    check("after the last photo, before the commit", Leaving::Withdraws, 4, 0);
    check("between two batches", Leaving::Withdraws, 3, 3_000);
    check("erased while their photo waits", Leaving::IsErased, 3, 0);
    check("a consent given anew is another one", Leaving::AgreesAgain, 3, 0);
}

#[test]
fn i6_every_step_is_a_leaf() {
    let w = World::new(&[WALZ, DESERT]);
    let mut size = w.log_size();
    assert_eq!(size, 2, "the vault and the collection");
    let mut check = |name: &str, leaves: u64, step: &dyn Fn()| {
        step();
        let grown = w.log_size() - size;
        size += grown;
        assert_eq!(grown, leaves, "{name}");
        assert_eq!(w.ledger.audit_verify(None, T0).unwrap().fault, None, "{name}");
    };
    let walz = w.subject("walz");
    let krikalev = w.subject("krikalev");
    let last_grant = |subject| w.tx(|tx| tx.grants_of(subject)).unwrap().last().unwrap().id;
    check("a scan of one batch", 1, &|| drop(w.scan()));
    check("a scan that has nothing to do", 0, &|| drop(w.scan()));
    check("a grant and its enrolment", 2, &|| _ = w.enrol_again(walz, "carl-walz"));
    check("a second person's", 2, &|| _ = w.enrol_again(krikalev, "sergei-krikalev"));
    check("a scan in two batches", 2, &|| {
        let reads = std::cell::Cell::new(0);
        let now = || Timestamp(T0.0 + 3_000 * reads.replace(reads.get() + 1));
        scan_with(&w.ledger, models(), w.collection, 1, &now, &mut |_, _| {}).unwrap();
    });
    check("a search", 1, &|| assert_eq!(w.find(walz).len(), 1));
    check("a search that finds nothing", 1, &|| assert_eq!(w.find(krikalev).len(), 0));
    check("an export", 1, &|| drop(find(&w.ledger, walz, Some(w.collection), Disclosure::Export, act(T0)).unwrap()));
    check("a decision, and the search that shows it", 2, &|| {
        let face = w.find(walz)[0].face;
        let (grant, verdict) = (last_grant(walz), assent::ledger::Verdict::Confirmed);
        w.tx(|tx| tx.record_decision(&tx.active_grant(grant)?, face, verdict)).unwrap();
    });
    check("a withdrawal", 1, &|| w.withdraw(last_grant(krikalev)));
    check("an end by date", 1, &|| assert_eq!(w.ledger.expire_due(Timestamp(T0.0 + 31 * DAY)).unwrap().ended.len(), 1));
    check("an erasure, begun and done", 2, &|| assert!(w.ledger.erase(walz, T0, |_| {}).is_ok()));
}

#[test]
fn i7_a_web_address_is_no_collection() {
    let w = World::new(&[DESERT]);
    let manifest = b"http://127.0.0.1:9/a.jpg\nhttps://example.org/b.jpg\n";
    for name in ["list.txt", "album.url", "manifest.csv", "photos.json", "urls"] {
        w.home.put(name, manifest);
    }
    w.home.put("really-a-list.jpg", manifest);
    let summary = w.scan();
    assert_eq!((summary.photos, summary.looked_at), (2, 2));
    assert_eq!(summary.failed, [("really-a-list.jpg".to_owned(), "unknown-format".to_owned())]);

    let addresses = ["https://example.org/album", "http://127.0.0.1:9/", "s3://bucket/photos", "file:///etc"];
    for (name, directory) in ["a", "b", "c", "d"].into_iter().zip(addresses) {
        let added = w.tx(|tx| {
            let others = BystanderBasis::ClosedGroup;
            tx.add_collection(&assent::ledger::NewCollection { name, directory, others })
        });
        let scanned = scan_with(&w.ledger, models(), added.unwrap(), 1, &|| T0, &mut |_, _| {});
        assert!(matches!(scanned, Err(ScanError::Source(SourceError::WebAddress { .. }))), "{directory}");
    }
}

#[test]
fn i9_equal_input_gives_equal_results() {
    let results = |threads: usize| {
        let w = World::new(&[WALZ, TRIO, SMALL_TRIO, DESERT]);
        let people = ["carl-walz", "sergei-krikalev", "william-shepherd", "yuri-gidzenko"];
        let people = people.map(|name| w.enrol(name, name).0);
        let summary = w.scan_on(threads);
        let mut answers = Vec::new();
        for person in people {
            for f in w.find(person) {
                let at = [f.at.x, f.at.y, f.at.w, f.at.h, f.at.score, f.at.sharpness].map(f32::to_bits);
                answers.push((f.path.clone(), at, f.band, f.covered.len()));
            }
        }
        // The list goes by the dates of the files, which are made anew for each.
        answers.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        (summary, answers)
    };
    let one = results(1);
    assert!(one.1.len() >= 5, "{:?}", one.1.len());
    for threads in [2, 3] {
        assert_eq!(results(threads), one, "{threads} threads");
    }
}

#[test]
fn i9_an_embedding_is_the_same_in_any_batch_and_by_any_worker() {
    let mut workers = models().workers(assent_testkit::SEARCH, 2).unwrap();
    let bits = |embeddings: Vec<Option<assent_vision::embed::Embedding>>| -> Vec<Vec<u32>> {
        embeddings.iter().flatten().map(|e| e.values().iter().map(|v| v.to_bits()).collect()).collect()
    };
    let bytes = photo(TRIO);
    let photo = workers[0].detect(&bytes).unwrap();
    let face_crops = workers[0].crop_faces(&photo);
    let together = bits(workers[0].embed(face_crops).unwrap());
    assert_eq!(together.len(), 3);
    for worker in &mut workers {
        let alone: Vec<_> =
            worker.crop_faces(&photo).into_iter().flat_map(|cut| bits(worker.embed(vec![cut]).unwrap())).collect();
        assert_eq!(alone, together);
    }
}
