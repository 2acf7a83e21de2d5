//! Every metric of the server. Labelled children are resolved at start-up into fields, so that a request touches
//! atomics only. `docs/metrics.md` lists all names; a test compares.
//!
//! No feature values, users or request ids as labels.

mod bins;
mod histogram;
mod ladder;
mod rows;
pub(crate) mod scrape;
mod top;

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

pub(crate) use self::rows::{RowCounters, RowMetrics};
use crate::refusals::Refusals;
use crate::route::Route;

/// The codes that have a counter of their own; all others are `other`.
const CODES: [u16; 15] = [200, 400, 401, 404, 405, 406, 408, 413, 414, 415, 422, 429, 431, 500, 503];

/// Which of the ports a request came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortName {
    Http,
    Public,
    Grpc,
}

impl PortName {
    pub(crate) const ALL: [Self; 3] = [Self::Http, Self::Public, Self::Grpc];

    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Public => "public",
            Self::Grpc => "grpc",
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    pub(crate) http: PortMetrics,
    pub(crate) public: PortMetrics,
    pub(crate) grpc: PortMetrics,
    pub(crate) rows: RowMetrics,
    pub(crate) refusals: Refusals,
    /// What `/readyz` says; set at each scrape.
    pub(crate) ready: IntGauge,
    scrapes: scrape::Scrapes,
}

/// Requests and connections of one port.
#[derive(Debug)]
pub(crate) struct PortMetrics {
    /// By the route's discriminant; those that the port does not have are its `other`.
    routes: Vec<RouteMetrics>,
    pub(crate) connections: IntGauge,
    pub(crate) connections_refused: IntCounter,
}

#[derive(Debug)]
struct RouteMetrics {
    seconds: Histogram,
    codes: Vec<IntCounter>,
    other_codes: IntCounter,
}

impl Metrics {
    /// Registers everything. Fails only if a name is invalid or taken twice.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let vectors = Vectors::register(&registry)?;
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let ready =
            IntGauge::new("anomaly_ready", "1 while this pod is ready to answer, as /readyz says, else 0.")?;
        Ok(Self {
            http: vectors.port(PortName::Http)?,
            public: vectors.port(PortName::Public)?,
            grpc: vectors.port(PortName::Grpc)?,
            rows: RowMetrics::register(&registry)?,
            refusals: Refusals::register(&registry)?,
            ready: add(&registry, ready)?,
            scrapes: scrape::Scrapes::default(),
            registry,
        })
    }

    pub(crate) fn port(&self, name: PortName) -> &PortMetrics {
        match name {
            PortName::Http => &self.http,
            PortName::Public => &self.public,
            PortName::Grpc => &self.grpc,
        }
    }

    /// The text format.
    pub(crate) fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl PortMetrics {
    /// Counts one answered request.
    pub(crate) fn count(&self, route: Route, code: u16, took: Duration) {
        let metrics = &self.routes[route as usize];
        metrics.seconds.observe(took.as_secs_f64());
        let known = CODES.iter().position(|known| *known == code).and_then(|index| metrics.codes.get(index));
        known.unwrap_or(&metrics.other_codes).inc();
    }
}

/// The labelled metrics before their children are resolved.
struct Vectors {
    requests: IntCounterVec,
    seconds: HistogramVec,
    connections: IntGaugeVec,
    refused: IntCounterVec,
}

impl Vectors {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let requests =
            Opts::new("anomaly_http_requests_total", "Requests answered, by port, route and status code.");
        let seconds = HistogramOpts::new(
            "anomaly_http_request_duration_seconds",
            "Time from a request's head to its answer, by port and route.",
        );
        // 25 µs … 9.3 s, each 2.5 times the one before.
        let seconds = seconds.buckets(prometheus::exponential_buckets(25e-6, 2.5, 15)?);
        let connections = Opts::new("anomaly_http_connections", "Open connections, by port.");
        let refused = Opts::new(
            "anomaly_http_connections_refused_total",
            "Connections beyond the limit, answered with 503, by port.",
        );
        Ok(Self {
            requests: add(registry, IntCounterVec::new(requests, &["port", "route", "code"])?)?,
            seconds: add(registry, HistogramVec::new(seconds, &["port", "route"])?)?,
            connections: add(registry, IntGaugeVec::new(connections, &["port"])?)?,
            refused: add(registry, IntCounterVec::new(refused, &["port"])?)?,
        })
    }

    fn port(&self, name: PortName) -> prometheus::Result<PortMetrics> {
        let port = name.label();
        let one = |route: &Route| {
            let has = match name {
                PortName::Http => true,
                PortName::Public => route.is_public(),
                PortName::Grpc => route.is_inference(),
            };
            self.route(port, if has { *route } else { Route::Other }.label())
        };
        Ok(PortMetrics {
            routes: Route::ALL.iter().map(one).collect::<prometheus::Result<_>>()?,
            connections: self.connections.get_metric_with_label_values(&[port])?,
            connections_refused: self.refused.get_metric_with_label_values(&[port])?,
        })
    }

    fn route(&self, port: &str, route: &str) -> prometheus::Result<RouteMetrics> {
        let counter = |code: &str| self.requests.get_metric_with_label_values(&[port, route, code]);
        Ok(RouteMetrics {
            seconds: self.seconds.get_metric_with_label_values(&[port, route])?,
            codes: CODES.iter().map(|code| counter(&code.to_string())).collect::<prometheus::Result<_>>()?,
            other_codes: counter("other")?,
        })
    }
}

pub(crate) fn add<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> prometheus::Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
