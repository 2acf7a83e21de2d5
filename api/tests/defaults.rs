//! The minimal manifest as the API server stores it: the defaults of the schema are those of the types, so that nothing
//! is read that was not stored. (`e2e` holds the same against a real API server.)

#![cfg(feature = "kube")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use api::AnomalyModelSpec;
use api::crd::crd;
use serde_json::{Value, json};

/// What the API server does with `default`: from the outside inwards, absent members only.
fn with_defaults(schema: &Value, value: &mut Value) {
    if let (Some(members), Some(object)) = (schema.pointer("/properties"), value.as_object_mut()) {
        for (name, member) in members.as_object().unwrap() {
            if let (None, Some(default)) = (object.get(name), member.get("default")) {
                object.insert(name.clone(), default.clone());
            }
            if let Some(value) = object.get_mut(name) {
                with_defaults(member, value);
            }
        }
    }
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array_mut()) {
        list.iter_mut().for_each(|item| with_defaults(items, item));
    }
}

fn stored(spec: Value) -> Value {
    let crd = crd();
    let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap();
    let mut spec = spec;
    with_defaults(schema, &mut spec);
    spec
}

fn minimal() -> Value {
    json!({
        "features": [{"name": "mean"}],
        "detector": {"isolationForest": {}},
        "training": {"source": {"configMap": {"name": "data", "key": "train.csv"}}},
    })
}

#[test]
fn the_minimal_manifest_is_stored_with_every_default() {
    assert_eq!(
        stored(minimal()),
        json!({
            "suspend": false,
            "features": [{"name": "mean"}],
            "detector": {"isolationForest": {
                "trees": 100, "sampleSize": 256, "maxFeatures": 1, "bootstrap": false, "seed": 0
            }},
            "training": {
                "source": {"configMap": {"name": "data", "key": "train.csv"}},
                "minRows": 32,
                "revisionHistoryLimit": 2,
            },
            "serving": {
                "replicas": 1,
                "limits": {
                    "maxBodyBytes": 1_048_576,
                    "maxBatchRows": 10_000,
                    "maxConcurrentRows": 131_072,
                    "maxBatchWaitMilliseconds": 15,
                    "maxConcurrentRequests": 1_024,
                    "maxConnections": 1_024,
                    "requestTimeoutSeconds": 10,
                    "headerTimeoutSeconds": 5,
                    "stallTimeoutSeconds": 30,
                    "idleTimeoutSeconds": 120,
                },
                "page": {"recentVerdicts": false, "recentValues": false},
                "accessLog": "errors",
            },
        })
    );
}

#[test]
fn a_manifest_without_a_detector_is_stored_without_one_and_means_the_ensemble() {
    let mut spec = minimal();
    spec.as_object_mut().unwrap().remove("detector");
    let stored = stored(spec.clone());
    assert_eq!(stored["detector"], json!({}));
    let [read, unstored] =
        [stored, spec].map(|spec| serde_json::from_value::<AnomalyModelSpec>(spec).unwrap());
    assert_eq!(read, unstored);
    assert_eq!(read.detector.given(), ["ensemble"]);
}

#[test]
fn what_is_stored_comes_back_the_same() {
    let stored = stored(minimal());
    let read: AnomalyModelSpec = serde_json::from_value(stored.clone()).unwrap();
    // What was never stored reads the same: an object of an older release, or of a process without an API server.
    assert_eq!(read, serde_json::from_value(minimal()).unwrap());
    let mut written = serde_json::to_value(&read).unwrap();
    // (1.0 and 1 are one number)
    assert_eq!(written["detector"]["isolationForest"]["maxFeatures"], json!(1.0));
    written["detector"]["isolationForest"]["maxFeatures"] = json!(1);
    assert_eq!(written, stored);
}

#[test]
fn whatever_can_be_written_comes_back_the_same() {
    let mut spec = minimal();
    spec["serving"] = json!({
        "limits": {"maxBodyBytes": 2_048, "maxBatchRows": 5},
        "tls": {"secretName": "certificate"},
        "page": {"recentVerdicts": true},
        "accessLog": "sampled",
    });
    spec["monitoring"] = json!({
        "serviceMonitor": {"enabled": false, "interval": "1m", "labels": {}},
        "alerts": {"enabled": true, "severity": "page", "for": "0s", "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": true, "labels": {"grafana_dashboard": ""}, "folder": ""},
        "driftFeatures": [],
    });
    let stored = stored(spec);
    let read: AnomalyModelSpec = serde_json::from_value(stored.clone()).unwrap();
    let mut written = serde_json::to_value(&read).unwrap();
    written["detector"]["isolationForest"]["maxFeatures"] = json!(1);
    assert_eq!(written, stored);
}
