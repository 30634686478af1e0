//! Inclusion proofs: the hashes that lead from one leaf to the root. Consistency proofs: those that show that a log is the
//! beginning of a longer one.
//!
//! # Source
//!
//! RFC 6962, sections 2.1.1 and 2.1.2, makes them; RFC 9162, sections 2.1.3.2 and 2.1.4.2, checks them.

use crate::merkle::{Hash, node_hash};

/// The hash of the complete subtree of `2^level` leaves that begins at leaf `index * 2^level`.
pub(crate) type Subtree<'a, E> = &'a mut dyn FnMut(u32, u64) -> Result<Hash, E>;

/// The proof that leaf `index` stands in a tree of `size` leaves, from the leaf up.
///
/// # Errors
///
/// What `subtree` returns. The caller sees to it that `index < size`.
pub(crate) fn inclusion<E>(index: u64, size: u64, subtree: Subtree<'_, E>) -> Result<Vec<Hash>, E> {
    let (mut from, mut to) = (0, size);
    let mut path = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            path.push(range(middle, to, subtree)?);
            to = middle;
        } else {
            path.push(range(from, middle, subtree)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The root of the first `size` leaves, which are 1 or more.
///
/// # Errors
///
/// What `subtree` returns.
pub(crate) fn root<E>(size: u64, subtree: Subtree<'_, E>) -> Result<Hash, E> {
    range(0, size, subtree)
}

/// The greatest power of two below `width`, which is 2 or more.
fn split(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// The hash of the leaves from `from` to before `to`, where `from` is a place at which RFC 6962 begins a subtree.
fn range<E>(from: u64, to: u64, subtree: Subtree<'_, E>) -> Result<Hash, E> {
    let width = to - from;
    if width.is_power_of_two() {
        return subtree(width.ilog2(), from / width);
    }
    let middle = from + split(width);
    Ok(node_hash(&range(from, middle, subtree)?, &range(middle, to, subtree)?))
}

/// Whether a proof leads from a leaf's hash to the root.
pub(crate) fn includes(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last) = (index, size - 1);
    let mut hash = leaf;
    for other in proof {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(other, &hash);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, other);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// The proof that a tree of `size` leaves begins with its first `from`.
///
/// # Errors
///
/// What `subtree` returns. The caller sees to it that `1 <= from <= size`.
pub(crate) fn consistency<E>(from: u64, size: u64, subtree: Subtree<'_, E>) -> Result<Vec<Hash>, E> {
    let (mut begin, mut end, mut from) = (0, size, from);
    // Whether the subtree is one that the old tree has as a whole, and its root is known by that.
    let mut known = true;
    let mut path = Vec::new();
    while from < end - begin {
        let middle = begin + split(end - begin);
        if from <= middle - begin {
            path.push(range(middle, end, subtree)?);
            end = middle;
        } else {
            path.push(range(begin, middle, subtree)?);
            from -= middle - begin;
            begin = middle;
            known = false;
        }
    }
    if !known {
        path.push(range(begin, end, subtree)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether a proof shows that the tree of `size` leaves with this root begins with that of `from` leaves.
pub(crate) fn is_consistent((from, from_root): (u64, &Hash), (size, root): (u64, &Hash), proof: &[Hash]) -> bool {
    if from == 0 || from >= size {
        return from == size && proof.is_empty() && from_root == root;
    }
    let mut hashes = proof.iter();
    let first = if from.is_power_of_two() { Some(from_root) } else { hashes.next() };
    let Some(&first) = first else { return false };
    let shift = (from - 1).trailing_ones();
    let (mut place, mut last) = ((from - 1) >> shift, (size - 1) >> shift);
    let (mut old, mut new) = (first, first);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            (old, new) = (node_hash(hash, &old), node_hash(hash, &new));
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, hash);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && old == *from_root && new == *root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{Peaks, leaf_hash};
    use proptest::prelude::*;

    /// The tree of the numbers below `size`.
    fn tree(size: u64) -> (Vec<Hash>, Hash) {
        let leaves: Vec<Hash> = (0..size).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut peaks = Peaks::default();
        for leaf in &leaves {
            peaks.push(*leaf);
        }
        (leaves, peaks.root())
    }

    fn subtree(leaves: &[Hash]) -> impl FnMut(u32, u64) -> Result<Hash, ()> + '_ {
        move |level: u32, number: u64| {
            let first = (number << level) as usize;
            let mut peaks = Peaks::default();
            for leaf in &leaves[first..first + (1 << level)] {
                peaks.push(*leaf);
            }
            Ok(peaks.root())
        }
    }

    fn prove(leaves: &[Hash], index: u64) -> Vec<Hash> {
        inclusion(index, leaves.len() as u64, &mut subtree(leaves)).unwrap()
    }

    #[test]
    fn every_small_tree_is_shown_to_begin_every_longer_one_and_no_other_does() {
        for size in 1..40 {
            let (leaves, root) = tree(size);
            for from in 1..=size {
                let before = tree(from).1;
                let proof = consistency(from, size, &mut subtree(&leaves)).unwrap();
                let holds = |from, before: &Hash, size, root: &Hash, proof: &[Hash]| {
                    is_consistent((from, before), (size, root), proof)
                };
                assert!(holds(from, &before, size, &root, &proof), "{from} of {size}");
                assert!(!holds(from, &[7; 32], size, &root, &proof), "{from} of {size}: another beginning");
                assert!(!holds(from, &before, size, &[7; 32], &proof), "{from} of {size}: another end");
                assert!(!holds(from, &before, size, &root, &[proof.as_slice(), &[root]].concat()), "{from} of {size}");
                if let [cut @ .., _] = proof.as_slice() {
                    assert!(!holds(from, &before, size, &root, cut), "{from} of {size}: cut");
                }
                for other in (1..size).filter(|other| *other != from) {
                    assert!(!holds(other, &before, size, &root, &proof), "{from} of {size} taken for {other}");
                }
            }
        }
    }

    #[test]
    fn every_leaf_of_every_small_tree_is_proven_and_at_no_other_place() {
        for size in 1..40 {
            let (leaves, root) = tree(size);
            for index in 0..size {
                let proof = prove(&leaves, index);
                for place in 0..size + 2 {
                    let said = includes(leaves[index as usize], place, size, &proof, &root);
                    assert_eq!(said, place == index, "leaf {index} of {size} at {place}");
                }
                assert!(!includes(leaves[index as usize], index, size, &[proof.as_slice(), &[root]].concat(), &root));
                let cut = proof.len().saturating_sub(1);
                assert_eq!(includes(leaves[index as usize], index, size, &proof[..cut], &root), size == 1);
            }
        }
    }

    proptest! {
        #[test]
        fn a_proof_with_a_changed_bit_proves_nothing(size in 2u64..300, at: prop::sample::Index, bit in 0usize..256) {
            let (leaves, root) = tree(size);
            let index = at.index(size as usize) as u64;
            let mut proof = prove(&leaves, index);
            prop_assert!(includes(leaves[index as usize], index, size, &proof, &root));
            let which = bit % proof.len();
            proof[which][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!includes(leaves[index as usize], index, size, &proof, &root));
        }
    }
}
