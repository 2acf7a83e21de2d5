//! Probes of the scoring pods, all on port `http`. Pure.
//!
//! Ready means that the model is loaded and checked and the passwords are read. Alive depends on neither, nor on load:
//! a restart would mend none of them.

use api::names;
use k8s_openapi::api::core::v1::{HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Asks every second, because a pod is ready in a fraction of one; gives up after a minute.
pub(super) fn startup() -> Probe {
    Probe { period_seconds: Some(1), failure_threshold: Some(60), ..get("/readyz", 2) }
}

/// Takes a pod that cannot answer out of the Service.
pub(super) fn readiness() -> Probe {
    Probe { period_seconds: Some(5), failure_threshold: Some(3), ..get("/readyz", 2) }
}

/// Restarts a process that hangs, patiently.
pub(super) fn liveness() -> Probe {
    Probe { period_seconds: Some(10), failure_threshold: Some(6), ..get("/healthz", 5) }
}

fn get(path: &str, timeout_seconds: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.into()),
            port: IntOrString::String(names::PORT_HTTP.into()),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(timeout_seconds),
        ..Probe::default()
    }
}
