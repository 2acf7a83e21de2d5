//! The CustomResourceDefinition: what the derive gives, made fit for people and for the API server.

use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use crate::names::MODEL_NAME_PATTERN;
use crate::spec::AnomalyModel;

/// The CRD as JSON, ready to be applied.
pub fn crd() -> Value {
    let mut crd = serde_json::to_value(AnomalyModel::crd()).unwrap_or_default();
    if let Some(schema) = crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema") {
        tidy(schema);
        root(schema);
    }
    crd
}

/// The rule on the object's own name, and no description that repeats the kind.
fn root(schema: &mut Value) {
    schema["description"] = json!(
        "Anomaly detection as a resource: trained in a Job, served by Deployments, exposed behind basic auth. \
         Creating AnomalyModels is as powerful as creating pods and Ingresses in the namespace."
    );
    schema["x-kubernetes-validations"] = json!([{
        "rule": format!("self.metadata.name.matches('{MODEL_NAME_PATTERN}')"),
        "message": "metadata.name must be a DNS label that starts with a letter, with at most 40 characters: names of children are made from it"
    }]);
}

/// Strips formats that the API server warns of, and `nullable`: a null then means absent, and a default applies. Gives
/// every object with defaulted members a default of its own, else what lies below it is not defaulted.
fn tidy(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    object.remove("nullable");
    if let Some(Value::String(description)) = object.get_mut("description") {
        *description = unwrapped(description);
    }
    if matches!(object.get("format").and_then(Value::as_str), Some(f) if f.starts_with("uint") || f.starts_with("int") || f == "double" || f == "float")
    {
        object.remove("format");
    }
    for number in ["default", "minimum", "maximum"] {
        whole(object, number);
    }
    if let Some(Value::Object(members)) = object.get_mut("properties") {
        members.values_mut().for_each(tidy);
    }
    for below in ["items", "additionalProperties"] {
        if let Some(schema) = object.get_mut(below) {
            tidy(schema);
        }
    }
    default_objects(object);
}

/// The lines of a doc comment as paragraphs: `kubectl explain` wraps by itself.
fn unwrapped(description: &str) -> String {
    description.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

/// `1.0` as `1`: the API server stores it so, and the two must compare equal.
fn whole(object: &mut Map<String, Value>, key: &str) {
    let whole = object
        .get(key)
        .and_then(Value::as_f64)
        .filter(|v| v.fract() == 0.0 && v.abs() < 9_007_199_254_740_992.0);
    if let Some(value) = whole {
        #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        object.insert(key.into(), json!(value as i64));
    }
}

/// `default: {}` for members that are objects with a default: the derive writes the whole object out, and its members' own
/// defaults say the same. What has no default of its own stays, such as the detector of those who name none.
fn default_objects(object: &mut Map<String, Value>) {
    let Some(Value::Object(members)) = object.get_mut("properties") else { return };
    for member in members.values_mut() {
        let Some(properties) = member.get("properties").cloned() else { continue };
        if let Some(Value::Object(default)) = member.get_mut("default") {
            default.retain(|name, _| properties.get(name).is_some_and(|own| own.get("default").is_none()));
        }
    }
}
