//! Trees: how they are given, how they are checked, and how they are laid out for scoring.
//!
//! Whoever holds [`PackedTrees`] may rely on every index in it: children are in their tree, slots exist, and
//! following children for `depth` steps ends in a leaf and stays there.

use super::path_length::{PathLengths, leaf_value};
use super::slots::Slots;

/// The most columns a forest can have.
pub const MAX_COLUMNS: usize = 1 << COLUMN_BITS;
/// The deepest leaf a tree can have (root: 0).
pub const MAX_DEPTH: u32 = 32;
/// The most trees a forest can have. Each is laid out with the depth of the deepest: some 180 MB.
pub(crate) const MAX_TREES: usize = 8_192;
/// The most nodes a forest can have: twice the leaves that the largest configuration may have.
pub(crate) const MAX_NODES: usize = 4_000_000;
/// The most nodes a tree can have.
pub(crate) const MAX_TREE_NODES: usize = 1 << CHILD_BITS;

const COLUMN_BITS: u32 = 14;
/// The most slots: as many as columns, so only a forest of more than 8,192 columns can have too many.
const MAX_SLOTS: usize = MAX_COLUMNS;
const CHILD_BITS: u32 = 18;

/// A node as trees are given: indices are positions in the tree's own list, whose first node is the root.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TreeNode {
    /// Rows whose value in `column` is ≤ `threshold` go left.
    Split {
        /// The column, below d.
        column: u32,
        /// The threshold, in the scale of the centred f32 values; below infinity.
        threshold: f32,
        /// The left child's position.
        left: u32,
        /// The right child's position.
        right: u32,
        /// Whether rows without a value go left; false unless the forest routes missing values.
        missing_left: bool,
    },
    /// The end of a path.
    Leaf {
        /// The number of training rows in it, n of c(n).
        samples: u32,
    },
}

/// Why trees are refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ForestError {
    /// No trees.
    #[error("a forest needs at least one tree")]
    NoTrees,
    /// More trees than any model needs.
    #[error("the forest has {trees} trees: at most {MAX_TREES} are supported")]
    TooManyTrees {
        /// The number of trees.
        trees: usize,
    },
    /// No columns, or too many.
    #[error("a forest needs 1 to {MAX_COLUMNS} columns, not {columns}")]
    Columns {
        /// The number of columns.
        columns: usize,
    },
    /// A column's median that is not finite.
    #[error("a median is not finite or beyond ±3.4028234e38")]
    Median,
    /// Splits that send missing values left and others that send them right, in too many columns.
    #[error(
        "the splits read {slots} columns, counted twice where missing values go both ways: at most {MAX_SLOTS} are supported"
    )]
    Slots {
        /// Columns, counted twice where missing values go both ways.
        slots: usize,
    },
    /// A mean path length that is not given or not near the formula.
    #[error("c({samples}), the mean path length of {samples} rows, is missing or wrong")]
    PathLength {
        /// The number of rows, n of c(n).
        samples: u32,
    },
    /// A cut on the sum of path lengths that is not the threshold on the score.
    #[error("the cut on the sum of path lengths is {given}, but the offset asks for {computed}")]
    Cut {
        /// As it was given.
        given: f64,
        /// As it follows from the offset.
        computed: f64,
    },
    /// A tree with no nodes or too many.
    #[error("tree {tree} has {nodes} nodes: 1 to {MAX_TREE_NODES} are supported")]
    Nodes {
        /// The tree, from 0.
        tree: usize,
        /// Its number of nodes.
        nodes: usize,
    },
    /// All trees together have too many nodes.
    #[error("the forest has {nodes} nodes: at most {MAX_NODES} are supported")]
    TooManyNodes {
        /// Their number.
        nodes: usize,
    },
    /// A node that cannot be right.
    #[error("tree {tree}, node {node}: {problem}")]
    Node {
        /// The tree, from 0.
        tree: usize,
        /// The node's position, from 0.
        node: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// A node for scoring. A leaf is its own first child behind a threshold that nothing exceeds, so that walking on from
/// a leaf stays there and a walk needs no test for leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) threshold: f32,
    /// slot << 18 | position in the tree of the left child; the right child follows it.
    link: u32,
}

