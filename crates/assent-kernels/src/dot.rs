//! Dot products of 8-bit rows: the inner loop of every search.

use crate::Kernel;

/// Sum of the products of `a` and `b`, the twin of every other kernel.
///
/// Rows of different lengths are compared over the shorter one. Up to 2^17 numbers cannot overflow.
///
/// # Example
///
/// ```
/// assert_eq!(assent_kernels::dot_scalar(&[1, -2, 127], &[3, 4, 127]), 3 - 8 + 127 * 127);
/// ```
pub fn dot_scalar(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
}

impl Kernel {
    /// Sum of the products of `a` and `b`; the same number from every kernel.
    #[inline]
    pub fn dot(self, a: &[i8], b: &[i8]) -> i32 {
        match self {
            Kernel::Scalar => dot_scalar(a, b),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2(_) => {
                let n = a.len().min(b.len());
                // SAFETY: an `Avx2` exists, so `is_x86_feature_detected!("avx2")` was true; both slices hold `n` bytes.
                unsafe { dot_avx2(&a[..n], &b[..n]) }
            }
        }
    }
}

/// # Safety
///
/// The processor has AVX2, and `a` and `b` are of equal length.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[expect(clippy::cast_ptr_alignment, reason = "`loadu` asks for no alignment")]
unsafe fn dot_avx2(a: &[i8], b: &[i8]) -> i32 {
    use std::arch::x86_64::{
        __m128i, _mm_loadu_si128, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_madd_epi16, _mm256_setzero_si256,
    };
    let mut sums = _mm256_setzero_si256();
    let (a16, a_rest) = a.as_chunks::<16>();
    let (b16, b_rest) = b.as_chunks::<16>();
    for (x, y) in a16.iter().zip(b16) {
        // SAFETY: `x` and `y` are arrays of 16 bytes, and the load asks for no alignment.
        let (x, y) =
            unsafe { (_mm_loadu_si128(x.as_ptr().cast::<__m128i>()), _mm_loadu_si128(y.as_ptr().cast::<__m128i>())) };
        // 16 products of two bytes, summed by pairs into 8 numbers of 32 bits.
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_cvtepi8_epi16(x), _mm256_cvtepi8_epi16(y)));
    }
    // SAFETY: a vector of 256 bits is eight numbers of 32 bits.
    let lanes: [i32; 8] = unsafe { std::mem::transmute(sums) };
    lanes.iter().sum::<i32>() + dot_scalar(a_rest, b_rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_kernel_equals_its_scalar_twin(a in proptest::collection::vec(any::<i8>(), 0..600), seed in any::<i8>()) {
            let b: Vec<i8> = a.iter().map(|v| v.wrapping_mul(31).wrapping_add(seed)).collect();
            let expected: i64 = a.iter().zip(&b).map(|(x, y)| i64::from(*x) * i64::from(*y)).sum();
            prop_assert_eq!(i64::from(dot_scalar(&a, &b)), expected);
            prop_assert_eq!(i64::from(Kernel::detect().dot(&a, &b)), expected);
        }
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        let row = [i8::MIN; 512];
        assert_eq!(Kernel::detect().dot(&row, &row), 512 * 128 * 128);
    }
}
