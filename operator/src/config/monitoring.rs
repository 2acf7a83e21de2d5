//! Options about what watches models that say nothing about it.

use std::collections::BTreeMap;

use api::validation::{MOST_INTERVAL_SECONDS, duration_seconds};
use clap::{ArgAction, Args};

use super::ConfigError;
use crate::monitoring::{AlertDefaults, DashboardDefaults, Defaults, RUNBOOKS, ServiceMonitorDefaults};

/// What watches models that say nothing about it, as typed. Labels are written `name=value,name=value`.
#[derive(Args, Clone, Debug)]
pub(super) struct MonitoringArgs {
    /// Make a ServiceMonitor for a model that says nothing about it.
    #[arg(long, env = "SERVICE_MONITORS", default_value = "true", action = ArgAction::Set)]
    service_monitors: bool,
    /// How often Prometheus scrapes scoring pods; at most 2m.
    #[arg(long, env = "SERVICE_MONITOR_INTERVAL", default_value = "15s")]
    service_monitor_interval: String,
    /// Labels of ServiceMonitors, which Prometheus selects by, like release=kube-prometheus-stack.
    #[arg(long, env = "SERVICE_MONITOR_LABELS", default_value = "", hide_default_value = true)]
    service_monitor_labels: String,
    /// Make a PrometheusRule for a model that says nothing about it.
    #[arg(long, env = "ALERTS", default_value = "true", action = ArgAction::Set)]
    alerts: bool,
    /// Label `severity` of alerts.
    #[arg(long, env = "ALERT_SEVERITY", default_value = "warning")]
    alert_severity: String,
    /// How long something must be so before an alert fires.
    #[arg(long, env = "ALERT_FOR", default_value = "5m")]
    alert_for: String,
    /// Labels of PrometheusRules and their alerts, which Prometheus selects by.
    #[arg(long, env = "ALERT_LABELS", default_value = "", hide_default_value = true)]
    alert_labels: String,
    /// Days after which a model that was not trained again is stale; 0 = never.
    #[arg(long, env = "ALERT_STALE_AFTER_DAYS", default_value = "90")]
    alert_stale_after_days: u32,
    /// Make a ConfigMap with dashboards for a model that says nothing about it.
    #[arg(long, env = "DASHBOARDS", default_value = "true", action = ArgAction::Set)]
    dashboards: bool,
    /// Labels of ConfigMaps with dashboards, which Grafana's sidecar looks for.
    #[arg(long, env = "DASHBOARD_LABELS", default_value = "grafana_dashboard=1")]
    dashboard_labels: String,
    /// Folder of dashboards, for a sidecar that reads the annotation `grafana_folder`.
    #[arg(long, env = "DASHBOARD_FOLDER", default_value = "", hide_default_value = true)]
    dashboard_folder: String,
    /// Folder of the runbooks that alerts name.
    #[arg(long, env = "RUNBOOK_BASE_URL", default_value = RUNBOOKS)]
    runbook_base_url: String,
}

impl MonitoringArgs {
    /// Checks every option.
    pub(super) fn check(&self) -> Result<Defaults, ConfigError> {
        let severity = self.alert_severity.trim();
        Ok(Defaults {
            service_monitor: ServiceMonitorDefaults {
                enabled: self.service_monitors,
                interval: interval("--service-monitor-interval", &self.service_monitor_interval)?,
                labels: labels("--service-monitor-labels", &self.service_monitor_labels)?,
            },
            alerts: AlertDefaults {
                enabled: self.alerts,
                severity: match !severity.is_empty() && is_label_value(severity) {
                    true => severity.to_owned(),
                    false => {
                        return Err(unusable(
                            "--alert-severity",
                            severity,
                            "a word like warning or critical",
                        ));
                    }
                },
                for_: duration("--alert-for", &self.alert_for)?,
                labels: labels("--alert-labels", &self.alert_labels)?,
                stale_after_days: self.alert_stale_after_days,
            },
            dashboard: DashboardDefaults {
                enabled: self.dashboards,
                labels: labels("--dashboard-labels", &self.dashboard_labels)?,
                folder: self.dashboard_folder.trim().to_owned(),
            },
            runbook_base_url: self.runbook_base_url.trim().trim_end_matches('/').to_owned(),
        })
    }
}

fn unusable(flag: &'static str, value: &str, expected: &'static str) -> ConfigError {
    ConfigError::Unusable { flag, value: value.to_owned(), expected }
}

