//! One walk over many items with several workers: results come to one place, in the order in which they are ready.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

/// Takes every item through one of `workers` and hands each result to `each`, with the item's index, on the calling
/// thread. Finished results wait in a queue of twice the workers; a full queue stops the workers, so memory does not
/// grow with the number of items.
///
/// When `each` breaks, no further item is begun, and results that are still on their way are dropped.
pub fn walk<T, W, R>(
    items: &[T],
    workers: &mut [W],
    work: impl Fn(&mut W, &T) -> R + Sync,
    mut each: impl FnMut(usize, R) -> ControlFlow<()>,
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
        for (i, result) in incoming {
            if each(i, result).is_break() {
                stopped.store(true, Ordering::Relaxed);
                break; // Drops the receiver: a worker that waits to send wakes up and ends.
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_comes_once_whatever_the_number_of_workers() {
        let items: Vec<usize> = (0..500).collect();
        for workers in [1, 2, 7] {
            let mut seen = vec![0; items.len()];
            walk(
                &items,
                &mut vec![(); workers],
                |(), i| i * 2,
                |i, doubled| {
                    assert_eq!(doubled, i * 2);
                    seen[i] += 1;
                    ControlFlow::Continue(())
                },
            );
            assert!(seen.iter().all(|&n| n == 1), "{workers} workers");
        }
    }

    #[test]
    fn a_break_ends_the_walk() {
        let items: Vec<usize> = (0..100_000).collect();
        let begun = AtomicUsize::new(0);
        let mut got = 0;
        walk(
            &items,
            &mut [(), ()],
            |(), _| begun.fetch_add(1, Ordering::Relaxed),
            |_, _| {
                got += 1;
                if got == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        );
        assert_eq!(got, 10);
        assert!(begun.load(Ordering::Relaxed) < 100);
    }
}
