//! One model from its creation to its deletion.

use crate::support::{Cluster, MODELS, writes};
use serde_json::{Value, json};

fn position(requests: &[String], end: &str) -> usize {
    requests
        .iter()
        .position(|r| r.starts_with("PATCH ") && r.ends_with(end))
        .unwrap_or_else(|| panic!("{end} was never applied"))
}

#[tokio::test]
async fn a_model_is_trained_served_and_exposed() {
    let cluster = Cluster::new();
    cluster.converge(&cluster.operator()).await;
    for (condition, expected) in [
        ("Ready", "True AsSpecified"),
        ("Serving", "True PodsReady"),
        ("Trained", "True AsSpecified"),
        ("Progressing", "False Idle"),
        ("Exposed", "True ExposedWithoutTLS"),
    ] {
        assert_eq!(cluster.condition(condition), expected, "{:#?}", cluster.status());
    }
    let paths: Vec<String> =
        cluster.picture().into_keys().filter(|path| !path.contains("/anomalymodels/")).collect();
    insta::assert_yaml_snapshot!(paths);
}

#[tokio::test]
async fn nothing_is_written_when_nothing_changed() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    cluster.api.requests();
    cluster.pass(&operator).await.unwrap();
    assert_eq!(cluster.api.requests(), Vec::<String>::new(), "an idle operator sends nothing at all");
}

#[tokio::test]
async fn a_restart_costs_reads_and_no_writes() {
    let cluster = Cluster::new();
    cluster.converge(&cluster.operator()).await;
    cluster.api.requests();
    cluster.pass(&cluster.operator()).await.unwrap();
    insta::assert_yaml_snapshot!(cluster.api.requests());
}

#[tokio::test]
async fn a_foreign_service_is_never_touched() {
    let cluster = Cluster::new();
    let theirs = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "machine"}, "spec": {"ports": []}});
    let before = cluster.api.create("/api/v1/namespaces/demo/services", theirs);
    let operator = cluster.operator();
    for _ in 0..6 {
        cluster.pass(&operator).await.ok();
        cluster.kubernetes();
    }
    assert_eq!(cluster.api.get("/services/machine"), Some(before));
    let requests = cluster.api.requests();
    assert!(!writes(&requests).iter().any(|r| r.ends_with("/services/machine")), "{requests:#?}");
    assert_eq!(cluster.condition("Ready"), "False NameConflict");
    assert_eq!(cluster.api.get("/ingresses/machine"), None, "nothing leads to a Service that is not ours");
    cluster.api.delete("/services/machine");
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("Ready"), "True AsSpecified");
}

#[tokio::test]
async fn a_child_of_another_model_is_not_pruned_and_not_adopted() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    let mut stray = cluster.api.get("/services/machine").unwrap();
    stray["metadata"]["name"] = "stray".into();
    stray["metadata"]["ownerReferences"][0]["uid"] = "somebody-else".into();
    let stray = cluster.api.create("/api/v1/namespaces/demo/services", stray);
    cluster.converge(&operator).await;
    assert_eq!(cluster.api.get("/services/stray"), Some(stray));
}

#[tokio::test]
async fn the_ingress_is_never_applied_before_the_secret() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.api.refuse("/secrets/machine-htpasswd", "exceeded quota: secrets");
    for _ in 0..6 {
        cluster.pass(&operator).await.ok();
        cluster.kubernetes();
    }
    assert_eq!(cluster.api.get("/ingresses/machine"), None);
    assert_eq!(cluster.condition("Exposed"), "False ApplyFailed");
    assert!(format!("{:?}", cluster.status()).contains("exceeded quota: secrets"));
    cluster.api.refuse_nothing();
    cluster.converge(&operator).await;
    let requests = cluster.api.requests();
    let ingress = position(&requests, "/ingresses/machine");
    for before in [
        "/secrets/machine-credentials",
        "/secrets/machine-htpasswd",
        "/networkpolicies/machine",
        "/deployments/machine",
        "/services/machine",
        "/middlewares/machine-basic-auth",
    ] {
        assert!(position(&requests, before) < ingress, "{before}");
    }
}

#[tokio::test]
async fn the_ingress_goes_first_when_it_is_no_longer_wanted() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    cluster.api.edit("/anomalymodels/machine", |model| {
        model["spec"].as_object_mut().unwrap().remove("ingress");
    });
    cluster.api.requests();
    cluster.converge(&operator).await;
    let requests = cluster.api.requests();
    assert!(
        writes(&requests)[0].starts_with("DELETE ") && writes(&requests)[0].ends_with("/ingresses/machine"),
        "{requests:#?}"
    );
    for gone in ["/ingresses/machine", "/middlewares/machine-basic-auth", "/secrets/machine-htpasswd"] {
        assert_eq!(cluster.api.get(gone), None, "{gone}");
    }
    assert!(cluster.api.get("/deployments/machine").is_some());
}

#[tokio::test]
async fn the_password_outlives_the_exposure_until_a_secret_is_named() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    let password = || cluster.api.get("/secrets/machine-credentials").map(|s| s["data"].clone());
    let first = password();
    let ingress = cluster.api.get("/anomalymodels/machine").unwrap()["spec"]["ingress"].clone();
    assert!(first.is_some() && ingress.is_object());
    cluster.api.edit("/anomalymodels/machine", |model| {
        model["spec"].as_object_mut().unwrap().remove("ingress");
    });
    cluster.converge(&operator).await;
    cluster.api.edit("/anomalymodels/machine", |model| model["spec"]["ingress"] = ingress.clone());
    cluster.converge(&operator).await;
    assert_eq!(password(), first);
    cluster.api.edit("/anomalymodels/machine", |model| {
        model["spec"]["ingress"]["basicAuth"] = json!({"secretName": "mine"});
    });
    cluster.converge(&operator).await;
    assert_eq!(password(), None);
}

