use std::sync::Arc;

use super::*;
use crate::fixtures::World;

fn chosen(world: &World) -> Choice {
    choose(&world.validated(), &world.observed)
}

/// Trained and rolled out with each of these seeds, one after the other.
fn trained(seeds: &[u64]) -> World {
    seeds.iter().fold(World::ready(), |world, seed| {
        let pause = jiff::SignedDuration::from_hours(1);
        world.later(pause).seed(*seed).reconciled().published(980).reconciled().rolled_out().reconciled()
    })
}

fn names(world: &World) -> Vec<String> {
    world.observed.revisions.iter().map(|r| r.name.clone()).collect()
}

#[test]
fn nothing_is_served_before_the_first_revision() {
    assert_eq!(chosen(&World::new()), Choice::default());
}

#[test]
fn only_a_revision_of_the_current_spec_is_promoted() {
    let world = World::ready();
    let first = names(&world).remove(0);
    // Another spec trains, and a revision of a third one appears.
    let mut world = world.seed(17).reconciled();
    let stray = Revision {
        name: "machine-r-00000000-1".into(),
        key: "0".repeat(64),
        ..world.observed.revisions[0].clone()
    };
    world.observed.revisions.push(stray);
    let choice = chosen(&world);
    assert_eq!((choice.latest, choice.serve), (None, Some(first)));
}

#[test]
fn of_one_spec_the_newest_revision_is_served() {
    let world = World::ready().retrain("1").reconciled().published(990);
    let newest = names(&world).remove(1);
    assert_eq!(chosen(&world).serve, Some(newest));
}

#[test]
fn going_back_to_a_spec_serves_its_revision_at_once() {
    let world = trained(&[17]);
    let first = names(&world).remove(0);
    assert_eq!(chosen(&world.seed(16)).serve, Some(first));
}

#[test]
fn a_deleted_deployment_comes_back_with_what_it_served() {
    let mut world = World::ready().seed(17).reconciled();
    let first = names(&world).remove(0);
    world.observed.deployment = None;
    assert_eq!(chosen(&world).serve, Some(first));
}

#[test]
fn pods_that_run_stay_when_every_revision_is_deleted() {
    let mut world = World::ready();
    let first = names(&world).remove(0);
    world.observed.revisions.clear();
    assert_eq!(chosen(&world).serve, Some(first));
}

#[test]
fn pods_that_run_stay_when_their_revision_is_deleted_although_an_older_one_is_left() {
    let mut world = trained(&[1, 2]);
    world = world.rolled_out();
    let served = world.observed.deployment.as_ref().unwrap().revision.clone();
    world.observed.revisions.retain(|r| r.name != served);
    assert_eq!(chosen(&world).serve.as_deref(), Some(served.as_str()));
    world.observed.deployment.as_mut().unwrap().ready = 0;
    let left = &world.observed.revisions.last().unwrap().name;
    assert_eq!(chosen(&world).serve.as_ref(), Some(left), "better an older revision than none");
}

#[test]
fn a_roll_out_past_its_deadline_goes_back_and_is_not_tried_again() {
    let world = World::ready().seed(17).reconciled().published(980).reconciled().stalled();
    let (first, second) = (names(&world).remove(0), names(&world).remove(1));
    let choice = chosen(&world);
    assert_eq!((choice.reject, choice.serve), (Some(second.clone()), Some(first.clone())));

    let world = world.reconciled().rolled_out().reconciled();
    let choice = chosen(&world);
    assert_eq!((choice.reject, choice.serve, choice.latest), (None, Some(first), None));
    // And no later pass forgets it.
    let world = world.reconciled().reconciled();
    assert!(world.observed.revisions.iter().any(|r| r.name == second && r.rejected));
    assert_eq!(world.plan().start.map(|_| ()), None);
}

#[test]
fn a_retrained_revision_that_fails_goes_back_to_the_one_before_of_the_same_spec() {
    let world = World::ready().retrain("1").reconciled().published(980).reconciled().stalled();
    let first = names(&world).remove(0);
    let world = world.reconciled();
    let choice = chosen(&world);
    assert_eq!((choice.latest, choice.serve), (Some(first.clone()), Some(first)));
}

#[test]
fn the_first_revision_is_never_rejected_because_there_is_nothing_to_go_back_to() {
    let world = World::new().reconciled().published(980).reconciled().stalled();
    assert_eq!(chosen(&world).reject, None);
}

#[test]
fn a_deadline_exceeded_with_the_revision_that_worked_before_rejects_nothing() {
    let world = World::ready().edited(|spec| spec.serving.replicas = 3).reconciled().stalled();
    assert_eq!(chosen(&world).reject, None);
}

#[test]
fn a_deadline_exceeded_by_an_older_template_rejects_nothing() {
    let mut world = World::ready().seed(17).reconciled().published(980).reconciled().stalled();
    world.observed.deployment.as_mut().unwrap().up_to_date = false;
    assert_eq!(chosen(&world).reject, None);
}

#[test]
fn two_revisions_are_kept_besides_the_current_one() {
    let world = trained(&[17, 18, 19, 20]);
    let world = world.reconciled();
    assert_eq!(world.observed.revisions.len(), 3);
    let kept: Vec<_> = world
        .observed
        .revisions
        .iter()
        .map(|r| r.description.detector.isolation_forest.as_ref().unwrap().seed)
        .collect();
    assert_eq!(kept, [18, 19, 20]);
}

#[test]
fn without_history_only_the_current_revision_is_kept() {
    let mut world = trained(&[17]).edited(|spec| spec.training.as_mut().unwrap().revision_history_limit = 0);
    let second = names(&world).remove(1);
    world.reconcile();
    assert_eq!(names(&world), [second]);
}

#[test]
fn nothing_is_forgotten_while_a_roll_out_is_under_way() {
    let mut world =
        trained(&[17, 18]).edited(|spec| spec.training.as_mut().unwrap().revision_history_limit = 0);
    assert_eq!(chosen(&world).prune.len(), 2);
    world.observed.deployment.as_mut().unwrap().available = 1;
    assert_eq!(chosen(&world).prune, Vec::<String>::new());
    world.observed.deployment = None;
    assert_eq!(chosen(&world).prune, Vec::<String>::new());
}

#[test]
fn what_the_live_pods_mount_is_never_forgotten() {
    let mut world =
        trained(&[17, 18]).edited(|spec| spec.training.as_mut().unwrap().revision_history_limit = 0);
    let oldest = names(&world).remove(0);
    world.observed.deployment.as_mut().unwrap().revision.clone_from(&oldest);
    assert!(!chosen(&world).prune.contains(&oldest));
}

#[test]
fn the_revision_that_obeyed_the_annotation_is_kept_so_that_it_is_obeyed_once() {
    let world = trained(&[]).retrain("1").reconciled().published(980).reconciled().rolled_out().reconciled();
    let obeyed = names(&world).remove(1);
    let mut world = world.seed(17).reconciled().published(980).reconciled().rolled_out().reconciled();
    for revision in &mut world.observed.revisions {
        if revision.name != obeyed {
            revision.retrain = None;
        }
    }
    Arc::make_mut(&mut world.observed.model).spec.training.as_mut().unwrap().revision_history_limit = 0;
    assert!(!chosen(&world).prune.contains(&obeyed));
}
