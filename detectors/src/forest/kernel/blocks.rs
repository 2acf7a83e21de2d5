//! Trees of nine to twelve levels in blocks of four: a row is compared with the 15 nodes of a block at once, so that
//! three blocks, each a load that waits for the one before, take it to its leaf.
//!
//! Whoever holds [`Blocks`] may rely on its invariants: every tree has all its blocks, every node's slot is below
//! [`MAX_SLOTS`] and one of the forest's, and every leaf's number is that of a value.

use super::super::tree::{PackedTree, PackedTrees};
use super::codes::Codes;

/// Levels of a block.
const LEVELS: u32 = 4;
/// Blocks that a block leads to.
pub(super) const ENDS: usize = 1 << LEVELS;
/// The shallowest and the deepest trees that are laid out so.
const DEPTHS: std::ops::RangeInclusive<u32> = 2 * LEVELS + 1..=3 * LEVELS;
/// The most slots: two registers hold a row.
pub(super) const MAX_SLOTS: usize = 32;
/// The most blocks: 32 MiB.
const MAX_BLOCKS: usize = 1 << 18;

/// Four levels of a tree below one node, in heap order; the first is unused.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(128))]
pub(super) struct Block {
    /// Infinite where there is no split.
    pub(super) thresholds: [f32; ENDS],
    pub(super) slots: [u8; ENDS],
    /// The number of the value of each leaf, where the tree ends.
    pub(super) leaves: [u16; ENDS],
}

/// All trees of a forest.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    slots: usize,
    /// Those of the second four levels, of each tree: 2 to 16. Shallower trees than twelve levels begin below the root
    /// of the first block.
    seconds: usize,
    /// Of each tree the first, the second ones, and 16 below each of these.
    blocks: Vec<Block>,
    values: Vec<f64>,
}

impl Blocks {
    /// `None` if the forest is deeper or shallower, or has too many slots, trees or different leaves.
    pub(super) fn new(trees: &PackedTrees) -> Option<Self> {
        let deepest = (0..trees.len()).map(|tree| trees.depth(tree)).max().unwrap_or(0);
        let slots = trees.slots().len();
        if !DEPTHS.contains(&deepest) || slots > MAX_SLOTS {
            return None;
        }
        let first = deepest - 2 * LEVELS;
        let mut blocks = Self { slots, seconds: 1 << first, blocks: Vec::new(), values: Vec::new() };
        let count = trees.len() * blocks.of_a_tree();
        if count > MAX_BLOCKS {
            return None;
        }
        blocks.blocks.reserve_exact(count);
        let mut codes = Codes::default();
        for tree in (0..trees.len()).map(|tree| trees.tree(tree)) {
            let mut roots = blocks.push(tree, 0, first);
            roots = roots.into_iter().flat_map(|root| blocks.push(tree, root, LEVELS)).collect();
            for root in roots {
                let leaves = blocks.push(tree, root, LEVELS);
                let mut numbers = [0; ENDS];
                for (number, leaf) in numbers.iter_mut().zip(leaves) {
                    assert_eq!(tree.nodes[leaf].left(), leaf, "a tree is no deeper than it says");
                    *number = codes.number(tree.values[leaf])?;
                }
                blocks.blocks.last_mut()?.leaves = numbers;
            }
        }
        assert_eq!(blocks.blocks.len(), count, "every tree has all its blocks");
        blocks.values = codes.into_values();
        Some(blocks)
    }

    /// Adds the block of so many levels below a packed node. Returns what is below the block, from the left.
    fn push(&mut self, tree: PackedTree<'_>, root: usize, levels: u32) -> Vec<usize> {
        let mut block = Block { thresholds: [f32::INFINITY; ENDS], slots: [0; ENDS], leaves: [0; ENDS] };
        // The packed nodes of a level. What is above the root are nodes that every row leaves to the left.
        let mut nodes = vec![root];
        for level in LEVELS - levels..LEVELS {
            let mut below = Vec::with_capacity(2 * nodes.len());
            for (place, &at) in nodes.iter().enumerate() {
                let node = tree.nodes[at];
                assert!(node.slot() < self.slots, "every split reads a slot");
                let heap = (1 << level) + place;
                block.thresholds[heap] = node.threshold;
                block.slots[heap] = node.slot() as u8;
                // Below a leaf everything is that leaf.
                below.extend(if node.left() == at { [at, at] } else { [node.left(), node.left() + 1] });
            }
            nodes = below;
        }
        self.blocks.push(block);
        nodes
    }

    /// How many blocks a tree has.
    pub(super) fn of_a_tree(&self) -> usize {
        1 + self.seconds + ENDS * self.seconds
    }

    /// At least those that are split; at most [`MAX_SLOTS`].
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// The value of each number of a leaf.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(super) fn trees(&self) -> usize {
        self.blocks.len() / self.of_a_tree()
    }

    /// All blocks of a tree; none if there is no such tree.
    pub(super) fn all(&self, tree: usize) -> &[Block] {
        self.blocks.chunks_exact(self.of_a_tree()).nth(tree).unwrap_or_default()
    }

    /// The blocks of a tree that exists; those of the next tree are [`Blocks::of_a_tree`] further on.
    pub(super) fn tree(&self, tree: usize) -> Tree {
        let first = self.blocks[tree * self.of_a_tree()..].as_ptr();
        let seconds = first.wrapping_add(1);
        Tree { first, seconds, thirds: seconds.wrapping_add(self.seconds) }
    }
}

/// Asks the processor to bring blocks into its second-level cache; nothing waits for it.
#[inline]
pub(super) fn prefetch(blocks: &[Block]) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
    for Block { thresholds, slots, .. } in blocks {
        // SAFETY: a hint, which may name any address.
        unsafe {
            _mm_prefetch::<_MM_HINT_T1>(thresholds.as_ptr().cast());
            _mm_prefetch::<_MM_HINT_T1>(slots.as_ptr().cast());
        }
    }
}

/// The blocks of a tree, by level: the ends of the first lead to the seconds, and those of each second to 16 of the thirds.
#[derive(Clone, Copy)]
pub(super) struct Tree {
    pub(super) first: *const Block,
    pub(super) seconds: *const Block,
    pub(super) thirds: *const Block,
}
