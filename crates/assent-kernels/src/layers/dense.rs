//! 1x1 convolutions and their like, in whole numbers of 16 bits, and how numbers become whole.

use super::{Activation, LANES, larger};
use crate::{Buffer, Kernel};

/// Output channels that are computed together.
const BLOCK: usize = 16;
/// Largest whole number that stands for an activation.
const ACTIVATION_MAX: f32 = 32_767.0;
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
        packed.room(outputs * runs * pairs * 2);
        for (i, row) in weights.chunks_exact(share).enumerate() {
            let (output, run) = (i / runs, i % runs);
            let start = (output / BLOCK * runs + run) * pairs * BLOCK * 2 + output % BLOCK * 2;
            for (to, taps) in packed[start..].chunks_mut(BLOCK * 2).zip(row.chunks(2)) {
                to.iter_mut().zip(taps).for_each(|(to, tap)| *to = nearest(tap / steps[output]));
            }
        }
        Some(Dense { weights: packed, steps, bias: bias.to_vec(), runs, share, activation })
    }

    /// Output channels.
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

/// The largest number of `row` without its sign; 0 for an empty one.
pub fn largest(kernel: Kernel, row: &[f32]) -> f32 {
    match kernel {
        Kernel::Scalar => largest_plain(row),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an `Avx2` exists, so the processor has AVX2 and FMA.
        Kernel::Avx2(_) => unsafe { avx2::largest(row) },
    }
}

