//! `evaluate find`: search labelled photos for the people of a gallery, and count.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use assent_gallery::assign::assign;
use assent_gallery::calibration::{Band, Calibration, DeclaredRates, Thresholds};
use assent_gallery::gallery::{Gallery, Hit, InsertError, Owner, Scope, Search};
use assent_gallery::vector::VectorError;
use assent_vision::detect::SearchOptions;
use assent_vision::embed::Embedding;
use assent_vision::runtime::InferenceError;
use thiserror::Error;

use super::groups::Groups;
use super::labels::{Label, LabelledSet};
use super::open_set::{Searches, gallery_sizes};
use crate::calibrate::Calibrated;
use crate::models::{DetectError, Models, Worker, thresholds};
use crate::open_gallery::is_one_of;
use crate::source::read_regular;
use crate::walk::walk;

/// A photo may have this many more labels than it has detected faces (people seen from behind); beyond that the labels
/// are guesses (I11).
const LABELS_OVER_FACES_MAX: usize = 3;

/// No cosine is lower, even as 8-bit rows round it: everybody is a hit.
const SCORE_MIN: f32 = -1.1;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FindOptions {
    /// How photos are searched.
    pub search: SearchOptions,
    /// Photos that are looked at at once.
    pub threads: usize,
    /// The declared rates that give the thresholds.
    pub rates: DeclaredRates,
    /// One threshold for both bands instead; for the sample set alone.
    pub threshold: Option<f32>,
    /// Whether single answers are returned; for the sample set alone.
    pub list: bool,
    /// How often the photos are gone through, for timing; at least 1.
    pub repeat: usize,
}

/// Found and wrongly found labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Labels that were found.
    pub found: usize,
    /// Answers without a label.
    pub wrong: usize,
}

/// One answer, for the sample set alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The photo's file name.
    pub photo: String,
    /// The person's name.
    pub person: String,
    /// The band of the score: how sure the match is.
    pub band: Band,
    /// The cosine of the two embeddings, from -1 to 1.
    pub score: f32,
    /// Whether there is such a label.
    pub labelled: bool,
}

/// What one threshold for both bands finds, with everybody in the gallery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Swept {
    /// A score of the pack's table.
    pub threshold: f32,
    /// The false match rate that the table gives there.
    pub fmr: f64,
    /// What is found.
    pub counts: Counts,
}

/// The figures of one evaluation: what a search found of what was labelled.
#[derive(Debug, Clone, PartialEq)]
pub struct FindReport {
    /// Photos looked at, all rounds together.
    pub photos: usize,
    /// Files that are no photo.
    pub failed: usize,
    /// The number of faces that the detector found in the photos.
    pub faces: usize,
    /// People in the gallery.
    pub gallery: usize,
    /// Portraits in which no usable face was found.
    pub not_enrolled: usize,
    /// The number of labelled faces in the set.
    pub labelled: usize,
    /// The scores at which the bands began.
    pub thresholds: Thresholds,
    /// Band `match` alone.
    pub certain: Counts,
    /// Both bands together.
    pub certain_or_review: Counts,
    /// The same at each score of the pack's table. A free threshold is for the sample set alone; these are no freer than
    /// the declared rates, which reach every score of the table (I11).
    pub sweep: Vec<Swept>,
    /// What the open-set figures are made of.
    pub searches: Searches,
    /// Every answer, if asked for.
    pub list: Vec<Listed>,
}

