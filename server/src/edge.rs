//! What happens to every request before and after its handler: request id, authentication, time-out, panics,
//! metrics, log.
//!
//! What is told of a request in logs and traces has the route's name: never the path or the query, never
//! `Authorization`, never a body.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use http::header::EXPECT;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tower::ServiceExt as _;

use crate::access::Line;
use crate::auth::Gate;
use crate::base_path::BasePath;
use crate::body::{ReadToEnd, ReadsOn, With};
use crate::metrics::PortName;
use crate::oip;
use crate::patience::{Late, Patience};
use crate::prediction;
use crate::problem::{Problem, RefusedRows};
use crate::refusals::Refused;
use crate::request_id;
use crate::route::Route;
use crate::state::App;
use crate::traces::{Answered, Span};

/// The header that proxies set.
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How long an answer waits after the end of a body that a proxy has forwarded. Proxies on Go's net/http (Caddy, Traefik) break
/// an answer off if it begins between their sending the last of a body and their noting that it was the last. That takes
/// them microseconds, unless another thread has their CPU.
const AFTER_FORWARDED_BODY: Duration = Duration::from_millis(1);

/// They note the end before they send a body that fits, with its head, into a buffer of this many bytes.
const PROXY_BUFFER: usize = 4 << 10;

/// One port: its routes, and what their requests have in common.
#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) app: Arc<App>,
    pub(crate) port: PortName,
    pub(crate) base: BasePath,
    /// None on a port that needs no password.
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) routes: Router,
}

impl Edge {
    /// Answers a request.
    pub(crate) async fn serve(&self, request: Request) -> Response {
        self.serve_with(request, &Patience::default()).await
    }

    /// Answers one of a connection's requests, which come one after the other and share a timer.
    pub(crate) async fn serve_with(&self, request: Request, patience: &Patience) -> Response {
        let started = Instant::now();
        let id = request_id::of(request.headers());
        let route = self.route(request.uri().path());
        let method = known(request.method());
        let span = self.app.traces.as_ref().and_then(|traces| traces.begin(route, request.headers()));
        let mut response = self.answer(route, request, patience).await;
        let took = started.elapsed();
        let status =
            if self.port == PortName::Grpc { oip::grpc::http_status(&response) } else { response.status() };
        self.app.metrics.port(self.port).count(route, status.as_u16(), took);
        if let Some(refused) = response.extensions().get::<Refused>() {
            self.app.metrics.refusals.count(*refused);
        }
        if let Some(RefusedRows(rows)) = response.extensions().get() {
            self.app.metrics.rows.refuse(*rows);
        }
        let told = Told { method, route, port: self.port, status, span };
        if response.extensions().get::<ReadsOn>().is_some() {
            // Of a stream it is told at its end: only then is it known how long it took.
            let told = AtItsEnd { app: Arc::clone(&self.app), told: Some(told), started, id: id.clone() };
            response = response.map(|body| Body::new(With::new(body, told)));
        } else {
            told.tell(&self.app, took, &id);
        }
        self.in_form(route, response, id)
    }

    /// Answers a request of a connection beyond the limit, without looking at more than its head. It is counted as a
    /// connection that was refused, which is what alerts add to the requests that failed.
    pub(crate) fn turn_away<B>(&self, request: &http::Request<B>) -> Response {
        let (problem, id) = (Problem::overloaded(), request_id::of(request.headers()));
        let (route, status) = (self.route(request.uri().path()), problem.status());
        self.app.metrics.port(self.port).connections_refused.inc();
        problem.count(&self.app.metrics);
        let told = Told { method: known(request.method()), route, port: self.port, status, span: None };
        told.tell(&self.app, Duration::ZERO, &id);
        self.in_form(route, problem.into_response(), id)
    }

    /// With the request's id; errors in the form of its protocol.
    fn in_form(&self, route: Route, mut response: Response, id: HeaderValue) -> Response {
        response.headers_mut().insert(request_id::HEADER, id);
        match self.port {
            PortName::Grpc => oip::grpc::in_form(response),
            _ if route.is_inference() => oip::in_form(response),
            _ => response,
        }
    }

