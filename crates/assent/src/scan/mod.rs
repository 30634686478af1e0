//! The scan: every photo of a collection is looked at once. When somebody new asks to be found, the faces that are known
//! meet them, and no photo is searched for faces again.
//!
//! ```text
//! plan:    list the folder -> what is new, changed, moved, gone, or has not met the newest templates; newest first
//! process: per photo, in parallel
//!            new or changed: read, hash, decode, detect, leave out who was set apart; with a gallery: align, embed,
//!                            search, assign; a picture that was searched for more before is searched for no less
//!            touched:        read, hash; if it is another file, as a changed one
//!            not met:        the same, but the detector looks at the known faces alone
//!            not met, and its crops are kept: open the crops, embed, search, assign; the file is not read
//! store:   in batches, one transaction each: boxes, crops, sightings, one leaf of the log; a new file that shows the
//!          picture of a photo whose own file is not there is that photo
//!          a face that was set apart in the picture from which a new one was made is told, and set apart by whoever asked
//! end:     what was absent in an earlier listing, and was not found in any new file, is forgotten
//! ```
//!
//! A scan that is stopped or killed loses the batch that was not committed, and goes on there the next time.
//!
//! While nobody in the collection asks to be found, no embedding is computed (invariant I3). Embeddings of photos live
//! in the worker that made them and are gone when it takes the next photo (I2).

mod extent;
mod follow;
mod plan;
mod prefetch;
mod process;
mod store;

pub(crate) use plan::moved_photos;
pub use process::face_box;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use assent_gallery::calibration::{Calibration, DeclaredRates, Thresholds};
use assent_ledger::{
    Absences, Act, Actor, Collection, CollectionId, JobCounts, Ledger, Objections, RequestId, RequestOutcome,
    TemplateId, Timestamp, Tx, TxError,
};
use assent_vision::detect::SearchOptions;
use assent_vision::runtime::InferenceError;
use thiserror::Error;

use crate::budget::PhotoMemory;
use crate::copies::{ApartFace, CompareError, KnownPhotos};
use crate::jobs::{self, Finished, JobContext, Task, Watch, counted};
use crate::models::Models;
use crate::open_gallery::{OpenGallery, OpenOptions};
use crate::resident::{Resident, ResidentError};
use crate::source::{LeftOut, Listing, Problem, Source, SourceError};
use crate::walk::{Prefetch, walk_prefetched};
use extent::Extents;
use follow::{Followed, while_following};
use plan::{Aim, Plan, Work};
use prefetch::Prefetcher;
use process::{PhotoOutcome, PhotoProcessor};
use store::{Batch, Store};

/// More templates than this take so long to open that it is shown.
const OPENING_SHOWN: u64 = 10_000;

/// Photos in one transaction at most.
const BATCH_PHOTOS: usize = 64;

/// A batch is committed after this time, ms, however small it is.
pub const BATCH_MS: i64 = 2_000;

/// How a scan is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScanOptions {
    /// How photos are searched for faces.
    pub search: SearchOptions,
    /// Photos that are looked at at once.
    pub threads: usize,
    /// The declared rates that give the thresholds.
    pub rates: DeclaredRates,
    /// What photos may take together, millions of bytes; one that needs more is refused by name.
    pub memory_mb: u64,
    /// Memory that the gallery may take, bytes, if that is known.
    pub free_bytes: Option<u64>,
    /// The request that is answered by this scan, in a collection that is searched on request: one person, one album.
    pub request: Option<RequestId>,
    /// Who asks for it.
    pub by: Actor,
}

/// What a scan is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Templates are opened; said only where there are thousands.
    OpeningTemplates,
    /// Photos are looked at, or meet the newest templates.
    ProcessingPhotos,
}

/// How far a scan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is counted: templates or photos.
    pub stage: Stage,
    /// How many are done.
    pub done: usize,
    /// How many there are to do.
    pub of: usize,
    /// What is committed so far and stays if the scan is stopped now; `None` while nobody is looked for.
    pub committed: Option<Committed>,
}