/// Why there are no figures.
#[derive(Debug, Error)]
pub enum EvaluateError {
    /// A free threshold or a list for a set that is not the sample set.
    #[error(
        "single answers and a free threshold are shown for the sample photos alone, so that nobody can be looked up"
    )]
    SampleSetOnly,
    /// A photo has too many labels for its faces.
    #[error(
        "a photo has over {LABELS_OVER_FACES_MAX} labels more than detected faces; \
         labels must name who is there, not who might be"
    )]
    LabelsBeyondFaces,
    /// No portrait could be used.
    #[error("no portrait shows a usable face")]
    NobodyEnrolled,
    /// A network failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// What the network made of a portrait is no template of the pack's dimension.
    #[error(transparent)]
    Template(#[from] InsertError),
    /// The network's output is no embedding of the pack's dimension.
    #[error(transparent)]
    Vector(#[from] VectorError),
}

impl FindOptions {
    /// The one threshold that was asked for, or those that hold for the people of a gallery of `templates`.
    fn thresholds(&self, calibrated: Option<&Calibrated>, templates: usize) -> Thresholds {
        match self.threshold {
            Some(t) => Thresholds { certain: Some(t), review: t },
            None => thresholds(calibrated.map(|c| &c.table), self.rates, templates),
        }
    }
}

/// A gallery of the portraits, ready to be searched for in the photos. Nothing of it outlives this value.
#[derive(Debug)]
pub struct FindEvaluation<'a> {
    set: &'a LabelledSet,
    options: FindOptions,
    thresholds: Thresholds,
    gallery: Gallery,
    /// Portraits so alike that their faces are proposed at most, as a scan has it.
    look_alikes: BTreeSet<(Owner, Owner)>,
    sweep: Vec<Swept>,
    searches: Searches,
    workers: Vec<Worker>,
}

