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

const IMPORTED_V0_1: &str = "detector: {imported: {configMap: {name: forest, key: forest.json.gz}}}";

#[test]
fn keys_of_imported_models_never_change() {
    assert_eq!(key(IMPORTED_V0_1), "486a125d70fe2dcac554825a9b668f7b5052c0f407ef001d1b1b692fce27a8b7");
    assert_eq!(key(&IMPORTED_V0_1.replace("name: forest", "name: other")), key(IMPORTED_V0_1));
    for other in ["missing: refuse", "missing: route", "threshold: {score: -0.6}", "features: [{name: x}]"] {
        assert_ne!(key(&format!("{IMPORTED_V0_1}\n{other}")), key(IMPORTED_V0_1), "{other}");
    }
    assert_eq!(key(&(V0_1.to_owned() + "missing: refuse")), key(V0_1));
    assert_ne!(key(&(V0_1.to_owned() + "missing: route")), key(V0_1));
}

#[test]
fn features_that_are_left_out_have_a_key_of_their_own_that_never_changes() {
    let every_column = V0_1.replace("features: [{name: x}, {name: y}]", "");
    assert_eq!(key(&every_column), "4e6605cd40681618cf87c2ae0537cf014c7afc194043f17ff1bd85990fb8ca48");
    assert_ne!(key(&every_column), key(V0_1));
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

const OTHERS: [(&str, &str); 4] = [
    ("robustCovariance: {}", "8435d3c7c314cb57b201bc90c34b43e5c2e85af2edf557480104b14df450a2c6"),
    (
        "nearestNeighbors: {references: 500}",
        "4490a327f398b65d7fcbfdef2519e8e600dd7c5bcf07f39d8d17a1c3f6c504dc",
    ),
    (
        "localOutlierFactor: {neighbors: 7}",
        "4c3c886000e3a798d115ef9a3b08b70dce3ccd19a0a7bba424f8d85868dc4198",
    ),
    (
        "ensemble: {members: {isolationForest: {seed: 1}, robustCovariance: {}}, weights: {isolationForest: 2}}",
        "2d39b63998636fc69dba60b5bdede81ef04684c0d69a74ddf571aaf628be5c57",
    ),
];

#[test]
fn keys_of_the_other_detectors_never_change() {
    let forest = "isolationForest: {trees: 100, sampleSize: 256, maxFeatures: 1, bootstrap: false, seed: 16}";
    for (detector, expected) in OTHERS {
        assert_eq!(key(&V0_1.replace(forest, detector)), expected, "{detector}");
    }
}

#[test]
fn no_detector_is_the_default_ensemble() {
    let spec = |detector: &str| {
        format!(
            "features: [{{name: x}}]\n{detector}training: {{source: {{configMap: {{name: data, key: train.csv}}}}}}\n"
        )
    };
    assert_eq!(key(&spec("")), key(&spec("detector: {ensemble: {}}\n")));
    assert_eq!(key(&spec("")), "01ca03649772aaa4a7f7a774ed11dc01209762e61753bd90e6c6ff145738ff93");
}

#[test]
fn an_ensemble_that_spells_out_its_defaults_is_the_default_ensemble() {
    let spec = |detector: &str| {
        format!(
            "features: [{{name: x}}]\n{detector}\ntraining: {{source: {{configMap: {{name: data, key: train.csv}}}}}}\n"
        )
    };
    let members =
        "isolationForest: {}, robustCovariance: {supportFraction: 0.75}, nearestNeighbors: {seed: 0}";
    for same in [
        format!("detector: {{ensemble: {{members: {{{members}}}}}}}"),
        format!("detector: {{ensemble: {{members: {{{members}}}, weights: {{isolationForest: 1}}}}}}"),
        "detector: {ensemble: {weights: {}}}".to_owned(),
    ] {
        assert_eq!(key(&spec(&same)), key(&spec("")), "{same}");
    }
    let other = members.replace("seed: 0", "seed: 1");
    for other in [
        format!("detector: {{ensemble: {{members: {{{other}}}}}}}"),
        "detector: {ensemble: {weights: {nearestNeighbors: 2}}}".to_owned(),
    ] {
        assert_ne!(key(&spec(&other)), key(&spec("")), "{other}");
    }
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
