//! The search in 512-bit vectors with VNNI: exact products, four bytes of 16 rows at once.
//!
//! The instruction multiplies unsigned bytes by signed ones, so a row's number is taken as `q + 128`, and the limit moves
//! by 128 times the sum of the probe.

use std::arch::x86_64::{
    __m512i, _mm512_cmpge_epi32_mask, _mm512_dpbusd_epi32, _mm512_load_si512, _mm512_set1_epi8, _mm512_set1_epi32,
    _mm512_setzero_si512, _mm512_xor_si512,
};

use zeroize::Zeroize;

use super::{PANEL_DIMENSIONS, Panel, Probes, RowHit, TILE};

/// Groups that are worked on at once: with six probes, 24 sums, which hide the four cycles that a product takes.
const GROUPS: usize = 4;

/// Probes side by side.
pub(super) struct Packed {
    /// In tiles of `TILE` probes, the last one narrower: `[tile][panel][probe of the tile]`, four 8-bit numbers each.
    quads: Vec<[i8; PANEL_DIMENSIONS]>,
    /// For each probe, the least sum that is a hit.
    limits: Vec<i32>,
}

impl Drop for Packed {
    fn drop(&mut self) {
        self.quads.as_flattened_mut().zeroize();
    }
}

/// Lays `numbers` (`[probe][4 * panels]`) side by side.
pub(super) fn pack(numbers: &[i8], panels: usize, least: i32) -> Packed {
    let limit = |probe: &[i8]| least.saturating_add(128 * probe.iter().map(|v| i32::from(*v)).sum::<i32>());
    let limits = numbers.chunks_exact(panels * PANEL_DIMENSIONS).map(limit).collect();
    let (all, _) = numbers.as_chunks::<PANEL_DIMENSIONS>();
    let mut quads = Vec::with_capacity(all.len());
    for tile in all.chunks(TILE * panels) {
        for panel in 0..panels {
            quads.extend(tile.iter().skip(panel).step_by(panels));
        }
    }
    Packed { quads, limits }
}

/// # Safety
///
/// The processor has AVX-512 F and VNNI. `groups` holds whole groups of the probes' panels, and `probes` was packed by
/// [`pack`].
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) unsafe fn scan(probes: &Probes, packed: &Packed, groups: &[Panel], hit: &mut impl FnMut(RowHit)) {
    let panels = probes.panels;
    let whole = groups.len() / (GROUPS * panels) * GROUPS * panels;
    let (together, alone) = groups.split_at(whole);
    for (i, four) in together.chunks_exact(GROUPS * panels).enumerate() {
        // SAFETY: as the caller; `four` holds 4 groups.
        unsafe { several::<GROUPS>(probes, packed, i * GROUPS, four, hit) };
    }
    for (i, one) in alone.chunks_exact(panels).enumerate() {
        // SAFETY: as the caller; `one` holds a group.
        unsafe { several::<1>(probes, packed, whole / panels + i, one, hit) };
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
    groups: &[Panel],
    hit: &mut impl FnMut(RowHit),
) {
    let panels = probes.panels;
    for (t, (quads, limits)) in packed.quads.chunks(TILE * panels).zip(packed.limits.chunks(TILE)).enumerate() {
        // SAFETY: as the caller; `quads` holds `panels` times as many quads as the tile is wide.
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
                    probes.check(first_group + g, &groups[g * panels..][..panels], t * TILE + p, lane, hit);
                }
            }
        }
    }
}

/// For each of `G` groups and `P` probes, which of 16 rows are a hit, one bit each.
///
/// # Safety
///
/// As [`scan`]; `groups` holds `G` groups, `quads` holds `P` quads for each panel of one, and `limits` is `P` long.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
unsafe fn tile<const G: usize, const P: usize>(
    groups: &[Panel],
    quads: &[[i8; PANEL_DIMENSIONS]],
    limits: &[i32],
) -> [[u16; TILE]; G] {
    let offset = _mm512_set1_epi8(-128);
    let mut sums = [[_mm512_setzero_si512(); P]; G];
    let panels = groups.len() / G;
    let (quads, _) = quads.as_chunks::<P>();
    for (panel, quads) in quads.iter().enumerate() {
        for (g, sums) in sums.iter_mut().enumerate() {
            let rows = std::ptr::from_ref(&groups[g * panels + panel]).cast::<__m512i>();
            // SAFETY: a panel is 64 bytes at an address that is a multiple of 64.
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
