//! The declared rates in a simulation: strangers' scores are drawn from a table, as if each template were somebody
//! else's. Random vectors never come near each other and would prove nothing.

#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use crate::assign::assign;
use crate::calibration::{Band, Calibration, DeclaredRates};
use crate::gallery::{Hit, Owner};
use crate::impostors::{Impostors, OfOwner, PAIR};

/// `SplitMix64`.
struct Random(u64);

impl Random {
    /// Evenly between 0 and 1, never 0.
    fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) >> 11).max(1) as f64 / (1_u64 << 53) as f64
    }
}

/// How a person's templates are alike to a stranger.
#[derive(Clone, Copy)]
enum Templates {
    /// Each by a draw of its own: as bad as it can be.
    Independent,
    /// All the same.
    Alike,
}

/// Of `strangers` faces, the parts that are named, and that are named or proposed.
fn measured(table: &Calibration, subjects: u32, each: usize, how: Templates, strangers: usize) -> (f64, f64) {
    let thresholds = table.thresholds(DeclaredRates::default(), subjects as usize * each);
    let mut random = Random(u64::from(subjects));
    let (mut named, mut answered) = (0, 0);
    for _ in 0..strangers {
        let mut hits = Vec::new();
        for owner in (0..subjects).map(Owner) {
            let draws = match how {
                Templates::Independent => each,
                Templates::Alike => 1,
            };
            // A score is at least `s` with the probability `fmr(s)`: the smallest part has the best score.
            let part = (0..draws).map(|_| random.part()).fold(1.0, f64::min);
            if let Some(score) = table.impostor_score(part) {
                hits.push(Hit { owner, score });
            }
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.owner.cmp(&b.owner)));
        let answers = assign(&[hits], thresholds, |_| false);
        answered += usize::from(!answers.is_empty());
        named += usize::from(answers.iter().any(|a| a.band == Band::Match));
    }
    (named as f64 / strangers as f64, answered as f64 / strangers as f64)
}

#[test]
fn i9_the_declared_rates_hold_in_a_simulation() {
    const STRANGERS: usize = 100_000;
    let table = Calibration::new(
        &[0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60],
        &[2.6e-3, 7.9e-4, 2.1e-4, 5.2e-5, 1.1e-5, 2.6e-6, 8.1e-7],
    )
    .unwrap();
    // Four standard deviations of a count around the rate.
    let spread = |rate: f64| 4.0 * (rate * (1.0 - rate) / STRANGERS as f64).sqrt();
    let near = |got: f64, rate: f64| (got - rate).abs() <= spread(rate);
    let not_above = |got: f64, rate: f64| got <= rate + spread(rate);
    let check = |name: &str, subjects: u32, each: usize, matches: bool| {
        let declared = DeclaredRates::default();
        let (named, answered) = measured(&table, subjects, each, Templates::Independent, STRANGERS);
        assert!(near(named, if matches { declared.fpir } else { 0.0 }), "{name}: {named} named");
        assert!(near(answered, declared.fpir_review), "{name}: {answered} named or proposed");
        let (named, answered) = measured(&table, subjects, each, Templates::Alike, STRANGERS);
        assert!(not_above(named, declared.fpir), "{name}: {named} named where templates are alike");
        assert!(not_above(answered, declared.fpir_review), "{name}: {answered} where templates are alike");
    };
    check("a hundred, one template each", 100, 1, true);
    check("a hundred, three each", 100, 3, true);
    check("four hundred, three each", 400, 3, true);
    check("more than the table supports, one each", 1_600, 1, false);
    check("more than the table supports, three each", 1_600, 3, false);
}

/// `SFace`'s table, and that of the group for whom it is harshest, as its card has them.
pub(crate) fn sface() -> (Calibration, Calibration) {
    let table = Calibration::new(
        &[0.34, 0.36, 0.38, 0.40, 0.42, 0.44, 0.46, 0.48, 0.50, 0.52, 0.54, 0.56, 0.58, 0.60],
        &[
            2.77e-3, 1.34e-3, 6.21e-4, 2.78e-4, 1.17e-4, 4.95e-5, 1.97e-5, 8.42e-6, 3.03e-6, 1.36e-6, 8.21e-7, 4.34e-7,
            2.92e-7, 1.84e-7,
        ],
    )
    .unwrap();
    let women = Calibration::new(&[0.426, 0.472, 0.515], &[3.6e-4, 5.4e-5, 7.9e-6]).unwrap();
    let portraits = Calibration::new(&[0.426, 0.472], &[5.3e-4, 1.1e-4]).unwrap();
    let harshest = table.harshest_of([&women, &portraits]);
    (table, harshest)
}

