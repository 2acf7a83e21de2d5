//! What a training Job needs to know, as one immutable ConfigMap that the Job owns. Pure.

use std::collections::BTreeMap;

use api::job::{
    DATA_DIR, DataFile, INLINE_DATA_FILE, INPUT_DIR, INPUT_FILE, INPUT_VERSION, Owner, RevisionTarget,
    TrainingInput,
};
use api::{labels, names};
use k8s_openapi::api::core::v1::ConfigMap;

use super::metadata;
use crate::training::Run;
use crate::validate::{Data, Training, Validated};

/// The input of `run`. It has no owner yet: `apply` adds the Job's UID.
pub(super) fn training_input(model: &Validated, training: &Training, run: &Run) -> ConfigMap {
    // Plain data always serialises.
    let input = serde_json::to_string(&input(model, training, run)).unwrap_or_default();
    let mut data = BTreeMap::from([(INPUT_FILE.to_owned(), input)]);
    if let Data::Inline { csv } = &model.data {
        data.insert(INLINE_DATA_FILE.into(), csv.clone());
    }
    ConfigMap {
        metadata: metadata::unowned(model, run.job.clone(), labels::COMPONENT_TRAINER),
        immutable: Some(true),
        data: Some(data),
        ..ConfigMap::default()
    }
}

fn input(model: &Validated, training: &Training, run: &Run) -> TrainingInput {
    let path = match &model.data {
        Data::Inline { .. } => format!("{INPUT_DIR}/{INLINE_DATA_FILE}"),
        Data::ConfigMap { key, .. } => format!("{DATA_DIR}/{key}"),
    };
    TrainingInput {
        version: INPUT_VERSION,
        revision: target(model, training, run),
        key: training.key.clone(),
        features: model.features.clone(),
        detector: model.detector.clone(),
        threshold: model.threshold.clone(),
        missing: model.missing,
        min_rows: model.min_rows,
        data: DataFile { path, origin: training.origin.clone(), digest: training.digest.clone() },
    }
}

fn target(model: &Validated, training: &Training, run: &Run) -> RevisionTarget {
    let mut labels = labels::child(&model.name, labels::COMPONENT_REVISION);
    labels.insert(labels::TRAINING_KEY.into(), names::short_key(&training.key).into());
    RevisionTarget {
        namespace: model.namespace.clone(),
        name: run.revision.clone(),
        labels,
        annotations: annotations(training, run),
        owner: Some(Owner {
            api_version: metadata::api_version(),
            kind: api::KIND.into(),
            name: model.name.clone(),
            uid: model.uid.clone(),
        }),
    }
}

/// What the revision and the Job both say of the training that made them.
pub(super) fn annotations(training: &Training, run: &Run) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from([(labels::FULL_TRAINING_KEY.to_owned(), training.key.clone())]);
    if let Some(retrain) = &run.retrain {
        annotations.insert(labels::RETRAIN.into(), retrain.clone());
    }
    annotations
}
