//! `evaluate verify`: are two images of the same person? The protocol of Labeled Faces in the Wild, view 2.
//!
//! The report holds no threshold: one that follows from the pairs lies at or next to the score of a single pair (I11).

use std::cmp::Ordering;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use assent_vision::detect::{Detection, SearchOptions};
use assent_vision::embed::Embedding;
use assent_vision::runtime::InferenceError;
use thiserror::Error;

use super::pairs::PairSet;
use crate::models::{DetectError, Models, Worker};
use crate::source::read_regular;
use crate::walk::walk;

/// The score of a pair without a score, where pairs are ordered: no cosine is lower.
const SCORE_MIN: f32 = -1.0;

/// How images are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyOptions {
    /// How images are searched for faces.
    pub search: SearchOptions,
    /// Images that are looked at at once.
    pub threads: usize,
}

/// The figures, all of them over many pairs (I11).
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyReport {
    /// The number of different people that the pairs name.
    pub people: usize,
    /// Images, each counted once.
    pub images: usize,
    /// Images in which no face could be used: failures to enrol.
    pub images_without_face: usize,
    /// Parts that the pairs are divided into.
    pub folds: usize,
    /// Pairs of one person's images.
    pub same: usize,
    /// Pairs of two people's images.
    pub different: usize,
    /// Pairs with an image in which no face could be used.
    pub pairs_without_score: usize,
    /// Part of the pairs that is judged rightly.
    pub accuracy: Accuracy,
    /// The probability that a random pair of the same person scores higher than a random pair of different people, 0 to
    /// 1; a tie counts half.
    pub auc: f64,
    /// Part of the same-person pairs that is accepted while at most one in 100 of the others is, 0 to 1; `None` with
    /// fewer than 100 different-person pairs.
    pub tar_at_far_1e_2: Option<f64>,
    /// As above, at one in 1,000; `None` with fewer than 1,000 different-person pairs.
    pub tar_at_far_1e_3: Option<f64>,
}

/// Part of the pairs that is judged rightly, over the folds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Mean over the folds, 0 to 1. With one fold there are no others to choose the threshold on: it is chosen on the
    /// same pairs, and the figure flatters.
    pub mean: f64,
    /// Standard deviation over the folds, with n - 1 below; `None` with one fold.
    pub deviation: Option<f64>,
    /// Standard error of the mean, which the tables of LFW show: the deviation over the root of the number of folds;
    /// `None` with one fold.
    pub standard_error: Option<f64>,
}

/// Why there are no figures.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// An image cannot be read; one that is read and is no picture counts as an image without a face.
    #[error("cannot read the image {}; make it readable, or leave its pairs out", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// A network failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
}

/// What became of one pair.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Outcome {
    /// The number of the fold, from 0.
    fold: usize,
    /// Whether both images show the same person.
    same: bool,
    /// Cosine of the two faces, -1 to 1; `None` if one image has no usable face.
    score: Option<f32>,
}

