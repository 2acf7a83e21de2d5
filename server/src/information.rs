//! `GET /model_information`: what is served, from which training, with which parameters.
//!
//! Rendered once, when the model is loaded. Members are snake_case as in all bodies of this server, the
//! detector's parameters too.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use detectors::config::{DEFAULT_CONTAMINATION, Missing};
use detectors::{Description, Model, ThresholdConfig, Warning};
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::About;
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
    /// How the threshold was asked for: `{"contamination": 0.01}`, `{"score": -0.6}` or `{"auto": true}`.
    threshold_config: Value,
    /// Null if the training rows are not known.
    flagged_training_share: Option<f64>,
    /// Whether rows have a severity.
    calibrated: bool,
    /// Whether rows may lack values.
    missing: Missing,
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
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    trained_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
}

#[derive(Serialize)]
struct ModelFile<'a> {
    digest: &'a str,
    bytes: u64,
    format_version: u16,
}

/// How the model scores that has been loaded, which its description does not tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scoring {
    pub(crate) kernel: &'static str,
    pub(crate) calibrated: bool,
    pub(crate) missing: Missing,
}

impl Scoring {
    pub(crate) fn of(model: &Model) -> Self {
        let missing = if model.accepts_missing_values() { Missing::Route } else { Missing::Refuse };
        Self { kernel: model.kernel(), calibrated: model.is_calibrated(), missing }
    }
}

/// The body for a model of this name.
pub(crate) fn render(
    name: &str,
    namespace: &str,
    description: &Description,
    about: &About,
    format_version: u16,
    scoring: Scoring,
) -> Bytes {
    let Scoring { kernel, calibrated, missing } = scoring;
    let information = Information {
        name,
        namespace,
        revision: &description.revision,
        detector: detector(description),
        features: &description.features,
        threshold: description.threshold,
        threshold_config: snake_case(to_value(&threshold_config(description))),
        flagged_training_share: description.flagged_training_share,
        calibrated,
        missing,
        training: Training {
            rows: description.rows,
            data_digest: &description.data_digest,
            trained_at: about.trained_at.map(rfc3339),
            duration_seconds: about.training_duration.map(|duration| duration.as_secs_f64()),
        },
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

/// Seconds of Unix time as a date and time in UTC. Days are counted from 1 March of the year 0, so that a leap day is the
/// last of its year, in eras of 400 years.
pub(crate) fn rfc3339(seconds: i64) -> String {
    let (days, of_day) = (seconds.div_euclid(86_400) + 719_468, seconds.rem_euclid(86_400));
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
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
        // (an imported model has its own)
        nothing if *nothing == ThresholdConfig::default() && description.detector.imported.is_none() => {
            ThresholdConfig { contamination: Some(DEFAULT_CONTAMINATION), ..ThresholdConfig::default() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_told_as_date_and_time() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_234_567_890, "2009-02-13T23:31:30Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
