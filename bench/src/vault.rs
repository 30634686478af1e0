//! A vault in a temporary folder, to scan in.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use assent::ledger::{BystanderBasis, NewGrant, NewSubject, Purpose, SubjectId, Timestamp, VaultKind};
use assent::packs::sha256;
use assent::scan::{ScanOptions, ScanSummary, ScanWatch, scan as scan_collection};
use assent::{DeclaredRates, SearchOptions};
use assent_testkit::{NOTICE, T0, World, at, models};

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

/// Scans the vault's photos.
///
/// # Errors
///
/// As the scan says.
pub(crate) fn scan(world: &World, search: SearchOptions, threads: usize, memory_mb: u64) -> Result<ScanSummary, Error> {
    let options =
        ScanOptions { search, threads, rates: DeclaredRates::default(), memory_mb, free_bytes: None, request: None };
    // The vault's time begins at T0; what passes is real, because batches are committed by it.
    let milliseconds = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let begun = milliseconds();
    let now = || Timestamp(T0.0 + milliseconds() - begun);
    let mut watch = ScanWatch { now: &now, stop: &Arc::default(), progress: &mut |_| {} };
    Ok(scan_collection(&world.ledger, models(), world.collection, options, &mut watch)?)
}
