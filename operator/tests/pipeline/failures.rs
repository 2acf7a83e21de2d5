//! What goes wrong around a model: refusals, crashes, missing things.

use std::collections::BTreeMap;

use operator::settings::SecretsAccess;
use serde_json::{Value, json};

use crate::support::api_server::Fault;
use crate::support::{CONFIG_MAPS, Cluster, MODELS, writes};

/// Object by object, so that a difference can be read.
fn same(found: &BTreeMap<String, Value>, expected: &BTreeMap<String, Value>, when: &str) {
    assert!(found.keys().eq(expected.keys()), "{when}: {:#?}\n{:#?}", found.keys(), expected.keys());
    for (path, object) in expected {
        assert_eq!(&found[path], object, "{when}: {path}");
    }
}

#[tokio::test]
async fn a_crash_after_any_request_converges() {
    let undisturbed = Cluster::new();
    undisturbed.converge(&undisturbed.operator()).await;
    let (expected, most) = (undisturbed.picture(), undisturbed.api.requests().len());
    assert!(most > 20, "{most} requests");
    for fault in [Fault::Lost, Fault::Unanswered] {
        for at in 1..=most {
            let cluster = Cluster::new();
            cluster.api.fail_at(at, fault);
            let operator = cluster.operator();
            while cluster.pass(&operator).await.is_ok() {
                if !cluster.kubernetes() && cluster.condition("Ready").starts_with("True") {
                    break;
                }
            }
            // The process is gone, and with it all that it remembered.
            cluster.converge(&cluster.operator()).await;
            same(&cluster.picture(), &expected, &format!("{fault:?} at request {at}"));
        }
    }
}

#[tokio::test]
async fn a_failure_heals_without_a_restart() {
    let undisturbed = Cluster::new();
    undisturbed.converge(&undisturbed.operator()).await;
    let (expected, most) = (undisturbed.picture(), undisturbed.api.requests().len());
    for at in (1..=most).step_by(3) {
        let cluster = Cluster::new();
        cluster.api.fail_at(at, Fault::Unanswered);
        cluster.converge(&cluster.operator()).await;
        same(&cluster.picture(), &expected, &format!("request {at}"));
    }
}

#[tokio::test]
async fn a_refused_job_is_told_and_tried_again() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.api.refuse("/jobs", "exceeded quota: count/jobs.batch");
    assert_eq!(cluster.pass(&operator).await.unwrap_err().reason(), "Refused");
    assert!(format!("{:?}", cluster.status()).contains("exceeded quota: count/jobs.batch"));
    cluster.api.refuse_nothing();
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("Ready"), "True AsSpecified");
}

#[tokio::test]
async fn what_is_refused_again_and_again_is_told_once() {
    let cluster = Cluster::new();
    let theirs =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "machine-trainer"}});
    cluster.api.create("/api/v1/namespaces/demo/serviceaccounts", theirs);
    let operator = cluster.operator();
    for _ in 0..3 {
        assert_eq!(cluster.pass(&operator).await.unwrap_err().reason(), "Refused");
    }
    let told = cluster.status();
    assert_eq!(told.training, None, "nothing runs");
    cluster.api.requests();
    for _ in 0..3 {
        assert_eq!(cluster.pass(&operator).await.unwrap_err().reason(), "Refused");
    }
    assert_eq!(writes(&cluster.api.requests()), Vec::<&str>::new());
    assert_eq!(cluster.status(), told);
}

#[tokio::test]
async fn no_job_is_made_before_its_role() {
    let cluster = Cluster::new();
    cluster.api.refuse("/rolebindings/machine-trainer", "no");
    cluster.pass(&cluster.operator()).await.unwrap_err();
    let requests = cluster.api.requests();
    assert!(
        !requests.iter().any(|request| request.starts_with("POST ") && request.ends_with("/jobs")),
        "{requests:#?}"
    );
}

#[tokio::test]
async fn a_missing_config_map_is_a_condition_and_heals_when_it_appears() {
    let cluster = Cluster::new();
    let data = cluster.api.get("/configmaps/data").unwrap();
    cluster.api.delete("/configmaps/data");
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("Trained"), "False SourceNotFound");
    cluster.api.create(CONFIG_MAPS, data);
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("Ready"), "True AsSpecified");
}

#[tokio::test]
async fn secrets_are_not_even_read_where_that_is_forbidden() {
    let cluster = Cluster::new();
    let operator = cluster.operator_with(|settings| settings.secrets = SecretsAccess::None);
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("Exposed"), "False SecretRequired");
    let requests = cluster.api.requests();
    assert!(!requests.iter().any(|request| request.contains("/secrets")), "{requests:#?}");
    assert_eq!(cluster.api.get("/ingresses/machine"), None);
}

