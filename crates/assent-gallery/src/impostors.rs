//! What the people of a gallery say about the models' table: how often two different ones look alike.

use crate::calibration::Calibration;

/// From so many pairs on, expected by the table or counted, a count says something.
const ENOUGH: f64 = 10.0;

/// The quantile of the normal distribution for a one-sided bound of 95 %.
const Z_95: f64 = 1.644_854;

/// How many pairs of kin there are for each person of a collection, at most: twins and siblings who look alike, and people who
/// were enrolled twice.
///
/// # Source
///
/// About three people in a hundred are born as twins, which would be 1.5 pairs for each hundred if all of them came to the same
/// place; half of these or more do not look alike. What is left is for siblings and double entries. Nobody measured it.
const KIN: f64 = 0.02;

/// One pair of people in [`OfOwner::reached`].
pub(crate) const PAIR: u64 = 1 << 32;

/// How many pairs of people reach some scores. A pair whose people have several templates counts by the part of its pairs of
/// templates that does, so that everybody counts the same, whatever the number of their pictures.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Impostors {
    pub(crate) scores: Vec<f32>,
    pub(crate) owners: Vec<OfOwner>,
}

/// One owner's part: each pair is two owners'.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OfOwner {
    /// Pairs of theirs that reach each score, as whole numbers of which [`PAIR`] are one pair: sums of these do not depend on the
    /// order in which threads add them.
    pub(crate) reached: Vec<u64>,
}

/// A false match rate that was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The score, a cosine from -1 to 1.
    pub score: f32,
    /// Pairs of people who were compared.
    pub pairs: u64,
    /// Pairs that reach the score; those who have several templates count by parts.
    pub reached: f64,
    /// The part of all pairs that do.
    pub fmr: f64,
    /// The one-sided lower bound of 95 % for strangers: as many pairs as there may be of kin are taken off first.
    pub low: f64,
    /// The one-sided upper bound of 95 %, as if nobody here were kin.
    pub high: f64,
}

impl Measured {
    /// Whether enough people were compared for the count to say something, where a part `fmr` of their pairs is expected to
    /// reach the score: ten of them are to be expected, or were counted.
    pub fn is_telling(&self, fmr: f64) -> bool {
        (self.pairs as f64 * fmr).max(self.reached) >= ENOUGH
    }
}

impl Impostors {
    /// Pairs of owners.
    pub fn pairs(&self) -> u64 {
        let n = self.owners.len() as u64;
        n * n.saturating_sub(1) / 2
    }

    /// The number of owners that were compared.
    pub fn owners(&self) -> usize {
        self.owners.len()
    }

    /// The rate at each score, with bounds. Without a pair nothing is known: the rate is 0 and its upper bound 1.
    ///
    /// Kin are not told from strangers here, so each bound takes what is worse for it. The upper bound counts everybody. The
    /// lower one, which shows that people look alike more often, leaves out two pairs for each hundred people: so many may be
    /// kin. Kin can so keep thresholds from falling a little further, and cannot make them rise; and a group of people who
    /// look alike is never explained by kin.
    ///
    /// # Source
    ///
    /// The pairs are not independent, because each owner is part of many. The rate is a U-statistic, and its variance to
    /// the first order is 4 / (n (n - 1)) times the sum over owners of the squared distance of their own rate from it:
    /// W. Hoeffding, "A class of statistics with asymptotically normal distribution", Annals of Mathematical Statistics
    /// 19, 1948. Where few pairs reach a score, their number is Poisson's; its bounds are those of E. B. Wilson and M. M.
    /// Hilferty, "The distribution of chi-square", PNAS 17, 1931. The wider of the two stands.
    pub fn rates(&self) -> Vec<Measured> {
        let (pairs, n) = (self.pairs(), self.owners.len() as f64);
        let all = pairs as f64;
        let rate = |(i, &score): (usize, &f32)| {
            if pairs == 0 {
                return Measured { score, pairs, reached: 0.0, fmr: 0.0, low: 0.0, high: 1.0 };
            }
            let own = |o: &OfOwner| o.reached[i] as f64 / PAIR as f64;
            let reached = self.owners.iter().map(own).sum::<f64>() / 2.0;
            let fmr = reached / all;
            let spread: f64 = self.owners.iter().map(|o| (own(o) / (n - 1.0) - fmr).powi(2)).sum();
            let margin = Z_95 * (4.0 * spread / (n * (n - 1.0))).sqrt();
            let strangers = (reached - KIN * n).max(0.0);
            let low = (strangers / all - margin).min(poisson_low(strangers) / all).max(0.0);
            let high = (fmr + margin).max(poisson_high(reached) / all).min(1.0);
            Measured { score, pairs, reached, fmr, low, high }
        };
        self.scores.iter().enumerate().map(rate).collect()
    }
}

