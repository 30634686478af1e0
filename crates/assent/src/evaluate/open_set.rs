//! Open-set figures: how often somebody in the gallery is missed (FNIR), and how often somebody who is not in it is named
//! (FPIR), over galleries of three sizes.
//!
//! # What is counted as what
//!
//! The labels say who is in a photo, not which face is whose. A photo's faces and its labelled people are therefore put
//! together as in a scan, each to one at most, from the least score that the pack's table knows: a face that gets a person
//! is *located*. Then
//!
//! - a **mated search** is one for each labelled appearance: its face in a gallery with its person. It fails at a threshold
//!   if its person does not score best or scores below. An appearance without a located face fails at every threshold;
//! - a **non-mated search** is one for each located face, in a gallery of the same size without its person. It is wrong at
//!   a threshold if anybody scores at or above;
//! - faces without a label are counted and not used: a bystander may be somebody in the gallery.
//!
//! Located faces are those that look at least a little like their portrait, so very poor faces are missing among the
//! non-mated searches. Each face is searched for alone here; a scan also gives each person to one face of a photo at most.
//!
//! The galleries are drawn from the people with a usable portrait: all are put in a random order, the searched face's
//! person is taken out, and the first are taken; for a mated search that person stands in for the last of them. Several
//! draws are made, and a search counts once, with the mean over the draws.
//!
//! # Source
//!
//! ISO/IEC 19795-1:2021 and NIST FRTE 1:N (NIST IR 8271) for FNIR and FPIR, with rank 1.

use std::collections::BTreeMap;
use std::fmt;

use assent_gallery::assign::assign;
use assent_gallery::calibration::Thresholds;
use assent_gallery::gallery::{Hit, Owner};

use super::find::{Counts, FindReport};
use super::groups::Groups;
use super::labels::Label;
use super::rate::{OfPerson, Rate};

/// How often a gallery of each size is drawn.
const DRAWS: usize = 50;

/// The rates of strangers at which FNIR is given.
const STATED_FPIR: [f64; 4] = [0.1, 0.05, 0.01, 0.001];

/// Points of a DET curve for each tenfold of FPIR.
const CURVE_POINTS_PER_DECADE: usize = 40;

/// What every labelled appearance scored against everybody with a portrait. It holds no embedding, and shows nothing of
/// what it holds (I11).
#[derive(Clone, PartialEq)]
pub struct Searches {
    /// People in the gallery, as their labels number them, in rising order.
    pub(super) enrolled: Vec<usize>,
    /// Scores of the located face of each labelled appearance, in the order of `enrolled`; `None` if none was located.
    pub(super) appearances: BTreeMap<Label, Option<Vec<f32>>>,
    /// The least score at which a face was located.
    pub(super) located_from: f32,
    /// Faces that were searched for, labelled or not.
    pub(super) faces: usize,
    /// The three gallery sizes with the thresholds that hold there.
    pub(super) sizes: Vec<(usize, Thresholds)>,
    /// The thresholds that hold in a gallery of one group's people alone.
    pub(super) alone: BTreeMap<String, Thresholds>,
}

impl fmt::Debug for Searches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Searches({} appearances, {} people)", self.appearances.len(), self.enrolled.len())
    }
}

/// Open-set figures.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenSet {
    /// What the draws began with.
    pub seed: u64,
    /// How often a gallery of each size was drawn.
    pub draws: usize,
    /// Labelled appearances: the mated searches.
    pub appearances: usize,
    /// Of these, located in their photo: the non-mated searches.
    pub located: usize,
    /// The score from which a face could be located.
    pub located_from: f32,
    /// Faces that were searched for and are nobody's label.
    pub faces_without_label: usize,
    /// Three gallery sizes, each twice the one before.
    pub galleries: Vec<GalleryFigures>,
    /// One row for each score of the pack's table; none without a table.
    pub sweep: Vec<SweepRow>,
    /// The figures of each group in the largest gallery.
    pub groups: Vec<GroupFigures>,
}

