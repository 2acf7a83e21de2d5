//! Growing trees, as scikit-learn grows them: a subsample for each tree, a uniform column among those that are not
//! constant in the node, a uniform threshold in [min, max), down to the height ⌈log2(subsample)⌉.
//!
//! Deliberately different from scikit-learn: constant means max = min (there: ≤ 1e-7, whatever the unit), and rows
//! that a bootstrap draws twice count twice. Each tree has its own stream of random numbers, so the order in which
//! trees are grown, or the number of threads, could never matter.

use super::tree::TreeNode;
use crate::columns::centre;
use crate::config::IsolationForestParameters;
use crate::matrix::CheckedMatrix;
use crate::random::{Random, Urn};

const PURPOSE: &[u8; 16] = b"isolation-forest";

/// All trees of a forest. `max_samples` is the subsample's size, at most n.
pub(super) fn grow_forest(
    parameters: &IsolationForestParameters,
    rows: &CheckedMatrix,
    medians: &[f64],
    max_samples: u32,
) -> Vec<Vec<TreeNode>> {
    let mut sampler = Sampler::new(parameters, rows, medians, max_samples);
    (0..parameters.trees())
        .map(|tree| {
            let mut random = Random::new(parameters.seed(), PURPOSE, tree.into());
            let sample = sampler.sample(&mut random);
            Grower::new(&sample, random).grow()
        })
        .collect()
}

/// ⌈log2(max(2, n))⌉.
fn height_limit(samples: u32) -> u32 {
    (samples.max(2) - 1).ilog2() + 1
}

/// Draws each tree's rows and columns.
struct Sampler<'a> {
    rows: &'a CheckedMatrix,
    medians: &'a [f64],
    max_samples: u32,
    bootstrap: bool,
    row_urn: Urn,
    column_urn: Urn,
    /// Columns for each tree.
    width: u32,
}

/// A tree's own rows and columns, centred and in 32 bits.
struct Sample {
    /// Column after column.
    values: Vec<f32>,
    rows: u32,
    /// The forest's number of each of the sample's columns.
    columns: Vec<u32>,
}

impl<'a> Sampler<'a> {
    fn new(
        parameters: &IsolationForestParameters,
        rows: &'a CheckedMatrix,
        medians: &'a [f64],
        max_samples: u32,
    ) -> Self {
        let columns = rows.columns() as u32;
        let width = (parameters.max_features() * f64::from(columns)) as u32;
        let drawn_from = if parameters.bootstrap() { 0 } else { rows.rows() as u32 };
        Self {
            rows,
            medians,
            max_samples,
            bootstrap: parameters.bootstrap(),
            row_urn: Urn::new(drawn_from),
            column_urn: Urn::new(columns),
            width: width.clamp(1, columns),
        }
    }

    fn sample(&mut self, random: &mut Random) -> Sample {
        let mut chosen = Vec::with_capacity(self.max_samples as usize);
        if self.bootstrap {
            let n = self.rows.rows() as u32;
            chosen.extend((0..self.max_samples).map(|_| random.below(n)));
        } else {
            self.row_urn.draw(self.max_samples, random, &mut chosen);
        }
        let mut columns: Vec<u32> = (0..self.width).collect();
        if (self.width as usize) < self.medians.len() {
            self.column_urn.draw(self.width, random, &mut columns);
        }
        let mut values = vec![0.0; chosen.len() * columns.len()];
        for (at, &row) in chosen.iter().enumerate() {
            let row = self.rows.row(row as usize);
            for (column_values, &column) in values.chunks_exact_mut(chosen.len()).zip(&columns) {
                column_values[at] = centre(row[column as usize], self.medians[column as usize]);
            }
        }
        Sample { values, rows: self.max_samples, columns }
    }
}

/// Grows one tree from its sample, nodes in preorder.
struct Grower<'a> {
    sample: &'a Sample,
    random: Random,
    height_limit: u32,
    nodes: Vec<TreeNode>,
    /// The sample's rows; a node's rows are side by side.
    members: Vec<u32>,
    /// The sample's columns. In a node with `live` columns, those from `live` on are known to be constant in it, and
    /// then in all nodes below.
    candidates: Vec<u32>,
}

impl<'a> Grower<'a> {
    fn new(sample: &'a Sample, random: Random) -> Self {
        Self {
            sample,
            random,
            height_limit: height_limit(sample.rows),
            nodes: Vec::new(),
            members: (0..sample.rows).collect(),
            candidates: (0..sample.columns.len() as u32).collect(),
        }
    }

    fn grow(mut self) -> Vec<TreeNode> {
        self.node(0, self.members.len(), 0, self.candidates.len());
        self.nodes
    }

    /// Grows the node that holds `members[begin..end]` and all below; returns its position.
    fn node(&mut self, begin: usize, end: usize, depth: u32, live: usize) -> u32 {
        let position = self.nodes.len();
        self.nodes.push(TreeNode::Leaf { samples: (end - begin) as u32 });
        if depth >= self.height_limit || end - begin < 2 {
            return position as u32;
        }
        if let Some((column, threshold, live)) = self.draw_split(begin, end, live) {
            let middle = self.partition(begin, end, column, threshold);
            let left = self.node(begin, middle, depth + 1, live);
            let right = self.node(middle, end, depth + 1, live);
            let column = self.sample.columns[column as usize];
            self.nodes[position] = TreeNode::Split { column, threshold, left, right, missing_left: false };
        }
        position as u32
    }

    /// A column of the sample, a threshold, and how many columns are left that may vary; `None` if all are constant.
    fn draw_split(&mut self, begin: usize, end: usize, mut live: usize) -> Option<(u32, f32, usize)> {
        while live > 0 {
            let drawn = self.random.below(live as u32) as usize;
            let column = self.candidates[drawn];
            let (min, max) = self.range(begin, end, column);
            if min < max {
                return Some((column, self.draw_threshold(min, max), live));
            }
            live -= 1;
            self.candidates.swap(drawn, live);
        }
        None
    }

    /// Uniform in [min, max): both sides of the split get a row.
    fn draw_threshold(&mut self, min: f32, max: f32) -> f32 {
        let (low, high) = (f64::from(min), f64::from(max));
        let threshold = (low + self.random.unit() * (high - low)) as f32;
        // Rounding may arrive at the maximum.
        if threshold < max { threshold } else { min }
    }

    fn column(&self, column: u32) -> &[f32] {
        let rows = self.sample.rows as usize;
        &self.sample.values[column as usize * rows..][..rows]
    }

    fn range(&self, begin: usize, end: usize, column: u32) -> (f32, f32) {
        let values = self.column(column);
        self.members[begin..end].iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), &row| {
            let value = values[row as usize];
            (if value < min { value } else { min }, if value > max { value } else { max })
        })
    }

    /// Moves the rows that go left before those that go right; returns where the latter begin.
    fn partition(&mut self, begin: usize, end: usize, column: u32, threshold: f32) -> usize {
        let rows = self.sample.rows as usize;
        let values = &self.sample.values[column as usize * rows..][..rows];
        let mut middle = begin;
        for at in begin..end {
            if values[self.members[at] as usize] <= threshold {
                self.members.swap(at, middle);
                middle += 1;
            }
        }
        middle
    }
}

#[cfg(test)]
mod tests;
