//! 1x1 convolutions and their like, in whole numbers of 16 bits.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use super::steps::{ACTIVATION_MAX, nearest};
use super::{Activation, BLOCK};
use crate::{Buffer, Kernel};

/// Largest number of taps: the rounding of each may add a half to the sum below.
const TAPS_MAX: usize = 4096;
/// Largest sum of an output's weights, without their signs: times [`ACTIVATION_MAX`], just below 2^31.
const WEIGHTS_MAX: f32 = 65_000.0;

/// A layer in which every output channel of a pixel depends on all of its taps: a 1x1 convolution, or one of several
/// rows whose taps lie together.
///
/// It multiplies whole numbers of 16 bits, twice as many at a time as floats. Activations keep 15 bits of the largest
/// of their row, weights about 12 (as many as 32-bit sums allow without ever overflowing): finer than the bfloat16 that
/// processors with AMX use.
#[derive(Debug)]
pub struct Dense {
    /// `[outputs / 16][runs][share / 2 rounded up][16][2]`
    weights: Buffer<i16>,
    /// What one step of each output's weights is worth.
    steps: Vec<f32>,
    bias: Vec<f32>,
    runs: usize,
    share: usize,
    activation: Activation,
}

impl Dense {
    /// A layer from `weights` (`[output][run][tap]`) and one bias for each output. `None` unless the outputs are a
    /// multiple of 16, all weights are finite, and there is the same number of them, at least one, for each output and
    /// run, at most 4096 for an output.
    pub fn new(weights: &[f32], runs: usize, bias: &[f32], activation: Activation) -> Option<Dense> {
        let outputs = bias.len();
        let whole = outputs > 0 && runs > 0 && outputs.is_multiple_of(BLOCK) && !weights.is_empty();
        if !whole || !weights.len().is_multiple_of(outputs * runs) || !weights.iter().all(|w| w.is_finite()) {
            return None;
        }
        let taps = weights.len() / outputs;
        let share = taps / runs;
        if taps > TAPS_MAX {
            return None;
        }
        let step = |row: &[f32]| {
            let largest = row.iter().fold(0f32, |m, w| m.max(w.abs()));
            let sum: f32 = row.iter().map(|w| w.abs()).sum();
            // Less one for the rounding of each weight, so that the rounded ones stay below the limit.
            (sum / (WEIGHTS_MAX - taps as f32)).max(largest / ACTIVATION_MAX).max(f32::MIN_POSITIVE)
        };
        let steps: Vec<f32> = weights.chunks_exact(taps).map(step).collect();
        let pairs = share.div_ceil(2);
        let mut packed = Buffer::<i16>::default();
        packed.resized(outputs * runs * pairs * 2);
        for (i, row) in weights.chunks_exact(share).enumerate() {
            let (output, run) = (i / runs, i % runs);
            let start = (output / BLOCK * runs + run) * pairs * BLOCK * 2 + output % BLOCK * 2;
            for (to, taps) in packed[start..].chunks_mut(BLOCK * 2).zip(row.chunks(2)) {
                to.iter_mut().zip(taps).for_each(|(to, tap)| *to = nearest(tap / steps[output]));
            }
        }
        Some(Dense { weights: packed, steps, bias: bias.to_vec(), runs, share, activation })
    }

    /// The number of output channels.
    pub fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// Numbers of each run that an output depends on.
    pub fn share(&self) -> usize {
        self.share
    }

