//! The same promises of every detector: a test for each pair.

use detectors::{CheckedMatrix, DetectorConfig, Model, ThresholdConfig};

use super::names;

/// A detector with its defaults, by its name in the resource.
pub fn detector(kind: &str) -> DetectorConfig {
    let config: DetectorConfig = serde_json::from_value(serde_json::json!({ kind: {} })).unwrap();
    assert_eq!(config.kind(), Some(kind));
    config
}

pub fn train(kind: &str, rows: &CheckedMatrix, threshold: ThresholdConfig) -> Model {
    Model::train(&names(rows.columns()), &detector(kind), &threshold, rows).unwrap()
}

/// Whether training rows leave themselves out when they are scored for the threshold.
pub fn leaves_itself_out(kind: &str) -> bool {
    ["nearestNeighbors", "localOutlierFactor", "ensemble"].contains(&kind)
}

/// Turns each function that takes a detector's name into a module with a test for each detector.
macro_rules! every_detector {
    ($($promise:ident),* $(,)?) => {$(
        mod $promise {
            $crate::support::every::tests! {
                $promise:
                isolation_forest "isolationForest",
                extended_isolation_forest "extendedIsolationForest",
                robust_covariance "robustCovariance",
                nearest_neighbors "nearestNeighbors",
                local_outlier_factor "localOutlierFactor",
                principal_components "principalComponents",
                hbos "hbos",
                ecod "ecod",
                copod "copod",
                robust_z_score "robustZScore",
                ensemble "ensemble",
            }
        }
    )*};
}

macro_rules! tests {
    ($promise:ident: $($test:ident $kind:literal),* $(,)?) => {
        #[test]
        fn there_are_no_others() {
            let mut tested = vec![$($kind),*];
            let mut all = detectors::config::KINDS.to_vec();
            tested.sort_unstable();
            all.sort_unstable();
            assert_eq!(tested, all);
        }
        $(
        #[test]
        fn $test() {
            super::$promise($kind);
        }
        )*
    };
}

pub(crate) use {every_detector, tests};
