//! A rate, and how well it is known.

/// The quantile of the normal distribution for an interval of 95 %.
const Z_95: f64 = 1.959_964;

/// What part of some searches went wrong, with its 95 % confidence interval.
///
/// # Source
///
/// The interval is Wilson's: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal
/// of the American Statistical Association 22, 1927. Searches of one person's faces go wrong together, so its number of
/// trials is the effective one, `p (1 - p) / variance`, with the variance between people of the ratio estimator (ISO/IEC
/// 19795-1, annex B, on several attempts for each person; E. L. Korn, B. I. Graubard, Survey Methodology 24, 1998). It
/// lies between `(sum m)^2 / sum m^2` for people with `m` searches each, as if all searches of a person had one outcome
/// (L. Kish, Survey Sampling, 1965), and the number of searches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// The part, 0 to 1.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Searches, each counted once, however many galleries it was made in.
    pub searches: usize,
    /// Different people among them.
    pub people: usize,
    /// Searches that are as good as independent, at the least.
    independent: f64,
}

/// One person's searches.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct OfPerson {
    /// The number of searches with photos of this person.
    pub(super) searches: usize,
    /// Of these, gone wrong; a part of one is the mean over several galleries.
    pub(super) wrong: f64,
}

impl Rate {
    /// The rate over `people`; `None` without a search.
    pub(super) fn over(people: &[OfPerson]) -> Option<Rate> {
        let searches: usize = people.iter().map(|p| p.searches).sum();
        let sum = |f: &dyn Fn(&OfPerson) -> f64| people.iter().map(f).sum::<f64>();
        let n = searches as f64;
        if searches == 0 {
            return None;
        }
        let value = (sum(&|p| p.wrong) / n).clamp(0.0, 1.0);
        let people_count = people.iter().filter(|p| p.searches > 0).count();
        let independent = n * n / sum(&|p| (p.searches as f64).powi(2));
        let spread = sum(&|p| (p.wrong - value * p.searches as f64).powi(2));
        let variance = spread / (n * n) * people_count as f64 / (people_count as f64 - 1.0).max(1.0);
        let effective = if value * (1.0 - value) <= 0.0 || people_count < 2 {
            independent // Nothing varies, which does not say how little it would.
        } else {
            (value * (1.0 - value) / variance).clamp(independent, n)
        };
        let (low, high) = wilson(value, effective);
        Some(Rate { value, low, high, searches, people: people_count, independent })
    }

    /// Whether so many searches could show a rate of `declared`: were not one of them wrong, the interval would end at or
    /// below it.
    pub fn can_show(&self, declared: f64) -> bool {
        wilson(0.0, self.independent).1 <= declared
    }
}

/// How many independent searches, none of them wrong, show a rate of `declared` at least.
pub fn searches_to_show(declared: f64) -> usize {
    (Z_95 * Z_95 * (1.0 - declared) / declared).ceil() as usize
}

/// The ends of Wilson's interval of 95 % around `p` in `n` trials.
fn wilson(p: f64, n: f64) -> (f64, f64) {
    let z2 = Z_95 * Z_95;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // At the ends, rounding must not say more than was seen.
    let low = if p <= 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if p >= 1.0 { 1.0 } else { (centre + half).min(1.0) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(each: &[(usize, f64)]) -> Vec<OfPerson> {
        each.iter().map(|&(searches, wrong)| OfPerson { searches, wrong }).collect()
    }

    #[test]
    fn known_intervals() {
        // Of R's `binom::binom.wilson(x, n)`.
        let check = |name: &str, wrong: usize, of: usize, low: f64, high: f64| {
            let each: Vec<_> = (0..of).map(|i| (1, f64::from(u8::from(i < wrong)))).collect();
            let got = Rate::over(&people(&each)).unwrap();
            assert!((got.low - low).abs() < 5e-5 && (got.high - high).abs() < 5e-5, "{name}: {got:?}");
            assert_eq!((got.searches, got.people), (of, of), "{name}");
        };
        check("none of 10", 0, 10, 0.0, 0.277_54);
        check("one of 10", 1, 10, 0.017_876, 0.404_150);
        check("half of 50", 25, 50, 0.366_45, 0.633_55);
        check("all of 10", 10, 10, 0.722_46, 1.0);
    }

    #[test]
    fn searches_of_one_person_count_less_the_more_they_agree() {
        let width = |each: &[(usize, f64)]| {
            let got = Rate::over(&people(each)).unwrap();
            (got.high - got.low, got.value)
        };
        // 20 people with 10 searches each, half of all wrong.
        let mixed: Vec<_> = (0..20).map(|_| (10, 5.0)).collect();
        let together: Vec<_> = (0..20).map(|i| (10, if i % 2 == 0 { 10.0 } else { 0.0 })).collect();
        let some: Vec<_> = (0..20).map(|i| (10, if i % 2 == 0 { 7.0 } else { 3.0 })).collect();
        let single = |n: usize| -> Vec<_> { (0..n).map(|i| (1, f64::from(u8::from(i % 2 == 0)))).collect() };
        assert_eq!(width(&mixed), width(&single(200)));
        assert_eq!(width(&together), width(&single(20)));
        assert!(width(&some).0 > width(&mixed).0 && width(&some).0 < width(&together).0);
        // Without an error nobody can say whether they agree: the worst is taken.
        assert_eq!(width(&vec![(10, 0.0); 20]), width(&vec![(1, 0.0); 20]));
        // One person with nearly all searches is nearly the only trial.
        assert!(width(&[(100, 0.0), (1, 0.0)]).0 > 0.75);
    }

    #[test]
    fn no_search_has_no_rate_and_a_small_set_shows_nothing() {
        assert_eq!(Rate::over(&[]), None);
        assert_eq!(Rate::over(&people(&[(0, 0.0)])), None);
        assert_eq!(searches_to_show(0.001), 3_838);
        for (n, shown) in [(3_837, false), (3_838, true)] {
            assert_eq!(Rate::over(&people(&vec![(1, 0.0); n])).unwrap().can_show(0.001), shown, "{n}");
        }
    }
}
