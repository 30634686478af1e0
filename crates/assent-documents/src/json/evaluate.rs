//! `evaluate`: how accurate models are, by the terms of ISO/IEC 19795. Here alone stand scores, and of sample sets alone.

use assent::evaluate::{self, FindReport, Listed, VerifyReport};
use assent::{Band, DeclaredRates};
use schemars::JsonSchema;
use serde::Serialize;

use super::rounded;

/// How well people are found in sample photos.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct FindEvaluated {
    /// Photos.
    pub photos: usize,
    /// Files that are no photo that can be read.
    pub failed: usize,
    /// Faces in them.
    pub faces: usize,
    /// How long it took.
    pub seconds: f64,
    /// Photos in a second.
    pub photos_per_second: f64,
    /// How many photos at a time.
    pub threads: usize,
    /// People who were enrolled.
    pub gallery: usize,
    /// Portraits without a usable face.
    pub not_enrolled: usize,
    /// Faces of people who were enrolled, by the labels.
    pub labelled: usize,
    /// How often a stranger may be named, as declared.
    pub fpir: f64,
    /// How often a stranger may be named or suggested, as declared.
    pub fpir_review: f64,
    /// From which score on a face is named.
    pub threshold: Option<f64>,
    /// From which score on somebody is asked.
    pub threshold_review: f64,
    /// Who was named.
    #[serde(rename = "match")]
    pub certain: Counts,
    /// Who was named or suggested.
    #[serde(rename = "match_or_review")]
    pub certain_or_review: Counts,
    /// How often strangers are taken for somebody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_set: Option<OpenSet>,
    /// Each answer, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<Vec<ListedAnswer>>,
}

/// How a search was run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// How long it took.
    pub seconds: f64,
    /// How many at a time.
    pub threads: usize,
}

impl FindEvaluated {
    /// Of a report. `declared` are the rates that hold; with `list`, each answer is named.
    pub fn new(
        report: &FindReport,
        run: Run,
        rates: DeclaredRates,
        open_set: Option<OpenSet>,
        list: bool,
    ) -> FindEvaluated {
        FindEvaluated {
            photos: report.photos,
            failed: report.failed,
            faces: report.faces,
            seconds: rounded(run.seconds, 3),
            photos_per_second: rounded(report.photos as f64 / run.seconds.max(f64::EPSILON), 2),
            threads: run.threads,
            gallery: report.gallery,
            not_enrolled: report.not_enrolled,
            labelled: report.labelled,
            fpir: rates.fpir,
            fpir_review: rates.fpir_review,
            threshold: report.thresholds.certain.map(|score| rounded(score.into(), 4)),
            threshold_review: rounded(report.thresholds.review.into(), 4),
            certain: Counts::new(report.certain, report.labelled),
            certain_or_review: Counts::new(report.certain_or_review, report.labelled),
            open_set,
            list: list.then(|| report.list.iter().map(ListedAnswer::from).collect()),
        }
    }
}

/// How many answers were right.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Counts {
    /// Right ones.
    pub found: usize,
    /// Wrong ones.
    pub wrong: usize,
    /// Right ones among the faces of people who were enrolled.
    pub recall: Option<f64>,
    /// Right ones among all.
    pub precision: Option<f64>,
}

impl Counts {
    fn new(c: evaluate::Counts, labelled: usize) -> Counts {
        Counts {
            found: c.found,
            wrong: c.wrong,
            recall: c.recall(labelled).map(|rate| rounded(rate, 4)),
            precision: c.precision().map(|rate| rounded(rate, 4)),
        }
    }
}

/// One answer about a sample photo.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ListedAnswer {
    /// The photo.
    pub photo: String,
    /// The person.
    pub person: String,
    /// `match` or `review`.
    pub band: String,
    /// How alike the faces are, from -1 to 1.
    pub score: f64,
    /// Whether the labels say so.
    pub labelled: bool,
}

impl From<&Listed> for ListedAnswer {
    fn from(l: &Listed) -> Self {
        Self {
            photo: l.photo.clone(),
            person: l.person.clone(),
            band: band(l.band).to_owned(),
            score: rounded(l.score.into(), 4),
            labelled: l.labelled,
        }
    }
}

