//! What every child has: its name, our labels, and the model as its controller. Pure.

use std::collections::BTreeMap;

use api::labels;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::validate::Validated;

/// Metadata of a child that the model controls.
pub(super) fn child(model: &Validated, name: String, component: &str) -> ObjectMeta {
    ObjectMeta { owner_references: Some(vec![owner(model)]), ..unowned(model, name, component) }
}

/// Metadata of a child that something else will own.
pub(super) fn unowned(model: &Validated, name: String, component: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(model.namespace.clone()),
        labels: Some(labels::child(&model.name, component)),
        ..ObjectMeta::default()
    }
}

/// The model as controller of its children.
pub(super) fn owner(model: &Validated) -> OwnerReference {
    OwnerReference {
        api_version: api_version(),
        kind: api::KIND.into(),
        name: model.name.clone(),
        uid: model.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// `anomaly-operator.io/v1alpha1`.
pub(super) fn api_version() -> String {
    format!("{}/{}", api::GROUP, api::VERSION)
}

/// A map of text; none when empty, because the API server does not keep an empty one.
pub(super) fn text<const N: usize>(pairs: [(&str, &str); N]) -> Option<BTreeMap<String, String>> {
    (N > 0).then(|| pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
}