/// Looks at every image once, compares the pairs, and counts; `progress` is called after each image. The embeddings are
/// gone when it returns.
///
/// The score of a pair is the cosine of its two faces. Of several faces in an image the one nearest the image's centre
/// is taken: LFW's images are centred on the person whose name they bear. If that face gives no embedding, or there is
/// none, or the file is no picture, the image has no usable face, and none of its pairs has a score. Such a pair
///
/// - is an error in the accuracy, whichever kind it is of, as the system gave no answer;
/// - counts with the score -1 where pairs are ordered by score (the AUC, and the pairs of different people that the
///   false accept rate is taken over): the system would accept neither;
/// - is never accepted, so that it lowers the true accept rate.
///
/// The accuracy of a fold is taken with the threshold that is best on all other folds: half-way between two neighbouring
/// scores, the strictest one of several that are equally good.
///
/// # Errors
///
/// [`VerifyError`], each variant as it says.
///
/// # Source
///
/// G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller: Labeled Faces in the Wild, University of Massachusetts, Amherst,
/// technical report 07-49, 2007; the image-restricted protocol of its view 2, with outside training data.
pub fn verify(
    models: &Models,
    set: &PairSet,
    options: VerifyOptions,
    mut progress: impl FnMut(),
) -> Result<VerifyReport, VerifyError> {
    let mut workers = models.workers(options.search, options.threads.min(set.images.len()))?;
    let mut faces: Vec<Option<Embedding>> = set.images.iter().map(|_| None).collect();
    let mut failed = None;
    walk(
        &set.images,
        &mut workers,
        |worker, image| central_face(worker, image),
        |i, result| {
            progress();
            match result {
                Ok(embedding) => {
                    faces[i] = embedding;
                    ControlFlow::Continue(())
                }
                Err(e) => {
                    failed = Some(e);
                    ControlFlow::Break(())
                }
            }
        },
    );
    if let Some(error) = failed {
        return Err(error);
    }
    let score = |a: usize, b: usize| Some(cosine(faces[a].as_ref()?, faces[b].as_ref()?));
    let outcomes: Vec<Outcome> =
        set.pairs.iter().map(|p| Outcome { fold: p.fold, same: p.same, score: score(p.a, p.b) }).collect();
    let same = outcomes.iter().filter(|o| o.same).count();
    Ok(VerifyReport {
        people: set.people,
        images: faces.len(),
        images_without_face: faces.iter().filter(|face| face.is_none()).count(),
        folds: set.folds,
        same,
        different: outcomes.len() - same,
        pairs_without_score: outcomes.iter().filter(|o| o.score.is_none()).count(),
        accuracy: accuracy(&outcomes, set.folds),
        auc: auc(&outcomes),
        tar_at_far_1e_2: true_accept_rate(&outcomes, 100),
        tar_at_far_1e_3: true_accept_rate(&outcomes, 1_000),
    })
}

/// The embedding of the face nearest the centre of an image; `None` if it has no usable face.
fn central_face(worker: &mut Worker, path: &Path) -> Result<Option<Embedding>, VerifyError> {
    let bytes =
        read_regular(path, u64::MAX).map_err(|source| VerifyError::Unreadable { path: path.to_owned(), source })?;
    let mut photo = match worker.detect(&bytes) {
        Ok(photo) => photo,
        Err(DetectError::Decode(_)) => return Ok(None),
        Err(DetectError::Inference(e)) => return Err(e.into()),
    };
    let Some(face) = nearest_centre(&photo.detected.faces, photo.size()) else {
        return Ok(None);
    };
    photo.detected.faces = vec![face];
    let face_crops = worker.crop_faces(&photo);
    Ok(worker.embed(face_crops)?.into_iter().next().flatten())
}

/// The face whose box has its middle nearest the middle of a picture of `width` times `height` pixels; of several that
/// are equally near the first, which is the surest.
fn nearest_centre(faces: &[Detection], (width, height): (u32, u32)) -> Option<Detection> {
    let distance = |face: &Detection| {
        let centre = face.bounds.centre();
        (centre.x - width as f32 / 2.0).hypot(centre.y - height as f32 / 2.0)
    };
    faces.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).copied()
}

/// The cosine of two embeddings, kept within -1 and 1 where rounding leads beyond.
fn cosine(a: &Embedding, b: &Embedding) -> f32 {
    let sum: f64 = a.values().iter().zip(b.values()).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    sum.clamp(-1.0, 1.0) as f32
}

