//! The search in 256-bit vectors: a coarse product first, which is a bound, and the exact one where the bound allows a hit.
//!
//! AVX2 multiplies unsigned bytes by signed ones and adds the products in pairs, to 16 bits. So a row's number `q` is
//! taken as `q + 128`, and a probe is scaled and rounded, `p = c / s + f` with whole `c`, as finely as keeps every
//! product of a row and a chunk of `c` within 16 bits. On the way there, and by 128 times the sum of `c`, sums may
//! overflow: 16 bits that come back to a number which fits have the right one. Then, by Cauchy and Schwarz,
//!
//! ```text
//! q.p = q.c / s + q.f,    |q.f| <= |q| |f|
//! ```
//!
//! and a `q.c` below the limit that follows is no hit, whatever was rounded.
//!
//! Most rows are known to be no hit before all is multiplied: what is left of the dimensions adds the product of its
//! lengths at most. So a tile stops after a first part of the dimensions, unless that could make a hit of one of its
//! rows and probes.

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _CMP_GE_OQ, _MM_HINT_T1, _mm_load_si128, _mm_prefetch, _mm256_add_epi16,
    _mm256_add_epi32, _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cmpgt_epi32, _mm256_cvtepi8_epi16, _mm256_cvtepi32_ps,
    _mm256_fmadd_ps, _mm256_hadd_epi32, _mm256_load_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_movemask_ps,
    _mm256_mul_ps, _mm256_or_ps, _mm256_permute4x64_epi64, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_setzero_si256, _mm256_sqrt_ps, _mm256_store_si256, _mm256_xor_si256,
};

use zeroize::{Zeroize, Zeroizing};

use super::{GROUP_ROWS, PANEL_DIMENSIONS, Panel, Probes, RowHit, TILE};

/// Steps whose products are summed in 16 bits. The fewer, the finer may a probe be, and the more often are sums carried
/// over into 32.
const CHUNK_PANELS: usize = 64;

/// The largest `c`: two products with 255 are added before any sum may overflow.
const MOST: f64 = 64.0;

/// What is added to a row's number, and so to its bits: the highest is turned.
const OFFSET: i8 = -128;

/// Probes, rounded and side by side. Wiped when dropped.
pub(super) struct Packed {
    /// For each tile of `TILE` probes, the last one narrower, and each chunk of panels: what the sums of each probe begin
    /// with, then for each panel four numbers of each probe.
    quads: Vec<[i8; PANEL_DIMENSIONS]>,
    /// Steps after which a tile may stop: all of them, if that would not pay.
    first_part: usize,
    limits: Vec<Limits>,
}

/// What the sums of a probe have to reach, so that there may be a hit.
struct Limits {
    /// Over all panels.
    all: i32,
    /// Over the first part, if the second part of the row is 0.
    first: f32,
    /// How much less is enough for each unit of the second part's length.
    less: f32,
}

impl Drop for Packed {
    fn drop(&mut self) {
        self.quads.as_flattened_mut().zeroize();
    }
}

pub(super) fn pack(numbers: &[i8], panels: usize, least: i32, longest_row: f64) -> Packed {
    let dimensions = panels * PANEL_DIMENSIONS;
    let together = numbers.len() > TILE * dimensions;
    let first_part = if together { first_part(panels, least, longest_row) } else { panels };
    let first = first_part * PANEL_DIMENSIONS;
    let (mut coarse, mut limits) = (Vec::new(), Vec::new());
    for probe in numbers.chunks_exact(dimensions) {
        let (scale, numbers) = rounded(probe, first, longest_row);
        let rests = probe.iter().zip(numbers.iter()).map(|(p, c)| f64::from(*p) - f64::from(*c) / scale);
        let rests = Zeroizing::new(rests.collect::<Vec<f64>>());
        // One less for the rounding of these very lines.
        let limit = |rests: &[f64]| scale * (f64::from(least) - longest_row * length(rests)) - 1.0;
        let second: Zeroizing<Vec<f64>> = Zeroizing::new(probe[first..].iter().map(|p| f64::from(*p)).collect());
        limits.push(Limits {
            all: limit(&rests).floor() as i32,
            first: limit(&rests[..first]) as f32,
            less: (scale * length(&second)) as f32 * (1.0 + f32::EPSILON),
        });
        coarse.push(numbers);
    }
    Packed { quads: side_by_side(&coarse, first), first_part, limits }
}

