//! Recording rules and alerts of one model. Pure. What they say, and why, is in `docs/monitoring.md`; every alert has a
//! runbook, and promtool tests in `operator/tests/rules`.

use api::labels;
use kube::core::{DynamicObject, TypeMeta};
use serde_json::{Value, json};

use super::labelled;
use crate::monitoring::Alerting;
use crate::validate::Validated;

mod alerts;
mod recorded;

/// How often drift is computed: its window is a day, and it looks at every sample in it.
const DRIFT_INTERVAL: &str = "2m";

/// All rules of the model. Every expression is of this model alone.
pub(in crate::desired) fn rules(model: &Validated, alerting: &Alerting) -> DynamicObject {
    let matchers = matchers(model);
    DynamicObject {
        types: Some(TypeMeta { api_version: super::API_VERSION.into(), kind: "PrometheusRule".into() }),
        metadata: labelled(model, model.name.clone(), labels::COMPONENT_MONITORING, &alerting.labels),
        data: json!({"spec": {"groups": [
            group("anomaly-model-requests", None, recorded::requests(&matchers)),
            group("anomaly-model-drift", Some(DRIFT_INTERVAL), recorded::drift(&matchers)),
            group("anomaly-model-alerts", None, alerts::alerts(model, &matchers, alerting)),
        ]}}),
    }
}

/// `namespace="…",model="…"`: names are DNS labels and need no escapes.
fn matchers(model: &Validated) -> String {
    format!(r#"namespace="{}",model="{}""#, model.namespace, model.name)
}

fn group(name: &str, interval: Option<&str>, rules: Vec<Value>) -> Value {
    let mut group = json!({"name": name, "rules": rules});
    if let Some(interval) = interval {
        group["interval"] = interval.into();
    }
    group
}
