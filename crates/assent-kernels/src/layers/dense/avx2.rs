//! The products in vectors of 256 bits.

use std::arch::asm;
use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_broadcast_ss, _mm256_castps_si256, _mm256_cvtepi32_ps, _mm256_fmadd_ps,
    _mm256_loadu_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_mul_ps, _mm256_set1_ps, _mm256_setzero_si256,
    _mm256_storeu_ps,
};

use super::super::avx2::end;
use super::super::{BLOCK, LANES};
use super::Dense;

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
unsafe fn sums_of<const N: usize>(layer: &Dense, block: usize, runs: &[&[i16]], step: usize, first: usize) -> Sums<N> {
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
