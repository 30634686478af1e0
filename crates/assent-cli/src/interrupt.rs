//! Ctrl-C: the job that runs is stopped where everything is whole.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// What a step may take to hear that the job is to end.
const STOPS_WITHIN: Duration = Duration::from_secs(3);

/// Set by the first Ctrl-C. A second one ends the program at once, and so does a step that goes on for three seconds more, which
/// `says` then: that leaves the vault whole, and loses at most the work of the last seconds.
pub(crate) fn stop_on_interrupt(says: &'static str) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        thread::spawn(move || {
            thread::sleep(STOPS_WITHIN);
            // There is nobody to tell when the error output is closed.
            drop(writeln!(io::stderr(), "{says}"));
            std::process::exit(130);
        });
    };
    // Without a handler, Ctrl-C ends the program: what was not committed is done again.
    drop(ctrlc::set_handler(handler));
    stop
}
