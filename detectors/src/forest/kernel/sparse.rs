//! Trees too deep to be padded: nodes name their children, and several walks go in step so that their memory accesses
//! overlap.

use ndarray::ArrayView2;

use super::super::tree::{PackedTree, PackedTrees};

/// Rows that are walked down a tree in step.
pub(super) const LANES: usize = 8;
/// Trees that one row is walked down in step.
const TREES: usize = 8;
/// The most rows that are cast together and meet each tree while it is in the cache.
const BLOCK: usize = 512;
/// The most values of a block.
const MAX_VALUES: usize = 8_192;

/// The sum of leaf values of one row; `values` has one for each slot.
pub(super) fn sum(trees: &PackedTrees, values: &[f32]) -> f64 {
    assert_eq!(values.len(), trees.slots().len(), "a row has all slots");
    let mut sum = 0.0;
    for first in (0..trees.len()).step_by(TREES) {
        let count = TREES.min(trees.len() - first);
        // Beyond the last tree, that tree again.
        let trees: [PackedTree<'_>; TREES] =
            std::array::from_fn(|next| trees.tree(first + next.min(count - 1)));
        let mut at = [0; TREES];
        loop {
            let mut moved = false;
            for (tree, at) in trees.iter().zip(&mut at) {
                // SAFETY: the position is the root or what the last step led to; there are values for all slots.
                let next = unsafe { step(*tree, values, *at) };
                moved |= next != *at;
                *at = next;
            }
            if !moved {
                break;
            }
        }
        sum = (0..count).fold(sum, |sum, tree| sum + trees[tree].values[at[tree]]);
    }
    sum
}

/// The child that a row goes to from position `at`; from a leaf, that leaf.
///
/// # Safety
/// The tree has a node at `at`: as the constructor of the trees has checked, the root and what steps lead to.
/// `values` has one for each slot of the forest.
#[inline(always)]
unsafe fn step(tree: PackedTree<'_>, values: &[f32], at: usize) -> usize {
    // SAFETY: the caller's promise, and every node's slot exists.
    let (node, value) = unsafe {
        let node = *tree.nodes.get_unchecked(at);
        (node, *values.get_unchecked(node.slot()))
    };
    node.left() + usize::from(value > node.threshold)
}

/// The sums of leaf values of many rows of shape (n, d).
pub(super) fn sums(trees: &PackedTrees, rows: ArrayView2<'_, f64>, sums: &mut [f64]) {
    let slots = trees.slots().len();
    let block = (MAX_VALUES / slots).clamp(LANES, BLOCK).min(sums.len());
    let mut values = vec![0.0; block * slots];
    let mut copy = Vec::new();
    for (rows, sums) in rows.axis_chunks_iter(ndarray::Axis(0), block).zip(sums.chunks_mut(block)) {
        for (row, values) in rows.rows().into_iter().zip(values.chunks_exact_mut(slots)) {
            match row.as_slice() {
                Some(row) => trees.slots().read(row, values),
                None => {
                    copy.clear();
                    copy.extend(row);
                    trees.slots().read(&copy, values);
                }
            }
        }
        add_block(trees, &values[..sums.len() * slots], slots, sums);
    }
}

/// `values` holds all slots' values for each sum.
fn add_block(trees: &PackedTrees, values: &[f32], slots: usize, sums: &mut [f64]) {
    sums.fill(0.0);
    for tree in trees.iter() {
        for (values, sums) in values.chunks(LANES * slots).zip(sums.chunks_mut(LANES)) {
            let mut at = [0; LANES];
            for _ in 0..tree.depth {
                for (at, values) in at.iter_mut().zip(values.chunks_exact(slots)) {
                    // SAFETY: as above.
                    *at = unsafe { step(tree, values, *at) };
                }
            }
            sums.iter_mut().zip(at).for_each(|(sum, leaf)| *sum += tree.values[leaf]);
        }
    }
}
