//! The extended isolation forest: an isolation forest whose splits are hyperplanes of any slope.
//!
//! S. Hariri, M. Carrasco Kind, R. J. Brunner: *Extended Isolation Forest*, IEEE TKDE 33(4), 2021. Splits along single
//! columns leave bands of low scores that run from a cluster along the axes; hyperplanes with random normals do not.
//! The score is the isolation forest's, −2^(−mean path length / c(subsample)).
//!
//! Columns are standardised first, (x − median) / standard deviation: a hyperplane of raw columns sees the one with the
//! largest unit only. Constant columns are left out. A hyperplane has `extensionLevel` + 1 columns, all by default.

mod grow;
mod planes;
mod standard;
mod tree;

use ndarray::ArrayView2;

use crate::columns;
use crate::config::ExtendedIsolationForestParameters;
use crate::description::Warning;
use crate::detector::{Detector, FitError};
use crate::explanation::Level;
use crate::forest::{MAX_COLUMNS, average_path_length, path_score};
use crate::matrix::{CheckedMatrix, in_range};
use crate::scaling::Scale;
use crate::scratch::with_scratch;

pub(crate) use tree::{MAX_NUMBERS, Node};

#[cfg(test)]
use planes::MAX_DRAWS;
use planes::{LANES, Planes, Source};
use standard::Standard;
use tree::Trees;

/// Rows that go through a tree one after the other while it is in the cache.
const TILE: usize = 64;

/// A fitted extended isolation forest. Everything in it has been checked when it was made.
#[derive(Clone, Debug)]
pub struct ExtendedIsolationForest {
    seed: u64,
    /// The subsample's size, clipped to the rows there were.
    sample: u32,
    /// Columns of a hyperplane as asked for: extension level + 1.
    width: u32,
    standard: Standard,
    trees: Trees,
    /// trees · c(sample).
    denominator: f64,
    baseline: f64,
}

/// All that a forest is made of, unchecked; hyperplanes are drawn from the seed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parts {
    pub(crate) seed: u64,
    pub(crate) sample: u32,
    pub(crate) width: u32,
    pub(crate) trees: u32,
    /// Median and standard deviation of each column.
    pub(crate) scales: Vec<Scale>,
    /// All trees' nodes, each in preorder.
    pub(crate) nodes: Vec<Node>,
}

impl ExtendedIsolationForest {
    pub(crate) fn from_parts(parts: Parts) -> Result<Self, String> {
        let Parts { seed, sample, width, trees, scales, nodes } = parts;
        let standard = Standard::new(scales)?;
        let splits = nodes.iter().filter(|node| matches!(node, Node::Split { .. })).count();
        if trees == 0
            || width == 0
            || splits.saturating_mul(standard.live().min(width as usize)) > MAX_NUMBERS
        {
            return Err(format!(
                "{trees} trees with {splits} hyperplanes of {width} columns are out of bounds"
            ));
        }
        let source = Source::new(seed, standard.live(), width as usize);
        let planes = Planes::new(standard.live(), width as usize);
        let trees = Trees::new(trees as usize, &nodes, source, planes)?;
        let denominator = trees.len() as f64 * average_path_length(sample);
        let baseline = trees.baseline();
        Ok(Self { seed, sample, width, standard, trees, denominator, baseline })
    }

    pub(crate) fn to_parts(&self) -> Parts {
        Parts {
            seed: self.seed,
            sample: self.sample,
            width: self.width,
            trees: self.trees.len() as u32,
            scales: self.standard.scales().to_vec(),
            nodes: self.trees.nodes().collect(),
        }
    }

    /// The length of a standardised row.
    fn stride(&self) -> usize {
        self.standard.live().next_multiple_of(LANES)
    }

    /// Calls `work` with the standardised row.
    fn standardised<R>(&self, row: &[f64], work: impl FnOnce(&[f64]) -> R) -> R {
        assert_eq!(row.len(), self.columns(), "a row has all columns");
        with_scratch(self.stride(), |values| {
            self.standard.read(row, values);
            work(values)
        })
    }
}

/// Whether hyperplanes of that many trees, grown from that many rows each, are bounded.
fn check_size(
    parameters: &ExtendedIsolationForestParameters,
    sample: u32,
    width: usize,
) -> Result<(), FitError> {
    // A tree of height h has less than 2^h splits, and at each height at most half as many as rows.
    let height = grow::height_limit(sample);
    let splits = ((1_u64 << height) - 1).min(u64::from(height) * u64::from(sample / 2));
    let numbers = u64::from(parameters.trees()) * splits * width as u64;
    if numbers <= MAX_NUMBERS as u64 {
        return Ok(());
    }
    let most = MAX_NUMBERS as u64 / (u64::from(parameters.trees()) * splits);
    Err(FitError::TooManyNumbers {
        trees: parameters.trees(),
        columns: width,
        numbers,
        max: MAX_NUMBERS as u64,
        extension_level: most.saturating_sub(1),
    })
}

impl Detector for ExtendedIsolationForest {
    type Parameters = ExtendedIsolationForestParameters;

