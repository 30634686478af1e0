//! Tests of the gallery with the locks of the standard library.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use crate::calibration::DeclaredRates;
use crate::gallery::{Gallery, InsertError, Owner, Scope, Search};
use crate::simulation::sface;
use crate::vector::VectorError;

/// A vector of length 1 that depends on `seed` alone (xorshift; no two seeds are alike).
fn vector(seed: u64, d: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut v: Vec<f32> = (0..d)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        })
        .collect();
    let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut v {
        *x /= length;
    }
    v
}

fn gallery(n: u32, d: usize) -> Gallery {
    let g = Gallery::new(d);
    for i in 0..n {
        g.insert(Owner(i), Scope(0), &vector(u64::from(i) + 1, d)).unwrap();
    }
    g
}

fn owners(g: &Gallery, probe: &[f32], search: &Search) -> Vec<u32> {
    g.search(&[probe], search).unwrap()[0].iter().map(|h| h.owner.0).collect()
}

#[test]
fn the_score_is_the_cosine_within_rounding() {
    for d in [128, 254, 256, 512] {
        let g = gallery(50, d);
        let probe = vector(1_000, d);
        let hits = &g.search(&[&probe], &Search::least(-1.0)).unwrap()[0];
        assert_eq!(hits.len(), 50);
        for hit in hits {
            let exact: f32 = vector(u64::from(hit.owner.0) + 1, d).iter().zip(&probe).map(|(a, b)| a * b).sum();
            assert!((hit.score - exact).abs() < 8e-3, "{d}: {} instead of {exact}", hit.score);
        }
        let own = &g.search(&[&vector(8, d)], &Search::least(0.9)).unwrap()[0];
        assert_eq!(own.len(), 1);
        assert_eq!(own[0].owner, Owner(7));
        assert!((own[0].score - 1.0).abs() < 8e-3);
    }
}

#[test]
fn i9_a_probe_gets_the_same_answer_in_any_batch_and_on_any_threads() {
    let g = gallery(10_000, 64);
    let probes: Vec<Vec<f32>> = (0..40).map(|i| vector(500_000 + i, 64)).collect();
    let all: Vec<&[f32]> = probes.iter().map(Vec::as_slice).collect();
    let together = g.search(&all, &Search::least(0.2)).unwrap();
    assert!(together.iter().all(|hits| hits.len() > 100));
    for (probe, expected) in all.iter().zip(&together) {
        assert_eq!(&g.search(&[probe], &Search::least(0.2)).unwrap()[0], expected);
    }
    for threads in [0, 2, 5] {
        assert_eq!(g.search(&all, &Search { threads, ..Search::least(0.2) }).unwrap(), together, "{threads} threads");
    }
}

#[test]
fn ties_come_in_the_order_of_owners_and_owners_come_once() {
    let g = Gallery::new(8);
    let v = vector(3, 8);
    for owner in [5, 2, 5, 9] {
        g.insert(Owner(owner), Scope(0), &v).unwrap();
    }
    assert_eq!(owners(&g, &v, &Search::least(0.0)), [2, 5, 9]);
}

#[test]
fn a_search_sees_the_rows_of_its_scopes_alone_and_all_of_those() {
    let g = Gallery::new(32);
    for i in 0..200 {
        g.insert(Owner(i), Scope((i % 3) as u16), &vector(u64::from(i), 32)).unwrap();
    }
    let check = |name: &str, scopes: Option<&[u16]>, expected: &dyn Fn(u32) -> bool| {
        let scopes = scopes.map(|s| s.iter().copied().map(Scope).collect::<BTreeSet<_>>());
        let mut got = owners(&g, &vector(7_777, 32), &Search { scopes, ..Search::least(-1.0) });
        got.sort_unstable();
        assert_eq!(got, (0..200).filter(|i| expected(*i)).collect::<Vec<_>>(), "{name}");
    };
    check("every scope", None, &|_| true);
    check("no scope", Some(&[]), &|_| false);
    check("one", Some(&[1]), &|i| i % 3 == 1);
    check("two", Some(&[0, 2]), &|i| i % 3 != 1);
    check("one that nobody has", Some(&[9]), &|_| false);
}

