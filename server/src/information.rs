//! `GET /model_information`: what is served, from which training, with which parameters.
//!
//! Rendered once, when the model is loaded. Members are snake_case as in all bodies of this server, the
//! detector's parameters too.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use detectors::config::DEFAULT_CONTAMINATION;
use detectors::{Description, ThresholdConfig, Warning};
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::problem::Problem;
use crate::state::App;

/// The handler.
pub(crate) async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let body = app.model()?.information.clone();
    Ok(([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response())
}

#[derive(Serialize)]
struct Information<'a> {
    name: &'a str,
    namespace: &'a str,
    revision: &'a str,
    detector: Detector<'a>,
    features: &'a [String],
    threshold: f64,
    /// How the threshold was asked for: `{"contamination": 0.01}` or `{"score": -0.6}`.
    threshold_config: Value,
    flagged_training_share: f64,
    training: Training<'a>,
    model: ModelFile<'a>,
    warnings: &'a [Warning],
    server_version: &'static str,
    /// Which instructions score rows on this pod's processor; scores do not depend on it.
    kernel: &'static str,
}

#[derive(Serialize)]
struct Detector<'a> {
    kind: &'a str,
    parameters: Value,
}

#[derive(Serialize)]
struct Training<'a> {
    rows: u64,
    data_digest: &'a str,
}

#[derive(Serialize)]
struct ModelFile<'a> {
    digest: &'a str,
    bytes: u64,
    format_version: u16,
}

/// The body for a model of this name.
pub(crate) fn render(
    name: &str,
    namespace: &str,
    description: &Description,
    format_version: u16,
    kernel: &'static str,
) -> Bytes {
    let information = Information {
        name,
        namespace,
        revision: &description.revision,
        detector: detector(description),
        features: &description.features,
        threshold: description.threshold,
        threshold_config: snake_case(to_value(&threshold_config(description))),
        flagged_training_share: description.flagged_training_share,
        training: Training { rows: description.rows, data_digest: &description.data_digest },
        model: ModelFile {
            digest: &description.model_digest,
            bytes: description.model_bytes,
            format_version,
        },
        warnings: &description.warnings,
        server_version: env!("CARGO_PKG_VERSION"),
        kernel,
    };
    serde_json::to_vec(&information).unwrap_or_default().into()
}

/// The detector's only member, as `kind` and `parameters`.
fn detector(description: &Description) -> Detector<'_> {
    let kind = description.detector.kind().unwrap_or("unknown");
    let parameters = to_value(&description.detector).get_mut(kind).map(Value::take).unwrap_or_default();
    Detector { kind, parameters: snake_case(parameters) }
}

/// What was asked for, or what a description without it means.
fn threshold_config(description: &Description) -> ThresholdConfig {
    match &description.threshold_config {
        ThresholdConfig { contamination: None, score: None } => {
            ThresholdConfig { contamination: Some(DEFAULT_CONTAMINATION), score: None }
        }
        asked => asked.clone(),
    }
}

fn to_value(config: &impl Serialize) -> Value {
    serde_json::to_value(config).unwrap_or_default()
}

/// Configuration is camelCase in manifests; here every member is snake_case. What was not given is left out.
fn snake_case(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let given = members.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(given.map(|(name, value)| (snake_name(&name), snake_case(value))).collect::<Map<_, _>>())
}

fn snake_name(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