/// The one-sided lower bound of 95 % of a Poisson rate of which `count` were seen.
fn poisson_low(count: f64) -> f64 {
    if count > 0.0 { chi_square(count, -Z_95) } else { 0.0 }
}

/// The upper one.
fn poisson_high(count: f64) -> f64 {
    chi_square(count + 1.0, Z_95)
}

/// Half the quantile, given as that of the normal distribution, of the chi-square distribution with `2 k` degrees of freedom.
fn chi_square(k: f64, z: f64) -> f64 {
    k * (1.0 - 1.0 / (9.0 * k) + z / (3.0 * k.sqrt())).max(0.0).powi(3)
}

impl Calibration {
    /// The scores at which pairs are counted for [`for_people`](Self::for_people): the table's own, and ten beyond its
    /// strict end.
    pub fn counted_scores(&self) -> Vec<f32> {
        let [.., (before, _), (last, _)] = self.rows() else { return Vec::new() };
        let beyond = (1..=10).map(|i| last + i as f32 * (last - before)).take_while(|score| *score < 1.0);
        self.rows().iter().map(|(score, _)| *score).chain(beyond).collect()
    }

    /// The table for the people of a gallery, by what was counted of them at
    /// [`counted_scores`](Self::counted_scores). `self` is the models' table, `harshest` that of the group of people for
    /// whom the models are worst.
    ///
    /// - **Nothing is known of people who are few**: for them the harshest table stands.
    /// - From the score on at which ten pairs are to be expected by the models' table, or were counted, the upper bound of
    ///   what was counted stands, where it lies below the harshest table or is shown to lie above it (by its lower bound).
    ///   Whoever is so much milder or harsher than the harshest group at one score is taken to be so at the stricter ones,
    ///   where too few pairs are left to tell.
    /// - No rate of the models' table is ever lowered.
    /// - Beyond its strict end, a score is added where the upper bound of what was counted lies below the last rate: a
    ///   large gallery knows more than the models' table.
    ///
    /// # Example
    ///
    /// ```
    /// use assent_gallery::calibration::Calibration;
    /// use assent_gallery::impostors::Measured;
    ///
    /// let table = Calibration::new(&[0.3, 0.4], &[1e-3, 1e-4])?;
    /// let harshest = Calibration::new(&[0.3, 0.4], &[4e-3, 8e-4])?;
    /// assert_eq!(table.for_people(&harshest, &[]), harshest);
    /// // Among 40,000 pairs, half as many reach the first score as of the harshest group.
    /// let pairs = 40_000;
    /// let measured = [
    ///     Measured { score: 0.3, pairs, reached: 64.0, fmr: 1.6e-3, low: 1.3e-3, high: 2e-3 },
    ///     Measured { score: 0.4, pairs, reached: 4.0, fmr: 1e-4, low: 3e-5, high: 2e-4 },
    /// ];
    /// let own = table.for_people(&harshest, &measured);
    /// assert_eq!(own.rows(), [(0.3, 2e-3), (0.4, 4e-4)]);
    /// # Ok::<(), assent_gallery::calibration::CalibrationError>(())
    /// ```
    #[must_use]
    pub fn for_people(&self, harshest: &Calibration, measured: &[Measured]) -> Calibration {
        let at = |score: f32| measured.iter().find(|m| m.score.to_bits() == score.to_bits());
        // How harsh these people are, as a part of the harshest group's rate.
        let mut part = 1.0_f64;
        let mut rows: Vec<(f32, f64)> = Vec::new();
        for &(score, fmr) in self.rows() {
            let worst = harshest.fmr_at(score).max(fmr);
            if let Some(m) = at(score)
                && m.is_telling(fmr)
            {
                let (low, high) = (m.low / worst, m.high / worst);
                part = if low > 1.0 { high } else { part.clamp(low, high) };
            }
            rows.push((score, (worst * part).min(MOST).max(fmr)));
        }
        make_fall(&mut rows);
        let last = self.rows().last().map_or(f32::INFINITY, |(score, _)| *score);
        for m in measured.iter().filter(|m| m.score > last && m.high > 0.0) {
            let Some(&(_, rate)) = rows.last() else { break };
            // What was counted to be no rarer than before is known to be no rarer: no line leads below it.
            rows.push((m.score, m.high.min(rate * (1.0 - 1e-9))));
        }
        // Nothing beyond what was counted to be rarer.
        while rows.len() > self.rows().len() && rows[rows.len() - 1].1 > rows[rows.len() - 2].1 * (1.0 - 1e-6) {
            rows.pop();
        }
        Calibration::of_rows(rows)
    }