impl Node {
    pub(super) fn slot(self) -> usize {
        (self.link >> CHILD_BITS) as usize
    }

    pub(super) fn left(self) -> usize {
        (self.link & ((1 << CHILD_BITS) - 1)) as usize
    }
}

/// All trees of a forest, checked.
#[derive(Clone, Debug)]
pub(super) struct PackedTrees {
    slots: Slots,
    nodes: Vec<Node>,
    /// What a leaf adds to the sum of path lengths; of a split, what its training rows add on average.
    values: Vec<f64>,
    /// The training rows in a leaf; 0 for a split.
    samples: Vec<u32>,
    trees: Vec<Extent>,
}

#[derive(Clone, Copy, Debug)]
struct Extent {
    begin: usize,
    end: usize,
    depth: u32,
}

/// One tree, ready to walk.
#[derive(Clone, Copy)]
pub(super) struct PackedTree<'a> {
    pub(super) nodes: &'a [Node],
    pub(super) values: &'a [f64],
    pub(super) depth: u32,
}

impl PackedTree<'_> {
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "AVX compares all of them"))]
    pub(super) fn splits(self) -> usize {
        // Each has two children, and all nodes but the root are one.
        self.nodes.len() / 2
    }
}

impl PackedTrees {
    pub(super) fn len(&self) -> usize {
        self.trees.len()
    }

    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    pub(super) fn depth(&self, tree: usize) -> u32 {
        self.trees[tree].depth
    }

