//! OpenTelemetry traces: one span a request, sent to a collector by OTLP over HTTP, when there is one.
//!
//! Without a collector there is no span and no cost. With one, whether a request is recorded is decided at its head:
//! as its caller decided (`traceparent`), else for one in a hundred, or as `OTEL_TRACES_SAMPLER` says. Spans wait in a
//! bounded queue on a thread of their own; a collector that does not answer costs spans, never requests.
//!
//! A span has the route's name and never the path, the query, a header but the request's id, a user, or a body.

mod collector;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Span as _, SpanKind, Status, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use prometheus::IntCounter;
use thiserror::Error;
use tracing::{info, warn};

use self::collector::Collector;
use crate::metrics::PortName;
use crate::route::Route;

/// The share of requests recorded when nobody says otherwise.
const DEFAULT_RATIO: f64 = 0.01;

/// What is still in the queue at the end has so long.
const FLUSH: Duration = Duration::from_secs(2);

/// Where spans go. All else is read from the standard `OTEL_*` variables.
#[derive(Clone, Debug, Default)]
pub struct TraceConfig {
    /// The collector's URL with its path, in place of `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub endpoint: Option<String>,
    /// The share of requests recorded that come without a decision, in place of `OTEL_TRACES_SAMPLER`.
    pub ratio: Option<f64>,
}

impl TraceConfig {
    /// None unless the environment names a collector.
    pub fn from_env() -> Option<Self> {
        let is = |name: &str, value: &str| {
            std::env::var(name).is_ok_and(|given| given.trim().eq_ignore_ascii_case(value))
        };
        let named = |name: &str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
        let off = is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none");
        let endpoint = named("OTEL_EXPORTER_OTLP_ENDPOINT") || named("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        (endpoint && !off).then(Self::default)
    }
}

/// Why there are no traces.
#[derive(Debug, Error)]
pub(crate) enum TraceError {
    #[error("OTEL_EXPORTER_OTLP_PROTOCOL is {0}; spoken is http/protobuf")]
    Protocol(String),
    #[error(transparent)]
    Collector(#[from] collector::SetupError),
    #[error(transparent)]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// Makes spans.
#[derive(Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: TraceContextPropagator,
    model: String,
}

impl Traces {
    /// None, and why in the log, if it is set up so that nothing could be sent: serving goes on without.
    pub(crate) fn start(config: TraceConfig, model: &str, failed: IntCounter) -> Option<Arc<Self>> {
        match Self::build(config, model, failed) {
            Ok(traces) => {
                info!("traces are sent to a collector");
                Some(Arc::new(traces))
            }
            Err(error) => {
                warn!(%error, "there are no traces");
                None
            }
        }
    }

    fn build(config: TraceConfig, model: &str, failed: IntCounter) -> Result<Self, TraceError> {
        require_protocol()?;
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary);
        let exporter = match config.endpoint {
            Some(endpoint) => exporter.with_endpoint(endpoint),
            None => exporter,
        };
        let exporter = exporter.with_http_client(Collector::from_env(failed)?).build()?;
        let mut provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource());
        if let Some(ratio) = config.ratio.or_else(default_ratio) {
            provider =
                provider.with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))));
        }
        let provider = provider.build();
        let tracer = provider.tracer("anomaly-server");
        Ok(Self { provider, tracer, propagator: TraceContextPropagator::new(), model: model.to_owned() })
    }

    /// The request's span, if it is recorded.
    pub(crate) fn begin(&self, route: Route, headers: &HeaderMap) -> Option<Span> {
        let parent = self.propagator.extract_with_context(&Context::new(), &Headers(headers));
        let span = self.tracer.span_builder(route.label()).with_kind(SpanKind::Server);
        let span = span.start_with_context(&self.tracer, &parent);
        span.is_recording().then(|| Span { trace_id: span.span_context().trace_id().to_string(), span })
    }

    /// The request has been answered.
    pub(crate) fn end(&self, span: Span, answered: &Answered<'_>) {
        let mut span = span.span;
        let Answered { method, route, port, status, request_id } = *answered;
        span.update_name(format!("{method} {}", route.label()));
        span.set_attributes([
            KeyValue::new("http.request.method", if method == "other" { "_OTHER" } else { method }),
            KeyValue::new("http.route", route.label()),
            KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
            KeyValue::new("network.protocol.name", "http"),
            KeyValue::new("anomaly.port", port.label()),
            KeyValue::new("anomaly.model", self.model.clone()),
            KeyValue::new("anomaly.request_id", request_id.to_owned()),
        ]);
        if status.is_server_error() {
            span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            span.set_status(Status::error(""));
        }
        span.end();
    }

    /// Sends what is in the queue. Blocks, for a bounded time.
    pub(crate) fn flush(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            warn!(%error, "some spans were not sent");
        }
    }
}

/// A request that is recorded.
pub(crate) struct Span {
    span: opentelemetry_sdk::trace::Span,
    pub(crate) trace_id: String,
}

/// What a span tells of its request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) method: &'static str,
    pub(crate) route: Route,
    pub(crate) port: PortName,
    pub(crate) status: StatusCode,
    pub(crate) request_id: &'a str,
}

/// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` come first.
fn resource() -> Resource {
    let mut resource =
        Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let attributes = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let named = attributes.split(',').any(|pair| pair.trim_start().starts_with("service.name="));
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() && !named {
        resource = resource.with_service_name("anomaly-server");
    }
    resource.build()
}

/// None if the environment names a sampler: the SDK reads it.
fn default_ratio() -> Option<f64> {
    std::env::var_os("OTEL_TRACES_SAMPLER").is_none().then_some(DEFAULT_RATIO)
}

fn require_protocol() -> Result<(), TraceError> {
    let named = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let protocol =
        named("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| named("OTEL_EXPORTER_OTLP_PROTOCOL"));
    match protocol {
        Some(other) if other != "http/protobuf" => Err(TraceError::Protocol(other)),
        _ => Ok(()),
    }
}

/// The headers of a request that say which trace it is part of.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