/// The figures of one gallery size.
#[derive(Debug, Clone, PartialEq)]
pub struct GalleryFigures {
    /// People in the gallery.
    pub people: usize,
    /// The bands at the declared rates.
    pub bands: Bands,
    /// FNIR where a stated part of the non-mated searches is wrong.
    pub at_fpir: Vec<AtFpir>,
    /// The DET curve, from many wrong names to few.
    pub curve: Vec<AtFpir>,
}

/// The figures at the thresholds of a gallery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bands {
    /// Band `match` alone; `None` where the pack's table supports none.
    pub certain: Option<AtThreshold>,
    /// Both bands together.
    pub certain_or_review: AtThreshold,
}

/// The figures at one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtThreshold {
    /// From this cosine on.
    pub threshold: f32,
    /// Part of the mated searches that fails.
    pub fnir: Rate,
    /// Part of the non-mated searches that is wrong; `None` if no face was located.
    pub fpir: Option<Rate>,
}

/// FNIR at a stated FPIR. The threshold is not told: it lies next to the score of a single face (I11).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AtFpir {
    /// Part of the non-mated searches that may be wrong.
    pub fpir: f64,
    /// Part of the mated searches that fails then; `None` with fewer than `1 / fpir` non-mated searches.
    pub fnir: Option<Rate>,
}

/// What one threshold of the pack's table does on this set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SweepRow {
    /// The false match rate that the table gives.
    pub fmr: f64,
    /// Labels found and answers without a label, with everybody in the gallery and whole photos.
    pub counts: Counts,
    /// The open-set figures in the largest of the three galleries.
    pub open: AtThreshold,
}

/// The figures of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupFigures {
    /// The group, as the table calls it.
    pub group: String,
    /// The bands at the declared rates, in the largest gallery, which is of everybody.
    pub bands: Bands,
    /// The same where all are of this group, the gallery and the strangers; `None` where nobody else of it is enrolled.
    pub alone: Option<AloneFigures>,
}

/// The figures of a gallery and of strangers who are all of one group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AloneFigures {
    /// People in the gallery.
    pub people: usize,
    /// The bands at the declared rates.
    pub bands: Bands,
}

/// The three sizes for `people` in all: a quarter, a half and all, when the searched person is left out.
pub(super) fn gallery_sizes(people: usize) -> Vec<usize> {
    let base = people.saturating_sub(1) / 4;
    if base == 0 { Vec::new() } else { vec![base, 2 * base, 4 * base] }
}

/// One appearance in the galleries of one size: a value for each draw.
struct Outcomes {
    person: usize,
    /// The person's own score where it is the best one, minus infinity where it is not.
    mated: Vec<f32>,
    /// The best score of anybody else; empty if the face was not located.
    non_mated: Vec<f32>,
}

