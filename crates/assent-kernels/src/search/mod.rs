//! One-to-many search: which of many rows have a product with a probe that is large enough.
//!
//! Rows of 8-bit numbers lie in groups of 16, four dimensions of all 16 together ([`Panel`]), so that one vector holds the
//! same four dimensions of many rows and no sum has to be taken across a vector. Probes are packed once ([`Probes`]) and
//! then meet any number of groups.
//!
//! | kernel | products | what it reads |
//! |---|---|---|
//! | scalar | exact | the twin that says what is right |
//! | AVX2 | coarse, then exact where the bound allows a hit | see `avx2` |
//! | AVX-512 VNNI | exact | see `vnni` |
//! | NEON | exact | see `neon` |
//!
//! All report the same hits with the same products, whatever the number of probes.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod vnni;

use zeroize::{Zeroize, Zeroizing};

#[cfg(target_arch = "aarch64")]
use crate::Neon;
#[cfg(target_arch = "x86_64")]
use crate::{Avx2, Avx512Vnni};

/// Rows of a group.
pub const GROUP_ROWS: usize = 16;

/// Dimensions of a panel.
pub const PANEL_DIMENSIONS: usize = 4;

/// Four dimensions of each of the 16 rows of a group: one line of the cache. A group of `d` dimensions is
/// `d / 4` (rounded up) of them; what is missing to four is 0, and so is a row that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Panel(pub [[i8; PANEL_DIMENSIONS]; GROUP_ROWS]);

impl Panel {
    /// 16 rows of nothing.
    pub const ZERO: Panel = Panel([[0; PANEL_DIMENSIONS]; GROUP_ROWS]);
}

impl Zeroize for Panel {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

/// How many panels a group of rows of `dimensions` numbers has.
pub const fn panels(dimensions: usize) -> usize {
    dimensions.div_ceil(PANEL_DIMENSIONS)
}

/// Writes a row into a group.
///
/// # Panics
///
/// If `lane` is 16 or more.
pub fn write_row(group: &mut [Panel], lane: usize, row: &[i8]) {
    let mut numbers = row.iter();
    for panel in group {
        panel.0[lane] = std::array::from_fn(|_| numbers.next().copied().unwrap_or(0));
    }
}

/// Sum of the products of a row and a probe, whose missing numbers are 0.
///
/// # Example
///
/// ```
/// use assent_kernels::{Panel, dot, write_row};
///
/// let mut group = [Panel::ZERO; 2];
/// write_row(&mut group, 3, &[1, -2, 127, 0, 5]);
/// assert_eq!(dot(&group, 3, &[3, 4, 127, 9, -1]), 3 - 8 + 127 * 127 - 5);
/// ```
///
/// # Panics
///
/// If `lane` is 16 or more.
pub fn dot(group: &[Panel], lane: usize, probe: &[i8]) -> i32 {
    let quads = group.iter().map(|panel| panel.0[lane]).zip(probe.chunks(PANEL_DIMENSIONS));
    quads.map(|(row, probe)| row.iter().zip(probe).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>()).sum()
}

/// The kernels for a search.
#[derive(Debug, Clone, Copy)]
pub enum SearchKernel {
    /// Scalar code in plain Rust, without vector instructions; it runs everywhere.
    Scalar,
    /// ARM's vectors of 16 bytes.
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    /// 256-bit vectors.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// 512-bit vectors with products of four bytes at once.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512Vnni),
}

impl SearchKernel {
    /// Those that this processor has, the best first.
    pub fn all() -> Vec<SearchKernel> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(Avx512Vnni::detect().map(SearchKernel::Avx512Vnni));
            all.extend(Avx2::detect().map(SearchKernel::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(Neon::detect().map(SearchKernel::Neon));
        all.push(SearchKernel::Scalar);
        all
    }

    /// The best of this processor.
    pub fn detect() -> SearchKernel {
        SearchKernel::all()[0]
    }

    /// Its name, as figures state it.
    pub fn name(self) -> &'static str {
        match self {
            SearchKernel::Scalar => "scalar",
            #[cfg(target_arch = "aarch64")]
            SearchKernel::Neon(_) => "neon",
            #[cfg(target_arch = "x86_64")]
            SearchKernel::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            SearchKernel::Avx512Vnni(_) => "avx512-vnni",
        }
    }
}

/// A row whose product with a probe is large enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowHit {
    /// Which probe, from 0.
    pub probe: usize,
    /// Which row of the scanned groups, from 0.
    pub row: usize,
    /// The exact product.
    pub dot: i32,
}

/// Probes, packed for a kernel. Wiped when dropped.
pub struct Probes {
    panels: usize,
    least: i32,
    /// `[probe][4 * panels]`
    numbers: Zeroizing<Vec<i8>>,
    packed: Packed,
}

