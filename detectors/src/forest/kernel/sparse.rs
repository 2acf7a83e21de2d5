//! Trees whose nodes name their children, for those too deep to be padded as a whole.

use super::super::tree::{PackedTree, PackedTrees};

/// Trees that one row is walked down in step, so that their memory accesses overlap.
const TREES: usize = 8;

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
                // SAFETY: the root, or what the last step led to; there are values for all slots.
                let next = unsafe { step(*tree, |slot| *values.get_unchecked(slot), *at) };
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
/// The tree has a node at `at`, as the root is one and what steps lead to. `value` may rely on slots of the forest.
#[inline(always)]
pub(super) unsafe fn step(tree: PackedTree<'_>, value: impl Fn(usize) -> f32, at: usize) -> usize {
    // SAFETY: the caller's promise.
    let node = unsafe { *tree.nodes.get_unchecked(at) };
    node.left() + usize::from(value(node.slot()) > node.threshold)
}
