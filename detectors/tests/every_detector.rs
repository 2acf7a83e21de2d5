//! What every detector must keep, whatever it computes. A new one is tested here as soon as it is in the list.
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

mod support;

use detectors::config::KINDS;
use detectors::{CheckedMatrix, DetectorConfig, Model, ThresholdConfig};
use serde_json::json;
use support::{bell, contamination, matrix, names};

fn config(kind: &str) -> DetectorConfig {
    serde_json::from_value(json!({ kind: {} })).unwrap()
}

fn train(kind: &str, threshold: &ThresholdConfig, rows: &CheckedMatrix) -> Model {
    Model::train(&names(rows.columns()), &config(kind), threshold, rows)
        .unwrap_or_else(|e| panic!("{kind}: {e}"))
}

/// 500 rows of four columns of different scales, the last of them planted.
fn table() -> CheckedMatrix {
    matrix(500, 4, |row, column| {
        let ordinary = bell(row, column) * [1.0, 100.0, 0.01, 5.0][column] + [0.0, 1e6, -3.0, 20.0][column];
        if row >= 495 { ordinary + [9.0, 900.0, 0.09, 45.0][column] } else { ordinary }
    })
}

#[test]
fn the_same_rows_give_the_same_bytes_and_a_file_gives_back_the_model() {
    for kind in KINDS {
        let model = train(kind, &contamination(0.02), &table());
        let file = model.encode();
        assert_eq!(file, train(kind, &contamination(0.02), &table()).encode(), "{kind}");
        let read = Model::decode(&file).unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert_eq!(read.encode(), file, "{kind}");
        assert_eq!(read.verify_golden_rows(), Ok(()), "{kind}");
        assert_eq!(read.score_rows(&table()), model.score_rows(&table()), "{kind}");
    }
}

#[test]
fn many_rows_have_the_bits_of_single_ones() {
    for kind in KINDS {
        let model = train(kind, &contamination(0.02), &table());
        let rows = table();
        for (row, together) in model.score_rows(&rows).into_iter().enumerate() {
            assert_eq!(model.score_row(rows.row(row)).unwrap(), together, "{kind}, row {row}");
        }
    }
}

#[test]
fn planted_rows_are_the_anomalies_and_as_many_as_asked_for_are_flagged() {
    for kind in KINDS {
        let model = train(kind, &contamination(0.02), &table());
        let planted = model.score_rows(&table()).split_off(495);
        assert!(
            planted.iter().all(|scored| !scored.is_inlier && scored.severity.unwrap() > 1.0),
            "{kind}: {planted:?}"
        );
        assert!((model.flagged_training_share().unwrap() - 0.02).abs() <= 0.004, "{kind}");
        assert!(model.threshold() < 0.0, "{kind}");
    }
}

#[test]
fn a_threshold_on_the_score_is_kept_to() {
    for kind in KINDS {
        let by_share = train(kind, &contamination(0.05), &table());
        let at = by_share.threshold();
        let by_score = train(kind, &ThresholdConfig { score: Some(at), ..Default::default() }, &table());
        assert_eq!(by_score.threshold(), at, "{kind}");
        assert_eq!(by_score.score_rows(&table()), by_share.score_rows(&table()), "{kind}");
    }
}

#[test]
fn contributions_lead_from_the_baseline_to_the_value() {
    for kind in KINDS.iter().filter(|&&kind| kind != "robustZScore") {
        let model = train(kind, &contamination(0.02), &table());
        for row in (0..500).step_by(7) {
            let explained = model.explain(table().row(row)).unwrap();
            let sum: f64 = explained.contributions.iter().sum();
            let difference = explained.baseline - explained.value;
            assert!(
                (sum - difference).abs() <= 1e-9 * difference.abs().max(1.0),
                "{kind}, row {row}: {explained:?}"
            );
        }
    }
}

#[test]
fn tables_that_teach_nothing_give_models_and_not_panics() {
    let max = f64::from(f32::MAX);
    let tables: Vec<(&str, CheckedMatrix)> = vec![
        ("equal rows", matrix(40, 3, |_, column| column as f64)),
        (
            "one constant column",
            matrix(40, 3, |row, column| if column == 1 { 7.0 } else { bell(row, column) }),
        ),
        ("two values", matrix(40, 2, |row, column| f64::from(u8::from((row + column) % 2 == 0)))),
        ("tiny numbers", matrix(40, 2, |row, column| f64::from_bits((row * 2 + column) as u64))),
        ("huge numbers", matrix(40, 2, |row, column| max * (bell(row, column) / 6.0))),
        (
            "one row off by all there is",
            matrix(40, 2, |row, _| if row == 3 { max } else { 1e-300 * row as f64 }),
        ),
        ("collinear columns", matrix(40, 3, |row, column| bell(row, 0) * (column + 1) as f64)),
        ("wider than long", matrix(5, 60, bell)),
        ("1,500 columns", matrix(12, 1_500, bell)),
    ];
    let few = (1..=10).map(|rows| ("few rows", matrix(rows, 2, bell)));
    for (what, rows) in tables.into_iter().chain(few) {
        for &kind in KINDS {
            // Detectors that invert a matrix are for fewer columns, and say so.
            if let Err(error) =
                Model::train(&names(rows.columns()), &config(kind), &Default::default(), &rows)
            {
                assert!(error.to_string().contains("columns"), "{kind}, {what}: {error}");
                continue;
            }
            let model = train(kind, &Default::default(), &rows);
            let read = Model::decode(&model.encode()).unwrap_or_else(|e| panic!("{kind}, {what}: {e}"));
            assert_eq!(read.verify_golden_rows(), Ok(()), "{kind}, {what}");
            for value in [0.0, -0.0, 1e-310, max, -max, 1.0] {
                let scored = read.score_row(&vec![value; rows.columns()]).unwrap();
                assert!(scored.anomaly_score.is_finite(), "{kind}, {what}, {value}: {scored:?}");
                assert!(
                    (0.0..=10.0).contains(&scored.severity.unwrap()),
                    "{kind}, {what}, {value}: {scored:?}"
                );
                let explained = read.explain(&vec![value; rows.columns()]).unwrap();
                assert!(
                    explained.contributions.iter().all(|part| part.is_finite()),
                    "{kind}, {what}, {value}"
                );
            }
        }
    }
}

#[test]
fn every_flipped_bit_and_every_changed_byte_is_survived() {
    for kind in KINDS {
        let file = train(kind, &Default::default(), &matrix(30, 2, bell)).encode();
        for at in (0..file.len()).step_by(file.len() / 200 + 1) {
            let mut damaged = file.clone();
            damaged[at] ^= 4;
            assert!(Model::decode(&damaged).is_err(), "{kind}, byte {at}");
        }
    }
}
