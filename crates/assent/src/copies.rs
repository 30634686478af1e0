//! Is a portrait a copy or a crop of a photo that the vault knows? Then it is no portrait: whoever finds a stranger's
//! photo could enrol them from it (requirement R4).
//!
//! ```text
//! the file's hash, in every collection                          a byte copy
//! the light and the sharpness that are kept of every face       rules out about half of the faces
//!   -> their photos, opened again (or their kept crops)         nothing new is kept of anybody (invariant I2)
//!   -> pixels against pixels, face by face                      a copy, whoever it shows
//! ```
//!
//! Pictures are compared and not people: no embedding is made of anybody in the photos (I3), and another photo of the
//! same person is another picture.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, RangeFrom, RangeInclusive};

use assent_ledger::{
    Collection, CollectionId, FaceBox, FaceId, KnownPhoto, Ledger, PhotoId, ReadTx, Timestamp, TxError, VaultKind,
};
use assent_vision::crop;
use assent_vision::detect::Detection;
use assent_vision::embed::Aligned;
use assent_vision::geometry::{QuarterTurn, Rect};
use assent_vision::quality::luminance_mean;
use assent_vision::runtime::InferenceError;
use assent_vision::same_picture::Comparison;
use thiserror::Error;

use crate::heif::Readable;
use crate::models::{DetectError, Worker};
use crate::packs::sha256;
use crate::portrait::FitFace;
use crate::scan::face_box;
use crate::source::Source;

/// The face of a copy is at most this many times brighter or darker than that of its original.
///
/// # Source
///
/// Measured, see `docs/quality.md`: no copy differed by more than 1.22 times.
const BRIGHTER_MAX: f32 = 1.3;

/// The face of a copy is at most this many times as sharp as that of its original.
///
/// # Source
///
/// As above: one of 2,123 copies was over 2.1 times as sharp. How much less sharp a copy may be has no limit: it may have
/// been made smaller.
const SHARPER_MAX: f32 = 2.5;

/// A photo is opened so large that there are at least so many pixels between the eyes: as many as are compared.
const EYES_PX: f32 = 24.0;

/// So many photos are looked at together, so that memory does not grow with the collection.
const PAGE_PHOTOS: u32 = 512;

/// Everything that was scanned, in all collections of a vault.
pub(crate) struct KnownPhotos<'a> {
    pub(crate) ledger: &'a Ledger,
    /// The networks for which crops are kept.
    pub(crate) model: [u8; 32],
    pub(crate) now: Timestamp,
}

/// Why portraits could not be compared with the known photos.
#[derive(Debug, Error)]
pub(crate) enum CompareError {
    /// The ledger refused to be read or written.
    #[error(transparent)]
    Ledger(#[from] TxError),
    /// The detector or the embedder failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
}

/// A photo with faces that could be the portrait's.
struct Candidate {
    photo: KnownPhoto,
    faces: Vec<(FaceId, FaceBox)>,
}

/// What faces are like that a picture may be a copy of.
struct Like {
    light: RangeInclusive<f32>,
    sharp: RangeFrom<f32>,
}

impl Like {
    fn ranges(&self) -> (&RangeInclusive<f32>, &RangeFrom<f32>) {
        (&self.light, &self.sharp)
    }

    /// Those among the next photos of a collection, and the last of these; `None` after the last photo.
    fn next(
        &self,
        tx: &ReadTx<'_>,
        collection: CollectionId,
        after: PhotoId,
    ) -> Result<Option<(PhotoId, Vec<Candidate>)>, TxError> {
        let page = tx.photos_after(collection, after, PAGE_PHOTOS)?;
        let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(None) };
        let mut candidates = Vec::new();
        for (id, faces) in tx.faces_measured(collection, self.ranges(), (*first, *last))? {
            candidates.extend(tx.known_photo(collection, id)?.map(|photo| Candidate { photo, faces }));
        }
        Ok(Some((*last, candidates)))
    }
}

