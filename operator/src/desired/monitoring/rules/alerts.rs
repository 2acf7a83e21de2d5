//! The alerts. Each keeps the labels `namespace` and `model`, and says in its description how much there was and how
//! much was expected. Pure.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::recorded::{self, ratio_name};
use crate::desired::monitoring::drift;
use crate::monitoring::Alerting;
use crate::validate::Validated;

/// Share of requests that may fail: 99.9 % are to succeed.
const BUDGET: f64 = 0.001;
/// Times the budget of a month at which it is gone in two days; the pair of windows is 5 m and 1 h.
const FAST_BURN: f64 = 14.4;
/// Times the budget at which it is gone in five days; the pair of windows is 30 m and 6 h.
const SLOW_BURN: f64 = 6.0;
/// With fewer failed requests in the long window a ratio says nothing.
const FEWEST_ERRORS: u32 = 10;
/// At half of capacity 99 % of the single rows take less than 2 ms.
const SLOW_SECONDS: f64 = 0.25;
/// With fewer requests in five minutes a percentile says nothing.
const FEWEST_REQUESTS: u32 = 20;
/// Severity of a hundredth of the rows that the threshold lets through.
const SEVERE: u32 = 3;
/// Rows are remembered for so long.
const SEVERE_WINDOW: &str = "10m";
const SEVERE_WINDOW_SECONDS: u32 = 600;
/// Drift lasts that long before it is one.
const DRIFT_FOR: &str = "1h";

/// An alert, without what all have.
struct Alert {
    name: &'static str,
    expr: String,
    /// How long; the model's own when `None`.
    for_: Option<&'static str>,
    summary: &'static str,
    description: String,
}

/// All alerts of the model.
pub(super) fn alerts(model: &Validated, matchers: &str, alerting: &Alerting) -> Vec<Value> {
    // Where nobody is asked to scrape, absence says nothing.
    let scraped = model.monitoring.service_monitor.is_some();
    let down = (model.replicas > 0 && scraped).then(|| down(matchers));
    let stale = (alerting.stale_after_days > 0).then(|| stale(matchers, alerting.stale_after_days));
    let always = [
        burn(matchers),
        slow(matchers),
        rate(matchers),
        severe(matchers),
        score_drift(matchers),
        input_drift(matchers),
    ];
    let all = down.into_iter().chain(always).chain(stale);
    all.map(|alert| rule(alert, model, alerting)).collect()
}

fn rule(alert: Alert, model: &Validated, alerting: &Alerting) -> Value {
    let Alert { name, expr, for_, summary, description } = alert;
    let mut labels: BTreeMap<&str, &str> = (alerting.labels.iter())
        .filter(|(name, _)| is_label_name(name))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    labels.insert("severity", &alerting.severity);
    json!({
        "alert": name,
        "expr": expr,
        "for": for_.unwrap_or(&alerting.for_),
        "labels": labels,
        "annotations": {
            "summary": format!("Model {}/{}: {summary}", model.namespace, model.name),
            "description": description,
            "runbook_url": format!("{}/{name}.md", alerting.runbook_base_url),
        },
    })
}

/// Whether it can be a label in Prometheus; Kubernetes allows more (`example.com/team`). Labels of alerts that every
/// model has cannot be taken.
fn is_label_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter)
        && name.chars().all(|c| letter(c) || c.is_ascii_digit())
        && !["alertname", "namespace", "model", "feature"].contains(&name)
}

fn down(model: &str) -> Alert {
    Alert {
        name: "AnomalyModelDown",
        // Pods that are not ready go on being scraped. (`absent(… == 1)` would have no labels)
        expr: format!(
            "absent(anomaly_ready{{{model}}})\nor\nmax by (namespace, model) (anomaly_ready{{{model}}}) == 0"
        ),
        for_: None,
        summary: "no pod is ready",
        description:
            "Prometheus sees no scoring pod that is ready: rows cannot be scored, and no alert about rows or \
                      requests can fire."
                .into(),
    }
}

fn burn(model: &str) -> Alert {
    let pair = |short: &str, long: &str, burn: f64| {
        let limit = format!("{:.4}", burn * BUDGET);
        format!(
            "(\n  {}{{{model}}} > {limit}\n  and {}{{{model}}} > {limit}\n  and ({}) >= {FEWEST_ERRORS}\n)",
            ratio_name(short),
            ratio_name(long),
            recorded::errors(model, "increase", long),
        )
    };
    Alert {
        name: "AnomalyModelErrorBudgetBurn",
        expr: format!("{}\nor\n{}", pair("5m", "1h", FAST_BURN), pair("30m", "6h", SLOW_BURN)),
        for_: None,
        summary: "too many requests fail",
        description: "{{ $value | humanizePercentage }} of the requests fail with a 5xx answer or a refused connection; \
                      at most 0.1% should. At this rate the errors of a month are used up within days."
            .into(),
    }
}

