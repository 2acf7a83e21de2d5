//! Configuration as people write it: defaults, names, and what `check` refuses.
#![allow(clippy::unwrap_used, reason = "an error is a failed test")]

use detectors::config::{KINDS, Parameters, RobustZScoreConfig, Threshold};
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
fn two_detectors_at_once_are_refused_by_name() {
    let two: DetectorConfig =
        serde_json::from_value(json!({ "isolationForest": {}, "robustZScore": {} })).unwrap();
    assert_eq!(two.kind(), None);
    let message = two.check().unwrap_err().to_string();
    assert_eq!(message, "detector has isolationForest, robustZScore: give exactly one of them");
}

#[test]
fn every_detector_can_be_given_without_parameters() {
    for &kind in KINDS {
        let config: DetectorConfig = serde_json::from_value(json!({ kind: {} })).unwrap();
        assert_eq!(config.kind(), Some(kind));
        assert!(config.check().is_ok() && config.score_range().is_some(), "{kind}");
    }
}

fn threshold(contamination: Option<f64>, score: Option<f64>, auto: bool) -> ThresholdConfig {
    ThresholdConfig { contamination, score, auto }
}

#[test]
fn at_most_one_threshold_is_accepted_and_only_within_its_range() {
    let forest = DetectorConfig::from(IsolationForestConfig::default());
    let check = |contamination, score| threshold(contamination, score, false).check(&forest);
    assert_eq!(check(None, None), Ok(Threshold::Contamination(0.01)));
    assert_eq!(check(Some(0.5), None), Ok(Threshold::Contamination(0.5)));
    assert_eq!(check(None, Some(-0.6)), Ok(Threshold::Score(-0.6)));
    assert_eq!(check(Some(0.1), Some(-0.6)), Err(ConfigError::TwoThresholds));
    assert_eq!(threshold(None, None, true).check(&forest), Ok(Threshold::Score(-0.5)));
    assert_eq!(threshold(Some(0.1), None, true).check(&forest), Err(ConfigError::TwoThresholds));
    for bad in [0.0, -0.1, 0.500001, f64::NAN, f64::INFINITY] {
        assert!(check(Some(bad), None).is_err(), "contamination {bad}");
    }
    for bad in [0.0, -1.0, 0.1, f64::NAN] {
        assert!(check(None, Some(bad)).is_err(), "score {bad}");
    }
}

#[test]
fn a_score_of_other_detectors_may_be_anything_below_0_and_auto_is_for_forests() {
    let z_score = DetectorConfig::from(RobustZScoreConfig {});
    let check = |score| threshold(None, Some(score), false).check(&z_score);
    assert_eq!(check(-3.5), Ok(Threshold::Score(-3.5)));
    for bad in [0.0, 1.0, f64::NAN, f64::NEG_INFINITY, -1.1e15] {
        let message = check(bad).unwrap_err().to_string();
        assert_eq!(message, format!("threshold.score is {bad}, but must be in [-1e15, 0)"));
    }
    let message = threshold(None, None, true).check(&z_score).unwrap_err().to_string();
    assert!(message.contains("the scores of robustZScore have no such scale"), "{message}");
}