#[test]
fn twins_are_known_and_nobody_else_is() {
    for (block_rows, threads) in [(16, 1), (16, 3), (1024, 2)] {
        let g = Gallery::with_blocks(62, block_rows);
        let insert = |owner: u32, seed: u64| g.insert(Owner(owner), Scope(0), &vector(seed, 62)).unwrap();
        for i in 0..100 {
            insert(i, u64::from(i) + 1);
        }
        insert(7, 8); // A second template of the same face.
        insert(100, 21); // Twins, far from each other.
        insert(101, 101);
        let twins: Vec<(Owner, Owner)> = g.look_alikes(0.9, threads).into_iter().collect();
        assert_eq!(twins, [(Owner(20), Owner(100))], "blocks of {block_rows}, {threads} threads");
        g.remove(Owner(100));
        assert!(g.look_alikes(0.9, threads).is_empty());
    }
}

#[test]
fn impostors_are_counted_by_pairs_of_people_whatever_the_number_of_their_pictures() {
    // The first ten of sixty people have three templates each; so many dimensions that chance makes some alike.
    let vectors: Vec<(u32, Vec<f32>)> = (0..80).map(|i| (i % 70 % 60, vector(u64::from(i) + 1, 16))).collect();
    let pictures = |owner: u32| if owner < 10 { 3 } else { 1 };
    assert!((0..60).all(|o| vectors.iter().filter(|(owner, _)| *owner == o).count() == pictures(o)));
    for (block_rows, threads) in [(16, 1), (16, 3), (1024, 2)] {
        let g = Gallery::with_blocks(16, block_rows);
        for (owner, v) in &vectors {
            g.insert(Owner(*owner), Scope(0), v).unwrap();
        }
        let scores = [0.5, 0.6, 0.7];
        let counts = g.impostors(&scores, threads);
        assert_eq!(counts, g.impostors(&scores, 1));
        assert_eq!((counts.owners(), counts.pairs()), (60, 60 * 59 / 2));
        for (rate, least) in counts.rates().iter().zip(scores) {
            let mut expected = 0.0;
            for (i, (one, v)) in vectors.iter().enumerate() {
                let alike = |w: &[f32]| v.iter().zip(w).map(|(a, b)| a * b).sum::<f32>() >= least;
                let others = vectors[i + 1..].iter().filter(|(other, w)| other != one && alike(w));
                expected += others.map(|(other, _)| 1.0 / (pictures(*one) * pictures(*other)) as f64).sum::<f64>();
            }
            let off = (rate.reached - expected).abs();
            assert!(off <= 2.0 && expected > 2.0, "{least}: {} instead of {expected}", rate.reached);
        }
    }
}

#[test]
fn i9_people_enrolled_twice_are_proposed_and_end_nobody_elses_match() {
    const PEOPLE: u32 = 1_000;
    let (table, harshest) = sface();
    let g = gallery(PEOPLE, 128);
    // Twelve are enrolled once more under another name, one of them with three pictures.
    let again = |of: u32, picture: u64| -> Vec<f32> {
        let (v, w) = (vector(u64::from(of) + 1, 128), vector(100_000 + u64::from(of) * 10 + picture, 128));
        let mixed: Vec<f32> = v.iter().zip(w).map(|(v, w)| 0.65 * v + 0.76 * w).collect();
        let length = mixed.iter().map(|x| x * x).sum::<f32>().sqrt();
        mixed.iter().map(|x| x / length).collect()
    };
    for of in 0..12 {
        for picture in 0..if of == 0 { 3 } else { 1 } {
            g.insert(Owner(PEOPLE + of), Scope(0), &again(of, picture)).unwrap();
        }
    }
    let own = table.for_people(&harshest, &g.impostors(&table.counted_scores(), 2).rates());
    let certain = own.thresholds(DeclaredRates::default(), g.len()).certain;
    let pairs: Vec<(Owner, Owner)> = g.look_alikes(certain.expect("a match"), 2).into_iter().collect();
    assert_eq!(pairs, (0..12).map(|of| (Owner(of), Owner(PEOPLE + of))).collect::<Vec<_>>());
}

#[test]
fn i9_a_few_people_with_many_pictures_do_not_tell_how_alike_everybody_is() {
    let (table, harshest) = sface();
    let own = |pictures: u32| {
        let g = Gallery::new(128);
        for i in 0..40 {
            for picture in 0..if i < 4 { pictures } else { 1 } {
                g.insert(Owner(i), Scope(0), &vector(u64::from(i * 1_000 + picture + 1), 128)).unwrap();
            }
        }
        table.for_people(&harshest, &g.impostors(&table.counted_scores(), 2).rates())
    };
    // Forty people are too few, also where four of them make seven thousand pairs of pictures.
    assert_eq!(own(1), harshest);
    assert_eq!(own(30), harshest);
}