/// Probes as a kernel reads them, with the proof that the processor has it.
enum Packed {
    Scalar,
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2, avx2::Packed),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512Vnni, vnni::Packed),
}

/// Probes that a kernel takes at once: with two vectors of rows, 12 sums fill the registers.
#[cfg(target_arch = "x86_64")]
const TILE: usize = 6;

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Probes({} of {} panels)", self.len(), self.panels)
    }
}

impl Probes {
    /// Packs `probes` for rows of `dimensions` numbers. A product of `least` or more is a hit.
    ///
    /// `longest_row` is the largest length (the root of the sum of squares) that a row has: a longer row may be missed.
    ///
    /// # Panics
    ///
    /// If a probe has another number of dimensions, or there are none.
    pub fn new(
        kernel: SearchKernel,
        dimensions: usize,
        probes: &[impl AsRef<[i8]>],
        least: i32,
        longest_row: f64,
    ) -> Probes {
        assert!(dimensions > 0);
        let panels = panels(dimensions);
        let mut numbers = Zeroizing::new(vec![0; probes.len() * panels * PANEL_DIMENSIONS]);
        for (to, probe) in numbers.chunks_exact_mut(panels * PANEL_DIMENSIONS).zip(probes) {
            to[..dimensions].copy_from_slice(probe.as_ref());
        }
        let packed = match kernel {
            SearchKernel::Scalar => Packed::Scalar,
            #[cfg(target_arch = "aarch64")]
            SearchKernel::Neon(neon) => Packed::Neon(neon),
            #[cfg(target_arch = "x86_64")]
            SearchKernel::Avx2(avx2) => Packed::Avx2(avx2, avx2::pack(&numbers, panels, least, longest_row)),
            #[cfg(target_arch = "x86_64")]
            SearchKernel::Avx512Vnni(vnni) => Packed::Avx512Vnni(vnni, vnni::pack(&numbers, panels, least)),
        };
        Probes { panels, least, numbers, packed }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len() / (self.panels * PANEL_DIMENSIONS)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Calls `hit` for each probe and row of `groups` whose product is large enough, in no particular order.
    ///
    /// # Panics
    ///
    /// If `groups` is not a whole number of groups.
    pub fn scan(&self, groups: &[Panel], mut hit: impl FnMut(RowHit)) {
        assert!(groups.len().is_multiple_of(self.panels));
        match &self.packed {
            Packed::Scalar => self.scan_scalar(groups, &mut hit),
            #[cfg(target_arch = "aarch64")]
            // SAFETY: a `Neon` exists, so `is_aarch64_feature_detected!("neon")` was true.
            Packed::Neon(_) => unsafe { neon::scan(self, groups, &mut hit) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Avx2` exists, so the processor has AVX2 and FMA; `pack` made `packed` of these probes.
            Packed::Avx2(_, packed) => unsafe { avx2::scan(self, packed, groups, &mut hit) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `Avx512Vnni` exists, so the processor has the features of `scan`; `pack` made `packed` of these
            // probes.
            Packed::Avx512Vnni(_, packed) => unsafe { vnni::scan(self, packed, groups, &mut hit) },
        }
    }

    fn scan_scalar(&self, groups: &[Panel], hit: &mut impl FnMut(RowHit)) {
        for (g, group) in groups.chunks_exact(self.panels).enumerate() {
            for probe in 0..self.len() {
                for lane in 0..GROUP_ROWS {
                    self.check(g, group, probe, lane, hit);
                }
            }
        }
    }

    /// Calls `hit` if the exact product of a probe and a row is large enough.
    fn check(&self, g: usize, group: &[Panel], probe: usize, lane: usize, hit: &mut impl FnMut(RowHit)) {
        let length = self.panels * PANEL_DIMENSIONS;
        let dot = dot(group, lane, &self.numbers[probe * length..][..length]);
        if dot >= self.least {
            hit(RowHit { probe, row: g * GROUP_ROWS + lane, dot });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers from a counter: most small, some at the ends.
    fn numbers(n: usize, seed: u32, most: i8) -> Vec<i8> {
        let mix =
            |i: usize| (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed).wrapping_mul(2_246_822_519) >> 12;
        let number = |i: usize| {
            let (a, b) = (mix(2 * i), mix(2 * i + 1));
            let small = (a % (2 * u32::from(most.unsigned_abs()) + 1)).cast_signed() - i32::from(most);
            if b.is_multiple_of(37) { if a & 1 == 0 { 127 } else { -128 } } else { small as i8 }
        };
        (0..n).map(number).collect()
    }

    fn groups(rows: &[Vec<i8>], dimensions: usize) -> Vec<Panel> {
        let panels = panels(dimensions);
        let mut groups = vec![Panel::ZERO; rows.len().div_ceil(GROUP_ROWS) * panels];
        for (r, row) in rows.iter().enumerate() {
            write_row(&mut groups[r / GROUP_ROWS * panels..][..panels], r % GROUP_ROWS, row);
        }
        groups
    }

    fn hits(kernel: SearchKernel, groups: &[Panel], dimensions: usize, probes: &[Vec<i8>], least: i32) -> Vec<RowHit> {
        let length = |row: usize| {
            let group = &groups[row / GROUP_ROWS * panels(dimensions)..][..panels(dimensions)];
            let own: Vec<i8> = group.iter().flat_map(|panel| panel.0[row % GROUP_ROWS]).collect();
            f64::from(dot(group, row % GROUP_ROWS, &own)).sqrt()
        };
        let longest = (0..groups.len() / panels(dimensions) * GROUP_ROWS).map(length).fold(0.0, f64::max);
        let mut hits = Vec::new();
        Probes::new(kernel, dimensions, probes, least, longest).scan(groups, |hit| hits.push(hit));
        hits.sort_unstable();
        hits
    }

    proptest! {
        #[test]
        fn every_kernel_finds_what_its_scalar_twin_finds(
            dimensions in 1_usize..600,
            rows in 0_usize..100,
            probes in 0_usize..20,
            seed in any::<u32>(),
            most in 1_i8..=127,
            part in 0.0_f64..1.0,
            silent_percent in 0_usize..=100,
        ) {
            // Some rows say nothing in their first dimensions, and some nothing in their last.
            let row = |i: usize| {
                let mut row = numbers(dimensions, seed.wrapping_add(i as u32 * 7919), most);
                let (first, last) = row.split_at_mut(silent_percent * dimensions / 100);
                match i % 4 {
                    2 => first.fill(0),
                    3 => last.fill(0),
                    _ => {}
                }
                row
            };
            let rows: Vec<Vec<i8>> = (0..rows).map(row).collect();
            // Half of the probes are rows turned away a little, so that there is something to be found.
            let probe = |i: usize| match rows.get(i * 3).filter(|_| i.is_multiple_of(2)) {
                Some(row) => row.iter().enumerate().map(|(k, v)| if k % 5 == i % 5 { v / 2 } else { *v }).collect(),
                None => numbers(dimensions, seed.wrapping_add(i as u32 * 104_729 + 1), most),
            };
            let probes: Vec<Vec<i8>> = (0..probes).map(probe).collect();
            let groups = groups(&rows, dimensions);
            let square = f64::from(most).powi(2) * dimensions as f64;
            // The products of some probes and the rows that they are of, so that a hit is one by nothing.
            let of_own = (0..probes.len()).step_by(2).filter(|i| i * 3 < rows.len()).map(|i| {
                let row = i * 3;
                dot(&groups[row / GROUP_ROWS * panels(dimensions)..][..panels(dimensions)], row % GROUP_ROWS, &probes[i])
            });
            let parts = [part * square, part * square / 30.0, -part * square / 9.0].map(|least| least as i32);
            for least in of_own.chain(parts).chain([i32::MIN]) {
                let expected = hits(SearchKernel::Scalar, &groups, dimensions, &probes, least);
                for kernel in SearchKernel::all() {
                    let got = hits(kernel, &groups, dimensions, &probes, least);
                    prop_assert_eq!(&got, &expected, "{} at {}", kernel.name(), least);
                }
            }
        }
    }

    #[test]
    fn the_scalar_twin_is_the_sum_of_products() {
        let rows: Vec<Vec<i8>> = (0..20).map(|i| numbers(30, i, 127)).collect();
        let probes = [numbers(30, 99, 127), numbers(30, 98, 3)];
        let mut expected = Vec::new();
        for (p, probe) in probes.iter().enumerate() {
            for (r, row) in rows.iter().enumerate() {
                let sum = row.iter().zip(probe).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum::<i32>();
                if sum >= 900 {
                    expected.push(RowHit { probe: p, row: r, dot: sum });
                }
            }
        }
        assert!(!expected.is_empty());
        assert_eq!(hits(SearchKernel::Scalar, &groups(&rows, 30), 30, &probes, 900), expected);
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        let check = |name: &str, row: i8, probe: i8| {
            let expected = 512 * i32::from(row) * i32::from(probe);
            let groups = groups(&vec![vec![row; 512]; 33], 512);
            for kernel in SearchKernel::all() {
                let got = hits(kernel, &groups, 512, &vec![vec![probe; 512]; 7], expected);
                assert_eq!(got.iter().filter(|hit| hit.dot == expected).count(), 33 * 7, "{name}, {}", kernel.name());
            }
        };
        check("both least", -128, -128);
        check("both most", 127, 127);
        check("opposite", 127, -128);
        check("opposite again", -128, 127);
    }
}