/// The word for a band.
pub fn band(band: Band) -> &'static str {
    match band {
        Band::Match => "match",
        Band::Review => "review",
    }
}

/// How often strangers are taken for somebody, and people missed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OpenSet {
    /// What the galleries were drawn with.
    pub seed: u64,
    /// How many were drawn of each size.
    pub draws: usize,
    /// What the intervals are.
    pub interval: String,
    /// Labelled faces that were found.
    pub located: usize,
    /// From which overlap on a face counts as found.
    pub located_from: f64,
    /// Faces without a label, which were not used.
    pub faces_without_label: usize,
    /// For each size of a gallery.
    pub galleries: Vec<SizedGallery>,
    /// For each threshold.
    pub sweep: Vec<SweptThreshold>,
    /// For each group of people.
    pub groups: Vec<GroupRates>,
}

impl OpenSet {
    /// Of what was measured; `declared` are the rates that it is compared with.
    pub fn new(open: &evaluate::OpenSet, declared: Option<DeclaredRates>) -> OpenSet {
        let gallery = |g: &evaluate::GalleryFigures| SizedGallery {
            people: g.people,
            bands: BandRates::new(&g.bands, declared),
            fnir_at_fpir: g.at_fpir.iter().map(|at| AtFpir { fpir: at.fpir, fnir: at.fnir.map(Rate::from) }).collect(),
        };
        let swept = |row: &evaluate::SweepRow| SweptThreshold {
            at: ThresholdRates::new(row.open, None),
            fmr: row.fmr,
            found: row.counts.found,
            wrong: row.counts.wrong,
        };
        let group = |g: &evaluate::GroupFigures| GroupRates {
            group: g.group.clone(),
            bands: BandRates::new(&g.bands, declared),
            alone: g
                .alone
                .as_ref()
                .map(|alone| GroupAlone { people: alone.people, bands: BandRates::new(&alone.bands, declared) }),
        };
        OpenSet {
            seed: open.seed,
            draws: open.draws,
            interval: "Wilson, 0.95".to_owned(),
            located: open.located,
            located_from: rounded(open.located_from.into(), 4),
            faces_without_label: open.faces_without_label,
            galleries: open.galleries.iter().map(gallery).collect(),
            sweep: open.sweep.iter().map(swept).collect(),
            groups: open.groups.iter().map(group).collect(),
        }
    }
}

/// The rates of both bands.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BandRates {
    /// Of faces that are named; null where none is.
    #[serde(rename = "match")]
    pub certain: Option<ThresholdRates>,
    /// Of faces that are named or suggested.
    #[serde(rename = "match_or_review")]
    pub certain_or_review: ThresholdRates,
}

impl BandRates {
    fn new(bands: &evaluate::Bands, declared: Option<DeclaredRates>) -> BandRates {
        BandRates {
            certain: bands.certain.map(|at| ThresholdRates::new(at, declared.map(|d| d.fpir))),
            certain_or_review: ThresholdRates::new(bands.certain_or_review, declared.map(|d| d.fpir_review)),
        }
    }
}

/// The rates at a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ThresholdRates {
    /// The score.
    pub threshold: f64,
    /// How often somebody who is enrolled is missed.
    pub fnir: Rate,
    /// How often a stranger is taken for somebody.
    pub fpir: Option<Rate>,
    /// How often that may be, as declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared_fpir: Option<f64>,
    /// Whether there are enough strangers to show it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared_is_verifiable: Option<bool>,
}

impl ThresholdRates {
    fn new(at: evaluate::AtThreshold, declared: Option<f64>) -> ThresholdRates {
        ThresholdRates {
            threshold: rounded(at.threshold.into(), 4),
            fnir: Rate::from(at.fnir),
            fpir: at.fpir.map(Rate::from),
            declared_fpir: declared,
            declared_is_verifiable: declared.map(|declared| at.fpir.is_some_and(|rate| rate.can_show(declared))),
        }
    }
}

/// A rate with its interval.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Rate {
    /// The rate.
    pub value: f64,
    /// The least that it may be.
    pub low: f64,
    /// The most that it may be.
    pub high: f64,
    /// In how many searches.
    pub searches: usize,
    /// Of how many people.
    pub people: usize,
}

