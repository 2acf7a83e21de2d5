//! `spec.monitoring`: labels that the API server would take, durations that Prometheus reads.

use std::collections::BTreeMap;

use super::FieldError;
use crate::spec::{AnomalyModelSpec, LabelValue};

/// All that is wrong with it.
pub(super) fn monitoring(spec: &AnomalyModelSpec, errors: &mut Vec<FieldError>) {
    let mut check = |ok: bool, path: &str, message: String| {
        if !ok {
            errors.push(FieldError { path: format!("spec.monitoring.{path}"), message });
        }
    };
    let monitoring = &spec.monitoring;
    for (i, name) in monitoring.drift_features.iter().flatten().enumerate() {
        // Features that are left out are known by the data, or by the imported model, only.
        let known = spec.features.is_empty() || spec.features.iter().any(|feature| feature.name == name.0);
        check(known, &format!("driftFeatures[{i}]"), format!("{:?} is none of the features", name.0));
    }
    let interval = monitoring.service_monitor.as_ref().and_then(|monitor| monitor.interval.as_deref());
    if let Some(interval) = interval {
        check(
            duration_seconds(interval).is_some_and(|seconds| seconds > 0),
            "serviceMonitor.interval",
            format!("expected a duration like 15s or 1m, got {interval:?}"),
        );
    }
    if let Some(alerts) = &monitoring.alerts {
        if let Some(pause) = &alerts.for_ {
            check(
                duration_seconds(pause).is_some(),
                "alerts.for",
                format!("expected a duration like 5m, or 0s, got {pause:?}"),
            );
        }
        if let Some(severity) = &alerts.severity {
            check(
                !severity.is_empty() && is_label_value(severity),
                "alerts.severity",
                format!("expected a word like warning or critical, got {severity:?}"),
            );
        }
    }
    let labels = |labels: &Option<BTreeMap<String, LabelValue>>| labels.clone().unwrap_or_default();
    for (member, given) in [
        ("serviceMonitor", monitoring.service_monitor.as_ref().map(|of| labels(&of.labels))),
        ("alerts", monitoring.alerts.as_ref().map(|of| labels(&of.labels))),
        ("dashboard", monitoring.dashboard.as_ref().map(|of| labels(&of.labels))),
    ] {
        for (key, value) in given.unwrap_or_default() {
            let path = format!("{member}.labels[{key}]");
            check(
                is_label_key(&key),
                &path,
                "expected a name like release or example.com/team: at most 63 letters, digits, - _ and . after the /"
                    .into(),
            );
            check(!is_ours(&key), &path, "labels of this group are the operator's own".into());
            check(
                is_label_value(&value.0),
                &path,
                format!("expected at most 63 letters, digits, - _ and ., got {:?}", value.0),
            );
        }
    }
}

/// Seconds of a duration as Prometheus writes it: days, hours, minutes and seconds, each at most once, in this order.
pub fn duration_seconds(text: &str) -> Option<u64> {
    if text == "0s" {
        return Some(0);
    }
    let (mut rest, mut seconds) = (text, 0_u64);
    for (unit, size) in [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)] {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let Some(after) = rest[digits..].strip_prefix(unit) else { continue };
        if !(1..=5).contains(&digits) || rest.starts_with('0') {
            return None;
        }
        seconds += rest[..digits].parse::<u64>().ok()? * size;
        rest = after;
    }
    (rest.is_empty() && seconds > 0).then_some(seconds)
}

/// Our labels select our children, and must not be changed.
fn is_ours(key: &str) -> bool {
    key.split_once('/').is_some_and(|(group, _)| {
        group == "app.kubernetes.io"
            || group == crate::GROUP
            || group.ends_with(&format!(".{}", crate::GROUP))
    })
}

/// Whether the API server takes a label of this name.
pub fn is_label_key(key: &str) -> bool {
    let (group, name) = match key.split_once('/') {
        Some((group, name)) => (Some(group), name),
        None => (None, key),
    };
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = |part: &str| {
        !part.is_empty() && part.chars().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    !name.is_empty()
        && is_label_value(name)
        && group.is_none_or(|group| group.len() <= 253 && group.split('.').all(is_label))
}

/// Whether the API server takes a label of this value.
pub fn is_label_value(value: &str) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    value.len() <= 63
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && ends(value.chars().next())
        && ends(value.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_prometheus() {
        for (text, seconds) in [
            ("15s", Some(15)),
            ("1m30s", Some(90)),
            ("0s", Some(0)),
            ("1d", Some(86_400)),
            ("2h1m", Some(7_260)),
        ] {
            assert_eq!(duration_seconds(text), seconds, "{text}");
        }
        for text in ["", "s", "15", "0m", "30s1m", "1.5m", "-1s", "100000s", "05s", "1s1s", "5 m", "1w"] {
            assert_eq!(duration_seconds(text), None, "{text:?}");
        }
    }

    #[test]
    fn label_names_are_those_that_the_api_server_takes() {
        for key in ["release", "example.com/team", "a", "A_b.c-d"] {
            assert!(is_label_key(key), "{key}");
        }
        for key in ["", "/x", "x/", "-x", "a/b/c", "Example.com/x", "a..b/x", "a b"] {
            assert!(!is_label_key(key), "{key}");
        }
        assert!(!is_label_key(&"a".repeat(64)));
    }

    #[test]
    fn every_fault_of_monitoring_is_named_with_its_path() {
        let spec: AnomalyModelSpec = serde_yaml::from_str(
            "{features: [{name: x}], detector: {isolationForest: {}}, training: {source: {inline: {csv: 'x'}}},
              monitoring: {
                driftFeatures: [x, z],
                serviceMonitor: {interval: 0s, labels: {'a b': c}},
                alerts: {for: soon, severity: very bad, labels: {anomaly-operator.io/model: other}},
                dashboard: {labels: {grafana_dashboard: 'not a value', release: ok}}}}",
        )
        .unwrap();
        let mut errors = Vec::new();
        monitoring(&spec, &mut errors);
        let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "spec.monitoring.driftFeatures[1]",
                "spec.monitoring.serviceMonitor.interval",
                "spec.monitoring.alerts.for",
                "spec.monitoring.alerts.severity",
                "spec.monitoring.serviceMonitor.labels[a b]",
                "spec.monitoring.alerts.labels[anomaly-operator.io/model]",
                "spec.monitoring.dashboard.labels[grafana_dashboard]",
            ]
        );
    }
}
