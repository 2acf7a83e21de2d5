//! What models have to do with one another: hosts, places to train, and what one change asks of whom.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Cluster, MODELS};

/// Another model like the first, a little younger.
fn second(cluster: &Cluster, edit: impl FnOnce(&mut Value)) {
    let first = cluster.api.get("/anomalymodels/machine").unwrap();
    let mut spec = first["spec"].clone();
    edit(&mut spec);
    let metadata = json!({"name": "rival"});
    let model =
        json!({"apiVersion": first["apiVersion"], "kind": first["kind"], "metadata": metadata, "spec": spec});
    cluster.api.create(MODELS, model);
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn the_older_model_keeps_its_host_and_the_younger_gets_it_when_it_is_free() {
    let cluster = Cluster::new();
    let mut operator = cluster.operator();
    cluster.converge(&operator).await;
    second(&cluster, |_| {});
    for _ in 0..8 {
        cluster.show_all(&operator);
        cluster.pass_of(&operator, "rival").await.unwrap();
        cluster.kubernetes();
    }
    assert_eq!(cluster.condition_of("rival", "Exposed"), "False HostConflict");
    assert_eq!(cluster.api.get("/ingresses/rival"), None);
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("Exposed"), "True ExposedWithoutTLS");
    operator.triggered();
    cluster.api.delete("/anomalymodels/machine");
    cluster.show_all(&operator);
    assert!(operator.triggered().contains("rival"), "the host is free");
    for _ in 0..4 {
        cluster.show_all(&operator);
        cluster.pass_of(&operator, "rival").await.unwrap();
    }
    assert!(cluster.api.get("/ingresses/rival").is_some());
}

#[tokio::test]
async fn a_model_waits_for_a_place_to_train_and_is_asked_when_there_is_one() {
    let cluster = Cluster::new();
    second(&cluster, |spec| spec["ingress"]["host"] = "rival.localhost".into());
    let mut operator = cluster.operator_with(|settings| settings.max_concurrent_trainings = 1);
    cluster.show_all(&operator);
    // Both at once, before either sees the Job of the other.
    cluster.pass_of(&operator, "machine").await.unwrap();
    cluster.pass_of(&operator, "rival").await.unwrap();
    let jobs = || cluster.api.objects().keys().filter(|path| path.contains("/jobs/")).count();
    assert_eq!(jobs(), 1);
    assert_eq!(cluster.condition_of("rival", "Trained"), "Unknown Queued");
    cluster.show_all(&operator);
    cluster.pass_of(&operator, "rival").await.unwrap();
    assert_eq!(jobs(), 1, "the place is still taken");
    cluster.kubernetes();
    operator.triggered();
    cluster.show_all(&operator);
    assert!(operator.triggered().contains("rival"));
    cluster.pass_of(&operator, "rival").await.unwrap();
    assert_eq!(jobs(), 2);
}

#[tokio::test]
async fn changed_data_asks_the_models_that_name_it_and_no_others() {
    let cluster = Cluster::new();
    second(&cluster, |spec| {
        spec["ingress"]["host"] = "rival.localhost".into();
        spec["training"]["source"] = json!({"inline": {"csv": "mean,sd\n1,2\n"}});
    });
    let mut operator = cluster.operator();
    cluster.show_all(&operator);
    operator.triggered();
    cluster.show_all(&operator);
    assert_eq!(operator.triggered(), names(&[]), "nothing changed");
    cluster.api.edit("/configmaps/data", |data| data["data"]["train.csv"] = "mean,sd\n3,4\n".into());
    cluster.show_all(&operator);
    assert_eq!(operator.triggered(), names(&["machine"]));
    cluster.api.edit("/ingressclasses/traefik", |class| class["spec"]["controller"] = "other".into());
    cluster.show_all(&operator);
    assert_eq!(operator.triggered(), names(&["machine", "rival"]));
}

#[tokio::test]
async fn our_own_status_asks_nobody() {
    let cluster = Cluster::new();
    let mut operator = cluster.operator();
    cluster.converge(&operator).await;
    let patched = |text: &'static str| move |model: &mut Value| model["status"]["url"] = text.into();
    operator.triggered();
    cluster.api.edit("/anomalymodels/machine", patched("http://theirs"));
    cluster.show_all(&operator);
    assert_eq!(operator.triggered(), names(&["machine"]), "somebody else's is put right");
    cluster.pass(&operator).await.unwrap();
    assert_eq!(cluster.status().url.as_deref(), Some("http://machine.localhost/"));
    operator.triggered();
    cluster.show_all(&operator);
    assert_eq!(operator.triggered(), names(&[]));
}
