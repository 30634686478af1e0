//! Jobs: scans, imports, exports and what is done every day, each under a lease, with progress that every process sees, a way to
//! stop it from any of them, and a record of how it ended ([`assent_ledger::Job`]).
//!
//! ```text
//! start   the lease of its kind is taken, and its record written; a second job under that lease is refused with what runs
//! work    says at each step how far it is, and hears whether it is to stop: at most once a second in the record
//! end     done, stopped or failed, with counts and the code of the error. A process that is killed leaves a record that reads as
//!         interrupted
//! ```

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use assent_ledger::{
    Act, Actor, Collection, CollectionId, Job, JobCounts, JobId, JobKind, JobOutcome, JobRecords, JobRun, JobState,
    Lease, LeaseName, Ledger, NewJob, ReadTx, Timestamp, Tx, TxError,
};

use crate::export::resolved;

/// The record of a job is written this often at most, ms.
const REPORT_MS: i64 = 1_000;

/// What a job is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task<'a> {
    /// Look at the photos of a collection.
    Scan(CollectionId),
    /// Look for the one person who asked, in the photos of a collection that is searched on request.
    Search(CollectionId),
    /// Record a table of people who agree.
    Enrolments,
    /// Record a table of people who agree again.
    Renewals,
    /// Write copies of everybody's photos into this folder.
    CopiesForAll(&'a Path),
    /// Write copies or a page of one person's photos there. Whose stands nowhere.
    CopiesForOne(&'a Path),
    /// Write the page with everybody's proposals there.
    Proposals(&'a Path),
    /// Do what has to be done every day.
    Tick,
}

impl Task<'_> {
    /// The task in a word for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scan(_) => "scan",
            Self::Search(_) => "search-on-request",
            Self::Enrolments => "enrolments",
            Self::Renewals => "renewals",
            Self::CopiesForAll(_) => "copies-for-all",
            Self::CopiesForOne(_) => "copies-for-one",
            Self::Proposals(_) => "proposals",
            Self::Tick => "tick",
        }
    }

    fn kind(self) -> JobKind {
        match self {
            Self::Scan(_) | Self::Search(_) => JobKind::Scan,
            Self::Enrolments | Self::Renewals => JobKind::Import,
            Self::CopiesForAll(_) | Self::CopiesForOne(_) | Self::Proposals(_) => JobKind::Export,
            Self::Tick => JobKind::Tick,
        }
    }

    /// What one process does at a time: one scan of a collection, one import, one export to a place, one tick.
    fn lease(self, ledger: &Ledger) -> LeaseName {
        match self {
            Self::Scan(collection) | Self::Search(collection) => LeaseName::Scan(collection),
            Self::Enrolments | Self::Renewals => LeaseName::Import,
            Self::CopiesForAll(place) | Self::CopiesForOne(place) | Self::Proposals(place) => {
                ledger.export_lease(&resolved(place).unwrap_or_else(|_| place.to_owned()))
            }
            Self::Tick => LeaseName::Tick,
        }
    }

    fn collection(self) -> Option<CollectionId> {
        match self {
            Self::Scan(collection) | Self::Search(collection) => Some(collection),
            _ => None,
        }
    }
}

/// What a job needs from outside.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Tells the time.
    pub now: &'a dyn Fn() -> Timestamp,
    /// Set by somebody in this process to stop the job; the job sets it when it is stopped from another one.
    pub stop: &'a Arc<AtomicBool>,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch { .. }")
    }
}

/// What came of the work of a job.
#[derive(Debug, Clone)]
pub struct Finished<T> {
    /// The answer.
    pub value: T,
    /// How many of what, for the record, by words for programs.
    pub counts: JobCounts,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// A job while it runs, for whoever does its work.
#[derive(Debug)]
pub struct JobContext<'l> {
    ledger: &'l Ledger,
    run: JobRun,
    by: Actor,
    began: Timestamp,
    stop: Arc<AtomicBool>,
    done: AtomicU64,
    total: AtomicU64,
    /// When the record was written last, ms.
    written: AtomicI64,
    /// That another process took its lease.
    lost: Mutex<Option<TxError>>,
}

