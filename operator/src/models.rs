//! AnomalyModels as they are stored: one that cannot be read is a fact to report, and never stops the others. No I/O here.

use std::borrow::Cow;
use std::sync::Arc;

use api::{AnomalyModel, AnomalyModelStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{DynamicObject, Resource};
use serde_json::Value;

use crate::store::ModelRef;

/// A stored AnomalyModel.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its metadata, which can always be read.
    metadata: ObjectMeta,
    /// The rest.
    pub model: Result<Arc<AnomalyModel>, Unreadable>,
}

/// Why an AnomalyModel cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    /// Path of the field that cannot be read, like `spec.serving.replicas`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// The status, as far as it can be read.
    pub status: Box<AnomalyModelStatus>,
}

impl Stored {
    /// Reads a stored object; managed fields are dropped.
    pub fn read(mut object: DynamicObject) -> Self {
        object.metadata.managed_fields = None;
        let metadata = object.metadata.clone();
        let whole = serde_json::to_value(object).unwrap_or_default();
        let model = serde_path_to_error::deserialize(&whole).map(Arc::new).map_err(|error| Unreadable {
            path: error.path().to_string(),
            message: error.into_inner().to_string(),
            status: Box::new(readable_status(&whole)),
        });
        Self { metadata, model }
    }

    /// Namespace and name.
    pub fn reference(&self) -> ModelRef {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        ModelRef::new(text(&self.metadata.namespace), text(&self.metadata.name))
    }

    /// The model, if it can be read.
    pub fn readable(&self) -> Option<&AnomalyModel> {
        self.model.as_deref().ok()
    }
}

/// The status member by member, so that one bad member does not lose the others.
fn readable_status(whole: &Value) -> AnomalyModelStatus {
    let Some(Value::Object(members)) = whole.get("status") else { return AnomalyModelStatus::default() };
    let good = members.iter().filter(|(name, value)| {
        let alone = Value::Object([((*name).clone(), (*value).clone())].into_iter().collect());
        serde_json::from_value::<AnomalyModelStatus>(alone).is_ok()
    });
    let good = Value::Object(good.map(|(name, value)| (name.clone(), value.clone())).collect());
    serde_json::from_value(good).unwrap_or_default()
}

impl<'de> serde::Deserialize<'de> for Stored {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DynamicObject::deserialize(deserializer).map(Self::read)
    }
}

impl Resource for Stored {
    type DynamicType = ();
    type Scope = <AnomalyModel as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        AnomalyModel::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        AnomalyModel::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        AnomalyModel::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        AnomalyModel::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stored(spec: Value, status: Value) -> Stored {
        let object = json!({
            "apiVersion": "anomaly-operator.io/v1alpha1", "kind": "AnomalyModel",
            "metadata": {"name": "x", "namespace": "demo", "generation": 3, "managedFields": [{"manager": "kubectl"}]},
            "spec": spec, "status": status,
        });
        Stored::read(serde_json::from_value(object).unwrap())
    }

    fn spec() -> Value {
        json!({
            "features": [{"name": "a"}], "detector": {"isolationForest": {}},
            "training": {"source": {"inline": {"csv": "a\n1\n"}}},
        })
    }

    #[test]
    fn a_good_model_is_read_without_its_managed_fields() {
        let stored = stored(spec(), json!({}));
        assert_eq!(stored.reference(), ModelRef::new("demo", "x"));
        assert_eq!(stored.readable().unwrap().metadata.managed_fields, None);
    }

    #[test]
    fn an_unreadable_model_names_the_field_and_keeps_its_status() {
        let mut bad = spec();
        bad["serving"] = json!({"replicas": "two"});
        let unreadable = stored(bad, json!({"serving": "2/2", "replicas": "x"})).model.unwrap_err();
        assert_eq!(unreadable.path, "spec.serving.replicas");
        assert!(unreadable.message.contains("expected i32"), "{}", unreadable.message);
        assert_eq!(unreadable.status.serving.as_deref(), Some("2/2"));
    }

    #[test]
    fn an_unknown_field_does_not_make_a_model_unreadable() {
        let mut newer = spec();
        newer["somethingNew"] = json!({"x": 1});
        assert!(stored(newer, json!({})).readable().is_some());
    }
}