/// Sightings that were stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Of the band `match`.
    pub matches: usize,
    /// Of the band `review`.
    pub reviews: usize,
}

/// What a scan needs from outside.
pub struct ScanWatch<'a> {
    /// Tells the time.
    pub now: &'a dyn Fn() -> Timestamp,
    /// Set by somebody else to stop the scan, also in the middle of a photo.
    pub stop: &'a Arc<AtomicBool>,
    /// Called after each photo.
    pub progress: &'a mut dyn FnMut(Progress),
}

impl std::fmt::Debug for ScanWatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScanWatch { .. }")
    }
}

/// A face that was set apart in one photo, in another one that was made from it, resized, cropped or edited. That is another
/// picture, and the face is not set apart in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CopiedFace {
    /// The path of the photo that was made from the other one.
    pub photo: String,
    /// The middle of the face in it, from the left and from the top, pixels of the photo as it is seen.
    pub at: (u32, u32),
    /// The path of a photo in which the face was set apart.
    pub original: String,
}

/// Why faces of a collection are not compared with anybody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// A word for programs, as [`TxError::code`].
    pub code: &'static str,
    /// The sentence.
    pub says: String,
}

impl Locked {
    fn new(refused: &TxError) -> Locked {
        Locked { code: refused.code(), says: refused.to_string() }
    }
}

/// What a scan did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScanSummary {
    /// Photo files in the folder.
    pub photos: usize,
    /// What of the folder could not be listed; what was known of photos there stays as it is.
    pub problems: Vec<Problem>,
    /// What of the folder is left out on purpose.
    pub left_out: Vec<LeftOut>,
    /// Why faces were not compared with anybody's, if the collection forbids it; they were found all the same.
    pub locked: Option<Locked>,
    /// Of these, searched for faces now.
    pub looked_at: usize,
    /// Of these, known and unchanged; their known faces met the newest templates now.
    pub rematched: usize,
    /// Of these, known and unchanged, with nothing to be done.
    pub unchanged: usize,
    /// Of these, searched more thoroughly before than this scan would; they stay as they are.
    pub searched_better: usize,
    /// Known photos that have another path now.
    pub moved: usize,
    /// Known photos whose files are not in the folder; everything that is known of them stays.
    pub missing: usize,
    /// Whether these are too many at once for that many photos to be gone: then none of them was marked as missing.
    pub too_many_missing: bool,
    /// Photos that were missing a day or longer and still are; what was kept of them is gone, too.
    pub removed: usize,
    /// Files that could not be used, with the reason's code, by path.
    pub failed: Vec<(String, String)>,
    /// Faces that were set apart, in resized or edited copies among the photos that were looked at, by path.
    pub copied: Vec<CopiedFace>,
    /// Faces in the photos that were looked at or rematched.
    pub faces: usize,
    /// Sightings of the band `match` in them.
    pub matches: usize,
    /// Sightings of the band `review` in them.
    pub reviews: usize,
    /// Templates that were searched for; 0 means that nothing but boxes was computed.
    pub templates: usize,
    /// Templates that did not open and were left out, by id.
    pub unopened: Vec<TemplateId>,
    /// People who could be found here, but are enrolled with other models: they were not looked for.
    pub people_of_other_models: u64,
    /// Whether templates may have been written to swap or to a core dump: the system did not keep them from it.
    pub exposed: bool,
    /// The scores at which the bands began, if anybody was searched for.
    pub thresholds: Option<Thresholds>,
    /// The score-to-FMR table that they follow from.
    pub table: Option<Calibration>,
    /// Whether the scan was stopped before its end.
    pub stopped: bool,
}

/// Why a scan failed. What was committed before stays.
#[derive(Debug, Error)]
pub enum ScanError {
    /// The folder could not be opened or listed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The folder is empty, but it was not.
    #[error("the folder {folder} has no photo at all, but {known} are known of it, so nothing was changed")]
    EmptyFolder {
        /// The path of the folder, as it is shown.
        folder: String,
        /// The number of photos that are known of the collection.
        known: usize,
    },
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
    /// A network failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// The gallery does not answer.
    #[error(transparent)]
    Resident(ResidentError),
}

