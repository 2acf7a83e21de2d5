//! Forests trained here find anomalies as well as scikit-learn's do, within what their randomness allows.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]
#![allow(clippy::print_stdout, reason = "the figures are worth reading with --nocapture")]

mod support;

use detectors::{CheckedMatrix, IsolationForestConfig, ThresholdConfig};
use support::{npz, train};

const SEEDS: u64 = 10;
const REFERENCE: &str = include_str!("data/adbench/sklearn-1.9.1-auroc.csv");

/// A data set with its labels.
struct Labelled {
    rows: CheckedMatrix,
    is_anomaly: Vec<bool>,
}

impl Labelled {
    fn read(archive: &[u8]) -> Self {
        let (x, y) = (npz::read(archive, "X"), npz::read(archive, "y"));
        let rows = CheckedMatrix::from_vec(x.values, x.columns).unwrap();
        Self { rows, is_anomaly: y.values.iter().map(|&label| label == 1.0).collect() }
    }

    /// Every second row.
    fn half(&self, first: usize) -> Self {
        let rows = (first..self.rows.rows()).step_by(2);
        let values = rows.clone().flat_map(|row| self.rows.row(row)).copied().collect();
        Self {
            rows: CheckedMatrix::from_vec(values, self.rows.columns()).unwrap(),
            is_anomaly: rows.map(|row| self.is_anomaly[row]).collect(),
        }
    }
}

/// The area under the ROC curve of a forest fitted on `training`: how often an anomaly of `test` is ranked above an
/// ordinary row, ties counting half.
fn auroc(training: &Labelled, test: &Labelled, seed: u64) -> f64 {
    let model = train(
        &training.rows,
        IsolationForestConfig { seed, ..Default::default() },
        ThresholdConfig::default(),
    );
    let mut ranked: Vec<(f64, bool)> = model
        .score_rows(&test.rows)
        .iter()
        .map(|scored| -scored.anomaly_score)
        .zip(test.is_anomaly.iter().copied())
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ordinary_below, mut wins) = (0.0, 0.0);
    for tied in ranked.chunk_by(|a, b| a.0 == b.0) {
        let anomalies = tied.iter().filter(|(_, is_anomaly)| *is_anomaly).count() as f64;
        let ordinary = tied.len() as f64 - anomalies;
        wins += anomalies * (ordinary_below + ordinary / 2.0);
        ordinary_below += ordinary;
    }
    wins / ((ranked.len() as f64 - ordinary_below) * ordinary_below)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    values.sum::<f64>() / SEEDS as f64
}

/// Mean and standard deviation of scikit-learn's AUROC.
fn reference(name: &str) -> (f64, f64) {
    let line = REFERENCE.lines().find(|line| line.starts_with(&format!("{name},"))).unwrap();
    let fields: Vec<&str> = line.split(',').collect();
    (fields[4].parse().unwrap(), fields[5].parse().unwrap())
}

/// Fitted and scored on all rows, as the reference is. The figure for serving, fitted on one half and scored on the
/// other, is printed beside it.
fn check(name: &str, archive: &[u8]) {
    let all = Labelled::read(archive);
    let (fitted, held_out) = (all.half(0), all.half(1));
    let found = mean((0..SEEDS).map(|seed| auroc(&all, &all, seed)));
    let inductive = mean((0..SEEDS).map(|seed| auroc(&fitted, &held_out, seed)));
    let (expected, deviation) = reference(name);
    println!("{name}: AUROC {found:.4}, scikit-learn {expected:.4}; on held-out rows {inductive:.4}");
    // Four standard errors of the difference of two means of ten seeds, and the rounding of the reference.
    let bound = 4.0 * deviation * (2.0 / SEEDS as f64).sqrt() + 0.002;
    assert!(
        (found - expected).abs() <= bound,
        "{name}: {found} differs from {expected} by more than {bound}"
    );
    assert!((0.0..=1.0).contains(&inductive));
}

macro_rules! sets {
    ($($test:ident: $file:literal),* $(,)?) => {$(
        #[test]
        fn $test() {
            check($file, include_bytes!(concat!("data/adbench/", $file, ".npz")));
        }
    )*};
}

sets! {
    breastw_is_as_accurate_as_scikit_learn: "4_breastw",
    glass_is_as_accurate_as_scikit_learn: "14_glass",
    stamps_is_as_accurate_as_scikit_learn: "37_Stamps",
    wbc_is_as_accurate_as_scikit_learn: "42_WBC",
    wine_is_as_accurate_as_scikit_learn: "45_wine",
}
