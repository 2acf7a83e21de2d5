//! Walking rows down the trees. Every way of doing it gives the same bits: lanes and blocks split rows, never trees,
//! and a row's leaf values are added in f64 in the order of the trees.

use ndarray::ArrayView2;

use super::tree::{PackedTree, PackedTrees};

/// Rows that are walked down a tree in step, so that their memory accesses overlap.
const LANES: usize = 8;
/// Rows that are cast together and meet each tree while it is in the cache.
const BLOCK: usize = 64;
/// The most slots that are cast on the stack.
const STACK_SLOTS: usize = 256;

/// The sum of path lengths of one row.
pub(super) fn path_length_sum(trees: &PackedTrees, row: &[f64]) -> f64 {
    let slots = trees.slots().len();
    if slots <= STACK_SLOTS {
        let mut cast = [0.0; STACK_SLOTS];
        sum_of_row(trees, row, &mut cast[..slots])
    } else {
        sum_of_row(trees, row, &mut vec![0.0; slots])
    }
}

fn sum_of_row(trees: &PackedTrees, row: &[f64], cast: &mut [f32]) -> f64 {
    trees.slots().read(row, cast);
    trees.iter().fold(0.0, |sum, tree| sum + tree.values[leaf(tree, cast)])
}

/// The sums of path lengths of a matrix of shape (n, d) into a slice of length n.
pub(super) fn path_length_sums(trees: &PackedTrees, rows: ArrayView2<'_, f64>, sums: &mut [f64]) {
    let slots = trees.slots().len();
    let mut cast = vec![0.0; BLOCK * slots];
    let mut copy = Vec::new();
    for (block, sums) in rows.axis_chunks_iter(ndarray::Axis(0), BLOCK).zip(sums.chunks_mut(BLOCK)) {
        for (row, cast) in block.rows().into_iter().zip(cast.chunks_exact_mut(slots)) {
            match row.as_slice() {
                Some(row) => trees.slots().read(row, cast),
                None => {
                    copy.clear();
                    copy.extend(row);
                    trees.slots().read(&copy, cast);
                }
            }
        }
        add_block(trees, &cast[..sums.len() * slots], slots, sums);
    }
}

/// `rows` holds all slots' values for each sum.
fn add_block(trees: &PackedTrees, rows: &[f32], slots: usize, sums: &mut [f64]) {
    sums.fill(0.0);
    for tree in trees.iter() {
        for (rows, sums) in rows.chunks(LANES * slots).zip(sums.chunks_mut(LANES)) {
            if let Ok(sums) = <&mut [f64; LANES]>::try_from(&mut *sums) {
                let leaves = leaves_in_step(tree, rows, slots);
                sums.iter_mut().zip(leaves).for_each(|(sum, leaf)| *sum += tree.values[leaf]);
            } else {
                let rows = rows.chunks_exact(slots);
                sums.iter_mut().zip(rows).for_each(|(sum, row)| *sum += tree.values[leaf(tree, row)]);
            }
        }
    }
}

/// A row that has reached its leaf stays there while the others walk on.
fn leaves_in_step(tree: PackedTree<'_>, rows: &[f32], slots: usize) -> [usize; LANES] {
    let mut at = [0; LANES];
    for _ in 0..tree.depth {
        for (lane, at) in at.iter_mut().enumerate() {
            let node = tree.nodes[*at];
            *at = node.left() + usize::from(rows[lane * slots + node.slot()] > node.threshold);
        }
    }
    at
}

fn leaf(tree: PackedTree<'_>, row: &[f32]) -> usize {
    let mut at = 0;
    loop {
        let node = tree.nodes[at];
        let next = node.left() + usize::from(row[node.slot()] > node.threshold);
        if next == at {
            return at;
        }
        at = next;
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
