//! The schemas that several routes share.

use serde_json::{Value, json};

use super::about::About;
use super::answers::schema_named;
use super::{explain, inference};
use crate::problem::MAX_FIELD_ERRORS;

/// All of them, by name.
pub(super) fn all(about: &About<'_>) -> Value {
    let mut all = json!({
        "Value": value(about),
        "Vector": vector(about),
        "NamedRow": named_row(about),
        "Row": {"anyOf": [schema_named("Vector"), schema_named("NamedRow")]},
        "Rows": rows(about),
        "Prediction": prediction(about),
        "Predictions": predictions(),
        "Explanation": explain::explanation(),
        "Explanations": explain::explanations(),
        "ModelInformation": information(about),
        "Problem": problem(),
    });
    if let Some(all) = all.as_object_mut() {
        all.extend(inference::schemas());
    }
    all
}

/// What a row may have for a feature.
fn value(about: &About<'_>) -> Value {
    let accepts = about.served.accepts;
    let number = if accepts.infinite {
        "Beyond what 32-bit floating point holds, it is an infinity."
    } else {
        "Finite, and within what 32-bit floating point holds."
    };
    let (kind, missing) = if accepts.missing {
        (json!(["number", "null"]), " Null: there is no value.")
    } else {
        (json!("number"), "")
    };
    json!({
        "type": kind,
        "minimum": -accepts.largest(),
        "maximum": accepts.largest(),
        "description": format!("{number}{missing}"),
    })
}

/// The numbers of a row: as many as there are features, each position under its name.
fn vector(about: &About<'_>) -> Value {
    let width = about.features().len();
    let position = |name: &String| json!({"title": name, "$ref": "#/components/schemas/Value"});
    json!({
        "title": "Vector",
        "description": format!("One number a feature: {}.", about.named_features()),
        "type": "array",
        "prefixItems": about.named().iter().map(position).collect::<Vec<_>>(),
        "items": schema_named("Value"),
        "minItems": width,
        "maxItems": width,
    })
}

fn named_row(about: &About<'_>) -> Value {
    let members = about.features().iter().map(|name| (name.clone(), schema_named("Value")));
    json!({
        "title": "NamedRow",
        "description": "The features by name, in any order; further members only where `passthrough=true` is asked for.",
        "type": "object",
        "properties": members.collect::<Value>(),
        "required": about.features(),
        "additionalProperties": false,
    })
}

fn rows(about: &About<'_>) -> Value {
    let list = json!({
        "type": "array",
        "items": schema_named("Row"),
        "maxItems": about.app.limits.max_batch_rows,
    });
    let object = json!({
        "type": "object",
        "properties": {"rows": list.clone()},
        "required": ["rows"],
        "additionalProperties": false,
    });
    json!({"title": "Rows", "anyOf": [list, object]})
}

fn prediction(about: &About<'_>) -> Value {
    json!({
        "title": "Prediction",
        "type": "object",
        "properties": {
            "is_inlier": {"type": "boolean", "description": "false: an anomaly."},
            "anomaly_score": {
                "type": "number",
                "description": format!(
                    "Has the sign of scikit-learn's `score_samples`: higher is more normal; below the threshold {} is an anomaly. The scale is the detector's own.",
                    about.served.model.threshold()
                ),
            },
            "severity": {
                "type": ["number", "null"],
                "minimum": 0,
                "maximum": 10,
                "description": "0 for the ordinary, 1 at the threshold, each further 1 ten times rarer; null if the model is not calibrated.",
            },
        },
        "required": ["is_inlier"],
    })
}

fn predictions() -> Value {
    json!({
        "title": "Predictions",
        "type": "object",
        "properties": {
            "revision": {"type": "string", "description": "Of the model that scored all of these rows."},
            "threshold": {"type": "number", "description": "A score below it is an anomaly."},
            "predictions": {"type": "array", "items": schema_named("Prediction")},
        },
        "required": ["revision", "threshold", "predictions"],
    })
}

/// Types and required members as they are in this model's own answer, which is the example.
fn information(about: &About<'_>) -> Value {
    let body: Value = serde_json::from_slice(&about.served.information).unwrap_or_default();
    let mut schema = shape(&body);
    schema["title"] = json!("ModelInformation");
    schema["properties"]["threshold"]["description"] = json!("A score below it is an anomaly.");
    schema["properties"]["features"]["description"] = json!("In the order of a row.");
    schema
}

/// The schema of values like this one.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(number) if number.is_f64() => json!({"type": "number"}),
        Value::Number(_) => json!({"type": "integer"}),
        Value::String(_) => json!({"type": "string"}),
        Value::Array(elements) => {
            json!({"type": "array", "items": elements.first().map_or(json!({}), shape)})
        }
        Value::Object(members) => json!({
            "type": "object",
            "properties": members.iter().map(|(name, value)| (name.clone(), shape(value))).collect::<Value>(),
            "required": members.keys().collect::<Vec<_>>(),
        }),
    }
}

fn problem() -> Value {
    let text = json!({"type": "string"});
    let from_0 = json!({"type": "integer", "minimum": 0});
    json!({
        "title": "Problem",
        "description": "RFC 9457.",
        "type": "object",
        "properties": {
            "type": {"type": "string", "format": "uri", "description": "urn:anomaly-operator:problem:…"},
            "title": text,
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What was expected and what came."},
            "errors": {
                "type": "array",
                "maxItems": MAX_FIELD_ERRORS,
                "items": {
                    "type": "object",
                    "properties": {"row": from_0, "column": from_0, "feature": text, "expected": text, "got": text},
                    "required": ["expected", "got"],
                },
            },
        },
        "required": ["type", "title", "status", "detail"],
    })
}
