//! What happens to every request before and after its handler: request id, authentication, time-out, panics,
//! metrics, log.
//!
//! What is told of a request in logs and traces has the route's name: never the path or the query, never
//! `Authorization`, never a body.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::{HeaderValue, Method, StatusCode};
use hyper::body::{Frame, SizeHint};

use crate::access::Line;
use crate::auth::Gate;
use crate::base_path::BasePath;
use crate::body::ReadsOn;
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
    let told = Told { edge: Arc::clone(&edge), method, route, status, started, id: id.clone(), span };
    if response.extensions().get::<ReadsOn>().is_some() {
        // Of a stream it is told at its end: only then is it known how long it took.
        response = response.map(|body| Body::new(Streamed { body, _told: told }));
    } else {
        drop(told);
    }
    response.headers_mut().insert(request_id::HEADER, id);
    match edge.port {
        PortName::Grpc => oip::grpc::in_form(response),
        _ if route.is_inference() => oip::in_form(response),
        _ => response,
    }
}

impl Edge {
    async fn answer(&self, route: Route, request: Request, next: Next) -> Response {
        let limit = self.app.limits.request_timeout;
        // Before anything is taken that others need: who waits for a password to be checked holds a connection only.
        if let Some(gate) = &self.gate {
            match tokio::time::timeout(limit, gate.admit(request.headers())).await {
                Ok(Ok(())) => {}
                Ok(Err(problem)) => return problem.into_response(),
                Err(_elapsed) => return Problem::too_many_checks().into_response(),
            }
        }
        let _in_flight = match self.app.requests.admit(route) {
            Ok(permit) => permit,
            Err(problem) => return problem.into_response(),
        };
        let handled = AssertUnwindSafe(next.run(request)).catch_unwind();
        match tokio::time::timeout(limit, handled).await {
            Ok(Ok(response)) => response,
            // The panic hook has logged where it happened.
            Ok(Err(_panic)) => Problem::internal().into_response(),
            // Handlers wait for the client's body, and large batches for their turn. Streams are answered before.
            Err(_elapsed) => Problem::timed_out(limit.as_secs_f64()).into_response(),
        }
    }
}

/// Tells of a request, in log and trace, when it is dropped.
struct Told {
    edge: Arc<Edge>,
    method: &'static str,
    route: Route,
    status: StatusCode,
    started: Instant,
    id: HeaderValue,
    span: Option<Span>,
}

impl Drop for Told {
    fn drop(&mut self) {
        let Edge { app, port, .. } = &*self.edge;
        let (method, route, port, status) = (self.method, self.route, *port, self.status);
        let (took, request_id) = (self.started.elapsed(), self.id.to_str().unwrap_or_default());
        let span = self.span.take();
        let trace_id = span.as_ref().map(|span| span.trace_id.as_str());
        app.access_log.write(Line { method, route, port, status, took, request_id, trace_id });
        if let (Some(traces), Some(span)) = (&app.traces, span) {
            traces.end(span, &Answered { method, route, port, status, request_id });
        }
    }
}

/// The body of a stream, which is told of when it has ended, or its client has gone.
struct Streamed {
    body: Body,
    _told: Told,
}

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
