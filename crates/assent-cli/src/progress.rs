//! Progress bars: a rate and an end, on a terminal alone.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `total` things named `what`. It draws on the error output, and nothing where that is no terminal.
pub(crate) fn bar(total: u64, what: &'static str) -> ProgressBar {
    let template = format!("{{bar:30}} {{pos}}/{{len}} {what}, {{per_sec}}, {{eta}} left{{msg}}");
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}
