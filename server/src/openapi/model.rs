//! `GET /model_information`.

use serde_json::{Value, json};

use super::about::About;
use super::answers::{answers, json_body};

pub(super) fn information(about: &About<'_>) -> Value {
    let example: Value = serde_json::from_slice(&about.served.information).unwrap_or_default();
    let good = json!({
        "description": "Parameters, revision, threshold, features and training.",
        "content": json_body("ModelInformation", json!({"this": {"summary": "this model", "value": example}})),
    });
    json!({
        "tags": ["model"],
        "operationId": "modelInformation",
        "summary": "Which model is served?",
        "responses": answers(about, good, &[]),
    })
}
