//! What the tests of several kernels need.

/// Bytes of all sizes from a counter.
pub(crate) fn noise(n: usize, seed: u32) -> Vec<u8> {
    let mix = |i: usize| (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(2_246_822_519);
    (0..n).map(|i| (mix(i) >> 24) as u8).collect()
}