impl From<evaluate::Rate> for Rate {
    fn from(r: evaluate::Rate) -> Self {
        Self {
            value: rounded(r.value, 5),
            low: rounded(r.low, 5),
            high: rounded(r.high, 5),
            searches: r.searches,
            people: r.people,
        }
    }
}

/// A gallery of one size.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SizedGallery {
    /// People in it.
    pub people: usize,
    /// The rates.
    #[serde(flatten)]
    pub bands: BandRates,
    /// How often people are missed at round rates of strangers.
    pub fnir_at_fpir: Vec<AtFpir>,
}

/// How often people are missed where strangers are taken for somebody so often.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AtFpir {
    /// How often strangers are.
    pub fpir: f64,
    /// How often people are missed; null where it cannot be told.
    pub fnir: Option<Rate>,
}

/// One threshold of many.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SweptThreshold {
    /// The rates.
    #[serde(flatten)]
    pub at: ThresholdRates,
    /// How often two people are taken for one, by the models' table.
    pub fmr: f64,
    /// Right answers.
    pub found: usize,
    /// Wrong answers.
    pub wrong: usize,
}

/// The rates of a group of people.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GroupRates {
    /// The group.
    pub group: String,
    /// The rates among everybody.
    #[serde(flatten)]
    pub bands: BandRates,
    /// The rates in a gallery of this group alone.
    pub alone: Option<GroupAlone>,
}

/// A gallery of one group.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GroupAlone {
    /// People in it.
    pub people: usize,
    /// The rates.
    #[serde(flatten)]
    pub bands: BandRates,
}

/// How well pairs of pictures are told apart.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VerifyEvaluated {
    /// People.
    pub people: usize,
    /// Pictures of them.
    pub images: usize,
    /// Pictures without a usable face.
    pub images_without_face: usize,
    /// How many of all they are.
    pub failure_to_enrol: f64,
    /// Parts of the set that are measured with the threshold of the others.
    pub folds: usize,
    /// Pairs of one person.
    pub pairs_same: usize,
    /// Pairs of two people.
    pub pairs_different: usize,
    /// Pairs with a picture that has no face.
    pub pairs_without_score: usize,
    /// How many pairs are told right.
    pub accuracy: f64,
    /// How far it differs between the parts.
    pub accuracy_deviation: Option<f64>,
    /// The standard error of it.
    pub accuracy_standard_error: Option<f64>,
    /// The area under the curve.
    pub auc: f64,
    /// How many pairs of one person are recognised where one in 100 pairs of two people is.
    #[serde(rename = "tar_at_far_1e-2")]
    pub tar_at_far_1e_2: Option<f64>,
    /// How many pairs of one person are recognised where one in 1,000 pairs of two people is.
    #[serde(rename = "tar_at_far_1e-3")]
    pub tar_at_far_1e_3: Option<f64>,
    /// How long it took.
    pub seconds: f64,
    /// Pictures in a second.
    pub images_per_second: f64,
    /// How many pictures at a time.
    pub threads: usize,
}

impl VerifyEvaluated {
    /// Of a report.
    pub fn new(r: &VerifyReport, run: Run) -> VerifyEvaluated {
        VerifyEvaluated {
            people: r.people,
            images: r.images,
            images_without_face: r.images_without_face,
            failure_to_enrol: rounded(r.images_without_face as f64 / r.images as f64, 6),
            folds: r.folds,
            pairs_same: r.same,
            pairs_different: r.different,
            pairs_without_score: r.pairs_without_score,
            accuracy: rounded(r.accuracy.mean, 6),
            accuracy_deviation: r.accuracy.deviation.map(|d| rounded(d, 6)),
            accuracy_standard_error: r.accuracy.standard_error.map(|e| rounded(e, 6)),
            auc: rounded(r.auc, 6),
            tar_at_far_1e_2: r.tar_at_far_1e_2.map(|t| rounded(t, 6)),
            tar_at_far_1e_3: r.tar_at_far_1e_3.map(|t| rounded(t, 6)),
            seconds: rounded(run.seconds, 3),
            images_per_second: rounded(r.images as f64 / run.seconds.max(f64::EPSILON), 2),
            threads: run.threads,
        }
    }
}
