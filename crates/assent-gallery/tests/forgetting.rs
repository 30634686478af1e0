//! A removed template is nowhere in the memory of the process: neither as it came, in 32-bit floats, nor as a row.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may fail loudly, and so may its helpers")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use assent_gallery::gallery::{Gallery, Owner, Scope, Search};
use zeroize::{Zeroize, Zeroizing};

const DIMENSIONS: usize = 256;
/// What is looked for is kept under this mask, so that it is not found in the looking glass.
const MASK: u8 = 0xA5;

fn vector(seed: u32) -> Zeroizing<Vec<f32>> {
    let number = |i: usize| {
        let mixed = (seed.wrapping_mul(0x9E37_79B9) ^ (i as u32)).wrapping_mul(0x85EB_CA6B);
        ((mixed ^ mixed >> 15).wrapping_mul(0xC2B2_AE35) >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut vector: Zeroizing<Vec<f32>> = Zeroizing::new((0..DIMENSIONS).map(number).collect());
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|v| *v /= length);
    vector
}

/// Pieces of bytes that lie `stride` bytes apart, masked.
struct Pattern {
    pieces: Vec<Vec<u8>>,
    stride: usize,
}

impl Pattern {
    fn floats(vector: &[f32]) -> Pattern {
        let bytes = vector.iter().flat_map(|v| v.to_le_bytes()).map(|b| b ^ MASK).collect();
        Pattern { pieces: vec![bytes], stride: 0 }
    }

    fn numbers(vector: &[f32]) -> Vec<u8> {
        let factor = 127.0 * (DIMENSIONS as f64).sqrt() / 5.6;
        vector.iter().map(|v| (f64::from(*v) * factor).round() as i8 as u8 ^ MASK).collect()
    }

    /// The row as one piece.
    fn row(vector: &[f32]) -> Pattern {
        Pattern { pieces: vec![Self::numbers(vector)], stride: 0 }
    }

    /// The row as a group holds it.
    fn panels(vector: &[f32]) -> Pattern {
        Pattern { pieces: Self::numbers(vector).chunks(4).map(<[u8]>::to_vec).collect(), stride: 64 }
    }

    fn is_at(&self, memory: &[u8]) -> bool {
        let piece_is_at = |(i, piece): (usize, &Vec<u8>)| {
            let at = memory.get(i * self.stride..).and_then(|m| m.get(..piece.len()));
            at.is_some_and(|at| at.iter().zip(piece).all(|(m, p)| m ^ MASK == *p))
        };
        self.pieces.iter().enumerate().all(piece_is_at)
    }
}

/// How often each pattern is in the memory that this process can write.
fn count(patterns: &[Pattern]) -> Vec<usize> {
    const CHUNK: usize = 1 << 20;
    const OVERLAP: usize = DIMENSIONS / 4 * 64;
    let memory = File::open("/proc/self/mem").unwrap();
    let mut buffer = vec![0; CHUNK + OVERLAP];
    let mut counts = vec![0; patterns.len()];
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        for at in (from..to).step_by(CHUNK) {
            let length = usize::try_from(to - at).unwrap().min(buffer.len());
            if memory.read_exact_at(&mut buffer[..length], at).is_err() {
                continue; // A page that cannot be read, such as the kernel's own.
            }
            for start in (0..length.min(CHUNK)).step_by(4) {
                for (count, pattern) in counts.iter_mut().zip(patterns) {
                    *count += usize::from(pattern.is_at(&buffer[start..length]));
                }
            }
        }
        buffer.as_mut_slice().zeroize();
    }
    counts
}

#[test]
fn i1_a_removed_row_is_gone_from_search_and_from_memory() {
    let gallery = Gallery::new(DIMENSIONS);
    for i in 0..5_000 {
        gallery.insert(Owner(i), Scope(0), &vector(i)).unwrap();
    }
    // One in the middle, the last row, and one that was moved by the removal before it.
    for owner in [1_500, 4_998, 4_999] {
        let patterns = {
            let vector = vector(owner);
            gallery.search(&[&vector], &Search { threads: 2, ..Search::least(0.3) }).unwrap();
            [Pattern::panels(&vector), Pattern::row(&vector), Pattern::floats(&vector)]
        };
        assert_eq!(count(&patterns)[0], 1, "the looking glass finds what is there");
        assert_eq!(gallery.remove(Owner(owner)), 1);
        assert_eq!(count(&patterns), [0, 0, 0], "owner {owner}");
        let found = gallery.search(&[&vector(owner)], &Search::least(-1.0)).unwrap();
        assert!(found[0].iter().all(|hit| hit.owner != Owner(owner)));
        assert_eq!(found[0].len(), gallery.len());
    }
}
