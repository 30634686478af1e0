//! In vectors of 256 bits.

use std::arch::x86_64::{
    __m256, _mm256_andnot_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_storeu_ps,
};

use super::super::LANES;
use super::super::avx2::end;
use super::Depthwise;

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
    // SAFETY: `weights` holds nine numbers for each channel and `bias` one; the reads of a row end with pixel
    // `(first + N - 1) * STRIDE + 2`, which it has, and the writes with pixel `first + N - 1`.
    unsafe {
        let mut weights = layer.weights.as_ptr().add(block * LANES);
        let mut sums: [__m256; N] = [_mm256_loadu_ps(layer.bias.as_ptr().add(block * LANES)); N];
        for row in rows {
            let mut taps = [_mm256_setzero_ps(); M];
            for (n, tap) in taps.iter_mut().enumerate() {
                *tap = _mm256_loadu_ps(row.as_ptr().add(from + n * channels));
            }
            for column in 0..3 {
                let weight = _mm256_loadu_ps(weights);
                weights = weights.add(channels);
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
