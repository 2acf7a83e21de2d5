//! One HTTP/2 connection from its first byte to its close: what gRPC speaks.
//!
//! A connection carries many requests at once, so it is watched as a whole: a peer that is gone is found by pings, one
//! on which nothing moves for the idle time is told so and closed. While the server closes, what is in flight is
//! answered, and a GOAWAY has told the client to send the rest elsewhere; until then a connection stays, in lame duck,
//! too.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::future::BoxFuture;
use http::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::Port;
use super::connection::MAX_HEAD_BYTES;
use super::phase::Phases;
use crate::tls::Stream;

/// Requests that one connection may have in flight; more wait at the client.
const MAX_STREAMS: u32 = 128;
/// Bytes that a client may send ahead: on a stream, and on all of a connection's.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;
/// How often a silent peer is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves until either side ends it, nothing moves for too long, or the server closes.
pub(super) async fn serve(stream: Stream, port: Arc<Port>, phases: Phases) {
    let limits = port.app.limits.clone();
    let streams = Arc::new(Streams::default());
    let service = Service { port: Arc::clone(&port), streams: Arc::clone(&streams) };
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_WINDOW as usize)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut closing = pin!(phases.closing());
    let mut unused = pin!(streams.unused(&port, limits.header_timeout));
    let mut still =
        pin!(streams.still(limits.idle_timeout.max(limits.request_timeout + limits.stall_timeout)));
    let mut told = false;
    loop {
        tokio::select! {
            biased;
            _ = connection.as_mut() => return,
            () = &mut unused => break,
            () = &mut still => break,
            () = &mut closing, if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
    // A GOAWAY: a call that is under way just now is answered, or the client knows that it can be made again.
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(limits.linger, connection).await;
}

/// Whether the requests of one connection move: the number grows with everything that happens.
#[derive(Debug, Default)]
struct Streams(AtomicU64);

impl Streams {
    fn moved(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns when nothing has moved for so long.
    async fn still(&self, limit: Duration) {
        loop {
            let before = self.0.load(Ordering::Relaxed);
            tokio::time::sleep(limit).await;
            if self.0.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }

    /// Returns when there has never been a request and more than half of the port's places are taken.
    async fn unused(&self, port: &Port, limit: Duration) {
        loop {
            tokio::time::sleep(limit).await;
            if self.0.load(Ordering::Relaxed) > 0 {
                return std::future::pending().await;
            }
            if port.connections.available_permits() < port.app.limits.max_connections / 2 {
                return;
            }
        }
    }
}

#[derive(Clone)]
struct Service {
    port: Arc<Port>,
    streams: Arc<Streams>,
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Watched<Body>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (edge, streams) = (Arc::clone(&self.port.edge), Arc::clone(&self.streams));
        streams.moved();
        let request = request.map(|body| Body::new(Watched { body, streams: Arc::clone(&streams) }));
        Box::pin(async move {
            let response = edge.serve(request).await;
            Ok(response.map(|body| Watched { body, streams }))
        })
    }
}

/// A body whose frames are movements.
struct Watched<B> {
    body: B,
    streams: Arc<Streams>,
}

impl<B: hyper::body::Body<Data = Bytes> + Unpin> hyper::body::Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.streams.moved();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
