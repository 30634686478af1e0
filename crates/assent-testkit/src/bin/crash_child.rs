//! Lives a history in a vault, from whatever point the vault is at, and kills itself at a given write.
//!
//! `crash_child HOME KILL_AT fixed|real RUN`: `HOME` holds the photos; write 0 is never reached; `fixed` enrols and scans
//! without networks; `RUN` seeds the randomness. It prints how many photos it looked at. Used by `tests/crash.rs`.

#![expect(clippy::unwrap_used, reason = "the parent reads a failure from the exit code and the message")]
#![expect(clippy::print_stdout, reason = "this is how the parent hears of it")]

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use assent::enrol::{Consent, Enrolment, enrol};
use assent::ledger::{
    Band, BystanderBasis, CollectionId, Database, EventKind, Evidence, FaceBox, Ledger, NewCollection, NewGrant,
    NewPhoto, NewSighting, NewSubject, OpenError, Outcome, Purpose, Settings, Signer, SubjectId, Timestamp, Tools,
    VaultKind, VaultPlace, Verdict, WitnessId, WriteHook,
};
use assent::packs::sha256;
use assent::source::Folder;
use assent_testkit::{NOTICE, SeededRng, T0, act, at, crew, lenient, models, scan_with, with_worker};

/// Who is enrolled; the first one is erased at the end. Their portraits have the same names.
const PEOPLE: [&str; 2] = ["sergei-krikalev", "yuri-gidzenko"];

/// The "model" of the history without networks.
const FIXED: [u8; 32] = [0xf1; 32];

struct Child {
    home: PathBuf,
    real: bool,
    ledger: Ledger,
}

fn main() {
    #[expect(clippy::disallowed_methods, reason = "a test program reads its own arguments")]
    let args: Vec<String> = std::env::args().collect();
    let [_, home, kill_at, mode, run] = args.as_slice() else { std::process::exit(2) };
    let home = PathBuf::from(home);
    let ledger = open(&home, kill_at.parse().unwrap(), run);
    let child = Child { home, real: mode == "real", ledger };
    println!("{}", child.live());
}

fn open(home: &std::path::Path, kill_at: usize, run: &str) -> Ledger {
    let place = VaultPlace { folder: home.join("vault"), ring: home.join("keys/ring"), database: Database::Sqlite };
    let writes = Arc::new(AtomicUsize::new(0));
    let tools = || {
        let writes = writes.clone();
        let hook: WriteHook = Arc::new(move |_| {
            if writes.fetch_add(1, Ordering::SeqCst) + 1 == kill_at {
                // Not to be caught, and nothing is flushed or closed.
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
            }
        });
        Tools {
            rng: Box::new(SeededRng::new(&format!("{} {run}", home.display()))),
            hook,
            secrets: Vec::new(),
            rules: lenient(),
        }
    };
    match Ledger::open(&place, tools(), T0) {
        Err(OpenError::NoVault { .. }) => {
            Ledger::create(&place, VaultKind::Organisation, &Settings::default(), tools(), T0).unwrap()
        }
        opened => opened.unwrap(),
    }
}

impl Child {
    /// Everything up to the first one's erasure. Returns how many photos were looked at.
    fn live(&self) -> usize {
        let collection = self.collection();
        // Their erasure is the last thing that happens: once it began, all else is done.
        if !self.ledger.erasures(T0).unwrap().is_empty() {
            return 0;
        }
        let people = PEOPLE.map(|handle| self.subject(handle));
        for (subject, handle) in people.iter().zip(PEOPLE) {
            self.enrol(*subject, handle, collection);
        }
        let looked_at = if self.real { self.scan(collection) } else { self.scan_fixed(collection, &people) };
        self.decide(people[0], collection);
        for subject in people {
            self.ledger.rotate(subject, T0).unwrap();
        }
        self.ledger.erase(people[0], T0, |_| {}).unwrap();
        looked_at
    }

    fn collection(&self) -> CollectionId {
        let photos = Folder::open(self.home.join("photos").to_str().unwrap()).unwrap();
        let added = self.ledger.run_tx("add collection", T0, |tx| {
            if let Some(known) = tx.collections()?.first() {
                return Ok(known.id);
            }
            let others = BystanderBasis::ClosedGroup;
            tx.add_notice("members", "en", NOTICE)?;
            tx.add_collection(&NewCollection { name: "Regatta", directory: photos.text(), others })
        });
        for (i, name) in ["Wanda Witness", "Wim Witness"].into_iter().enumerate() {
            self.ledger
                .run_tx("add witness", T0, |tx| {
                    if tx.witnesses()?.len() > i { Ok(()) } else { tx.add_witness(name).map(drop) }
                })
                .unwrap();
        }
        added.unwrap().into_inner()
    }

    fn subject(&self, handle: &str) -> SubjectId {
        let name = format!("Name of {handle}");
        let added =
            self.ledger.run_tx("add subject", T0, |tx| match tx.subjects()?.iter().find(|s| s.handle == handle) {
                Some(subject) => Ok(subject.id),
                None => tx.add_subject(&NewSubject { handle, name: &name, ..NewSubject::default() }),
            });
        added.unwrap().into_inner()
    }

