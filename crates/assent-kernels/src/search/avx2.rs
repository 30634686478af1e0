//! The search in 256-bit vectors: a coarse product first, which is a bound, and the exact one where the bound allows a hit.
//!
//! AVX2 multiplies 32 pairs of bytes at once only if their sums stay within 16 bits. So a row's number `q` is taken in
//! steps of 8, `q = 8 u - 124.5 + e` with `u` in 0..=31 and `|e| <= 3.5`, and a probe's number in steps of `w`, a power
//! of two, `p = w c + f`, the smallest `w` whose sums cannot overflow. Then
//!
//! ```text
//! q.p = w (8 u.c - 124.5 sum(c)) + w e.c + q.f,    |w e.c| <= 3.5 w sqrt(d) |c|,    |q.f| <= |q| |f|
//! ```
//!
//! by Cauchy and Schwarz, and a sum `u.c` below the limit that follows is no hit, whatever was rounded. For vectors of
//! length 1 the bound is about 0.2 wide; with a threshold of 0.45, one stranger's row in ten thousand is looked at twice.

use std::arch::x86_64::{
    __m256i, _MM_HINT_T1, _mm_prefetch, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_castsi256_ps,
    _mm256_cmpgt_epi32, _mm256_load_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_movemask_ps,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_srli_epi16,
    _mm256_store_si256, _mm256_testz_si256, _mm256_xor_si256,
};

use zeroize::Zeroize;

use super::{GROUP_ROWS, Packed, Probes, RowHit, STEP_DIMENSIONS, Step, TILE};

/// Steps whose products are summed in 16 bits.
const CHUNK_STEPS: usize = 64;
/// The largest `u`.
const MOST: i32 = 31;

/// A probe's numbers in steps of `2^shift`, rounded.
fn coarse(probe: &[i8], shift: u32) -> impl Iterator<Item = i8> {
    let half = (1 << shift) / 2;
    probe.iter().map(move |&p| ((i32::from(p) + half) >> shift) as i8)
}

/// Whether no sum of 16 bits over a chunk can overflow: a lane holds the first or the second two of each four numbers.
fn fits(numbers: impl Iterator<Item = i8>) -> bool {
    let mut sums = [0; 2];
    for (i, c) in numbers.enumerate() {
        if i % (CHUNK_STEPS * STEP_DIMENSIONS) == 0 {
            sums = [0; 2];
        }
        let sum = &mut sums[i / 2 % 2];
        *sum += MOST * i32::from(c).abs();
        if *sum > i32::from(i16::MAX) {
            return false;
        }
    }
    true
}

pub(super) fn pack(numbers: &[i8], steps: usize, least: i32, longest_row: f64) -> Packed {
    let dimensions = steps * STEP_DIMENSIONS;
    let mut limits = Vec::new();
    let mut all = Vec::with_capacity(numbers.len());
    for probe in numbers.chunks_exact(dimensions) {
        // In steps of 128 a number is -1, 0 or 1, and 31 * 128 fits.
        let shift = (0..7).find(|&shift| fits(coarse(probe, shift))).unwrap_or(7);
        let step = f64::from(1 << shift);
        let (mut sum, mut squares, mut rests) = (0.0, 0.0, 0.0);
        for (c, p) in coarse(probe, shift).zip(probe) {
            let c = f64::from(c);
            sum += c;
            squares += c * c;
            rests += (f64::from(*p) - step * c).powi(2);
        }
        let bound = 3.5 * step * (dimensions as f64 * squares).sqrt() + longest_row * rests.sqrt();
        // One less for the rounding of this very line.
        limits.push((((f64::from(least) - bound) / step + 124.5 * sum) / 8.0).floor() as i32 - 1);
        all.extend(coarse(probe, shift));
    }
    let packed = Packed::new(&all, steps, limits);
    all.zeroize();
    packed
}

