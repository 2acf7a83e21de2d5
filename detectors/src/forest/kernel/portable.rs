//! The kernels that every processor has.

use super::padded::{HeapNode, LANES, Lanes, Padded, Sums};

/// Trees that one row is walked down in step.
const TREES: usize = 10;

/// Adds the leaf values of all trees for the rows of all tiles; `values` has `padded.stride()` entries for each tile.
pub(super) fn sums(padded: &Padded, values: &[Lanes], sums: &mut [Sums]) {
    for tree in padded.iter() {
        for (values, sums) in values.chunks_exact(padded.stride()).zip(sums.iter_mut()) {
            let leaves = walk(tree.nodes, values, padded.depth());
            sums.0.iter_mut().zip(leaves).for_each(|(sum, leaf)| *sum += tree.leaves[leaf]);
        }
    }
}

#[inline(always)]
fn walk(nodes: &[HeapNode], values: &[Lanes], depth: u32) -> [usize; LANES] {
    let mut at = [1; LANES];
    for _ in 0..depth {
        for (lane, at) in at.iter_mut().enumerate() {
            let node = nodes[*at];
            *at = 2 * *at + usize::from(values[node.slot as usize].0[lane] > node.threshold);
        }
    }
    at.map(|at| at - nodes.len())
}

/// The sum of leaf values of one row; `values` has one for each slot.
pub(super) fn sum(padded: &Padded, values: &[f32]) -> f64 {
    let (depth, size) = (padded.depth(), 1 << padded.depth());
    let mut sum = 0.0;
    let trees = padded.nodes().chunks(TREES * size).zip(padded.leaves().chunks(TREES * size));
    for (nodes, leaves) in trees {
        if nodes.len() == TREES * size {
            let mut at = [1; TREES];
            for _ in 0..depth {
                for (tree, at) in at.iter_mut().enumerate() {
                    *at = step(nodes[tree * size + *at], values, *at);
                }
            }
            for (tree, at) in at.into_iter().enumerate() {
                sum += leaves[tree * size + at - size];
            }
            continue;
        }
        for (nodes, leaves) in nodes.chunks_exact(size).zip(leaves.chunks_exact(size)) {
            let at = (0..depth).fold(1, |at, _| step(nodes[at], values, at));
            sum += leaves[at - size];
        }
    }
    sum
}

#[inline(always)]
fn step(node: HeapNode, values: &[f32], at: usize) -> usize {
    2 * at + usize::from(values[node.slot as usize] > node.threshold)
}
