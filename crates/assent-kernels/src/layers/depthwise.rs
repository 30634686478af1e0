//! 3x3 convolutions in each channel alone, and pooling, in 32-bit floats.

#[cfg(target_arch = "x86_64")]
mod vectors;

use super::{Activation, BLOCK, largest_plain, max};
use crate::{Buffer, Kernel};

/// A layer that looks at a neighbourhood of 3 x 3 pixels in each channel alone.
#[derive(Debug)]
pub struct Depthwise {
    /// `[row][column][channel]`
    weights: Buffer<f32>,
    bias: Vec<f32>,
    stride: usize,
    activation: Activation,
}

impl Depthwise {
    /// A layer from `weights` (`[channel][row][column]`, 3 x 3) and one bias for each channel, for every pixel
    /// (`stride` 1) or every second one (2). `None` for another stride, or unless the channels are a multiple of 16, at
    /// least 16, and `weights` holds nine numbers for each.
    pub fn new(weights: &[f32], bias: &[f32], stride: usize, activation: Activation) -> Option<Depthwise> {
        let channels = bias.len();
        let whole = channels > 0 && channels.is_multiple_of(BLOCK) && weights.len() == channels * 9;
        if !matches!(stride, 1 | 2) || !whole {
            return None;
        }
        let packed: Vec<f32> = (0..9).flat_map(|tap| weights.iter().skip(tap).step_by(9).copied()).collect();
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
            Kernel::Avx2(_) => unsafe { vectors::depthwise_avx2(self, rows, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Avx512Vnni` exists, so the processor has AVX-512; the asserts above checked the lengths.
            Kernel::Avx512Vnni(_) => unsafe { vectors::depthwise_avx512(self, rows, out) },
        }
    }

    fn row_scalar(&self, rows: [&[f32]; 3], out: &mut [f32]) -> f32 {
        let channels = self.channels();
        for (i, value) in out.iter_mut().enumerate() {
            let (p, c) = (i / channels, i % channels);
            let weights = self.weights[c..].iter().step_by(channels);
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
/// If the channels are not a multiple of 16, `row` is not a whole number of pixel pairs, or `out` not half as long.
pub fn pool(kernel: Kernel, row: &[f32], channels: usize, join: bool, out: &mut [f32]) {
    assert!(channels.is_multiple_of(BLOCK) && row.len().is_multiple_of(2 * channels) && out.len() * 2 == row.len());
    match kernel {
        Kernel::Scalar => pool_plain(row, channels, join, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Avx2` exists, so the processor has AVX2 and FMA; the assert above checked the lengths.
        Kernel::Avx2(_) => unsafe { vectors::pool_avx2(row, channels, join, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Avx512Vnni` exists, so the processor has AVX-512; the assert above checked the lengths.
        Kernel::Avx512Vnni(_) => unsafe { vectors::pool_avx512(row, channels, join, out) },
    }
}

#[inline(always)]
fn pool_plain(row: &[f32], channels: usize, join: bool, out: &mut [f32]) {
    for (to, pair) in out.chunks_exact_mut(channels).zip(row.chunks_exact(2 * channels)) {
        let (left, right) = pair.split_at(channels);
        let pixels = left.as_chunks::<BLOCK>().0.iter().zip(right.as_chunks::<BLOCK>().0);
        for (to, (left, right)) in to.as_chunks_mut::<BLOCK>().0.iter_mut().zip(pixels) {
            for i in 0..BLOCK {
                let largest = max(left[i], right[i]);
                to[i] = if join { max(to[i], largest) } else { largest };
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
            let channels = blocks * BLOCK;
            let (weights, bias) = (numbers(channels * 9, seed), numbers(channels, !seed));
            let layer = Depthwise::new(&weights, &bias, stride, activation(end)).unwrap();
            let rows: Vec<Vec<f32>> = (0..3).map(|r| numbers((pixels * stride + 2) * channels, seed ^ r)).collect();
            let rows = [rows[0].as_slice(), &rows[1], &rows[2]];
            let run = |kernel| {
                let mut out = vec![f32::NAN; pixels * channels];
                let most = layer.row(kernel, rows, &mut out);
                (out, most)
            };
            let (plain, _) = run(Kernel::Scalar);
            let largest = plain.iter().fold(0f32, |most, v| most.max(v.abs()));
            for kernel in Kernel::all() {
                let (out, most) = run(kernel);
                prop_assert_eq!(bits(&out), bits(&plain), "{}", kernel.name());
                prop_assert_eq!(most.to_bits(), largest.to_bits(), "{}", kernel.name());
            }
        }
    }

    proptest! {
        #[test]
        fn pools_equal_their_scalar_twin(pixels in 0usize..20, blocks in 1usize..9, seed in any::<u32>(), join: bool) {
            let channels = blocks * BLOCK;
            let row = numbers(2 * pixels * channels, seed);
            let run = |kernel| {
                let mut out = numbers(pixels * channels, !seed);
                pool(kernel, &row, channels, join, &mut out);
                bits(&out)
            };
            for kernel in Kernel::all() {
                prop_assert_eq!(run(kernel), run(Kernel::Scalar), "{}", kernel.name());
            }
        }
    }

    #[test]
    fn a_pool_takes_the_largest_of_four_pixels() {
        // Four pixels of sixteen channels: a number, and the same with a minus.
        let row = |pixels: [f32; 4]| pixels.map(|v| [[v; 8], [-v; 8]]).as_flattened().concat();
        for kernel in Kernel::all() {
            let mut out = [100.0; 32];
            pool(kernel, &row([1.0, 3.0, 0.0, 9.0]), 16, false, &mut out);
            pool(kernel, &row([2.0, 1.0, 5.0, 4.0]), 16, true, &mut out);
            assert_eq!((out[0], out[15], out[16], out[31]), (3.0, -1.0, 9.0, 0.0));
        }
    }

    #[test]
    fn a_depthwise_layer_sees_its_nine_neighbours() {
        let weights: Vec<f32> = (0..16).flat_map(|_| (0..9).map(|tap| tap as f32)).collect();
        let layer = Depthwise::new(&weights, &[0.0; 16], 1, Activation::None).unwrap();
        let rows: Vec<Vec<f32>> = [1.0, 10.0, 100.0].iter().map(|v| vec![*v; 3 * 16]).collect();
        let expected = f32::from(1 + 2u8) + 10.0 * f32::from(3 + 4 + 5u8) + 100.0 * f32::from(6 + 7 + 8u8);
        for kernel in Kernel::all() {
            let mut out = [0.0; 16];
            layer.row(kernel, [&rows[0], &rows[1], &rows[2]], &mut out);
            assert_eq!(bits(&out), bits(&[expected; 16]));
        }
    }

    #[test]
    fn layers_of_odd_shapes_are_refused() {
        let check = |name: &str, weights: usize, channels: usize, stride: usize, fits: bool| {
            let (weights, bias) = (vec![0.0; weights], vec![0.0; channels]);
            assert_eq!(Depthwise::new(&weights, &bias, stride, Activation::None).is_some(), fits, "{name}");
        };
        check("sixteen channels", 144, 16, 1, true);
        check("every second pixel", 144, 16, 2, true);
        check("no step", 144, 16, 0, false);
        check("every third pixel", 144, 16, 3, false);
        check("no channels", 0, 0, 1, false);
        check("eight channels", 72, 8, 1, false);
        check("one weight too few", 143, 16, 1, false);
    }
}
