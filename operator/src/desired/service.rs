//! The address of the scoring pods. Pure.

use std::collections::BTreeMap;

use api::{labels, names};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata;
use crate::validate::Validated;

/// HTTP/2 without TLS, as gRPC clients and proxies speak it.
const H2C: &str = "kubernetes.io/h2c";
const HTTP: &str = "http";
const HTTPS: &str = "https";

/// Ports `http` and `grpc` for the cluster; port `public` only when the pods have one. With `transport` Traefik, which reads
/// no `appProtocol`, is told to speak TLS and how to verify the pods.
pub(super) fn service(model: &Validated, public: bool, transport: bool) -> Service {
    let tls = model.tls_secret.is_some();
    let (http, grpc) = if tls { (HTTPS, HTTPS) } else { (HTTP, H2C) };
    let mut ports = vec![
        port(names::PORT_HTTP, names::PORT_HTTP_NUMBER, http),
        port(names::PORT_GRPC, names::PORT_GRPC_NUMBER, grpc),
    ];
    if public {
        ports.push(port(names::PORT_PUBLIC, names::PORT_PUBLIC_NUMBER, http));
    }
    let mut metadata = metadata::child(model, model.name.clone(), labels::COMPONENT_SERVER);
    metadata.annotations = transport.then(|| traefik(model));
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            selector: Some(labels::server_selector(&model.name)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn traefik(model: &Validated) -> BTreeMap<String, String> {
    let transport = format!("{}-{}@kubernetescrd", model.namespace, model.name);
    [("service.serversscheme", HTTPS.to_owned()), ("service.serverstransport", transport)]
        .into_iter()
        .map(|(name, value)| (format!("traefik.ingress.kubernetes.io/{name}"), value))
        .collect()
}

fn port(name: &str, number: i32, app_protocol: &str) -> ServicePort {
    ServicePort {
        name: Some(name.into()),
        port: number,
        target_port: Some(IntOrString::String(name.into())),
        // Part of the key of this list: left out, the live object would differ from what we apply.
        protocol: Some("TCP".into()),
        app_protocol: Some(app_protocol.into()),
        ..ServicePort::default()
    }
}
