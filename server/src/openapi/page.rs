//! The page and what it asks for.

use serde_json::{Value, json};

use super::about::About;
use super::answers::answers;

pub(super) fn page(about: &About<'_>) -> Value {
    let good = json!({"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}});
    json!({
        "tags": ["page"],
        "operationId": "page",
        "summary": "The model to look at, in a browser",
        "responses": answers(about, good, &[]),
    })
}

pub(super) fn data(about: &About<'_>) -> Value {
    json!({
        "tags": ["page"],
        "operationId": "pageData",
        "summary": "Scores that this pod has given, and the latest anomalies if they are kept",
        "responses": answers(about, good(known(&["pod", "features", "scores", "recent"])), &[]),
    })
}

pub(super) fn boundary(about: &About<'_>) -> Value {
    let position = |name: &str, default: usize, description: &str| {
        let last = about.features().len() - 1;
        json!({
            "name": name,
            "in": "query",
            "description": description,
            "schema": {"type": "integer", "minimum": 0, "maximum": last, "default": default.min(last)},
        })
    };
    json!({
        "tags": ["page"],
        "operationId": "pageBoundary",
        "summary": "Severities on a grid over two features",
        "description": "The other features are held at their training medians. Nothing is counted as a prediction.",
        "parameters": [
            position("across", 0, "The position of the feature whose values grow along a line of the grid."),
            position("upwards", 1, "The position of the feature whose values grow from line to line."),
        ],
        "responses": answers(about, good(known(&["across", "upwards", "columns", "rows", "severities"])), &[422]),
    })
}

fn good(schema: Value) -> Value {
    json!({
        "description": "What the page draws; its members may change with the page.",
        "content": {"application/json": {"schema": schema}},
    })
}

fn known(members: &[&str]) -> Value {
    json!({"type": "object", "required": members})
}
