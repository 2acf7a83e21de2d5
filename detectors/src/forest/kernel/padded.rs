//! The layout that kernels walk: every tree padded to a full binary tree of one depth, in heap order, so that a step
//! needs no child's position and a walk no test for leaves. Of deep trees only the top is padded; what is below are
//! their packed nodes.
//!
//! Whoever holds [`Padded`] may rely on its invariants, and the kernels do without checking again: each tree has 2^depth
//! nodes and as many ends, every node's slot exists, and every end of a top is a node of its packed tree.

use std::sync::OnceLock;

use super::super::tree::{PackedTree, PackedTrees};
#[cfg(target_arch = "x86_64")]
use super::{blocks::Blocks, ranks::Ranks, splits::Splits};

/// Rows that are walked together: one f32 each in a 512-bit register.
pub(crate) const LANES: usize = 16;
/// The deepest trees that are padded as a whole: each level doubles the memory.
const MAX_DEPTH: u32 = 10;
/// The levels that are padded of deeper ones: those that registers hold.
const TOP: u32 = 8;
/// Shallower trees are padded to this, so that the first levels of every tree fill two registers.
const MIN_DEPTH: u32 = 4;
/// Numbers of slots among which a value can be chosen without a gather.
const STRIDES: [usize; 5] = [2, 4, 8, 12, 16];

/// One value of each row of a tile.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Lanes(pub(crate) [f32; LANES]);

/// One sum for each row of a tile.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Sums(pub(crate) [f64; LANES]);

/// A split, or what stands for one below a leaf.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(crate) struct HeapNode {
    pub(crate) threshold: f32,
    pub(crate) slot: u32,
}

/// Nodes by cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Line([HeapNode; 8]);

/// All trees of a forest, padded.
#[derive(Clone, Debug)]
pub(crate) struct Padded {
    depth: u32,
    slots: usize,
    /// Values of a tile: the slots, filled up to a number that can be blended.
    stride: usize,
    trees: usize,
    nodes: Vec<Line>,
    /// The nodes' thresholds and slots once more, for kernels that keep many of a kind in a register.
    thresholds: Vec<Lanes>,
    short_slots: Vec<u16>,
    /// What each leaf adds; empty if only tops are padded.
    leaves: Vec<f64>,
    /// The packed node at each end of a top; empty if trees are padded as a whole.
    entries: Vec<u32>,
    packed: PackedTrees,
    /// The same as particular kernels walk it, made when one first asks for it; `None` where it does not fit.
    #[cfg(target_arch = "x86_64")]
    ranks: OnDemand<Option<Ranks>>,
    #[cfg(target_arch = "x86_64")]
    splits: OnDemand<Option<Splits>>,
    #[cfg(target_arch = "x86_64")]
    blocks: OnDemand<Option<Blocks>>,
}

/// What is made when it is first asked for. It follows from the rest, so that nothing can be seen of whether it was.
#[derive(Clone)]
pub(super) struct OnDemand<T>(OnceLock<T>);

impl<T> OnDemand<T> {
    pub(super) const fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(super) fn get(&self, make: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(make)
    }
}

impl<T> std::fmt::Debug for OnDemand<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnDemand")
    }
}

/// One tree: the root is node 1, the children of i are 2 i and 2 i + 1, and end e stands where node 2^depth + e would.
#[derive(Clone, Copy)]
pub(crate) struct PaddedTree<'a> {
    /// 2^depth, the first unused; at least 16.
    pub(crate) nodes: &'a [HeapNode],
    /// The nodes' thresholds.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "AVX reads them"))]
    pub(crate) thresholds: &'a [f32],
    /// The nodes' slots; at least 32 may be read.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "AVX reads them"))]
    pub(crate) slots: &'a [u16],
    pub(crate) ends: Ends<'a>,
}

/// What is below the padded levels of a tree; 2^depth entries.
#[derive(Clone, Copy)]
pub(crate) enum Ends<'a> {
    /// What each leaf adds to the sum.
    Leaves(&'a [f64]),
    /// The nodes of the packed tree from which the walk goes on.
    Nodes(&'a [u32], PackedTree<'a>),
}

