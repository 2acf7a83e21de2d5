//! The routes that score nothing: documentation, probes, metrics.

use serde_json::{Value, json};

use super::about::About;
use super::answers::answers;
use crate::docs::FILES;

pub(super) fn openapi(about: &About<'_>) -> Value {
    let good = json!({
        "description": "OpenAPI 3.1.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    });
    json!({
        "tags": ["documentation"],
        "operationId": "openapi",
        "summary": "This description",
        "responses": answers(about, good, &[]),
    })
}

pub(super) fn docs(about: &About<'_>) -> Value {
    json!({
        "tags": ["documentation"],
        "operationId": "docs",
        "summary": "This description to read and to try, in a browser",
        "responses": cached(answers(about, text("text/html", "Swagger UI."), &[])),
    })
}

pub(super) fn docs_file(about: &About<'_>) -> Value {
    let types = ["text/javascript", "text/css", "text/plain"];
    let content: Value =
        types.map(|name| (name.to_owned(), json!({"schema": {"type": "string"}}))).into_iter().collect();
    json!({
        "tags": ["documentation"],
        "operationId": "docsFile",
        "summary": "What that page loads",
        "parameters": [{
            "name": "file",
            "in": "path",
            "required": true,
            "schema": {"type": "string", "enum": FILES},
        }],
        "responses": cached(answers(about, json!({"description": "The file.", "content": content}), &[404])),
    })
}

pub(super) fn healthz(about: &About<'_>) -> Value {
    json!({
        "tags": ["operations"],
        "operationId": "healthz",
        "summary": "Does the process answer?",
        "responses": answers(about, text("text/plain", "It does."), &[]),
    })
}

pub(super) fn readyz(about: &About<'_>) -> Value {
    json!({
        "tags": ["operations"],
        "operationId": "readyz",
        "summary": "May this process get traffic?",
        "description": "503 says why not: the model is not loaded, or there is no password file.",
        "responses": answers(about, text("text/plain", "It may."), &[]),
    })
}

pub(super) fn metrics(about: &About<'_>) -> Value {
    json!({
        "tags": ["operations"],
        "operationId": "metrics",
        "summary": "Metrics for Prometheus",
        "responses": answers(about, text("text/plain", "Prometheus' text format."), &[]),
    })
}

fn text(content_type: &str, description: &str) -> Value {
    json!({"description": description, "content": {content_type: {"schema": {"type": "string"}}}})
}

/// With the answer to those that have it already.
fn cached(mut answers: Value) -> Value {
    answers["304"] = json!({"description": "It is what `If-None-Match` names."});
    answers
}
