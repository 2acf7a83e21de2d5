//! Outlyingness as the papers define it: `hack/reference-vectors/make.py` computes it in numpy from the formulas, and every
//! detector without chance in it must agree; so must the extended isolation forest, whose random numbers it draws, too.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;

use detectors::config::KINDS;
use detectors::{CheckedMatrix, DetectorConfig, Model};
use serde::Deserialize;
use support::{contamination, names};

/// Relative, and absolute for numbers below 1. Of forests no more than rounding of the last digits can differ.
fn tolerance(kind: Option<&str>) -> f64 {
    if kind == Some("extendedIsolationForest") { 1e-12 } else { 1e-9 }
}

/// Rows, and what several detectors say of them.
#[derive(Deserialize)]
struct Case {
    training: Vec<Vec<f64>>,
    queries: Vec<Vec<f64>>,
    vectors: Vec<Vector>,
}

/// The outlyingness of rows by one detector.
#[derive(Deserialize)]
struct Vector {
    detector: serde_json::Value,
    queries: Vec<f64>,
    /// Where a row would be its own neighbour, it is left out.
    training: Vec<f64>,
}

impl Vector {
    /// The detector's name in the resource.
    fn kind(&self) -> Option<&str> {
        self.detector.as_object()?.keys().map(String::as_str).find(|kind| KINDS.contains(kind))
    }
}

fn cases() -> Vec<(String, Case)> {
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors")).unwrap();
    let read = |file: fs::DirEntry| {
        let mut json = String::new();
        flate2::read::GzDecoder::new(fs::File::open(file.path()).unwrap()).read_to_string(&mut json).unwrap();
        let name = file.file_name().into_string().unwrap();
        let case = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, case)
    };
    files.map(|file| read(file.unwrap())).collect()
}

fn table(rows: &[Vec<f64>]) -> CheckedMatrix {
    CheckedMatrix::from_vec(rows.concat(), rows[0].len()).unwrap()
}

fn train(vector: &Vector, training: &CheckedMatrix, share: f64) -> Model {
    let detector: DetectorConfig = serde_json::from_value(vector.detector.clone()).unwrap();
    Model::train(&names(training.columns()), &detector, &contamination(share), training).unwrap()
}

/// What differs, in words.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare(&mut self, found: f64, expected: f64, tolerance: f64, what: impl FnOnce() -> String) {
        let difference = (found - expected).abs();
        if difference.is_nan() || difference > tolerance * expected.abs().max(1.0) {
            self.0.push(format!("{}: {found} instead of {expected}", what()));
        }
    }

    fn are_none(self) {
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

#[test]
fn every_detector_has_reference_vectors_or_is_a_forest_of_scikit_learns_kind() {
    let cases = cases();
    let vectors = cases.iter().flat_map(|(_, case)| &case.vectors);
    let found: BTreeSet<&str> = vectors.filter_map(Vector::kind).collect();
    // Other isolation forests are held against scikit-learn's own (sklearn.rs, accuracy.rs). On these tables nearestNeighbors,
    // localOutlierFactor and the ensembles here draw nothing.
    let of_scikit_learn = ["isolationForest", "imported"];
    let missing: Vec<&&str> =
        KINDS.iter().filter(|kind| !of_scikit_learn.contains(kind) && !found.contains(**kind)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn of_the_robust_covariance_the_regularised_one_has_reference_vectors_too() {
    let regularised = cases().into_iter().any(|(_, case)| {
        let training = table(&case.training);
        let of_covariance = case.vectors.iter().filter(|vector| vector.kind() == Some("robustCovariance"));
        let models = of_covariance.map(|vector| train(vector, &training, 0.1));
        let mut warnings = models.flat_map(|model| model.warnings().to_vec());
        warnings.any(|warning| warning.reason == "RegularisedCovariance")
    });
    assert!(regularised);
}

#[test]
fn rows_are_as_far_out_as_the_formulas_say() {
    let mut differences = Differences::default();
    for (name, case) in cases() {
        let training = table(&case.training);
        for vector in case.vectors.iter().filter(|vector| vector.kind().is_some()) {
            let model = train(vector, &training, 0.1);
            assert_eq!(vector.queries.len(), case.queries.len());
            for (at, (row, &expected)) in case.queries.iter().zip(&vector.queries).enumerate() {
                let found = -model.score_row(row).unwrap().anomaly_score;
                let what = || format!("{} on query {at} of {name}", vector.detector);
                differences.compare(found, expected, tolerance(vector.kind()), what);
            }
        }
    }
    differences.are_none();
}

#[test]
fn training_rows_are_as_far_out_as_the_formulas_say() {
    let mut differences = Differences::default();
    for (name, case) in cases() {
        let training = table(&case.training);
        let last = training.rows() - 1;
        for vector in case.vectors.iter().filter(|vector| vector.kind().is_some()) {
            let mut expected = vector.training.clone();
            expected.sort_by(|a, b| b.total_cmp(a));
            let what =
                |rank: usize| format!("{:?} on training row of rank {rank} of {name}", vector.detector);
            let tolerance = tolerance(vector.kind());
            // A contamination of i / (n − 1) has its threshold at the row of that rank.
            for rank in [1, 2, last / 5, last / 2] {
                let model = train(vector, &training, rank as f64 / last as f64);
                differences.compare(-model.threshold(), expected[rank], tolerance, || what(rank));
                let (most, least) = model.training_scores();
                differences.compare(-most, expected[0], tolerance, || what(0));
                differences.compare(-least, expected[last], tolerance, || what(last));
            }
        }
    }
    differences.are_none();
}