    pub(super) fn tree(&self, tree: usize) -> PackedTree<'_> {
        let Extent { begin, end, depth } = self.trees[tree];
        PackedTree { nodes: &self.nodes[begin..end], values: &self.values[begin..end], depth }
    }

    /// Checks trees and lays them out breadth first, siblings side by side.
    pub(super) fn pack(
        trees: &[Vec<TreeNode>],
        medians: &[f64],
        max_samples: u32,
        lengths: &PathLengths,
    ) -> Result<Self, ForestError> {
        if trees.is_empty() {
            return Err(ForestError::NoTrees);
        }
        let count = trees.iter().map(Vec::len).sum();
        if count > MAX_NODES {
            return Err(ForestError::TooManyNodes { nodes: count });
        }
        if trees.len() > MAX_TREES {
            return Err(ForestError::TooManyTrees { trees: trees.len() });
        }
        let slots = Slots::of(trees, medians);
        if slots.len() > MAX_SLOTS {
            return Err(ForestError::Slots { slots: slots.len() });
        }
        let mut packed = Self {
            slots,
            nodes: Vec::with_capacity(count),
            values: Vec::with_capacity(count),
            samples: Vec::with_capacity(count),
            trees: Vec::with_capacity(trees.len()),
        };
        for (index, tree) in trees.iter().enumerate() {
            if tree.is_empty() || tree.len() > MAX_TREE_NODES {
                return Err(ForestError::Nodes { tree: index, nodes: tree.len() });
            }
            packed
                .pack_tree(tree, medians.len(), max_samples, lengths)
                .map_err(|(node, problem)| ForestError::Node { tree: index, node, problem })?;
        }
        Ok(packed)
    }

    fn pack_tree(
        &mut self,
        tree: &[TreeNode],
        columns: usize,
        max_samples: u32,
        lengths: &PathLengths,
    ) -> Result<(), (usize, &'static str)> {
        let begin = self.nodes.len();
        let mut depth = 0;
        // Positions in `tree` and depths, in the order in which they are laid out.
        let mut order = Vec::with_capacity(tree.len());
        order.push((0, 0));
        let mut seen = vec![false; tree.len()];
        seen[0] = true;
        while let Some(&(at, node_depth)) = order.get(self.nodes.len() - begin) {
            depth = depth.max(node_depth);
            match tree[at] {
                TreeNode::Leaf { samples } => {
                    if samples == 0 || samples > max_samples {
                        return Err((at, "a leaf holds no rows, or more than the subsample"));
                    }
                    let mean = lengths.of(samples).ok_or((at, "c(n) of the leaf's rows is not given"))?;
                    let here = self.nodes.len() - begin;
                    self.push(f32::INFINITY, 0, here, leaf_value(node_depth, mean), samples);
                }
                TreeNode::Split { column, threshold, left, right, missing_left } => {
                    check_split(column, threshold, node_depth, columns).map_err(|problem| (at, problem))?;
                    let slot = self.slots.number(column, missing_left);
                    self.push(threshold, slot, order.len(), 0.0, 0);
                    for child in [left as usize, right as usize] {
                        match seen.get_mut(child) {
                            None => return Err((at, "a child is not in the tree")),
                            Some(true) => return Err((child, "the node is reached twice")),
                            Some(seen) => *seen = true,
                        }
                        order.push((child, node_depth + 1));
                    }
                }
            }
        }
        if let Some(at) = seen.iter().position(|seen| !seen) {
            return Err((at, "the node is never reached"));
        }
        self.trees.push(Extent { begin, end: self.nodes.len(), depth });
        self.value_splits(begin);
        Ok(())
    }

    /// Gives each split of the last tree the mean of its children's values, weighted by their training rows.
    fn value_splits(&mut self, begin: usize) {
        let (nodes, values) = (&self.nodes[begin..], &mut self.values[begin..]);
        let mut rows: Vec<f64> = self.samples[begin..].iter().map(|&samples| f64::from(samples)).collect();
        // Children are laid out behind their parents.
        for (at, node) in nodes.iter().enumerate().rev().filter(|(at, node)| node.left() != *at) {
            let (left, right) = (node.left(), node.left() + 1);
            rows[at] = rows[left] + rows[right];
            values[at] = (rows[left] * values[left] + rows[right] * values[right]) / rows[at];
        }
    }

    fn push(&mut self, threshold: f32, slot: u32, left: usize, value: f64, samples: u32) {
        self.nodes.push(Node { threshold, link: slot << CHILD_BITS | left as u32 });
        self.values.push(value);
        self.samples.push(samples);
    }

    /// The tree as it could be given to [`PackedTrees::pack`], in preorder.
    pub(super) fn unpack(&self, tree: usize) -> Vec<TreeNode> {
        let Extent { begin, end, .. } = self.trees[tree];
        let mut nodes: Vec<TreeNode> = Vec::with_capacity(end - begin);
        // Positions to visit, with the split whose right child they are.
        let mut stack = vec![(0, None)];
        while let Some((at, right_of)) = stack.pop() {
            let next = nodes.len() as u32;
            if let Some(TreeNode::Split { right, .. }) =
                right_of.and_then(|split: usize| nodes.get_mut(split))
            {
                *right = next;
            }
            let node = self.nodes[begin + at];
            if node.left() == at {
                nodes.push(TreeNode::Leaf { samples: self.samples[begin + at] });
                continue;
            }
            let slot = self.slots.get(node.slot());
            nodes.push(TreeNode::Split {
                column: slot.column,
                threshold: node.threshold,
                left: next + 1,
                right: 0,
                missing_left: slot.missing_left(),
            });
            stack.push((node.left() + 1, Some(next as usize)));
            stack.push((node.left(), None));
        }
        nodes
    }
}

fn check_split(column: u32, threshold: f32, depth: u32, columns: usize) -> Result<(), &'static str> {
    if column as usize >= columns {
        return Err("the column does not exist");
    }
    if threshold.is_nan() || threshold == f32::INFINITY {
        return Err("the threshold is not below infinity");
    }
    if depth >= MAX_DEPTH {
        return Err("the tree is too deep");
    }
    Ok(())
}

/// The f32 threshold that parts f32 values exactly as the f64 threshold does: the largest f32 that is ≤ `threshold`
/// (−∞ if there is none).
pub fn round_down_to_f32(threshold: f64) -> f32 {
    let nearest = threshold as f32;
    if f64::from(nearest) > threshold { nearest.next_down() } else { nearest }
}

#[cfg(test)]
mod tests;
