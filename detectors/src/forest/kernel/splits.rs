//! A forest in bytes, for many rows side by side: every split of a tree is compared, the last first, and chooses between
//! what its children have chosen. That takes as long as a tree has splits, but no step depends on where a row is.
//!
//! Whoever holds [`Splits`] may rely on its invariants: every split compares a byte that exists and chooses between
//! splits of its tree that come before it, or leaves that have a value; so does every tree's root.

use super::super::tree::PackedTree;
use super::codes::Codes;
use super::padded::Padded;
use super::ranks::{Numbers, Scale};

/// Comparing so many splits takes as long as walking down a level.
const SPLITS_A_LEVEL: usize = 16;

/// A split of a tree.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Split {
    /// What it chooses between: the number of a split of the tree, or, behind those of the tree that has most, the number
    /// of a leaf's value.
    pub(super) left: u16,
    pub(super) right: u16,
    /// Which byte of a row is compared.
    pub(super) byte: u8,
    /// With what, less 128.
    pub(super) rank: i8,
}

/// All trees of a forest.
#[derive(Clone, Debug)]
pub(super) struct Splits {
    scales: Vec<Scale>,
    /// Tree after tree, children before parents.
    splits: Vec<Split>,
    /// Where each tree's splits end, and what its root chooses, as a split would name it.
    trees: Vec<(usize, u16)>,
    values: Vec<f64>,
    /// The most splits of a tree.
    most_splits: usize,
}

impl Splits {
    /// `None` if trees are not padded as a whole, if walking down them is quicker, or if a byte cannot name the bytes of a
    /// row or the forest's different leaves.
    pub(super) fn new(padded: &Padded) -> Option<Self> {
        let packed = padded.packed();
        let splits = || (0..packed.len()).map(|tree| packed.tree(tree).splits());
        let levels = packed.len() * padded.depth() as usize;
        if !padded.is_whole() || splits().sum::<usize>() > SPLITS_A_LEVEL * levels {
            return None;
        }
        let numbers = Numbers::of(padded);
        let mut forest = Self {
            scales: numbers.scales()?,
            splits: Vec::new(),
            trees: Vec::new(),
            values: Vec::new(),
            most_splits: splits().max()?,
        };
        let mut codes = Codes::default();
        for tree in (0..packed.len()).map(|tree| packed.tree(tree)) {
            let root = forest.push(tree, &numbers, &mut codes)?;
            forest.trees.push((forest.splits.len(), root));
        }
        forest.values = codes.into_values();
        Some(forest)
    }

    /// Adds a tree's splits. Returns what its root chooses.
    fn push(&mut self, tree: PackedTree<'_>, numbers: &Numbers, codes: &mut Codes) -> Option<u16> {
        let begin = self.splits.len();
        let mut names = vec![0; tree.nodes.len()];
        // Children are laid out behind their parents.
        for (at, node) in tree.nodes.iter().enumerate().rev() {
            if node.left() == at {
                let number = u8::try_from(codes.number(tree.values[at])?).ok()?;
                names[at] = self.most_splits as u16 + u16::from(number);
                continue;
            }
            names[at] = (self.splits.len() - begin) as u16;
            let (byte, rank) = numbers.node(node.slot(), node.threshold);
            assert!(usize::from(byte) < self.scales.len(), "every split compares a byte");
            let rank = rank.wrapping_sub(128) as i8;
            self.splits.push(Split { left: names[node.left()], right: names[node.left() + 1], byte, rank });
        }
        Some(names[0])
    }

    /// One for each byte of a row; 1 to 256.
    pub(super) fn scales(&self) -> &[Scale] {
        &self.scales
    }

    /// What leaves add, by number; at most 256.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The most splits of a tree.
    pub(super) fn most_splits(&self) -> usize {
        self.most_splits
    }

    /// The splits of each tree, children before parents, and what its root chooses.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[Split], u16)> {
        let mut begin = 0;
        self.trees.iter().map(move |&(end, root)| {
            let splits = &self.splits[begin..end];
            begin = end;
            (splits, root)
        })
    }
}
