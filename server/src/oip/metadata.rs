//! What can be asked about the server and its model, and whether they are ready.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::address::Addressed;
use super::output::Output;
use crate::problem::Problem;
use crate::state::{App, Served};

/// The server's name.
pub(crate) const SERVER_NAME: &str = "anomaly-server";
/// What it can beyond the protocol.
pub(crate) const EXTENSIONS: [&str; 1] = ["binary_tensor_data"];
/// The tensor that metadata describes; any other name will do.
pub(crate) const INPUT_NAME: &str = "input";

/// `GET /v2`.
#[derive(Debug, Serialize)]
pub(crate) struct ServerMetadata {
    name: &'static str,
    version: &'static str,
    extensions: [&'static str; 1],
}

/// `GET /v2/health/live`.
#[derive(Debug, Serialize)]
pub(crate) struct Live {
    live: bool,
}

/// `GET /v2/health/ready`.
#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    ready: bool,
}

/// `GET /v2/models/{model}/ready`.
#[derive(Debug, Serialize)]
pub(crate) struct ModelReady {
    name: String,
    ready: bool,
}

/// `GET /v2/models/{model}`.
#[derive(Debug, Serialize)]
pub(crate) struct ModelMetadata {
    pub(crate) name: String,
    pub(crate) versions: [String; 1],
    pub(crate) platform: String,
    pub(crate) inputs: Vec<TensorMetadata>,
    pub(crate) outputs: Vec<TensorMetadata>,
}

/// A tensor; a length of −1 is any.
#[derive(Debug, Serialize)]
pub(crate) struct TensorMetadata {
    pub(crate) name: &'static str,
    pub(crate) datatype: &'static str,
    pub(crate) shape: Vec<i64>,
}

pub(crate) async fn server() -> Json<ServerMetadata> {
    Json(ServerMetadata { name: SERVER_NAME, version: env!("CARGO_PKG_VERSION"), extensions: EXTENSIONS })
}

pub(crate) async fn live() -> Json<Live> {
    Json(Live { live: true })
}

pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Ready>, Problem> {
    app.ready().map_err(Problem::not_ready)?;
    Ok(Json(Ready { ready: true }))
}

pub(crate) async fn model_ready(
    State(app): State<Arc<App>>,
    _: Addressed,
) -> Result<Json<ModelReady>, Problem> {
    app.ready().map_err(Problem::not_ready)?;
    Ok(Json(ModelReady { name: app.name.clone(), ready: true }))
}

pub(crate) async fn model(State(app): State<Arc<App>>, Addressed(served): Addressed) -> Json<ModelMetadata> {
    Json(ModelMetadata::of(&app, &served))
}

impl ModelMetadata {
    pub(crate) fn of(app: &App, served: &Served) -> Self {
        let detector = served.model.detector().kind().unwrap_or("unknown");
        let width = i64::try_from(served.width()).unwrap_or(i64::MAX);
        let output = |output: Output| TensorMetadata {
            name: output.name(),
            datatype: output.datatype(),
            shape: output.shape(-1, width),
        };
        Self {
            name: app.name.clone(),
            versions: [served.revision.clone()],
            platform: format!("anomaly-operator_{detector}"),
            inputs: vec![TensorMetadata { name: INPUT_NAME, datatype: "FP64", shape: vec![-1, width] }],
            outputs: Output::ALL.into_iter().map(output).collect(),
        }
    }
}
