use super::*;
use crate::config::RobustZScoreConfig;
use crate::description::reasons;

fn fit(values: Vec<f64>, columns: usize) -> (RobustZScore, Vec<Warning>) {
    let features: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
    let rows = CheckedMatrix::from_vec(values, columns).unwrap();
    RobustZScore::fit(&RobustZScoreConfig {}.check().unwrap(), &features, &rows).unwrap()
}

#[test]
fn a_value_is_measured_from_the_median_in_median_deviations() {
    // Median 5, absolute deviations 4 3 1 0 1 2 95: median 2.
    let (detector, warnings) = fit(vec![1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 100.0], 1);
    assert_eq!(detector.parts(), (&[5.0][..], &[1.4826 * 2.0][..]));
    assert_eq!(detector.measure_row(&[20.0]), -15.0 / (1.4826 * 2.0));
    assert_eq!(warnings, []);
}

#[test]
fn the_largest_column_decides_and_each_has_its_own_term() {
    let (detector, _) = fit(vec![0.0, 10.0, 1.0, 20.0, 2.0, 30.0, 3.0, 40.0, 4.0, 50.0], 2);
    let row = [7.0, 20.0];
    let mut terms = [0.0; 2];
    let level = detector.explain_row(&row, &mut terms);
    assert_eq!(terms, [5.0 / 1.4826, 10.0 / (1.4826 * 10.0)]);
    assert_eq!(level, Level { baseline: 0.0, value: -5.0 / 1.4826 });
    assert_eq!(detector.measure_row(&row), level.value);
}

#[test]
fn where_most_values_are_equal_other_scales_stand_in() {
    // 6 of 10 equal: MAD 0, quartiles 0 and 1.
    let (quartiles, _) = fit([0.0; 6].into_iter().chain([1.0; 4]).collect(), 1);
    assert_eq!(quartiles.parts().1, [1.0 / 1.349]);
    // 9 of 10 equal: quartiles equal too.
    let (deviation, _) = fit([0.0; 9].into_iter().chain([1.0]).collect(), 1);
    assert!((deviation.parts().1[0] - 0.3).abs() < 1e-15);
}

#[test]
fn a_column_of_one_value_is_ignored_and_named() {
    let (detector, warnings) = fit(vec![1.0, 7.0, 2.0, 7.0, 3.0, 7.0], 2);
    assert_eq!(detector.measure_row(&[2.0, 1e30]), 0.0);
    assert_eq!(warnings[0].reason, reasons::CONSTANT_COLUMNS);
    assert!(warnings[0].message.contains("c1") && !warnings[0].message.contains("c0"), "{warnings:?}");
}

#[test]
fn rows_that_are_all_equal_have_no_anomalies_and_no_infinities() {
    let (detector, warnings) = fit(vec![3.0; 12], 3);
    assert_eq!(detector.measure_row(&[f64::from(f32::MAX); 3]), 0.0);
    assert!(warnings[0].message.starts_with("every column is constant"), "{warnings:?}");
}

#[test]
fn measures_stay_finite_at_both_ends_of_the_numbers() {
    let max = f64::from(f32::MAX);
    let (tiny, _) = fit(vec![0.0, f64::from_bits(1), f64::from_bits(2), f64::from_bits(3)], 1);
    assert_eq!(tiny.measure_row(&[max]), -MAX_OUTLYINGNESS);
    // The squares of these are 0.
    let (small, warnings) = fit([0.0; 9].into_iter().chain([1e-200]).collect(), 1);
    assert!(warnings.is_empty() && small.parts().1[0].is_finite());
    let (large, _) = fit(vec![-max, max, -max, max, 0.0], 1);
    assert!(large.measure_row(&[max]).is_finite());
}

#[test]
fn many_rows_have_the_bits_of_single_ones_in_any_layout() {
    let (detector, _) = fit((0..60).map(|at| f64::from(at * at % 37)).collect(), 3);
    let table = ndarray::Array2::from_shape_fn((20, 3), |(row, column)| (row * 7 + column * 3) as f64);
    let mut by_columns = ndarray::Array2::zeros((3, 20));
    by_columns.assign(&table.t());
    for view in [table.view(), by_columns.t()] {
        let mut measures = vec![0.0; 20];
        detector.measure(view, &mut measures);
        let expected: Vec<f64> =
            table.rows().into_iter().map(|row| detector.measure_row(row.as_slice().unwrap())).collect();
        assert_eq!(measures, expected);
    }
}
