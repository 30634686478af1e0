//! From a declared rate of false alarms to a score: the thresholds of invariant I9.
//!
//! A pack's card holds a measured table: at score `t`, two different people look alike with probability
//! `fmr(t)` (the false match rate). A face of a stranger that meets `n` templates is mistaken for one of them with
//! probability `1 - (1 - fmr)^n`, so a declared false positive identification rate asks for
//! `fmr = 1 - (1 - fpir)^(1/n)`, and the table, read with `log fmr` linear between its points, gives the score.

use thiserror::Error;

/// A measured score-to-FMR table, checked: scores rise strictly, rates fall strictly and lie in (0, 1).
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    points: Vec<(f32, f64)>,
}

/// Why a table is no calibration.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CalibrationError {
    /// Fewer than two points, or the columns differ in length.
    #[error("a score-to-FMR table needs at least two scores and as many rates ({scores} scores, {rates} rates)")]
    Shape {
        /// Number of scores.
        scores: usize,
        /// Number of rates.
        rates: usize,
    },
    /// A score does not rise, or a rate does not fall or is outside (0, 1).
    #[error("row {row} of the score-to-FMR table breaks the order: scores rise, rates fall within (0, 1)")]
    Order {
        /// Index of the offending row, from 0.
        row: usize,
    },
}

/// The two declared rates of invariant I9, each per stranger's face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeclaredRates {
    /// False positive identification rate of the band `match`, in (0, 1).
    pub fpir: f64,
    /// The same of the bands `match` and `review` together, in (0, 1) and not below `fpir`.
    pub fpir_review: f64,
}

impl Default for DeclaredRates {
    /// One stranger's face in a thousand is named wrongly, one in twenty is proposed to a person.
    fn default() -> DeclaredRates {
        DeclaredRates { fpir: 0.001, fpir_review: 0.05 }
    }
}

impl DeclaredRates {
    /// Both rates, checked; `None` unless `0 < fpir <= fpir_review < 1`.
    pub fn new(fpir: f64, fpir_review: f64) -> Option<DeclaredRates> {
        (fpir > 0.0 && fpir <= fpir_review && fpir_review < 1.0).then_some(DeclaredRates { fpir, fpir_review })
    }
}

/// How often a face of an enrolled person is missed from a score on: a measured table, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct MissRates {
    /// Scores, rising, and true match rates, which do not rise.
    points: Vec<(f32, f64)>,
}

impl MissRates {
    /// Checks a table of scores and their true match rates (TMR).
    ///
    /// # Errors
    ///
    /// - [`CalibrationError::Shape`] with fewer than two rows or columns of different lengths.
    /// - [`CalibrationError::Order`] where scores do not rise, rates rise, or a rate is outside \[0, 1\].
    pub fn new(scores: &[f32], tmr: &[f64]) -> Result<MissRates, CalibrationError> {
        if scores.len() != tmr.len() || scores.len() < 2 {
            return Err(CalibrationError::Shape { scores: scores.len(), rates: tmr.len() });
        }
        for row in 0..scores.len() {
            let in_range = scores[row].is_finite() && (0.0..=1.0).contains(&tmr[row]);
            if !in_range || row > 0 && (scores[row] <= scores[row - 1] || tmr[row] > tmr[row - 1]) {
                return Err(CalibrationError::Order { row });
            }
        }
        Ok(MissRates { points: scores.iter().copied().zip(tmr.iter().copied()).collect() })
    }

    /// The false negative identification rate that is to be expected where an answer begins at `least`: the part of the
    /// faces of enrolled people that score less. Before the table's first score it is that score's; `None` beyond its last.
    pub fn fnir(&self, least: f32) -> Option<f64> {
        let first = self.points[0];
        if least <= first.0 {
            return Some(1.0 - first.1);
        }
        self.points.windows(2).find(|pair| least <= pair[1].0).map(|pair| {
            let ((s0, t0), (s1, t1)) = (pair[0], pair[1]);
            1.0 - (t0 + (t1 - t0) * f64::from((least - s0) / (s1 - s0)))
        })
    }
}

