//! The products in vectors of 512 bits: VNNI multiplies two taps of 16 outputs and adds them up at once.

use std::arch::x86_64::{
    _mm512_cvtepi32_ps, _mm512_dpwssd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_si512, _mm512_storeu_ps,
};

use super::super::BLOCK;
use super::super::avx512::end;
use super::Dense;

/// Pixels that are worked on at once, with 32 outputs each: 16 sums, so that none waits for the product before it.
const PIXELS: usize = 8;

/// What the pixels of a row are made from, see [`Dense::row`].
#[derive(Clone, Copy)]
struct Source<'r> {
    runs: &'r [&'r [i16]],
    step: usize,
    scale: f32,
}

/// # Safety
///
/// AVX-512 F, DQ and VNNI are there; there are as many runs as the layer has, each of `(pixels - 1) * step` numbers and
/// an even share more; `out` holds whole pixels.
#[target_feature(enable = "avx512f,avx512dq,avx512vnni")]
pub(super) unsafe fn dense(layer: &Dense, runs: &[&[i16]], (step, scale): (usize, f32), out: &mut [f32]) {
    let pixels = out.len() / layer.outputs();
    let from = Source { runs, step, scale };
    let mut p = 0;
    // SAFETY: the pixels from `p` on, as many as are named, lie within what the caller promises.
    unsafe {
        if layer.outputs() == BLOCK {
            // 16 sums here as well: a fifth faster.
            while p + 2 * PIXELS <= pixels {
                tile::<{ 2 * PIXELS }, 1>(layer, from, 0, p, out);
                p += 2 * PIXELS;
            }
        }
        while p + PIXELS <= pixels {
            several::<PIXELS>(layer, from, p, out);
            p += PIXELS;
        }
        match pixels - p {
            1 => several::<1>(layer, from, p, out),
            2 => several::<2>(layer, from, p, out),
            3 => several::<3>(layer, from, p, out),
            4 => several::<4>(layer, from, p, out),
            5 => several::<5>(layer, from, p, out),
            6 => several::<6>(layer, from, p, out),
            7 => several::<7>(layer, from, p, out),
            _ => {}
        }
    }
}

/// All outputs of `N` pixels.
///
/// # Safety
///
/// As [`dense`], with `first + N` pixels or more.
#[target_feature(enable = "avx512f,avx512dq,avx512vnni")]
#[inline]
unsafe fn several<const N: usize>(layer: &Dense, from: Source, first: usize, out: &mut [f32]) {
    let blocks = layer.outputs() / BLOCK;
    // SAFETY: as the caller promises; the blocks are the layer's.
    unsafe {
        for block in (0..blocks / 2).map(|pair| 2 * pair) {
            tile::<N, 2>(layer, from, block, first, out);
        }
        if !blocks.is_multiple_of(2) {
            tile::<N, 1>(layer, from, blocks - 1, first, out);
        }
    }
}

/// `B` blocks of 16 outputs, the first of which is `block`, of `N` pixels.
///
/// # Safety
///
/// As [`several`], with `block + B` blocks or more.
#[target_feature(enable = "avx512f,avx512dq,avx512vnni")]
#[inline]
unsafe fn tile<const N: usize, const B: usize>(
    layer: &Dense,
    from: Source,
    block: usize,
    first: usize,
    out: &mut [f32],
) {
    let pairs = layer.share.div_ceil(2);
    let block_length = layer.runs * pairs * BLOCK * 2;
    let mut sums = [[_mm512_setzero_si512(); B]; N];
    // SAFETY: `weights` holds `runs * pairs * 32` numbers for each block; a pair of taps is numbers
    // `(first + n) * step + 2 * t` and the next of a run; `bias` and `steps` hold 16 numbers for each block; the writes
    // end with pixel `first + N - 1`. The caller promises all of it.
    unsafe {
        let mut weights = layer.weights.as_ptr().add(block * block_length);
        for run in from.runs {
            let taps = run.as_ptr().add(first * from.step);
            for t in 0..pairs {
                let mut of_block = [_mm512_setzero_si512(); B];
                for (b, two) in of_block.iter_mut().enumerate() {
                    *two = _mm512_loadu_si512(weights.add(b * block_length).cast());
                }
                weights = weights.add(BLOCK * 2);
                for (n, sums) in sums.iter_mut().enumerate() {
                    let pair = _mm512_set1_epi32(taps.add(n * from.step + 2 * t).cast::<i32>().read_unaligned());
                    for (sum, two) in sums.iter_mut().zip(&of_block) {
                        *sum = _mm512_dpwssd_epi32(*sum, pair, *two);
                    }
                }
            }
        }
        for b in 0..B {
            let start = (block + b) * BLOCK;
            let worth = _mm512_mul_ps(_mm512_loadu_ps(layer.steps.as_ptr().add(start)), _mm512_set1_ps(from.scale));
            let bias = _mm512_loadu_ps(layer.bias.as_ptr().add(start));
            for (n, sums) in sums.iter().enumerate() {
                let value = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[b]), worth, bias);
                let to = out.as_mut_ptr().add((first + n) * layer.bias.len() + start);
                _mm512_storeu_ps(to, end(layer.activation, value));
            }
        }
    }
}