    /// Computes `out` (`[pixel][output]`). Pixel `p` takes its taps from number `p * step` on of each of `runs`; one
    /// step of an activation is worth `scale`.
    ///
    /// # Panics
    ///
    /// If there are not as many runs as the layer has, `out` is not a whole number of pixels, or a run is too short for
    /// the last pixel's taps, rounded up to an even number.
    pub fn row(&self, kernel: Kernel, runs: &[&[i16]], step: usize, scale: f32, out: &mut [f32]) {
        let pixels = out.len() / self.outputs();
        assert!(runs.len() == self.runs && out.len() == pixels * self.outputs());
        let needed = if pixels == 0 { 0 } else { (pixels - 1) * step + self.share.next_multiple_of(2) };
        assert!(runs.iter().all(|run| run.len() >= needed));
        match kernel {
            Kernel::Scalar => self.row_scalar(runs, step, scale, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Avx2` exists, so the processor has AVX2 and FMA; the asserts above checked the lengths.
            Kernel::Avx2(_) => unsafe { avx2::dense(self, runs, (step, scale), out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Avx512Vnni` exists, so the processor has AVX-512 and VNNI; the asserts above checked the lengths.
            Kernel::Avx512Vnni(_) => unsafe { avx512::dense(self, runs, (step, scale), out) },
        }
    }

    fn row_scalar(&self, runs: &[&[i16]], step: usize, scale: f32, out: &mut [f32]) {
        let (outputs, share) = (self.outputs(), self.share.next_multiple_of(2));
        for (p, pixel) in out.chunks_exact_mut(outputs).enumerate() {
            for (o, value) in pixel.iter_mut().enumerate() {
                let block = &self.weights[o / BLOCK * BLOCK * self.runs * share..];
                let weight = |i: usize| i32::from(block[(i / 2 * BLOCK + o % BLOCK) * 2 + i % 2]);
                let taps = runs.iter().flat_map(|run| &run[p * step..p * step + share]);
                let sum: i32 = taps.enumerate().map(|(i, tap)| i32::from(*tap) * weight(i)).sum();
                *value = self.activation.apply((sum as f32).mul_add(self.steps[o] * scale, self.bias[o]));
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
        fn dense_layers_equal_their_scalar_twin(
            pixels in 0usize..20, blocks in 1usize..5, share in 1usize..33, runs in 1usize..4, step in 1usize..40,
            seed in any::<u32>(), end in 0usize..4,
        ) {
            let outputs = blocks * BLOCK;
            let activation = activation(end);
            let weights = numbers(outputs * share * runs, seed);
            let layer = Dense::new(&weights, runs, &numbers(outputs, !seed), activation).unwrap();
            let sources: Vec<Vec<i16>> = (0..runs)
                .map(|r| numbers(20 * step + share + 1, seed ^ r as u32).iter().map(|v| (v * 32_767.0) as i16).collect())
                .collect();
            let sources: Vec<&[i16]> = sources.iter().map(Vec::as_slice).collect();
            let run = |kernel| {
                let mut out = vec![f32::NAN; pixels * outputs];
                layer.row(kernel, &sources, step, 0.01, &mut out);
                bits(&out)
            };
            for kernel in Kernel::all() {
                prop_assert_eq!(run(kernel), run(Kernel::Scalar), "{}", kernel.name());
            }
        }
    }

    #[test]
    fn a_dense_layer_is_a_matrix_product() {
        // Output o is bias o + 1 * first tap + o * second tap.
        let weights: Vec<f32> = (0..16).flat_map(|o| [1.0, o as f32]).collect();
        let layer = Dense::new(&weights, 1, &[0.5; 16], Activation::Relu).unwrap();
        let mut out = [0.0; 32];
        layer.row(Kernel::detect(), &[&[1000, 200, -1000, 100]], 2, 0.01, &mut out);
        for (i, expected) in [(0, 10.5), (1, 12.5), (2, 14.5), (16, 0.0), (25, 0.0), (31, 5.5)] {
            let got: f32 = out[i];
            assert!((got - expected).abs() < 5e-3, "{i}: {got} instead of {expected}");
        }
    }

    #[test]
    fn the_largest_sums_do_not_overflow() {
        for taps in [1, 2, 27, 64, 512] {
            let layer = Dense::new(&vec![1.0; 16 * taps], 1, &[0.0; 16], Activation::None).unwrap();
            let row = vec![i16::MAX; taps + 1];
            for kernel in Kernel::all() {
                let mut out = [0.0; 16];
                layer.row(kernel, &[&row], taps, 1.0, &mut out);
                let expected = taps as f32 * 32_767.0;
                assert!((out[15] - expected).abs() < expected * 5e-3, "{taps}: {} instead of {expected}", out[15]);
            }
        }
    }

    #[test]
    fn layers_of_odd_shapes_are_refused() {
        let check = |name: &str, weights: &[f32], runs: usize, outputs: usize, fits: bool| {
            assert_eq!(Dense::new(weights, runs, &vec![0.0; outputs], Activation::None).is_some(), fits, "{name}");
        };
        check("one tap", &[1.0; 16], 1, 16, true);
        check("no outputs", &[], 1, 0, false);
        check("no weights", &[], 1, 16, false);
        check("no runs", &[1.0; 16], 0, 16, false);
        check("nine for sixteen", &[1.0; 144], 3, 16, true);
        check("a run cut short", &[1.0; 144], 2, 16, false);
        check("ten outputs", &[1.0; 90], 1, 10, false);
        check("not a number", &[f32::NAN; 16], 1, 16, false);
        check("all zero", &[0.0; 16], 1, 16, true);
    }
}
