//! In vectors of 512 bits.

use std::arch::x86_64::{
    __m512, _mm512_abs_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::super::BLOCK;
use super::super::avx512::end;
use super::Depthwise;

/// # Safety
///
/// AVX-512 F and DQ are there; `out` holds whole pixels and each of `rows` the neighbours of the last one.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) unsafe fn depthwise(layer: &Depthwise, rows: [&[f32]; 3], out: &mut [f32]) -> f32 {
    let at = (0, _mm512_setzero_ps());
    // Sums, taps and weights of a tile are kept in the 32 registers: 8 + 10 + 1, or 8 + 17 + 1.
    // SAFETY: as the caller promises; the tiles go on where those before them end.
    let (_, most) = unsafe {
        if layer.stride == 1 {
            let at = tiles::<8, 10, 1>(layer, rows, out, at);
            // One tile for all that is left of eight.
            let at = tiles::<7, 9, 1>(layer, rows, out, at);
            let at = tiles::<6, 8, 1>(layer, rows, out, at);
            let at = tiles::<5, 7, 1>(layer, rows, out, at);
            let at = tiles::<4, 6, 1>(layer, rows, out, at);
            let at = tiles::<3, 5, 1>(layer, rows, out, at);
            let at = tiles::<2, 4, 1>(layer, rows, out, at);
            tiles::<1, 3, 1>(layer, rows, out, at)
        } else {
            let at = tiles::<8, 17, 2>(layer, rows, out, at);
            let at = tiles::<4, 9, 2>(layer, rows, out, at);
            tiles::<1, 3, 2>(layer, rows, out, at)
        }
    };
    let mut lanes = [0.0; BLOCK];
    // SAFETY: the array has room for sixteen numbers.
    unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), most) };
    lanes.into_iter().fold(0.0, f32::max)
}

/// As many tiles of `N` pixels as there is room for, from pixel `first` on. Returns the first pixel after them, and
/// `most`, or what is larger, without its sign, of what was written.
///
/// # Safety
///
/// As [`depthwise`], with `STRIDE` the layer's and `M` of `(N - 1) * STRIDE + 3`.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
unsafe fn tiles<const N: usize, const M: usize, const STRIDE: usize>(
    layer: &Depthwise,
    rows: [&[f32]; 3],
    out: &mut [f32],
    (mut first, mut most): (usize, __m512),
) -> (usize, __m512) {
    let channels = layer.channels();
    while first + N <= out.len() / channels {
        for channel in (0..channels).step_by(BLOCK) {
            // SAFETY: pixels `first` to `first + N` and 16 channels lie within what the caller promises.
            most = unsafe { tile::<N, M, STRIDE>(layer, channel, rows, first, (out, most)) };
        }
        first += N;
    }
    (first, most)
}

/// 16 channels from `channel` on. Returns `most`, or what is larger, without its sign, of what was written.
///
/// # Safety
///
/// As [`tiles`], with `first + N` pixels or more, and `channel + 16` channels or more.
#[target_feature(enable = "avx512f,avx512dq")]
#[inline]
unsafe fn tile<const N: usize, const M: usize, const STRIDE: usize>(
    layer: &Depthwise,
    channel: usize,
    rows: [&[f32]; 3],
    first: usize,
    (out, mut most): (&mut [f32], __m512),
) -> __m512 {
    let channels = layer.bias.len();
    let (from, to) = (first * STRIDE * channels + channel, first * channels + channel);
    // SAFETY: `weights` holds nine numbers for each channel and `bias` one; the reads of a row end with pixel
    // `(first + N - 1) * STRIDE + 2`, which it has, and the writes with pixel `first + N - 1`.
    unsafe {
        let mut weights = layer.weights.as_ptr().add(channel);
        let mut sums: [__m512; N] = [_mm512_loadu_ps(layer.bias.as_ptr().add(channel)); N];
        for row in rows {
            let mut taps = [_mm512_setzero_ps(); M];
            for (n, tap) in taps.iter_mut().enumerate() {
                *tap = _mm512_loadu_ps(row.as_ptr().add(from + n * channels));
            }
            for column in 0..3 {
                let weight = _mm512_loadu_ps(weights);
                weights = weights.add(channels);
                for (n, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_fmadd_ps(taps[n * STRIDE + column], weight, *sum);
                }
            }
        }
        for (n, sum) in sums.iter().enumerate() {
            let value = end(layer.activation, *sum);
            _mm512_storeu_ps(out.as_mut_ptr().add(to + n * channels), value);
            // Of a NaN and a number, it takes the second.
            most = _mm512_max_ps(_mm512_abs_ps(value), most);
        }
    }
    most
}
