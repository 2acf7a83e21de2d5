use super::*;
use crate::fixtures::World;

fn errors(world: &World) -> Vec<String> {
    validate(&world.observed, &world.settings).unwrap_err().errors.into_iter().map(|e| e.path).collect()
}

#[test]
fn a_minimal_model_gets_its_defaults() {
    let model = World::new().validated();
    assert_eq!(model.features, ["mean", "sd"]);
    assert_eq!(model.threshold.contamination, Some(0.01));
    assert_eq!((model.min_rows, model.history_limit, model.replicas), (32, 2, 2));
    assert_eq!(model.data, Data::ConfigMap { name: "data".into(), key: "train.csv".into() });
    assert_eq!(model.training.unwrap().key.len(), 64);
    assert_eq!((model.ingress, model.retrain, model.suspend), (None, None, false));
}

#[test]
fn a_model_without_features_is_valid_and_its_job_is_told_none() {
    let world = World::new().edited(|spec| spec.features.clear());
    assert_eq!(world.validated().features, [""; 0]);
    let input = world.plan().start.unwrap().input.data.unwrap();
    let read: api::job::TrainingInput = serde_json::from_str(&input[api::job::INPUT_FILE]).unwrap();
    assert_eq!((read.features, read.detector), (Vec::new(), World::new().validated().detector));
}

#[test]
fn an_imported_model_is_data_like_any_other_and_keeps_its_own_threshold() {
    let world = World::new().imported();
    let model = world.validated();
    assert_eq!(model.data, Data::ConfigMap { name: "data".into(), key: "forest.json.gz".into() });
    assert_eq!((model.features.len(), model.threshold), (0, ThresholdConfig::default()));
    let key = |world: &World| world.validated().training.unwrap().key;
    assert_ne!(key(&world), key(&world.clone().data("sha256:other")), "a changed file is imported again");
    let moved = world.clone().edited(|spec| {
        let at = spec.detector.imported.as_mut().unwrap().config_map.as_mut().unwrap();
        at.name = "elsewhere".into();
    });
    assert_eq!(key(&world), key(&moved), "where it lies changes nothing");
    for missing in [Missing::Refuse, Missing::Route] {
        assert_ne!(key(&world), key(&world.clone().edited(|spec| spec.missing = Some(missing))));
    }
}

#[test]
fn an_imported_model_is_not_trained_and_flags_no_share_of_rows_that_are_not_here() {
    let both = World::new().imported().edited(|spec| {
        spec.training = serde_yaml::from_str("{source: {inline: {csv: x}}}").unwrap();
    });
    assert_eq!(errors(&both), ["spec.training"]);
    let share = World::new().imported().edited(|spec| {
        spec.threshold = Some(serde_yaml::from_str("{contamination: 0.1}").unwrap());
    });
    assert_eq!(errors(&share), ["spec.threshold"]);
    let nowhere = World::new().imported().edited(|spec| {
        spec.detector.imported.as_mut().unwrap().config_map = None;
    });
    assert_eq!(errors(&nowhere), ["spec.detector.imported.configMap"]);
    let neither = World::new().edited(|spec| spec.training = None);
    assert_eq!(errors(&neither), ["spec.training"]);
}

#[test]
fn without_data_there_is_no_key() {
    let mut world = World::new();
    world.observed.source = Source::NotFound { name: "data".into() };
    assert_eq!(world.validated().training, None);
}

#[test]
fn every_fault_is_named_with_its_path() {
    let world = World::new().edited(|spec| {
        let forest = spec.detector.isolation_forest.as_mut().unwrap();
        forest.max_features = 1.5;
        spec.threshold = Some(serde_yaml::from_str("{contamination: 0.9}").unwrap());
        spec.training.as_mut().unwrap().resources =
            serde_yaml::from_str("{requests: {memory: 1Gi}, limits: {memory: 1Mi}}").unwrap();
        spec.serving.resources = serde_yaml::from_str("{limits: {memory: lots}}").unwrap();
        spec.ingress = Some(
            serde_yaml::from_str(
                "{host: a.example.com, annotations: {nginx.ingress.kubernetes.io/auth-url: 'http://x'}}",
            )
            .unwrap(),
        );
    });
    assert_eq!(
        errors(&world),
        [
            "spec.serving.resources.limits[memory]",
            "spec.ingress.annotations[nginx.ingress.kubernetes.io/auth-url]",
            "spec.detector.isolationForest.maxFeatures",
            "spec.threshold.contamination",
            "spec.training.resources.requests[memory]",
        ]
    );
}

#[test]
fn a_missing_detector_is_said_once() {
    let world = World::new().edited(|spec| spec.detector.isolation_forest = None);
    assert_eq!(errors(&world), ["spec.detector"]);
}

#[test]
fn messages_say_what_was_expected_and_what_came() {
    let world = World::new().edited(|spec| spec.detector.isolation_forest.as_mut().unwrap().trees = 0);
    let invalid = validate(&world.observed, &world.settings).unwrap_err();
    let expected = "spec.detector.isolationForest.trees: expected a whole number from 1 to 1000, got 0";
    assert_eq!(invalid.to_string(), expected);
}