/// The scores at which the bands begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Least score of a `match`; `None` where the pack's table cannot support the declared rate.
    pub certain: Option<f32>,
    /// Least score of a `review`, never above `certain`.
    pub review: f32,
}

/// How sure an answer is. `unknown` is the absence of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Band {
    /// Sure enough to be named without asking.
    Match,
    /// A proposal, to be confirmed or refused by a person.
    Review,
}

impl Thresholds {
    /// The band of `score`; `None` is unknown.
    pub fn band(&self, score: f32) -> Option<Band> {
        match self.certain {
            Some(certain) if score >= certain => Some(Band::Match),
            _ if score >= self.review => Some(Band::Review),
            _ => None,
        }
    }
}

impl Calibration {
    /// Checks a table of scores and their false match rates.
    ///
    /// # Errors
    ///
    /// - [`CalibrationError::Shape`] with fewer than two rows or columns of different lengths.
    /// - [`CalibrationError::Order`] where scores do not rise, rates do not fall, or a rate is outside (0, 1).
    pub fn new(scores: &[f32], fmr: &[f64]) -> Result<Calibration, CalibrationError> {
        if scores.len() != fmr.len() || scores.len() < 2 {
            return Err(CalibrationError::Shape { scores: scores.len(), rates: fmr.len() });
        }
        for row in 0..scores.len() {
            let in_range = scores[row].is_finite() && fmr[row] > 0.0 && fmr[row] < 1.0;
            if !in_range || row > 0 && (scores[row] <= scores[row - 1] || fmr[row] >= fmr[row - 1]) {
                return Err(CalibrationError::Order { row });
            }
        }
        Ok(Calibration { points: scores.iter().copied().zip(fmr.iter().copied()).collect() })
    }

    /// Rows that were made of checked ones: scores rise, and rates fall.
    pub(crate) fn of_rows(points: Vec<(f32, f64)>) -> Calibration {
        Calibration { points }
    }

    /// The table: scores, rising, and their false match rates, falling.
    pub fn rows(&self) -> &[(f32, f64)] {
        &self.points
    }

    /// The false positive identification rate that the table promises when a stranger's face meets `templates` templates
    /// and a score of `least` or more is an answer: `1 - (1 - fmr)^templates`. At or before the table's lax end and at or
    /// beyond its strict end it is that end's.
    pub fn fpir(&self, least: f32, templates: usize) -> f64 {
        -((-self.fmr_at(least)).ln_1p() * templates as f64).exp_m1()
    }

    /// The rates that `thresholds` promise by the table when a stranger's face meets `templates` templates: of `match`, if
    /// there is one, and of both bands together.
    pub fn promised(&self, thresholds: Thresholds, templates: usize) -> (Option<f64>, f64) {
        let rate = |least| self.fpir(least, templates);
        (thresholds.certain.map(rate), rate(thresholds.review))
    }

    /// The largest number of templates for which [`thresholds`](Self::thresholds) still gives a `match`.
    pub fn templates_supported(&self, rates: DeclaredRates) -> usize {
        let (_, strictest) = self.points[self.points.len() - 1];
        ((-rates.fpir).ln_1p() / (-strictest).ln_1p()).floor() as usize
    }

    /// The false match rate at a score, by the line that [`score_at`](Self::score_at) reads.
    pub(crate) fn fmr_at(&self, score: f32) -> f64 {
        let (first, last) = (self.points[0], self.points[self.points.len() - 1]);
        if score <= first.0 {
            return first.1;
        }
        for pair in self.points.windows(2) {
            let ((s0, f0), (s1, f1)) = (pair[0], pair[1]);
            if score.to_bits() == s1.to_bits() {
                return f1;
            }
            if score <= s1 {
                let part = f64::from((score - s0) / (s1 - s0));
                return (f0.ln() + (f1.ln() - f0.ln()) * part).exp();
            }
        }
        last.1
    }

