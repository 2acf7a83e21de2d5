//! AVX2, many rows: 8 rows a register.
//!
//! The first three levels of a tree compare every node's own column and choose among the results; the next three find
//! threshold and slot by permuting registers; the others step row by row, as the portable kernel does. A forest of few
//! slots chooses a row's value by blending all of them, one of many slots loads it. Leaf values are added in f64, tree
//! after tree.
//!
//! No closures and no iterators over vectors: their code would be compiled for every processor, and called.

use std::arch::x86_64::*;

use super::padded::{HeapNode, LANES, Lanes, Padded, PaddedTree, Sums};
use super::{avx2_splits, portable};

/// Rows of a register.
const HALF: usize = LANES / 2;

/// As [`super::portable::sums`].
///
/// # Safety
/// The processor has AVX2; `values` has `padded.stride()` entries for each of `sums`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn sums(padded: &Padded, values: &[Lanes], sums: &mut [Sums]) {
    if let Some(splits) = padded.splits() {
        // SAFETY: the same conditions; a forest's bytes are its own.
        return unsafe { avx2_splits::sums(splits, padded.stride(), values, sums) };
    }
    // SAFETY: the same conditions; the blending kinds read the slots of their stride and no more.
    unsafe {
        match padded.stride() {
            2 => all_trees::<2>(padded, values, sums),
            4 => all_trees::<4>(padded, values, sums),
            8 => all_trees::<8>(padded, values, sums),
            12 => all_trees::<12>(padded, values, sums),
            _ => all_trees::<0>(padded, values, sums),
        }
    }
}

/// `BLENDED`: the number of slots to choose from by blending; 0 to load.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn all_trees<const BLENDED: usize>(padded: &Padded, values: &[Lanes], sums: &mut [Sums]) {
    for tree in padded.iter() {
        for (values, sums) in values.chunks_exact(padded.stride()).zip(sums.iter_mut()) {
            // SAFETY: a tile's values of all slots.
            let at = unsafe { walk::<BLENDED>(padded.depth(), tree, values.as_ptr().cast()) };
            portable::finish(tree, values, padded.depth().saturating_sub(6), at.0, sums);
        }
    }
}

/// One number for each row, for reading one by one.
#[repr(C, align(64))]
struct Numbers([u32; LANES]);

/// The positions of a tile's rows after six levels, or all if there are fewer.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn walk<const BLENDED: usize>(depth: u32, tree: PaddedTree<'_>, values: *const f32) -> Numbers {
    let mut numbers = Numbers([0; LANES]);
    // SAFETY: positions of a level are within its nodes, and only levels that the tree has are walked.
    unsafe {
        let mut halves = [(values, _mm256_setzero_si256()), (values.add(HALF), _mm256_setzero_si256())];
        for (base, at) in &mut halves {
            *at = three_levels(tree.nodes, *base);
        }
        for (base, at) in &mut halves {
            *at = step::<BLENDED>(*base, *at, eight(tree, 8, *at));
        }
        if depth > 4 {
            for (base, at) in &mut halves {
                *at = step::<BLENDED>(*base, *at, sixteen(tree, 16, *at));
            }
        }
        if depth > 5 {
            for (base, at) in &mut halves {
                let high = bit::<{ 31 - 4 }>(*at);
                let found = either(high, sixteen(tree, 32, *at), sixteen(tree, 48, *at));
                *at = step::<BLENDED>(*base, *at, found);
            }
        }
        let places: *mut __m256i = numbers.0.as_mut_ptr().cast();
        _mm256_store_si256(places, halves[0].1);
        _mm256_store_si256(places.add(1), halves[1].1);
    }
    numbers
}

