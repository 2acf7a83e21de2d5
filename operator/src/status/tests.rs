//! The condition table: one row a state.

use std::sync::Arc;

use api::labels;
use detectors::description::Warning;

use super::*;
use crate::fixtures::{World, table};
use crate::observed::{Auth, IngressClass, PodProblem, Source};
use crate::outcome::Problem;

mod exposure;
mod invalid;
mod tls;

const TRAEFIK: &str = "traefik.io/ingress-controller";

/// The table of a model that was exposed when it was ready, in the state that `change` brings about.
fn row(change: impl FnOnce(World) -> World) -> String {
    table(&change(exposed()).reconciled().status())
}

/// Trained, rolled out, exposed with TLS, at rest.
fn exposed() -> World {
    tls(World::ready().exposed(TRAEFIK)).reconciled().rolled_out().reconciled()
}

fn tls(world: World) -> World {
    world.edited(|spec| {
        spec.ingress.as_mut().unwrap().tls = Some(serde_yaml::from_str("{secretName: tls}").unwrap())
    })
}

fn message(world: &World, type_: &str) -> String {
    world.status().conditions.iter().find(|c| c.type_ == type_).unwrap().message.clone()
}

#[test]
fn the_first_training_runs() {
    let world = tls(World::new().exposed(TRAEFIK)).reconciled().reconciled();
    let expected = "Ready False Training\nServing False NoRevision\nTrained Unknown Training\n\
                    Progressing True Training\nExposed False WaitingForRevision";
    assert_eq!(table(&world.status()), expected);
}

#[test]
fn all_as_the_spec_says() {
    let expected = "Ready True AsSpecified\nServing True PodsReady\nTrained True AsSpecified\n\
                    Progressing False Idle\nExposed True AuthenticatedByIngress";
    assert_eq!(row(|world| world), expected);
}

#[test]
fn a_changed_spec_trains() {
    let expected = "Ready False Updating\nServing True PodsReady\nTrained Unknown Training\n\
                    Progressing True Updating\nExposed True AuthenticatedByIngress";
    assert_eq!(row(|world| world.seed(17)), expected);
    assert_eq!(row(|world| world.seed(17).reconciled()), expected);
}

#[test]
fn a_changed_spec_rolls_out() {
    let expected = "Ready False Updating\nServing True PodsReady\nTrained Unknown RollingOut\n\
                    Progressing True RollingOut\nExposed True AuthenticatedByIngress";
    assert_eq!(row(|world| world.seed(17).reconciled().published(980)), expected);
    assert_eq!(row(|world| world.seed(17).reconciled().published(980).reconciled()), expected);
    let done = row(|world| world.seed(17).reconciled().published(980).reconciled().rolled_out());
    assert!(done.starts_with("Ready True AsSpecified"), "{done}");
}

#[test]
fn the_same_is_trained_again() {
    let expected = "Ready True AsSpecified\nServing True PodsReady\nTrained True Retraining\n\
                    Progressing True Retraining\nExposed True AuthenticatedByIngress";
    assert_eq!(row(|world| world.retrain("1")), expected);
    assert_eq!(row(|world| world.retrain("1").reconciled()), expected);
}

#[test]
fn a_retrained_revision_rolls_out_and_takes_nothing_away() {
    let expected = "Ready True AsSpecified\nServing True PodsReady\nTrained True AsSpecified\n\
                    Progressing True RollingOut\nExposed True AuthenticatedByIngress";
    assert_eq!(row(|world| world.retrain("1").reconciled().published(980)), expected);
    assert_eq!(row(|world| world.retrain("1").reconciled().published(980).reconciled()), expected);
}

#[test]
fn a_retraining_of_the_same_failed() {
    let expected = "Ready True AsSpecified\nServing True PodsReady\nTrained False InternalError\n\
                    Progressing False TrainingFailed\nExposed True AuthenticatedByIngress";
    let failed = |world: World| world.retrain("1").reconciled().failed("InternalError", "boom", false);
    assert_eq!(row(failed), expected);
}

#[test]
fn a_training_of_a_changed_spec_failed() {
    let expected = "Ready False TrainingFailed\nServing True PodsReady\nTrained False TooFewRows\n\
                    Progressing False TrainingFailed\nExposed True AuthenticatedByIngress";
    assert_eq!(row(|world| world.seed(17).reconciled().too_few_rows()), expected);
    assert_eq!(row(|world| world.seed(17).reconciled().too_few_rows().reconciled().jobs_expired()), expected);
}

