use jiff::SignedDuration;

use super::*;
use crate::fixtures::World;
use crate::observed::JobState;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn decision(world: &World) -> Decision {
    decide(&world.validated(), &world.observed, &world.settings, None)
}

fn started(world: &World) -> Option<String> {
    decision(world).start.map(|run| run.job)
}

fn short(world: &World) -> String {
    names::short_key(&world.validated().training.unwrap().key).to_owned()
}

#[test]
fn a_new_model_is_trained_at_once_and_once() {
    let world = World::new();
    assert_eq!(started(&world), Some(format!("machine-t-{}-1", short(&world))));
    let world = world.reconciled();
    let next = decision(&world);
    assert_eq!(next.start, None);
    assert!(matches!(next.state, State::Running { attempt: 1, .. }), "{:?}", next.state);
}

#[test]
fn a_key_with_a_revision_is_never_trained_again() {
    let world = World::ready();
    assert!(matches!(decision(&world).state, State::Done { .. }));
    let world = world.jobs_expired().later(HOUR * 1_000);
    assert!(matches!(decision(&world).state, State::Done { .. }));
}

#[test]
fn what_does_not_determine_the_model_does_not_train() {
    let world = World::ready().edited(|spec| {
        spec.serving.replicas = 5;
        spec.training.as_mut().unwrap().min_rows = 7;
        spec.training.as_mut().unwrap().revision_history_limit = 9;
        spec.training.as_mut().unwrap().resources = serde_yaml::from_str("{limits: {memory: 2Gi}}").unwrap();
    });
    let mut other_images = world;
    other_images.settings.trainer_image = "elsewhere/trainer:2".into();
    other_images.settings.server_image = "elsewhere/server:2".into();
    assert!(matches!(decision(&other_images).state, State::Done { .. }));
}

#[test]
fn a_changed_spec_trains_while_the_job_before_it_ends_first() {
    let world = World::new().reconciled().seed(17);
    let obsolete = decision(&world);
    assert_eq!((obsolete.start, obsolete.delete.len()), (None, 1));
    assert!(matches!(obsolete.state, State::Waiting { .. }));
    let mut world = world.reconciled();
    world.observed.terminating_jobs = obsolete.delete;
    assert_eq!(started(&world), None);
    world.observed.terminating_jobs.clear();
    assert_eq!(started(&world), Some(format!("machine-t-{}-1", short(&world))));
}

#[test]
fn a_job_that_has_just_published_is_left_to_end() {
    let mut world = World::new().reconciled().published(980);
    world.observed.jobs[0].state = JobState::Active;
    assert_eq!(decision(&world).delete, Vec::<String>::new());
    assert!(matches!(decision(&world).state, State::Done { .. }));
}

#[test]
fn going_back_to_a_spec_that_was_trained_before_trains_nothing() {
    let world = World::ready().seed(17).reconciled().published(980).reconciled().rolled_out().reconciled();
    let back = world.seed(16);
    assert!(matches!(decision(&back).state, State::Done { .. }));
    assert_eq!(started(&back), None);
}

#[test]
fn changed_data_rests_for_half_a_minute_when_there_is_something_to_serve() {
    let changed = World::ready().data("sha256:9");
    let waiting = decision(&changed);
    assert_eq!((waiting.state, waiting.start), (State::Settling, None));
    assert_eq!(waiting.look_again_at, Some(changed.observed.now + SignedDuration::from_secs(30)));
    assert!(started(&changed.later(SignedDuration::from_secs(30))).is_some());
}

#[test]
fn changed_data_is_trained_on_at_once_when_there_is_nothing_to_serve() {
    assert!(started(&World::new().data("sha256:9")).is_some());
}

#[test]
fn a_full_queue_lets_nothing_start_and_is_asked_again() {
    let mut world = World::new();
    world.observed.training_slot_free = false;
    let queued = decision(&world);
    assert_eq!((queued.state, queued.start), (State::Queued, None));
    assert!(queued.look_again_at.is_some());
}

#[test]
fn suspending_deletes_the_running_job_and_starts_none() {
    let world = World::new().reconciled().edited(|spec| spec.suspend = true);
    let suspended = decision(&world);
    assert_eq!((suspended.state, suspended.delete.len(), suspended.start), (State::Suspended, 1, None));
    let resumed = world.reconciled().edited(|spec| spec.suspend = false);
    assert_eq!(started(&resumed), Some(format!("machine-t-{}-2", short(&resumed))));
}

#[test]
fn a_suspended_model_that_is_trained_misses_nothing() {
    let world = World::ready().edited(|spec| spec.suspend = true);
    assert!(matches!(decision(&world).state, State::Done { .. }));
}

#[test]
fn faults_of_the_input_wait_for_a_change() {
    let world = World::new().reconciled().too_few_rows().reconciled();
    let failed = decision(&world);
    assert!(matches!(&failed.state, State::Failed(f) if f.retry_at.is_none() && f.reason == "TooFewRows"));
    assert_eq!(failed.look_again_at, None);
    assert_eq!(started(&world.clone().later(HOUR * 100)), None);
    for changed in [
        world.clone().data("sha256:9"),
        world.clone().edited(|spec| spec.training.as_mut().unwrap().min_rows = 20),
        world.clone().retrain("please"),
        world.seed(17),
    ] {
        assert!(started(&changed).is_some());
    }
}

#[test]
fn other_failures_are_tried_again_later_and_later() {
    let mut world = World::new();
    for attempt in 1..=9 {
        world = world.reconciled().failed("InternalError", "out of memory", false).reconciled();
        let State::Failed(failure) = decision(&world).state else { panic!("{:?}", decision(&world).state) };
        assert_eq!(failure.attempt, attempt);
        let at = failure.retry_at.unwrap();
        assert_eq!(started(&world.clone().later(at.duration_since(world.observed.now) - MINUTE)), None);
        let pause = at.duration_since(world.observed.now);
        world = world.later(pause);
    }
    assert_eq!(world.observed.jobs.len(), 9);
}

