//! Trees of hyperplanes, checked when they are made.

use super::planes::{MAX_DRAWS, Planes, Source};
use crate::forest::{MAX_DEPTH, average_path_length};

/// The most numbers that all hyperplanes of a forest may have: 32 MiB of normals.
pub(crate) const MAX_NUMBERS: usize = 1 << 23;
/// Walks from a root to a leaf that are done in step.
const TOGETHER: usize = 8;

/// A node of a tree, in preorder, without its hyperplane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Node {
    /// Rows whose projection on the normal is at most the threshold go to the first child, others to the second.
    Split {
        /// Which draw of hyperplanes it took.
        draw: u8,
        threshold: f32,
    },
    /// `samples` training rows arrived here: none at all if a hyperplane passed beside them.
    Leaf { samples: u32 },
}

/// Trees whose rows can be walked down without a check.
#[derive(Clone, Debug)]
pub(super) struct Trees {
    pub(super) planes: Planes,
    /// Of all trees, each in preorder: a first child follows its parent.
    nodes: Vec<Packed>,
    /// Where each tree begins.
    roots: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Packed {
    /// The path length of the training rows that arrived here, on average; of a leaf, what a row's walk ends with.
    value: f64,
    /// The training rows that arrived here.
    samples: u32,
    /// The second child's position; 0 for a leaf.
    second: u32,
    plane: u32,
    threshold: f32,
    draw: u8,
}

impl Trees {
    /// Puts `count` trees together from their nodes in preorder, the hyperplanes drawn by `source`.
    pub(super) fn new(
        count: usize,
        nodes: &[Node],
        mut source: Source,
        mut planes: Planes,
    ) -> Result<Self, String> {
        let mut packed: Vec<Packed> = Vec::with_capacity(nodes.len());
        let mut roots = Vec::with_capacity(count);
        // Splits that wait for their second child; a leaf that none waits for ends its tree.
        let mut waiting: Vec<usize> = Vec::new();
        let mut begins = true;
        for (at, node) in nodes.iter().enumerate() {
            if std::mem::take(&mut begins) {
                roots.push(at as u32);
            }
            let root = roots.last().map_or(0, |&root| root as usize);
            let leaf = Packed { value: 0.0, samples: 0, second: 0, plane: 0, threshold: 0.0, draw: 0 };
            match *node {
                Node::Split { draw, threshold } => {
                    if draw >= MAX_DRAWS || !threshold.is_finite() {
                        return Err(format!("node {at} is drawn too often or has no finite threshold"));
                    }
                    let plane = planes.len() as u32;
                    source.draw(roots.len() as u32 - 1, (at - root) as u32, draw, &mut planes);
                    packed.push(Packed { plane, threshold, draw, ..leaf });
                    waiting.push(at);
                }
                Node::Leaf { samples } => {
                    packed.push(Packed { samples, ..leaf });
                    match waiting.pop() {
                        Some(split) => packed[split].second = at as u32 + 1,
                        None => begins = true,
                    }
                }
            }
        }
        if !begins || roots.len() != count {
            return Err(format!("the nodes do not make {count} trees"));
        }
        let mut trees = Self { planes, nodes: packed, roots };
        trees.value()?;
        Ok(trees)
    }

    /// Sets every node's value and samples: children before their parents.
    fn value(&mut self) -> Result<(), String> {
        let depths = self.depths();
        if depths.iter().any(|&depth| depth > MAX_DEPTH) {
            return Err(format!("a tree is deeper than {MAX_DEPTH}"));
        }
        for at in (0..self.nodes.len()).rev() {
            let node = self.nodes[at];
            if node.second == 0 {
                self.nodes[at].value = f64::from(depths[at]) + average_path_length(node.samples);
                continue;
            }
            let (first, second) = (self.nodes[at + 1], self.nodes[node.second as usize]);
            let samples = first.samples.checked_add(second.samples).ok_or("a tree has more than 2³² rows")?;
            let weighted = |child: Packed| f64::from(child.samples) * child.value;
            self.nodes[at].samples = samples;
            self.nodes[at].value = match samples {
                0 => f64::midpoint(first.value, second.value),
                _ => (weighted(first) + weighted(second)) / f64::from(samples),
            };
        }
        Ok(())
    }

