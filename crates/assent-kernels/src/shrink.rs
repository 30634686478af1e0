//! A picture made smaller than half: each new pixel the mean of all old ones less than a new pixel's width away, the
//! nearer the more.

use crate::Kernel;

/// What the weights of a new pixel add up to. With it, sums of bytes fit in 16 bits.
const WHOLE: u16 = 128;
/// How many old pixels of a row are weighed at once.
const GROUP: usize = 4;
/// Bytes that are read at once from the first old pixel of a group on.
const READ: usize = 16;

/// Which old pixels each new one is made of, along one side.
#[derive(Debug, Clone)]
pub struct Taps {
    old: usize,
    /// The first old pixel of each new one.
    first: Vec<usize>,
    /// Old pixels for a new one, a multiple of [`GROUP`].
    count: usize,
    /// `[new][count]`, each `count` of them [`WHOLE`] together, none negative.
    weights: Vec<i8>,
}

impl Taps {
    /// `new` pixels for those from `from` on, `length` of the `old` ones of a side; parts of pixels count. `None` unless
    /// they lie within the side, and are more than two for each new one.
    ///
    /// # Source
    ///
    /// The triangle filter, widened to the size of the new pixels: what libraries call antialiased bilinear.
    #[expect(clippy::cast_sign_loss, reason = "neither places nor weights are negative")]
    pub fn new(old: usize, (from, length): (f64, f64), new: usize) -> Option<Taps> {
        let size = length / new as f64;
        // Not a number is refused, too.
        if !(from >= 0.0 && from + length <= old as f64 && size > 2.0 && size.is_finite()) {
            return None;
        }
        let count = (2 * size.ceil() as usize + 1).next_multiple_of(GROUP);
        let (mut all, mut weights) = (Vec::with_capacity(new), Vec::with_capacity(new * count));
        for i in 0..new {
            let centre = from + (i as f64 + 0.5) * size;
            let first = (centre - size).floor().max(0.0) as usize;
            let end = ((centre + size).ceil() as usize).min(old);
            let near = |pixel: usize| (1.0 - (pixel as f64 + 0.5 - centre).abs() / size).max(0.0);
            let sum: f64 = (first..end).map(near).sum();
            // What was rounded off one weight goes to the next, so that all together are the whole.
            let (mut so_far, mut given) = (0.0, 0);
            for pixel in first..first + count {
                so_far += if pixel < end { near(pixel) } else { 0.0 };
                let until = (so_far / sum * f64::from(WHOLE)).round() as u8;
                weights.push((until - given).cast_signed());
                given = until;
            }
            all.push(first);
        }
        Some(Taps { old, first: all, count, weights })
    }

    /// The number of pixels that come out.
    pub fn new_pixels(&self) -> usize {
        self.first.len()
    }
}

/// Makes the picture `rgb` (`[down][across][3]`, the old pixels of both) smaller, into `out`.
///
/// # Panics
///
/// Unless `rgb` holds as many pixels as both sides have old ones, and `out` as many as they have new ones.
pub fn shrink(kernel: Kernel, rgb: &[u8], across: &Taps, down: &Taps, out: &mut [u8]) {
    let (stride, new_stride) = (across.old * 3, across.new_pixels() * 3);
    assert!(rgb.len() == stride * down.old && out.len() == new_stride * down.new_pixels());
    // What is read beyond a row's end is weighed with nothing.
    let mut row = vec![0; stride + across.count * 3 + READ];
    let lines = down.first.iter().zip(down.weights.chunks_exact(down.count));
    for ((first, weights), out) in lines.zip(out.chunks_exact_mut(new_stride.max(1))) {
        let old: Vec<(&[u8], u16)> = (weights.iter().enumerate())
            .filter(|(_, weight)| **weight > 0)
            .map(|(i, weight)| (&rgb[(first + i) * stride..][..stride], u16::from(weight.unsigned_abs())))
            .collect();
        match kernel {
            Kernel::Scalar => {
                mix(&old, &mut row[..stride]);
                across_scalar(&row, across, out);
            }
            #[cfg(target_arch = "x86_64")]
            // SAFETY: either proof says that the processor has AVX2; `row` goes on for what is read beyond its end.
            Kernel::Avx2(_) | Kernel::Avx512Vnni(_) => unsafe {
                avx2::mix(&old, &mut row[..stride]);
                avx2::across(&row, across, out);
            },
        }
    }
}

/// Rows with their weights into one.
#[inline(always)]
fn mix(rows: &[(&[u8], u16)], out: &mut [u8]) {
    const BYTES: usize = 32;
    let done = out.len() / BYTES * BYTES;
    let (groups, rest) = out.as_chunks_mut::<BYTES>();
    for (g, group) in groups.iter_mut().enumerate() {
        let mut sums = [WHOLE / 2; BYTES];
        for (row, weight) in rows {
            let (from, _) = row[g * BYTES..].split_at(BYTES);
            sums.iter_mut().zip(from).for_each(|(sum, byte)| *sum += u16::from(*byte) * weight);
        }
        group.iter_mut().zip(sums).for_each(|(to, sum)| *to = (sum / WHOLE) as u8);
    }
    for (i, to) in rest.iter_mut().enumerate() {
        let sum = rows.iter().map(|(row, weight)| u16::from(row[done + i]) * weight).sum::<u16>();
        *to = ((sum + WHOLE / 2) / WHOLE) as u8;
    }
}

