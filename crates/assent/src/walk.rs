//! One walk over many items with several workers: results come to one place, in the order in which they are ready.
//!
//! ```text
//! walk            items ------------------> workers -> each, on the calling thread
//! walk_prefetched items -> one reader ----> workers -> each, on the calling thread
//!                          a few ahead
//! ```

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::budget::Budget;

/// Takes every item through one of `workers` and hands each result to `each`, with the item's index, on the calling
/// thread. Finished results wait in a queue of twice the workers; a full queue stops the workers, so memory does not
/// grow with the number of items.
///
/// When `each` breaks, no further item is begun, and results that are still on their way are dropped.
pub fn walk<T, W, R>(
    items: &[T],
    workers: &mut [W],
    work: impl Fn(&mut W, &T) -> R + Sync,
    each: impl FnMut(usize, R) -> ControlFlow<()>,
) where
    T: Sync,
    W: Send,
    R: Send,
{
    let next = AtomicUsize::new(0);
    let stopped = AtomicBool::new(false);
    let (results, incoming) = sync_channel::<(usize, R)>(workers.len() * 2);
    thread::scope(|scope| {
        for worker in workers {
            let (results, next, stopped, work) = (results.clone(), &next, &stopped, &work);
            scope.spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else { break };
                    if results.send((i, work(worker, item))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(results);
        collect_results(incoming, &stopped, each);
    });
}

/// How an item is read before a worker takes it.
pub struct Prefetch<'b, S, F> {
    /// What waits to be taken is at most this much.
    pub budget: &'b Budget,
    /// How much an item will be, bytes.
    pub size: S,
    /// Reads the item of this number; called once for each, in their order.
    pub read: F,
}

impl<S, F> std::fmt::Debug for Prefetch<'_, S, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prefetch").field("budget", self.budget).finish_non_exhaustive()
    }
}

