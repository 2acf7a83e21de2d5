//! Forests fitted by scikit-learn score here as they do there: sums of path lengths to the bit, scores to 1e-12,
//! every verdict.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

use std::io::Read;

use detectors::forest::{ImportedForest, ImportedTree, Unusual};
use detectors::{Detector, IsolationForest};
use flate2::read::GzDecoder;
use ndarray::ArrayView2;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    model: Model,
    queries: Vec<Vec<Value>>,
    depth_sums: Option<Vec<f64>>,
    score_samples: Vec<f64>,
    decision_function: Vec<f64>,
    predict: Vec<i8>,
}

#[derive(Deserialize)]
struct Model {
    offset: f64,
    n_features_in: u32,
    max_samples: u32,
    trees: Vec<ImportedTree>,
}

/// JSON has neither NaN nor infinities.
#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Number(f64),
    Infinite(String),
    Missing(()),
}

impl Value {
    fn number(&self) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Infinite(text) => text.parse().unwrap(),
            Self::Missing(()) => f64::NAN,
        }
    }
}

impl Case {
    fn read(compressed: &[u8]) -> Self {
        let mut json = String::new();
        GzDecoder::new(compressed).read_to_string(&mut json).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    /// Row by row.
    fn values(&self) -> Vec<f64> {
        self.queries.iter().flatten().map(Value::number).collect()
    }

    /// What an export would hold; unusual values are routed if there are any among these.
    fn forest(&self, values: &[f64]) -> ImportedForest {
        let route = |is: bool| if is { Unusual::Route } else { Unusual::Refuse };
        let Model { offset, n_features_in, max_samples, trees } = &self.model;
        let leaves = trees.iter().flat_map(|tree| &tree.n_node_samples);
        ImportedForest {
            n_features_in: *n_features_in,
            max_samples: *max_samples,
            trees: trees.clone(),
            c: leaves.chain([max_samples]).map(|&n| (n, c(n))).collect(),
            offset: *offset,
            depth_cut: None,
            missing: route(values.iter().any(|value| value.is_nan())),
            non_finite: route(values.iter().any(|value| value.abs() > f64::from(f32::MAX))),
        }
    }

    /// The smallest sum of path lengths that scikit-learn calls ordinary. Its power function differs from a correctly
    /// rounded one in the last bit of one score in twenty, so where the offset is the score of a row, only that row's
    /// own sum says where scikit-learn's verdict changes; elsewhere the offset does.
    fn cut(&self, forest: &IsolationForest, sums: &[f64]) -> f64 {
        match self.decision_function.iter().position(|&decision| decision == 0.0) {
            Some(row) => sums[row],
            None => forest.cut(self.model.offset),
        }
    }

    fn compare(&self, mut given: ImportedForest) {
        let forest = IsolationForest::import(&given).unwrap();
        let (values, columns) = (self.values(), forest.columns());
        let rows = ArrayView2::from_shape((self.queries.len(), columns), &values).unwrap();
        assert!(values.iter().all(|&value| forest.accepts(value)));
        let mut sums = vec![0.0; self.queries.len()];
        forest.measure(rows, &mut sums);
        let every_way = forest.measure_every_way(rows);
        given.depth_cut = Some(self.cut(&forest, &sums));
        let cut = given.cut(&forest).unwrap();
        for (row, &sum) in sums.iter().enumerate() {
            let alone = forest.measure_row(&values[row * columns..][..columns]);
            assert_eq!(alone.to_bits(), sum.to_bits(), "row {row}: one and many");
            for (kernel, measures) in &every_way {
                assert_eq!(measures[row].to_bits(), sum.to_bits(), "row {row}, kernel {kernel}");
            }
            if let Some(expected) = &self.depth_sums {
                assert_eq!(sum.to_bits(), expected[row].to_bits(), "row {row}: {sum} and {}", expected[row]);
            }
            let score = forest.score(sum);
            assert!((score - self.score_samples[row]).abs() <= 1e-12, "row {row}: score {score}");
            let decision = score - self.model.offset;
            assert!(
                (decision - self.decision_function[row]).abs() <= 1e-12,
                "row {row}: decision {decision}"
            );
            assert_eq!(if sum < cut { -1 } else { 1 }, self.predict[row], "row {row}: verdict");
        }
    }
}

/// c(n) as scikit-learn computes it.
fn c(n: u32) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = f64::from(n);
            2.0 * ((n - 1.0).ln() + 0.577_215_664_901_532_9) - 2.0 * (n - 1.0) / n
        }
    }
}

fn check(compressed: &[u8]) {
    let case = Case::read(compressed);
    let values = case.values();
    case.compare(case.forest(&values));
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
    trees_that_number_their_own_columns_agree: "breast-cancer-subfeatures",
    a_small_bootstrapped_forest_agrees: "wine-bootstrap-small",
    the_default_forest_on_two_columns_agrees: "two-columns-default",
    magnitudes_from_tiny_to_huge_agree: "magnitudes",
    thresholds_from_tiny_to_huge_agree: "magnitudes-used",
    missing_values_in_training_and_scoring_agree: "missing-trained",
    missing_values_that_training_never_saw_agree: "missing-scored-only",
    infinities_agree: "infinite-scored",
}

#[test]
fn what_is_not_routed_is_refused() {
    let case = Case::read(include_bytes!("data/sklearn/infinite-scored.json.gz"));
    let forest = IsolationForest::import(&case.forest(&[])).unwrap();
    for refused in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 3.5e38] {
        assert!(!forest.accepts(refused), "{refused}");
    }
    assert!(forest.accepts(-f64::from(f32::MAX)));
}
