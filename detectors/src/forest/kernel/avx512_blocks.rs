//! AVX-512, trees in blocks of four levels: the values of a row stand in one or two registers, in which the 15 nodes of a
//! block look theirs up at once.
//!
//! Each level of blocks is a pass over some rows, or over some trees of one row, so that no step waits for one before.
//! Leaf values are added in f64, tree after tree.

use std::arch::x86_64::*;

use super::blocks::{Block, Blocks, ENDS, MAX_SLOTS, prefetch};
use super::padded::{LANES, Lanes, Sums};

/// Rows, or trees of one row, of a pass.
const IN_STEP: usize = 128;

/// As [`super::portable::sums`].
///
/// # Safety
/// The processor has AVX-512 F, BW, DQ and VL; `values` has `stride` entries for each of `sums`, and `stride` is at least
/// the number of slots.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn sums(blocks: &Blocks, stride: usize, values: &[Lanes], sums: &mut [Sums]) {
    // SAFETY: the same conditions; registers hold all slots.
    unsafe {
        if blocks.slots() <= LANES {
            all_rows::<1>(blocks, stride, values, sums);
        } else {
            all_rows::<{ MAX_SLOTS / LANES }>(blocks, stride, values, sums);
        }
    }
}

/// As [`super::portable::sum`].
///
/// # Safety
/// The processor has AVX-512 F, BW, DQ and VL; `values` has an entry for each slot of the forest.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) unsafe fn sum(blocks: &Blocks, values: &[f32]) -> f64 {
    // SAFETY: as above.
    unsafe {
        if blocks.slots() <= LANES {
            one_row::<1>(blocks, values)
        } else {
            one_row::<{ MAX_SLOTS / LANES }>(blocks, values)
        }
    }
}

/// The values of a row, 16 to a register.
type Row<const REGISTERS: usize> = [Lanes; REGISTERS];

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn all_rows<const REGISTERS: usize>(
    blocks: &Blocks,
    stride: usize,
    values: &[Lanes],
    sums: &mut [Sums],
) {
    let mut rows = vec![[Lanes::default(); REGISTERS]; LANES * sums.len()];
    for (rows, values) in rows.chunks_exact_mut(LANES).zip(values.chunks_exact(stride)) {
        read_tile(&values[..blocks.slots()], rows);
    }
    let mut found = vec![0.0; rows.len()];
    let mut walks = Walks::new();
    // While rows walk down a tree, the next one is brought near, if they are enough to meet most of its blocks.
    let passes = rows.len().div_ceil(IN_STEP);
    let ahead = if rows.len() > 2 * blocks.of_a_tree() { blocks.of_a_tree().div_ceil(passes) } else { 0 };
    for tree in 0..blocks.trees() {
        let mut next = blocks.all(tree + 1);
        for (rows, found) in rows.chunks(IN_STEP).zip(found.chunks_mut(IN_STEP)) {
            prefetch(next.split_off(..ahead.min(next.len())).unwrap_or_default());
            // SAFETY: the forest has this tree.
            unsafe {
                walks.walk::<REGISTERS, true>(blocks, tree, rows.len(), rows);
                walks.add_leaves::<true>(blocks, tree, found);
            }
        }
    }
    for (sums, found) in sums.iter_mut().zip(found.chunks_exact(LANES)) {
        sums.0.copy_from_slice(found);
    }
}

