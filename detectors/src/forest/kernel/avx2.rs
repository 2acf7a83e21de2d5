//! AVX2: 8 rows a register. The first two levels choose among the nodes' columns, which needs no gathers; the third
//! permutes registers; the others gather. Leaf values are added in f64, tree after tree.

use std::arch::x86_64::*;

use super::padded::{HeapNode, LANES, Lanes, Padded, PaddedTree, Sums};

/// Rows of a register.
const HALF: usize = LANES / 2;

/// As [`super::portable::sums`].
///
/// # Safety
/// The processor has AVX2; `values` has `padded.stride()` entries for each of `sums`.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn sums(padded: &Padded, values: &[Lanes], sums: &mut [Sums]) {
    for tree in padded.iter() {
        for (values, sums) in values.chunks_exact(padded.stride()).zip(sums.iter_mut()) {
            // SAFETY: the forest's invariants, and all slots of the tile.
            unsafe { walk(padded.depth(), tree, values.as_ptr().cast(), sums) };
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn walk(depth: u32, tree: PaddedTree<'_>, values: *const f32, sums: &mut Sums) {
    unsafe {
        let base = [values, values.add(HALF)];
        let mut halves = base.map(|base| (base, first_levels(tree.nodes, base)));
        for _ in 2..depth {
            for (base, at) in &mut halves {
                *at = step(tree.nodes.as_ptr(), *base, *at);
            }
        }
        let leaves = tree.leaves.as_ptr().wrapping_sub(tree.leaves.len());
        for ((_, at), sums) in halves.into_iter().zip(sums.0.chunks_exact_mut(HALF)) {
            add_leaves(leaves, at, sums.as_mut_ptr());
        }
    }
}

/// The heap positions after two levels, 4…7.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn first_levels(nodes: &[HeapNode], base: *const f32) -> __m256i {
    unsafe {
        let read = |node: usize| {
            let HeapNode { threshold, slot } = *nodes.get_unchecked(node);
            (_mm256_load_ps(base.add(slot as usize * LANES)), _mm256_set1_ps(threshold))
        };
        let (value, threshold) = read(1);
        let first = _mm256_cmp_ps::<_CMP_GT_OQ>(value, threshold);
        let (left, right) = (read(2), read(3));
        let value = _mm256_blendv_ps(left.0, right.0, first);
        let threshold = _mm256_blendv_ps(left.1, right.1, first);
        let second = _mm256_cmp_ps::<_CMP_GT_OQ>(value, threshold);
        // A mask that holds is −1.
        let (first, second) = (_mm256_castps_si256(first), _mm256_castps_si256(second));
        let at = _mm256_sub_epi32(_mm256_set1_epi32(4), _mm256_add_epi32(first, first));
        _mm256_sub_epi32(at, second)
    }
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn step(nodes: *const HeapNode, base: *const f32, at: __m256i) -> __m256i {
    unsafe {
        // Lanes 0 1 4 5 and 2 3 6 7, which shuffling puts in order.
        let pairs = _mm256_permute4x64_epi64::<0b11_01_10_00>(at);
        let low = _mm256_i32gather_epi64::<8>(nodes.cast(), _mm256_castsi256_si128(pairs));
        let high = _mm256_i32gather_epi64::<8>(nodes.cast(), _mm256_extracti128_si256::<1>(pairs));
        let (low, high) = (_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
        let threshold = _mm256_shuffle_ps::<0b10_00_10_00>(low, high);
        let slot = _mm256_castps_si256(_mm256_shuffle_ps::<0b11_01_11_01>(low, high));
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let offset = _mm256_or_si256(_mm256_slli_epi32::<4>(slot), lanes);
        let value = _mm256_i32gather_ps::<4>(base, offset);
        let right = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GT_OQ>(value, threshold));
        _mm256_sub_epi32(_mm256_add_epi32(at, at), right)
    }
}

#[inline]
#[target_feature(enable = "avx2")]
unsafe fn add_leaves(leaves: *const f64, at: __m256i, sums: *mut f64) {
    unsafe {
        let low = _mm256_i32gather_pd::<8>(leaves, _mm256_castsi256_si128(at));
        let high = _mm256_i32gather_pd::<8>(leaves, _mm256_extracti128_si256::<1>(at));
        _mm256_store_pd(sums, _mm256_add_pd(_mm256_load_pd(sums), low));
        _mm256_store_pd(sums.add(4), _mm256_add_pd(_mm256_load_pd(sums.add(4)), high));
    }
}
