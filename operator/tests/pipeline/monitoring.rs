//! What watches a model, and that it never stands in the model's way.

use crate::support::{Cluster, Operator, writes};
use operator::kinds::Kind;
use serde_json::json;

const PROMETHEUS: [Kind; 2] = [Kind::ServiceMonitor, Kind::PrometheusRule];
const WATCHERS: [&str; 3] =
    ["/servicemonitors/machine", "/prometheusrules/machine", "/configmaps/machine-dashboards"];

fn installed(operator: &Operator, installed: bool) {
    for kind in PROMETHEUS {
        operator.context.memory.installed(kind, &[None], installed);
    }
}

fn message(cluster: &Cluster) -> String {
    let conditions = cluster.status().conditions;
    conditions.into_iter().find(|c| c.type_ == "MonitoringReady").unwrap().message
}

#[tokio::test]
async fn a_model_is_watched_as_soon_as_it_is_served() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.pass(&operator).await.unwrap();
    assert_eq!(cluster.condition("MonitoringReady"), "False WaitingForRevision");
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("MonitoringReady"), "True AsSpecified");
    for watcher in WATCHERS {
        assert!(cluster.api.get(watcher).is_some(), "{watcher}");
    }
}

#[tokio::test]
async fn kinds_that_are_not_installed_are_a_condition_and_are_used_once_they_are() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    installed(&operator, false);
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("MonitoringReady"), "False CRDNotInstalled");
    let told = message(&cluster);
    assert!(
        told.contains("ServiceMonitor, PrometheusRule") && told.contains("kube-prometheus-stack"),
        "{told}"
    );
    assert_eq!(cluster.condition("Ready"), "True AsSpecified");
    assert!(!cluster.api.requests().iter().any(|request| request.contains("monitoring.coreos.com")));
    assert!(cluster.api.get(WATCHERS[2]).is_some(), "dashboards need no kind of Prometheus' operator");
    installed(&operator, true);
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("MonitoringReady"), "True AsSpecified");
    assert!(cluster.api.get(WATCHERS[0]).is_some() && cluster.api.get(WATCHERS[1]).is_some());
}

#[tokio::test]
async fn what_is_switched_off_is_removed_and_no_longer_spoken_of() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    cluster.api.edit("/anomalymodels/machine", |model| {
        let off = json!({"enabled": false});
        model["spec"]["monitoring"] = json!({"serviceMonitor": off, "alerts": off, "dashboard": off});
    });
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("MonitoringReady"), "absent");
    for watcher in WATCHERS {
        assert!(cluster.api.get(watcher).is_none(), "{watcher}");
    }
}

#[tokio::test]
async fn a_watcher_that_is_refused_or_somebody_elses_does_not_count_towards_ready() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.api.refuse("/prometheusrules/machine", "admission webhook says no");
    for _ in 0..8 {
        cluster.pass(&operator).await.ok();
        cluster.kubernetes();
    }
    assert_eq!(cluster.condition("MonitoringReady"), "False ApplyFailed");
    assert!(message(&cluster).contains("admission webhook says no"));
    assert_eq!(cluster.condition("Ready"), "True AsSpecified");
    assert_eq!(cluster.condition("Progressing"), "False Idle");

    cluster.api.refuse_nothing();
    cluster.converge(&operator).await;
    cluster.api.edit("/servicemonitors/machine", |theirs| {
        theirs["metadata"]["labels"]["anomaly-operator.io/model"] = "x".into();
        theirs["metadata"]["ownerReferences"] = json!([]);
    });
    for _ in 0..4 {
        cluster.pass(&operator).await.ok();
    }
    assert_eq!(cluster.condition("MonitoringReady"), "False NameConflict");
    assert_eq!(cluster.condition("Ready"), "True AsSpecified");
}

#[tokio::test]
async fn kinds_that_cannot_be_listed_hold_up_nothing_and_write_nothing() {
    let cluster = Cluster::new();
    cluster.converge(&cluster.operator()).await;
    cluster.api.requests();
    // Another process, to which the watches have shown everything else.
    let operator = cluster.operator();
    cluster.show_all_but(&operator, "servicemonitors");
    cluster.pass_blindly(&operator).await.unwrap();
    assert_eq!(writes(&cluster.api.requests()), [""; 0]);
    assert_eq!(cluster.condition("MonitoringReady"), "True AsSpecified", "what was said goes on to hold");
}

#[tokio::test]
async fn drift_of_a_dashboard_is_seen() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    let before = cluster.api.get(WATCHERS[2]).unwrap()["data"].clone();
    let key = before.as_object().unwrap().keys().next().unwrap().clone();
    cluster.api.edit(WATCHERS[2], |live| live["data"][&key] = "{}".into());
    cluster.converge(&operator).await;
    assert_eq!(cluster.api.get(WATCHERS[2]).unwrap()["data"][&key], before[&key]);
}
