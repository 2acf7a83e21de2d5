use serde_json::{Value, json};

use super::*;

const OURS: &str = "anomaly-operator";

/// As a cluster stores it, with an editor, a controller and defaults beside us.
fn live() -> Value {
    serde_json::from_str(include_str!("deployment.json")).unwrap()
}

/// As it was applied: with quantities as people write them, and with empty members.
fn wanted() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "machine",
            "namespace": "demo",
            "annotations": {},
            "finalizers": ["example.com/ours"],
            "labels": {"anomaly-operator.io/model": "machine"},
            "ownerReferences": [{
                "apiVersion": "anomaly-operator.io/v1alpha1", "kind": "AnomalyModel", "name": "machine",
                "uid": "11111111-2222-3333-4444-555555555555", "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "spec": {
            "replicas": 0,
            "paused": null,
            "selector": {"matchLabels": {"anomaly-operator.io/model": "machine"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {
                "metadata": {"labels": {"anomaly-operator.io/model": "machine"}},
                "spec": {
                    "initContainers": [],
                    "containers": [{
                        "name": "server",
                        "image": "anomaly-operator/server:1",
                        "args": ["--model-dir=/model", "--lame-duck=10s"],
                        "env": [{"name": "RUST_LOG", "value": "info"}],
                        "ports": [{"containerPort": 8000, "name": "http"}, {"containerPort": 8080, "name": "public"}],
                        "resources": {"limits": {"memory": "1024Mi"}, "requests": {"cpu": 0.5, "memory": "32Mi"}},
                        "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                        "volumeMounts": [
                            {"mountPath": "/model", "name": "model", "readOnly": true},
                            {"mountPath": "/tmp", "name": "tmp"},
                        ],
                    }],
                    "volumes": [
                        {"name": "model", "configMap": {"name": "machine-r-58a805e9-1"}},
                        {"name": "tmp", "emptyDir": {}},
                    ],
                },
            },
        },
    })
}

fn edited(edit: impl FnOnce(&mut Value)) -> String {
    let mut live = live();
    edit(&mut live);
    live_digest(&live, OURS)
}

#[test]
fn what_was_applied_and_what_is_stored_have_one_digest() {
    assert_eq!(live_digest(&live(), OURS), desired_digest(&wanted()));
}

#[test]
fn the_cut_has_what_we_applied_and_nothing_else() {
    insta::assert_yaml_snapshot!(owned(&live(), OURS));
}

#[test]
fn drift_of_what_we_own_is_seen_wherever_it_is() {
    let digest = desired_digest(&wanted());
    let container = |live: &mut Value| live["spec"]["template"]["spec"]["containers"][0].take();
    type Edit = fn(&mut Value);
    let edits: [(&str, Edit); 9] = [
        ("a scalar", |live| live["spec"]["replicas"] = 5.into()),
        ("an atomic list", |live| {
            live["spec"]["template"]["spec"]["containers"][0]["args"][1] = "--x".into()
        }),
        ("an item of a list", |live| {
            live["spec"]["template"]["spec"]["containers"][0]["ports"][1]["name"] = "x".into()
        }),
        ("a removed item", |live| {
            live["spec"]["template"]["spec"]["containers"][0]["volumeMounts"].as_array_mut().unwrap().pop();
        }),
        ("an environment variable", |live| {
            live["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] = "trace".into();
        }),
        ("a quantity", |live| {
            live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = "2Gi".into();
        }),
        ("a label", |live| live["metadata"]["labels"]["anomaly-operator.io/model"] = "x".into()),
        ("the owner", |live| live["metadata"]["ownerReferences"][0]["controller"] = false.into()),
        ("a finalizer", |live| drop(live["metadata"]["finalizers"].as_array_mut().unwrap().pop())),
    ];
    for (what, edit) in edits {
        assert_ne!(edited(edit), digest, "{what}");
    }
    assert_ne!(edited(|live| drop(container(live))), digest, "the container");
}

#[test]
fn what_others_own_and_what_is_defaulted_is_not_drift() {
    let digest = desired_digest(&wanted());
    type Edit = fn(&mut Value);
    let edits: [Edit; 6] = [
        |live| live["metadata"]["labels"]["somebody"] = "changed".into(),
        |live| live["metadata"]["resourceVersion"] = "9999".into(),
        |live| live["spec"]["template"]["spec"]["containers"][0]["env"][1]["value"] = "0".into(),
        |live| live["spec"]["template"]["spec"]["containers"][1]["image"] = "sidecar:2".into(),
        |live| live["spec"]["revisionHistoryLimit"] = 3.into(),
        |live| live["status"]["replicas"] = 7.into(),
    ];
    for edit in edits {
        assert_eq!(edited(edit), digest);
    }
}

#[test]
fn a_field_that_we_no_longer_want_is_a_difference() {
    let mut fewer = wanted();
    fewer["spec"]["template"]["spec"]["containers"][0].as_object_mut().unwrap().remove("env");
    assert_ne!(desired_digest(&fewer), live_digest(&live(), OURS));
}

#[test]
fn what_was_never_applied_owns_nothing() {
    assert_eq!(owned(&live(), "somebody"), json!({}));
    assert_eq!(owned(&live(), "kubectl-edit"), json!({}), "an update is no apply");
    assert_eq!(owned(&json!({"metadata": {}}), OURS), json!({}));
}

#[test]
fn what_we_applied_to_a_subresource_is_not_part_of_the_object() {
    let mut live = live();
    live["metadata"]["managedFields"][0]["subresource"] = "status".into();
    assert_eq!(owned(&live, OURS), json!({}));
}

#[test]
fn empty_maps_vanish_and_empty_objects_that_mean_something_stay() {
    let digest = |spec: Value| desired_digest(&json!({"spec": spec}));
    assert_eq!(digest(json!({"data": {}, "list": [], "x": null})), digest(json!({})));
    let everywhere = json!({"from": [{"namespaceSelector": {}}]});
    let here = json!({"from": [{"podSelector": {}}]});
    assert_ne!(digest(everywhere), digest(here));
}

#[test]
fn quantities_are_compared_by_value_and_other_strings_are_not() {
    let of = |cpu: Value| desired_digest(&json!({"resources": {"requests": {"cpu": cpu}}}));
    assert_eq!(of(json!("0.5")), of(json!("500m")));
    assert_eq!(of(json!(1)), of(json!("1000m")));
    let limit = |size: &str| desired_digest(&json!({"emptyDir": {"sizeLimit": size}}));
    assert_eq!(limit("1024Mi"), limit("1Gi"));
    assert_ne!(
        desired_digest(&json!({"data": {"cpu": "0.5"}})),
        desired_digest(&json!({"data": {"cpu": "500m"}}))
    );
}
