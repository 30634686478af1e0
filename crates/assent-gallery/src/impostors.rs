//! What the people of a gallery say about the models' table: how often two different ones look alike.

use crate::calibration::Calibration;

/// Below so many pairs, a count says too little.
const FEW: u64 = 10;

/// The quantile of the normal distribution for an interval of 95 %.
const Z_95: f64 = 1.959_964;

/// How many pairs of templates of different owners reach some scores.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Impostors {
    pub(crate) scores: Vec<f32>,
    pub(crate) owners: Vec<OfOwner>,
}

/// One owner's part: each pair is two owners'.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OfOwner {
    /// Pairs of a template of theirs and one of somebody else's.
    pub(crate) pairs: u64,
    /// Of these, by score.
    pub(crate) reached: Vec<u64>,
}

/// A false match rate that was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The score.
    pub score: f32,
    /// Pairs that reach it.
    pub reached: u64,
    /// The part of all pairs that do.
    pub fmr: f64,
    /// The lower end of its interval of 95 %.
    pub low: f64,
}

impl Impostors {
    /// Pairs of templates of different owners.
    pub fn pairs(&self) -> u64 {
        self.owners.iter().map(|o| o.pairs).sum::<u64>() / 2
    }

    /// Owners.
    pub fn owners(&self) -> usize {
        self.owners.len()
    }

    /// The rate at each score.
    ///
    /// # Source
    ///
    /// The pairs are not independent, because each owner is part of many. The rate is a U-statistic, and its variance to
    /// the first order is 4 / (n (n - 1)) times the sum over owners of the squared distance of their own rate from it:
    /// W. Hoeffding, "A class of statistics with asymptotically normal distribution", Annals of Mathematical Statistics
    /// 19, 1948.
    pub fn rates(&self) -> Vec<Measured> {
        let (pairs, n) = (self.pairs() as f64, self.owners.len() as f64);
        let rate = |(i, &score): (usize, &f32)| {
            let reached = self.owners.iter().map(|o| o.reached[i]).sum::<u64>() / 2;
            let fmr = if pairs > 0.0 { reached as f64 / pairs } else { 0.0 };
            let own = |o: &OfOwner| if o.pairs > 0 { o.reached[i] as f64 / o.pairs as f64 } else { fmr };
            let spread: f64 = self.owners.iter().map(|o| (own(o) - fmr).powi(2)).sum();
            let variance = 4.0 * spread / (n * (n - 1.0)).max(1.0);
            Measured { score, reached, fmr, low: (fmr - Z_95 * variance.sqrt()).max(0.0) }
        };
        self.scores.iter().enumerate().map(rate).collect()
    }
}

impl Calibration {
    /// The table for people who look alike more often than the table says, by what was measured of them at its own scores.
    ///
    /// Where the lower end of a measured rate lies above the table's, the measured rate stands. Where too few pairs reach
    /// a score to say so (fewer than 10), the table is taken times what the last score before it asked for: who is harsh
    /// at one score is taken to be so at a stricter one. No rate is ever lowered. `None` if the scores are others.
    ///
    /// # Example
    ///
    /// ```
    /// use assent_gallery::calibration::Calibration;
    /// use assent_gallery::impostors::Measured;
    ///
    /// let table = Calibration::new(&[0.3, 0.4], &[1e-3, 1e-4])?;
    /// let harsh = [
    ///     Measured { score: 0.3, reached: 40, fmr: 4e-3, low: 3e-3 },
    ///     Measured { score: 0.4, reached: 2, fmr: 2e-4, low: 0.0 },
    /// ];
    /// let raised = table.raised_to(&harsh).unwrap();
    /// assert_eq!(raised.rows(), [(0.3, 4e-3), (0.4, 4e-4)]);
    /// # Ok::<(), assent_gallery::calibration::CalibrationError>(())
    /// ```
    pub fn raised_to(&self, measured: &[Measured]) -> Option<Calibration> {
        let same = measured.len() == self.rows().len()
            && measured.iter().zip(self.rows()).all(|(m, (score, _))| m.score.to_bits() == score.to_bits());
        if !same {
            return None;
        }
        let mut factor = 1.0;
        let mut rates: Vec<f64> = Vec::new();
        for (m, &(_, fmr)) in measured.iter().zip(self.rows()) {
            if m.reached >= FEW {
                factor = if m.low > fmr { m.fmr / fmr } else { 1.0 };
            }
            rates.push((fmr * factor).min(MOST));
        }
        // A table falls: what is rarer at a laxer score than at a stricter one was measured too low.
        for i in (1..rates.len()).rev() {
            rates[i - 1] = rates[i - 1].max(rates[i] * (1.0 + 1e-9));
        }
        let scores: Vec<f32> = self.rows().iter().map(|(score, _)| *score).collect();
        Calibration::new(&scores, &rates).ok()
    }
}

