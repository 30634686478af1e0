//! Layers of small convolutional networks, one row of pixels at a time.
//!
//! A row is `[pixel][channel]`, so that the channels of a pixel lie together. Working by rows lets a whole chain of
//! layers stay in the processor's cache. The order in which an output number is put together is part of the contract:
//! every kernel's result equals the scalar twin's to the bit, and a network's result is the same on every processor.

mod channels;
mod dense;
mod depthwise;
mod steps;
#[cfg(target_arch = "x86_64")]
mod vector;

pub use channels::{add_pixels, scale_pixels};
pub use dense::Dense;
pub use depthwise::{Depthwise, pool};
use steps::largest_plain;
pub use steps::{largest, normalise, quantise};

/// Channels come in multiples of so many, a vector of 512 bits.
const BLOCK: usize = 16;
/// Channels of a vector of 256 bits.
const LANES: usize = 8;

/// The larger number; of a NaN and a number the second, as the vectors have it.
#[inline(always)]
fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// What is done to a layer's numbers at its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// No activation: the numbers stay as they are.
    None,
    /// Negative numbers (and what is not a number) become 0.
    Relu,
    /// What has a minus is multiplied by this slope; what is not a number stays so.
    Leaky(f32),
}

impl Activation {
    /// The activation of one number.
    pub fn apply(self, value: f32) -> f32 {
        match self {
            Activation::None => value,
            Activation::Relu => {
                if value > 0.0 {
                    value
                } else {
                    0.0
                }
            }
            Activation::Leaky(slope) => {
                if value.is_sign_negative() {
                    value * slope
                } else {
                    value
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256, _mm256_blendv_ps, _mm256_max_ps, _mm256_mul_ps, _mm256_set1_ps, _mm256_setzero_ps,
    };

    use super::Activation;

    #[target_feature(enable = "avx2,fma")]
    #[inline]
    pub(super) fn end(activation: Activation, sum: __m256) -> __m256 {
        match activation {
            Activation::None => sum,
            Activation::Relu => _mm256_max_ps(sum, _mm256_setzero_ps()), // Of a NaN and 0, it takes the second.
            // A blend looks at the sign alone.
            Activation::Leaky(slope) => _mm256_blendv_ps(sum, _mm256_mul_ps(sum, _mm256_set1_ps(slope)), sum),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512, _mm512_castps_si512, _mm512_mask_mul_ps, _mm512_max_ps, _mm512_movepi32_mask, _mm512_set1_ps,
        _mm512_setzero_ps,
    };

    use super::Activation;

    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    pub(super) fn end(activation: Activation, sum: __m512) -> __m512 {
        match activation {
            Activation::None => sum,
            Activation::Relu => _mm512_max_ps(sum, _mm512_setzero_ps()), // Of a NaN and 0, it takes the second.
            Activation::Leaky(slope) => {
                let negative = _mm512_movepi32_mask(_mm512_castps_si512(sum));
                _mm512_mask_mul_ps(sum, negative, sum, _mm512_set1_ps(slope))
            }
        }
    }
}

#[cfg(test)]
mod testing {
    use super::Activation;

    /// One of the activations, by a number.
    pub(super) fn activation(which: usize) -> Activation {
        [Activation::None, Activation::Relu, Activation::Leaky(0.25), Activation::Leaky(-1.5)][which % 4]
    }

    /// Numbers between -1 and 1 from a counter.
    pub(super) fn numbers(n: usize, seed: u32) -> Vec<f32> {
        let mix = |i: usize| (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(2_246_822_519) >> 8;
        (0..n).map(|i| mix(i) as f32 / (1 << 23) as f32 - 1.0).collect()
    }

    pub(super) fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|v| v.to_bits()).collect()
    }
}