impl<'a> FindEvaluation<'a> {
    /// Enrols the largest face of each portrait. For each of `groups` there will be figures of a gallery of its own.
    ///
    /// # Errors
    ///
    /// - [`EvaluateError::SampleSetOnly`] if a threshold or a list is asked for on another set.
    /// - [`EvaluateError::NobodyEnrolled`] if no portrait could be used.
    /// - [`EvaluateError::Inference`], [`EvaluateError::Vector`] if a network fails.
    pub fn prepare(
        models: &Models,
        set: &'a LabelledSet,
        options: FindOptions,
        groups: Option<&Groups>,
    ) -> Result<FindEvaluation<'a>, EvaluateError> {
        if (options.threshold.is_some() || options.list) && !set.is_sample_set() {
            return Err(EvaluateError::SampleSetOnly);
        }
        let mut workers = models.workers(options.search, options.threads)?;
        let gallery = Gallery::new(models.pack().embedder().dimensions);
        let mut failed = None;
        let mut templates: Vec<_> = set.portraits.iter().map(|_| None).collect();
        walk(
            &set.portraits,
            &mut workers,
            |worker, path| template(worker, &read_regular(path, u64::MAX).unwrap_or_default()),
            |i, result| match result {
                Ok(embedding) => {
                    templates[i] = embedding;
                    ControlFlow::Continue(())
                }
                Err(e) => {
                    failed = Some(e);
                    ControlFlow::Break(())
                }
            },
        );
        if let Some(error) = failed {
            return Err(error.into());
        }
        for (person, embedding) in templates.iter().enumerate() {
            if let Some(embedding) = embedding {
                gallery.insert(Owner(person as u32), Scope::default(), embedding.values())?;
            }
        }
        if gallery.is_empty() {
            return Err(EvaluateError::NobodyEnrolled);
        }
        // As a scan does: by the table for these very people.
        let calibrated = Calibrated::measure(&gallery, models.pack(), options.threads);
        let thresholds_of = |templates| options.thresholds(calibrated.as_ref(), templates);
        let thresholds = thresholds_of(gallery.len());
        let alone = groups.map_or_else(|| Ok(BTreeMap::new()), |g| alone(models, options, &templates, g))?;
        let alike = |certain| gallery.look_alikes(certain, options.threads);
        let look_alikes = thresholds.certain.map_or_else(BTreeSet::new, alike);
        let rows = models.pack().calibration().map_or(&[][..], Calibration::rows);
        let enrolled: Vec<usize> = (0..templates.len()).filter(|&person| templates[person].is_some()).collect();
        let searches = Searches {
            sizes: gallery_sizes(enrolled.len()).into_iter().map(|size| (size, thresholds_of(size))).collect(),
            enrolled,
            appearances: set.labels.iter().map(|label| (*label, None)).collect(),
            located_from: rows.first().map_or(thresholds.review, |(score, _)| *score),
            faces: 0,
            alone,
        };
        let swept = |&(threshold, fmr): &(f32, f64)| Swept { threshold, fmr, counts: Counts::default() };
        let sweep = rows.iter().map(swept).collect();
        Ok(FindEvaluation { set, options, thresholds, gallery, look_alikes, sweep, searches, workers })
    }

    /// Photos that [`run`](Self::run) goes through, all rounds together.
    pub fn photos(&self) -> usize {
        self.set.photos.len() * self.options.repeat.max(1)
    }

    /// Goes through the photos; `progress` is called after each.
    ///
    /// # Errors
    ///
    /// - [`EvaluateError::LabelsBeyondFaces`] if the labels do not fit the photos.
    /// - [`EvaluateError::Inference`], [`EvaluateError::Vector`] if a network fails.
    pub fn run(mut self, mut progress: impl FnMut()) -> Result<FindReport, EvaluateError> {
        let rounds: Vec<usize> = (0..self.photos()).map(|i| i % self.set.photos.len()).collect();
        let (gallery, thresholds, set) = (&self.gallery, self.thresholds, self.set);
        let look_alikes = &self.look_alikes;
        let mut report = FindReport {
            photos: rounds.len(),
            failed: 0,
            faces: 0,
            gallery: gallery.len(),
            not_enrolled: set.portraits.len() - gallery.len(),
            labelled: set.labels.len(),
            thresholds,
            certain: Counts::default(),
            certain_or_review: Counts::default(),
            sweep: self.sweep,
            searches: self.searches,
            list: Vec::new(),
        };
        let mut answers: BTreeSet<(Label, bool)> = BTreeSet::new();
        let mut scores = BTreeMap::new();
        // I11: a file that is no photo has no face, and carries no labels either.
        let labels_fit = |photo: usize, faces: usize| {
            let labels = set.labels.iter().filter(|l| l.photo == photo).count();
            set.is_sample_set() || labels <= faces + LABELS_OVER_FACES_MAX
        };
        let mut failed = None;
        walk(
            &rounds,
            &mut self.workers,
            |worker, &photo| search(worker, gallery, &read_regular(&set.photos[photo], u64::MAX).unwrap_or_default()),
            |i, result| {
                let photo = rounds[i];
                progress();
                match result {
                    Ok(seen) if !labels_fit(photo, seen.as_ref().map_or(0, |(faces, _)| *faces)) => {
                        failed = Some(EvaluateError::LabelsBeyondFaces);
                        return ControlFlow::Break(());
                    }
                    Ok(None) => report.failed += 1,
                    Ok(Some((faces, hits))) => {
                        report.faces += faces;
                        for a in assign(&hits, thresholds, |owner| is_one_of(look_alikes, owner)) {
                            let label = Label { photo, person: a.owner.0 as usize };
                            answers.insert((label, a.band == Band::Match));
                            scores.insert(label, a.score);
                        }
                        // Of several rounds, which are for timing, one is counted.
                        if i < set.photos.len() {
                            report.sweep(set, photo, &hits);
                            report.searches.add(photo, &hits);
                        }
                    }
                    Err(e) => {
                        failed = Some(e);
                        return ControlFlow::Break(());
                    }
                }
                ControlFlow::Continue(())
            },
        );
        if let Some(error) = failed {
            return Err(error);
        }
        for (label, certain) in &answers {
            let labelled = set.labels.contains(label);
            report.certain_or_review.count(labelled);
            if *certain {
                report.certain.count(labelled);
            }
            if self.options.list {
                report.list.push(Listed {
                    photo: name(set.photos[label.photo].file_name()),
                    person: name(set.portraits[label.person].file_stem()),
                    band: if *certain { Band::Match } else { Band::Review },
                    score: scores.get(label).copied().unwrap_or_default(),
                    labelled,
                });
            }
        }
        Ok(report)
    }
}