/// People, with pictures of each, whose pairs score by a curve.
#[derive(Clone, Copy)]
struct Crowd<'a> {
    /// How strangers score.
    truth: &'a Calibration,
    people: usize,
    /// Each person is more or less alike to everybody, by a factor that varies so much: the standard deviation of its logarithm.
    spread: f64,
    /// Pairs of kin.
    kin: usize,
    /// How they score: evenly between these.
    kin_scores: (f64, f64),
    /// One person in ten has so many pictures, the others have one.
    pictures: u64,
}

impl<'a> Crowd<'a> {
    fn new(truth: &'a Calibration, people: usize, spread: f64) -> Crowd<'a> {
        Crowd { truth, people, spread, kin: 0, kin_scores: (0.0, 0.0), pictures: 1 }
    }

    fn pictures_of(&self, one: usize) -> u64 {
        if one.is_multiple_of(10) { self.pictures } else { 1 }
    }

    fn templates(&self) -> usize {
        (0..self.people).map(|one| self.pictures_of(one) as usize).sum()
    }

    /// What is counted of them.
    fn counted(&self, table: &Calibration, random: &mut Random) -> Impostors {
        let scores = table.counted_scores();
        let mut owners = vec![OfOwner { reached: vec![0; scores.len()] }; self.people];
        let mut normal = || (-2.0 * random.part().ln()).sqrt() * (std::f64::consts::TAU * random.part()).cos();
        // With this mean of the logarithm, the factor's own mean is 1.
        let factor = |n: f64| (n * self.spread - self.spread * self.spread / 2.0).exp();
        let alike: Vec<f64> = (0..self.people).map(|_| factor(normal())).collect();
        let mut count = |one: usize, other: usize, score: f32, part: u64| {
            for (i, _) in scores.iter().enumerate().filter(|(_, s)| score >= **s) {
                owners[one].reached[i] += part;
                owners[other].reached[i] += part;
            }
        };
        for one in 0..self.people {
            for other in one + 1..self.people {
                let pairs = self.pictures_of(one) * self.pictures_of(other);
                for _ in 0..pairs {
                    let drawn = self.truth.impostor_score(random.part() / (alike[one] * alike[other]));
                    if let Some(score) = drawn {
                        count(one, other, score, PAIR / pairs);
                    }
                }
            }
        }
        for pair in 0..self.kin {
            let (least, most) = self.kin_scores;
            count(pair * 2, pair * 2 + 1, (least + (most - least) * random.part()) as f32, PAIR);
        }
        Impostors { scores, owners }
    }

    /// The mean, over random galleries, of the rates at which strangers are named, and named or proposed, as parts of the
    /// declared rates; and the part of the galleries that have a `match`.
    fn calibrated(&self) -> (f64, f64, f64) {
        let draws = if self.people > 300 { 10 } else { 100 };
        let (table, harshest) = sface();
        let declared = DeclaredRates::default();
        let templates = self.templates();
        let (mut named, mut answered, mut with_match) = (0.0, 0.0, 0.0);
        for seed in 0..draws {
            let counts = self.counted(&table, &mut Random(seed * 1_000_003 + self.people as u64));
            let own = table.for_people(&harshest, &counts.rates());
            let (match_fpir, both) = self.truth.promised(own.thresholds(declared, templates), templates);
            with_match += f64::from(u8::from(match_fpir.is_some())) / draws as f64;
            named += match_fpir.unwrap_or(0.0) / declared.fpir / draws as f64;
            answered += both / declared.fpir_review / draws as f64;
        }
        (named, answered, with_match)
    }
}

#[test]
fn i9_the_declared_rates_hold_at_100_1600_and_5000_by_the_card_of_the_default_pack() {
    let (table, harshest) = sface();
    let declared = DeclaredRates::default();
    for (templates, by_average, by_harshest) in [(100, true, true), (1_600, true, false), (5_000, true, false)] {
        for (table, matches) in [(&table, by_average), (&harshest, by_harshest)] {
            let thresholds = table.thresholds(declared, templates);
            let (named, both) = table.promised(thresholds, templates);
            assert_eq!(named.is_some(), matches, "{templates}");
            assert!(named.unwrap_or(0.0) <= declared.fpir * 1.001, "{templates}: {named:?}");
            assert!(both <= declared.fpir_review * 1.001, "{templates}: {both}");
        }
    }
}

/// Pairs score so many times as often as those of the harshest group.
fn times_the_harshest(times: f64) -> Calibration {
    let (_, harshest) = sface();
    let (scores, fmr): (Vec<f32>, Vec<f64>) = harshest.rows().iter().map(|(s, f)| (*s, (f * times).min(0.5))).unzip();
    Calibration::new(&scores, &fmr).unwrap()
}

#[test]
fn i9_calibration_holds_the_declared_rates_for_the_harshest_people() {
    let check = |name: &str, people: Crowd<'_>, at_most: f64| {
        let (named, answered, _) = people.calibrated();
        assert!(named <= at_most, "{name}, {} people: named {named} times the declared rate", people.people);
        assert!(answered <= at_most, "{name}, {} people: proposed {answered} times the declared rate", people.people);
    };
    let (harshest, harsher) = (times_the_harshest(1.0), times_the_harshest(3.0));
    for people in [30, 60, 100, 300] {
        let alike = Crowd::new(&harshest, people, 0.0);
        check("the harshest group", alike, 1.5);
        check("the harshest group, kin", Crowd { kin: people / 50, kin_scores: (0.55, 0.77), ..alike }, 1.5);
        let differ = Crowd::new(&harshest, people, 0.5);
        check("the harshest group, people who differ", differ, 2.0);
        check("the harshest group, some with five pictures", Crowd { pictures: 5, ..differ }, 2.0);
    }
    // Three times as harsh as any group that was measured: seen once there are enough people.
    for people in [100, 300, 1_000] {
        check("harsher than any group", Crowd::new(&harsher, people, 0.0), 2.0);
    }
}

