//! Data that break detectors elsewhere: constant and nearly constant columns, few rows, values at the ends of the range.
//! Whatever they are, training ends with a model or with an error that says why, and a model's answers are numbers:
//! docs/detectors.md, "Unusual data", has them as a table.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

mod support;

use detectors::config::KINDS;
use detectors::{CheckedMatrix, DetectorConfig, FitError, MatrixError, Model, ThresholdConfig, TrainError};
use support::{bell, matrix, names};

const MAX: f64 = f32::MAX as f64;

/// The detector of that name with its defaults; `None` for one that is not trained here.
fn config(kind: &str) -> DetectorConfig {
    serde_json::from_value(serde_json::json!({ kind: {} })).unwrap()
}

fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().copied().filter(|kind| *kind != "imported")
}

fn train(kind: &str, rows: &CheckedMatrix) -> Result<Model, TrainError> {
    Model::train(&names(rows.columns()), &config(kind), &ThresholdConfig::default(), rows)
}

fn reasons(model: &Model) -> Vec<&str> {
    model.warnings().iter().map(|warning| warning.reason.as_str()).collect()
}

/// Everything that a model answers is a number within its range, the same after it was stored, and the same for one
/// row as for many.
fn examine(kind: &str, what: &str, model: &Model, rows: &CheckedMatrix) {
    let context = || format!("{kind} on {what}");
    let columns = rows.columns();
    let decoded = Model::decode(&model.encode()).unwrap_or_else(|error| panic!("{}: {error}", context()));
    decoded.verify_golden_rows().unwrap_or_else(|error| panic!("{}: {error}", context()));
    assert!((0.0..=1.0).contains(&model.flagged_training_share().unwrap()), "{}", context());
    assert!(model.threshold().is_finite(), "{}", context());

    let mut queries: Vec<Vec<f64>> = (0..rows.rows().min(40)).map(|row| rows.row(row).to_vec()).collect();
    for extreme in [0.0, -0.0, 1.0, -1e-30, 1e30, MAX, -MAX, 5e-324, -1e-310] {
        queries.push(vec![extreme; columns]);
        let mut one = rows.row(0).to_vec();
        one[columns / 2] = extreme;
        queries.push(one);
    }
    let nudged = |value: f64| if value.next_up().abs() <= MAX { value.next_up() } else { value };
    queries.push(rows.row(0).iter().copied().map(nudged).collect());
    queries.push(model.typical_row());

    let many = CheckedMatrix::from_vec(queries.concat(), columns).unwrap();
    let together = decoded.score_rows(&many);
    for (query, together) in queries.iter().zip(together) {
        let scored = model.score_row(query).unwrap();
        assert_eq!(scored, together, "{}", context());
        assert!(scored.anomaly_score.is_finite() && scored.anomaly_score <= 0.0, "{}: {scored:?}", context());
        let severity = scored.severity.unwrap();
        for number in [scored.anomaly_score, severity] {
            assert!(number != 0.0 || number.is_sign_positive(), "{}: {scored:?}", context());
        }
        assert!((0.0..=10.0).contains(&severity), "{}: {scored:?}", context());
        assert_eq!(scored.is_inlier, severity <= 1.0, "{}: {scored:?}", context());
        let explained = model.explain(query).unwrap();
        assert!(explained.value.is_finite() && explained.baseline.is_finite(), "{}", context());
        let finite = |numbers: &[f64]| numbers.iter().all(|number| number.is_finite());
        assert!(
            finite(&explained.contributions) && finite(&explained.shares),
            "{}: {query:?} {explained:?}",
            context()
        );
    }
}

/// Trains each detector, and examines what comes out.
fn each(what: &str, rows: &CheckedMatrix, then: impl Fn(&str, &Model)) {
    for kind in kinds() {
        let model = train(kind, rows).unwrap_or_else(|error| panic!("{kind} on {what}: {error}"));
        examine(kind, what, &model, rows);
        then(kind, &model);
    }
}

