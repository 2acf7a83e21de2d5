//! `POST /explain`.

use serde_json::{Value, json};

use super::about::About;
use super::answers::{answers, json_body, schema_named};
use crate::explain::of_row;

pub(super) fn post(about: &About<'_>) -> Value {
    let (typical, strange) = (&about.typical.row, &about.strange.row);
    let explained = |row: &[f64]| -> Value {
        serde_json::from_slice(&of_row(about.served, row, None)).unwrap_or_default()
    };
    let good = json!({
        "description": "What each feature adds to a row's being an anomaly.",
        "content": {"application/json": {
            "schema": {"anyOf": [schema_named("Explanation"), schema_named("Explanations")]},
            "examples": {"row": {"summary": "of one row", "value": explained(strange)}},
        }},
    });
    let mut content = json_body(
        "Vector",
        json!({
            "row": {"summary": "one row", "value": strange},
            "rows": {"summary": "many rows", "value": {"rows": [typical, strange]}},
        }),
    );
    content["application/json"]["schema"] = json!({"anyOf": [
        schema_named("Vector"),
        // (an empty array is a row of too few values)
        {"$ref": "#/components/schemas/Rows", "minItems": 1},
    ]});
    json!({
        "tags": ["scoring"],
        "operationId": "explain",
        "summary": "Why is this row an anomaly?",
        "description": "One row as `/prediction` takes it, or rows as `/predictions` takes them in JSON. `Content-Encoding: gzip` or \
                        `zstd` is unpacked. Nothing is counted as a prediction.",
        "parameters": [{
            "name": "top",
            "in": "query",
            "description": "Only so many features, those that add most first; without it all, in their order.",
            "schema": {"type": "integer", "minimum": 1},
        }],
        "requestBody": {"required": true, "content": content},
        "responses": answers(about, good, &[400, 408, 413, 415, 422]),
    })
}

pub(super) fn explanation() -> Value {
    let number = |description: &str| json!({"type": "number", "description": description});
    json!({
        "title": "Explanation",
        "type": "object",
        "properties": {
            "revision": {"type": "string", "description": "Where one row was asked for; of several it stands beside them."},
            "is_inlier": {"type": "boolean"},
            "anomaly_score": number("Higher is more normal."),
            "severity": {"type": ["number", "null"], "minimum": 0, "maximum": 10},
            "baseline": number("Where contributions start: a forest's mean path length over the training rows, 0 for most other detectors."),
            "value": number("A forest: this row's path length; other detectors: its score. Baseline less all contributions, except for robustZScore."),
            "contributions": {"type": "array", "items": {
                "type": "object",
                "properties": {
                    "feature": {"type": "string"},
                    "contribution": number("In the unit of value; positive makes the row more of an anomaly."),
                    "share": number("Of all that makes the row more of an anomaly; 0 where nothing does."),
                },
                "required": ["feature", "contribution", "share"],
            }},
        },
        "required": ["is_inlier", "anomaly_score", "severity", "baseline", "value", "contributions"],
    })
}

pub(super) fn explanations() -> Value {
    json!({
        "title": "Explanations",
        "type": "object",
        "properties": {
            "revision": {"type": "string"},
            "explanations": {"type": "array", "items": schema_named("Explanation")},
        },
        "required": ["revision", "explanations"],
    })
}