    /// The table of the harshest of `groups` at each score of this one, and nowhere below this one. Between a group's own
    /// scores the logarithm of its rate, as a part of this table's, is a line in the score. Before them the line of the first
    /// two goes on if the part falls to there, and else the first part stays; after the last one its part stays.
    #[must_use]
    pub fn harshest_of<'a>(&self, groups: impl IntoIterator<Item = &'a Calibration>) -> Calibration {
        let mut rows = self.rows().to_vec();
        for group in groups {
            let parts: Vec<(f32, f64)> =
                group.rows().iter().map(|&(score, fmr)| (score, (fmr / self.fmr_at(score)).ln())).collect();
            for (score, fmr) in &mut rows {
                let worse = self.fmr_at(*score) * line(&parts, *score).max(0.0).exp();
                *fmr = fmr.max(worse).min(MOST);
            }
        }
        make_fall(&mut rows);
        Calibration::of_rows(rows)
    }
}

/// A table falls: what is rarer at a laxer score than at a stricter one was counted too low.
fn make_fall(rows: &mut [(f32, f64)]) {
    for i in (1..rows.len()).rev() {
        rows[i - 1].1 = rows[i - 1].1.max(rows[i].1 * (1.0 + 1e-9));
    }
}

/// The value at `x` of the line through points. Before them the first stretch goes on where it rises, so that the value is
/// less, and else the first value stays; after them the last one stays.
fn line(points: &[(f32, f64)], x: f32) -> f64 {
    let next = points.iter().skip(1).position(|(at, _)| x <= *at).map(|i| i + 1);
    let Some(next) = next.filter(|_| points.len() > 1) else {
        return points.last().map_or(0.0, |(_, value)| *value);
    };
    let ((x0, y0), (x1, y1)) = (points[next - 1], points[next]);
    let value = y0 + (y1 - y0) * f64::from((x - x0) / (x1 - x0));
    if x < x0 { value.min(y0) } else { value }
}

/// A rate lies below 1.
const MOST: f64 = 0.5;

#[cfg(all(test, not(feature = "model")))]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]
mod tests {
    use super::*;

    fn table(fmr: [f64; 3]) -> Calibration {
        Calibration::new(&[0.3, 0.4, 0.5], &fmr).unwrap()
    }