#[test]
fn a_constant_column_is_no_reason_to_fail() {
    let rows = matrix(200, 3, |row, column| if column == 1 { 7.0 } else { bell(row, column) });
    each("a constant column", &rows, |kind, model| {
        let ordinary = model.score_row(&[0.0, 7.0, 0.0]).unwrap();
        assert!(ordinary.is_inlier && ordinary.severity.unwrap() < 0.6, "{kind}: {ordinary:?}");
        let far = model.score_row(&[9.0, 7.0, -9.0]).unwrap();
        assert!(!far.is_inlier, "{kind}: {far:?}");
    });
}

#[test]
fn a_tiny_change_in_a_constant_column_is_no_anomaly() {
    let rows = matrix(200, 3, |row, column| if column == 1 { 7.0 } else { bell(row, column) });
    each("a constant column that moves", &rows, |kind, model| {
        let (same, moved) =
            (model.score_row(&[0.1, 7.0, 0.1]).unwrap(), model.score_row(&[0.1, 7.000_001, 0.1]).unwrap());
        assert_eq!(same.is_inlier, moved.is_inlier, "{kind}: {same:?} {moved:?}");
    });
}

#[test]
fn a_nearly_constant_column_is_no_reason_to_fail() {
    for (what, odd) in
        [("one in 200 rows", 8.0), ("the last digit", 7.0_f64.next_up()), ("a huge value", 1e30)]
    {
        let rows = matrix(200, 2, |row, column| match (row, column) {
            (100, 1) => odd,
            (_, 1) => 7.0,
            _ => bell(row, column),
        });
        each(what, &rows, |kind, model| {
            let ordinary = model.score_row(&[0.0, 7.0]).unwrap();
            assert!(ordinary.is_inlier, "{kind}, {what}: {ordinary:?}");
        });
    }
}

#[test]
fn two_distinct_values_are_two_kinds_of_ordinary_rows() {
    let rows = matrix(200, 2, |row, _| f64::from(u8::from(row % 2 == 0)));
    each("two values", &rows, |kind, model| {
        for row in [[0.0, 0.0], [1.0, 1.0]] {
            let scored = model.score_row(&row).unwrap();
            assert!(scored.is_inlier, "{kind}: {scored:?}");
        }
    });
}

#[test]
fn equal_rows_are_all_ordinary_and_the_model_says_that_it_knows_nothing() {
    for value in [0.0, 3.5, 1e30, -MAX, 5e-324] {
        let rows = matrix(50, 3, |_, _| value);
        each("equal rows", &rows, |kind, model| {
            let scored = model.score_row(rows.row(0)).unwrap();
            assert!(scored.is_inlier, "{kind} {value}: {scored:?}");
            assert_eq!(model.flagged_training_share(), Some(0.0), "{kind} {value}");
            let said = reasons(model);
            assert!(
                said.contains(&"NoSplits") || said.contains(&"ConstantColumns"),
                "{kind} {value}: {said:?}"
            );
        });
    }
}

#[test]
fn forests_that_cannot_split_say_so() {
    let rows = matrix(50, 3, |_, _| 3.5);
    for kind in ["isolationForest", "extendedIsolationForest"] {
        assert!(reasons(&train(kind, &rows).unwrap()).contains(&"NoSplits"), "{kind}");
    }
}

#[test]
fn one_to_ten_rows_are_enough_for_a_model() {
    for count in 1..=10 {
        for columns in [1, 2, 12] {
            let rows = matrix(count, columns, bell);
            each(&format!("{count} rows of {columns} columns"), &rows, |_, _| ());
        }
        each(&format!("{count} equal rows"), &matrix(count, 2, |_, _| 1.0), |_, _| ());
    }
}

#[test]
fn values_at_the_ends_of_the_range_are_values_like_others() {
    for scale in [1e30, 1e-30, 1e37, 1e-300, 1e-310, 5e-324] {
        let rows = matrix(150, 2, |row, column| bell(row, column) * scale);
        each(&format!("values of the size of {scale:e}"), &rows, |_, _| ());
    }
    let rows = matrix(60, 2, |row, column| [-MAX, 0.0, MAX][(row + column) % 3]);
    each("the largest numbers", &rows, |_, _| ());
    let rows = matrix(60, 3, |row, column| bell(row, column) * [1e30, 1.0, 1e-310][column]);
    each("columns of all sizes", &rows, |_, _| ());
}

