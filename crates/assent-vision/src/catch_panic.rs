//! A panic in a decoder or a network ends one picture, not the program.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is somebody's answer rather than the program's end.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives; `None` if it panicked, and then nothing is printed of it. Whatever `work` was changing may be half
/// changed: the caller gives it up, or knows that the next use begins anew.
pub fn catch_panic<T>(work: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |about| {
            if !IS_CAUGHT.get() {
                usual(about);
            }
        }));
    });
    let outer = IS_CAUGHT.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    IS_CAUGHT.set(outer);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_no_answer_and_the_thread_goes_on() {
        assert_eq!(catch_panic(|| 1), Some(1));
        assert_eq!(catch_panic(|| -> i32 { panic!("a decoder's own check") }), None);
        let inner_and_outer = catch_panic(|| (catch_panic(|| -> i32 { panic!("inside") }), IS_CAUGHT.get()));
        assert_eq!(inner_and_outer, Some((None, true)));
        assert!(!IS_CAUGHT.get());
    }
}
