//! Forests fitted by scikit-learn score here as they do there: sums of path lengths to the bit, scores to 1e-12,
//! every verdict.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

use std::io::Read;

use detectors::forest::{TreeNode, round_down_to_f32};
use detectors::{CheckedMatrix, Detector, IsolationForest};
use flate2::read::GzDecoder;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    model: Model,
    queries: Vec<Vec<f64>>,
    depth_sums: Option<Vec<f64>>,
    score_samples: Vec<f64>,
    decision_function: Vec<f64>,
    predict: Vec<i8>,
}

#[derive(Deserialize)]
struct Model {
    n_features_in: usize,
    max_samples: u32,
    offset: f64,
    trees: Vec<Tree>,
}

#[derive(Deserialize)]
struct Tree {
    features: Vec<u32>,
    children_left: Vec<i64>,
    children_right: Vec<i64>,
    feature: Vec<i64>,
    threshold: Vec<f64>,
    n_node_samples: Vec<u32>,
}

impl Tree {
    fn nodes(&self) -> Vec<TreeNode> {
        (0..self.feature.len())
            .map(|node| match usize::try_from(self.feature[node]) {
                Err(_) => TreeNode::Leaf { samples: self.n_node_samples[node] },
                Ok(feature) => TreeNode::Split {
                    column: self.features[feature],
                    threshold: round_down_to_f32(self.threshold[node]),
                    left: self.children_left[node] as u32,
                    right: self.children_right[node] as u32,
                },
            })
            .collect()
    }
}

impl Case {
    /// The smallest sum of path lengths that scikit-learn calls ordinary. Its power function differs from a correctly
    /// rounded one in the last bit of one score in twenty, so where the offset is the score of a row, only that row's
    /// own sum says where scikit-learn's verdict changes; elsewhere the offset does.
    fn cut(&self, forest: &IsolationForest, sums: &[f64]) -> f64 {
        match self.decision_function.iter().position(|&decision| decision == 0.0) {
            Some(row) => sums[row],
            None => forest.cut(self.model.offset),
        }
    }
}

fn check(compressed: &[u8]) {
    let mut json = String::new();
    GzDecoder::new(compressed).read_to_string(&mut json).unwrap();
    let case: Case = serde_json::from_str(&json).unwrap();
    let trees: Vec<Vec<TreeNode>> = case.model.trees.iter().map(Tree::nodes).collect();
    let medians = vec![0.0; case.model.n_features_in];
    let forest = IsolationForest::from_trees(medians, case.model.max_samples, &trees).unwrap();

    let rows = CheckedMatrix::from_vec(case.queries.concat(), case.model.n_features_in).unwrap();
    let mut sums = vec![0.0; rows.rows()];
    forest.measure(rows.view(), &mut sums);
    let cut = case.cut(&forest, &sums);

    for (row, &sum) in sums.iter().enumerate() {
        assert_eq!(
            forest.measure_row(&case.queries[row]).to_bits(),
            sum.to_bits(),
            "row {row}: one and many"
        );
        if let Some(expected) = &case.depth_sums {
            assert_eq!(sum.to_bits(), expected[row].to_bits(), "row {row}: {sum} and {}", expected[row]);
        }
        let score = forest.score(sum);
        assert!((score - case.score_samples[row]).abs() <= 1e-12, "row {row}: score {score}");
        let decision = score - case.model.offset;
        assert!((decision - case.decision_function[row]).abs() <= 1e-12, "row {row}: decision {decision}");
        assert_eq!(if sum < cut { -1 } else { 1 }, case.predict[row], "row {row}: verdict");
    }
}

macro_rules! cases {
    ($($test:ident: $file:literal),* $(,)?) => {$(
        #[test]
        fn $test() {
            check(include_bytes!(concat!("data/sklearn/", $file, ".json.gz")));
        }
    )*};
}

cases! {
    real_data_of_thirty_columns_agrees: "breast-cancer",
    bootstrapped_trees_on_some_columns_agree: "bootstrap-subfeatures",
    one_column_agrees: "one-column",
    a_forest_of_one_row_agrees: "one-row",
    a_forest_of_two_rows_agrees: "two-rows",
    a_forest_of_three_rows_agrees: "three-rows",
    a_forest_of_equal_rows_agrees: "all-equal",
    duplicated_rows_agree: "duplicated-rows",
    a_constant_column_agrees: "constant-column",
    a_contamination_threshold_agrees: "two-columns-contamination",
    a_threshold_among_ties_agrees: "contamination-ties",
    the_training_rows_themselves_agree: "contamination-training-rows",
    rows_on_thresholds_agree: "edge-thresholds",
    rows_one_f32_step_from_thresholds_agree: "edge-f32-steps",
    deep_trees_agree: "deep",
}
