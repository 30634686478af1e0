//! Progress bars: a rate and an end, on a terminal alone.

use std::fmt::Write;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

/// A bar over `total` things named `what`. It draws on the error output, and nothing where that is no terminal.
pub(crate) fn bar(total: u64, what: &'static str) -> ProgressBar {
    let template = format!("{{bar:30}} {{pos}}/{{len}} {what}, {{rate}}, {{eta}} left{{msg}}");
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template(&template) {
        let shown = |state: &ProgressState, out: &mut dyn Write| {
            // Writing to a bar does not fail.
            write!(out, "{}", rate(state.per_sec())).unwrap_or_default();
        };
        bar.set_style(style.with_key("rate", shown));
    }
    bar
}

/// Things a second as a person reads them: two digits, and no fraction from ten on.
fn rate(per_second: f64) -> String {
    if per_second < 9.95 { format!("{per_second:.1}/s") } else { format!("{per_second:.0}/s") }
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn a_rate_has_no_more_digits_than_anybody_reads() {
        let check = |per_second: f64, expected: &str| assert_eq!(rate(per_second), expected);
        check(0.0, "0.0/s");
        check(2.6852, "2.7/s");
        check(9.96, "10/s");
        check(83.5656, "84/s");
    }
}