/// A face that was set apart, for pictures to be compared with. No embedding is made of it.
pub(crate) struct ApartFace {
    comparison: Comparison,
    luminance: f32,
    /// The path of the photo in which it was set apart.
    pub(crate) path: String,
}

impl ApartFace {
    fn new(path: String, crop: &Aligned) -> ApartFace {
        ApartFace { comparison: Comparison::new(crop), luminance: luminance_mean(crop), path }
    }

    /// Whether a crop was cut from the same picture.
    pub(crate) fn is_in(&self, (crop, luminance): (&Aligned, f32)) -> bool {
        (self.luminance / BRIGHTER_MAX..=self.luminance * BRIGHTER_MAX).contains(&luminance)
            && self.comparison.is_same_picture(crop)
    }
}

impl<'a> KnownPhotos<'a> {
    /// The photos that no portrait may be a copy of; none in a household, whose portraits are in its own album.
    pub(crate) fn off_limits(ledger: &'a Ledger, model: [u8; 32], now: Timestamp) -> Option<KnownPhotos<'a>> {
        (ledger.kind() == VaultKind::Organisation).then_some(KnownPhotos { ledger, model, now })
    }

    /// Whether a photo has exactly these bytes.
    ///
    /// # Errors
    ///
    /// [`TxError`] if the ledger refuses to be read.
    pub(crate) fn have_file(&self, bytes: &[u8]) -> Result<bool, TxError> {
        let hash = sha256(bytes);
        let found = self.ledger.read_tx(self.now, |tx| {
            for about in tx.collections()? {
                if tx.has_content(about.id, hash)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        Ok(found)
    }

    /// Whether a photo shows the picture that the portrait's face was cut from. A photo whose file cannot be read any
    /// more, or was changed since it was scanned, is passed over, unless crops of it are kept. `progress` is told how
    /// many photos are done, and of how many.
    ///
    /// # Errors
    ///
    /// [`CompareError`], each variant as it says.
    pub(crate) fn show(
        &self,
        worker: &mut Worker,
        face: &FitFace,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<bool, CompareError> {
        let quality = &face.quality;
        let like = Like {
            light: quality.luminance_mean / BRIGHTER_MAX..=quality.luminance_mean * BRIGHTER_MAX,
            sharp: quality.sharpness / SHARPER_MAX..,
        };
        let collections = self.ledger.read_tx(self.now, |tx| {
            let count = |about: Collection| Ok((tx.photos_measured(about.id, like.ranges())? as usize, about));
            tx.collections()?.into_iter().map(count).collect::<Result<Vec<_>, TxError>>()
        })?;
        let (of, mut done) = (collections.iter().map(|(photos, _)| photos).sum(), 0);
        let (portrait, mut found) = (Comparison::new(&face.aligned), false);
        for (_, about) in collections.iter().filter(|(photos, _)| *photos > 0) {
            let told = &mut || {
                done += 1;
                progress(done, of);
            };
            self.compare(worker, (&portrait, &like), (about, &BTreeSet::new()), told, &mut |_, _| {
                found = true;
                ControlFlow::Break(())
            })?;
            if found {
                break;
            }
        }
        Ok(found)
    }

    /// The photos of a collection that show the picture that a face was cut from, and which of their faces it is there;
    /// those that show exactly the same are not among them. Nothing is found if the face's own photo cannot be read any
    /// more, or was changed since it was scanned.
    ///
    /// # Errors
    ///
    /// [`CompareError`], each variant as it says.
    pub(crate) fn exports_of(
        &self,
        worker: &mut Worker,
        collection: CollectionId,
        (photo, face): (PhotoId, FaceId),
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<(PhotoId, FaceId, String)>, CompareError> {
        let all = self.ledger.read_tx(self.now, |tx| {
            let at = tx.faces_of(photo)?.into_iter().find(|(id, _)| *id == face).ok_or(TxError::NoFace { face })?;
            // An export may be blurred, and the face that was pointed at may be one of a blurred export.
            let light = if at.1.size_px > 0.0 {
                at.1.luminance / BRIGHTER_MAX..=at.1.luminance * BRIGHTER_MAX
            } else {
                0.0..=f32::MAX
            };
            let like = Like { light, sharp: 0.0.. };
            let pointed = tx.known_photo(collection, photo)?.ok_or(TxError::NoPhoto { photo })?;
            let own: BTreeSet<PhotoId> = tx.photos_like(photo)?.into_iter().chain([photo]).collect();
            let of = tx.photos_measured(collection, like.ranges())? as usize;
            Ok((Candidate { photo: pointed, faces: vec![at] }, (tx.collection(collection)?, like, own, of)))
        })?;
        let (pointed, (about, like, own, of)) = all;
        let Some(bytes) = Source::of(&about).ok().and_then(|source| read(&source, &pointed.photo)) else {
            return Ok(Vec::new());
        };
        let Some((_, aligned)) = worker.cut_known(&bytes, &pointed)?.pop() else { return Ok(Vec::new()) };
        let (mut found, mut done) = (Vec::new(), 0);
        let told = &mut || {
            done += 1;
            progress(done, of);
        };
        self.compare(worker, (&Comparison::new(&aligned), &like), (&about, &own), told, &mut |photo, face| {
            found.push((photo.id, face, photo.path.to_string()));
            ControlFlow::Continue(())
        })?;
        found.sort_by(|a, b| (&a.2, a.1).cmp(&(&b.2, b.1)));
        Ok(found)
    }

    /// The faces that were set apart in a collection, cut out of their pictures to be compared with other pictures. Those
    /// whose photo cannot be read any more, or was changed since it was scanned, are left out.
    ///
    /// # Errors
    ///
    /// [`CompareError`], each variant as it says.
    pub(crate) fn set_apart_in(&self, worker: &mut Worker, about: &Collection) -> Result<Vec<ApartFace>, CompareError> {
        let pictures = self.ledger.read_tx(self.now, |tx| {
            let mut pictures = Vec::new();
            for photos in tx.pictures_set_apart(about.id)? {
                let mut same = Vec::new();
                for id in photos {
                    let Some(photo) = tx.known_photo(about.id, id)? else { continue };
                    let places = tx.objected_places(photo.id)?.into_iter();
                    same.push(Candidate { photo, faces: places.map(|at| (FaceId(0), at)).collect() });
                }
                pictures.push(same);
            }
            Ok(pictures)
        })?;
        let Ok(source) = Source::of(about) else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for same in pictures {
            let readable = same.iter().find_map(|candidate| Some((candidate, read(&source, &candidate.photo)?)));
            let Some((candidate, bytes)) = readable else { continue };
            let path = candidate.photo.path.to_string();
            let crops = worker.cut_known(&bytes, candidate)?;
            all.extend(crops.into_iter().map(|(_, crop)| ApartFace::new(path.clone(), &crop)));
        }
        Ok(all)
    }

    /// Compares a crop with the faces in a collection whose light and sharpness do not rule out that they are the crop's, and
    /// tells of each that was cut from the same picture, until `each` breaks. The photos are read a few at a time, and those in
    /// `own` are passed over. `told` is called after each.
    fn compare(
        &self,
        worker: &mut Worker,
        (crop, like): (&Comparison, &Like),
        (about, own): (&Collection, &BTreeSet<PhotoId>),
        told: &mut dyn FnMut(),
        each: &mut dyn FnMut(&KnownPhoto, FaceId) -> ControlFlow<()>,
    ) -> Result<(), CompareError> {
        // A folder that is gone has no photos to be read.
        let source = Source::of(about).ok();
        let mut after = PhotoId(0);
        while let Some((last, candidates)) = self.ledger.read_tx(self.now, |tx| like.next(tx, about.id, after))? {
            after = last;
            for candidate in candidates {
                if !own.contains(&candidate.photo.id) {
                    let crops = match self.kept_crops(about, &candidate)? {
                        Some(crops) => crops,
                        None => match source.as_ref().and_then(|source| read(source, &candidate.photo)) {
                            Some(bytes) => worker.cut_known(&bytes, &candidate)?,
                            None => Vec::new(),
                        },
                    };
                    for (face, of_photo) in &crops {
                        if crop.is_same_picture(of_photo) && each(&candidate.photo, *face).is_break() {
                            return Ok(());
                        }
                    }
                }
                told();
            }
        }
        Ok(())
    }

    /// The kept crops of the candidate's faces; `None` unless there is one of each.
    fn kept_crops(&self, about: &Collection, candidate: &Candidate) -> Result<Option<Vec<(FaceId, Aligned)>>, TxError> {
        if !about.keep_crops {
            return Ok(None);
        }
        let open = |tx: &ReadTx<'_>| tx.crops_of(about.id, candidate.photo.id, self.model);
        let kept = self.ledger.read_tx(self.now, open)?;
        let one = |(face, _): &(FaceId, FaceBox)| {
            let (_, bytes) = kept.iter().find(|(id, _)| id == face)?;
            Some((*face, crop::decode(bytes).ok()?))
        };
        Ok(candidate.faces.iter().map(one).collect())
    }
}

/// The file of a photo, if it holds what was scanned.
fn read(source: &Source, photo: &KnownPhoto) -> Option<Vec<u8>> {
    source.read_scanned(&photo.path, (photo.bytes, &photo.content)).ok()
}

impl Worker {
    /// Cuts the candidate's faces out of its photo; those that are not found again where they were are left out, and a
    /// photo that does not decode has none.
    ///
    /// # Errors
    ///
    /// [`InferenceError`] if the detector fails.
    fn cut_known(
        &mut self,
        bytes: &[u8],
        Candidate { photo, faces }: &Candidate,
    ) -> Result<Vec<(FaceId, Aligned)>, InferenceError> {
        if self.refine.is_none() {
            // The detector takes whole photos alone, so the photo is searched for faces again.
            return match self.detect(bytes) {
                Ok(photo) => {
                    let face_crops = self.crop_faces(&photo).into_iter().zip(&photo.detected.faces);
                    let known = |face: &Detection| faces.iter().find(|(_, at)| at.is_same_face(&face_box(face, None)));
                    Ok(face_crops.filter_map(|(cut, face)| Some((known(face)?.0, cut.aligned?))).collect())
                }
                Err(DetectError::Decode(_)) => Ok(Vec::new()),
                Err(DetectError::Inference(e)) => Err(e),
            };
        }
        let eyes_px = faces.iter().map(|(_, at)| at.size_px).fold(f32::INFINITY, f32::min);
        let enough = photo.width.max(photo.height) as f32 * EYES_PX / eyes_px;
        // A face that was not measured, with 0 pixels between the eyes, asks for the whole photo.
        let (side_px, limits) = (enough.ceil() as u32, self.decoder.limits);
        let decode = |file: Readable<'_>| file.decode(limits, |_| side_px, Vec::new());
        let Ok(decoded) = self.decoder.readable(bytes).and_then(decode) else { return Ok(Vec::new()) };
        let mut crops = Vec::new();
        for (id, at) in faces {
            let bounds = Rect { x: at.x, y: at.y, width: at.w, height: at.h };
            let turn = QuarterTurn::from_count(at.quarter_turn);
            if let Some(landmarks) = self.landmarks(&decoded, bounds, turn)? {
                let face = Detection { bounds, landmarks, turn, score: at.score };
                let crop = self.embedder.align(&decoded.frame, decoded.scale(), &face).ok();
                crops.extend(crop.map(|crop| (*id, crop)));
            }
        }
        Ok(crops)
    }
}
