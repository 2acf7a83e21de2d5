//! One HTTP/1 connection from its first byte to its close.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::future::BoxFuture;
use http::Request;
use http::header::{CONNECTION, HeaderValue};
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;

use super::activity::{Activity, Doing, Places, Timeouts, Watchdog};
use super::again::polled_again;
use super::phase::Phases;
use super::socket::Socket;
use super::{Place, Port};
use crate::body::{ReadsOn, With};
use crate::metrics::PortName;
use crate::patience::Patience;
use crate::tls::Stream;

/// The largest head of a request, and with it what a connection can make us hold outside of bodies: about twice as
/// much, before any password. All connections of both ports together must stay below a pod's default memory.
pub(super) const MAX_HEAD_BYTES: usize = 16 << 10;

/// One connection.
pub(super) struct Connection {
    stream: Stream,
    service: Service,
}

impl Connection {
    pub(super) fn new(stream: Stream, service: Service) -> Self {
        Self { stream, service }
    }

    /// Serves until either side ends it, a time-out fires, or the server closes.
    pub(super) async fn run(self) {
        let Self { stream, service } = self;
        let Inner { port, place, phases, activity, .. } = &*service.0;
        let limits = &port.app.limits;
        let places = Places { free: Arc::clone(&port.connections), all: limits.max_connections };
        let timeouts = match place {
            Place::Regular => Timeouts::regular(limits, places),
            Place::Reserve => Timeouts::reserve(limits, places),
        };
        let mut watchdog = Watchdog::new(Arc::clone(activity), timeouts);
        let socket = Socket::new(stream, Arc::clone(activity), Arc::clone(port));
        let mut connection = pin!(builder().serve_connection(TokioIo::new(socket), service.clone()));
        let mut closing = pin!(Some(phases.closing()));
        let mut asked = false;
        polled_again(poll_fn(|context| {
            loop {
                // The connection comes first: what has arrived is read before anything is closed. Errors are the
                // client's: it broke off, or did not speak HTTP and has been told so.
                if connection.as_mut().poll(context).is_ready() || watchdog.poll(context).is_ready() {
                    return Poll::Ready(());
                }
                // All connections wait for it under one lock, so it is asked once and again when something has changed.
                if asked && !phases.have_moved() {
                    return Poll::Pending;
                }
                asked = true;
                let Some(waiting) = closing.as_mut().as_pin_mut() else { return Poll::Pending };
                ready!(waiting.poll(context));
                closing.set(None);
                // A request whose head is on its way is still answered, with `Connection: close`.
                if activity.doing() != Doing::Head {
                    connection.as_mut().graceful_shutdown();
                }
            }
        }))
        .await;
    }
}

pub(super) fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    // hyper's header time-out also runs while a connection is idle; the watchdog tells the two apart.
    builder.header_read_timeout(None);
    builder.max_header_size(MAX_HEAD_BYTES).max_buf_size(2 * MAX_HEAD_BYTES);
    builder
}

/// What hyper calls with each request: what the port answers, told what the connection is doing.
#[derive(Clone)]
pub(super) struct Service(Arc<Inner>);

struct Inner {
    port: Arc<Port>,
    place: Place,
    phases: Phases,
    activity: Arc<Activity>,
    patience: Patience,
}

impl Service {
    pub(super) fn new(port: Arc<Port>, place: Place, phases: Phases) -> Self {
        let (activity, patience) = Default::default();
        Self(Arc::new(Inner { port, place, phases, activity, patience }))
    }
}

impl Inner {
    async fn answer(&self, request: Request<Incoming>) -> Response {
        let mut response = match self.refusal(&request) {
            Some(refused) => refused,
            None => {
                let request = request.map(|body| Body::new(Tracked::new(body, &self.activity)));
                self.port.edge.serve_with(request, &self.patience).await
            }
        };
        // A body that was not wanted (wrong password, wrong type) is not read, so no other request can follow it.
        let unwanted = self.activity.has_unread_body() && response.extensions().get::<ReadsOn>().is_none();
        if self.place == Place::Reserve || self.phases.ends_connections() || unwanted {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// In the reserve only the kubelet is answered.
    fn refusal(&self, request: &Request<Incoming>) -> Option<Response> {
        if self.place == Place::Regular {
            return None;
        }
        let route = self.port.edge.route(request.uri().path());
        if route.is_probe() && self.port.name == PortName::Http {
            return None;
        }
        Some(self.port.edge.turn_away(request))
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<With<Reported>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.0.activity.busy();
        let service = Arc::clone(&self.0);
        // The room comes first, so that the future can be made in it: `Box::pin` makes it elsewhere and copies its kilobytes.
        let room = Box::new_uninit();
        let answer = Box::write(room, async move {
            let response = service.answer(request).await;
            Ok(response.map(|body| With::new(body, Reported(service))))
        });
        Box::into_pin(answer)
    }
}

/// A request's body, which notes whether it has been read to its end.
struct Tracked {
    body: Incoming,
    activity: Arc<Activity>,
}

impl Tracked {
    fn new(body: Incoming, activity: &Arc<Activity>) -> Self {
        let length = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
        activity.body_begins(length);
        Self { body, activity: Arc::clone(activity) }
    }
}

impl hyper::body::Body for Tracked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            self.activity.body_read(bytes);
        }
        if frame.is_none() || self.body.is_end_stream() {
            self.activity.set_unread_body(false);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Held by a response's body; hyper drops it when it has taken the last of it.
pub(super) struct Reported(Arc<Inner>);

impl Drop for Reported {
    fn drop(&mut self) {
        self.0.activity.answered();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::again::tests::{Told, poll_once, times};
    use super::*;
    use crate::tests::fixture;

    /// Else a connection would be polled a second time for each request, at the end of the queue, and find another one there.
    #[tokio::test]
    async fn a_request_that_is_there_is_answered_in_one_turn_which_asks_for_no_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let row = fixture::ORDINARY;
        let head = "POST /prediction HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length";
        client.write_all(format!("{head}: {}\r\n\r\n{row}", row.len()).as_bytes()).await.unwrap();
        socket.readable().await.unwrap();
        let (_server, phases) = Phases::new();
        let service = Service::new(Port::new(fixture::http()), Place::Regular, phases);
        let mut connection = pin!(Connection::new(Stream::Plain(socket), service).run());
        let told = Arc::<Told>::default();
        assert!(poll_once(connection.as_mut(), &told).is_pending());
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!((str::from_utf8(&answer).unwrap(), times(&told)), ("HTTP/1.1 200", 0));
    }
}