/// The heap positions after three levels, 8…15.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn three_levels(nodes: &[HeapNode], base: *const f32) -> __m256i {
    macro_rules! right {
        ($node:literal) => {{
            let HeapNode { threshold, slot } = *nodes.get_unchecked($node);
            let values = _mm256_load_ps(base.add(slot as usize * LANES));
            _mm256_cmp_ps::<_CMP_GT_OQ>(values, _mm256_set1_ps(threshold))
        }};
    }
    unsafe {
        let first = right!(1);
        let second = _mm256_blendv_ps(right!(2), right!(3), first);
        let left = _mm256_blendv_ps(right!(4), right!(5), second);
        let third = _mm256_blendv_ps(left, _mm256_blendv_ps(right!(6), right!(7), second), first);
        // A mask that holds is −1.
        let (first, second) = (_mm256_castps_si256(first), _mm256_castps_si256(second));
        let at = _mm256_sub_epi32(_mm256_set1_epi32(4), _mm256_add_epi32(first, first));
        let at = _mm256_sub_epi32(at, second);
        _mm256_sub_epi32(_mm256_add_epi32(at, at), _mm256_castps_si256(third))
    }
}

/// Each row's threshold and slot.
type Found = (__m256, __m256i);

/// By the lowest three bits of the position, among eight nodes from `first` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn eight(tree: PaddedTree<'_>, first: usize, at: __m256i) -> Found {
    unsafe {
        let thresholds = _mm256_load_ps(tree.thresholds.as_ptr().add(first));
        let slots = _mm256_cvtepu16_epi32(_mm_loadu_si128(tree.slots.as_ptr().add(first).cast()));
        (_mm256_permutevar8x32_ps(thresholds, at), _mm256_permutevar8x32_epi32(slots, at))
    }
}

/// By the lowest four bits of the position, among 16 nodes from `first` on.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sixteen(tree: PaddedTree<'_>, first: usize, at: __m256i) -> Found {
    unsafe { either(bit::<{ 31 - 3 }>(at), eight(tree, first, at), eight(tree, first + 8, at)) }
}

/// A bit of each position as a mask for blending; `SHIFT` moves it to the sign.
#[inline]
#[target_feature(enable = "avx2")]
fn bit<const SHIFT: i32>(at: __m256i) -> __m256 {
    _mm256_castsi256_ps(_mm256_slli_epi32::<SHIFT>(at))
}

#[inline]
#[target_feature(enable = "avx2")]
fn either(high: __m256, near: Found, far: Found) -> Found {
    let slots = _mm256_blendv_ps(_mm256_castsi256_ps(near.1), _mm256_castsi256_ps(far.1), high);
    (_mm256_blendv_ps(near.0, far.0, high), _mm256_castps_si256(slots))
}

/// The next positions.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn step<const BLENDED: usize>(
    base: *const f32,
    at: __m256i,
    (threshold, slot): (__m256, __m256i),
) -> __m256i {
    let values = unsafe { if BLENDED == 0 { load(base, slot) } else { blend::<BLENDED>(base, slot) } };
    let right = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GT_OQ>(values, threshold));
    _mm256_sub_epi32(_mm256_add_epi32(at, at), right)
}

/// Each row's value of its slot, chosen among all.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn blend<const SLOTS: usize>(base: *const f32, slot: __m256i) -> __m256 {
    let (first, second, third) = (bit::<31>(slot), bit::<30>(slot), bit::<29>(slot));
    macro_rules! two {
        ($slot:expr) => {
            _mm256_blendv_ps(
                _mm256_load_ps(base.add($slot * LANES)),
                _mm256_load_ps(base.add(($slot + 1) * LANES)),
                first,
            )
        };
    }
    macro_rules! four {
        ($slot:literal) => {
            _mm256_blendv_ps(two!($slot), two!($slot + 2), second)
        };
    }
    unsafe {
        match SLOTS {
            2 => two!(0),
            4 => four!(0),
            8 => _mm256_blendv_ps(four!(0), four!(4), third),
            _ => {
                let eight = _mm256_blendv_ps(four!(0), four!(4), third);
                _mm256_blendv_ps(eight, four!(8), bit::<28>(slot))
            }
        }
    }
}

/// Each row's value of its slot.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(base: *const f32, slot: __m256i) -> __m256 {
    let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let mut places = Numbers([0; LANES]);
    unsafe {
        let offsets = _mm256_or_si256(_mm256_slli_epi32::<4>(slot), lanes);
        _mm256_store_si256(places.0.as_mut_ptr().cast(), offsets);
        macro_rules! of {
            ($lane:literal) => {
                *base.add(places.0[$lane] as usize)
            };
        }
        _mm256_setr_ps(of!(0), of!(1), of!(2), of!(3), of!(4), of!(5), of!(6), of!(7))
    }
}