#[tokio::test]
async fn drift_is_seen_and_what_others_own_is_left_alone() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    cluster.api.edit("/deployments/machine", |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] = "evil".into();
        live["metadata"]["annotations"]["somebody/else"] = "1".into();
    });
    cluster.api.requests();
    cluster.converge(&operator).await;
    let live = cluster.api.get("/deployments/machine").unwrap();
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], "server");
    assert_eq!(live["metadata"]["annotations"]["somebody/else"], "1");
    cluster.api.requests();
    cluster.pass(&operator).await.unwrap();
    assert_eq!(writes(&cluster.api.requests()), [""; 0]);
}

#[tokio::test]
async fn every_deleted_child_comes_back_but_jobs_and_revisions() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    let before = cluster.picture();
    let children: Vec<String> = before.keys().filter(|p| p.contains("/machine")).cloned().collect();
    let made_once = |path: &str| {
        path.contains("/jobs/")
            || path.contains("/anomalymodels/")
            || (path.contains("/configmaps/") && !path.ends_with("-dashboards"))
    };
    for path in children.iter().filter(|path| !made_once(path)) {
        cluster.api.delete(path);
        cluster.converge(&operator).await;
        assert!(cluster.api.get(path).is_some(), "{path}");
    }
    assert_eq!(cluster.picture(), before);
    let job = children.iter().find(|path| path.contains("/jobs/")).unwrap();
    cluster.api.delete(job);
    cluster.converge(&operator).await;
    assert_eq!(cluster.api.get(job), None, "a Job is made once");
}

#[tokio::test]
async fn a_lost_label_does_not_change_the_password() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    let before = cluster.api.get("/secrets/machine-credentials").unwrap();
    for member in ["labels", "ownerReferences"] {
        cluster.api.edit("/secrets/machine-credentials", |secret| {
            secret["metadata"].as_object_mut().unwrap().remove(member);
        });
        cluster.converge(&operator).await;
        let after = cluster.api.get("/secrets/machine-credentials").unwrap();
        assert_eq!(after["data"], before["data"]);
        assert_eq!(after["metadata"][member], before["metadata"][member]);
    }
}

#[tokio::test]
async fn a_paused_model_is_reported_and_not_touched() {
    let cluster = Cluster::new();
    cluster.api.edit("/anomalymodels/machine", |model| {
        model["metadata"]["annotations"] = json!({"anomaly-operator.io/paused": "true"});
    });
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    let requests = cluster.api.requests();
    assert_eq!(writes(&requests), [format!("PATCH {MODELS}/machine/status")]);
}

#[tokio::test]
async fn a_model_that_is_being_deleted_gets_no_children_back() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.api.edit("/anomalymodels/machine", |model| {
        model["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    });
    cluster.pass(&operator).await.unwrap();
    assert_eq!(cluster.api.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_webhook_that_changes_everything_is_not_fought() {
    let cluster = Cluster::new();
    cluster.api.mutate(|object: &mut Value| object["metadata"]["labels"]["injected"] = "1".into());
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    cluster.api.requests();
    cluster.pass(&operator).await.unwrap();
    assert_eq!(writes(&cluster.api.requests()), [""; 0]);
}

#[tokio::test]
async fn nothing_is_decided_before_the_watch_has_shown_our_own_last_write() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.pass(&operator).await.unwrap();
    assert!(!writes(&cluster.api.requests()).is_empty());
    cluster.pass_blindly(&operator).await.unwrap();
    assert_eq!(cluster.api.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_decided_before_everything_is_listed() {
    let cluster = Cluster::new();
    cluster.converge(&cluster.operator()).await;
    let resources = [
        "jobs",
        "configmaps",
        "pods",
        "serviceaccounts",
        "roles",
        "rolebindings",
        "secrets",
        "networkpolicies",
        "deployments",
        "services",
        "middlewares",
        "serverstransports",
        "ingresses",
        "ingressclasses",
    ];
    cluster.api.requests();
    for late in resources {
        let operator = cluster.operator();
        cluster.show_all_but(&operator, late);
        cluster.pass_blindly(&operator).await.unwrap();
        assert_eq!(cluster.api.requests(), Vec::<String>::new(), "without {late}");
    }
}

#[tokio::test]
async fn an_unreadable_model_is_a_condition() {
    let cluster = Cluster::new();
    cluster.api.edit("/anomalymodels/machine", |model| model["spec"]["serving"]["replicas"] = "many".into());
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("Ready"), "False Unreadable");
    assert!(format!("{:?}", cluster.status()).contains("spec.serving.replicas"));
    assert_eq!(writes(&cluster.api.requests()), [format!("PATCH {MODELS}/machine/status")]);
}

#[tokio::test]
async fn a_model_waits_in_the_queue_until_its_reconcile_begins() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    let memory = &operator.context.memory;
    cluster.show_all(&operator);
    assert_eq!(memory.queue_length(), 1, "however often it was triggered");
    cluster.pass_blindly(&operator).await.unwrap();
    assert_eq!(memory.queue_length(), 0);
    cluster.show_all(&operator);
    assert_eq!(memory.queue_length(), 1, "what it has made is news");
    memory.trigger([operator::store::ModelRef::new("demo", "nobody")]);
    assert_eq!(memory.queue_length(), 1, "of one that does not exist nobody hears again");
}