fn length(numbers: &[f64]) -> f64 {
    numbers.iter().map(|n| n * n).sum::<f64>().sqrt()
}

/// How many panels tell nearly every row that is no hit, were the numbers of all vectors spread evenly over the
/// dimensions.
fn first_part(panels: usize, least: i32, longest_row: f64) -> usize {
    /// The product of a stranger's row reaches this many standard deviations in one of 30,000; a tile has 96. By
    /// measurement, with 128, 256 and 512 dimensions.
    const DEVIATIONS: f64 = 4.0;
    let least = f64::from(least) / longest_row.powi(2);
    let tells = |first: &usize| {
        let part = *first as f64 / panels as f64;
        // The product over the first part varies by its dimensions, and the length of the second part as well.
        let variance = part * (1.0 + 0.5 * (1.0 - part)) / (panels * PANEL_DIMENSIONS) as f64;
        least - (1.0 - part) >= DEVIATIONS * variance.sqrt()
    };
    (1..panels).find(tells).unwrap_or(panels)
}

/// The finest scale at which no sum of a chunk and a row needs more than 16 bits, and a probe's numbers at it.
fn rounded(probe: &[i8], first: usize, longest_row: f64) -> (f64, Zeroizing<Vec<i8>>) {
    let most = probe.iter().map(|p| p.unsigned_abs()).max().unwrap_or(0);
    let mut scale = (MOST / f64::from(most)).min(1.0);
    loop {
        let numbers = probe.iter().map(|p| (f64::from(*p) * scale).round() as i8);
        let numbers = Zeroizing::new(numbers.collect::<Vec<i8>>());
        let squares = chunks(&numbers, first).flat_map(|chunk| lanes(chunk, |c| c * c));
        let most = longest_row * f64::from(squares.max().unwrap_or(0)).sqrt();
        if most <= f64::from(i16::MAX) {
            return (scale, numbers);
        }
        scale *= (f64::from(i16::MAX) / most).min(0.99);
    }
}

/// The chunks of a probe's numbers. None reaches over the end of the `first` ones.
fn chunks(numbers: &[i8], first: usize) -> impl Iterator<Item = &[i8]> {
    let (first, second) = numbers.split_at(first);
    let chunk = CHUNK_PANELS * PANEL_DIMENSIONS;
    first.chunks(chunk).chain(second.chunks(chunk))
}

/// The two sums that a chunk has in 16 bits: of the first and of the second two of each four numbers.
fn lanes(chunk: &[i8], of: impl Fn(i32) -> i32) -> [i32; 2] {
    let (fours, _) = chunk.as_chunks::<PANEL_DIMENSIONS>();
    let of = |c: i8| of(i32::from(c));
    [fours.iter().map(|c| of(c[0]) + of(c[1])).sum(), fours.iter().map(|c| of(c[2]) + of(c[3])).sum()]
}

fn side_by_side(probes: &[Zeroizing<Vec<i8>>], first: usize) -> Vec<[i8; PANEL_DIMENSIONS]> {
    // All at once: what a vector leaves behind when it grows would not be wiped.
    let each = probes.first().map_or(0, |numbers| numbers.len() / PANEL_DIMENSIONS + chunks(numbers, first).count());
    let mut quads = Vec::with_capacity(probes.len() * each);
    for tile in probes.chunks(TILE) {
        let mut tile: Vec<_> = tile.iter().map(|numbers| chunks(numbers, first)).collect();
        loop {
            let chunks: Vec<&[i8]> = tile.iter_mut().filter_map(Iterator::next).collect();
            let Some(chunk) = chunks.first() else { break };
            for chunk in &chunks {
                let [low, high] = lanes(chunk, |c| i32::from(OFFSET) * c).map(|sum| (sum as i16).to_le_bytes());
                quads.push([low[0], low[1], high[0], high[1]].map(u8::cast_signed));
            }
            for panel in 0..chunk.len() / PANEL_DIMENSIONS {
                quads.extend(chunks.iter().map(|chunk| chunk.as_chunks().0[panel]));
            }
        }
    }
    quads
}

