//! What the workers made of a batch of photos, into the ledger: one transaction, all of it or nothing.

use std::collections::{BTreeMap, BTreeSet};

use assent_gallery::calibration::Band;
use assent_ledger::{
    Act, Actor, Collection, EventKind, FaceBox, FaceId, GalleryReference, GrantId, Ledger, Matching, NewPhoto,
    NewSighting, Outcome, PhotoId, ScanEntry, ScannedPhoto, SubjectId, Timestamp, Tx, TxError,
};

use super::extent::extent_of;
use super::follow::Followed;
use super::plan::Task;
use super::process::PhotoOutcome;
use super::{CopiedFace, ScanSummary};
use crate::copies::ApartFace;
use crate::jobs::JobContext;
use crate::open_gallery::OpenGallery;
use crate::resident::Answer;
use crate::source::Unread;

/// Who was found at which faces of a photo.
type Met = (PhotoId, Vec<(FaceId, GrantId, Band)>);

/// Photos that were seen and wait for their transaction.
pub(super) type Batch<'t, 'f> = Vec<(&'t Task<'f>, PhotoOutcome)>;

/// Where and under what the results of a scan are stored.
pub(super) struct Store<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) about: &'a Collection,
    pub(super) model: [u8; 32],
    /// Who is searched for.
    pub(super) followed: &'a Followed<'a>,
    /// Up to which epoch everybody was in the gallery when it was planned what is to be done, and whether that was nobody.
    pub(super) planned: Option<(i64, bool)>,
    /// When the scan began.
    pub(super) began: Timestamp,
    /// Whether one person was looked for alone, on their own request.
    pub(super) alone: bool,
    /// The faces that were set apart, as [`Detections::copied`] numbers them.
    pub(super) apart_faces: &'a [ApartFace],
    /// Known photos whose files are not there, and that were not found elsewhere until now.
    pub(super) absent: BTreeSet<PhotoId>,
    /// Whether there are new files that were not looked at: one may be a photo that is absent.
    pub(super) passed_over_new: bool,
    /// Nothing is stored but under its lease.
    pub(super) job: &'a JobContext<'a>,
    /// Who asked for the scan.
    pub(super) by: Actor,
}

/// What one transaction stored.
#[derive(Default)]
struct Stored {
    /// Photos that were absent and are found under another path.
    moved: BTreeSet<PhotoId>,
    matches: usize,
    reviews: usize,
    /// The photos in which each subject was seen, 8 bytes each: what their leaf of the log commits to.
    concerned: BTreeMap<SubjectId, Vec<u8>>,
}