impl OpenSet {
    /// The figures of a report, with galleries drawn from `seed`; equal seeds give equal figures. `None` with fewer than
    /// five people in the gallery or without a label.
    pub fn of(report: &FindReport, seed: u64, groups: Option<&Groups>) -> Option<OpenSet> {
        let searches = &report.searches;
        let orders = orders(searches.enrolled.len(), seed);
        let mut galleries = Vec::new();
        let mut largest = Vec::new();
        for &(people, thresholds) in &searches.sizes {
            let outcomes = searches.outcomes(people, &orders, |_| true);
            let refs: Vec<&Outcomes> = outcomes.iter().collect();
            let at_fpir = STATED_FPIR.iter().map(|&fpir| at_fpir(&refs, fpir)).collect();
            galleries.push(GalleryFigures { people, bands: bands(&refs, thresholds)?, at_fpir, curve: curve(&refs) });
            largest = outcomes;
        }
        let (_, thresholds) = *searches.sizes.last()?;
        let all: Vec<&Outcomes> = largest.iter().collect();
        let of_group = |(group, people): (&String, &std::collections::BTreeSet<usize>)| {
            let own: Vec<&Outcomes> = largest.iter().filter(|o| people.contains(&o.person)).collect();
            Some(GroupFigures {
                group: group.clone(),
                bands: bands(&own, thresholds)?,
                alone: groups.and_then(|groups| searches.alone(group, groups, &orders)),
            })
        };
        let sweep = report.sweep.iter();
        Some(OpenSet {
            seed,
            draws: DRAWS,
            appearances: searches.appearances.len(),
            located: searches.appearances.values().flatten().count(),
            located_from: searches.located_from,
            faces_without_label: searches.faces - searches.appearances.values().flatten().count(),
            galleries,
            sweep: sweep
                .map(|s| Some(SweepRow { fmr: s.fmr, counts: s.counts, open: at_threshold(&all, s.threshold)? }))
                .collect::<Option<_>>()?,
            groups: groups.map_or_else(|| Some(Vec::new()), |g| g.people.iter().map(of_group).collect())?,
        })
    }
}

impl Searches {
    /// Locates the labelled people of one photo, whose faces have `hits` against everybody in the gallery.
    pub(super) fn add(&mut self, photo: usize, hits: &[Vec<Hit>]) {
        self.faces += hits.len();
        let label = |hit: &Hit| Label { photo, person: hit.owner.0 as usize };
        let of_labelled = |hits: &Vec<Hit>| -> Vec<Hit> {
            hits.iter().copied().filter(|hit| self.appearances.contains_key(&label(hit))).collect()
        };
        let among: Vec<Vec<Hit>> = hits.iter().map(of_labelled).collect();
        for located in assign(&among, Thresholds { certain: None, review: self.located_from }, |_| false) {
            let scores: BTreeMap<Owner, f32> = hits[located.face].iter().map(|hit| (hit.owner, hit.score)).collect();
            let row = self.enrolled.iter().filter_map(|&person| scores.get(&Owner(person as u32)).copied()).collect();
            self.appearances.insert(Label { photo, person: located.owner.0 as usize }, Some(row));
        }
    }

    /// The figures of a gallery and of strangers of one group.
    fn alone(&self, group: &String, groups: &Groups, orders: &[Vec<usize>]) -> Option<AloneFigures> {
        let members = groups.members.get(group)?;
        let enrolled = self.enrolled.iter().filter(|person| members.contains(person)).count();
        let people = enrolled.checked_sub(1).filter(|people| *people > 0)?;
        let outcomes = self.outcomes(people, orders, |person| members.contains(&person));
        let own: Vec<&Outcomes> = outcomes.iter().filter(|o| members.contains(&o.person)).collect();
        Some(AloneFigures { people, bands: bands(&own, *self.alone.get(group)?)? })
    }

    /// What becomes of each appearance in galleries of `size` of the people who are `among` them.
    fn outcomes(&self, size: usize, orders: &[Vec<usize>], among: impl Fn(usize) -> bool) -> Vec<Outcomes> {
        let one = |(label, scores): (&Label, &Option<Vec<f32>>)| {
            let own = self.enrolled.binary_search(&label.person).ok();
            let (Some(scores), Some(own)) = (scores, own) else {
                let never = vec![f32::NEG_INFINITY; orders.len()];
                return Outcomes { person: label.person, mated: never, non_mated: Vec::new() };
            };
            let (mut mated, mut non_mated) = (Vec::new(), Vec::new());
            for order in orders {
                let mut others = order.iter().filter(|&&i| i != own && among(self.enrolled[i])).map(|&i| scores[i]);
                let best = others.by_ref().take(size - 1).fold(f32::NEG_INFINITY, f32::max);
                mated.push(if scores[own] > best { scores[own] } else { f32::NEG_INFINITY });
                non_mated.push(others.next().map_or(best, |last| best.max(last)));
            }
            Outcomes { person: label.person, mated, non_mated }
        };
        self.appearances.iter().map(one).collect()
    }
}