/// The accuracy over `folds` folds, each of which has an outcome.
fn accuracy(outcomes: &[Outcome], folds: usize) -> Accuracy {
    let of_fold = |fold: usize| {
        let training = outcomes.iter().filter(|o| folds == 1 || o.fold != fold);
        let threshold = best_threshold(training);
        let right = |o: &Outcome| o.score.is_some_and(|s| (f64::from(s) >= threshold) == o.same);
        let tested: Vec<bool> = outcomes.iter().filter(|o| o.fold == fold).map(right).collect();
        tested.iter().filter(|right| **right).count() as f64 / tested.len() as f64
    };
    let parts: Vec<f64> = (0..folds).map(of_fold).collect();
    let n = folds as f64;
    let mean = parts.iter().sum::<f64>() / n;
    let deviation =
        (folds > 1).then(|| (parts.iter().map(|part| (part - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt());
    Accuracy { mean, deviation, standard_error: deviation.map(|d| d / n.sqrt()) }
}

/// The score from which on accepting judges most outcomes rightly: half-way between two neighbouring scores, infinite
/// where accepting nobody is best, and the highest of several that are equally good.
fn best_threshold<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> f64 {
    let mut scored: Vec<(f64, bool)> = outcomes.filter_map(|o| Some((f64::from(o.score?), o.same))).collect();
    scored.sort_by(|a, b| descending(a.0, b.0));
    // Both relative to accepting nobody.
    let (mut gain, mut best_gain, mut best) = (0i64, 0i64, f64::INFINITY);
    for (i, (score, same)) in scored.iter().enumerate() {
        gain += if *same { 1 } else { -1 };
        let next = scored.get(i + 1).map_or(*score, |(next, _)| *next);
        // Between two equal scores there is no threshold; the last score is one itself.
        let is_last = i + 1 == scored.len();
        if gain > best_gain && (is_last || next < *score) {
            (best_gain, best) = (gain, f64::midpoint(*score, next));
        }
    }
    best
}

/// The area under the curve of true over false accept rate, exactly: the pairs of one outcome of each kind in which that
/// of the same person has the higher score, with ties as halves. Not a number unless both kinds are there.
fn auc(outcomes: &[Outcome]) -> f64 {
    let mut ordered: Vec<(f32, bool)> = outcomes.iter().map(|o| (o.score.unwrap_or(SCORE_MIN), o.same)).collect();
    ordered.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut same_below, mut different_below, mut half_wins) = (0u64, 0u64, 0u64);
    for tied in ordered.chunk_by(|a, b| a.0 == b.0) {
        let same = tied.iter().filter(|(_, same)| *same).count() as u64;
        let different = tied.len() as u64 - same;
        half_wins += same * (2 * different_below + different);
        same_below += same;
        different_below += different;
    }
    half_wins as f64 / (2 * same_below * different_below) as f64
}

/// Part of the outcomes of the same person that is accepted by the lowest threshold that accepts at most one in `one_in`
/// of the others; `None` if there are fewer than `one_in` others, as then the rate cannot be told from 0, or none of the
/// same person.
fn true_accept_rate(outcomes: &[Outcome], one_in: usize) -> Option<f64> {
    let (same, different): (Vec<&Outcome>, Vec<&Outcome>) = outcomes.iter().partition(|o| o.same);
    if different.len() < one_in || same.is_empty() {
        return None;
    }
    let mut strangers: Vec<f32> = different.iter().map(|o| o.score.unwrap_or(SCORE_MIN)).collect();
    strangers.sort_by(|a, b| descending(f64::from(*a), f64::from(*b)));
    // The best score that must not be accepted.
    let refused = *strangers.get(different.len() / one_in)?;
    let accepted = same.iter().filter(|o| o.score.is_some_and(|s| s > refused)).count();
    Some(accepted as f64 / same.len() as f64)
}

fn descending(a: f64, b: f64) -> Ordering {
    b.total_cmp(&a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use assent_vision::geometry::Rect;

    /// Outcomes of each kind, dealt out to the folds in turn.
    fn outcomes(folds: usize, same: &[Option<f32>], different: &[Option<f32>]) -> Vec<Outcome> {
        let deal = |same: bool, scores: &[Option<f32>]| -> Vec<Outcome> {
            scores.iter().enumerate().map(|(i, score)| Outcome { fold: i % folds, same, score: *score }).collect()
        };
        [deal(true, same), deal(false, different)].concat()
    }

    fn some(scores: &[f32]) -> Vec<Option<f32>> {
        scores.iter().copied().map(Some).collect()
    }

    /// `n` numbers in `0..1` that are spread evenly and in no order: multiples of the golden ratio, without their whole.
    fn spread(n: u32, from: u32) -> Vec<Option<f32>> {
        (from..from + n).map(|i| Some((f64::from(i) * 0.618_033_988_749_895).fract() as f32)).collect()
    }

    #[test]
    fn a_fold_is_judged_with_the_threshold_of_the_others() {
        let check = |name: &str, folds: usize, same: &[Option<f32>], different: &[Option<f32>], mean: f64| {
            let got = accuracy(&outcomes(folds, same, different), folds);
            assert!((got.mean - mean).abs() < 1e-12, "{name}: {got:?}");
            assert_eq!((got.deviation.is_some(), got.standard_error.is_some()), (folds > 1, folds > 1), "{name}");
        };
        let (high, low) = (some(&[0.7, 0.8, 0.75, 0.9]), some(&[0.1, 0.2, 0.15, -0.3]));
        check("separable, four folds", 4, &high, &low, 1.0);
        check("separable, two folds", 2, &high, &low, 1.0);
        check("separable, one fold", 1, &high, &low, 1.0);
        // Every threshold that is best on one side is wrong for half of the other.
        check("the folds disagree", 2, &some(&[0.9, 0.5]), &some(&[0.6, 0.1]), 0.5);
        check("one fold, chosen on itself", 1, &some(&[0.9, 0.5]), &some(&[0.6, 0.1]), 0.75);
        check("upside down: nobody is accepted", 2, &low, &high, 0.5);
        check("all scores are equal: the strictest", 2, &some(&[0.5; 4]), &some(&[0.5; 4]), 0.5);
        // A pair without a score is wrong, of whichever kind.
        check("a same-person pair fails", 4, &[Some(0.7), Some(0.8), None, Some(0.9)], &low, 0.875);
        check("a different-person pair fails", 4, &high, &[Some(0.1), None, Some(0.0), Some(0.2)], 0.875);
        check("all fail", 2, &[None; 2], &[None; 2], 0.0);
    }

    #[test]
    fn deviation_and_error_are_those_over_the_folds() {
        // Fold 0 is judged rightly throughout; in fold 1 one pair of four fails, in fold 2 two do.
        let same = [Some(0.8), Some(0.8), None, Some(0.9), Some(0.9), Some(0.9)];
        let different = [Some(0.1), None, None, Some(0.2), Some(0.2), Some(0.2)];
        let got = accuracy(&outcomes(3, &same, &different), 3);
        assert!((got.mean - 0.75).abs() < 1e-12, "{got:?}");
        assert!((got.deviation.unwrap() - 0.25).abs() < 1e-12, "{got:?}");
        assert!((got.standard_error.unwrap() - 0.25 / 3f64.sqrt()).abs() < 1e-12, "{got:?}");
    }

    #[test]
    fn the_area_is_exact() {
        let check = |name: &str, same: &[Option<f32>], different: &[Option<f32>], expected: f64| {
            assert_eq!(auc(&outcomes(1, same, different)), expected, "{name}");
        };
        check("separable", &some(&[0.7, 0.8]), &some(&[0.1, 0.2]), 1.0);
        check("upside down", &some(&[0.1, 0.2]), &some(&[0.7, 0.8]), 0.0);
        check("three of four", &some(&[0.9, 0.5]), &some(&[0.6, 0.1]), 0.75);
        check("ties are halves", &some(&[0.5, 0.5]), &some(&[0.5, 0.5]), 0.5);
        check("one tie of four", &some(&[0.9, 0.5]), &some(&[0.5, 0.1]), 0.875);
        check("a same-person pair fails", &[Some(0.9), None], &some(&[0.5, 0.1]), 0.5);
        check("a different-person pair fails", &some(&[0.9, 0.2]), &[Some(0.5), None], 0.75);
        check("both kinds fail", &[None], &[None], 0.5);
        let random = auc(&outcomes(1, &spread(1_000, 0), &spread(1_000, 1_000)));
        assert!((random - 0.5).abs() < 0.01, "{random}");
    }

    #[test]
    fn accepted_at_a_false_accept_rate() {
        let check = |name: &str, same: &[Option<f32>], different: &[Option<f32>], expected: Option<f64>| {
            assert_eq!(true_accept_rate(&outcomes(1, same, different), 100), expected, "{name}");
        };
        let same = some(&[0.95, 0.6, 0.5, 0.4]);
        let strangers = |best: &[Option<f32>], n: usize| [best, &vec![Some(0.0); n - best.len()]].concat();
        check("99 do not support one in 100", &same, &strangers(&[], 99), None);
        check("one of 100 may be accepted", &same, &strangers(&some(&[0.9, 0.55]), 100), Some(0.5));
        check("one of 199, too", &same, &strangers(&some(&[0.9, 0.55]), 199), Some(0.5));
        check("two of 200", &same, &strangers(&some(&[0.9, 0.55, 0.45]), 200), Some(0.75));
        check("two that are tied are refused together", &same, &strangers(&some(&[0.9, 0.9]), 100), Some(0.25));
        check("a tie with a stranger is refused", &some(&[0.9, 0.5]), &strangers(&some(&[0.95, 0.5]), 100), Some(0.5));
        check("failed strangers count in the rate", &same, &strangers(&[Some(0.9), None], 100), Some(1.0));
        // 99 failures fill the list: the single score is the one in 100.
        check("nearly all strangers fail", &same, &[vec![Some(0.9)], vec![None; 99]].concat(), Some(1.0));
        let failing = [Some(0.95), Some(0.6), None, None];
        check("a failure is never accepted", &failing, &strangers(&[], 100), Some(0.5));
        check("not even where all strangers fail", &failing, &[None; 100], Some(0.5));
        assert_eq!(true_accept_rate(&outcomes(1, &same, &[None; 999]), 1_000), None);
        assert_eq!(true_accept_rate(&outcomes(1, &same, &[None; 1_000]), 1_000), Some(1.0));
    }

    #[test]
    fn the_face_in_the_middle_is_taken() {
        let face = |x: f32, y: f32, side: f32| Detection {
            bounds: Rect { x: x - side / 2.0, y: y - side / 2.0, width: side, height: side },
            ..Detection::default()
        };
        let check = |name: &str, faces: &[Detection], expected: Option<usize>| {
            assert_eq!(nearest_centre(faces, (250, 250)), expected.map(|i| faces[i]), "{name}");
        };
        check("nobody", &[], None);
        check("one at the edge", &[face(10.0, 10.0, 8.0)], Some(0));
        check("a large one beside a small one", &[face(60.0, 125.0, 120.0), face(130.0, 120.0, 20.0)], Some(1));
        check("equally near", &[face(125.0, 105.0, 10.0), face(125.0, 145.0, 12.0)], Some(0));
    }

    #[test]
    fn a_cosine_stays_within_its_bounds() {
        let e = |values: &[f32]| Embedding::from_values(values.to_vec()).unwrap();
        assert_eq!(cosine(&e(&[0.1, 0.7, 0.3]), &e(&[0.1, 0.7, 0.3])), 1.0);
        assert_eq!(cosine(&e(&[0.1, 0.7, 0.3]), &e(&[-0.1, -0.7, -0.3])), -1.0);
        assert_eq!(cosine(&e(&[1.0, 0.0]), &e(&[0.0, 2.0])), 0.0);
    }
}
