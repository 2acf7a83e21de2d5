//! The container of the scoring pods. Pure.

use api::names;
use k8s_openapi::api::core::v1::{Container, ContainerPort};

use super::deployment::Public;
use super::{probes, security, volumes};
use crate::settings::Settings;
use crate::validate::Validated;

/// `anomaly-server` with its flags.
pub(super) fn server(model: &Validated, public: Option<&Public>, settings: &Settings) -> Container {
    let mut ports = vec![port(names::PORT_HTTP, names::PORT_HTTP_NUMBER)];
    // The public port exists only with a password to ask for.
    if public.is_some() {
        ports.push(port(names::PORT_PUBLIC, names::PORT_PUBLIC_NUMBER));
    }
    Container {
        name: "server".into(),
        image: Some(settings.server_image.clone()),
        image_pull_policy: Some(settings.image_pull_policy.clone()),
        args: Some(args(model, public)),
        ports: Some(ports),
        resources: Some(model.server_resources.to_pod()),
        security_context: Some(security::container()),
        startup_probe: Some(probes::startup()),
        readiness_probe: Some(probes::readiness()),
        liveness_probe: Some(probes::liveness()),
        volume_mounts: Some(volumes::mounts(public)),
        ..Container::default()
    }
}

fn args(model: &Validated, public: Option<&Public>) -> Vec<String> {
    let mut args = vec![
        format!("--model-name={}", model.name),
        format!("--model-namespace={}", model.namespace),
        format!("--model-dir={}", volumes::MODEL_DIR),
        format!("--http-address=[::]:{}", names::PORT_HTTP_NUMBER),
        "--lame-duck=10s".to_owned(),
    ];
    if let Some(public) = public {
        args.extend([
            format!("--public-address=[::]:{}", names::PORT_PUBLIC_NUMBER),
            format!("--public-base-path={}", public.path),
            format!("--htpasswd-file={}/{}", volumes::AUTH_DIR, names::HTPASSWD_KEY),
        ]);
    }
    args
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: number,
        // Part of the key of this list: left out, the live object would differ from what we apply.
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    }
}
