//! The address of the scoring pods. Pure.

use api::{labels, names};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata;
use crate::validate::Validated;

/// Port `http` for the cluster; port `public` only when the pods have one.
pub(super) fn service(model: &Validated, public: bool) -> Service {
    let mut ports = vec![port(names::PORT_HTTP, names::PORT_HTTP_NUMBER)];
    if public {
        ports.push(port(names::PORT_PUBLIC, names::PORT_PUBLIC_NUMBER));
    }
    Service {
        metadata: metadata::child(model, model.name.clone(), labels::COMPONENT_SERVER),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".into()),
            selector: Some(labels::server_selector(&model.name)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.into()),
        port: number,
        target_port: Some(IntOrString::String(name.into())),
        // Part of the key of this list: left out, the live object would differ from what we apply.
        protocol: Some("TCP".into()),
        app_protocol: Some("http".into()),
        ..ServicePort::default()
    }
}