/// As [`walk`], with a thread of its own that reads: while the workers compute, what they take next is prefetched. It
/// is ahead by twice the workers at most, and by what the budget holds; an item's share goes back when its work is done.
pub fn walk_prefetched<T, B, W, R>(
    items: &[T],
    workers: &mut [W],
    mut prefetch: Prefetch<'_, impl Fn(&T) -> u64 + Send, impl FnMut(usize) -> B + Send>,
    work: impl Fn(&mut W, &T, B) -> R + Sync,
    each: impl FnMut(usize, R) -> ControlFlow<()>,
) where
    T: Sync,
    B: Send,
    W: Send,
    R: Send,
{
    let stopped = AtomicBool::new(false);
    let ahead = workers.len() * 2;
    let (results, incoming) = sync_channel::<(usize, R)>(ahead);
    thread::scope(|scope| {
        let (read, waiting) = sync_channel(ahead);
        // Gone with the last worker, and what waits with it: a reader that waits for memory or for room wakes up then.
        let waiting = Arc::new(Mutex::new(waiting));
        for worker in workers {
            let (waiting, results, stopped, work) = (Arc::clone(&waiting), results.clone(), &stopped, &work);
            scope.spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    let Some((i, content, share)) = take_next(&waiting) else { break };
                    let result = work(worker, &items[i], content);
                    drop(share);
                    if results.send((i, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop((results, waiting));
        let stopped = &stopped;
        scope.spawn(move || prefetch_items(items, &mut prefetch, stopped, &read));
        collect_results(incoming, stopped, each);
    });
}

fn prefetch_items<'b, T, B>(
    items: &[T],
    prefetch: &mut Prefetch<'b, impl Fn(&T) -> u64, impl FnMut(usize) -> B>,
    stopped: &AtomicBool,
    read: &SyncSender<(usize, B, crate::budget::Share<'b>)>,
) {
    for (i, item) in items.iter().enumerate() {
        let share = prefetch.budget.take((prefetch.size)(item));
        if stopped.load(Ordering::Relaxed) || read.send((i, (prefetch.read)(i), share)).is_err() {
            break;
        }
    }
}

fn take_next<M>(waiting: &Mutex<Receiver<M>>) -> Option<M> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn collect_results<R>(
    incoming: Receiver<(usize, R)>,
    stopped: &AtomicBool,
    mut each: impl FnMut(usize, R) -> ControlFlow<()>,
) {
    for (i, result) in incoming {
        if each(i, result).is_break() {
            stopped.store(true, Ordering::Relaxed);
            break; // Drops the receiver: a worker that waits to send wakes up and ends.
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// Walks `items` both ways.
    fn both<W: Send + Clone>(
        items: &[usize],
        workers: &[W],
        budget_bytes: u64,
        work: impl Fn(usize) -> usize + Sync,
        mut each: impl FnMut(&str, usize, usize) -> ControlFlow<()>,
    ) {
        walk(items, &mut workers.to_vec(), |_, i| work(*i), |i, result| each("walk", i, result));
        let budget = Budget::new(budget_bytes);
        let prefetch = Prefetch { budget: &budget, size: |i: &usize| *i as u64 % 7, read: |i| items[i] };
        walk_prefetched(
            items,
            &mut workers.to_vec(),
            prefetch,
            |_, _, i| work(i),
            |i, result| each("ahead", i, result),
        );
    }

    #[test]
    fn every_item_comes_once_whatever_the_number_of_workers() {
        let items: Vec<usize> = (0..500).collect();
        for workers in [1, 2, 7] {
            let mut seen = [vec![0; items.len()], vec![0; items.len()]];
            both(
                &items,
                &vec![(); workers],
                10,
                |i| i * 2,
                |way, i, doubled| {
                    assert_eq!(doubled, i * 2);
                    seen[usize::from(way == "walk")][i] += 1;
                    ControlFlow::Continue(())
                },
            );
            assert!(seen.iter().flatten().all(|&n| n == 1), "{workers} workers");
        }
    }

    #[test]
    fn a_break_ends_the_walk() {
        let items: Vec<usize> = (0..100_000).collect();
        let begun = AtomicUsize::new(0);
        let mut got = 0;
        both(
            &items,
            &[(), ()],
            10,
            |_| begun.fetch_add(1, Ordering::Relaxed),
            |_, _, _| {
                got += 1;
                if got % 10 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        assert_eq!(got, 20);
        assert!(begun.load(Ordering::Relaxed) < 200);
    }

    #[test]
    fn the_next_item_is_read_while_one_is_worked_on() {
        let budget = Budget::new(100);
        let (read, reads) = channel();
        let reads = Mutex::new(reads);
        let prefetch = Prefetch { budget: &budget, size: |_: &usize| 1, read: move |i| read.send(i).unwrap() };
        let mut overlapped = false;
        walk_prefetched(
            &[0, 1],
            &mut [()],
            prefetch,
            |(), i, ()| {
                let reads = reads.lock().unwrap();
                // The first item's work ends only when the second was read.
                *i == 1 || (0..2).all(|_| reads.recv_timeout(Duration::from_mins(1)).is_ok())
            },
            |i, both_read| {
                overlapped |= i == 0 && both_read;
                ControlFlow::Continue(())
            },
        );
        assert!(overlapped);
    }

    proptest! {
        /// What was read and not yet worked off stays within the budget; one larger item is alone.
        #[test]
        fn what_was_read_stays_within_the_budget(
            sizes in prop::collection::vec(0..150u64, 0..60),
            total in 1..100u64,
            workers in 1..4usize,
        ) {
            let budget = Budget::new(total);
            let (held, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let counted = |size: u64| size.min(total) as usize;
            let prefetch = Prefetch {
                budget: &budget,
                size: |size: &u64| *size,
                read: |i| {
                    let size = counted(sizes[i]);
                    let now = held.fetch_add(size, Ordering::SeqCst) + size;
                    most.fetch_max(now, Ordering::SeqCst);
                },
            };
            let mut done = 0;
            walk_prefetched(
                &sizes,
                &mut vec![(); workers],
                prefetch,
                |(), size, ()| held.fetch_sub(counted(*size), Ordering::SeqCst),
                |_, _| {
                    done += 1;
                    ControlFlow::Continue(())
                },
            );
            prop_assert_eq!(done, sizes.len());
            prop_assert!(most.into_inner() as u64 <= total);
        }
    }
}
