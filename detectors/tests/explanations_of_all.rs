//! What an explanation promises, whichever the detector: contributions that sum to what they explain, that name the
//! column at fault, and that leave out what cannot matter.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]
#![allow(clippy::print_stdout, reason = "the figures are worth reading with --nocapture")]

mod support;

use detectors::{CheckedMatrix, Explanation, Model};
use support::every::{every_detector, train};
use support::{bell, matrix};

every_detector! {
    contributions_sum_to_baseline_minus_value,
    of_ten_columns_the_one_that_is_off_is_named,
    a_constant_column_contributes_nothing,
    equal_rows_explain_nothing,
    shares_are_positive_contributions_divided_by_their_sum,
    the_value_is_what_the_score_is_made_of,
    a_decoded_model_explains_the_same,
}

/// The largest column's own term is the score: the others' are told beside it and do not add up.
fn is_a_sum(kind: &str) -> bool {
    kind != "robustZScore"
}

/// Ordinary rows, some far away, and some very far.
fn asked(columns: usize) -> CheckedMatrix {
    matrix(120, columns, |row, column| {
        let far = [1.0, 4.0, 1e3][row % 3];
        bell(3_000_000 + row, column) * if column % 3 == row % 2 { far } else { 1.0 }
    })
}

fn explain(model: &Model, rows: &CheckedMatrix) -> Vec<Explanation> {
    (0..rows.rows()).map(|row| model.explain(rows.row(row)).unwrap()).collect()
}

fn contributions_sum_to_baseline_minus_value(kind: &str) {
    for columns in [1, 2, 5, 12] {
        let model = train(kind, &matrix(800, columns, bell), Default::default());
        for explanation in explain(&model, &asked(columns)) {
            let sum: f64 = explanation.contributions.iter().sum();
            let difference = explanation.baseline - explanation.value;
            if is_a_sum(kind) {
                let most = 1e-9 * difference.abs().max(1.0);
                assert!((sum - difference).abs() <= most, "{sum} instead of {difference}");
            } else {
                let largest = explanation.contributions.iter().copied().fold(0.0, f64::max);
                assert_eq!(largest, difference);
            }
        }
    }
}

fn of_ten_columns_the_one_that_is_off_is_named(kind: &str) {
    let model = train(kind, &matrix(2_000, 10, bell), Default::default());
    // Fresh rows, each with one column 6 standard deviations off, up or down.
    let place = |row: usize| {
        let column = row % 10;
        let mut values: Vec<f64> = (0..10).map(|column| bell(1_000_000 + row, column)).collect();
        values[column] = if row % 20 < 10 { 6.0 } else { -6.0 };
        let shares = model.explain(&values).unwrap().shares;
        shares.iter().filter(|&&share| share > shares[column]).count()
    };
    let places: Vec<usize> = (0..100).map(place).collect();
    let among = |first: usize| places.iter().filter(|&&place| place < first).count();
    println!("{kind}: first in {}, among the first three in {} of 100", among(1), among(3));
    assert!(among(1) >= 85, "first in {} of 100", among(1));
    assert!(among(3) >= 97, "among the first three in {} of 100", among(3));
}

fn a_constant_column_contributes_nothing(kind: &str) {
    let rows = matrix(500, 4, |row, column| if column == 2 { 7.5 } else { bell(row, column) });
    let model = train(kind, &rows, Default::default());
    for row in 0..100 {
        let mut values: Vec<f64> = (0..4).map(|column| 3.0 * bell(row + 9_000, column)).collect();
        values[2] = 7.5;
        let explanation = model.explain(&values).unwrap();
        assert_eq!(explanation.contributions[2], 0.0, "{explanation:?}");
    }
}

fn equal_rows_explain_nothing(kind: &str) {
    let model = train(kind, &matrix(50, 3, |_, _| 4.25), Default::default());
    let explanation = model.explain(&[4.25; 3]).unwrap();
    assert_eq!(explanation.shares, [0.0; 3], "{explanation:?}");
    let elsewhere = model.explain(&[1e30, 0.0, -7.0]).unwrap();
    assert!(elsewhere.contributions.iter().all(|contribution| contribution.is_finite()), "{elsewhere:?}");
}

fn shares_are_positive_contributions_divided_by_their_sum(kind: &str) {
    let model = train(kind, &matrix(800, 5, bell), Default::default());
    for explanation in explain(&model, &asked(5)) {
        let positive: f64 = explanation.contributions.iter().map(|one| one.max(0.0)).sum();
        for (contribution, share) in explanation.contributions.iter().zip(&explanation.shares) {
            assert!((share * positive - contribution.max(0.0)).abs() <= 1e-12 * positive);
        }
        let sum: f64 = explanation.shares.iter().sum();
        assert!((positive == 0.0 && sum == 0.0) || (sum - 1.0).abs() < 1e-12);
    }
}

/// Of the forests it is the mean path length, which the score is a power of; of the others it is the score.
fn the_value_is_what_the_score_is_made_of(kind: &str) {
    let rows = asked(5);
    let model = train(kind, &matrix(800, 5, bell), Default::default());
    let mut pairs: Vec<(f64, f64)> = (0..rows.rows())
        .map(|row| {
            let value = model.explain(rows.row(row)).unwrap().value;
            (value, model.score_row(rows.row(row)).unwrap().anomaly_score)
        })
        .collect();
    if !["isolationForest", "extendedIsolationForest"].contains(&kind) {
        for (value, score) in &pairs {
            assert!((value - score).abs() <= 1e-9 * score.abs().max(1.0), "{value} instead of {score}");
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(pairs.windows(2).all(|pair| pair[0].1 <= pair[1].1 + 1e-12 * pair[1].1.abs()));
}

fn a_decoded_model_explains_the_same(kind: &str) {
    let model = train(kind, &matrix(800, 5, bell), Default::default());
    let read = Model::decode(&model.encode()).unwrap();
    assert_eq!(explain(&read, &asked(5)), explain(&model, &asked(5)));
    let mut contributions = [f64::NAN; 5];
    for row in 0..20 {
        let level = model.explain_into(asked(5).row(row), &mut contributions).unwrap();
        let explanation = model.explain(asked(5).row(row)).unwrap();
        assert_eq!((level.baseline, level.value), (explanation.baseline, explanation.value));
        assert_eq!(contributions.to_vec(), explanation.contributions);
    }
}