impl JobContext<'_> {
    /// Says how far the job is: in its record at most once a second. If that cannot be written, the next time tries again; if another
    /// process took over, the job is to stop.
    pub fn report(&self, done: u64, total: u64, now: Timestamp) {
        self.note(done, total);
        if now.0.saturating_sub(self.written.load(Ordering::Relaxed)) < REPORT_MS {
            return;
        }
        self.written.store(now.0, Ordering::Relaxed);
        let report = self.ledger.run_tx("report a job", Act { by: self.by, at: now }, |tx| self.write(tx));
        if let Err(lost @ TxError::LeaseLost { .. }) = report {
            *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(lost);
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// When it began.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// Whether the job is to stop, with everything whole.
    #[must_use]
    pub fn should_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What the job stores is stored under this.
    pub(crate) fn lease(&self) -> &Lease {
        self.run.lease()
    }

    /// How far the job is, for the next time that its record is written.
    pub(crate) fn note(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Writes how far the job is in a transaction of its own work, and hears whether it is to stop.
    ///
    /// # Errors
    ///
    /// As [`Tx::report_job`].
    pub(crate) fn write(&self, tx: &Tx<'_>) -> Result<(), TxError> {
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        self.heard(tx.report_job(&self.run, done, total)?);
        Ok(())
    }

    /// Hears whether the job is to stop.
    ///
    /// # Errors
    ///
    /// As [`ReadTx::job_is_cancelled`].
    pub(crate) fn listen(&self, tx: &ReadTx<'_>) -> Result<(), TxError> {
        self.heard(tx.job_is_cancelled(&self.run)?);
        Ok(())
    }

    fn heard(&self, cancelled: bool) {
        if cancelled {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Writes down how the job ended. If that fails, its record reads as interrupted.
    fn end(self, outcome: &JobOutcome, now: Timestamp) {
        let reached = (self.done.into_inner(), self.total.into_inner());
        drop(self.ledger.end_job(self.run, reached, outcome, Act { by: self.by, at: now }));
    }
}

/// Runs a job: `work` does it, says how far it is, and ends early when it is told to. `code` is the word for an error of its.
///
/// # Errors
///
/// - [`TxError::JobRuns`] if another job does the same, [`TxError::Leased`] if something else has its lease.
/// - [`TxError::LeaseLost`] if another process took over meanwhile.
/// - Whatever `work` returns; that is in the record.
pub fn run<T, E: From<TxError>>(
    ledger: &Ledger,
    (task, by): (Task<'_>, Actor),
    watch: Watch<'_>,
    code: fn(&E) -> &'static str,
    work: impl FnOnce(&JobContext<'_>) -> Result<Finished<T>, E>,
) -> Result<T, E> {
    let at = (watch.now)();
    let (kind, collection, lease) = (task.kind(), task.collection(), task.lease(ledger));
    let run = ledger.start_job(&NewJob { kind, collection, lease, task: task.as_str() }, Act { by, at })?;
    let job = JobContext {
        ledger,
        run,
        by,
        began: at,
        stop: Arc::clone(watch.stop),
        done: AtomicU64::new(0),
        total: AtomicU64::new(0),
        written: AtomicI64::new(at.0),
        lost: Mutex::new(None),
    };
    let done = work(&job);
    let lost = job.lost.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(lost) = lost {
        return Err(lost.into());
    }
    let outcome = match &done {
        Ok(Finished { counts, stopped: false, .. }) => JobOutcome::Done(counts.clone()),
        Ok(Finished { counts, .. }) => JobOutcome::Cancelled(counts.clone()),
        Err(error) => JobOutcome::Failed(code(error).to_owned()),
    };
    job.end(&outcome, (watch.now)());
    done.map(|finished| finished.value)
}

/// Jobs, with what their collections are called.
#[derive(Debug)]
pub struct Jobs {
    /// The newest first.
    pub jobs: Vec<Job>,
    /// Those whose record is not as it was written, and says nothing.
    pub unreadable: Vec<JobId>,
    /// All collections that there ever were.
    pub collections: Vec<Collection>,
}

/// The jobs that run, and the newest of each kind and collection; with `all` every one of which there is a record.
///
/// # Errors
///
/// As [`Ledger::jobs`] and [`ReadTx::collections_ever`].
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method's path has one lifetime, the closure all")]
pub fn list(ledger: &Ledger, all: bool, now: Timestamp) -> Result<Jobs, TxError> {
    let collections = ledger.read_tx(now, |tx| tx.collections_ever())?;
    let JobRecords { mut jobs, unreadable } = ledger.jobs(now)?;
    let mut known = BTreeSet::new();
    jobs.retain(|job| known.insert((job.kind, job.collection)) || all || job.state == JobState::Running);
    Ok(Jobs { jobs, unreadable, collections })
}

/// Asks a job to stop, in whatever process it runs. It ends at its next step, with everything whole.
///
/// # Errors
///
/// As [`Ledger::cancel_job`].
pub fn cancel(ledger: &Ledger, job: JobId, act: Act) -> Result<(), TxError> {
    ledger.cancel_job(job, act)
}

/// Counts by their words; what there is none of is left away.
pub fn counted<const N: usize>(counts: [(&str, usize); N]) -> JobCounts {
    counts.into_iter().filter(|(_, n)| *n > 0).map(|(word, n)| (word.to_owned(), n as u64)).collect()
}
