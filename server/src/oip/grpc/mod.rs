//! The Open Inference Protocol over gRPC, on a port of its own inside the cluster.
//!
//! The services are adapters: a message's tensors take the same way as those of REST. What comes before and after a
//! call (request id, time-out, metrics, log) is the [edge](crate::edge), as on the other ports.

mod answer;
mod body;
mod codec;
mod contents;
mod error;
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; see xtask")]
mod health;
#[rustfmt::skip]
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated; see xtask")]
pub(crate) mod inference;
mod sent;
mod service;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures::FutureExt as _;
use tonic::codec::CompressionEncoding;
use tower::ServiceExt as _;

use self::health::health_server::HealthServer;
use self::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use self::service::Calls;
use crate::state::App;

pub(crate) use self::error::{http_status, in_form};

/// The paths of the calls that score, and of all others of a service.
pub(crate) const INFER: &str = "/inference.GRPCInferenceService/ModelInfer";
pub(crate) const SERVICES: [&str; 2] = ["/inference.GRPCInferenceService/", "/grpc.health.v1.Health/"];

/// The routes of the port `grpc`.
pub(crate) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let largest = app.limits.max_body_bytes;
    let inference = GrpcInferenceServiceServer::new(Calls::new(app))
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(largest)
        // The limits are on what comes; what is answered to it follows.
        .max_encoding_message_size(usize::MAX);
    let health = HealthServer::new(Calls::new(app)).max_decoding_message_size(largest);
    let [inference_path, health_path] = SERVICES.map(|path| format!("{path}{{call}}"));
    Router::new()
        .route_service(&inference_path, around(app, inference))
        .route_service(&health_path, around(app, health))
}

/// A service whose requests and answers are counted among the bodies that are held.
fn around<S>(
    app: &Arc<App>,
    service: S,
) -> impl tower::Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ Sync
+ 'static
where
    S: tower::Service<Request, Response = http::Response<tonic::body::Body>, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    let app = Arc::clone(app);
    tower::service_fn(move |request: Request| {
        let (request, part) = body::held(request, &app);
        let answered = service.clone().oneshot(request);
        let stall = app.limits.stall_timeout;
        answered.map(move |answered| {
            answered.map(|response| error::not_ours(body::until_sent(response.map(Body::new), part, stall)))
        })
    })
}
