//! The photo processor: one worker takes one photo, and searches it for faces, or looks at its known faces alone, from the
//! file or from kept crops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assent_gallery::calibration::Band;
use assent_ledger::{
    Album, Collection, FaceBox, FaceId, GrantId, Ledger, Outcome, PhotoId, PhotoTime, PhotoTimeSource, PictureOf,
    Timestamp, Tx,
};
use assent_vision::catch_panic::catch_panic;
use assent_vision::crop;
use assent_vision::decode::capture_time;
use assent_vision::detect::{Detected, Detection, Posture, SearchOptions};
use assent_vision::geometry::{QuarterTurn, Rect};
use assent_vision::quality::Quality;
use assent_vision::runtime::InferenceError;

use super::ScanError;
use super::extent::union;
use super::follow::Followed;
use super::plan::{Task, Work};
use super::prefetch::Content;
use crate::budget::Budget;
use crate::copies::ApartFace;
use crate::models::{DetectError, DetectedPhoto, FaceCrop, Models, Worker};
use crate::packs::sha256;
use crate::picture::picture_of;
use crate::resident::{Answer, Answers, ResidentError};
use crate::source::{PhotoFile, Source, Unread};

/// By how much a photo's time may be ahead of the scan, ms: a day and two hours, since cameras without an offset show the
/// time of their place.
const AHEAD_MS: i64 = 26 * 60 * 60 * 1000;

/// The code of a file in the middle of which somebody's code gave up, as that of a file that a decoder refuses.
const DAMAGED: &str = "damaged";

/// What a worker made of a photo.
pub(super) enum PhotoOutcome {
    /// It was searched for faces.
    Detected(Detections),
    /// Its known faces met the templates.
    Rematched {
        /// The id of the photo.
        photo: PhotoId,
        /// How many faces it has.
        faces: usize,
        /// Face, consent under which it was found, band.
        answers: Vec<(FaceId, GrantId, Band)>,
        /// Up to which epoch they met everybody.
        epoch: Option<i64>,
        /// When it was taken, if its file was read.
        taken: Option<PhotoTime>,
    },
    /// Its file has another date, and holds what it held.
    Same {
        /// The id of the photo.
        photo: PhotoId,
    },
    /// It was taken at another time than the request is about, and nobody was looked for in it.
    OutsideAlbum,
    /// It is known, and its file could not be read just now. What is known of it stays, and the next scan tries again.
    Unread,
    /// The scan was stopped in the middle of it: the next one begins it anew.
    Stopped,
}

impl PhotoOutcome {
    /// Whether its file was read, so that it is known what it holds.
    pub(super) fn is_read(&self) -> bool {
        let unread = [Unread::Unreadable.code(), Unread::TooLarge.code()];
        match self {
            PhotoOutcome::Detected(look) => {
                !matches!(&look.outcome, Outcome::Failed(code) if unread.contains(&code.as_str()))
            }
            PhotoOutcome::Rematched { .. } | PhotoOutcome::Same { .. } => true,
            PhotoOutcome::OutsideAlbum | PhotoOutcome::Unread | PhotoOutcome::Stopped => false,
        }
    }
}

/// What the search for faces found.
pub(super) struct Detections {
    pub(super) sha256: [u8; 32],
    /// How it was searched.
    pub(super) search: SearchOptions,
    /// What it shows; `None` if it was not decoded.
    pub(super) picture: Option<PictureOf>,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) outcome: Outcome,
    pub(super) taken: PhotoTime,
    pub(super) answers: Option<Answers>,
    /// Faces that are in pictures in which they were set apart: index of the face, number of that one. This picture was made
    /// from one of those, and they are not set apart in it.
    pub(super) copied: Vec<(usize, usize)>,
    /// The faces' crops, as they are kept; empty where the collection keeps none.
    pub(super) crops: Vec<Option<Vec<u8>>>,
}

