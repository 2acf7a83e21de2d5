//! What the rendered chart promises, on the committed renderings in charts/tests/golden/ (kept fresh by charts/test.sh),
//! so that these tests need no helm.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;
use serde_yaml::Value;

const VALUE_SETS: [&str; 4] = ["default", "watch-namespaces", "secrets-none", "all"];

/// The objects of a rendering.
fn rendered(set: &str) -> Vec<Value> {
    let path = xtask::repository_root().join(format!("charts/tests/golden/{set}.yaml"));
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; run charts/test.sh --update", path.display()));
    let objects: Vec<Value> = serde_yaml::Deserializer::from_str(&text)
        .map(|d| Value::deserialize(d).unwrap())
        .filter(|v| !v.is_null())
        .collect();
    assert!(objects.len() >= 8, "{set}: only {} objects", objects.len());
    objects
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn of_kind<'a>(objects: &'a [Value], wanted: &str) -> Vec<&'a Value> {
    objects.iter().filter(|o| kind(o) == wanted).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_sequence().map(|list| list.iter().map(|v| v.as_str().unwrap()).collect()).unwrap_or_default()
}

/// Every (group/resource, verb) of an object's rules.
fn permissions(role: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for rule in role["rules"].as_sequence().unwrap() {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                all.extend(
                    texts(&rule["verbs"]).into_iter().map(|verb| format!("{verb} {group}/{resource}")),
                );
            }
        }
    }
    all
}

/// Roles that the operator itself is bound to, with their permissions.
fn operator_roles(objects: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let mut roles = BTreeMap::new();
    for binding in objects.iter().filter(|o| kind(o).ends_with("RoleBinding")) {
        let (wanted, to) = (&binding["roleRef"]["kind"], &binding["roleRef"]["name"]);
        let namespace = &binding["metadata"]["namespace"];
        let role = objects
            .iter()
            .find(|o| {
                o["kind"] == *wanted
                    && o["metadata"]["name"] == *to
                    && o["metadata"]["namespace"] == *namespace
            })
            .unwrap_or_else(|| panic!("{} binds a role that does not exist", name(binding)));
        let place = namespace.as_str().unwrap_or("cluster");
        roles.insert(format!("{place}/{}", name(role)), permissions(role));
    }
    roles
}

/// Pod specs with the name of what they belong to.
fn pods(objects: &[Value]) -> Vec<(String, &Value)> {
    let pods = objects.iter().filter_map(|o| match kind(o) {
        "Pod" => Some((name(o).to_owned(), &o["spec"])),
        "Deployment" => Some((name(o).to_owned(), &o["spec"]["template"]["spec"])),
        _ => None,
    });
    pods.collect()
}

#[test]
fn no_rule_has_a_wildcard() {
    for set in VALUE_SETS {
        for role in rendered(set).iter().filter(|o| kind(o).ends_with("Role")) {
            let permissions = permissions(role);
            assert!(!permissions.is_empty(), "{set}: {} grants nothing", name(role));
            assert!(!permissions.iter().any(|p| p.contains('*')), "{set}: {} has a wildcard", name(role));
        }
    }
}

#[test]
fn the_operator_never_writes_specs_and_never_reads_logs_or_runs_commands() {
    for set in VALUE_SETS {
        for (role, permissions) in operator_roles(&rendered(set)) {
            for forbidden in [
                "anomaly-operator.io/anomalymodels",
                "/pods",
                "/pods/exec",
                "/pods/log",
                "networking.k8s.io/ingressclasses",
            ] {
                for verb in ["create", "update", "patch", "delete", "deletecollection"] {
                    assert!(
                        !permissions.contains(&format!("{verb} {forbidden}")),
                        "{set}: {role} may {verb} {forbidden}"
                    );
                }
            }
            for verb in ["escalate", "bind", "impersonate", "deletecollection"] {
                assert!(!permissions.iter().any(|p| p.starts_with(verb)), "{set}: {role} may {verb}");
            }
        }
    }
}

#[test]
fn watch_namespaces_leave_reading_ingress_classes_as_the_only_cluster_wide_permission() {
    let objects = rendered("watch-namespaces");
    let roles = operator_roles(&objects);
    let read: BTreeSet<String> =
        ["get", "list", "watch"].map(|verb| format!("{verb} networking.k8s.io/ingressclasses")).into();
    assert_eq!(roles["cluster/anomaly-operator"], read);
    let everywhere: BTreeSet<String> =
        operator_roles(&rendered("default"))["cluster/anomaly-operator"].difference(&read).cloned().collect();
    for namespace in ["team-a", "team-b"] {
        assert_eq!(roles[&format!("{namespace}/anomaly-operator")], everywhere);
    }
}

#[test]
fn without_secrets_there_is_no_permission_on_secrets_at_all() {
    for set in ["secrets-none", "all"] {
        for (role, permissions) in operator_roles(&rendered(set)) {
            assert!(!permissions.iter().any(|p| p.contains("secrets")), "{set}: {role}");
        }
    }
    let default = operator_roles(&rendered("default"));
    assert!(default["cluster/anomaly-operator"].contains("patch /secrets"));
}

