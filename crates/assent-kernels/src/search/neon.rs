//! The search in NEON's vectors of 16 bytes: products of bytes in 16 bits, added in pairs to sums of 32. They are exact:
//! no product of two bytes is larger than 16 bits hold, and no sum of 512 of them than 32 do.
//!
//! A vector holds four dimensions of four rows, so that a group is four vectors a panel, and the two halves of each keep
//! sums of their own until the end.

use std::arch::aarch64::{
    int32x4_t, vdupq_n_s32, vget_low_s8, vld1q_s8, vmaxq_s32, vmaxvq_s32, vmull_high_s8, vmull_s8, vpadalq_s16,
    vpaddq_s32, vreinterpretq_s8_s32, vst1q_s32,
};

use super::{GROUP_ROWS, PANEL_DIMENSIONS, Panel, Probes, RowHit};

/// Vectors of a panel, each of four rows.
const VECTORS: usize = GROUP_ROWS / 4;

/// # Safety
///
/// The processor has NEON. `groups` holds whole groups of the probes' panels.
#[target_feature(enable = "neon")]
pub(super) unsafe fn scan(probes: &Probes, groups: &[Panel], hit: &mut impl FnMut(RowHit)) {
    let length = probes.panels * PANEL_DIMENSIONS;
    for (g, group) in groups.chunks_exact(probes.panels).enumerate() {
        for (probe, numbers) in probes.numbers.chunks_exact(length).enumerate() {
            // SAFETY: as the caller.
            let sums = unsafe { products(group, numbers) };
            // SAFETY: the processor has NEON.
            if unsafe { largest(&sums) } < probes.least {
                continue;
            }
            let mut dots = [0_i32; GROUP_ROWS];
            for (four, sum) in dots.chunks_exact_mut(4).zip(sums) {
                // SAFETY: `four` has room for four numbers.
                unsafe { vst1q_s32(four.as_mut_ptr(), sum) };
            }
            for (lane, dot) in dots.into_iter().enumerate().filter(|(_, dot)| *dot >= probes.least) {
                hit(RowHit { probe, row: g * GROUP_ROWS + lane, dot });
            }
        }
    }
}

/// The product of a probe with each of the 16 rows of a group.
///
/// # Safety
///
/// The processor has NEON.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn products(group: &[Panel], probe: &[i8]) -> [int32x4_t; VECTORS] {
    let zero = vdupq_n_s32(0);
    let (mut first, mut second) = ([zero; VECTORS], [zero; VECTORS]);
    for (panel, quad) in group.iter().zip(probe.chunks_exact(PANEL_DIMENSIONS)) {
        let quad = [quad[0] as u8, quad[1] as u8, quad[2] as u8, quad[3] as u8];
        let quad = vreinterpretq_s8_s32(vdupq_n_s32(i32::from_le_bytes(quad)));
        let rows = panel.0.as_ptr().cast::<i8>();
        for v in 0..VECTORS {
            // SAFETY: a panel is 64 bytes, and `VECTORS` times 16 of them are read.
            let four = unsafe { vld1q_s8(rows.add(16 * v)) };
            first[v] = vpadalq_s16(first[v], vmull_s8(vget_low_s8(four), vget_low_s8(quad)));
            second[v] = vpadalq_s16(second[v], vmull_high_s8(four, quad));
        }
    }
    let mut sums = [zero; VECTORS];
    for v in 0..VECTORS {
        sums[v] = vpaddq_s32(first[v], second[v]);
    }
    sums
}

/// The largest of all sums.
///
/// # Safety
///
/// The processor has NEON.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn largest(sums: &[int32x4_t; VECTORS]) -> i32 {
    vmaxvq_s32(vmaxq_s32(vmaxq_s32(sums[0], sums[1]), vmaxq_s32(sums[2], sums[3])))
}