impl ScanSummary {
    /// What is known before any photo is looked at.
    fn begun(listing: &Listing, locked: Option<Locked>, followed: &Followed<'_>) -> ScanSummary {
        let mut summary = ScanSummary {
            photos: listing.files.len(),
            problems: listing.problems.clone(),
            left_out: listing.left_out.clone(),
            locked,
            ..ScanSummary::default()
        };
        let of_gallery = |gallery: &OpenGallery| {
            summary.unopened = gallery.unopened().to_vec();
            summary.exposed = gallery.protection().is_exposed();
            if !gallery.is_empty() {
                summary.templates = gallery.templates();
                summary.thresholds = Some(gallery.thresholds());
                summary.table = gallery.table().cloned();
            }
        };
        if let Some(resident) = &followed.resident {
            resident.with(of_gallery);
        }
        summary
    }

    /// Takes up what the folder is like beside what is known.
    fn planned(&mut self, plan: &Plan<'_>) {
        self.moved = plan.moved;
        self.absent(plan.absences);
        self.unchanged = plan.unchanged;
        self.searched_better = plan.searched_better;
        self.failed.clone_from(&plan.failed);
    }

    /// What the record of its job says.
    fn counts(&self) -> JobCounts {
        counted([
            ("photos", self.photos),
            ("looked-at", self.looked_at),
            ("rematched", self.rematched),
            ("unchanged", self.unchanged),
            ("failed", self.failed.len()),
            ("faces", self.faces),
            ("match", self.matches),
            ("review", self.reviews),
        ])
    }

    fn absent(&mut self, absences: Absences) {
        self.missing = absences.absent as usize;
        self.too_many_missing = absences.too_many;
    }
}

/// Scans a collection, the newest photos first.
///
/// # Errors
///
/// [`ScanError`], each variant as it says. A photo that cannot be read is no error: it is in the summary.
pub fn scan(
    ledger: &Ledger,
    models: &Models,
    collection: CollectionId,
    options: ScanOptions,
    watch: &mut ScanWatch<'_>,
) -> Result<ScanSummary, ScanError> {
    let task = match options.request {
        Some(_) => Task::Search(collection),
        None => Task::Scan(collection),
    };
    let outside = Watch { now: watch.now, stop: watch.stop };
    jobs::run(ledger, (task, options.by), outside, ScanError::code, |job| {
        let began = job.began();
        let summary = while_following((ledger, collection, began), job, outside.stop, |followed| {
            scan_leased((ledger, models, collection), options, (began, job), followed, watch)
        })?;
        if let Some(request) = options.request.filter(|_| !summary.stopped) {
            let answer = |tx: &Tx<'_>| tx.answer_request(request, RequestOutcome::Granted).map(drop);
            ledger.run_tx("answer a search", Act { by: options.by, at: (watch.now)() }, answer)?;
        }
        Ok(Finished { counts: summary.counts(), stopped: summary.stopped, value: summary })
    })
}