#[tokio::test]
async fn revisions_that_lost_their_owner_are_adopted_and_nothing_is_trained_again() {
    let cluster = Cluster::new();
    cluster.converge(&cluster.operator()).await;
    // A backup restores objects with new UIDs and without owners; Jobs are not part of it.
    let model = cluster.api.get("/anomalymodels/machine").unwrap();
    let revision = cluster.api.objects().into_iter().find(|(path, _)| path.contains("/machine-r-")).unwrap();
    cluster.api.delete("/anomalymodels/machine");
    assert_eq!(cluster.api.get(&revision.0), None, "it went with its owner");
    let mut restored = revision.1;
    restored["metadata"].as_object_mut().unwrap().remove("ownerReferences");
    cluster.api.create(CONFIG_MAPS, restored);
    cluster.api.create(crate::support::MODELS, json!({
        "apiVersion": model["apiVersion"], "kind": model["kind"], "metadata": {"name": "machine"}, "spec": model["spec"],
    }));
    cluster.api.requests();
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("Ready"), "True AsSpecified");
    let requests = cluster.api.requests();
    assert!(!requests.iter().any(|request| request.ends_with("/jobs")), "{requests:#?}");
    let uid = &cluster.api.get("/anomalymodels/machine").unwrap()["metadata"]["uid"];
    assert_eq!(&cluster.api.get(&revision.0).unwrap()["metadata"]["ownerReferences"][0]["uid"], uid);
}

#[tokio::test]
async fn a_bad_roll_out_is_rejected_before_the_deployment_goes_back() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    let good = cluster.status().revision.unwrap().current.unwrap();
    cluster.api.edit("/anomalymodels/machine", |model| {
        model["spec"]["detector"]["isolationForest"]["seed"] = 17.into()
    });
    let serves = |revision: &str| {
        cluster.api.get("/deployments/machine").unwrap()["spec"].to_string().contains(revision)
    };
    while serves(&good) {
        cluster.pass(&operator).await.unwrap();
        if serves(&good) {
            cluster.kubernetes();
        }
    }
    let bad = cluster
        .api
        .objects()
        .keys()
        .find(|p| p.contains("/machine-r-") && !p.ends_with(&good))
        .cloned()
        .unwrap();
    cluster.api.edit("/deployments/machine", |live| {
        live["status"] = json!({
            "observedGeneration": live["metadata"]["generation"], "replicas": 3, "updatedReplicas": 1, "readyReplicas": 2,
            "availableReplicas": 2,
            "conditions": [{
                "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out",
            }],
        });
    });
    cluster.api.requests();
    while !serves(&good) {
        cluster.pass(&operator).await.unwrap();
    }
    let requests = cluster.api.requests();
    let at = |end: &str| writes(&requests).iter().position(|request| request.ends_with(end)).unwrap();
    assert!(at(&bad) < at("/deployments/machine"), "{requests:#?}");
    cluster.converge(&operator).await;
    assert!(serves(&good), "the bad revision is not tried again");
}

#[tokio::test]
async fn a_revision_that_the_watch_does_not_show_is_not_trained_again() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.pass(&operator).await.unwrap();
    cluster.show_all(&operator);
    cluster.kubernetes();
    let (job, _) = cluster.api.objects().into_iter().find(|(path, _)| path.contains("/jobs/")).unwrap();
    cluster.api.edit(&job, |job| job["status"]["completionTime"] = a_minute_ago().into());
    cluster.api.requests();
    cluster.show_all_but(&operator, "configmaps");
    cluster.pass_blindly(&operator).await.unwrap();
    let requests = cluster.api.requests();
    assert!(!writes(&requests).iter().any(|r| r.contains("/jobs")), "{requests:#?}");
    assert!(writes(&requests).iter().any(|r| r.ends_with("/deployments/machine")), "{requests:#?}");
}

fn a_minute_ago() -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(1)).to_string()
}

#[tokio::test]
async fn a_model_made_again_waits_for_what_the_former_one_left_and_uses_none_of_its_names() {
    let cluster = Cluster::new();
    let operator = cluster.operator();
    cluster.converge(&operator).await;
    let before = cluster.api.objects();
    cluster.api.edit("/anomalymodels/machine", |model| {
        model["metadata"]["uid"] = "uid-of-the-second".into();
        model["status"] = Value::Null;
    });
    cluster.api.requests();
    assert_eq!(cluster.pass(&operator).await.unwrap_err().reason(), "Conflict");
    assert_eq!(writes(&cluster.api.requests()), [format!("PATCH {MODELS}/machine/status")]);
    assert!(!cluster.condition("Ready").contains("NameConflict"), "{}", cluster.condition("Ready"));

    // The children of Jobs are the last to be collected.
    for path in before.keys().filter(|path| path.contains("machine") && !path.contains("anomalymodels")) {
        if !path.contains("/configmaps/machine-t-") {
            cluster.api.delete_alone(path);
        }
    }
    cluster.converge(&operator).await;
    assert_eq!(cluster.condition("Ready"), "True AsSpecified");
    let jobs: Vec<String> = cluster.api.objects().into_keys().filter(|p| p.contains("/jobs/")).collect();
    assert!(jobs.len() == 1 && jobs[0].ends_with("-2") && !before.contains_key(&jobs[0]), "{jobs:?}");
}