/// What all workers of a scan share.
pub(super) struct PhotoProcessor<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) about: &'a Collection,
    pub(super) source: &'a Source,
    pub(super) models: &'a Models,
    /// How photos are searched.
    pub(super) search: SearchOptions,
    /// The most memory that one photo may take.
    pub(super) picture_bytes: u64,
    /// Who is searched for, and what was set apart.
    pub(super) followed: &'a Followed<'a>,
    /// How those are that were searched for more before: for no less.
    pub(super) searches: &'a BTreeMap<PhotoId, SearchOptions>,
    /// Set when the scan is to end.
    pub(super) stop: &'a Arc<AtomicBool>,
    /// The faces that were set apart, for the pictures of new and changed photos to be compared with.
    pub(super) apart_faces: &'a [ApartFace],
    /// The photos that are asked about, if somebody asked.
    pub(super) album: Option<&'a Album>,
    /// When the scan began.
    pub(super) now: Timestamp,
}

impl PhotoProcessor<'_> {
    /// A worker for one thread of the scan.
    ///
    /// # Errors
    ///
    /// As [`Models::worker`].
    pub(super) fn worker(&self) -> Result<Worker, InferenceError> {
        let mut worker = self.models.worker(self.search)?;
        worker.limit_memory(self.picture_bytes);
        worker.stop_by(Arc::clone(self.stop));
        Ok(worker)
    }

    /// Does what is to be done with one photo, whatever the photo does: a panic in the middle of it means that this one
    /// file is damaged.
    ///
    /// # Errors
    ///
    /// [`ScanError`] if a network fails or the ledger refuses to be read; a file that cannot be used is none.
    pub(super) fn process(
        &self,
        worker: &mut Worker,
        task: &Task<'_>,
        content: Content,
        memory: &Budget,
    ) -> Result<PhotoOutcome, ScanError> {
        if self.stop.load(Ordering::Relaxed) {
            return Ok(PhotoOutcome::Stopped);
        }
        match catch_panic(|| self.process_photo(worker, task, content, memory)) {
            Some(Err(ScanError::Inference(InferenceError::Stopped))) => Ok(PhotoOutcome::Stopped),
            // A part of it may not have been decoded at its full size any more.
            Some(Ok(PhotoOutcome::Detected(_))) if self.stop.load(Ordering::Relaxed) => Ok(PhotoOutcome::Stopped),
            Some(seen) => seen,
            None => {
                // Whatever it was in the middle of is left behind.
                *worker = self.worker()?;
                match task.work {
                    Work::Detect { known: None } => {
                        let taken = PhotoTime::by_file(task.file.modified);
                        Ok(PhotoOutcome::Detected(failed([0; 32], DAMAGED, taken, self.search)))
                    }
                    _ => Ok(PhotoOutcome::Unread),
                }
            }
        }
    }

    /// Does what is to be done with one photo; `content` is what was read of it, and `memory` what pictures may take.
    ///
    /// # Errors
    ///
    /// [`ScanError`] if a network fails or the ledger refuses to be read; a file that cannot be used is none.
    fn process_photo(
        &self,
        worker: &mut Worker,
        task: &Task<'_>,
        content: Content,
        memory: &Budget,
    ) -> Result<PhotoOutcome, ScanError> {
        worker.search = task.work.known().map_or(self.search, |photo| self.search_of(photo));
        let file = match content {
            Content::File(file) => file,
            Content::Crops(kept) => {
                if let Work::RematchCrops { photo, faces } = task.work
                    && let Some((ids, face_crops)) = decode_crops(kept).filter(|(ids, _)| ids.len() == faces)
                {
                    return self.rematched(worker, photo, (&ids, None), face_crops);
                }
                self.source.read(task.file)
            }
        };
        let bytes = match (file, task.work) {
            (Ok(bytes), _) => bytes,
            (Err(why), Work::Detect { known: None }) => {
                let taken = PhotoTime::by_file(task.file.modified);
                return Ok(PhotoOutcome::Detected(failed([0; 32], why.code(), taken, self.search)));
            }
            (Err(_), _) => return Ok(PhotoOutcome::Unread),
        };
        let taken = taken(&bytes, task.file, self.now);
        if self.album.is_some_and(|album| task.undated && !album.holds(&task.file.path, &taken)) {
            return Ok(PhotoOutcome::OutsideAlbum);
        }
        let seen = {
            let _share = memory.take(worker.bytes_needed(&bytes));
            self.process_file(worker, task.work, &bytes, taken)?
        };
        // What a photo shows is known once it was decoded.
        let PhotoOutcome::Detected(Detections { sha256, picture: Some(picture), .. }) = seen else { return Ok(seen) };
        let search = self.search_of_picture(picture, worker.search)?;
        if search == worker.search {
            return Ok(seen);
        }
        worker.search = search;
        let _share = memory.take(worker.bytes_needed(&bytes));
        self.detect_faces(worker, &bytes, (sha256, taken))
    }

    /// How a known photo is searched.
    fn search_of(&self, photo: PhotoId) -> SearchOptions {
        self.searches.get(&photo).copied().unwrap_or(self.search)
    }

    /// How a picture is searched that a `search` was about to search: for no less than it was as any known photo, so that no
    /// face is lost that is known of it. One that was held otherwise then is searched any way up: its faces are turned now.
    fn search_of_picture(&self, picture: PictureOf, search: SearchOptions) -> Result<SearchOptions, ScanError> {
        if self.searches.is_empty() && search.posture == Posture::AnyWayUp {
            return Ok(search);
        }
        let known = |tx: &Tx<'_>| tx.photos_with_picture(self.about.id, picture.sha256);
        let known = self.ledger.run_tx("look for a picture", self.now, known)?.into_inner();
        Ok(known.into_iter().fold(search, |search, (photo, orientation)| {
            let search = union(search, self.search_of(photo));
            let posture = if orientation == picture.orientation { search.posture } else { Posture::AnyWayUp };
            SearchOptions { posture, ..search }
        }))
    }

    /// Does what is to be done with a photo whose file was read.
    fn process_file(
        &self,
        worker: &mut Worker,
        work: Work,
        bytes: &[u8],
        taken: PhotoTime,
    ) -> Result<PhotoOutcome, ScanError> {
        match work {
            Work::Detect { .. } => self.detect_faces(worker, bytes, (sha256(bytes), taken)),
            Work::Check { photo } => {
                let sha256 = sha256(bytes);
                let same = |tx: &Tx<'_>| tx.is_content_of(self.about.id, photo, sha256);
                if self.ledger.run_tx("compare a file", self.now, same)?.into_inner() {
                    return Ok(PhotoOutcome::Same { photo });
                }
                self.detect_faces(worker, bytes, (sha256, taken))
            }
            Work::Rematch { photo } | Work::RematchCrops { photo, .. } => self.rematch(worker, bytes, (photo, taken)),
        }
    }

    /// Searches a photo for faces.
    fn detect_faces(
        &self,
        worker: &mut Worker,
        bytes: &[u8],
        (sha256, taken): ([u8; 32], PhotoTime),
    ) -> Result<PhotoOutcome, ScanError> {
        let mut photo = match worker.detect(bytes) {
            Ok(photo) => photo,
            Err(DetectError::Decode(e)) => {
                return Ok(PhotoOutcome::Detected(failed(sha256, e.code(), taken, worker.search)));
            }
            Err(DetectError::Inference(e)) => return Err(e.into()),
        };
        let picture = picture_of(photo.file.bytes(), &photo.decoded);
        let places = self.followed.apart().in_photo(sha256, picture, photo.size());
        let is_apart = |face: &Detection| places.iter().any(|place| place.is_same_face(&face_box(face, None)));
        let faces = photo.detected.faces.iter().enumerate();
        photo.apart = faces.filter(|(_, face)| is_apart(face)).map(|(i, _)| i).collect();
        let face_crops = worker.crop_faces(&photo);
        let faces = photo.detected.faces.iter().zip(&face_crops);
        let outcome = Outcome::read(faces.map(|(face, cut)| face_box(face, cut.quality)).collect());
        let crops = if self.about.keep_crops {
            face_crops.iter().map(|cut| cut.aligned.as_ref().and_then(|aligned| crop::encode(aligned).ok())).collect()
        } else {
            Vec::new()
        };
        let copied = self.copied(&face_crops);
        let answers = self.answers(worker, face_crops)?;
        let (width, height) = photo.size();
        worker.reuse(photo);
        let (search, picture) = (worker.search, Some(picture));
        Ok(PhotoOutcome::Detected(Detections {
            sha256,
            search,
            picture,
            width,
            height,
            outcome,
            taken,
            answers,
            copied,
            crops,
        }))
    }

    /// Which of the faces were cut from a picture in which they were set apart. Pictures are compared, and no people.
    fn copied(&self, face_crops: &[FaceCrop]) -> Vec<(usize, usize)> {
        let one = |(i, cut): (usize, &FaceCrop)| {
            let (crop, quality) = (cut.aligned.as_ref()?, cut.quality?);
            let of = self.apart_faces.iter().position(|apart| apart.is_in((crop, quality.luminance_mean)))?;
            Some((i, of))
        };
        face_crops.iter().enumerate().filter_map(one).collect()
    }

    /// Lets the known faces of a photo meet the templates, without those that were set apart. If the file is no longer what was scanned, or one of its faces
    /// is not found where it was, it is searched for faces as a new one is.
    fn rematch(
        &self,
        worker: &mut Worker,
        bytes: &[u8],
        (photo, taken): (PhotoId, PhotoTime),
    ) -> Result<PhotoOutcome, ScanError> {
        let sha256 = sha256(bytes);
        let known = self.ledger.read_tx(self.now, |tx| {
            let same = tx.is_content_of(self.about.id, photo, sha256)?;
            let apart = tx.objected_faces(photo)?;
            let mut known = tx.faces_of(photo)?;
            known.retain(|(face, _)| !apart.contains(face));
            Ok(same.then_some(known))
        })?;
        if let Some(known) = known
            && let Some(redetected) = worker.redetect(bytes, known.iter().map(|(_, at)| at))?
        {
            let face_crops = worker.crop_faces(&redetected);
            worker.reuse(redetected);
            let ids: Vec<FaceId> = known.iter().map(|(id, _)| *id).collect();
            return self.rematched(worker, photo, (&ids, Some(taken)), face_crops);
        }
        self.detect_faces(worker, bytes, (sha256, taken))
    }

    fn rematched(
        &self,
        worker: &mut Worker,
        photo: PhotoId,
        (ids, taken): (&[FaceId], Option<PhotoTime>),
        face_crops: Vec<FaceCrop>,
    ) -> Result<PhotoOutcome, ScanError> {
        let (faces, answers) = (ids.len(), self.answers(worker, face_crops)?);
        let epoch = answers.as_ref().map(|answers| answers.epoch);
        let of_face = |answer: &Answer| (ids[answer.face], answer.grant, answer.band);
        let answers = answers.iter().flat_map(|answers| &answers.faces).map(of_face).collect();
        Ok(PhotoOutcome::Rematched { photo, faces, answers, epoch, taken })
    }

    /// Which of the faces are whose. I3: without anybody to search for, the walk ends before the embedding.
    fn answers(&self, worker: &mut Worker, face_crops: Vec<FaceCrop>) -> Result<Option<Answers>, ScanError> {
        let Some(resident) = &self.followed.resident else { return Ok(None) };
        let (epoch, nobody) = self.current(|now| resident.state(now))?;
        if nobody {
            return Ok(Some(Answers { epoch, faces: Vec::new() }));
        }
        let embeddings = worker.embed(face_crops)?;
        let (faces, probes): (Vec<usize>, Vec<&[f32]>) =
            embeddings.iter().enumerate().filter_map(|(i, e)| Some((i, e.as_ref()?.values()))).unzip();
        let mut answers = self.current(|now| resident.answers(&probes, now))?;
        answers.faces.iter_mut().for_each(|answer| answer.face = faces[answer.face]);
        Ok(Some(answers))
    }

    /// Asks the gallery. One that was not looked after for too long, because the machine slept perhaps, is first.
    fn current<T>(&self, ask: impl Fn(Timestamp) -> Result<T, ResidentError>) -> Result<T, ScanError> {
        match ask(self.followed.now()) {
            Err(ResidentError::Closed) => {
                self.followed.take_up()?;
                Ok(ask(self.followed.now())?)
            }
            asked => Ok(asked?),
        }
    }
}

