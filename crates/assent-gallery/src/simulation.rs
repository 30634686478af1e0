//! The declared rates in a simulation: strangers' scores are drawn from the default pack's table, as if each template
//! were somebody else's. Random vectors never come near each other and would prove nothing.

use crate::assign::assign;
use crate::calibration::{Band, Calibration, DeclaredRates};
use crate::gallery::{Hit, Owner};

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
