//! What cannot be honoured, or not even read.

use super::*;
use crate::validate::validate;

#[test]
fn a_bad_spec_stalls_and_leaves_what_runs_alone() {
    let bad = |world: World| {
        let world = world.edited(|spec| spec.detector.isolation_forest.as_mut().unwrap().trees = 0);
        let invalid = validate(&world.observed, &world.settings).unwrap_err();
        status(&world.observed, &Outcome::Invalid(&invalid))
    };
    let status = bad(exposed());
    let expected = "Ready False InvalidSpec\nServing True PodsReady\nTrained Unknown InvalidSpec\n\
                    Progressing False InvalidSpec\nExposed True AuthenticatedByIngress\nStalled True InvalidSpec";
    assert_eq!(table(&status), expected);
    assert!(status.conditions[0].message.starts_with("spec.detector.isolationForest.trees: "));
    assert!(status.conditions.iter().all(|c| c.observed_generation == status.observed_generation));
    assert!(status.revision.unwrap().current.is_some() && status.url.is_some());
    assert!(table(&bad(World::new())).contains("Serving False NoRevision"));
}

#[test]
fn a_mended_spec_is_no_longer_stalled() {
    let mut world = World::ready();
    let stalled = Verdict::yes(reason::INVALID_SPEC, "x").publish(
        "Stalled",
        Some(1),
        &[],
        &seconds(world.observed.now),
    );
    Arc::make_mut(&mut world.observed.model).status.as_mut().unwrap().conditions.push(stalled);
    assert!(!table(&world.reconciled().status()).contains("Stalled"));
}

#[test]
fn an_object_that_cannot_be_read_keeps_what_was_said_of_it() {
    let world = World::ready();
    let status = unreadable(Some(9), "spec.features", "invalid type", &world.status(), world.observed.now);
    let expected = "Ready False Unreadable\nServing True PodsReady\nTrained True AsSpecified\n\
                    Progressing False Idle\nStalled True Unreadable";
    assert_eq!(table(&status), expected);
    assert_eq!((status.observed_generation, status.revision), (Some(9), world.status().revision));
    assert!(status.conditions[0].message.starts_with("spec.features: invalid type"));
}
