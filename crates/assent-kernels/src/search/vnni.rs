//! The search in 512-bit vectors with VNNI: exact products, four bytes of 16 rows at once.
//!
//! The instruction multiplies unsigned bytes by signed ones, so a row's number is taken as `q + 128`, and the limit moves
//! by 128 times the sum of the probe.

use std::arch::x86_64::{
    __m512i, _mm512_cmpge_epi32_mask, _mm512_dpbusd_epi32, _mm512_load_si512, _mm512_set1_epi8, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_xor_si512,
};

use zeroize::Zeroize;

use super::{Probes, RowHit, STEP_DIMENSIONS, Step, TILE};

/// Groups that are worked on at once: with six probes, 24 sums, which hide the four cycles that a product takes.
const GROUPS: usize = 4;

/// Probes side by side.
pub(super) struct Packed {
    /// In tiles of `TILE` probes, the last one narrower: `[tile][step][probe of the tile]`, four 8-bit numbers each.
    quads: Vec<[i8; STEP_DIMENSIONS]>,
    /// For each probe, the least sum that is a hit.
    limits: Vec<i32>,
}

impl Drop for Packed {
    fn drop(&mut self) {
        self.quads.as_flattened_mut().zeroize();
    }
}

/// Lays `numbers` (`[probe][4 * steps]`) side by side.
pub(super) fn pack(numbers: &[i8], steps: usize, least: i32) -> Packed {
    let limit = |probe: &[i8]| least.saturating_add(128 * probe.iter().map(|v| i32::from(*v)).sum::<i32>());
    let limits = numbers.chunks_exact(steps * STEP_DIMENSIONS).map(limit).collect();
    let (all, _) = numbers.as_chunks::<STEP_DIMENSIONS>();
    let mut quads = Vec::with_capacity(all.len());
    for tile in all.chunks(TILE * steps) {
        for step in 0..steps {
            quads.extend(tile.iter().skip(step).step_by(steps));
        }
    }
    Packed { quads, limits }
}

/// # Safety
///
/// The processor has AVX-512 F and VNNI. `groups` holds whole groups of the probes' steps, and `probes` was packed by
/// [`pack`].
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) unsafe fn scan(probes: &Probes, packed: &Packed, groups: &[Step], hit: &mut impl FnMut(RowHit)) {
    let steps = probes.steps;
    let whole = groups.len() / (GROUPS * steps) * GROUPS * steps;
    let (together, alone) = groups.split_at(whole);
    for (i, four) in together.chunks_exact(GROUPS * steps).enumerate() {
        // SAFETY: as the caller; `four` holds 4 groups.
        unsafe { several::<GROUPS>(probes, packed, i * GROUPS, four, hit) };
    }
    for (i, one) in alone.chunks_exact(steps).enumerate() {
        // SAFETY: as the caller; `one` holds a group.
        unsafe { several::<1>(probes, packed, whole / steps + i, one, hit) };
    }
}

/// All probes against `G` groups, the first of which is number `first_group`.
///
/// # Safety
///
/// As [`scan`]; `groups` holds `G` groups.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
unsafe fn several<const G: usize>(
    probes: &Probes,
    packed: &Packed,
    first_group: usize,
    groups: &[Step],
    hit: &mut impl FnMut(RowHit),
) {
    let steps = probes.steps;
    for (t, (quads, limits)) in packed.quads.chunks(TILE * steps).zip(packed.limits.chunks(TILE)).enumerate() {
        // SAFETY: as the caller; `quads` holds `steps` times as many quads as the tile is wide.
        let masks = unsafe {
            match limits.len() {
                1 => tile::<G, 1>(groups, quads, limits),
                2 => tile::<G, 2>(groups, quads, limits),
                3 => tile::<G, 3>(groups, quads, limits),
                4 => tile::<G, 4>(groups, quads, limits),
                5 => tile::<G, 5>(groups, quads, limits),
                _ => tile::<G, TILE>(groups, quads, limits),
            }
        };
        for (g, masks) in masks.into_iter().enumerate() {
            for (p, mut mask) in masks.into_iter().enumerate() {
                while mask != 0 {
                    let lane = mask.trailing_zeros() as usize;
                    mask &= mask - 1;
                    probes.check(first_group + g, &groups[g * steps..][..steps], t * TILE + p, lane, hit);
                }
            }
        }
    }
}

/// For each of `G` groups and `P` probes, which of 16 rows are a hit, one bit each.
///
/// # Safety
///
/// As [`scan`]; `groups` holds `G` groups, `quads` holds `P` quads for each step of one, and `limits` is `P` long.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
unsafe fn tile<const G: usize, const P: usize>(
    groups: &[Step],
    quads: &[[i8; STEP_DIMENSIONS]],
    limits: &[i32],
) -> [[u16; TILE]; G] {
    let offset = _mm512_set1_epi8(-128);
    let mut sums = [[_mm512_setzero_si512(); P]; G];
    let steps = groups.len() / G;
    let (quads, _) = quads.as_chunks::<P>();
    for (step, quads) in quads.iter().enumerate() {
        for (g, sums) in sums.iter_mut().enumerate() {
            let rows = std::ptr::from_ref(&groups[g * steps + step]).cast::<__m512i>();
            // SAFETY: a step is 64 bytes at an address that is a multiple of 64.
            let rows = _mm512_xor_si512(unsafe { _mm512_load_si512(rows) }, offset);
            for (sum, quad) in sums.iter_mut().zip(quads) {
                let quad = _mm512_set1_epi32(i32::from_le_bytes(quad.map(i8::cast_unsigned)));
                *sum = _mm512_dpbusd_epi32(*sum, rows, quad);
            }
        }
    }
    let mut masks = [[0; TILE]; G];
    for (masks, sums) in masks.iter_mut().zip(&sums) {
        for ((mask, sum), limit) in masks.iter_mut().zip(sums).zip(limits) {
            *mask = _mm512_cmpge_epi32_mask(*sum, _mm512_set1_epi32(*limit));
        }
    }
    masks
}