fn scan_leased<'a>(
    (ledger, models, collection): (&'a Ledger, &'a Models, CollectionId),
    options: ScanOptions,
    (began, job): (Timestamp, &'a JobContext<'_>),
    followed: &OnceLock<Followed<'a>>,
    watch: &mut ScanWatch<'_>,
) -> Result<ScanSummary, ScanError> {
    let model = models.pack().model_sha256;
    let begin = ledger.read_tx(began, |tx| {
        tx.check_orders(collection)?;
        let about = tx.collection(collection)?;
        let mut opening = OpenOptions {
            threads: options.threads,
            available_bytes: options.free_bytes,
            progress: &mut |done, of| {
                if of > OPENING_SHOWN {
                    (watch.progress)(Progress {
                        stage: Stage::OpeningTemplates,
                        done: done as usize,
                        of: of as usize,
                        committed: None,
                    });
                }
            },
        };
        let locked = tx.missing_prerequisites(collection)?.first().map(Locked::new);
        let (opened, locked) = match (options.request, locked) {
            (None, Some(locked)) => (None, Some(locked)),
            (request, _) => {
                (Some(Resident::open(tx, models, (collection, request), options.rates, &mut opening, began)?), None)
            }
        };
        let (resident, album) = match opened {
            Some(Ok((resident, album))) => (Some(resident), album),
            Some(Err(not_enough_memory)) => return Ok(Err(not_enough_memory)),
            None => (None, None),
        };
        let known = tx.count_photos(collection)?;
        let in_use = tx.template_models(Some(collection))?;
        let of_others: u64 = in_use.iter().filter(|(of, _)| *of != model).map(|(_, people)| people).sum();
        let following = Followed::new(tx, (ledger, models, collection), job, resident, began)?;
        Ok(Ok((about, following, known, (album, of_others), locked)))
    })?;
    let (about, following, known, (album, of_others), locked) = begin.map_err(ResidentError::from)?;
    let followed = followed.get_or_init(|| following);
    let enrolled = followed.resident.as_ref().map(|resident| resident.state(began)).transpose()?;
    let source = Source::of(&about)?;
    let listing = source.list()?;
    if listing.files.is_empty() && listing.is_complete() && known > 0 {
        return Err(ScanError::EmptyFolder { folder: about.directory, known: known as usize });
    }
    let mut summary = ScanSummary::begun(&listing, locked, followed);
    summary.people_of_other_models = if enrolled.is_some() && album.is_none() { of_others } else { 0 };
    let now = (watch.now)();
    let extents = Extents { search: options.search };
    let aim = Aim { enrolled, album: album.as_ref(), model, extents, has_heif: models.heif().is_some() };
    let plan = Plan::make((ledger, job.lease()), &source, &about, &listing, aim, now)?;
    summary.planned(&plan);
    let apart_faces = apart_faces((ledger, models, &about), (&plan, &followed.apart()), options, now)?;
    let mut store = Store {
        by: options.by,
        ledger,
        about: &about,
        model,
        followed,
        planned: enrolled,
        began,
        alone: album.is_some(),
        apart_faces: &apart_faces,
        absent: plan.absent.clone(),
        passed_over_new: plan.passes_over_new,
        job,
    };
    if plan.without_faces > 0 {
        store.pass(plan.without_faces, now)?;
        summary.rematched = plan.without_faces;
    }
    if !plan.todo.is_empty() {
        let processor = PhotoProcessor {
            ledger,
            about: &about,
            source: &source,
            models,
            picture_bytes: PhotoMemory::of(options.memory_mb).one_picture_bytes(),
            followed,
            album: album.as_ref(),
            search: options.search,
            searches: &plan.searches,
            stop: watch.stop,
            apart_faces: &apart_faces,
            now,
        };
        process_photos(&plan, &processor, &mut store, options, watch, &mut summary)?;
    }
    note_absent(&plan, &store, &mut summary, (now, (watch.now)()))?;
    summary.failed.sort();
    summary.copied.sort();
    Ok(summary)
}

