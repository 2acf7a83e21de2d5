//! The operator's own HTTP endpoints: `/metrics`, `/healthz`, `/readyz`. They tell of this process and of nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::telemetry::Metrics;

/// A main loop that has been silent for so long is dead.
const SILENCE_MEANS_DEATH: Duration = Duration::from_secs(30);

/// All routes.
pub fn app(metrics: Arc<Metrics>, health: Health) -> Router {
    Router::new()
        .route("/metrics", get(show_metrics).with_state(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(health)
}

/// What the probes know.
#[derive(Clone, Debug)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    start: Instant,
    /// Milliseconds from `start` to the main loop's last sign of life.
    last_beat: AtomicU64,
    reached: watch::Receiver<bool>,
}

impl Health {
    /// Healthy from now on; ready once `reached` is true.
    pub fn new(reached: watch::Receiver<bool>) -> Self {
        Self(Arc::new(Inner { start: Instant::now(), last_beat: AtomicU64::new(0), reached }))
    }

    /// A sign of life of the main loop.
    pub fn beat(&self) {
        let millis = self.0.start.elapsed().as_millis();
        self.0.last_beat.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn is_alive(&self) -> bool {
        let last = Duration::from_millis(self.0.last_beat.load(Ordering::Relaxed));
        self.0.start.elapsed().saturating_sub(last) < SILENCE_MEANS_DEATH
    }

    fn is_ready(&self) -> bool {
        *self.0.reached.borrow()
    }
}

/// 200 while the main loop lives. Never depends on the API server: restarting would not bring it back.
async fn healthz(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.is_alive() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the main loop has not turned for 30 s\n")
    }
}

/// 200 once the API server was reached, on a standby too: else a roll-out of two replicas would never end.
async fn readyz(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the API server has not been reached yet\n")
    }
}

async fn show_metrics(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot encode the metrics: {error}\n"))
            .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn ask(app: &Router, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn fresh() -> (Router, Health, watch::Sender<bool>) {
        let (sender, reached) = watch::channel(false);
        let health = Health::new(reached);
        (app(Arc::new(Metrics::new().unwrap()), health.clone()), health, sender)
    }

    #[tokio::test(start_paused = true)]
    async fn readyz_is_503_until_the_api_server_was_reached_once_and_never_again() {
        let (app, _health, reached) = fresh();
        assert_eq!(ask(&app, "/readyz").await, (503, "the API server has not been reached yet\n".into()));
        reached.send_replace(true);
        assert_eq!(ask(&app, "/readyz").await.0, 200);
        drop(reached);
        assert_eq!(ask(&app, "/readyz").await.0, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn healthz_is_503_once_the_main_loop_is_silent_for_30_seconds() {
        let (app, health, _reached) = fresh();
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(ask(&app, "/healthz").await.0, 200);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ask(&app, "/healthz").await.0, 503);
        health.beat();
        assert_eq!(ask(&app, "/healthz").await.0, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn metrics_are_served_as_prometheus_text() {
        let (app, _health, _reached) = fresh();
        let (status, text) = ask(&app, "/metrics").await;
        assert_eq!(status, 200);
        assert!(text.contains("# TYPE anomaly_operator_leader gauge"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn anything_else_is_404() {
        assert_eq!(ask(&fresh().0, "/").await.0, 404);
    }
}
