//! Bilinear samples of a picture, in whole numbers.
//!
//! A place is known to the 128th of a pixel across and the 64th down; with the 8 bits of a colour that is all that the
//! products of a vector of bytes have room for, and finer than what common libraries do.

use crate::Kernel;

const ACROSS_BITS: u32 = 7;
const DOWN_BITS: u32 = 6;

/// How much a sum is larger than the colour it stands for, with one sample in it.
pub const SAMPLE_ONE: u32 = 1 << (ACROSS_BITS + DOWN_BITS);

/// Places have this many bits after the point.
pub const PLACE_BITS: u32 = 32;

/// The pixels of a picture, `[height][width][3]`.
#[derive(Debug, Clone, Copy)]
pub struct Pixels<'p> {
    rgb: &'p [u8],
    width: usize,
    height: usize,
    /// Pixels from byte 0 to this one have eight bytes of their own row and of the next.
    last_inside: Option<usize>,
}

/// A row of samples: where the first one lies, and how far it is from each to the next, pixels times `2^PLACE_BITS`,
/// counted from the centre of the first pixel, across and down.
#[derive(Debug, Clone, Copy)]
pub struct SampleRow {
    /// The first sample's place.
    pub start: [i64; 2],
    /// From a sample to the next; places beyond what 64 bits hold begin at the other end.
    pub step: [i64; 2],
}

impl<'p> Pixels<'p> {
    /// `None` unless `rgb` holds exactly `3 * width * height` bytes.
    pub fn new(rgb: &'p [u8], width: usize, height: usize) -> Option<Pixels<'p>> {
        let stride = width.checked_mul(3)?;
        let whole = stride.checked_mul(height)? == rgb.len();
        whole.then_some(Pixels { rgb, width, height, last_inside: rgb.len().checked_sub(stride + 8) })
    }

    /// Adds samples to `sums`, red first, the fourth number of each left alone: the first `each` samples of `row` to the
    /// first sum, the next to the second. A sample counts [`SAMPLE_ONE`] times its colour; what lies outside of the picture is
    /// black.
    ///
    /// # Example
    ///
    /// ```
    /// use assent_kernels::{Kernel, Pixels, SAMPLE_ONE, SampleRow};
    ///
    /// let pixels = Pixels::new(&[0, 0, 0, 100, 200, 50], 2, 1).unwrap();
    /// let mut sums = [[0; 4]];
    /// // Half-way between the two.
    /// let row = SampleRow { start: [1 << 31, 0], step: [0, 0] };
    /// pixels.add_samples(Kernel::detect(), row, 1, &mut sums);
    /// assert_eq!(sums[0].map(|sum| sum / SAMPLE_ONE), [50, 100, 25, 0]);
    /// ```
    ///
    /// # Panics
    ///
    /// If `each` is more than 1024: a sum has no room for more.
    pub fn add_samples(&self, kernel: Kernel, row: SampleRow, each: usize, sums: &mut [[u32; 4]]) {
        assert!(each <= 1024);
        match kernel {
            Kernel::Scalar => self.add_samples_scalar(row, each, sums),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: either proof says that the processor has AVX2.
            Kernel::Avx2(_) | Kernel::Avx512Vnni(_) => unsafe { self.add_samples_avx2(row, each, sums) },
        }
    }

    fn add_samples_scalar(&self, row: SampleRow, each: usize, sums: &mut [[u32; 4]]) {
        let mut place = row.start;
        for sum in sums {
            for _ in 0..each {
                self.add_sample(place, sum);
                place = next(place, row.step);
            }
        }
    }

    /// Adds one sample, corner by corner.
    #[cold]
    fn add_sample(&self, [x, y]: [i64; 2], sum: &mut [u32; 4]) {
        let ((x, dx), (y, dy)) = (nearest(x, ACROSS_BITS), nearest(y, DOWN_BITS));
        let [across, down] = [(1 << ACROSS_BITS) - dx, (1 << DOWN_BITS) - dy];
        let corners = [(x, y, across * down), (x + 1, y, dx * down), (x, y + 1, across * dy), (x + 1, y + 1, dx * dy)];
        for (x, y, weight) in corners {
            let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { continue };
            if x < self.width && y < self.height {
                let pixel = &self.rgb[(y * self.width + x) * 3..][..3];
                sum.iter_mut().zip(pixel).for_each(|(sum, colour)| *sum += u32::from(*colour) * weight);
            }
        }
    }

    /// Where the four pixels around a sample begin, if all of them lie in the picture and so do the eight bytes that begin
    /// in each of the two rows.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn inside(&self, x: i64, y: i64) -> Option<usize> {
        // A negative number is a very large one here.
        let (x, y) = (x.cast_unsigned() as usize, y.cast_unsigned() as usize);
        if x.wrapping_add(1) >= self.width || y.wrapping_add(1) >= self.height || x == usize::MAX || y == usize::MAX {
            return None;
        }
        let at = (y * self.width + x) * 3;
        self.last_inside.is_some_and(|last| at <= last).then_some(at)
    }