fn across_scalar(row: &[u8], taps: &Taps, out: &mut [u8]) {
    let pixels = taps.first.iter().zip(taps.weights.chunks_exact(taps.count));
    for ((first, weights), to) in pixels.zip(out.as_chunks_mut::<3>().0) {
        let old = row[first * 3..].as_chunks::<3>().0;
        *to = std::array::from_fn(|c| {
            let sum: u16 = old.iter().zip(weights).map(|(p, w)| u16::from(p[c]) * u16::from(w.unsigned_abs())).sum();
            ((sum + WHOLE / 2) / WHOLE) as u8
        });
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        _mm_add_epi16, _mm_add_epi32, _mm_cvtsi128_si32, _mm_loadu_si128, _mm_madd_epi16, _mm_maddubs_epi16,
        _mm_packus_epi16, _mm_packus_epi32, _mm_set1_epi16, _mm_set1_epi32, _mm_setr_epi8, _mm_setzero_si128,
        _mm_shuffle_epi8, _mm_srli_epi32,
    };

    use super::{GROUP, READ, Taps, WHOLE};

    /// The scalar twin, translated for this processor.
    #[target_feature(enable = "avx2,fma")]
    pub(super) fn mix(rows: &[(&[u8], u16)], out: &mut [u8]) {
        super::mix(rows, out);
    }

    /// # Safety
    ///
    /// AVX2 is there, and after the last old pixel of each new one, `row` goes on for [`READ`] bytes.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn across(row: &[u8], taps: &Taps, out: &mut [u8]) {
        debug_assert!(taps.first.iter().all(|first| (first + taps.count) * 3 + READ <= row.len()));
        // Four pixels, colour by colour.
        let colours = _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1);
        let half = _mm_set1_epi32(i32::from(WHOLE / 2));
        let pixels = taps.first.iter().zip(taps.weights.chunks_exact(taps.count));
        for ((first, weights), to) in pixels.zip(out.as_chunks_mut::<3>().0) {
            let mut sums = _mm_setzero_si128();
            for (g, weights) in weights.as_chunks::<GROUP>().0.iter().enumerate() {
                // SAFETY: the caller promises the bytes from the group's first pixel on.
                let old = unsafe { _mm_loadu_si128(row.as_ptr().add((first + g * GROUP) * 3).cast()) };
                let weights = _mm_set1_epi32(i32::from_le_bytes(weights.map(i8::cast_unsigned)));
                sums = _mm_add_epi16(sums, _mm_maddubs_epi16(_mm_shuffle_epi8(old, colours), weights));
            }
            // Two sums for each colour, no larger than 255 * 128 together.
            let sums = _mm_add_epi32(_mm_madd_epi16(sums, _mm_set1_epi16(1)), half);
            let bytes = _mm_srli_epi32::<{ WHOLE.ilog2().cast_signed() }>(sums);
            let bytes = _mm_packus_epi16(_mm_packus_epi32(bytes, bytes), bytes);
            let [red, green, blue, _] = _mm_cvtsi128_si32(bytes).to_le_bytes();
            *to = [red, green, blue];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::noise;

    fn shrunk(kernel: Kernel, rgb: &[u8], across: &Taps, down: &Taps) -> Vec<u8> {
        let mut out = vec![0; across.new_pixels() * down.new_pixels() * 3];
        shrink(kernel, rgb, across, down, &mut out);
        out
    }

    /// The fewest pixels that reach so far.
    fn reaching(end: f64) -> usize {
        (0_u32..1 << 20).find(|pixels| f64::from(*pixels) >= end).unwrap() as usize
    }

    proptest! {
        #[test]
        fn shrinking_equals_its_scalar_twin(
            sides in prop::array::uniform2((1_usize..20, 2.01_f64..9.0, 0.0_f64..5.0)), seed in any::<u32>(),
        ) {
            let [across, down] = sides.map(|(new, size, from)| {
                let length = new as f64 * size;
                Taps::new(reaching(from + length), (from, length), new).unwrap()
            });
            let rgb = noise(across.old * down.old * 3, seed);
            let plain = shrunk(Kernel::Scalar, &rgb, &across, &down);
            prop_assert_eq!(&shrunk(Kernel::detect(), &rgb, &across, &down), &plain);
        }

        #[test]
        fn every_weight_counts_for_the_whole(new in 1_usize..50, size in 2.01_f64..300.0, from in 0.0_f64..5.0) {
            let length = new as f64 * size;
            let taps = Taps::new(reaching(from + length), (from, length), new).unwrap();
            for (i, weights) in taps.weights.chunks_exact(taps.count).enumerate() {
                prop_assert_eq!(weights.iter().map(|w| u16::from(u8::try_from(*w).unwrap())).sum::<u16>(), WHOLE);
                let last = weights.iter().rposition(|w| *w > 0).unwrap();
                prop_assert!(taps.first[i] + last < taps.old);
            }
        }
    }

    #[test]
    fn a_third_is_the_mean_of_its_neighbours() {
        // Columns of 0, 90, 0, 0, 90, 0: each new pixel has one in its middle, and in its neighbours' middles none.
        let rgb: Vec<u8> = (0..6 * 6).flat_map(|i| [if i % 3 == 1 { 90 } else { 0 }; 3]).collect();
        let taps = Taps::new(6, (0.0, 6.0), 2).unwrap();
        let out = shrunk(Kernel::detect(), &rgb, &taps, &taps);
        assert!(out.iter().all(|v| (30..=36).contains(v)), "{out:?}");
    }

    #[test]
    fn what_is_no_shrinking_is_refused() {
        let check = |name: &str, old, part, new, fits: bool| {
            assert_eq!(Taps::new(old, part, new).is_some(), fits, "{name}");
        };
        check("a third", 30, (0.0, 30.0), 10, true);
        check("a half", 20, (0.0, 20.0), 10, false);
        check("beyond the end", 30, (1.0, 30.0), 10, false);
        check("before the start", 30, (-1.0, 30.0), 10, false);
        check("no new pixels", 30, (0.0, 30.0), 0, false);
        check("not a number", 30, (0.0, f64::NAN), 10, false);
    }
}
