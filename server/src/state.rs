//! What all requests share: the model, the gate, the metrics, and whether we are ready.
//!
//! The hot path takes no lock here; the only lock guards the reason that readiness reports.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::body::Bytes;
use detectors::{CheckedMatrix, Model, RowError, Scored};

use crate::access::{AccessLog, Lines};
use crate::auth::Gate;
use crate::body::Budget;
use crate::config::{About, Limits};
use crate::information;
use crate::metrics::{Metrics, RowCounters};
use crate::model::Loaded;
use crate::page::{Keep, Recent, Scores};
use crate::pool::{Pool, RequestsInFlight, RowsInFlight};
use crate::problem::Problem;
use crate::tls::Tls;
use crate::traces::Traces;
use crate::vector::Accepts;

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
    about: About,
    pub(crate) access_log: Lines,
    /// None if there is no collector.
    pub(crate) traces: Option<Arc<Traces>>,
    /// None unless the page is to show the latest anomalies.
    pub(crate) recent: Option<Arc<Recent>>,
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
    /// The values that its rows may have.
    pub(crate) accepts: Accepts,
    counters: RowCounters,
    /// What the page shows of the rows.
    pub(crate) scores: Scores,
    recent: Option<Arc<Recent>>,
}

impl Served {
    fn new(
        model: Model,
        revision: String,
        information: Bytes,
        counters: RowCounters,
        recent: Option<Arc<Recent>>,
    ) -> Self {
        let names = model.features().iter().enumerate();
        let positions = names.map(|(position, name)| (name.clone(), position)).collect();
        let (scores, accepts) = (Scores::new(&model), Accepts::of(&model));
        Self { model, revision, information, positions, accepts, counters, scores, recent }
    }

    /// Scores one row and counts it.
    pub(crate) fn score_row(&self, row: &[f64]) -> Result<Scored, RowError> {
        let scored = self.model.score_row(row)?;
        self.count_rows(row, &[scored]);
        Ok(scored)
    }

    /// Scores rows that were checked when they were read, and counts them.
    pub(crate) fn score_rows(&self, values: Vec<f64>) -> Vec<Scored> {
        self.model.check_rows(values).map_or_else(|_| Vec::new(), |rows| self.score_matrix(&rows))
    }

    /// Scores rows and counts them.
    pub(crate) fn score_matrix(&self, rows: &CheckedMatrix) -> Vec<Scored> {
        let scored = self.model.score_rows(rows);
        self.count_rows(rows.as_slice(), &scored);
        scored
    }

    /// Counts rows, each once, whatever route they came by: verdicts, severities, scores, drift.
    fn count_rows(&self, values: &[f64], scored: &[Scored]) {
        self.counters.count_rows(&self.model, values, scored);
        self.scores.count(scored);
        if let Some(recent) = &self.recent {
            recent.note(values, scored);
        }
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
        let pool = Pool::new(&limits);
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
            about: About::default(),
            access_log: Lines::new(AccessLog::default()),
            traces: None,
            recent: None,
            served: OnceLock::new(),
            not_loaded,
        }
    }

    /// All ports speak TLS.
    pub(crate) fn with_tls(self, tls: Option<Arc<Tls>>) -> Self {
        Self { tls, ..self }
    }

    /// What is known of the model besides its revision.
    pub(crate) fn with_about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// What is told of requests, and where.
    pub(crate) fn with_telemetry(self, access_log: AccessLog, traces: Option<Arc<Traces>>) -> Self {
        Self { access_log: Lines::new(access_log), traces, ..self }
    }

    /// Keeps the latest anomalies for the page.
    pub(crate) fn with_recent(self, keep: Option<Keep>) -> Self {
        Self { recent: keep.map(|keep| Arc::new(Recent::new(keep))), ..self }
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
        let information = information::render(
            &self.name,
            &self.namespace,
            &description,
            &self.about,
            format_version,
            model.kernel(),
            model.is_calibrated(),
        );
        let rows = &self.metrics.rows;
        rows.describe(&self.name, &self.namespace, &description, &self.about);
        let counters = rows.of_model(&self.metrics.registry, &model, &self.about);
        // A second model is never loaded: a revision is immutable.
        let served = Served::new(model, description.revision, information, counters, self.recent.clone());
        let _ = self.served.set(Arc::new(served));
    }

    /// Remembers why there is no model, for `/readyz`.
    pub(crate) fn not_loaded(&self, reason: &str) {
        reason.clone_into(&mut self.not_loaded.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn why_not_loaded(&self) -> String {
        self.not_loaded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