/// A Role can be created only by somebody who holds what it grants.
#[test]
fn the_operator_holds_what_it_grants_to_trainers() {
    let default = operator_roles(&rendered("default"));
    for permission in ["create /configmaps", "patch /configmaps"] {
        assert!(default["cluster/anomaly-operator"].contains(permission), "{permission}");
    }
}

#[test]
fn leases_are_touched_in_the_release_namespace_only() {
    for set in VALUE_SETS {
        for (role, permissions) in operator_roles(&rendered(set)) {
            let leases = permissions.iter().any(|p| p.contains("leases"));
            assert_eq!(leases, role.starts_with("anomaly-system/"), "{set}: {role}");
        }
    }
}

#[test]
fn aggregated_roles_give_nobody_secrets_and_viewers_no_writing() {
    let objects = rendered("default");
    let mut seen = BTreeSet::new();
    for role in of_kind(&objects, "ClusterRole") {
        let Some(level) = name(role).strip_prefix("anomaly-operator-") else { continue };
        seen.insert(level.to_owned());
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{level}");
        assert_eq!(role["metadata"]["labels"][label.as_str()], Value::from("true"));
        let permissions = permissions(role);
        assert!(permissions.iter().all(|p| p.contains(" anomaly-operator.io/")), "{level}: {permissions:?}");
        let reads = |p: &String| ["get ", "list ", "watch "].iter().any(|verb| p.starts_with(verb));
        assert_eq!(permissions.iter().all(reads), level == "view", "{level}: {permissions:?}");
        assert!(!permissions.contains("patch anomaly-operator.io/anomalymodels/status"), "{level}");
    }
    assert_eq!(seen, ["admin", "edit", "view"].map(str::to_owned).into());
    assert!(
        !of_kind(&rendered("all"), "ClusterRole").iter().any(|r| name(r).ends_with("-view")),
        "aggregate: false"
    );
}

#[test]
fn every_pod_is_restricted() {
    for set in VALUE_SETS {
        let objects = rendered(set);
        let pods = pods(&objects);
        assert_eq!(pods.len(), 2, "{set}");
        for (owner, pod) in pods {
            let context = &pod["securityContext"];
            assert_eq!(context["runAsNonRoot"], Value::from(true), "{set}: {owner}");
            assert_eq!(context["seccompProfile"]["type"], Value::from("RuntimeDefault"), "{set}: {owner}");
            assert!(context["runAsUser"].is_null(), "{set}: {owner} has a fixed user");
            assert_eq!(pod["enableServiceLinks"], Value::from(false), "{set}: {owner}");
            for key in ["hostNetwork", "hostPID", "hostIPC", "volumes"] {
                assert!(pod[key].is_null(), "{set}: {owner} has {key}");
            }
            for container in pod["containers"].as_sequence().unwrap() {
                restricted(&format!("{set}: {owner}"), container);
            }
        }
    }
}

fn restricted(at: &str, container: &Value) {
    let context = &container["securityContext"];
    assert_eq!(context["allowPrivilegeEscalation"], Value::from(false), "{at}");
    assert_eq!(context["readOnlyRootFilesystem"], Value::from(true), "{at}");
    assert_eq!(texts(&context["capabilities"]["drop"]), ["ALL"], "{at}");
    assert!(context["capabilities"]["add"].is_null(), "{at}");
    for (kind, resource) in [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")] {
        assert!(!container["resources"][kind][resource].is_null(), "{at} has no {kind}.{resource}");
    }
}

#[test]
fn nothing_but_the_crd_outlives_a_release_or_lands_in_another_namespace() {
    let cluster_scoped = ["ClusterRole", "ClusterRoleBinding"];
    for set in VALUE_SETS {
        for object in rendered(set) {
            assert!(
                object["metadata"]["annotations"]["helm.sh/resource-policy"].is_null(),
                "{set}: {}",
                name(&object)
            );
            let namespace = object["metadata"]["namespace"].as_str();
            if cluster_scoped.contains(&kind(&object)) {
                assert_eq!(namespace, None, "{set}: {}", name(&object));
            } else {
                let expected = ["anomaly-system", "team-a", "team-b"];
                assert!(namespace.is_some_and(|n| expected.contains(&n)), "{set}: {}", name(&object));
            }
        }
    }
}

#[test]
fn what_watches_the_operator_carries_the_labels_that_prometheus_selects_by() {
    let objects = rendered("all");
    for wanted in ["ServiceMonitor", "PrometheusRule"] {
        let labels = &of_kind(&objects, wanted)[0]["metadata"]["labels"];
        assert_eq!(labels["release"], Value::from("prometheus"), "{wanted}");
        assert_eq!(labels["app.kubernetes.io/component"], Value::from("operator"), "{wanted}");
    }
    let dashboard = of_kind(&objects, "ConfigMap")[0];
    assert_eq!(dashboard["metadata"]["labels"]["dashboards"], Value::from("yes"));
    assert!(dashboard["metadata"]["labels"]["grafana_dashboard"].is_null(), "null takes a default away");
    assert_eq!(dashboard["metadata"]["annotations"]["grafana_folder"], Value::from("Anomalies"));
}

