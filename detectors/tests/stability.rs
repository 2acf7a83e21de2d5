//! Values that must never change by accident: an update of a library, a compiler or a machine that changed them would
//! retrain models into other ones. A deliberate change raises the version of the model file.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

mod support;

use detectors::{IsolationForestConfig, Model};
use sha2::{Digest, Sha256};
use support::{bell, contamination, matrix, train};

fn model() -> Model {
    let rows = matrix(1_000, 3, bell);
    train(&rows, IsolationForestConfig { seed: 16, ..Default::default() }, contamination(0.02))
}

#[test]
fn the_scores_of_a_fixed_training_never_change() {
    let model = model();
    let rows = [[0.0, 0.0, 0.0], [1.0, -2.0, 0.5], [4.0, 4.0, -4.0], [1e6, 0.0, 0.0]];
    let found = rows
        .map(|row| model.score_row(&row).unwrap())
        .map(|s| (s.is_inlier, s.anomaly_score, s.severity.unwrap()));
    let expected = [
        (true, -0.3939645391794119, 0.002735960121066987),
        (true, -0.5514110673103849, 0.6076845203082584),
        (false, -0.7166288293291181, 2.715680470747414),
        (true, -0.5721671966373156, 0.755156449783898),
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_model_file_of_a_fixed_training_never_changes() {
    let digest = Sha256::digest(model().encode());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "afc9575266bb0128ab90b6610b657a25860d88166de9315ba1b3e3d52205d647");
}

#[test]
fn a_bootstrapped_forest_on_some_columns_never_changes() {
    let rows = matrix(200, 5, bell);
    let config =
        IsolationForestConfig { trees: 20, sample_size: 64, max_features: 0.5, bootstrap: true, seed: 3 };
    let scored = train(&rows, config, contamination(0.1)).score_row(&[2.0, -1.0, 0.0, 1.0, 3.0]).unwrap();
    assert_eq!(
        (scored.is_inlier, scored.anomaly_score, scored.severity.unwrap()),
        (true, -0.49175151732617167, 0.43019245746969925)
    );
}
