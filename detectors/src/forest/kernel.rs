//! Walking rows down the trees. Every way of doing it gives the same bits: lanes and blocks split rows, never trees,
//! and a row's leaf values are added in f64 in the order of the trees.
//!
//! The one module that may use `unsafe`, for the instructions of particular processors. It relies on nothing but the
//! invariants of [`Padded`] and of what is made of it ([`blocks`], [`splits`], [`ranks`]), whose constructors check every
//! index, and on the processor's features, which [`choice`] and [`wide`](mod@wide) ask for. The latter serves all detectors.
#![allow(unsafe_code, reason = "instructions of particular processors; see above for what it relies on")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_splits;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_blocks;
#[cfg(target_arch = "x86_64")]
mod avx512_ranks;
#[cfg(target_arch = "x86_64")]
mod avx512_row;
#[cfg(target_arch = "x86_64")]
mod blocks;
mod choice;
#[cfg(target_arch = "x86_64")]
mod codes;
mod padded;
mod portable;
#[cfg(target_arch = "x86_64")]
mod ranks;
mod sparse;
#[cfg(target_arch = "x86_64")]
mod splits;
#[cfg(test)]
mod tests;
mod tiles;
mod transpose;
mod wide;

use ndarray::{ArrayView2, Axis};

use super::tree::PackedTrees;

pub use choice::Kernel;
pub(crate) use padded::Lanes;
use padded::OnDemand;
pub(super) use padded::{LANES, Padded};
pub(crate) use transpose::transpose;
#[cfg(test)]
pub(crate) use wide::widths;
pub(crate) use wide::{Work, wide};

/// The most slots that are cast on the stack.
pub(super) const STACK_SLOTS: usize = 256;

/// Asks the processor to bring the beginning of a row, up to 1 KiB, into its second-level cache; nothing waits for it. (Into
/// the first fewer requests can be on their way: fitting took a quarter longer.)
#[inline(always)]
#[cfg_attr(
    not(target_arch = "x86_64"),
    expect(unused_variables, reason = "other processors are told nothing")
)]
pub(super) fn prefetch(row: &[f64]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // Each of its cache lines once.
        let before = row.as_ptr().addr() % 64;
        let line = row.as_ptr().cast::<i8>().wrapping_sub(before);
        for at in (0..before + size_of_val(row)).step_by(64).take(16) {
            // SAFETY: a hint, which may name any address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(line.wrapping_add(at)) };
        }
    }
}

/// Checked trees, laid out for the kernels.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    padded: Padded,
    /// The fastest kernel, once one has been asked for.
    fastest: OnDemand<Kernel>,
}

impl Layout {
    pub(super) fn new(trees: PackedTrees) -> Self {
        Self { padded: Padded::new(trees), fastest: OnDemand::new() }
    }

    pub(super) fn trees(&self) -> &PackedTrees {
        self.padded.packed()
    }

    /// The fastest kernel for this forest on this processor.
    pub(super) fn kernel(&self) -> Kernel {
        *self.fastest.get(|| Kernel::fastest_for(&self.padded))
    }

    /// Rows with which every kernel does everything that it does: whole blocks, and what is left over.
    pub(super) fn rows_in_step(&self) -> usize {
        // (more tiles than these are more of the same)
        const MOST: usize = 32;
        (2 * tiles::tiles(&self.padded).min(MOST) - 1) * LANES
    }

    /// The sum of path lengths of one row of all columns.
    pub(super) fn sum<V: Copy + Into<f64>>(&self, kernel: Kernel, row: &[V]) -> f64 {
        let slots = self.padded.slots();
        let sum = |values: &mut [f32]| {
            self.trees().slots().read(row, values);
            kernel.sum(&self.padded, values)
        };
        if slots <= STACK_SLOTS { sum(&mut [0.0; STACK_SLOTS][..slots]) } else { sum(&mut vec![0.0; slots]) }
    }

    /// The sums of path lengths of a matrix of shape (n, d) into a slice of length n.
    pub(super) fn sums<V>(&self, kernel: Kernel, rows: ArrayView2<'_, V>, sums: &mut [f64])
    where
        V: Copy + Into<f64>,
    {
        let stride = self.padded.stride();
        let block = tiles::tiles(&self.padded).min(sums.len().div_ceil(LANES));
        let mut values = vec![Lanes::default(); block * stride];
        let mut copy = Vec::new();
        let chunks = rows.axis_chunks_iter(Axis(0), block * LANES).zip(sums.chunks_mut(block * LANES));
        for (rows, sums) in chunks {
            let used = sums.len().div_ceil(LANES);
            let values = &mut values[..used * stride];
            tiles::fill(self.trees().slots(), rows, &mut copy, values.chunks_exact_mut(stride));
            let mut tiles = vec![padded::Sums::default(); used];
            kernel.sums(&self.padded, values, &mut tiles);
            for (sums, tile) in sums.chunks_mut(LANES).zip(&tiles) {
                sums.copy_from_slice(&tile.0[..sums.len()]);
            }
        }
    }
}

/// The splits that a row meets in a tree: columns and thresholds, from the root on.
pub(super) fn path(trees: &PackedTrees, tree: usize, row: &[f64]) -> Vec<(usize, f32)> {
    let tree = trees.tree(tree);
    let mut path = Vec::new();
    let mut at = 0;
    loop {
        let node = tree.nodes[at];
        if node.left() == at {
            return path;
        }
        let slot = trees.slots().get(node.slot());
        path.push((slot.column as usize, node.threshold));
        at = node.left() + usize::from(slot.read(row) > node.threshold);
    }
}
