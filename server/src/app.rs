//! The route tables of the two ports. `http` is for the cluster: all routes, no passwords. `public` is what an
//! ingress points at: the scoring and documentation routes only, behind basic authentication.
//!
//! There is no route that writes anything.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::auth::Gate;
use crate::base_path::BasePath;
use crate::edge::Edge;
use crate::metrics::{self, PortName};
use crate::problem::Problem;
use crate::route::{
    DOCS, DOCS_FILE, EXPLAIN, HEALTHZ, METRICS, MODEL_INFORMATION, OPENAPI, PAGE, PAGE_BOUNDARY, PAGE_DATA,
    PREDICTION, PREDICTIONS, READYZ,
};
use crate::state::App;
use crate::{docs, explain, health, information, oip, openapi, page, prediction, predictions};

/// The port `http`.
pub(crate) fn http(app: &Arc<App>) -> Arc<Edge> {
    let routes = Router::new()
        .route(PREDICTION, post(prediction::predict))
        .route(PREDICTIONS, post(predictions::predict))
        .route(EXPLAIN, post(explain::explain))
        .route(MODEL_INFORMATION, get(information::show))
        .route(OPENAPI, openapi::route(PortName::Http, BasePath::default()))
        .route(DOCS, get(docs::page))
        .route(DOCS_FILE, get(docs::file))
        .route(PAGE, get(page::show))
        .route(PAGE_DATA, get(page::data))
        .route(PAGE_BOUNDARY, get(page::boundary))
        .route(HEALTHZ, get(health::live))
        .route(READYZ, get(health::ready))
        .route(METRICS, get(metrics::scrape::show));
    let base = BasePath::default();
    finish(app, oip::add(routes, &base), PortName::Http, base, None)
}

/// The port `public`. Whatever the path, nothing is answered before the gate has let the request in.
pub(crate) fn public(app: &Arc<App>, gate: Arc<Gate>, base: BasePath) -> Arc<Edge> {
    let mut routes = Router::new()
        .route(&base.join(PREDICTION), post(prediction::predict))
        .route(&base.join(PREDICTIONS), post(predictions::predict))
        .route(&base.join(EXPLAIN), post(explain::explain))
        .route(&base.join(MODEL_INFORMATION), get(information::show))
        .route(&base.join(OPENAPI), openapi::route(PortName::Public, base.clone()))
        .route(&base.join(DOCS), get(docs::page))
        .route(&base.join(DOCS_FILE), get(docs::file))
        .route(&base.join(PAGE), get(page::show))
        .route(&base.join(PAGE_DATA), get(page::data))
        .route(&base.join(PAGE_BOUNDARY), get(page::boundary));
    if base != BasePath::default() {
        routes = routes.route(&base.join(""), get(page::add_slash));
    }
    finish(app, oip::add(routes, &base), PortName::Public, base, Some(gate))
}

/// The port `grpc`: the Open Inference Protocol, for the cluster.
pub(crate) fn grpc(app: &Arc<App>) -> Arc<Edge> {
    finish(app, oip::grpc::routes(app), PortName::Grpc, BasePath::default(), None)
}

fn finish(
    app: &Arc<App>,
    routes: Router<Arc<App>>,
    port: PortName,
    base: BasePath,
    gate: Option<Arc<Gate>>,
) -> Arc<Edge> {
    let routes = routes
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .fallback(async || Problem::not_found())
        .with_state(Arc::clone(app));
    Arc::new(Edge { app: Arc::clone(app), port, base, gate, routes })
}
