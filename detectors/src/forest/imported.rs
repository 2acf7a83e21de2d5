//! Forests fitted elsewhere, as scikit-learn holds them: plain arrays, one entry a node. This file only translates;
//! every number is checked when the forest is made.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::tree::{ForestError, TreeNode, round_down_to_f32};
use super::{IsolationForest, Parts};
use crate::detector::Detector;

/// Scores here and there may differ by this much: their last digits are rounded.
const SCORE_TOLERANCE: f64 = 1e-12;

/// What a forest does with values that are no ordinary numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unusual {
    /// Rows with such values are errors.
    #[default]
    Refuse,
    /// They follow the splits: missing values to the side that each split names, infinities by comparison.
    Route,
}

/// An isolation forest of scikit-learn.
#[derive(Clone, Debug, Deserialize)]
pub struct ImportedForest {
    /// The number of columns.
    pub n_features_in: u32,
    /// The subsample's size after clipping, scikit-learn's `max_samples_`.
    pub max_samples: u32,
    /// The trees.
    pub trees: Vec<ImportedTree>,
    /// (n, c(n)) for the rows n of every leaf and for `max_samples`: two logarithms may differ in the last bit, so none
    /// computed here enters a sum.
    pub c: Vec<(u32, f64)>,
    /// The threshold on the score, scikit-learn's `offset_`.
    pub offset: f64,
    /// The smallest sum of path lengths that scikit-learn calls ordinary; none if it calls no row so.
    pub depth_cut: Option<f64>,
    /// Missing values, NaN.
    #[serde(default)]
    pub missing: Unusual,
    /// Infinities, and what becomes one in 32 bits.
    #[serde(default)]
    pub non_finite: Unusual,
}

/// One tree: the arrays of scikit-learn's `tree_`, all of one length.
#[derive(Clone, Debug, Deserialize)]
pub struct ImportedTree {
    /// The forest's columns in the order in which the tree numbers them (`estimators_features_`).
    pub features: Vec<u32>,
    /// Left children; −1 at leaves.
    pub children_left: Vec<i64>,
    /// Right children; −1 at leaves.
    pub children_right: Vec<i64>,
    /// Positions in `features`; negative at leaves.
    pub feature: Vec<i64>,
    /// Values up to the threshold go left.
    pub threshold: Vec<f64>,
    /// Training rows in the node.
    pub n_node_samples: Vec<u32>,
    /// Whether missing values go left (1) or right (0); may be left out where they are refused.
    #[serde(default)]
    pub missing_go_to_left: Vec<u8>,
}

impl IsolationForest {
    /// A forest that was fitted by scikit-learn: the same sums of path lengths, to the bit. Columns are not centred.
    ///
    /// # Errors
    /// Arrays of different lengths, and whatever [`IsolationForest::from_trees`] refuses.
    pub fn import(given: &ImportedForest) -> Result<Self, ForestError> {
        Self::import_with(given, given.missing)
    }

    /// [`IsolationForest::import`], with missing values treated as is asked for and not as is given.
    pub(crate) fn import_with(given: &ImportedForest, missing: Unusual) -> Result<Self, ForestError> {
        let routes_missing = missing == Unusual::Route;
        let trees = given.trees.iter().enumerate().map(|(tree, arrays)| {
            let problem = |(node, problem)| ForestError::Node { tree, node, problem };
            arrays.nodes(routes_missing).map_err(problem)
        });
        // An iterator of the columns' number could be any length; the check of the columns follows.
        let columns = (given.n_features_in as usize).min(super::MAX_COLUMNS + 1);
        Self::from_parts(Parts {
            medians: vec![0.0; columns],
            max_samples: given.max_samples,
            trees: trees.collect::<Result<_, _>>()?,
            path_lengths: Some(given.c.iter().copied().collect::<BTreeMap<_, _>>()),
            routes_missing,
            routes_infinite: given.non_finite == Unusual::Route,
        })
    }
}

impl ImportedForest {
    /// The cut on the sum of path lengths, below which this forest calls a row anomalous. As it is given and not
    /// computed, since scikit-learn's power function may differ in the last bit; but it must belong to the offset.
    ///
    /// # Errors
    /// A cut whose score is not the offset.
    pub fn cut(&self, forest: &IsolationForest) -> Result<f64, ForestError> {
        let given = self.depth_cut.unwrap_or(f64::INFINITY);
        let computed = forest.cut(self.offset);
        let belongs = if forest.denominator > 0.0 {
            // No sum is below 0.
            let all_ordinary = given <= 0.0 && computed <= 0.0;
            given == computed || all_ordinary || (forest.score(given) - self.offset).abs() <= SCORE_TOLERANCE
        } else {
            // Forests of one row: every sum is 0.
            (0.0 >= given) == (0.0 >= computed)
        };
        if belongs { Ok(given) } else { Err(ForestError::Cut { given, computed }) }
    }
}

impl ImportedTree {
    fn nodes(&self, routes_missing: bool) -> Result<Vec<TreeNode>, (usize, &'static str)> {
        let nodes = self.feature.len();
        let lengths = [self.children_left.len(), self.children_right.len(), self.threshold.len()];
        if lengths != [nodes; 3] || self.n_node_samples.len() != nodes {
            return Err((0, "the tree's arrays differ in length"));
        }
        let sided = self.missing_go_to_left.len() == nodes;
        if routes_missing && !sided {
            return Err((0, "missing values are to be routed, but missing_go_to_left does not say where"));
        }
        (0..nodes).map(|node| self.node(node, routes_missing).map_err(|problem| (node, problem))).collect()
    }

    fn node(&self, node: usize, routes_missing: bool) -> Result<TreeNode, &'static str> {
        let child =
            |children: &[i64]| u32::try_from(children[node]).map_err(|_| "a child is not in the tree");
        if self.children_left[node] < 0 && self.children_right[node] < 0 {
            return Ok(TreeNode::Leaf { samples: self.n_node_samples[node] });
        }
        let column = usize::try_from(self.feature[node]).ok().and_then(|feature| self.features.get(feature));
        Ok(TreeNode::Split {
            column: *column.ok_or("the feature is not among the tree's features")?,
            threshold: round_down_to_f32(self.threshold[node]),
            left: child(&self.children_left)?,
            right: child(&self.children_right)?,
            missing_left: routes_missing && self.missing_go_to_left[node] != 0,
        })
    }
}
