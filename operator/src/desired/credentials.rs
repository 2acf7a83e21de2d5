//! Generated user name and password. Pure: the password comes from the existing Secret, or from the caller when there is
//! none yet, so that no reconcile ever changes it.

use std::collections::BTreeMap;

use api::{labels, names};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::metadata;
use crate::observed::Credentials;
use crate::validate::Validated;

/// The Secret that people read.
pub(super) fn credentials(model: &Validated, credentials: &Credentials) -> Secret {
    Secret {
        metadata: metadata::child(model, names::credentials(&model.name), labels::COMPONENT_SERVER),
        type_: Some("kubernetes.io/basic-auth".into()),
        data: Some(BTreeMap::from([
            ("username".to_owned(), ByteString(credentials.username.clone().into_bytes())),
            ("password".to_owned(), ByteString(credentials.password.clone().into_bytes())),
        ])),
        ..Secret::default()
    }
}
