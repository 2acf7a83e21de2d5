//! Values of the column-wise detectors that must never change by accident; see `stability.rs`.
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

mod support;

use detectors::{DetectorConfig, Model};
use serde_json::json;
use sha2::{Digest, Sha256};
use support::{bell, contamination, matrix, names};

/// Three columns, of which the last has five values.
fn model(kind: &str) -> Model {
    let detector: DetectorConfig = serde_json::from_value(json!({ kind: {} })).unwrap();
    let rows =
        matrix(1_000, 3, |row, column| if column == 2 { bell(row, 2).round() } else { bell(row, column) });
    Model::train(&names(3), &detector, &contamination(0.02), &rows).unwrap()
}

/// Scores of three rows, and the digest of the model file.
fn check(kind: &str, scores: [f64; 3], digest: &str) {
    let model = model(kind);
    let rows = [[0.0, 0.0, 0.0], [1.0, -2.0, 1.0], [1e6, 0.0, 0.5]];
    let hex: String =
        Sha256::digest(model.encode()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let found = rows.map(|row| model.score_row(&row).unwrap().anomaly_score);
    assert_eq!((found, hex.as_str()), (scores, digest), "{kind}");
}

#[test]
fn robust_z_scores_never_change() {
    check(
        "robustZScore",
        [-0.060576424109526406, -1.9531735393445018, -1_006_523.565_238_275_9],
        "e762e353afdbb3fc",
    );
}

#[test]
fn histograms_never_change() {
    check("hbos", [-0.2528855205129473, -4.378229962743472, -14.015335301960361], "cab1361fe9f85635");
}

#[test]
fn ecod_never_changes() {
    check("ecod", [-1.7585213064291683, -6.170817641088372, -1_214_099.287_641_842_6], "e96823dc7f948b79");
}

#[test]
fn copod_never_changes() {
    check("copod", [-1.804553793017459, -5.263172657769247, -2_428_196.681_809_742_5], "e308f7fee7fb9f47");
}