fn slow(model: &str) -> Alert {
    let of = |what: &str| {
        format!("anomaly_http_request_duration_seconds_{what}{{{model},route=\"/prediction\"}}[5m]")
    };
    Alert {
        name: "AnomalyModelSlow",
        expr: format!(
            "histogram_quantile(0.99, sum by (namespace, model, le) (rate({}))) > {SLOW_SECONDS}\nand\n\
             sum by (namespace, model) (increase({})) >= {FEWEST_REQUESTS}",
            of("bucket"),
            of("count"),
        ),
        for_: None,
        summary: "single rows are scored slowly",
        description: format!(
            "99% of the requests to /prediction are answered within {{{{ $value | humanizeDuration }}}}; it should be \
             {}ms, and is below 2ms on a pod with CPU to spare.",
            SLOW_SECONDS * 1_000.0,
        ),
    }
}

fn rate(model: &str) -> Alert {
    let (found, expected) = ("anomaly:anomalies:1h", "anomaly:anomalies_expected:1h");
    Alert {
        name: "AnomalyRateHigh",
        expr: format!("{found}{{{model}}}\n> {expected}{{{model}}} + 4 * sqrt({expected}{{{model}}}) + 5"),
        for_: None,
        summary: "more anomalies than expected",
        description: format!(
            "{{{{ printf \"%.0f\" $value }}}} anomalies within an hour, where {} were expected of that many rows.",
            told(&format!("{expected}{{{model}}}"), "%.0f"),
        ),
    }
}

fn severe(model: &str) -> Alert {
    // (Prometheus 3 stores the bound 3 as 3.0; the difference is taken by pod, so that both sides extrapolate alike)
    let beyond = format!(
        "anomaly_prediction_severity_count{{{model}}}\n    - ignoring (le) \
         anomaly_prediction_severity_bucket{{{model},le=~\"{SEVERE}([.]0)?\"}}"
    );
    // Nobody has seen the counters of a new pod at 0: what it counted before its first scrape is no increase. All that a
    // pod younger than the window has counted is of the window.
    let young = format!("process_start_time_seconds{{{model}}} > time() - {SEVERE_WINDOW_SECONDS}");
    let top = format!(
        "topk(1, sum by (feature) (increase(anomaly_top_feature_total{{{model},feature!=\"other\"}}[1h])) > 0)"
    );
    Alert {
        name: "AnomalySevere",
        expr: format!(
            "sum by (namespace, model) (\n  (\n    {beyond}\n  ) > 0 and {young}\n  or\n  \
             increase((\n    {beyond}\n  )[{SEVERE_WINDOW}:30s])\n) > 0"
        ),
        for_: Some("0s"),
        summary: "a severe anomaly",
        description: format!(
            "{{{{ printf \"%.0f\" $value }}}} rows of a severity above {SEVERE} within {SEVERE_WINDOW}: more than a \
             hundred times rarer than what the threshold flags.{{{{ with query {} }}}} Of the anomalies of the last \
             hour, {{{{ . | first | value | printf \"%.0f\" }}}} were caused most by feature \
             {{{{ . | first | label \"feature\" }}}}.{{{{ end }}}}",
            quoted(&top),
        ),
    }
}

fn score_drift(model: &str) -> Alert {
    let watched = recorded::score(model);
    Alert {
        name: "AnomalyScoreDrift",
        expr: watched.drifted(),
        for_: Some(DRIFT_FOR),
        summary: "scores are no longer distributed as in training",
        description: format!(
            "The scores of the last day have a population stability index of {{{{ printf \"%.2f\" $value }}}} against \
             training; {} is a lot. Rows in the window: {}.",
            drift::LIMIT,
            told(&watched.all_rows(), "%.0f"),
        ),
    }
}

fn input_drift(model: &str) -> Alert {
    Alert {
        name: "AnomalyInputDrift",
        expr: recorded::features(model).drifted(),
        for_: Some(DRIFT_FOR),
        summary: "a feature is no longer distributed as in training",
        description: format!(
            "Feature {{{{ $labels.feature }}}} of the last day has a population stability index of \
             {{{{ printf \"%.2f\" $value }}}} against training; {} is a lot.",
            drift::LIMIT
        ),
    }
}

fn stale(model: &str, days: u32) -> Alert {
    let age =
        format!("time() - max by (namespace, model) (anomaly_model_trained_timestamp_seconds{{{model}}})");
    Alert {
        name: "AnomalyModelStale",
        expr: format!("{age} > {}", u64::from(days) * 24 * 3600),
        for_: None,
        summary: "the model was trained long ago",
        description: format!(
            "The model was trained {{{{ $value | humanizeDuration }}}} ago; {days} days is the most that is taken for granted."
        ),
    }
}

/// The value of another query, or a question mark.
fn told(query: &str, format: &str) -> String {
    format!(
        "{{{{ with query {} }}}}{{{{ . | first | value | printf \"{format}\" }}}}{{{{ else }}}}?{{{{ end }}}}",
        quoted(query)
    )
}

/// As a string in a template.
fn quoted(query: &str) -> String {
    format!("\"{}\"", query.replace('"', "\\\""))
}