    /// What was counted among a hundred thousand pairs at each score: pairs, lower and upper bound.
    fn measured(rows: [(u32, f64, f64); 3]) -> Vec<Measured> {
        const PAIRS: u64 = 100_000;
        let row = |(score, (reached, low, high)): (f32, (u32, f64, f64))| Measured {
            score,
            pairs: PAIRS,
            reached: f64::from(reached),
            fmr: f64::from(reached) / PAIRS as f64,
            low,
            high,
        };
        [0.3, 0.4, 0.5].into_iter().zip(rows).map(row).collect()
    }

    #[test]
    fn i9_a_table_follows_its_people_and_is_never_laxer_than_the_models() {
        let (own, harshest) = (table([1e-3, 1e-4, 1e-5]), table([4e-3, 8e-4, 1e-4]));
        let check = |name: &str, rows: [(u32, f64, f64); 3], expected: [f64; 3]| {
            let got = own.for_people(&harshest, &measured(rows));
            let near = got.rows().iter().zip(expected).all(|((_, got), e)| (got / e - 1.0).abs() < 1e-6);
            assert!(near && got.rows().len() == 3, "{name}: {:?}", got.rows());
        };
        let few = (0, 0.0, 1.0);
        check("as the harshest", [(400, 3e-3, 5e-3), (80, 6e-4, 9e-4), (9, 5e-5, 2e-4)], [4e-3, 8e-4, 1e-4]);
        check("milder at the lax end", [(100, 8e-4, 2e-3), (10, 5e-5, 5e-4), few], [2e-3, 4e-4, 5e-5]);
        check("milder still where it can be told", [(100, 8e-4, 2e-3), (10, 5e-5, 2e-4), few], [2e-3, 2e-4, 2.5e-5]);
        check("as the table", [(80, 6e-4, 1e-3), (10, 5e-5, 1e-4), few], [1e-3, 1e-4, 1.25e-5]);
        check("milder than the table", [(8, 4e-5, 1.5e-4), (0, 0.0, 3e-5), (0, 0.0, 3e-5)], [1e-3, 1e-4, 1e-5]);
        check("harsher, by their lower bound", [(900, 8e-3, 1e-2), (80, 6e-4, 9e-4), few], [1e-2, 9e-4, 1.125e-4]);
        check("harsher at the strict end", [(400, 3e-3, 5e-3), (200, 1.6e-3, 2.4e-3), few], [4e-3, 2.4e-3, 3e-4]);
        check("rarer at a laxer score", [(80, 6e-4, 1e-3), (300, 2e-3, 3e-3), few], [3e-3, 3e-3, 3.75e-4]);
        check("everybody alike", [(99_999, 0.9, 1.0), (99_999, 0.9, 1.0), (99_999, 0.9, 1.0)], [0.5, 0.5, 0.5]);
        assert_eq!(own.for_people(&harshest, &[]), harshest, "nobody");
        // Counts of which too few were to be expected say nothing, whatever they are.
        let mut of_few = measured([(5, 1e-5, 2e-5), few, few]);
        of_few[0].pairs = 9_999;
        assert_eq!(own.for_people(&harshest, &of_few), harshest, "few pairs");
    }

    #[test]
    fn i9_a_large_gallery_goes_beyond_the_models_table() {
        let own = table([1e-3, 1e-4, 1e-5]);
        let scores = own.counted_scores();
        assert_eq!((scores.len(), scores[3]), (7, 0.6), "{scores:?}");
        let check = |name: &str, high: [f64; 3], expected: &[f64]| {
            let mut measured = measured([(90, 8e-4, 1e-3), (9, 5e-5, 1e-4), (0, 0.0, 1e-5)]);
            let row = |(score, high)| Measured { score, pairs: 1, reached: 0.0, fmr: 0.0, low: 0.0, high };
            measured.extend(scores[3..6].iter().copied().zip(high).map(row));
            let got = own.for_people(&own, &measured);
            let beyond: Vec<f64> = got.rows()[3..].iter().map(|(_, rate)| *rate).collect();
            assert_eq!(beyond, expected, "{name}");
        };
        check("too small", [1.0; 3], &[]);
        check("one score more", [5e-6, 5e-6, 5e-6], &[5e-6]);
        // No line leads from one to the other below what was counted between them.
        check("two", [5e-6, 6e-6, 4e-6], &[5e-6, 5e-6 * (1.0 - 1e-9), 4e-6]);
    }