impl Store<'_> {
    /// Stores a batch, empties it, and counts it.
    ///
    /// # Errors
    ///
    /// [`TxError`] if the ledger refuses; then nothing of the batch is stored.
    pub(super) fn commit(
        &mut self,
        batch: &mut Batch<'_, '_>,
        summary: &mut ScanSummary,
        now: Timestamp,
    ) -> Result<(), TxError> {
        let taken = std::mem::take(batch);
        let photos = taken
            .iter()
            .filter(|(_, seen)| matches!(seen, PhotoOutcome::Detected(_) | PhotoOutcome::Rematched { .. }))
            .count();
        if taken
            .iter()
            .any(|(_, seen)| !matches!(seen, PhotoOutcome::Unread | PhotoOutcome::Stopped | PhotoOutcome::OutsideAlbum))
        {
            let stored = self.ledger.run_tx("scan", self.act(now), |tx| self.store(tx, &taken, photos))?.into_inner();
            summary.matches += stored.matches;
            summary.reviews += stored.reviews;
            summary.moved += stored.moved.len();
            self.absent.retain(|photo| !stored.moved.contains(photo));
        }
        for (task, seen) in &taken {
            let path = || task.file.path.to_string();
            self.passed_over_new |= task.work.known().is_none() && !seen.is_read();
            match seen {
                PhotoOutcome::Detected(look) => {
                    summary.looked_at += 1;
                    match &look.outcome {
                        Outcome::Failed(code) => summary.failed.push((path(), code.clone())),
                        Outcome::NoFace => {}
                        Outcome::Faces(faces) => {
                            summary.faces += faces.len();
                            let copy = |&(face, of): &(usize, usize)| CopiedFace {
                                photo: path(),
                                at: centre(&faces[face]),
                                original: self.apart_faces[of].path.clone(),
                            };
                            summary.copied.extend(look.copied.iter().map(copy));
                        }
                    }
                }
                PhotoOutcome::Rematched { faces, .. } => {
                    summary.rematched += 1;
                    summary.faces += faces;
                }
                PhotoOutcome::Same { .. } | PhotoOutcome::OutsideAlbum => summary.unchanged += 1,
                PhotoOutcome::Stopped => {}
                PhotoOutcome::Unread => summary.failed.push((path(), Unread::Unreadable.code().to_owned())),
            }
        }
        Ok(())
    }

    /// Records that `photos` known photos met the newest templates although nothing was compared: they have no face, or
    /// there is nobody to be found.
    ///
    /// # Errors
    ///
    /// [`TxError`] if the ledger refuses.
    pub(super) fn pass(&self, photos: usize, now: Timestamp) -> Result<(), TxError> {
        let Some((epoch, nobody)) = self.planned.filter(|_| !self.alone) else { return Ok(()) };
        self.ledger.run_tx("scan", self.act(now), |tx| {
            self.job.write(tx)?;
            tx.set_matched_without_faces(self.about.id, self.model, epoch, nobody)?;
            self.leaf(tx, photos, &BTreeMap::new())
        })?;
        Ok(())
    }

    fn act(&self, at: Timestamp) -> Act {
        Act { by: self.by, at }
    }

    fn store(&self, tx: &Tx<'_>, batch: &Batch<'_, '_>, photos: usize) -> Result<Stored, TxError> {
        self.job.write(tx)?;
        let mut stored = Stored::default();
        let matching = match self.planned {
            Some(_) => Some(tx.matching_by(self.about.id, self.model)?),
            None => None,
        };
        let mut met = self.store_detections(tx, batch, &mut stored)?;
        let (mut read, mut dated) = (Vec::new(), Vec::new());
        let mut matched: BTreeMap<i64, Vec<PhotoId>> = BTreeMap::new();
        for (task, seen) in batch {
            match seen {
                PhotoOutcome::Rematched { photo, answers, epoch, taken, .. } => {
                    read.push((*photo, task.file.modified, task.file.changed));
                    dated.extend(taken.filter(|_| task.undated).map(|taken| (*photo, taken)));
                    if let Some(epoch) = epoch.filter(|_| matching.is_some()) {
                        met.push((*photo, answers.clone()));
                        matched.entry(epoch).or_default().push(*photo);
                    }
                }
                PhotoOutcome::Same { photo } => read.push((*photo, task.file.modified, task.file.changed)),
                PhotoOutcome::Detected(_)
                | PhotoOutcome::Unread
                | PhotoOutcome::Stopped
                | PhotoOutcome::OutsideAlbum => {}
            }
        }
        tx.set_read(&read)?;
        tx.set_photo_times(&dated)?;
        if let Some(matching) = &matching {
            self.store_sightings(tx, matching, &met, &mut stored)?;
        }
        for (epoch, photos) in &matched {
            tx.set_matched(photos, *epoch)?;
        }
        if photos > 0 {
            self.leaf(tx, photos, &stored.concerned)?;
        }
        Ok(stored)
    }

    /// Stores what was found in photos that were searched for faces. Returns who was found in each.
    fn store_detections(&self, tx: &Tx<'_>, batch: &Batch<'_, '_>, stored: &mut Stored) -> Result<Vec<Met>, TxError> {
        let detected = batch.iter().filter_map(|(task, seen)| match seen {
            PhotoOutcome::Detected(look) => Some((task.file, look)),
            _ => None,
        });
        let detected: Vec<_> = detected.collect();
        // A copy is no move: only a photo whose own file is not there may lie here now.
        let shown = detected.iter().filter_map(|(file, look)| Some((&file.path, look.picture?.sha256)));
        stored.moved = tx.follow_pictures(self.about.id, &shown.collect::<Vec<_>>(), self.absent.clone())?;
        let new = detected.iter().map(|(file, look)| ScannedPhoto {
            photo: NewPhoto {
                collection: self.about.id,
                path: &file.path,
                sha256: look.sha256,
                bytes: file.bytes,
                mtime: file.modified,
                changed: file.changed,
                picture: look.picture,
                width: look.width,
                height: look.height,
                outcome: &look.outcome,
                scanned_with: self.model,
                // One that could not be used met whoever was there when the scan began.
                matched_epoch: look.answers.as_ref().map(|met| met.epoch).or(self.planned.map(|(epoch, _)| epoch)),
            },
            searched: Some(extent_of(look.search, (look.width, look.height))),
            taken: Some(look.taken),
        });
        let photos = tx.put_photos(&new.collect::<Vec<_>>())?;
        let looks = || photos.iter().zip(detected.iter().map(|(_, look)| look));
        if self.about.keep_crops && !photos.is_empty() {
            let crops = looks().map(|(photo, look)| {
                let crops = photo.faces.iter().zip(&look.crops).filter_map(|(id, crop)| Some((*id, crop.as_deref()?)));
                (photo.id, crops.collect())
            });
            tx.keep_crops_of_photos(self.about.id, self.model, &crops.collect::<Vec<_>>())?;
        }
        let met = looks().map(|(photo, look)| {
            let of_face = |answer: &Answer| (photo.faces[answer.face], answer.grant, answer.band);
            (photo.id, look.answers.iter().flat_map(|met| &met.faces).map(of_face).collect())
        });
        Ok(met.collect())
    }

    fn store_sightings<'tx>(
        &self,
        tx: &Tx<'tx>,
        matching: &Matching<'tx>,
        met: &[Met],
        stored: &mut Stored,
    ) -> Result<(), TxError> {
        // Whoever withdrew while the photo was looked at has no proof now, and is not named (I4); nor is their crop kept.
        let asked = met.iter().flat_map(|(_, answers)| answers).map(|(_, grant, _)| *grant);
        let proofs = tx.nameable(&asked.collect())?;
        let gone = met.iter().flat_map(|(_, answers)| answers).filter(|(_, grant, _)| !proofs.contains_key(grant));
        tx.forget_crops_at(&gone.map(|(face, ..)| *face).collect::<Vec<_>>())?;
        let named = |answers: &[(FaceId, GrantId, Band)]| -> Vec<(FaceId, GrantId, Band)> {
            answers.iter().filter(|(_, grant, _)| proofs.contains_key(grant)).copied().collect()
        };
        if self.alone {
            let asks =
                self.followed.resident.as_ref().and_then(|resident| resident.with(|g| g.grants().next())).flatten();
            return met.iter().try_for_each(|(photo, answers)| {
                let seen = named(answers).first().map(|(face, _, band)| (*face, *band));
                store_own(tx, (asks, matching), *photo, seen, stored)
            });
        }
        let sighting = |&(face, grant, band): &(FaceId, GrantId, Band)| {
            Some(NewSighting { grant: proofs.get(&grant)?, face, band: in_ledger(band) })
        };
        let new: Vec<(PhotoId, Vec<NewSighting<'_, '_>>)> =
            met.iter().map(|(photo, answers)| (*photo, answers.iter().filter_map(sighting).collect())).collect();
        let all: Vec<(PhotoId, &[NewSighting<'_, '_>])> =
            new.iter().map(|(photo, new)| (*photo, new.as_slice())).collect();
        tx.replace_sightings_in(matching, &all)?;
        for (photo, new) in &new {
            for NewSighting { grant, band, .. } in new {
                match band {
                    assent_ledger::Band::Match => stored.matches += 1,
                    assent_ledger::Band::Review => stored.reviews += 1,
                }
                stored.concerned.entry(grant.subject()).or_default().extend(photo.0.to_be_bytes());
            }
        }
        Ok(())
    }

    fn leaf(&self, tx: &Tx<'_>, photos: usize, concerned: &BTreeMap<SubjectId, Vec<u8>>) -> Result<(), TxError> {
        let reference = |gallery: &OpenGallery| {
            let (thresholds, templates) = (gallery.thresholds(), gallery.templates() as u64);
            let reference = GalleryReference {
                epoch: gallery.epoch(),
                templates,
                certain: thresholds.certain,
                review: thresholds.review,
            };
            (!gallery.is_empty()).then_some(reference)
        };
        let reference = self.followed.resident.as_ref().and_then(|resident| resident.with(reference)).flatten();
        let public = ScanEntry {
            collection: self.about.id,
            model_sha256: self.model,
            photos: photos as u32,
            began: self.began,
            reference,
        };
        let public = public.to_bytes();
        let concerned: Vec<(SubjectId, &[u8])> = concerned.iter().map(|(s, d)| (*s, d.as_slice())).collect();
        tx.append_leaf(EventKind::Scan, &public, &concerned)?;
        Ok(())
    }
}