/// # Safety
///
/// The processor has AVX2 and FMA. `groups` holds whole groups of the probes' panels, and `packed` is what [`pack`] made
/// of the probes.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn scan(probes: &Probes, packed: &Packed, groups: &[Panel], hit: &mut impl FnMut(RowHit)) {
    let (panels, first) = (probes.panels, packed.first_part);
    let tile_quads = panels + first.div_ceil(CHUNK_PANELS) + (panels - first).div_ceil(CHUNK_PANELS);
    let tiles = packed.limits.len().div_ceil(TILE).max(1);
    // One tile reads the rows as they are; several read what is made of them once.
    let alone = tiles == 1;
    let mut offset = vec![Panel::ZERO; if alone { 0 } else { panels }];
    for (g, group) in groups.chunks_exact(panels).enumerate() {
        let mut rows = Rows { first: &group[..first], second: &group[first..], lengths: [_mm256_setzero_ps(); 2] };
        if !alone {
            // SAFETY: as the caller; both slices hold `panels` panels.
            rows.lengths = unsafe {
                add_offset(group, &mut offset);
                lengths(rows.second)
            };
            (rows.first, rows.second) = offset.split_at(first);
        }
        let next = group.as_ptr_range().end;
        // What is read next comes into the cache while this group is worked on, a few lines before each tile. A prefetch of
        // an address that is not there does nothing.
        let each = panels.div_ceil(tiles);
        for (t, (quads, limits)) in packed.quads.chunks(TILE * tile_quads).zip(packed.limits.chunks(TILE)).enumerate() {
            for ahead in t * each..(t + 1) * each {
                _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(ahead).cast());
            }
            // SAFETY: as the caller; `quads` holds what `pack` laid out for as many probes as there are limits.
            let masks = unsafe {
                if alone { any_tile::<true>(&rows, quads, limits) } else { any_tile::<false>(&rows, quads, limits) }
            };
            for (p, mut mask) in masks.into_iter().enumerate() {
                while mask != 0 {
                    let lane = mask.trailing_zeros() as usize;
                    mask &= mask - 1;
                    probes.check(g, group, t * TILE + p, lane, hit);
                }
            }
        }
    }
    offset.zeroize();
}

/// A group in two parts, and the lengths of its 16 rows in the second one.
struct Rows<'a> {
    first: &'a [Panel],
    second: &'a [Panel],
    lengths: [__m256; 2],
}

/// Takes the rows' numbers as `q + 128`.
///
/// # Safety
///
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn add_offset(group: &[Panel], to: &mut [Panel]) {
    for (from, to) in group.iter().zip(to) {
        let (from, to) = (std::ptr::from_ref(from).cast::<__m256i>(), std::ptr::from_mut(to).cast::<__m256i>());
        for half in 0..2 {
            // SAFETY: a panel is 64 bytes at an address that is a multiple of 64.
            unsafe { _mm256_store_si256(to.add(half), with_offset(_mm256_load_si256(from.add(half)))) };
        }
    }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn with_offset(rows: __m256i) -> __m256i {
    _mm256_xor_si256(rows, _mm256_set1_epi8(OFFSET))
}

/// The lengths of 16 rows, and no less.
///
/// # Safety
///
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn lengths(group: &[Panel]) -> [__m256; 2] {
    let mut sums = [_mm256_setzero_si256(); 4];
    for panel in group {
        let rows = std::ptr::from_ref(panel).cast::<__m128i>();
        for (four, sum) in sums.iter_mut().enumerate() {
            // SAFETY: a panel is 64 bytes at an address that is a multiple of 64.
            let rows = _mm256_cvtepi8_epi16(unsafe { _mm_load_si128(rows.add(four)) });
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(rows, rows));
        }
    }
    let eight = |low, high| {
        // Rows 0, 1, 4, 5, 2, 3, 6, 7, and then in their order.
        let squares = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(low, high));
        _mm256_mul_ps(_mm256_sqrt_ps(_mm256_cvtepi32_ps(squares)), _mm256_set1_ps(1.0 + 2.0 * f32::EPSILON))
    };
    [eight(sums[0], sums[1]), eight(sums[2], sums[3])]
}

/// [`tile`] for as many probes as there are limits.
///
/// # Safety
///
/// As [`tile`], for that many.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn any_tile<const RAW: bool>(
    rows: &Rows<'_>,
    quads: &[[i8; PANEL_DIMENSIONS]],
    limits: &[Limits],
) -> [u16; TILE] {
    // SAFETY: as the caller.
    unsafe {
        match limits.len() {
            1 => tile::<1, RAW>(rows, quads, limits),
            2 => tile::<2, RAW>(rows, quads, limits),
            3 => tile::<3, RAW>(rows, quads, limits),
            4 => tile::<4, RAW>(rows, quads, limits),
            5 => tile::<5, RAW>(rows, quads, limits),
            _ => tile::<TILE, RAW>(rows, quads, limits),
        }
    }
}

