//! AVX-512, many rows: 16 rows a register.
//!
//! The first three levels of a tree compare every node's own column under masks; the next five find threshold and slot
//! by permuting registers; deeper ones gather. A forest of few slots chooses a row's value by blending all of them, one
//! of many slots gathers it: gathers are slow on some processors. Leaf values are added in f64, tree after tree.

use std::arch::x86_64::*;

use super::padded::{HeapNode, LANES, Lanes, Padded, PaddedTree, Sums};

/// Tiles that are walked in step, so that their latencies overlap.
const STEP: usize = 2;

/// As [`super::portable::sums`].
///
/// # Safety
/// The processor has AVX-512 F, BW, DQ and VL; `values` has `padded.stride()` entries for each of `sums`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn sums(padded: &Padded, values: &[Lanes], sums: &mut [Sums]) {
    // SAFETY: the same conditions; the blending kinds read the slots of their stride and no more.
    unsafe {
        match padded.stride() {
            2 => all_trees::<2>(padded, values, sums),
            4 => all_trees::<4>(padded, values, sums),
            8 => all_trees::<8>(padded, values, sums),
            12 => all_trees::<12>(padded, values, sums),
            16 => all_trees::<16>(padded, values, sums),
            _ => all_trees::<0>(padded, values, sums),
        }
    }
}

/// `BLENDED`: the number of slots to choose from by blending; 0 to gather.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn all_trees<const BLENDED: usize>(padded: &Padded, values: &[Lanes], sums: &mut [Sums]) {
    let stride = padded.stride();
    for tree in padded.iter() {
        let mut values = values.as_ptr();
        let mut tiles = sums.chunks_exact_mut(STEP);
        // SAFETY: each tile has its stride of values.
        unsafe {
            for sums in &mut tiles {
                walk::<STEP, BLENDED>(padded.depth(), stride, tree, values, sums);
                values = values.add(STEP * stride);
            }
            for sums in tiles.into_remainder().chunks_exact_mut(1) {
                walk::<1, BLENDED>(padded.depth(), stride, tree, values, sums);
                values = values.add(stride);
            }
        }
    }
}

/// Adds one tree's leaf values for `TILES` tiles.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn walk<const TILES: usize, const BLENDED: usize>(
    depth: u32,
    stride: usize,
    tree: PaddedTree<'_>,
    values: *const Lanes,
    sums: &mut [Sums],
) {
    unsafe {
        // A macro and not closures: those would be compiled for every processor, and called.
        let mut tiles = [(values.cast::<f32>(), _mm512_setzero_si512()); TILES];
        for (tile, (base, at)) in tiles.iter_mut().enumerate() {
            *base = values.add(tile * stride).cast();
            *at = first_levels(tree.nodes, *base);
        }
        macro_rules! level {
            (|$at:ident| $found:expr) => {
                for (base, position) in &mut tiles {
                    let $at = *position;
                    let (threshold, slot) = $found;
                    *position = step::<BLENDED>(*base, $at, threshold, slot);
                }
            };
        }
        level!(|at| {
            let threshold = _mm512_permutexvar_ps(at, thresholds(tree, 0));
            (threshold, slots_of_32(slots(tree, 0), at))
        });
        if depth > 4 {
            level!(|at| {
                let threshold = _mm512_permutexvar_ps(at, thresholds(tree, 16));
                (threshold, slots_of_32(slots(tree, 0), at))
            });
        }
        if depth > 5 {
            level!(|at| (thresholds_of_32(tree, 32, at), slots_of_32(slots(tree, 32), at)));
        }
        if depth > 6 {
            level!(|at| {
                let high = _mm512_test_epi32_mask(at, _mm512_set1_epi32(32));
                let (left, right) = (thresholds_of_32(tree, 64, at), thresholds_of_32(tree, 96, at));
                (_mm512_mask_blend_ps(high, left, right), slots_of_64(tree, 64, at))
            });
        }
        if depth > 7 {
            level!(|at| {
                let odd = _mm512_test_epi32_mask(at, _mm512_set1_epi32(32));
                let high = _mm512_test_epi32_mask(at, _mm512_set1_epi32(64));
                let (first, second) = (thresholds_of_32(tree, 128, at), thresholds_of_32(tree, 160, at));
                let (third, fourth) = (thresholds_of_32(tree, 192, at), thresholds_of_32(tree, 224, at));
                let left = _mm512_mask_blend_ps(odd, first, second);
                let right = _mm512_mask_blend_ps(odd, third, fourth);
                let (near, far) = (slots_of_64(tree, 128, at), slots_of_64(tree, 192, at));
                let slot = _mm512_mask_blend_epi32(high, near, far);
                (_mm512_mask_blend_ps(high, left, right), slot)
            });
        }
        for _ in 8..depth {
            level!(|at| gather(tree.nodes.as_ptr(), at));
        }
        let leaves = tree.leaves.as_ptr().wrapping_sub(tree.leaves.len());
        for ((_, at), sums) in tiles.iter().zip(sums) {
            add_leaves(leaves, *at, sums);
        }
    }
}

