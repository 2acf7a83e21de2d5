//! What happens to every request before and after its handler: request id, authentication, time-out, panics,
//! metrics, log.
//!
//! What is told of a request in logs and traces has the route's name: never the path or the query, never
//! `Authorization`, never a body.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::{HeaderValue, Method, StatusCode};

use crate::access::Line;
use crate::auth::Gate;
use crate::base_path::BasePath;
use crate::metrics::PortName;
use crate::oip;
use crate::problem::{Problem, RefusedRows};
use crate::refusals::Refused;
use crate::request_id;
use crate::route::Route;
use crate::state::App;
use crate::traces::{Answered, Span};

/// What one port's requests have in common.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) app: Arc<App>,
    pub(crate) port: PortName,
    pub(crate) base: BasePath,
    /// None on a port that needs no password.
    pub(crate) gate: Option<Arc<Gate>>,
}

/// The middleware around all routes and fallbacks of a port.
pub(crate) async fn serve(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id::of(request.headers());
    let route = match edge.port {
        PortName::Grpc => Route::of_call(request.uri().path()),
        PortName::Http | PortName::Public => Route::of(request.uri().path(), &edge.base),
    };
    let method = known(request.method());
    let span = edge.app.traces.as_ref().and_then(|traces| traces.begin(route, request.headers()));
    let mut response = edge.answer(route, request, next).await;
    let took = started.elapsed();
    let status =
        if edge.port == PortName::Grpc { oip::grpc::http_status(&response) } else { response.status() };
    edge.app.metrics.port(edge.port).count(route, status.as_u16(), took);
    if let Some(refused) = response.extensions().get::<Refused>() {
        edge.app.metrics.refusals.count(*refused);
    }
    if let Some(RefusedRows(rows)) = response.extensions().get() {
        edge.app.metrics.rows.refuse(*rows);
    }
    edge.tell(method, route, status, took, &id, span);
    response.headers_mut().insert(request_id::HEADER, id);
    match edge.port {
        PortName::Grpc => oip::grpc::in_form(response),
        _ if route.is_inference() => oip::in_form(response),
        _ => response,
    }
}

impl Edge {
    async fn answer(&self, route: Route, request: Request, next: Next) -> Response {
        let _in_flight = match self.app.requests.admit(route) {
            Ok(permit) => permit,
            Err(problem) => return problem.into_response(),
        };
        if let Some(gate) = &self.gate
            && let Err(problem) = gate.admit(request.headers()).await
        {
            return problem.into_response();
        }
        let limit = self.app.limits.request_timeout;
        let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
        match tokio::time::timeout(limit, handled).await {
            Ok(Ok(response)) => response,
            // The panic hook has logged where it happened.
            Ok(Err(_panic)) => Problem::internal().into_response(),
            // Handlers wait for the client's body, and large batches for their turn. Streams are answered before.
            Err(_elapsed) => Problem::timed_out(limit.as_secs_f64()).into_response(),
        }
    }

    fn tell(
        &self,
        method: &'static str,
        route: Route,
        status: StatusCode,
        took: Duration,
        id: &HeaderValue,
        span: Option<Span>,
    ) {
        let (port, request_id) = (self.port, id.to_str().unwrap_or_default());
        let trace_id = span.as_ref().map(|span| span.trace_id.as_str());
        self.app.access_log.write(Line { method, route, port, status, took, request_id, trace_id });
        if let (Some(traces), Some(span)) = (&self.app.traces, span) {
            traces.end(span, &Answered { method, route, port, status, request_id });
        }
    }
}

/// A method's name; a client's own word could be as long as a head may be.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "other",
    }
}
