//! Forests fitted by scikit-learn score here as they do there: sums of path lengths to the bit, scores to 1e-12,
//! every verdict.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

mod support;

use detectors::forest::ImportedForest;
use detectors::{Detector, IsolationForest};
use ndarray::{ArrayView2, Axis};
use support::sklearn::Case;

fn compare(case: &Case, mut given: ImportedForest) {
    let forest = IsolationForest::import(&given).unwrap();
    let (values, columns) = (case.values(), forest.columns());
    let rows = ArrayView2::from_shape((case.queries.len(), columns), &values).unwrap();
    assert!(values.iter().all(|&value| forest.accepts(value)));
    let mut sums = vec![0.0; case.queries.len()];
    forest.measure(rows, &mut sums);
    let every_way = forest.measure_every_way(rows);
    for threads in [1, 2, 3] {
        assert_eq!(bits(&measured_by_threads(&forest, rows, threads)), bits(&sums), "{threads} threads");
    }
    given.depth_cut = Some(case.cut(&forest, &sums));
    let cut = given.cut(&forest).unwrap();
    for (row, &sum) in sums.iter().enumerate() {
        let alone = forest.measure_row(&values[row * columns..][..columns]);
        assert_eq!(alone.to_bits(), sum.to_bits(), "row {row}: one and many");
        for (kernel, measures) in &every_way {
            assert_eq!(measures[row].to_bits(), sum.to_bits(), "row {row}, kernel {kernel}");
        }
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

/// Sums of the rows by so many threads, each with a part of them.
fn measured_by_threads(forest: &IsolationForest, rows: ArrayView2<'_, f64>, threads: usize) -> Vec<f64> {
    let mut sums = vec![0.0; rows.nrows()];
    let part = rows.nrows().div_ceil(threads);
    std::thread::scope(|scope| {
        for (rows, sums) in rows.axis_chunks_iter(Axis(0), part).zip(sums.chunks_mut(part)) {
            scope.spawn(move || forest.measure(rows, sums));
        }
    });
    sums
}

fn bits(sums: &[f64]) -> Vec<u64> {
    sums.iter().map(|sum| sum.to_bits()).collect()
}

fn check(compressed: &[u8]) {
    let case = Case::read(compressed);
    let values = case.values();
    compare(&case, case.forest(&values));
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