impl Padded {
    /// Lays out checked trees.
    pub(crate) fn new(trees: PackedTrees) -> Self {
        let deepest = (0..trees.len()).map(|tree| trees.depth(tree)).max().unwrap_or(0);
        let whole = deepest <= MAX_DEPTH;
        let depth = if whole { deepest.max(MIN_DEPTH) } else { TOP };
        let filler = HeapNode { threshold: f32::INFINITY, slot: 0 };
        let (slots, nodes) = (trees.slots().len(), trees.len() << depth);
        let mut padded = Self {
            depth,
            slots,
            stride: STRIDES.into_iter().find(|&stride| stride >= slots).unwrap_or(slots),
            trees: trees.len(),
            nodes: vec![Line([filler; 8]); nodes / 8],
            thresholds: vec![Lanes([f32::INFINITY; LANES]); nodes / LANES],
            short_slots: vec![0; nodes + 2 * LANES],
            leaves: vec![0.0; if whole { nodes } else { 0 }],
            entries: vec![0; if whole { 0 } else { nodes }],
            packed: trees,
            #[cfg(target_arch = "x86_64")]
            ranks: OnDemand::new(),
            #[cfg(target_arch = "x86_64")]
            splits: OnDemand::new(),
            #[cfg(target_arch = "x86_64")]
            blocks: OnDemand::new(),
        };
        for index in 0..padded.trees {
            padded.fill(index);
        }
        padded
    }

    fn fill(&mut self, index: usize) {
        let tree = self.packed.tree(index);
        let begin = index << self.depth;
        // The packed node at each heap position, the level below the last included.
        let mut packed = [0_u32; 2 << MAX_DEPTH];
        let size = 1 << self.depth;
        for heap in 1..size {
            let at = packed[heap] as usize;
            let node = tree.nodes[at];
            assert!(node.slot() < self.slots, "every split reads a slot");
            let place = begin + heap;
            self.nodes[place / 8].0[place % 8] =
                HeapNode { threshold: node.threshold, slot: node.slot() as u32 };
            self.thresholds[place / LANES].0[place % LANES] = node.threshold;
            self.short_slots[place] = node.slot() as u16;
            // Below a leaf everything is that leaf.
            packed[2 * heap] = node.left() as u32;
            packed[2 * heap + 1] = if node.left() == at { at } else { node.left() + 1 } as u32;
        }
        for (end, &at) in packed[size..2 * size].iter().enumerate() {
            let node = at as usize;
            assert!(node < tree.nodes.len(), "every child is in the tree");
            if self.entries.is_empty() {
                assert_eq!(tree.nodes[node].left(), node, "a tree is no deeper than it says");
                self.leaves[begin + end] = tree.values[node];
            } else {
                self.entries[begin + end] = at;
            }
        }
    }

    /// 4 to 10.
    pub(crate) fn depth(&self) -> u32 {
        self.depth
    }

    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    /// Values of a tile, at least the slots; where it is 2, 4, 8, 12 or 16, slots are below that.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    pub(crate) fn trees(&self) -> usize {
        self.trees
    }

    pub(crate) fn tree(&self, tree: usize) -> PaddedTree<'_> {
        let (begin, size) = (tree << self.depth, 1 << self.depth);
        PaddedTree {
            nodes: &self.nodes()[begin..][..size],
            thresholds: flatten(&self.thresholds[begin / LANES..][..size / LANES]),
            slots: &self.short_slots[begin..][..size.max(2 * LANES)],
            ends: if self.is_whole() {
                Ends::Leaves(&self.leaves[begin..][..size])
            } else {
                Ends::Nodes(&self.entries[begin..][..size], self.packed.tree(tree))
            },
        }
    }

    /// Whether trees are padded down to their leaves.
    pub(crate) fn is_whole(&self) -> bool {
        self.entries.is_empty()
    }

    /// The trees that were laid out.
    pub(crate) fn packed(&self) -> &PackedTrees {
        &self.packed
    }

    /// In bytes, for 64 trees at once.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn ranks(&self) -> Option<&Ranks> {
        self.ranks.get(|| Ranks::new(self)).as_ref()
    }

    /// In bytes, for many rows at once.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn splits(&self) -> Option<&Splits> {
        self.splits.get(|| Splits::new(self)).as_ref()
    }

    /// In blocks of four levels.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn blocks(&self) -> Option<&Blocks> {
        self.blocks.get(|| Blocks::new(&self.packed)).as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = PaddedTree<'_>> {
        (0..self.trees).map(|tree| self.tree(tree))
    }

    /// Tree after tree.
    pub(crate) fn nodes(&self) -> &[HeapNode] {
        // SAFETY: a line is eight nodes and nothing else: 8 · 8 bytes fill its 64, and its alignment is larger.
        unsafe { std::slice::from_raw_parts(self.nodes.as_ptr().cast(), self.nodes.len() * 8) }
    }

    /// Tree after tree; empty unless trees are padded as a whole.
    pub(crate) fn leaves(&self) -> &[f64] {
        &self.leaves
    }
}

fn flatten(lanes: &[Lanes]) -> &[f32] {
    // SAFETY: 16 f32 fill the 64 bytes of `Lanes`, whose alignment is larger.
    unsafe { std::slice::from_raw_parts(lanes.as_ptr().cast(), lanes.len() * LANES) }
}
