//! Traefik's Middleware that asks for the password. Pure.

use api::{labels, names};
use kube::core::{DynamicObject, TypeMeta};
use serde_json::json;

use super::metadata;
use crate::validate::Validated;

/// API version of Traefik's kinds.
pub const API_VERSION: &str = "traefik.io/v1alpha1";
/// Its kind.
pub const KIND: &str = "Middleware";

/// Basic auth with the lines of Secret `auth`.
pub fn middleware(model: &Validated, auth: &str) -> DynamicObject {
    DynamicObject {
        types: Some(TypeMeta { api_version: API_VERSION.into(), kind: KIND.into() }),
        metadata: metadata::child(model, names::middleware(&model.name), labels::COMPONENT_SERVER),
        // The header is passed on, because the server checks it once more.
        data: json!({"spec": {"basicAuth": {"secret": auth, "removeHeader": false}}}),
    }
}