/// The faces that were set apart, if photos are looked at that may be copies of theirs.
fn apart_faces(
    (ledger, models, about): (&Ledger, &Models, &Collection),
    (plan, apart): (&Plan<'_>, &Objections),
    options: ScanOptions,
    now: Timestamp,
) -> Result<Vec<ApartFace>, ScanError> {
    if apart.is_empty() || !plan.todo.iter().any(|task| matches!(task.work, Work::Detect { .. } | Work::Check { .. })) {
        return Ok(Vec::new());
    }
    let mut worker = models.worker(options.search)?;
    worker.limit_memory(PhotoMemory::of(options.memory_mb).one_picture_bytes());
    let photos = KnownPhotos { ledger, model: models.pack().model_sha256, now };
    photos.set_apart_in(&mut worker, about).map_err(|e| match e {
        CompareError::Ledger(e) => e.into(),
        CompareError::Inference(e) => e.into(),
    })
}

/// Takes up which photos are still absent once the new files were looked at, and forgets those for which it is time. While a
/// new file was not looked at, none is forgotten: it may be one of them.
fn note_absent(
    plan: &Plan<'_>,
    store: &Store<'_>,
    summary: &mut ScanSummary,
    (listed, now): (Timestamp, Timestamp),
) -> Result<(), TxError> {
    let (ledger, collection, absent) = (store.ledger, store.about.id, &store.absent);
    if absent.len() < plan.absent.len() {
        let note = ledger.run_tx("note missing photos", now, |tx| {
            tx.renew_lease(store.job.lease())?;
            tx.note_listing(collection, absent, &plan.unlisted)
        });
        summary.absent(note?.into_inner());
    }
    if absent.is_empty() || summary.stopped || store.passed_over_new {
        return Ok(());
    }
    let forget = ledger.run_tx("forget missing photos", now, |tx| {
        tx.renew_lease(store.job.lease())?;
        tx.forget_absent(collection, absent, listed)
    });
    summary.removed = forget?.into_inner() as usize;
    summary.missing -= summary.removed;
    Ok(())
}

/// Takes the photos that are to be done through the workers, and stores what they made of them.
fn process_photos(
    plan: &Plan<'_>,
    processor: &PhotoProcessor<'_>,
    store: &mut Store<'_>,
    options: ScanOptions,
    watch: &mut ScanWatch<'_>,
    summary: &mut ScanSummary,
) -> Result<(), ScanError> {
    let todo = &plan.todo;
    let memory = PhotoMemory::of(options.memory_mb);
    let threads = options.threads.clamp(1, todo.len().max(1));
    let mut workers = (0..threads).map(|_| processor.worker()).collect::<Result<Vec<_>, _>>()?;
    let mut batch: Batch<'_, '_> = Vec::new();
    let mut last_commit = (watch.now)();
    // Listing the folder may have taken long.
    processor.followed.tell(last_commit);
    processor.followed.take_up_at_batch()?;
    let mut done = 0;
    let mut failed: Option<ScanError> = None;
    let mut prefetcher = Prefetcher::new(processor, todo);
    let prefetch = Prefetch { budget: &memory.files, size: Prefetcher::size, read: |i: usize| prefetcher.read(i) };
    walk_prefetched(
        todo,
        &mut workers,
        prefetch,
        |worker, task, content| processor.process(worker, task, content?, &memory.pictures),
        |i, seen| {
            let step = || -> Result<(), ScanError> {
                match seen? {
                    PhotoOutcome::Stopped => return Ok(()),
                    seen => batch.push((&todo[i], seen)),
                }
                done += 1;
                let sightings = Committed { matches: summary.matches, reviews: summary.reviews };
                let committed = (summary.templates > 0).then_some(sightings);
                (watch.progress)(Progress { stage: Stage::ProcessingPhotos, done, of: todo.len(), committed });
                store.job.note(done as u64, todo.len() as u64);
                let now = (watch.now)();
                processor.followed.tell(now);
                if batch.len() >= BATCH_PHOTOS || now.0 - last_commit.0 >= BATCH_MS {
                    processor.followed.take_up_at_batch()?;
                    store.commit(&mut batch, summary, now)?;
                    last_commit = now;
                }
                Ok(())
            };
            if let Err(e) = step() {
                failed = Some(e);
                return ControlFlow::Break(());
            }
            summary.stopped = watch.stop.load(Ordering::Relaxed);
            if summary.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        },
    );
    if let Some(error) = failed {
        return Err(error);
    }
    let now = (watch.now)();
    processor.followed.tell(now);
    if !summary.stopped {
        processor.followed.take_up_at_batch()?;
    }
    store.commit(&mut batch, summary, now)?;
    Ok(())
}
