//! The isolation forest: rows that few random splits separate from the others are anomalous.
//!
//! F. T. Liu, K. M. Ting, Z.-H. Zhou: *Isolation Forest*, ICDM 2008, and *Isolation-Based Anomaly Detection*, ACM
//! TKDD 6(1), 2012. Each tree is grown from a subsample by splitting a random column at a random place; a row's path
//! length is the depth of the leaf it falls into plus c(n), the mean path length of the n rows that the leaf did not
//! separate. The score is −2^(−mean path length / c(subsample)): near −1 anomalous, around −0.5 and above ordinary.
//!
//! Scores are those of scikit-learn's `score_samples` for the same trees: path lengths are summed in f64, in the
//! order of the trees and with its association. This module neither knows thresholds nor severities.

mod explain;
mod grow;
mod imported;
mod kernel;
mod path_length;
mod slots;
mod tree;

use std::collections::BTreeMap;

use ndarray::ArrayView2;

use crate::columns;
use crate::config::IsolationForestParameters;
use crate::description::Warning;
use crate::detector::{Detector, FitError};
use crate::distinct;
use crate::explanation::Level;
use crate::matrix::{CheckedMatrix, in_range};
use crate::threshold::Line;

pub(crate) use path_length::score as path_score;
pub(crate) use tree::MAX_NODES;

pub use imported::{ImportedForest, ImportedTree, Unusual};
pub use kernel::Kernel;
#[cfg(test)]
pub(crate) use kernel::widths;
pub(crate) use kernel::{Lanes, Work, transpose, wide};
pub use path_length::average_path_length;
pub use tree::{ForestError, MAX_COLUMNS, MAX_DEPTH, TreeNode, round_down_to_f32};

use kernel::Layout;
use path_length::PathLengths;
use tree::PackedTrees;

/// A fitted isolation forest. Every index in it has been checked when it was made.
#[derive(Clone, Debug)]
pub struct IsolationForest {
    /// Subtracted from each column in f64 before values become f32; 0 where a column is not centred.
    medians: Vec<f64>,
    /// The subsample's size, clipped to the rows there were.
    max_samples: u32,
    layout: Layout,
    lengths: PathLengths,
    /// trees · c(max_samples).
    denominator: f64,
    /// The path length that a training row has on average: what explanations start from.
    baseline: f64,
    routes_missing: bool,
    routes_infinite: bool,
}

/// All that a forest is made of, unchecked.
pub(crate) struct Parts {
    pub(crate) medians: Vec<f64>,
    pub(crate) max_samples: u32,
    pub(crate) trees: Vec<Vec<TreeNode>>,
    /// c(n) by n, for forests fitted elsewhere.
    pub(crate) path_lengths: Option<BTreeMap<u32, f64>>,
    /// Whether NaN is scored and follows `missing_left`.
    pub(crate) routes_missing: bool,
    /// Whether infinities, and values that become infinite in 32 bits, are scored.
    pub(crate) routes_infinite: bool,
}

impl IsolationForest {
    /// A forest of given trees, each with its root first.
    ///
    /// `medians` has one value for each column, subtracted before values are cast to f32 (zeros: not centred).
    /// `max_samples` is the subsample's size after clipping to the rows there were (scikit-learn: `max_samples_`).
    ///
    /// # Errors
    /// No trees, no or too many columns, and any node that is out of range, unreachable, reached twice, too deep or
    /// has a threshold that is not below infinity.
    pub fn from_trees(
        medians: Vec<f64>,
        max_samples: u32,
        trees: Vec<Vec<TreeNode>>,
    ) -> Result<Self, ForestError> {
        let (path_lengths, routes_missing, routes_infinite) = (None, false, false);
        Self::from_parts(Parts { medians, max_samples, trees, path_lengths, routes_missing, routes_infinite })
    }