    fn depths(&self) -> Vec<u32> {
        let mut depths = vec![0; self.nodes.len()];
        for at in 0..self.nodes.len() {
            let second = self.nodes[at].second as usize;
            if second != 0 {
                depths[at + 1] = depths[at] + 1;
                depths[second] = depths[at] + 1;
            }
        }
        depths
    }

    pub(super) fn len(&self) -> usize {
        self.roots.len()
    }

    /// The nodes as [`Trees::new`] takes them.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node> {
        self.nodes.iter().map(|node| match node.second {
            0 => Node::Leaf { samples: node.samples },
            _ => Node::Split { draw: node.draw, threshold: node.threshold },
        })
    }

    /// Trees whose root is a leaf.
    pub(super) fn unsplit(&self) -> usize {
        self.roots.iter().filter(|&&root| self.nodes[root as usize].second == 0).count()
    }

    /// The path length of the training rows, on average over the trees.
    pub(super) fn baseline(&self) -> f64 {
        let sum: f64 = self.roots.iter().map(|&root| self.nodes[root as usize].value).sum();
        sum / self.len() as f64
    }

    /// The sum of the path lengths of a row, standardised and filled up, in the order of the trees.
    pub(super) fn sum(&self, row: &[f64]) -> f64 {
        let mut sum = 0.0;
        for roots in self.roots.chunks(TOGETHER) {
            let values = self
                .path_lengths(std::array::from_fn(|lane| roots[lane.min(roots.len() - 1)]), [row; TOGETHER]);
            sum = values[..roots.len()].iter().fold(sum, |sum, value| sum + value);
        }
        sum
    }

    /// Adds the path lengths of rows in one tree to their sums; `rows` holds them one after the other.
    pub(super) fn add(&self, tree: usize, rows: &[f64], stride: usize, sums: &mut [f64]) {
        let row = |at: usize| &rows[at * stride..][..stride];
        for (first, sums) in (0..sums.len()).step_by(TOGETHER).zip(sums.chunks_mut(TOGETHER)) {
            let rows = std::array::from_fn(|lane| row(first + lane.min(sums.len() - 1)));
            let values = self.path_lengths([self.roots[tree]; TOGETHER], rows);
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    }

    /// The path lengths of rows from roots, in step, so that their memory accesses overlap.
    fn path_lengths(&self, roots: [u32; TOGETHER], rows: [&[f64]; TOGETHER]) -> [f64; TOGETHER] {
        let mut at = roots.map(|root| root as usize);
        let mut walking = true;
        while walking {
            walking = false;
            for (at, row) in at.iter_mut().zip(rows) {
                let node = &self.nodes[*at];
                if node.second != 0 {
                    *at = self.next(*at, node, row);
                    walking = true;
                }
            }
        }
        at.map(|at| self.nodes[at].value)
    }

    fn next(&self, at: usize, node: &Packed, row: &[f64]) -> usize {
        let is_first = self.planes.project(node.plane as usize, row) <= f64::from(node.threshold);
        if is_first { at + 1 } else { node.second as usize }
    }

    /// Calls `step(plane, threshold, shortening)` for each split that a row meets in a tree, with the path length that the
    /// split takes away from what the training rows in the node have; returns the row's path length.
    pub(super) fn walk(&self, tree: usize, row: &[f64], mut step: impl FnMut(usize, f64, f64)) -> f64 {
        let mut at = self.roots[tree] as usize;
        loop {
            let node = &self.nodes[at];
            if node.second == 0 {
                return node.value;
            }
            at = self.next(at, node, row);
            step(node.plane as usize, node.threshold.into(), node.value - self.nodes[at].value);
        }
    }
}
