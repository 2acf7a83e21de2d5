//! The ConfigMap of a revision. Pure; [`crate::publish`] writes it.

use std::collections::BTreeMap;

use api::job::{Owner, RevisionTarget};
use api::{labels, names};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::size::{self, TooLarge};
use crate::train::{Trained, description_json};

/// The revision that publishes `trained`: immutable, the description both in its data and in an annotation, so that
/// its metadata alone tells what it is.
///
/// # Errors
/// [`TooLarge`] with what to do.
pub fn revision(target: &RevisionTarget, trained: &Trained) -> Result<ConfigMap, TooLarge> {
    size::check(trained)?;
    let description = description_json(&trained.description);
    let model = ByteString(trained.model.clone());
    Ok(ConfigMap {
        metadata: metadata(target, &description),
        immutable: Some(true),
        binary_data: Some(BTreeMap::from([(names::MODEL_FILE.to_owned(), model)])),
        data: Some(BTreeMap::from([(names::DESCRIPTION_FILE.to_owned(), description)])),
    })
}

fn metadata(target: &RevisionTarget, description: &str) -> ObjectMeta {
    let mut annotations = target.annotations.clone();
    annotations.insert(labels::DESCRIPTION.to_owned(), description.to_owned());
    ObjectMeta {
        name: Some(target.name.clone()),
        namespace: Some(target.namespace.clone()),
        labels: Some(target.labels.clone()),
        annotations: Some(annotations),
        owner_references: target.owner.as_ref().map(|owner| vec![owner_reference(owner)]),
        ..ObjectMeta::default()
    }
}

fn owner_reference(owner: &Owner) -> OwnerReference {
    OwnerReference {
        api_version: owner.api_version.clone(),
        kind: owner.kind.clone(),
        name: owner.name.clone(),
        uid: owner.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}

#[cfg(test)]
mod tests {
    use detectors::{Description, DetectorConfig, IsolationForestConfig, ThresholdConfig};

    use super::*;
    use crate::size::MOST_BYTES;

    fn trained(model: Vec<u8>) -> Trained {
        let description = Description {
            format_version: 1,
            revision: "m-r-0123abcd-1".into(),
            key: "0123abcd".repeat(8),
            detector: DetectorConfig::from(IsolationForestConfig::default()),
            features: vec!["mean".into(), "sd".into()],
            rows: 980,
            threshold: -0.625,
            threshold_config: ThresholdConfig { contamination: Some(0.01), ..Default::default() },
            flagged_training_share: Some(0.01),
            data_digest: format!("sha256:{}", "d".repeat(64)),
            model_digest: format!("sha256:{}", "e".repeat(64)),
            model_bytes: model.len() as u64,
            warnings: Vec::new(),
        };
        Trained { model, description }
    }

    fn target() -> RevisionTarget {
        RevisionTarget {
            namespace: "demo".into(),
            name: "m-r-0123abcd-1".into(),
            labels: labels::child("m", labels::COMPONENT_REVISION),
            annotations: [(labels::FULL_TRAINING_KEY.to_owned(), "0123abcd".repeat(8))].into(),
            owner: Some(Owner {
                api_version: "anomaly-operator.io/v1alpha1".into(),
                kind: "AnomalyModel".into(),
                name: "m".into(),
                uid: "5f1d".into(),
            }),
        }
    }

    #[test]
    fn the_revision_of_a_model() {
        insta::assert_yaml_snapshot!(revision(&target(), &trained(b"model bytes".to_vec())).unwrap());
    }

    #[test]
    fn the_annotation_repeats_the_description_that_lies_beside_the_model() {
        let published = revision(&target(), &trained(vec![1])).unwrap();
        let data = &published.data.unwrap()[names::DESCRIPTION_FILE];
        assert_eq!(published.metadata.annotations.unwrap()[labels::DESCRIPTION], *data);
        assert_eq!(serde_json::from_str::<Description>(data).unwrap(), trained(vec![1]).description);
    }

    #[test]
    fn a_model_too_large_for_a_revision_is_refused_with_what_to_lower() {
        let overhead = description_json(&trained(vec![0; MOST_BYTES]).description).len();
        let largest = vec![0; MOST_BYTES - overhead];
        assert!(revision(&target(), &trained(largest)).is_ok());
        let error = revision(&target(), &trained(vec![0; MOST_BYTES])).unwrap_err();
        let expected = format!(
            "the model takes {} bytes, a revision holds at most 1000000: lower trees (100) or sampleSize (256)",
            MOST_BYTES + overhead
        );
        assert_eq!(error.to_string(), expected);
    }
}