    pub(crate) fn from_parts(parts: Parts) -> Result<Self, ForestError> {
        let Parts { medians, max_samples, trees, path_lengths, routes_missing, routes_infinite } = parts;
        if medians.is_empty() || medians.len() > MAX_COLUMNS {
            return Err(ForestError::Columns { columns: medians.len() });
        }
        if !medians.iter().all(|&median| in_range(median)) {
            return Err(ForestError::Median);
        }
        let leftward = |node: &TreeNode| matches!(node, TreeNode::Split { missing_left: true, .. });
        if let Some(tree) = trees.iter().position(|tree| !routes_missing && tree.iter().any(leftward)) {
            let problem = "missing values are refused, so no split can send them left";
            return Err(ForestError::Node { tree, node: 0, problem });
        }
        let lengths = path_lengths.map_or(Ok(PathLengths::Formula), PathLengths::given)?;
        let normal = lengths.of(max_samples).ok_or(ForestError::PathLength { samples: max_samples })?;
        let trees = PackedTrees::pack(&trees, &medians, max_samples, &lengths)?;
        let denominator = trees.len() as f64 * normal;
        let baseline = explain::baseline(&trees);
        let layout = Layout::new(trees);
        Ok(Self {
            medians,
            max_samples,
            layout,
            lengths,
            denominator,
            baseline,
            routes_missing,
            routes_infinite,
        })
    }

    /// The trees as they could be given to [`IsolationForest::from_trees`]; nodes in preorder.
    pub fn to_trees(&self) -> Vec<Vec<TreeNode>> {
        let trees = self.layout.trees();
        (0..trees.len()).map(|tree| trees.unpack(tree)).collect()
    }

    /// The smallest sum of path lengths that is ordinary under a threshold on the score: a row is anomalous iff its sum
    /// is below. Exactly where scikit-learn's `score_samples − offset < 0` changes; +∞ if every row is anomalous.
    pub fn cut(&self, threshold: f64) -> f64 {
        Line::at(threshold, |sum| self.score(sum)).cut
    }

    /// (n, c(n)) as they were given, for forests fitted elsewhere.
    pub(crate) fn path_lengths(&self) -> Option<&BTreeMap<u32, f64>> {
        match &self.lengths {
            PathLengths::Formula => None,
            PathLengths::Given(table) => Some(table),
        }
    }

    /// Whether missing values and whether infinities are scored.
    pub(crate) fn routes(&self) -> (bool, bool) {
        (self.routes_missing, self.routes_infinite)
    }

    /// [`Detector::measure_row`] by a given kernel, of f64 or f32: the same bits by each.
    pub fn measure_row_by<V: Copy + Into<f64>>(&self, kernel: Kernel, row: &[V]) -> f64 {
        assert_eq!(row.len(), self.columns(), "a row has all columns");
        self.layout.sum(kernel, row)
    }

    /// [`Detector::measure`] by a given kernel, of rows of f64 or f32: the same bits by each, and for an f32 those of the
    /// f64 that is equal to it.
    pub fn measure_by<V>(&self, kernel: Kernel, rows: ArrayView2<'_, V>, measures: &mut [f64])
    where
        V: Copy + Into<f64>,
    {
        assert_eq!(rows.dim(), (measures.len(), self.columns()), "one measure for each row, all columns");
        self.layout.sums(kernel, rows, measures);
    }

    /// The fastest way of scoring this forest's rows on this processor, found by a test of some milliseconds when a forest
    /// of its kind is first scored. One row may be scored by another kernel than the one that gives the name.
    pub fn fastest_kernel(&self) -> Kernel {
        self.layout.kernel()
    }

    /// What is subtracted from each column before values become f32.
    pub fn medians(&self) -> &[f64] {
        &self.medians
    }

    /// The subsample's size after clipping.
    pub fn max_samples(&self) -> u32 {
        self.max_samples
    }
}

impl Detector for IsolationForest {
    type Parameters = IsolationForestParameters;