#[test]
fn scaled_to_zero() {
    let expected = "Ready True ScaledToZero\nServing False ScaledToZero\nTrained True AsSpecified\n\
                    Progressing False Idle\nExposed True AuthenticatedByIngress";
    let zero = |world: World| world.edited(|spec| spec.serving.replicas = 0).reconciled().rolled_out();
    assert_eq!(row(zero), expected);
}

#[test]
fn what_a_revision_warns_of_is_the_reason_of_trained_if_it_changes_what_a_verdict_means() {
    let warned = |reasons: &[&str]| {
        let mut world = World::ready();
        let warning = |reason: &&str| Warning { reason: (*reason).to_owned(), message: "of 980".to_owned() };
        world.observed.revisions[0].description.warnings = reasons.iter().map(warning).collect();
        let world = world.reconciled();
        let expected = reasons.iter().map(|reason| format!("; {reason}: of 980")).collect::<String>();
        assert!(message(&world, "Trained").ends_with(&expected), "{}", message(&world, "Trained"));
        table(&world.status())
    };
    let row = |reason: &str| {
        format!(
            "Ready True AsSpecified\nServing True PodsReady\nTrained True {reason}\nProgressing False Idle"
        )
    };
    for reason in ["NoSplits", "TiedScores", "NotCalibrated"] {
        assert_eq!(warned(&["ConstantColumns", reason]), row(reason));
    }
    assert_eq!(warned(&["PrecisionLoss", "DriftNotMeasured"]), row("AsSpecified"));
    assert_eq!(warned(&["TiedScores", "NoSplits"]), row("NoSplits"), "the cause before what comes of it");
}

#[test]
fn what_was_not_asked_for_has_no_condition() {
    let expected =
        "Ready True AsSpecified\nServing True PodsReady\nTrained True AsSpecified\nProgressing False Idle";
    assert_eq!(table(&World::ready().status()), expected);
    let closed = row(|world| {
        let mut world = world.edited(|spec| spec.ingress = None).reconciled().rolled_out();
        (world.observed.auth, world.observed.ingress_class) = (Auth::NotAsked, None);
        world
    });
    assert_eq!(closed, expected);
}

#[test]
fn of_many_keys_the_first_are_told() {
    let mut world = World::new();
    let present = (0..3_500).map(|i| format!("k{i:04}{}", "x".repeat(240))).collect();
    world.observed.source = Source::KeyNotFound { name: "data".into(), key: "train.csv".into(), present };
    let status = world.reconciled().status();
    for condition in &status.conditions {
        assert!(condition.message.len() < 4_096, "{}", condition.type_);
    }
    let trained = status.conditions.iter().find(|c| c.type_ == api::conditions::TRAINED).unwrap();
    assert!(trained.message.contains(" and 3490 more: add it"), "{}", trained.message);
}

#[test]
fn missing_data_is_said_and_what_serves_goes_on() {
    let mut world = World::new();
    world.observed.source = Source::NotFound { name: "data".into() };
    let world = world.reconciled();
    let expected = "Ready False SourceNotFound\nServing False NoRevision\nTrained False SourceNotFound\n\
                    Progressing False SourceNotFound";
    assert_eq!(table(&world.status()), expected);
    assert!(message(&world, "Ready").starts_with("ConfigMap demo/data does not exist: create it"));

    let key = Source::KeyNotFound {
        name: "data".into(),
        key: "train.csv".into(),
        present: vec!["a".into(), "b".into()],
    };
    let gone = row(|mut world| {
        world.observed.source = key;
        world
    });
    let expected = "Ready False SourceKeyNotFound\nServing True PodsReady\nTrained Unknown SourceKeyNotFound\n\
                    Progressing False SourceKeyNotFound\nExposed True AuthenticatedByIngress";
    assert_eq!(gone, expected);
}

#[test]
fn a_failed_training_says_why_and_what_comes_next() {
    let world = World::new().reconciled().too_few_rows().reconciled();
    let text = message(&world, "Trained");
    assert!(
        text.starts_with("20 of at least 32 rows in ConfigMap demo/data key train.csv (attempt 1 in Job "),
        "{text}"
    );
    assert!(text.ends_with("it is tried again when the data or the spec changes)"), "{text}");
    let world =
        World::new().reconciled().failed("OOMKilled", "the pod ran out of memory", false).reconciled();
    assert!(message(&world, "Trained").contains("the next follows at 2026-01-01T00:05:"));
    let training = world.status().training.unwrap();
    assert_eq!((training.last_reason.as_deref(), training.attempt), (Some("OOMKilled"), Some(1)));
}