#[test]
fn i1_who_was_removed_is_gone_and_stays_gone() {
    let g = gallery(100, 64);
    assert_eq!(g.remove(Owner(40)), 1);
    assert_eq!(g.remove(Owner(40)), 0);
    assert_eq!(g.remove(Owner(4_000)), 0);
    assert_eq!(g.len(), 99);
    let found = owners(&g, &vector(41, 64), &Search::least(-1.0));
    assert_eq!(found.len(), 99);
    assert!(!found.contains(&40));
    for owner in [40, 4_000] {
        let owner = Owner(owner);
        assert_eq!(g.insert(owner, Scope(0), &vector(1, 64)), Err(InsertError::Gone { owner }));
    }
}

#[test]
fn bad_probes_are_refused_before_anything_is_searched() {
    let g = gallery(3, 4);
    let search = Search::least(0.0);
    assert_eq!(g.search(&[&[0.5; 4], &[0.0; 4]], &search), Err(VectorError::Zero));
    assert_eq!(g.search(&[&[0.5; 5]], &search), Err(VectorError::Dimensions { expected: 4, got: 5 }));
    assert_eq!(g.search(&[], &search), Ok(Vec::new()));
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u32),
    Remove(u32),
}

proptest! {
    /// Whatever is inserted and removed in whatever order, a search finds what a list would have found.
    #[test]
    fn a_gallery_is_a_list(steps in proptest::collection::vec(
        prop_oneof![3 => (0_u32..30).prop_map(Step::Insert), 1 => (0_u32..30).prop_map(Step::Remove)], 0..200)
    ) {
        let g = Gallery::with_blocks(8, 16);
        let mut list: BTreeMap<u32, usize> = BTreeMap::new();
        let mut gone = BTreeSet::new();
        for (i, step) in steps.iter().enumerate() {
            match *step {
                Step::Insert(owner) => {
                    let inserted = g.insert(Owner(owner), Scope(0), &vector(i as u64 + 1, 8));
                    prop_assert_eq!(inserted.is_err(), gone.contains(&owner));
                    if inserted.is_ok() {
                        *list.entry(owner).or_default() += 1;
                    }
                }
                Step::Remove(owner) => {
                    prop_assert_eq!(g.remove(Owner(owner)), list.remove(&owner).unwrap_or(0));
                    gone.insert(owner);
                }
            }
            prop_assert_eq!(g.len(), list.values().sum::<usize>());
        }
        let mut found = owners(&g, &vector(99_999, 8), &Search::least(-1.0));
        found.sort_unstable();
        prop_assert_eq!(found, list.into_keys().collect::<Vec<_>>());
    }
}

/// Threads search while rows come and go: who stays is always found, who went is never found again.
#[test]
fn i4_searches_and_removals_at_the_same_time() {
    const STAYING: u32 = 300;
    const GOING: u32 = 2_000;
    let g = Gallery::with_blocks(8, 32);
    for i in 0..STAYING + GOING {
        // Those who go are spread among those who stay.
        let owner = if i % 7 == 0 && i / 7 < STAYING { i / 7 } else { STAYING + i };
        g.insert(Owner(owner), Scope(0), &vector(u64::from(i) + 1, 8)).unwrap();
    }
    let probe = vector(1_234_567, 8);
    let all = owners(&g, &probe, &Search::least(-1.0));
    let (staying, going): (Vec<u32>, Vec<u32>) = all.iter().partition(|owner| **owner < STAYING);
    assert_eq!(staying.len(), STAYING as usize);
    let gone: Vec<AtomicBool> = (0..=2 * (STAYING + GOING)).map(|_| AtomicBool::new(false)).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for threads in [1, 2] {
            let (g, probe, gone, done) = (&g, &probe, &gone, &done);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let before: Vec<bool> = gone.iter().map(|g| g.load(Ordering::SeqCst)).collect();
                    let found = owners(g, probe, &Search { threads, ..Search::least(-1.0) });
                    assert_eq!(found.iter().filter(|owner| **owner < STAYING).count(), STAYING as usize);
                    assert!(found.iter().all(|owner| !before[*owner as usize]));
                }
            });
        }
        for owner in &going {
            assert_eq!(g.remove(Owner(*owner)), 1);
            gone[*owner as usize].store(true, Ordering::SeqCst);
        }
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(g.len(), STAYING as usize);
}
