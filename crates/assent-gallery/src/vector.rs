//! Vectors of length 1 and the 8-bit rows that they become.

use thiserror::Error;

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
    /// A number is NaN or infinite.
    #[error("a vector with a number that is not finite")]
    NotFinite,
    /// All numbers are 0.
    #[error("a vector of length 0")]
    Zero,
    /// The length is not 1 (within a thousandth).
    #[error("a vector that is not of length 1")]
    NotNormalised,
}

/// How numbers become bytes: `x * 127 / limit`, rounded, halves to even, with `limit = 5.6 / sqrt(dimensions)`,
/// which depends on nothing but the dimension, so that the scale keeps nothing of anybody.
///
/// # Source
///
/// The limit: the largest number seen in 7,701 embeddings of 256 dimensions was 0.322; 5.6 / sqrt(256) = 0.35. What
/// rounding costs is in `docs/performance.md`: it moves a cosine by about a thousandth and no accuracy figure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) dimensions: usize,
    factor: f64,
}

impl Scale {
    pub(crate) fn new(dimensions: usize) -> Scale {
        Scale { dimensions, factor: 127.0 * (dimensions as f64).sqrt() / 5.6 }
    }

    /// The product of a row with itself, were it of length 1 and stored without rounding.
    pub(crate) fn unit(self) -> f64 {
        self.factor.powi(2)
    }

    /// The least product of 8-bit rows whose cosine is `score`.
    pub(crate) fn least(self, score: f32) -> i32 {
        (f64::from(score) * self.unit()).ceil() as i32
    }

    /// The greatest length that a row has: that of the vector, and half a step for each number.
    pub(crate) fn longest_row(self) -> f64 {
        self.factor * (1.0 + TOLERANCE) + 0.5 * (self.dimensions as f64).sqrt()
    }

    /// A vector's row.
    ///
    /// # Errors
    ///
    /// As [`write_row`](Self::write_row).
    pub(crate) fn row(self, vector: &[f32]) -> Result<Vec<i8>, VectorError> {
        let mut row = vec![0; self.dimensions];
        self.write_row(vector, &mut row)?;
        Ok(row)
    }

    /// A vector's row, in `row`, which has room for as many numbers as there are dimensions.
    ///
    /// # Errors
    ///
    /// [`VectorError`], each variant as it says.
    pub(crate) fn write_row<'r>(self, vector: &[f32], row: &'r mut [i8]) -> Result<&'r [i8], VectorError> {
        if vector.len() != self.dimensions {
            return Err(VectorError::Dimensions { expected: self.dimensions, got: vector.len() });
        }
        // Eight sums, so that the processor does not wait for one addition after the other.
        let (eights, rest) = vector.as_chunks::<8>();
        let mut sums = [0.0; 8];
        for eight in eights {
            sums.iter_mut().zip(eight).for_each(|(sum, v)| *sum += f64::from(*v).powi(2));
        }
        let length = (sums.iter().sum::<f64>() + rest.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>()).sqrt();
        if !length.is_finite() {
            return Err(VectorError::NotFinite);
        }
        if length == 0.0 {
            return Err(VectorError::Zero);
        }
        if (length - 1.0).abs() > TOLERANCE {
            return Err(VectorError::NotNormalised);
        }
        let factor = self.factor as f32;
        // Added to a small number, this leaves its whole part, rounded, in the last bits: a cast, which has to look for
        // what no integer holds, takes several times as long.
        let rounding = 12_582_912.0_f32;
        let number = |v: f32| (v * factor).clamp(-127.0, 127.0) + rounding;
        row.iter_mut().zip(vector).for_each(|(to, v)| *to = number(*v).to_bits() as i8);
        Ok(row)
    }
}

/// How far from 1 a length may be.
const TOLERANCE: f64 = 1e-3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_vectors_are_named() {
        let check = |name: &str, v: &[f32], expected| assert_eq!(Scale::new(4).row(v), Err(expected), "{name}");
        check("too short", &[1.0, 0.0, 0.0], VectorError::Dimensions { expected: 4, got: 3 });
        check("empty", &[], VectorError::Dimensions { expected: 4, got: 0 });
        check("too many", &[0.5; 5], VectorError::Dimensions { expected: 4, got: 5 });
        check("NaN", &[f32::NAN, 0.0, 0.0, 0.0], VectorError::NotFinite);
        check("infinite", &[f32::INFINITY, 0.0, 0.0, 0.0], VectorError::NotFinite);
        check("zero", &[0.0; 4], VectorError::Zero);
        check("too long", &[1.0, 1.0, 0.0, 0.0], VectorError::NotNormalised);
        check("a little too short", &[0.998, 0.0, 0.0, 0.0], VectorError::NotNormalised);
        assert!(Scale::new(4).row(&[0.9995, 0.0, 0.0, 0.0]).is_ok());
    }
}
