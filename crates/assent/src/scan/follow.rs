//! What a scan goes by, and takes up while it runs: orders to stop, whether its job is to stop, who may be searched for, and what
//! was set apart.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use assent_ledger::{ChangeKind, Changed, CollectionId, Ledger, Objections, ReadTx, Timestamp, TxError};

use super::{ScanError, ScanSummary};
use crate::jobs::JobContext;
use crate::models::Models;
use crate::resident::{Resident, ResidentError, SILENCE_MS};

/// How often a scan asks the ledger what was changed.
const EVERY: Duration = Duration::from_millis(250);

/// What a scan goes by.
pub(super) struct Followed<'a> {
    ledger: &'a Ledger,
    models: &'a Models,
    collection: CollectionId,
    job: &'a JobContext<'a>,
    /// Who is searched for; `None` where the collection forbids it.
    pub(super) resident: Option<Resident>,
    apart: RwLock<Arc<Objections>>,
    /// The number of the newest change that was looked at.
    seq: AtomicU64,
    /// What the clock said last, ms.
    clock: AtomicI64,
}

impl<'a> Followed<'a> {
    /// # Errors
    ///
    /// [`TxError`] if the ledger cannot be read.
    pub(super) fn new(
        tx: &ReadTx<'_>,
        (ledger, models, collection): (&'a Ledger, &'a Models, CollectionId),
        job: &'a JobContext<'a>,
        resident: Option<Resident>,
        now: Timestamp,
    ) -> Result<Followed<'a>, TxError> {
        let (apart, seq) = (tx.objections(collection)?, tx.newest_change()?);
        let (apart, seq, clock) = (RwLock::new(Arc::new(apart)), AtomicU64::new(seq), AtomicI64::new(now.0));
        Ok(Followed { ledger, models, collection, job, resident, apart, seq, clock })
    }

    /// What was set apart in the collection.
    pub(super) fn apart(&self) -> Arc<Objections> {
        Arc::clone(&self.apart.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the clock said last.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp(self.clock.load(Ordering::Relaxed))
    }

    /// The clock says so.
    pub(super) fn tell(&self, now: Timestamp) {
        self.clock.store(now.0, Ordering::Relaxed);
    }

    /// Takes up what was changed.
    ///
    /// # Errors
    ///
    /// [`TxError::Stopped`] if an order stops the scan, and what [`Resident::follow`] says.
    pub(super) fn take_up(&self) -> Result<(), ScanError> {
        let (now, seq) = (self.now(), self.seq.load(Ordering::Relaxed));
        let (newest, apart) = self.ledger.read_tx(now, |tx| {
            tx.check_orders(self.collection)?;
            self.job.listen(tx)?;
            let since = tx.changes_since(seq)?;
            let objected = since.changes.is_none_or(|changes| {
                let here = |what| what == Changed::Collection(self.collection);
                changes.iter().any(|change| change.kind == ChangeKind::Objected && here(change.what))
            });
            let apart = if objected { Some(tx.objections(self.collection)?) } else { None };
            Ok((since.newest, apart))
        })?;
        if let Some(apart) = apart {
            *self.apart.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(apart);
        }
        self.seq.store(newest, Ordering::Relaxed);
        self.resident.as_ref().map_or(Ok(()), |resident| Ok(resident.follow(self.ledger, self.models, now)?))
    }

    /// The same at the end of a batch, after which the thresholds are those of the people who are there.
    ///
    /// # Errors
    ///
    /// As [`Self::take_up`].
    pub(super) fn take_up_at_batch(&self) -> Result<(), ScanError> {
        self.take_up()?;
        if let Some(resident) = &self.resident {
            resident.recalibrate(self.models, self.now());
        }
        Ok(())
    }
}

/// Does the work of a scan, and takes up meanwhile what is changed. An order to stop ends it, and so does what forbids to
/// search, and a database that does not answer. `work` says what it goes by as soon as it knows.
pub(super) fn while_following<'a>(
    (ledger, collection, began): (&'a Ledger, CollectionId, Timestamp),
    job: &JobContext<'_>,
    stop: &AtomicBool,
    work: impl FnOnce(&OnceLock<Followed<'a>>) -> Result<ScanSummary, ScanError>,
) -> Result<ScanSummary, ScanError> {
    let (finished, finish) = mpsc::channel::<()>();
    let lock = OnceLock::new();
    let followed = &lock;
    thread::scope(|scope| {
        let watched = scope.spawn(move || {
            let mut silent = Duration::ZERO;
            while finish.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let asked = match followed.get() {
                    Some(followed) => Followed::take_up(followed),
                    // An order is in the log, so that the transaction's time is not before it.
                    None => ledger
                        .read_tx(began, |tx| tx.check_orders(collection).and_then(|()| job.listen(tx)))
                        .map_err(ScanError::from),
                };
                match asked {
                    Ok(()) => silent = Duration::ZERO,
                    Err(ScanError::Ledger(TxError::Database(_)))
                        if (silent + EVERY).as_millis() < SILENCE_MS as u128 =>
                    {
                        silent += EVERY;
                    }
                    Err(cause) => {
                        stop.store(true, Ordering::Relaxed);
                        if let Some(resident) = followed.get().and_then(|followed| followed.resident.as_ref()) {
                            resident.close();
                        }
                        return Some(cause);
                    }
                }
            }
            None
        });
        let done = work(followed);
        drop(finished);
        match watched.join() {
            Ok(Some(cause)) => Err(cause),
            Ok(None) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

impl From<ResidentError> for ScanError {
    fn from(e: ResidentError) -> ScanError {
        match e {
            ResidentError::Ledger(e) => e.into(),
            other => ScanError::Resident(other),
        }
    }
}
