//! Has Prometheus scrape the scoring pods. Pure.
//!
//! Lists are stored as they are applied, so whatever the API server would fill in inside of them is written here.

use api::{labels, names};
use kube::core::{DynamicObject, TypeMeta};
use serde_json::{Value, json};

use super::labelled;
use crate::monitoring::Scraping;
use crate::validate::Validated;

/// Port `http` of every pod of the model. Every series gets the labels `namespace`, `model` and `pod`.
pub(in crate::desired) fn service_monitor(model: &Validated, scraping: &Scraping) -> DynamicObject {
    let Scraping { interval, labels: asked, tls_secret } = scraping;
    let mut endpoint = json!({
        "port": names::PORT_HTTP,
        "path": "/metrics",
        "interval": interval,
        "scheme": "http",
        // `namespace`, `pod`, `service` and `endpoint` are set by Prometheus' operator.
        "relabelings": [{"action": "replace", "targetLabel": "model", "replacement": model.name}],
        // What a pod says of its own namespace says no more than where it runs.
        "metricRelabelings": [{"action": "labeldrop", "regex": "exported_namespace"}],
    });
    if let Some(secret) = tls_secret {
        endpoint["scheme"] = "https".into();
        endpoint["tlsConfig"] = tls(model, secret);
    }
    DynamicObject {
        types: Some(TypeMeta { api_version: super::API_VERSION.into(), kind: "ServiceMonitor".into() }),
        metadata: labelled(model, model.name.clone(), labels::COMPONENT_MONITORING, asked),
        data: json!({"spec": {
            // One job for all models: they are told apart by namespace and model.
            "jobLabel": "app.kubernetes.io/name",
            "selector": {"matchLabels": labels::server_selector(&model.name)},
            "endpoints": [endpoint],
        }}),
    }
}

/// The certificate is the Service's, and is verified by the authority in the same Secret.
fn tls(model: &Validated, secret: &str) -> Value {
    json!({
        "serverName": format!("{}.{}.svc", model.name, model.namespace),
        "ca": {"secret": {"name": secret, "key": "ca.crt"}},
    })
}
