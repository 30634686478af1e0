//! In vectors, of 256 bits or of 512.

use std::arch::x86_64::{__m256, __m512};

use super::super::vector::Vector;
use super::{BLOCK, Depthwise};

/// # Safety
///
/// AVX2 and FMA are there; `out` holds whole pixels and each of `rows` the neighbours of the last one.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn depthwise_avx2(layer: &Depthwise, rows: [&[f32]; 3], out: &mut [f32]) -> f32 {
    // Sums, taps and weights of a tile are kept in the 16 registers: 6 + 8 + 1, or 3 + 7 + 1.
    // SAFETY: as the caller promises; the tiles go on where those before them end.
    unsafe {
        let at = (0, __m256::splat(0.0));
        let (_, most) = if layer.stride == 1 {
            // One tile for all that is left of six.
            let at = tiles::<_, 6, 8, 1>(layer, rows, out, at);
            let at = tiles::<_, 5, 7, 1>(layer, rows, out, at);
            let at = tiles::<_, 4, 6, 1>(layer, rows, out, at);
            let at = tiles::<_, 3, 5, 1>(layer, rows, out, at);
            let at = tiles::<_, 2, 4, 1>(layer, rows, out, at);
            tiles::<_, 1, 3, 1>(layer, rows, out, at)
        } else {
            let at = tiles::<_, 3, 7, 2>(layer, rows, out, at);
            tiles::<_, 1, 3, 2>(layer, rows, out, at)
        };
        largest_lane(most)
    }
}

/// # Safety
///
/// AVX-512 F and DQ are there; `out` holds whole pixels and each of `rows` the neighbours of the last one.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) unsafe fn depthwise_avx512(layer: &Depthwise, rows: [&[f32]; 3], out: &mut [f32]) -> f32 {
    // Sums, taps and weights of a tile are kept in the 32 registers: 8 + 10 + 1, or 8 + 17 + 1.
    // SAFETY: as the caller promises; the tiles go on where those before them end.
    unsafe {
        let at = (0, __m512::splat(0.0));
        let (_, most) = if layer.stride == 1 {
            let at = tiles::<_, 8, 10, 1>(layer, rows, out, at);
            // One tile for all that is left of eight.
            let at = tiles::<_, 7, 9, 1>(layer, rows, out, at);
            let at = tiles::<_, 6, 8, 1>(layer, rows, out, at);
            let at = tiles::<_, 5, 7, 1>(layer, rows, out, at);
            let at = tiles::<_, 4, 6, 1>(layer, rows, out, at);
            let at = tiles::<_, 3, 5, 1>(layer, rows, out, at);
            let at = tiles::<_, 2, 4, 1>(layer, rows, out, at);
            tiles::<_, 1, 3, 1>(layer, rows, out, at)
        } else {
            let at = tiles::<_, 8, 17, 2>(layer, rows, out, at);
            let at = tiles::<_, 4, 9, 2>(layer, rows, out, at);
            tiles::<_, 1, 3, 2>(layer, rows, out, at)
        };
        largest_lane(most)
    }
}

/// # Safety
///
/// The processor has the features of `V`.
#[inline(always)]
unsafe fn largest_lane<V: Vector>(numbers: V) -> f32 {
    let mut lanes = [0.0; BLOCK];
    // SAFETY: the array has room for the widest vector, and its caller has the features.
    unsafe { numbers.store(lanes.as_mut_ptr()) };
    lanes.into_iter().fold(0.0, f32::max)
}