impl Worker {
    /// Decodes a photo and finds the landmarks of the faces again whose boxes are known, in their order; `None` if one of
    /// them is not found, or the photo does not decode. No embedding is made.
    ///
    /// # Errors
    ///
    /// [`InferenceError`] if the detector fails.
    fn redetect<'b, 'k>(
        &mut self,
        bytes: &'b [u8],
        known: impl Iterator<Item = &'k FaceBox>,
    ) -> Result<Option<DetectedPhoto<'b>>, InferenceError> {
        let Ok((file, decoded)) = self.decode(bytes) else { return Ok(None) };
        let mut faces = Vec::new();
        for at in known {
            let bounds = Rect { x: at.x, y: at.y, width: at.w, height: at.h };
            let turn = QuarterTurn::from_count(at.quarter_turn);
            let Some(landmarks) = self.landmarks(&decoded, bounds, turn)? else { return Ok(None) };
            faces.push(Detection { bounds, landmarks, turn, score: at.score });
        }
        Ok(Some(DetectedPhoto { file, detected: Detected { faces }, decoded, apart: BTreeSet::new() }))
    }
}

/// Kept crops, as the embedder takes them, and whose they are. A crop can always be made again, so one that does not
/// decode is no error: then there is none.
fn decode_crops(kept: Vec<(FaceId, Vec<u8>)>) -> Option<(Vec<FaceId>, Vec<FaceCrop>)> {
    let cut = |(id, bytes): (FaceId, Vec<u8>)| {
        let aligned = crop::decode(&bytes).ok()?;
        Some((id, FaceCrop { aligned: Some(aligned), quality: None }))
    };
    kept.into_iter().map(cut).collect()
}

