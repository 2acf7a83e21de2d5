//! What is asked for to watch a model: what the model says, and where it says nothing, what the administrator said. Pure.

use std::collections::BTreeMap;

use api::AnomalyModelSpec;
use api::spec::LabelValue;

/// What the administrator decided for models that say nothing (chart values `monitoring`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// ServiceMonitors.
    pub service_monitor: ServiceMonitorDefaults,
    /// PrometheusRules.
    pub alerts: AlertDefaults,
    /// ConfigMaps with dashboards.
    pub dashboard: DashboardDefaults,
    /// Folder of the runbooks, without a slash at its end.
    pub runbook_base_url: String,
}

/// What the administrator decided about ServiceMonitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceMonitorDefaults {
    /// Whether there is one.
    pub enabled: bool,
    /// How often Prometheus asks.
    pub interval: String,
    /// Labels that Prometheus selects by.
    pub labels: BTreeMap<String, String>,
}

/// What the administrator decided about PrometheusRules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertDefaults {
    /// Whether there is one.
    pub enabled: bool,
    /// Label `severity`.
    pub severity: String,
    /// How long something must be so before an alert fires.
    pub for_: String,
    /// Labels that Prometheus selects by.
    pub labels: BTreeMap<String, String>,
    /// Days after which a model is stale; 0 = never.
    pub stale_after_days: u32,
}

/// What the administrator decided about dashboards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DashboardDefaults {
    /// Whether there are any.
    pub enabled: bool,
    /// Labels that Grafana's sidecar looks for.
    pub labels: BTreeMap<String, String>,
    /// Grafana's folder; empty = none is named.
    pub folder: String,
}

/// Where the runbooks of this release are.
pub const RUNBOOKS: &str = "https://github.com/anomaly-operator/anomaly-operator/blob/main/docs/runbooks";

impl Default for Defaults {
    /// As the chart's values and the flags are when nobody changes them.
    fn default() -> Self {
        Self {
            service_monitor: ServiceMonitorDefaults {
                enabled: true,
                interval: "15s".into(),
                labels: BTreeMap::new(),
            },
            alerts: AlertDefaults {
                enabled: true,
                severity: "warning".into(),
                for_: "5m".into(),
                labels: BTreeMap::new(),
                stale_after_days: 90,
            },
            dashboard: DashboardDefaults {
                enabled: true,
                labels: [("grafana_dashboard".to_owned(), "1".to_owned())].into(),
                folder: String::new(),
            },
            runbook_base_url: RUNBOOKS.into(),
        }
    }
}

/// What is asked for to watch one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Monitoring {
    /// A ServiceMonitor.
    pub service_monitor: Option<Scraping>,
    /// A PrometheusRule.
    pub alerts: Option<Alerting>,
    /// A ConfigMap with dashboards.
    pub dashboard: Option<Dashboards>,
}

/// How Prometheus scrapes the pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scraping {
    /// How often.
    pub interval: String,
    /// Labels of the ServiceMonitor.
    pub labels: BTreeMap<String, String>,
    /// Secret with the certificate of the pods, when they speak TLS.
    pub tls_secret: Option<String>,
}

/// How alerts are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alerting {
    /// Label `severity`.
    pub severity: String,
    /// How long something must be so before an alert fires.
    pub for_: String,
    /// Labels of the PrometheusRule, and of its alerts.
    pub labels: BTreeMap<String, String>,
    /// Days after which a model is stale; 0 = never.
    pub stale_after_days: u32,
    /// Folder of the runbooks, without a slash at its end.
    pub runbook_base_url: String,
}

/// How dashboards are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dashboards {
    /// Labels of the ConfigMap.
    pub labels: BTreeMap<String, String>,
    /// Grafana's folder; empty = none is named.
    pub folder: String,
}

/// What is asked for by this spec where these defaults hold. Every member that the spec leaves out is the default's.
pub fn asked(spec: &AnomalyModelSpec, defaults: &Defaults) -> Monitoring {
    let api::spec::Monitoring { service_monitor, alerts, dashboard, drift_features: _ } = &spec.monitoring;
    Monitoring {
        service_monitor: {
            let said = service_monitor.clone().unwrap_or_default();
            let default = &defaults.service_monitor;
            said.enabled.unwrap_or(default.enabled).then(|| Scraping {
                interval: said.interval.unwrap_or_else(|| default.interval.clone()),
                labels: labels(said.labels, &default.labels),
                tls_secret: spec.serving.tls.as_ref().map(|tls| tls.secret_name.clone()),
            })
        },
        alerts: {
            let said = alerts.clone().unwrap_or_default();
            let default = &defaults.alerts;
            said.enabled.unwrap_or(default.enabled).then(|| Alerting {
                severity: said.severity.unwrap_or_else(|| default.severity.clone()),
                for_: said.for_.unwrap_or_else(|| default.for_.clone()),
                labels: labels(said.labels, &default.labels),
                stale_after_days: default.stale_after_days,
                runbook_base_url: defaults.runbook_base_url.clone(),
            })
        },
        dashboard: {
            let said = dashboard.clone().unwrap_or_default();
            let default = &defaults.dashboard;
            said.enabled.unwrap_or(default.enabled).then(|| Dashboards {
                labels: labels(said.labels, &default.labels),
                folder: said.folder.unwrap_or_else(|| default.folder.clone()),
            })
        },
    }
}

fn labels(
    said: Option<BTreeMap<String, LabelValue>>,
    default: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    match said {
        Some(said) => said.into_iter().map(|(name, value)| (name, value.0)).collect(),
        None => default.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_for(monitoring: &str, defaults: &Defaults) -> Monitoring {
        let spec = format!(
            "{{features: [{{name: x}}], detector: {{isolationForest: {{}}}}, \
             training: {{source: {{inline: {{csv: x}}}}}}, monitoring: {monitoring}}}"
        );
        asked(&serde_yaml::from_str(&spec).unwrap(), defaults)
    }

    #[test]
    fn a_model_that_says_nothing_gets_what_the_administrator_said() {
        let mut defaults = Defaults::default();
        defaults.alerts.enabled = false;
        defaults.service_monitor.labels = [("release".to_owned(), "prometheus".to_owned())].into();
        let asked = asked_for("{}", &defaults);
        assert_eq!(asked.alerts, None);
        let scraping = asked.service_monitor.unwrap();
        assert_eq!((scraping.interval.as_str(), &scraping.labels["release"][..]), ("15s", "prometheus"));
        assert_eq!(asked.dashboard.unwrap().labels["grafana_dashboard"], "1");
    }

    #[test]
    fn every_member_of_the_spec_wins_by_itself() {
        let defaults = Defaults::default();
        let asked = asked_for(
            "{serviceMonitor: {interval: 1m}, alerts: {severity: critical, for: 1m, labels: {release: x}}, \
             dashboard: {enabled: false}}",
            &defaults,
        );
        assert_eq!(asked.service_monitor.unwrap().interval, "1m");
        let alerts = asked.alerts.unwrap();
        assert_eq!(
            (&alerts.severity[..], &alerts.for_[..], &alerts.labels["release"][..]),
            ("critical", "1m", "x")
        );
        assert_eq!(asked.dashboard, None);
    }

    #[test]
    fn labels_of_the_spec_replace_those_of_the_administrator() {
        let asked = asked_for("{dashboard: {labels: {}}}", &Defaults::default());
        assert!(asked.dashboard.unwrap().labels.is_empty());
    }
}
