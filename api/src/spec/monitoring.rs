//! `AnomalyModel.spec.monitoring`: what watches a model. What is left out is as the operator's administrator decided.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What watches the model. Omitted members are as the operator's administrator decided (chart values `monitoring`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// Has Prometheus scrape the scoring pods: a ServiceMonitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_monitor: Option<ServiceMonitor>,

    /// Alerts and recording rules of the model: a PrometheusRule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Alerts>,

    /// Grafana dashboards of the model: a ConfigMap that Grafana's sidecar finds by its labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dashboard: Option<Dashboard>,

    /// Features whose drift is watched. Omitted: the first 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(max = 256), extend("x-kubernetes-list-type" = "set")))]
    pub drift_features: Option<Vec<FeatureName>>,
}

impl Monitoring {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Has Prometheus scrape the scoring pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitor {
    /// Whether there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,

    /// How often, like `15s` or `1m`; at most `2m`, because alerts look at five minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "kube",
        schemars(
            length(min = 2, max = 24),
            regex(pattern = INTERVAL),
            extend("x-kubernetes-validations" = [{
                "rule": "duration(self) <= duration('2m')",
                "message": "serviceMonitor.interval may be at most 2m: alerts look at five minutes, and a longer one leaves holes in them"
            }])
        )
    )]
    pub interval: Option<String>,

    /// Labels of the ServiceMonitor, in place of the administrator's: those that the Prometheus to use selects by, like
    /// `release: kube-prometheus-stack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(extend("maxProperties" = 32)))]
    pub labels: Option<BTreeMap<String, LabelValue>>,
}

/// Alerts and recording rules of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Alerts {
    /// Whether there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,

    /// Value of the label `severity` of the alerts, like `warning`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 63), regex(pattern = SEVERITY)))]
    pub severity: Option<String>,

    /// How long something must be so before an alert fires, like `5m`; `0s` is at once.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(min = 2, max = 24), regex(pattern = DURATION)))]
    pub for_: Option<String>,

    /// Labels of the PrometheusRule, in place of the administrator's: those that the Prometheus to use selects by, like
    /// `release: kube-prometheus-stack`. Every alert carries them too, for routing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(extend("maxProperties" = 32)))]
    pub labels: Option<BTreeMap<String, LabelValue>>,
}

/// Grafana dashboards of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// Whether there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,

    /// Labels of the ConfigMap, in place of the administrator's: those that Grafana's sidecar looks for, like
    /// `grafana_dashboard: "1"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(extend("maxProperties" = 32)))]
    pub labels: Option<BTreeMap<String, LabelValue>>,

    /// Grafana's folder, as the annotation `grafana_folder`; it works where Grafana's sidecar was told to read it. Empty:
    /// no annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(max = 189), regex(pattern = "^[^\\n\\r\\t]*$")))]
    pub folder: Option<String>,
}

/// A value of a label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "kube", schemars(inline))]
#[serde(transparent)]
pub struct LabelValue(
    #[cfg_attr(feature = "kube", schemars(length(max = 63), regex(pattern = LABEL_VALUE)))] pub String,
);

/// The name of a feature.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "kube", schemars(inline))]
#[serde(transparent)]
pub struct FeatureName(#[cfg_attr(feature = "kube", schemars(length(min = 1, max = 253)))] pub String);

/// What Prometheus reads as a duration, without the zero.
#[cfg(feature = "kube")]
const INTERVAL: &str = "^([1-9][0-9]{0,4}h)?([1-9][0-9]{0,4}m)?([1-9][0-9]{0,4}s)?$";
/// What Prometheus reads as a duration.
#[cfg(feature = "kube")]
const DURATION: &str = "^(0s|([1-9][0-9]{0,4}d)?([1-9][0-9]{0,4}h)?([1-9][0-9]{0,4}m)?([1-9][0-9]{0,4}s)?)$";
/// A value of the label `severity`.
#[cfg(feature = "kube")]
const SEVERITY: &str = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$";
/// A value of a label.
#[cfg(feature = "kube")]
const LABEL_VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";