    fn enrol(&self, subject: SubjectId, handle: &str, collection: CollectionId) {
        let known = self.ledger.read_tx(T0, |tx| Ok((tx.grants_of(subject)?, tx.witnesses()?))).unwrap();
        let (grants, witnesses) = known;
        if !grants.is_empty() {
            return;
        }
        let witnesses: Vec<WitnessId> = witnesses.iter().map(|w| w.id).collect();
        let evidence = Evidence::Paper {
            release_sha256: sha256(handle.as_bytes()),
            witnesses,
            signed_by: Signer::Subject,
            statement: String::new(),
            signed: None,
        };
        let purpose = Purpose::find_my_photos();
        if self.real {
            let picture = std::fs::read(crew().join("portraits").join(format!("{handle}.jpg"))).unwrap();
            let enrolment = Enrolment {
                subject,
                consents: &[Consent { collection, purpose }],
                evidence: &evidence,
                notice_sha256: sha256(NOTICE.as_bytes()),
                valid_until: at(9),
                pictures: &[("portrait".to_owned(), picture)],
            };
            with_worker(|worker| enrol(&self.ledger, models(), worker, &enrolment, &mut |_, _| {}, act(T0))).unwrap();
            return;
        }
        let new = NewGrant {
            subject,
            collection,
            purpose: &purpose,
            evidence: &evidence,
            valid_from: T0,
            valid_until: at(9),
            notice_sha256: sha256(NOTICE.as_bytes()),
        };
        let template = sha256(handle.as_bytes()).repeat(32);
        let enrolled = self.ledger.run_tx("enrol", T0, |tx| {
            let grant = tx.open_grant(&new)?;
            tx.enrol(&tx.active_grant(grant)?, FIXED, &[&template]).map(drop)
        });
        enrolled.unwrap();
    }

    /// The engine's own scan; the clock jumps, so that every photo is a batch.
    fn scan(&self, collection: CollectionId) -> usize {
        let reads = Cell::new(0);
        let now = || Timestamp(T0.0 + 3_000 * reads.replace(reads.get() + 1));
        scan_with(&self.ledger, models(), collection, 1, &now, &mut |_, _| {}).unwrap().looked_at
    }

    /// As the engine's, photo by photo, with faces and answers that are made up: each photo shows everybody.
    fn scan_fixed(&self, collection: CollectionId, people: &[SubjectId]) -> usize {
        let folder = Folder::open(self.home.join("photos").to_str().unwrap()).unwrap();
        let known = self.ledger.read_tx(T0, |tx| tx.known_photos(collection)).unwrap();
        let mut looked_at = 0;
        for file in folder.list().unwrap().files {
            if known.iter().any(|k| k.path == file.path) {
                continue;
            }
            let face = |i: usize| FaceBox {
                x: 100.0 * i as f32,
                y: 10.0,
                w: 40.0,
                h: 50.0,
                quarter_turn: 0,
                score: 0.9,
                size_px: 40.0,
                sharpness: 90.0,
                luminance: 0.5,
            };
            let faces = Outcome::Faces((0..people.len()).map(face).collect());
            let stored = self.ledger.run_tx("scan", T0, |tx| {
                let photo = tx.put_photo(&NewPhoto {
                    collection,
                    path: &file.path,
                    sha256: sha256(file.path.as_bytes()),
                    bytes: file.bytes,
                    mtime: file.modified,
                    changed: None,
                    picture: None,
                    width: 640,
                    height: 480,
                    outcome: &faces,
                    scanned_with: FIXED,
                    matched_epoch: Some(2),
                })?;
                let mut proofs = Vec::new();
                for subject in people {
                    proofs.extend(tx.active_grant_for(*subject, collection, &Purpose::find_my_photos())?);
                }
                let new: Vec<NewSighting<'_, '_>> = proofs
                    .iter()
                    .zip(&photo.faces)
                    .map(|(grant, face)| NewSighting { grant, face: *face, band: Band::Match })
                    .collect();
                tx.replace_sightings(&tx.matching(collection)?, photo.id, &new)?;
                tx.append_leaf(EventKind::Scan, b"1 photo", &[]).map(drop)
            });
            stored.unwrap();
            looked_at += 1;
        }
        looked_at
    }

    /// The first one confirms a photo of themselves.
    fn decide(&self, subject: SubjectId, collection: CollectionId) {
        let decided = self.ledger.run_tx("decide", T0, |tx| {
            let Some(proof) = tx.active_grant_for(subject, collection, &Purpose::find_my_photos())? else {
                return Ok(());
            };
            match tx.sightings_of(&proof)?.first() {
                Some(s) if s.verdict.is_none() => tx.record_decision(&proof, s.face, Verdict::Confirmed),
                _ => Ok(()),
            }
        });
        decided.unwrap();
    }
}