/// From columns to 16 rows. Compiled for every processor, and called: for this one, values would be gathered.
#[inline(never)]
fn read_tile<const REGISTERS: usize>(values: &[Lanes], rows: &mut [Row<REGISTERS>]) {
    for (lane, row) in rows.iter_mut().enumerate() {
        for (slot, Lanes(values)) in values.iter().enumerate() {
            row[slot / LANES].0[slot % LANES] = values[lane];
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn one_row<const REGISTERS: usize>(blocks: &Blocks, values: &[f32]) -> f64 {
    let mut row = [Lanes::default(); REGISTERS];
    for (slot, &value) in values.iter().enumerate() {
        row[slot / LANES].0[slot % LANES] = value;
    }
    let mut sum = 0.0;
    let mut walks = Walks::new();
    for first in (0..blocks.trees()).step_by(IN_STEP) {
        let mut found = [0.0; IN_STEP];
        let found = &mut found[..IN_STEP.min(blocks.trees() - first)];
        // SAFETY: the forest has these trees.
        unsafe {
            walks.walk::<REGISTERS, false>(blocks, first, found.len(), &[row]);
            walks.add_leaves::<false>(blocks, first, found);
        }
        sum = found.iter().fold(sum, |sum, value| sum + value);
    }
    sum
}

/// Walks in step: some rows down one tree, or one row down some trees.
#[repr(C, align(64))]
struct Walks {
    /// A bit for each node of a walk's block, set where it goes right.
    outcomes: [u16; IN_STEP],
    /// How many bytes a walk's block is behind the first of its level.
    places: [u16; IN_STEP],
    /// The ends of blocks that walks come to.
    ends: [u16; IN_STEP],
}

impl Walks {
    fn new() -> Self {
        Self { outcomes: [0; IN_STEP], places: [0; IN_STEP], ends: [0; IN_STEP] }
    }

    /// To the last blocks and their ends, beginning with tree `first`; `rows` are as many as walks if they walk down
    /// `ONE_TREE`, or one.
    ///
    /// # Safety
    /// The forest has these trees.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    unsafe fn walk<const REGISTERS: usize, const ONE_TREE: bool>(
        &mut self,
        blocks: &Blocks,
        first: usize,
        count: usize,
        rows: &[Row<REGISTERS>],
    ) {
        assert!(count <= IN_STEP && rows.len() == if ONE_TREE { count } else { 1 }, "as many walks as fit");
        let tree = blocks.tree(first);
        let next_tree = if ONE_TREE { 0 } else { blocks.of_a_tree() };
        macro_rules! level {
            ($blocks:expr, |$number:ident| $place:expr) => {
                for $number in 0..count {
                    let block = $blocks.wrapping_add($number * next_tree).wrapping_byte_add($place);
                    let row = rows.get_unchecked(if ONE_TREE { $number } else { 0 });
                    self.outcomes[$number] = compare(&*block, row);
                }
                self.choose_ends();
            };
        }
        // SAFETY: trees stand one behind the other; the ends of a tree's blocks are as many as the blocks below.
        unsafe {
            level!(tree.first, |number| 0);
            self.places = self.ends.map(|end| BLOCK * end);
            level!(tree.seconds, |number| usize::from(self.places[number]));
            for (place, end) in self.places.iter_mut().zip(&self.ends) {
                *place = ENDS as u16 * *place + BLOCK * end;
            }
            level!(tree.thirds, |number| usize::from(self.places[number]));
        }
    }

    /// From the outcomes of a block to its end, from the left.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn choose_ends(&mut self) {
        let one = _mm512_set1_epi16(1);
        for (outcomes, ends) in self.outcomes.chunks_exact(32).zip(self.ends.chunks_exact_mut(32)) {
            // SAFETY: 32 numbers of 16 bits.
            let outcomes = unsafe { _mm512_loadu_si512(outcomes.as_ptr().cast()) };
            let mut at = one;
            for _ in 0..4 {
                let right = _mm512_and_si512(_mm512_srlv_epi16(outcomes, at), one);
                at = _mm512_add_epi16(_mm512_add_epi16(at, at), right);
            }
            let end = _mm512_sub_epi16(at, _mm512_set1_epi16(ENDS as i16));
            // SAFETY: as above.
            unsafe { _mm512_storeu_si512(ends.as_mut_ptr().cast(), end) };
        }
    }

    /// Adds the values of the leaves.
    ///
    /// Compiled for every processor, and called: for this one, values would be gathered, which takes longer than loads.
    ///
    /// # Safety
    /// These walks were walked before.
    #[inline(never)]
    unsafe fn add_leaves<const ONE_TREE: bool>(&self, blocks: &Blocks, first: usize, sums: &mut [f64]) {
        let tree = blocks.tree(first);
        let next_tree = if ONE_TREE { 0 } else { blocks.of_a_tree() };
        for (number, ((sum, &place), &end)) in sums.iter_mut().zip(&self.places).zip(&self.ends).enumerate() {
            let block = tree.thirds.wrapping_add(number * next_tree).wrapping_byte_add(place.into());
            // SAFETY: a last block, and one of its ends; every leaf's number has a value.
            unsafe {
                let leaf = (*block).leaves.get_unchecked(usize::from(end));
                *sum += blocks.values().get_unchecked(usize::from(*leaf));
            }
        }
    }
}

/// The bytes of a block.
const BLOCK: u16 = size_of::<Block>() as u16;

/// A bit for each node of a block, set where a row goes right.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
fn compare<const REGISTERS: usize>(block: &Block, row: &Row<REGISTERS>) -> u16 {
    // SAFETY: 16 aligned values of four bytes each, and 16 bytes.
    unsafe {
        let thresholds = _mm512_load_ps(block.thresholds.as_ptr());
        let slots = _mm512_cvtepu8_epi32(_mm_load_si128(block.slots.as_ptr().cast()));
        let near = _mm512_load_ps(row[0].0.as_ptr());
        let values = match REGISTERS {
            1 => _mm512_permutexvar_ps(slots, near),
            _ => _mm512_permutex2var_ps(near, slots, _mm512_load_ps(row[1].0.as_ptr())),
        };
        _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, thresholds)
    }
}
