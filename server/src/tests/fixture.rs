//! A small trained model, a state around it, and requests without sockets.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use axum::body::{Body, to_bytes};
use detectors::{CheckedMatrix, Description, DetectorConfig, IsolationForestConfig, Model, ThresholdConfig};
use http::{HeaderMap, Request, StatusCode};
use ndarray::Array2;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::app;
use crate::auth::Gate;
use crate::base_path::BasePath;
use crate::config::Limits;
use crate::edge::Edge;
use crate::metrics::Metrics;
use crate::model::{Loaded, Source};
use crate::state::App;

/// A row like those of the training, and one far away from all.
pub(crate) const ORDINARY: &str = "[0.5, 0.5]";
pub(super) const FAR_AWAY: &str = "[90, -90]";

/// The bytes and the description of one model; training it once is enough.
static TRAINED: LazyLock<(Vec<u8>, Description)> = LazyLock::new(train);

pub(super) fn trained() -> (Vec<u8>, Description) {
    TRAINED.clone()
}

pub(super) fn in_memory() -> Source {
    let (model, description) = trained();
    Source::Memory { model, description: Box::new(description) }
}

fn train() -> (Vec<u8>, Description) {
    published(&of_features(["mean", "sd"]))
}

/// The model of that training, whose features have these names.
pub(super) fn of_features(names: [&str; 2]) -> Model {
    let features = names.map(str::to_owned);
    let forest =
        IsolationForestConfig { trees: 25, sample_size: 64, seed: 16, ..IsolationForestConfig::default() };
    let detector = DetectorConfig::from(forest);
    let threshold = ThresholdConfig { contamination: Some(0.01), ..ThresholdConfig::default() };
    // A grid that is walked out of step: no two rows are equal.
    let cell =
        |(row, column): (usize, usize)| ((row * (7 + 6 * column)) % 101) as f64 / 101.0 + row as f64 * 1e-6;
    let rows = CheckedMatrix::new(Array2::from_shape_fn((400, 2), cell)).unwrap();
    Model::train(&features, &detector, &threshold, &rows).unwrap()
}

/// A model's bytes and description.
fn published(model: &Model) -> (Vec<u8>, Description) {
    let bytes = model.encode();
    let description = Description {
        format_version: 1,
        revision: "machine-r-0a1b2c3d-1".to_owned(),
        key: "0a".repeat(32),
        detector: model.detector().clone(),
        features: model.features().to_vec(),
        rows: model.training_rows(),
        threshold: model.threshold(),
        threshold_config: model.threshold_config().clone(),
        flagged_training_share: model.flagged_training_share(),
        data_digest: sha256(b"data"),
        model_digest: sha256(&bytes),
        model_bytes: bytes.len() as u64,
        warnings: model.warnings().to_vec(),
    };
    (bytes, description)
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A state without a model.
pub(crate) fn empty(gate: Option<Arc<Gate>>) -> Arc<App> {
    let metrics = Metrics::new().unwrap();
    Arc::new(App::new("machine".to_owned(), "demo".to_owned(), Limits::default(), metrics, gate))
}

/// A state with the trained model and these limits.
pub(super) fn limited(limits: Limits) -> Arc<App> {
    let app = App::new("machine".to_owned(), "demo".to_owned(), limits, Metrics::new().unwrap(), None);
    let (bytes, description) = trained();
    app.serve(Loaded::check(&bytes, description).unwrap());
    Arc::new(app)
}

/// A state with the trained model.
pub(crate) fn loaded(gate: Option<Arc<Gate>>) -> Arc<App> {
    let app = empty(gate);
    let (bytes, description) = trained();
    app.serve(Loaded::check(&bytes, description).unwrap());
    app
}

/// A state with this model.
pub(super) fn serving(model: &Model) -> Arc<App> {
    let app = empty(None);
    let (bytes, description) = published(model);
    app.serve(Loaded::check(&bytes, description).unwrap());
    app
}

/// The port `http` with the trained model.
pub(crate) fn http() -> Arc<Edge> {
    app::http(&loaded(None))
}

/// The port `public` behind a gate that has read this file.
pub(crate) fn public(htpasswd: &Path, base: &str) -> (Arc<App>, Arc<Edge>) {
    let gate = Arc::new(Gate::new("machine"));
    let _ = crate::auth::read_once(&gate, htpasswd);
    let app = loaded(Some(Arc::clone(&gate)));
    let router = app::public(&app, gate, base.parse::<BasePath>().unwrap());
    (app, router)
}

/// An answer that has been read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn is_problem(&self) -> bool {
        self.header("content-type") == "application/problem+json"
            && self.json()["status"] == self.status.as_u16()
    }
}

pub(crate) async fn send(router: &Arc<Edge>, request: Request<Body>) -> Answer {
    let (parts, body) = router.serve(request).await.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub(crate) async fn get(router: &Arc<Edge>, path: &str) -> Answer {
    send(router, Request::get(path).body(Body::empty()).unwrap()).await
}

pub(super) async fn post(router: &Arc<Edge>, path: &str, body: impl Into<Body>) -> Answer {
    send(router, Request::post(path).body(body.into()).unwrap()).await
}

/// Rows to score: their type, then the type of the answer or nothing.
pub(super) async fn batch(
    router: &Arc<Edge>,
    query: &str,
    content_type: &str,
    accept: &str,
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::post(format!("/predictions{query}")).header("content-type", content_type);
    if !accept.is_empty() {
        request = request.header("accept", accept);
    }
    send(router, request.body(body.into()).unwrap()).await
}

pub(super) const JSON: &str = "application/json";
pub(super) const NDJSON: &str = "application/x-ndjson";
pub(super) const CSV: &str = "text/csv";

/// A fresh directory of this test's own, where `cargo clean` finds it.
pub(crate) fn directory(name: &str) -> PathBuf {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tmp/server");
    let name = format!("{}-{name}", std::process::id());
    let path = std::path::Path::new(path).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}
