//! How Traefik speaks TLS with the scoring pods, and that it verifies them. Pure.

use api::{labels, names};
use kube::core::{DynamicObject, TypeMeta};
use serde_json::json;

use super::{metadata, middleware};
use crate::validate::Validated;

/// Its kind.
const KIND: &str = "ServersTransport";

/// The pods are verified by the `ca.crt` of their own Secret, under the name of their Service: Traefik asks them by their
/// addresses, which no certificate has. A Secret without `ca.crt` leaves the system's authorities, never nothing.
pub(super) fn servers_transport(model: &Validated, secret: &str) -> DynamicObject {
    DynamicObject {
        types: Some(TypeMeta { api_version: middleware::API_VERSION.into(), kind: KIND.into() }),
        metadata: metadata::child(model, model.name.clone(), labels::COMPONENT_SERVER),
        data: json!({"spec": {
            "serverName": names::server_host(&model.name, &model.namespace),
            "rootCAs": [{"secret": secret}],
        }}),
    }
}
