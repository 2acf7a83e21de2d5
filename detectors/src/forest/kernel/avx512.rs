//! AVX-512, many rows: 16 rows a register.
//!
//! The first three levels of a tree, or four, compare every node's own column under masks; those down to the eighth find
//! threshold and slot by permuting registers; deeper ones load node by node. A forest of few slots chooses a row's value
//! by blending all of them, one of many slots loads it. There are no gathers, which are slow on some processors. Leaf
//! values are added in f64, tree after tree.
//!
//! No closures and no iterators over vectors: their code would be compiled for every processor, and called.

use std::arch::x86_64::*;

use super::padded::{Ends, HeapNode, LANES, Lanes, Padded, PaddedTree, Sums};
use super::{avx512_blocks, portable};

/// As [`super::portable::sums`].
///
/// # Safety
/// The processor has AVX-512 F, BW, DQ and VL; `values` has `padded.stride()` entries for each of `sums`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn sums(padded: &Padded, values: &[Lanes], sums: &mut [Sums]) {
    if let Some(blocks) = padded.blocks() {
        // SAFETY: the same conditions; a forest's blocks are its own.
        return unsafe { avx512_blocks::sums(blocks, padded.stride(), values, sums) };
    }
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

/// `BLENDED`: the number of slots to choose from by blending; 0 to load.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn all_trees<const BLENDED: usize>(padded: &Padded, values: &[Lanes], sums: &mut [Sums]) {
    let (stride, one) = (padded.stride(), ones());
    for tree in padded.iter() {
        // As many tiles in step as there are, so that their latencies overlap.
        let (mut values, mut rest) = (values.as_ptr(), &mut *sums);
        macro_rules! tiles {
            ($count:literal) => {
                while rest.len() >= $count {
                    let (sums, others) = std::mem::take(&mut rest).split_at_mut($count);
                    walk::<$count, BLENDED>(padded.depth(), stride, tree, values, sums, one);
                    values = values.add($count * stride);
                    rest = others;
                }
            };
        }
        // SAFETY: each tile has its stride of values.
        unsafe {
            tiles!(8);
            tiles!(4);
            tiles!(1);
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
    one: __m512i,
) {
    // Below that, the fourth level is cheaper by permuting.
    let four = BLENDED == 0 || BLENDED > 8;
    let heap = tree.thresholds.as_ptr();
    // SAFETY: positions of a level are within its nodes, and only levels that the tree has are walked.
    unsafe {
        let mut tiles = [(values.cast::<f32>(), _mm512_setzero_si512()); TILES];
        for (tile, (base, at)) in tiles.iter_mut().enumerate() {
            *base = values.add(tile * stride).cast();
            *at = if four { four_levels(tree.nodes, *base, one) } else { three_levels(tree.nodes, *base).0 };
        }
        macro_rules! level {
            (|$at:ident| $found:expr) => {
                for (base, position) in &mut tiles {
                    let $at = *position;
                    let (threshold, slot) = $found;
                    *position = step::<BLENDED>(*base, $at, threshold, slot, one);
                }
            };
        }
        if !four {
            level!(|at| {
                let threshold = _mm512_permutexvar_ps(at, thresholds(heap, 0));
                (threshold, slots_of_32(slots(tree, 0), at))
            });
        }
        if depth > 4 {
            level!(|at| {
                let threshold = _mm512_permutexvar_ps(at, thresholds(heap, 16));
                (threshold, slots_of_32(slots(tree, 0), at))
            });
        }
        if depth > 5 {
            level!(|at| (thresholds_of_32(heap, 32, at), slots_of_32(slots(tree, 32), at)));
        }
        if depth > 6 {
            level!(|at| (thresholds_of_64(heap, 64, at), slots_of_64(tree, 64, at)));
        }
        if depth > 7 {
            level!(|at| {
                let high = _mm512_test_epi32_mask(at, _mm512_set1_epi32(64));
                let threshold = thresholds_of_128(heap, 128, at);
                let (near, far) = (slots_of_64(tree, 128, at), slots_of_64(tree, 192, at));
                (threshold, _mm512_mask_blend_epi32(high, near, far))
            });
        }
        for _ in 8..depth {
            level!(|at| load_nodes(tree.nodes.as_ptr(), at));
        }
        if let Ends::Leaves(leaves) = tree.ends {
            for ((_, at), sums) in tiles.iter().zip(sums) {
                add_leaves(leaves, *at, sums);
            }
            return;
        }
        for (tile, ((_, at), sums)) in tiles.iter().zip(sums).enumerate() {
            let values = std::slice::from_raw_parts(values.add(tile * stride), stride);
            portable::descend(tree, values, numbers(*at).0, sums);
        }
    }
}

/// The rows that are at a node and go right, by comparing the node's own column in all rows.
macro_rules! right {
    ($nodes:expr, $base:expr, $node:literal, $rows:expr) => {{
        let HeapNode { threshold, slot } = *$nodes.get_unchecked($node);
        let values = _mm512_load_ps($base.add(slot as usize * LANES));
        _mm512_mask_cmp_ps_mask::<_CMP_GT_OQ>($rows, values, _mm512_set1_ps(threshold))
    }};
}

/// The heap positions after three levels, 8…15, and the rows that are at each of these nodes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn three_levels(nodes: &[HeapNode], base: *const f32) -> (__m512i, [__mmask16; 8]) {
    unsafe {
        let at_3 = right!(nodes, base, 1, !0);
        let at_2 = !at_3;
        let (at_5, at_7) = (right!(nodes, base, 2, at_2), right!(nodes, base, 3, at_3));
        let (at_4, at_6) = (at_2 & !at_5, at_3 & !at_7);
        let (at_9, at_11) = (right!(nodes, base, 4, at_4), right!(nodes, base, 5, at_5));
        let (at_13, at_15) = (right!(nodes, base, 6, at_6), right!(nodes, base, 7, at_7));
        let mut at = _mm512_set1_epi32(8);
        at = _mm512_mask_add_epi32(at, at_3, at, _mm512_set1_epi32(4));
        at = _mm512_mask_add_epi32(at, at_5 | at_7, at, _mm512_set1_epi32(2));
        at = _mm512_mask_add_epi32(at, at_9 | at_11 | at_13 | at_15, at, _mm512_set1_epi32(1));
        let evens = [at_4 & !at_9, at_5 & !at_11, at_6 & !at_13, at_7 & !at_15];
        (at, [evens[0], at_9, evens[1], at_11, evens[2], at_13, evens[3], at_15])
    }
}

