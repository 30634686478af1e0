//! 3x3 convolutions in each channel alone, and pooling, in 32-bit floats.

use super::{Activation, LANES, larger, largest_plain};
use crate::{Buffer, Kernel};

/// A layer that looks at a neighbourhood of 3 x 3 pixels in each channel alone.
#[derive(Debug)]
pub struct Depthwise {
    /// `[channels / 8][9][8]`
    weights: Buffer<f32>,
    bias: Vec<f32>,
    stride: usize,
    activation: Activation,
}

impl Depthwise {
    /// A layer from `weights` (`[channel][row][column]`, 3 x 3) and one bias for each channel, for every pixel
    /// (`stride` 1) or every second one (2). `None` for another stride, or unless the channels are a multiple of 8, at
    /// least 8, and `weights` holds nine numbers for each.
    pub fn new(weights: &[f32], bias: &[f32], stride: usize, activation: Activation) -> Option<Depthwise> {
        let channels = bias.len();
        if !matches!(stride, 1 | 2) || channels == 0 || !channels.is_multiple_of(LANES) || weights.len() != channels * 9
        {
            return None;
        }
        let mut packed = Vec::with_capacity(weights.len());
        for block in weights.chunks_exact(LANES * 9) {
            packed.extend((0..9).flat_map(|tap| block.iter().skip(tap).step_by(9)));
        }
        Some(Depthwise { weights: packed.as_slice().into(), bias: bias.to_vec(), stride, activation })
    }

    /// Channels in and out.
    pub fn channels(&self) -> usize {
        self.bias.len()
    }

