//! Growing trees: a subsample for each, and in each node a hyperplane with a random normal through a point that is
//! uniform in the box around the node's rows, down to the height ⌈log2(subsample)⌉ (Hariri, Kind & Brunner 2021,
//! algorithm 2). As in the paper a hyperplane may pass beside all rows of its node; it then still costs a step.
//!
//! A node whose rows are all equal in the columns of a hyperplane gets another draw, up to 100 times. Each tree has its own
//! stream of random numbers.

use super::planes::{MAX_DRAWS, Planes, Source};
use super::tree::Node;
use crate::random::{Random, Urn};

const PURPOSE: &[u8; 16] = b"extended-forest!";

/// ⌈log2(max(2, n))⌉.
pub(super) fn height_limit(samples: u32) -> u32 {
    (samples.max(2) - 1).ilog2() + 1
}

/// What trees are grown from.
pub(super) struct Soil<'a> {
    pub(super) seed: u64,
    pub(super) trees: u32,
    /// Rows in all and rows of each tree.
    pub(super) rows: u32,
    pub(super) sample: u32,
    /// Writes a standardised row, filled up with zeros, by its index.
    pub(super) read: &'a dyn Fn(usize, &mut [f64]),
    /// The length of such a row.
    pub(super) stride: usize,
}

/// All trees' nodes in preorder.
pub(super) fn grow(soil: &Soil<'_>, mut source: Source, mut scratch: Planes) -> Vec<Node> {
    let mut urn = Urn::new(soil.rows);
    let mut chosen = Vec::new();
    let mut nodes = Vec::new();
    let mut values = vec![0.0; soil.sample as usize * soil.stride];
    for tree in 0..soil.trees {
        let mut random = Random::new(soil.seed, PURPOSE, tree.into());
        urn.draw(soil.sample, &mut random, &mut chosen);
        for (row, values) in chosen.iter().zip(values.chunks_exact_mut(soil.stride)) {
            (soil.read)(*row as usize, values);
        }
        let root = nodes.len();
        let mut grower = Grower {
            values: &values,
            stride: soil.stride,
            random,
            tree,
            root,
            height_limit: height_limit(soil.sample),
            source: &mut source,
            scratch: &mut scratch,
            nodes: &mut nodes,
        };
        let mut members: Vec<u32> = (0..soil.sample).collect();
        grower.node(&mut members, 0);
    }
    nodes
}

struct Grower<'a> {
    /// The sample's rows.
    values: &'a [f64],
    stride: usize,
    random: Random,
    tree: u32,
    /// Where the tree begins in `nodes`.
    root: usize,
    height_limit: u32,
    source: &'a mut Source,
    /// The hyperplane that is being tried; otherwise empty.
    scratch: &'a mut Planes,
    nodes: &'a mut Vec<Node>,
}

impl Grower<'_> {
    fn row(&self, member: u32) -> &[f64] {
        &self.values[member as usize * self.stride..][..self.stride]
    }

    fn node(&mut self, members: &mut [u32], depth: u32) {
        let at = self.nodes.len();
        self.nodes.push(Node::Leaf { samples: members.len() as u32 });
        if depth >= self.height_limit || members.len() < 2 {
            return;
        }
        for draw in 0..MAX_DRAWS {
            self.source.draw(self.tree, (at - self.root) as u32, draw, self.scratch);
            let threshold = self.threshold(members);
            if let Some(threshold) = threshold {
                self.nodes[at] = Node::Split { draw, threshold };
                let middle = self.partition(members, threshold);
                self.scratch.pop();
                let (first, second) = members.split_at_mut(middle);
                self.node(first, depth + 1);
                self.node(second, depth + 1);
                return;
            }
            self.scratch.pop();
            if self.is_uniform(members) {
                return;
            }
        }
    }

    /// The projection of a point that is uniform in the box around the rows, or `None` if the box is a point.
    fn threshold(&mut self, members: &[u32]) -> Option<f32> {
        let mut varies = false;
        let mut sum = 0.0;
        let parts: Vec<(usize, f64)> = self.scratch.parts(0).collect();
        for (column, normal) in parts {
            let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
            for &member in members {
                let value = self.row(member)[column];
                min = min.min(value);
                max = max.max(value);
            }
            varies |= min < max;
            sum += normal * (min + self.random.unit() * (max - min));
        }
        varies.then_some(sum as f32)
    }

    fn is_uniform(&self, members: &[u32]) -> bool {
        members.iter().all(|&member| self.row(member) == self.row(members[0]))
    }

    /// Moves the rows on the first side before the others; returns where the latter begin.
    fn partition(&self, members: &mut [u32], threshold: f32) -> usize {
        let mut middle = 0;
        for at in 0..members.len() {
            if self.scratch.project(0, self.row(members[at])) <= f64::from(threshold) {
                members.swap(at, middle);
                middle += 1;
            }
        }
        middle
    }
}
