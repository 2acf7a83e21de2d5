use serde_json::json;

use super::*;

fn reduced(kind: Kind, mut live: Value) -> Child {
    for (name, value) in [("namespace", "demo"), ("uid", "1"), ("resourceVersion", "7")] {
        live["metadata"][name] = value.into();
    }
    live["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
    reduce(kind, &live).unwrap()
}

fn job_facts(status: Value) -> Job {
    let annotations = json!({
        labels::FULL_TRAINING_KEY: "abc", labels::INPUTS: "in", labels::REVISION: "m-r-abc-3", labels::RETRAIN: "now",
    });
    let metadata = json!({"name": "m-t-abc-3", "labels": {labels::MODEL: "m"}, "annotations": annotations});
    match reduced(Kind::Job, json!({"metadata": metadata, "status": status})).facts {
        Facts::Job(job) => *job,
        other => panic!("{other:?}"),
    }
}

fn pod_facts(status: Value, job: bool) -> Pod {
    let mut labels = json!({labels::MODEL: "m"});
    if job {
        labels["batch.kubernetes.io/job-name"] = "m-t-abc-3".into();
    }
    let live = json!({"metadata": {"name": "p", "labels": labels}, "status": status});
    match reduced(Kind::Pod, live).facts {
        Facts::Pod(pod) => *pod,
        other => panic!("{other:?}"),
    }
}

fn words(pod: &Pod) -> (&str, &str) {
    let (problem, _) = pod.problem.as_ref().unwrap();
    (&problem.reason, &problem.message)
}

#[test]
fn only_the_owner_that_controls_counts() {
    let owners = json!([
        {"kind": "Other", "name": "o", "uid": "2"},
        {"kind": "AnomalyModel", "name": "m", "uid": "3", "controller": true},
    ]);
    let child = reduced(Kind::Service, json!({"metadata": {"name": "m", "ownerReferences": owners}}));
    assert_eq!(child.owner.unwrap().uid, "3");
    assert_eq!(child.model, "");
    assert!(child.digest.is_some());
}

#[test]
fn content_that_is_not_watched_has_no_digest() {
    for kind in [Kind::Secret, Kind::ConfigMap, Kind::Job, Kind::Pod] {
        assert_eq!(reduced(kind, json!({"metadata": {"name": "m-t-abc-3"}})).digest, None, "{kind:?}");
    }
}

#[test]
fn a_job_has_ended_when_its_conditions_say_so() {
    let job = job_facts(json!({"failed": 1, "active": 0}));
    assert_eq!((job.state, job.attempt, job.retrain.as_deref()), (JobState::Active, 3, Some("now")));
    let at = "2026-01-01T00:05:00Z";
    let complete = json!([{"type": "Complete", "status": "True", "lastTransitionTime": at}]);
    let done = job_facts(json!({"conditions": complete, "completionTime": at}));
    assert_eq!(done.state, JobState::Succeeded { at: at.parse().unwrap() });
    let target = json!([{"type": "FailureTarget", "status": "True", "lastTransitionTime": at}]);
    assert_eq!(job_facts(json!({"conditions": target})).state, JobState::Active, "its pods are still there");
}

#[test]
fn exit_code_2_is_the_inputs_fault_and_the_trainers_words_are_kept() {
    let condition = json!([{
        "type": "Failed", "status": "True", "reason": "PodFailurePolicy", "message": "exit code 2 matching FailJob",
        "lastTransitionTime": "2026-01-01T00:05:00Z",
    }]);
    let mut state = job_facts(json!({ "conditions": condition })).state;
    let said = r#"{"reason":"TooFewRows","message":"20 of at least 32 rows","rows":20,"needed":32}"#;
    explain_failure(&mut state, &End { code: 2, message: said.into(), ..End::default() });
    let JobState::Failed { input_at_fault, result, .. } = state else { panic!("{state:?}") };
    assert!(input_at_fault);
    assert_eq!((result.reason.as_str(), result.rows), ("TooFewRows", Some(20)));
}

#[test]
fn a_training_that_was_killed_names_the_memory_limit() {
    let condition = json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]);
    let mut state = job_facts(json!({ "conditions": condition })).state;
    explain_failure(&mut state, &End { code: 137, reason: "OOMKilled".into(), ..End::default() });
    let JobState::Failed { input_at_fault, result, .. } = state else { panic!("{state:?}") };
    assert!(!input_at_fault && result.message.contains("limits.memory"), "{result:?}");
}

