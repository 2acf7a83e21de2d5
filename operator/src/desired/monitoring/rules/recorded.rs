//! Recording rules: what alerts and dashboards share. Pure.

use serde_json::{Value, json};

use crate::desired::monitoring::drift::Watched;

/// Windows of the error ratio, short and long of each pair.
const WINDOWS: [&str; 4] = ["5m", "30m", "1h", "6h"];
/// Requests that count: probes and scrapes are nobody's (`/v2` is that protocol's health and metadata).
const ASKED: &str = r#"route!~"/healthz|/readyz|/metrics|/v2""#;

/// Who was let in: a flood of wrong passwords (401, and 429 while they are checked) must not hide what fails for others.
const LET_IN: &str = r#"code!~"401|429""#;

/// Error ratios, and anomalies beside what was expected of them.
pub(super) fn requests(model: &str) -> Vec<Value> {
    let mut rules: Vec<Value> =
        WINDOWS.iter().map(|window| rule((ratio_name(window), error_ratio(model, window)))).collect();
    rules.push(rule((
        "anomaly:anomalies:1h".into(),
        format!(
            r#"sum by (namespace, model) (increase(anomaly_predictions_total{{{model},verdict="outlier"}}[1h]))"#
        ),
    )));
    // The highest share of the last hour: after a roll-out its rows are of two revisions.
    rules.push(rule((
        "anomaly:anomalies_expected:1h".into(),
        format!(
            "sum by (namespace, model) (increase(anomaly_predictions_total{{{model}}}[1h]))\n\
             * max by (namespace, model) (max_over_time(anomaly_model_flagged_training_ratio{{{model}}}[1h]))"
        ),
    )));
    rules
}

/// Drift of the score and of the inputs.
pub(super) fn drift(model: &str) -> Vec<Value> {
    [score(model), features(model)]
        .iter()
        .flat_map(|watched| [watched.bin_rows(), watched.psi(), watched.critical()])
        .map(rule)
        .collect()
}

/// Drift of the score.
pub(super) fn score(model: &str) -> Watched<'_> {
    Watched {
        model,
        rows: "anomaly_score_rows_total",
        expected: "anomaly_score_expected_ratio",
        name: "score",
        by: "namespace, model",
    }
}

/// Drift of each feature.
pub(super) fn features(model: &str) -> Watched<'_> {
    Watched {
        model,
        rows: "anomaly_feature_rows_total",
        expected: "anomaly_feature_expected_ratio",
        name: "feature",
        by: "namespace, model, feature",
    }
}

/// Name of the error ratio over a window.
pub(super) fn ratio_name(window: &str) -> String {
    format!("anomaly:http_error_ratio:{window}")
}

/// Requests that failed through no fault of who asked: answers 5xx, and connections beyond the limit.
pub(super) fn errors(model: &str, function: &str, window: &str) -> String {
    let refused = refused(model, function, window);
    format!(
        "(\n    sum by (namespace, model) ({function}(anomaly_http_requests_total{{{model},{ASKED},code=~\"5..\"}}[{window}]))\n    \
         or 0 * {refused}\n  )\n  + {refused}"
    )
}

/// Absent while nobody asks.
fn error_ratio(model: &str, window: &str) -> String {
    format!(
        "(\n  {}\n)\n/\n(\n  sum by (namespace, model) (rate(anomaly_http_requests_total{{{model},{ASKED},{LET_IN}}}[{window}]))\n  + {}\n  > 0\n)",
        errors(model, "rate", window),
        refused(model, "rate", window),
    )
}

fn refused(model: &str, function: &str, window: &str) -> String {
    format!(
        "sum by (namespace, model) ({function}(anomaly_http_connections_refused_total{{{model}}}[{window}]))"
    )
}

fn rule((name, expr): (String, String)) -> Value {
    json!({"record": name, "expr": expr})
}
