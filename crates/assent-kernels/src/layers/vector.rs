//! Vectors of floats, so that a loop is written once for every width of them.

use std::arch::x86_64::{
    __m256, __m512, _mm256_andnot_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_set1_ps,
    _mm256_storeu_ps, _mm512_andnot_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps, _mm512_set1_ps,
    _mm512_storeu_ps,
};

use super::{Activation, avx2, avx512};

/// A vector of floats. What uses one is inlined into a function that has the vector's features: AVX2 and FMA, or of
/// AVX-512 the parts F and DQ.
///
/// # Safety
///
/// Every function asks that the processor has these features.
pub(super) trait Vector: Copy {
    /// Floats in it.
    const LANES: usize;

    /// `value` in every lane.
    unsafe fn splat(value: f32) -> Self;

    /// The floats from `from` on.
    ///
    /// # Safety
    ///
    /// There are as many as there are lanes.
    unsafe fn load(from: *const f32) -> Self;

    /// Writes the floats from `to` on.
    ///
    /// # Safety
    ///
    /// There is room for as many as there are lanes.
    unsafe fn store(self, to: *mut f32);

    /// `self * factor + sum`, rounded once.
    unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self;

    /// The larger numbers; where one is a NaN, what `other` holds.
    unsafe fn max(self, other: Self) -> Self;

    /// Without their signs.
    unsafe fn magnitude(self) -> Self;

    /// After `activation`.
    unsafe fn end(self, activation: Activation) -> Self;
}

macro_rules! vector {
    ($vector:ty, $lanes:literal, $end:path, $splat:ident, $load:ident, $store:ident, $fma:ident, $max:ident, $andnot:ident) => {
        impl Vector for $vector {
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: as the trait asks of the caller.
                unsafe { $splat(value) }
            }

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: as the trait asks of the caller.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: as the trait asks of the caller.
                unsafe { $store(to, self) }
            }

            #[inline(always)]
            unsafe fn multiply_add(self, factor: Self, sum: Self) -> Self {
                // SAFETY: as the trait asks of the caller.
                unsafe { $fma(self, factor, sum) }
            }

            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                // SAFETY: as the trait asks of the caller.
                unsafe { $max(self, other) }
            }

            #[inline(always)]
            unsafe fn magnitude(self) -> Self {
                // SAFETY: as the trait asks of the caller.
                unsafe { $andnot($splat(-0.0), self) }
            }

            #[inline(always)]
            unsafe fn end(self, activation: Activation) -> Self {
                // SAFETY: as the trait asks of the caller.
                unsafe { $end(activation, self) }
            }
        }
    };
}

vector!(
    __m256,
    8,
    avx2::end,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps,
    _mm256_max_ps,
    _mm256_andnot_ps
);
vector!(
    __m512,
    16,
    avx512::end,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_max_ps,
    _mm512_andnot_ps
);
