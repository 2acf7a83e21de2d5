//! The metrics of what is turned away: requests that are shed, passwords that are refused, handshakes that fail.
//! Resolved at start-up, as all others are.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use crate::metrics::add;

/// All of them.
#[derive(Debug)]
pub(crate) struct Refusals {
    pub(crate) tls: TlsMetrics,
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
        Ok(Self { tls: TlsMetrics::register(registry)? })
    }
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