/// As many tiles of `N` pixels as there is room for, from pixel `first` on. Returns the first pixel after them, and
/// `most`, or what is larger, without its sign, of what was written.
///
/// # Safety
///
/// The processor has the features of `V`; `out` holds whole pixels and each of `rows` the neighbours of the last one;
/// `STRIDE` is the layer's and `M` is `(N - 1) * STRIDE + 3`.
#[inline(always)]
unsafe fn tiles<V: Vector, const N: usize, const M: usize, const STRIDE: usize>(
    layer: &Depthwise,
    rows: [&[f32]; 3],
    out: &mut [f32],
    (mut first, mut most): (usize, V),
) -> (usize, V) {
    let channels = layer.channels();
    while first + N <= out.len() / channels {
        for channel in (0..channels).step_by(V::LANES) {
            // SAFETY: pixels `first` to `first + N` lie within what the caller promises; the channels are a multiple of
            // every vector's lanes.
            most = unsafe { tile::<V, N, M, STRIDE>(layer, channel, rows, first, (out, most)) };
        }
        first += N;
    }
    (first, most)
}

/// A vector's channels from `channel` on. Returns `most`, or what is larger, without its sign, of what was written.
///
/// # Safety
///
/// As [`tiles`], with `first + N` pixels or more, and as many channels from `channel` on as the vector has lanes.
#[inline(always)]
unsafe fn tile<V: Vector, const N: usize, const M: usize, const STRIDE: usize>(
    layer: &Depthwise,
    channel: usize,
    rows: [&[f32]; 3],
    first: usize,
    (out, mut most): (&mut [f32], V),
) -> V {
    let channels = layer.bias.len();
    let (from, to) = (first * STRIDE * channels + channel, first * channels + channel);
    // SAFETY: `weights` holds nine numbers for each channel and `bias` one; the reads of a row end with pixel
    // `(first + N - 1) * STRIDE + 2`, which it has, and the writes with pixel `first + N - 1`.
    unsafe {
        let mut weights = layer.weights.as_ptr().add(channel);
        let mut sums = [V::load(layer.bias.as_ptr().add(channel)); N];
        for row in rows {
            let mut taps = [V::splat(0.0); M];
            for (n, tap) in taps.iter_mut().enumerate() {
                *tap = V::load(row.as_ptr().add(from + n * channels));
            }
            for column in 0..3 {
                let weight = V::load(weights);
                weights = weights.add(channels);
                for (n, sum) in sums.iter_mut().enumerate() {
                    *sum = taps[n * STRIDE + column].multiply_add(weight, *sum);
                }
            }
        }
        for (n, sum) in sums.iter().enumerate() {
            let value = sum.end(layer.activation);
            value.store(out.as_mut_ptr().add(to + n * channels));
            most = value.magnitude().max(most);
        }
    }
    most
}

/// # Safety
///
/// AVX2 and FMA are there; `row` holds whole pairs of pixels, `out` as many pixels, and `channels` are a multiple of 16.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn pool_avx2(row: &[f32], channels: usize, join: bool, out: &mut [f32]) {
    // SAFETY: as the caller.
    unsafe { pool::<__m256>(row, channels, join, out) }
}

/// # Safety
///
/// As [`pool_avx2`], with AVX-512 F and DQ.
#[target_feature(enable = "avx512f,avx512dq")]
pub(super) unsafe fn pool_avx512(row: &[f32], channels: usize, join: bool, out: &mut [f32]) {
    // SAFETY: as the caller.
    unsafe { pool::<__m512>(row, channels, join, out) }
}

/// # Safety
///
/// As [`pool_avx2`], with the features of `V`.
#[inline(always)]
unsafe fn pool<V: Vector>(row: &[f32], channels: usize, join: bool, out: &mut [f32]) {
    for p in 0..out.len() / channels {
        for c in (0..channels).step_by(V::LANES) {
            // SAFETY: a vector's channels of pixels `2 p` and `2 p + 1` of `row`, and of pixel `p` of `out`.
            unsafe {
                let left = row.as_ptr().add(2 * p * channels + c);
                let to = out.as_mut_ptr().add(p * channels + c);
                // Of a NaN and a number, it takes the second, as the twin does.
                let mut largest = V::load(left).max(V::load(left.add(channels)));
                if join {
                    largest = V::load(to).max(largest);
                }
                largest.store(to);
            }
        }
    }
}
