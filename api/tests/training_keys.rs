//! Keys of specs as they were stored by every release. A failure here means that an upgrade would retrain the models of
//! every user: fix the key, never this file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use api::AnomalyModelSpec;
use api::training_key::{digest, training_key};

fn key(spec: &str) -> String {
    let spec: AnomalyModelSpec = serde_yaml::from_str(spec).unwrap();
    training_key(&spec, &digest(b"x,y\n1,2\n"))
}

const V0_1: &str = "
features: [{name: x}, {name: y}]
detector: {isolationForest: {trees: 100, sampleSize: 256, maxFeatures: 1, bootstrap: false, seed: 16}}
threshold: {contamination: 0.01}
training: {source: {configMap: {name: data, key: train.csv}}, minRows: 32, revisionHistoryLimit: 2}
serving: {replicas: 2}
";

#[test]
fn keys_of_stored_specs_never_change() {
    assert_eq!(key(V0_1), "e56a8d805fb42582d3d63acb860c6f2ddea8a85ee6ae74d7bd924a005ca1534b");
}

#[test]
fn what_does_not_determine_the_model_is_not_in_the_key() {
    let other = V0_1
        .replace(
            "minRows: 32, revisionHistoryLimit: 2",
            "minRows: 8, revisionHistoryLimit: 7, resources: {limits: {memory: 1Gi}}",
        )
        .replace(
            "replicas: 2",
            "replicas: 5, resources: {requests: {cpu: 1}}, limits: {maxBatchRows: 5}, tls: {secretName: a}, \
             page: {recentVerdicts: true, recentValues: true}, accessLog: all",
        )
        .replace("configMap: {name: data, key: train.csv}", "inline: {csv: \"x,y\"}")
        + "ingress: {host: a.example.com}\nsuspend: true\n\
           monitoring: {driftFeatures: [x], alerts: {severity: critical}, serviceMonitor: {enabled: false}}\n";
    assert_eq!(key(&other), key(V0_1));
}

#[test]
fn whatever_determines_the_model_is_in_the_key() {
    for (from, to) in [
        ("{name: x}, {name: y}", "{name: y}, {name: x}"),
        ("trees: 100", "trees: 101"),
        ("sampleSize: 256", "sampleSize: 255"),
        ("maxFeatures: 1", "maxFeatures: 0.5"),
        ("bootstrap: false", "bootstrap: true"),
        ("seed: 16", "seed: 17"),
        ("contamination: 0.01", "contamination: 0.02"),
        ("contamination: 0.01", "score: -0.5"),
    ] {
        assert_ne!(key(&V0_1.replace(from, to)), key(V0_1), "{from} → {to}");
    }
    let spec: AnomalyModelSpec = serde_yaml::from_str(V0_1).unwrap();
    assert_ne!(training_key(&spec, &digest(b"x,y\n1,3\n")), key(V0_1));
}

#[test]
fn another_detector_or_threshold_is_another_key() {
    let other = V0_1.replace(
        "isolationForest: {trees: 100, sampleSize: 256, maxFeatures: 1, bootstrap: false, seed: 16}",
        "robustZScore: {}",
    );
    assert_ne!(key(&other), key(V0_1));
    assert_eq!(key(&other), "64c3a703deac1b8a09de09c4565ad3ce42e1e7a6d5762a87aae274d41c1278ea");
    assert_ne!(key(&V0_1.replace("contamination: 0.01", "auto: true")), key(V0_1));
    assert_eq!(key(&V0_1.replace("contamination: 0.01", "contamination: 0.01, auto: false")), key(V0_1));
}

#[test]
fn a_spec_that_leaves_out_defaults_has_the_key_of_the_one_that_states_them() {
    let short = "
features: [{name: x}, {name: y}]
detector: {isolationForest: {seed: 16}}
training: {source: {configMap: {name: data, key: train.csv}}}
";
    assert_eq!(key(short), key(V0_1));
}
