//! Growing trees, as scikit-learn grows them: a subsample for each tree, a uniform column among those that are not
//! constant in the node, a uniform threshold in [min, max), down to the height ⌈log2(subsample)⌉.
//!
//! Deliberately different from scikit-learn: constant means max = min (there: ≤ 1e-7, whatever the unit), and rows
//! that a bootstrap draws twice count twice. Where values may be missing, a split sends them to a side that is drawn if the
//! node has any, else to that of more rows. Each tree has its own stream of random numbers, so the order in which
//! trees are grown, or the number of threads, could never matter.

use super::kernel::prefetch;
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
    let random = |tree: u32| Random::new(parameters.seed(), PURPOSE, tree.into());
    let mut sampler = Sampler::new(parameters, rows, medians, max_samples);
    let (mut sample, mut grower) = (Sample::default(), Grower::default());
    let mut next = random(0);
    sampler.draw(&mut next);
    (0..parameters.trees())
        .map(|tree| {
            sampler.read(&mut sample);
            // While this tree is grown, the rows of the next come from memory.
            let mut random = std::mem::replace(&mut next, random(tree + 1));
            sampler.draw(&mut next);
            grower.grow(&sample, &mut random, rows.may_lack_values())
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
    /// The rows and columns of the tree that is read next.
    drawn_rows: Vec<u32>,
    drawn_columns: Vec<u32>,
}

/// A tree's own rows and columns, centred and in 32 bits. The memory is that of the tree before.
#[derive(Default)]
struct Sample {
    /// Row after row.
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
        let width = ((parameters.max_features() * f64::from(columns)) as u32).clamp(1, columns);
        Self {
            rows,
            medians,
            max_samples,
            bootstrap: parameters.bootstrap(),
            row_urn: Urn::new(rows.rows() as u32),
            column_urn: Urn::new(columns),
            drawn_rows: Vec::new(),
            drawn_columns: (0..width).collect(),
        }
    }

    /// Draws a tree's rows and columns. Rows are asked for one after the other: as many at once would wait for each other.
    fn draw(&mut self, random: &mut Random) {
        let rows = self.rows;
        let ask = |row: u32| prefetch(rows.row(row as usize));
        if self.bootstrap {
            let n = rows.rows() as u32;
            self.drawn_rows.clear();
            self.drawn_rows.extend((0..self.max_samples).map(|_| random.below(n)).inspect(|&row| ask(row)));
        } else {
            self.row_urn.draw_each(self.max_samples, random, &mut self.drawn_rows, ask);
        }
        if self.drawn_columns.len() < self.medians.len() {
            self.column_urn.draw(self.drawn_columns.len() as u32, random, &mut self.drawn_columns);
        }
    }

    /// Copies what was drawn last.
    fn read(&self, sample: &mut Sample) {
        let Sample { values, rows, columns } = sample;
        *rows = self.max_samples;
        columns.clone_from(&self.drawn_columns);
        values.clear();
        values.reserve(self.drawn_rows.len() * columns.len());
        let drawn = self.drawn_rows.iter().map(|&row| self.rows.row(row as usize));
        if columns.len() < self.medians.len() {
            let centred =
                |row: &[f64], column: u32| centre(row[column as usize], self.medians[column as usize]);
            drawn.for_each(|row| values.extend(columns.iter().map(|&column| centred(row, column))));
        } else {
            let centred = |(&value, &median): (&f64, &f64)| centre(value, median);
            drawn.for_each(|row| values.extend(row.iter().zip(self.medians).map(centred)));
        }
    }
}

/// Grows one tree after the other from their samples, nodes in preorder.
#[derive(Default)]
struct Grower {
    /// Where the sample's rows begin among its values; a node's rows are side by side.
    members: Vec<u32>,
    /// The sample's columns. In a node with `live` columns, those from `live` on are known to be constant in it, and
    /// then in all nodes below.
    candidates: Vec<u32>,
    /// As many as rows.
    picked: Vec<f32>,
}

/// One tree that is being grown.
struct Growth<'a> {
    sample: &'a Sample,
    random: &'a mut Random,
    members: &'a mut [u32],
    candidates: &'a mut [u32],
    /// The values of the column that was drawn last, of a node's rows in the order of `members`.
    picked: &'a mut [f32],
    height_limit: u32,
    /// Whether values may be missing.
    routes: bool,
    nodes: Vec<TreeNode>,
}

