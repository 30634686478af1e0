//! The rows and their search.

use assent_kernels::Kernel;
use thiserror::Error;
use zeroize::Zeroize;

/// Whose row it is: an opaque number that the caller gives and gets back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(pub u64);

/// The best row of one owner for one probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Whose row.
    pub owner: Owner,
    /// Its cosine to the probe, -1 to 1, as the 8-bit rows have it (rounding moves it by about a thousandth).
    pub score: f32,
}

/// Why a vector is no row and no probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VectorError {
    /// It has another number of dimensions than the gallery.
    #[error("a vector of {got} numbers in a gallery of {expected}")]
    Dimensions {
        /// Of the gallery.
        expected: usize,
        /// Of the vector.
        got: usize,
    },
    /// A number is NaN or infinite, or the length is not 1 (within a thousandth).
    #[error("a vector that is not of length 1")]
    NotNormalised,
}

/// Templates as rows of 8-bit numbers, searched one after the other: exact, and a removed row is overwritten.
///
/// Each number is stored as `round(x * 127 / limit)`, where `limit = 5.6 / sqrt(dimensions)` depends on nothing but the
/// dimension, so the scale keeps nothing of anybody.
///
/// # Source
///
/// The limit: the largest number seen in 7,701 embeddings of 256 dimensions was 0.322; 5.6 / sqrt(256) = 0.35. Rounding
/// to such rows moves a cosine by about a thousandth and moved no accuracy figure.
#[derive(Clone)]
pub struct Gallery {
    kernel: Kernel,
    dimensions: usize,
    rows: Vec<i8>,
    owners: Vec<Owner>,
}

impl std::fmt::Debug for Gallery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gallery({} rows of {})", self.owners.len(), self.dimensions)
    }
}