    /// # Safety
    ///
    /// The processor has AVX2.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn add_samples_avx2(&self, row: SampleRow, each: usize, sums: &mut [[u32; 4]]) {
        use std::arch::x86_64::{
            _mm_add_epi32, _mm_loadl_epi64, _mm_loadu_si128, _mm_madd_epi16, _mm_maddubs_epi16, _mm_set1_epi16,
            _mm_set1_epi32, _mm_setr_epi8, _mm_shuffle_epi8, _mm_storeu_si128, _mm_unpacklo_epi8,
        };
        // Of red, green, blue and the next pixel's red, green, blue, 16 bits each: the two reds, the two greens, the two
        // blues, nothing.
        let pairs = _mm_setr_epi8(0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, -1, -1, -1, -1);
        let mut place = row.start;
        for sum in sums {
            // SAFETY: `sum` is 16 bytes.
            let mut colours = unsafe { _mm_loadu_si128(std::ptr::from_ref(sum).cast()) };
            for _ in 0..each {
                let here = place;
                place = next(place, row.step);
                let ((x, dx), (y, dy)) = (nearest(here[0], ACROSS_BITS), nearest(here[1], DOWN_BITS));
                let Some(at) = self.inside(x, y) else {
                    // SAFETY: as above; the sum so far lies there while a sample at the rim is added.
                    colours = unsafe {
                        _mm_storeu_si128(std::ptr::from_mut(sum).cast(), colours);
                        self.add_sample(here, sum);
                        _mm_loadu_si128(std::ptr::from_ref(sum).cast())
                    };
                    continue;
                };
                let (dx, dy) = (dx.cast_signed(), dy.cast_signed());
                let down = _mm_set1_epi16((dy << 8 | ((1 << DOWN_BITS) - dy)) as i16);
                let across = _mm_set1_epi32(dx << 16 | ((1 << ACROSS_BITS) - dx));
                // SAFETY: `inside` gave a byte from which on eight lie in the picture, and eight a row further on.
                let both = unsafe {
                    let top = self.rgb.as_ptr().add(at);
                    let bottom = top.add(self.width * 3);
                    _mm_unpacklo_epi8(_mm_loadl_epi64(top.cast()), _mm_loadl_epi64(bottom.cast()))
                };
                let mixed = _mm_shuffle_epi8(_mm_maddubs_epi16(both, down), pairs);
                colours = _mm_add_epi32(colours, _mm_madd_epi16(mixed, across));
            }
            // SAFETY: `sum` is 16 bytes.
            unsafe { _mm_storeu_si128(std::ptr::from_mut(sum).cast(), colours) };
        }
    }
}

/// The pixel before a place, and how far beyond it the place lies, in steps of `2^-bits`, rounded.
#[inline(always)]
fn nearest(place: i64, bits: u32) -> (i64, u32) {
    let steps = place.wrapping_add(1 << (PLACE_BITS - bits - 1)) >> (PLACE_BITS - bits);
    (steps >> bits, (steps & ((1 << bits) - 1)).cast_unsigned() as u32)
}

#[inline(always)]
fn next([x, y]: [i64; 2], [dx, dy]: [i64; 2]) -> [i64; 2] {
    [x.wrapping_add(dx), y.wrapping_add(dy)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::noise;

    proptest! {
        #[test]
        fn samples_equal_their_scalar_twin(
            width in 1_usize..20, height in 1_usize..20, each in 0_usize..5, count in 0_usize..40, seed in any::<u32>(),
            start in prop::array::uniform2(-3.0_f64..23.0), step in prop::array::uniform2(-2.0_f64..2.0),
        ) {
            let fixed = |place: f64| (place * (1_u64 << PLACE_BITS) as f64) as i64;
            let rgb = noise(width * height * 3, seed);
            let pixels = Pixels::new(&rgb, width, height).unwrap();
            let row = SampleRow { start: start.map(fixed), step: step.map(fixed) };
            let (mut fast, mut plain) = (vec![[7; 4]; count], vec![[7; 4]; count]);
            pixels.add_samples(Kernel::detect(), row, each, &mut fast);
            pixels.add_samples(Kernel::Scalar, row, each, &mut plain);
            prop_assert_eq!(fast, plain);
        }
    }

    #[test]
    fn places_far_away_are_black() {
        let rgb = vec![255; 300];
        let pixels = Pixels::new(&rgb, 10, 10).unwrap();
        for far in [i64::MIN, i64::MIN + 1, -(1 << PLACE_BITS) - 1, 10 << PLACE_BITS, i64::MAX - 1, i64::MAX] {
            for kernel in [Kernel::Scalar, Kernel::detect()] {
                for start in [[far, 0], [0, far], [far, far]] {
                    let mut sums = [[0; 4]; 3];
                    pixels.add_samples(kernel, SampleRow { start, step: [0, 0] }, 2, &mut sums);
                    assert_eq!(sums, [[0; 4]; 3], "{far}");
                }
            }
        }
    }

    #[test]
    fn a_picture_of_another_size_is_refused() {
        assert!(Pixels::new(&[0; 12], 2, 2).is_some());
        assert!(Pixels::new(&[0; 13], 2, 2).is_none());
        assert!(Pixels::new(&[], usize::MAX, 2).is_none());
    }
}
