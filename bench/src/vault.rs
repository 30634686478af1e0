//! A vault in a temporary folder, to scan in.

use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use assent::ledger::{OthersBasis, Timestamp, VaultKind};
use assent::scan::{ScanOptions, ScanSummary, ScanWatch, scan as scan_collection};
use assent::{DeclaredRates, SearchOptions};
use assent_testkit::{T0, World, models};

use crate::Error;

/// A vault whose folder of photos is empty.
pub(crate) fn empty_world() -> World {
    World::of(VaultKind::Organisation, &OthersBasis::ClosedGroup, &[])
}

/// Scans the vault's photos.
///
/// # Errors
///
/// As the scan says.
pub(crate) fn scan(world: &World, search: SearchOptions, threads: usize, memory_mb: u64) -> Result<ScanSummary, Error> {
    let options = ScanOptions { search, threads, rates: DeclaredRates::default(), memory_mb, free_bytes: None };
    // The vault's time begins at T0; what passes is real, because batches are committed by it.
    let milliseconds = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    let begun = milliseconds();
    let now = || Timestamp(T0.0 + milliseconds() - begun);
    let mut watch = ScanWatch { now: &now, stop: &AtomicBool::new(false), progress: &mut |_| {} };
    Ok(scan_collection(&world.ledger, models(), world.collection, options, &mut watch)?)
}
