//! AVX-512, one row: 16 trees a register. Leaf values are kept and added in the order of the trees.

use std::arch::x86_64::*;

use super::padded::{LANES, Padded};
use super::{avx512_blocks, portable};

/// Registers of trees that are walked in step, so that their latencies overlap.
const STEP: usize = 2;

/// As [`super::portable::sum`].
///
/// # Safety
/// The processor has AVX-512 F, BW, DQ and VL; `values` has `padded.slots()` entries.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn sum(padded: &Padded, values: &[f32]) -> f64 {
    if let Some(blocks) = padded.blocks() {
        // SAFETY: the same conditions; a forest's blocks are its own.
        return unsafe { avx512_blocks::sum(blocks, values) };
    }
    if !padded.is_whole() {
        return portable::sum(padded, values);
    }
    // SAFETY: the same conditions; only as many slots as there are values are read.
    unsafe {
        match values.len() {
            0..=16 => all_trees::<1>(padded, values),
            17..=32 => all_trees::<2>(padded, values),
            _ => all_trees::<0>(padded, values),
        }
    }
}

/// `REGISTERS`: how many hold all values; 0 to gather them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn all_trees<const REGISTERS: usize>(padded: &Padded, values: &[f32]) -> f64 {
    unsafe {
        let low = load(values);
        let high = if REGISTERS == 2 { load(&values[16..]) } else { low };
        let (nodes, leaves) = (padded.nodes().as_ptr(), padded.leaves().as_ptr());
        let (depth, trees) = (padded.depth(), padded.trees());
        let size = 1 << depth;
        let last = _mm512_set1_epi32(trees as i32 - 1);
        let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
        let one = _mm512_set1_epi32(1);
        let mut sum = 0.0;
        for first in (0..trees).step_by(STEP * LANES) {
            // Where the trees begin; beyond the last tree, that tree again.
            let begins: [__m512i; STEP] = std::array::from_fn(|group| {
                let number = _mm512_add_epi32(_mm512_set1_epi32((first + group * LANES) as i32), lanes);
                _mm512_mullo_epi32(_mm512_min_epi32(number, last), _mm512_set1_epi32(size))
            });
            let mut at = [one; STEP];
            for _ in 0..depth {
                for (at, begin) in at.iter_mut().zip(begins) {
                    let place = _mm512_add_epi32(begin, *at);
                    let near = _mm512_i32gather_epi64::<8>(_mm512_castsi512_si256(place), nodes.cast());
                    let far =
                        _mm512_i32gather_epi64::<8>(_mm512_extracti64x4_epi64::<1>(place), nodes.cast());
                    let threshold = _mm512_castsi512_ps(_mm512_permutex2var_epi32(near, even, far));
                    let slot = _mm512_permutex2var_epi32(near, odd, far);
                    let value = match REGISTERS {
                        1 => _mm512_permutexvar_ps(slot, low),
                        2 => _mm512_permutex2var_ps(low, slot, high),
                        _ => _mm512_i32gather_ps::<4>(slot, values.as_ptr()),
                    };
                    let right = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, threshold);
                    let left = _mm512_add_epi32(*at, *at);
                    *at = _mm512_mask_add_epi32(left, right, left, one);
                }
            }
            let mut found = [0.0; STEP * LANES];
            for (group, (at, begin)) in at.into_iter().zip(begins).enumerate() {
                let place = _mm512_sub_epi32(_mm512_add_epi32(begin, at), _mm512_set1_epi32(size));
                let near = _mm512_i32gather_pd::<8>(_mm512_castsi512_si256(place), leaves);
                let far = _mm512_i32gather_pd::<8>(_mm512_extracti64x4_epi64::<1>(place), leaves);
                _mm512_storeu_pd(found.as_mut_ptr().add(group * LANES), near);
                _mm512_storeu_pd(found.as_mut_ptr().add(group * LANES + 8), far);
            }
            sum = found.iter().take(trees - first).fold(sum, |sum, leaf| sum + leaf);
        }
        sum
    }
}

/// Up to 16 values; zeros where there are none.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn load(values: &[f32]) -> __m512 {
    let mut all = [0.0; LANES];
    let count = values.len().min(LANES);
    all[..count].copy_from_slice(&values[..count]);
    unsafe { _mm512_loadu_ps(all.as_ptr()) }
}