#[test]
fn queued_suspended_and_resting_data_are_told_apart() {
    let mut queued = World::new();
    queued.observed.training_slot_free = false;
    let ready_trained = |world: World| table(&world.reconciled().status()).replace('\n', ", ");
    assert_eq!(
        ready_trained(queued),
        "Ready False Training, Serving False NoRevision, Trained Unknown Queued, Progressing True Queued"
    );
    assert_eq!(
        ready_trained(World::ready().data("sha256:9")),
        "Ready False Updating, Serving True PodsReady, Trained Unknown DataChanging, Progressing True DataChanging"
    );
    assert_eq!(
        ready_trained(World::new().edited(|spec| spec.suspend = true)),
        "Ready False Suspended, Serving False NoRevision, Trained Unknown Suspended, Progressing False Suspended"
    );
    assert_eq!(
        ready_trained(World::ready().edited(|spec| spec.suspend = true)),
        "Ready True AsSpecified, Serving True PodsReady, Trained True AsSpecified, Progressing False Idle"
    );
}

#[test]
fn a_training_pod_that_does_not_start_is_said() {
    let mut world = World::new().reconciled();
    let problem = PodProblem { training: true, reason: "Unschedulable".into(), message: "0/1 nodes".into() };
    world.observed.pod_problems = vec![problem];
    let world = world.reconciled();
    let expected = "Ready False Training\nServing False NoRevision\nTrained Unknown PodBlocked\n\
                    Progressing True PodBlocked";
    assert_eq!(table(&world.status()), expected);
    assert!(message(&world, "Ready").contains("Unschedulable: 0/1 nodes"));
}

#[test]
fn scoring_pods_that_do_not_start_are_said() {
    let mut world = World::new().reconciled().published(980).reconciled();
    let problem =
        PodProblem { training: false, reason: "ImagePullBackOff".into(), message: "no such image".into() };
    world.observed.pod_problems = vec![problem];
    let world = world.reconciled();
    let expected = "Ready False RollingOut\nServing False NoReadyPods\nTrained Unknown RollingOut\n\
                    Progressing True RollingOut";
    assert_eq!(table(&world.status()), expected);
    for type_ in ["Ready", "Serving", "Progressing"] {
        assert!(message(&world, type_).contains("ImagePullBackOff: no such image"), "{type_}");
    }
}

#[test]
fn a_lost_pod_is_no_roll_out() {
    let mut world = World::ready();
    let live = world.observed.deployment.as_mut().unwrap();
    (live.ready, live.available) = (1, 1);
    let world = world.reconciled();
    let expected = "Ready False PodsNotReady\nServing True PodsReady\nTrained True AsSpecified\n\
                    Progressing True PodsNotReady";
    assert_eq!(table(&world.status()), expected);
    assert_eq!(world.status().serving.as_deref(), Some("1/2"));
}

#[test]
fn a_roll_out_that_fails_goes_back_and_says_so() {
    let going_back = World::ready().seed(17).reconciled().published(980).reconciled().stalled().reconciled();
    let expected = "Ready False RollOutFailed\nServing True PodsReady\nTrained False RollOutFailed\n\
                    Progressing True RollingOut";
    assert_eq!(table(&going_back.status()), expected);
    assert!(message(&going_back, "Progressing").contains("goes back to"));
    let back = going_back.reconciled().rolled_out().reconciled();
    let expected = "Ready False RollOutFailed\nServing True PodsReady\nTrained False RollOutFailed\n\
                    Progressing False RollOutFailed";
    assert_eq!(table(&back.status()), expected);
}

#[test]
fn a_first_roll_out_that_fails_says_so_and_stays() {
    let world = World::new().reconciled().published(980).reconciled().stalled().reconciled();
    let expected = "Ready False RollOutFailed\nServing False NoReadyPods\nTrained Unknown RollingOut\n\
                    Progressing False RollOutFailed";
    assert_eq!(table(&world.status()), expected);
}

#[test]
fn an_object_of_somebody_else_is_a_name_conflict() {
    let mut world = World::ready();
    let object = Problem { object: "Service demo/machine".into(), message: "belongs to nobody".into() };
    world.applied.conflicts = vec![object];
    let world = world.reconciled();
    let expected = "Ready False NameConflict\nServing True PodsReady\nTrained True AsSpecified\n\
                    Progressing False NameConflict";
    assert_eq!(table(&world.status()), expected);
    assert_eq!(message(&world, "Ready"), "Service demo/machine: belongs to nobody");
}