/// A rate lies below 1.
const MOST: f64 = 0.5;

#[cfg(all(test, not(feature = "model")))]
#[expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]
mod tests {
    use super::*;

    fn table() -> Calibration {
        Calibration::new(&[0.3, 0.4, 0.5], &[1e-2, 1e-3, 1e-4]).unwrap()
    }

    fn measured(rows: [(u64, f64, f64); 3]) -> Vec<Measured> {
        let row =
            |(&(score, _), (reached, fmr, low)): (&(f32, f64), (u64, f64, f64))| Measured { score, reached, fmr, low };
        table().rows().iter().zip(rows).map(row).collect()
    }

    #[test]
    fn a_table_is_raised_where_people_are_harsher_and_never_lowered() {
        let check = |name: &str, rows: [(u64, f64, f64); 3], expected: [f64; 3]| {
            let got = table().raised_to(&measured(rows)).unwrap();
            let near = got.rows().iter().zip(expected).all(|((_, got), e)| (got / e - 1.0).abs() < 1e-6);
            assert!(near, "{name}: {:?}", got.rows());
        };
        check("as the table", [(99, 1e-2, 8e-3), (20, 1e-3, 7e-4), (11, 1e-4, 5e-5)], [1e-2, 1e-3, 1e-4]);
        check("milder", [(99, 1e-3, 8e-4), (20, 1e-4, 7e-5), (11, 1e-5, 5e-6)], [1e-2, 1e-3, 1e-4]);
        check("harsher everywhere", [(99, 4e-2, 3e-2), (20, 4e-3, 3e-3), (11, 4e-4, 3e-4)], [4e-2, 4e-3, 4e-4]);
        check("too few at the strict end", [(99, 4e-2, 3e-2), (20, 3e-3, 2e-3), (1, 1e-4, 0.0)], [4e-2, 3e-3, 3e-4]);
        check(
            "enough at the strict end, as the table",
            [(99, 4e-2, 3e-2), (20, 3e-3, 2e-3), (12, 1e-4, 5e-5)],
            [4e-2, 3e-3, 1e-4],
        );
        check("nobody", [(0, 0.0, 0.0); 3], [1e-2, 1e-3, 1e-4]);
        check("harsher than a laxer score", [(99, 1e-2, 8e-3), (20, 2e-2, 1e-2), (1, 0.0, 0.0)], [2e-2, 2e-2, 2e-3]);
        check("everybody alike", [(99, 1.0, 0.9), (99, 1.0, 0.9), (99, 1.0, 0.9)], [0.5, 0.5, 0.5]);
        assert_eq!(table().raised_to(&measured([(0, 0.0, 0.0); 3])[..2]), None, "another table");
    }

    #[test]
    fn a_rate_is_known_the_less_the_fewer_owners_make_it() {
        // Ten owners with one template each: 45 pairs, of which nine reach the score.
        let of = |reached: [u64; 10]| Impostors {
            scores: vec![0.3],
            owners: reached.map(|r| OfOwner { pairs: 9, reached: vec![r] }).to_vec(),
        };
        let (spread, one) = (of([2, 2, 2, 2, 2, 2, 2, 2, 1, 1]), of([9, 1, 1, 1, 1, 1, 1, 1, 1, 1]));
        for counts in [&spread, &one] {
            assert_eq!((counts.pairs(), counts.owners()), (45, 10));
            assert_eq!(counts.rates()[0].reached, 9);
            assert!((counts.rates()[0].fmr - 0.2).abs() < 1e-12);
        }
        assert!(spread.rates()[0].low > 0.1, "everybody has a part in it");
        assert_eq!(one.rates()[0].low, 0.0, "one person looks like everybody");
        assert_eq!(Impostors::default().rates(), []);
    }
}
