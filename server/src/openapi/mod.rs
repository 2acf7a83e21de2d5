//! `GET /openapi.json`: the contract of this server, as OpenAPI 3.1.
//!
//! Written by hand beside the routes, a file a kind of route, because bodies are read by hand too (types, streams, limits);
//! what depends on the model is filled in: its features, its limits, and examples that it has scored itself. Error
//! examples are made by the code that answers errors. Tests hold it against the route table and every example against
//! the routes; a test generator asks a running server whether it keeps to it.

mod about;
mod answers;
mod explain;
mod inference;
mod model;
mod operations;
mod page;
mod prediction;
mod predictions;
mod schemas;

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use self::about::About;
use crate::base_path::BasePath;
use crate::metrics::PortName;
use crate::problem::Problem;
use crate::route::Route;
use crate::state::App;

/// The route of one port. Rendered when it is first asked for after the model is loaded.
pub(crate) fn route(port: PortName, base: BasePath) -> MethodRouter<Arc<App>> {
    let rendered: Arc<OnceLock<Bytes>> = Arc::default();
    get(async move |State(app): State<Arc<App>>| -> Result<Response, Problem> {
        let served = app.model()?;
        let body = rendered.get_or_init(|| {
            let document = document(&About::new(&app, served, port, &base));
            serde_json::to_vec(&document).unwrap_or_default().into()
        });
        Ok(([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], body.clone()).into_response())
    })
}

/// The whole document.
fn document(about: &About<'_>) -> Value {
    let mut document = json!({
        "openapi": "3.1.0",
        "info": info(about),
        "servers": [{"url": about.base.join("/"), "description": "this server"}],
        "tags": [
            {"name": "scoring", "description": "Rows in, verdicts out."},
            {"name": "Open Inference Protocol", "description": "Version 2, for clients of KServe, Triton and MLServer."},
            {"name": "model", "description": "What is served."},
            {"name": "page", "description": "For people who would rather look."},
            {"name": "documentation", "description": "This description."},
        ],
        "paths": paths(about),
        "components": {"schemas": schemas::all(about), "responses": answers::problems(about)},
    });
    if about.port == PortName::Public {
        document["security"] = json!([{"basic": []}]);
        document["components"]["securitySchemes"] = json!({"basic": {
            "type": "http",
            "scheme": "basic",
            "description": "User and password of this model; a browser asks for them.",
        }});
    } else if let Some(tags) = document["tags"].as_array_mut() {
        tags.push(json!({"name": "operations", "description": "Probes and metrics; in the cluster only."}));
    }
    document
}

fn info(about: &About<'_>) -> Value {
    let model = &about.served.model;
    let description = format!(
        "Says of each row whether it is an anomaly. Features, in the order of a row: {features}.\n\n\
         `anomaly_score` has the sign of scikit-learn's `score_samples`: **higher is more normal**, and a row whose score is \
         below the threshold {threshold} is an anomaly. `severity` is 0 for the ordinary, 1 at the threshold, and each \
         further 1 is ten times rarer.\n\n\
         Errors are `application/problem+json` (RFC 9457). Every answer has an `X-Request-Id`, the request's own if it sent \
         one. What cannot be read as a request is answered with 400, 414 or 431, an unknown path or method with 404 or 405.",
        features = about.named_features(),
        threshold = model.threshold(),
    );
    json!({
        "title": format!("Anomalies of {}", about.app.name),
        "version": env!("CARGO_PKG_VERSION"),
        "summary": format!("The model {}, revision {}", about.app.name, about.served.revision),
        "description": description,
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    })
}

/// The paths that the port has, each with its methods.
fn paths(about: &About<'_>) -> Map<String, Value> {
    let has = |route: &Route| about.port == PortName::Http || route.is_public();
    Route::ALL.into_iter().filter(has).flat_map(|route| described(route, about)).collect()
}

/// The paths of a route and what they do.
fn described(route: Route, about: &About<'_>) -> Vec<(String, Value)> {
    let operations = match route {
        Route::Prediction => json!({"post": prediction::post(about)}),
        Route::Predictions => json!({"post": predictions::post(about)}),
        Route::Explain => json!({"post": explain::post(about)}),
        Route::ModelInformation => json!({"get": model::information(about)}),
        Route::OpenApi => json!({"get": operations::openapi(about)}),
        Route::Docs => json!({"get": operations::docs(about)}),
        Route::DocsFile => json!({"get": operations::docs_file(about)}),
        Route::Page => json!({"get": page::page(about)}),
        Route::PageData => json!({"get": page::data(about)}),
        Route::PageBoundary => json!({"get": page::boundary(about)}),
        Route::Healthz => json!({"get": operations::healthz(about)}),
        Route::Readyz => json!({"get": operations::readyz(about)}),
        Route::Metrics => json!({"get": operations::metrics(about)}),
        Route::Infer => return inference::infer(about),
        Route::Inference => return inference::metadata(about),
        Route::Other => return Vec::new(),
    };
    vec![(route.label().to_owned(), operations)]
}

#[cfg(test)]
mod tests;
