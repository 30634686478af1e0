//! The scan: every photo of a collection is looked at once, and again only when somebody new asks to be found.
//!
//! ```text
//! list the folder -> what is new, changed, moved, gone, or has not met the newest templates
//!   -> per photo, in parallel: read, hash, decode, detect; with a gallery: align, embed, search, assign
//!   -> in batches, one transaction each: boxes, sightings, one leaf of the log
//! ```
//!
//! A scan that is stopped or killed loses the batch that was not committed, and goes on there the next time.
//!
//! While nobody in the collection asks to be found, no embedding is computed (invariant I3). Embeddings of photos live
//! in the worker that made them and are gone when it takes the next photo (I2).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use assent_gallery::assign::assign;
use assent_gallery::calibration::{Band, DeclaredRates, Thresholds};
use assent_gallery::gallery::{Gallery, Owner, VectorError};
use assent_ledger::{
    Collection, CollectionId, EventKind, FaceBox, GrantId, KnownPhoto, Ledger, NewPhoto, NewSighting, Outcome, PhotoId,
    Purpose, SubjectId, Timestamp, Tx, TxError,
};
use assent_vision::detect::SearchOptions;
use assent_vision::runtime::InferenceError;
use thiserror::Error;

use crate::models::{Cut, LookError, Looked, Models, Worker};
use crate::packs::sha256;
use crate::source::{Folder, PhotoFile, SourceError};
use crate::template;
use crate::walk::walk;

/// Photos in one transaction at most.
const BATCH_PHOTOS: usize = 64;

/// A batch is committed after this time, ms, however small it is.
const BATCH_MS: i64 = 2_000;

/// The code of a photo whose file the operating system would not give.
const UNREADABLE: &str = "unreadable";

/// How a scan is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScanOptions {
    /// How photos are searched for faces.
    pub search: SearchOptions,
    /// Photos that are looked at at once.
    pub threads: usize,
    /// The declared rates that give the thresholds.
    pub rates: DeclaredRates,
}

/// What a scan needs from outside.
pub struct ScanWatch<'a> {
    /// Tells the time.
    pub now: &'a dyn Fn() -> Timestamp,
    /// Set by somebody else to stop the scan after the photos that are being looked at.
    pub stop: &'a AtomicBool,
    /// Called after each photo with how many are done and how many there are to do.
    pub progress: &'a mut dyn FnMut(usize, usize),
}

impl std::fmt::Debug for ScanWatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScanWatch { .. }")
    }
}

/// What a scan did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScanSummary {
    /// Photo files in the folder.
    pub photos: usize,
    /// Of these, looked at now.
    pub looked_at: usize,
    /// Of these, known and unchanged.
    pub unchanged: usize,
    /// Known photos that have another path now.
    pub moved: usize,
    /// Known photos whose files are gone; what was kept of them is, too.
    pub removed: usize,
    /// Files that could not be used, with the reason's code, by path.
    pub failed: Vec<(String, String)>,
    /// Faces in the photos that were looked at.
    pub faces: usize,
    /// Sightings of the band `match` in them.
    pub matches: usize,
    /// Sightings of the band `review` in them.
    pub reviews: usize,
    /// Templates that were searched for; 0 means that nothing but boxes was computed.
    pub templates: usize,
    /// Templates that did not open and were left out.
    pub unopened: usize,
    /// The scores at which the bands began, if anybody was searched for.
    pub thresholds: Option<Thresholds>,
    /// Whether the scan was stopped before its end.
    pub stopped: bool,
}