    /// The route of a path.
    pub(crate) fn route(&self, path: &str) -> Route {
        match self.port {
            PortName::Grpc => Route::of_call(path),
            PortName::Http | PortName::Public => Route::of(path, &self.base),
        }
    }

    async fn answer(&self, route: Route, request: Request, patience: &Patience) -> Response {
        let limit = self.app.limits.request_timeout;
        // Before anything is taken that others need: who waits for a password to be checked holds a connection only.
        if let Some(gate) = &self.gate {
            match patience.within(limit, gate.admit(request.headers())).await {
                Ok(Ok(())) => {}
                Ok(Err(problem)) => return problem.into_response(),
                Err(Late) => return Problem::too_many_checks().into_response(),
            }
        }
        let _in_flight = match self.app.requests.admit(self.port, route) {
            Ok(permit) => permit,
            Err(problem) => return problem.into_response(),
        };
        // A single row is scored as soon as it is there: only its body can be late.
        let (request, read) = match route {
            Route::Prediction => (request, None),
            _ => {
                let (request, read) = ReadToEnd::of(request);
                (request, Some(read))
            }
        };
        let is_forwarded = is_forwarded_in_pieces(&request);
        // Pinned where it is: it is too large to be moved about.
        let routed = pin!(self.routed(route, request));
        let handled = AssertUnwindSafe(routed).catch_unwind();
        match patience.within(limit, handled).await {
            Ok(Ok(response)) => {
                // Not where the body is still coming: there, the sooner it begins the better.
                if is_forwarded && read.as_ref().is_none_or(ReadToEnd::is_true) {
                    tokio::time::sleep(AFTER_FORWARDED_BODY).await;
                }
                response
            }
            // The panic hook has logged where it happened.
            Ok(Err(_panic)) => Problem::internal().into_response(),
            // Handlers wait for the client's body, and large batches for their turn. Streams that are still on their way are
            // answered before.
            Err(Late) if read.as_ref().is_some_and(ReadToEnd::is_true) => {
                Problem::answered_too_late(limit.as_secs_f64()).into_response()
            }
            Err(Late) => Problem::timed_out(limit.as_secs_f64()).into_response(),
        }
    }

    /// Single rows are what is asked for most: they are spared the router.
    async fn routed(&self, route: Route, request: Request) -> Response {
        if route == Route::Prediction && request.method() == Method::POST {
            return prediction::predict(State(Arc::clone(&self.app)), request).await.into_response();
        }
        let routed = Box::pin(self.routes.clone().oneshot(request));
        routed.await.unwrap_or_else(|never| match never {})
    }
}

/// Whether a proxy has forwarded it that sends the body in pieces, the last after what it takes for the rest.
fn is_forwarded_in_pieces(request: &Request) -> bool {
    let headers = request.headers();
    if !headers.contains_key(&FORWARDED_FOR) {
        return false;
    }
    let head: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let together = if headers.contains_key(EXPECT) { 0 } else { PROXY_BUFFER.saturating_sub(head) };
    request.body().size_hint().lower() > together as u64
}

/// What is told of a request, in log and trace.
struct Told {
    method: &'static str,
    route: Route,
    port: PortName,
    status: StatusCode,
    span: Option<Span>,
}

impl Told {
    fn tell(self, app: &App, took: Duration, id: &HeaderValue) {
        let Self { method, route, port, status, span } = self;
        let request_id = id.to_str().unwrap_or_default();
        let trace_id = span.as_ref().map(|span| span.trace_id.as_str());
        app.access_log.write(Line { method, route, port, status, took, request_id, trace_id });
        if let (Some(traces), Some(span)) = (&app.traces, span) {
            traces.end(span, &Answered { method, route, port, status, request_id });
        }
    }
}

/// Tells of it when it is dropped.
struct AtItsEnd {
    app: Arc<App>,
    told: Option<Told>,
    started: Instant,
    id: HeaderValue,
}

impl Drop for AtItsEnd {
    fn drop(&mut self) {
        if let Some(told) = self.told.take() {
            told.tell(&self.app, self.started.elapsed(), &self.id);
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
