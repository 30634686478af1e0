//! Each channel as a whole: its sum over many pixels, and a factor for all of its numbers (squeeze and excitation).

use std::array::from_fn;

use super::{BLOCK, max};
use crate::Kernel;

/// Adds the pixels of `row` (`[pixel][channel]`) to `sums`, one for each channel.
///
/// # Panics
///
/// If `row` is not a whole number of pixels.
pub fn add_pixels(kernel: Kernel, row: &[f32], sums: &mut [f32]) {
    assert!(row.len().is_multiple_of(sums.len()));
    match kernel {
        Kernel::Scalar => add_pixels_plain(row, sums),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: either proof says that the processor has AVX2 and FMA.
        Kernel::Avx2(_) | Kernel::Avx512Vnni(_) => unsafe { avx2::add_pixels(row, sums) },
    }
}

#[inline(always)]
fn add_pixels_plain(row: &[f32], sums: &mut [f32]) {
    for pixel in row.chunks_exact(sums.len()) {
        sums.iter_mut().zip(pixel).for_each(|(sum, number)| *sum += number);
    }
}

/// Multiplies the pixels of `row` (`[pixel][channel]`) by `factors`, one for each channel, and adds `joined`, which is as
/// long as `row` or empty. Returns the largest number of the result without its sign.
///
/// # Panics
///
/// If there is not a multiple of 16 channels, `row` is not a whole number of pixels, or `joined` of another length.
pub fn scale_pixels(kernel: Kernel, row: &mut [f32], factors: &[f32], joined: &[f32]) -> f32 {
    assert!(factors.len().is_multiple_of(BLOCK) && row.len().is_multiple_of(factors.len()));
    assert!(joined.is_empty() || joined.len() == row.len());
    match kernel {
        Kernel::Scalar => scale_pixels_plain(row, factors, joined),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: either proof says that the processor has AVX2 and FMA.
        Kernel::Avx2(_) | Kernel::Avx512Vnni(_) => unsafe { avx2::scale_pixels(row, factors, joined) },
    }
}

#[inline(always)]
fn scale_pixels_plain(row: &mut [f32], factors: &[f32], joined: &[f32]) -> f32 {
    let mut most = [0f32; BLOCK];
    let (factors, mut joined) = (factors.as_chunks::<BLOCK>().0, joined.as_chunks::<BLOCK>().0.iter());
    for pixel in row.as_chunks_mut::<BLOCK>().0.chunks_exact_mut(factors.len()) {
        for (numbers, factors) in pixel.iter_mut().zip(factors) {
            let mut scaled: [f32; BLOCK] = from_fn(|lane| numbers[lane] * factors[lane]);
            if let Some(joined) = joined.next() {
                scaled = from_fn(|lane| scaled[lane] + joined[lane]);
            }
            most = from_fn(|lane| max(scaled[lane].abs(), most[lane]));
            *numbers = scaled;
        }
    }
    most.into_iter().fold(0.0, max)
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    /// # Safety
    ///
    /// AVX2 and FMA are there.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn add_pixels(row: &[f32], sums: &mut [f32]) {
        super::add_pixels_plain(row, sums);
    }

    /// # Safety
    ///
    /// AVX2 and FMA are there.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn scale_pixels(row: &mut [f32], factors: &[f32], joined: &[f32]) -> f32 {
        super::scale_pixels_plain(row, factors, joined)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{bits, numbers};
    use super::*;

    proptest! {
        #[test]
        fn sums_and_factors_equal_their_scalar_twins(
            pixels in 0usize..20, blocks in 1usize..9, seed in any::<u32>(), joins: bool,
        ) {
            let channels = blocks * BLOCK;
            let (row, factors) = (numbers(pixels * channels, seed), numbers(channels, !seed));
            let joined = if joins { numbers(pixels * channels, seed ^ 5) } else { Vec::new() };
            let run = |kernel| {
                let (mut sums, mut scaled) = (factors.clone(), row.clone());
                add_pixels(kernel, &row, &mut sums);
                let most = scale_pixels(kernel, &mut scaled, &factors, &joined);
                (bits(&sums), bits(&scaled), most.to_bits())
            };
            for kernel in Kernel::all() {
                prop_assert_eq!(run(kernel), run(Kernel::Scalar), "{}", kernel.name());
            }
        }
    }

    #[test]
    fn each_channel_has_its_sum_and_its_factor() {
        // Two pixels; the second is greater by 16.
        let row: Vec<f32> = (0..32u8).map(f32::from).collect();
        let mut factors = [1.0; 16];
        (factors[0], factors[2], factors[15]) = (0.0, 2.0, -1.0);
        for kernel in Kernel::all() {
            let mut sums = [100.0; 16];
            add_pixels(kernel, &row, &mut sums);
            assert_eq!(bits(&[sums[0], sums[1], sums[15]]), bits(&[116.0, 118.0, 146.0]));
            let mut scaled = row.clone();
            let most = scale_pixels(kernel, &mut scaled, &factors, &[]);
            assert_eq!(bits(&[scaled[2], scaled[18], scaled[31], most]), bits(&[4.0, 36.0, -31.0, 36.0]));
            let mut added = row.clone();
            let most = scale_pixels(kernel, &mut added, &factors, &[-100.0; 32]);
            assert_eq!(bits(&[added[2], added[18], added[31], most]), bits(&[-96.0, -64.0, -131.0, 131.0]));
        }
    }
}
