//! The gallery under a model checker: a search, removals and insertions at the same time, in more than 100,000 orders of
//! their steps. Run by `make test`; alone: `cargo test -p assent-gallery --features model`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shuttle::thread;

use crate::gallery::{Gallery, Owner, Scope, Search};
use crate::sync::write;

const ROWS: u32 = 19;

fn found(g: &Gallery, threads: usize) -> Vec<u32> {
    let hits = g.search(&[&[1.0]], &Search { threads, ..Search::least(-1.0) }).unwrap();
    hits[0].iter().map(|hit| hit.owner.0).collect()
}

/// Two blocks, the second with three rows. Owner 3 goes (the last row moves into the first block), then owner 17 (which
/// lies in the second); somebody comes. A search of one or two threads runs through it.
fn at_the_same_time(search_threads: usize) {
    let g = Arc::new(Gallery::with_blocks(1, 16));
    for i in 0..ROWS {
        g.insert(Owner(i), Scope(0), &[1.0]).unwrap();
    }
    let gone = Arc::new([AtomicBool::new(false), AtomicBool::new(false)]);
    let remover = {
        let (g, gone) = (g.clone(), gone.clone());
        thread::spawn(move || {
            for (owner, gone) in [3, 17].into_iter().zip(&*gone) {
                assert_eq!(g.remove(Owner(owner)), 1);
                gone.store(true, Ordering::SeqCst);
            }
        })
    };
    let inserter = {
        let g = g.clone();
        thread::spawn(move || g.insert(Owner(ROWS), Scope(0), &[1.0]).unwrap())
    };
    let searcher = {
        let g = g.clone();
        thread::spawn(move || {
            let before = [gone[0].load(Ordering::SeqCst), gone[1].load(Ordering::SeqCst)];
            let found = found(&g, search_threads);
            for owner in (0..ROWS).filter(|owner| !matches!(owner, 3 | 17)) {
                assert!(found.contains(&owner), "{owner} stayed and was missed");
            }
            for (owner, before) in [3, 17].into_iter().zip(before) {
                assert!(!(before && found.contains(&owner)), "{owner} was removed before the search began");
            }
        })
    };
    for thread in [remover, inserter, searcher] {
        thread.join().unwrap();
    }
    let mut rest = found(&g, 1);
    rest.sort_unstable();
    assert_eq!(rest, (0..=ROWS).filter(|owner| !matches!(owner, 3 | 17)).collect::<Vec<_>>());
}

#[test]
fn i4_one_thread_searches_while_rows_come_and_go() {
    shuttle::check_random(|| at_the_same_time(1), 50_000);
}

#[test]
fn i4_two_threads_search_while_rows_come_and_go() {
    shuttle::check_random(|| at_the_same_time(2), 50_000);
}

/// A search is held up before its last block, and the last row is removed meanwhile: whether it was seen or not, it is not
/// in the answer.
fn removed_before_the_search_ends() {
    let g = Arc::new(Gallery::with_blocks(1, 16));
    for i in 0..ROWS {
        g.insert(Owner(i), Scope(0), &[1.0]).unwrap();
    }
    let first_block = write(g.blocks.get(0));
    let searcher = {
        let g = g.clone();
        thread::spawn(move || found(&g, 1))
    };
    assert_eq!(g.remove(Owner(ROWS - 1)), 1);
    drop(first_block);
    let found = searcher.join().unwrap();
    assert!(!found.contains(&(ROWS - 1)), "the last owner was removed before the search ended");
    assert_eq!(found.len(), ROWS as usize - 1);
}

#[test]
fn i4_who_is_removed_during_a_search_is_not_in_its_answer() {
    shuttle::check_random(removed_before_the_search_ends, 10_000);
}
