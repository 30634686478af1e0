//! A vault in a temporary folder, to scan in.

use std::ops::Range;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use assent::ledger::{
    Band, BystanderBasis, FaceBox, NewGrant, NewPhoto, NewSighting, NewSubject, Outcome, Purpose, SubjectId, Timestamp,
    VaultKind,
};
use assent::packs::sha256;
use assent::scan::{ScanOptions, ScanSummary, ScanWatch, scan as scan_collection};
use assent::{DeclaredRates, SearchOptions};
use assent_testkit::{NOTICE, OPERATOR, T0, World, at, models};

use crate::Error;

/// People, or events, in one transaction.
pub(crate) const TOGETHER: usize = 2_500;

/// A vault whose folder of photos is empty.
pub(crate) fn empty_world() -> World {
    World::of(VaultKind::Organisation, &BystanderBasis::ClosedGroup, &[])
}

/// Puts people on the roster, each with a consent and with templates that `templates` makes, as they are stored. They are
/// called `person-0`, `person-1` and so on.
///
/// # Errors
///
/// As the ledger says.
pub(crate) fn enrol(
    world: &World,
    people: usize,
    model_sha256: [u8; 32],
    templates: &mut dyn FnMut() -> Vec<Vec<u8>>,
) -> Result<Vec<SubjectId>, Error> {
    let find = Purpose::find_my_photos();
    let mut all = Vec::with_capacity(people);
    while all.len() < people {
        let first = all.len();
        eprintln!("enrolling {first} of {people} people");
        let papers: Vec<_> = (first..people.min(first + TOGETHER)).map(|_| world.paper()).collect();
        let plain: Vec<_> = papers.iter().map(|_| templates()).collect();
        all.extend(world.tx(|tx| {
            let mut added = Vec::with_capacity(papers.len());
            for (i, (evidence, plain)) in papers.iter().zip(&plain).enumerate() {
                let handle = format!("person-{}", first + i);
                let subject = tx.add_subject(&NewSubject { handle: &handle, ..NewSubject::default() })?;
                let grant = tx.open_grant(&NewGrant {
                    subject,
                    collection: world.collection,
                    purpose: &find,
                    evidence,
                    valid_from: T0,
                    valid_until: at(30),
                    notice_sha256: sha256(NOTICE.as_bytes()),
                })?;
                let plain: Vec<&[u8]> = plain.iter().map(Vec::as_slice).collect();
                tx.enrol(&tx.active_grant(grant)?, model_sha256, &plain)?;
                added.push(subject);
            }
            Ok(added)
        })?);
    }
    Ok(all)
}

/// Photos of these numbers with so many faces each; in the first face of a photo somebody was seen whom `seen` names, if they are
/// to be found in the collection.
///
/// # Errors
///
/// As the ledger says.
pub(crate) fn put_photos(
    world: &World,
    photos: Range<usize>,
    faces: usize,
    seen: impl Fn(usize) -> Option<SubjectId>,
) -> Result<(), Error> {
    let face = |n: usize| FaceBox {
        x: 10.0 + 190.0 * n as f32,
        y: 10.0,
        w: 80.0,
        h: 100.0,
        quarter_turn: 0,
        score: 0.9,
        size_px: 80.0,
        sharpness: 1.0,
        luminance: 0.5,
    };
    let outcome = Outcome::Faces((0..faces).map(face).collect());
    let find = Purpose::find_my_photos();
    for first in photos.clone().step_by(TOGETHER) {
        eprintln!("photo {first} of {}", photos.end);
        world.tx(|tx| {
            let matching = tx.matching(world.collection)?;
            for n in first..(first + TOGETHER).min(photos.end) {
                let path = format!("2027/album-{}/picture-{n:06}.jpg", n / 500);
                let mut content = [0; 32];
                content[..8].copy_from_slice(&n.to_le_bytes());
                let stored = tx.put_photo(&NewPhoto {
                    collection: world.collection,
                    path: &path.as_str().into(),
                    sha256: content,
                    bytes: 1,
                    mtime: T0,
                    changed: None,
                    picture: None,
                    width: 4000,
                    height: 3000,
                    outcome: &outcome,
                    scanned_with: [2; 32],
                    matched_epoch: None,
                })?;
                let Some(subject) = seen(n) else { continue };
                if let Some(proof) = tx.active_grant_for(subject, world.collection, &find)? {
                    let new = NewSighting { grant: &proof, face: stored.faces[0], band: Band::Match };
                    tx.replace_sightings(&matching, stored.id, &[new])?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Scans the vault's photos.
///
/// # Errors
///
/// As the scan says.
pub(crate) fn scan(world: &World, search: SearchOptions, threads: usize, memory_mb: u64) -> Result<ScanSummary, Error> {
    let options = ScanOptions {
        search,
        threads,
        rates: DeclaredRates::default(),
        memory_mb,
        free_bytes: None,
        request: None,
        by: OPERATOR,
    };
    // The vault's time begins at T0; what passes is real, because batches are committed by it.
    let milliseconds = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let begun = milliseconds();
    let now = || Timestamp(T0.0 + milliseconds() - begun);
    let mut watch = ScanWatch { now: &now, stop: &Arc::default(), progress: &mut |_| {} };
    Ok(scan_collection(&world.ledger, models(), world.collection, options, &mut watch)?)
}