/// What Prometheus reads as a duration, in the units that people use: days to seconds, each at most once, in this order.
fn duration(flag: &'static str, value: &str) -> Result<String, ConfigError> {
    let value = value.trim();
    let (mut rest, mut some) = (value, false);
    for unit in ['d', 'h', 'm', 's'] {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        if let (Ok(_), Some(after)) = (number.parse::<u32>(), after.strip_prefix(unit)) {
            (some, rest) = (true, after);
        }
    }
    match some && rest.is_empty() {
        true => Ok(value.to_owned()),
        false => Err(unusable(flag, value, "a duration like 30s, 5m or 1h30m")),
    }
}

/// How often Prometheus asks, as in a model's spec.
fn interval(flag: &'static str, value: &str) -> Result<String, ConfigError> {
    let value = value.trim();
    match duration_seconds(value) {
        Some(1..=MOST_INTERVAL_SECONDS) => Ok(value.to_owned()),
        _ => {
            Err(unusable(flag, value, "a duration like 15s, at most 2m because alerts look at five minutes"))
        }
    }
}

/// `name=value,name=value`; empty members are overlooked, templates leave them behind.
fn labels(flag: &'static str, list: &str) -> Result<BTreeMap<String, String>, ConfigError> {
    let members = list.split(',').map(str::trim).filter(|member| !member.is_empty());
    let label = |member: &str| match member.split_once('=') {
        Some((name, value)) if is_label_key(name) && is_label_value(value) => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(unusable(flag, member, "labels as name=value, separated by commas")),
    };
    members.map(label).collect()
}

/// `name` or `prefix/name`, as Kubernetes has it.
fn is_label_key(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let in_prefix = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    !name.is_empty()
        && is_label_value(name)
        && prefix.is_none_or(|p| !p.is_empty() && p.len() <= 253 && p.chars().all(in_prefix))
}

/// At most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends; or nothing.
fn is_label_value(value: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    value.len() <= 63
        && value.chars().all(inner)
        && end(value.chars().next())
        && end(value.chars().next_back())
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};

    use super::*;

    /// Parses without the environment.
    fn check(arguments: &[&str]) -> Result<Defaults, String> {
        let command = MonitoringArgs::augment_args(Command::new("x")).mut_args(|argument| argument.env(None));
        let words = ["x"].iter().chain(arguments);
        let parsed = MonitoringArgs::from_arg_matches(&command.try_get_matches_from(words).unwrap()).unwrap();
        parsed.check().map_err(|error| error.to_string())
    }

    #[test]
    fn without_options_the_defaults_hold() {
        assert_eq!(check(&[]).unwrap(), Defaults::default());
    }

    #[test]
    fn everything_can_be_switched_off() {
        let defaults = check(&["--service-monitors=false", "--alerts=false", "--dashboards=false"]).unwrap();
        assert!(!defaults.service_monitor.enabled && !defaults.alerts.enabled && !defaults.dashboard.enabled);
    }

    #[test]
    fn labels_are_a_comma_list_of_names_and_values() {
        let defaults = check(&["--alert-labels", "release=prometheus, example.com/team=a,,empty="]).unwrap();
        let expected = [("release", "prometheus"), ("example.com/team", "a"), ("empty", "")];
        let expected: BTreeMap<String, String> =
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(defaults.alerts.labels, expected);
        for bad in ["release", "=x", "a=b=c", "-a=b", "a=-b", "/a=b", "ä=b"] {
            let error = check(&[&format!("--alert-labels={bad}")]).unwrap_err();
            assert!(error.contains("--alert-labels") && error.contains("name=value"), "{bad}: {error}");
        }
    }

    #[test]
    fn durations_are_those_of_prometheus() {
        for good in ["30s", "5m", "1h30m", "1d", "0s"] {
            assert_eq!(check(&[&format!("--alert-for={good}")]).unwrap().alerts.for_, good);
        }
        for bad in ["", "5", "m", "1.5h", "5m1h", "1m1m", "-5m", "5 m", "1w"] {
            assert!(check(&[&format!("--alert-for={bad}")]).is_err(), "{bad}");
        }
        for good in ["1s", "1m30s", "2m"] {
            assert!(check(&[&format!("--service-monitor-interval={good}")]).is_ok(), "{good}");
        }
        for bad in ["0s", "121s", "5m", "often"] {
            let error = check(&[&format!("--service-monitor-interval={bad}")]).unwrap_err();
            assert!(error.contains("--service-monitor-interval") && error.contains("at most 2m"), "{error}");
        }
    }

    #[test]
    fn a_slash_at_the_end_of_the_runbooks_folder_is_not_doubled() {
        let defaults = check(&["--runbook-base-url=https://example.com/runbooks/"]).unwrap();
        assert_eq!(defaults.runbook_base_url, "https://example.com/runbooks");
    }
}