/// # Safety
///
/// The processor has AVX2. `groups` holds whole groups of the probes' steps, and `probes` was packed by [`pack`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn scan(probes: &Probes, groups: &[Step], hit: &mut impl FnMut(RowHit)) {
    let mut scratch = vec![Step::ZERO; probes.steps];
    for (g, group) in groups.chunks_exact(probes.steps).enumerate() {
        // SAFETY: as the caller; both slices hold `steps` steps.
        unsafe { unpack(group, &mut scratch) };
        let next = group.as_ptr_range().end;
        let tiles = probes.len().div_ceil(TILE).max(1);
        // What is read next comes into the cache while this group is worked on, a few lines before each tile. A prefetch of
        // an address that is not there does nothing.
        let each = probes.steps.div_ceil(tiles);
        let mut ahead = 0;
        for (first, quads) in probes.packed.tiles(probes.steps) {
            let width = quads.len() / probes.steps;
            for _ in 0..each {
                _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(ahead).cast());
                ahead += 1;
            }
            let limits = &probes.packed.limits[first..first + width];
            // SAFETY: as the caller; `quads` holds `steps` times as many quads as the tile is wide, `scratch` `steps` steps.
            let masks = unsafe {
                match width {
                    1 => tile::<1>(&scratch, quads, limits),
                    2 => tile::<2>(&scratch, quads, limits),
                    3 => tile::<3>(&scratch, quads, limits),
                    4 => tile::<4>(&scratch, quads, limits),
                    5 => tile::<5>(&scratch, quads, limits),
                    _ => tile::<TILE>(&scratch, quads, limits),
                }
            };
            for (p, mut mask) in masks.into_iter().enumerate() {
                while mask != 0 {
                    let lane = mask.trailing_zeros() as usize;
                    mask &= mask - 1;
                    probes.check(g, group, first + p, lane, hit);
                }
            }
        }
    }
    scratch.zeroize();
}

/// Takes the rows' numbers in steps of 8, as `u`.
///
/// # Safety
///
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn unpack(group: &[Step], scratch: &mut [Step]) {
    let (five_bits, sign) = (_mm256_set1_epi8(31), _mm256_set1_epi8(16));
    for (from, to) in group.iter().zip(scratch) {
        let (from, to) = (std::ptr::from_ref(from).cast::<__m256i>(), std::ptr::from_mut(to).cast::<__m256i>());
        for half in 0..2 {
            // SAFETY: a step is 64 bytes at an address that is a multiple of 64.
            unsafe {
                let shifted = _mm256_srli_epi16::<3>(_mm256_load_si256(from.add(half)));
                _mm256_store_si256(to.add(half), _mm256_xor_si256(_mm256_and_si256(shifted, five_bits), sign));
            }
        }
    }
}

/// For each of `P` probes, which of 16 rows may be a hit, one bit each.
///
/// # Safety
///
/// The processor has AVX2, `quads` holds `P` quads for each step of `rows`, and `limits` is `P` long.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn tile<const P: usize>(rows: &[Step], quads: &[[i8; STEP_DIMENSIONS]], limits: &[i32]) -> [u16; TILE] {
    let zero = _mm256_setzero_si256();
    let mut sums = [[zero; 2]; P];
    for (rows, quads) in rows.chunks(CHUNK_STEPS).zip(quads.chunks(CHUNK_STEPS * P)) {
        let mut short = [[zero; 2]; P];
        let (steps, _) = quads.as_chunks::<P>();
        for (row, quads) in rows.iter().zip(steps) {
            let row = std::ptr::from_ref(row).cast::<__m256i>();
            // SAFETY: a step is 64 bytes at an address that is a multiple of 64.
            let (low, high) = unsafe { (_mm256_load_si256(row), _mm256_load_si256(row.add(1))) };
            for (short, quad) in short.iter_mut().zip(quads) {
                let quad = _mm256_set1_epi32(i32::from_le_bytes(quad.map(i8::cast_unsigned)));
                short[0] = _mm256_add_epi16(short[0], _mm256_maddubs_epi16(low, quad));
                short[1] = _mm256_add_epi16(short[1], _mm256_maddubs_epi16(high, quad));
            }
        }
        for (sum, short) in sums.as_flattened_mut().iter_mut().zip(short.as_flattened()) {
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(*short, _mm256_set1_epi16(1)));
        }
    }
    let mut any = zero;
    for (sum, limit) in sums.iter_mut().zip(limits) {
        let below = _mm256_set1_epi32(limit.saturating_sub(1));
        for sum in sum {
            *sum = _mm256_cmpgt_epi32(*sum, below);
            any = _mm256_or_si256(any, *sum);
        }
    }
    let mut masks = [0; TILE];
    // Hardly ever is there anything to be looked at more closely.
    if _mm256_testz_si256(any, any) == 0 {
        for (mask, sum) in masks.iter_mut().zip(&sums) {
            let half = |sum| _mm256_movemask_ps(_mm256_castsi256_ps(sum)).cast_unsigned() as u16;
            *mask = half(sum[0]) | half(sum[1]) << (GROUP_ROWS / 2);
        }
    }
    masks
}
