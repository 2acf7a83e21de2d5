//! The metrics of what is turned away: requests that are shed, passwords that are refused, handshakes that fail.
//! Resolved at start-up, as all others are.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use crate::metrics::add;

/// Why a request was turned away by no fault of its own; in the extensions of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Shed(ShedReason),
    Auth(AuthReason),
}

/// What there was too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShedReason {
    Connections,
    Requests,
    Rows,
    Bodies,
    /// The batches before it would have taken too long.
    Wait,
}

/// Why nobody was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthReason {
    Missing,
    Wrong,
    Busy,
    Unreadable,
}

impl ShedReason {
    /// In the order of the discriminants.
    const LABELS: [&str; 5] = ["connections", "requests", "rows", "bodies", "wait"];
}

impl AuthReason {
    /// In the order of the discriminants.
    const LABELS: [&str; 4] = ["missing", "wrong", "busy", "unreadable"];
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Refusals {
    shed: [IntCounter; 5],
    auth: [IntCounter; 4],
    pub(crate) tls: TlsMetrics,
    pub(crate) exports_failed: IntCounter,
}

/// What happens to certificates and handshakes.
#[derive(Clone, Debug)]
pub(crate) struct TlsMetrics {
    pub(crate) loaded: IntCounter,
    pub(crate) refused: IntCounter,
    pub(crate) handshakes_failed: IntCounter,
}

impl Refusals {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let shed = Opts::new(
            "anomaly_requests_shed_total",
            "Requests answered with 503 because there was too much of something.",
        );
        let auth = Opts::new("anomaly_auth_refused_total", "Requests that were not let in, by reason.");
        let exports =
            Opts::new("anomaly_trace_exports_failed_total", "Batches of spans that no collector took.");
        Ok(Self {
            shed: by_reason(registry, shed, ShedReason::LABELS)?,
            auth: by_reason(registry, auth, AuthReason::LABELS)?,
            tls: TlsMetrics::register(registry)?,
            exports_failed: add(registry, IntCounter::with_opts(exports)?)?,
        })
    }

    pub(crate) fn count(&self, refused: Refused) {
        match refused {
            Refused::Shed(reason) => self.shed[reason as usize].inc(),
            Refused::Auth(reason) => self.auth[reason as usize].inc(),
        }
    }
}

fn by_reason<const N: usize>(
    registry: &Registry,
    options: Opts,
    labels: [&str; N],
) -> prometheus::Result<[IntCounter; N]> {
    let counters = add(registry, IntCounterVec::new(options, &["reason"])?)?;
    Ok(labels.map(|label| counters.with_label_values(&[label])))
}

impl TlsMetrics {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let reloads = Opts::new(
            "anomaly_tls_certificates_total",
            "TLS certificates read, by outcome; a refused one leaves the one before in use.",
        );
        let reloads = add(registry, IntCounterVec::new(reloads, &["outcome"])?)?;
        let failed = Opts::new(
            "anomaly_tls_handshakes_failed_total",
            "TLS handshakes that took too long or that the client did not complete.",
        );
        Ok(Self {
            loaded: reloads.get_metric_with_label_values(&["loaded"])?,
            refused: reloads.get_metric_with_label_values(&["refused"])?,
            handshakes_failed: add(registry, IntCounter::with_opts(failed)?)?,
        })
    }
}
