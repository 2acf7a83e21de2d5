//! The probes. `/healthz` says that the process answers and depends on nothing else; `/readyz` says whether it may
//! get traffic. Neither knows of draining: a terminating pod leaves the endpoints by itself.

use std::sync::Arc;

use axum::extract::State;

use crate::problem::Problem;
use crate::state::App;

/// Liveness.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Readiness, or 503 with the reason.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    app.ready().map(|()| "ok\n").map_err(Problem::not_ready)
}
