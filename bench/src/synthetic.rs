//! Vectors and probes by the recipe of the FAISS peer, or those that the peer wrote.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use crate::Error;

/// Vectors of length 1 that are random on the sphere.
pub(crate) struct Sphere {
    state: u64,
    dimensions: usize,
}

impl Sphere {
    pub(crate) fn new(seed: u64, dimensions: usize) -> Sphere {
        Sphere { state: seed ^ 0x9E37_79B9_7F4A_7C15, dimensions }
    }

    /// `SplitMix64`.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// Evenly between 0 and 1, never 0.
    pub(crate) fn part(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// The next vector.
    pub(crate) fn vector(&mut self) -> Vec<f32> {
        let mut vector = Vec::with_capacity(self.dimensions + 1);
        while vector.len() < self.dimensions {
            // Two normal numbers, by Box and Muller.
            let (radius, angle) = ((-2.0 * self.part().ln()).sqrt(), std::f64::consts::TAU * self.part());
            vector.extend([(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]);
        }
        vector.truncate(self.dimensions);
        normalise(&mut vector);
        vector
    }

    /// `mate` turned away, in a random direction, to this cosine.
    pub(crate) fn turned_away(&mut self, mate: &[f32], cosine: f32) -> Vec<f32> {
        let mut other = self.vector();
        let along: f32 = other.iter().zip(mate).map(|(o, m)| o * m).sum();
        other.iter_mut().zip(mate).for_each(|(o, m)| *o -= along * m);
        normalise(&mut other);
        let sine = (1.0 - cosine * cosine).sqrt();
        let mut turned: Vec<f32> = other.iter().zip(mate).map(|(o, m)| cosine * m + sine * o).collect();
        normalise(&mut turned);
        turned
    }
}

fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    for v in vector {
        *v /= length;
    }
}

/// Reads `gallery.f32` or `queries.f32` of the peer's `--dump` vector by vector.
pub(crate) struct Dumped {
    file: BufReader<File>,
    dimensions: usize,
}

impl Dumped {
    /// # Errors
    ///
    /// If the file cannot be opened.
    pub(crate) fn open(path: &Path, dimensions: usize) -> Result<Dumped, Error> {
        let file = File::open(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        Ok(Dumped { file: BufReader::with_capacity(1 << 20, file), dimensions })
    }

    /// # Errors
    ///
    /// If the file ends.
    pub(crate) fn vector(&mut self) -> Result<Vec<f32>, Error> {
        let mut bytes = vec![0; self.dimensions * 4];
        self.file.read_exact(&mut bytes)?;
        let (numbers, _) = bytes.as_chunks::<4>();
        let mut vector: Vec<f32> = numbers.iter().map(|b| f32::from_le_bytes(*b)).collect();
        normalise(&mut vector);
        Ok(vector)
    }
}

/// Reads `mates.i64` of the peer's `--dump`.
///
/// # Errors
///
/// If the file cannot be read.
pub(crate) fn mates(path: &Path) -> Result<Vec<u32>, Error> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let (numbers, _) = bytes.as_chunks::<8>();
    Ok(numbers.iter().map(|b| i64::from_le_bytes(*b) as u32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_has_the_cosine_that_was_asked_for() {
        let mut sphere = Sphere::new(1, 255);
        let mate = sphere.vector();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        for cosine in [0.5, 0.7] {
            let probe = sphere.turned_away(&mate, cosine);
            assert!((dot(&probe, &probe) - 1.0).abs() < 1e-5);
            assert!((dot(&probe, &mate) - cosine).abs() < 1e-5);
        }
        assert!(dot(&sphere.vector(), &mate).abs() < 0.4);
    }
}