/// The heap positions after four levels, 16…31.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn four_levels(nodes: &[HeapNode], base: *const f32, one: __m512i) -> __m512i {
    unsafe {
        let (at, [at_8, at_9, at_10, at_11, at_12, at_13, at_14, at_15]) = three_levels(nodes, base);
        let right = right!(nodes, base, 8, at_8)
            | right!(nodes, base, 9, at_9)
            | right!(nodes, base, 10, at_10)
            | right!(nodes, base, 11, at_11)
            | right!(nodes, base, 12, at_12)
            | right!(nodes, base, 13, at_13)
            | right!(nodes, base, 14, at_14)
            | right!(nodes, base, 15, at_15);
        next(at, right, one)
    }
}

/// The thresholds of 16 nodes from `first` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn thresholds(heap: *const f32, first: usize) -> __m512 {
    unsafe { _mm512_load_ps(heap.add(first)) }
}

/// The threshold of each position by its lowest five bits, among 32 nodes from `first` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn thresholds_of_32(heap: *const f32, first: usize, at: __m512i) -> __m512 {
    unsafe { _mm512_permutex2var_ps(thresholds(heap, first), at, thresholds(heap, first + 16)) }
}

/// The threshold of each position by its lowest six bits, among 64 nodes from `first` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn thresholds_of_64(heap: *const f32, first: usize, at: __m512i) -> __m512 {
    unsafe {
        let high = _mm512_test_epi32_mask(at, _mm512_set1_epi32(32));
        let (near, far) = (thresholds_of_32(heap, first, at), thresholds_of_32(heap, first + 32, at));
        _mm512_mask_blend_ps(high, near, far)
    }
}

/// The threshold of each position by its lowest seven bits, among 128 nodes from `first` on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn thresholds_of_128(heap: *const f32, first: usize, at: __m512i) -> __m512 {
    unsafe {
        let high = _mm512_test_epi32_mask(at, _mm512_set1_epi32(64));
        let (near, far) = (thresholds_of_64(heap, first, at), thresholds_of_64(heap, first + 64, at));
        _mm512_mask_blend_ps(high, near, far)
    }
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

/// The next positions.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn next(at: __m512i, right: __mmask16, one: __m512i) -> __m512i {
    let left = _mm512_add_epi32(at, at);
    _mm512_mask_add_epi32(left, right, left, one)
}

