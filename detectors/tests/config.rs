//! Configuration as people write it: defaults, names, and what `check` refuses.
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

use detectors::config::{Parameters, Threshold};
use detectors::{ConfigError, DetectorConfig, IsolationForestConfig, ThresholdConfig};
use serde_json::json;

fn check(forest: serde_json::Value) -> Result<Parameters, ConfigError> {
    serde_json::from_value::<DetectorConfig>(json!({ "isolationForest": forest })).unwrap().check()
}

fn message(forest: serde_json::Value) -> String {
    check(forest).unwrap_err().to_string()
}

#[test]
fn an_empty_forest_has_the_documented_defaults() {
    let config: DetectorConfig = serde_json::from_value(json!({ "isolationForest": {} })).unwrap();
    assert_eq!(config.kind(), Some("isolationForest"));
    let defaults = json!({ "isolationForest":
        { "trees": 100, "sampleSize": 256, "maxFeatures": 1.0, "bootstrap": false, "seed": 0 } });
    assert_eq!(serde_json::to_value(&config).unwrap(), defaults);
    assert_eq!(config.isolation_forest, Some(IsolationForestConfig::default()));
}

#[test]
fn the_bounds_themselves_are_allowed() {
    for forest in [
        json!({ "trees": 1, "sampleSize": 2, "maxFeatures": 1e-300, "seed": 0 }),
        json!({ "trees": 1000, "sampleSize": 2000, "maxFeatures": 1, "seed": 9007199254740991_u64 }),
        json!({ "trees": 30, "sampleSize": 65536 }),
    ] {
        assert!(check(forest.clone()).is_ok(), "{forest}");
    }
}

#[test]
fn parameters_out_of_range_are_named_with_what_is_allowed() {
    assert_eq!(
        message(json!({ "trees": 0 })),
        "detector.isolationForest.trees is 0, but must be between 1 and 1000"
    );
    assert_eq!(
        message(json!({ "sampleSize": 1 })),
        "detector.isolationForest.sampleSize is 1, but must be between 2 and 65536"
    );
    assert_eq!(
        message(json!({ "maxFeatures": 0 })),
        "detector.isolationForest.maxFeatures is 0, but must be in (0, 1]"
    );
    assert!(check(json!({ "maxFeatures": 1.0000001 })).is_err());
    assert!(check(json!({ "seed": 9007199254740992_u64 })).is_err());
    assert!(check(json!({ "sampleSize": 65537 })).is_err());
    assert!(check(json!({ "trees": 1001 })).is_err());
    let not_a_number = IsolationForestConfig { max_features: f64::NAN, ..Default::default() };
    assert!(not_a_number.check().is_err());
}

#[test]
fn a_forest_that_is_too_large_is_refused_with_its_size() {
    assert_eq!(
        message(json!({ "trees": 1000, "sampleSize": 2001 })),
        "trees × sampleSize is 2001000, a model of up to 4002000 bytes; at most 2000000 is allowed: lower one of them"
    );
}

#[test]
fn a_detector_must_be_given() {
    let none: DetectorConfig = serde_json::from_value(json!({})).unwrap();
    assert_eq!((none.kind(), none.check()), (None, Err(ConfigError::NoDetector)));
    assert_eq!(serde_json::to_value(&none).unwrap(), json!({}));
}

#[test]
fn at_most_one_threshold_is_accepted_and_only_within_its_range() {
    let check = |contamination, score| ThresholdConfig { contamination, score }.check();
    assert_eq!(check(None, None), Ok(Threshold::Contamination(0.01)));
    assert_eq!(check(Some(0.5), None), Ok(Threshold::Contamination(0.5)));
    assert_eq!(check(None, Some(-0.6)), Ok(Threshold::Score(-0.6)));
    assert_eq!(check(Some(0.1), Some(-0.6)), Err(ConfigError::TwoThresholds));
    for bad in [0.0, -0.1, 0.500001, f64::NAN, f64::INFINITY] {
        assert!(check(Some(bad), None).is_err(), "contamination {bad}");
    }
    for bad in [0.0, -1.0, 0.1, f64::NAN] {
        assert!(check(None, Some(bad)).is_err(), "score {bad}");
    }
}
