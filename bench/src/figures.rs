//! Medians and rounding.

/// The middle of `values`, or the mean of the two in the middle; 0 for none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => 0.0,
        (n, middle) if n % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// The value below which 99 of 100 of `values` lie; 0 for none.
pub(crate) fn p99(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or(0.0)
}

/// `value` with at most `digits` digits behind the point.
pub(crate) fn round(value: f64, digits: i32) -> f64 {
    let unit = 10f64.powi(digits);
    (value * unit).round() / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let check = |name: &str, values: &[f64], expected: f64| assert_eq!(median(values), expected, "{name}");
        check("none", &[], 0.0);
        check("one", &[3.0], 3.0);
        check("two", &[4.0, 1.0], 2.5);
        check("three, unsorted", &[9.0, 1.0, 2.0], 2.0);
    }
}