/// Why a scan failed. What was committed before stays.
#[derive(Debug, Error)]
pub enum ScanError {
    /// The folder.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The folder is empty, but it was not.
    #[error(
        "the folder {folder} has no photo, but {known} are known of it; is the disk there? \
         `assent collection remove` ends a collection"
    )]
    EmptyFolder {
        /// The folder.
        folder: String,
        /// Known photos.
        known: usize,
    },
    /// The ledger refused.
    #[error(transparent)]
    Ledger(#[from] TxError),
    /// A network failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// A template is not of this pack's dimension, or not of length 1.
    #[error("a template does not fit the models; enrol again with the pack in use")]
    Vector(#[from] VectorError),
}

/// The templates of a collection, in memory for the time of a scan.
struct Searched {
    gallery: Gallery,
    /// By the gallery's owner number.
    owners: Vec<(GrantId, SubjectId)>,
    thresholds: Thresholds,
    epoch: i64,
}

/// What a worker made of a photo.
struct Seen {
    sha256: [u8; 32],
    width: u32,
    height: u32,
    outcome: Outcome,
    /// Index of the face, index of the owner, band.
    answers: Vec<(usize, usize, Band)>,
}

/// Scans a collection.
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
    let model = models.pack().model_sha256;
    let begin = ledger.run_tx("begin scan", (watch.now)(), |tx| {
        let about = tx.collection(collection)?;
        let gallery = if about.others.allows_matching() {
            Some(tx.searchable_templates(collection, &Purpose::find_my_photos(), model)?)
        } else {
            None
        };
        Ok((about, gallery, tx.known_photos(collection)?))
    })?;
    let (about, stored, known) = begin.into_inner();
    let folder = Folder::open(&about.directory)?;
    let files = folder.photos()?;
    if files.is_empty() && !known.is_empty() {
        return Err(ScanError::EmptyFolder { folder: about.directory, known: known.len() });
    }
    let mut summary = ScanSummary { photos: files.len(), ..ScanSummary::default() };
    let searched = match stored {
        Some(stored) => {
            summary.unopened = stored.unopened.len();
            Some(load_gallery(models, &stored, options.rates)?)
        }
        None => None,
    };
    if let Some(s) = searched.as_ref().filter(|s| !s.gallery.is_empty()) {
        summary.templates = s.gallery.len();
        summary.thresholds = Some(s.thresholds);
    }

    let moved = follow_moves(ledger, &folder, &about, &known, &files, (watch.now)())?;
    summary.moved = moved.len();
    let epoch = searched.as_ref().map(|s| s.epoch);
    let mut by_path: BTreeMap<&str, &KnownPhoto> = known.iter().map(|k| (k.path.as_str(), k)).collect();
    for (path, photo) in &moved {
        by_path.retain(|_, k| k.id != *photo);
        if let Some(k) = known.iter().find(|k| k.id == *photo) {
            by_path.insert(path, k);
        }
    }
    let present: BTreeSet<&str> = files.iter().map(|f| f.path.as_str()).collect();
    let gone = by_path.iter().filter(|(path, _)| !present.contains(*path)).map(|(_, k)| k.id).collect();
    summary.removed =
        ledger.run_tx("forget photos", (watch.now)(), |tx| tx.remove_photos(collection, &gone))?.into_inner() as usize;

    let is_current = |file: &&PhotoFile| {
        by_path.get(file.path.as_str()).is_some_and(|k| {
            // A moved file was recognised by its content, whatever its date.
            let same_content = (k.bytes == file.bytes && k.mtime == file.modified) || k.path != file.path;
            let same_file = same_content && k.scanned_with == model;
            let retry = k.failure.as_deref() == Some(UNREADABLE);
            same_file
                && !retry
                && (k.failure.is_some() || epoch.is_none_or(|e| k.matched_epoch.is_some_and(|m| m >= e)))
        })
    };
    let (current, todo): (Vec<&PhotoFile>, Vec<&PhotoFile>) = files.iter().partition(is_current);
    summary.unchanged = current.len();
    for file in current {
        if let Some(code) = by_path.get(file.path.as_str()).and_then(|k| k.failure.clone()) {
            summary.failed.push((file.path.clone(), code));
        }
    }
    let ids = by_path.iter().map(|(path, k)| (*path, k.id)).collect();
    look_at(ledger, models, &about, &folder, &todo, &ids, searched.as_ref(), options, watch, &mut summary)?;
    summary.failed.sort();
    Ok(summary)
}

