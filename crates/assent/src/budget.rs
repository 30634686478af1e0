//! A bound on the memory that the photos of a scan take together.
//!
//! Whoever is about to need memory takes a share of a [`Budget`] and waits until there is one. Two rules keep this free
//! of deadlocks: a thread that waits for a share holds none of the same budget, and a thread that holds a share of what
//! is decoded waits for nothing else.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// What photos may take in a scan for each thread, MB, unless somebody says otherwise: a photo of 24 megapixels needs
/// up to 180 where a small face asks for it at full size.
pub const MEMORY_MB_PER_THREAD: u64 = 256;

/// What photos may take in a scan at the least, MB, unless somebody says otherwise: a scanned picture of 100 megapixels.
pub const MEMORY_MB_MIN: u64 = 1024;

/// What one picture may take however little memory a scan has, bytes.
const ONE_PICTURE_BYTES_MIN: u64 = 192_000_000;

/// The memory of a scan, in its two parts: a file that waits and a picture that is searched never wait for each other.
#[derive(Debug)]
pub struct PhotoMemory {
    /// For files that were read and not yet looked at: a quarter.
    pub files: Budget,
    /// For decoded pictures and what the search makes of them: the rest.
    pub pictures: Budget,
}

impl PhotoMemory {
    /// `megabytes` (of a million bytes) in all.
    pub fn of(megabytes: u64) -> PhotoMemory {
        let bytes = megabytes.saturating_mul(1_000_000);
        PhotoMemory { files: Budget::new(bytes / 4), pictures: Budget::new(bytes - bytes / 4) }
    }

    /// What one picture may take, bytes: all that pictures may take together, and never less than a photo of
    /// 24 megapixels needs.
    pub fn one_picture_bytes(&self) -> u64 {
        self.pictures.total_bytes.max(ONE_PICTURE_BYTES_MIN)
    }
}

/// An amount of memory, handed out in shares in the order in which they are asked for.
#[derive(Debug)]
pub struct Budget {
    total_bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken_bytes: u64,
    /// The number that the next one who asks gets.
    next: u64,
    /// The number whose turn it is.
    turn: u64,
}

/// A part of a budget; it goes back when this is dropped.
#[derive(Debug)]
#[must_use = "a share that is not kept goes back at once"]
pub struct Share<'b> {
    budget: &'b Budget,
    bytes: u64,
}

impl Budget {
    /// A budget of which nothing is taken.
    pub fn new(total_bytes: u64) -> Budget {
        Budget { total_bytes, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Takes `bytes`, as soon as everybody who asked before has theirs and so much is left. More than there is at all
    /// means all of it: whoever asks for that waits until nothing is taken, and is alone then.
    pub fn take(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(self.total_bytes);
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        while state.turn != number || bytes > self.total_bytes - state.taken_bytes {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.turn += 1;
        state.taken_bytes += bytes;
        drop(state);
        // The next one in turn may fit as well.
        self.changed.notify_all();
        Share { budget: self, bytes }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that could panic runs under the lock, so the numbers are whole in any case.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share<'_> {
    /// How much it is, bytes: what was asked for, or all there is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.lock().taken_bytes -= self.bytes;
        self.budget.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Also for requests that are larger than the budget, and for a budget of nothing. A deadlock would hang here.
        #[test]
        fn shares_never_exceed_the_budget_and_everybody_gets_one(
            total in 0..100u64,
            threads in prop::collection::vec(prop::collection::vec(0..150u64, 0..20), 1..5),
        ) {
            let budget = Budget::new(total);
            let (taken, most) = (AtomicU64::new(0), AtomicU64::new(0));
            thread::scope(|scope| {
                for requests in &threads {
                    let (budget, taken, most) = (&budget, &taken, &most);
                    scope.spawn(move || {
                        for &bytes in requests {
                            let share = budget.take(bytes);
                            assert_eq!(share.bytes(), bytes.min(total));
                            let now = taken.fetch_add(share.bytes(), Ordering::SeqCst) + share.bytes();
                            most.fetch_max(now, Ordering::SeqCst);
                            thread::yield_now();
                            taken.fetch_sub(share.bytes(), Ordering::SeqCst);
                        }
                    });
                }
            });
            prop_assert!(most.into_inner() <= total);
            prop_assert_eq!(budget.lock().taken_bytes, 0);
        }
    }

    #[test]
    fn a_large_request_is_not_passed_by_small_ones_for_ever() {
        let budget = Budget::new(10);
        let order = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let first = budget.take(5);
            let asks = |bytes: u64| {
                let before = budget.lock().next;
                let order = &order;
                let budget = &budget;
                scope.spawn(move || {
                    let share = budget.take(bytes);
                    order.lock().unwrap().push(share.bytes());
                });
                while budget.lock().next == before {
                    thread::yield_now();
                }
            };
            asks(11);
            asks(5); // Would fit beside the first.
            drop(first);
        });
        assert_eq!(order.into_inner().unwrap(), [10, 5]);
    }

    #[test]
    fn the_two_parts_are_the_whole() {
        for megabytes in [0, 1, 3, 512] {
            let memory = PhotoMemory::of(megabytes);
            assert_eq!(memory.files.total_bytes + memory.pictures.total_bytes, megabytes * 1_000_000);
        }
    }
}