/// When a photo was taken: by its camera, or else by the date of its file.
fn taken(bytes: &[u8], file: &PhotoFile, now: Timestamp) -> PhotoTime {
    let by_camera = capture_time(bytes).map(|found| PhotoTime {
        at: Timestamp(found.instant_ms),
        offset_min: found.offset_min,
        from: PhotoTimeSource::Exif,
    });
    // A camera whose clock runs ahead of ours says nothing.
    by_camera.filter(|taken| taken.at.0 <= now.0 + AHEAD_MS).unwrap_or_else(|| PhotoTime::by_file(file.modified))
}

fn failed(sha256: [u8; 32], code: &str, taken: PhotoTime, search: SearchOptions) -> Detections {
    let outcome = Outcome::Failed(code.to_owned());
    Detections {
        sha256,
        search,
        picture: None,
        width: 0,
        height: 0,
        outcome,
        taken,
        answers: None,
        copied: Vec::new(),
        crops: Vec::new(),
    }
}

/// What is kept of a face (in photo pixels), whoever it is; zeros for a `quality` that was not measured.
pub fn face_box(face: &Detection, quality: Option<Quality>) -> FaceBox {
    FaceBox {
        x: face.bounds.x,
        y: face.bounds.y,
        w: face.bounds.width,
        h: face.bounds.height,
        quarter_turn: face.turn.count(),
        score: face.score,
        size_px: quality.map_or(0.0, |q| q.inter_eye_distance_px),
        sharpness: quality.map_or(0.0, |q| q.sharpness),
        luminance: quality.map_or(0.0, |q| q.luminance_mean),
    }
}