/// 1 in all lanes. The compiler is not to know it: it would put the mask in a register and shift it, to set the lowest bit,
/// rather than add under it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn ones() -> __m512i {
    _mm512_set1_epi32(std::hint::black_box(1))
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn step<const BLENDED: usize>(
    base: *const f32,
    at: __m512i,
    threshold: __m512,
    slot: __m512i,
    one: __m512i,
) -> __m512i {
    let values = unsafe { if BLENDED == 0 { load_values(base, slot) } else { blend::<BLENDED>(base, slot) } };
    next(at, _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, threshold), one)
}

/// Each row's value of its slot, chosen among all, one bit of the slot's number after the other.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn blend<const SLOTS: usize>(base: *const f32, slot: __m512i) -> __m512 {
    unsafe {
        let mut values = [_mm512_setzero_ps(); SLOTS];
        for (slot, value) in values.iter_mut().enumerate() {
            *value = _mm512_load_ps(base.add(slot * LANES));
        }
        let mut left = SLOTS;
        let mut bit = 1;
        while left > 1 {
            let odd = _mm512_test_epi32_mask(slot, _mm512_set1_epi32(bit));
            let mut pair = 0;
            while 2 * pair + 1 < left {
                values[pair] = _mm512_mask_blend_ps(odd, values[2 * pair], values[2 * pair + 1]);
                pair += 1;
            }
            // Without a partner, its number has no such bit.
            if left % 2 == 1 {
                values[pair] = values[left - 1];
            }
            left = left.div_ceil(2);
            bit *= 2;
        }
        values[0]
    }
}

/// One number for each row, for reading one by one.
#[repr(C, align(64))]
struct Numbers([u32; LANES]);

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn numbers(of: __m512i) -> Numbers {
    let mut numbers = Numbers([0; LANES]);
    // SAFETY: 16 numbers of 32 bits, aligned.
    unsafe { _mm512_store_si512(numbers.0.as_mut_ptr().cast(), of) };
    numbers
}

/// An expression of each row's number, as arguments of a function.
macro_rules! each {
    ($numbers:expr, |$number:ident| $value:expr, $function:path) => {{
        let numbers: &Numbers = &$numbers;
        macro_rules! of {
            ($lane:literal) => {{
                let $number = numbers.0[$lane] as usize;
                $value
            }};
        }
        $function(
            of!(0),
            of!(1),
            of!(2),
            of!(3),
            of!(4),
            of!(5),
            of!(6),
            of!(7),
            of!(8),
            of!(9),
            of!(10),
            of!(11),
            of!(12),
            of!(13),
            of!(14),
            of!(15),
        )
    }};
}

/// Each row's value of its slot.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn load_values(base: *const f32, slot: __m512i) -> __m512 {
    let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let places = _mm512_or_epi32(_mm512_slli_epi32::<4>(slot), lanes);
    unsafe { each!(numbers(places), |place| *base.add(place), _mm512_setr_ps) }
}

/// Thresholds and slots of any positions.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn load_nodes(nodes: *const HeapNode, at: __m512i) -> (__m512, __m512i) {
    unsafe {
        (
            each!(numbers(at), |at| (*nodes.add(at)).threshold, _mm512_setr_ps),
            each!(numbers(at), |at| (*nodes.add(at)).slot as i32, _mm512_setr_epi32),
        )
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn add_leaves(leaves: &[f64], at: __m512i, sums: &mut Sums) {
    // Where the root would be.
    let leaves = leaves.as_ptr().wrapping_sub(leaves.len());
    unsafe {
        let [low, high] = each!(numbers(at), |at| *leaves.wrapping_add(at), halves);
        let sums: *mut f64 = sums.0.as_mut_ptr();
        _mm512_store_pd(sums, _mm512_add_pd(_mm512_load_pd(sums), low));
        _mm512_store_pd(sums.add(8), _mm512_add_pd(_mm512_load_pd(sums.add(8)), high));
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[expect(clippy::too_many_arguments, reason = "one for each row")]
#[rustfmt::skip]
fn halves(
    a: f64, b: f64, c: f64, d: f64, e: f64, f: f64, g: f64, h: f64,
    i: f64, j: f64, k: f64, l: f64, m: f64, n: f64, o: f64, p: f64,
) -> [__m512d; 2] {
    [_mm512_setr_pd(a, b, c, d, e, f, g, h), _mm512_setr_pd(i, j, k, l, m, n, o, p)]
}
