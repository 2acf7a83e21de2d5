//! `POST /prediction`: the demo's own route, which other programs know already.

use serde_json::{Value, json};

use super::about::About;
use super::answers::{answers, json_body};

pub(super) fn post(about: &About<'_>) -> Value {
    let good = json!({
        "description": "The verdict; with `score=true` its numbers, too.",
        "content": json_body("Prediction", json!({
            "verdict": {"summary": "without score", "value": {"is_inlier": about.typical.scored.is_inlier}},
            "typical": {"summary": "with score=true", "value": about.typical.verdict()},
            "strange": {"summary": "with score=true", "value": about.strange.verdict()},
        })),
    });
    json!({
        "tags": ["scoring"],
        "operationId": "predict",
        "summary": "Is this row an anomaly?",
        "description": "A bare array with one number a feature, in the order of the model's features.",
        "parameters": [{
            "name": "score",
            "in": "query",
            "description": "Also tell `anomaly_score` and `severity`. Case and the words 1, yes and on are forgiven.",
            "schema": {"type": "boolean", "default": false},
        }],
        "requestBody": {
            "required": true,
            "content": json_body("Vector", json!({
                "typical": {"summary": "a row like those of the training", "value": about.typical.row},
                "strange": {"summary": "a row far from them", "value": about.strange.row},
            })),
        },
        "responses": answers(about, good, &[400, 408, 413, 415, 422]),
    })
}