    #[test]
    fn the_harshest_group_is_taken_at_each_score() {
        let own = Calibration::new(&[0.3, 0.4, 0.5, 0.6], &[1e-2, 1e-3, 1e-4, 1e-5]).unwrap();
        let check = |name: &str, groups: &[(&[f32], &[f64])], expected: [f64; 4]| {
            let groups: Vec<Calibration> =
                groups.iter().map(|(scores, fmr)| Calibration::new(scores, fmr).unwrap()).collect();
            let got = own.harshest_of(&groups);
            let near = got.rows().iter().zip(expected).all(|((_, got), e)| (got / e - 1.0).abs() < 1e-5);
            assert!(near, "{name}: {:?}", got.rows());
        };
        check("no group", &[], [1e-2, 1e-3, 1e-4, 1e-5]);
        check("a milder one", &[(&[0.4, 0.5], &[5e-4, 5e-5])], [1e-2, 1e-3, 1e-4, 1e-5]);
        // Twice, then eight times as often: before, half as often, which is not below the table; after, eight times.
        check("a line", &[(&[0.4, 0.5], &[2e-3, 8e-4])], [1e-2, 2e-3, 8e-4, 8e-5]);
        check(
            "two that cross",
            &[(&[0.4, 0.5], &[4e-3, 2e-4]), (&[0.4, 0.5], &[2e-3, 8e-4])],
            [4e-2, 4e-3, 8e-4, 8e-5],
        );
    }

    /// What is counted of people of whom each is part of so many pairs that reach 0.3.
    fn of(reached: &[u64]) -> Measured {
        let owners = reached.iter().map(|r| OfOwner { reached: vec![r * PAIR] }).collect();
        Impostors { scores: vec![0.3], owners }.rates()[0]
    }

    #[test]
    fn a_rate_is_known_the_less_the_fewer_owners_make_it() {
        // Ten people: 45 pairs, of which nine reach the score.
        let (spread, one) = (of(&[2, 2, 2, 2, 2, 2, 2, 2, 1, 1]), of(&[9, 1, 1, 1, 1, 1, 1, 1, 1, 1]));
        for counted in [&spread, &one] {
            assert_eq!((counted.pairs, counted.reached), (45, 9.0));
            assert!((counted.fmr - 0.2).abs() < 1e-12);
        }
        assert!(spread.low > 0.09 && spread.high < 0.36, "everybody has a part in it: {spread:?}");
        assert!(one.low < spread.low / 4.0 && one.high > spread.high, "one person looks like everybody: {one:?}");
        // The rule of three.
        let high = of(&[0; 10]).high * 45.0;
        assert!((high - 3.0).abs() < 0.05, "{high}");
        assert_eq!(Impostors::default().rates(), []);
    }

    #[test]
    fn i9_as_many_pairs_as_may_be_kin_are_no_proof_that_people_are_alike_and_no_more_than_those() {
        // Two hundred people, some of them in one pair each that reaches the score.
        let with = |pairs: usize| of(&(0..200).map(|i| u64::from(i < pairs * 2)).collect::<Vec<_>>());
        for (pairs, proof) in [(0, false), (1, false), (4, false), (20, true)] {
            let counted = with(pairs);
            assert_eq!(counted.low > 0.0, proof, "{pairs}: {counted:?}");
            assert!(counted.high > counted.fmr, "{pairs}: kin count in the upper bound: {counted:?}");
        }
        // Of twenty, sixteen are left.
        let low = with(20).low * 19_900.0;
        assert!(low > 6.0 && low < 10.5, "{low}");
    }
}