    fn fit(
        parameters: &Self::Parameters,
        features: &[String],
        rows: &CheckedMatrix,
    ) -> Result<(Self, Vec<Warning>), FitError> {
        let columns = rows.columns();
        if columns > MAX_COLUMNS {
            return Err(FitError::TooManyColumns { columns, max: MAX_COLUMNS });
        }
        if rows.rows() > u32::MAX as usize {
            return Err(FitError::TooManyRows { rows: rows.rows(), max: u32::MAX as usize });
        }
        let summaries = columns::summarise(rows);
        let standard = Standard::fit(rows);
        let sample = parameters.sample_size().min(rows.rows() as u32);
        let width = parameters.extension_level().map_or(columns, |level| level as usize + 1);
        check_size(parameters, sample, width.min(standard.live()))?;

        let soil = grow::Soil {
            seed: parameters.seed(),
            trees: parameters.trees(),
            rows: rows.rows() as u32,
            sample,
            read: &|row, values| standard.read(rows.row(row), values),
            stride: standard.live().next_multiple_of(LANES),
        };
        let source = Source::new(parameters.seed(), standard.live(), width);
        let nodes = grow::grow(&soil, source, Planes::new(standard.live(), width));
        let forest = Self::from_parts(Parts {
            seed: parameters.seed(),
            sample,
            width: width as u32,
            trees: parameters.trees(),
            scales: standard.scales().to_vec(),
            nodes,
        });
        let forest = forest.expect("grown trees are well-formed");
        let mut warnings = Vec::new();
        let unsplit = forest.trees.unsplit();
        // Exactly "more than 1 %", without floating point.
        if unsplit * 100 > forest.trees.len() {
            warnings.push(columns::no_splits(unsplit, forest.trees.len(), &summaries, features));
        }
        warnings.extend(columns::precision_loss(&summaries, features));
        Ok((forest, warnings))
    }

    fn seed(parameters: &Self::Parameters) -> u64 {
        parameters.seed()
    }

    fn columns(&self) -> usize {
        self.standard.scales().len()
    }

    fn measure_row(&self, row: &[f64]) -> f64 {
        self.standardised(row, |row| self.trees.sum(row))
    }

    fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]) {
        assert_eq!(rows.dim(), (measures.len(), self.columns()), "one measure for each row, all columns");
        let stride = self.stride();
        let mut tile = vec![0.0; TILE * stride];
        let mut copy = vec![0.0; self.columns()];
        for (first, measures) in measures.chunks_mut(TILE).enumerate() {
            for (at, values) in tile.chunks_exact_mut(stride).enumerate().take(measures.len()) {
                let row = rows.row(first * TILE + at);
                match row.as_slice() {
                    Some(row) => self.standard.read(row, values),
                    None => {
                        copy.iter_mut().zip(row).for_each(|(copy, &value)| *copy = value);
                        self.standard.read(&copy, values);
                    }
                }
            }
            measures.fill(0.0);
            (0..self.trees.len()).for_each(|tree| self.trees.add(tree, &tile, stride, measures));
        }
    }

    fn score(&self, path_length_sum: f64) -> f64 {
        path_score(path_length_sum, self.denominator)
    }

    /// As the isolation forest's, in path length. What a split takes away is shared among its columns by
    /// |n_j (z_j − p_j)|, the parts that they have in the row's distance from the hyperplane, with p the point of the
    /// hyperplane that is nearest to the medians.
    fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level {
        assert_eq!(contributions.len(), self.columns(), "one contribution for each column");
        let planes = &self.trees.planes;
        let trees = self.trees.len() as f64;
        let mut explain = |row: &[f64], parts: &mut [f64], shares: &mut [f64]| {
            let mut sum = 0.0;
            for tree in 0..self.trees.len() {
                sum += self.trees.walk(tree, row, |plane, threshold, shortening| {
                    planes.share(plane, threshold, row, shortening, parts, shares);
                });
            }
            shares.iter_mut().for_each(|share| *share /= trees);
            self.standard.spread(shares, contributions);
            Level { baseline: self.baseline, value: sum / trees }
        };
        self.standardised(row, |row| {
            with_scratch(planes.stride(), |parts| {
                with_scratch(self.stride(), |shares| explain(row, parts, shares))
            })
        })
    }

    /// The row moved onto a hyperplane that it meets on its way, along its normal.
    fn edge(&self, row: &[f64], which: usize) -> Option<Vec<f64>> {
        let standardised = self.standardised(row, <[f64]>::to_vec);
        let mut met = Vec::new();
        self.trees.walk(which % self.trees.len(), &standardised, |plane, threshold, _| {
            met.push((plane, threshold))
        });
        let (plane, threshold) = *met.get(which % met.len().max(1))?;
        let planes = &self.trees.planes;
        let step = (threshold - planes.project(plane, &standardised)) / planes.square(plane);
        let mut moved = row.to_vec();
        planes
            .parts(plane)
            .for_each(|(column, normal)| self.standard.shift(&mut moved, column, step * normal));
        moved.iter().all(|&value| in_range(value)).then_some(moved)
    }
}

#[cfg(test)]
mod tests;