    /// How many pixels it goes on from one output to the next.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Computes `out` (`[pixel][channel]`) from the rows above, at and below it. Output `p` looks at pixels `p * stride`
    /// to `p * stride + 2` of each row, so that rows have one more pixel at either end. Returns the largest number of
    /// `out` without its sign, as [`largest`](super::largest) does.
    ///
    /// # Panics
    ///
    /// If `out` is not a whole number of pixels, or a row does not hold the last one's neighbours.
    pub fn row(&self, kernel: Kernel, rows: [&[f32]; 3], out: &mut [f32]) -> f32 {
        let channels = self.channels();
        assert!(out.len().is_multiple_of(channels));
        let needed = if out.is_empty() { 0 } else { (out.len() - channels) * self.stride + 3 * channels };
        assert!(rows.iter().all(|row| row.len() >= needed));
        match kernel {
            Kernel::Scalar => self.row_scalar(rows, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Avx2` exists, so the processor has AVX2 and FMA; the asserts above checked the lengths.
            Kernel::Avx2(_) => unsafe { avx2::depthwise(self, rows, out) },
        }
    }

    fn row_scalar(&self, rows: [&[f32]; 3], out: &mut [f32]) -> f32 {
        let channels = self.channels();
        for (i, value) in out.iter_mut().enumerate() {
            let (p, c) = (i / channels, i % channels);
            let weights = self.weights[c / LANES * LANES * 9 + c % LANES..].iter().step_by(LANES);
            let taps =
                rows.iter().flat_map(|row| row[p * self.stride * channels + c..].iter().step_by(channels).take(3));
            let sum = taps.zip(weights).fold(self.bias[c], |sum, (tap, weight)| tap.mul_add(*weight, sum));
            *value = self.activation.apply(sum);
        }
        largest_plain(out)
    }
}

/// The larger of each two neighbouring pixels of `row` (`[pixel][channel]`), into `out`, half as long; with `join`, the
/// larger of that and what `out` holds. Two rows into one `out` are a pooling of 2 x 2 pixels.
///
/// # Panics
///
/// If the channels are not a multiple of 8, `row` is not a whole number of pixel pairs, or `out` not half as long.
pub fn pool(kernel: Kernel, row: &[f32], channels: usize, join: bool, out: &mut [f32]) {
    assert!(channels.is_multiple_of(LANES) && row.len().is_multiple_of(2 * channels) && out.len() * 2 == row.len());
    match kernel {
        Kernel::Scalar => pool_plain(row, channels, join, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Avx2` exists, so the processor has AVX2 and FMA; the assert above checked the lengths.
        Kernel::Avx2(_) => unsafe { avx2::pool(row, channels, join, out) },
    }
}

#[inline(always)]
fn pool_plain(row: &[f32], channels: usize, join: bool, out: &mut [f32]) {
    for (to, pair) in out.chunks_exact_mut(channels).zip(row.chunks_exact(2 * channels)) {
        let (left, right) = pair.split_at(channels);
        let pixels = left.as_chunks::<LANES>().0.iter().zip(right.as_chunks::<LANES>().0);
        for (to, (left, right)) in to.as_chunks_mut::<LANES>().0.iter_mut().zip(pixels) {
            for i in 0..LANES {
                let largest = larger(left[i], right[i]);
                to[i] = if join { larger(to[i], largest) } else { largest };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256, _mm256_andnot_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_set1_ps, _mm256_setzero_ps,
        _mm256_storeu_ps,
    };

    use super::super::avx2::end;
    use super::{Depthwise, LANES};

    /// # Safety
    ///
    /// AVX2 and FMA are there; `out` holds whole pixels and each of `rows` the neighbours of the last one.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn depthwise(layer: &Depthwise, rows: [&[f32]; 3], out: &mut [f32]) -> f32 {
        let at = (0, _mm256_setzero_ps());
        // Sums, taps and weights of a tile are kept in the 16 registers: 6 + 8 + 1, or 3 + 7 + 1.
        // SAFETY: as the caller promises; the tiles go on where those before them end.
        let (_, most) = unsafe {
            if layer.stride == 1 {
                // One tile for all that is left of six.
                let at = tiles::<6, 8, 1>(layer, rows, out, at);
                let at = tiles::<5, 7, 1>(layer, rows, out, at);
                let at = tiles::<4, 6, 1>(layer, rows, out, at);
                let at = tiles::<3, 5, 1>(layer, rows, out, at);
                let at = tiles::<2, 4, 1>(layer, rows, out, at);
                tiles::<1, 3, 1>(layer, rows, out, at)
            } else {
                let at = tiles::<3, 7, 2>(layer, rows, out, at);
                tiles::<1, 3, 2>(layer, rows, out, at)
            }
        };
        let mut lanes = [0.0; LANES];
        // SAFETY: the array has room for eight numbers.
        unsafe { _mm256_storeu_ps(lanes.as_mut_ptr(), most) };
        lanes.into_iter().fold(0.0, f32::max)
    }

    /// As many tiles of `N` pixels as there is room for, from pixel `first` on. Returns the first pixel after them, and
    /// `most`, or what is larger, without its sign, of what was written.
    ///
    /// # Safety
    ///
    /// As [`depthwise`], with `STRIDE` the layer's and `M` of `(N - 1) * STRIDE + 3`.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    unsafe fn tiles<const N: usize, const M: usize, const STRIDE: usize>(
        layer: &Depthwise,
        rows: [&[f32]; 3],
        out: &mut [f32],
        (mut first, mut most): (usize, __m256),
    ) -> (usize, __m256) {
        let channels = layer.channels();
        while first + N <= out.len() / channels {
            for block in 0..channels / LANES {
                // SAFETY: pixels `first` to `first + N` and the block's 8 channels lie within what the caller promises.
                most = unsafe { depthwise_tile::<N, M, STRIDE>(layer, block, rows, first, (out, most)) };
            }
            first += N;
        }
        (first, most)
    }

    /// # Safety
    ///
    /// As [`tiles`], with `first + N` pixels or more, and `block` below `channels / 8`.
    ///
    /// Returns `most`, or what is larger, without its sign, of what was written.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    unsafe fn depthwise_tile<const N: usize, const M: usize, const STRIDE: usize>(
        layer: &Depthwise,
        block: usize,
        rows: [&[f32]; 3],
        first: usize,
        (out, mut most): (&mut [f32], __m256),
    ) -> __m256 {
        let channels = layer.bias.len();
        let (from, to) = (first * STRIDE * channels + block * LANES, first * channels + block * LANES);
        // SAFETY: `weights` holds 72 numbers for each block and `bias` 8; the reads of a row end with pixel
        // `(first + N - 1) * STRIDE + 2`, which it has, and the writes with pixel `first + N - 1`.
        unsafe {
            let mut weights = layer.weights.as_ptr().add(block * LANES * 9);
            let mut sums: [__m256; N] = [_mm256_loadu_ps(layer.bias.as_ptr().add(block * LANES)); N];
            for row in rows {
                let mut taps = [_mm256_setzero_ps(); M];
                for (n, tap) in taps.iter_mut().enumerate() {
                    *tap = _mm256_loadu_ps(row.as_ptr().add(from + n * channels));
                }
                for column in 0..3 {
                    let weight = _mm256_loadu_ps(weights);
                    weights = weights.add(LANES);
                    for (n, sum) in sums.iter_mut().enumerate() {
                        *sum = _mm256_fmadd_ps(taps[n * STRIDE + column], weight, *sum);
                    }
                }
            }
            for (n, sum) in sums.iter().enumerate() {
                let value = end(layer.activation, *sum);
                _mm256_storeu_ps(out.as_mut_ptr().add(to + n * channels), value);
                // Of a NaN and a number, it takes the second.
                most = _mm256_max_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0), value), most);
            }
        }
        most
    }

    /// # Safety
    ///
    /// AVX2 and FMA are there; `row` holds whole pairs of pixels, `out` as many pixels, and `channels` are a multiple of 8.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn pool(row: &[f32], channels: usize, join: bool, out: &mut [f32]) {
        for p in 0..out.len() / channels {
            for c in (0..channels).step_by(LANES) {
                // SAFETY: eight channels of pixels `2 p` and `2 p + 1` of `row`, and of pixel `p` of `out`.
                unsafe {
                    let left = row.as_ptr().add(2 * p * channels + c);
                    let to = out.as_mut_ptr().add(p * channels + c);
                    // Of a NaN and a number, it takes the second, as the twin does.
                    let mut largest = _mm256_max_ps(_mm256_loadu_ps(left), _mm256_loadu_ps(left.add(channels)));
                    if join {
                        largest = _mm256_max_ps(_mm256_loadu_ps(to), largest);
                    }
                    _mm256_storeu_ps(to, largest);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{activation, bits, numbers};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn depthwise_layers_equal_their_scalar_twin(
            pixels in 0usize..20, blocks in 1usize..9, seed in any::<u32>(), stride in 1usize..3, end in 0usize..4,
        ) {
            let channels = blocks * LANES;
            let (weights, bias) = (numbers(channels * 9, seed), numbers(channels, !seed));
            let layer = Depthwise::new(&weights, &bias, stride, activation(end)).unwrap();
            let rows: Vec<Vec<f32>> = (0..3).map(|r| numbers((pixels * stride + 2) * channels, seed ^ r)).collect();
            let rows = [rows[0].as_slice(), &rows[1], &rows[2]];
            let (mut fast, mut plain) = (vec![f32::NAN; pixels * channels], vec![f32::NAN; pixels * channels]);
            let most = [layer.row(Kernel::detect(), rows, &mut fast), layer.row(Kernel::Scalar, rows, &mut plain)];
            prop_assert_eq!(bits(&fast), bits(&plain));
            let expected = plain.iter().fold(0f32, |most, v| most.max(v.abs()));
            prop_assert_eq!(bits(&most), bits(&[expected; 2]));
        }
    }

    proptest! {
        #[test]
        fn pools_equal_their_scalar_twin(pixels in 0usize..20, blocks in 1usize..9, seed in any::<u32>(), join: bool) {
            let channels = blocks * LANES;
            let row = numbers(2 * pixels * channels, seed);
            let mut fast = numbers(pixels * channels, !seed);
            let mut plain = fast.clone();
            pool(Kernel::detect(), &row, channels, join, &mut fast);
            pool(Kernel::Scalar, &row, channels, join, &mut plain);
            prop_assert_eq!(bits(&fast), bits(&plain));
        }
    }

    #[test]
    fn a_pool_takes_the_largest_of_four_pixels() {
        // Four pixels of eight channels, all of a pixel's equal but the last.
        let row = |pixels: [f32; 4]| pixels.map(|v| [v, v, v, v, v, v, v, -v]).concat();
        for kernel in [Kernel::Scalar, Kernel::detect()] {
            let mut out = [100.0; 16];
            pool(kernel, &row([1.0, 3.0, 0.0, 9.0]), 8, false, &mut out);
            pool(kernel, &row([2.0, 1.0, 5.0, 4.0]), 8, true, &mut out);
            assert_eq!((out[0], out[7], out[8], out[15]), (3.0, -1.0, 9.0, 0.0));
        }
    }

    #[test]
    fn a_depthwise_layer_sees_its_nine_neighbours() {
        let weights: Vec<f32> = (0..8).flat_map(|_| (0..9).map(|tap| tap as f32)).collect();
        let layer = Depthwise::new(&weights, &[0.0; 8], 1, Activation::None).unwrap();
        let rows: Vec<Vec<f32>> = [1.0, 10.0, 100.0].iter().map(|v| vec![*v; 3 * 8]).collect();
        let mut out = [0.0; 8];
        layer.row(Kernel::detect(), [&rows[0], &rows[1], &rows[2]], &mut out);
        assert_eq!(
            bits(&out),
            bits(&[f32::from(1 + 2u8) + 10.0 * f32::from(3 + 4 + 5u8) + 100.0 * f32::from(6 + 7 + 8u8); 8])
        );
    }

    #[test]
    fn layers_of_odd_shapes_are_refused() {
        let check = |name: &str, weights: usize, channels: usize, stride: usize, fits: bool| {
            let (weights, bias) = (vec![0.0; weights], vec![0.0; channels]);
            assert_eq!(Depthwise::new(&weights, &bias, stride, Activation::None).is_some(), fits, "{name}");
        };
        check("eight channels", 72, 8, 1, true);
        check("every second pixel", 72, 8, 2, true);
        check("no step", 72, 8, 0, false);
        check("every third pixel", 72, 8, 3, false);
        check("no channels", 0, 0, 1, false);
        check("ten channels", 90, 10, 1, false);
        check("one weight too few", 71, 8, 1, false);
    }
}