/// Where the one person who asked is in a photo; others stay as they are.
fn store_own<'tx>(
    tx: &Tx<'tx>,
    (asks, matching): (Option<GrantId>, &Matching<'tx>),
    photo: PhotoId,
    seen: Option<(FaceId, Band)>,
    stored: &mut Stored,
) -> Result<(), TxError> {
    let Some(proof) = asks.map_or(Ok(None), |grant| tx.still_nameable(grant))? else { return Ok(()) };
    if tx.replace_own_sighting(matching, photo, &proof, seen.map(|(face, band)| (face, in_ledger(band))))? {
        match seen.map(|(_, band)| band) {
            Some(Band::Match) => stored.matches += 1,
            _ => stored.reviews += 1,
        }
        stored.concerned.entry(proof.subject()).or_default().extend(photo.0.to_be_bytes());
    }
    Ok(())
}

/// The middle of a face, whole pixels from the left and from the top.
fn centre(at: &FaceBox) -> (u32, u32) {
    ((at.x + at.w / 2.0).max(0.0) as u32, (at.y + at.h / 2.0).max(0.0) as u32)
}

fn in_ledger(band: Band) -> assent_ledger::Band {
    match band {
        Band::Match => assent_ledger::Band::Match,
        Band::Review => assent_ledger::Band::Review,
    }
}