    /// The thresholds for `rates` when a face may meet `templates` templates.
    ///
    /// Beyond the strict end of the table there is no `match`, and `review` begins at the table's last score: what
    /// was not measured is not promised. Before its lax end, thresholds stay at the table's first score.
    ///
    /// # Example
    ///
    /// ```
    /// use assent_gallery::calibration::{Calibration, DeclaredRates};
    ///
    /// let table = Calibration::new(&[0.3, 0.5], &[1e-3, 1e-5])?;
    /// let rates = DeclaredRates { fpir: 1e-3, fpir_review: 5e-2 };
    /// let ten = table.thresholds(rates, 10); // fmr 1e-4: halfway between the two points.
    /// assert!((ten.certain.unwrap() - 0.4).abs() < 1e-4);
    /// assert_eq!(table.thresholds(rates, 1_000).certain, None); // fmr 1e-6 was never measured.
    /// # Ok::<(), assent_gallery::calibration::CalibrationError>(())
    /// ```
    pub fn thresholds(&self, rates: DeclaredRates, templates: usize) -> Thresholds {
        // 1 - (1 - fpir)^(1/n), without losing small numbers.
        let fmr_for = |fpir: f64| -((-fpir).ln_1p() / templates.max(1) as f64).exp_m1();
        let (_, strictest) = self.points[self.points.len() - 1];
        let fmr = fmr_for(rates.fpir);
        let certain = (fmr >= strictest).then(|| self.score_at(fmr));
        let review = self.score_at(fmr_for(rates.fpir_review));
        Thresholds { certain, review: certain.map_or(review, |c| review.min(c)) }
    }

    /// The score that a part `fmr` of all pairs of strangers reach; `None` below the table.
    #[cfg(all(test, not(feature = "model")))]
    pub(crate) fn impostor_score(&self, fmr: f64) -> Option<f32> {
        // Beyond the table, its last score: what lies there is a match by any threshold.
        (fmr <= self.points[0].1).then(|| self.score_at(fmr))
    }