/// The rate over people of what `wrong` says of the values of each search; a search without values is none.
fn rate<'a>(
    outcomes: &[&'a Outcomes],
    values: impl Fn(&'a Outcomes) -> &'a [f32],
    wrong: impl Fn(f32) -> bool,
) -> Option<Rate> {
    let mut people: BTreeMap<usize, OfPerson> = BTreeMap::new();
    for outcome in outcomes {
        let values = values(outcome);
        if !values.is_empty() {
            let of = people.entry(outcome.person).or_default();
            of.searches += 1;
            of.wrong += values.iter().filter(|v| wrong(**v)).count() as f64 / values.len() as f64;
        }
    }
    Rate::over(&people.into_values().collect::<Vec<_>>())
}

fn at_threshold(outcomes: &[&Outcomes], threshold: f32) -> Option<AtThreshold> {
    Some(AtThreshold {
        threshold,
        fnir: rate(outcomes, |o| &o.mated, |score| score < threshold)?,
        fpir: rate(outcomes, |o| &o.non_mated, |score| score >= threshold),
    })
}

fn bands(outcomes: &[&Outcomes], thresholds: Thresholds) -> Option<Bands> {
    Some(Bands {
        certain: match thresholds.certain {
            Some(threshold) => Some(at_threshold(outcomes, threshold)?),
            None => None,
        },
        certain_or_review: at_threshold(outcomes, thresholds.review)?,
    })
}

/// All scores of the non-mated searches, the highest first.
fn strangers(outcomes: &[&Outcomes]) -> Vec<f32> {
    let mut scores: Vec<f32> = outcomes.iter().flat_map(|o| o.non_mated.iter().copied()).collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    scores
}

fn at_fpir(outcomes: &[&Outcomes], fpir: f64) -> AtFpir {
    at_fpir_of(outcomes, &strangers(outcomes), fpir)
}

/// FNIR at the lowest threshold at which at most the part `fpir` of the strangers' scores is reached.
fn at_fpir_of(outcomes: &[&Outcomes], strangers: &[f32], fpir: f64) -> AtFpir {
    let searches = outcomes.iter().filter(|o| !o.non_mated.is_empty()).count();
    let allowed = (fpir * strangers.len() as f64 + 1e-9) as usize; // 0.05 of 20 is one.
    let supported = searches as f64 * fpir >= 1.0 - 1e-9;
    let fnir = match strangers.get(allowed) {
        _ if !supported => None,
        Some(&refused) => rate(outcomes, |o| &o.mated, |score| score <= refused),
        None => rate(outcomes, |o| &o.mated, |score| score == f32::NEG_INFINITY),
    };
    AtFpir { fpir, fnir }
}

fn curve(outcomes: &[&Outcomes]) -> Vec<AtFpir> {
    let strangers = strangers(outcomes);
    let point = |i: usize| 10f64.powf(-(i as f64) / CURVE_POINTS_PER_DECADE as f64);
    // An FPIR below one in a million takes more searches than any labelled set has.
    (0..=6 * CURVE_POINTS_PER_DECADE)
        .map(|i| at_fpir_of(outcomes, &strangers, point(i)))
        .take_while(|p| p.fnir.is_some())
        .collect()
}

/// Random orders of `people`, one for each draw.
fn orders(people: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut state = seed;
    let mut order: Vec<usize> = (0..people).collect();
    let shuffled = |_| {
        // Fisher and Yates; the remainder's bias is below people / 2^64.
        for i in (1..order.len()).rev() {
            order.swap(i, (split_mix(&mut state) % (i as u64 + 1)) as usize);
        }
        order.clone()
    };
    (0..DRAWS).map(shuffled).collect()
}

/// The next number of `SplitMix64`.
///
/// # Source
///
/// G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
