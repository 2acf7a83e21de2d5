//! Probes of the scoring pods, all on port `http`. Pure.
//!
//! Ready means that the model is loaded and checked and the passwords are read. Alive depends on neither, nor on load:
//! a restart would mend none of them.

use api::names;
use k8s_openapi::api::core::v1::{HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::validate::Validated;

/// Asks every second, because a server answers in a fraction of one; restarts one that does not after a minute. It asks whether
/// the process is alive: one whose model or passwords are not there yet waits for them.
pub(super) fn startup(model: &Validated) -> Probe {
    Probe { period_seconds: Some(1), failure_threshold: Some(60), ..get(model, "/healthz", 2) }
}

/// Takes a pod that cannot answer for 15 seconds out of the Service, and one that can into it within two.
pub(super) fn readiness(model: &Validated) -> Probe {
    Probe { period_seconds: Some(2), failure_threshold: Some(8), ..get(model, "/readyz", 2) }
}

/// Restarts a process that hangs, patiently.
pub(super) fn liveness(model: &Validated) -> Probe {
    Probe { period_seconds: Some(10), failure_threshold: Some(6), ..get(model, "/healthz", 5) }
}

fn get(model: &Validated, path: &str, timeout_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String(names::PORT_HTTP.into()),
            // The kubelet does not verify certificates; plain HTTP would be refused.
            scheme: model.tls_secret.is_some().then(|| "HTTPS".to_owned()),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(timeout_seconds),
        ..Probe::default()
    }
}