    /// The score at which the false match rate is `fmr`, clamped to the ends of the table.
    fn score_at(&self, fmr: f64) -> f32 {
        let (first, last) = (self.points[0], self.points[self.points.len() - 1]);
        if fmr >= first.1 {
            return first.0;
        }
        for pair in self.points.windows(2) {
            let ((s0, f0), (s1, f1)) = (pair[0], pair[1]);
            if fmr >= f1 {
                let part = (f0.ln() - fmr.ln()) / (f0.ln() - f1.ln());
                return s0 + (s1 - s0) * part as f32;
            }
        }
        last.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the light pack as it was first published.
    fn light_pack() -> Calibration {
        let scores = [0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60];
        Calibration::new(&scores, &[2.6e-3, 7.9e-4, 2.1e-4, 5.2e-5, 1.1e-5, 2.6e-6, 8.1e-7]).unwrap()
    }

    #[test]
    fn i9_thresholds_rise_with_the_gallery() {
        let check = |templates: usize, certain: Option<f32>, review: f32| {
            let got = light_pack().thresholds(DeclaredRates::default(), templates);
            let near = |a: f32, b: f32| (a - b).abs() < 5e-4;
            assert!(near(got.review, review), "{templates}: review {} instead of {review}", got.review);
            match (got.certain, certain) {
                (Some(a), Some(b)) => assert!(near(a, b), "{templates}: match {a} instead of {b}"),
                (a, b) => assert_eq!(a, b, "{templates}"),
            }
        };
        check(0, Some(0.3401), 0.30); // An empty gallery is treated as one template.
        check(1, Some(0.3401), 0.30);
        check(78, Some(0.4951), 0.3569);
        check(1_000, Some(0.5910), 0.4505);
        check(1_235, Some(0.6), 0.4572); // The last size that the table supports.
        check(1_240, None, 0.4575);
        check(1_000_000, None, 0.60); // Beyond the table there are only proposals, at its strict end.
        assert_eq!(light_pack().templates_supported(DeclaredRates::default()), 1_235);
    }

    #[test]
    fn a_threshold_gives_back_the_rate_that_it_was_made_for() {
        let check = |name: &str, least: f32, templates: usize, expected: f64| {
            let got = light_pack().fpir(least, templates);
            assert!((got / expected - 1.0).abs() < 1e-3, "{name}: {got} instead of {expected}");
        };
        for templates in [2, 78, 1_000] {
            let rates = DeclaredRates::default();
            let t = light_pack().thresholds(rates, templates);
            check("match", t.certain.unwrap(), templates, rates.fpir);
            // Two templates leave the table at its lax end, where fewer are named than was declared.
            let review = if templates == 2 { 5.193e-3 } else { rates.fpir_review };
            check("review", t.review, templates, review);
        }
        check("beyond the table", 0.9, 1, 8.1e-7);
        check("a million templates, no match", 0.6, 1_000_000, 0.555);
        assert_eq!(light_pack().fpir(0.5, 0), 0.0);
    }

    #[test]
    fn i9_bands_begin_at_their_thresholds() {
        let t = Thresholds { certain: Some(0.5), review: 0.4 };
        assert_eq!(t.band(0.5), Some(Band::Match));
        assert_eq!(t.band(0.499), Some(Band::Review));
        assert_eq!(t.band(0.4), Some(Band::Review));
        assert_eq!(t.band(0.399), None);
        assert_eq!(t.band(f32::NAN), None);
        assert_eq!(Thresholds { certain: None, review: 0.4 }.band(0.99), Some(Band::Review));
    }

    #[test]
    fn misses_are_read_between_the_rows_and_not_beyond() {
        let table = MissRates::new(&[0.3, 0.4, 0.5], &[0.99, 0.95, 0.85]).unwrap();
        for (least, expected) in
            [(0.2, Some(0.01)), (0.3, Some(0.01)), (0.45, Some(0.1)), (0.5, Some(0.15)), (0.51, None)]
        {
            let got = table.fnir(least);
            let near = got.zip(expected).map_or(got == expected, |(a, b): (f64, f64)| (a - b).abs() < 1e-6);
            assert!(near, "{least}: {got:?} instead of {expected:?}");
        }
        let check = |name: &str, scores: &[f32], tmr: &[f64], expected| {
            assert_eq!(MissRates::new(scores, tmr), Err(expected), "{name}");
        };
        check("one row", &[0.3], &[0.9], CalibrationError::Shape { scores: 1, rates: 1 });
        check("rates rise", &[0.3, 0.4], &[0.9, 0.91], CalibrationError::Order { row: 1 });
        check("above one", &[0.3, 0.4], &[1.1, 0.91], CalibrationError::Order { row: 0 });
        check("NaN", &[0.3, 0.4], &[0.9, f64::NAN], CalibrationError::Order { row: 1 });
    }

    #[test]
    fn broken_tables_and_rates_are_refused() {
        let check = |name: &str, scores: &[f32], fmr: &[f64], expected| {
            assert_eq!(Calibration::new(scores, fmr), Err(expected), "{name}");
        };
        check("one row", &[0.3], &[0.1], CalibrationError::Shape { scores: 1, rates: 1 });
        check("uneven", &[0.3, 0.4], &[0.1], CalibrationError::Shape { scores: 2, rates: 1 });
        check("scores fall", &[0.4, 0.3], &[0.1, 0.01], CalibrationError::Order { row: 1 });
        check("rates rise", &[0.3, 0.4], &[0.01, 0.1], CalibrationError::Order { row: 1 });
        check("a rate of zero", &[0.3, 0.4], &[0.1, 0.0], CalibrationError::Order { row: 1 });
        check("NaN", &[f32::NAN, 0.4], &[0.1, 0.01], CalibrationError::Order { row: 0 });
        for (fpir, review) in [(0.0, 0.1), (0.1, 0.05), (0.1, 1.0), (f64::NAN, 0.1)] {
            assert_eq!(DeclaredRates::new(fpir, review), None, "{fpir} {review}");
        }
    }
}