/// The metric names models by their own namespace, so what a pod says of it has to stay.
#[test]
fn alerts_about_models_can_tell_whose_they_are() {
    let objects = rendered("all");
    let endpoint = &of_kind(&objects, "ServiceMonitor")[0]["spec"]["endpoints"][0];
    assert_eq!(endpoint["honorLabels"], Value::from(true));
    let rules = &of_kind(&objects, "PrometheusRule")[0]["spec"]["groups"][0]["rules"];
    for alert in rules.as_sequence().unwrap() {
        let name = alert["alert"].as_str().unwrap();
        assert!(alert["expr"].as_str().unwrap().contains(r#"job="anomalies-metrics""#), "{name}");
        assert_eq!(alert["for"], Value::from("10m"), "{name}");
        let labels: BTreeMap<&str, &str> = alert["labels"]
            .as_mapping()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.as_str().unwrap(), v.as_str().unwrap()))
            .collect();
        assert_eq!(labels, BTreeMap::from([("release", "prometheus"), ("severity", "critical")]), "{name}");
        let url = alert["annotations"]["runbook_url"].as_str().unwrap();
        assert_eq!(url, format!("https://wiki.example.com/runbooks/{name}.md"));
    }
}

#[test]
fn the_settings_reach_the_operator() {
    let objects = rendered("all");
    let deployment = of_kind(&objects, "Deployment")[0];
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let environment: BTreeMap<&str, &str> = container["env"]
        .as_sequence()
        .unwrap()
        .iter()
        .filter_map(|e| Some((e["name"].as_str()?, e["value"].as_str()?)))
        .collect();
    let expected = BTreeMap::from([
        ("TRAINER_IMAGE", "registry.example.com/anomaly/trainer:1.2.3-trainer"),
        ("SERVER_IMAGE", "registry.example.com/anomaly/server:1.2.3-server"),
        (
            "SERVER_OTEL",
            "OTEL_EXPORTER_OTLP_ENDPOINT=http://otel-collector.monitoring:4318\n\
             OTEL_TRACES_SAMPLER=parentbased_always_off",
        ),
        ("IMAGE_PULL_POLICY", "Always"),
        ("WATCH_NAMESPACES", "team-a"),
        ("MONITORING_NAMESPACES", "monitoring,observability"),
        ("SERVICE_MONITORS", "true"),
        ("SERVICE_MONITOR_INTERVAL", "1m"),
        ("SERVICE_MONITOR_LABELS", "release=prometheus"),
        ("ALERTS", "true"),
        ("ALERT_SEVERITY", "critical"),
        ("ALERT_FOR", "10m"),
        ("ALERT_LABELS", "example.com/team=platform,release=prometheus"),
        ("ALERT_STALE_AFTER_DAYS", "0"),
        ("DASHBOARDS", "true"),
        ("DASHBOARD_LABELS", "dashboards=yes"),
        ("DASHBOARD_FOLDER", "Anomalies"),
        ("RUNBOOK_BASE_URL", "https://wiki.example.com/runbooks/"),
        ("SECRETS", "none"),
        ("MAX_CONCURRENT_TRAININGS", "1"),
        ("DEBOUNCE", "5m"),
        ("LOG_FORMAT", "text"),
        ("RUST_LOG", "info,kube=debug"),
    ]);
    assert_eq!(environment, expected);
}

#[test]
fn the_model_in_the_notes_can_be_read_whole() {
    let path = xtask::repository_root().join("charts/tests/golden/default.txt");
    let notes = fs::read_to_string(path).unwrap();
    let manifest = notes.split("<<'EOF'\n").nth(1).and_then(|rest| rest.split("\nEOF\n").next()).unwrap();
    let model: api::AnomalyModel = serde_yaml::from_str(manifest).unwrap();
    let name = model.metadata.name.clone().unwrap();
    assert_eq!(api::validation::validate(&name, &model.spec), []);
    let rows = model.spec.inline().unwrap().lines().count() - 1;
    assert!(rows >= usize::try_from(model.spec.min_rows()).unwrap(), "{rows} rows");
}

#[test]
fn the_chart_and_the_workspace_have_one_version() {
    let chart: Value = serde_yaml::from_str(
        &fs::read_to_string(xtask::repository_root().join("charts/anomaly-operator/Chart.yaml")).unwrap(),
    )
    .unwrap();
    for key in ["version", "appVersion"] {
        assert_eq!(chart[key].as_str(), Some(env!("CARGO_PKG_VERSION")), "{key} in Chart.yaml");
    }
    let images = chart["annotations"]["artifacthub.io/images"].as_str().unwrap();
    let images: Value = serde_yaml::from_str(images).unwrap();
    for image in images.as_sequence().unwrap() {
        let tag = concat!(":", env!("CARGO_PKG_VERSION"));
        assert!(image["image"].as_str().unwrap().ends_with(tag), "{image:?} in Chart.yaml");
    }
}