impl Gallery {
    /// An empty gallery for vectors of `dimensions` numbers (at least 1).
    pub fn new(dimensions: usize) -> Gallery {
        Gallery { kernel: Kernel::detect(), dimensions: dimensions.max(1), rows: Vec::new(), owners: Vec::new() }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Adds a row for `owner`; an owner may have several.
    ///
    /// # Errors
    ///
    /// [`VectorError`] if `vector` is not of length 1 or of another dimension.
    pub fn insert(&mut self, owner: Owner, vector: &[f32]) -> Result<(), VectorError> {
        let mut row = self.quantised(vector)?;
        // Growing by hand: what `Vec` would leave behind in the old allocation is overwritten.
        if self.rows.capacity() - self.rows.len() < self.dimensions {
            let mut larger = Vec::with_capacity((self.rows.capacity() * 2).max(64 * self.dimensions));
            larger.extend_from_slice(&self.rows);
            self.rows.zeroize();
            self.rows = larger;
        }
        self.rows.extend_from_slice(&row);
        self.owners.push(owner);
        row.zeroize();
        Ok(())
    }

    /// Removes every row of `owner` and returns how many there were. Each is overwritten with the last row, and the
    /// freed last row with zeros, before this returns.
    pub fn remove(&mut self, owner: Owner) -> usize {
        let before = self.owners.len();
        let d = self.dimensions;
        let mut i = 0;
        while i < self.owners.len() {
            if self.owners[i] == owner {
                let last = self.owners.len() - 1;
                self.rows.copy_within(last * d..(last + 1) * d, i * d);
                self.rows[last * d..].zeroize();
                self.rows.truncate(last * d);
                self.owners.swap_remove(i);
            } else {
                i += 1;
            }
        }
        before - self.owners.len()
    }

    /// For each probe, every owner whose best row scores `least` or more, best first; equal scores in the order of
    /// their rows. One by one or in a batch, a probe's answer is the same to the bit.
    ///
    /// # Errors
    ///
    /// [`VectorError`] if a probe is not of length 1 or of another dimension; nothing was searched then.
    pub fn search(&self, probes: &[&[f32]], least: f32) -> Result<Vec<Vec<Hit>>, VectorError> {
        let mut quantised: Vec<Vec<i8>> = Vec::with_capacity(probes.len());
        for probe in probes {
            quantised.push(self.quantised(probe)?);
        }
        let mut found: Vec<Vec<(i32, usize)>> = vec![Vec::new(); probes.len()];
        let unit = self.unit();
        let least_dot = (f64::from(least) * unit).ceil() as i32;
        for (r, row) in self.rows.chunks_exact(self.dimensions).enumerate() {
            for (probe, found) in quantised.iter().zip(&mut found) {
                let dot = self.kernel.dot(probe, row);
                if dot >= least_dot {
                    found.push((dot, r));
                }
            }
        }
        quantised.iter_mut().for_each(Zeroize::zeroize);
        let best_per_owner = |mut rows: Vec<(i32, usize)>| {
            rows.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
            let mut hits: Vec<Hit> = Vec::new();
            for (dot, r) in rows {
                let owner = self.owners[r];
                if hits.iter().all(|h| h.owner != owner) {
                    hits.push(Hit { owner, score: (f64::from(dot) / unit) as f32 });
                }
            }
            hits
        };
        Ok(found.into_iter().map(best_per_owner).collect())
    }

    /// The dot product of a row with itself, were it of length 1 and stored without rounding.
    fn unit(&self) -> f64 {
        self.scale().powi(2)
    }

    fn scale(&self) -> f64 {
        127.0 * (self.dimensions as f64).sqrt() / 5.6
    }

    fn quantised(&self, vector: &[f32]) -> Result<Vec<i8>, VectorError> {
        if vector.len() != self.dimensions {
            return Err(VectorError::Dimensions { expected: self.dimensions, got: vector.len() });
        }
        let length: f64 = vector.iter().map(|v| f64::from(*v).powi(2)).sum();
        if !length.is_finite() || (length - 1.0).abs() > 2e-3 {
            return Err(VectorError::NotNormalised);
        }
        let scale = self.scale();
        Ok(vector.iter().map(|v| (f64::from(*v) * scale).round().clamp(-127.0, 127.0) as i8).collect())
    }
}

impl Drop for Gallery {
    fn drop(&mut self) {
        self.rows.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn gallery(n: u64, d: usize) -> Gallery {
        let mut g = Gallery::new(d);
        for i in 0..n {
            g.insert(Owner(i), &vector(i + 1, d)).unwrap();
        }
        g
    }

    #[test]
    fn the_score_is_the_cosine_within_rounding() {
        for d in [128, 256, 512] {
            let g = gallery(50, d);
            let probe = vector(1_000, d);
            for hit in &g.search(&[&probe], -1.0).unwrap()[0] {
                let exact: f32 = vector(hit.owner.0 + 1, d).iter().zip(&probe).map(|(a, b)| a * b).sum();
                assert!((hit.score - exact).abs() < 8e-3, "{d}: {} instead of {exact}", hit.score);
            }
            let own = &g.search(&[&vector(8, d)], 0.9).unwrap()[0];
            assert_eq!(own.len(), 1);
            assert_eq!(own[0].owner, Owner(7));
            assert!((own[0].score - 1.0).abs() < 8e-3);
        }
    }

    #[test]
    fn i9_a_probe_gets_the_same_answer_in_any_batch() {
        let g = gallery(300, 256);
        let probes: Vec<Vec<f32>> = (0..40).map(|i| vector(5_000 + i, 256)).collect();
        let all: Vec<&[f32]> = probes.iter().map(Vec::as_slice).collect();
        let together = g.search(&all, 0.05).unwrap();
        for (probe, expected) in all.iter().zip(&together) {
            assert_eq!(&g.search(&[probe], 0.05).unwrap()[0], expected);
        }
    }

    #[test]
    fn ties_come_in_the_order_of_rows_and_owners_come_once() {
        let mut g = Gallery::new(8);
        let v = vector(3, 8);
        for owner in [5, 2, 5, 9] {
            g.insert(Owner(owner), &v).unwrap();
        }
        let hits = g.search(&[&v], 0.0).unwrap();
        assert_eq!(hits[0].iter().map(|h| h.owner.0).collect::<Vec<_>>(), [5, 2, 9]);
    }

    #[test]
    fn i1_a_removed_row_is_gone_from_search_and_from_memory() {
        let mut g = gallery(100, 64);
        let pattern = g.quantised(&vector(41, 64)).unwrap();
        let holds = |g: &Gallery| {
            // What lies behind `len` was freed by removals: look there, too, up to what was ever written.
            g.rows.windows(64).any(|w| w == pattern)
        };
        assert!(holds(&g));
        assert_eq!(g.remove(Owner(40)), 1);
        assert_eq!(g.remove(Owner(40)), 0);
        assert!(!holds(&g));
        assert_eq!(g.len(), 99);
        let hits = g.search(&[&vector(41, 64)], -1.0).unwrap();
        assert!(hits[0].iter().all(|h| h.owner != Owner(40)));
        assert_eq!(hits[0].len(), 99);
    }

    #[test]
    fn bad_vectors_are_named() {
        let mut g = Gallery::new(4);
        let check =
            |name: &str, v: &[f32], expected| assert_eq!(Gallery::new(4).insert(Owner(1), v), Err(expected), "{name}");
        check("too short", &[1.0, 0.0, 0.0], VectorError::Dimensions { expected: 4, got: 3 });
        check("empty", &[], VectorError::Dimensions { expected: 4, got: 0 });
        check("NaN", &[f32::NAN, 0.0, 0.0, 0.0], VectorError::NotNormalised);
        check("infinite", &[f32::INFINITY, 0.0, 0.0, 0.0], VectorError::NotNormalised);
        check("zero", &[0.0; 4], VectorError::NotNormalised);
        check("too long", &[1.0, 1.0, 0.0, 0.0], VectorError::NotNormalised);
        g.insert(Owner(1), &[0.0, 1.0, 0.0, 0.0]).unwrap();
        assert_eq!(g.search(&[&[0.0; 4]], 0.0), Err(VectorError::NotNormalised));
    }
}
