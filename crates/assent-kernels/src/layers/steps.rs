//! How numbers become whole numbers of 16 bits.

use super::max;
use crate::Kernel;

/// Largest whole number that stands for an activation.
pub(super) const ACTIVATION_MAX: f32 = 32_767.0;

/// The largest number of `row` without its sign; 0 for an empty one.
pub fn largest(kernel: Kernel, row: &[f32]) -> f32 {
    match kernel {
        Kernel::Scalar => largest_plain(row),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: either proof says that the processor has AVX2 and FMA.
        Kernel::Avx2(_) | Kernel::Avx512Vnni(_) => unsafe { avx2::largest(row) },
    }
}

#[inline(always)]
pub(super) fn largest_plain(row: &[f32]) -> f32 {
    // So many side by side that no comparison waits for the one before it.
    let (groups, rest) = row.as_chunks::<64>();
    let mut most = [0f32; 64];
    for group in groups {
        most.iter_mut().zip(group).for_each(|(m, v)| *m = max(*m, v.abs()));
    }
    most.iter_mut().zip(rest).for_each(|(m, v)| *m = max(*m, v.abs()));
    most.into_iter().fold(0.0, max)
}

/// Writes `row` in whole steps of a size that suits `largest`, its largest number without its sign, and returns the
/// size of a step.
///
/// # Panics
///
/// If `out` is shorter than `row`.
pub fn quantise(kernel: Kernel, row: &[f32], largest: f32, out: &mut [i16]) -> f32 {
    assert!(out.len() >= row.len());
    let scale = if largest > 0.0 { largest / ACTIVATION_MAX } else { 1.0 };
    match kernel {
        Kernel::Scalar => quantise_plain(row, 1.0 / scale, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: either proof says that the processor has AVX2 and FMA; the assert above checked the lengths.
        Kernel::Avx2(_) | Kernel::Avx512Vnni(_) => unsafe { avx2::quantise(row, 1.0 / scale, out) },
    }
    scale
}

#[inline(always)]
fn quantise_plain(row: &[f32], steps: f32, out: &mut [i16]) {
    for (to, from) in out.iter_mut().zip(row) {
        *to = (from * steps).round_ties_even() as i16;
    }
}

/// Turns bytes into whole numbers, `(byte - mean) * steps`. The means go round in a circle: 48 of them are three colours
/// for sixteen pixels, a length that vectors divide.
///
/// # Panics
///
/// If `out` is shorter than `bytes`.
pub fn normalise(kernel: Kernel, bytes: &[u8], mean: &[f32; 48], steps: f32, out: &mut [i16]) {
    assert!(out.len() >= bytes.len());
    match kernel {
        Kernel::Scalar => normalise_plain(bytes, mean, steps, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: either proof says that the processor has AVX2 and FMA.
        Kernel::Avx2(_) | Kernel::Avx512Vnni(_) => unsafe { avx2::normalise(bytes, mean, steps, out) },
    }
}

#[inline(always)]
fn normalise_plain(bytes: &[u8], mean: &[f32; 48], steps: f32, out: &mut [i16]) {
    let number = |((to, from), mean): ((&mut i16, &u8), &f32)| *to = nearest((f32::from(*from) - mean) * steps);
    let (groups, rest) = bytes.as_chunks::<48>();
    let (to_groups, to_rest) = out[..bytes.len()].as_chunks_mut::<48>();
    for (to, from) in to_groups.iter_mut().zip(groups) {
        to.iter_mut().zip(from).zip(mean).for_each(number);
    }
    to_rest.iter_mut().zip(rest).zip(mean).for_each(number);
}

/// The nearest whole number, the even one of two, to a number of less than 22 bits.
#[inline(always)]
pub(super) fn nearest(number: f32) -> i16 {
    // Added to 1.5 * 2^23, it loses all behind its point, and what is left stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    (number + ROUND).to_bits() as i16
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        _mm256_cvtps_epi32, _mm256_loadu_ps, _mm256_mul_ps, _mm256_packs_epi32, _mm256_permute4x64_epi64,
        _mm256_set1_ps, _mm256_storeu_si256,
    };

    use super::super::LANES;

    /// # Safety
    ///
    /// AVX2 and FMA are there; `out` is as long as `row` or longer.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn quantise(row: &[f32], steps: f32, out: &mut [i16]) {
        let (groups, rest) = row.as_chunks::<16>();
        let (to_groups, to_rest) = out[..row.len()].as_chunks_mut::<16>();
        let factor = _mm256_set1_ps(steps);
        for (to, from) in to_groups.iter_mut().zip(groups) {
            // SAFETY: `from` is an array of 16 floats and `to` one of 16 numbers of 16 bits.
            unsafe {
                let low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(from.as_ptr()), factor));
                let high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(from.as_ptr().add(LANES)), factor));
                // The packing works in halves of a vector: 0 2 1 3 puts the quarters in order.
                let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(low, high));
                _mm256_storeu_si256(to.as_mut_ptr().cast(), packed);
            }
        }
        super::quantise_plain(rest, steps, to_rest);
    }

    /// The scalar twin, translated for this processor.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn largest(row: &[f32]) -> f32 {
        super::largest_plain(row)
    }

    /// The scalar twin, translated for this processor.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn normalise(bytes: &[u8], mean: &[f32; 48], steps: f32, out: &mut [i16]) {
        super::normalise_plain(bytes, mean, steps, out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::numbers;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whole_steps_equal_their_scalar_twin(length in 0usize..200, seed in any::<u32>()) {
            let row = numbers(length, seed);
            let run = |kernel| {
                let (most, mut out) = (largest(kernel, &row), vec![0; length]);
                let scale = quantise(kernel, &row, most, &mut out);
                (most.to_bits(), out, scale)
            };
            let (most, out, scale) = run(Kernel::Scalar);
            for kernel in Kernel::all() {
                prop_assert_eq!(run(kernel), (most, out.clone(), scale), "{}", kernel.name());
            }
            for (number, steps) in row.iter().zip(&out) {
                prop_assert!((number - f32::from(*steps) * scale).abs() <= 0.51 * scale, "{number}: {steps} of {scale}");
            }
        }
    }

    #[test]
    fn bytes_become_numbers_by_their_colour() {
        let mean: [f32; 48] = std::array::from_fn(|i| (i % 3) as f32 * 10.0);
        let bytes: Vec<u8> = (0..101).map(|i| i * 2).collect();
        for kernel in Kernel::all() {
            let mut out = vec![-1; 104];
            normalise(kernel, &bytes, &mean, 128.0, &mut out);
            let expected: Vec<i16> = (0..101).map(|i: i16| (i * 2 - i % 3 * 10) * 128).collect();
            assert_eq!(out[..101], expected);
            assert_eq!(out[101..], [-1; 3]);
        }
    }
}