#[expect(clippy::too_many_arguments, reason = "the second half of `scan`, which owns all of these")]
fn look_at(
    ledger: &Ledger,
    models: &Models,
    about: &Collection,
    folder: &Folder,
    todo: &[&PhotoFile],
    known: &BTreeMap<&str, PhotoId>,
    searched: Option<&Searched>,
    options: ScanOptions,
    watch: &mut ScanWatch<'_>,
    summary: &mut ScanSummary,
) -> Result<(), ScanError> {
    if todo.is_empty() {
        return Ok(());
    }
    let mut workers = models.workers(options.search, options.threads.min(todo.len()))?;
    let asked_for = searched.filter(|s| !s.gallery.is_empty());
    let mut batch: Vec<(&PhotoFile, Seen)> = Vec::new();
    let mut last_commit = (watch.now)();
    let mut done = 0;
    let mut failed: Option<ScanError> = None;
    let commit = |batch: &mut Vec<(&PhotoFile, Seen)>, summary: &mut ScanSummary, now| {
        let taken = std::mem::take(batch);
        ledger.run_tx("scan", now, |tx| store(tx, about, models, known, searched, &taken)).map(|stored| {
            let (matches, reviews) = stored.into_inner();
            summary.matches += matches;
            summary.reviews += reviews;
            for (file, seen) in &taken {
                match &seen.outcome {
                    Outcome::Failed(code) => summary.failed.push((file.path.clone(), code.clone())),
                    Outcome::NoFace => {}
                    Outcome::Faces(faces) => summary.faces += faces.len(),
                }
            }
            summary.looked_at += taken.len();
        })
    };
    walk(
        todo,
        &mut workers,
        |worker, file| see(worker, asked_for, &folder.path().join(&file.path)),
        |i, seen| {
            let step = || -> Result<(), ScanError> {
                batch.push((todo[i], seen?));
                done += 1;
                (watch.progress)(done, todo.len());
                let now = (watch.now)();
                if batch.len() >= BATCH_PHOTOS || now.0 - last_commit.0 >= BATCH_MS {
                    commit(&mut batch, summary, now)?;
                    last_commit = now;
                }
                Ok(())
            };
            if let Err(e) = step() {
                failed = Some(e);
                return ControlFlow::Break(());
            }
            if watch.stop.load(Ordering::Relaxed) {
                summary.stopped = true;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        },
    );
    if let Some(error) = failed {
        return Err(error);
    }
    if !batch.is_empty() {
        commit(&mut batch, summary, (watch.now)())?;
    }
    Ok(())
}

/// Stores a batch; returns how many sightings of each band were stored.
fn store(
    tx: &Tx<'_>,
    about: &Collection,
    models: &Models,
    known: &BTreeMap<&str, PhotoId>,
    searched: Option<&Searched>,
    batch: &[(&PhotoFile, Seen)],
) -> Result<(usize, usize), TxError> {
    let model = models.pack().model_sha256;
    let mut concerned: BTreeMap<SubjectId, Vec<u8>> = BTreeMap::new();
    let (mut matches, mut reviews) = (0, 0);
    for (file, seen) in batch {
        // Another content is another photo, whatever its name: what people decided was about the faces of the old one.
        if let Some(old) = known.get(file.path.as_str())
            && !tx.photos_with_content(about.id, seen.sha256)?.contains(old)
        {
            tx.remove_photos(about.id, &BTreeSet::from([*old]))?;
        }
        let stored = tx.put_photo(&NewPhoto {
            collection: about.id,
            path: &file.path,
            sha256: seen.sha256,
            bytes: file.bytes,
            mtime: file.modified,
            width: seen.width,
            height: seen.height,
            outcome: &seen.outcome,
            scanned_with: model,
            matched_epoch: searched.map(|s| s.epoch),
        })?;
        let Some(searched) = searched else { continue };
        // Whoever withdrew while the photo was looked at has no proof now, and is not named (I4).
        let mut proofs = Vec::new();
        for &(face, owner, band) in &seen.answers {
            match tx.active_grant(searched.owners[owner].0) {
                Ok(proof) => proofs.push((proof, stored.faces[face], band)),
                Err(TxError::NotActive { .. } | TxError::NoGrant { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        let new: Vec<NewSighting<'_, '_>> = proofs
            .iter()
            .map(|(grant, face, band)| NewSighting { grant, face: *face, band: in_ledger(*band) })
            .collect();
        tx.replace_sightings(stored.id, &new)?;
        for (proof, _, band) in &proofs {
            match band {
                Band::Match => matches += 1,
                Band::Review => reviews += 1,
            }
            concerned.entry(proof.subject()).or_default().extend(stored.id.0.to_be_bytes());
        }
    }
    let public = [about.id.as_bytes().as_slice(), &model, &(batch.len() as u32).to_be_bytes()].concat();
    let concerned: Vec<(SubjectId, &[u8])> = concerned.iter().map(|(s, d)| (*s, d.as_slice())).collect();
    tx.append_leaf(EventKind::Scan, &public, &concerned)?;
    Ok((matches, reviews))
}

fn in_ledger(band: Band) -> assent_ledger::Band {
    match band {
        Band::Match => assent_ledger::Band::Match,
        Band::Review => assent_ledger::Band::Review,
    }
}

fn load_gallery(
    models: &Models,
    stored: &assent_ledger::Gallery,
    rates: DeclaredRates,
) -> Result<Searched, VectorError> {
    let mut gallery = Gallery::new(models.pack().embedder().dimensions);
    let mut owners: Vec<(GrantId, SubjectId)> = Vec::new();
    for t in &stored.templates {
        let owner = owners.iter().position(|(grant, _)| *grant == t.grant).unwrap_or_else(|| {
            owners.push((t.grant, t.subject));
            owners.len() - 1
        });
        let values = template::decode(&t.plain).unwrap_or_default();
        gallery.insert(Owner(owner as u64), &values)?;
    }
    let thresholds = models.thresholds(rates, gallery.len());
    Ok(Searched { gallery, owners, thresholds, epoch: stored.epoch })
}

/// Looks at one photo. Only a failing network is an error.
fn see(worker: &mut Worker, searched: Option<&Searched>, path: &Path) -> Result<Seen, ScanError> {
    let failed = |sha256, code: &str| Seen {
        sha256,
        width: 0,
        height: 0,
        outcome: Outcome::Failed(code.to_owned()),
        answers: Vec::new(),
    };
    let Ok(bytes) = fs::read(path) else { return Ok(failed([0; 32], UNREADABLE)) };
    let sha256 = sha256(&bytes);
    let looked = match worker.look(&bytes) {
        Ok(looked) => looked,
        Err(LookError::Decode(e)) => return Ok(failed(sha256, e.code())),
        Err(LookError::Inference(e)) => return Err(e.into()),
    };
    let cuts = worker.cut(&looked);
    let boxes: Vec<FaceBox> = boxes(&looked, &cuts);
    let mut answers = Vec::new();
    // I3: without anybody to search for, the walk ends at the boxes.
    if let Some(searched) = searched {
        let embeddings = worker.embed(cuts)?;
        let (faces, probes): (Vec<usize>, Vec<&[f32]>) =
            embeddings.iter().enumerate().filter_map(|(i, e)| Some((i, e.as_ref()?.values()))).unzip();
        let hits = searched.gallery.search(&probes, searched.thresholds.review)?;
        for a in assign(&hits, searched.thresholds) {
            answers.push((faces[a.face], a.owner.0 as usize, a.band));
        }
    }
    let outcome = if boxes.is_empty() { Outcome::NoFace } else { Outcome::Faces(boxes) };
    let (width, height) = looked.size();
    Ok(Seen { sha256, width, height, outcome, answers })
}

fn boxes(looked: &Looked, cuts: &[Cut]) -> Vec<FaceBox> {
    let one = |(face, cut): (&assent_vision::detect::Detection, &Cut)| FaceBox {
        x: face.bounds.x,
        y: face.bounds.y,
        w: face.bounds.width,
        h: face.bounds.height,
        quarter_turn: face.turn.count(),
        score: face.score,
        size_px: cut.quality.map_or(0.0, |q| q.inter_eye_distance_px),
        sharpness: cut.quality.map_or(0.0, |q| q.sharpness),
        luminance: cut.quality.map_or(0.0, |q| q.luminance_mean),
    };
    looked.detected.faces.iter().zip(cuts).map(one).collect()
}

/// Recognises known photos under new paths by their content and records the new paths. Returns new path and photo.
fn follow_moves(
    ledger: &Ledger,
    folder: &Folder,
    about: &Collection,
    known: &[KnownPhoto],
    files: &[PhotoFile],
    now: Timestamp,
) -> Result<Vec<(String, PhotoId)>, TxError> {
    let present: BTreeSet<&str> = files.iter().map(|f| f.path.as_str()).collect();
    let missing: Vec<&KnownPhoto> = known.iter().filter(|k| !present.contains(k.path.as_str())).collect();
    let paths: BTreeSet<&str> = known.iter().map(|k| k.path.as_str()).collect();
    let mut candidates: Vec<(&PhotoFile, [u8; 32])> = Vec::new();
    for file in files.iter().filter(|f| !paths.contains(f.path.as_str())) {
        if missing.iter().any(|k| k.bytes == file.bytes)
            && let Ok(bytes) = fs::read(folder.path().join(&file.path))
        {
            candidates.push((file, sha256(&bytes)));
        }
    }
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let moved = ledger.run_tx("follow moved photos", now, |tx| {
        let mut free: BTreeSet<PhotoId> = missing.iter().map(|k| k.id).collect();
        let mut moved = Vec::new();
        for (file, hash) in &candidates {
            let same = tx.photos_with_content(about.id, *hash)?;
            if let Some(photo) = same.into_iter().find(|p| free.remove(p)) {
                tx.move_photo(about.id, photo, &file.path, file.modified)?;
                moved.push((file.path.clone(), photo));
            }
        }
        Ok(moved)
    })?;
    Ok(moved.into_inner())
}
