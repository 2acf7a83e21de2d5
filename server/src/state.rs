//! What all requests share: the model, the gate, the metrics, and whether we are ready.
//!
//! The hot path takes no lock here; the only lock guards the reason that readiness reports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::body::Bytes;
use detectors::Model;

use crate::auth::Gate;
use crate::body::Budget;
use crate::config::Limits;
use crate::information;
use crate::metrics::Metrics;
use crate::model::Loaded;
use crate::pool::{Pool, RequestsInFlight, RowsInFlight};
use crate::problem::Problem;
use crate::tls::Tls;

/// The state behind both ports.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) limits: Limits,
    pub(crate) bodies: Budget,
    /// Where large batches are parsed and scored.
    pub(crate) pool: Pool,
    pub(crate) requests: RequestsInFlight,
    pub(crate) rows: RowsInFlight,
    pub(crate) metrics: Metrics,
    /// None if there is no `public` port: then nothing is asked for a password and readiness needs no password file.
    pub(crate) gate: Option<Arc<Gate>>,
    /// None if all ports speak plain HTTP.
    pub(crate) tls: Option<Arc<Tls>>,
    served: OnceLock<Arc<Served>>,
    not_loaded: Mutex<String>,
}

/// The loaded model and what is derived from it once.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) model: Model,
    pub(crate) revision: String,
    pub(crate) information: Bytes,
    /// Where in the vector each feature stands.
    pub(crate) positions: HashMap<String, usize>,
}

impl Served {
    fn new(model: Model, revision: String, information: Bytes) -> Self {
        let names = model.features().iter().enumerate();
        let positions = names.map(|(position, name)| (name.clone(), position)).collect();
        Self { model, revision, information, positions }
    }

    /// The number of values in a row.
    pub(crate) fn width(&self) -> usize {
        self.model.features().len()
    }
}

impl App {
    pub(crate) fn new(
        name: String,
        namespace: String,
        limits: Limits,
        metrics: Metrics,
        gate: Option<Arc<Gate>>,
    ) -> Self {
        let not_loaded = Mutex::new("the model is being loaded".to_owned());
        let bodies = Budget::new(limits.max_bodies_bytes.max(limits.max_body_bytes));
        let pool = Pool::new();
        let requests = RequestsInFlight::new(&limits);
        let rows = RowsInFlight::new(&limits);
        Self {
            name,
            namespace,
            limits,
            bodies,
            pool,
            requests,
            rows,
            metrics,
            gate,
            tls: None,
            served: OnceLock::new(),
            not_loaded,
        }
    }

    /// All ports speak TLS.
    pub(crate) fn with_tls(self, tls: Option<Arc<Tls>>) -> Self {
        Self { tls, ..self }
    }

    /// The model, or the 503 that says why there is none.
    pub(crate) fn model(&self) -> Result<&Arc<Served>, Problem> {
        self.served.get().ok_or_else(|| Problem::not_ready(self.why_not_loaded()))
    }

    /// Whether this process may get traffic: a checked model, passwords where they are asked for, a certificate where
    /// TLS is spoken.
    pub(crate) fn ready(&self) -> Result<(), String> {
        if self.served.get().is_none() {
            return Err(self.why_not_loaded());
        }
        self.gate.as_ref().map_or(Ok(()), |gate| gate.ready())?;
        self.tls.as_ref().map_or(Ok(()), |tls| tls.ready())
    }

    /// Takes the model into service; the first one stays.
    pub(crate) fn serve(&self, loaded: Loaded) {
        let Loaded { model, description, format_version } = loaded;
        let information =
            information::render(&self.name, &self.namespace, &description, format_version, model.kernel());
        self.metrics.describe_model(&self.name, &self.namespace, &description);
        // A second model is never loaded: a revision is immutable.
        let _ = self.served.set(Arc::new(Served::new(model, description.revision, information)));
    }

    /// Remembers why there is no model, for `/readyz`.
    pub(crate) fn not_loaded(&self, reason: &str) {
        reason.clone_into(&mut self.not_loaded.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn why_not_loaded(&self) -> String {
        self.not_loaded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