/// Where a node is split.
struct Split {
    /// A column of the sample.
    column: u32,
    threshold: f32,
    /// How many columns are left that may vary.
    live: usize,
    /// The side of missing values; none if no row of the node lacks a value here.
    missing_left: Option<bool>,
}

impl Grower {
    fn grow(&mut self, sample: &Sample, random: &mut Random, routes: bool) -> Vec<TreeNode> {
        let width = sample.columns.len() as u32;
        self.members.clear();
        self.members.extend((0..sample.rows).map(|row| row * width));
        self.candidates.clear();
        self.candidates.extend(0..width);
        self.picked.resize(sample.rows as usize, 0.0);
        let mut growth = Growth {
            sample,
            random,
            members: &mut self.members,
            candidates: &mut self.candidates,
            picked: &mut self.picked,
            height_limit: height_limit(sample.rows),
            routes,
            nodes: Vec::with_capacity(2 * sample.rows as usize),
        };
        growth.node(0, sample.rows as usize, 0, width as usize);
        growth.nodes
    }
}

impl Growth<'_> {
    /// Grows the node that holds `members[begin..end]` and all below; returns its position.
    fn node(&mut self, begin: usize, end: usize, depth: u32, live: usize) -> u32 {
        let position = self.nodes.len();
        self.nodes.push(TreeNode::Leaf { samples: (end - begin) as u32 });
        if depth >= self.height_limit || end - begin < 2 {
            return position as u32;
        }
        if let Some(Split { column, threshold, live, missing_left }) = self.draw_split(begin, end, live) {
            let members = &mut self.members[begin..end];
            let count = match missing_left {
                Some(true) => partition(members, self.picked, |value| value <= threshold || value.is_nan()),
                _ => partition(members, self.picked, |value| value <= threshold),
            };
            let middle = begin + count;
            let more_left = 2 * count > end - begin;
            let missing_left = self.routes && missing_left.unwrap_or(more_left);
            let left = self.node(begin, middle, depth + 1, live);
            let right = self.node(middle, end, depth + 1, live);
            let column = self.sample.columns[column as usize];
            self.nodes[position] = TreeNode::Split { column, threshold, left, right, missing_left };
        }
        position as u32
    }

    /// A column and a threshold that leave rows on both sides; `None` if all columns are constant.
    fn draw_split(&mut self, begin: usize, end: usize, mut live: usize) -> Option<Split> {
        let members = &self.members[begin..end];
        while live > 0 {
            let drawn = self.random.below(live as u32) as usize;
            let column = self.candidates[drawn];
            let (min, max) = pick(&self.sample.values, members, column, self.picked);
            let lacks = || self.picked[..members.len()].iter().any(|value| value.is_nan());
            if min < max {
                let threshold = draw_threshold(self.random, min, max);
                let lacking = self.routes && lacks();
                let missing_left = lacking.then(|| self.random.below(2) == 1);
                return Some(Split { column, threshold, live, missing_left });
            }
            // Where the values there are are equal, only the missing ones can go the other way.
            if min == max && self.routes && lacks() {
                return Some(Split { column, threshold: min, live, missing_left: Some(false) });
            }
            live -= 1;
            self.candidates.swap(drawn, live);
        }
        None
    }
}

/// Uniform in [min, max): both sides of the split get a row.
fn draw_threshold(random: &mut Random, min: f32, max: f32) -> f32 {
    let (low, high) = (f64::from(min), f64::from(max));
    let threshold = (low + random.unit() * (high - low)) as f32;
    // Rounding may arrive at the maximum.
    if threshold < max { threshold } else { min }
}

/// Copies the values of a column of some rows and returns the smallest and the largest.
fn pick(values: &[f32], members: &[u32], column: u32, picked: &mut [f32]) -> (f32, f32) {
    let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
    for (&row, to) in members.iter().zip(picked) {
        let value = values[(row + column) as usize];
        *to = value;
        min = if value < min { value } else { min };
        max = if value > max { value } else { max };
    }
    (min, max)
}

/// Moves the rows that go left before those that go right; returns how many go left. Without branches: nobody could
/// guess them.
fn partition(members: &mut [u32], picked: &[f32], goes_left: impl Fn(f32) -> bool) -> usize {
    let mut left = 0;
    for (at, &value) in (0..members.len()).zip(picked) {
        members.swap(at, left);
        left += usize::from(goes_left(value));
    }
    left
}

#[cfg(test)]
mod tests;