#[test]
fn a_revision_is_read_from_its_metadata() {
    let description = json!({
        "formatVersion": 1, "revision": "m-r-abc-3", "key": "abc", "detector": {"isolationForest": {}}, "features": ["a"],
        "rows": 9, "threshold": -0.5, "thresholdConfig": {}, "flaggedTrainingShare": 0.1, "dataDigest": "", "modelDigest": "",
        "modelBytes": 1,
    });
    let annotations = json!({
        labels::DESCRIPTION: description.to_string(), labels::FULL_TRAINING_KEY: "abc", labels::REJECTED: "true",
        labels::TRAINING_SECONDS: "1.250",
    });
    let mut live = json!({"metadata": {"name": "m-r-abc-3", "annotations": annotations}});
    let Facts::Revision(revision) = reduced(Kind::ConfigMap, live.clone()).facts else { panic!() };
    assert!(revision.rejected && revision.description.rows == 9 && revision.key == "abc");
    assert_eq!(revision.training_seconds, Some(1.25));
    live["metadata"]["annotations"][labels::DESCRIPTION] = "{".into();
    assert_eq!(reduced(Kind::ConfigMap, live).facts, Facts::None, "what cannot be read is no revision");
}

#[test]
fn a_deployment_is_up_to_date_once_its_generation_was_seen() {
    let live = |seen: i64| {
        json!({
            "metadata": {"name": "m", "generation": 4},
            "spec": {"replicas": 2, "template": {"metadata": {"annotations": {labels::REVISION: "r"}}}},
            "status": {"observedGeneration": seen, "updatedReplicas": 2, "conditions": [
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "late"},
                {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"},
            ]},
        })
    };
    let Facts::Deployment(d) = reduced(Kind::Deployment, live(4)).facts else { panic!() };
    assert!(d.up_to_date && d.revision == "r" && d.replicas == 2 && d.updated == 2 && d.ready == 0);
    assert_eq!(
        (d.deadline_exceeded.as_deref(), d.replica_failure.as_deref()),
        (Some("late"), Some("exceeded quota"))
    );
    let Facts::Deployment(d) = reduced(Kind::Deployment, live(3)).facts else { panic!() };
    assert!(!d.up_to_date);
}

#[test]
fn a_pod_that_cannot_be_placed_says_why() {
    let status = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes: insufficient memory",
    }]});
    assert_eq!(words(&pod_facts(status, true)), ("Unschedulable", "0/1 nodes: insufficient memory"));
}

#[test]
fn an_image_that_cannot_be_pulled_is_told_alike_at_every_attempt() {
    let waiting = |reason: &str, message: &str| {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        pod_facts(json!({"containerStatuses": [{"image": "x:1", "state": state}]}), false)
    };
    let told = ("ImagePullBackOff", "cannot pull x:1: not found");
    assert_eq!(words(&waiting("ErrImagePull", "not found")), told);
    let back_off = r#"Back-off pulling image "x:1": ErrImagePull: not found"#;
    assert_eq!(words(&waiting("ImagePullBackOff", back_off)), told);
}

#[test]
fn a_crash_loop_is_told_by_its_end_and_not_by_its_pause() {
    let container = json!({
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting"}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "cannot read /model"}},
    });
    let pod = pod_facts(json!({ "containerStatuses": [container] }), false);
    let message = "the container ends with exit code 1: Error cannot read /model; see its log";
    assert_eq!(words(&pod), ("CrashLoopBackOff", message));
}

#[test]
fn only_scoring_pods_can_be_not_ready_and_what_is_over_is_no_problem() {
    let unready = json!([{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    let running = json!({"phase": "Running", "conditions": unready});
    assert_eq!(words(&pod_facts(running.clone(), false)).0, "NotReady");
    assert_eq!(pod_facts(running, true).problem, None);
    assert_eq!(pod_facts(json!({"phase": "Succeeded", "conditions": unready}), false).problem, None);
}

#[test]
fn the_end_of_a_training_is_kept() {
    let terminated =
        json!({"exitCode": 2, "reason": "Error", "message": "{}", "finishedAt": "2026-01-01T00:00:00Z"});
    let pod = pod_facts(json!({"containerStatuses": [{"state": {"terminated": terminated}}]}), true);
    assert_eq!((pod.job.as_deref(), pod.end.unwrap().code), (Some("m-t-abc-3"), 2));
}