/// For each of `P` probes, which of 16 rows may be a hit, one bit each. `RAW` rows are without the offset.
///
/// # Safety
///
/// The processor has AVX2 and FMA, `quads` holds what [`pack`] laid out for `P` probes and the two parts of `rows`, and
/// `limits` is `P` long.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn tile<const P: usize, const RAW: bool>(
    rows: &Rows<'_>,
    quads: &[[i8; PANEL_DIMENSIONS]],
    limits: &[Limits],
) -> [u16; TILE] {
    let mut sums = [[_mm256_setzero_si256(); 2]; P];
    let mut masks = [0; TILE];
    // SAFETY: as the caller.
    let quads = unsafe { add_products::<P, RAW>(&mut sums, rows.first, quads) };
    if !rows.second.is_empty() {
        let mut any = _mm256_setzero_ps();
        for (sums, limits) in sums.iter().zip(limits) {
            let (first, less) = (_mm256_set1_ps(limits.first), _mm256_set1_ps(limits.less));
            for (sum, length) in sums.iter().zip(rows.lengths) {
                let most = _mm256_fmadd_ps(less, length, _mm256_cvtepi32_ps(*sum));
                any = _mm256_or_ps(any, _mm256_cmp_ps::<_CMP_GE_OQ>(most, first));
            }
        }
        if _mm256_movemask_ps(any) == 0 {
            return masks;
        }
        // SAFETY: as the caller.
        unsafe { add_products::<P, RAW>(&mut sums, rows.second, quads) };
    }
    for ((mask, sums), limits) in masks.iter_mut().zip(&sums).zip(limits) {
        let below = _mm256_set1_epi32(limits.all.saturating_sub(1));
        let half = |sum| {
            let reached = _mm256_castsi256_ps(_mm256_cmpgt_epi32(sum, below));
            _mm256_movemask_ps(reached).cast_unsigned() as u16
        };
        *mask = half(sums[0]) | half(sums[1]) << (GROUP_ROWS / 2);
    }
    masks
}

/// Adds the products of some panels of 16 rows with `P` probes, and gives the quads of the panels that follow.
///
/// # Safety
///
/// The processor has AVX2 and FMA, and `quads` begins with those of `rows`.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn add_products<'a, const P: usize, const RAW: bool>(
    sums: &mut [[__m256i; 2]; P],
    rows: &[Panel],
    quads: &'a [[i8; PANEL_DIMENSIONS]],
) -> &'a [[i8; PANEL_DIMENSIONS]] {
    let everywhere = |quad: &[i8; PANEL_DIMENSIONS]| _mm256_set1_epi32(i32::from_le_bytes(quad.map(i8::cast_unsigned)));
    let (mut quads, _) = quads.as_chunks::<P>();
    for rows in rows.chunks(CHUNK_PANELS) {
        let (now, later) = quads.split_at(1 + rows.len());
        quads = later;
        let mut short: [[__m256i; 2]; P] = std::array::from_fn(|p| [everywhere(&now[0][p]); 2]);
        for (row, quads) in rows.iter().zip(&now[1..]) {
            let row = std::ptr::from_ref(row).cast::<__m256i>();
            // SAFETY: a panel is 64 bytes at an address that is a multiple of 64.
            let (mut low, mut high) = unsafe { (_mm256_load_si256(row), _mm256_load_si256(row.add(1))) };
            if RAW {
                (low, high) = (with_offset(low), with_offset(high));
            }
            for (short, quad) in short.iter_mut().zip(quads) {
                let quad = everywhere(quad);
                short[0] = _mm256_add_epi16(short[0], _mm256_maddubs_epi16(low, quad));
                short[1] = _mm256_add_epi16(short[1], _mm256_maddubs_epi16(high, quad));
            }
        }
        for (sum, short) in sums.as_flattened_mut().iter_mut().zip(short.as_flattened()) {
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(*short, _mm256_set1_epi16(1)));
        }
    }
    quads.as_flattened()
}