/// The heap positions after three levels, 8…15: each node compares its own column in all rows, under the mask of those
/// that are at the node.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn first_levels(nodes: &[HeapNode], base: *const f32) -> __m512i {
    unsafe {
        let right = |node: usize, rows: __mmask16| {
            let HeapNode { threshold, slot } = *nodes.get_unchecked(node);
            let values = _mm512_load_ps(base.add(slot as usize * LANES));
            _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>(rows, values, _mm512_set1_ps(threshold))
        };
        let at_3 = right(1, !0);
        let at_2 = !at_3;
        let (at_5, at_7) = (right(2, at_2), right(3, at_3));
        let (at_4, at_6) = (at_2 & !at_5, at_3 & !at_7);
        let last = right(4, at_4) | right(5, at_5) | right(6, at_6) | right(7, at_7);
        let mut at = _mm512_set1_epi32(8);
        at = _mm512_mask_add_epi32(at, at_3, at, _mm512_set1_epi32(4));
        at = _mm512_mask_add_epi32(at, at_5 | at_7, at, _mm512_set1_epi32(2));
        _mm512_mask_add_epi32(at, last, at, _mm512_set1_epi32(1))
    }
}

/// The thresholds of 16 nodes from `first` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn thresholds(tree: PaddedTree<'_>, first: usize) -> __m512 {
    unsafe { _mm512_loadu_ps(tree.thresholds.as_ptr().add(first)) }
}

/// The threshold of each position, by its lowest five bits, among 32 nodes from `first` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn thresholds_of_32(tree: PaddedTree<'_>, first: usize, at: __m512i) -> __m512 {
    unsafe { _mm512_permutex2var_ps(thresholds(tree, first), at, thresholds(tree, first + 16)) }
}

/// The slots of 32 nodes from `first` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn slots(tree: PaddedTree<'_>, first: usize) -> __m512i {
    unsafe { _mm512_loadu_si512(tree.slots.as_ptr().add(first).cast()) }
}

/// Slots are 16 bits wide, positions 32: the upper halves are set to 0.
const LOWER_HALVES: __mmask32 = 0x5555_5555;

/// The slot of each position by its lowest five bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn slots_of_32(slots: __m512i, at: __m512i) -> __m512i {
    _mm512_maskz_permutexvar_epi16(LOWER_HALVES, at, slots)
}

/// The slot of each position by its lowest six bits, among 64 nodes from `first` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn slots_of_64(tree: PaddedTree<'_>, first: usize, at: __m512i) -> __m512i {
    unsafe { _mm512_maskz_permutex2var_epi16(LOWER_HALVES, slots(tree, first), at, slots(tree, first + 32)) }
}

/// Thresholds and slots of any positions.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn gather(nodes: *const HeapNode, at: __m512i) -> (__m512, __m512i) {
    unsafe {
        let low = _mm512_i32gather_epi64::<8>(_mm512_castsi512_si256(at), nodes.cast());
        let high = _mm512_i32gather_epi64::<8>(_mm512_extracti64x4_epi64::<1>(at), nodes.cast());
        let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
        let thresholds = _mm512_permutex2var_epi32(low, even, high);
        (_mm512_castsi512_ps(thresholds), _mm512_permutex2var_epi32(low, odd, high))
    }
}

/// The next positions.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn step<const BLENDED: usize>(
    base: *const f32,
    at: __m512i,
    threshold: __m512,
    slot: __m512i,
) -> __m512i {
    unsafe {
        let values = if BLENDED == 0 {
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            _mm512_i32gather_ps::<4>(_mm512_or_epi32(_mm512_slli_epi32::<4>(slot), lanes), base)
        } else {
            blend::<BLENDED>(base, slot)
        };
        let right = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, threshold);
        let left = _mm512_add_epi32(at, at);
        _mm512_mask_add_epi32(left, right, left, _mm512_set1_epi32(1))
    }
}

/// Each row's value of its slot, chosen among all, one bit of the slot's number after the other.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn blend<const SLOTS: usize>(base: *const f32, slot: __m512i) -> __m512 {
    unsafe {
        let bit = |bit: i32| _mm512_test_epi32_mask(slot, _mm512_set1_epi32(bit));
        let load = |slot: usize| _mm512_load_ps(base.add(slot * LANES));
        let first = bit(1);
        let two = |slot: usize| _mm512_mask_blend_ps(first, load(slot), load(slot + 1));
        if SLOTS == 2 {
            return two(0);
        }
        let second = bit(2);
        let four = |slot: usize| _mm512_mask_blend_ps(second, two(slot), two(slot + 2));
        if SLOTS == 4 {
            return four(0);
        }
        let third = bit(4);
        let eight = |slot: usize| _mm512_mask_blend_ps(third, four(slot), four(slot + 4));
        match SLOTS {
            8 => eight(0),
            12 => _mm512_mask_blend_ps(bit(8), eight(0), four(8)),
            _ => _mm512_mask_blend_ps(bit(8), eight(0), eight(8)),
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn add_leaves(leaves: *const f64, at: __m512i, sums: &mut Sums) {
    unsafe {
        let sums: *mut f64 = sums.0.as_mut_ptr();
        let low = _mm512_i32gather_pd::<8>(_mm512_castsi512_si256(at), leaves);
        let high = _mm512_i32gather_pd::<8>(_mm512_extracti64x4_epi64::<1>(at), leaves);
        _mm512_store_pd(sums, _mm512_add_pd(_mm512_load_pd(sums), low));
        _mm512_store_pd(sums.add(8), _mm512_add_pd(_mm512_load_pd(sums.add(8)), high));
    }
}