impl FindReport {
    /// Counts the answers of one photo at each score of the table.
    fn sweep(&mut self, set: &LabelledSet, photo: usize, hits: &[Vec<Hit>]) {
        for swept in &mut self.sweep {
            let both = Thresholds { certain: Some(swept.threshold), review: swept.threshold };
            for a in assign(hits, both, |_| false) {
                swept.counts.count(set.labels.contains(&Label { photo, person: a.owner.0 as usize }));
            }
        }
    }
}

impl Counts {
    fn count(&mut self, labelled: bool) {
        if labelled {
            self.found += 1;
        } else {
            self.wrong += 1;
        }
    }

    /// Part of the labels that was found; `None` without labels.
    pub fn recall(&self, labelled: usize) -> Option<f64> {
        (labelled > 0).then(|| self.found as f64 / labelled as f64)
    }

    /// Part of the answers that is right; `None` without answers.
    pub fn precision(&self) -> Option<f64> {
        let answers = self.found + self.wrong;
        (answers > 0).then(|| self.found as f64 / answers as f64)
    }
}

fn name(part: Option<&std::ffi::OsStr>) -> String {
    part.unwrap_or_default().to_string_lossy().into_owned()
}

/// The thresholds of a gallery of each group's own people.
fn alone(
    models: &Models,
    options: FindOptions,
    templates: &[Option<Embedding>],
    groups: &Groups,
) -> Result<BTreeMap<String, Thresholds>, EvaluateError> {
    let mut thresholds_of = BTreeMap::new();
    for (group, members) in &groups.members {
        let gallery = Gallery::new(models.pack().embedder().dimensions);
        for &person in members {
            if let Some(embedding) = templates.get(person).and_then(Option::as_ref) {
                gallery.insert(Owner(person as u32), Scope::default(), embedding.values())?;
            }
        }
        let calibrated = Calibrated::measure(&gallery, models.pack(), options.threads);
        thresholds_of.insert(group.clone(), options.thresholds(calibrated.as_ref(), gallery.len()));
    }
    Ok(thresholds_of)
}

/// The embedding of the largest face; `None` if the file is no photo or has no usable face.
fn template(worker: &mut Worker, bytes: &[u8]) -> Result<Option<Embedding>, InferenceError> {
    let photo = match worker.detect(bytes) {
        Ok(photo) => photo,
        Err(DetectError::Decode(_)) => return Ok(None),
        Err(DetectError::Inference(e)) => return Err(e),
    };
    let area = |i: &usize| photo.detected.faces[*i].bounds.area();
    let Some(largest) = (0..photo.detected.faces.len()).max_by(|a, b| area(a).total_cmp(&area(b))) else {
        return Ok(None);
    };
    let crop = worker.crop_faces(&photo).swap_remove(largest);
    Ok(worker.embed(vec![crop])?.into_iter().next().flatten())
}

/// Faces of one photo, and each face's hits against everybody; `None` if the file is no photo.
type Seen = Option<(usize, Vec<Vec<Hit>>)>;

fn search(worker: &mut Worker, gallery: &Gallery, bytes: &[u8]) -> Result<Seen, EvaluateError> {
    let photo = match worker.detect(bytes) {
        Ok(photo) => photo,
        Err(DetectError::Decode(_)) => return Ok(None),
        Err(DetectError::Inference(e)) => return Err(e.into()),
    };
    let face_crops = worker.crop_faces(&photo);
    let embeddings = worker.embed(face_crops)?;
    let probes: Vec<&[f32]> = embeddings.iter().flatten().map(Embedding::values).collect();
    Ok(Some((photo.detected.faces.len(), gallery.search(&probes, &Search::least(SCORE_MIN))?)))
}