#[test]
fn columns_in_any_unit_give_the_same_verdicts() {
    let plain = matrix(300, 2, bell);
    for unit in [1e30, 1e-30] {
        let other = matrix(300, 2, |row, column| bell(row, column) * unit);
        for kind in kinds() {
            let (plain, other) = (train(kind, &plain).unwrap(), train(kind, &other).unwrap());
            for row in [[0.0, 0.0], [0.5, -0.5], [8.0, 8.0], [30.0, 0.0]] {
                let expected = plain.score_row(&row).unwrap().is_inlier;
                let found = other.score_row(&row.map(|value| value * unit)).unwrap().is_inlier;
                assert_eq!(found, expected, "{kind} {unit:e} {row:?}");
            }
        }
    }
}

#[test]
fn a_value_beyond_the_range_is_refused_with_its_row_and_column() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, f64::MAX] {
        let mut values = vec![1.0; 12];
        values[7] = bad;
        let error = CheckedMatrix::from_vec(values, 3).unwrap_err();
        assert!(matches!(error, MatrixError::NotFinite { row: 2, column: 1, .. }), "{error}");
        assert!(error.to_string().starts_with("row 3, column 2 is "), "{error}");
    }
    let rows = matrix(50, 3, bell);
    for kind in kinds() {
        let model = train(kind, &rows).unwrap();
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
            let error = model.score_row(&[0.0, bad, 0.0]).unwrap_err().to_string();
            assert!(error.contains("value 2 (feature c1)"), "{kind}: {error}");
            assert!(model.explain(&[0.0, bad, 0.0]).is_err(), "{kind}");
        }
    }
}

#[test]
fn a_column_that_loses_its_precision_is_named() {
    // Steps of 1 far from the median: 32 bits tell them apart around it only.
    let rows = matrix(200, 2, |row, column| match column {
        0 => bell(row, column),
        _ => f64::from(row as u32) + if row < 100 { 0.0 } else { 1e12 },
    });
    for kind in ["isolationForest", "extendedIsolationForest"] {
        let model = train(kind, &rows).unwrap();
        let warning = model.warnings().iter().find(|warning| warning.reason == "PrecisionLoss");
        let warning = warning.unwrap_or_else(|| panic!("{kind} loses values"));
        assert!(warning.message.contains("c1 (") && !warning.message.contains("c0"), "{kind}: {warning:?}");
    }
    each("a column that 32 bits cannot hold", &rows, |_, _| ());
}

#[test]
fn collinear_columns_and_repeated_rows_are_no_reason_to_fail() {
    let collinear = matrix(150, 4, |row, column| bell(row, column % 2) * [1.0, 1.0, 2.0, -1e6][column]);
    each("collinear columns", &collinear, |kind, model| {
        let ordinary = model.score_row(&[0.1, 0.1, 0.2, -1e5]).unwrap();
        assert!(ordinary.is_inlier, "{kind}: {ordinary:?}");
    });
    each("rows that repeat", &matrix(150, 3, |row, column| bell(row % 5, column)), |_, _| ());
}

#[test]
fn thousands_of_columns_are_fitted_or_refused_with_what_to_do() {
    let rows = matrix(60, 5_000, bell);
    for kind in kinds() {
        match train(kind, &rows) {
            Ok(model) => examine(kind, "5,000 columns", &model, &rows),
            Err(error) => {
                assert!(matches!(
                    error,
                    TrainError::Fit(FitError::TooManyColumns { .. } | FitError::TooManyNumbers { .. })
                ));
                let message = error.to_string();
                let remedy = ["choose fewer features", "extensionLevel"]
                    .into_iter()
                    .any(|remedy| message.contains(remedy));
                assert!(remedy, "{kind}: {message}");
            }
        }
    }
}

#[test]
fn an_extended_forest_fits_a_revision_with_all_the_columns_that_it_takes() {
    for columns in [2, 328] {
        let rows = matrix(400, columns, bell);
        let bytes = train("extendedIsolationForest", &rows).unwrap().encode().len();
        // 700 kB, of which names and the distribution of the columns need their part.
        assert!(bytes < 600_000, "{columns} columns: {bytes} bytes");
    }
}
