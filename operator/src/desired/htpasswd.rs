//! The generated password as ingress controllers and the server read it. Pure.
//!
//! `{SHA}` needs no salt, so that this Secret is a function of the credentials and healing it changes nothing. It is as
//! good as any hash for 160 random bits, cheap on every request, and every controller reads it.

use std::collections::BTreeMap;

use api::{labels, names};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use sha1::{Digest, Sha1};

use super::metadata;
use crate::observed::Credentials;
use crate::validate::Validated;

/// The Secret that machines read: one key, because Traefik takes no Secret with two.
pub(super) fn htpasswd(model: &Validated, credentials: &Credentials) -> Secret {
    Secret {
        metadata: metadata::child(model, names::htpasswd(&model.name), labels::COMPONENT_SERVER),
        type_: Some("Opaque".into()),
        data: Some(BTreeMap::from([(
            names::HTPASSWD_KEY.to_owned(),
            ByteString(line(credentials).into_bytes()),
        )])),
        ..Secret::default()
    }
}

fn line(Credentials { username, password }: &Credentials) -> String {
    format!("{username}:{{SHA}}{}\n", STANDARD.encode(Sha1::digest(password.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_what_htpasswd_writes() {
        // htpasswd -nbs model secret
        let credentials = Credentials { username: "model".into(), password: "secret".into() };
        assert_eq!(line(&credentials), "model:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
    }
}