#[inline(always)]
pub(super) fn largest_plain(row: &[f32]) -> f32 {
    let (groups, rest) = row.as_chunks::<16>();
    let mut most = [0f32; 16];
    for group in groups {
        most.iter_mut().zip(group).for_each(|(m, v)| *m = larger(*m, v.abs()));
    }
    most.iter().copied().chain(rest.iter().map(|v| v.abs())).fold(0.0, larger)
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
        // SAFETY: an `Avx2` exists, so the processor has AVX2 and FMA; the assert above checked the lengths.
        Kernel::Avx2(_) => unsafe { avx2::quantise(row, 1.0 / scale, out) },
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
        // SAFETY: an `Avx2` exists, so the processor has AVX2 and FMA.
        Kernel::Avx2(_) => unsafe { avx2::normalise(bytes, mean, steps, out) },
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
fn nearest(number: f32) -> i16 {
    // Added to 1.5 * 2^23, it loses all behind its point, and what is left stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    (number + ROUND).to_bits() as i16
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::asm;
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi32, _mm256_broadcast_ss, _mm256_castps_si256, _mm256_cvtepi32_ps, _mm256_cvtps_epi32,
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_mul_ps, _mm256_packs_epi32,
        _mm256_permute4x64_epi64, _mm256_set1_ps, _mm256_setzero_si256, _mm256_storeu_ps, _mm256_storeu_si256,
    };

    use super::super::avx2::end;
    use super::{BLOCK, Dense, LANES};

    /// Pixels whose sums are kept in registers at once: 6 x 2 sums, 2 weights, 1 tap and 1 product fill all 16.
    const PIXELS: usize = 6;

    /// The sums of 16 outputs for each of `N` pixels.
    type Sums<const N: usize> = [[__m256i; 2]; N];

    /// # Safety
    ///
    /// AVX2 and FMA are there; there are as many runs as the layer has, each of `(pixels - 1) * step` numbers and an
    /// even share more; `out` holds whole pixels.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn dense(layer: &Dense, runs: &[&[i16]], (step, scale): (usize, f32), out: &mut [f32]) {
        let outputs = layer.outputs();
        let pixels = out.len() / outputs;
        let mut p = 0;
        while p + PIXELS <= pixels {
            for block in 0..outputs / BLOCK {
                // SAFETY: pixels `p` to `p + PIXELS` and the block's 16 outputs lie within what the caller promises.
                unsafe { finish(layer, block, &sums_of_six(layer, block, runs, step, p), scale, p, out) };
            }
            p += PIXELS;
        }
        for block in 0..outputs / BLOCK {
            // SAFETY: as above, for the pixels that are left.
            unsafe {
                match pixels - p {
                    1 => finish(layer, block, &sums_of::<1>(layer, block, runs, step, p), scale, p, out),
                    2 => finish(layer, block, &sums_of::<2>(layer, block, runs, step, p), scale, p, out),
                    3 => finish(layer, block, &sums_of::<3>(layer, block, runs, step, p), scale, p, out),
                    4 => finish(layer, block, &sums_of::<4>(layer, block, runs, step, p), scale, p, out),
                    5 => finish(layer, block, &sums_of::<5>(layer, block, runs, step, p), scale, p, out),
                    _ => {}
                }
            }
        }
    }

    /// # Safety
    ///
    /// As [`dense`], with `first + N` pixels or more, and `block` below `outputs / 16`.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    unsafe fn sums_of<const N: usize>(
        layer: &Dense,
        block: usize,
        runs: &[&[i16]],
        step: usize,
        first: usize,
    ) -> Sums<N> {
        let pairs = layer.share.div_ceil(2);
        let mut sums = [[_mm256_setzero_si256(); 2]; N];
        // SAFETY: `weights` holds `runs * pairs * 32` numbers for each block; a pair of taps is numbers
        // `(first + n) * step + 2 * t` and the next of a run, which the caller promises.
        unsafe {
            let mut weights = layer.weights.as_ptr().add(block * layer.runs * pairs * BLOCK * 2);
            for run in runs {
                let taps = run.as_ptr().add(first * step);
                for t in 0..pairs {
                    // Two taps of 8 outputs each.
                    let low = _mm256_loadu_si256(weights.cast());
                    let high = _mm256_loadu_si256(weights.add(BLOCK).cast());
                    weights = weights.add(BLOCK * 2);
                    for (n, sum) in sums.iter_mut().enumerate() {
                        let pair = taps.add(n * step + 2 * t).cast::<f32>().read_unaligned();
                        let pair = _mm256_castps_si256(_mm256_broadcast_ss(&pair));
                        sum[0] = _mm256_add_epi32(sum[0], _mm256_madd_epi16(pair, low));
                        sum[1] = _mm256_add_epi32(sum[1], _mm256_madd_epi16(pair, high));
                    }
                }
            }
        }
        sums
    }

    /// As [`sums_of`], for six pixels, by hand, since half of a scan's time is spent here. What the compiler makes of the
    /// loop above takes 2 to 11 % longer, most where something else uses the core's other thread: it works out anew in
    /// each step where the pixels are.
    ///
    /// # Safety
    ///
    /// As [`sums_of`].
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    unsafe fn sums_of_six(layer: &Dense, block: usize, runs: &[&[i16]], step: usize, first: usize) -> Sums<PIXELS> {
        /// Two taps of the pixel at an address, times what two vectors hold, onto two sums.
        macro_rules! pixel {
            ($at:literal, $low_sum:literal, $high_sum:literal) => {
                concat!(
                    "vpbroadcastd {pair}, dword ptr [",
                    $at,
                    "]\n",
                    "vpmaddwd {product}, {pair}, {low}\n",
                    "vpaddd {",
                    $low_sum,
                    "}, {",
                    $low_sum,
                    "}, {product}\n",
                    "vpmaddwd {pair}, {pair}, {high}\n",
                    "vpaddd {",
                    $high_sum,
                    "}, {",
                    $high_sum,
                    "}, {pair}",
                )
            };
        }
        let pairs = layer.share.div_ceil(2);
        let mut sums = [[_mm256_setzero_si256(); 2]; PIXELS];
        let [[low_0, high_0], [low_1, high_1], [low_2, high_2], [low_3, high_3], [low_4, high_4], [low_5, high_5]] =
            &mut sums;
        // SAFETY: as above; a layer has one pair of taps or more, so the loop may end with its first turn. It reads only.
        unsafe {
            let mut weights = layer.weights.as_ptr().add(block * layer.runs * pairs * BLOCK * 2);
            for run in runs {
                let taps = run.as_ptr().add(first * step);
                asm!(
                    ".p2align 6",
                    "2:",
                    "vmovdqu {low}, [{weights}]",
                    "vmovdqu {high}, [{weights} + 32]",
                    pixel!("{near}", "low_0", "high_0"),
                    pixel!("{near} + {step}", "low_1", "high_1"),
                    pixel!("{near} + 2 * {step}", "low_2", "high_2"),
                    pixel!("{far}", "low_3", "high_3"),
                    pixel!("{far} + {step}", "low_4", "high_4"),
                    pixel!("{far} + 2 * {step}", "low_5", "high_5"),
                    "add {weights}, 64",
                    "add {near}, 4",
                    "add {far}, 4",
                    "dec {pairs}",
                    "jnz 2b",
                    weights = inout(reg) weights,
                    near = inout(reg) taps => _,
                    far = inout(reg) taps.add(3 * step) => _,
                    step = in(reg) step * 2, // Bytes.
                    pairs = inout(reg) pairs => _,
                    low = out(ymm_reg) _,
                    high = out(ymm_reg) _,
                    pair = out(ymm_reg) _,
                    product = out(ymm_reg) _,
                    low_0 = inout(ymm_reg) *low_0,
                    high_0 = inout(ymm_reg) *high_0,
                    low_1 = inout(ymm_reg) *low_1,
                    high_1 = inout(ymm_reg) *high_1,
                    low_2 = inout(ymm_reg) *low_2,
                    high_2 = inout(ymm_reg) *high_2,
                    low_3 = inout(ymm_reg) *low_3,
                    high_3 = inout(ymm_reg) *high_3,
                    low_4 = inout(ymm_reg) *low_4,
                    high_4 = inout(ymm_reg) *high_4,
                    low_5 = inout(ymm_reg) *low_5,
                    high_5 = inout(ymm_reg) *high_5,
                    options(nostack, readonly),
                );
            }
        }
        sums
    }

    /// Writes the outputs of a block of `N` pixels, of which `sums` are the sums.
    ///
    /// # Safety
    ///
    /// As [`sums_of`], with the same `first`.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    unsafe fn finish<const N: usize>(
        layer: &Dense,
        block: usize,
        sums: &Sums<N>,
        scale: f32,
        first: usize,
        out: &mut [f32],
    ) {
        // SAFETY: `bias` and `steps` hold 16 numbers for each block; the writes end with pixel `first + N - 1`.
        unsafe {
            let target = out.as_mut_ptr().add(first * layer.bias.len() + block * BLOCK);
            let scale = _mm256_set1_ps(scale);
            for half in 0..2 {
                let start = block * BLOCK + half * LANES;
                let worth = _mm256_mul_ps(_mm256_loadu_ps(layer.steps.as_ptr().add(start)), scale);
                let bias = _mm256_loadu_ps(layer.bias.as_ptr().add(start));
                for (n, sum) in sums.iter().enumerate() {
                    let value = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[half]), worth, bias);
                    _mm256_storeu_ps(target.add(n * layer.bias.len() + half * LANES), end(layer.activation, value));
                }
            }
        }
    }

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
            let (mut fast, mut plain) = (vec![f32::NAN; pixels * outputs], vec![f32::NAN; pixels * outputs]);
            layer.row(Kernel::detect(), &sources, step, 0.01, &mut fast);
            layer.row(Kernel::Scalar, &sources, step, 0.01, &mut plain);
            prop_assert_eq!(bits(&fast), bits(&plain));
        }

        #[test]
        fn whole_steps_equal_their_scalar_twin(length in 0usize..70, seed in any::<u32>()) {
            let row = numbers(length, seed);
            let most = largest(Kernel::detect(), &row);
            prop_assert_eq!(most.to_bits(), largest(Kernel::Scalar, &row).to_bits());
            let (mut fast, mut plain) = (vec![0; length], vec![0; length]);
            let scale = quantise(Kernel::detect(), &row, most, &mut fast);
            quantise(Kernel::Scalar, &row, most, &mut plain);
            prop_assert_eq!(&fast, &plain);
            for (number, steps) in row.iter().zip(&fast) {
                prop_assert!((number - f32::from(*steps) * scale).abs() <= 0.51 * scale, "{number}: {steps} of {scale}");
            }
        }
    }

    #[test]
    fn bytes_become_numbers_by_their_colour() {
        let mean: [f32; 48] = std::array::from_fn(|i| (i % 3) as f32 * 10.0);
        let bytes: Vec<u8> = (0..101).map(|i| i * 2).collect();
        for kernel in [Kernel::Scalar, Kernel::detect()] {
            let mut out = vec![-1; 104];
            normalise(kernel, &bytes, &mean, 128.0, &mut out);
            let expected: Vec<i16> = (0..101).map(|i: i16| (i * 2 - i % 3 * 10) * 128).collect();
            assert_eq!(out[..101], expected);
            assert_eq!(out[101..], [-1; 3]);
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
            for kernel in [Kernel::Scalar, Kernel::detect()] {
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