#[test]
fn a_refused_write_is_said_and_tried_again() {
    let mut world = World::ready();
    world.applied.failures =
        vec![Problem { object: "Deployment demo/machine".into(), message: "quota".into() }];
    let expected = "Ready False ApplyFailed\nServing True PodsReady\nTrained True AsSpecified\n\
                    Progressing True ApplyFailed";
    assert_eq!(table(&world.reconciled().status()), expected);
}

#[test]
fn a_job_that_was_refused_is_not_recorded_as_made() {
    let mut world = World::new();
    let job = world.plan().start.unwrap().job.metadata.name.unwrap();
    world.applied.failures = vec![Problem { object: format!("Job demo/{job}"), message: "quota".into() }];
    let world = world.reconciled();
    assert_eq!(world.status().training, None);
    assert_eq!(message(&world, "Trained"), format!("Job demo/{job}: quota"));
}

#[test]
fn paused_reports_and_writes_nothing() {
    let mut new = World::new().annotated(labels::PAUSED, "true");
    new.applied.paused = true;
    let new = new.reconciled();
    let expected =
        "Ready False Paused\nServing False NoRevision\nTrained Unknown Paused\nProgressing False Paused";
    assert_eq!(table(&new.status()), expected);
    assert_eq!(new.status().training, None);
    let mut ready = World::ready().annotated(labels::PAUSED, "true");
    ready.applied.paused = true;
    let expected = "Ready True AsSpecified\nServing True PodsReady\nTrained True AsSpecified\n\
                    Progressing False Paused";
    assert_eq!(table(&ready.reconciled().status()), expected);
}

#[test]
fn equal_facts_give_an_equal_status_however_much_time_passes() {
    for world in
        [World::ready(), exposed(), World::new().reconciled(), World::new().reconciled().too_few_rows()]
    {
        let settled = world.reconciled();
        let later = settled.clone().later(jiff::SignedDuration::from_hours(2)).reconciled();
        assert_eq!(later.status(), settled.status());
        let stored: AnomalyModelStatus = serde_json::from_value(serde_json::json!(settled.status())).unwrap();
        assert_eq!(stored, settled.status());
    }
}

#[test]
fn the_transition_time_moves_only_on_a_flip() {
    let times = |world: &World| -> Vec<_> {
        world.status().conditions.into_iter().map(|c| (c.type_, c.last_transition_time)).collect()
    };
    let ready = World::ready();
    let later = ready.clone().later(jiff::SignedDuration::from_hours(1)).seed(17).reconciled();
    let moved: Vec<String> = (times(&ready).into_iter().zip(times(&later)))
        .filter(|(before, after)| before.1 != after.1)
        .map(|(before, _)| before.0)
        .collect();
    assert_eq!(moved, ["Ready", "Trained", "Progressing"]);
}

#[test]
fn a_new_generation_is_seen_in_every_condition_at_once() {
    let status = World::ready().edited(|spec| spec.serving.replicas = 3).reconciled().status();
    assert_eq!(status.observed_generation, Some(2));
    assert!(status.conditions.iter().all(|c| c.observed_generation == Some(2)));
}

#[test]
fn a_changed_deployment_is_not_ready_before_it_was_seen_again() {
    let world = World::ready().edited(|spec| {
        spec.serving.resources = serde_yaml::from_str("{limits: {memory: 256Mi}}").unwrap();
    });
    let status = table(&world.reconciled().status());
    assert!(
        status.starts_with("Ready False Updating") && status.contains("Progressing True RollingOut"),
        "{status}"
    );
}

#[test]
fn status_has_what_kubectl_shows() {
    let status = exposed().status();
    insta::assert_yaml_snapshot!(status);
}

#[test]
fn a_pass_that_was_cut_short_claims_nothing_that_it_did_not_do() {
    let cut_short = |world: &World| {
        let (plan, applied) = (world.plan(), Applied::default());
        status(&world.observed, &Outcome::Applied { plan: &plan, applied: &applied })
    };
    let new = cut_short(&World::new());
    assert_eq!((new.training.clone(), table(&new).contains("Trained Unknown Training")), (None, true));
    let first = cut_short(&tls(World::ready().exposed(TRAEFIK)));
    assert!(table(&first).contains("Exposed False ApplyFailed"), "{}", table(&first));
    // A spec that changed is not ready before its Deployment is written; one that was ready stays so.
    let changed = World::ready().edited(|spec| {
        spec.serving.resources = serde_yaml::from_str("{limits: {memory: 256Mi}}").unwrap();
    });
    assert!(table(&cut_short(&changed)).starts_with("Ready False Updating"));
    assert_eq!(table(&cut_short(&exposed())), table(&exposed().status()));
}
