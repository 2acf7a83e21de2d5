//! The container of the scoring pods. Pure.

use api::names;
use api::spec::{AccessLog, Limits, Page};
use k8s_openapi::api::core::v1::{Container, ContainerPort, EnvVar};

use super::deployment::{Public, Served};
use super::{probes, security, volumes};
use crate::settings::Settings;
use crate::validate::Validated;

/// `anomaly-server` with its flags.
pub(super) fn server(
    model: &Validated,
    served: &Served,
    public: Option<&Public>,
    settings: &Settings,
) -> Container {
    let mut ports = vec![
        port(names::PORT_HTTP, names::PORT_HTTP_NUMBER),
        port(names::PORT_GRPC, names::PORT_GRPC_NUMBER),
    ];
    // The public port exists only with a password to ask for.
    if public.is_some() {
        ports.push(port(names::PORT_PUBLIC, names::PORT_PUBLIC_NUMBER));
    }
    Container {
        name: "server".into(),
        image: Some(settings.server_image.clone()),
        image_pull_policy: Some(settings.image_pull_policy.clone()),
        args: Some(args(model, served, public)),
        // None without a collector: an empty list would differ from what the API server keeps.
        env: (!settings.server_otel.is_empty()).then(|| otel(settings)),
        ports: Some(ports),
        resources: Some(model.server_resources.to_pod()),
        security_context: Some(security::container()),
        startup_probe: Some(probes::startup(model)),
        readiness_probe: Some(probes::readiness(model)),
        liveness_probe: Some(probes::liveness(model)),
        volume_mounts: Some(volumes::mounts(model, public)),
        ..Container::default()
    }
}

/// Where traces go, as the administrator says for all models.
fn otel(settings: &Settings) -> Vec<EnvVar> {
    let variables = settings.server_otel.iter();
    let variables = variables.map(|(name, value)| EnvVar {
        name: name.clone(),
        value: Some(value.clone()),
        ..EnvVar::default()
    });
    variables.collect()
}

fn args(model: &Validated, served: &Served, public: Option<&Public>) -> Vec<String> {
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
    // For the metrics of age and training; the model file has no times.
    args.extend(served.trained_at.map(|at| format!("--trained-at={}", at.as_second())));
    args.extend(served.training_seconds.map(|seconds| format!("--training-duration={seconds}")));
    if model.tls_secret.is_some() {
        args.push(format!("--tls-dir={}", volumes::TLS_DIR));
    }
    args.extend(limits(&model.limits));
    args.extend(page(model.page));
    // One line for each error is the server's default.
    if model.access_log != AccessLog::default() {
        args.push(format!("--access-log={}", model.access_log.as_str()));
    }
    if let Some(names) = &model.drift_features {
        // One flag a name, because names may hold any character; an empty one for none.
        let none = names.is_empty().then(String::new);
        args.extend(names.iter().chain(&none).map(|name| format!("--drift-features={}", literal(name))));
    }
    args
}

/// Kubernetes expands `$(NAME)` in arguments, and `$$` to `$`.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// What differs from the server's own defaults, so that most pods have a short command line.
fn limits(limits: &Limits) -> Vec<String> {
    let default = Limits::default();
    let counts = [
        ("max-body-bytes", limits.max_body_bytes, default.max_body_bytes),
        ("max-batch-rows", limits.max_batch_rows, default.max_batch_rows),
        ("max-concurrent-rows", limits.max_concurrent_rows, default.max_concurrent_rows),
        ("max-concurrent-requests", limits.max_concurrent_requests, default.max_concurrent_requests),
        ("max-connections", limits.max_connections, default.max_connections),
    ];
    let (wait, default_wait) = (limits.max_batch_wait_milliseconds, default.max_batch_wait_milliseconds);
    let milliseconds = [("max-batch-wait", wait, default_wait)];
    let seconds = [
        ("request-timeout", limits.request_timeout_seconds, default.request_timeout_seconds),
        ("header-timeout", limits.header_timeout_seconds, default.header_timeout_seconds),
        ("stall-timeout", limits.stall_timeout_seconds, default.stall_timeout_seconds),
        ("idle-timeout", limits.idle_timeout_seconds, default.idle_timeout_seconds),
    ];
    let changed = |(_, value, default): &(&str, u32, u32)| value != default;
    let counts = counts.into_iter().filter(changed).map(|(name, value, _)| format!("--{name}={value}"));
    let milliseconds =
        milliseconds.into_iter().filter(changed).map(|(name, value, _)| format!("--{name}={value}ms"));
    let seconds = seconds.into_iter().filter(changed).map(|(name, value, _)| format!("--{name}={value}s"));
    counts.chain(milliseconds).chain(seconds).collect()
}

fn page(page: Page) -> impl Iterator<Item = String> {
    [(page.recent_verdicts, "--recent-verdicts"), (page.recent_values, "--recent-values")]
        .into_iter()
        .filter(|(asked, _)| *asked)
        .map(|(_, flag)| flag.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_looks_like_a_variable_reaches_the_server_as_it_is() {
        assert_eq!(literal("$(HOME) $5"), "$$(HOME) $$5");
    }
}