#[test]
fn i9_kin_end_nobody_elses_match_and_the_declared_rates_hold_for_strangers() {
    let (table, _) = sface();
    for people in [100, 1_000, 1_600] {
        for (kin, kin_scores) in
            [(people / 100, (0.60, 0.77)), (people / 50, (0.60, 0.77)), (people / 50, (0.40, 0.77))]
        {
            let (named, answered, with_match) =
                Crowd { kin, kin_scores, ..Crowd::new(&table, people, 0.3) }.calibrated();
            let name = format!("{people} people, {kin} pairs of kin from {}", kin_scores.0);
            assert!(with_match > 0.99, "{name}: {with_match} have a match");
            assert!(
                named <= 1.0 && answered <= 1.0,
                "{name}: named {named}, proposed {answered} times the declared rate"
            );
        }
    }
    // More than kin would explain: these people are alike.
    let (_, _, with_match) = Crowd { kin: 50, kin_scores: (0.60, 0.77), ..Crowd::new(&table, 1_000, 0.3) }.calibrated();
    assert_eq!(with_match, 0.0);
}

#[test]
fn i9_a_collection_of_average_people_gets_its_match_back() {
    let (table, harshest) = sface();
    let declared = DeclaredRates::default();
    assert!(harshest.templates_supported(declared) < 1_000);
    let (_, _, with_match) = Crowd::new(&table, 1_000, 0.3).calibrated();
    assert!(with_match > 0.9, "{with_match}");
    // Where nobody is like anybody, 5,000 people are enough to trust the table to its end.
    let scores = table.counted_scores();
    let nobody = Impostors { owners: vec![OfOwner { reached: vec![0; scores.len()] }; 5_000], scores };
    let own = table.for_people(&harshest, &nobody.rates());
    assert!(own.thresholds(declared, 5_000).certain.is_some(), "{:?}", own.rows());
}
