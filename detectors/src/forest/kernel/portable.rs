//! The kernels that every processor has.

use super::padded::{Ends, HeapNode, LANES, Lanes, Padded, PaddedTree, Sums};
use super::sparse;

/// Trees that one row is walked down in step, so that their latencies overlap.
const TREES: usize = 10;

/// Adds the leaf values of all trees for the rows of all tiles; `values` has `padded.stride()` entries for each tile.
pub(super) fn sums(padded: &Padded, values: &[Lanes], sums: &mut [Sums]) {
    assert_eq!(values.len(), padded.stride() * sums.len(), "every tile has its values");
    for tree in padded.iter() {
        for (values, sums) in values.chunks_exact(padded.stride()).zip(sums.iter_mut()) {
            finish(tree, values, padded.depth(), [1; LANES], sums);
        }
    }
}

/// Walks the rows of a tile from their positions down the last levels and adds the leaf values.
#[inline(always)]
pub(super) fn finish(
    tree: PaddedTree<'_>,
    values: &[Lanes],
    levels: u32,
    mut at: [u32; LANES],
    sums: &mut Sums,
) {
    for _ in 0..levels {
        for (lane, at) in at.iter_mut().enumerate() {
            // SAFETY: fewer than `depth` steps were taken; the tile has all slots.
            let next =
                unsafe { step(tree.nodes, 0, |slot| values.get_unchecked(slot).0[lane], *at as usize) };
            *at = next as u32;
        }
    }
    match tree.ends {
        Ends::Leaves(leaves) => {
            for (sum, at) in sums.0.iter_mut().zip(at) {
                *sum += leaves[at as usize - leaves.len()];
            }
        }
        Ends::Nodes(..) => descend(tree, values, at, sums),
    }
}

/// From the positions below a padded top down the packed nodes; adds the leaf values.
#[inline(never)]
pub(super) fn descend(tree: PaddedTree<'_>, values: &[Lanes], at: [u32; LANES], sums: &mut Sums) {
    let Ends::Nodes(entries, packed) = tree.ends else { return };
    let mut at = at.map(|at| entries[at as usize - entries.len()] as usize);
    for _ in entries.len().ilog2()..packed.depth {
        for (lane, at) in at.iter_mut().enumerate() {
            // SAFETY: an end of the top, or what the last step led to; the tile has all slots.
            *at = unsafe { sparse::step(packed, |slot| values.get_unchecked(slot).0[lane], *at) };
        }
    }
    sums.0.iter_mut().zip(at).for_each(|(sum, leaf)| *sum += packed.values[leaf]);
}

/// The sum of leaf values of one row; `values` has one for each slot.
pub(super) fn sum(padded: &Padded, values: &[f32]) -> f64 {
    assert_eq!(values.len(), padded.slots(), "a row has all slots");
    if !padded.is_whole() {
        return sparse::sum(padded.packed(), values);
    }
    // A constant depth makes the places of trees constant.
    match padded.depth() {
        4 => all_trees::<4>(padded, values),
        5 => all_trees::<5>(padded, values),
        6 => all_trees::<6>(padded, values),
        7 => all_trees::<7>(padded, values),
        8 => all_trees::<8>(padded, values),
        9 => all_trees::<9>(padded, values),
        _ => all_trees::<10>(padded, values),
    }
}

fn all_trees<const DEPTH: usize>(padded: &Padded, values: &[f32]) -> f64 {
    let (nodes, leaves) = (padded.nodes(), padded.leaves());
    let several = TREES << DEPTH;
    let mut sum = 0.0;
    let (nodes, leaves) = (nodes.chunks_exact(several), leaves.chunks_exact(several));
    let (last_nodes, last_leaves) = (nodes.remainder(), leaves.remainder());
    for (nodes, leaves) in nodes.zip(leaves) {
        sum = some_trees::<DEPTH, TREES>(nodes, leaves, values, sum);
    }
    for (nodes, leaves) in last_nodes.chunks_exact(1 << DEPTH).zip(last_leaves.chunks_exact(1 << DEPTH)) {
        sum = some_trees::<DEPTH, 1>(nodes, leaves, values, sum);
    }
    sum
}

/// Adds the leaf values of `N` trees, the nodes and leaves of which are given.
#[inline(always)]
fn some_trees<const DEPTH: usize, const N: usize>(
    nodes: &[HeapNode],
    leaves: &[f64],
    values: &[f32],
    sum: f64,
) -> f64 {
    assert!(nodes.len() == N << DEPTH && leaves.len() == N << DEPTH, "all nodes of these trees");
    let mut at = [1; N];
    for _ in 0..DEPTH {
        for (tree, at) in at.iter_mut().enumerate() {
            // SAFETY: fewer than `DEPTH` steps were taken; there are values for all slots, see `sum`.
            *at = unsafe { step(nodes, tree << DEPTH, |slot| *values.get_unchecked(slot), *at) };
        }
    }
    // SAFETY: after `DEPTH` steps, positions are from 2^DEPTH up to twice that.
    let leaf =
        |(tree, at): (usize, usize)| unsafe { leaves.get_unchecked((tree << DEPTH) + at - (1 << DEPTH)) };
    at.into_iter().enumerate().map(leaf).fold(sum, |sum, leaf| sum + leaf)
}

/// The child that a row goes to from position `at`.
///
/// # Safety
/// Fewer than `depth` steps from the root led to `at`: then it is among the nodes. `value` may rely on slots of the forest.
#[inline(always)]
unsafe fn step(nodes: &[HeapNode], begin: usize, value: impl Fn(usize) -> f32, at: usize) -> usize {
    let node = unsafe { *nodes.get_unchecked(begin + at) };
    2 * at + usize::from(value(node.slot as usize) > node.threshold)
}