#[test]
fn pauses_double_from_five_minutes_to_six_hours() {
    let minutes = |attempt| back_off(attempt, "uid").as_mins();
    let exact: Vec<i64> = (1..=9).map(|n| [5, 10, 20, 40, 80, 160, 320, 360, 360][n - 1]).collect();
    for (attempt, exact) in (1..=9).zip(exact) {
        assert!((exact..=exact + exact / 10).contains(&minutes(attempt)), "{attempt}: {}", minutes(attempt));
    }
    assert_eq!(back_off(i64::MAX, "uid"), back_off(9, "uid"));
}

#[test]
fn models_that_fail_together_do_not_come_back_together() {
    let pauses: std::collections::BTreeSet<_> =
        (0..20).map(|n| back_off(3, &n.to_string()).as_secs()).collect();
    assert!(pauses.len() > 15, "{pauses:?}");
    assert_eq!(back_off(3, "same"), back_off(3, "same"));
}

#[test]
fn what_a_failed_job_taught_outlives_the_job() {
    let input = World::new().reconciled().too_few_rows().reconciled().jobs_expired().later(HOUR * 25);
    assert!(matches!(decision(&input).state, State::Failed(_)));

    let other = World::new().reconciled().failed("InternalError", "boom", false).reconciled().jobs_expired();
    assert!(matches!(decision(&other).state, State::Failed(_)));
    let due = other.later(HOUR);
    let again = decision(&due);
    assert_eq!(again.start.unwrap().job, format!("machine-t-{}-2", short(&due)));
    assert_eq!(again.record.attempt, Some(2));
}

#[test]
fn a_job_that_was_made_just_before_a_crash_is_counted() {
    // The Job exists; the status that would speak of it was never written.
    let mut world = World::new().reconciled();
    std::sync::Arc::make_mut(&mut world.observed.model).status = None;
    let after = decision(&world);
    assert_eq!((after.start, after.record.attempt), (None, Some(1)));
    let failed = decision(&world.failed("InternalError", "boom", false));
    assert!(matches!(failed.state, State::Failed(f) if f.attempt == 1 && f.retry_at.is_some()));
}

#[test]
fn an_active_job_that_lost_its_input_gets_it_back() {
    let mut world = World::new().reconciled();
    world.observed.jobs[0].has_input = false;
    let (uid, input) = world.plan().missing_input.unwrap();
    assert_eq!(uid, world.observed.jobs[0].uid);
    assert_eq!(input.metadata.name.as_ref(), Some(&world.observed.jobs[0].name));
}

#[test]
fn a_deleted_job_is_made_again_under_another_name() {
    let mut world = World::new().reconciled();
    world.observed.jobs.clear();
    assert_eq!(started(&world), Some(format!("machine-t-{}-2", short(&world))));
}

#[test]
fn a_name_that_a_former_model_left_behind_is_not_used() {
    let mut world = World::new();
    let first = started(&world).unwrap();
    world.observed.names_taken = vec![first];
    assert_eq!(started(&world), Some(format!("machine-t-{}-2", short(&world))));
}

#[test]
fn a_deleted_revision_is_trained_again_under_another_name() {
    let mut world = World::ready().jobs_expired();
    world.observed.revisions.clear();
    std::sync::Arc::make_mut(&mut world.observed.model).status.as_mut().unwrap().training = None;
    // The Deployment's template still names the first one.
    assert_eq!(started(&world), Some(format!("machine-t-{}-2", short(&world))));
}

#[test]
fn a_revision_that_is_not_seen_yet_is_waited_for() {
    let mut world = World::new().reconciled().published(980);
    world.observed.revisions.clear();
    let waits = decision(&world);
    assert!(matches!(waits.state, State::Publishing { .. }));
    assert_eq!(waits.start, None);
    assert!(started(&world.later(MINUTE)).is_some());
}

#[test]
fn every_new_value_of_the_annotation_trains_once() {
    let world = World::ready().retrain("1");
    assert!(started(&world).is_some());
    let world = world.reconciled().published(990).reconciled();
    assert!(matches!(decision(&world).state, State::Done { .. }));
    let world = world.jobs_expired().later(HOUR * 48);
    assert_eq!(started(&world), None);
    assert!(started(&world.retrain("2")).is_some());
}

#[test]
fn a_retraining_that_fails_is_tried_again_although_a_revision_exists() {
    let world = World::ready().retrain("1").reconciled().failed("InternalError", "boom", false).reconciled();
    assert!(matches!(decision(&world).state, State::Failed(_)));
    assert!(started(&world.later(HOUR)).is_some());
}

#[test]
fn data_that_cannot_be_read_starts_nothing_and_forgets_nothing() {
    let mut world = World::ready();
    let before = world.status().training;
    world.observed.source = Source::NotFound { name: "data".into() };
    let nothing = decision(&world);
    assert_eq!((nothing.state, nothing.start, nothing.delete.len()), (State::NoData, None, 0));
    assert_eq!(Some(nothing.record), before);
}

#[test]
fn a_rejected_revision_is_not_trained_again_unless_somebody_asks() {
    let mut world = World::ready().seed(17).reconciled().published(980).reconciled();
    world.observed.revisions[1].rejected = true;
    assert!(matches!(decision(&world).state, State::Rejected { .. }));
    assert_eq!(started(&world), None);
    assert!(started(&world.retrain("once more")).is_some());
}
