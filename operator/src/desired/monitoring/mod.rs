//! What watches the model: ServiceMonitor, PrometheusRule, dashboards. Pure.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::metadata;
use crate::kinds::Kind;
use crate::monitoring::Monitoring;
use crate::observed::{Observed, Presence};
use crate::validate::Validated;

pub(super) mod dashboards;
pub mod drift;
pub(super) mod rules;
pub(super) mod service_monitor;

/// API version of the kinds of Prometheus' operator.
const API_VERSION: &str = "monitoring.coreos.com/v1";

/// What is asked for, and what of it cannot be made; for status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Kinds that are asked for.
    pub asked: Vec<Kind>,
    /// Those of them that are not installed.
    pub missing: Vec<Kind>,
    /// Those of them of which nobody knows yet.
    pub unknown: Vec<Kind>,
}

impl Decision {
    /// Whether a child of this kind can be made.
    pub fn makes(&self, kind: Kind) -> bool {
        self.asked.contains(&kind) && !self.missing.contains(&kind) && !self.unknown.contains(&kind)
    }
}

/// Decides.
pub fn decide(model: &Validated, observed: &Observed) -> Decision {
    let Monitoring { service_monitor, alerts, dashboard } = &model.monitoring;
    let asked: Vec<Kind> = [
        (service_monitor.is_some(), Kind::ServiceMonitor),
        (alerts.is_some(), Kind::PrometheusRule),
        (dashboard.is_some(), Kind::Dashboards),
    ]
    .into_iter()
    .filter_map(|(asked, kind)| asked.then_some(kind))
    .collect();
    let that_are = |presence: Presence| {
        asked.iter().copied().filter(|kind| observed.monitoring.presence(*kind) == presence).collect()
    };
    Decision { missing: that_are(Presence::Absent), unknown: that_are(Presence::Unknown), asked }
}

/// Metadata of a child with labels that somebody asked for; ours win.
fn labelled(
    model: &Validated,
    name: String,
    component: &str,
    asked: &BTreeMap<String, String>,
) -> ObjectMeta {
    let ours = metadata::child(model, name, component);
    let mut labels = asked.clone();
    labels.extend(ours.labels.unwrap_or_default());
    ObjectMeta { labels: Some(labels), ..ours }
}
