//! The way in from outside. Pure; whether there is one is decided by `exposure`, never before its password exists.

use std::collections::BTreeMap;

use api::{labels, names};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend,
    IngressSpec, IngressTLS, ServiceBackendPort,
};

use super::exposure::{Asks, Open};
use super::metadata;
use crate::validate::{Exposed, Validated};

/// Host and path to port `public`, with the annotations that make this controller ask for the password of `auth`.
pub(super) fn ingress(model: &Validated, exposed: &Exposed, open: &Open, auth: &str) -> Ingress {
    let mut metadata = metadata::child(model, model.name.clone(), labels::COMPONENT_SERVER);
    metadata.annotations = annotations(model, exposed, open, auth);
    let tls = exposed.tls_secret.as_ref().map(|secret| {
        vec![IngressTLS { hosts: Some(vec![exposed.host.clone()]), secret_name: Some(secret.clone()) }]
    });
    Ingress {
        metadata,
        spec: Some(IngressSpec {
            ingress_class_name: Some(open.class.clone()),
            rules: Some(vec![IngressRule {
                host: Some(exposed.host.clone()),
                http: Some(HTTPIngressRuleValue { paths: vec![path(model, exposed)] }),
            }]),
            tls,
            ..IngressSpec::default()
        }),
        ..Ingress::default()
    }
}

fn path(model: &Validated, exposed: &Exposed) -> HTTPIngressPath {
    let port = ServiceBackendPort { name: Some(names::PORT_PUBLIC.into()), number: None };
    HTTPIngressPath {
        path: Some(exposed.path.clone()),
        path_type: "Prefix".into(),
        backend: IngressBackend {
            service: Some(IngressServiceBackend { name: model.name.clone(), port: Some(port) }),
            ..IngressBackend::default()
        },
    }
}

/// The user's annotations and ours; ours win.
fn annotations(
    model: &Validated,
    exposed: &Exposed,
    open: &Open,
    auth: &str,
) -> Option<BTreeMap<String, String>> {
    let mut annotations = exposed.annotations.clone();
    match open.asks {
        Asks::Traefik => {
            let middleware = format!("{}-{}@kubernetescrd", model.namespace, names::middleware(&model.name));
            annotations.insert("traefik.ingress.kubernetes.io/router.middlewares".into(), middleware);
        }
        Asks::IngressNginx => {
            for (name, value) in [
                ("auth-type", "basic"),
                ("auth-secret", auth),
                ("auth-secret-type", "auth-file"),
                ("auth-realm", &model.name),
            ] {
                annotations.insert(format!("nginx.ingress.kubernetes.io/{name}"), value.to_owned());
            }
        }
        // The server asks by itself.
        Asks::ServerOnly(_) => {}
    }
    if let (Asks::IngressNginx, Some(secret)) = (open.asks, &model.tls_secret) {
        let host = names::server_host(&model.name, &model.namespace);
        for (name, value) in [
            ("backend-protocol", "HTTPS".to_owned()),
            // By its `ca.crt`.
            ("proxy-ssl-secret", format!("{}/{secret}", model.namespace)),
            ("proxy-ssl-verify", "on".to_owned()),
            ("proxy-ssl-name", host),
            ("proxy-ssl-server-name", "on".to_owned()),
        ] {
            annotations.insert(format!("nginx.ingress.kubernetes.io/{name}"), value);
        }
    }
    (!annotations.is_empty()).then_some(annotations)
}