    fn fit(
        parameters: &Self::Parameters,
        features: &[String],
        rows: &CheckedMatrix,
    ) -> Result<(Self, Vec<Warning>), FitError> {
        let columns = rows.columns();
        // A column that may lack values is read in two ways.
        let max = if rows.may_lack_values() { MAX_COLUMNS / 2 } else { MAX_COLUMNS };
        if columns > max {
            return Err(FitError::TooManyColumns { columns, max });
        }
        if rows.rows() > u32::MAX as usize {
            return Err(FitError::TooManyRows { rows: rows.rows(), max: u32::MAX as usize });
        }
        let medians = columns::typical(rows, parameters.seed());
        let max_samples = parameters.sample_size().min(rows.rows() as u32);
        let trees = grow::grow_forest(parameters, rows, &medians, max_samples);
        let routes_missing = rows.may_lack_values();
        let (path_lengths, routes_infinite) = (None, false);
        let parts = Parts { medians, max_samples, trees, path_lengths, routes_missing, routes_infinite };
        let forest = Self::from_parts(parts).expect("grown trees are well-formed");
        let warnings = forest.no_splits(rows, features).into_iter().collect();
        Ok((forest, warnings))
    }

    fn seed(parameters: &Self::Parameters) -> u64 {
        parameters.seed()
    }

    fn inspect(&self, rows: &CheckedMatrix, features: &[String]) -> Option<Warning> {
        columns::precision_loss(&distinct::count(rows, &self.medians), features)
    }

    fn columns(&self) -> usize {
        self.medians.len()
    }

    fn accepts(&self, value: f64) -> bool {
        if value.is_nan() { self.routes_missing } else { self.routes_infinite || in_range(value) }
    }

    fn measure_row(&self, row: &[f64]) -> f64 {
        self.measure_row_by(self.layout.kernel(), row)
    }

    fn measure(&self, rows: ArrayView2<'_, f64>, measures: &mut [f64]) {
        self.measure_by(self.layout.kernel(), rows, measures);
    }

    fn measure_every_way(&self, rows: ArrayView2<'_, f64>) -> Vec<(&'static str, Vec<f64>)> {
        // Even a single row fills all lanes and tiles.
        let count = rows.nrows().max(self.layout.rows_in_step());
        let repeated = |row| rows.row(row % rows.nrows()).to_vec();
        let repeated: Vec<f64> = (0..count).flat_map(repeated).collect();
        let many = ArrayView2::from_shape((count, self.columns()), &repeated).expect("whole rows");
        let by = |&kernel: &Kernel| {
            let mut measures = vec![0.0; count];
            self.measure_by(kernel, many, &mut measures);
            let rows = repeated.chunks_exact(self.columns()).take(rows.nrows());
            let one_by_one = rows.map(|row| self.measure_row_by(kernel, row)).collect();
            [(kernel.name(), measures), (kernel.name(), one_by_one)]
        };
        // The choice may be of two kernels, one for many rows and one for single ones.
        Kernel::all().iter().chain([&self.layout.kernel()]).flat_map(by).collect()
    }

    fn kernel(&self) -> &'static str {
        self.layout.kernel().name()
    }

    fn score(&self, path_length_sum: f64) -> f64 {
        path_length::score(path_length_sum, self.denominator)
    }

    fn explain_row(&self, row: &[f64], contributions: &mut [f64]) -> Level {
        assert_eq!([row.len(), contributions.len()], [self.columns(); 2], "a row has all columns");
        let value = explain::attribute(self.layout.trees(), row, contributions);
        Level { baseline: self.baseline, value }
    }

    /// The row moved onto, one f32 step below or one above a threshold that it meets on its way.
    fn edge(&self, row: &[f64], which: usize) -> Option<Vec<f64>> {
        let path = kernel::path(self.layout.trees(), which % self.layout.trees().len(), row);
        let (column, threshold) = *path.get(which % path.len().max(1))?;
        let target = match which % 3 {
            0 => threshold,
            1 => threshold.next_down(),
            _ => threshold.next_up(),
        };
        let mut moved = row.to_vec();
        moved[column] = f64::from(target) + self.medians[column];
        in_range(moved[column]).then_some(moved)
    }
}

impl IsolationForest {
    fn no_splits(&self, rows: &CheckedMatrix, features: &[String]) -> Option<Warning> {
        let trees = self.layout.trees();
        let unsplit = (0..trees.len()).filter(|&tree| trees.depth(tree) == 0).count();
        // Exactly "more than 1 %", without floating point.
        let many = unsplit * 100 > trees.len();
        many.then(|| columns::no_splits(unsplit, trees.len(), &columns::summarise(rows), features))
    }
}
