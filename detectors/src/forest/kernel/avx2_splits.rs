//! AVX2, many rows in bytes: 32 rows a register, one byte of each.
//!
//! Every split of a tree compares its byte in all rows, the last split first, and chooses between what its children have
//! chosen: leaves in the end, numbered by a byte. No step depends on where a row is, so nothing is looked up or gathered.
//! Leaf values are added in f64, tree after tree.
//!
//! No closures and no iterators over vectors: their code would be compiled for every processor, and called.

use std::arch::x86_64::*;

use super::padded::{LANES, Lanes, Sums};
use super::ranks::Scale;
use super::splits::{Split, Splits};

/// Rows that are compared with a split before the next.
const ROWS: usize = 128;
/// Their tiles.
const TILES: usize = ROWS / LANES;
/// Rows of a register.
const REGISTER: usize = 32;

/// One byte of each row.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Column([u8; ROWS]);

/// As [`super::portable::sums`].
///
/// # Safety
/// The processor has AVX2; `values` has `stride` entries, one for each slot of the forest or more, for each of `sums`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn sums(forest: &Splits, stride: usize, values: &[Lanes], sums: &mut [Sums]) {
    let mut bytes = vec![Column([0; ROWS]); forest.scales().len()];
    // What splits have chosen, then the leaves that there are to choose.
    let (splits, leaves) = (forest.most_splits(), forest.values().len());
    let mut chosen = vec![Column([0; ROWS]); splits];
    chosen.extend((0..leaves).map(|leaf| Column([leaf as u8; ROWS])));
    let mut leaf_values = [0.0; 256];
    leaf_values[..leaves].copy_from_slice(forest.values());
    for (values, sums) in values.chunks(TILES * stride).zip(sums.chunks_mut(TILES)) {
        for (byte, scale) in bytes.iter_mut().zip(forest.scales()) {
            for (values, sixteen) in values.chunks_exact(stride).zip(byte.0.chunks_exact_mut(LANES)) {
                // SAFETY: every scale's slot has values; 16 bytes.
                unsafe {
                    let ranks = rank(scale, values.get_unchecked(scale.slot));
                    _mm_storeu_si128(sixteen.as_mut_ptr().cast(), ranks);
                }
            }
        }
        for (splits, root) in forest.iter() {
            // SAFETY: splits name bytes that the forest has, and what it can choose between.
            unsafe { choose(splits, &bytes, &mut chosen) };
            add_leaves(&leaf_values, &chosen[usize::from(root)], sums);
        }
    }
}

/// Lets every split choose, in all rows.
///
/// # Safety
/// The processor has AVX2; what splits name is among `bytes` and `chosen`, which has room for what they choose.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn choose(splits: &[Split], bytes: &[Column], chosen: &mut [Column]) {
    let (bytes, chosen) = (bytes.as_ptr(), chosen.as_mut_ptr());
    for (number, split) in splits.iter().enumerate() {
        let rank = _mm256_set1_epi8(split.rank);
        // SAFETY: the caller's promise; a column is as many registers.
        unsafe {
            let values: *const __m256i = bytes.add(usize::from(split.byte)).cast();
            let left: *const __m256i = chosen.add(usize::from(split.left)).cast();
            let right: *const __m256i = chosen.add(usize::from(split.right)).cast();
            let to: *mut __m256i = chosen.add(number).cast();
            for register in 0..ROWS / REGISTER {
                let goes_right = _mm256_cmpgt_epi8(_mm256_load_si256(values.add(register)), rank);
                let left = _mm256_load_si256(left.add(register));
                let right = _mm256_load_si256(right.add(register));
                _mm256_store_si256(to.add(register), _mm256_blendv_epi8(left, right, goes_right));
            }
        }
    }
}

/// Adds the values of the leaves that rows have chosen.
///
/// Compiled for every processor, and called: for this one, values would be gathered, which takes longer than loads.
#[inline(never)]
fn add_leaves(values: &[f64; 256], chosen: &Column, sums: &mut [Sums]) {
    for (sums, leaves) in sums.iter_mut().zip(chosen.0.chunks_exact(LANES)) {
        for (sum, &leaf) in sums.0.iter_mut().zip(leaves) {
            *sum += values[usize::from(leaf)];
        }
    }
}

/// How many of a byte's thresholds each of 16 values exceeds, less 128, since bytes are compared as signed.
///
/// # Safety
///
/// Here and below: the processor has AVX2, and `heap` the nodes of the scale's levels.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn rank(scale: &Scale, values: &Lanes) -> __m128i {
    // SAFETY: positions of a level are within its nodes; a tile has 16 values.
    unsafe {
        let near = rank_of_8(scale, _mm256_load_ps(values.0.as_ptr()));
        let far = rank_of_8(scale, _mm256_load_ps(values.0.as_ptr().add(LANES / 2)));
        // Each half of a register by itself: the middle quarters change places.
        let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packs_epi32(near, far));
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words))
    }
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn rank_of_8(scale: &Scale, values: __m256) -> __m256i {
    let heap = scale.heap.as_ptr();
    let mut at = _mm256_set1_epi32(1);
    macro_rules! level {
        ($threshold:expr) => {
            let right = _mm256_cmp_ps::<_CMP_GT_OQ>(values, $threshold);
            at = _mm256_sub_epi32(_mm256_add_epi32(at, at), _mm256_castps_si256(right));
        };
    }
    // SAFETY: positions of a level are within its nodes.
    unsafe {
        level!(of_8(heap, at));
        level!(of_8(heap, at));
        level!(of_8(heap, at));
        level!(of_8(heap.add(8), at));
        level!(of_16(heap.add(16), at));
        level!(of_32(heap.add(32), at));
        if scale.levels > 6 {
            level!(of_64(heap.add(64), at));
        }
        if scale.levels > 7 {
            level!(of_128(heap.add(128), at));
        }
    }
    _mm256_sub_epi32(at, _mm256_set1_epi32((1 << scale.levels) + 128))
}

/// Each position's threshold by its lowest three bits, among eight.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn of_8(heap: *const f32, at: __m256i) -> __m256 {
    // SAFETY: the caller's.
    unsafe { _mm256_permutevar8x32_ps(_mm256_load_ps(heap), at) }
}

/// The same among twice as many, by one more bit.
macro_rules! of_twice_as_many {
    ($name:ident, $half:ident, $count:literal) => {
        #[inline]
        #[target_feature(enable = "avx2")]
        unsafe fn $name(heap: *const f32, at: __m256i) -> __m256 {
            // The bit becomes the sign.
            let high = _mm256_slli_epi32::<{ ($count as u32 / 2).leading_zeros() as i32 }>(at);
            // SAFETY: the caller's.
            unsafe {
                let (near, far) = ($half(heap, at), $half(heap.add($count / 2), at));
                _mm256_blendv_ps(near, far, _mm256_castsi256_ps(high))
            }
        }
    };
}
of_twice_as_many!(of_16, of_8, 16);
of_twice_as_many!(of_32, of_16, 32);
of_twice_as_many!(of_64, of_32, 64);
of_twice_as_many!(of_128, of_64, 128);
